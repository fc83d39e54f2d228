//! 1.2: edits that do not know of each other.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Step::*, everywhere, play, play_with},
};

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
fn m10_a_counter_is_refused_until_our_own_writes_can_be_told_from_others() {
    play(
        &STOCK,
        &[
            Cli(2, "check --online"),
            Cli(0, "doctor --fix --yes"),
            Cli(0, "check --online"),
            LINKED,
            Show(ALL, &["s|100"]),
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

#[test]
fn m19_an_expression_that_fails_or_takes_too_long_decides_nothing_and_holds_up_nobody() {
    // Each asks whoever is offered twice again: a million steps.
    let endless =
        (0..20).fold("'x'".to_owned(), |inner, depth| format!("candidates.map(v{depth}, {inner})"));
    for expression in ["string(1 / (base.size() - 2))", &format!("string({endless}.size())")] {
        let cell = format!("phone: {{@phone, conflicts: {{expr: \"{expression}\"}}}}");
        play_with(
            &CONTACT,
            &[("phone: {@phone}", &cell)],
            &[
                LINKED,
                In("a", "update contact set phone = 'P1', name = 'N1'"),
                In("a", "insert into contact (email, phone) values ('s@x', 'Q0')"),
                In("b", "update contact set phone = 'P2'"),
                RunEnds(4, [0, 2, 2]),
                Conflicts(&["phone P0: a=P1 b=P2, open"]),
                Show("a", &["r@x|N1|P1|S0", "s@x|NULL|Q0|NULL"]),
                Show("b", &["r@x|N1|P2|S0", "s@x|NULL|Q0|NULL"]),
                Show("c", &["r@x|N1|P0|S0", "s@x|NULL|Q0|NULL"]),
                Cli(0, "conflicts resolve 1 --take b"),
                Show(ALL, &["r@x|N1|P2|S0", "s@x|NULL|Q0|NULL"]),
            ],
        );
    }
}
