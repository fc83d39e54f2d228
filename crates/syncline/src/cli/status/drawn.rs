//! The same screen, drawn from what a daemon elsewhere tells of itself.

use serde_json::Value as Json;
use syncline_core::name::Timestamp;

use crate::{
    cli::status::{ENTITIES, SYSTEMS},
    words::{self, Table},
};

/// For people, and for `--plain`. `now`: when it was told.
pub(crate) fn draw(status: &Json, summary: &str, now: Timestamp) -> (String, String) {
    let (mut entities, mut systems) = (Table::new(&ENTITIES), Table::new(&SYSTEMS));
    for row in rows(status, "entities") {
        entities.row(entity(row, now));
    }
    for row in rows(status, "systems") {
        systems.row(system(row));
    }
    let next = status.get("next").and_then(Json::as_str);
    let mut out = next.map(|next| format!("{summary}: {next}\n")).unwrap_or_default();
    if !entities.is_empty() {
        out.push_str(&entities.text());
        out.push('\n');
    }
    if !systems.is_empty() {
        out.push_str(&systems.text());
    }
    (out, format!("{}\n{}", entities.plain(), systems.plain()))
}

fn rows<'a>(status: &'a Json, list: &str) -> impl Iterator<Item = &'a Json> {
    status.get(list).and_then(Json::as_array).into_iter().flatten()
}

fn text(row: &Json, name: &str) -> String {
    row.get(name).and_then(Json::as_str).unwrap_or("-").to_owned()
}

fn number(row: &Json, name: &str) -> u64 {
    row.get(name).and_then(Json::as_u64).unwrap_or_default()
}

fn entity(row: &Json, now: Timestamp) -> Vec<String> {
    let last = row.get("last_success").and_then(Json::as_str);
    let last = last.and_then(|text| words::parse_time(text, now));
    let today = ["creates", "updates", "deletes"]
        .map(|name| words::count(row.get("today").map_or(0, |today| number(today, name))));
    vec![
        text(row, "entity"),
        text(row, "state"),
        last.map_or_else(|| "never".into(), |last| format!("{} ago", words::age(now, last))),
        words::count(number(row, "records")),
        today.join(" "),
        words::count(number(row, "errors")),
        text(row, "waiting"),
        row.get("p95_delay_ms").and_then(Json::as_i64).map_or_else(|| "-".into(), words::span),
    ]
}

fn system(row: &Json) -> Vec<String> {
    let up = match row.get("up").and_then(Json::as_bool) {
        Some(true) => "\u{2713}",
        Some(false) => "\u{2717}",
        None => "-",
    };
    let kept = row.get("retained_bytes").and_then(Json::as_u64);
    vec![
        text(row, "system"),
        up.to_owned(),
        text(row, "detection"),
        text(row, "behind"),
        kept.map_or_else(|| "-".into(), words::bytes),
        text(row, "note"),
    ]
}
