//! What is told to whom, from what the hub says.

use std::collections::BTreeSet;

use syncline_adapters::hub::news::News;
use syncline_core::name::{BindingIndex, EntityIndex, SystemIndex};

use super::*;

const NOON: Timestamp = Timestamp(1_700_000_000_000_000);

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: {table: contacts, key: id}, erp: {table: CUSTOMER, key: NO}}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
alerts:
  channels:
    ops: {slack: env:X}
    day: {slack: env:X, digest: daily}
    siem: {webhook: "https://siem.example"}
  rules:
    - {event: [conflict_opened, system_down], to: [ops, day]}
    - {event: stale, after: 10m, to: ops}
    - {event: error_rate, above: 5%, to: ops}
    - {event: guard_tripped, system: erp, after: 2m, to: ops}
    - {event: "*", to: siem}
"#;

fn waits(number: i64) -> Waits {
    let (entity, code) = (EntityIndex(0), "".into());
    Waits { number, entity, system: None, code, since: NOON }
}

fn loaded(text: &str) -> Loaded {
    let path = std::path::Path::new("syncline.yaml");
    let loaded = crate::config::of_text(path, text.to_owned());
    assert_eq!(loaded.complaints, [], "{text}");
    loaded
}

/// What is told at first, and then of the second news.
fn told(first: &News, second: &News) -> Vec<String> {
    let loaded = loaded(FILE);
    let (plan, _) = loaded.compile(None);
    let (_, before) = conditions::changed(&plan, first, &BTreeSet::new(), &loaded, NOON);
    let (happenings, _) = conditions::changed(&plan, second, &before, &loaded, NOON);
    let mut told = Vec::new();
    for happening in &happenings {
        for (channel, due) in rules::told(&loaded, happening, NOON) {
            let wait = (due.0 - NOON.0) / 1_000_000;
            told.push(format!("{channel} {} {} +{wait}", happening.event(), happening.count));
        }
    }
    told.sort();
    told
}

fn conflicts(numbers: &[i64]) -> News {
    News { conflicts: numbers.iter().map(|it| waits(*it)).collect(), ..News::default() }
}

fn noted(name: &str, text: String) -> News {
    News { notes: vec![(name.into(), text.into())], ..News::default() }
}

#[test]
fn what_is_new_is_told_and_what_was_known_is_not() {
    let all = told(&conflicts(&[1, 2]), &conflicts(&[1, 2, 3, 4]));
    let until_midnight = 24 * 3_600 - NOON.0 / 1_000_000 % (24 * 3_600);
    let day = format!("day conflict.opened 2 +{until_midnight}");
    assert_eq!(all, [day.as_str(), "ops conflict.opened 2 +5", "siem conflict.opened 2 +0"]);
    assert!(told(&conflicts(&[1]), &conflicts(&[1])).is_empty());
}

#[test]
fn people_are_told_when_all_of_it_is_over_and_programs_each_time() {
    let some = told(&conflicts(&[1, 2]), &conflicts(&[2]));
    assert_eq!(some, ["siem conflict.resolved 1 +0"]);
    let all = told(&conflicts(&[1, 2]), &conflicts(&[]));
    assert!(all.contains(&"ops conflict.resolved 2 +0".into()), "{all:?}");
}

#[test]
fn an_entity_is_stale_after_the_time_that_the_rule_says() {
    let success =
        |minutes: i64| noted("success:contacts", NOON.plus_ms(-minutes * 60_000).0.to_string());
    assert!(told(&News::default(), &success(9)).is_empty());
    let stale = told(&success(9), &success(11));
    assert_eq!(stale, ["ops entity.stale 1 +0", "siem entity.stale 1 +0"]);
    let fresh = told(&success(11), &success(0));
    assert_eq!(fresh, ["ops entity.fresh 1 +0", "siem entity.fresh 1 +0"]);
}

#[test]
fn a_share_of_errors_is_told_above_the_limit() {
    let share = |aside| News {
        shares: vec![(600_000, BindingIndex(0), aside, 50), (600_000, BindingIndex(1), 0, 50)],
        ..News::default()
    };
    assert!(told(&News::default(), &share(5)).is_empty());
    let above = told(&share(5), &share(6));
    assert_eq!(above, ["ops errors.above 1 +5", "siem errors.above 1 +0"]);
}

#[test]
fn a_rule_may_be_about_one_system_and_wait() {
    let guard = |system| News {
        guards: vec![Waits {
            system: Some(SystemIndex(system)),
            code: "guard.mass_delete".into(),
            ..waits(1)
        }],
        ..News::default()
    };
    let erp = told(&News::default(), &guard(1));
    assert_eq!(erp, ["ops guard.tripped 1 +120", "siem guard.tripped 1 +0"]);
    assert_eq!(told(&News::default(), &guard(0)), ["siem guard.tripped 1 +0"]);
}

#[test]
fn what_waits_for_long_is_told_by_the_rule_that_says_how_long() {
    let rules = "    - {event: conflict_waiting, after: 4h, to: ops}\n    - {event: conflict_waiting, after: 1d, to: day}\n    - {event: \"*\"";
    let loaded = loaded(&FILE.replace("    - {event: \"*\"", rules).replace(", digest: daily", ""));
    let (plan, _) = loaded.compile(None);
    let after = |hours: i64, before: &BTreeSet<(String, i64)>, news: &News| {
        let now = NOON.plus_ms(hours * 3_600_000);
        let (happenings, open) = conditions::changed(&plan, news, before, &loaded, now);
        let mut told = Vec::new();
        for happening in happenings.iter().filter(|it| it.event() != "conflict.opened") {
            for (channel, due) in rules::told(&loaded, happening, now) {
                assert_eq!(due, now);
                told.push(format!("{channel} {} {}", happening.event(), happening.count));
            }
        }
        told.sort();
        (told, open)
    };
    let (told, open) = after(3, &BTreeSet::new(), &conflicts(&[1, 2]));
    assert!(told.is_empty(), "{told:?}");
    let (told, open) = after(5, &open, &conflicts(&[1, 2]));
    assert_eq!(told, ["ops conflict.waiting 2", "siem conflict.waiting 2"]);
    let (told, open) = after(6, &open, &conflicts(&[1, 2]));
    assert!(told.is_empty(), "{told:?}");
    let (told, open) = after(25, &open, &conflicts(&[1, 2]));
    assert_eq!(told, ["day conflict.waiting 2", "siem conflict.waiting 2"]);
    let (told, _) = after(26, &open, &conflicts(&[]));
    let over: Vec<&String> = told.iter().filter(|it| it.contains("conflict.settled 2")).collect();
    assert_eq!(over.len(), 4, "{told:?}");
}

#[test]
fn runs_that_were_told_are_known_although_they_end_out_of_order() {
    let (since, told) = runs_known("1000000000 7 9", NOON);
    assert_eq!((since, told), (Timestamp(990_000_000), BTreeSet::from([7, 9])));
    assert_eq!(runs_known("", NOON).0, NOON.plus_ms(-OVERLAP_MS));
}
