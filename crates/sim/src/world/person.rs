//! The person at the hub: answers what waits for an answer, and lets through what a guard stopped.

use syncline_core::{
    change::{Command, Input, PartKey, RolledBack, Take},
    commit::{AuditEvent, AuditKind},
    error::PortError,
    group::{Author, OpenConflict},
    name::RecordId,
    plan::{Plan, Policy},
    value::Value,
};
use syncline_engine::{
    account::Account,
    desk::{Desk, Systems},
    pass::{Allow, EntityPassed, Passed, Tripped},
    read,
    reconcile::reconcile,
};

use crate::{
    draft::names,
    prng::Chance,
    store::MemoryStore,
    world::{Breach, World},
};

/// Whether some conflicts wait for a person.
pub(super) fn is_asked(plan: &Plan) -> bool {
    let mut fields = plan.entities.iter().flat_map(|entity| &entity.fields);
    fields.any(|field| matches!(field.policy, Policy::Manual))
}

/// Answers one question, if there is any. Whether there was.
pub(super) async fn answer(
    desk: &Desk<'_>,
    doors: &mut Systems,
    store: &MemoryStore,
    chance: &mut Chance,
) -> Result<bool, PortError> {
    let Some((record, part, conflict)) = question(store, chance) else { return Ok(false) };
    let take = match (chance.below(4), chance.pick(&conflict.candidates)) {
        (0, _) => Take::Newest,
        (1, _) => Take::Base,
        (2, Some(candidate)) if matches!(candidate.author, Author::System(_)) => {
            match candidate.author {
                Author::System(system) => Take::System(system),
                Author::Nobody | Author::Person | Author::Merged => Take::Newest,
            }
        }
        (_, _) => Take::Value(Value::text(format!("answer {}", chance.bits()))),
    };
    let field = conflict.field;
    let command = Command::Resolve { record, part, field, take, who: "a person".into() };
    let decided = reconcile(desk, &[Input::Command(command)], Vec::new()).await?;
    store.memory().answers += 1;
    let mut account = Account::default();
    read::settle(desk, doors, decided.effects, &mut account).await?;
    Ok(true)
}

/// Tries something again that was refused, if there is any.
pub(super) async fn retry(
    desk: &Desk<'_>,
    doors: &mut Systems,
    store: &MemoryStore,
    chance: &mut Chance,
) -> Result<(), PortError> {
    let mut refused = Vec::new();
    for group in store.memory().groups.values() {
        let parked = group.root.links.iter().filter(|link| link.parked.is_some());
        refused.extend(parked.map(|link| (group.id, link.system)));
    }
    let Some((record, system)) = chance.pick(&refused).copied() else { return Ok(()) };
    store.memory().happened.note("retries");
    let command = Input::Command(Command::Retry { record, system });
    let decided = reconcile(desk, &[command], Vec::new()).await?;
    read::settle(desk, doors, decided.effects, &mut Account::default()).await.map(drop)
}

/// Lets through what a user has changed beyond the limit, if anything waits. Whether anything did.
pub(super) async fn admit(
    desk: &Desk<'_>,
    doors: &mut Systems,
    store: &MemoryStore,
    chance: &mut Chance,
) -> Result<bool, PortError> {
    let mut held = Vec::new();
    for group in store.memory().groups.values() {
        held.extend(group.excess.iter().map(|excess| (group.id, excess.clone())));
    }
    let Some((record, excess)) = chance.pick(&held).cloned() else { return Ok(false) };
    let command = Command::Admit { record, excess, who: "a person".into() };
    let decided = reconcile(desk, &[Input::Command(command)], Vec::new()).await?;
    store.memory().answers += 1;
    read::settle(desk, doors, decided.effects, &mut Account::default()).await?;
    Ok(true)
}

/// Takes back something that was changed, if nobody changed it since.
pub(super) async fn roll_back(
    desk: &Desk<'_>,
    doors: &mut Systems,
    store: &MemoryStore,
    chance: &mut Chance,
) -> Result<(), PortError> {
    let Some((record, part, mut rolled)) = taken(desk.plan, store, chance) else { return Ok(()) };
    if chance.percent(30) {
        rolled.keeps.clear();
    }
    let (fields, who) = (vec![rolled.clone()], "a person".into());
    let command = Command::Rollback { record, part: part.clone(), fields, who };
    let (since, _) = image(store, record, &part, &rolled);
    let decided = reconcile(desk, &[Input::Command(command)], Vec::new()).await?;
    store.memory().answers += 1;
    store.memory().happened.note("rollbacks");
    // I11: what nobody had changed since is as it was before.
    let (version, value) = image(store, record, &part, &rolled);
    let is_alone = !store.memory().crowded;
    if is_alone && since == rolled.after_version && version > since && value != rolled.before {
        store.memory().broken.push(format!("{record} was rolled back to something else"));
    }
    read::settle(desk, doors, decided.effects, &mut Account::default()).await.map(drop)
}

/// What a rollback is about, as it is now, and in which version.
fn image(
    store: &MemoryStore,
    record: RecordId,
    key: &PartKey,
    rolled: &RolledBack,
) -> (u64, Value) {
    let memory = store.memory();
    let part = memory.groups.get(&record).and_then(|group| group.part(key));
    let Some(part) = part else { return (0, Value::Null) };
    match rolled.field {
        None => (part.exists.version, Value::Bool(part.exists.alive)),
        Some(field) => {
            let cell = part.cell(field).cloned().unwrap_or_default();
            (cell.version, cell.value)
        }
    }
}

/// Something of the record's life that can be taken back. What is counted is a sum of all.
fn taken(
    plan: &Plan,
    store: &MemoryStore,
    chance: &mut Chance,
) -> Option<(RecordId, PartKey, RolledBack)> {
    let memory = store.memory();
    let stock = plan.entity_named(names::STOCK);
    let is_counted = |event: &AuditEvent| {
        memory.groups.get(&event.record).is_none_or(|group| Some(group.entity) == stock)
    };
    let from = memory.audit.len().saturating_sub(200);
    let latest: Vec<&AuditEvent> = memory.audit.iter().skip(from).collect();
    let event = chance.pick(&latest).copied().filter(|event| !is_counted(event))?;
    // An order without a customer is what the checks are to find.
    if event.after.as_ref().is_some_and(|after| after.reference().is_some()) {
        return None;
    }
    let before = match (event.kind, event.field, &event.before) {
        (AuditKind::Created | AuditKind::Revived, None, _) => Value::Bool(false),
        (AuditKind::Deleted, None, _) => Value::Bool(true),
        (
            AuditKind::Changed | AuditKind::Overridden | AuditKind::Merged | AuditKind::Person,
            Some(_),
            Some(before),
        ) => before.clone(),
        _ => return None,
    };
    let keeps = event.system.into_iter().collect();
    let rolled = RolledBack { field: event.field, before, after_version: event.version, keeps };
    Some((event.record, event.part.clone(), rolled))
}

fn question(store: &MemoryStore, chance: &mut Chance) -> Option<(RecordId, PartKey, OpenConflict)> {
    let memory = store.memory();
    let open: Vec<(RecordId, PartKey, OpenConflict)> = memory
        .groups
        .values()
        .flat_map(|group| group.parts().map(|(key, part)| (group.id, key, part)))
        .flat_map(|(record, key, part)| {
            part.conflicts.iter().map(move |conflict| (record, key.clone(), conflict.clone()))
        })
        .collect();
    chance.pick(&open).cloned()
}

/// Nothing that nobody let through is more than the guards allow.
fn within_limits(world: &World, report: &EntityPassed) -> Result<(), Breach> {
    let Some(entity) = world.plan.entity(report.entity) else { return Ok(()) };
    if !entity.lists.is_empty() || report.let_through > 0 {
        return Ok(());
    }
    let limit = entity.guards.deletes;
    for (system, written) in &report.written {
        let memory = world.store.memory();
        let groups = memory.groups.values().filter(|group| group.entity == report.entity);
        let links = groups.filter_map(|group| group.root.link(*system));
        let linked = links.filter(|link| link.is_present()).count() as u64 + written.deletes;
        if written.deletes > limit.max && written.deletes * 100 > linked * limit.max_percent {
            let detail = format!("{} of {linked} rows were deleted unasked", written.deletes);
            return Err(Breach { guarantee: "guards", detail });
        }
    }
    Ok(())
}

/// What the guards of a pass stopped, to be let through by the next one.
///
/// # Errors
/// If a guard that tripped let something through.
pub(super) fn approvals(world: &World, passed: &Passed, allowed: &Allow) -> Result<Allow, Breach> {
    let is_stopped = passed.entities.iter().any(|report| !report.tripped.is_empty());
    // Who lets one system's through means it while another's is asked about.
    let mut allow = if is_stopped { allowed.clone() } else { Allow::default() };
    if allowed.approved.is_empty() {
        for report in &passed.entities {
            within_limits(world, report)?;
        }
    }
    for report in passed.entities.iter().filter(|report| !report.tripped.is_empty()) {
        for tripped in &report.tripped {
            allow.approved.push(match tripped {
                Tripped::Absences(held) => held.digest,
                Tripped::Planned { digest, .. } => *digest,
            });
        }
    }
    Ok(allow)
}
