//! `syncline plan --replay DAYS`: what was edited lately, decided once more by the configuration as it is now.
//!
//! Each value of each record goes through its history: what came before the span as it was, what came in it by the rules
//! of the present: whose edits count, and who wins where both sides had changed it. Nothing is read from a system. What a
//! configuration would make of the rows as they are (their scope, their rules, how they are written) `plan` itself shows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use syncline_core::{
    Text,
    change::PartKey,
    commit::AuditKind,
    group::Author,
    name::{EntityIndex, FieldIndex, RecordId, SystemIndex, Timestamp},
    plan::Field,
    policy::{self, Circumstances, Contestant, Resolution},
    value::Value,
};
use syncline_ports::reader::{Entry, HistoryFilter, Reader as _};

use crate::{
    address,
    cli::Context,
    exit::Exit,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    shown, words,
};

/// So many events are read at once.
const PAGE: usize = 5_000;
/// So many differences are shown, unless all are asked for.
const SAMPLES: usize = 20;
const DAY_MS: i64 = 86_400_000;

/// What it found.
#[derive(Default)]
struct Found {
    changes: u64,
    records: u64,
    different: Vec<Difference>,
}

/// A value that would be another one now.
struct Difference {
    record: RecordId,
    entity: EntityIndex,
    field: FieldIndex,
    was: Value,
    /// `None`: it would wait for a person.
    would: Option<Value>,
    why: Text,
}

/// Does it.
pub(super) async fn run(
    context: &Context,
    days: u32,
    entity: Option<&str>,
    is_full: bool,
    wants_code: bool,
) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let entities: BTreeSet<EntityIndex> = session.entities(entity)?.into_iter().collect();
    let since = Session::now().plus_ms(-i64::from(days) * DAY_MS);
    let mut found = Found::default();
    for record in touched(&session, since, &mut found).await? {
        let Some(group) = session.hub.group(record).await? else { continue };
        if !entities.contains(&session.plan.root_of(group.entity)) {
            continue;
        }
        found.records += 1;
        let filter =
            HistoryFilter { record: Some(record), limit: usize::MAX, ..HistoryFilter::default() };
        let mut entries = session.hub.history(&filter).await?;
        entries.reverse();
        found.different.extend(of_record(&session, &entries, since));
    }
    let answer = tell(&session, days, &found, is_full).await?;
    let differs = wants_code && !found.different.is_empty();
    Ok(if differs { answer.with_exit(Exit::Differences) } else { answer })
}

/// The records with a change in the span, or that began or ended in it.
async fn touched(
    session: &Session,
    since: Timestamp,
    found: &mut Found,
) -> Result<BTreeSet<RecordId>, Failure> {
    let mut records = BTreeSet::new();
    let mut filter = HistoryFilter { since: Some(since), limit: PAGE, ..HistoryFilter::default() };
    loop {
        let page = session.hub.history(&filter).await?;
        let is_life =
            |kind| matches!(kind, AuditKind::Created | AuditKind::Revived | AuditKind::Deleted);
        let values =
            page.iter().filter(|entry| entry.event.field.is_some() || is_life(entry.event.kind));
        for entry in values {
            records.insert(entry.event.record);
            found.changes += 1;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => filter.below = Some(last.number),
            Some(_) | None => return Ok(records),
        }
    }
}

/// The values of a record that would be others now.
fn of_record(session: &Session, entries: &[Entry], since: Timestamp) -> Vec<Difference> {
    let mut values: BTreeMap<(PartKey, FieldIndex), Course> = BTreeMap::new();
    let mut makers: BTreeMap<PartKey, (Author, Timestamp)> = BTreeMap::new();
    for entry in entries {
        let event = &entry.event;
        let entity = match &event.part {
            PartKey::Root => event.entity,
            PartKey::Child { list, .. } => *list,
        };
        let Some(field) = event.field else {
            if matches!(event.kind, AuditKind::Created | AuditKind::Revived) {
                let maker = event.system.map_or(Author::Person, Author::System);
                makers.insert(event.part.clone(), (maker, event.source_at.unwrap_or(entry.at)));
            }
            continue;
        };
        let Some(found) = session.plan.entity(entity).and_then(|it| it.field(field)) else {
            continue;
        };
        let maker = makers.get(&event.part).copied();
        let course = values
            .entry((event.part.clone(), field))
            .or_insert_with(|| Course::new(entry, entity, maker));
        course.follow(session, found, entry, entry.at >= since);
    }
    let differs = |((_, field), course): ((PartKey, FieldIndex), Course)| {
        let record = entries.first()?.event.record;
        course.difference(record, field)
    };
    values.into_iter().filter_map(differs).collect()
}

/// One value on its way through its history, as it went and as it would go.
struct Course {
    entity: EntityIndex,
    was: Value,
    would: Held,
    why: Text,
    waits: bool,
}

/// A value that is held.
#[derive(Clone)]
struct Held {
    value: Value,
    author: Author,
    at: Timestamp,
}

impl Course {
    /// Before the first event that is known of it.
    fn new(first: &Entry, entity: EntityIndex, maker: Option<(Author, Timestamp)>) -> Self {
        let value = first.event.before.clone().unwrap_or_default();
        let (author, at) = maker.unwrap_or_default();
        let would = Held { value: value.clone(), author, at };
        Self { entity, was: value, would, why: Text::default(), waits: false }
    }

    fn follow(&mut self, session: &Session, field: &Field, entry: &Entry, is_lately: bool) {
        let event = &entry.event;
        let Some(after) = &event.after else { return };
        let stood = stands(event.kind);
        let at = event.source_at.unwrap_or(entry.at);
        let author = match (event.kind, event.system) {
            (AuditKind::Merged, _) => Author::Merged,
            (AuditKind::ConflictSettled | AuditKind::Person, _) => Author::Person,
            (_, Some(system)) => Author::System(system),
            (_, None) => Author::Person,
        };
        let theirs = Held { value: after.clone(), author, at };
        if stood {
            self.was = after.clone();
        }
        if !is_lately {
            if stood {
                self.would = theirs;
            }
            return;
        }
        let Author::System(system) = author else {
            // What a person decides, and what was made of both, stays as it was decided.
            if stood {
                (self.would, self.waits, self.why) = (theirs, false, event.note.clone());
            }
            return;
        };
        if let Some(why) = refused(session, field, self.entity, system) {
            self.why = why.into();
            return;
        }
        match event.kind {
            AuditKind::Overridden | AuditKind::Lost | AuditKind::ConflictOpened => {
                self.decide(session, field, theirs);
            }
            AuditKind::Changed | AuditKind::Agreed => {
                (self.would, self.waits, self.why) = (theirs, false, event.note.clone());
            }
            AuditKind::Rejected => {
                (self.would, self.waits) = (theirs, false);
                self.why = Text::new("the field takes this system's edits now");
            }
            AuditKind::Created
            | AuditKind::Linked
            | AuditKind::Unlinked
            | AuditKind::Rekeyed
            | AuditKind::Merged
            | AuditKind::Deleted
            | AuditKind::DeleteOverridden
            | AuditKind::Revived
            | AuditKind::Rendered
            | AuditKind::Written
            | AuditKind::Refused
            | AuditKind::Ambiguous
            | AuditKind::ConflictSettled
            | AuditKind::Scope
            | AuditKind::LoopSuspected
            | AuditKind::Person
            | AuditKind::Covered
            | AuditKind::Warned
            | AuditKind::Held
            | AuditKind::Erased => {}
        }
    }

    /// Both sides had changed it.
    fn decide(&mut self, session: &Session, field: &Field, theirs: Held) {
        let entity = session.plan.entity(self.entity);
        let priority = field.priority.as_deref();
        let priority = priority.or(entity.map(|entity| entity.priority.as_slice()));
        let mut ranks: Vec<(&Text, &usize)> = field.ranks.iter().collect();
        ranks.sort_by_key(|(_, rank)| **rank);
        let ranks: Vec<Text> = ranks.into_iter().map(|(name, _)| name.clone()).collect();
        let around = Circumstances {
            priority: priority.unwrap_or_default(),
            systems: &session.plan.systems,
            base: None,
            now: theirs.at,
            zone: None,
            ranks: &ranks,
        };
        let ours = contestant(&self.would);
        let resolution = policy::resolve(&field.policy, ours, contestant(&theirs), &around);
        self.why = policy::name(&field.policy).into();
        match resolution {
            Resolution::Theirs => (self.would, self.waits) = (theirs, false),
            Resolution::Ours => {}
            Resolution::Merged(value) => {
                self.would = Held { value, author: Author::Merged, at: theirs.at };
            }
            Resolution::Manual => self.waits = true,
        }
    }

    fn difference(self, record: RecordId, field: FieldIndex) -> Option<Difference> {
        if !self.waits && self.was == self.would.value {
            return None;
        }
        let would = (!self.waits).then_some(self.would.value);
        let Self { entity, was, why, .. } = self;
        Some(Difference { record, entity, field, was, would, why })
    }
}

fn contestant(held: &Held) -> Contestant<'_> {
    Contestant { author: held.author, at: held.at, clock_suspect: false, value: &held.value }
}

/// Whether what an event of this kind says is what the record held after it.
fn stands(kind: AuditKind) -> bool {
    matches!(
        kind,
        AuditKind::Changed
            | AuditKind::Overridden
            | AuditKind::Merged
            | AuditKind::ConflictSettled
            | AuditKind::Person
    )
}

/// Why an edit of this system would not count now.
fn refused(
    session: &Session,
    field: &Field,
    entity: EntityIndex,
    system: SystemIndex,
) -> Option<&'static str> {
    let binding = session.plan.binding_of(entity, system);
    let binding = binding.and_then(|binding| session.plan.binding(binding));
    if binding.is_none_or(|binding| !binding.reads) {
        return Some("nothing is read from this system now");
    }
    if field.compute.is_some() {
        return Some("the field is computed now");
    }
    let is_owned = field.from.as_ref().is_some_and(|from| !from.contains(&system));
    is_owned.then_some("the field is owned by other systems now")
}

async fn tell(
    session: &Session,
    days: u32,
    found: &Found,
    is_full: bool,
) -> Result<Answer, Failure> {
    let span = words::counted(u64::from(days), "day");
    let mut text = format!(
        "Replayed {span}: {} of {}, decided by the configuration as it is now.\n",
        words::counted(found.changes, "change"),
        words::counted(found.records, "record")
    );
    let mut rows: Vec<Json> = Vec::new();
    let mut names: BTreeMap<RecordId, String> = BTreeMap::new();
    for (one, index) in found.different.iter().zip(0..) {
        if let std::collections::btree_map::Entry::Vacant(unknown) = names.entry(one.record) {
            let group = session.hub.group(one.record).await?;
            let name = group.map(|group| address::of(session, &group));
            unknown.insert(name.unwrap_or_else(|| one.record.to_string()));
        }
        let name = names.get(&one.record).cloned().unwrap_or_default();
        let entity = session.plan.entity(one.entity);
        let field = entity.and_then(|entity| entity.field(one.field));
        let field = field.map(|field| field.name.to_string()).unwrap_or_default();
        let value =
            |value: &Value| shown::value(session, one.entity, one.field, value).into_owned();
        let was = value(&one.was);
        let would = one.would.as_ref().map(value);
        if is_full || index < SAMPLES {
            let would = match &would {
                Some(would) => words::quoted(would),
                None => "waits for a person".to_owned(),
            };
            text.push_str(&format!(
                "  {name}  {field}  {} -> {would}   {}\n",
                words::quoted(&was),
                one.why
            ));
        }
        rows.push(json!({
            "record": name,
            "field": field,
            "was": words::json(&was),
            "would": would.as_ref().map(words::json),
            "waits": would.is_none(),
            "why": one.why.as_str(),
        }));
    }
    let more = found.different.len().saturating_sub(SAMPLES);
    if !is_full && more > 0 {
        text.push_str(&format!("  and {} more (--full)\n", words::count(more as u64)));
    }
    let records: BTreeSet<RecordId> = found.different.iter().map(|one| one.record).collect();
    let summary = match records.len() as u64 {
        0 => format!("no record would have ended differently in {span}"),
        many => format!("{} would have ended differently", words::counted(many, "record")),
    };
    text.push_str(&format!("{summary}. Nothing was read from a system, and nothing was written."));
    let result = json!({
        "days": days,
        "changes": found.changes,
        "records": found.records,
        "different": rows,
    });
    Ok(Answer::new(summary).with_text(text).with_result(result))
}
