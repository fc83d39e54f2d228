//! What happens in some worlds only: programs, webhooks, and logs that are heard again.

use std::sync::atomic::AtomicBool;

use syncline_core::{
    change::{Command, Input, Position},
    error::PortError,
    group::Hold,
    name::{RunId, SystemIndex},
    plan::{Class, Plan},
};
use syncline_engine::{
    account::Account,
    capture::Mode,
    desk::{Desk, Systems, Unwatched},
    read,
    reconcile::reconcile,
};

use crate::{
    draft::{PHONE, names},
    prng::Chance,
    script::Script,
    system::SimSystem,
    world::{Breach, World, within},
};

/// Gives a new system what only some have.
pub(super) fn equip(system: &SimSystem, script: &Script, plan: &Plan, own: SystemIndex) {
    let extras = script.draft.extras;
    let mut state = system.state();
    let contacts = plan.entity_named(names::CONTACTS);
    let contacts = contacts.and_then(|contacts| plan.binding_of(contacts, own));
    let is_last = own.at() + 1 == script.draft.classes.len();
    if let (true, Some(contacts)) = (extras.programs && (own.at() == 0 || is_last), contacts) {
        state.program = Some((contacts, PHONE, is_last));
    }
    state.payloads = (extras.webhooks && state.class != Class::Log).then(Vec::new);
}

/// What else happens in the storm.
pub(super) fn happens(world: &World, script: &Script, chance: &mut Chance) {
    let extras = script.draft.extras;
    if extras.programs && chance.percent(20) {
        let which = chance.below(world.systems.len());
        if let Some(system) = world.systems.get(which) {
            system.state().run_program();
        }
    }
    if extras.rewinds && chance.percent(5) {
        rewind(world, chance);
    }
}

/// A log is heard again from an earlier place.
fn rewind(world: &World, chance: &mut Chance) {
    let back = 1 + chance.below(6) as u64;
    for (stream, position) in &mut world.store.memory().checkpoints {
        if stream.starts_with("log:") {
            let at = position.0.as_slice().try_into().map_or(0, u64::from_be_bytes);
            *position = Position(at.saturating_sub(back).to_be_bytes().to_vec());
        }
    }
}

/// A process takes what a webhook brings, if anything.
pub(super) async fn listen(
    desk: &Desk<'_>,
    doors: &mut Systems,
    systems: &[SimSystem],
    chance: &mut Chance,
) -> Result<(), PortError> {
    let which = chance.below(systems.len());
    let payload = systems.get(which).and_then(|system| system.state().take_payload(chance));
    let Some(payload) = payload else { return Ok(()) };
    let decided = reconcile(desk, &[Input::Push(payload)], Vec::new()).await?;
    read::settle(desk, doors, decided.effects, &mut Account::default()).await.map(drop)
}

/// Whether a system tells of its changes, in a log or otherwise: then it is read by nothing else.
pub(super) fn is_told(world: &World, system: SystemIndex) -> bool {
    let has_log = world.plan.system(system).is_some_and(|system| system.class == Class::Log);
    has_log || world.systems.get(system.at()).is_some_and(|system| system.state().tells())
}

/// How a full pass reads a system that tells of its changes. What became of an insert is known where
/// marks are kept, or by a complete look; and what a guard held is found by one.
pub(super) fn mode(world: &World, system: SystemIndex) -> Mode {
    let held = world.systems.get(system.at()).is_some_and(|system| system.state().must_compare);
    match world.plan.system(system).map(|system| system.class) {
        Some(Class::Marked) if !held => Mode::Heard,
        Some(Class::Log) => Mode::Poll,
        Some(Class::Marked | Class::Versioned | Class::Plain | Class::Blind) | None => Mode::Scan,
    }
}

/// The last day of a world.
pub(super) fn last_day(script: &Script) -> Script {
    let moves = if script.draft.extras.quiet_end { 0 } else { script.moves / 2 };
    Script { deeds: Vec::new(), moves, ..script.clone() }
}

/// All is at rest. If programs have kept anything from flowing, they stop, and a person lets it flow
/// again: whether there was anything.
pub(super) fn rests(world: &World) -> Result<bool, Breach> {
    let mut stopped = false;
    for system in &world.systems {
        stopped |= system.state().program.take().is_some();
    }
    if !stopped {
        return Ok(false);
    }
    let mut releases = Vec::new();
    for group in world.store.memory().groups.values() {
        for link in &group.root.links {
            let held = link.held.iter().filter(|(_, hold)| *hold == Hold::Loop);
            releases.extend(held.map(|(field, _)| {
                let (system, field) = (Some(link.system), Some(*field));
                Input::Command(Command::Release { record: group.id, system, field })
            }));
        }
    }
    let stop = AtomicBool::new(false);
    let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(3));
    let mut doors = World::doors(&world.systems);
    within(async {
        let decided = reconcile(&desk, &releases, Vec::new()).await?;
        read::settle(&desk, &mut doors, decided.effects, &mut Account::default()).await
    })?;
    Ok(true)
}
