//! After the hub was restored from an older copy: everything is read before anything is written.

use serde_json::json;
use syncline_adapters::hub::backup;
use syncline_core::name::{EntityIndex, RunId, Timestamp};
use syncline_engine::{desk::Unwatched, pass::Allow, recover};
use syncline_ports::reader::Reader as _;

use crate::{
    exit::Exit,
    pass::{Depth, Halves, Order},
    progress::Progress,
    report::Failure,
    session::Session,
};

/// Where the hub notes that it was restored and has not read everything since: the age of what it was
/// restored from.
const NOTE: &str = "recovering";

/// What a recovery came to.
pub(crate) struct Recovered {
    /// Records that the hub knows.
    pub(crate) records: u64,
    /// A line for each entity.
    pub(crate) lines: Vec<String>,
    /// How the reading ended: a guard may hold what it found.
    pub(crate) exit: Exit,
}

/// Notes in a hub that was just put in its place that everything is to be read.
pub(crate) async fn begin(
    hub: &dyn syncline_ports::reader::Reader,
    of: Timestamp,
) -> Result<(), Failure> {
    Ok(hub.set_note(NOTE, &of.0.to_string()).await?)
}

/// Whether it was restored and has not read everything since.
pub(crate) async fn is_due(session: &Session) -> Result<bool, Failure> {
    Ok(session.hub.note(NOTE).await?.is_some_and(|text| !text.is_empty()))
}

/// Reads everything, if that is due: what is known of each row first, then every system as a whole. Nothing is
/// written to any system.
///
/// # Errors
/// `hub.recovering` as long as a system cannot be read; the hub's.
pub(crate) async fn finish(
    session: &mut Session,
    progress: &Progress,
) -> Result<Option<Recovered>, Failure> {
    if !is_due(session).await? {
        return Ok(None);
    }
    if let Some((name, failure)) = session.failures.first() {
        return Err(unfinished(&format!("{name} cannot be read: {}", failure.message)));
    }
    let (plan, hub, stop) = (session.plan.clone(), session.hub.clone(), session.stop.clone());
    let desk = Session::desk(&plan, &hub, &Unwatched, &stop, RunId::default());
    recover::recover(&desk, &mut session.systems).await?;
    let records = recover::restored(&desk, &*hub, &mut session.systems).await?;
    let mut approved: Vec<EntityIndex> = Vec::new();
    for entity in session.entities(None)? {
        if session.hub.approval(session.entity_name(entity)).await?.is_some() {
            approved.push(entity);
        }
    }
    let order = Order {
        kind: "restore",
        entities: approved,
        depth: Depth::Full,
        allow: Allow::default(),
        allow_partial: false,
        chooses: None,
        halves: Halves::Reads,
        beside: None,
    };
    let outcome = crate::pass::run(session, order, progress).await?;
    let incomplete = outcome.passed.entities.iter().flat_map(|report| &report.incomplete);
    if let Some((_, reason)) = incomplete.into_iter().next() {
        return Err(unfinished(reason));
    }
    if matches!(outcome.exit, Exit::Failed | Exit::Environment) || session.stopped().is_some() {
        let cause = outcome.error.map_or_else(|| "it was stopped".to_owned(), |it| it.message);
        return Err(unfinished(&cause));
    }
    session.hub.set_note(NOTE, "").await?;
    Ok(Some(Recovered { records, lines: outcome.lines, exit: outcome.exit }))
}

fn unfinished(cause: &str) -> Failure {
    let message = "the hub was restored from a copy, and not everything was read since";
    Failure::new("hub.recovering", message)
        .cause(cause.to_owned())
        .done("nothing was written to any system")
        .fix("syncline doctor; then syncline restore --resume")
}

/// For programs.
pub(crate) fn json(facts: &backup::Facts) -> serde_json::Value {
    json!({
        "records": facts.records,
        "changes": facts.changes,
        "last_change": facts.last_at.map(crate::words::time),
        "bytes": facts.bytes,
    })
}
