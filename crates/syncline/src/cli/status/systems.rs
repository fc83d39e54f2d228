//! Each system: whether it answers, how it is read, how far behind and what it keeps for us.

use serde_json::{Value as Json, json};
use syncline_adapters::hub::inbox::{Look, Told};
use syncline_core::name::{BindingIndex, SystemIndex, Timestamp};
use syncline_engine::hear;
use syncline_ports::{reader::Pause, store::Store as _};

use crate::{
    cli::status::{SYSTEMS, is_served, links},
    pace,
    pass::{
        contact::{self, Contact},
        scans,
    },
    progress::Scan,
    report::Failure,
    serve::{
        asking,
        listening::{self, Listened},
        watching,
    },
    session::Session,
    words::{self, Table},
};

/// A system that calls us is expected to do so within two hours.
const SILENT_MS: i64 = 2 * 3_600_000;

type Scans = [(syncline_core::name::EntityIndex, SystemIndex, Scan)];

/// One line, and one object, for each of these systems.
pub(super) async fn table(
    session: &Session,
    systems: &[syncline_core::Text],
    pauses: &[Pause],
    now: Timestamp,
) -> Result<(Table, Vec<Json>), Failure> {
    let mut table = Table::new(&SYSTEMS);
    let is_served = is_served(session).await?;
    let scans = if is_served { watching::told(session).await? } else { Vec::new() };
    let mut rows = Vec::new();
    for name in systems {
        let Some(system) = session.plan.system_named(name) else { continue };
        let contact = contact::of(session, name).await?;
        let heard = if is_served { listening::of(session, name).await? } else { None };
        let calls = calls(session, system, heard.as_ref())?;
        let detection = match &heard {
            Some(_) if calls.is_some() => "webhook + poll",
            Some(heard) => heard.word.as_str(),
            None if polls(session, system) => "poll",
            None => "full compare",
        };
        let paused = match pauses.iter().find(|pause| pause.name == *name) {
            Some(pause) if pause.writes_only => "paused (writes only)",
            Some(_) => "paused",
            None => "",
        };
        let up = match contact.is_up() {
            Some(true) => "\u{2713}",
            Some(false) => "\u{2717}",
            None => "-",
        };
        let behind = behind(&contact, heard.as_ref(), now);
        let kept = heard.as_ref().map_or_else(|| "-".into(), |heard| words::bytes(heard.bytes));
        let at_once = if is_served { pace::at_once(session, system).await? } else { None };
        let note = note(session, system, (&contact, now), &scans, paused, at_once).await?;
        let silent =
            calls.filter(|_| contact.failed.is_none()).and_then(|it| silence(it.last, now));
        let notes = [note, silent.unwrap_or_default()];
        let note = notes.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; ");
        let cells = [name.to_string(), up.to_owned(), detection.to_owned()];
        table.row(cells.into_iter().chain([behind.clone(), kept, note.clone()]));
        let answered = contact.answered.max(heard.as_ref().map(|heard| heard.at));
        rows.push(json!({
            "system": name.as_str(),
            "detection": detection,
            "position": position(session, system).await?,
            "lag_ms": heard.as_ref().and_then(|heard| heard.lag_ms),
            "retained_bytes": heard.as_ref().map(|heard| heard.bytes),
            "asks_to_wait_until": asking::until(session, name).await?.map(words::time),
            "last_hook": calls.and_then(|it| it.last).map(words::time),
            "hooks_waiting": calls.map(|it| it.waiting),
            "last_full_compare": last_compare(session, system).await?.map(words::time),
            "batch": at_once.or(session.plan.system(system).map(|found| found.batch)),
            "up": contact.is_up(),
            "last_answer": answered.map(words::time),
            "failure": contact.failed.map(|(_, code)| code),
            "paused": !paused.is_empty(),
            "behind": behind,
            "note": note,
            "reading": links::reading(session, &scans, system),
        }));
    }
    Ok((table, rows))
}

/// What is known of what a system has sent, if it calls us.
fn calls(
    session: &Session,
    system: SystemIndex,
    heard: Option<&Listened>,
) -> Result<Option<Told>, Failure> {
    if heard.is_none_or(|heard| heard.word != syncline_adapters::webhook::WORD) {
        return Ok(None);
    }
    let look = Look::at(&session.loaded.hub_path());
    Ok(Some(look.told(session.system_name(system))?))
}

/// A system that calls us and has not done so for long may have lost our address.
fn silence(last: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let Some(last) = last else {
        return Some("no webhook received yet; polling covers it".into());
    };
    let is_long = now.ms() - last.ms() > SILENT_MS;
    is_long.then(|| format!("no webhook for {}; polling covers it", words::age(now, last)))
}

/// How far behind a system we are, as far as is known: who is asked now and then, since the answer.
fn behind(contact: &Contact, heard: Option<&Listened>, now: Timestamp) -> String {
    match (heard, contact.answered) {
        (Some(heard), _) => heard.behind(now),
        (None, Some(at)) => words::age(now, at),
        (None, None) => "-".into(),
    }
}

/// Why it is not as it should be, and what goes on.
async fn note(
    session: &Session,
    system: SystemIndex,
    (contact, now): (&Contact, Timestamp),
    scans: &Scans,
    paused: &str,
    at_once: Option<usize>,
) -> Result<String, Failure> {
    if let Some((at, code)) = &contact.failed {
        let name = session.system_name(system);
        return Ok(format!("{code} {} ago: syncline doctor {name}", words::age(now, *at)));
    }
    let asks = asking::until(session, session.system_name(system)).await?;
    let reads = scans.iter().filter(|(_, read, _)| *read == system);
    let notes = reads
        .map(|(entity, _, scan)| format!("{}: {}", session.entity_name(*entity), scan.words()))
        .chain(Some(paused.to_owned()).filter(|paused| !paused.is_empty()))
        .chain(asks.map(|until| format!("asks to slow down, for {} more", words::age(until, now))))
        .chain(pace::reason(session, system).await?)
        .chain(at_once.map(|rows| format!("bears {rows} rows at once")));
    Ok(notes.collect::<Vec<_>>().join("; "))
}

/// Its bindings.
fn bindings(session: &Session, system: SystemIndex) -> impl Iterator<Item = BindingIndex> {
    let all = session.plan.bindings.iter().zip(0..);
    all.filter(move |(binding, _)| binding.system == system).map(|(_, at)| BindingIndex(at))
}

/// Whether what changed can be asked for.
fn polls(session: &Session, system: SystemIndex) -> bool {
    let mut own = bindings(session, system).filter_map(|at| session.plan.binding(at));
    own.any(|found| found.table.polls())
}

async fn last_compare(
    session: &Session,
    system: SystemIndex,
) -> Result<Option<Timestamp>, Failure> {
    let mut last = None;
    for binding in bindings(session, system) {
        last = last.max(scans::last(session, binding).await?);
    }
    Ok(last)
}

/// How far its log was heard and dealt with, as the system writes it.
async fn position(session: &Session, system: SystemIndex) -> Result<Option<String>, Failure> {
    let stream = hear::stream_name(&session.plan, system);
    let position = session.hub.checkpoint(&stream).await?;
    let draft = session.loaded.draft.systems.get(system.at());
    let address = draft.and_then(|draft| draft.address.as_ref());
    let calls = draft.is_some_and(|draft| draft.detect.webhook.is_some());
    Ok(position.zip(address).and_then(|(position, address)| {
        if calls {
            return syncline_adapters::webhook::position_words(&position);
        }
        syncline_adapters::position_words(address.value.kind, &position)
    }))
}
