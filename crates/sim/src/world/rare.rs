//! What happens in few worlds only: a full disk, a clock that is set, bursts of refusals, pauses.

use std::collections::BTreeSet;

use syncline_core::{
    change::RowKey,
    name::{BindingIndex, SystemIndex},
};

use crate::{
    prng::Chance,
    script::Script,
    world::{World, is_in_flight},
};

/// How many of a hundred calls a system refuses while it refuses nearly everything.
const BURST: u32 = 90;
/// How far the hub's clock is set back, and ahead, at the most.
const BACK_MAX_MS: usize = 600_000;
const AHEAD_MAX_MS: usize = 1_200_000;

/// What is so from the beginning.
pub(super) fn begins(world: &World, script: &Script) {
    let rare = world.rare;
    let happened = |is_so: bool, what| {
        if is_so {
            world.happened.note(what);
        }
    };
    happened(rare.many_systems && world.systems.len() > 4, "many_systems");
    happened(rare.company && script.processes > 1, "company");
}

/// What else happens in the storm.
pub(super) fn happens(world: &World, script: &Script, chance: &mut Chance) {
    let rare = world.rare;
    if rare.full_disk {
        let mut memory = world.store.memory();
        let percent = if memory.is_full { 10 } else { 1 };
        memory.is_full ^= chance.percent(percent);
    }
    if rare.clock && chance.percent(2) {
        set_clock(world, chance);
    }
    if rare.bursts {
        burst(world, script, chance);
    }
    if rare.keys_again && chance.percent(20) {
        see_gone(world);
    }
    if rare.pauses && chance.percent(2) {
        let system = SystemIndex(chance.below(world.systems.len()) as u16);
        let paused = &mut world.store.memory().paused;
        if !paused.remove(&system) {
            paused.insert(system);
        }
    }
}

/// Which rows the hub knows to be gone for good: nothing of it is on its way to them.
fn see_gone(world: &World) {
    let memory = world.store.memory();
    let gone = memory.rows.iter().filter(|((binding, _), known)| {
        let system = world.plan.binding(*binding).map(|found| found.system);
        let group = memory.groups.get(&known.record);
        let links = group.zip(system).map(|(group, system)| group.links_to(system));
        known.digest.is_none()
            && links.is_none_or(|mut links| links.all(|link| link.unresolved.is_empty()))
    });
    let gone: BTreeSet<(BindingIndex, RowKey)> = gone.map(|(place, _)| place.clone()).collect();
    for system in &world.systems {
        system.state().known_gone.clone_from(&gone);
    }
}

/// Somebody sets the hub's clock. Ahead only while nothing is under way: how long a request may live is
/// measured by it.
fn set_clock(world: &World, chance: &mut Chance) {
    let is_back = chance.percent(50);
    let wrong_by = chance.below(if is_back { BACK_MAX_MS } else { AHEAD_MAX_MS }) as i64;
    if is_back {
        world.clock.set_wrong_by_ms(-wrong_by);
    } else {
        let zombies = world.systems.iter().any(|system| system.state().has_zombies());
        if zombies || is_in_flight(world) {
            return;
        }
        world.clock.set_wrong_by_ms(wrong_by);
    }
    world.happened.note("clock");
}

/// A system begins to refuse nearly everything, or stops.
fn burst(world: &World, script: &Script, chance: &mut Chance) {
    let which = chance.below(world.systems.len());
    let Some(system) = world.systems.get(which) else { return };
    let mut state = system.state();
    if state.weather.refused == BURST {
        if chance.percent(10) {
            state.weather.refused = script.weather.refused;
        }
    } else if chance.percent(1) {
        state.weather.refused = BURST;
        world.happened.note("bursts");
    }
}

/// The storm is over: the disk has room, the clock is right, nobody is paused.
pub(super) fn ends(world: &World) {
    if world.rare.clock {
        world.clock.set_wrong_by_ms(0);
    }
    let mut memory = world.store.memory();
    memory.is_full = false;
    memory.paused.clear();
}
