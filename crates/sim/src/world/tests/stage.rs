//! A world in calm weather, told step by step.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use syncline_core::{
    change::RowKey,
    error::PortError,
    name::{BindingIndex, EntityIndex, FieldIndex, RunId, SystemIndex},
    plan::{Class, DeleteConflict, Plan, Policy},
    value::Value,
};
use syncline_engine::{
    apply::{Chooses, Everything},
    capture::Mode,
    desk::{Desk, Unwatched},
    hear::{Gathered, Rows},
    pass::{self, Allow, Errand, Passed, live},
    preview::{self, Operation},
    recover,
};

use crate::{
    checks,
    draft::{self, Draft, Extras},
    script::Script,
    store::MemoryStore,
    system::Weather,
    world::{World, through},
};

pub(super) const NAME: FieldIndex = FieldIndex(1);
pub(super) const PHONE: FieldIndex = FieldIndex(2);

/// What a pass is asked to do, as far as tests differ.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) mode: Mode,
    pub(super) allow: Allow,
    /// A system that cannot be reached.
    pub(super) away: Option<usize>,
}

pub(super) const SCAN: Ask = Ask {
    mode: Mode::Scan,
    allow: Allow { deletes: false, updates: false, approved: Vec::new() },
    away: None,
};
pub(super) const POLL: Ask = Ask {
    mode: Mode::Poll,
    allow: Allow { deletes: false, updates: false, approved: Vec::new() },
    away: None,
};

/// A world in calm weather.
pub(super) struct Stage(pub(super) World);

impl Stage {
    pub(super) fn of(classes: &[Class]) -> Self {
        Self::with(classes, |_| {})
    }

    /// With a plan that differs from the usual one.
    pub(super) fn with(classes: &[Class], change: impl FnOnce(&mut Plan)) -> Self {
        let script = Script {
            draft: Draft {
                classes: classes.to_vec(),
                policy: Policy::Priority,
                delete_conflict: DeleteConflict::Priority,
                orders: false,
                extras: Extras::default(),
            },
            weather: Weather::default(),
            capitals: None,
            ..Script::plain(1)
        };
        let mut plan = draft::plan(&script.draft);
        change(&mut plan);
        Self(World::of(plan, &script, false))
    }

    /// The same systems, seen by another hub with another plan.
    pub(super) fn beside(&self, hub: u64, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = (*self.0.plan).clone();
        change(&mut plan);
        let store = MemoryStore::default();
        store.memory().hub = hub;
        Self(World {
            plan: plan.into(),
            systems: self.0.systems.clone(),
            store,
            clock: self.0.clock.clone(),
            rare: self.0.rare,
            turns: Arc::default(),
            happened: self.0.happened.clone(),
            trace: false,
        })
    }

    fn binding(&self, system: usize) -> BindingIndex {
        self.0.plan.binding_of(EntityIndex(0), SystemIndex(system as u16)).unwrap()
    }

    /// Somebody creates contacts with these numbers.
    pub(super) fn create(&self, system: usize, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            let texts = [format!("e{number}"), format!("n{number}"), format!("p{number}")];
            let values = texts.iter().map(Value::text).collect();
            let mut state = self.0.systems[system].state();
            state.create(self.binding(system), values).expect("a new e-mail");
        }
    }

    /// The row of the contact with this number.
    fn key(&self, system: usize, number: u32) -> RowKey {
        let email = Value::text(format!("e{number}"));
        let state = self.0.systems[system].state();
        let mut rows = state.tables[&self.binding(system)].rows.iter();
        rows.find(|(_, row)| row.values[0] == email).expect("the contact").0.clone()
    }

    /// Somebody edits a field of the contact with this number.
    pub(super) fn edit(&self, system: usize, number: u32, field: FieldIndex, value: &str) {
        let key = self.key(system, number);
        let mut state = self.0.systems[system].state();
        assert!(state.edit(self.binding(system), &key, field, Value::text(value)));
    }

    /// The same, in a transaction that began so many changes ago.
    pub(super) fn edit_late(&self, system: usize, number: u32, value: &str, back: u64) {
        let key = self.key(system, number);
        let mut state = self.0.systems[system].state();
        state.edit_late(self.binding(system), &key, PHONE, Value::text(value), back);
    }

    /// Somebody deletes the contact with this number.
    pub(super) fn delete(&self, system: usize, number: u32) {
        let key = self.key(system, number);
        assert!(self.0.systems[system].state().delete(self.binding(system), &key));
    }

    /// What a system shows: `e1 n1 p1`, in order.
    pub(super) fn rows(&self, system: usize) -> Vec<String> {
        let state = self.0.systems[system].state();
        let mut rows: Vec<String> = state.tables[&self.binding(system)]
            .rows
            .values()
            .map(|row| row.values.iter().map(Value::to_string).collect::<Vec<_>>().join(" "))
            .collect();
        rows.sort();
        rows
    }

    /// What was written to each system since the last time that somebody asked.
    pub(super) fn written(&self) -> Vec<u64> {
        self.0.systems.iter().map(|system| std::mem::take(&mut system.state().written)).collect()
    }

    /// One pass.
    pub(super) fn pass(&self, ask: &Ask) -> Passed {
        self.try_pass(ask, &Everything).unwrap()
    }

    pub(super) fn try_pass(&self, ask: &Ask, chooses: &dyn Chooses) -> Result<Passed, PortError> {
        through(self.errand(ask, chooses))
    }

    /// A process that does one pass, to be polled, and killed.
    pub(super) async fn errand(
        &self,
        ask: &Ask,
        chooses: &dyn Chooses,
    ) -> Result<Passed, PortError> {
        let world = &self.0;
        let stop = AtomicBool::new(false);
        let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(1));
        let mut doors = World::doors(&world.systems);
        if let Some(away) = ask.away {
            doors[away] = None;
        }
        recover::recover(&desk, &mut doors).await?;
        let modes =
            (0..world.plan.bindings.len()).map(|at| (BindingIndex(at as u16), ask.mode)).collect();
        let errand = Errand {
            entities: vec![(EntityIndex(0), RunId(1))],
            modes,
            allow: ask.allow.clone(),
            chooses,
            closed: Vec::new(),
        };
        pass::run(&desk, &mut doors, &errand).await
    }

    /// One of several workers of a process reads every system whole, and writes nothing.
    pub(super) async fn read_whole(&self) -> Result<Passed, PortError> {
        let world = &self.0;
        let stop = AtomicBool::new(false);
        let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(1))
            .beside(Some(&world.turns));
        let all = (0..world.plan.bindings.len()).map(|at| (BindingIndex(at as u16), Mode::Scan));
        let errand = Errand {
            entities: vec![(EntityIndex(0), RunId(1))],
            modes: all.collect(),
            allow: Allow::default(),
            chooses: &Everything,
            closed: Vec::new(),
        };
        pass::observe_all(&desk, &mut World::doors(&world.systems), &errand).await
    }

    /// Another is told that this contact changed. Gives what he must be told of again.
    pub(super) async fn hear(&self, system: usize, rows: Rows) -> Result<Rows, PortError> {
        let world = &self.0;
        let stop = AtomicBool::new(false);
        let desk = Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, &stop, RunId(2))
            .beside(Some(&world.turns));
        let errand = Errand {
            entities: vec![(EntityIndex(0), RunId(2))],
            modes: BTreeMap::new(),
            allow: Allow::default(),
            chooses: &Everything,
            closed: Vec::new(),
        };
        let mut doors = World::doors(&world.systems[..=system]);
        let gathered = Gathered { rows, ..Gathered::default() };
        let dealt = live::hear(&desk, &mut doors, &errand, gathered).await?;
        for report in &dealt.passed.entities {
            checks::conserved(&report.account)?;
        }
        Ok(dealt.later)
    }

    /// A change of the contact with this number, as a listener tells of it.
    pub(super) fn told(&self, system: usize, number: u32) -> Rows {
        BTreeMap::from([(self.binding(system), BTreeMap::from([(self.key(system, number), 1)]))])
    }

    /// Two more passes write nothing.
    #[track_caller]
    pub(super) fn at_rest(&self) {
        self.written();
        self.pass(&SCAN);
        self.pass(&SCAN);
        assert_eq!(self.written().iter().sum::<u64>(), 0, "two further passes write nothing");
    }

    /// What a pass would write, seen in a copy of the hub.
    pub(super) fn plan(&self) -> Vec<Operation> {
        let world = &self.0;
        let store = world.store.copy();
        let stop = AtomicBool::new(false);
        let desk = Desk::new(&world.plan, &store, &*world.clock, &Unwatched, &stop, RunId(1));
        let mut doors = World::doors(&world.systems);
        let errand = Errand {
            entities: vec![(EntityIndex(0), RunId(1))],
            modes: BTreeMap::new(),
            allow: Allow::default(),
            chooses: &Everything,
            closed: Vec::new(),
        };
        through(async {
            pass::observe_all(&desk, &mut doors, &errand).await.unwrap();
            let mut planned = Vec::new();
            for system in 0..world.systems.len() as u16 {
                let system = SystemIndex(system);
                let (page, _) =
                    preview::page(&desk, EntityIndex(0), system, None, 100).await.unwrap();
                planned.extend(page);
            }
            planned
        })
    }
}
