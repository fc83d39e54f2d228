//! The key of a sealed hub is changed, and a record is forgotten.

use std::{fs, process::Stdio};

use crate::world::{CONTACTS, World, finished};

fn sealed() -> World {
    let world = World::contacts(3);
    world.file("old", &"5".repeat(64));
    world.file("new", &"6".repeat(64));
    world.file("syncline.yaml", &format!("{CONTACTS}hub: {{key: \"file:old\"}}\n"));
    world.run(&["run", "--yes"]).ends(0, &[]);
    world
}

/// Whether the hub, or what lies beside it, holds these bytes.
fn holds(world: &World, bytes: &[u8]) -> bool {
    fs::read_dir(world.path("")).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let is_ours = path.file_name().unwrap().to_string_lossy().starts_with("syncline.hub");
        let held = if is_ours { fs::read(path).unwrap() } else { Vec::new() };
        held.windows(bytes.len()).any(|seen| seen == bytes)
    })
}

#[test]
fn the_key_is_changed_by_a_command_and_the_old_one_opens_nothing_then() {
    let world = sealed();
    world.run(&["backup", "--to", "copy.db"]).ends(0, &[]);
    world.run(&["keys", "rotate"]).ends(0, &["sealed with `hub.key` already"]);
    world.edit("file:old", "file:new");
    world.run(&["keys", "rotate"]).ends(3, &["hub.key_wrong", "previous_key"]);

    world.edit("\"file:new\"", "\"file:new\", previous_key: \"file:old\"");
    world.run(&["run"]).ends(0, &[]);
    world.run(&["keys", "rotate"]).ends(0, &["keys of 3 records", "take `previous_key` out"]);

    world.edit(", previous_key: \"file:old\"", "");
    world.run(&["verify"]).ends(0, &[]);
    world.run(&["history"]).ends(0, &["created from crm:1"]);
    world.run(&["audit", "--verify-chain"]).ends(0, &["chain ok"]);
    world.run(&["audit"]).ends(0, &["keys.rotate"]);
    world.edit("file:new", "file:old");
    world.run(&["status"]).ends(3, &["hub.key_wrong"]);
    // The copy is as it was.
    world.run(&["restore", "copy.db", "--yes", "--force"]).ends(0, &[]);
}

#[test]
fn whoever_is_killed_while_keys_are_changed_goes_on_where_that_was() {
    let world = sealed();
    let rows: Vec<String> =
        (10..3_000).map(|id| format!("({id}, 'c{id}@a.example', 'N', 'lead')")).collect();
    world.sql(
        "crm",
        &format!("insert into contacts (id, email, name, status) values {}", rows.join(", ")),
    );
    world.run(&["run"]).ends(0, &[]);
    world.edit("\"file:old\"", "\"file:new\", previous_key: \"file:old\"");
    let begun = || world.value("syncline.hub", "select count(*) from vault where next is not null");
    let mut command = world.command(&["keys", "rotate"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while begun() == "0" && child.try_wait().unwrap().is_none() {}
    child.kill().unwrap();
    child.wait().unwrap();
    // As it is then, it is worked with.
    world.sql("crm", "update contacts set name = 'Eva' where id = 2");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.run(&["keys", "rotate"]).ends(0, &[]);
    world.edit(", previous_key: \"file:old\"", "");
    world.run(&["verify"]).ends(0, &[]);
}

#[test]
fn a_record_that_is_gone_everywhere_is_forgotten_and_the_books_are_whole() {
    let world = sealed();
    world.run(&["forget", "contacts/crm:1"]).ends(5, &["forget.lives", "crm:1", "erp:"]);
    world.run(&["forget", "contacts/crm:99", "--yes"]).ends(2, &["address.unknown"]);
    world.sql("crm", "update contacts set name = 'Zenobia' where id = 1");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.sql("crm", "delete from contacts where id = 1");
    world.run(&["run"]).ends(0, &["erp 1"]);
    let kept = |said: String| {
        said.lines().find_map(|line| Some(line.trim().strip_prefix("changes")?.trim().to_owned()))
    };
    let head = kept(world.run(&["audit", "--verify-chain"]).said()).unwrap();
    world.run(&["history"]).ends(0, &["name Name 1 -> Zenobia"]);

    let said = world
        .run(&["forget", "contacts/crm:1"])
        .ends(5, &["run.unapproved", "erased for good"])
        .said();
    let address = said.split_whitespace().find(|word| word.starts_with("contacts/0")).unwrap();
    let address = address.trim_end_matches(',').to_owned();
    let sealed: Vec<u8> = world
        .open("syncline.hub")
        .query_row("select sealed from record_key order by record limit 1", [], |row| row.get(0))
        .unwrap();
    assert!(holds(&world, &sealed));
    world.run(&["forget", &address, "--yes"]).ends(0, &["is erased", "its key is destroyed"]);

    world.run(&["forget", &address, "--yes"]).ends(2, &["address.unknown"]);
    let told = world.run(&["history"]).ends(0, &["erased", "created from crm:2"]).said();
    assert!(!told.contains("Zenobia") && !told.contains("crm:1"), "{told}");
    world.run(&["audit"]).ends(0, &["forget", &address]);
    world.run(&["audit", "--verify-chain", "--kept", &head]).ends(0, &["chain ok"]);
    let rows = world.value(
        "syncline.hub",
        "select count(*) from record_key where sealed is null and erased_at is not null",
    );
    assert_eq!(rows, "1");
    assert!(!holds(&world, &sealed), "its key is in no file any more");
    world.sql("crm", "update contacts set name = 'Eva' where id = 2");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.run(&["verify"]).ends(0, &[]);
}

#[test]
fn a_record_is_forgotten_before_and_after_its_history_was_made_short() {
    let world = sealed();
    world.sql("crm", "delete from contacts where id in (1, 2)");
    world.run(&["run"]).ends(0, &["erp 2"]);
    let forget = |row: &str| {
        let said = world.run(&["forget", &format!("contacts/crm:{row}")]).ends(5, &[]).said();
        let address = said.split_whitespace().find(|word| word.starts_with("contacts/0")).unwrap();
        let address = address.trim_end_matches(',').to_owned();
        world.run(&["forget", &address, "--yes"]).ends(0, &["is erased"]);
    };
    forget("1");
    world.edit("version: 1\n", "version: 1\ndefaults: {retention: {history: 0s}}\n");
    world.sql("crm", "update contacts set name = 'Eva' where id = 3");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.run(&["audit"]).ends(0, &["history.compact"]);
    world.run(&["audit", "--verify-chain"]).ends(0, &["chain ok"]);
    world.run(&["audit", "--rebuild"]).ends(0, &["all as the hub holds them"]);

    forget("2");

    world.run(&["audit", "--verify-chain"]).ends(0, &["chain ok"]);
    world.run(&["audit", "--rebuild"]).ends(0, &["all as the hub holds them"]);
    world.sql("crm", "update contacts set name = 'Zoe' where id = 3");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.run(&["audit", "--verify-chain"]).ends(0, &["chain ok"]);
    world.run(&["verify"]).ends(0, &[]);
}

#[test]
fn nothing_is_forgotten_by_a_hub_without_a_key() {
    let world = World::in_step(2);
    world.sql("crm", "delete from contacts where id = 1");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.run(&["forget", "contacts/crm:1", "--yes"]).ends(5, &["forget.unsealed", "hub: {key"]);
    world.run(&["keys", "rotate"]).ends(3, &["hub.key_missing"]);
}

#[test]
fn a_daemon_learns_of_the_key_that_is_changed_under_it() {
    let world = sealed();
    let daemon = world.serve(&[]);
    let names = "select group_concat(CNAME, ' ') from (select * from CUSTOMER order by NO)";
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.becomes(&daemon, "erp", names, "Ada Name 2 Name 3");
    // It was never told this one.
    world.edit("\"file:old\"", "\"env:SYNCLINE_TEST_NEW\", previous_key: \"file:old\"");
    let digits = "6".repeat(64);
    let mut command = world.command(&["keys", "rotate"]);
    let done = finished(command.env("SYNCLINE_TEST_NEW", &digits));
    done.ends(3, &["hub.key_wrong", "secret.unresolved", "no key was changed"]);
    world.sql("crm", "update contacts set name = 'Bea' where id = 2");
    world.becomes(&daemon, "erp", names, "Ada Bea Name 3");

    world.edit("env:SYNCLINE_TEST_NEW", "file:new");
    world.run(&["keys", "rotate"]).ends(0, &["has read the file again", "keys of 3 records"]);

    world.sql("crm", "update contacts set name = 'Cyd' where id = 3");
    world.becomes(&daemon, "erp", names, "Ada Bea Cyd");
    world.edit(", previous_key: \"file:old\"", "");
    daemon.signal("HUP");
    world.sql("crm", "update contacts set name = 'Dan' where id = 3");
    world.becomes(&daemon, "erp", names, "Ada Bea Dan");
    assert!(!daemon.log().contains("serve.failed"), "{}", daemon.log());
    daemon.stop().ends(143, &[]);
}
