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
