//! One look at the hub: what came since the one before, as events.

use std::collections::{BTreeMap, VecDeque};

use serde_json::json;
use syncline_core::{commit::AuditKind, name::RunId};
use syncline_ports::reader::{
    ActionFilter, ConflictFilter, Entry, HistoryFilter, QuarantineFilter, Reader as _, RunFilter,
};

use super::Event;
use crate::{cli::conflicts, pass::contact, report::Failure, session::Session, words};

/// So many changes are told one by one; of more it is said that everything is to be looked at again.
const CHANGES: usize = 500;
/// So many of the last runs are watched for their end.
const RUNS: usize = 50;

/// What was seen.
#[derive(Clone, Default)]
pub(super) struct Seen {
    change: u64,
    action: u64,
    runs: BTreeMap<u64, bool>,
    guards: Vec<u64>,
    quarantine: (u64, u64),
    systems: BTreeMap<String, Option<bool>>,
    pauses: Vec<String>,
}

/// What came after this change, for one who listens anew; without it, where the stream begins.
pub(super) async fn since(
    session: &Session,
    last: Option<u64>,
) -> Result<VecDeque<Event>, Failure> {
    let newest = newest(session).await?;
    let mut events = VecDeque::new();
    match last {
        Some(last) if last < newest => events.extend(changes(session, last, newest).await?),
        Some(last) if last > newest => {
            // The hub was restored: nothing that was heard is sure.
            events.push_back(Event::again(newest));
        }
        Some(_) => {}
        None => {
            let data = json!({ "again": false, "change": format!("c-{newest}") });
            events.push_back(Event { name: "status", number: Some(newest), entity: None, data });
        }
    }
    Ok(events)
}

/// What came since the look before; of the first look, nothing.
pub(super) async fn news(
    session: &Session,
    before: Option<Seen>,
) -> Result<(Seen, Vec<Event>), Failure> {
    let now = see(session).await?;
    let Some(before) = before else { return Ok((now, Vec::new())) };
    let mut events = Vec::new();
    if now.change < before.change {
        events.push(Event::again(now.change));
    } else if now.change > before.change {
        events.extend(changes(session, before.change, now.change).await?);
    }
    runs(session, &before, &now, &mut events).await?;
    guards(session, &before, &now, &mut events).await?;
    if now.quarantine != before.quarantine {
        let data = json!({ "waiting": now.quarantine.0, "newest": now.quarantine.1 });
        events.push(Event { name: "quarantine", number: None, entity: None, data });
    }
    if now.action > before.action {
        let filter = ActionFilter { limit: 100, ..ActionFilter::default() };
        let done = session.hub.actions(&filter).await?;
        for action in done.iter().rev().filter(|action| action.number > before.action) {
            let data = json!({
                "action": action.number,
                "who": action.who.as_str(),
                "what": action.what.as_str(),
                "on": action.target.as_str(),
            });
            events.push(Event { name: "action", number: None, entity: None, data });
        }
    }
    for (name, is_up) in &now.systems {
        if before.systems.get(name) != Some(is_up) {
            let data = json!({ "system": name, "up": is_up });
            events.push(Event { name: "system", number: None, entity: None, data });
        }
    }
    if now.pauses != before.pauses {
        let data = json!({ "again": false, "paused": now.pauses });
        events.push(Event { name: "status", number: None, entity: None, data });
    }
    Ok((now, events))
}

async fn newest(session: &Session) -> Result<u64, Failure> {
    let filter = HistoryFilter { limit: 1, ..HistoryFilter::default() };
    Ok(session.hub.history(&filter).await?.first().map_or(0, |entry| entry.number))
}

async fn see(session: &Session) -> Result<Seen, Failure> {
    let one = ActionFilter { limit: 1, ..ActionFilter::default() };
    let action = session.hub.actions(&one).await?.first().map_or(0, |action| action.number);
    let runs = session.hub.run_page(&RunFilter { limit: RUNS, ..RunFilter::default() }).await?;
    let guards = session.hub.guards(false).await?;
    let set_aside = QuarantineFilter::default();
    let waiting = session.hub.count_quarantine(&set_aside).await?;
    let newest_aside = session.hub.newest_quarantined().await?;
    let mut systems = BTreeMap::new();
    for system in &session.plan.systems {
        let contact = contact::of(session, &system.name).await?;
        systems.insert(system.name.to_string(), contact.is_up());
    }
    let pauses = session.pauses().await?;
    Ok(Seen {
        change: newest(session).await?,
        action,
        runs: runs.iter().map(|run| (run.id.0, run.ended.is_some())).collect(),
        guards: guards.iter().map(|guard| guard.number).collect(),
        quarantine: (waiting, newest_aside),
        systems,
        pauses: pauses.iter().map(|pause| pause.name.to_string()).collect(),
    })
}

/// Changes after this one, oldest first, and the conflicts that they open or settle.
async fn changes(session: &Session, last: u64, newest: u64) -> Result<Vec<Event>, Failure> {
    if newest - last > CHANGES as u64 {
        return Ok(vec![Event::again(newest)]);
    }
    let filter = HistoryFilter {
        below: Some(newest + 1),
        limit: usize::try_from(newest - last).unwrap_or(CHANGES),
        ..HistoryFilter::default()
    };
    let mut found = session.hub.history(&filter).await?;
    found.retain(|entry| entry.number > last);
    let mut events = Vec::with_capacity(found.len());
    for entry in found.iter().rev() {
        events.push(change(session, entry));
        events.extend(conflict(session, entry).await?);
    }
    Ok(events)
}

/// Who, where and of what kind; never a value.
fn change(session: &Session, entry: &Entry) -> Event {
    let event = &entry.event;
    let entity = session.entity_name(session.plan.root_of(event.entity)).to_owned();
    let field = event.field.and_then(|field| session.plan.entity(event.entity)?.field(field));
    let data = json!({
        "change": format!("c-{}", entry.number),
        "run": entry.run.to_string(),
        "at": words::time(entry.at),
        "entity": entity,
        "record": event.record.to_string(),
        "field": field.map(|field| field.name.as_str()),
        "kind": words::snake(&format!("{:?}", event.kind)),
        "system": event.system.map(|system| session.system_name(system)),
    });
    Event { name: "change", number: Some(entry.number), entity: Some(entity), data }
}

/// The conflict that a change opens or settles.
async fn conflict(session: &Session, entry: &Entry) -> Result<Option<Event>, Failure> {
    let event = &entry.event;
    let settled = event.kind == AuditKind::ConflictSettled;
    if !settled && event.kind != AuditKind::ConflictOpened {
        return Ok(None);
    }
    let filter =
        ConflictFilter { record: Some(event.record), limit: 100, ..ConflictFilter::default() };
    let all = session.hub.conflict_page(&filter).await?;
    let found = all.iter().find(|it| it.part == event.part && it.field == event.field);
    let Some(found) = found else { return Ok(None) };
    let entity = session.entity_name(session.plan.root_of(found.entity)).to_owned();
    let data = json!({
        "id": found.number,
        "entity": entity,
        "field": conflicts::field_name(session, found),
        "record": found.record.to_string(),
        "state": if settled { "settled" } else { "open" },
    });
    Ok(Some(Event { name: "conflict", number: None, entity: Some(entity), data }))
}

async fn runs(
    session: &Session,
    before: &Seen,
    now: &Seen,
    events: &mut Vec<Event>,
) -> Result<(), Failure> {
    let first = before.runs.keys().next().copied().unwrap_or_default();
    for (number, ended) in &now.runs {
        if *number < first || before.runs.get(number) == Some(ended) {
            continue;
        }
        let Some(run) = session.hub.run(RunId(*number)).await? else { continue };
        let entity = run.entity.map(|entity| session.entity_name(entity).to_owned());
        let data = json!({
            "run": run.id.to_string(),
            "kind": run.kind.as_str(),
            "entity": entity,
            "outcome": run.outcome.as_str(),
            "ended": run.ended.map(words::time),
        });
        events.push(Event { name: "run", number: None, entity, data });
    }
    Ok(())
}

async fn guards(
    session: &Session,
    before: &Seen,
    now: &Seen,
    events: &mut Vec<Event>,
) -> Result<(), Failure> {
    if now.guards == before.guards {
        return Ok(());
    }
    for guard in session.hub.guards(true).await? {
        let (was, is) = (&before.guards, &now.guards);
        if was.contains(&guard.number) == is.contains(&guard.number) {
            continue;
        }
        let entity = session.entity_name(session.plan.root_of(guard.entity)).to_owned();
        let data = json!({
            "id": guard.number,
            "code": guard.code.as_str(),
            "entity": entity,
            "system": session.system_name(guard.system),
            "state": guard.state.as_str(),
        });
        events.push(Event { name: "guard", number: None, entity: Some(entity), data });
    }
    Ok(())
}
