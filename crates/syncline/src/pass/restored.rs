//! Systems that were restored to an older state: noticed by what they count, and their entities rest until a
//! person has decided. A system that was put back shows old values as if somebody had just typed them, lacks
//! rows as if somebody had just deleted them, and knows nothing of what was written to it since.

mod relived;

use std::collections::{BTreeMap, btree_map::Entry};

use syncline_core::{
    Text, guard,
    name::{EntityIndex, RunId, SystemIndex},
    value::Digest,
};
use syncline_engine::pass::{self, Passed};
use syncline_ports::{
    reader::{Guard, Number, Reader as _},
    source::{Age, HEARTBEAT, Heartbeat},
    store::Store as _,
};

use crate::{
    installation,
    pass::{Halves, Order, tripped},
    report::Failure,
    session::Session,
    words,
};

/// The kind of a run that takes what such a system shows for what it is, because a person has said so.
pub(crate) const KIND: &str = "restored";

/// Systems that have an entity or one of its lists.
fn systems_of(session: &Session, entity: EntityIndex) -> Vec<SystemIndex> {
    let bindings = pass::bindings(&session.plan, entity).into_iter();
    let systems = bindings.filter_map(|binding| Some(session.plan.binding(binding)?.system));
    let mut systems: Vec<SystemIndex> = systems.collect();
    systems.sort_unstable();
    systems.dedup();
    systems
}

/// Where the hub notes how far a system had come when an entity was last synchronised with it.
fn note(session: &Session, entity: EntityIndex, system: SystemIndex) -> String {
    format!("ages:{}:{}", session.entity_name(entity), session.system_name(system))
}

/// Whether systems are written to for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeats {
    /// A new one is left in each that can hold one.
    Left,
    /// What is there is looked at.
    LookedAt,
}

type Ages = BTreeMap<String, u64>;

/// How far a system has come; `None` if it does not answer, which is for whoever reads it to say.
async fn ages(
    session: &mut Session,
    system: SystemIndex,
    heartbeat: &Heartbeat,
) -> Result<Option<Ages>, Failure> {
    let Some(Some(open)) = session.systems.get_mut(system.at()) else { return Ok(None) };
    match open.source.ages(heartbeat).await {
        Ok(ages) => {
            Ok(Some(ages.into_iter().map(|Age { of, count }| (of.to_string(), count)).collect()))
        }
        Err(error) => {
            tracing::debug!(error = %error, "how far a system has come is not known");
            Ok(None)
        }
    }
}

/// How far a system had come when an entity was last synchronised with it, if that was noted.
async fn known(
    session: &Session,
    entity: EntityIndex,
    system: SystemIndex,
) -> Result<Option<Ages>, Failure> {
    let noted = session.hub.note(&note(session, entity, system)).await?;
    Ok(noted.and_then(|noted| serde_json::from_str(&noted).ok()))
}

/// Whether what this hub left there is gone or older than it was. Where it leaves nothing, whether a number is
/// smaller than it was: of logs, which an administrator may begin anew while the rows stay as they are. A count of
/// another log says nothing.
fn went_back(known: &Ages, now: &Ages) -> bool {
    if let Some(left) = known.get(HEARTBEAT) {
        return now.get(HEARTBEAT).is_none_or(|now| now < left);
    }
    known.iter().any(|(of, known)| now.get(of).is_some_and(|now| now < known))
}

/// Whether a system tells this hub how far it has come.
async fn has_heartbeat(
    session: &Session,
    entity: EntityIndex,
    system: SystemIndex,
) -> Result<bool, Failure> {
    Ok(known(session, entity, system).await?.is_some_and(|it| it.contains_key(HEARTBEAT)))
}

/// Looks at the systems of these entities, and puts a guard on record for each that went back. Whether there
/// was one.
pub(crate) async fn look(session: &mut Session, entities: &[EntityIndex]) -> Result<bool, Failure> {
    let mut is_found = false;
    for (entity, system) in back(session, entities).await? {
        is_found |= trip(session, entity, system).await?.is_some();
    }
    Ok(is_found)
}

/// Entities that do not rest, each with a system of theirs that went back.
async fn back(
    session: &mut Session,
    entities: &[EntityIndex],
) -> Result<Vec<(EntityIndex, SystemIndex)>, Failure> {
    let resting = resting(session).await?;
    let (mut seen, mut found) = (BTreeMap::new(), Vec::new());
    for entity in entities.iter().copied() {
        if resting.iter().any(|guard| guard.entity == entity) {
            continue;
        }
        for system in systems_of(session, entity) {
            let Some(known) = known(session, entity, system).await? else { continue };
            if let Entry::Vacant(place) = seen.entry(system) {
                let installation = installation::of(session).await?.into();
                let heartbeat = Heartbeat { installation, leave: None, left: 0 };
                place.insert(ages(session, system, &heartbeat).await?);
            }
            let Some(Some(now)) = seen.get(&system) else { continue };
            if went_back(&known, now) {
                found.push((entity, system));
            }
        }
    }
    Ok(found)
}

/// Puts it on record: its number. Where the hub knows no row there is nothing to decide.
async fn trip(
    session: &Session,
    entity: EntityIndex,
    system: SystemIndex,
) -> Result<Option<Number>, Failure> {
    let now = Session::now();
    let counts = session.hub.count_behind(entity, now).await?;
    let linked = counts.iter().find(|(it, _)| *it == system).map_or(0, |(_, it)| it.linked);
    if linked == 0 {
        return Ok(None);
    }
    let guard = Guard {
        number: 0,
        code: guard::RESTORED.into(),
        entity,
        system,
        count: linked,
        linked,
        max: 0,
        // One is not like another.
        digest: Digest::of(format!("{} {} {}", entity.0, system.0, now.0).as_bytes()),
        at: now,
        state: "open".into(),
        samples: Vec::new(),
        user: Text::default(),
    };
    Ok(Some(tripped::put_on_record(session, &guard).await?))
}

/// After a pass has read, and before anybody is written: systems that went back while it did, and systems that
/// count nothing and show what they once did. Their entities are written nowhere; what the pass has taken from
/// such a system is known by its run.
pub(super) async fn caught(
    session: &mut Session,
    passed: &Passed,
) -> Result<Vec<EntityIndex>, Failure> {
    let entities: Vec<EntityIndex> = passed.entities.iter().map(|it| it.entity).collect();
    let mut found = back(session, &entities).await?;
    for report in &passed.entities {
        for system in systems_of(session, report.entity) {
            let is_known = found.iter().any(|(entity, _)| *entity == report.entity);
            if !is_known && relived::shows(session, report, system).await? {
                found.push((report.entity, system));
            }
        }
    }
    let mut caught = Vec::new();
    for (entity, system) in found {
        let run = passed.entities.iter().find(|it| it.entity == entity).map(|it| it.run);
        if let (Some(number), Some(run)) = (trip(session, entity, system).await?, run) {
            session.hub.set_note(&taken_note(number), &run.0.to_string()).await?;
            caught.push(entity);
        }
    }
    Ok(caught)
}

fn taken_note(number: Number) -> String {
    format!("restored:{number}")
}

/// The run that has taken something from the system before that was known, if one has.
pub(crate) async fn taken(session: &Session, guard: &Guard) -> Result<Option<RunId>, Failure> {
    let note = session.hub.note(&taken_note(guard.number)).await?;
    Ok(note.and_then(|note| note.parse().ok()).map(RunId))
}

/// What is said of guards that tripped while these were read.
pub(super) async fn said(session: &Session, order: &Order<'_>) -> Result<Vec<Failure>, Failure> {
    let mut held = resting(session).await?;
    held.retain(|guard| order.kind != KIND && order.entities.contains(&guard.entity));
    Ok(held.iter().map(|guard| refusal(session, guard)).collect())
}

/// Guards of systems that went back, about which nobody has decided.
pub(crate) async fn resting(session: &Session) -> Result<Vec<Guard>, Failure> {
    let mut open = session.hub.guards(false).await?;
    open.retain(|guard| guard.code == guard::RESTORED);
    Ok(open)
}

/// Takes entities out of the order one of whose systems went back; what is to be said of each.
pub(super) async fn leave_out(
    session: &mut Session,
    order: &mut Order<'_>,
) -> Result<Vec<Failure>, Failure> {
    if order.kind == KIND {
        return Ok(Vec::new());
    }
    // Living traffic is written many times a second; whoever polls looks beside it.
    if order.kind != "serve" || order.halves != Halves::Writes {
        look(session, &order.entities).await?;
    }
    let mut held = resting(session).await?;
    held.retain(|guard| order.entities.contains(&guard.entity));
    order.entities.retain(|entity| held.iter().all(|guard| guard.entity != *entity));
    Ok(held.iter().map(|guard| refusal(session, guard)).collect())
}

/// What is said of one.
pub(crate) fn refusal(session: &Session, guard: &Guard) -> Failure {
    let (entity, system) = (session.entity_name(guard.entity), session.system_name(guard.system));
    let number = guard.number;
    let message = format!("{system} was restored to an older state; {entity} waits for a decision");
    Failure::new(guard::RESTORED, message)
        .cause("it has not come as far as it had before, or shows again what it had shown earlier")
        .done(format!("nothing of it was written anywhere; from now on {entity} is neither read nor written, in no system"))
        .fix(format!(
            "syncline verify {entity}; then syncline guards apply {number} (what {system} shows is wanted) or syncline guards reverse {number} (what the hub holds is written back to it)"
        ))
}

/// Notes how far the systems of these entities have come. After everything else of a pass: what was made there
/// until now is known.
pub(crate) async fn remember(
    session: &mut Session,
    entities: &[EntityIndex],
    heartbeats: Heartbeats,
) -> Result<(), Failure> {
    let installation = installation::of(session).await?;
    let resting = resting(session).await?;
    let awake = entities.iter().filter(|entity| resting.iter().all(|it| it.entity != **entity));
    let mut of_systems: BTreeMap<SystemIndex, Vec<(EntityIndex, Ages)>> = BTreeMap::new();
    for entity in awake.copied() {
        for system in systems_of(session, entity) {
            let known = known(session, entity, system).await?.unwrap_or_default();
            of_systems.entry(system).or_default().push((entity, known));
        }
    }
    let leave = match heartbeats {
        Heartbeats::Left => Some(Session::now().ms().max(0).unsigned_abs()),
        Heartbeats::LookedAt => None,
    };
    for (system, known) in of_systems {
        let left = known.iter().filter_map(|(_, known)| known.get(HEARTBEAT)).max();
        let installation = installation.as_str().into();
        let heartbeat = Heartbeat { installation, leave, left: left.copied().unwrap_or_default() };
        let Some(now) = ages(session, system, &heartbeat).await? else { continue };
        if now.is_empty() {
            continue;
        }
        let text = serde_json::to_string(&now).unwrap_or_default();
        for (entity, known) in known {
            // One that went back since it was looked at is not known anew: it would not be noticed any more.
            if went_back(&known, &now) {
                trip(session, entity, system).await?;
            } else {
                session.hub.set_note(&note(session, entity, system), &text).await?;
            }
        }
    }
    Ok(())
}

/// Forgets how far a system had come: what it shows now was decided about.
pub(crate) async fn settle(
    session: &mut Session,
    guard: &Guard,
    state: &str,
) -> Result<(), Failure> {
    session.hub.set_note(&note(session, guard.entity, guard.system), "").await?;
    Ok(session.hub.settle_guard(guard.number, state, &session.who).await?)
}

/// What a guard is about, in words.
pub(crate) fn words(session: &Session, guard: &Guard) -> String {
    let (entity, system) = (session.entity_name(guard.entity), session.system_name(guard.system));
    let rows = words::several(guard.linked, "row", "rows");
    format!("{system} was restored to an older state; {rows} of {entity} are known of it")
}

#[cfg(test)]
mod tests {
    use super::{Ages, HEARTBEAT, went_back};

    fn ages(all: &[(&str, u64)]) -> Ages {
        all.iter().map(|(of, count)| ((*of).to_owned(), *count)).collect()
    }

    #[test]
    fn what_was_left_says_more_than_a_log_that_was_begun_anew() {
        let known = ages(&[(HEARTBEAT, 5), ("log", 900)]);
        assert!(!went_back(&known, &ages(&[(HEARTBEAT, 5), ("log", 1)])));
        assert!(went_back(&known, &ages(&[(HEARTBEAT, 4), ("log", 901)])));
        assert!(went_back(&known, &ages(&[("log", 901)])));
        assert!(went_back(&ages(&[("log", 900)]), &ages(&[("log", 1)])));
        assert!(!went_back(&ages(&[("log", 900)]), &ages(&[("another", 1)])));
    }
}
