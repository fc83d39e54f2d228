//! One pass: detect, merge, write; entity by entity, parents first, deletes last and children first.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    change::{Input, RowKey},
    commit::{AuditEvent, Disposition},
    error::{PortError, RemedyAction},
    name::{BindingIndex, EntityIndex, RunId, SystemIndex},
    plan::Plan,
    value::Digest,
};

use crate::{
    account::Account,
    apply::{self, Chooses, Kinds, Written},
    capture::{self, Absences, HeldAbsences, Mode, Reading},
    desk::{Altered, Desk, Systems},
    read,
    reconcile::reconcile,
};

mod guards;
pub mod live;
mod orphans;

/// What a pass is asked to do.
pub struct Errand<'a> {
    /// Which entities (child lists go with their parents), each with the run it is counted in. Any
    /// order: the pass finds its own.
    pub entities: Vec<(EntityIndex, RunId)>,
    /// How each binding is read; bindings that are not named are scanned.
    pub modes: BTreeMap<BindingIndex, Mode>,
    /// What is allowed beyond the guards' limits.
    pub allow: Allow,
    /// Which records may be written.
    pub chooses: &'a dyn Chooses,
    /// Systems that are read but not written (paused, closed hours).
    pub closed: Vec<SystemIndex>,
}

pub use guards::pending;

/// What a person allowed beyond the guards' limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Any number of deletes, read or written.
    pub deletes: bool,
    /// Any number of updates.
    pub updates: bool,
    /// Exactly these sets (`guards apply`).
    pub approved: Vec<Digest>,
}

/// What a pass came to, entity by entity.
#[derive(Debug, Default)]
pub struct Passed {
    /// In the order in which they were taken.
    pub entities: Vec<EntityPassed>,
}

/// What a pass came to for one entity.
#[derive(Debug)]
pub struct EntityPassed {
    /// The entity.
    pub entity: EntityIndex,
    /// The run it is counted in.
    pub run: RunId,
    /// Rows read, per binding (its own and its child lists').
    pub rows: BTreeMap<BindingIndex, u64>,
    /// What was observed, and what became of it.
    pub account: Account,
    /// Bindings that proved a complete read.
    pub complete: Vec<BindingIndex>,
    /// Bindings whose read ended early, and why.
    pub incomplete: Vec<(BindingIndex, String)>,
    /// Systems that could not be read.
    pub failures: Vec<(SystemIndex, PortError)>,
    /// Guards that tripped; nothing was written for this entity from then on.
    pub tripped: Vec<Tripped>,
    /// Absences that a person let through at their source: their deletes elsewhere are not asked
    /// about again.
    pub let_through: u64,
    /// What the guards have looked at, per system.
    pub judged: BTreeMap<SystemIndex, guards::Judged>,
    /// What was written, per system.
    pub written: BTreeMap<SystemIndex, Written>,
    /// The first field that is held because it looked like a loop.
    pub suspected: Option<AuditEvent>,
    /// Systems that could not be written just then, and why: the code comes first, if it has one.
    pub put_off: BTreeMap<SystemIndex, Text>,
    /// Cells that a system holds otherwise than it was given.
    pub altered: Altered,
}

/// A guard that tripped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tripped {
    /// Rows vanished from a system.
    Absences(HeldAbsences),
    /// Too much would be written to a system.
    Planned {
        /// `guard.mass_delete`, `guard.mass_update` `guard.mass_blank` or `guard.corrupt_values`.
        code: &'static str,
        /// The system that would be written.
        system: SystemIndex,
        /// How many rows.
        count: u64,
        /// Of how many linked ones.
        linked: u64,
        /// The limit that was exceeded.
        max: u64,
        /// What exactly would be written.
        digest: Digest,
        /// Some of the rows.
        samples: Vec<RowKey>,
    },
}

impl Passed {
    /// Reports of entities of which nothing was read: what the hub holds is only to be written.
    pub fn unread(entities: &[(EntityIndex, RunId)]) -> Self {
        let reports = entities.iter().map(|(entity, run)| EntityPassed::new(*entity, *run));
        Self { entities: reports.collect() }
    }
}

impl EntityPassed {
    fn new(entity: EntityIndex, run: RunId) -> Self {
        Self {
            entity,
            run,
            rows: BTreeMap::new(),
            account: Account::default(),
            complete: Vec::new(),
            incomplete: Vec::new(),
            failures: Vec::new(),
            tripped: Vec::new(),
            let_through: 0,
            judged: BTreeMap::new(),
            written: BTreeMap::new(),
            suspected: None,
            put_off: BTreeMap::new(),
            altered: Altered::default(),
        }
    }

    /// Rows that were read and compared.
    pub fn checked(&self) -> u64 {
        self.rows.values().sum()
    }

    /// Observations that ended like this, over all bindings.
    pub fn count(&self, disposition: Disposition) -> u64 {
        self.account.count(disposition)
    }
}

/// Rounds of writing after one reading: what one system's answer changes, the next round writes.
const ROUNDS_MAX: usize = 8;
/// Rows read again by key, per commit.
const AGAIN_CHUNK: usize = 500;

/// Runs the errand: reads everything, then writes what is behind.
///
/// # Errors
/// The store's only. A system that fails is left out for the rest of the pass, and named.
pub async fn run(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
) -> Result<Passed, PortError> {
    let mut passed = observe_all(desk, systems, errand).await?;
    write_all(desk, systems, errand, &mut passed).await?;
    Ok(passed)
}

/// The first half: reads all bindings of all entities, referred-to entities first.
///
/// # Errors
/// As [`run`].
pub async fn observe_all(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
) -> Result<Passed, PortError> {
    let entities: Vec<EntityIndex> = errand.entities.iter().map(|(entity, _)| *entity).collect();
    let mut passed = Passed::default();
    for entity in in_order(desk.plan, &entities) {
        let run = errand.entities.iter().find(|(other, _)| *other == entity).map(|(_, run)| *run);
        let mut report = EntityPassed::new(entity, run.unwrap_or_default());
        desk.set_run(report.run);
        observe(desk, systems, errand, entity, &mut report).await?;
        report.suspected = desk.suspected(report.run);
        passed.entities.push(report);
    }
    orphans::decide(desk, systems, errand, &mut passed).await?;
    Ok(passed)
}

/// The second half: looks at the guards, then writes, until nothing moves any more.
///
/// # Errors
/// As [`run`].
pub async fn write_all(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    passed: &mut Passed,
) -> Result<(), PortError> {
    if desk.is_stopping() {
        return Ok(());
    }
    let mut first = true;
    for _ in 0..ROUNDS_MAX {
        for report in &mut passed.entities {
            guards::check(desk, &errand.allow, report).await?;
        }
        let before = (total(passed), learnt(passed));
        for report in &mut passed.entities {
            desk.set_run(report.run);
            write(desk, systems, errand, Kinds::Puts, report).await?;
        }
        for report in passed.entities.iter_mut().rev() {
            // What waited for the rows that have just gone can be written now.
            guards::check(desk, &errand.allow, report).await?;
            desk.set_run(report.run);
            write(desk, systems, errand, Kinds::Deletes, report).await?;
        }
        for report in &mut passed.entities {
            desk.set_run(report.run);
            reread(desk, systems, report).await?;
        }
        // A delete that waited has decided about its children, who were looked at before it.
        let decided = std::mem::take(&mut first)
            && passed
                .entities
                .iter()
                .flat_map(|report| report.written.values())
                .any(|written| written.waits > 0);
        if ((total(passed), learnt(passed)) == before && !decided) || desk.is_stopping() {
            break;
        }
    }
    for report in &mut passed.entities {
        report.suspected = desk.suspected(report.run);
        report.put_off = desk.put_off(report.run);
        report.altered = desk.altered(report.run);
    }
    Ok(())
}

fn total(passed: &Passed) -> u64 {
    passed.entities.iter().flat_map(|report| report.written.values()).map(Written::total).sum()
}

/// Observations that changed the hub: a refusal has rows read, and what they show may free others.
fn learnt(passed: &Passed) -> u64 {
    passed.entities.iter().map(|report| report.count(Disposition::Applied)).sum()
}

/// Reads all bindings of an entity and its child lists, and takes up what waited.
pub async fn observe(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    entity: EntityIndex,
    report: &mut EntityPassed,
) -> Result<(), PortError> {
    let entities = desk.plan.entity(entity).map(|found| found.lists.as_slice()).unwrap_or_default();
    // The record's own rows before those of its lists, and each list by itself: a system shows one
    // table at a time.
    for entity in std::iter::once(&entity).chain(entities) {
        let bindings = desk.plan.entity(*entity).map(|found| found.bindings.as_slice());
        let mut scanned = Vec::new();
        for binding in bindings.unwrap_or_default() {
            if desk.plan.is_held(*binding) {
                // It came with the rows that hold it.
                continue;
            }
            if desk.is_stopping() {
                report.incomplete.push((*binding, "stopped".into()));
            } else if !is_open(desk.plan, systems, *binding) {
                let reason = "the system is not reached in this pass";
                report.incomplete.push((*binding, reason.into()));
            } else {
                match errand.modes.get(binding) {
                    Some(Mode::Poll) => {
                        capture(desk, systems, errand, &[*binding], Mode::Poll, report).await?;
                    }
                    Some(Mode::Heard) => {}
                    Some(Mode::Scan) | None => scanned.push(*binding),
                }
            }
        }
        if !scanned.is_empty() {
            capture(desk, systems, errand, &scanned, Mode::Scan, report).await?;
        }
    }
    reread(desk, systems, report).await
}

/// Reads these bindings and notes what came of it.
async fn capture(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    bindings: &[BindingIndex],
    mode: Mode,
    report: &mut EntityPassed,
) -> Result<(), PortError> {
    let absences = if errand.allow.deletes { Absences::Allowed } else { Absences::Guarded };
    let captured = capture::capture(desk, systems, bindings, mode, absences).await?;
    report.account.absorb(&captured.account);
    for reading in captured.readings {
        let Some(absences) = once_more(&reading, absences, &errand.allow.approved) else {
            note(desk, systems, reading, report);
            continue;
        };
        let again =
            capture::capture(desk, systems, &[reading.binding], Mode::Scan, absences).await?;
        report.account.absorb(&again.account);
        for reading in again.readings {
            note(desk, systems, reading, report);
        }
    }
    Ok(())
}

/// Whether a binding must be read whole after this, and what may then be believed.
fn once_more(reading: &Reading, absences: Absences, approved: &[Digest]) -> Option<Absences> {
    match (&reading.failure, &reading.held) {
        // Reading everything says all that the lost place would have said.
        (Some(error), _) if error.kind.remedy().action == RemedyAction::Resynchronise => {
            tracing::warn!(error = %error, "everything is read instead");
            Some(absences)
        }
        // An approved set is only known by its digest: the scan that finds it again may pass it.
        (None, Some(held)) if approved.contains(&held.digest) => {
            Some(Absences::Approved(held.digest))
        }
        (Some(_) | None, _) => None,
    }
}

/// What a reading came to. A system that failed is left out for the rest of the pass.
fn note(desk: &Desk<'_>, systems: &mut Systems, reading: Reading, report: &mut EntityPassed) {
    let binding = reading.binding;
    *report.rows.entry(binding).or_default() += reading.rows;
    report.let_through += reading.let_through;
    report.tripped.extend(reading.held.map(Tripped::Absences));
    let system = desk.plan.binding(binding).map(|found| found.system);
    match (reading.failure, system) {
        (Some(error), Some(system)) => {
            tracing::warn!(error = %error, "a system is left out for the rest of the pass");
            if let Some(open) = systems.get_mut(system.at()) {
                *open = None;
            }
            report.failures.push((system, error));
        }
        (Some(_) | None, _) => {
            if reading.complete {
                report.complete.push(binding);
            }
            report.incomplete.extend(reading.incomplete.map(|reason| (binding, reason)));
        }
    }
}

/// Reads again what waits to be read by key: after a crash, a failed fence, a retry, or because the
/// parent it waited for is there now.
async fn reread(
    desk: &Desk<'_>,
    systems: &mut Systems,
    report: &mut EntityPassed,
) -> Result<(), PortError> {
    // Rows of child lists that were set aside are listed under their list.
    reread_of(desk, systems, report, report.entity).await?;
    let lists = desk.plan.entity(report.entity).map(|entity| entity.lists.as_slice());
    for list in lists.unwrap_or_default() {
        reread_of(desk, systems, report, *list).await?;
    }
    Ok(())
}

async fn reread_of(
    desk: &Desk<'_>,
    systems: &mut Systems,
    report: &mut EntityPassed,
    entity: EntityIndex,
) -> Result<(), PortError> {
    let began = desk.operation().await?;
    let mut after = None;
    loop {
        let page = desk.store.must_read(entity, after, AGAIN_CHUNK).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let inputs: Vec<Input> = page
            .into_iter()
            .filter(|(binding, _)| is_open(desk.plan, systems, *binding))
            .map(|(binding, key)| Input::Unseen { binding, key, began })
            .collect();
        if inputs.is_empty() {
            continue;
        }
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        report.account.ledger.absorb(&decided.ledger);
        read::settle(desk, systems, decided.effects, &mut report.account).await?;
    }
}

fn is_open(plan: &Plan, systems: &Systems, binding: BindingIndex) -> bool {
    let system = plan.binding(binding).map(|found| found.system);
    system.is_some_and(|system| systems.get(system.at()).is_some_and(Option::is_some))
}

async fn write(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    kinds: Kinds,
    report: &mut EntityPassed,
) -> Result<(), PortError> {
    if !report.tripped.is_empty() {
        return Ok(());
    }
    let Some(entity) = desk.plan.entity(report.entity) else { return Ok(()) };
    for binding in &entity.bindings {
        let Some(system) = desk.plan.binding(*binding).map(|found| found.system) else { continue };
        if errand.closed.contains(&system) {
            continue;
        }
        let (written, account) =
            apply::apply(desk, systems, report.entity, system, kinds, errand.chooses).await?;
        report.account.absorb(&account);
        report.written.entry(system).or_default().absorb(written);
    }
    Ok(())
}

/// The bindings of an entity, then those of its child lists.
pub fn bindings(plan: &Plan, entity: EntityIndex) -> Vec<BindingIndex> {
    let Some(found) = plan.entity(entity) else { return Vec::new() };
    let lists = found.lists.iter().filter_map(|list| plan.entity(*list));
    std::iter::once(found).chain(lists).flat_map(|entity| entity.bindings.iter().copied()).collect()
}

/// These entities (child lists left out: they go with their parents), referred-to ones first; in a
/// cycle, in the order of the file.
pub fn in_order(plan: &Plan, entities: &[EntityIndex]) -> Vec<EntityIndex> {
    let mut wanted: Vec<EntityIndex> = entities
        .iter()
        .copied()
        .filter(|index| plan.entity(*index).is_some_and(|entity| entity.parent.is_none()))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut order: Vec<EntityIndex> = Vec::new();
    while let Some(next) = wanted
        .iter()
        .position(|index| {
            references(plan, *index).iter().all(|other| other == index || !wanted.contains(other))
        })
        .or(if wanted.is_empty() { None } else { Some(0) })
    {
        order.push(wanted.remove(next));
    }
    order
}

fn references(plan: &Plan, entity: EntityIndex) -> Vec<EntityIndex> {
    let Some(found) = plan.entity(entity) else { return Vec::new() };
    let lists = found.lists.iter().filter_map(|list| plan.entity(*list));
    std::iter::once(found)
        .chain(lists)
        .flat_map(|entity| entity.fields.iter().filter_map(|field| field.reference))
        .collect()
}
