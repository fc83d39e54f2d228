//! 1.3: rows that go, and those that come back.

use super::{
    CONTACT, LINKED, STAMPED,
    stage::{ALL, Given, Step::*, everywhere, play, play_with},
};

#[test]
fn d1_a_delete_in_the_first_system_beats_an_edit_and_keeps_it() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "delete from contact"),
            In("b", "update contact set phone = 'P2'"),
            Run([0, 1, 1]),
            Show(ALL, &[]),
            Told(&["P2", "b:21"]),
        ],
    );
}

#[test]
fn d2_an_edit_in_the_first_system_beats_a_delete() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("b", "delete from contact"),
            In("a", "update contact set phone = 'P1'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Told(&["delete in b:21 overridden"]),
        ],
    );
}

#[test]
fn d3_a_delete_beats_an_edit_in_a_system_that_stands_behind() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("b", "delete from contact"),
            In("c", "update contact set phone = 'P3'"),
            Run([1, 0, 1]),
            Show(ALL, &[]),
            Told(&["P3", "c:31"]),
        ],
    );
}

#[test]
fn d4_update_wins_restores_and_delete_wins_deletes() {
    let edits = [
        LINKED,
        In("a", "delete from contact"),
        In("b", "update contact set phone = 'P2'"),
        Run([1, 0, 1]),
        Show(ALL, &["r@x|N0|P2|S0"]),
    ];
    play_with(
        &CONTACT,
        &[("match: email", "match: email\n    delete_conflict: update_wins")],
        &edits,
    );
    let edits = [
        LINKED,
        In("b", "delete from contact"),
        In("a", "update contact set phone = 'P1'"),
        Run([1, 0, 1]),
        Show(ALL, &[]),
    ];
    play_with(
        &CONTACT,
        &[("match: email", "match: email\n    delete_conflict: delete_wins")],
        &edits,
    );
}

/// Contacts that are marked as deleted, everywhere, with the time of the last change.
const MARKED: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, status {text}, gone {text}, changed {moment})",
    mapping: "
timezone: UTC
entities:
  contact:
    in:
      a: {table: contact, changed_at: changed}
      b: {table: contact, changed_at: changed}
      c: {table: contact, changed_at: changed}
    match: email
    deletes: {policy: soft, a: {set: {gone: \"yes\"}}, b: {set: {gone: \"yes\"}}, c: {set: {gone: \"yes\"}}}
    delete_conflict: newest
    fields:
      email: {@email}
      name: {@name}
      phone: {@phone}
      status: {@status}
",
    show: "select phone, gone from contact order by email",
    ..STAMPED
};

#[test]
fn d4_newest_decides_by_time_where_deletes_tell_theirs() {
    let at = |set: &str, seconds: &str| {
        format!("update contact set {set}, changed = '2024-05-01 10:00:{seconds}'")
    };
    everywhere(&MARKED, &[], |stage| {
        stage.expect(0, &["run", "--yes"]);
        stage.sql(1, &at("gone = 'yes'", "02"));
        stage.sql(2, &at("phone = 'P2'", "05"));
        stage.expect(0, &["run"]);
        for system in 0..3 {
            assert_eq!(stage.sql(system, MARKED.show), ["P2|NULL"], "the edit is newer");
        }
        stage.sql(1, &at("gone = 'yes'", "09"));
        stage.sql(2, &at("phone = 'P3'", "07"));
        stage.expect(0, &["run"]);
        for system in 0..3 {
            let rows = stage.sql(system, "select gone from contact");
            assert_eq!(rows, ["yes"], "the delete is newer");
        }
        assert_eq!(stage.conflicts().len(), 2);
    });
}

#[test]
fn d4_newest_is_refused_where_nobody_knows_when_a_row_was_deleted() {
    play(
        &STAMPED,
        &[
            LINKED,
            Do(|stage| {
                stage.map(
                    &STAMPED
                        .mapping
                        .replace("match: email", "match: email\n    delete_conflict: newest"),
                );
                let done = stage.syncline(&["run"]);
                assert_eq!(done.code, 2, "{}", done.stderr);
                assert!(done.stderr.contains("config.unsupported"), "{}", done.stderr);
                assert!(done.stderr.contains("when a row of a was deleted"), "{}", done.stderr);
                stage.map(STAMPED.mapping);
            }),
        ],
    );
}

#[test]
fn d5_two_deletes_are_one() {
    play(
        &CONTACT,
        &[LINKED, In("ac", "delete from contact"), Run([0, 1, 0]), Show(ALL, &[]), Conflicts(&[])],
    );
}

#[test]
fn d6_a_delete_by_a_system_that_may_not_is_undone() {
    play_with(
        &CONTACT,
        &[("match: email", "match: email\n    deletes: {policy: propagate, from: a}")],
        &[
            LINKED,
            In("b", "delete from contact"),
            Run([0, 1, 0]),
            Show(ALL, &["r@x|N0|P0|S0"]),
            Told(&["b:21"]),
        ],
    );
}

#[test]
fn d7_a_row_made_again_under_another_key_is_the_same_record() {
    play(
        &CONTACT,
        &[
            LINKED,
            In(
                "a",
                "delete from contact; insert into contact (id, email, name, phone, status) values (12, 'r@x', 'N0', 'P1', 'S0')",
            ),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Query("b", "select id from contact", &["21"]),
            Query("c", "select id from contact", &["31"]),
        ],
    );
}

const DOZEN: &str = "insert into contact (email) values ('01'), ('02'), ('03'), ('04'), ('05'), ('06'), ('07'), ('08'), ('09'), ('10'), ('11'), ('12')";

#[test]
fn d11_an_empty_system_is_a_failure_and_not_a_delete() {
    play(
        &Given { rows: [DOZEN; 3], ..CONTACT },
        &[
            LINKED,
            In("a", "create table kept as select * from contact; delete from contact"),
            Cli(5, "run"),
            Query("bc", "select count(*) from contact", &["12"]),
            In("a", "insert into contact select * from kept"),
        ],
    );
}

#[test]
fn d13_a_mass_delete_waits_for_a_person_who_lets_exactly_that_through() {
    let limits =
        [("match: email", "match: email\n    guards: {deletes: {max: 2, max_percent: 20}}")];
    play_with(
        &Given { rows: [DOZEN; 3], ..CONTACT },
        &limits,
        &[
            LINKED,
            In("a", "delete from contact where email > '05'"),
            Cli(5, "run"),
            Query("bc", "select count(*) from contact", &["12"]),
            Cli(0, "guards dismiss 1"),
            Query("bc", "select count(*) from contact", &["12"]),
            Cli(5, "run"),
            Cli(0, "guards apply 2 --yes"),
            Query(ALL, "select count(*) from contact", &["5"]),
        ],
    );
}

#[test]
fn d14_a_record_that_leaves_the_scope_stays_linked_or_goes() {
    let scoped = |leave: &'static str| [("match: email", leave)];
    let freeze = scoped("match: email\n    when: status != 'internal'");
    play_with(
        &CONTACT,
        &freeze,
        &[
            LINKED,
            In("a", "update contact set status = 'internal', phone = 'P1'"),
            Run([0, 0, 0]),
            Show("bc", &["r@x|N0|P0|S0"]),
            In("a", "update contact set status = 'S0'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
        ],
    );
}

#[test]
fn d14_what_leaves_the_scope_is_let_go_or_taken_away_and_comes_back() {
    for (on_leave, gone) in [("detach", false), ("delete", true)] {
        let scoped =
            format!("match: email\n    on_leave: {on_leave}\n    when: status != 'internal'");
        let scoped = [("match: email", scoped.as_str())];
        let left: &'static [&'static str] = if gone { &[] } else { &["r@x|N0|P0|S0"] };
        everywhere(&CONTACT, &scoped, |stage| {
            let writes = u64::from(gone);
            stage.take_steps(&[
                LINKED,
                In("a", "update contact set status = 'internal', phone = 'P1'"),
                Run([0, writes, writes]),
                Show("bc", left),
                Show("a", &["r@x|N0|P1|internal"]),
                Run([0, 0, 0]),
                In("a", "update contact set status = 'S0'"),
                Run([0, 1, 1]),
                Show(ALL, &["r@x|N0|P1|S0"]),
            ]);
        });
    }
}

const ORDERS: Given = Given {
    tables: "create table orders (id {id}, number {text} not null unique, note {text});
             create table item (id {id}, order_id {big} not null, sku {text} not null, qty {big}, foreign key (order_id) references orders (id))",
    rows: [
        "insert into orders (id, number) values (11, 'o'); insert into item (order_id, sku, qty) values (11, 's', 1), (11, 't', 2)",
        "insert into orders (id, number) values (21, 'o'); insert into item (order_id, sku, qty) values (21, 's', 1), (21, 't', 2)",
        "insert into orders (id, number) values (31, 'o'); insert into item (order_id, sku, qty) values (31, 's', 1), (31, 't', 2)",
    ],
    mapping: "
entities:
  orders:
    in: {@orders}
    match: number
    fields:
      number: {@number}
      note: {@note}
    lines:
      in: {a: {table: item, parent: order_id}, b: {table: item, parent: order_id}, c: {table: item, parent: order_id}}
      key: sku
      fields:
        sku: {@sku}
        qty: {@qty}
",
    show: "select o.number, i.sku, i.qty from orders o left join item i on i.order_id = o.id order by o.number, i.sku",
};

#[test]
fn d16_an_order_goes_after_its_lines() {
    play(
        &ORDERS,
        &[LINKED, In("a", "delete from item; delete from orders"), Cli(0, "run"), Show(ALL, &[])],
    );
}

#[test]
fn d17_a_row_that_came_and_went_was_never_there() {
    play(
        &CONTACT,
        &[
            LINKED,
            In(
                "a",
                "insert into contact (email) values ('s@x'); delete from contact where email = 's@x'",
            ),
            Run([0, 0, 0]),
            Show(ALL, &["r@x|N0|P0|S0"]),
        ],
    );
}

#[test]
fn d18_of_a_key_used_twice_the_last_row_lives() {
    play(
        &CONTACT,
        &[
            LINKED,
            In(
                "a",
                "insert into contact (id, email, name) values (50, 's@x', 'N1'); update contact set name = 'N2' where id = 50; delete from contact where id = 50; insert into contact (id, email, name) values (50, 's@x', 'N3')",
            ),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P0|S0", "s@x|N3|NULL|NULL"]),
        ],
    );
}

#[test]
fn i8_a_key_used_again_for_somebody_else_is_somebody_else() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("a", "delete from contact"),
            Run([0, 1, 1]),
            In("a", "insert into contact (id, email, name) values (11, 'new@x', 'N9')"),
            Run([0, 1, 1]),
            Show(ALL, &["new@x|N9|NULL|NULL"]),
            Told(&["created from a:11"]),
        ]);
    });
}

/// Contacts of whom `a` only says that they are gone.
const FLAGGED: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, status {text}, gone {text})",
    ..CONTACT
};

#[test]
fn d15_a_flag_in_one_system_is_a_delete_in_another_and_back() {
    play_with(
        &FLAGGED,
        &[("match: email", "match: email\n    deletes: {policy: soft, a: {set: {gone: \"yes\"}}}")],
        &[
            LINKED,
            In("a", "update contact set gone = 'yes'"),
            Run([0, 1, 1]),
            Show("bc", &[]),
            Query("a", "select id, name, gone from contact", &["11|N0|yes"]),
            In("a", "update contact set gone = null, phone = 'P1'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            // The link is the same: an edit over there finds the row that was flagged.
            In("b", "update contact set phone = 'P2'"),
            Run([1, 0, 1]),
            Query("a", "select id, phone, gone from contact", &["11|P2|NULL"]),
            In("b", "delete from contact"),
            Run([1, 0, 1]),
            Query("a", "select id, phone, gone from contact", &["11|P2|yes"]),
            Show("bc", &[]),
            Run([0, 0, 0]),
            In("a", "update contact set gone = null"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P2|S0"]),
        ],
    );
}

/// A customer with two orders, whose system of origin does not keep the reference whole.
const CASCADE: Given = Given {
    tables: "create table customer (id {id}, code {text} not null unique);
             create table orders (id {id}, number {text} not null unique, customer {big} not null, foreign key (customer) references customer (id))",
    rows: [
        "drop table orders; create table orders (id {id}, number {text} not null unique, customer {big} not null);
         insert into customer (id, code) values (11, 'k'); insert into orders (number, customer) values ('o', 11), ('p', 11)",
        "insert into customer (id, code) values (21, 'k'); insert into orders (number, customer) values ('o', 21), ('p', 21)",
        "insert into customer (id, code) values (31, 'k'); insert into orders (number, customer) values ('o', 31), ('p', 31)",
    ],
    mapping: "
entities:
  customer:
    in: {@customer}
    match: code
    fields:
      code: {@code}
  orders:
    in: {@orders}
    match: number
    on_parent_delete: cascade
    guards: {deletes: {max: 1, max_percent: 1}}
    fields:
      number: {@number}
      customer: {ref: customer, @customer}
",
    show: "select k.code, o.number from customer k left join orders o on o.customer = k.id order by k.code, o.number",
};

#[test]
fn d16_what_goes_with_its_customer_is_planned_and_guarded_like_any_delete() {
    everywhere(&CASCADE, &[], |stage| {
        stage.take_steps(&[LINKED, In("a", "delete from customer")]);
        let plan = stage.expect(0, &["plan", "--out", "first.plan"]);
        let deletes = |entity: usize| {
            let systems = &plan["result"]["entities"][entity]["systems"];
            ["a", "b", "c"].map(|system| systems[system]["deletes"].as_u64().unwrap_or(0))
        };
        assert_eq!([deletes(0), deletes(1)], [[0, 1, 1], [2, 2, 2]], "{plan}");
        // Two orders of two are too many for the guard, and the customer waits for them.
        stage.take_steps(&[
            RunEnds(5, [0, 0, 0]),
            Show("bc", &["k|o", "k|p"]),
            Cli(0, "apply first.plan --yes --allow deletes"),
            Show(ALL, &[]),
        ]);
    });
}
