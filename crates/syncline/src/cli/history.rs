//! `syncline history`: changes, in the order in which they happened.

use std::collections::BTreeMap;

use clap::{Args, builder::PossibleValuesParser};
use serde_json::{Value as Json, json};
use syncline_core::{
    commit::AuditKind,
    name::{EntityIndex, FieldIndex, RecordId, RunId},
};
use syncline_ports::reader::{Entry, HistoryFilter, Reader as _, Run, RunFilter};

use crate::{
    address, books,
    cli::Context,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    shown, stopwatch,
    words::{self, Table},
};

/// Flags of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// A record (`contacts/crm:8812`), `run`, or `runs`.
    pub(crate) address: Option<String>,
    /// After `run`: its number.
    pub(crate) id: Option<String>,
    /// Not before: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// From or to this system.
    #[arg(long, value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
    /// Of this field.
    #[arg(long, value_name = "FIELD")]
    pub(crate) field: Option<String>,
    /// By this person or user.
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// Of `runs`: set going by this.
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(TRIGGERS))]
    pub(crate) trigger: Option<String>,
    /// Of `runs`: that ended so.
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(OUTCOMES))]
    pub(crate) outcome: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}

/// What sets runs going.
pub(crate) const TRIGGERS: &[&str] = &["live", "poll", "hook", "schedule", "person"];
/// How runs end.
pub(crate) const OUTCOMES: &[&str] = &["ok", "partial", "failed", "refused", "stopped"];

impl History {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let session = Session::open(context, Use::Look, Reach::Hub).await?;
        if self.address.as_deref() == Some("runs") {
            return self.runs(&session).await;
        }
        if self.trigger.is_some() || self.outcome.is_some() {
            return Err(Failure::new("usage.arguments", "`--trigger` and `--outcome` choose runs")
                .fix("syncline history runs --trigger hook"));
        }
        let mut filter = HistoryFilter {
            actor: self.actor.as_deref().map(Into::into),
            ..HistoryFilter::default()
        };
        if let Some(text) = &self.since {
            filter.since = Some(
                words::parse_time(text, Session::now())
                    .ok_or_else(|| crate::cli::run::bad_time(text))?,
            );
        }
        if let Some(name) = &self.system {
            filter.system = Some(address::system_named(&session, name)?);
        }
        if let Some(name) = &self.field {
            filter.fields = Some(fields_named(&session, name)?);
        }
        let (mut head, mut of_run) = (String::new(), None);
        match (self.address.as_deref(), self.id.as_deref()) {
            (Some("run"), Some(id)) => {
                let run = run_number(&session, id).await?;
                filter.run = Some(run);
                (head, of_run) = match session.hub.run(run).await? {
                    Some(found) => run_head(&session, &found),
                    None => (forgotten(&session, run, &filter).await?, None),
                };
            }
            (Some("run"), None) => {
                return Err(Failure::new("usage.arguments", "which run?")
                    .fix("syncline history run r-1042"));
            }
            (Some(record), _) => filter.record = Some(address::find(&session, record).await?.id),
            (None, _) => {}
        }
        // One more than is shown tells whether there are more.
        filter.limit = self.limit.saturating_add(1);
        let mut entries = session.hub.history(&filter).await?;
        let more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let mut table = Table::new(&["TIME", "CHANGE", "RECORD", "WHAT", "BY"]);
        let mut names = BTreeMap::new();
        for entry in &entries {
            let what = what(&session, entry);
            let by = entry.event.actor.as_ref().map(ToString::to_string).unwrap_or_default();
            let record = name(&session, entry, &mut names).await?;
            table.row([words::time(entry.at), format!("c-{}", entry.number), record, what, by]);
        }
        let rows: Vec<Json> = entries.iter().map(|entry| json_of(&session, entry)).collect();
        let summary = words::counted(entries.len() as u64, "change");
        let text = match (table.is_empty(), more) {
            (true, _) => format!("{head}no change"),
            (false, false) => format!("{head}{}", table.text()),
            (false, true) => format!(
                "{head}{}\nthe newest {}; --limit N shows more, an address or --since fewer",
                table.text(),
                words::count(self.limit as u64)
            ),
        };
        let result = match filter.run {
            Some(_) => json!({ "run": of_run, "changes": rows }),
            None => json!(rows),
        };
        Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(result))
    }
}

impl History {
    /// Passes, the newest first.
    async fn runs(&self, session: &Session) -> Result<Answer, Failure> {
        let since = self.since.as_deref().map(|text| {
            words::parse_time(text, Session::now()).ok_or_else(|| crate::cli::run::bad_time(text))
        });
        let filter = RunFilter {
            trigger: self.trigger.as_deref().map(Into::into),
            outcome: self.outcome.as_deref().map(Into::into),
            since: since.transpose()?,
            limit: self.limit.saturating_add(1),
            ..RunFilter::default()
        };
        let mut found = session.hub.run_page(&filter).await?;
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let mut table =
            Table::new(&["RUN", "WHAT", "SET BY", "ENTITY", "BEGAN", "TOOK", "OUTCOME"]);
        for run in &found {
            let took = run.ended.map(|ended| words::span(ended.ms() - run.started.ms()));
            let or_none = |text: &str| if text.is_empty() { "-".into() } else { text.to_owned() };
            table.row([
                run.id.to_string(),
                run.kind.to_string(),
                or_none(&run.trigger),
                run.entity.map_or("-", |entity| session.entity_name(entity)).to_owned(),
                words::time(run.started),
                took.unwrap_or_else(|| "-".into()),
                or_none(&run.outcome),
            ]);
        }
        let rows: Vec<Json> = found.iter().map(|run| run_json(session, run)).collect();
        let summary = words::counted(found.len() as u64, "run");
        let text = match (table.is_empty(), more) {
            (true, _) => "no run".to_owned(),
            (false, false) => table.text(),
            (false, true) => {
                format!("{}\nthe newest {}; --limit N shows more", table.text(), self.limit)
            }
        };
        Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows)))
    }
}

/// The fields of this name, in whatever entity.
pub(crate) fn fields_named(
    session: &Session,
    name: &str,
) -> Result<Vec<(EntityIndex, FieldIndex)>, Failure> {
    let entities = session.plan.entities.iter().zip((0u16..).map(EntityIndex));
    let found: Vec<_> =
        entities.filter_map(|(entity, index)| Some((index, entity.field_named(name)?))).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(Failure::new("address.unknown", format!("no entity has a field `{name}`"))
        .fix("syncline config show"))
}

/// What was said of a run and what it observed, for people and for programs.
fn run_head(session: &Session, run: &Run) -> (String, Option<Json>) {
    let (id, said) = (run.id.to_string(), run.message.as_str());
    let said = said.strip_prefix(&id).map_or(said, str::trim_start);
    let by = if run.trigger.is_empty() { String::new() } else { format!(" ({})", run.trigger) };
    let mut head = format!("{id}  {}{by}  {}  {said}\n", run.kind, words::time(run.started));
    head.extend(stopwatch::line(session, run).map(|line| format!("{line}\n")));
    let pages = books::of_run(session, run);
    head.extend(pages.iter().map(|page| format!("{}\n", page.line())));
    (head, Some(run_json(session, run)))
}

/// A run for programs.
pub(crate) fn run_json(session: &Session, run: &Run) -> Json {
    let writes = run.writes.iter().map(|(system, creates, updates, deletes)| {
        json!({
            "system": session.system_name(*system),
            "creates": creates,
            "updates": updates,
            "deletes": deletes,
        })
    });
    json!({
        "run": run.id.to_string(),
        "kind": run.kind.as_str(),
        "trigger": (!run.trigger.is_empty()).then(|| run.trigger.as_str()),
        "entity": run.entity.map(|entity| session.entity_name(entity)),
        "started": words::time(run.started),
        "ended": run.ended.map(words::time),
        "took_ms": run.ended.map(|ended| ended.ms() - run.started.ms()),
        "outcome": run.outcome.as_str(),
        "message": run.message.as_str(),
        "systems": books::of_run(session, run).iter().map(books::Page::json).collect::<Vec<_>>(),
        "writes": writes.collect::<Vec<_>>(),
        "spans": stopwatch::json(session, run),
    })
}

/// A run whose log is gone: what it changed is still known.
async fn forgotten(
    session: &Session,
    run: RunId,
    filter: &HistoryFilter,
) -> Result<String, Failure> {
    let any = HistoryFilter { limit: 1, ..filter.clone() };
    if session.hub.history(&any).await?.is_empty() {
        return Err(Failure::new("usage.unknown_number", format!("there is no run {run}"))
            .fix("syncline status"));
    }
    Ok(format!("{run}  its log is no longer kept (`retention: {{logs: …}}`)\n"))
}

/// The record of an entry as people know it; each is looked up once.
pub(super) async fn name(
    session: &Session,
    entry: &Entry,
    known: &mut BTreeMap<RecordId, String>,
) -> Result<String, Failure> {
    let record = entry.event.record;
    if let Some(name) = known.get(&record) {
        return Ok(name.clone());
    }
    let name = match session.hub.group(record).await? {
        Some(group) => address::of(session, &group),
        None => format!("{}/{record}", session.entity_name(entry.event.entity)),
    };
    known.insert(record, name.clone());
    Ok(name)
}

/// `r-1042`, `1042` or `last`.
pub(crate) async fn run_number(session: &Session, text: &str) -> Result<RunId, Failure> {
    if text == "last" {
        let runs = session.hub.runs(1).await?;
        return runs.first().map(|run| run.id).ok_or_else(|| {
            Failure::new("usage.unknown_number", "there has been no run yet").fix("syncline run")
        });
    }
    text.trim_start_matches("r-").parse::<u64>().map(RunId).map_err(|_| {
        Failure::new("usage.unknown_number", format!("`{text}` is not a run"))
            .fix("say r-1042, or last")
    })
}

/// What happened, in a few words.
pub(crate) fn what(session: &Session, entry: &Entry) -> String {
    let entry = shown::entry(session, entry);
    let event = &entry.event;
    let field = event
        .field
        .and_then(|field| session.plan.entity(event.entity)?.field(field))
        .map(|field| field.name.to_string());
    let system = event.system.map(|system| session.system_name(system).to_owned());
    let row = match (&system, &event.key) {
        (Some(system), Some(key)) => format!("{system}:{key}"),
        (Some(system), None) => system.clone(),
        (None, _) => String::new(),
    };
    let name = field.unwrap_or_default();
    let value = |value: &Option<syncline_core::value::Value>| {
        value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let (before, after) = (value(&event.before), value(&event.after));
    let words = match event.kind {
        AuditKind::Created => format!("created from {row}"),
        AuditKind::Linked => format!("linked {row}"),
        AuditKind::Unlinked => format!("unlinked {row}"),
        AuditKind::Rekeyed => format!("moved to {row}"),
        AuditKind::Changed => format!("{name} {before} -> {after}  from {row}"),
        AuditKind::Agreed => format!("{name} the same edit in {row}"),
        AuditKind::Overridden => format!("{name} {before} gave way to {after}  from {row}"),
        AuditKind::Lost => format!("{name} {after} from {row} lost, {before} stays"),
        AuditKind::Rejected => format!("{name} {after} from {row} not taken"),
        AuditKind::Merged => format!("{name} {before} -> {after}  merged with {row}"),
        AuditKind::Deleted if row.is_empty() => "deleted by a person".to_owned(),
        AuditKind::Deleted => format!("deleted in {row}"),
        AuditKind::DeleteOverridden => format!("delete in {row} overridden: it lives"),
        AuditKind::Revived if row.is_empty() => "lives again, by a person".to_owned(),
        AuditKind::Revived => format!("lives again, from {row}"),
        AuditKind::Rendered => format!("{name} shown as {after} in {row}"),
        AuditKind::Written => format!("written to {row}"),
        AuditKind::Refused => format!("refused by {row}"),
        AuditKind::Ambiguous => format!("{name} perhaps our own write in {row}"),
        AuditKind::ConflictOpened => format!("{name} conflict opened"),
        AuditKind::ConflictSettled => format!("{name} conflict settled: {after}"),
        AuditKind::Scope => format!("scope of {row} changed"),
        AuditKind::LoopSuspected => {
            format!("{name} held: the same cycle again and again with {row}")
        }
        // What was asked for and not done, which the note says.
        AuditKind::Person if event.after.is_none() => name,
        AuditKind::Person => format!("{name} {before} -> {after}  by a person"),
        AuditKind::Covered => format!("older news from {row}"),
        AuditKind::Held => "held: its user has changed too much".to_owned(),
        AuditKind::Erased => "erased: of its record nothing is kept".to_owned(),
        AuditKind::Warned => format!("breaks a rule since {row} was changed"),
    };
    let note = if event.note.is_empty() { String::new() } else { format!("  ({})", event.note) };
    format!("{}{note}", words.trim())
}

/// An entry for programs.
pub(crate) fn json_of(session: &Session, entry: &Entry) -> Json {
    let entry = &shown::entry(session, entry);
    let event = &entry.event;
    let field = event
        .field
        .and_then(|field| session.plan.entity(event.entity)?.field(field))
        .map(|field| field.name.to_string());
    json!({
        "change": format!("c-{}", entry.number),
        "run": entry.run.to_string(),
        "at": words::time(entry.at),
        "instant": words::instant(entry.at),
        "entity": session.entity_name(event.entity),
        "record": event.record.to_string(),
        "field": field,
        "kind": words::snake(&format!("{:?}", event.kind)),
        "system": event.system.map(|system| session.system_name(system)),
        "key": event.key.as_ref().map(ToString::to_string),
        "before": event.before.as_ref().map(words::json),
        "after": event.after.as_ref().map(words::json),
        "version": event.version,
        "actor": event.actor.as_ref().map(ToString::to_string),
        "source_at": event.source_at.map(words::time),
        "note": event.note.as_str(),
        "what": what(session, entry),
    })
}
