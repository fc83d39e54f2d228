//! What machines ask a daemon all the time: its numbers, whether it lives; and the rules and the board
//! that read those numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use crate::{api::Server, serve::eventually, world::World};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// All samples: the name with its labels, and the number.
fn samples(server: &Server) -> BTreeMap<String, f64> {
    let text = server.send("GET", "/metrics", &[], "");
    assert_eq!(text.status, 200, "{text:?}");
    let lines = text.body.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

/// The names of metrics in this text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let ours = words.filter(|word| word.starts_with("syncline_"));
    let base = |word: &str| {
        let cut = ["_bucket", "_total"].iter().find_map(|end| word.strip_suffix(end));
        cut.unwrap_or(word).to_owned()
    };
    ours.map(base).collect()
}

#[test]
fn what_happens_is_counted_under_the_names_of_the_contract() {
    let world = World::in_step(12);
    world.sql("crm", "update contacts set status = 'customer' where id = 3");
    world.sql("erp", "update CUSTOMER set STAT = '7' where EMAIL = 'c4@example.com'");
    let server = Server::start(&world);
    let applied = r#"syncline_changes_applied_total{entity="contacts",system="erp",op="update"}"#;

    let aside =
        r#"syncline_quarantine_open{entity="contacts",system="erp",code="map.unknown_value"}"#;
    eventually(
        "the change is counted, and the other is set aside",
        || samples(&server).get(applied) == Some(&1.0) && samples(&server).contains_key(aside),
        || format!("{:#?}", samples(&server)),
    );

    let samples = samples(&server);
    let is = |name: &str, value: f64| {
        assert_eq!(samples.get(name), Some(&value), "{name} in {samples:#?}");
    };
    is(r#"syncline_build_info{version="0.1.0",commit="unknown"}"#, 1.0);
    is(r#"syncline_records{entity="contacts"}"#, 12.0);
    is(r#"syncline_propagation_seconds_count{entity="contacts",from="crm",to="erp"}"#, 1.0);
    is(r#"syncline_system_up{system="erp"}"#, 1.0);
    is(r#"syncline_conflicts_open{entity="contacts"}"#, 0.0);
    is(r#"syncline_backlog_changes{entity="contacts",system="erp"}"#, 0.0);
    is(r#"syncline_paused{entity="contacts"}"#, 0.0);
    is(aside, 1.0);
    let detected = samples.iter().find(|(name, _)| {
        name.starts_with(
            r#"syncline_changes_detected_total{entity="contacts",system="crm",op="update""#,
        )
    });
    assert_eq!(detected.map(|(_, count)| *count), Some(1.0), "{samples:#?}");
    for name in ["last_success_timestamp_seconds", "last_attempt_timestamp_seconds"] {
        let at = samples[&format!("syncline_{name}{{entity=\"contacts\"}}")];
        assert!(at > 1.7e9, "{name} {at}");
    }
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    assert!(samples["syncline_hub_bytes"] > 1e3);
    assert!(samples["syncline_hub_commit_duration_seconds_count"] >= 1.0);
}

#[test]
fn it_is_ready_as_long_as_its_hub_is_and_says_who_is_down() {
    let world = World::in_step(1);
    let server = Server::start(&world);
    assert_eq!(server.send("GET", "/livez", &[], "").body, "ok\n");
    assert_eq!(server.send("GET", "/readyz", &[], "").body, "ready\n");

    fs::rename(world.path("erp.db"), world.path("elsewhere.db")).unwrap();
    fs::create_dir(world.path("erp.db")).unwrap();

    let verbose = || server.send("GET", "/readyz?verbose", &[], "");
    eventually("erp is down", || verbose().body.contains("system erp down"), || verbose().body);
    assert_eq!(verbose().status, 200);
}

#[test]
fn rules_and_the_board_read_only_numbers_that_there_are() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let documented = names(&read("docs/metrics.md"));

    let board: serde_json::Value =
        serde_json::from_str(&read("packaging/grafana/syncline.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one number: {panel}");
        assert_eq!(panel["datasource"]["uid"], "${source}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let used = names(target["expr"].as_str().unwrap());
            assert!(!used.is_empty() && used.is_subset(&documented), "{used:?}");
        }
    }
    let rules = read("packaging/prometheus/syncline.rules.yaml");
    let expressions = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let used: BTreeSet<String> = expressions.flat_map(names).collect();
    assert!(used.is_subset(&documented), "{:?}", used.difference(&documented));
    assert_eq!(rules.matches("alert:").count(), rules.matches("fix:").count());
}

#[test]
fn prometheus_takes_the_rules_and_the_numbers() {
    let Ok(found) = Command::new("promtool").arg("--version").output() else {
        eprintln!("NOT CHECKED: promtool is not installed");
        return;
    };
    assert!(found.status.success());
    let rules = Path::new(ROOT).join("packaging/prometheus/syncline.rules.yaml");

    let checked = Command::new("promtool").args(["check", "rules"]).arg(rules).output().unwrap();

    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("10 rules found"), "{checked:?}");
}
