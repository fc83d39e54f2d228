//! Long reads of the daemon are told of while they go on: to `status` by a note in the hub, to the
//! journal now and then.

use std::{future::Future, time::Duration};

use serde_json::json;
use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    name::{BindingIndex, EntityIndex, SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_ports::reader::Reader as _;
use tokio::time::Instant;

use crate::{
    progress::{Scan, Scans},
    report::Failure,
    serve::{journal::Level, shift::Shared},
    session::Session,
};

/// `status` sees them as they were at most so long ago.
const NOTE_EVERY: Duration = Duration::from_secs(2);
/// The journal tells of them this often.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// What was noted longer ago is no longer going on.
const FRESH_MS: i64 = 30_000;
/// The name of the note.
const NOTE: &str = "scans";

/// Does this work, and tells of the whole reads in it.
pub(super) async fn while_reading<T>(
    scans: &Scans,
    hub: &SqliteHub,
    shared: &Shared,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::pin!(work);
    let (mut said, mut noted) = (Instant::now(), false);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            () = tokio::time::sleep(NOTE_EVERY) => {}
        }
        let now = scans.now();
        hub.set_note(NOTE, &text(&shared.plan, Session::now(), &now)).await?;
        noted = true;
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            shared.notify.beat();
            for (binding, scan) in &now {
                say(shared, *binding, scan);
            }
        }
    };
    if noted {
        hub.set_note(NOTE, "").await?;
    }
    outcome
}

fn say(shared: &Shared, binding: BindingIndex, scan: &Scan) {
    let Some((entity, system)) = names(&shared.plan, binding) else { return };
    let message = format!("{entity} in {system}: {}", scan.words());
    let more = json!({
        "entity": entity,
        "system": system,
        "rows": scan.rows,
        "about": scan.about,
        "rows_per_second": scan.rows_per_second(),
        "left_ms": scan.left_ms(),
    });
    shared.journal.say(Level::Info, "serve.progress", &message, more);
}

fn names(plan: &Plan, binding: BindingIndex) -> Option<(&str, &str)> {
    let found = plan.binding(binding)?;
    Some((plan.entity(found.entity)?.name.as_str(), plan.system(found.system)?.name.as_str()))
}

/// `now` and, a line each, entity, system, rows, about how many, and milliseconds so far.
fn text(
    plan: &Plan,
    now: Timestamp,
    scans: &std::collections::BTreeMap<BindingIndex, Scan>,
) -> String {
    let mut text = now.0.to_string();
    for (binding, scan) in scans {
        let Some(found) = plan.binding(*binding) else { continue };
        let about = scan.about.map_or_else(|| "-".to_owned(), |about| about.to_string());
        let (entity, system) = (found.entity.0, found.system.0);
        let took = scan.took.as_millis();
        text.push_str(&format!("\n{entity} {system} {} {about} {took}", scan.rows));
    }
    text
}

/// The whole reads that the daemon is at, as it told last.
pub(crate) async fn told(
    session: &Session,
) -> Result<Vec<(EntityIndex, SystemIndex, Scan)>, Failure> {
    let text = session.hub.note(NOTE).await?.unwrap_or_default();
    Ok(parse(&text, Session::now()))
}

fn parse(text: &str, now: Timestamp) -> Vec<(EntityIndex, SystemIndex, Scan)> {
    let mut lines = text.lines();
    let at = lines.next().and_then(|line| line.parse().ok()).map(Timestamp);
    if at.is_none_or(|at| at.plus_ms(FRESH_MS) < now) {
        return Vec::new();
    }
    lines.filter_map(scan).collect()
}

fn scan(line: &str) -> Option<(EntityIndex, SystemIndex, Scan)> {
    let mut words = line.split(' ');
    let entity = EntityIndex(words.next()?.parse().ok()?);
    let system = SystemIndex(words.next()?.parse().ok()?);
    let rows = words.next()?.parse().ok()?;
    let about = words.next()?.parse().ok();
    let took = Duration::from_millis(words.next()?.parse().ok()?);
    Some((entity, system, Scan { rows, about, took }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_while_it_is_fresh() {
        let scan = |about| Scan { rows: 7, about, took: Duration::from_millis(250) };
        let noted = "1000000\n0 1 7 9 250\n2 0 7 - 250";
        let told = [
            (EntityIndex(0), SystemIndex(1), scan(Some(9))),
            (EntityIndex(2), SystemIndex(0), scan(None)),
        ];
        assert_eq!(parse(noted, Timestamp(2_000_000)), told);
        assert!(parse(noted, Timestamp(60_000_000)).is_empty());
        assert!(parse("", Timestamp(0)).is_empty());
    }
}
