//! 1.2: edits that do not know of each other.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Step::*, everywhere, play},
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
