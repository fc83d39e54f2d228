//! What a run did is taken back, a plan first: contact lists in SQLite files.

use crate::{api::Server, serve::eventually, world::World};

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
      phone: {crm: phone, erp: TEL}
"#;

const NAMES: &str =
    "select group_concat(CNAME, ' ') from (select CNAME from CUSTOMER order by EMAIL)";

/// Five contacts that both systems have, synchronised.
fn five_contacts() -> World {
    let world = World::with(FILE);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, phone text)",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text)",
    );
    for name in ["a", "b", "c", "d", "e"] {
        world.sql(
            "crm",
            &format!(
                "insert into contacts (email, name, phone) values ('{name}@x', '{name}', '1')"
            ),
        );
    }
    world.says(0, &["run", "--yes"]);
    world
}

#[test]
fn o4_a_bulk_edit_gone_wrong_is_taken_back_and_edits_made_since_are_left_alone() {
    let world = five_contacts();
    world.sql("crm", "update contacts set name = 'BROKEN'");
    world.says(0, &["run"]);
    world.sql("erp", "update CUSTOMER set CNAME = 'mended' where EMAIL = 'b@x'");

    let planned = world.says(0, &["rollback", "run", "last"]);
    assert!(planned.contains("Would restore 5 changes: erp 5"), "{planned}");
    assert!(
        planned.contains("Nothing was written. To do it: syncline rollback run last --yes"),
        "{planned}"
    );
    assert_eq!(world.value("erp", NAMES), "BROKEN mended BROKEN BROKEN BROKEN");
    let done = world.says(0, &["rollback", "run", "last", "--yes"]);

    assert!(done.contains("Restored 4 changes."), "{done}");
    assert!(done.contains("1 changed again since, left alone"), "{done}");
    assert_eq!(world.value("erp", NAMES), "a mended c d e");
    // The source keeps what it has, but for what was mended; nothing takes the rest up again.
    world.says(0, &["run"]);
    let crm = "select group_concat(name, ' ') from contacts";
    assert_eq!(world.value("crm", crm), "BROKEN mended BROKEN BROKEN BROKEN");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    world.says(0, &["verify"]);
    // The next edit there is one.
    world.sql("crm", "update contacts set name = 'new' where email = 'a@x'");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "new mended c d e");
}

#[test]
fn a_rollback_is_undone_like_any_run() {
    let world = five_contacts();
    world.sql("crm", "update contacts set name = upper(name)");
    world.says(0, &["run"]);
    let done = world.says(0, &["rollback", "run", "last", "--yes"]);
    assert_eq!(world.value("erp", NAMES), "a b c d e");
    let undo = done.lines().find_map(|line| line.split_once("Undo: syncline ")).unwrap().1;

    let words: Vec<&str> = undo.split(' ').chain(["--yes"]).collect();
    world.says(0, &words);

    assert_eq!(world.value("erp", NAMES), "A B C D E");
    world.agrees();
}

#[test]
fn the_origin_is_put_back_where_that_is_asked_for() {
    let world = five_contacts();
    world.sql("crm", "update contacts set name = upper(name)");
    world.says(0, &["run"]);

    world.says(0, &["rollback", "run", "last", "--revert-source", "--yes"]);

    assert_eq!(world.value("crm", "select group_concat(name, ' ') from contacts"), "a b c d e");
    world.agrees();
}

#[test]
fn what_a_system_cannot_take_back_is_counted_with_its_reason() {
    let telephones = r#"{column: TEL, values: {"1": one, "2": two}}"#;
    let world = World::with(&FILE.replace("erp: TEL", &format!("erp: {telephones}")));
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, phone text);
         insert into contacts (email, name, phone) values ('a@x', 'a', '1'), ('b@x', 'b', '2')",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text)",
    );
    world.says(0, &["run", "--yes"]);
    // Of two new numbers ERP has no word for one, and then both are changed to what it has one for.
    world.sql("crm", "update contacts set phone = '9' where email = 'a@x'");
    world.run(&["run"]);
    world.sql("crm", "update contacts set phone = '2' where email = 'a@x'");
    world.sql("crm", "update contacts set phone = '1' where email = 'b@x'");
    world.says(0, &["run"]);

    let planned = world.says(0, &["rollback", "run", "last"]);
    let done = world.run(&["rollback", "run", "last", "--yes"]);

    let (planned, done) = (planned.as_str(), done.stdout.as_str());
    assert!(planned.contains("1 impossible in erp: "), "{planned}");
    assert!(done.contains("1 impossible in erp: "), "{done}");
    let phones = "select group_concat(TEL, ' ') from (select TEL from CUSTOMER order by EMAIL)";
    assert_eq!(world.value("erp", phones), "two two");
}

#[test]
fn rows_that_an_import_brought_go_again_and_it_keeps_its_own() {
    let world = five_contacts();
    world.sql(
        "crm",
        "insert into contacts (email, name) values ('f@x', 'f'), ('g@x', 'g'), ('h@x', 'h')",
    );
    world.says(0, &["run"]);
    world.sql("erp", "update CUSTOMER set TEL = '7' where EMAIL = 'g@x'");

    let done = world.says(0, &["rollback", "run", "last", "--yes"]);

    assert!(done.contains("1 changed again since"), "{done}");
    assert_eq!(world.value("erp", NAMES), "a b c d e g");
    world.says(0, &["run"]);
    assert_eq!(world.value("crm", "select count(*) from contacts"), "8");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    world.says(0, &["verify"]);
    world.sql("crm", "update contacts set name = 'F' where email = 'f@x'");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "a b c d e F g");
}

#[test]
fn rows_that_were_deleted_come_back_where_nobody_deleted_them() {
    let world = five_contacts();
    world.sql("crm", "delete from contacts where name in ('b', 'd')");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", NAMES), "a c e");

    world.says(0, &["rollback", "run", "last", "--yes"]);

    assert_eq!(world.value("erp", NAMES), "a b c d e");
    assert_eq!(world.value("crm", "select count(*) from contacts"), "3");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    world.says(0, &["verify"]);
}

#[test]
fn a_first_synchronisation_is_taken_back_as_far_as_anybody_can_say() {
    let world = World::with(FILE);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, phone text)",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text)",
    );
    world.sql("crm", "insert into contacts (email, name) values ('a@x', 'Anna'), ('b@x', 'Bob')");
    world.sql("erp", "insert into CUSTOMER (EMAIL, CNAME) values ('a@x', 'ANNA')");
    world.says(0, &["run", "--yes"]);
    assert_eq!(world.value("erp", NAMES), "Anna Bob");

    let done = world.says(0, &["rollback", "run", "last", "--yes"]);

    // Its own row has its own name again, and the row that was made for Bob is gone.
    assert!(done.contains("1 joined rows that were there before"), "{done}");
    assert_eq!(world.value("erp", NAMES), "ANNA");
    assert_eq!(world.value("crm", "select group_concat(name, ' ') from contacts"), "Anna Bob");
}

#[test]
fn a_record_and_an_entity_go_back_to_a_time_and_one_change_by_itself() {
    let world = five_contacts();
    world.sql("crm", "update contacts set name = upper(name), phone = '2'");
    world.says(0, &["run"]);
    let history = world.run(&["--json", "history", "contacts/email=a@x"]).ends(0, &[]).json();
    let changes = history["result"].as_array().unwrap();
    let phone =
        changes.iter().find(|it| it["field"] == "phone" && it["kind"] == "changed").unwrap();
    world.says(0, &["rollback", "change", phone["change"].as_str().unwrap(), "--yes"]);
    let of_a = "select CNAME || TEL from CUSTOMER where EMAIL = 'a@x'";
    assert_eq!(world.value("erp", of_a), "A1");

    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let then = world.value("crm", "select strftime('%Y-%m-%dT%H:%M:%SZ', 'now')");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    world.sql("crm", "update contacts set phone = '3'");
    world.says(0, &["run"]);
    world.says(0, &["rollback", "record", "contacts/email=b@x", "--to", &then, "--yes"]);
    let phones = "select group_concat(TEL, ' ') from (select TEL from CUSTOMER order by EMAIL)";
    assert_eq!(world.value("erp", phones), "3 2 3 3 3");
    world.says(0, &["rollback", "entity", "contacts", "--to", &then, "--yes"]);
    assert_eq!(world.value("erp", phones), "1 2 2 2 2");
}

#[test]
fn what_cannot_be_found_or_understood_takes_nothing_back() {
    let world = five_contacts();
    for (code, words) in [
        ("usage.unknown_number", &["rollback", "run", "r-999", "--yes"][..]),
        ("usage.unknown_number", &["rollback", "change", "c-99999", "--yes"]),
        ("usage.unknown_number", &["rollback", "change", "contacts", "--yes"]),
        ("address.unknown", &["rollback", "record", "contacts/crm:99", "--to", "1h", "--yes"]),
        ("usage.unknown_entity", &["rollback", "entity", "nothing", "--to", "1h", "--yes"]),
        ("usage.arguments", &["rollback", "entity", "contacts", "--yes"]),
        ("usage.arguments", &["rollback", "run", "last", "--to", "1h", "--yes"]),
        ("usage.time", &["rollback", "entity", "contacts", "--to", "soon", "--yes"]),
    ] {
        let said = world.run(words).said();
        assert!(said.contains(code), "{words:?}: {said}");
    }
    world.agrees();
}

#[test]
fn what_a_guard_stops_is_taken_back_by_itself_where_the_file_says_so() {
    let world = five_contacts();
    let limits = "guards: {updates: {max: 1, max_percent: 1}}, auto_rollback: true";
    world.edit("version: 1\n", &format!("version: 1\ndefaults: {{{limits}}}\n"));
    world.says(0, &["run", "--yes"]);
    world.sql("crm", "update contacts set name = 'BROKEN'");
    world.sql("crm", "insert into contacts (email, name, phone) values ('f@x', 'f', '1')");

    let said = world.says(5, &["run"]);

    assert!(said.contains("guard.mass_update"), "{said}");
    assert!(said.contains("taken back by itself (`auto_rollback`)"), "{said}");
    world.run(&["guards", "list"]).ends(0, &["no guard waits"]);
    world.run(&["audit"]).ends(0, &["auto_rollback", "guard.mass_update"]);
    world.says(0, &["run"]);
    assert!(world.value("erp", NAMES).starts_with("a b c d e"), "the ERP is as it was");
    let own = "select group_concat(name, ' ') from contacts where id < 6";
    assert_eq!(world.value("crm", own), "BROKEN BROKEN BROKEN BROKEN BROKEN");
    world.sql("crm", "update contacts set name = 'anna' where id = 1");
    world.says(0, &["run"]);
    assert!(world.value("erp", NAMES).starts_with("anna b c d e"), "an edit made since flows");
}

/// Whoever writes the last in the ERP has the first go wrong.
fn goes_wrong(world: &World) {
    world.sql(
        "erp",
        "create trigger wrong after update on CUSTOMER when new.EMAIL = 'e@x' begin \
         update CUSTOMER set CNAME = 'wrong' where EMAIL = 'a@x'; end",
    );
}

#[test]
fn a_run_that_fails_its_verify_is_taken_back_where_the_file_says_so() {
    let world = five_contacts();
    world.says(0, &["run", "--yes"]);
    world.sql("crm", "update contacts set name = 'anna' where id = 1");
    world.run(&["run", "--verify"]).ends(0, &["verified: 1 record of contacts"]);
    goes_wrong(&world);
    world.sql("crm", "update contacts set name = upper(name) where id in (1, 5)");
    let said = world.says(10, &["run", "--verify"]);
    assert!(said.contains("run.not_verified") && said.contains("1 row of contacts"), "{said}");
    assert_eq!(world.value("erp", NAMES), "wrong b c d E");

    world.says(0, &["run"]);
    world.edit("version: 1\n", "version: 1\ndefaults: {auto_rollback: true}\n");
    world.sql("crm", "update contacts set name = 'x' where id in (1, 5)");
    let said = world.says(10, &["run", "--verify"]);

    assert!(said.contains("taken back by itself (`auto_rollback`)"), "{said}");
    world.run(&["audit"]).ends(0, &["auto_rollback", "run.not_verified"]);
    assert!(world.value("erp", NAMES).ends_with("b c d E"), "the ERP is as it was: {said}");
}

#[test]
fn a_run_of_the_daemon_that_fails_its_verify_is_taken_back_too() {
    let world = five_contacts();
    world.edit("    match: email", "    schedule: {cron: \"0 2 29 2 *\"}\n    match: email");
    world.edit("version: 1\n", "version: 1\ndefaults: {auto_rollback: true}\n");
    world.says(0, &["run", "--yes"]);
    goes_wrong(&world);
    world.sql("crm", "update contacts set name = upper(name) where id in (1, 5)");
    let server = Server::start(&world);

    server.act("POST", "/runs", r#"{"entity": "contacts", "verify": true}"#).is(202);

    let taken_back = || {
        let runs = server.get("/runs?kind=rollback").is(200);
        runs["items"][0]["outcome"] == "ok"
    };
    eventually("it is taken back", taken_back, || server.log());
    let is_back = || world.value("erp", NAMES).ends_with("b c d e");
    eventually("the ERP is as it was", is_back, || world.value("erp", NAMES));
    let own = "select group_concat(name, ' ') from contacts";
    assert_eq!(world.value("crm", own), "A b c d E");
    world.run(&["audit"]).ends(0, &["auto_rollback", "run.not_verified"]);
}
