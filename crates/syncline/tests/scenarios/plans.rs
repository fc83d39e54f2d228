//! 1.9: what a plan says is what is done, and nothing that changed since.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Stage, Step::*, everywhere, play, written},
};

const DOZEN: &str = "insert into contact (email) values ('01'), ('02'), ('03'), ('04'), ('05'), ('06'), ('07'), ('08'), ('09'), ('10'), ('11'), ('12')";

/// Orders of customers, with lines: whatever may depend on something else.
const SALES: Given = Given {
    tables: "create table customer (id {id}, code {text} not null unique, name {text});
             create table orders (id {id}, number {text} not null unique, customer {big}, note {text}, foreign key (customer) references customer (id));
             create table item (id {id}, order_id {big} not null, sku {text} not null, qty {big}, foreign key (order_id) references orders (id))",
    rows: [
        "insert into customer (id, code) values (11, 'k'), (12, 'l'); insert into orders (id, number, customer) values (11, 'o', 11), (12, 'p', 12), (13, 'q', 12); insert into item (order_id, sku, qty) values (11, 's', 1), (11, 't', 2), (12, 's', 3), (13, 's', 4)",
        "insert into customer (id, code) values (21, 'k'), (22, 'l'); insert into orders (id, number, customer) values (21, 'o', 21), (22, 'p', 22), (23, 'q', 22); insert into item (order_id, sku, qty) values (21, 's', 1), (21, 't', 2), (22, 's', 3), (23, 's', 4)",
        "insert into customer (id, code) values (31, 'k'), (32, 'l'); insert into orders (id, number, customer) values (31, 'o', 31), (32, 'p', 32), (33, 'q', 32); insert into item (order_id, sku, qty) values (31, 's', 1), (31, 't', 2), (32, 's', 3), (33, 's', 4)",
    ],
    mapping: "
entities:
  customer:
    in: {@customer}
    match: code
    fields:
      code: {@code}
      name: {@name}
  orders:
    in: {@orders}
    match: number
    fields:
      number: {@number}
      customer: {ref: customer, @customer}
      note: {@note}
    lines:
      in: {a: {table: item, parent: order_id}, b: {table: item, parent: order_id}, c: {table: item, parent: order_id}}
      key: sku
      fields:
        sku: {@sku}
        qty: {@qty}
",
    show: "select o.number, k.code, o.note, i.sku, i.qty from orders o left join customer k on k.id = o.customer left join item i on i.order_id = o.id order by o.number, i.sku",
};

/// The operations of a saved plan, without the moment it was made.
fn operations(stage: &Stage, file: &str) -> Vec<String> {
    let plan = std::fs::read_to_string(stage.path(file)).unwrap();
    plan.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn o2_a_plan_is_carried_out_as_it_was_made() {
    everywhere(&SALES, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("b", "insert into customer (id, code) values (29, 'm'); insert into orders (id, number, customer) values (29, 'r', 29); insert into item (order_id, sku, qty) values (29, 's', 5)"),
            In("a", "update orders set note = 'n', customer = 12 where number = 'o'; update item set qty = 7 where order_id = 11 and sku = 't'"),
            In("c", "delete from item where order_id = 33; delete from orders where id = 33"),
            In("c", "update customer set name = 'L' where code = 'l'"),
            Cli(0, "plan --out first.plan"),
            Cli(0, "plan --out again.plan"),
        ]);
        let planned = operations(stage, "first.plan");
        assert_eq!(planned, operations(stage, "again.plan"));

        let done = stage.syncline(&["apply", "first.plan", "--yes"]);

        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        assert!(!done.stdout.contains("Skipped"), "{}", done.stdout);
        stage.take_steps(&[
            Show(ALL, &["o|l|n|s|1", "o|l|n|t|7", "p|l|NULL|s|3", "r|m|NULL|s|5"]),
            Query(
                ALL,
                "select code, name from customer order by code",
                &["k|NULL", "l|L", "m|NULL"],
            ),
            Run([0, 0, 0]),
        ]);
    });
}

#[test]
fn o3_a_row_that_somebody_changed_since_the_plan_is_left_alone() {
    play(
        &Given { rows: [DOZEN; 3], ..CONTACT },
        &[
            LINKED,
            In("a", "update contact set name = 'N1'"),
            Cli(0, "plan --out p.plan"),
            In("b", "update contact set phone = 'P9' where email = '03'"),
            Do(|stage| {
                let done = stage.expect(0, &["apply", "p.plan", "--yes"]);
                assert_eq!(written(&done), [0, 11, 11], "{done}");
            }),
            Query(
                "b",
                "select email, name, phone from contact where name is null",
                &["03|NULL|P9"],
            ),
            Query(
                "c",
                "select email, name, phone from contact where name is null",
                &["03|NULL|NULL"],
            ),
            Query("bc", "select count(*) from contact where name = 'N1'", &["11"]),
            Run([1, 1, 1]),
            Query(ALL, "select email, name, phone from contact where email = '03'", &["03|N1|P9"]),
        ],
    );
}

#[test]
fn o3_a_row_that_was_pointed_elsewhere_since_the_plan_is_left_alone() {
    everywhere(&SALES, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("a", "insert into customer (id, code) values (13, 'm'); update orders set customer = 11"),
            Cli(0, "plan --out p.plan"),
            In("a", "update orders set customer = 13 where number = 'p'"),
            Cli(0, "apply p.plan --yes --max-stale 50"),
            Query("bc", "select o.number, k.code from orders o join customer k on k.id = o.customer order by o.number", &["o|k", "p|l", "q|k"]),
            Run([0, 1, 1]),
        ]);
    });
}
