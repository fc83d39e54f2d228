//! What users have changed beyond the limit: a guard per user says so, from what the hub holds back, and a
//! person lets it through or has it put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    group::Excess,
    guard,
    name::{EntityIndex, RunId},
    plan::Plan,
    value::Digest,
};
use syncline_ports::{
    reader::{Exceeded, Guard, Reader as _},
    store::Store as _,
};

use crate::{
    config::scalar::duration_text, exit::Exit, pass::tripped, report::Failure, session::Session,
    words,
};

/// Rows that a guard names as examples.
const SAMPLES: usize = 5;

/// The plan of a pass over these entities. Until one was synchronised as it means now, what its systems
/// show is not what users have changed in the last hour: nobody is counted.
pub(crate) async fn plan(
    session: &Session,
    entities: &[EntityIndex],
) -> Result<Arc<Plan>, Failure> {
    let mut uncounted = BTreeSet::new();
    for entity in entities {
        let Some(found) = session.plan.entity(*entity) else { continue };
        if is_limited(&session.plan, *entity)
            && !is_counted(session, &found.name, found.meaning).await?
        {
            uncounted.insert(*entity);
        }
    }
    if uncounted.is_empty() {
        return Ok(session.plan.clone());
    }
    let mut plan = Plan::clone(&session.plan);
    let roots: Vec<EntityIndex> =
        plan.bindings.iter().map(|binding| session.plan.root_of(binding.entity)).collect();
    for (binding, root) in plan.bindings.iter_mut().zip(roots) {
        if uncounted.contains(&root) {
            binding.per_user = None;
        }
    }
    Ok(Arc::new(plan))
}

/// From now on its users are counted: it was synchronised as it means now.
pub(crate) async fn begin(session: &Session, entity: EntityIndex) -> Result<(), Failure> {
    let Some(found) = session.plan.entity(entity) else { return Ok(()) };
    if is_limited(&session.plan, entity) && !is_counted(session, &found.name, found.meaning).await?
    {
        session.hub.set_note(&note(&found.name), &words::hex(&found.meaning)).await?;
    }
    Ok(())
}

async fn is_counted(session: &Session, name: &str, meaning: Digest) -> Result<bool, Failure> {
    let known = session.hub.note(&note(name)).await?;
    Ok(known.is_some_and(|known| known.as_str() == words::hex(&meaning)))
}

fn note(name: &str) -> String {
    format!("counted:{name}")
}

/// Whether users of this entity may change only so much.
pub(crate) fn is_limited(plan: &Plan, entity: EntityIndex) -> bool {
    let mut bindings = plan.bindings.iter();
    bindings.any(|it| it.per_user.is_some() && plan.root_of(it.entity) == entity)
}

/// Opens a guard for each user of whom something is held, brings open ones up to date, and settles those of
/// whom nothing is held any more. Gives what to say of those who went beyond the limit in this run.
pub(crate) async fn record(
    session: &Session,
    entity: EntityIndex,
    run: RunId,
) -> Result<Option<Failure>, Failure> {
    let mut users: BTreeMap<Excess, Vec<Exceeded>> = BTreeMap::new();
    for held in session.hub.excesses(entity).await? {
        users.entry(held.excess.clone()).or_default().push(held);
    }
    for guard in session.hub.guards(false).await? {
        let excess = excess_of(&guard);
        let is_over = guard.entity == entity && !users.contains_key(&excess);
        if guard.code == guard::USER && is_over {
            session.hub.settle_guard(guard.number, "over", &session.who).await?;
        }
    }
    let mut said: Option<Failure> = None;
    for (excess, held) in users {
        let failure = trip(session, entity, &excess, &held).await?;
        if held.iter().any(|one| one.run == run) {
            said = Some(said.map_or(failure.clone(), |first| first.also(&failure)));
        }
    }
    Ok(said)
}

async fn trip(
    session: &Session,
    entity: EntityIndex,
    excess: &Excess,
    held: &[Exceeded],
) -> Result<Failure, Failure> {
    let (system, user) = (excess.system, &excess.user);
    let limit = session
        .plan
        .bindings
        .iter()
        .filter(|it| it.system == system && session.plan.root_of(it.entity) == entity)
        .find_map(|it| it.per_user);
    let mut samples = Vec::new();
    for one in held.iter().take(SAMPLES) {
        let group = session.hub.group(one.record).await?;
        samples.extend(group.and_then(|group| group.root.link(system)?.key.clone()));
    }
    let behind = session.hub.count_behind(entity, Session::now()).await?;
    let linked = behind.iter().find(|(other, _)| *other == system).map_or(0, |(_, it)| it.linked);
    let mut all = Vec::new();
    for one in held {
        all.extend(one.record.0.to_be_bytes());
        all.extend(one.since.0.to_be_bytes());
    }
    let max = limit.map_or(0, |limit| u64::from(limit.changes));
    let guard = Guard {
        number: 0,
        code: guard::USER.into(),
        entity,
        system,
        count: held.len() as u64,
        linked,
        max,
        digest: Digest::of(&all),
        at: Session::now(),
        state: "open".into(),
        samples,
        user: user.clone(),
    };
    let number = tripped::put_on_record(session, &guard).await?;
    let (name, place) = (session.entity_name(entity), session.system_name(system));
    let limit = limit.map_or_else(String::new, |limit| {
        format!(" (limit {} in {})", words::count(max), duration_text(limit.window_ms))
    });
    let count = words::several(guard.count, "change waits", "changes wait");
    let message = format!("{user} changed too much of {name} in {place}{limit}: {count}");
    Ok(Failure::new(guard::USER, message)
        .cause("a bulk edit or a script")
        .done("nothing is lost: what is beyond the limit is held in the hub, everybody else's changes go on")
        .fix(format!(
            "syncline guards show {number}; then syncline guards apply {number}, syncline guards reverse {number} or syncline guards dismiss {number}"
        ))
        .with_exit(Exit::SetAside))
}

fn excess_of(guard: &Guard) -> Excess {
    Excess { system: guard.system, user: guard.user.clone() }
}

/// What this guard held when it was last shown.
pub(crate) async fn held(hub: &SqliteHub, guard: &Guard) -> Result<Vec<Exceeded>, Failure> {
    let excess = excess_of(guard);
    let mut held = hub.excesses(guard.entity).await?;
    held.retain(|one| one.excess == excess && one.since <= guard.at);
    Ok(held)
}
