//! 1.2: edits that do not know of each other.

use super::{
    CONTACT, LINKED, STAMPED,
    stage::{ALL, Given, Step::*, everywhere, play, play_with},
};

#[test]
fn m1_edits_of_different_fields_both_arrive() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1'"),
            In("b", "update contact set email = 's@x'"),
            Run([1, 1, 1]),
            Show(ALL, &["s@x|N0|P1|S0"]),
            Conflicts(&[]),
        ],
    );
}

#[test]
fn m2_the_system_that_stands_first_wins_and_the_loser_is_kept() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1'"),
            In("b", "update contact set phone = 'P2'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2, a by priority"]),
            Told(&["lost: phone P2 from b:21 lost, P1 stays"]),
        ],
    );
}

#[test]
fn m3_the_same_edit_on_both_sides_is_no_conflict() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("ab", "update contact set phone = 'P1'"),
            Run([0, 0, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Conflicts(&[]),
        ],
    );
}

#[test]
fn m4_three_different_edits_are_one_conflict_with_two_losers() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1'"),
            In("b", "update contact set phone = 'P2'"),
            In("c", "update contact set phone = 'P3'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2 c=P3, a by priority"]),
        ],
    );
}

#[test]
fn m5_the_first_of_those_who_edited_wins() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("b", "update contact set phone = 'P2'"),
            In("c", "update contact set phone = 'P3'"),
            Run([1, 0, 1]),
            Show(ALL, &["r@x|N0|P2|S0"]),
            Conflicts(&["phone P0: b=P2 c=P3, b by priority"]),
        ],
    );
}

const NEWEST: [(&str, &str); 1] = [("match: email", "match: email\n    conflicts: newest")];

#[test]
fn m6_the_newest_edit_wins_whoever_stands_first() {
    play_with(
        &STAMPED,
        &NEWEST,
        &[
            LINKED,
            In(
                "a",
                "update contact set phone = 'P1', name = 'N1', changed = '2024-05-02 10:00:02'",
            ),
            In("b", "update contact set phone = 'P2', changed = '2024-05-02 10:00:05'"),
            In("c", "update contact set name = 'N3', changed = '2024-05-02 10:00:01'"),
            Run([1, 1, 1]),
            Show(ALL, &["r@x|N1|P2|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2, b by newest", "name N0: a=N1 c=N3, a by newest"]),
        ],
    );
}

#[test]
fn m7_of_two_edits_at_the_same_time_the_first_systems_wins() {
    play_with(
        &STAMPED,
        &NEWEST,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1', changed = '2024-05-02 10:00:05'"),
            In("b", "update contact set phone = 'P2', changed = '2024-05-02 10:00:05'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2, a by newest"]),
        ],
    );
}

#[test]
fn m8_a_clock_that_is_ahead_does_not_win() {
    play_with(
        &STAMPED,
        &NEWEST,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1', changed = {now}"),
            In("b", "update contact set phone = 'P2', changed = {later}"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2, a by newest"]),
            Told(&["phone P2 from b:21 lost", "detect.clock_suspect"]),
        ],
    );
}

#[test]
fn m9_an_edit_outside_the_owner_of_a_field_is_reverted() {
    play_with(
        &CONTACT,
        &[("phone: {@phone}", "phone: {@phone, from: b}")],
        &[
            LINKED,
            In("a", "update contact set phone = 'P1', name = 'N1'"),
            Run([1, 1, 1]),
            Show(ALL, &["r@x|N1|P0|S0"]),
            Told(&["rejected: phone P1 from a:11 not taken", "owned by other systems"]),
            In("b", "update contact set phone = 'P2'"),
            Run([1, 0, 1]),
            Show(ALL, &["r@x|N1|P2|S0"]),
        ],
    );
}

const STOCK: Given = Given {
    tables: "create table stock (id {id}, sku {text} not null unique, balance {big} not null)",
    rows: ["insert into stock (sku, balance) values ('s', 100)"; 3],
    mapping: "
entities:
  stock:
    in: {@stock}
    match: sku
    fields:
      sku: {@sku}
      balance: {@balance, conflicts: add}
",
    show: "select sku, balance from stock",
};

#[test]
fn m10_counters_add_up_what_both_sides_did() {
    play(
        &STOCK,
        &[
            // Without marks our own writes cannot be told from others': such a counter is refused.
            Cli(2, "check --online"),
            Cli(0, "doctor --fix --yes"),
            Cli(0, "check --online"),
            LINKED,
            In("a", "update stock set balance = 90"),
            In("b", "update stock set balance = 130"),
            Run([1, 1, 1]),
            Show(ALL, &["s|120"]),
            // What was seen before changes nothing when it is seen again.
            Cli(0, "refresh stock --full"),
            Cli(0, "run --since 1d"),
            Show(ALL, &["s|120"]),
            In("c", "update stock set balance = balance - 20"),
            In("b", "update stock set balance = balance + 1"),
            Run([1, 1, 1]),
            Show(ALL, &["s|101"]),
        ],
    );
}

const TAGGED: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, tags {text})",
    rows: ["insert into contact (email, tags) values ('r@x', 'x,y')"; 3],
    mapping: "
entities:
  contact:
    in: {@contact}
    match: email
    fields:
      email: {@email}
      tags:
        type: set
        conflicts: merge
        a: {column: tags, list: \",\"}
        b: {column: tags, list: \",\"}
        c: {column: tags, list: \",\"}
",
    show: "select email, tags from contact",
};

#[test]
fn m11_members_taken_out_and_put_in_are_merged() {
    play(
        &TAGGED,
        &[
            LINKED,
            In("a", "update contact set tags = 'y'"),
            In("b", "update contact set tags = 'x,y,z'"),
            Run([1, 1, 1]),
            Show(ALL, &["r@x|y,z"]),
        ],
    );
}

const ADDRESS: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, street {text}, zip {text})",
    rows: ["insert into contact (email, street, zip) values ('r@x', 'S0', 'Z0')"; 3],
    mapping: "
entities:
  contact:
    in: {@contact}
    match: email
    units: {address: [street, zip]}
    fields:
      email: {@email}
      street: {@street}
      zip: {@zip}
",
    show: "select email, street, zip from contact",
};

#[test]
fn m12_the_fields_of_a_unit_win_or_lose_together() {
    play(
        &ADDRESS,
        &[
            LINKED,
            In("a", "update contact set street = 'S1'"),
            In("b", "update contact set zip = 'Z1'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|S1|Z0"]),
            Do(|stage| {
                let conflicts = stage.conflicts();
                assert_eq!(conflicts.len(), 1, "{conflicts:?}");
                assert!(
                    conflicts[0].contains("S0") && conflicts[0].contains("Z1"),
                    "{conflicts:?}"
                );
            }),
        ],
    );
}

const PHONES: [(&str, &str); 1] = [(
    "phone: {@phone}",
    "phone: {type: phone, region: ES, a: {column: phone, phone: international}, b: {column: phone, phone: national}, c: phone}",
)];

#[test]
fn m14_the_same_telephone_number_in_two_forms_is_no_difference() {
    play_with(
        &CONTACT,
        &PHONES,
        &[
            In("a", "update contact set phone = '+34 600 111 222'"),
            In("b", "update contact set phone = '600111222'"),
            In("c", "update contact set phone = '+34600111222'"),
            LINKED,
            In("a", "update contact set phone = '+34 600 222 333'"),
            In("b", "update contact set phone = '600222333'"),
            Run([0, 0, 1]),
            Show("a", &["r@x|N0|+34 600 222 333|S0"]),
            Show("b", &["r@x|N0|600222333|S0"]),
            Conflicts(&[]),
        ],
    );
}

const MANUAL: [(&str, &str); 1] = [("phone: {@phone}", "phone: {@phone, conflicts: manual}")];

#[test]
fn m15_a_manual_conflict_holds_its_field_until_a_person_decides() {
    play_with(
        &CONTACT,
        &MANUAL,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1', name = 'N1'"),
            In("b", "update contact set phone = 'P2'"),
            RunEnds(4, [0, 1, 1]),
            Show("a", &["r@x|N1|P1|S0"]),
            Show("b", &["r@x|N1|P2|S0"]),
            Show("c", &["r@x|N1|P0|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2, open"]),
            Run([0, 0, 0]),
            Cli(0, "conflicts resolve 1 --take b --note credit"),
            Show(ALL, &["r@x|N1|P2|S0"]),
            Conflicts(&["phone P0: a=P1 b=P2, b by person"]),
            Told(&["(steward1: credit)"]),
        ],
    );
}

#[test]
fn m16_a_later_edit_moves_its_candidate_and_opens_nothing_new() {
    play_with(
        &CONTACT,
        &MANUAL,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1'"),
            In("b", "update contact set phone = 'P2'"),
            RunEnds(4, [0, 0, 0]),
            In("a", "update contact set phone = 'P4'"),
            Run([0, 0, 0]),
            Conflicts(&["phone P0: a=P4 b=P2, open"]),
        ],
    );
}

#[test]
fn m20_edits_heard_in_any_order_come_to_the_same() {
    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    const ROWS: &str =
        "insert into contact (email) values ('0'), ('1'), ('2'), ('3'), ('4'), ('5')";
    everywhere(&Given { rows: [ROWS; 3], ..CONTACT }, &[], |stage| {
        stage.take_steps(&[LINKED]);
        for (round, order) in ORDERS.iter().enumerate() {
            for (at, name) in ["a", "b", "c"].iter().enumerate() {
                let edit = format!("update contact set phone = '{name}' where email = '{round}'");
                stage.sql(at, &edit);
                stage.expect(0, &["pause", name]);
            }
            for at in order {
                stage.expect(0, &["resume", ["a", "b", "c"][*at]]);
                stage.expect(0, &["run"]);
            }
            for at in 0..3 {
                let query = format!("select phone from contact where email = '{round}'");
                assert_eq!(stage.sql(at, &query), ["a"], "order {order:?}");
            }
        }
    });
}
