//! `syncline explain`: why a field has its value.

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_core::{
    group::{Author, Group},
    name::FieldIndex,
    value::Value,
};
use syncline_ports::reader::{Entry, HistoryFilter, Reader as _};

use crate::{
    address,
    cli::{Context, history},
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
        let Some(entity) = session.plan.entity(group.entity) else {
            return Err(Failure::new(
                "address.unknown",
                format!("no record is known as {}", self.address),
            ));
        };
        let fields: Vec<FieldIndex> = match &self.field {
            Some(name) => {
                let known: Vec<&str> =
                    entity.fields.iter().map(|field| field.name.as_str()).collect();
                vec![entity.field_named(name).ok_or_else(|| {
                    Failure::new(
                        "address.unknown",
                        format!("{} has no field `{name}`", entity.name),
                    )
                    .cause(format!("its fields are {}", known.join(", ")))
                })?]
            }
            None => (0..entity.fields.len())
                .filter_map(|index| u16::try_from(index).ok().map(FieldIndex))
                .collect(),
        };
        let filter =
            HistoryFilter { record: Some(group.id), limit: CHAIN, ..HistoryFilter::default() };
        let mut entries = session.hub.history(&filter).await?;
        if let Some(at) = at {
            entries.retain(|entry| entry.at <= at);
        }
        let alive = if group.root.exists.alive { "" } else { "  (deleted; its last values)" };
        let mut text = format!("{}  {}{alive}", address::of(&session, &group), group.id);
        let mut rows = Vec::new();
        for field in fields {
            let (lines, row) = explain(&session, &group, field, &entries, at.is_some());
            text.push_str(&lines);
            rows.push(row);
        }
        let result = json!({
            "record": group.id.to_string(),
            "alive": group.root.exists.alive,
            "rows": links(&session, &group),
            "fields": rows,
        });
        Ok(Answer::new(address::of(&session, &group)).with_text(text).with_result(result))
    }
}

fn links(session: &Session, group: &Group) -> Json {
    let rows = group.root.links.iter().map(|link| {
        json!({
            "system": session.system_name(link.system),
            "key": link.key.as_ref().map(ToString::to_string),
            "present": link.is_present(),
        })
    });
    Json::Array(rows.collect())
}

fn explain(
    session: &Session,
    group: &Group,
    field: FieldIndex,
    entries: &[Entry],
    past: bool,
) -> (String, Json) {
    let found = session.plan.entity(group.entity).and_then(|entity| entity.field(field));
    let name = found.map_or("?", |field| &field.name);
    let cell = group.root.cell(field).cloned().unwrap_or_default();
    let chain: Vec<&Entry> = entries
        .iter()
        .filter(|entry| {
            entry.event.field == Some(field)
                && entry.event.part == syncline_core::change::PartKey::Root
        })
        .collect();
    let value = if past {
        chain.iter().find_map(|entry| entry.event.after.clone()).unwrap_or(Value::Null)
    } else {
        cell.value.clone()
    };
    let mut shown = Vec::new();
    let mut systems = Vec::new();
    for link in &group.root.links {
        let native = link.shadow.as_ref().and_then(|row| row.value(field));
        let Some(native) = native else { continue };
        let origin = if cell.author == Author::System(link.system) { " (origin)" } else { "" };
        let behind = if link.agreed(field) == cell.version { "" } else { " (behind)" };
        let system = session.system_name(link.system);
        shown.push(format!("{system} {native:?}{origin}{behind}"));
        systems.push(json!({ "system": system, "native": native.to_string(), "agreed": link.agreed(field) == cell.version }));
    }
    let author = match cell.author {
        Author::Nobody => "nobody ever said".to_owned(),
        Author::System(system) => format!("{} said so", session.system_name(system)),
        Author::Person => "a person decided".to_owned(),
        Author::Merged => "merged from several systems".to_owned(),
    };
    let policy = found.map(|field| policy(&field.policy)).unwrap_or_default();
    let mut text = format!("\n{name} = {value}          {}\n", shown.join("   "));
    text.push_str(&format!("why     {author}; conflicts on it are settled by {policy}\n"));
    let created = entries.iter().filter(|entry| {
        entry.event.field.is_none()
            && matches!(
                entry.event.kind,
                syncline_core::commit::AuditKind::Created
                    | syncline_core::commit::AuditKind::Linked
            )
    });
    let lines = chain.iter().copied().chain(created).take(12);
    for (index, entry) in lines.enumerate() {
        let head = if index == 0 { "chain " } else { "      " };
        text.push_str(&format!(
            "{head}  {}  {}\n",
            words::time(entry.at),
            history::what(session, entry)
        ));
    }
    text.truncate(text.trim_end().len());
    let row = json!({
        "field": name,
        "value": value.to_string(),
        "why": author,
        "policy": policy,
        "systems": systems,
        "chain": chain.iter().map(|entry| history::json_of(session, entry)).collect::<Vec<_>>(),
    });
    (text, row)
}

/// A policy by its name in the file.
pub(crate) fn policy(policy: &syncline_core::plan::Policy) -> String {
    use syncline_core::plan::Policy;
    match policy {
        Policy::Priority => "priority".into(),
        Policy::Newest => "newest".into(),
        Policy::Add { .. } => "add".into(),
        Policy::Manual => "a person (manual)".into(),
        Policy::Expr(expr) => format!("expr {}", expr.text()),
        Policy::Merge => "merge".into(),
    }
}
