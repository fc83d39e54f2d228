//! The long example of the contract, as it stands there: what of it is refused is known to the line, so that
//! nothing of it is lost again and whatever is honoured one day is noticed.

use crate::world::World;

/// As it stands in the contract.
const EXAMPLE: &str = include_str!("contract/syncline.yaml");

/// What `check` refuses: the code, and what it says.
fn refused(file: &str) -> Vec<(String, String)> {
    let world = World::with(file);
    std::fs::create_dir(world.path("lookups")).unwrap();
    world.file("lookups/iso_countries.csv", "country,erp\nFR,F\nBE,B\nCH,C\n");
    world.file("lookups/rates.csv", "date,from,to,rate\n2026-01-30,EUR,USD,1.25\n");
    let said = world.run(&["check", "--json"]).ends(2, &[]).json();
    let complaints = said["result"]["problems"].as_array().unwrap_or_else(|| panic!("{said}"));
    let errors = complaints.iter().filter(|it| it["severity"] == "error");
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    errors.map(|it| (text(&it["code"]), text(&it["detail"]))).collect()
}

fn named(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(code, words)| ((*code).to_owned(), (*words).to_owned())).collect()
}

/// What comes with similar records and the merging of duplicates.
const NOT_YET: [(&str, &str); 4] = [
    ("config.unsupported", "this version cannot honour `similar`"),
    ("config.unsupported", "this version cannot honour `at_least`"),
    ("config.unsupported", "this version cannot honour `then: review`"),
    ("config.unsupported", "this version cannot honour `survive`"),
];

#[test]
fn of_the_contract_s_example_only_what_is_known_to_be_missing_is_refused() {
    // What the example leaves to be said: keys, rates, who sends mail.
    let file = EXAMPLE
        .replace(
            "hub: {path: data/hub.db}",
            "rates: {file: lookups/rates.csv}\nhub: {path: data/hub.db, key: env:HUB_KEY}",
        )
        .replace(
            "alerts:\n",
            "alerts:\n  smtp: {host: mail.example, from: \"sync@example.com\"}\n",
        );
    assert_eq!(refused(&file), named(&NOT_YET));
}

#[test]
fn what_the_contract_s_example_leaves_to_be_said_is_asked_for() {
    let mut found = refused(EXAMPLE);
    found.retain(|it| it.0 != "config.unsupported");
    assert_eq!(
        found,
        named(&[
            ("config.missing_key", "`tax_id` is to be encrypted, and the hub has no key"),
            ("config.missing_key", "`national_id` is to be hashed, and the hub has no key"),
            ("config.missing_key", "nobody gives the rates"),
            ("config.value", "nobody says how e-mail is sent"),
        ])
    );
}

#[test]
fn without_what_is_missing_the_contract_s_example_is_a_configuration() {
    let file = EXAMPLE
        .replace(
            "hub: {path: data/hub.db}",
            "rates: {file: lookups/rates.csv}\nhub: {path: data/hub.db, key: env:HUB_KEY}",
        )
        .replace(
            "alerts:\n",
            "alerts:\n  smtp: {host: mail.example, from: \"sync@example.com\"}\n",
        );
    let lines = file.lines().filter(|line| {
        !line.contains("similar: [first_name") && !line.trim_start().starts_with("survive:")
    });
    let file: String = lines.map(|line| format!("{line}\n")).collect();
    let world = World::with(&file);
    std::fs::create_dir(world.path("lookups")).unwrap();
    world.file("lookups/iso_countries.csv", "country,erp\nFR,F\nBE,B\nCH,C\n");
    world.file("lookups/rates.csv", "date,from,to,rate\n2026-01-30,EUR,USD,1.25\n");
    world.run(&["check"]).ends(0, &["warnings. Checked offline"]);
}
