//! What the passes of a daemon leave behind: a line where something happened, nothing where nothing
//! did.

use serde_json::json;
use syncline_adapters::webhook;
use syncline_core::commit::Disposition;
use syncline_engine::pass::EntityPassed;
use syncline_ports::reader::Reader as _;

use crate::{
    fights, limits,
    pass::{Outcome, tripped},
    report::Failure,
    serve::{journal::Level, shift::Shared},
    session::Session,
};

/// What sets a run going that begins with what was heard like this.
pub(super) fn trigger(word: Option<&str>) -> &'static str {
    if word == Some(webhook::WORD) { "hook" } else { "live" }
}

/// Whether this pass left something that people may want to see.
fn happened(report: &EntityPassed, is_cut: bool) -> bool {
    let counts = |kind| report.count(kind) > 0;
    counts(Disposition::Applied)
        || counts(Disposition::ConflictLost)
        || counts(Disposition::Quarantined)
        || report.written.values().any(|written| written.total() + written.refused > 0)
        || !report.tripped.is_empty()
        || !report.failures.is_empty()
        || (!report.incomplete.is_empty() && !is_cut)
        || report.suspected.is_some()
}

/// Tells of guards that tripped over what was heard, and of users who changed too much of it.
pub(super) async fn tell_guards(
    session: &Session,
    shared: &Shared,
    report: &EntityPassed,
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for guard in &report.tripped {
        failures.push(tripped::record(session, report, guard).await?);
    }
    failures.extend(fights::suspected(session, report).await?);
    for failure in failures {
        shared.journal.failed(Level::Error, &failure.code, &failure, &json!({}));
    }
    if limits::is_limited(&session.plan, report.entity)
        && report.count(Disposition::Applied) > 0
        && let Some(failure) = limits::record(session, report.entity, report.run).await?
    {
        shared.journal.failed(Level::Warn, &failure.code, &failure, &json!({}));
    }
    Ok(())
}

/// Tells of a pass, and forgets the runs in which nothing happened.
pub(super) async fn tell(
    session: &Session,
    outcome: &Outcome,
    shared: &Shared,
) -> Result<(), Failure> {
    for report in &outcome.passed.entities {
        let is_cut = shared.is_over() && report.count(Disposition::Applied) == 0;
        if !happened(report, is_cut) {
            session.hub.drop_run(report.run).await?;
            continue;
        }
        let start = format!("{} ", report.run);
        let line = outcome.lines.iter().find(|line| line.starts_with(&start));
        let line = line.map(String::as_str).unwrap_or_default();
        let name = session.entity_name(report.entity);
        let written: serde_json::Map<String, serde_json::Value> = report
            .written
            .iter()
            .map(|(system, written)| {
                (session.system_name(*system).to_owned(), json!(written.total()))
            })
            .collect();
        let more = json!({
            "entity": name,
            "run": report.run.to_string(),
            "changed": report.count(Disposition::Applied) + report.count(Disposition::ConflictLost),
            "written": written,
        });
        shared.journal.say(Level::Info, "pass", line, more);
    }
    if let Some(failure) = outcome.error.as_ref().filter(|_| !shared.is_over()) {
        let level = if failure.code.starts_with("guard.") { Level::Error } else { Level::Warn };
        shared.journal.failed(level, &failure.code, failure, &json!({}));
    }
    Ok(())
}
