//! `syncline tail`: changes as they pass, until it is stopped.

use std::{collections::BTreeMap, time::Duration};

use clap::{Args, ValueEnum};
use syncline_core::{
    commit::AuditKind,
    name::{EntityIndex, SystemIndex, Timestamp},
};
use syncline_ports::reader::{Entry, HistoryFilter, Number, Reader as _};

use crate::{
    address,
    cli::{Context, history},
    report::{self, Answer, Failure},
    session::{self, Reach, Session, Use},
    words,
};

/// Flags of `tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only of this entity.
    #[arg(long, value_name = "ENTITY")]
    pub(crate) entity: Option<String>,
    /// Only from or to this system.
    #[arg(long, value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
    /// Only these.
    #[arg(long, value_name = "WHAT")]
    pub(crate) only: Option<Only>,
}

/// What `--only` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Conflicts that open or are settled, and what lost one.
    Conflicts,
}

/// How often the hub is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// So many changes are shown at a time; a reader cannot follow more.
const MANY: usize = 10_000;

impl Tail {
    /// Does it, until it is told to stop.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let session = Session::open(context, Use::Look, Reach::Hub).await?;
        let system = self.system.as_deref().map(|name| address::system_named(&session, name));
        let system = system.transpose()?;
        let entity = match self.entity.as_deref() {
            Some(name) => session.entities(Some(name))?.first().copied(),
            None => None,
        };
        let newest = HistoryFilter { limit: 1, ..HistoryFilter::default() };
        let last = session.hub.history(&newest).await?;
        let mut place = last.first().map(|entry| (entry.number, entry.at));
        while session.stopped().is_none() {
            for entry in since(&session, &mut place, system).await? {
                if self.shows(&session, &entry, entity) {
                    say(&session, context, &entry).await?;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = session::stop_asked() => {}
            }
        }
        let exit = session.stopped().unwrap_or(crate::exit::Exit::Interrupted);
        // One object a line was the answer.
        std::process::exit(i32::from(exit.code()));
    }

    fn shows(&self, session: &Session, entry: &Entry, entity: Option<EntityIndex>) -> bool {
        let is_conflict = matches!(
            entry.event.kind,
            AuditKind::ConflictOpened
                | AuditKind::ConflictSettled
                | AuditKind::Overridden
                | AuditKind::Lost
                | AuditKind::DeleteOverridden
        );
        entity.is_none_or(|entity| session.plan.root_of(entry.event.entity) == entity)
            && (self.only.is_none() || is_conflict)
    }
}

/// What came after the last that was seen, oldest first.
async fn since(
    session: &Session,
    place: &mut Option<(Number, Timestamp)>,
    system: Option<SystemIndex>,
) -> Result<Vec<Entry>, Failure> {
    let filter = HistoryFilter {
        since: place.map(|(_, at)| at),
        system,
        limit: MANY,
        ..HistoryFilter::default()
    };
    let mut entries = session.hub.history(&filter).await?;
    entries.retain(|entry| place.is_none_or(|(number, _)| entry.number > number));
    entries.reverse();
    if let Some(last) = entries.last() {
        *place = Some((last.number, last.at));
    }
    Ok(entries)
}

async fn say(session: &Session, context: &Context, entry: &Entry) -> Result<(), Failure> {
    if context.json {
        report::say(&history::json_of(session, entry).to_string());
        return Ok(());
    }
    let record = history::name(session, entry, &mut BTreeMap::new()).await?;
    let time = words::time(entry.at);
    let clock = time.get(11..19).unwrap_or(&time).to_owned();
    let millis = (entry.at.0 / 1_000).rem_euclid(1_000);
    let what = history::what(session, entry);
    report::say(&format!("{clock}.{millis:03}  {record}  {what}"));
    Ok(())
}
