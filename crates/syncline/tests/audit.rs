//! What people have done is on the books, and the books are whole.

use crate::world::World;

#[test]
fn what_people_do_is_on_the_books_with_who_and_what() {
    let world = World::in_step(2);
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.says(0, &["run"]);
    world.says(0, &["pause", "erp", "--for", "1h"]);
    world.says(0, &["resume", "erp"]);
    world.says(0, &["rollback", "run", "last", "--yes"]);
    world.says(0, &["plan"]);

    let told = world.run(&["--json", "audit"]).ends(0, &[]).json();

    let actions = told["result"].as_array().unwrap().iter().rev();
    let actions: Vec<String> = actions
        .map(|it| format!("{} {}", it["what"].as_str().unwrap(), it["on"].as_str().unwrap()))
        .collect();
    let named: Vec<&str> =
        actions.iter().map(String::as_str).filter(|it| !it.starts_with("config.load ")).collect();
    assert_eq!(named, ["run ", "run ", "pause erp", "resume erp", "rollback run"]);
    assert_eq!(actions.len(), named.len() + 1, "the configuration was loaded once: {actions:?}");
    world.edit("version: 1", "version: 1\n# another word");
    world.says(0, &["run"]);
    assert_eq!(world.says(0, &["audit"]).matches("config.load").count(), 2);
    assert!(world.says(0, &["audit", "--actor", "nobody"]).contains("no action"));
}

#[test]
fn o10_an_entry_that_was_altered_is_reported_with_its_place() {
    let world = World::in_step(2);
    let said = world.says(0, &["audit", "--verify-chain"]);
    assert!(said.contains("chain ok ("), "{said}");
    let kept =
        said.lines().find_map(|line| line.trim().strip_prefix("actions  ")).unwrap().to_owned();
    world.says(0, &["run"]);
    world.says(0, &["audit", "--verify-chain", "--kept", &kept]);

    world.sql("syncline.hub", "update action set who = 'somebody else' where number = 1");

    let said = world.says(1, &["audit", "--verify-chain"]);
    assert!(said.contains("audit.broken") && said.contains("action 1"), "{said}");
    world.sql("syncline.hub", "update audit set at = at - 1 where first = 1");
    let said = world.says(1, &["audit", "--verify-chain"]);
    assert!(said.contains("c-1: this page"), "{said}");
}

#[test]
fn everything_is_exported_the_oldest_first() {
    let world = World::in_step(3);
    world.sql("crm", "update contacts set name = '=1+1, \"x\"' where id = 1");
    world.says(0, &["run"]);

    let lines = world.says(0, &["audit", "--export", "jsonl"]);

    let rows: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changes = rows.iter().filter(|row| row["type"] == "change");
    let numbers: Vec<String> =
        changes.map(|row| row["change"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> = (1..=numbers.len()).map(|number| format!("c-{number}")).collect();
    assert_eq!(numbers, expected);
    assert!(rows.iter().any(|row| row["type"] == "action" && row["what"] == "run"));
    let table = world.says(0, &["audit", "--export", "csv"]);
    assert!(table.starts_with("kind,number,at,run"), "{table}");
    assert!(table.contains(r#","'=1+1, ""x""","#), "no program takes it for a formula: {table}");
}

#[test]
fn changes_are_found_by_field() {
    let world = World::in_step(2);
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.says(0, &["run"]);
    let found = world.says(0, &["history", "--field", "name"]);
    assert!(found.contains("Ada") && !found.contains("created from"), "{found}");
    assert!(world.says(0, &["history", "--field", "status"]).contains("no change"));
    assert!(world.says(2, &["history", "--field", "nothing"]).contains("address.unknown"));
}

#[test]
fn a_hub_that_was_put_back_by_hand_does_not_fit_what_was_signed() {
    let world = World::in_step(2);
    let old = world.path("old.db");
    world.open("syncline.hub").execute("vacuum into ?", [old.to_str().unwrap()]).unwrap();
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.says(0, &["run"]);
    let said = world.says(0, &["audit", "--verify-chain"]);
    assert!(said.contains("signed   2 times, last "), "{said}");

    for ending in ["-wal", "-shm"] {
        let _gone = std::fs::remove_file(world.path(&format!("syncline.hub.db{ending}")));
    }
    std::fs::copy(&old, world.path("syncline.hub.db")).unwrap();

    let said = world.says(1, &["audit", "--verify-chain"]);
    assert!(said.contains("audit.broken") && said.contains("not what was signed"), "{said}");
    let said = world.says(1, &["run"]);
    assert!(said.contains("audit.broken"), "it says so by itself: {said}");
}

#[test]
fn a_copy_that_was_restored_fits_what_was_signed() {
    let world = World::in_step(2);
    world.says(0, &["backup", "--to", "copy.db"]);
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.says(0, &["run"]);
    world.says(0, &["restore", "copy.db", "--yes"]);
    world.says(0, &["run"]);
    let said = world.says(0, &["audit", "--verify-chain"]);
    assert!(said.contains("chain ok"), "{said}");
    world.run(&["audit", "--rebuild"]).ends(0, &["2 records rebuilt", "all as the hub holds them"]);
}

#[test]
fn books_that_are_old_give_way_to_what_they_came_to() {
    let world = World::in_step(2);
    world.edit("version: 1\n", "version: 1\ndefaults: {retention: {history: 0s}}\n");
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.says(0, &["run"]);

    let said = world.says(0, &["audit", "--verify-chain"]);
    assert!(said.contains("chain ok") && said.contains("; up to c-"), "{said}");
    assert!(world.says(0, &["audit"]).contains("history.compact"), "that is on the books");
    world.run(&["audit", "--rebuild"]).ends(0, &["2 records rebuilt from 0 commits"]);
    world.run(&["history"]).ends(0, &["no change"]);
    world.sql("crm", "update contacts set name = 'Eva' where id = 1");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.sql("syncline.hub", "delete from snapshot_record");
    world.run(&["audit", "--verify-chain"]).ends(1, &["a record in it was altered"]);
    world.run(&["audit", "--rebuild"]).ends(1, &["audit.incomplete", "2 of 2 records"]);
}

#[test]
fn the_key_that_signs_is_where_the_file_says() {
    let world = World::contacts(1);
    world.edit(
        "version: 1\n",
        "version: 1\nhub: {signing_key: \"file:key\", anchors: signed.txt}\n",
    );
    world.file("key", "not a key");
    let said = world.says(3, &["run", "--yes"]);
    assert!(said.contains("secret.unresolved") && !said.contains("not a key"), "{said}");
    world.file("key", &"7f".repeat(32));
    world.says(0, &["run"]);
    assert!(!world.path("syncline.hub.db.signer").exists() && world.path("signed.txt").exists());
    world.says(0, &["audit", "--verify-chain"]);

    world.file("key", &"01".repeat(32));
    let said = world.says(1, &["audit", "--verify-chain"]);
    assert!(said.contains("it was signed by somebody else: "), "{said}");
    let signer = said.split("somebody else: ").nth(1).unwrap().split_whitespace().next().unwrap();
    world.says(0, &["audit", "--verify-chain", "--signer", signer]);
}

#[test]
fn a_row_that_is_made_again_has_a_line_for_each_value_that_it_changed() {
    let world = World::in_step(1);
    world.sql("crm", "delete from contacts where id = 1");
    world.says(0, &["run", "--allow", "deletes"]);
    world.sql("crm", "insert into contacts values (1, 'c1@example.com', 'Ada', 'lead')");
    world.says(0, &["run"]);
    world.run(&["history"]).ends(0, &["name Name 1 -> Ada"]);
    world.run(&["audit", "--rebuild"]).ends(0, &["all as the hub holds them"]);
}

#[test]
fn a_copy_goes_on_the_books() {
    let world = World::in_step(1);
    world.says(0, &["backup", "--to", "copy.db"]);
    world.run(&["audit"]).ends(0, &["backup", "--to copy.db"]);
}

#[test]
fn a_value_that_nobody_is_to_see_is_not_kept_with_what_was_done() {
    let world = World::in_step(2);
    world.edit(
        "status:\n        type: enum",
        "status:\n        sensitive: mask\n        type: enum",
    );
    world.says(0, &["run", "--yes"]);
    world.sql("crm", "update contacts set status = 'customer'");
    world.sql("erp", "update CUSTOMER set STAT = null");
    world.says(4, &["run"]);
    world.says(0, &["conflicts", "resolve", "1", "--value", "lead", "--note", "asked them"]);
    let shown = world.says(0, &["audit"]);
    assert!(shown.contains("--value ••• --note asked them"), "{shown}");
}
