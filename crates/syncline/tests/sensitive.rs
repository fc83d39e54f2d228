//! Values that people may not see, and values that are never read: a canary in each, searched for wherever
//! it might have got to.

use std::fs;

use serde_json::Value as Json;

use crate::{
    alerts::Sink,
    api::{Server, guarded},
    serve::{Daemon, eventually},
    servers::postgres,
    traces::{Collector, traced},
    world::World,
};

/// Never read.
const IBAN: &str = "FR7630006000011234567890189";
/// Shown as `q•••@example.com`.
const EMAIL: &str = "quetzalcoatl@example.com";
/// Shown as dots.
const PHONE: &str = "+33698765432";
const OTHER_PHONE: &str = "+4917198765";

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: {table: contacts, key: id}, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL, sensitive: mask}
      name: {crm: name, erp: CNAME}
      phone: {crm: phone, erp: TEL, sensitive: mask, conflicts: manual}
      note: {compute: "name + ' ' + phone", erp: NOTE, sensitive: mask}
      iban: {crm: iban, erp: IBAN, sensitive: never}
alerts:
  channels: {ops: {webhook: "http://SINK/ops", private: true}}
  rules: [{event: "*", to: ops}]
"#;

fn contacts(sink: &Sink) -> World {
    let world = World::with(&FILE.replace("SINK", &sink.address));
    world.sql(
        "crm",
        &format!(
            "create table contacts (id integer primary key, email text, name text, phone text, iban text);
             insert into contacts values (1, '{EMAIL}', 'Quinn', '{PHONE}', '{IBAN}'),
                                         (2, 'b@example.com', 'Bo', '+331', '{IBAN}')"
        ),
    );
    world.sql(
        "erp",
        &format!(
            "create table CUSTOMER (NO integer primary key, EMAIL text unique, CNAME text,
                 TEL text check (TEL not like '%0666%'), NOTE text, IBAN text);
             insert into CUSTOMER (EMAIL, CNAME, TEL, IBAN) values ('{EMAIL}', 'Quinn', '{PHONE}', '{IBAN}')"
        ),
    );
    world
}

/// Everything that the program says about these systems, in all its ways.
fn everything_said(world: &World) -> String {
    let mut said = String::new();
    let commands: &[&[&str]] = &[
        &["plan", "--full"],
        &["conflicts", "list"],
        &["conflicts", "show", "1"],
        &["quarantine", "list"],
        &["quarantine", "show", "1"],
        &["history"],
        &["history", "contacts/crm:1"],
        &["explain", "contacts/crm:1"],
        &["explain", "contacts/crm:1", "phone"],
        &["audit", "--export", "csv"],
        &["audit", "--export", "jsonl"],
        &["verify"],
        &["status"],
        &["guards", "list"],
        &["check", "--online"],
        &["doctor"],
        &["config", "show"],
        &["conflicts", "resolve", "--where", "field=phone", "--take", "crm", "--dry-run"],
    ];
    for command in commands {
        said += &world.run(command).said();
        said += &world.run(&[command, &["--json"][..]].concat()).said();
        said += &world.run(&[command, &["--plain"][..]].concat()).said();
    }
    said
}

/// What of this text must not be there: values, and what is left of them when they are cut.
#[track_caller]
fn holds_none(text: &str, what: &str) {
    let lower = text.to_lowercase();
    for secret in ["quetzal", "98765", "0666", "76300060000"] {
        let place =
            lower.find(secret).map(|at| &text[at.saturating_sub(200)..text.len().min(at + 60)]);
        assert_eq!(place, None, "{secret} in {what}");
    }
}

#[test]
fn s11_a_canary_in_each_sensitive_field_is_found_nowhere_but_where_it_belongs() {
    let sink = Sink::open();
    let world = contacts(&sink);
    let mut said = world.run(&["run", "--yes"]).ends(0, &[]).said();
    assert_eq!(world.value("erp", "select TEL from CUSTOMER where NO = 1"), PHONE, "it travels");
    // A conflict over a masked field, a write of one that is refused, and a row that cannot be linked.
    world.sql("crm", "update contacts set phone = '+33698765001' where id = 1");
    world.sql("erp", &format!("update CUSTOMER set TEL = '{OTHER_PHONE}' where NO = 1"));
    world.sql("crm", "update contacts set phone = '+330666' where id = 2");
    said += &world.run(&["run"]).ends(4, &[]).said();

    said += &everything_said(&world);
    assert!(said.contains("q•••@example.com"), "{said}");
    holds_none(&said, "what the commands say");

    let daemon = Daemon::start(&world.path(""), &["-v"]);
    world.sql("crm", "update contacts set name = 'Quincy' where id = 1");
    world.sql("crm", "update contacts set phone = '+330666777' where id = 2");
    let name = "select CNAME from CUSTOMER where NO = 1";
    eventually("the name arrives", || world.value("erp", name) == "Quincy", || daemon.log());
    let told = || sink.heard("/ops");
    eventually("people are told", || told().len() > 1, || daemon.log());
    world.run(&["backup", "--to", "copy.db"]).ends(0, &[]);
    holds_none(&daemon.log(), "the daemon's log");
    daemon.stop();
    for one in told() {
        holds_none(&one.body, "an alert");
    }
    // What is never read is in none of our files, not even in bytes.
    for entry in fs::read_dir(world.path("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() || name.starts_with("crm.db") || name.starts_with("erp.db") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let is_there = bytes.windows(IBAN.len()).any(|seen| seen == IBAN.as_bytes());
        assert!(!is_there, "{name} holds what is never read");
    }
}

#[test]
fn what_is_never_read_need_not_be_readable() {
    let url = postgres().database("sensitive_crm");
    postgres().execute(
        &url,
        "create table contacts (id int generated by default as identity primary key,
             email text not null, name text, phone text, iban text);
         insert into contacts (email, name, phone, iban) values ('a@example.com', 'A', '+331', 'theirs');
         create role clerk login;
         grant select (id, email, name, phone, xmin, ctid), insert (email, name, phone),
             update (email, name, phone) on contacts to clerk",
    );
    let clerk = url.replace("postgres://postgres@", "postgres://clerk@");
    assert_ne!(clerk, url);
    let file = FILE.split("alerts:").next().unwrap().replace("sqlite:crm.db", &clerk);
    let world = World::with(&file);
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text, NOTE text,
             IBAN text)",
    );

    world.run(&["run", "--yes"]).ends(0, &[]);

    assert_eq!(world.value("erp", "select CNAME || coalesce(IBAN, '') from CUSTOMER"), "A");
    world.sql("erp", "update CUSTOMER set CNAME = 'B', IBAN = 'mine'");
    let said = world.run(&["run"]).ends(0, &["crm 1"]).said();
    assert!(!said.to_lowercase().contains("iban"), "it is no new column: {said}");
    let row = postgres().execute(&url, "select name || ' ' || iban from contacts");
    assert_eq!(row.trim(), "B theirs");
    assert_eq!(world.value("erp", "select IBAN from CUSTOMER"), "mine");
}

#[test]
fn a_leak_is_an_error_with_its_place() {
    let world = World::with(FILE.split("alerts:").next().unwrap());
    for (from, to, says) in [
        ("erp: NOTE, sensitive: mask", "erp: NOTE", "`note` shows what `phone` hides"),
        ("name: {crm: name", "name: {crm: iban", "`iban` of crm is never read"),
        ("key: id}", "key: iban}", "`iban` of crm is never read"),
        ("key: id}", "key: email}", "keys are shown everywhere"),
        ("match: email", "match: iban", "no row is found by it"),
        ("match: email", "when: \"iban != null\"\n    match: email", "`when` speaks of `iban`"),
    ] {
        let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
        world.edit(from, to);
        world.run(&["check"]).ends(2, &["config.leak", says]);
        world.file("syncline.yaml", &file);
    }
    for (word, code) in [("hash", "config.missing_key"), ("encrypt", "config.missing_key")] {
        let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
        world.edit("erp: NOTE, sensitive: mask", &format!("erp: NOTE, sensitive: {word}"));
        world.run(&["check"]).ends(2, &[code, word]);
        world.file("syncline.yaml", &file);
    }
}

/// Files of ours that hold these bytes, by name.
fn files_with(world: &World, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![world.path("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && !name.starts_with("crm.db") && !name.starts_with("erp.db") {
                let held = fs::read(&path).unwrap();
                if held.windows(bytes.len()).any(|seen| seen == bytes) {
                    found.push(name);
                }
            }
        }
    }
    found
}

/// Everything here that is only in the systems: also of fields without a label.
#[track_caller]
fn no_file_holds_a_value(world: &World) {
    for value in [EMAIL, PHONE, OTHER_PHONE, "+33698765001", "0666quay", "Quinn", IBAN] {
        assert_eq!(files_with(world, value.as_bytes()), Vec::<String>::new(), "{value}");
    }
}

#[test]
fn a_sealed_hub_and_all_that_comes_of_it_hold_no_value() {
    let sink = Sink::open();
    let world = contacts(&sink);
    let key = "c0ffee".repeat(10) + "c0de";
    world.file("key", &key);
    world.edit("version: 1", "version: 1\nhub: {key: \"file:key\"}");
    world.edit(
        "phone: {crm: phone, erp: TEL, sensitive: mask",
        "phone: {crm: phone, erp: TEL, sensitive: encrypt",
    );
    let mut said = world.run(&["run", "--yes"]).ends(0, &[]).said();
    assert_eq!(world.value("erp", "select TEL from CUSTOMER where NO = 1"), PHONE, "it travels");
    world.sql("crm", "update contacts set phone = '+33698765001' where id = 1");
    world.sql("erp", &format!("update CUSTOMER set TEL = '{OTHER_PHONE}' where NO = 1"));
    world.sql("crm", "update contacts set phone = '+330666quay' where id = 2");
    said += &world.run(&["run"]).ends(4, &[]).said();
    said += &everything_said(&world);
    holds_none(&said, "what the commands say");
    assert!(!said.contains(&key));
    world.run(&["backup", "--to", "copy.db"]).ends(0, &[]);
    world.run(&["plan", "--out", "a.plan"]);
    no_file_holds_a_value(&world);

    // While it works, and as it is left.
    let daemon = Daemon::start(&world.path(""), &["-v"]);
    world.sql("crm", "update contacts set name = 'Quincy' where id = 1");
    let name = "select CNAME from CUSTOMER where NO = 1";
    eventually("the name arrives", || world.value("erp", name) == "Quincy", || daemon.log());
    no_file_holds_a_value(&world);
    holds_none(&daemon.log(), "the daemon's log");
    daemon.stop();
    no_file_holds_a_value(&world);
    world.run(&["audit", "--verify-chain"]).ends(0, &["chain ok"]);

    // A copy opens with the key, and with nothing else.
    world.file("key", &"0".repeat(64));
    world.run(&["run"]).ends(3, &["hub.key_wrong", "previous_key"]);
    world.run(&["restore", "copy.db", "--yes"]).ends(3, &["hub.key_wrong"]);
    world.file("key", "no key");
    world.run(&["status"]).ends(3, &["secret.unresolved", "hub.key", "64 hexadecimal digits"]);
    world.file("key", &key);
    world.run(&["restore", "copy.db", "--yes"]).ends(0, &[]);
    world.run(&["verify"]).ends(0, &[]);
    world.edit("hub: {key: \"file:key\"}", "");
    world.edit("sensitive: encrypt", "sensitive: mask");
    world.run(&["run"]).ends(3, &["hub.key_missing"]);
}

#[test]
fn a_hub_with_values_in_clear_is_sealed_when_it_is_opened_with_a_key() {
    let sink = Sink::open();
    let world = contacts(&sink);
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert!(!files_with(&world, PHONE.as_bytes()).is_empty());
    let head = |said: String| {
        said.lines().find_map(|line| Some(line.trim().strip_prefix("changes")?.trim().to_owned()))
    };
    let kept = head(world.run(&["audit", "--verify-chain"]).said()).unwrap();
    world.file("key", &"d".repeat(64));
    world.edit("version: 1", "version: 1\nhub: {key: \"file:key\"}");

    world.sql("crm", "update contacts set name = 'Quincy' where id = 1");
    world.run(&["run"]).ends(0, &["erp 1"]);

    no_file_holds_a_value(&world);
    world.run(&["history"]).ends(0, &["created from crm:1", "name Quinn -> Quincy"]);
    world.run(&["audit", "--verify-chain", "--kept", &kept]).ends(0, &["chain ok"]);
}

#[test]
fn what_is_hidden_is_shown_to_an_administrator_who_asks_and_that_is_on_the_books() {
    let sink = Sink::open();
    let world = contacts(&sink);
    world.file("key", &"e".repeat(64));
    world.edit("version: 1", "version: 1\nhub: {key: \"file:key\"}");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let (server, token) = guarded(&world);
    let (operator, admin) =
        (token("op", &["--role", "operator"]), token("root", &["--role", "admin"]));

    let listed = server.ask(&admin, "GET", "/records?q=crm:1", "").is(200);
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let one = server.ask(&admin, "GET", &format!("/records/{id}"), "").is(200);
    holds_none(&(listed.to_string() + &one.to_string()), "what the API says unasked");
    assert!(one["fields"].as_array().unwrap().iter().any(|it| it["hidden"] == true), "{one}");
    let reveal = format!("/records/{id}/reveal");
    server.ask(&operator, "POST", &reveal, "{}").refuses(403, "server.role");
    server.ask(&admin, "POST", &reveal, r#"{"field": "name"}"#).refuses(400, "usage.parameter");

    let shown = server.ask(&admin, "POST", &reveal, r#"{"field": "phone"}"#).is(200);

    let phone = &shown["result"]["values"]["phone"];
    assert_eq!(
        (&phone["value"], &phone["systems"]["erp"]),
        (&PHONE.into(), &PHONE.into()),
        "{shown}"
    );
    assert!(!shown.to_string().contains("quetzal"), "only what was asked for: {shown}");
    let books = server.ask(&admin, "GET", "/audit?limit=100", "").is(200);
    let all = books["items"].as_array().unwrap().iter();
    let looked = all.filter(|it| it["what"] == "records.reveal" && it["on"] == id.as_str());
    let who: Vec<_> = looked.map(|it| (it["who"].clone(), it["how"].clone())).collect();
    let asked = |how: &str| ("token:root".into(), how.into());
    assert_eq!(who, [asked("--field phone"), asked("--field name")], "{books}");
    holds_none(&books.to_string(), "the books");
    no_file_holds_a_value(&world);
}

/// What anybody may ask of a daemon, with the names of everything that there is put in.
fn questions(server: &Server, token: &str) -> Vec<String> {
    let described = server.ask(token, "GET", "/openapi.json", "").is(200);
    let paths = described["paths"].as_object().unwrap();
    let asked = paths.iter().filter(|(_, of)| of.get("get").is_some());
    // A stream of events has no end.
    let paths = asked.map(|(path, _)| path.clone()).filter(|path| !path.ends_with("/events"));
    let listed = server.ask(token, "GET", "/records?limit=10", "").is(200);
    let records = listed["items"].as_array().unwrap();
    let mut ids: Vec<String> = ["1", "2", "r-1", "r-2", "r-3", "contacts", "crm", "erp", "phone"]
        .map(str::to_owned)
        .into();
    ids.extend(records.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
    let mut all = Vec::new();
    for path in paths {
        let path = path.trim_start_matches("/api/v1").to_owned();
        let Some((before, rest)) = path.split_once('{') else {
            all.push(path);
            continue;
        };
        let after = rest.split_once('}').unwrap().1;
        for id in &ids {
            all.push(format!("{before}{id}{}", after.replace("{field}", "phone")));
        }
    }
    all
}

#[test]
fn every_answer_every_page_and_every_file_is_searched_for_each_label() {
    let sink = Sink::open();
    let world = contacts(&sink);
    world.file("key", &"c0ffee11".repeat(8));
    world.edit("version: 1", "version: 1\nhub: {key: \"file:key\"}");
    let encrypted = "phone: {crm: phone, erp: TEL, sensitive: encrypt";
    world.edit("phone: {crm: phone, erp: TEL, sensitive: mask", encrypted);
    world.edit(
        "      iban:",
        "      nir: {type: int, crm: nir, erp: NIR, sensitive: hash}\n      iban:",
    );
    world.sql(
        "crm",
        &format!(
            "alter table contacts add nir text; update contacts set nir = '{NIR}' where id = 1"
        ),
    );
    world.sql(
        "erp",
        &format!("alter table CUSTOMER add NIR integer; update CUSTOMER set NIR = {NIR}"),
    );
    let mut said = world.run(&["run", "--yes"]).ends(0, &[]).said();
    // A conflict, a refused write, a wrong configuration, a guard, a rollback.
    world.sql("crm", "update contacts set phone = '+33698765001' where id = 1");
    world.sql("erp", &format!("update CUSTOMER set TEL = '{OTHER_PHONE}' where NO = 1"));
    world.sql("crm", "update contacts set phone = '+330666quay' where id = 2");
    said += &world.run(&["run"]).ends(4, &[]).said();
    said += &world.run(&["rollback", "run", "r-1"]).said();
    said += &world.run(&["plan", "--replay", "7"]).said();
    world.edit("name: {crm: name", "name: {validate: \"phone != ''\", crm: name");
    said += &world.run(&["check"]).said();
    world.edit("name: {validate: \"phone != ''\", crm: name", "name: {crm: name");
    said += &everything_said(&world);
    holds_none(&said, "what the commands say");
    assert!(!said.contains("1850578"), "{said}");

    let collector = Collector::open();
    traced(&world, &collector);
    let (server, token) = guarded(&world);
    let admin = token("root", &["--role", "admin"]);
    world.sql("crm", "update contacts set name = 'Quincy' where id = 1");
    let name = "select CNAME from CUSTOMER where NO = 1";
    eventually("the name arrives", || world.value("erp", name) == "Quincy", || server.log());
    eventually("people are told", || sink.heard("/ops").len() > 1, || server.log());
    let mut asked = 0;
    for path in questions(&server, &admin) {
        let answer = server.ask(&admin, "GET", &path, "");
        holds_none(&answer.body, &path);
        assert!(!answer.body.contains("1850578"), "{path}: {}", answer.body);
        asked += u32::from(answer.status == 200);
    }
    assert!(asked >= 40, "only {asked} answers");
    let bearer = format!("Bearer {admin}");
    for page in ["/", "/metrics", "/records", "/conflicts"] {
        let answer = server.send("GET", page, &[("authorization", bearer.as_str())], "");
        holds_none(&answer.body, page);
    }
    // What was shown to somebody who may see it is kept nowhere, also not to answer them once more.
    let listed = server.ask(&admin, "GET", "/records?q=crm:1", "").is(200);
    let reveal = format!("/api/v1/records/{}/reveal", listed["items"][0]["id"].as_str().unwrap());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "once"),
    ];
    let shown = server.send("POST", &reveal, &headers, r#"{"field": "phone"}"#);
    assert!(shown.body.contains("98765"), "{shown:?}");
    server.ask(&admin, "POST", "/runs", r#"{"entity": "contacts"}"#);
    world.run(&["backup", "--to", "copy.db"]).ends(0, &[]);
    for one in sink.heard("/ops") {
        holds_none(&one.body, "an alert");
    }
    let spans = || Json::from(collector.spans()).to_string();
    eventually("the change is followed", || spans().contains("write erp"), || server.log());
    holds_none(&server.log(), "the daemon's log");
    no_file_holds_a_value(&world);
    drop(server);
    holds_none(&spans(), "traces");
    assert!(!spans().contains("1850578"), "{}", spans());
    no_file_holds_a_value(&world);
    assert_eq!(files_with(&world, NIR.as_bytes()), Vec::<String>::new());
}

/// A number of the state; found nowhere but in the systems.
const NIR: &str = "185057800608436";

const HASHED: &str = r#"version: 1
hub: {key: "file:key"}
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: {table: contacts, key: id}, erp: CUSTOMER}
    match: nir
    fields:
      name: {crm: name, erp: CNAME}
      nir: {type: int, crm: nir, erp: NIR, sensitive: hash}
"#;

#[test]
fn of_a_hashed_field_only_a_keyed_hash_leaves_its_system_and_rows_are_found_by_it() {
    let world = World::with(HASHED);
    world.file("key", &"a".repeat(64));
    // Each writes it in its own way.
    world.sql(
        "crm",
        &format!(
            "create table contacts (id integer primary key, name text, nir text);
             insert into contacts values (1, 'Ada', '{NIR}'), (2, 'Bo', null), (3, 'Cy', '290017500000012')"
        ),
    );
    world.sql(
        "erp",
        &format!(
            "create table CUSTOMER (NO integer primary key, CNAME text, NIR integer);
             insert into CUSTOMER values (7, 'Ada', {NIR})"
        ),
    );
    let mut said = world.run(&["run", "--yes"]).ends(0, &[]).said();

    let rows = "select group_concat(NO || CNAME || coalesce(NIR, '-'), ' ') from (select * from CUSTOMER order by CNAME)";
    let there = world.value("erp", rows);
    assert!(
        there.starts_with(&format!("7Ada{NIR} ")),
        "found by its hash, and left as it is: {there}"
    );
    assert!(
        there.contains("Bo-") && there.ends_with("Cy-"),
        "what is hashed is not copied: {there}"
    );
    // Whoever knows it there may say so; names travel both ways past it.
    world.sql("erp", "update CUSTOMER set CNAME = 'Ada L' where NO = 7; update CUSTOMER set NIR = 290017500000012 where CNAME = 'Cy'");
    world.sql("crm", "update contacts set name = 'Cyd' where id = 3");
    said += &world.run(&["run"]).ends(0, &["crm 1", "erp 1"]).said();
    assert_eq!(
        world.value("crm", "select name || nir from contacts where id = 1"),
        format!("Ada L{NIR}")
    );
    said += &world.run(&["run"]).ends(0, &[]).said();
    for command in [
        &["verify"][..],
        &["explain", "contacts/crm:1"],
        &["history"],
        &["plan", "--full"],
        &["check", "--online"],
    ] {
        said += &world.run(command).ends(0, &[]).said();
    }
    assert!(!said.contains("1850578") && !said.contains("2900175"), "{said}");
    for value in [NIR, "290017500000012"] {
        assert_eq!(files_with(&world, value.as_bytes()), Vec::<String>::new());
    }
    // The hash stays what it is when the key of the hub is changed.
    world.file("new", &"b".repeat(64));
    world.edit("\"file:key\"", "\"file:new\", previous_key: \"file:key\"");
    world.run(&["keys", "rotate"]).ends(0, &[]);
    world.edit(", previous_key: \"file:key\"", "");
    let said = world.run(&["run"]).ends(0, &[]).said();
    assert!(!said.contains("crm 1") && !said.contains("erp 1"), "nothing has changed: {said}");
}

#[test]
fn what_would_carry_a_hashed_field_further_is_refused() {
    let world = World::with(HASHED);
    for (from, to, code, says) in [
        (
            "match: nir",
            "match: nir\n    when: \"nir != null\"",
            "config.leak",
            "only a hash is known",
        ),
        ("name: {crm: name", "name: {crm: nir", "config.leak", "it is read here"),
        (
            "      nir: {type",
            "      tag: {compute: \"nir + 1\", erp: TAG}\n      nir: {type",
            "config.leak",
            "speaks of `nir`",
        ),
        ("key: id}", "key: nir}", "config.leak", "keys are shown everywhere"),
        (
            "sensitive: hash",
            "sensitive: hash, to: erp",
            "config.contradiction",
            "copied to no system",
        ),
        (
            "sensitive: hash",
            "sensitive: hash, conflicts: manual",
            "config.contradiction",
            "`conflicts`",
        ),
        ("hub: {key: \"file:key\"}", "hub: {}", "config.missing_key", "the hub has no key"),
    ] {
        let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
        world.edit(from, to);
        world.run(&["check"]).ends(2, &[code, says]);
        world.file("syncline.yaml", &file);
    }
}
