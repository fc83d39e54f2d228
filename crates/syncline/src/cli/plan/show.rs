//! A plan as people read it: what would happen, what surprises, and what lets it through.

use syncline_core::{
    change::{Expected, RowWrite, WriteKind},
    group::Author,
    name::{EntityIndex, FieldIndex, SystemIndex},
    value::Value,
};
use syncline_engine::preview::Operation;
use syncline_ports::reader::Conflict;

use crate::{
    cli::conflicts,
    columns,
    overlay::{EntityPlan, Otherwise, Planned},
    session::Session,
    shown,
    words::{self, Table},
};

/// The plan in one sentence.
pub(crate) fn summary(planned: &Planned) -> String {
    let [creates, updates, deletes] = planned.sums();
    format!(
        "{}, {}, {}",
        words::counted(creates, "create"),
        words::counted(updates, "update"),
        words::counted(deletes, "delete")
    )
}

/// The plan for people.
pub(crate) fn show(session: &Session, planned: &Planned, took: &str) -> String {
    let mut out = String::new();
    for entity in &planned.entities {
        let read: Vec<String> = entity
            .read
            .iter()
            .map(|(system, rows)| {
                format!("{} {}", session.system_name(*system), words::count(*rows))
            })
            .collect();
        let name = session.entity_name(entity.entity);
        let never = if entity.is_first {
            format!(" {name} has never been synchronised.")
        } else {
            String::new()
        };
        out.push_str(&format!("{name}: read {} rows in {took}.{never}\n", read.join(", ")));
        out.push_str(&indent(&counts(session, entity)));
        out.push('\n');
        let lines = first(session, entity);
        if !lines.is_empty() {
            out.push_str("Read this first\n");
        }
        for line in lines {
            out.push_str(&format!("  {line}\n"));
        }
        if !entity.samples.is_empty() || !entity.disputes.is_empty() {
            out.push_str("Sample (--full, or --record ADDRESS)\n");
        }
        for operation in &entity.samples {
            out.push_str(&format!("  {}\n", describe(session, operation)));
        }
        for (record, conflict) in &entity.disputes {
            out.push_str(&format!("  {}\n", disputed(session, record, conflict)));
        }
        out.push_str(&guards(session, entity));
    }
    for warning in session.narrow() {
        out.push_str(&format!("  ! {} [{}]\n", warning.message, warning.code));
    }
    for reason in &planned.incomplete {
        out.push_str(&format!("  ! not complete: {reason}\n"));
    }
    out.truncate(out.trim_end().len());
    out
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn counts(session: &Session, entity: &EntityPlan) -> String {
    let mut table = Table::new(&[
        "",
        "create>",
        "update>",
        "delete>",
        "linked>",
        "conflict>",
        "invalid>",
        "review>",
        "out of scope>",
    ]);
    let bindings =
        session.plan.entity(entity.entity).map(|found| found.bindings.clone()).unwrap_or_default();
    for binding in bindings {
        let Some(system) = session.plan.binding(binding).map(|found| found.system) else {
            continue;
        };
        let [creates, updates, deletes] = entity.counts.get(&system).copied().unwrap_or_default();
        let behind = entity.behind.get(&system).copied().unwrap_or_default();
        let queues = entity.queues.get(&system).copied().unwrap_or_default();
        table.row([
            session.system_name(system).to_owned(),
            words::count(creates),
            words::count(updates),
            words::count(deletes),
            words::count(behind.linked),
            words::count(queues.conflicts),
            words::count(queues.invalid),
            words::count(queues.review),
            words::count(queues.out_of_scope),
        ]);
    }
    table.text()
}

/// What a person should read first.
fn first(session: &Session, entity: &EntityPlan) -> Vec<String> {
    let mut lines = Vec::new();
    let name = session.entity_name(entity.entity);
    lines.extend(fill(session, entity));
    lines.extend(otherwise(session, entity));
    lines.extend(columns::lines(&entity.appeared));
    lines.extend(entity.grace.map(|grace| format!("! {name}: {}", grace.words())));
    if entity.conflicts > 0 {
        lines.push(format!(
            "! {name}: {} for a person",
            words::several(entity.conflicts, "conflict would wait", "conflicts would wait")
        ));
    }
    if entity.invalid > 0 {
        lines.push(format!(
            "! {name}: {}",
            words::several(
                entity.invalid,
                "row cannot be taken as it is",
                "rows cannot be taken as they are"
            )
        ));
    }
    if entity.review > 0 {
        lines.push(format!(
            "! {name}: {}",
            words::several(
                entity.review,
                "row matches more than one record",
                "rows match more than one record"
            )
        ));
    }
    if entity.out_of_scope > 0 {
        lines.push(format!(
            "= {} out of scope: left alone",
            words::counted(entity.out_of_scope, "row")
        ));
    }
    lines
}

/// The field whose empty cells most updates fill: what surprises most at a first synchronisation.
fn fill(session: &Session, entity: &EntityPlan) -> Option<String> {
    let ((system, field), filled) = entity.fills.iter().max_by_key(|(_, filled)| **filled)?;
    let [_, updates, _] = entity.counts.get(system).copied().unwrap_or_default();
    let found = session.plan.entity(entity.entity)?;
    let field_name = &found.field(*field)?.name;
    let others: Vec<&str> = found
        .bindings
        .iter()
        .filter_map(|binding| session.plan.binding(*binding))
        .filter(|binding| binding.system != *system && binding.cell(*field).is_some())
        .map(|binding| session.system_name(binding.system))
        .collect();
    let column = cell(session, entity.entity, *system, *field);
    let system = session.system_name(*system);
    let (filled, updates) = (words::count(*filled), words::counted(updates, "update"));
    Some(format!(
        "! {column}: {filled} of the {updates} fill an empty cell. To leave {system} alone: fields.{field_name}.to: [{}]",
        others.join(", ")
    ))
}

/// What looks different in two tables and is the same, per column.
fn otherwise(session: &Session, entity: &EntityPlan) -> Vec<String> {
    let line = |((system, field), found): (&(SystemIndex, FieldIndex), &Otherwise)| {
        let label = shown::label(session, entity.entity, *field);
        format!(
            "= {}: {} written otherwise ({} for {}) but read{} the same: left as {}",
            cell(session, entity.entity, *system, *field),
            words::several(found.values, "value is", "values are"),
            words::quoted(&label.shown(&found.native)),
            label.shown(&found.golden),
            if found.values == 1 { "s" } else { "" },
            if found.values == 1 { "it is" } else { "they are" },
        )
    };
    entity.otherwise.iter().map(line).collect()
}

/// The column of a field in a system, as people know it there: `erp.TEL`.
pub(super) fn cell(
    session: &Session,
    entity: EntityIndex,
    system: SystemIndex,
    field: FieldIndex,
) -> String {
    let binding = session.plan.binding_of(entity, system);
    let cell = binding.and_then(|binding| session.plan.binding(binding)?.cell(field));
    let column = cell.map_or_else(|| "?".to_owned(), |cell| cell.place.to_string());
    format!("{}.{column}", session.system_name(system))
}

/// How near the guards each system is, and what lets a plan through that is beyond them.
fn guards(session: &Session, entity: &EntityPlan) -> String {
    let Some(found) = session.plan.entity(entity.entity) else { return String::new() };
    let mut parts = Vec::new();
    let kinds = [("deletes", 2, found.guards.deletes), ("updates", 1, found.guards.updates)];
    for (what, place, limit) in kinds {
        let beyond: Vec<String> = entity
            .tripped
            .iter()
            .filter(|(code, ..)| {
                let is_of_values = code == "guard.mass_blank" || code == "guard.corrupt_values";
                !is_of_values && (code == "guard.mass_update") == (what == "updates")
            })
            .map(|(_, system, count, linked, _)| {
                let system = session.system_name(*system);
                let percent = count.saturating_mul(100).checked_div(*linked).unwrap_or(100);
                format!(
                    "{what} {} ({percent} %) of {system}, limit {} and {} % \u{2717}  -> needs --allow {what}",
                    words::count(*count),
                    words::count(limit.max),
                    limit.max_percent
                )
            })
            .collect();
        if beyond.is_empty() {
            let most = entity.counts.values().filter_map(|counts| counts.get(place)).max();
            let most = most.copied().unwrap_or_default();
            // Both must be exceeded: beyond the number, the percentage is what still allows it.
            let within = if most > limit.max {
                format!("within {} %", limit.max_percent)
            } else {
                format!("of {}", words::count(limit.max))
            };
            parts.push(format!("{what} {} {within} \u{2713}", words::count(most)));
        }
        parts.extend(beyond);
    }
    for (_, system, count, ..) in entity.tripped.iter().filter(|it| it.0 == "guard.mass_blank") {
        let (count, system) = (words::count(*count), session.system_name(*system));
        parts.push(format!(
            "{count} values of a field of {system} emptied \u{2717}  -> held until somebody decides"
        ));
    }
    for (_, system, count, ..) in entity.tripped.iter().filter(|it| it.0 == "guard.corrupt_values")
    {
        let (count, system) = (words::count(*count), session.system_name(*system));
        parts.push(format!(
            "{count} values of {system} look corrupted \u{2717}  -> held until somebody decides"
        ));
    }
    format!("Guards   {}\n", parts.join("    "))
}

/// `contacts/crm:9120`.
pub(super) fn name(session: &Session, operation: &Operation) -> String {
    let Some((binding, key)) = &operation.origin else { return operation.record.to_string() };
    let Some(found) = session.plan.binding(*binding) else { return operation.record.to_string() };
    format!("{}/{}:{key}", session.entity_name(found.entity), session.system_name(found.system))
}

/// One operation in one line.
pub(super) fn describe(session: &Session, operation: &Operation) -> String {
    let sign = match operation.kind {
        WriteKind::Insert => '+',
        WriteKind::Update => '~',
        WriteKind::Delete => '-',
    };
    let system = session.system_name(operation.system);
    let name = name(session, operation);
    if let Some((code, message)) = &operation.refused {
        return format!("{sign} {system}  {name}  would be set aside: {message} [{code}]");
    }
    if operation.waits {
        return format!("{sign} {system}  {name}  after the record it refers to");
    }
    let writes: Vec<String> = operation
        .writes
        .writes
        .iter()
        .map(|write| columns(session, write))
        .filter(|it| !it.is_empty())
        .collect();
    format!("{sign} {system}  {name}  {}", writes.join("; ")).trim_end().to_owned()
}

fn columns(session: &Session, write: &RowWrite) -> String {
    let Some(binding) = session.plan.binding(write.binding) else { return String::new() };
    let before = |field: FieldIndex| match &write.expect {
        Expected::Fields(fields) => {
            fields.iter().find(|(other, _)| *other == field).map(|(_, value)| value)
        }
        Expected::Absent => None,
    };
    let one = |(field, after): &(FieldIndex, Value)| {
        let name =
            binding.cell(*field).map_or_else(|| "?".to_owned(), |cell| cell.place.to_string());
        let shown = |value| words::quoted(&shown::value(session, binding.entity, *field, value));
        let after = shown(after);
        match before(*field) {
            Some(before) => format!("{name} {} -> {after}", shown(before)),
            None => format!("{name} {after}"),
        }
    };
    write.set.iter().map(one).collect::<Vec<_>>().join("  ")
}

/// A conflict in one line: `! all  contacts/01J9K2  status  crm customer | erp blocked`.
fn disputed(session: &Session, record: &str, conflict: &Conflict) -> String {
    let conflict = &shown::conflict(session, conflict);
    let values: Vec<String> = conflict
        .candidates
        .iter()
        .map(|candidate| match candidate.author {
            Author::System(system) => {
                format!("{} {}", session.system_name(system), candidate.value)
            }
            Author::Nobody | Author::Person | Author::Merged => candidate.value.to_string(),
        })
        .collect();
    format!(
        "! all  {record}  {}  {}     {}",
        conflicts::field_name(session, conflict),
        values.join(" | "),
        if conflict.base.is_null() {
            "they never agreed".to_owned()
        } else {
            format!("changed since they agreed on {}", conflict.base)
        }
    )
}
