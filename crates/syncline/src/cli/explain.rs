//! `syncline explain`: why a field has its value.

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_core::{
    change::PartKey,
    commit::AuditKind,
    group::{Author, Group, Hold},
    label::Label,
    name::{FieldIndex, Timestamp},
    value::Value,
};
use syncline_ports::reader::{ConflictFilter, Entry, HistoryFilter, Number, Reader as _};

use crate::{
    address,
    cli::{Context, conflicts, history},
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The record: `contacts/crm:8812`, `contacts/email=a@example.com`.
    pub(crate) address: String,
    /// The field; without it, all.
    pub(crate) field: Option<String>,
    /// As it was then.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

/// How far back a chain is followed.
const CHAIN: usize = 500;

impl Explain {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let session = Session::open(context, Use::Look, Reach::Hub).await?;
        let at = match &self.at {
            None => None,
            Some(text) => Some(
                words::parse_time(text, Session::now())
                    .ok_or_else(|| crate::cli::run::bad_time(text))?,
            ),
        };
        let group = address::find(&session, &self.address).await?;
        let (text, result) = of_record(&session, &group, self.field.as_deref(), at).await?;
        Ok(Answer::new(address::of(&session, &group)).with_text(text).with_result(result))
    }
}

/// Why a field of a record has its value, or each: for people and for programs.
pub(crate) async fn of_record(
    session: &Session,
    group: &Group,
    field: Option<&str>,
    at: Option<Timestamp>,
) -> Result<(String, Json), Failure> {
    let name = address::of(session, group);
    let Some(entity) = session.plan.entity(group.entity) else {
        return Err(Failure::new("address.unknown", format!("no record is known as {name}")));
    };
    let fields: Vec<FieldIndex> = match field {
        Some(name) => {
            let known: Vec<&str> = entity.fields.iter().map(|field| field.name.as_str()).collect();
            vec![entity.field_named(name).ok_or_else(|| {
                Failure::new("address.unknown", format!("{} has no field `{name}`", entity.name))
                    .cause(format!("its fields are {}", known.join(", ")))
            })?]
        }
        None => (0..entity.fields.len())
            .filter_map(|index| u16::try_from(index).ok().map(FieldIndex))
            .collect(),
    };
    let filter = HistoryFilter { record: Some(group.id), limit: CHAIN, ..HistoryFilter::default() };
    let entries = session.hub.history(&filter).await?;
    // Newest first: those after the moment come before those up to it.
    let later = at.map_or(0, |at| entries.partition_point(|entry| entry.at > at));
    let (later, entries) = entries.split_at(later);
    let is_known = |entry: &Entry| entry.event.kind == AuditKind::Created;
    if later.iter().any(is_known) && !entries.iter().any(is_known) {
        let unknown = format!("{name} was not known then");
        return Err(
            Failure::new("address.unknown", unknown).fix(format!("syncline history {name}"))
        );
    }
    let alive = if group.root.exists.alive { "" } else { "  (deleted; its last values)" };
    let mut text = format!("{name}  {}{alive}", group.id);
    let mut rows = Vec::new();
    for field in fields {
        let (lines, row) = explain(session, group, field, entries, at.map(|_| later)).await?;
        text.push_str(&lines);
        rows.push(row);
    }
    let result = json!({
        "record": group.id.to_string(),
        "alive": group.root.exists.alive,
        "rows": links(session, group),
        "fields": rows,
    });
    Ok((text, result))
}

/// The rows of a record, for programs.
pub(crate) fn links(session: &Session, group: &Group) -> Json {
    let rows = group.root.links.iter().map(|link| {
        json!({
            "system": session.system_name(link.system),
            "key": link.key.as_ref().map(ToString::to_string),
            "present": link.is_present(),
        })
    });
    Json::Array(rows.collect())
}

/// How the systems write the value: `erp.STAT "8", "9" -> blocked   desk.state "stopped" <- blocked`.
/// The arrow points from where it came.
fn map(session: &Session, group: &Group, field: FieldIndex) -> Option<String> {
    let entity = session.plan.entity(group.entity)?;
    let name = &entity.field(field)?.name;
    let written = session.loaded.field(&entity.name, name)?;
    let cell = group.root.cell(field)?;
    let label = entity.field(field)?.label;
    let mut parts = Vec::new();
    for binding in entity.bindings.iter().filter_map(|binding| session.plan.binding(*binding)) {
        let Some(own) = binding.cell(field) else { continue };
        let system = session.system_name(binding.system);
        let column = format!("{system}.{}", own.place);
        if own.lens.is_identity() {
            parts.push(format!("{column} as it is"));
            continue;
        }
        // What the file lists for this value; else what the system shows.
        let listed = written.cell(system).filter(|_| label == Label::Open);
        let listed = listed.and_then(|cell| cell.values.as_ref()).and_then(|map| {
            let value = cell.value.to_string();
            map.value.iter().find(|(hub, _)| hub.value.as_str() == value)
        });
        let natives = match listed {
            Some((_, natives)) => {
                natives.iter().map(|native| format!("{:?}", native.text)).collect::<Vec<_>>()
            }
            None => {
                let link = group.root.link(binding.system);
                let native = link.and_then(|link| link.shadow.as_ref()?.value(field));
                let native = native.map(|native| label.shown(native));
                native.iter().map(|native| words::quoted(native)).collect()
            }
        };
        let arrow = if cell.author == Author::System(binding.system) { "->" } else { "<-" };
        parts.push(format!("{column} {} {arrow} {}", natives.join(", "), label.shown(&cell.value)));
    }
    let place = session.loaded.line(written.name.place);
    Some(format!("map     {place}   {}\n", parts.join("   ")))
}

/// What a person decided about a field, in words: `steward1 chose erp over crm in conflict 318,
/// 10:26: credit hold confirmed`.
async fn decision(
    session: &Session,
    group: &Group,
    field: FieldIndex,
) -> Result<Option<String>, Failure> {
    let is_persons = group.root.cell(field).is_some_and(|cell| cell.author == Author::Person);
    if !is_persons {
        return Ok(None);
    }
    // Newest first.
    let filter = ConflictFilter {
        record: Some(group.id),
        settled: Some(true),
        limit: usize::MAX,
        ..ConflictFilter::default()
    };
    let conflicts = session.hub.conflict_page(&filter).await?;
    let found = conflicts.iter().find_map(|conflict| {
        let is_this = conflict.part == PartKey::Root && conflict.field == Some(field);
        let (settled, at) = conflict.settled.as_ref().filter(|_| is_this)?;
        Some((conflict, settled, *at, settled.who.as_ref()?))
    });
    let Some((conflict, settled, at, who)) = found else { return Ok(None) };
    let (who, note) = match who.split_once(": ") {
        Some((who, note)) => (who, format!(": \"{note}\"")),
        None => (who.as_str(), String::new()),
    };
    let name = |author| conflicts::author(session, author);
    let losers: Vec<String> = conflict
        .candidates
        .iter()
        .filter(|candidate| candidate.author != settled.winner)
        .map(|candidate| name(candidate.author))
        .collect();
    let chose = match settled.winner {
        Author::System(_) => format!("chose {} over {}", name(settled.winner), losers.join(", ")),
        Author::Nobody | Author::Person | Author::Merged => "decided".to_owned(),
    };
    let at = words::moment(Session::now(), at);
    Ok(Some(format!("{who} {chose} in conflict {}, {at}{note}", conflict.number)))
}

/// The open conflict over a field: until it is settled, what competes stays where it is.
async fn open_conflict(
    session: &Session,
    group: &Group,
    field: FieldIndex,
) -> Result<Option<Number>, Failure> {
    if !group.root.conflicts.iter().any(|conflict| conflict.field == Some(field)) {
        return Ok(None);
    }
    let filter = ConflictFilter {
        record: Some(group.id),
        settled: Some(false),
        limit: usize::MAX,
        ..ConflictFilter::default()
    };
    let open = session.hub.conflict_page(&filter).await?;
    let found = open
        .iter()
        .find(|conflict| conflict.part == PartKey::Root && conflict.field == Some(field));
    Ok(found.map(|conflict| conflict.number))
}

/// What the first of these changes of a field replaced.
fn value_before(later: &[Entry], field: FieldIndex) -> Option<Value> {
    let replaces = |kind: AuditKind| match kind {
        AuditKind::Changed
        | AuditKind::Overridden
        | AuditKind::Merged
        | AuditKind::Person
        | AuditKind::ConflictSettled => true,
        AuditKind::Created
        | AuditKind::Linked
        | AuditKind::Unlinked
        | AuditKind::Rekeyed
        | AuditKind::Agreed
        | AuditKind::Lost
        | AuditKind::Rejected
        | AuditKind::Deleted
        | AuditKind::DeleteOverridden
        | AuditKind::Revived
        | AuditKind::Rendered
        | AuditKind::Written
        | AuditKind::Refused
        | AuditKind::Ambiguous
        | AuditKind::ConflictOpened
        | AuditKind::Scope
        | AuditKind::LoopSuspected
        | AuditKind::Covered
        | AuditKind::Warned
        | AuditKind::Held
        | AuditKind::Erased => false,
    };
    let mut of_field = later.iter().rev().filter(|entry| {
        entry.event.field == Some(field)
            && entry.event.part == PartKey::Root
            && replaces(entry.event.kind)
    });
    of_field.next()?.event.before.clone()
}

async fn explain(
    session: &Session,
    group: &Group,
    field: FieldIndex,
    entries: &[Entry],
    later: Option<&[Entry]>,
) -> Result<(String, Json), Failure> {
    let found = session.plan.entity(group.entity).and_then(|entity| entity.field(field));
    let name = found.map_or("?", |field| &field.name);
    let cell = group.root.cell(field).cloned().unwrap_or_default();
    let chain: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.event.field == Some(field) && entry.event.part == PartKey::Root)
        .collect();
    let label = found.map_or(Label::Mask, |field| field.label);
    let value = later.and_then(|later| value_before(later, field)).unwrap_or(cell.value.clone());
    let value = label.shown(&value);
    let open = open_conflict(session, group, field).await?;
    let mut shown = Vec::new();
    let mut systems = Vec::new();
    for link in &group.root.links {
        let native = link.shadow.as_ref().and_then(|row| row.value(field));
        let Some(native) = native.map(|native| label.shown(native)) else { continue };
        let origin = if cell.author == Author::System(link.system) { " (origin)" } else { "" };
        let hold = link.hold_of(field);
        let is_kept = hold == Some(Hold::Rollback);
        let behind = match (link.agreed(field) == cell.version, open) {
            _ if hold == Some(Hold::Unreadable) => {
                " (then; what it holds now means nothing: syncline quarantine list)"
            }
            (true, _) => "",
            (false, None) if is_kept => " (kept: what came from there was rolled back)",
            (false, None) => " (behind)",
            (false, Some(_)) => " (held)",
        };
        let system = session.system_name(link.system);
        shown.push(format!("{system} {}{origin}{behind}", words::quoted(&native)));
        systems.push(json!({ "system": system, "native": words::json(&native), "agreed": link.agreed(field) == cell.version }));
    }
    let author = match cell.author {
        Author::Nobody => "nobody ever said".to_owned(),
        Author::System(system) => format!("{} said so", session.system_name(system)),
        Author::Person => {
            decision(session, group, field).await?.unwrap_or_else(|| "a person decided".to_owned())
        }
        Author::Merged => "merged from several systems".to_owned(),
    };
    let author = match open {
        None => author,
        Some(number) => {
            format!("{author}; conflict {number} is open: syncline conflicts show {number}")
        }
    };
    let policy = found.map(|field| policy(&field.policy)).unwrap_or_default();
    let said = session.plan.entity(group.entity).and_then(|entity| {
        session.loaded.policy_place(&entity.name, name).map(|place| format!(" ({place})"))
    });
    let said = said.unwrap_or_default();
    // Of a moment in the past, the hub knows the value and what happened; the rest is of now.
    let mut text = match later {
        Some(_) => format!("\n{name} = {value}\n"),
        None => format!(
            "\n{name} = {value}          {}\nwhy     {author}          policy: {policy}{said}\n",
            shown.join("   ")
        ),
    };
    let lived = entries.iter().filter(|entry| {
        let is_life = matches!(
            entry.event.kind,
            AuditKind::Created | AuditKind::Linked | AuditKind::Deleted | AuditKind::Revived
        );
        is_life && entry.event.field.is_none() && entry.event.part == PartKey::Root
    });
    let mut lines: Vec<&Entry> = chain.iter().copied().chain(lived).collect();
    lines.sort_by_key(|entry| std::cmp::Reverse(entry.number));
    for (index, entry) in lines.into_iter().take(12).enumerate() {
        let head = if index == 0 { "chain " } else { "      " };
        text.push_str(&format!(
            "{head}  {}  {}\n",
            words::time(entry.at),
            history::what(session, entry)
        ));
    }
    let map = match later {
        Some(_) => String::new(),
        None => map(session, group, field).unwrap_or_default(),
    };
    text.push_str(&map);
    text.truncate(text.trim_end().len());
    let row = json!({
        "field": name,
        "value": words::json(&value),
        "hidden": label != Label::Open,
        "why": author,
        "policy": policy,
        "systems": systems,
        "map": map.trim_start_matches("map").trim(),
        "chain": chain.iter().map(|entry| history::json_of(session, entry)).collect::<Vec<_>>(),
    });
    Ok((text, row))
}

/// A policy by its name in the file.
pub(crate) fn policy(policy: &syncline_core::plan::Policy) -> String {
    use syncline_core::plan::Policy;
    match policy {
        Policy::Priority => "priority".into(),
        Policy::Newest => "newest".into(),
        Policy::Add { .. } => "add".into(),
        Policy::Manual => "manual".into(),
        Policy::Expr(expr) => format!("expr {}", expr.text()),
        Policy::Merge => "merge".into(),
    }
}
