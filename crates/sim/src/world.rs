//! A world: one history from one seed. Storm first, then calm; then the checks.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll, Waker},
};

use syncline_core::{
    error::{ErrorKind, PortError},
    group::IntentStatus,
    name::{BindingIndex, EntityIndex, FieldIndex, RunId, SystemIndex},
    plan::Plan,
    value::Digest,
};
use syncline_engine::{
    apply::Everything,
    capture::Mode,
    desk::{Desk, Ports, Systems, Unwatched},
    pass::{self, Allow, Errand, Passed},
    recover,
    turns::Turns,
};

use crate::{
    checks,
    clock::SimClock,
    draft::{self, names},
    people::{self, Deed, Tables},
    prng::Chance,
    rare::{Happened, Rare},
    script::Script,
    store::MemoryStore,
    system::{
        SimSystem, Table, Weather,
        doors::{SimSource, SimTarget},
    },
    unreadable,
    world::process::{Process, observe, process},
};

mod carts;
mod outcome;
pub mod patient;
mod person;
mod process;
mod rare;
mod unusual;

pub use outcome::{Breach, Summary};

/// Everything in a world.
pub struct World {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The systems.
    pub systems: Vec<SimSystem>,
    /// The hub.
    pub store: MemoryStore,
    /// The time.
    pub clock: Arc<SimClock>,
    /// What few worlds have.
    pub rare: Rare,
    /// Whose turn it is to decide, where processes are workers of one daemon.
    pub turns: Arc<Turns>,
    /// What of it has happened.
    pub happened: Happened,
    trace: bool,
}

impl World {
    fn new(script: &Script, trace: bool) -> Self {
        let mut plan = Plan { mutant: script.mutant, ..draft::plan(&script.draft) };
        draft::rare(&mut plan, script.rare);
        Self::of(plan, script, trace)
    }

    fn of(plan: Plan, script: &Script, trace: bool) -> Self {
        let plan = Arc::new(plan);
        let store = MemoryStore::default();
        store.memory().mutant = plan.mutant;
        store.memory().crowded = script.processes > 1;
        store.memory().grace_ms = plan.entities.first().map_or(0, |it| it.delete_grace_ms);
        let happened = Happened::default();
        store.memory().happened = happened.clone();
        let mut systems = Vec::new();
        for (index, class) in script.draft.classes.iter().enumerate() {
            let first_key = (index as i64 + 1) * 1_000;
            let system = SimSystem::new(*class, first_key, script.seed ^ (index as u64 + 1));
            let own = SystemIndex(index as u16);
            for (entity, fields) in plan.entities.iter().enumerate() {
                let entity = EntityIndex(entity as u16);
                let Some(binding) = plan.binding_of(entity, own) else { continue };
                let refers = fields.fields.iter().zip(0u16..).find_map(|(field, at)| {
                    let contacts = plan.binding_of(field.reference?, own)?;
                    Some((FieldIndex(at), contacts))
                });
                let table = Table {
                    width: fields.fields.len(),
                    unique: match fields.name.as_str() {
                        names::ORDERS | names::STOCK if script.draft.extras.loose => Vec::new(),
                        _ => vec![FieldIndex(0)],
                    },
                    capitals: (script.capitals == Some(index) && entity.0 == 0)
                        .then_some(FieldIndex(1)),
                    foreign: refers,
                    list_of: fields.parent.and_then(|parent| plan.binding_of(parent, own)),
                    ..Table::default()
                };
                system.state().tables.insert(binding, table);
            }
            system.state().rare = script.rare;
            system.state().happened = happened.clone();
            unusual::equip(&system, script, &plan, own);
            systems.push(system);
        }
        let clock = Arc::new(SimClock::new());
        let turns = Arc::default();
        Self { plan, systems, store, clock, rare: script.rare, turns, happened, trace }
    }

    /// These systems and a hub that knows nothing yet.
    pub(crate) fn bare(plan: Plan, systems: Vec<SimSystem>) -> Self {
        Self {
            plan: Arc::new(plan),
            systems,
            store: MemoryStore::default(),
            clock: Arc::new(SimClock::new()),
            rare: Rare::default(),
            turns: Arc::default(),
            happened: Happened::default(),
            trace: false,
        }
    }

    /// The doors of all systems, for one process.
    pub(crate) fn doors(systems: &[SimSystem]) -> Systems {
        systems
            .iter()
            .map(|system| {
                Some(Ports {
                    source: Box::new(SimSource(system.clone())),
                    target: Box::new(SimTarget(system.clone())),
                })
            })
            .collect()
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            crate::checks::say(&text());
        }
    }

    fn turn_clock(&self) {
        self.clock.pass_ms(1_000);
        let now = self.clock.true_now();
        for system in &self.systems {
            system.state().now = now;
        }
    }

    fn do_deed(&self, at: usize, deed: &Deed, tag: u64) {
        let Some(system) = self.systems.get(at) else { return };
        let Some(tables) = Tables::of(&self.plan, SystemIndex(at as u16)) else { return };
        self.say(|| format!("  {tag}: a user of {} does {deed:?}", self.name(at)));
        people::act(system, tables, deed, tag);
    }

    /// What the hub decided, as `history` would show it, and how it sees the rows now.
    fn tell(&self) {
        let memory = self.store.memory();
        for event in &memory.audit {
            self.say(|| {
                let system = event.system.map(|system| self.name(system.at()));
                let field = event.field.map(|field| field.0);
                format!(
                    "  hub: {} {:?} field {field:?} at {system:?}: {:?} -> {:?} ({})",
                    event.record, event.kind, event.before, event.after, event.note
                )
            });
        }
        for group in memory.groups.values() {
            let exists = &group.root.exists;
            self.say(|| {
                format!(
                    "  record {} alive {} v{} rivals {:?}",
                    group.id, exists.alive, exists.version, group.rivals
                )
            });
            for link in &group.root.links {
                let values = link.shadow.as_ref().map(|row| &row.0);
                self.say(|| {
                    format!(
                        "    {} key {:?} shows {values:?} exists {} agreed {:?} {:?} must_read {} wait {} {:?} {} in doubt, parked {:?} waits for {:?} held {:?}",
                        self.name(link.system.at()),
                        link.key,
                        link.agreed_exists,
                        link.agreed,
                        link.lane,
                        link.must_read,
                        link.wait,
                        link.scope,
                        link.unresolved.len(),
                        link.parked,
                        link.waits_for,
                        link.held
                    )
                });
            }
        }
    }

    /// A digest of the hub and of all systems.
    fn digest(&self) -> Digest {
        let memory = self.store.memory();
        let mut all = format!("{:?} {:?} {:?}", memory.groups, memory.audit, memory.ledger);
        for system in &self.systems {
            let state = system.state();
            all += &format!("{:?} {}", state.tables, state.written);
        }
        Digest::of(all.as_bytes())
    }

    fn name(&self, at: usize) -> String {
        self.plan.systems.get(at).map(|system| system.name.to_string()).unwrap_or_default()
    }
}

/// Runs one history.
///
/// # Errors
/// The first promise that was broken.
pub fn run(script: &Script, trace: bool) -> Result<Summary, Breach> {
    whole_life(&World::new(script, trace), script)
}

/// Runs one history. Also returns a digest of everything that it led to: the same script, the same
/// digest.
pub fn live(script: &Script, trace: bool) -> (Result<Summary, Breach>, Digest) {
    let world = World::new(script, trace);
    let lived = whole_life(&world, script);
    (lived, world.digest())
}

/// Runs one history, and tells how often what is rare happened in it.
#[cfg(test)]
fn live_in(
    script: &Script,
) -> (Result<Summary, Breach>, std::collections::BTreeMap<&'static str, u64>) {
    let world = World::new(script, false);
    (whole_life(&world, script), world.happened.all())
}

/// From the storm to the evening of the last day.
fn whole_life(world: &World, script: &Script) -> Result<Summary, Breach> {
    let mut summary = Summary { deeds: script.deeds.len(), ..Summary::default() };
    rare::begins(world, script);
    world.say(|| {
        let extras = script.draft.extras;
        format!("systems {:?}, {extras:?}, {:?}", script.draft.classes, script.weather)
    });
    let lived = storm(world, script, &mut summary)
        .and_then(|()| calm(world, script))
        .and_then(|()| checks::at_rest(world))
        .and_then(|()| last_day(world, script, &mut summary))
        .and_then(|()| checks::whole_life(world, script, &summary));
    if lived.is_err() {
        world.tell();
    }
    summary.writes = written(world);
    lived.map(|()| summary)
}

/// Everything is deleted in one system, and may not come back from anywhere.
fn last_day(world: &World, script: &Script, summary: &mut Summary) -> Result<(), Breach> {
    let Some(at) = script.last_day else { return Ok(()) };
    let own = SystemIndex(at as u16);
    let (Some(system), Some(tables)) = (world.systems.get(at), Tables::of(&world.plan, own)) else {
        return Ok(());
    };
    world.say(|| format!("  the last day of {}", world.name(at)));
    let known = checks::undisputed(world, own);
    let deleted = people::delete_all(system, tables);
    let gone: Vec<_> = known.into_iter().filter(|(key, _)| deleted.contains(key)).collect();
    let quiet = unusual::last_day(script);
    storm(world, &quiet, summary)?;
    calm(world, &quiet)?;
    checks::at_rest(world)?;
    checks::stayed_dead(world, own, &gone)
}

fn storm(world: &World, script: &Script, summary: &mut Summary) -> Result<(), Breach> {
    let mut chance = Chance::new(script.seed ^ 0xa5a5);
    for system in &world.systems {
        system.state().weather = script.weather;
    }
    let mut processes: Vec<Process> =
        (0..script.processes).map(|_| process(world, Chance::new(chance.bits()))).collect();
    let mut deeds = script.deeds.iter().peekable();
    let mut tag = 0;
    // Where nobody crashes, processes end in order: what they have sent is answered before.
    let is_over = |turn: usize| {
        turn >= script.moves
            && (script.weather.crash > 0 || turn > 4 * script.moves || !is_in_flight(world))
    };
    for turn in (0..).take_while(|turn| !is_over(*turn)) {
        world.turn_clock();
        while let Some((_, at, deed)) = deeds.next_if(|(when, _, _)| *when <= turn) {
            tag += 1;
            world.do_deed(*at, deed, tag);
        }
        if chance.percent(5) {
            let which = chance.below(world.systems.len());
            if let Some(system) = world.systems.get(which) {
                system.state().deliver_zombies();
            }
        }
        unusual::happens(world, script, &mut chance);
        if rare::happens(world, script, &mut chance)? {
            // Nobody works on a hub, or with a system, that is restored.
            summary.crashes += processes.len();
            for running in &mut processes {
                *running = process(world, Chance::new(chance.bits()));
            }
        }
        let which = chance.below(processes.len());
        let Some(running) = processes.get_mut(which) else { continue };
        if chance.percent(script.weather.crash) {
            // Everything but the hub and the systems is gone.
            summary.crashes += 1;
            world.say(|| format!("  process {which} dies at move {turn}"));
            *running = process(world, Chance::new(chance.bits()));
        }
        match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) if error.kind == ErrorKind::DiskFull => {
                // Somebody starts it again.
                summary.crashes += 1;
                *running = process(world, Chance::new(chance.bits()));
            }
            Poll::Ready(Err(error)) => {
                return Err(Breach {
                    guarantee: "progress",
                    detail: format!("a process gave up: {error}"),
                });
            }
        }
    }
    Ok(())
}

/// Whether some write was sent and not answered.
fn is_in_flight(world: &World) -> bool {
    let memory = world.store.memory();
    let parts = memory.groups.values().flat_map(|group| group.parts().map(|(_, part)| part));
    let mut intents = parts.flat_map(|part| &part.links).flat_map(|link| &link.unresolved);
    intents.any(|intent| intent.status == IntentStatus::Sent)
}

/// No more faults and no more edits: a fresh process does full passes until nothing moves.
fn calm(world: &World, script: &Script) -> Result<(), Breach> {
    let mut chance = Chance::new(script.seed ^ 0x5a5a);
    for system in &world.systems {
        let mut state = system.state();
        state.weather = Weather::default();
        if chance.percent(50) {
            state.deliver_zombies();
        }
    }
    let cycles_max = if script.draft.extras.programs { 60 } else { 30 };
    rare::ends(world);
    let (mut idle, mut rest) = (0, checks::Rest::default());
    let mut allow = Allow::default();
    for _ in 0..cycles_max {
        // Time heals: what waits for its next attempt gets it.
        world.clock.pass_ms(600_000);
        world.turn_clock();
        let before = written(world);
        let passed = settle(world, &allow)?;
        allow = person::approvals(world, &passed, &allow)?;
        let answered = answer_all(world, &mut chance)?;
        for system in &world.systems {
            system.state().deliver_zombies();
            system.state().run_program();
        }
        let is_idle = written(world) == before && !answered && allow == Allow::default();
        idle = if is_idle { idle + 1 } else { 0 };
        rest.look(world, idle)?;
        // Two cycles without a write, the second of them after a full comparison: at rest.
        if idle == 3 {
            if !unusual::rests(world)? && !unreadable::mend(world)? {
                return Ok(());
            }
            idle = 0;
        }
    }
    Err(Breach {
        guarantee: "quiescence",
        detail: format!("still writing after {cycles_max} full passes"),
    })
}

fn written(world: &World) -> u64 {
    world.systems.iter().map(|system| system.state().written).sum()
}

/// Everything that waits for an answer gets one. Whether anything did.
fn answer_all(world: &World, chance: &mut Chance) -> Result<bool, Breach> {
    if !person::is_asked(&world.plan) && !world.rare.limits {
        return Ok(false);
    }
    let stop = AtomicBool::new(false);
    let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(3));
    let mut doors = World::doors(&world.systems);
    within(async {
        let mut answered = false;
        while person::answer(&desk, &mut doors, &world.store, chance).await? {
            answered = true;
        }
        while person::admit(&desk, &mut doors, &world.store, chance).await? {
            answered = true;
        }
        Ok(answered)
    })
}

/// One full pass, with a process of its own.
fn settle(world: &World, allow: &Allow) -> Result<Passed, Breach> {
    let stop = AtomicBool::new(false);
    let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(2));
    let mut doors = World::doors(&world.systems);
    let entities: Vec<(EntityIndex, RunId)> = (0..world.plan.entities.len() as u16)
        .map(|entity| (EntityIndex(entity), RunId(2)))
        .collect();
    within(async {
        recover::recover(&desk, &mut doors).await?;
        for (binding, found) in world.plan.bindings.iter().enumerate() {
            if unusual::is_told(world, found.system) {
                let binding = BindingIndex(binding as u16);
                observe(&desk, &mut doors, &world.systems, binding, Mode::Scan).await?;
            }
        }
        let modes = world
            .plan
            .bindings
            .iter()
            .enumerate()
            .filter(|(_, found)| unusual::is_told(world, found.system))
            .map(|(binding, found)| {
                (BindingIndex(binding as u16), unusual::mode(world, found.system))
            })
            .collect();
        let errand = Errand {
            entities,
            modes,
            allow: allow.clone(),
            chooses: &Everything,
            closed: Vec::new(),
        };
        pass::run(&desk, &mut doors, &errand).await
    })
}

/// How many moments a full pass in calm weather may take at the most: more is no work any more.
const MOMENTS_MAX: usize = 50_000;

/// Polls a future to its end, unless it has none.
fn within<T>(future: impl Future<Output = Result<T, PortError>>) -> Result<T, Breach> {
    let mut future = pin!(future);
    for _ in 0..MOMENTS_MAX {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result
                .map_err(|error| Breach { guarantee: "progress", detail: error.to_string() });
        }
    }
    let detail = "a pass in calm weather does not end".into();
    Err(Breach { guarantee: "quiescence", detail })
}

/// Polls a future to its end: in calm weather nobody else moves.
pub fn through<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

#[cfg(test)]
mod tests;
