//! What an event makes of a small world.

use syncline_core::{
    change::{Cycles, Effect, Input, Observed, Outcome, WriteGroup},
    group::{Group, IntentStatus},
    name::{BindingIndex, IntentId, OperationId, RecordId, SystemIndex},
    step::{self, Batch, Step},
    value::Value,
};
use syncline_ports::source::KeyRead;

use crate::{
    draft::{STATUS, STOCK_FIELDS},
    explore::{
        Unfit,
        small::{Event, Fate, Flying, Small},
    },
    system::SimState,
};

/// Everybody's e-mail address: all rows are one record's.
const EMAIL: &str = "p@example.com";
/// The status of contacts that flow.
const ACTIVE: &str = "active";
/// Longer than the hub waits for anything: for an answer, and for what may heal by itself.
const PATIENCE_MS: i64 = 6 * 60_000;
/// How often a step may ask for more.
const ROUNDS_MAX: usize = 32;

impl Small<'_> {
    /// Lets it happen.
    ///
    /// # Errors
    /// If the core asks for more and more, or a commit is refused.
    pub fn happen(&mut self, event: Event) -> Result<(), Unfit> {
        for system in &mut self.systems {
            system.now = self.now;
        }
        match event {
            Event::Edit(at, field) => {
                let value = Value::text(format!("edit {}", self.edits + 1));
                if let Some((key, binding)) = self.row(at).zip(self.binding(at)) {
                    self.deed(at, |system| system.edit(binding, &key, field, value));
                }
            }
            Event::Delete(at) => {
                if let Some((key, binding)) = self.row(at).zip(self.binding(at)) {
                    self.deed(at, |system| system.delete(binding, &key));
                }
            }
            Event::Count(at) => {
                if let Some((key, binding)) = self.row(at).zip(self.binding(at)) {
                    self.deed(at, |system| {
                        system.count(binding, &key, 1);
                        true
                    });
                }
            }
            Event::Toggle(at) => {
                if let Some((key, binding)) = self.row(at).zip(self.binding(at)) {
                    self.deed(at, |system| {
                        let is_active =
                            system.value(binding, &key, STATUS) == Some(Value::text(ACTIVE));
                        let status = if is_active { "inactive" } else { ACTIVE };
                        system.edit(binding, &key, STATUS, Value::text(status))
                    });
                }
            }
            Event::Create(at) => {
                let values = self.newborn();
                if let Some(binding) = self.binding(at) {
                    self.deed(at, |system| system.create(binding, values).is_some());
                }
            }
            Event::Hear(at) => {
                let from = self.heard_of(at);
                let heard = self.systems.get(at).map(|system| system.log_from(from, 1));
                if let Some(place) = self.heard.get_mut(at) {
                    *place += 1;
                }
                let inputs: Vec<Input> = heard.into_iter().flatten().map(Input::Change).collect();
                self.decide(&inputs)?;
            }
            Event::Look(at) | Event::Glance(at) => {
                if matches!(event, Event::Glance(_)) {
                    self.budget.looks = self.budget.looks.saturating_sub(1);
                }
                if let (Some(binding), Some(system)) = (self.binding(at), self.systems.get(at)) {
                    let keys = system.keys(binding);
                    let rows = keys.iter().map(|key| system.observe(binding, key)).collect();
                    let began = OperationId(self.hub.operation);
                    self.flying.push(Flying::Shown { binding, rows, began });
                }
            }
            Event::Serve(at) => {
                let answers = match self.flying.remove(at) {
                    Flying::Write { system, group } => self.write(system, &group),
                    Flying::Reads { reads, marks, again } => self.read(reads, marks, again),
                    Flying::Answer(inputs) => inputs,
                    Flying::Shown { .. } => Vec::new(),
                };
                self.flying.push(Flying::Answer(answers));
            }
            Event::Arrive(at) => match self.flying.remove(at) {
                Flying::Answer(inputs) => self.decide(&inputs)?,
                Flying::Shown { binding, rows, began } => self.hear_table(binding, rows, began)?,
                Flying::Write { .. } | Flying::Reads { .. } => {}
            },
            Event::Fail(at, fate) => {
                if let Flying::Write { system, group } = self.flying.remove(at) {
                    self.fail(fate, system, group);
                }
            }
            Event::Land(at) => {
                if let Some(system) = self.systems.get_mut(at) {
                    system.deliver_zombies();
                }
            }
            Event::Plan(at) => {
                let due = self.behind().filter(|(_, behind)| {
                    behind.system.at() == at
                        && !behind.parked
                        && behind.not_before.is_none_or(|time| time <= self.now)
                });
                let inputs = due.map(|(record, behind)| Input::Due {
                    record,
                    system: behind.system,
                    cycles: Cycles::Wait,
                });
                let inputs: Vec<Input> = inputs.collect();
                self.decide(&inputs)?;
            }
            Event::Reread => {
                let began = OperationId(self.hub.operation);
                let keys = self.to_be_read().into_iter();
                let inputs = keys.map(|(binding, key)| Input::Unseen { binding, key, began });
                let inputs: Vec<Input> = inputs.collect();
                self.decide(&inputs)?;
            }
            Event::Crash => self.crash()?,
            Event::Rewind(at) => {
                self.budget.rewind -= 1;
                if let Some(place) = self.heard.get_mut(at) {
                    *place = 0;
                }
            }
            Event::Wait => self.now = self.now.plus_ms(PATIENCE_MS),
        }
        Ok(())
    }

    /// The values of a new row.
    fn newborn(&self) -> Vec<Value> {
        let number = self.edits + 1;
        let width = self.plan.entity(self.entity).map_or(0, |entity| entity.fields.len());
        if width == STOCK_FIELDS.len() {
            return vec![Value::text(EMAIL), Value::int(0)];
        }
        let (name, phone) = (format!("name {number}"), format!("phone {number}"));
        let texts = [EMAIL.to_owned(), name, phone, ACTIVE.to_owned()];
        texts.into_iter().take(width).map(Value::text).collect()
    }

    fn deed(&mut self, at: usize, deed: impl FnOnce(&mut SimState) -> bool) {
        // Each deed has a time of its own.
        self.now = self.now.plus_ms(1);
        let Some(system) = self.systems.get_mut(at) else { return };
        system.now = self.now;
        if deed(system) {
            self.edits += 1;
            self.budget.edits = self.budget.edits.saturating_sub(1);
        }
    }

    fn fail(&mut self, fate: Fate, system: SystemIndex, group: WriteGroup) {
        self.faults += group.writes.len() as u64;
        let answers = group.writes.iter().map(|write| Input::WriteDone {
            record: write.record,
            intent: write.intent,
            outcome: match fate {
                Fate::Refused => Outcome::Retry { reason: "refused".into() },
                Fate::Lost | Fate::Slow => Outcome::Unknown { reason: "nobody answered".into() },
            },
        });
        let answers = Flying::Answer(answers.collect());
        match fate {
            Fate::Refused => self.budget.refused -= 1,
            Fate::Lost => {
                self.budget.lost -= 1;
                self.write(system, &group);
            }
            Fate::Slow => {
                self.budget.slow -= 1;
                if let Some(state) = self.systems.get_mut(system.at()) {
                    state.delay(group);
                }
            }
        }
        self.flying.push(answers);
    }

    /// Nothing survives but the hub and the systems; what was sent may still be done.
    fn crash(&mut self) -> Result<(), Unfit> {
        self.budget.crash -= 1;
        for flying in std::mem::take(&mut self.flying) {
            if let Flying::Write { system, group } = flying {
                self.faults += group.writes.len() as u64;
                if let Some(state) = self.systems.get_mut(system.at()) {
                    state.delay(group);
                }
            }
        }
        let sent =
            |group: &&Group| group.intents().any(|intent| intent.status == IntentStatus::Sent);
        let records = self.hub.groups.values().filter(sent).map(|group| group.id);
        let inputs: Vec<Input> = records.map(|record| Input::Recovered { record }).collect();
        self.faults += 1 + inputs.len() as u64;
        self.decide(&inputs)
    }

    /// The hub decides, and what it asks for is on its way.
    fn decide(&mut self, inputs: &[Input]) -> Result<(), Unfit> {
        if inputs.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new(inputs);
        let mut working = self.hub.load(&batch.wants(self.plan));
        for _ in 0..ROUNDS_MAX {
            match step::step(self.plan, &mut working, self.now, &mut batch) {
                Step::Need(wants) => working.absorb(self.hub.load(&wants)),
                Step::Done { commit, effects } => {
                    self.hub
                        .commit(*commit)
                        .map_err(|error| Unfit::Refused(format!("{error:?}")))?;
                    // What people would read is no part of what happens next.
                    self.hub.audit.clear();
                    self.hub.conflicts.clear();
                    self.send(effects);
                    return Ok(());
                }
            }
        }
        Err(Unfit::Endless)
    }

    fn send(&mut self, effects: Vec<Effect>) {
        let (mut reads, mut marks, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Write { system, group } => {
                    self.flying.push(Flying::Write { system, group });
                }
                Effect::Read { binding, key, operation, in_doubt } => {
                    reads.push((binding, KeyRead { key, operation, in_doubt }));
                }
                Effect::ReadMarks { record, binding, intents } => {
                    marks.push((record, binding, intents));
                }
                Effect::Again(input) => again.push(*input),
                Effect::Later { .. } | Effect::BlockedOn { .. } => {}
            }
        }
        if !reads.is_empty() || !marks.is_empty() || !again.is_empty() {
            self.flying.push(Flying::Reads { reads, marks, again });
        }
    }

    fn write(&mut self, system: SystemIndex, group: &WriteGroup) -> Vec<Input> {
        let Some(state) = self.systems.get_mut(system.at()) else { return Vec::new() };
        let outcomes = state.apply_group(group);
        let answers = group.writes.iter().zip(outcomes);
        let answers = answers.map(|(write, (intent, outcome))| Input::WriteDone {
            record: write.record,
            intent,
            outcome,
        });
        answers.collect()
    }

    fn read(
        &mut self,
        reads: Vec<(BindingIndex, KeyRead)>,
        marks: Vec<(RecordId, BindingIndex, Vec<IntentId>)>,
        again: Vec<Input>,
    ) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (record, binding, intents) in marks {
            let system = self.plan.binding(binding).map(|found| found.system);
            let state = system.and_then(|system| self.systems.get_mut(system.at()));
            let answers = state.map(|state| state.made(&intents).marks).unwrap_or_default();
            inputs.push(Input::MarksRead { record, answers });
        }
        for (binding, read) in reads {
            let system = self.plan.binding(binding).map(|found| found.system);
            let state = system.and_then(|system| self.systems.get_mut(system.at()));
            let answers = state.map(|state| state.answer(binding, &[read]).answers);
            for answer in answers.into_iter().flatten() {
                inputs.push(Input::ReadDone {
                    binding,
                    key: answer.key,
                    operation: answer.operation,
                    result: answer.result,
                    marks: answer.marks,
                });
            }
        }
        inputs.extend(again);
        inputs
    }

    /// A whole table was shown: its rows, and then the rows of the hub that are not in it.
    fn hear_table(
        &mut self,
        binding: BindingIndex,
        rows: Vec<Observed>,
        began: OperationId,
    ) -> Result<(), Unfit> {
        let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
        let rows: Vec<Input> = rows.into_iter().map(|row| Input::Polled { row, began }).collect();
        self.decide(&rows)?;
        let known = self.hub.rows.iter().filter(|((of, key), known)| {
            *of == binding && known.digest.is_some() && !keys.contains(key)
        });
        let unseen = known.map(|((_, key), _)| Input::Unseen { binding, key: key.clone(), began });
        let unseen: Vec<Input> = unseen.collect();
        self.decide(&unseen)
    }
}
