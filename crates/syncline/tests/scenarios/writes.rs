//! 1.6, 1.8 and 1.9: writes that meet resistance, who is who, and plans.

use super::{
    CONTACT,
    stage::{ALL, Given, Step::*, everywhere, play},
};

const STAFF: Given = Given {
    tables: "create table staff (id {id}, number {text} not null unique, boss {big}, foreign key (boss) references staff (id))",
    rows: ["", "", ""],
    mapping: "
entities:
  staff:
    in: {@staff}
    match: number
    fields:
      number: {@number}
      boss: {ref: staff, @boss}
",
    show: "select s.number, b.number from staff s left join staff b on b.id = s.boss order by s.number",
};

#[test]
fn w6_a_planned_circle_of_references_is_closed_by_one_apply() {
    play(
        &STAFF,
        &[
            In(
                "a",
                "insert into staff (id, number) values (11, 'x'), (12, 'y'), (13, 'z'); update staff set boss = 12 where id = 11; update staff set boss = 11 where id = 12; update staff set boss = 13 where id = 13",
            ),
            Cli(0, "plan --out first.plan"),
            Cli(0, "apply first.plan --yes"),
            Show(ALL, &["x|y", "y|x", "z|z"]),
            Run([0, 0, 0]),
        ],
    );
}

#[test]
fn i1_a_first_link_joins_what_is_equal_and_creates_the_rest_once() {
    let rows = |from: u32, to: u32| {
        let rows: Vec<String> = (from..to).map(|at| format!("('{at:04}@x')")).collect();
        format!("insert into contact (email) values {}", rows.join(", "))
    };
    everywhere(&Given { rows: [""; 3], ..CONTACT }, &[], |stage| {
        stage.sql(0, &rows(0, 1000));
        stage.sql(1, &rows(300, 1100));
        stage.take_steps(&[
            Run([100, 300, 1100]),
            Query(ALL, "select count(*), count(distinct email) from contact", &["1100|1100"]),
            Run([0, 0, 0]),
        ]);
    });
}
