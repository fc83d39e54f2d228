//! What guards stop, and what a person lets through: two contact lists in SQLite files.

use std::{path::Path, process::Command};

use rusqlite::Connection;
use tempfile::TempDir;

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    guards: {deletes: {max: 3, max_percent: 10}, updates: {max: 3, max_percent: 10}}
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
"#;

/// Twenty contacts that both systems have, synchronised.
fn twenty_contacts() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("syncline.yaml"), FILE).unwrap();
    sql(
        home.path(),
        "crm.db",
        "create table contacts (id integer primary key, email text, name text)",
    );
    sql(
        home.path(),
        "erp.db",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text)",
    );
    sql(
        home.path(),
        "crm.db",
        "insert into contacts (email, name) select value || '@example.com', 'Name ' || value \
         from (with recursive n(value) as (select 1 union all select value + 1 from n where value < 20) select value from n)",
    );
    syncline(home.path(), 0, &["run", "--yes"]);
    home
}

#[track_caller]
fn sql(home: &Path, file: &str, text: &str) {
    Connection::open(home.join(file)).unwrap().execute_batch(text).unwrap();
}

fn count(home: &Path, file: &str, query: &str) -> i64 {
    Connection::open(home.join(file)).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

#[track_caller]
fn syncline(home: &Path, code: i32, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(arguments)
        .current_dir(home)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "syncline {}\n{said}", arguments.join(" "));
    said
}

#[test]
fn an_approved_disappearance_is_asked_about_once() {
    let home = twenty_contacts();
    sql(home.path(), "crm.db", "delete from contacts where id <= 8");
    let said = syncline(home.path(), 5, &["run"]);
    assert!(said.contains("guard.mass_delete"), "{said}");
    assert_eq!(count(home.path(), "erp.db", "select count(*) from CUSTOMER"), 20);

    syncline(home.path(), 0, &["guards", "apply", "1", "--yes"]);

    assert_eq!(count(home.path(), "erp.db", "select count(*) from CUSTOMER"), 12);
    assert!(syncline(home.path(), 0, &["run"]).contains("nothing changed"));
    assert!(syncline(home.path(), 0, &["guards"]).contains("no guard waits"));
}

#[test]
fn an_approval_is_good_for_exactly_what_was_shown() {
    let home = twenty_contacts();
    sql(home.path(), "crm.db", "update contacts set name = upper(name) where id <= 8");
    let said = syncline(home.path(), 5, &["run"]);
    assert!(said.contains("guard.mass_update"), "{said}");
    // As many rows as before, but one of them says something else.
    sql(home.path(), "crm.db", "update contacts set name = 'Somebody' where id = 8");

    let said = syncline(home.path(), 5, &["guards", "apply", "1", "--yes"]);

    assert!(said.contains("guard.mass_update"), "{said}");
    let changed = "select count(*) from CUSTOMER where CNAME glob 'NAME*' or CNAME = 'Somebody'";
    assert_eq!(count(home.path(), "erp.db", changed), 0);
    let shown = syncline(home.path(), 0, &["guards", "list"]);
    let open = shown.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let number = open.max().unwrap().to_string();
    assert!(syncline(home.path(), 0, &["guards", "show", &number]).contains("among them"));
    syncline(home.path(), 0, &["guards", "apply", &number, "--yes"]);
    assert_eq!(count(home.path(), "erp.db", changed), 8);
}
