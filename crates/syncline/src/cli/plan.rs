//! `syncline plan`: reads everything, writes nothing, shows every consequence.

use clap::Args;
use serde_json::json;
use syncline_core::{
    change::{Expected, RowWrite, WriteKind},
    name::FieldIndex,
    value::Value,
};
use syncline_engine::preview::Operation;

use crate::{
    cli::Context,
    exit::Exit,
    overlay::{self, EntityPlan, Planned, Wish},
    pass::Depth,
    progress::Progress,
    report::{Answer, Failure},
    session::{Reach, Session, Use, of_system},
    words::{self, Table},
};

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Save the plan, for `apply`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<std::path::PathBuf>,
    /// Show every change, not a sample.
    #[arg(long)]
    pub(crate) full: bool,
    /// Show this record: `contacts/crm:8812`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) record: Option<String>,
    /// Exit 10 if anything would change.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Try on this many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// Operations shown of each entity and system, unless all are asked for.
const SAMPLES: usize = 3;

impl Plan {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
        let entities = session.entities(self.entity.as_deref())?;
        let everything = self.full || self.record.is_some();
        let wish = Wish {
            entities,
            samples: if everything { usize::MAX } else { SAMPLES },
            limit: self.limit,
            depth: Depth::Full,
        };
        let began = Session::now();
        let progress = Progress::new("planning", context.progress);
        let mut planned = overlay::plan(&mut session, &wish, &progress).await?;
        drop(progress);
        if let Some(record) = &self.record {
            keep_only(&session, &mut planned, record)?;
        }
        let took = words::span((Session::now().0 - began.0) / 1_000);
        let mut text = show(&session, &planned, &took);
        if let Some(path) = &self.out {
            planned.save(&session, path, Session::now())?;
            let allow = allow_flags(&planned);
            text.push_str(&format!(
                "\nNothing was written. Saved {} ({}). Next: syncline apply {}{allow}",
                path.display(),
                planned.name(),
                path.display()
            ));
        } else {
            text.push_str("\nNothing was written. To keep this plan: syncline plan --out FILE");
        }
        let mut answer =
            Answer::new(summary(&planned)).with_text(text).with_result(result(&session, &planned));
        if self.exit_code && planned.total() > 0 {
            answer = answer.with_exit(Exit::Differences);
        }
        if let Some((system, failure)) = planned.failures.first() {
            answer = answer.with_error(of_system(system, failure));
        }
        Ok(match session.stopped() {
            Some(exit) => answer.with_exit(exit),
            None => answer,
        })
    }
}

/// Keeps the operations of one row: `SYSTEM:KEY`, with or without the entity before it.
fn keep_only(session: &Session, planned: &mut Planned, address: &str) -> Result<(), Failure> {
    let wanted = address.split_once('/').map_or(address, |(_, row)| row);
    let mut found = false;
    for entity in &mut planned.entities {
        entity.samples.retain(|operation| {
            let keep = name(session, operation).ends_with(wanted)
                || operation.record.to_string().starts_with(wanted);
            found |= keep;
            keep
        });
    }
    if found {
        return Ok(());
    }
    Err(Failure::new("address.unknown", format!("the plan changes nothing of {address}"))
        .fix("syncline plan --full lists every change"))
}

fn allow_flags(planned: &Planned) -> String {
    let trips = |code: &str| {
        planned.entities.iter().any(|entity| entity.tripped.iter().any(|(found, ..)| found == code))
    };
    match (trips("guard.mass_delete") || trips("guard.empty_source"), trips("guard.mass_update")) {
        (true, true) => " --allow deletes,updates".into(),
        (true, false) => " --allow deletes".into(),
        (false, true) => " --allow updates".into(),
        (false, false) => String::new(),
    }
}

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
        if !entity.samples.is_empty() {
            out.push_str("Sample (--full, or --record ADDRESS)\n");
            for operation in &entity.samples {
                out.push_str(&format!("  {}\n", describe(session, operation)));
            }
        }
        out.push_str(&guards(session, entity));
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
    if let Some(line) = fill(session, entity) {
        lines.push(line);
    }
    if entity.conflicts > 0 {
        lines.push(format!(
            "! {} in {name} would wait for a person",
            words::counted(entity.conflicts, "conflict")
        ));
    }
    if entity.invalid > 0 {
        lines.push(format!(
            "! {} of {name} cannot be taken as they are",
            words::counted(entity.invalid, "row")
        ));
    }
    if entity.review > 0 {
        lines.push(format!(
            "! {} of {name} match more than one record",
            words::counted(entity.review, "row")
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
    let system = session.system_name(*system);
    let (filled, updates) = (words::count(*filled), words::counted(updates, "update"));
    Some(format!(
        "! {system}.{field_name}: {filled} of the {updates} fill an empty cell. To leave {system} alone: fields.{field_name}.to: [{}]",
        others.join(", ")
    ))
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
            .filter(|(code, ..)| (code == "guard.mass_update") == (what == "updates"))
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
    format!("Guards   {}\n", parts.join("    "))
}

/// `contacts/crm:9120`.
fn name(session: &Session, operation: &Operation) -> String {
    let Some((binding, key)) = &operation.origin else { return operation.record.to_string() };
    let Some(found) = session.plan.binding(*binding) else { return operation.record.to_string() };
    format!("{}/{}:{key}", session.entity_name(found.entity), session.system_name(found.system))
}

/// One operation in one line.
fn describe(session: &Session, operation: &Operation) -> String {
    let sign = match operation.kind {
        WriteKind::Insert => '+',
        WriteKind::Update => '~',
        WriteKind::Delete => '-',
    };
    let system = session.system_name(operation.system);
    let name = name(session, operation);
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
    let Some(entity) = session.plan.entity(binding.entity) else { return String::new() };
    let before = |field: FieldIndex| match &write.expect {
        Expected::Fields(fields) => {
            fields.iter().find(|(other, _)| *other == field).map(|(_, value)| value)
        }
        Expected::Absent => None,
    };
    let one = |(field, after): &(FieldIndex, Value)| {
        let name = entity.field(*field).map_or("?", |field| &field.name);
        match before(*field) {
            Some(before) => format!("{name} {before:?} -> {after:?}"),
            None => format!("{name} {after:?}"),
        }
    };
    write.set.iter().map(one).collect::<Vec<_>>().join("  ")
}

/// The plan for programs.
fn result(session: &Session, planned: &Planned) -> serde_json::Value {
    let entities: Vec<_> = planned
        .entities
        .iter()
        .map(|entity| {
            let systems: serde_json::Map<String, serde_json::Value> = entity
                .behind
                .keys()
                .chain(entity.counts.keys())
                .map(|system| {
                    let [creates, updates, deletes] =
                        entity.counts.get(system).copied().unwrap_or_default();
                    let behind = entity.behind.get(system).copied().unwrap_or_default();
                    let queues = entity.queues.get(system).copied().unwrap_or_default();
                    let row = json!({
                        "creates": creates,
                        "updates": updates,
                        "deletes": deletes,
                        "linked": behind.linked,
                        "conflicts": queues.conflicts,
                        "invalid": queues.invalid,
                        "review": queues.review,
                        "out_of_scope": queues.out_of_scope,
                        "read": entity.read.get(system),
                    });
                    (session.system_name(*system).to_owned(), row)
                })
                .collect();
            let guards: Vec<_> = entity
                .tripped
                .iter()
                .map(|(code, system, count, linked, max)| {
                    json!({
                        "code": code, "system": session.system_name(*system),
                        "count": count, "linked": linked, "max": max,
                    })
                })
                .collect();
            json!({
                "entity": session.entity_name(entity.entity),
                "systems": systems,
                "conflicts": entity.conflicts,
                "invalid": entity.invalid,
                "review": entity.review,
                "out_of_scope": entity.out_of_scope,
                "guards": guards,
                "first": entity.is_first,
                "sample": entity.samples.iter().map(|it| describe(session, it)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let [creates, updates, deletes] = planned.sums();
    json!({
        "plan": planned.name(),
        "creates": creates,
        "updates": updates,
        "deletes": deletes,
        "entities": entities,
    })
}
