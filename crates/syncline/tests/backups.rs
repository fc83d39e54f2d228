//! The hub is copied, and put back: contact lists in SQLite files.

use crate::{
    serve::{Daemon, eventually},
    world::World,
};

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
"#;

const NAMES: &str =
    "select group_concat(CNAME, ' ') from (select CNAME from CUSTOMER order by EMAIL)";

/// Three contacts that both systems have, synchronised.
fn three_contacts() -> World {
    let world = World::with(FILE);
    world.sql("crm", "create table contacts (id integer primary key, email text, name text)");
    world.sql("erp", "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text)");
    world.sql(
        "crm",
        "insert into contacts (email, name) values ('a@x', 'a'), ('b@x', 'b'), ('c@x', 'c')",
    );
    world.says(0, &["run", "--yes"]);
    world
}

#[test]
fn o8_a_hub_restored_from_an_older_copy_doubles_nothing_and_deletes_nothing() {
    let world = three_contacts();
    world.says(0, &["backup", "--to", "copy.db"]);
    // What happens after it: a new contact, an edit on each side, and a delete.
    world.sql("crm", "insert into contacts (email, name) values ('d@x', 'd')");
    world.sql("crm", "update contacts set name = 'A' where email = 'a@x'");
    world.sql("erp", "update CUSTOMER set CNAME = 'B' where EMAIL = 'b@x'");
    world.sql("erp", "delete from CUSTOMER where EMAIL = 'c@x'");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "A B d");

    let said = world.says(0, &["restore", "copy.db", "--yes"]);

    assert!(said.contains("nothing was written to any system"), "{said}");
    assert!(said.contains("What was there before is kept in"), "{said}");
    for system in ["crm", "erp"] {
        let table = if system == "crm" { "contacts" } else { "CUSTOMER" };
        assert_eq!(world.value(system, &format!("select count(*) from {table}")), "3");
    }
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "A B d");
    assert_eq!(world.value("crm", "select count(*) from contacts"), "3");
    world.agrees();
    assert!(world.says(0, &["run"]).contains("nothing changed"));
}

#[test]
fn what_was_edited_while_the_hub_was_gone_is_merged_before_anything_is_written() {
    let world = three_contacts();
    world.says(0, &["backup", "--to", "copy.db"]);
    std::fs::remove_file(world.path("syncline.hub.db")).unwrap();
    world.sql("erp", "update CUSTOMER set CNAME = 'B' where EMAIL = 'b@x'");
    world.sql("crm", "update contacts set name = 'C' where email = 'c@x'");

    world.says(0, &["restore", "copy.db", "--yes"]);

    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "a B C");
    world.agrees();
}

#[test]
fn nothing_is_written_until_every_system_was_read() {
    let world = three_contacts();
    world.says(0, &["backup", "--to", "copy.db"]);
    world.sql("crm", "update contacts set name = 'A' where email = 'a@x'");
    std::fs::rename(world.path("erp.db"), world.path("away.db")).unwrap();
    let said = world.says(3, &["restore", "copy.db", "--yes"]);
    assert!(said.contains("hub.recovering") && said.contains("erp"), "{said}");
    let said = world.says(3, &["run"]);
    assert!(said.contains("hub.recovering"), "{said}");

    std::fs::rename(world.path("away.db"), world.path("erp.db")).unwrap();
    world.says(0, &["restore", "--resume"]);

    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "A b c");
}

#[test]
fn a_copy_of_another_hub_or_of_none_replaces_nothing() {
    let world = three_contacts();
    let other = three_contacts();
    other.says(0, &["backup", "--to", "copy.db"]);
    std::fs::copy(other.path("copy.db"), world.path("other.db")).unwrap();
    world.file("text.db", "this is a text and no hub, though its name says that it is a database");
    for (exit, code, file) in
        [(3, "hub.other", "other.db"), (3, "hub.damaged", "text.db"), (3, "hub.missing", "none.db")]
    {
        let said = world.says(exit, &["restore", file, "--yes"]);
        assert!(said.contains(code), "{said}");
    }
    world.says(0, &["backup", "--to", "copy.db"]);
    let said = world.says(5, &["restore", "copy.db"]);
    assert!(said.contains("run.unapproved"), "{said}");
    world.agrees();
}

#[test]
fn a_daemon_lends_its_hub_for_a_restore_and_makes_copies_by_itself() {
    let world = three_contacts();
    world.edit("version: 1", "version: 1\nhub: {backup: {every: 1s, to: copies, keep: 2}}");
    let daemon = Daemon::start(world.path("").as_path(), &[]);
    let copies = || {
        let found = std::fs::read_dir(world.path("copies")).into_iter().flatten().flatten();
        let mut names: Vec<_> = found.map(|it| it.file_name().into_string().unwrap()).collect();
        names.retain(|name| name.contains("Z.db"));
        names.sort();
        names
    };
    eventually("two copies are kept", || copies().len() == 2, || daemon.log());
    let first = copies()[0].clone();
    eventually(
        "a third takes the place of the first",
        || !copies().contains(&first),
        || daemon.log(),
    );
    let newest = copies().pop().unwrap();
    std::fs::copy(world.path(&format!("copies/{newest}")), world.path("mine.db")).unwrap();

    world.says(0, &["restore", "mine.db", "--yes"]);

    world.sql("crm", "update contacts set name = 'A' where email = 'a@x'");
    world.says(0, &["refresh", "contacts"]);
    eventually("it goes on", || world.value("erp", NAMES) == "A b c", || daemon.log());
    daemon.stop().ends(143, &[]);
}

#[test]
fn apply_speaks_of_a_missing_copy_and_says_how_each_database_is_copied() {
    let world = three_contacts();
    world.sql("crm", "update contacts set name = 'A' where email = 'a@x'");
    world.says(0, &["plan", "--out", "p.plan"]);
    let said = world.says(0, &["apply", "p.plan", "--yes"]);
    assert!(said.contains("warning[hub.backup_old]: there is no copy of"), "{said}");
    assert!(said.contains("sqlite3 crm.db \".backup 'crm.backup.db'\""), "{said}");

    world.says(0, &["backup"]);

    world.says(0, &["plan", "--out", "q.plan"]);
    let said = world.says(0, &["apply", "q.plan", "--yes"]);
    assert!(!said.contains("hub.backup_old"), "{said}");
    assert!(world.says(0, &["doctor"]).contains("copied"), "doctor knows of it");
}
