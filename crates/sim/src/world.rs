//! A world: one history from one seed. Storm first, then calm; then the checks.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll, Waker},
};

use syncline_core::{
    change::Input,
    commit::Checkpoint,
    error::PortError,
    name::{BindingIndex, EntityIndex, FieldIndex, RunId, SystemIndex},
    plan::{Class, Plan},
};
use syncline_engine::{
    account::Account,
    apply::{self, Everything, Kinds},
    capture::{self, Absences, Mode},
    desk::{Desk, Ports, Systems, Unwatched},
    pass::{self, Errand},
    reconcile::reconcile,
    recover,
};
use syncline_ports::clock::Clock;

use crate::{
    checks,
    clock::SimClock,
    draft::{self},
    moment::moment,
    people::{self, Deed},
    prng::Chance,
    script::Script,
    store::MemoryStore,
    system::{
        SimSystem, Table, Weather,
        doors::{SimSource, SimTarget},
    },
};

/// A history that broke a promise.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The guarantee, as `docs/guarantees.md` names it.
    pub guarantee: &'static str,
    /// What was seen.
    pub detail: String,
}

/// What a history came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Deeds of people.
    pub deeds: usize,
    /// Rows written by the hub.
    pub writes: u64,
    /// Processes that died.
    pub crashes: usize,
}

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
    trace: bool,
}

impl World {
    fn new(script: &Script, trace: bool) -> Self {
        Self::of(draft::plan(&script.draft), script, trace)
    }

    fn of(plan: Plan, script: &Script, trace: bool) -> Self {
        let plan = Arc::new(plan);
        let mut systems = Vec::new();
        for (index, class) in script.draft.classes.iter().enumerate() {
            let first_key = (index as i64 + 1) * 1_000;
            let system = SimSystem::new(*class, first_key, script.seed ^ (index as u64 + 1));
            let own = SystemIndex(index as u16);
            for (entity, fields) in plan.entities.iter().enumerate() {
                let entity = EntityIndex(entity as u16);
                let Some(binding) = plan.binding_of(entity, own) else { continue };
                let contacts = plan.binding_of(EntityIndex(0), own);
                let table = Table {
                    width: fields.fields.len(),
                    unique: vec![FieldIndex(0)],
                    capitals: (script.capitals == Some(index) && entity.0 == 0)
                        .then_some(FieldIndex(1)),
                    foreign: contacts
                        .filter(|_| entity.0 == 1)
                        .map(|contacts| (FieldIndex(1), contacts)),
                    ..Table::default()
                };
                system.state().tables.insert(binding, table);
            }
            systems.push(system);
        }
        Self {
            plan,
            systems,
            store: MemoryStore::default(),
            clock: Arc::new(SimClock::new()),
            trace,
        }
    }

    /// The doors of all systems, for one process.
    fn doors(systems: &[SimSystem]) -> Systems {
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
        let now = self.clock.now();
        for system in &self.systems {
            system.state().now = now;
        }
    }

    fn do_deed(&self, at: usize, deed: &Deed, tag: u64) {
        let Some(system) = self.systems.get(at) else { return };
        let own = SystemIndex(at as u16);
        let Some(contacts) = self.plan.binding_of(EntityIndex(0), own) else { return };
        let orders = self.plan.binding_of(EntityIndex(1), own);
        self.say(|| format!("  {tag}: a user of {} does {deed:?}", self.name(at)));
        people::act(system, contacts, orders, deed, tag);
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
                format!("  record {} alive {} v{}", group.id, exists.alive, exists.version)
            });
            for link in &group.root.links {
                let values = link.shadow.as_ref().map(|row| &row.0);
                self.say(|| {
                    format!(
                        "    {} key {:?} shows {values:?} agreed {:?} {:?} must_read {} wait {} {:?} {} in doubt, parked {:?} waits for {:?} held {:?}",
                        self.name(link.system.at()),
                        link.key,
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

    fn name(&self, at: usize) -> String {
        self.plan.systems.get(at).map(|system| system.name.to_string()).unwrap_or_default()
    }
}

type Process = Pin<Box<dyn Future<Output = Result<(), PortError>>>>;

/// Works on the hub for ever, in an order drawn from its own chance.
fn process(world: &World, mut chance: Chance) -> Process {
    let (plan, systems, store, clock) =
        (world.plan.clone(), world.systems.clone(), world.store.clone(), world.clock.clone());
    Box::pin(async move {
        let stop = AtomicBool::new(false);
        let desk = Desk::new(&plan, &store, &*clock, &Unwatched, &stop, RunId(1));
        let mut doors = World::doors(&systems);
        recover::recover(&desk, &mut doors).await?;
        loop {
            // With nothing to do, it still gives way.
            moment().await;
            let entity = EntityIndex(chance.below(plan.entities.len()) as u16);
            let system = SystemIndex(chance.below(plan.systems.len()) as u16);
            let Some(binding) = plan.binding_of(entity, system) else { continue };
            if chance.percent(50) {
                let mode = if chance.percent(70) { Mode::Poll } else { Mode::Scan };
                // A system that refuses is asked again later: nothing else to do about it.
                let _refusal = observe(&desk, &mut doors, &systems, binding, mode).await;
            } else {
                let class = plan.system(system).map(|system| system.class);
                if class == Some(Class::Log) {
                    // Who writes to a system with a log follows the log: it tells the fate of writes.
                    let _refusal = observe(&desk, &mut doors, &systems, binding, Mode::Poll).await;
                }
                let kinds = if chance.percent(70) { Kinds::Puts } else { Kinds::Deletes };
                apply::apply(&desk, &mut doors, entity, system, kinds, &Everything).await?;
            }
        }
    })
}

/// Reads a binding, or the log of its system.
async fn observe(
    desk: &Desk<'_>,
    doors: &mut Systems,
    systems: &[SimSystem],
    binding: BindingIndex,
    mode: Mode,
) -> Result<(), PortError> {
    let Some(system) = desk.plan.binding(binding).map(|found| found.system) else { return Ok(()) };
    let Some(sim) = systems.get(system.at()) else { return Ok(()) };
    if sim.state().class != Class::Log {
        let captured = capture::capture(desk, doors, binding, mode, Absences::Guarded).await?;
        return checks::conserved(&captured);
    }
    let stream = format!("log:{}", system.0);
    loop {
        let from = desk.store.checkpoint(&stream).await?;
        let at = from.and_then(|position| position.0.try_into().ok()).map_or(0, u64::from_be_bytes);
        let entries = sim.state().log_from(at as usize, 3);
        if entries.is_empty() {
            return Ok(());
        }
        let upto = at + entries.len() as u64;
        let inputs: Vec<Input> = entries.into_iter().map(Input::Change).collect();
        let position = syncline_core::change::Position(upto.to_be_bytes().to_vec());
        let checkpoint = Checkpoint { stream: stream.as_str().into(), position };
        let decided = reconcile(desk, &inputs, vec![checkpoint]).await?;
        let mut account = Account { ledger: decided.ledger, ..Account::default() };
        syncline_engine::read::settle(desk, doors, decided.effects, &mut account).await?;
    }
}

/// Runs one history.
///
/// # Errors
/// The first promise that was broken.
pub fn run(script: &Script, trace: bool) -> Result<Summary, Breach> {
    let world = World::new(script, trace);
    let mut summary = Summary { deeds: script.deeds.len(), ..Summary::default() };
    world.say(|| format!("systems {:?}, {:?}", script.draft.classes, script.weather));
    let lived = storm(&world, script, &mut summary)
        .and_then(|()| calm(&world, script))
        .and_then(|()| checks::at_rest(&world));
    if lived.is_err() {
        world.tell();
    }
    lived?;
    summary.writes = world.systems.iter().map(|system| system.state().written).sum();
    Ok(summary)
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
    for now in 0..script.moves {
        world.turn_clock();
        while let Some((_, at, deed)) = deeds.next_if(|(when, _, _)| *when <= now) {
            tag += 1;
            world.do_deed(*at, deed, tag);
        }
        if chance.percent(5) {
            let which = chance.below(world.systems.len());
            if let Some(system) = world.systems.get(which) {
                system.state().deliver_zombies();
            }
        }
        let which = chance.below(processes.len());
        let Some(running) = processes.get_mut(which) else { continue };
        if chance.percent(script.weather.crash) {
            // Everything but the hub and the systems is gone.
            summary.crashes += 1;
            world.say(|| format!("  process {which} dies at move {now}"));
            *running = process(world, Chance::new(chance.bits()));
        }
        match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {}
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
    let cycles_max = 30;
    let mut idle = 0;
    for _ in 0..cycles_max {
        // Time heals: what waits for its next attempt gets it.
        world.clock.pass_ms(600_000);
        world.turn_clock();
        let before = written(world);
        settle(world)?;
        for system in &world.systems {
            system.state().deliver_zombies();
        }
        idle = if written(world) == before { idle + 1 } else { 0 };
        // Two cycles without a write, the second of them after a full comparison: at rest.
        if idle == 3 {
            return Ok(());
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

/// One full pass, with a process of its own.
fn settle(world: &World) -> Result<(), Breach> {
    let stop = AtomicBool::new(false);
    let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(2));
    let mut doors = World::doors(&world.systems);
    let entities: Vec<(EntityIndex, RunId)> = (0..world.plan.entities.len() as u16)
        .map(|entity| (EntityIndex(entity), RunId(2)))
        .collect();
    let result = through(async {
        recover::recover(&desk, &mut doors).await?;
        for (binding, found) in world.plan.bindings.iter().enumerate() {
            if world.plan.system(found.system).is_some_and(|system| system.class == Class::Log) {
                let binding = BindingIndex(binding as u16);
                observe(&desk, &mut doors, &world.systems, binding, Mode::Scan).await?;
            }
        }
        let modes = world
            .plan
            .bindings
            .iter()
            .enumerate()
            .filter(|(_, found)| {
                world.plan.system(found.system).is_some_and(|system| system.class == Class::Log)
            })
            .map(|(binding, _)| (BindingIndex(binding as u16), Mode::Poll))
            .collect();
        let errand = Errand {
            entities,
            modes,
            allow: pass::Allow::default(),
            chooses: &Everything,
            closed: Vec::new(),
        };
        pass::run(&desk, &mut doors, &errand).await.map(drop)
    });
    result.map_err(|error| Breach { guarantee: "progress", detail: error.to_string() })
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
