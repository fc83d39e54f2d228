//! A system that was restored to an older state is noticed, and nothing moves before a person has decided.

use std::fs;

use crate::{
    serve::eventually,
    servers::{Server, mariadb, postgres},
    world::{MARKS, World},
};

const NAMES: &str =
    "select group_concat(NO || CNAME, ' ') from (select * from CUSTOMER order by NO)";
const NAMES_THERE: &str =
    "select group_concat(id || name, ' ') from (select * from contacts order by id)";

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: {table: contacts, key: id}, erp: {table: CUSTOMER, key: NO}}
    match: number
    fields:
      number: {crm: id, erp: NO}
      name: {crm: name, erp: CNAME}
"#;

/// Five contacts; a copy of the CRM; and after that one was edited, one deleted and one made there, and one
/// edited in the ERP, all of it synchronised.
fn restored() -> World {
    let world = World::with(FILE);
    world
        .sql("crm", &format!("create table contacts (id integer primary key, name text); {MARKS}"));
    world.sql("erp", "create table CUSTOMER (NO integer primary key, CNAME text)");
    world
        .sql("crm", "insert into contacts values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')");
    world.run(&["run", "--yes"]).ends(0, &[]);
    fs::copy(world.path("crm.db"), world.path("copy.db")).unwrap();
    world.sql("crm", "update contacts set name = 'A' where id = 1");
    world.sql("crm", "delete from contacts where id = 2");
    world.sql("crm", "insert into contacts values (6, 'f')");
    world.sql("erp", "update CUSTOMER set CNAME = 'C' where NO = 3");
    world.run(&["run"]).ends(0, &[]);
    fs::copy(world.path("copy.db"), world.path("crm.db")).unwrap();
    world
}

#[test]
fn what_a_restored_system_shows_moves_nowhere_before_somebody_has_decided() {
    let world = restored();

    let said = world.run(&["run"]).ends(5, &["guard.restored", "crm was restored"]).said();

    assert!(said.contains("guards apply 1") && said.contains("guards reverse 1"), "{said}");
    assert_eq!(world.value("erp", NAMES), "1A 3C 4d 5e 6f");
    assert_eq!(world.value("crm", NAMES_THERE), "1a 2b 3c 4d 5e");
    world.run(&["guards", "show", "1"]).ends(0, &["crm was restored to an older state"]);
    world.run(&["run"]).ends(5, &["guard.restored"]);
    // Who leaves it as it is is asked again.
    world.run(&["guards", "dismiss", "1"]).ends(0, &[]);
    world.run(&["run"]).ends(5, &["guards apply 2"]);
    assert_eq!(world.value("erp", NAMES), "1A 3C 4d 5e 6f");
}

#[test]
fn what_the_hub_holds_is_written_back_to_a_system_that_was_restored() {
    let world = restored();
    world.run(&["run"]).ends(5, &[]);
    world.sql("erp", "update CUSTOMER set CNAME = 'D' where NO = 4");

    world.run(&["guards", "reverse", "1", "--yes"]).ends(0, &["guard 1 is reversed"]);

    assert_eq!(world.value("crm", NAMES_THERE), "1A 3C 4d 5e 6f");
    assert_eq!(world.value("erp", NAMES), "1A 3C 4D 5e 6f");
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(world.value("crm", NAMES_THERE), "1A 3C 4D 5e 6f");
    world.agrees();
}

#[test]
fn what_a_restored_system_shows_is_passed_on_where_somebody_wants_it() {
    let world = restored();
    world.run(&["run"]).ends(5, &[]);

    world.run(&["guards", "apply", "1", "--yes"]).ends(0, &["guard 1 is applied"]);

    assert_eq!(world.value("crm", NAMES_THERE), "1a 2b 3c 4d 5e");
    assert_eq!(world.value("erp", NAMES), "1a 2b 3c 4d 5e");
    world.agrees();
}

#[test]
fn a_system_that_only_went_on_is_not_taken_for_restored() {
    let world = restored();
    world.run(&["run"]).ends(5, &[]);
    world.run(&["guards", "reverse", "1", "--yes"]).ends(0, &[]);
    // A copy of the whole, made and put back with nothing in between.
    fs::copy(world.path("crm.db"), world.path("copy.db")).unwrap();
    fs::copy(world.path("copy.db"), world.path("crm.db")).unwrap();
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.sql("crm", "update contacts set name = 'new' where id = 5");
    world.agrees();
}

#[test]
fn a_daemon_whose_system_is_restored_stops_there_and_goes_on_once_it_was_decided() {
    let world = restored();
    fs::copy(world.path("crm.db"), world.path("older.db")).unwrap();
    world.run(&["run"]).ends(5, &[]);
    world.run(&["guards", "reverse", "1", "--yes"]).ends(0, &[]);
    world.edit("sqlite:crm.db\"", "sqlite:crm.db\", detect: {poll: 200ms}");
    let daemon = world.serve(&[]);
    world.sql("erp", "update CUSTOMER set CNAME = 'D' where NO = 4");
    world.becomes(&daemon, "crm", "select name from contacts where id = 4", "D");

    fs::copy(world.path("older.db"), world.path("crm.db")).unwrap();

    daemon.says("\"guard.restored\"");
    world.sql("erp", "update CUSTOMER set CNAME = 'E' where NO = 5");
    eventually(
        "it waits for a person",
        || world.run(&["guards", "list"]).stdout.contains("guard.restored"),
        || daemon.log(),
    );
    assert_eq!(world.value("erp", NAMES), "1A 3C 4D 5E 6f");
    assert_eq!(world.value("crm", NAMES_THERE), "1a 2b 3c 4d 5e");
    world.run(&["guards", "reverse", "2", "--yes"]).ends(0, &[]);
    world.becomes(&daemon, "crm", NAMES_THERE, "1A 3C 4D 5E 6f");
    daemon.stop().ends(143, &[]);
}

#[test]
fn a_system_without_marks_that_shows_its_past_is_noticed_by_that() {
    let world = World::in_step(12);
    let names = "select count(*) from contacts where name glob 'Name *'";
    fs::copy(world.path("crm.db"), world.path("copy.db")).unwrap();
    world.sql("crm", "update contacts set name = 'Other ' || id");
    world.run(&["run"]).ends(0, &[]);
    world.sql("erp", "update CUSTOMER set CNAME = 'Erp' where NO = 1");
    world.run(&["run"]).ends(0, &[]);
    fs::copy(world.path("copy.db"), world.path("crm.db")).unwrap();
    world.sql("erp", "update CUSTOMER set CNAME = 'Two' where NO = 2");
    let status = || world.run(&["status", "--json"]).json()["result"]["entities"][0].clone();
    let before = status()["last_success"].clone();

    world.run(&["run"]).ends(5, &["guard.restored", "nothing of it was written anywhere"]);

    assert_eq!(status()["last_success"], before, "to have read that was no success");
    let other = "select count(*) from CUSTOMER where CNAME glob 'Other *'";
    assert_eq!(world.value("erp", other), "10");
    world.run(&["run"]).ends(5, &["guard.restored"]);
    assert_eq!(world.value("crm", names), "12");
    world.run(&["guards", "reverse", "1", "--yes"]).ends(0, &["12 changes put back"]);
    assert_eq!(world.value("crm", names), "0");
    let said = world.value("crm", "select name from contacts where id = 1");
    assert_eq!((said.as_str(), world.value("erp", other).as_str()), ("Erp", "10"));
    world.run(&["run"]).ends(0, &[]);
    world.sql("crm", "update contacts set name = 'Brand new ' || id");
    world.run(&["run"]).ends(0, &[]);
}

#[test]
fn who_takes_back_an_import_of_their_own_is_not_asked() {
    let world = World::in_step(12);
    world.sql("crm", "update contacts set name = 'Wrong ' || id");
    world.run(&["run"]).ends(0, &[]);
    world.sql("crm", "update contacts set name = 'Name ' || id");
    world.run(&["run"]).ends(0, &["erp 12"]);
    // And what others made last is undone like any edit.
    world.sql("erp", "update CUSTOMER set CNAME = 'Erp ' || NO");
    world.run(&["run"]).ends(0, &[]);
    world.sql("crm", "update contacts set name = 'Name ' || id");
    world.run(&["run"]).ends(0, &["erp 12"]);
    world.agrees();
}

/// A CRM on a server, restored from a dump of its tables while the hub knows more.
fn restored_on(server: &Server) {
    let url = server.database("restored");
    let world = World::with(&FILE.replace("sqlite:crm.db", &url));
    let sql = |sql: &str| server.execute(&url, sql);
    sql("create table contacts (id integer primary key, name varchar(90))");
    sql(MARKS);
    sql("insert into contacts values (1, 'a'), (2, 'b'), (3, 'c')");
    world.sql("erp", "create table CUSTOMER (NO integer primary key, CNAME text)");
    world.run(&["run", "--yes"]).ends(0, &[]);
    // The dump, beside the tables.
    sql("create table copy_of_contacts as select * from contacts");
    sql("create table copy_of_marks as select * from syncline_applied");
    sql("update contacts set name = 'A' where id = 1");
    sql("delete from contacts where id = 2");
    world.sql("erp", "insert into CUSTOMER values (4, 'd')");
    world.run(&["run"]).ends(0, &[]);
    sql(
        "delete from contacts; insert into contacts select * from copy_of_contacts; delete from syncline_applied; insert into syncline_applied select * from copy_of_marks",
    );

    world.run(&["run"]).ends(5, &["guard.restored"]);

    assert_eq!(world.value("erp", NAMES), "1A 3c 4d");
    world.run(&["guards", "reverse", "1", "--yes"]).ends(0, &["guard 1 is reversed"]);
    let shown = sql("select concat(id, name) from contacts order by id");
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>().join(" "), "1A 3c 4d");
    world.agrees();
}

#[test]
fn a_postgresql_that_was_restored_from_a_dump_is_written_back() {
    restored_on(postgres());
}

#[test]
fn a_mariadb_that_was_restored_from_a_dump_is_written_back() {
    restored_on(mariadb());
}
