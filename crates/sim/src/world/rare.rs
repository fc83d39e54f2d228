//! What happens in few worlds only: a full disk, a clock that is set, bursts of refusals, pauses.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use syncline_core::{
    change::{Input, RestoreChoice, Restored, RowKey},
    error::PortError,
    name::{BindingIndex, RecordId, RunId, SystemIndex},
    plan::Class,
};
use syncline_engine::{
    account::Account,
    capture::Mode,
    desk::{Desk, Unwatched},
    read,
    reconcile::reconcile,
    recover,
};

use crate::{
    prng::Chance,
    script::Script,
    world::{
        Breach, World, is_in_flight,
        process::{follow, observe, read_whole},
        within,
    },
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
    happened(rare.house && script.processes > 1, "house");
    happened(rare.rules, "rules");
}

/// What else happens in the storm. Whether all processes were stopped for it.
pub(super) fn happens(world: &World, script: &Script, chance: &mut Chance) -> Result<bool, Breach> {
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
    // What comes back on the last day, nobody deleted.
    let is_day = !script.deeds.is_empty();
    let is_hub = rare.hub_backup && is_day && chance.percent(3) && restores_hub(world);
    if is_hub {
        relearn(world, None)?;
    }
    let restored = if rare.system_backup && is_day && chance.percent(3) {
        restores_system(world, chance)
    } else {
        None
    };
    if restored.is_some() {
        relearn(world, restored)?;
    }
    Ok(is_hub || restored.is_some())
}

/// Makes a backup of the hub, or restores the one there is. Whatever was on its way has arrived by then.
fn restores_hub(world: &World) -> bool {
    let mut memory = world.store.memory();
    if memory.is_restored {
        return false;
    }
    if memory.backup.is_none() {
        memory.backup = Some(Box::new(memory.clone()));
        return false;
    }
    world.happened.note("hub_backup");
    memory.restore()
}

/// The same for one of the systems without a log.
fn restores_system(world: &World, chance: &mut Chance) -> Option<SystemIndex> {
    let which = chance.below(world.systems.len());
    let mut state = world.systems.get(which)?.state();
    if state.class == Class::Log || state.is_restored {
        return None;
    }
    if !state.restore() {
        state.back_up();
        return None;
    }
    world.happened.note("system_backup");
    Some(SystemIndex(which as u16))
}

/// A person says what was restored, and everything is read before anything is written.
fn relearn(world: &World, system: Option<SystemIndex>) -> Result<(), Breach> {
    let mut weathers = Vec::new();
    for system in &world.systems {
        let mut state = system.state();
        state.deliver_zombies();
        weathers.push(std::mem::take(&mut state.weather));
    }
    let was_full = std::mem::take(&mut world.store.memory().is_full);
    let records: Vec<RecordId> = world.store.memory().groups.keys().copied().collect();
    let choice = RestoreChoice::Accept;
    let restored = records.into_iter().map(|record| Restored { system, record, choice });
    let inputs: Vec<Input> = restored.map(Input::Restored).collect();
    let stop = AtomicBool::new(false);
    let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(3));
    let mut doors = World::doors(&world.systems);
    within(async {
        recover::recover(&desk, &mut doors).await?;
        let decided = reconcile(&desk, &inputs, Vec::new()).await?;
        read::settle(&desk, &mut doors, decided.effects, &mut Account::default()).await?;
        if system.is_none() {
            hear_first(world).await?;
        }
        for binding in (0..world.plan.bindings.len() as u16).map(BindingIndex) {
            observe(&desk, &mut doors, &world.systems, binding, Mode::Scan).await?;
            // Who tells of changes does not tell of what the hub has forgotten.
            let system = world.plan.binding(binding).map(|found| found.system);
            if system.and_then(|it| world.systems.get(it.at())).is_some_and(|it| it.state().tells())
            {
                read_whole(&desk, &mut doors, binding).await?;
            }
        }
        Ok(())
    })?;
    for (system, weather) in world.systems.iter().zip(weathers) {
        system.state().weather = weather;
    }
    world.store.memory().is_full = was_full;
    Ok(())
}

/// All logs are heard for the first time: of what the hub has made and forgotten the originals speak. From where
/// anything was left for later, they are heard again: until nothing is left, or nothing more is learnt by it.
async fn hear_first(world: &World) -> Result<(), PortError> {
    let stop = AtomicBool::new(false);
    let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(3));
    let desk = desk.relearning();
    let mut doors = World::doors(&world.systems);
    let mut known = world.store.memory().checkpoints.clone();
    known.retain(|stream, _| stream.starts_with("log:"));
    let mut left = usize::MAX;
    loop {
        let mut put_off = 0;
        for (system, index) in world.systems.iter().zip(0u16..) {
            if system.state().class == Class::Log {
                put_off += follow(&desk, &mut doors, system, SystemIndex(index)).await?;
            }
        }
        let mut memory = world.store.memory();
        memory.checkpoints.retain(|stream, _| !stream.starts_with("log:"));
        memory.checkpoints.extend(known.clone());
        if put_off == 0 || put_off >= left {
            return Ok(());
        }
        left = put_off;
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
    let wrong_by = if is_back { -wrong_by } else { wrong_by };
    // Who sets a clock right that was behind sets it ahead, too.
    if wrong_by > world.clock.wrong_by_ms() {
        let zombies = world.systems.iter().any(|system| system.state().has_zombies());
        let is_decided = world.store.memory().under_way > 0;
        if zombies || is_decided || is_in_flight(world) || is_untold(world) {
            return;
        }
    }
    world.say(|| format!("  the hub's clock is wrong by {wrong_by} ms"));
    world.clock.set_wrong_by_ms(wrong_by);
    world.happened.note("clock");
}

/// Whether nobody has seen yet what became of a write whose answer was lost: that is under way, too.
fn is_untold(world: &World) -> bool {
    let memory = world.store.memory();
    let mut parts = memory.groups.values().flat_map(|group| group.parts().map(|(_, part)| part));
    parts.any(|part| part.links.iter().any(|link| !link.unresolved.is_empty()))
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
        // What waits by the clock that was ahead waits so much longer.
        world.clock.pass_ms(AHEAD_MAX_MS as i64);
    }
    let mut memory = world.store.memory();
    memory.is_full = false;
    memory.paused.clear();
}
