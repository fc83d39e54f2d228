//! `syncline rollback`: takes back what a run, a change, or everything since a time has done. A plan
//! first; what was edited since is left alone and said.

mod writes;

use std::collections::BTreeSet;

use clap::Args;
use futures_util::future::BoxFuture;
use serde_json::json;
use syncline_adapters::hub::sqlite::{Open, SqliteHub};
use syncline_core::{
    commit::Behind,
    error::PortError,
    name::{EntityIndex, RecordId, RunId, SystemIndex},
};
use syncline_engine::{
    apply::Chooses,
    desk::{Desk, Unwatched},
    pass::Allow,
};
use syncline_ports::reader::{HistoryFilter, Reader as _};

use self::writes::Writes;
use crate::{
    address,
    cli::{Context, history, run},
    overlay,
    pass::{Depth, Halves, Order, Outcome, paused},
    progress::Progress,
    report::{Answer, Failure},
    rollback::{self, Left, Manner, Report, What},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// What is taken back.
    pub(crate) kind: Kind,
    /// Which one: `r-1041`, `c-90211`, `contacts/crm:8812`, `contacts`.
    pub(crate) id: String,
    /// For a record or an entity: as it was then (`2h`, `2026-03-01T22:10`).
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Also what was changed again since.
    #[arg(long)]
    pub(crate) force: bool,
    /// Put it back in the systems it came from, too; else they keep what they have.
    #[arg(long)]
    pub(crate) revert_source: bool,
}

/// What can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// All that a run changed.
    Run,
    /// One change.
    Change,
    /// A record, to a time.
    Record,
    /// All records of an entity, to a time.
    Entity,
}

impl Rollback {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
        let what = self.what(&session).await?;
        let manner = Manner {
            force: self.force,
            revert_source: self.revert_source,
            who: session.who.as_str().into(),
        };
        if !context.yes {
            return self.preview(&session, what, &manner).await;
        }
        self.do_it(&mut session, context, what, &manner).await
    }

    async fn what(&self, session: &Session) -> Result<What, Failure> {
        let to = match &self.to {
            Some(text) => {
                Some(words::parse_time(text, Session::now()).ok_or_else(|| run::bad_time(text))?)
            }
            None => None,
        };
        let to_needed = || {
            Failure::new("usage.arguments", "to which time?").fix(format!(
                "syncline rollback {} {} --to 2h",
                self.word(),
                self.id
            ))
        };
        match self.kind {
            Kind::Run | Kind::Change if to.is_some() => Err(Failure::new(
                "usage.arguments",
                "a run and a change have no time to go back to",
            )
            .fix(format!("syncline rollback {} {}", self.word(), self.id))),
            Kind::Run => {
                let run = history::run_number(session, &self.id).await?;
                let any = HistoryFilter { run: Some(run), limit: 1, ..HistoryFilter::default() };
                let is_known = session.hub.run(run).await?.is_some()
                    || !session.hub.history(&any).await?.is_empty();
                if is_known {
                    return Ok(What::Run(run));
                }
                Err(Failure::new("usage.unknown_number", format!("there is no run {run}"))
                    .fix("syncline status"))
            }
            Kind::Change => {
                let unknown = || {
                    let message = format!("there is no change {}", self.id);
                    Failure::new("usage.unknown_number", message).fix("syncline history")
                };
                let number: u64 =
                    self.id.trim_start_matches("c-").parse().map_err(|_| unknown())?;
                let below = Some(number.saturating_add(1));
                let filter = HistoryFilter { below, limit: 1, ..HistoryFilter::default() };
                let found = session.hub.history(&filter).await?;
                let is_known = found.first().is_some_and(|entry| entry.number == number);
                if is_known { Ok(What::Change(number)) } else { Err(unknown()) }
            }
            Kind::Record => {
                let group = address::find(session, &self.id).await?;
                Ok(What::Record(group.id, to.ok_or_else(to_needed)?))
            }
            Kind::Entity => {
                let to = to.ok_or_else(to_needed)?;
                let entities = session.entities(Some(&self.id))?;
                entities.first().map(|entity| What::Entity(*entity, to)).ok_or_else(to_needed)
            }
        }
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Run => "run",
            Kind::Change => "change",
            Kind::Record => "record",
            Kind::Entity => "entity",
        }
    }

    /// The command that does what was shown.
    fn again(&self) -> String {
        let to = self.to.as_ref().map(|to| format!(" --to {to}")).unwrap_or_default();
        let force = if self.force { " --force" } else { "" };
        let source = if self.revert_source { " --revert-source" } else { "" };
        format!("syncline rollback {} {}{to}{force}{source} --yes", self.word(), self.id)
    }

    /// Works it out in a copy of the hub.
    async fn preview(
        &self,
        session: &Session,
        what: What,
        manner: &Manner,
    ) -> Result<Answer, Failure> {
        let folder = overlay::scratch(session.hub.path())?;
        let copy = folder.path().join("overlay.db");
        session.hub.copy_to(&copy)?;
        let hub = SqliteHub::open_with(&copy, Open::ReadWrite, false, session.hub.keys())?;
        let (plan, stop) = (session.plan.clone(), session.stop.clone());
        let desk = Session::desk(&plan, &hub, &Unwatched, &stop, RunId(0));
        let report = rollback::take_back(&hub, &desk, what, manner).await?;
        let writes = Writes::of(&desk, &report).await?;
        let mut text = format!(
            "Would restore {}{}",
            words::counted(report.restored, "change"),
            writes.by_system(session)
        );
        text.push_str(&left(session, &report, &writes, self.force).await?);
        if report.restored == 0 {
            text.push_str("\nThere is nothing to take back.");
        } else {
            text.push_str(&format!("\nNothing was written. To do it: {}", self.again()));
        }
        let summary = format!("would restore {}", words::counted(report.restored, "change"));
        let result = result(session, &report, &writes, None);
        Ok(Answer::new(summary).with_text(text).with_result(result))
    }

    /// Reads what changed since, takes it back in the hub, and writes what that leads to.
    async fn do_it(
        &self,
        session: &mut Session,
        context: &Context,
        what: What,
        manner: &Manner,
    ) -> Result<Answer, Failure> {
        let roots = concerned(session, what).await?;
        paused::refuse(session, &roots).await?;
        let progress = Progress::new("rollback", context.progress);
        // An edit that is not known yet would be written over: first the hub learns what there is.
        let look = order("rollback", roots.clone(), Halves::Reads, None);
        let looked = crate::pass::run(session, look, &progress).await?;
        if let Some(exit) = session.stopped() {
            return Ok(Answer::new("stopped before anything was taken back").with_exit(exit));
        }
        let entity = if let [only] = roots.as_slice() { Some(*only) } else { None };
        let done =
            carry_out(session, ("rollback", &self.id), entity, what, manner, &progress).await?;
        drop(progress);
        let Done { own, report, writes, outcome } = done;
        let summary = format!("Restored {}.", words::counted(report.restored, "change"));
        let mut answer = outcome.answer();
        let mut text = format!("{summary}{}", left(session, &report, &writes, self.force).await?);
        if report.restored > 0 {
            text.push_str(&format!("\nUndo: syncline rollback run {own}"));
        }
        answer.text =
            if answer.text.is_empty() { text } else { format!("{}\n{text}", answer.text) };
        answer.summary = summary;
        answer.result = result(session, &report, &writes, Some(own));
        if let Some(error) = looked.error.filter(|_| answer.error.is_none()) {
            // What could not be looked at was not written to either.
            answer = answer.with_error(error);
        }
        Ok(answer)
    }
}

/// What was taken back, and written.
pub(crate) struct Done {
    /// The run in which it was taken back in the hub: undone, everything is as before it.
    pub(crate) own: RunId,
    /// What was taken back.
    pub(crate) report: Report,
    writes: Writes,
    /// What came of writing it.
    pub(crate) outcome: Outcome,
}

/// Takes it back in the hub, and writes what that leads to.
pub(crate) async fn carry_out(
    session: &mut Session,
    (kind, name): (&str, &str),
    entity: Option<EntityIndex>,
    what: What,
    manner: &Manner,
    progress: &Progress,
) -> Result<Done, Failure> {
    let own = session.hub.begin_run(kind, "person", entity, Session::now()).await?;
    let (plan, stop, hub) = (session.plan.clone(), session.stop.clone(), session.hub.clone());
    let desk = Session::desk(&plan, &hub, &Unwatched, &stop, own);
    let taken = rollback::take_back(&hub, &desk, what, manner).await;
    let (word, message) = match &taken {
        Ok(report) => {
            let changes = words::counted(report.restored, "change");
            ("ok", format!("{own} {kind} {name}: {changes} restored"))
        }
        Err(failure) => ("failed", failure.message.clone()),
    };
    hub.end_run(own, Session::now(), word, &message, &[]).await?;
    let mut report = taken?;
    let only = Only(std::mem::take(&mut report.records));
    let entities = report.entities.iter().copied().collect();
    let written = order(kind, entities, Halves::Writes, Some(&only));
    let outcome = crate::pass::run(session, written, progress).await?;
    report.records = only.0;
    let writes = Writes::made(session, &outcome, &report).await?;
    Ok(Done { own, report, writes, outcome })
}

fn order<'a>(
    kind: &'a str,
    entities: Vec<EntityIndex>,
    halves: Halves,
    only: Option<&'a Only>,
) -> Order<'a> {
    Order {
        kind,
        entities,
        depth: Depth::Changes,
        // Whoever asks for a rollback has seen how much it is.
        allow: Allow { deletes: true, updates: true, approved: Vec::new() },
        allow_partial: false,
        chooses: only.map(|only| only as &dyn Chooses),
        halves,
        beside: None,
    }
}

/// The entities that may be concerned.
async fn concerned(session: &Session, what: What) -> Result<Vec<EntityIndex>, Failure> {
    Ok(match what {
        What::Entity(entity, _) | What::Pending(entity, ..) => vec![entity],
        What::Record(record, _) => {
            session.hub.group(record).await?.map(|group| group.entity).into_iter().collect()
        }
        What::Run(run) | What::Deaths(run, _) | What::Shown(run, _) => {
            match session.hub.run(run).await?.and_then(|run| run.entity) {
                Some(entity) => vec![session.plan.root_of(entity)],
                None => session.entities(None)?,
            }
        }
        // Their guard says which.
        What::Excess(..) => Vec::new(),
        What::Change(number) => {
            let below = Some(number.saturating_add(1));
            let filter = HistoryFilter { below, limit: 1, ..HistoryFilter::default() };
            let found = session.hub.history(&filter).await?;
            found
                .first()
                .map(|entry| session.plan.root_of(entry.event.entity))
                .into_iter()
                .collect()
        }
    })
}

/// Writes only these records.
pub(crate) struct Only(pub(crate) BTreeSet<RecordId>);

impl Chooses for Only {
    fn choose<'a>(
        &'a self,
        _desk: &'a Desk<'_>,
        _system: SystemIndex,
        behind: Vec<(RecordId, Behind)>,
    ) -> BoxFuture<'a, Result<Vec<RecordId>, PortError>> {
        let records = behind.into_iter().map(|(record, _)| record);
        let chosen = records.filter(|record| self.0.contains(record)).collect();
        Box::pin(std::future::ready(Ok(chosen)))
    }
}

/// `2,340 exactly; 17 changed again since, left alone (--force takes them)`, and what cannot be done.
async fn left(
    session: &Session,
    report: &Report,
    writes: &Writes,
    force: bool,
) -> Result<String, Failure> {
    let mut parts = vec![format!("{} exactly", words::count(report.restored))];
    for (why, count) in &report.left {
        let count = words::count(*count);
        parts.push(match why {
            Left::Changed if force => format!("{count} changed again since, left alone"),
            Left::Changed => {
                format!("{count} changed again since, left alone (--force takes them)")
            }
            Left::Disputed => format!("{count} wait in an open conflict, left alone"),
            Left::Joined => {
                format!("{count} joined rows that were there before: they stay joined")
            }
        });
    }
    let mut text = format!("\n  {}", parts.join("; "));
    for ((system, message), count) in &writes.impossible {
        let place = system.map(|it| format!(" in {}", session.system_name(it))).unwrap_or_default();
        text.push_str(&format!("\n  {} impossible{place}: {message}", words::count(*count)));
    }
    for (record, why) in report.samples.iter().take(5) {
        let group = session.hub.group(*record).await?;
        let name = group.map_or_else(|| record.to_string(), |group| address::of(session, &group));
        text.push_str(&format!("\n  left alone: {name} ({})", word(*why)));
    }
    Ok(text)
}

fn word(why: Left) -> &'static str {
    match why {
        Left::Changed => "changed since",
        Left::Disputed => "conflict",
        Left::Joined => "joined",
    }
}

fn key(why: Left) -> &'static str {
    match why {
        Left::Changed => "changed_since",
        Left::Disputed => "in_conflict",
        Left::Joined => "joined",
    }
}

fn result(
    session: &Session,
    report: &Report,
    writes: &Writes,
    own: Option<RunId>,
) -> serde_json::Value {
    let systems: serde_json::Map<String, serde_json::Value> = writes
        .counts
        .iter()
        .map(|(system, [creates, updates, deletes])| {
            let counts = json!({ "creates": creates, "updates": updates, "deletes": deletes });
            (session.system_name(*system).to_owned(), counts)
        })
        .collect();
    let left: serde_json::Map<String, serde_json::Value> =
        report.left.iter().map(|(why, count)| (key(*why).to_owned(), json!(count))).collect();
    let impossible: Vec<_> = writes
        .impossible
        .iter()
        .map(|((system, message), count)| {
            let system = system.map(|system| session.system_name(system));
            json!({ "system": system, "count": count, "message": message })
        })
        .collect();
    json!({
        "run": own.map(|run| run.to_string()),
        "restored": report.restored,
        "records": report.records.len(),
        "left": left,
        "left_records": report.samples.iter().map(|(record, why)| {
            json!({ "record": record.to_string(), "why": key(*why) })
        }).collect::<Vec<_>>(),
        "systems": systems,
        "impossible": impossible,
    })
}
