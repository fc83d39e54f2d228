//! What guards stop, and what a person lets through: two contact lists in SQLite files.

use crate::home::Home;

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
fn twenty_contacts() -> Home {
    let home = Home::with(FILE);
    home.sql("crm.db", "create table contacts (id integer primary key, email text, name text)");
    home.sql("erp.db", "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text)");
    home.sql(
        "crm.db",
        "insert into contacts (email, name) select value || '@example.com', 'Name ' || value \
         from (with recursive n(value) as (select 1 union all select value + 1 from n where value < 20) select value from n)",
    );
    home.syncline(0, &["run", "--yes"]);
    home
}

#[test]
fn an_approved_disappearance_is_asked_about_once() {
    let home = twenty_contacts();
    home.sql("crm.db", "delete from contacts where id <= 8");
    let said = home.syncline(5, &["run"]);
    assert!(said.contains("guard.mass_delete"), "{said}");
    assert_eq!(home.ask("erp.db", "select count(*) from CUSTOMER"), "20");

    home.syncline(0, &["guards", "apply", "1", "--yes"]);

    assert_eq!(home.ask("erp.db", "select count(*) from CUSTOMER"), "12");
    assert!(home.syncline(0, &["run"]).contains("nothing changed"));
    assert!(home.syncline(0, &["guards"]).contains("no guard waits"));
}

#[test]
fn an_approval_is_good_for_exactly_what_was_shown() {
    let home = twenty_contacts();
    home.sql("crm.db", "update contacts set name = upper(name) where id <= 8");
    let said = home.syncline(5, &["run"]);
    assert!(said.contains("guard.mass_update"), "{said}");
    // As many rows as before, but one of them says something else.
    home.sql("crm.db", "update contacts set name = 'Somebody' where id = 8");

    let said = home.syncline(5, &["guards", "apply", "1", "--yes"]);

    assert!(said.contains("guard.mass_update"), "{said}");
    let changed = "select count(*) from CUSTOMER where CNAME glob 'NAME*' or CNAME = 'Somebody'";
    assert_eq!(home.ask("erp.db", changed), "0");
    let shown = home.syncline(0, &["guards", "list"]);
    let open = shown.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let number = open.max().unwrap().to_string();
    assert!(home.syncline(0, &["guards", "show", &number]).contains("among them"));
    home.syncline(0, &["guards", "apply", &number, "--yes"]);
    assert_eq!(home.ask("erp.db", changed), "8");
}
