//! `syncline quarantine`: records that were set aside.

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_core::{
    change::{Command, PartKey},
    commit::Subject,
    label::Label,
    name::RecordId,
};
use syncline_ports::reader::{Quarantined, Reader as _};

use crate::{
    address,
    cli::{Context, causes, history},
    decide,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    typed,
    words::{self, Table},
};

/// Flags of `quarantine`.
#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

/// What to do with records that were set aside.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// The queue.
    List {
        /// Those with this code.
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// Those of this run: `last`, `r-1042`.
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Only how many there are of each cause, the most first.
        #[arg(long)]
        causes: bool,
    },
    /// One, with what was sent and what was answered.
    Show {
        /// Its number.
        id: u64,
    },
    /// Correct a value, or say which record a row belongs to.
    Edit {
        /// Its number.
        id: u64,
        /// `number=FR-1099`; may be repeated.
        #[arg(long, value_name = "FIELD=VALUE")]
        set: Vec<String>,
        /// The record it belongs to: a hub id, or SYSTEM:KEY.
        #[arg(long, value_name = "KEY", conflicts_with = "set")]
        link: Option<String>,
    },
    /// Leave it alone until the row changes.
    Drop(Drop),
}

/// What is to be left alone.
#[derive(Debug, Args)]
pub(crate) struct Drop {
    /// Its number.
    #[arg(required_unless_present = "code")]
    pub(crate) id: Option<u64>,
    /// All with this code instead; a reason is needed.
    #[arg(long, value_name = "CODE", conflicts_with = "id", requires = "reason")]
    pub(crate) code: Option<String>,
    /// With `--code`: those of this entity.
    #[arg(long, value_name = "ENTITY", requires = "code")]
    pub(crate) entity: Option<String>,
    /// With `--code`: those of this run.
    #[arg(long, value_name = "RUN", requires = "code")]
    pub(crate) run: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Show what would be left alone.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const ALL: usize = 1_000_000;

impl Quarantine {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        match self.command.unwrap_or(Action::List { code: None, run: None, causes: false }) {
            Action::List { code, run, causes: true } => {
                causes::quarantine(context, code.as_deref(), run.as_deref()).await
            }
            Action::List { code, run, causes: false } => {
                list(context, code.as_deref(), run.as_deref()).await
            }
            Action::Show { id } => show(context, id).await,
            Action::Edit { id, set, link } => edit(context, id, &set, link.as_deref()).await,
            Action::Drop(drop) => drop.run(context).await,
        }
    }
}

/// `crm:8812` or `-> erp`: where the entry stands.
pub(crate) fn route(session: &Session, entry: &Quarantined) -> String {
    match &entry.subject {
        Subject::Row { binding, key } => {
            let system =
                session.plan.binding(*binding).map(|found| session.system_name(found.system));
            format!("{}:{key}", system.unwrap_or("?"))
        }
        Subject::Write { system, .. } => format!("-> {}", session.system_name(*system)),
        Subject::Record { .. } | Subject::Excess { .. } => "-> all".into(),
    }
}

/// The record of an entry as people know it.
pub(crate) async fn record_name(session: &Session, entry: &Quarantined) -> Result<String, Failure> {
    let record = match &entry.subject {
        Subject::Write { record, .. }
        | Subject::Record { record }
        | Subject::Excess { record, .. } => Some(*record),
        Subject::Row { .. } => entry.record,
    };
    let Some(record) = record else { return Ok("-".into()) };
    let group = session.hub.group(record).await?;
    Ok(group.map_or_else(|| record.to_string(), |group| address::of(session, &group)))
}

/// An entry for programs.
pub(crate) fn json_of(session: &Session, entry: &Quarantined, record: &str) -> Json {
    json!({
        "id": entry.number,
        "entity": session.entity_name(entry.entity),
        "record": record,
        "route": route(session, entry),
        "code": entry.code.as_str(),
        "message": entry.message.as_str(),
        "tries": entry.tries,
        "since": words::time(entry.since),
        "run": entry.run.to_string(),
        "dropped": entry.dropped.as_ref().map(ToString::to_string),
        "related": entry.related.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Entries that are not dropped, with this code, of this run.
pub(crate) async fn select(
    session: &Session,
    code: Option<&str>,
    run: Option<&str>,
) -> Result<Vec<Quarantined>, Failure> {
    let mut entries = session.hub.quarantine(ALL).await?;
    entries.retain(|entry| entry.dropped.is_none());
    if let Some(code) = code {
        entries.retain(|entry| entry.code == code);
    }
    match run {
        Some("last") => {
            let last = entries.iter().map(|entry| entry.run).max();
            entries.retain(|entry| Some(entry.run) == last);
        }
        Some(text) => {
            let run = history::run_number(session, text).await?;
            entries.retain(|entry| entry.run == run);
        }
        None => {}
    }
    Ok(entries)
}

async fn list(context: &Context, code: Option<&str>, run: Option<&str>) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let entries = select(&session, code, run).await?;
    let now = Session::now();
    let mut table =
        Table::new(&["ID>", "ENTITY", "RECORD", "ROUTE", "CODE", "TRIES>", "SINCE", "MESSAGE"]);
    let mut rows = Vec::new();
    for entry in &entries {
        let record = record_name(&session, entry).await?;
        table.row([
            entry.number.to_string(),
            session.entity_name(entry.entity).to_owned(),
            record.clone(),
            route(&session, entry),
            entry.code.to_string(),
            entry.tries.to_string(),
            words::age(now, entry.since),
            entry.message.to_string(),
        ]);
        rows.push(json_of(&session, entry, &record));
    }
    let summary = if entries.is_empty() {
        "nothing is held back".to_owned()
    } else {
        format!("{} set aside", words::several(entries.len() as u64, "entry", "entries"))
    };
    let text = if table.is_empty() { summary.clone() } else { table.text() };
    Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows)))
}

/// Changes whenever it is set aside otherwise, or again.
pub(crate) fn tag(entry: &Quarantined) -> String {
    let Quarantined { code, message, row, tries, run, dropped, .. } = entry;
    words::tag(&format!("{code} {message} {row:?} {tries} {run} {dropped:?}"))
}

/// The entry of this number, dropped or not.
pub(crate) async fn find(session: &Session, id: u64) -> Result<Quarantined, Failure> {
    session.hub.quarantined(id).await?.ok_or_else(|| {
        Failure::new("usage.unknown_number", format!("there is no quarantine entry {id}"))
            .fix("syncline quarantine list")
    })
}

async fn show(context: &Context, id: u64) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let entry = find(&session, id).await?;
    let record = record_name(&session, &entry).await?;
    let entity = session.plan.entity(entry.entity);
    let mut text = format!(
        "{} {}  {}\n{}\n  tried {}, since {} ago, last in {}\n",
        session.entity_name(entry.entity),
        record,
        route(&session, &entry),
        entry.message,
        entry.tries,
        words::age(Session::now(), entry.since),
        entry.run
    );
    for (index, slot) in entry.row.iter().flat_map(|row| row.0.iter().enumerate()) {
        let field =
            entity.and_then(|entity| entity.fields.get(index)).map_or("?", |field| &field.name);
        if let Some(value) = slot.value() {
            let label = entity.and_then(|entity| entity.fields.get(index));
            let value = label.map_or(Label::Mask, |field| field.label).shown(value);
            text.push_str(&format!("  {field} = {}\n", words::quoted(&value)));
        }
    }
    for record in &entry.related {
        let group = session.hub.group(*record).await?;
        let name = group.map_or_else(|| record.to_string(), |group| address::of(&session, &group));
        text.push_str(&format!("  related: {name}\n"));
    }
    let fix = fix(&entry);
    text.push_str(&format!("  fix: {fix}\n  more: syncline help {}", entry.code));
    let result = detail(&session, &entry, &record);
    Ok(Answer::new(format!("quarantine entry {id}")).with_text(text).with_result(result))
}

/// An entry with the row as it was shown, and what to do, for programs.
pub(crate) fn detail(session: &Session, entry: &Quarantined, record: &str) -> Json {
    let entity = session.plan.entity(entry.entity);
    let mut row = serde_json::Map::new();
    for (index, slot) in entry.row.iter().flat_map(|row| row.0.iter().enumerate()) {
        let field =
            entity.and_then(|entity| entity.fields.get(index)).map_or("?", |field| &field.name);
        if let Some(value) = slot.value() {
            let label = entity.and_then(|entity| entity.fields.get(index));
            let value = label.map_or(Label::Mask, |field| field.label).shown(value);
            row.insert(field.to_string(), words::json(&value));
        }
    }
    let mut result = json_of(session, entry, record);
    if let Some(object) = result.as_object_mut() {
        object.insert("row".to_owned(), Json::Object(row));
        object.insert("fix".to_owned(), json!(fix(entry)));
    }
    result
}

/// What to do about an entry.
fn fix(entry: &Quarantined) -> String {
    let id = entry.number;
    match &entry.subject {
        Subject::Row { .. } if entry.code.starts_with("match.") => {
            format!("syncline quarantine edit {id} --link KEY, or mend the row")
        }
        Subject::Row { .. } => {
            "mend the row in its system: its new version replaces this one".into()
        }
        Subject::Record { .. } => {
            format!(
                "syncline quarantine edit {id} --set FIELD=VALUE, or mend it where it comes from"
            )
        }
        Subject::Excess { .. } => {
            "syncline guards list: its guard lets it through, or has it put back".into()
        }
        Subject::Write { .. } => format!(
            "syncline quarantine edit {id} --set FIELD=VALUE, or widen the target; then syncline retry {id}"
        ),
    }
}

async fn edit(
    context: &Context,
    id: u64,
    set: &[String],
    link: Option<&str>,
) -> Result<Answer, Failure> {
    let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
    let entry = find(&session, id).await?;
    session.permits(context.scope.as_deref(), entry.entity)?;
    context.expects(|| tag(&entry))?;
    let command = match link {
        Some(link) => link_command(&session, &entry, link).await?,
        None => edit_command(&session, &entry, set)?,
    };
    decide::command(&session, "quarantine", entry.entity, vec![command]).await?;
    session.hub.retry_quarantined(id).await?;
    let outcome =
        decide::carry_out(&mut session, context, "quarantine", vec![entry.entity]).await?;
    Ok(outcome.answer())
}

async fn link_command(
    session: &Session,
    entry: &Quarantined,
    link: &str,
) -> Result<Command, Failure> {
    let Subject::Row { binding, key } = &entry.subject else {
        return Err(Failure::new(
            "usage.link",
            format!("entry {} is a write, not a row", entry.number),
        )
        .fix(format!("syncline quarantine edit {} --set FIELD=VALUE", entry.number)));
    };
    let text = if link.contains('/') {
        link.to_owned()
    } else {
        format!("{}/{link}", session.entity_name(entry.entity))
    };
    let group = address::find(session, &text).await?;
    Ok(Command::Link { record: group.id, binding: *binding, key: key.clone() })
}

fn edit_command(
    session: &Session,
    entry: &Quarantined,
    set: &[String],
) -> Result<Command, Failure> {
    let Some((record, part)) = subject_record(entry) else {
        return Err(Failure::new(
            "usage.edit",
            format!("entry {} belongs to no record yet", entry.number),
        )
        .fix("mend the row in its system: its new version replaces this one"));
    };
    let Some(entity) = session.plan.entity(entry.entity) else {
        return Err(Failure::new(
            "bug.unexpected",
            "the entry's entity is not in the configuration",
        ));
    };
    let mut values = Vec::new();
    for pair in set {
        let field =
            pair.split_once('=').and_then(|(name, value)| Some((entity.field_named(name)?, value)));
        let Some((field, value)) = field else {
            return Err(Failure::new(
                "usage.edit",
                format!("`{pair}` is not FIELD=VALUE of {}", entity.name),
            )
            .fix(format!("its fields are {}", fields_of(entity))));
        };
        let kind = entity.field(field).map(|field| field.kind.clone()).unwrap_or_default();
        let name = pair.split('=').next().unwrap_or_default();
        values.push((field, typed::golden(name, &kind, value)?));
    }
    if values.is_empty() {
        return Err(Failure::new("usage.arguments", "what should be changed?")
            .fix("say --set FIELD=VALUE or --link KEY"));
    }
    Ok(Command::Edit { record, part, values, who: session.who.as_str().into() })
}

fn fields_of(entity: &syncline_core::plan::Entity) -> String {
    entity.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn subject_record(entry: &Quarantined) -> Option<(RecordId, PartKey)> {
    match &entry.subject {
        Subject::Write { record, part, .. } => Some((*record, part.clone())),
        Subject::Record { record } | Subject::Excess { record, .. } => {
            Some((*record, PartKey::Root))
        }
        Subject::Row { .. } => entry.record.map(|record| (record, PartKey::Root)),
    }
}

impl Drop {
    async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let usage = if self.dry_run { Use::Look } else { Use::Write };
        let session = Session::open(context, usage, Reach::Hub).await?;
        let entries = match self.id {
            Some(id) => vec![find(&session, id).await?],
            None => self.meant(&session).await?,
        };
        for entry in &entries {
            session.permits(context.scope.as_deref(), entry.entity)?;
            context.expects(|| tag(entry))?;
            if matches!(entry.subject, Subject::Excess { .. }) {
                let message = format!("a guard holds entry {}", entry.number);
                return Err(Failure::new("usage.edit", message)
                    .fix("syncline guards list; then apply, reverse or dismiss it"));
            }
        }
        let reason = self.reason.unwrap_or_else(|| "no reason given".into());
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        if self.dry_run {
            let mut lines = Vec::new();
            for entry in &entries {
                let record = record_name(&session, entry).await?;
                lines.push(format!("{}  {record}  {}", entry.number, entry.message));
            }
            let many = words::several(entries.len() as u64, "entry", "entries");
            let summary = format!("{many} would be left alone");
            lines.push(format!("{summary}. Nothing was decided (--dry-run)."));
            return Ok(Answer::new(summary)
                .with_text(lines.join("\n"))
                .with_result(json!({ "would": numbers })));
        }
        for number in &numbers {
            session.hub.drop_quarantined(*number, &reason, &session.who).await?;
        }
        let (summary, dropped) = match (self.id, numbers.as_slice()) {
            (Some(id), _) => (
                format!("entry {id} is left alone; a new version of the row takes it up again"),
                json!(id),
            ),
            (None, all) => (
                format!(
                    "{} left alone; a new version of a row takes it up again",
                    words::several(all.len() as u64, "entry is", "entries are")
                ),
                json!(all),
            ),
        };
        Ok(Answer::new(summary).with_result(json!({ "dropped": dropped, "reason": reason })))
    }

    /// All that are meant, where no number is said.
    async fn meant(&self, session: &Session) -> Result<Vec<Quarantined>, Failure> {
        let mut entries = select(session, self.code.as_deref(), self.run.as_deref()).await?;
        if let Some(name) = &self.entity {
            // One that is not in the file is a mistake, and not an empty queue.
            let known = session.entities(Some(name))?;
            entries.retain(|entry| known.contains(&session.plan.root_of(entry.entity)));
        }
        // What a guard holds is not left alone, but answered.
        entries.retain(|entry| !matches!(entry.subject, Subject::Excess { .. }));
        Ok(entries)
    }
}
