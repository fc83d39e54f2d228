//! What a pass came to for one entity, for programs.

use std::collections::BTreeMap;

use serde_json::json;
use syncline_core::commit::Disposition;
use syncline_engine::pass::EntityPassed;

use crate::{books, columns, pass::rewritten, session::Session};

/// A row of the answer.
pub(super) fn row(
    session: &Session,
    report: &EntityPassed,
    word: &str,
    appeared: &[columns::Appeared],
) -> serde_json::Value {
    let written: BTreeMap<&str, serde_json::Value> = report
        .written
        .iter()
        .map(|(system, written)| {
            let counts = json!({
                "creates": written.inserts,
                "updates": written.updates,
                "deletes": written.deletes,
                "refused": written.refused,
            });
            (session.system_name(*system), counts)
        })
        .collect();
    json!({
        "run": report.run.to_string(),
        "entity": session.entity_name(report.entity),
        "outcome": word,
        "checked": report.checked(),
        "observed": report.account.observed.values().sum::<u64>(),
        "applied": report.count(Disposition::Applied),
        "no_op": report.count(Disposition::NoOp),
        "echo": report.count(Disposition::Echo),
        "superseded": report.count(Disposition::Superseded),
        "conflict_lost": report.count(Disposition::ConflictLost),
        "filtered": report.count(Disposition::Filtered),
        "quarantined": report.count(Disposition::Quarantined),
        "held": report.count(Disposition::Held),
        "systems": books::of_systems(session, &report.account),
        "written": written,
        "rewritten": rewritten::json(session, report),
        "new_columns": columns::json(appeared),
    })
}
