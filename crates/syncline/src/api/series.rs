//! `/series`: how much happened when, for pictures.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use syncline_adapters::hub::series::{self, Ask, By};

use crate::{
    api::{
        reply::Reply,
        request::{Request, refused},
    },
    measure::series::percentile,
    report::Failure,
    session::Session,
    words,
};

/// What is counted. Delays are given in seconds, by percentile; everything else as sums.
pub(super) const NAMES: &[&str] =
    &["changes_detected", "changes_applied", "write_errors", "conflicts", "requests", "delay"];
/// How sums are told apart.
pub(super) const BYS: &[&str] = &["entity", "system", "key"];
/// The percentiles of delays.
const PERCENTILES: [(&str, f64); 2] = [("p50", 50.0), ("p95", 95.0)];
/// Unless said otherwise, the last hour, minute by minute.
const SPAN_MS: i64 = 3_600_000;

/// The sums.
pub(super) async fn show(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let Some(name) = request.text("name") else {
        return Err(refused("`name` is missing", format!("it is one of {}", NAMES.join(", "))));
    };
    // Names that nobody knows have no sums; said so, not shown as nothing.
    request.entity(session)?;
    request.system(session)?;
    let now = Session::now();
    let step = request.text("step").and_then(|text| text.parse().ok()).unwrap_or(60);
    let by = match request.text("by") {
        _ if name == "delay" => By::Key,
        Some("entity") => By::Entity,
        Some("system") => By::System,
        _ => By::Key,
    };
    let ask = Ask {
        name: name.to_owned(),
        by,
        entity: request.text("entity").map(str::to_owned),
        system: request.text("system").map(str::to_owned),
        since: request.time("since").unwrap_or_else(|| now.plus_ms(-SPAN_MS)),
        until: now,
        step: i64::min(step, 30 * 86_400),
    };
    let sums = series::look(&session.loaded.hub_path(), &ask)?;
    let times: Vec<String> = sums.times.iter().map(|at| words::time(*at)).collect();
    let lines: Vec<Json> = if name == "delay" {
        PERCENTILES.iter().map(|(name, of)| delays(&sums, name, *of)).collect()
    } else {
        sums.lines.iter().map(|(name, values)| json!({ "name": name, "values": values })).collect()
    };
    Ok(Reply::new(json!({ "times": times, "series": lines })))
}

fn delays(sums: &series::Sums, name: &str, of_hundred: f64) -> Json {
    let values: Vec<Option<f64>> = (0..sums.times.len())
        .map(|at| {
            let counts: BTreeMap<String, f64> = sums
                .lines
                .iter()
                .filter_map(|(bound, counts)| Some((bound.clone(), *counts.get(at)?)))
                .collect();
            percentile(&counts, of_hundred)
        })
        .collect();
    json!({ "name": name, "values": values })
}
