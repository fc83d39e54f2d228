//! 1.3: rows that go, and those that come back.

use super::{
    CONTACT, LINKED, STAMPED,
    stage::{ALL, Given, Step::*, everywhere, play, play_with},
};

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

#[test]
fn d8_a_delete_is_remembered_for_as_long_as_somebody_is_away_however_short_history_is_kept() {
    play_with(
        &CONTACT,
        &[(
            "\nentities:",
            "\ndefaults: {retention: {logs: 0s, quarantine: 0s, history: 0s}}\nentities:",
        )],
        &[
            LINKED,
            Do(|stage| stage.leave(2)),
            In("a", "delete from contact"),
            RunEnds(3, [0, 1, 0]),
            RunEnds(3, [0, 0, 0]),
            Do(|stage| stage.come_back(2)),
            Run([0, 0, 1]),
            Show(ALL, &[]),
        ],
    );
}
