//! A process that works on the hub: it reads, decides and writes in an order of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::atomic::AtomicBool,
};

use syncline_core::{
    change::{Effect, Input, Position},
    commit::Checkpoint,
    error::PortError,
    name::{BindingIndex, EntityIndex, RunId, SystemIndex},
    plan::Class,
};
use syncline_engine::{
    account::Account,
    apply::{self, Everything, Kinds},
    capture::{self, Absences, Mode},
    carry::Carrier,
    desk::{Desk, Systems, Unwatched},
    hear::{self, Gathered},
    pass::{Allow, Errand, live},
    read,
    reconcile::reconcile,
    recover,
};

use syncline_ports::listener::{Changed, Hint};

use crate::{
    checks,
    moment::moment,
    prng::Chance,
    system::SimSystem,
    world::{World, carts::Carts, person, unusual},
};

pub(super) type Process = Pin<Box<dyn Future<Output = Result<(), PortError>>>>;

/// Works on the hub for ever, in an order drawn from its own chance.
pub(super) fn process(world: &World, mut chance: Chance) -> Process {
    let (plan, systems, store, clock) =
        (world.plan.clone(), world.systems.clone(), world.store.clone(), world.clock.clone());
    let has_webhooks = systems.iter().any(|system| system.state().payloads.is_some());
    let has_questions = person::is_asked(&plan);
    let (retries, rollbacks) = (world.rare.retries, world.rare.rollbacks);
    let limits = world.rare.limits;
    let turns = world.rare.house.then(|| world.turns.clone());
    let carts = Carts::new(systems.len(), store.clone(), world.happened.clone());
    let carries = world.rare.carries;
    Box::pin(async move {
        let stop = AtomicBool::new(false);
        let desk = Desk::new(&plan, &store, &*clock, &Unwatched, &stop, RunId(1))
            .beside(turns.as_deref())
            .carried_by(carries.then_some(&carts as &dyn Carrier));
        let mut doors = World::doors(&systems);
        recover::recover(&desk, &mut doors).await?;
        loop {
            // With nothing to do, it still gives way.
            moment().await;
            if carries && chance.percent(60) && carts.deliver(&desk, &mut doors).await.is_err() {
                // A daemon begins anew then, and asks what became of what it has lost sight of.
                let _refusal = recover::recover(&desk, &mut doors).await;
                continue;
            }
            if has_questions && chance.percent(10) {
                person::answer(&desk, &mut doors, &store, &mut chance).await?;
                continue;
            }
            if retries && chance.percent(5) {
                person::retry(&desk, &mut doors, &store, &mut chance).await?;
                continue;
            }
            if rollbacks && chance.percent(5) {
                person::roll_back(&desk, &mut doors, &store, &mut chance).await?;
                continue;
            }
            if limits && chance.percent(3) {
                person::admit(&desk, &mut doors, &store, &mut chance).await?;
                continue;
            }
            if has_webhooks && chance.percent(20) {
                unusual::listen(&desk, &mut doors, &systems, &mut chance).await?;
                continue;
            }
            let entity = EntityIndex(chance.below(plan.entities.len()) as u16);
            let system = SystemIndex(chance.below(plan.systems.len()) as u16);
            let Some(binding) = plan.binding_of(entity, system) else { continue };
            if chance.percent(50) {
                // A system that refuses is asked again later: nothing else to do about it.
                let refusal = match chance.below(100) {
                    0..70 => look(&desk, &mut doors, &systems, binding, Mode::Poll).await,
                    70..85 => look(&desk, &mut doors, &systems, binding, Mode::Scan).await,
                    _ => scan_all(&desk, &mut doors, &systems, entity).await,
                };
                if carries && refusal.is_err() {
                    let _refusal = recover::recover(&desk, &mut doors).await;
                }
            } else if store.memory().paused.contains(&system) {
                store.memory().happened.note("pauses");
            } else {
                let class = plan.system(system).map(|system| system.class);
                let mut slot = None;
                if class == Some(Class::Log) {
                    // Who writes to a system with a log follows the log: it tells the fate of writes.
                    slot = systems.get(system.at()).and_then(Slot::take);
                    if slot.is_none() {
                        continue;
                    }
                    let _refusal = observe(&desk, &mut doors, &systems, binding, Mode::Poll).await;
                }
                let kinds = if chance.percent(70) { Kinds::Puts } else { Kinds::Deletes };
                apply::apply(&desk, &mut doors, entity, system, kinds, &Everything).await?;
                drop(slot);
            }
        }
    })
}

/// Reads what a system has told of, as the daemon does: which rows changed, never what they hold.
async fn hear(
    desk: &Desk<'_>,
    doors: &mut Systems,
    system: SystemIndex,
    sim: &SimSystem,
) -> Result<(), PortError> {
    let stream = hear::stream_name(desk.plan, system);
    let roots = (0..desk.plan.entities.len() as u16).map(EntityIndex);
    let entities: Vec<_> = roots.map(|entity| (entity, desk.run())).collect();
    loop {
        let from = desk.store.checkpoint(&stream).await?;
        let at = from.and_then(|position| position.0.try_into().ok()).map_or(0, u64::from_be_bytes);
        let told = sim.state().told_from(at as usize, 4);
        if told.is_empty() {
            return Ok(());
        }
        sim.state().happened.note("ears");
        let upto = Position((at + told.len() as u64).to_be_bytes().to_vec());
        let mut gathered = Gathered::default();
        let hint = |(binding, key)| Hint { binding, what: Changed::Row(key), at: None };
        gathered.add(told.into_iter().map(hint).collect());
        let errand = Errand {
            entities: entities.clone(),
            modes: BTreeMap::new(),
            allow: Allow::default(),
            chooses: &Everything,
            closed: Vec::new(),
        };
        let live::Dealt { passed, is_complete, later } =
            live::hear(desk, doors, &errand, gathered).await?;
        for report in &passed.entities {
            checks::conserved(&report.account)?;
        }
        // Who refuses is left out of a pass; here the next one begins.
        if let Some(place @ None) = doors.get_mut(system.at()) {
            *place = World::doors(std::slice::from_ref(sim)).pop().flatten();
        }
        sim.state().must_compare |= passed.entities.iter().any(|it| !it.tripped.is_empty());
        let failure = passed.entities.into_iter().flat_map(|report| report.failures).next();
        match failure {
            Some((_, failure)) => return Err(failure),
            // Only what is dealt with is not heard again.
            None if is_complete && later.is_empty() => {
                let upto = hear::checkpoint(desk.plan, system, upto);
                reconcile(desk, &[], vec![upto]).await?;
            }
            None => return Ok(()),
        }
    }
}

/// Scans the systems of an entity side by side, those with a log excepted.
async fn scan_all(
    desk: &Desk<'_>,
    doors: &mut Systems,
    systems: &[SimSystem],
    entity: EntityIndex,
) -> Result<(), PortError> {
    let bindings = desk.plan.entity(entity).map(|found| found.bindings.as_slice());
    let has_log = |binding: &BindingIndex| {
        let system = desk.plan.binding(*binding).and_then(|found| desk.plan.system(found.system));
        let sim = desk.plan.binding(*binding).and_then(|found| systems.get(found.system.at()));
        system.is_some_and(|system| system.class == Class::Log)
            || sim.is_some_and(|sim| sim.state().tells())
    };
    let mut bindings = bindings.unwrap_or_default().to_vec();
    bindings.retain(|binding| !has_log(binding));
    read_all(desk, doors, &bindings, Mode::Scan).await
}

/// Reads a binding whole, whatever else its system tells.
pub(super) async fn read_whole(
    desk: &Desk<'_>,
    doors: &mut Systems,
    binding: BindingIndex,
) -> Result<(), PortError> {
    read_all(desk, doors, &[binding], Mode::Scan).await
}

async fn read_all(
    desk: &Desk<'_>,
    doors: &mut Systems,
    bindings: &[BindingIndex],
    mode: Mode,
) -> Result<(), PortError> {
    let captured = capture::capture(desk, doors, bindings, mode, Absences::Guarded).await?;
    checks::conserved(&captured.account)?;
    let failure = captured.readings.into_iter().find_map(|reading| reading.failure);
    failure.map_or(Ok(()), Err)
}

/// A log has one reader: who has its slot, until he lets go of it or dies.
struct Slot(SimSystem);

impl Slot {
    /// The slot of this system, unless another has it.
    fn take(system: &SimSystem) -> Option<Self> {
        let is_taken = std::mem::replace(&mut system.state().is_followed, true);
        (!is_taken).then(|| Self(system.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.state().is_followed = false;
    }
}

/// Reads a binding, or the log of its system, if nobody else does just now.
async fn look(
    desk: &Desk<'_>,
    doors: &mut Systems,
    systems: &[SimSystem],
    binding: BindingIndex,
    mode: Mode,
) -> Result<(), PortError> {
    let system = desk.plan.binding(binding).and_then(|found| systems.get(found.system.at()));
    let is_log = system.is_some_and(|system| system.state().class == Class::Log);
    let _slot = match system.filter(|_| is_log).map(Slot::take) {
        Some(None) => return Ok(()),
        slot => slot.flatten(),
    };
    observe(desk, doors, systems, binding, mode).await
}

/// Reads a binding, or the log of its system.
pub(super) async fn observe(
    desk: &Desk<'_>,
    doors: &mut Systems,
    systems: &[SimSystem],
    binding: BindingIndex,
    mode: Mode,
) -> Result<(), PortError> {
    let Some(system) = desk.plan.binding(binding).map(|found| found.system) else { return Ok(()) };
    let Some(sim) = systems.get(system.at()) else { return Ok(()) };
    if sim.state().tells() {
        return hear(desk, doors, system, sim).await;
    }
    if sim.state().class != Class::Log {
        return read_all(desk, doors, &[binding], mode).await;
    }
    follow(desk, doors, sim, system).await?;
    Ok(())
}

/// Reads the log of a system to its end. How much of it is to be heard later.
pub(super) async fn follow(
    desk: &Desk<'_>,
    doors: &mut Systems,
    sim: &SimSystem,
    system: SystemIndex,
) -> Result<usize, PortError> {
    let stream = format!("log:{}", system.0);
    let (mut later, mut put_off) = (BTreeSet::new(), 0);
    loop {
        let from = desk.store.checkpoint(&stream).await?;
        let at = from.and_then(|position| position.0.try_into().ok()).map_or(0, u64::from_be_bytes);
        let mut entries = sim.state().log_from(at as usize, 3);
        if entries.is_empty() {
            return Ok(put_off);
        }
        let (told, upto) = (entries.len(), at + entries.len() as u64);
        // Of what is to be heard later, nothing that comes after it is heard before.
        entries.retain(|entry| !later.contains(&(entry.binding, entry.key.clone())));
        put_off += told - entries.len();
        let inputs: Vec<Input> = entries.into_iter().map(Input::Change).collect();
        let position = syncline_core::change::Position(upto.to_be_bytes().to_vec());
        let checkpoint = Checkpoint { stream: stream.as_str().into(), position };
        let decided = reconcile(desk, &inputs, vec![checkpoint]).await?;
        let mut account = Account { ledger: decided.ledger, ..Account::default() };
        let rest = read::settle(desk, doors, decided.effects, &mut account).await?;
        let rest = rest.into_iter().filter_map(|effect| match effect {
            Effect::Later { binding, key } => Some((binding, key)),
            Effect::Write { .. }
            | Effect::Read { .. }
            | Effect::ReadMarks { .. }
            | Effect::Again(_)
            | Effect::BlockedOn { .. } => None,
        });
        let before = later.len();
        later.extend(rest);
        put_off += later.len() - before;
        if !decided.held.is_empty() {
            reconcile(desk, &[], decided.held).await?;
        }
    }
}
