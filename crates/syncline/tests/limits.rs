//! Users who change more than they may in a while: contact lists in SQLite files, and in databases with
//! servers.

use crate::{
    alerts::Sink,
    serve::{Daemon, eventually},
    servers::{mariadb, postgres},
    world::World,
};

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
defaults:
  guards: {updates: {max: 1000}}
  limits: {per_user: {changes: 3/h, then: hold}}
entities:
  contacts:
    in: {crm: {table: contacts, key: id, changed_by: editor}, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
alerts:
  channels: {ops: {webhook: "http://SINK/ops", private: true}}
  rules: [{event: guard_tripped, to: ops}]
"#;

/// Ten contacts that both systems have. That they were all written by one user at first held nobody up.
fn ten_contacts(file: &str) -> World {
    let world = World::with(file);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, editor text);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 10)
         insert into contacts (email, name, editor) select 'c' || i || '@x', 'Name', 'import' from n",
    );
    world.sql("erp", "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text)");
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "10");
    world
}

fn without_alerts() -> String {
    FILE.split("alerts:").next().unwrap().to_owned()
}

fn edit(world: &World, user: &str, first: u32, last: u32, name: &str) {
    let sql = format!(
        "update contacts set name = '{name}', editor = '{user}' where id between {first} and {last}"
    );
    world.sql("crm", &sql);
}

fn named(world: &World, name: &str) -> String {
    world.value("erp", &format!("select count(*) from CUSTOMER where CNAME = '{name}'"))
}

#[test]
fn the_excess_of_a_user_waits_and_everybody_else_goes_on() {
    let world = ten_contacts(&without_alerts());
    edit(&world, "mia", 1, 5, "Mia");
    edit(&world, "tom", 6, 8, "Tom");

    let said = world.says(4, &["run"]);

    assert!(
        said.contains("limit.user") && said.contains("mia changed too much of contacts in crm"),
        "{said}"
    );
    assert_eq!((named(&world, "Mia"), named(&world, "Tom")), ("3".into(), "3".into()));
    // It survives: another process, and a run that finds nothing new, change nothing.
    world.run(&["run"]).ends(0, &["nothing changed"]);
    assert_eq!(named(&world, "Mia"), "3");
    edit(&world, "mia", 9, 9, "Mia");
    world.run(&["run"]).ends(4, &["3 changes wait"]);
    let listed = world.run(&["guards", "list"]).ends(0, &[]).stdout;
    assert!(listed.contains("limit.user") && listed.lines().count() == 2, "{listed}");
    world
        .run(&["guards", "show", "1"])
        .ends(0, &["3 of 10 rows of contacts in crm changed by mia"]);
    world.run(&["quarantine", "list"]).ends(0, &["limit.user"]);
    world.run(&["verify"]).ends(0, &["expected"]);

    world.run(&["guards", "apply", "1", "--yes"]).ends(0, &["3 records let through"]);

    assert_eq!(named(&world, "Mia"), "6");
    world.run(&["guards", "list"]).ends(0, &["no guard waits"]);
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.agrees();
}

#[test]
fn what_is_reversed_is_put_back_where_it_was_made() {
    let world = ten_contacts(&without_alerts());
    edit(&world, "mia", 1, 5, "Mia");
    world.sql("crm", "insert into contacts (email, name, editor) values ('new@x', 'Mia', 'mia')");
    world.run(&["run"]).ends(4, &["3 changes wait"]);

    world.run(&["guards", "reverse", "1", "--yes"]).ends(0, &["of 3 records put back"]);

    let kept = "select count(*) from contacts where name = 'Mia'";
    assert_eq!((world.value("crm", kept), named(&world, "Mia")), ("3".into(), "3".into()));
    assert_eq!(world.value("crm", "select count(*) from contacts"), "10");
    world.run(&["guards", "list"]).ends(0, &["no guard waits"]);
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.agrees();
}

#[test]
fn what_is_dismissed_stays_held_and_is_asked_about_again() {
    let world = ten_contacts(&without_alerts());
    edit(&world, "mia", 1, 5, "Mia");
    world.run(&["run"]).ends(4, &[]);
    world.run(&["guards", "dismiss", "1"]).ends(0, &[]);
    assert_eq!(named(&world, "Mia"), "3");
    world.run(&["retry", "--all"]).ends(4, &["still set aside"]);
    world.run(&["run"]).ends(0, &[]);
    world.run(&["guards", "apply", "2", "--yes"]).ends(0, &[]);
    assert_eq!(named(&world, "Mia"), "5");
}

#[test]
fn a_plan_shows_only_what_would_be_let_through() {
    let world = ten_contacts(&without_alerts());
    edit(&world, "mia", 1, 5, "Mia");
    let planned = world.run(&["plan", "--json"]).json();
    assert_eq!(planned["result"]["entities"][0]["systems"]["erp"]["updates"], 3, "{planned}");
}

#[test]
fn the_limit_of_an_entity_or_of_a_system_comes_before_that_of_all() {
    for (from, to) in [
        ("match: email", "match: email\n    limits: {per_user: {changes: 5/h}}"),
        (
            "crm: {url: \"sqlite:crm.db\"}",
            "crm: {url: \"sqlite:crm.db\", limits: {per_user: {changes: 5/h}}}",
        ),
    ] {
        let world = ten_contacts(&without_alerts().replace(from, to));
        edit(&world, "mia", 1, 6, "Mia");
        world.run(&["run"]).ends(4, &["limit 5"]);
        assert_eq!(named(&world, "Mia"), "5");
    }
}

#[test]
fn a_limit_that_can_count_nobody_is_refused_and_one_that_counts_some_warns() {
    let world = World::with(&without_alerts());
    world.run(&["check"]).ends(0, &["config.no_user", "in erp"]);
    let said = |words: &[&str]| world.run(words).said().contains("config.no_user");
    assert!(said(&["plan"]) && !said(&["history"]) && !said(&["audit"]));
    world.edit(", changed_by: editor", "");
    world.run(&["check"]).ends(2, &["config.no_user", "no table that this is about"]);
    world.edit("3/h", "many");
    world.run(&["check"]).ends(2, &["config.value", "500/h"]);
}

#[test]
fn the_daemon_holds_the_excess_and_tells() {
    let sink = Sink::open();
    let world = ten_contacts(&FILE.replace("SINK", &sink.address));
    let daemon = Daemon::start(&world.path(""), &[]);
    edit(&world, "mia", 1, 5, "Mia");
    eventually("the excess waits", || daemon.log().contains("limit.user"), || daemon.log());
    eventually("three go on", || named(&world, "Mia") == "3", || daemon.log());
    let told = || sink.heard("/ops").iter().any(|told| told.body.contains("limit.user"));
    eventually("people are told", told, || daemon.log());
    edit(&world, "tom", 9, 10, "Tom");
    eventually("others go on", || named(&world, "Tom") == "2", || daemon.log());
    world.run(&["guards", "apply", "1", "--yes"]).ends(0, &[]);
    eventually("what was let through goes on", || named(&world, "Mia") == "5", || daemon.log());
    daemon.stop().ends(143, &[]);
    world.agrees();
}

#[test]
fn o5_five_thousand_changes_of_one_user_and_a_limit_of_five_hundred_an_hour() {
    let (crm, erp) = (postgres().database("limits_crm"), mariadb().database("limits_erp"));
    let on_crm = |sql: &str| postgres().execute(&crm, sql);
    let on_erp = |sql: &str| mariadb().execute(&erp, sql);
    let file = without_alerts()
        .replace("sqlite:crm.db", &crm)
        .replace("sqlite:erp.db", &erp)
        .replace("3/h", "500/h")
        .replace("key: id,", "key: id, changed_at: edited,")
        .replace("{max: 1000}", "{max: 10000}");
    let world = World::with(&file);
    on_crm(
        "create table contacts (id int generated by default as identity primary key, email text not null, name text,
             editor text, edited timestamptz default now());
         insert into contacts select i, 'c' || i || '@x', 'Name', 'import' from generate_series(1, 5100) i",
    );
    on_erp(
        "create table CUSTOMER (NO int auto_increment primary key, EMAIL varchar(100) not null,
             CNAME varchar(100))",
    );
    world.run(&["run", "--yes"]).ends(0, &[]);
    let named = |name: &str| {
        on_erp(&format!("select count(*) from CUSTOMER where CNAME = '{name}'")).trim().to_owned()
    };
    on_crm("update contacts set name = 'Bulk', editor = 'u', edited = now() where id <= 5000");
    on_crm("update contacts set name = 'Tom', editor = 'tom', edited = now() where id > 5000");

    world.run(&["run"]).ends(4, &["limit 500 in 1h", "4,500 changes wait"]);

    assert_eq!((named("Bulk"), named("Tom")), ("500".into(), "100".into()));
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(named("Bulk"), "500", "it survives the end of the process");
    world.run(&["guards", "apply", "1", "--yes"]).ends(0, &["4,500 records let through"]);
    assert_eq!((named("Bulk"), named("Tom")), ("5000".into(), "100".into()));
    world.run(&["verify"]).ends(0, &[]);
}
