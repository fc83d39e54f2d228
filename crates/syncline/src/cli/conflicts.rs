//! `syncline conflicts`: conflicts that wait for a decision.

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_core::{
    change::{Command, Take},
    group::Author,
};
use syncline_ports::reader::{Conflict, Reader as _};

use crate::{
    address,
    cli::{Context, causes},
    decide,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    shown, typed,
    words::{self, Table},
};

pub(crate) mod show;

/// Flags of `conflicts`.
#[derive(Debug, Args)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

/// What to do with conflicts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// The queue.
    List {
        /// Only these: `entity=contacts field=phone`.
        #[arg(long = "where", value_name = "FILTER")]
        filter: Option<String>,
        /// Only how many there are of each cause, the most first.
        #[arg(long)]
        causes: bool,
    },
    /// One, side by side.
    Show {
        /// Its number.
        id: u64,
    },
    /// Decide.
    Resolve(Resolve),
}

/// A decision.
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The conflict.
    pub(crate) id: Option<u64>,
    /// All of these instead: `entity=contacts field=phone`.
    #[arg(long = "where", value_name = "FILTER", conflicts_with = "id")]
    pub(crate) filter: Option<String>,
    /// The value of this system, or `newest`.
    #[arg(long, value_name = "SYSTEM", group = "decision")]
    pub(crate) take: Option<String>,
    /// This value.
    #[arg(long, value_name = "V", group = "decision")]
    pub(crate) value: Option<String>,
    /// The value both agreed on before.
    #[arg(long, group = "decision")]
    pub(crate) keep_base: bool,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Also propose a rule for the configuration.
    #[arg(long)]
    pub(crate) remember: bool,
    /// Show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Conflicts {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        match self.command.unwrap_or(Action::List { filter: None, causes: false }) {
            Action::List { filter, causes } => list(context, filter.as_deref(), causes).await,
            Action::Show { id } => show::show(context, id).await,
            Action::Resolve(resolve) => resolve.run(context).await,
        }
    }
}

const ALL: usize = 1_000_000;

pub(crate) fn field_name(session: &Session, conflict: &Conflict) -> String {
    let found = conflict.field.and_then(|field| session.plan.entity(conflict.entity)?.field(field));
    found.map_or_else(|| "(existence)".to_owned(), |field| field.name.to_string())
}

pub(crate) fn author(session: &Session, author: Author) -> String {
    match author {
        Author::System(system) => session.system_name(system).to_owned(),
        Author::Person => "a person".into(),
        Author::Merged => "merged".into(),
        Author::Nobody => "nobody".into(),
    }
}

/// Open conflicts that fit `entity=… field=… system=…`.
pub(crate) async fn matching(
    session: &Session,
    filter: Option<&str>,
) -> Result<Vec<Conflict>, Failure> {
    let mut found = session.hub.conflicts(false, ALL).await?;
    for part in filter.unwrap_or_default().split_whitespace() {
        let Some((key, value)) = part.split_once('=') else {
            return Err(Failure::new("usage.filter", format!("`{part}` is not a filter"))
                .fix("say entity=NAME, field=NAME or system=NAME"));
        };
        match key {
            "entity" => found.retain(|it| session.entity_name(it.entity) == value),
            "field" => found.retain(|it| field_name(session, it) == value),
            "system" => {
                let system = Author::System(address::system_named(session, value)?);
                found.retain(|it| it.candidates.iter().any(|candidate| candidate.author == system));
            }
            _ => {
                return Err(Failure::new(
                    "usage.filter",
                    format!("`{key}` is not something to filter by"),
                )
                .fix("say entity=NAME, field=NAME or system=NAME"));
            }
        }
    }
    Ok(found)
}

/// The record of a conflict as people know it.
pub(crate) async fn record_name(session: &Session, conflict: &Conflict) -> Result<String, Failure> {
    let group = session.hub.group(conflict.record).await?;
    Ok(group.map_or_else(|| conflict.record.to_string(), |group| address::of(session, &group)))
}

/// A conflict for programs.
pub(crate) fn json_of(session: &Session, conflict: &Conflict, record: &str) -> Json {
    let conflict = &shown::conflict(session, conflict);
    let candidates: Vec<Json> = conflict
        .candidates
        .iter()
        .map(|candidate| {
            json!({
                "author": author(session, candidate.author),
                "value": words::json(&candidate.value),
                "at": words::time(candidate.at),
                "actor": candidate.actor.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    json!({
        "id": conflict.number,
        "record": record,
        "record_id": conflict.record.to_string(),
        "entity": session.entity_name(conflict.entity),
        "field": field_name(session, conflict),
        "base": words::json(&conflict.base),
        "candidates": candidates,
        "ambiguous": conflict.ambiguous,
        "opened": words::time(conflict.opened.1),
        "run": conflict.opened.0.to_string(),
        "settled": conflict.settled.as_ref().map(|(settled, at)| json!({
            "rule": settled.rule.as_str(),
            "winner": author(session, settled.winner),
            "who": settled.who.as_ref().map(ToString::to_string),
            "note": settled.note.as_ref().map(ToString::to_string),
            "at": words::time(*at),
        })),
    })
}

async fn list(context: &Context, filter: Option<&str>, by_cause: bool) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let found = matching(&session, filter).await?;
    if by_cause {
        return Ok(causes::conflicts(&session, found));
    }
    let now = Session::now();
    let mut table = Table::new(&["ID>", "RECORD", "FIELD", "VALUES>", "SINCE"]);
    let mut rows = Vec::new();
    for conflict in &found {
        let record = record_name(&session, conflict).await?;
        table.row([
            conflict.number.to_string(),
            record.clone(),
            field_name(&session, conflict),
            conflict.candidates.len().to_string(),
            words::age(now, conflict.opened.1),
        ]);
        rows.push(json_of(&session, conflict, &record));
    }
    let settled =
        session.hub.conflicts(true, ALL).await?.iter().filter(|it| it.settled.is_some()).count();
    let summary = if found.is_empty() {
        format!(
            "no conflict is open; {} settled by rule or by people",
            words::count(settled as u64)
        )
    } else {
        format!(
            "{} for a decision",
            words::several(found.len() as u64, "conflict waits", "conflicts wait")
        )
    };
    let text = if table.is_empty() { summary.clone() } else { table.text() };
    Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows)))
}

/// Changes whenever there is something else to decide, or it is decided.
pub(crate) fn tag(conflict: &Conflict) -> String {
    let Conflict { base, candidates, settled, .. } = conflict;
    words::tag(&format!("{base:?} {candidates:?} {settled:?}"))
}

/// The conflict of this number.
pub(crate) async fn find(session: &Session, id: u64) -> Result<Conflict, Failure> {
    session.hub.conflict(id).await?.ok_or_else(|| {
        Failure::new("usage.unknown_number", format!("there is no conflict {id}"))
            .fix("syncline conflicts list")
    })
}

impl Resolve {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let usage = if self.dry_run { Use::Look } else { Use::Write };
        let reach = if self.dry_run { Reach::Hub } else { Reach::Systems };
        let mut session = Session::open(context, usage, reach).await?;
        let conflicts = match (self.id, &self.filter) {
            (Some(id), _) => vec![find(&session, id).await?],
            (None, Some(filter)) => matching(&session, Some(filter)).await?,
            (None, None) => {
                return Err(Failure::new("usage.arguments", "which conflict?")
                    .fix("give its number, or --where `entity=contacts field=phone`"));
            }
        };
        let mut commands = Vec::new();
        let mut lines = Vec::new();
        for conflict in &conflicts {
            session.permits(context.scope.as_deref(), conflict.entity)?;
            context.expects(|| tag(conflict))?;
            if conflict.settled.is_some() {
                return Err(Failure::new(
                    "usage.settled",
                    format!("conflict {} is settled already", conflict.number),
                )
                .fix(format!("syncline conflicts show {}", conflict.number)));
            }
            let take = self.take(&session, conflict)?;
            lines.push(self.line(&session, conflict, &take));
            commands.push((
                conflict.entity,
                Command::Resolve {
                    record: conflict.record,
                    part: conflict.part.clone(),
                    field: conflict.field,
                    take,
                    who: self.who(&session).into(),
                },
            ));
        }
        let summary = words::counted(conflicts.len() as u64, "conflict");
        if self.dry_run {
            let result = json!({ "would": lines });
            lines.push("Nothing was decided (--dry-run).".into());
            return Ok(Answer::new(format!("{summary} would be settled"))
                .with_text(lines.join("\n"))
                .with_result(result));
        }
        let mut entities = Vec::new();
        for (entity, command) in commands {
            entities.push(entity);
            decide::command(&session, "resolve", entity, vec![command]).await?;
        }
        let outcome = decide::carry_out(&mut session, context, "resolve", entities).await?;
        if self.remember {
            lines.push(self.proposal(&session, &conflicts));
        }
        let mut answer = outcome.answer();
        lines.push(answer.text.clone());
        answer.text = lines.join("\n");
        answer.summary = format!("{summary} settled");
        Ok(answer)
    }

    fn who(&self, session: &Session) -> String {
        match &self.note {
            Some(note) => format!("{}: {note}", session.who),
            None => session.who.clone(),
        }
    }

    fn take(&self, session: &Session, conflict: &Conflict) -> Result<Take, Failure> {
        if self.keep_base {
            return Ok(Take::Base);
        }
        if let Some(text) = &self.value {
            let kind = conflict
                .field
                .and_then(|field| session.plan.entity(conflict.entity)?.field(field))
                .map(|field| field.kind.clone())
                .unwrap_or_default();
            return Ok(Take::Value(typed::golden(&field_name(session, conflict), &kind, text)?));
        }
        match self.take.as_deref() {
            Some("newest") => Ok(Take::Newest),
            Some(name) => {
                let system = address::system_named(session, name)?;
                let competes =
                    conflict.candidates.iter().any(|it| it.author == Author::System(system));
                if competes {
                    return Ok(Take::System(system));
                }
                Err(Failure::new(
                    "usage.take",
                    format!("{name} has no value in conflict {}", conflict.number),
                )
                .fix(format!("syncline conflicts show {}", conflict.number)))
            }
            None => Err(Failure::new("usage.arguments", "what should be taken?")
                .fix("say --take SYSTEM, --take newest, --value V or --keep-base")),
        }
    }

    fn line(&self, session: &Session, conflict: &Conflict, take: &Take) -> String {
        let field = field_name(session, conflict);
        let label = conflict.field.map(|field| shown::label(session, conflict.entity, field));
        let label = label.unwrap_or_default();
        let conflict = &shown::conflict(session, conflict);
        let value = match take {
            Take::System(system) => conflict
                .candidates
                .iter()
                .find(|it| it.author == Author::System(*system))
                .map(|it| it.value.to_string())
                .unwrap_or_default(),
            Take::Value(value) => label.shown(value).to_string(),
            Take::Base => conflict.base.to_string(),
            Take::Newest => {
                let newest = conflict.candidates.iter().max_by_key(|it| it.at);
                newest.map(|it| it.value.to_string()).unwrap_or_default()
            }
        };
        format!("conflict {}: {field} = {value}", conflict.number)
    }

    /// A rule for the configuration, to be pasted by a person.
    fn proposal(&self, session: &Session, conflicts: &[Conflict]) -> String {
        let Some(conflict) = conflicts.first() else { return String::new() };
        let rule = match self.take.as_deref() {
            Some("newest") => "newest".to_owned(),
            Some(system) => format!("{{policy: priority, order: [{system}]}}"),
            None => return "A single value makes no rule: nothing is proposed.".to_owned(),
        };
        format!(
            "To settle all of these so: entities.{}.fields.{}.conflicts: {rule}",
            session.entity_name(conflict.entity),
            field_name(session, conflict)
        )
    }
}
