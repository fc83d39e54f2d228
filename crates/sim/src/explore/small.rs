//! A small world at one moment, and everything that can happen to it next.
//!
//! Where the big worlds draw one order of events, here every order is one of the [`Event`]s that
//! [`Small::events`] lists. Messages are on their way for as long as one likes: what a system was
//! asked to do and has not done (`Flying::Write`, `Flying::Reads`), and what it has answered
//! and the hub has not heard (`Flying::Answer`, `Flying::Shown`).

use syncline_core::{
    change::{Input, Observed, Order, WriteGroup},
    commit::Behind,
    name::{
        BindingIndex, EntityIndex, FieldIndex, IntentId, OperationId, RecordId, SystemIndex,
        Timestamp,
    },
    plan::{Class, Plan},
};
use syncline_ports::source::KeyRead;

use crate::{
    draft::names,
    explore::{
        Unfit,
        configurations::{Budget, Configuration, Start},
    },
    store::Memory,
    system::{SimState, SimSystem, Table},
};

/// Contacts, with an e-mail address that is the match key.
const CONTACTS: EntityIndex = EntityIndex(0);

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) enum Flying {
    /// Rows to be written; the system has not done it yet.
    Write { system: SystemIndex, group: WriteGroup },
    /// Rows to be read by key, and inputs that wait for what they show.
    Reads {
        reads: Vec<(BindingIndex, KeyRead)>,
        marks: Vec<(RecordId, BindingIndex, Vec<IntentId>)>,
        again: Vec<Input>,
    },
    /// What a system said; the hub has not heard it yet.
    Answer(Vec<Input>),
    /// A whole table as somebody looked at it.
    Shown { binding: BindingIndex, rows: Vec<Observed>, began: OperationId },
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A user of this system writes a new value into this field.
    Edit(usize, FieldIndex),
    /// A user of this system counts one more.
    Count(usize),
    /// A user of this system makes an active contact inactive, or the other way round.
    Toggle(usize),
    /// A user of this system deletes the row.
    Delete(usize),
    /// A user of this system creates a row.
    Create(usize),
    /// The next entry of this system's log is heard.
    Hear(usize),
    /// Somebody looks at all rows of this system, which shows something new.
    Look(usize),
    /// Somebody looks at it although it shows nothing new: when it is heard, that may have changed.
    Glance(usize),
    /// The system does what this message asks for.
    Serve(usize),
    /// The hub hears what this message says.
    Arrive(usize),
    /// What this message asks for goes wrong.
    Fail(usize, Fate),
    /// What was delayed is done after all.
    Land(usize),
    /// What this record needs in this system is planned.
    Plan(usize),
    /// Rows that must be read again are asked for.
    Reread,
    /// The process dies, and comes back.
    Crash,
    /// The log of this system is heard again from its beginning.
    Rewind(usize),
    /// Six minutes pass. Nobody waits for an answer so long, and no log is unheard so long.
    Wait,
}

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The system does it, and the answer is lost.
    Lost,
    /// The system refuses: nothing happened.
    Refused,
    /// Nobody answers; the system may still do it later.
    Slow,
}

/// A world at one moment.
#[derive(Clone)]
pub struct Small<'a> {
    pub(crate) plan: &'a Plan,
    /// What the record is: a contact or a stock.
    pub(crate) entity: EntityIndex,
    pub(crate) systems: Vec<SimState>,
    pub(crate) hub: Memory,
    /// How much of each log was heard.
    pub(crate) heard: Vec<usize>,
    pub(crate) flying: Vec<Flying>,
    pub(crate) now: Timestamp,
    /// What may still happen.
    pub(crate) budget: Budget,
    /// Deeds of users so far.
    pub(crate) edits: u64,
    /// Faults so far.
    pub(crate) faults: u64,
}

impl<'a> Small<'a> {
    /// The world in which this configuration begins.
    ///
    /// # Errors
    /// If not even the beginning comes to rest.
    pub fn new(plan: &'a Plan, configuration: &Configuration) -> Result<Self, Unfit> {
        let stock = plan.entity_named(names::STOCK).filter(|_| configuration.deeds.counts);
        let entity = stock.unwrap_or(CONTACTS);
        let systems = configuration.classes.iter().zip(0u64..).map(|(class, index)| {
            let first_key = (index as i64 + 1) * 1_000;
            let own = SystemIndex(index as u16);
            let system = SimSystem::new(*class, first_key, index + 1);
            let mut state = system.state().clone();
            if let Some(binding) = plan.binding_of(entity, own) {
                let width = plan.entity(entity).map_or(0, |entity| entity.fields.len());
                let capitals = configuration.capitals == Some(usize::from(own.0));
                let table = Table {
                    width,
                    unique: vec![FieldIndex(0)],
                    capitals: capitals.then_some(FieldIndex(1)),
                    ..Table::default()
                };
                state.tables.insert(binding, table);
            }
            state
        });
        let mut small = Self {
            plan,
            entity,
            systems: systems.collect(),
            hub: Memory::default(),
            heard: vec![0; configuration.classes.len()],
            flying: Vec::new(),
            now: Timestamp(1_000_000),
            budget: Budget::default(),
            edits: 0,
            faults: 0,
        };
        if configuration.start == Start::Linked {
            small.happen(Event::Create(0))?;
            small.rest()?;
            small.forget_the_past();
        }
        small.budget = configuration.budget;
        Ok(small)
    }

    /// The record was always there: nobody counts how it came.
    fn forget_the_past(&mut self) {
        (self.edits, self.faults) = (0, 0);
        for system in &mut self.systems {
            system.written = 0;
            system.replaced.clear();
        }
    }

    /// Everything that can happen now. Faults and deeds of people only as far as the budget allows.
    pub fn events(&self, configuration: &Configuration) -> Vec<Event> {
        let mut events = self.work();
        let mut faults = |left: u8, event: Event| {
            if left > 0 {
                events.push(event);
            }
        };
        for (at, flying) in self.flying.iter().enumerate() {
            if let Flying::Write { .. } = flying {
                faults(self.budget.lost, Event::Fail(at, Fate::Lost));
                faults(self.budget.refused, Event::Fail(at, Fate::Refused));
                faults(self.budget.slow, Event::Fail(at, Fate::Slow));
            }
        }
        for (at, system) in self.systems.iter().enumerate() {
            if system.class != Class::Log && !self.is_looking(at) && !self.has_news(at) {
                faults(self.budget.looks, Event::Glance(at));
            }
        }
        for (at, system) in self.systems.iter().enumerate() {
            if system.has_zombies() {
                events.push(Event::Land(at));
            }
        }
        if self.budget.crash > 0 {
            events.push(Event::Crash);
        }
        for (at, system) in self.systems.iter().enumerate() {
            if self.budget.rewind > 0 && system.class == Class::Log && self.heard_of(at) > 0 {
                events.push(Event::Rewind(at));
            }
        }
        if self.budget.edits > 0 {
            for at in 0..self.systems.len() {
                if self.row(at).is_none() {
                    if configuration.deeds.creates {
                        events.push(Event::Create(at));
                    }
                    continue;
                }
                let fields = configuration.deeds.fields.iter().map(|field| FieldIndex(*field));
                events.extend(fields.map(|field| Event::Edit(at, field)));
                let deeds = configuration.deeds;
                let others = [
                    (deeds.deletes, Event::Delete(at)),
                    (deeds.counts, Event::Count(at)),
                    (deeds.toggles, Event::Toggle(at)),
                ];
                events.extend(others.iter().filter(|(does, _)| *does).map(|(_, event)| *event));
            }
        }
        events
    }

    /// What happens without people and faults, if one waits long enough.
    fn work(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        // What is read by key is read and heard in the order of the questions.
        let mut is_reading = self.flying.iter().any(says_what_was_read);
        for (at, flying) in self.flying.iter().enumerate() {
            match flying {
                Flying::Write { .. } => events.push(Event::Serve(at)),
                Flying::Reads { .. } => {
                    events.extend((!is_reading).then_some(Event::Serve(at)));
                    is_reading = true;
                }
                Flying::Answer(_) | Flying::Shown { .. } => events.push(Event::Arrive(at)),
            }
        }
        for (at, system) in self.systems.iter().enumerate() {
            if system.class == Class::Log {
                if self.heard_of(at) < system.log_length() {
                    events.push(Event::Hear(at));
                }
            } else if !self.is_looking(at) && self.has_news(at) {
                events.push(Event::Look(at));
            }
        }
        let waits = self.behind().filter(|(_, behind)| !behind.parked);
        let (due, later): (Vec<_>, Vec<_>) =
            waits.partition(|(_, behind)| behind.not_before.is_none_or(|time| time <= self.now));
        for at in 0..self.systems.len() {
            if due.iter().any(|(_, behind)| behind.system.at() == at) {
                events.push(Event::Plan(at));
            }
        }
        let is_asked = (0..self.systems.len()).any(|at| self.is_reading(at));
        if !self.to_be_read().is_empty() && !is_asked {
            events.push(Event::Reread);
        }
        // Answers come or are given up, and logs are heard, within the hub's patience: that is what
        // it rests on.
        let is_heard = |at: &usize| {
            let length = self.systems.get(*at).map_or(0, SimState::log_length);
            self.heard_of(*at) >= length
        };
        let is_calm = self.flying.is_empty() && (0..self.systems.len()).all(|at| is_heard(&at));
        if !later.is_empty() && is_calm {
            events.push(Event::Wait);
        }
        events
    }

    /// Whether nothing happens any more without people and faults.
    ///
    /// # Errors
    /// A defect of the explorer or of the core.
    pub fn is_at_rest(&self) -> Result<bool, Unfit> {
        if !self.work().is_empty() {
            return Ok(false);
        }
        let mut looked = self.clone();
        looked.look_around()?;
        Ok(looked.digest() == self.digest())
    }

    /// Looks at every system that has no log, and hears at once what it shows.
    fn look_around(&mut self) -> Result<(), Unfit> {
        for at in 0..self.systems.len() {
            if self.systems.get(at).is_some_and(|system| system.class != Class::Log) {
                self.happen(Event::Look(at))?;
                self.happen(Event::Arrive(self.flying.len() - 1))?;
            }
        }
        Ok(())
    }

    /// Lets everything happen that needs neither people nor faults.
    ///
    /// # Errors
    /// If it never ends.
    fn rest(&mut self) -> Result<(), Unfit> {
        for _ in 0..1_000 {
            if self.is_at_rest()? {
                return Ok(());
            }
            match self.work().first() {
                Some(event) => self.happen(*event)?,
                None => self.look_around()?,
            }
        }
        Err(Unfit::Endless)
    }

    pub(super) fn behind(&self) -> impl Iterator<Item = (RecordId, &Behind)> {
        let indices = self.hub.indices.iter();
        indices.flat_map(|(record, index)| index.behind.iter().map(|behind| (*record, behind)))
    }

    pub(super) fn to_be_read(&self) -> Vec<(BindingIndex, syncline_core::change::RowKey)> {
        let rows = self.hub.indices.values().flat_map(|index| &index.rows);
        rows.filter(|row| row.must_read).map(|row| (row.binding, row.key.clone())).collect()
    }

    /// Whether rows of this system are being read by key: nobody looks at it meanwhile.
    fn is_reading(&self, at: usize) -> bool {
        let own = self.binding(at);
        self.flying.iter().any(|flying| match flying {
            Flying::Reads { reads, marks, .. } => {
                reads.iter().any(|(of, _)| Some(*of) == own)
                    || marks.iter().any(|(_, of, _)| Some(*of) == own)
            }
            Flying::Answer(inputs) => inputs.iter().any(
                |input| matches!(input, Input::ReadDone { binding, .. } if Some(*binding) == own),
            ),
            Flying::Write { .. } | Flying::Shown { .. } => false,
        })
    }

    fn is_looking(&self, at: usize) -> bool {
        let own = self.binding(at);
        let shows = |flying: &Flying| matches!(flying, Flying::Shown { binding, .. } if Some(*binding) == own);
        self.is_reading(at) || self.flying.iter().any(shows)
    }

    /// Whether this system shows anything but what the hub last saw there.
    fn has_news(&self, at: usize) -> bool {
        let (Some(binding), Some(system)) = (self.binding(at), self.systems.get(at)) else {
            return false;
        };
        let known = self
            .hub
            .rows
            .iter()
            .filter(|((of, _), known)| *of == binding && known.digest.is_some());
        let keys = system.keys(binding);
        known.count() != keys.len()
            || keys.into_iter().any(|key| {
                let shown = system.observe(binding, &key);
                let version = shown.order.and_then(Order::version);
                let shown = shown.row.map(|row| row.digest_at(version));
                let known = self.hub.rows.get(&(binding, key));
                known.and_then(|known| known.digest) != shown
            })
    }

    pub(super) fn heard_of(&self, at: usize) -> usize {
        self.heard.get(at).copied().unwrap_or(0)
    }

    pub(crate) fn binding(&self, at: usize) -> Option<BindingIndex> {
        self.plan.binding_of(self.entity, SystemIndex(at as u16))
    }

    /// The key of the first row of this system.
    pub(super) fn row(&self, at: usize) -> Option<syncline_core::change::RowKey> {
        let table = self.systems.get(at)?.tables.get(&self.binding(at)?)?;
        table.rows.keys().next().cloned()
    }
}

fn says_what_was_read(flying: &Flying) -> bool {
    match flying {
        Flying::Answer(inputs) => {
            let read =
                |input: &Input| matches!(input, Input::ReadDone { .. } | Input::MarksRead { .. });
            inputs.iter().any(read)
        }
        Flying::Write { .. } | Flying::Reads { .. } | Flying::Shown { .. } => false,
    }
}
