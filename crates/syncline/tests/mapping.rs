//! `syncline test` from outside: cases of people, and rows of real systems.

use std::fs;

use crate::world::World;

const FILE: &str = r#"
version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      born: {type: date, crm: born, erp: {column: BORN, format: "%d/%m/%Y"}}
      status: {type: enum, values: [lead, customer], crm: status, erp: {column: STAT, values: {lead: "0", customer: ["1", "8"]}}}
"#;

const CASES: &str = r#"contacts:
  old code:
    row: {erp: {STAT: "8", BORN: 31/01/1980}}
    record: {status: customer, born: 1980-01-31}
    writes: {crm: {status: customer, born: 1980-01-31}}
  unknown code:
    row: {erp: {STAT: "7"}}
    record: {status: map.unknown_value}
  from the hub:
    record: {status: customer}
    writes: {erp: {STAT: "8"}}
"#;

fn world() -> World {
    let world = World::with(FILE);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, born date, status text);
        insert into contacts (email, born, status) values ('a@b.c', '1980-01-31', 'lead')",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, BORN text, STAT text);
        insert into CUSTOMER (EMAIL, BORN, STAT) values ('a@b.c', '31/01/1980', '8')",
    );
    world
}

fn test(world: &World, arguments: &[&str]) -> (i32, String) {
    let done = world.run(&[&["test"], arguments].concat());
    (done.code, done.said())
}

#[test]
fn fields_round_trip_generated_values_and_rows() {
    let world = world();
    let (code, said) = test(&world, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("✓ contacts: 0 cases, 3 fields round-trip 2,500 values and 2 sampled rows"),
        "{said}"
    );
}

#[test]
fn a_row_that_means_nothing_is_found_before_the_first_run() {
    let world = world();
    world.sql(
        "erp",
        "insert into CUSTOMER (EMAIL, BORN, STAT) values ('x@y.z', '31/02/1980', '45')",
    );
    let (code, said) = test(&world, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("✗ contacts.status: erp holds what cannot be read (1 row)"), "{said}");
    assert!(said.contains("map.unknown_value") && said.contains("contacts.born"), "{said}");
    assert_eq!(test(&world, &["--filter", "email"]).0, 0);
}

#[test]
fn a_filter_that_leaves_nothing_is_no_success() {
    let world = world();
    let said = world.run(&["test", "--filter", "emial"]).ends(2, &["error[usage.filter]"]);
    assert!(said.said().contains("did you mean `email`?"), "{}", said.said());
    world.run(&["test", "--filter", "zzz"]).ends(2, &["no entity, field or case has `zzz`"]);
}

#[test]
fn a_case_that_fails_says_where_and_update_accepts_it() {
    let world = world();
    fs::create_dir(world.path("tests")).unwrap();
    world.file("tests/contacts.yaml", CASES);
    let (code, said) = test(&world, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("✗ contacts: \"from the hub\" expected 8, got 1\n   tests/contacts.yaml:11"),
        "{said}"
    );
    assert_eq!(test(&world, &["--filter", "old code"]).0, 0);
    assert_eq!(test(&world, &["--update"]).0, 0);
    assert_eq!(
        fs::read_to_string(world.path("tests/contacts.yaml")).unwrap(),
        CASES.replace("{STAT: \"8\"}}\n", "{STAT: \"1\"}}\n")
    );
    let (code, said) = test(&world, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("✓ contacts: 3 cases"), "{said}");
}

#[test]
fn a_case_about_nothing_is_refused_with_its_place() {
    let world = world();
    fs::create_dir(world.path("tests")).unwrap();
    world.file("tests/a.yaml", "contacts:\n  x: {record: {emial: a}}\nordres: {}\n");
    let (code, said) = test(&world, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("tests/a.yaml:2:16") && said.contains("tests/a.yaml:3:1"), "{said}");
}

#[test]
fn cases_without_names_are_refused_and_not_left_out() {
    let world = world();
    fs::create_dir(world.path("tests")).unwrap();
    world.file("tests/a.yaml", "contacts:\n  - {record: {status: lead}}\n");
    let (code, said) = test(&world, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("an entity takes cases by name, not a list"), "{said}");
    assert!(said.contains("tests/a.yaml:2:3"), "{said}");
}
