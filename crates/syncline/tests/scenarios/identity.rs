//! Rows that could belong to more than one record, and records that could have more than one row (I2).

use super::{
    CONTACT,
    stage::{ALL, Given, Step::*, everywhere, play},
};

/// Contacts of whom several may have the same address.
const DOUBLED: Given = Given {
    tables: "create table contact (id {id}, email {text} not null, name {text}, phone {text}, status {text})",
    ..CONTACT
};

#[test]
fn i2_a_row_that_could_be_two_records_waits_for_a_person() {
    let given = Given {
        rows: [
            "insert into contact (id, email, name) values (11, 'r@x', 'N1'), (12, 's@x', 'N2')",
            "",
            "",
        ],
        ..DOUBLED
    };
    play(
        &given,
        &[
            Run([0, 2, 2]),
            // Two contacts come to have one address; who has it in b only, could be either.
            In("a", "update contact set email = 't@x'"),
            Run([0, 2, 2]),
            In("b", "insert into contact (id, email, name) values (29, 't@x', 'N9')"),
            RunEnds(4, [0, 0, 0]),
            Aside(&["match.ambiguous b:29"]),
            Query("b", "select name from contact where id = 29", &["N9"]),
            Query(ALL, "select count(*) from contact where name <> 'N9'", &["2"]),
        ],
    );
}

/// Two contacts of one system have one address, which another system knows as well.
const TWINS: [&str; 3] = [
    "insert into contact (id, email, name) values (11, 'r@x', 'N1'), (12, 'r@x', 'N2'), (13, 's@x', 'N3')",
    "insert into contact (id, email, name) values (21, 'r@x', 'N4')",
    "",
];

#[test]
fn i2_two_rows_with_one_address_are_neither_linked_nor_written() {
    let given = Given { rows: TWINS, ..DOUBLED };
    play(
        &given,
        &[
            RunEnds(4, [0, 1, 1]),
            Aside(&["match.ambiguous a:11", "match.ambiguous a:12"]),
            Query("a", "select name from contact order by id", &["N1", "N2", "N3"]),
            Query("b", "select name from contact order by name", &["N3", "N4"]),
            Query("c", "select name from contact", &["N3"]),
            Run([0, 0, 0]),
            // One of them was a mistake: the other is the contact, and all by itself.
            In("a", "delete from contact where id = 11"),
            Run([0, 1, 1]),
            Aside(&[]),
            Query(ALL, "select email, name from contact order by name", &["r@x|N2", "s@x|N3"]),
            Run([0, 0, 0]),
        ],
    );
}

#[test]
fn i2_a_person_says_which_of_two_rows_it_is() {
    let given = Given { rows: TWINS, ..DOUBLED };
    play(
        &given,
        &[
            RunEnds(4, [0, 1, 1]),
            Cli(0, "quarantine edit 2 --link b:21"),
            Query("b", "select name from contact order by name", &["N2", "N3"]),
            Query("c", "select name from contact order by name", &["N2", "N3"]),
            Aside(&["match.ambiguous a:11"]),
            Run([0, 0, 0]),
            // The other one gets an address of its own.
            In("a", "update contact set email = 't@x' where id = 11"),
            Run([0, 1, 1]),
            Aside(&[]),
            Query(ALL, "select name from contact order by name", &["N1", "N2", "N3"]),
        ],
    );
}

#[test]
fn i2_a_second_row_with_the_address_of_a_linked_one_is_set_aside() {
    let rows = [CONTACT.rows[0], "", ""];
    play(
        &Given { rows, ..DOUBLED },
        &[
            Run([0, 1, 1]),
            In("a", "insert into contact (id, email, name) values (19, 'r@x', 'N9')"),
            RunEnds(4, [0, 0, 0]),
            Aside(&["match.ambiguous a:19"]),
            // The record goes on with the row that it has.
            In("a", "update contact set phone = 'P1' where id <> 19"),
            Run([0, 1, 1]),
            Query("bc", "select name, phone from contact", &["N0|P1"]),
            In("a", "delete from contact where id = 19"),
            Run([0, 0, 0]),
            Aside(&[]),
        ],
    );
}

#[test]
fn i2_rows_that_lie_far_apart_are_neither_linked_nor_written() {
    // Further than one batch of a scan.
    let rows = |first: u32| {
        let rows = (0..3000).map(|at| format!("({}, '{at:04}@x', 'N')", first + at));
        format!(
            "insert into contact (id, email, name) values {}",
            rows.collect::<Vec<_>>().join(", ")
        )
    };
    everywhere(&Given { rows: [""; 3], ..DOUBLED }, &[], |stage| {
        for (at, first) in [(0, 10_000), (1, 20_000), (2, 30_000)] {
            stage.sql(at, &rows(first));
        }
        stage.sql(0, "insert into contact (id, email, name) values (90000, '0000@x', 'N9')");
        stage.sql(2, "delete from contact where email = '0000@x'");
        stage.take_steps(&[
            RunEnds(4, [0, 0, 0]),
            Aside(&["match.ambiguous a:10000", "match.ambiguous a:90000"]),
            Run([0, 0, 0]),
            In("a", "delete from contact where id = 10000"),
            Run([0, 1, 1]),
            Aside(&[]),
            Query(ALL, "select name from contact where email = '0000@x'", &["N9"]),
        ]);
    });
}

#[test]
fn i7_a_system_that_joins_later_with_old_rows_is_linked_by_a_plan_and_overwrites_nobody() {
    let two = [
        ("in: {@contact}", "in: {a: contact, b: contact}"),
        ("email: {@email}", "email: {a: email, b: email}"),
        ("name: {@name}", "name: {a: name, b: name}"),
        ("phone: {@phone}", "phone: {a: phone, b: phone}"),
        ("status: {@status}", "status: {a: status, b: status}"),
    ];
    everywhere(&CONTACT, &two, |stage| {
        stage.take_steps(&[
            Run([0, 0, 0]),
            In("a", "insert into contact (email, name) values ('s@x', 'N1')"),
            Run([0, 1, 0]),
            In("c", "update contact set name = 'OLD', phone = null"),
            In("c", "insert into contact (email, name) values ('t@x', 'N2')"),
        ]);
        stage.map(CONTACT.mapping);
        stage.take_steps(&[
            Cli(5, "run"),
            Show("ab", &["r@x|N0|P0|S0", "s@x|N1|NULL|NULL"]),
            Show("c", &["r@x|OLD|NULL|S0", "t@x|N2|NULL|NULL"]),
            Cli(0, "plan --out joins.plan"),
            Cli(0, "apply joins.plan --yes"),
            Show(ALL, &["r@x|N0|P0|S0", "s@x|N1|NULL|NULL", "t@x|N2|NULL|NULL"]),
        ]);
    });
}
