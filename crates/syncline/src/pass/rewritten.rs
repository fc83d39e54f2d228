//! Systems that hold something else than they were given: which cell should say how they write.

use serde_json::{Value as Json, json};
use syncline_engine::pass::EntityPassed;

use crate::{session::Session, words};

/// Its page says what to write into the cell.
const CODE: &str = "write.altered";

/// `system`, `field` and how many rows.
fn found<'a>(
    session: &'a Session,
    report: &'a EntityPassed,
) -> impl Iterator<Item = (&'a str, &'a str, u64)> {
    report.altered.iter().filter_map(|((binding, field), rows)| {
        let binding = session.plan.binding(*binding)?;
        let field = session.plan.entity(binding.entity)?.field(*field)?;
        Some((session.system_name(binding.system), field.name.as_str(), *rows))
    })
}

/// A line for each such cell. It is no failure: what the system holds is its own way of writing.
pub(super) fn lines(session: &Session, report: &EntityPassed) -> Vec<String> {
    let line = |(system, field, rows)| {
        let rows = words::counted(rows, "row");
        format!(
            "  ! {system} holds {field} otherwise than it was given, in {rows}: no other system is \
             changed by that [{CODE}]"
        )
    };
    found(session, report).map(line).collect()
}

/// The same for programs.
pub(super) fn json(session: &Session, report: &EntityPassed) -> Json {
    let rows = found(session, report)
        .map(|(system, field, rows)| json!({ "system": system, "field": field, "rows": rows }));
    Json::Array(rows.collect())
}
