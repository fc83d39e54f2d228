//! A simulated system: tables, users, triggers, marks, a log, and bad weather on the way to it.
//!
//! One type plays all capability classes of `correctness.md` 1.4: what differs is what it shows
//! (a log, versions, nothing) and what it accepts as a precondition.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{
        Expected, MarkFate, Observed, Order, Outcome, Position, ReadResult, Row, RowKey, RowWrite,
        Token, WriteGroup, WriteKind,
    },
    error::{ErrorKind, PortError},
    name::{BindingIndex, FieldIndex, IntentId, Timestamp},
    plan::Class,
    value::{Slot, Value},
};
use syncline_ports::{
    source::{Batch, KeyAnswer, Limit, ReadRequest, Source, Then},
    target::Target,
};

use crate::{moment::moment, prng::Chance};

/// How long a request may still arrive after its sender gave up: less than the hub waits.
const REQUEST_LIFE_MS: i64 = 240_000;

/// A row, as the system keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimRow {
    /// Native atoms, by field.
    pub values: Vec<Value>,
    /// The system's change counter when the row last changed: its version, and its poll cursor.
    pub version: u64,
    /// When it last changed, by the system's clock.
    pub changed_at: Timestamp,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Rows by key.
    pub rows: BTreeMap<RowKey, SimRow>,
    /// How many fields a row has.
    pub width: usize,
    /// Columns whose values may occur once.
    pub unique: Vec<FieldIndex>,
    /// The column that this system writes in capitals, whatever it is given.
    pub capitals: Option<FieldIndex>,
    /// A reference: this column holds keys of that table.
    pub foreign: Option<(FieldIndex, BindingIndex)>,
}

/// A change in the log.
#[derive(Clone, Debug)]
struct LogEntry {
    observed: Observed,
}

/// What the weather does to calls, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// The call is refused; nothing happened.
    pub refused: u32,
    /// The work is done, and the answer is lost.
    pub lost: u32,
    /// The work is done much later, although nobody waits for it any more.
    pub zombie: u32,
    /// A scan stops in the middle.
    pub cut: u32,
    /// A process dies at an await.
    pub crash: u32,
}

/// The state of a system.
#[derive(Debug)]
pub struct SimState {
    /// What it can do.
    pub class: Class,
    /// Its tables.
    pub tables: BTreeMap<BindingIndex, Table>,
    /// Counts changes.
    pub changes: u64,
    /// The number of the next row.
    pub next_key: i64,
    /// The table of marks.
    marks: BTreeMap<IntentId, MarkFate>,
    log: Vec<LogEntry>,
    /// Writes still on their way although the caller gave up.
    zombies: Vec<(Timestamp, WriteGroup)>,
    /// How the weather is.
    pub weather: Weather,
    chance: Chance,
    /// How far its clock is ahead.
    pub ahead_ms: i64,
    /// The time, set by the world.
    pub now: Timestamp,
    /// Rows written by the hub: what the checks count.
    pub written: u64,
    /// Values that a hub write replaced: what the checks look up.
    pub replaced: Vec<String>,
    /// Snapshots of scans under way, by position.
    snapshots: BTreeMap<BindingIndex, Vec<Observed>>,
}

/// A simulated system, shared by its ports and its users.
#[derive(Clone, Debug)]
pub struct SimSystem(Arc<Mutex<SimState>>);

impl SimSystem {
    /// An empty system.
    pub fn new(class: Class, first_key: i64, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SimState {
            class,
            tables: BTreeMap::new(),
            changes: 0,
            next_key: first_key,
            marks: BTreeMap::new(),
            log: Vec::new(),
            zombies: Vec::new(),
            weather: Weather::default(),
            chance: Chance::new(seed),
            ahead_ms: 0,
            now: Timestamp(0),
            written: 0,
            replaced: Vec::new(),
            snapshots: BTreeMap::new(),
        })))
    }

    /// Looks into the system.
    pub fn state(&self) -> MutexGuard<'_, SimState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(key: i64) -> RowKey {
    RowKey::new([&Value::int(key)])
}

impl SimState {
    /// A user creates a row. `None` if a unique value is taken.
    pub fn create(&mut self, binding: BindingIndex, values: Vec<Value>) -> Option<RowKey> {
        let key = number(self.next_key);
        if self.clash(binding, &values, None).is_some() {
            return None;
        }
        self.next_key += 1;
        self.put(binding, &key, values, None);
        Some(key)
    }

    /// A user changes one field. Whether it could be done.
    pub fn edit(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        field: FieldIndex,
        value: Value,
    ) -> bool {
        let row = self.tables.get(&binding).and_then(|table| table.rows.get(key));
        let Some(mut values) = row.map(|row| row.values.clone()) else { return false };
        if let Some(place) = values.get_mut(field.at()) {
            *place = value;
        }
        if self.clash(binding, &values, Some(key)).is_some() {
            return false;
        }
        self.put(binding, key, values, None);
        true
    }

    /// A user deletes a row. Whether it could be done.
    pub fn delete(&mut self, binding: BindingIndex, key: &RowKey) -> bool {
        if self.is_referred_to(binding, key) {
            return false;
        }
        let gone = self.tables.get_mut(&binding).and_then(|table| table.rows.remove(key)).is_some();
        if gone {
            self.changes += 1;
            self.record(binding, key, None, None);
        }
        gone
    }

    /// Keys of a table's rows.
    pub fn keys(&self, binding: BindingIndex) -> Vec<RowKey> {
        self.tables
            .get(&binding)
            .map(|table| table.rows.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The log from this entry on (class A).
    pub fn log_from(&self, from: usize, limit: usize) -> Vec<Observed> {
        self.log.iter().skip(from).take(limit).map(|entry| entry.observed.clone()).collect()
    }

    /// Writes on their way arrive after all.
    pub fn deliver_zombies(&mut self) {
        for (sent, group) in std::mem::take(&mut self.zombies) {
            // No request lives for ever: that is what the hub's patience rests on.
            if self.now <= sent.plus_ms(REQUEST_LIFE_MS) {
                self.apply_group(&group);
            }
        }
    }

    fn put(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        mut values: Vec<Value>,
        mark: Option<IntentId>,
    ) {
        self.changes += 1;
        let (version, changed_at) = (self.changes, self.now.plus_ms(self.ahead_ms));
        if let Some(table) = self.tables.get_mut(&binding) {
            if let Some(Value::Text(text)) =
                table.capitals.and_then(|field| values.get_mut(field.at()))
            {
                *text = Text::new(text.to_uppercase());
            }
            table.rows.insert(key.clone(), SimRow { values, version, changed_at });
        }
        let row = self.observe(binding, key);
        self.record(binding, key, row.row, mark);
    }

    fn record(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        row: Option<Row>,
        mark: Option<IntentId>,
    ) {
        if self.class != Class::Log {
            return;
        }
        let order = Order::Log { epoch: 0, major: self.log.len() as u128 + 1, minor: 0 };
        let observed = Observed {
            binding,
            key: key.clone(),
            row,
            parent: None,
            order: Some(order),
            token: None,
            changed_at: Some(self.now.plus_ms(self.ahead_ms)),
            actor: None,
            mark,
            transaction: mark.map(|mark| Text::new(mark.to_string())),
        };
        self.log.push(LogEntry { observed });
    }

    fn clash(
        &self,
        binding: BindingIndex,
        values: &[Value],
        own: Option<&RowKey>,
    ) -> Option<RowKey> {
        let table = self.tables.get(&binding)?;
        table.unique.iter().find_map(|field| {
            let wanted = values.get(field.at()).filter(|value| !value.is_null())?;
            table
                .rows
                .iter()
                .find(|(key, row)| Some(*key) != own && row.values.get(field.at()) == Some(wanted))
                .map(|(key, _)| key.clone())
        })
    }

    fn is_referred_to(&self, binding: BindingIndex, key: &RowKey) -> bool {
        let values = key.values();
        let Some(wanted) = values.first() else { return false };
        self.tables.values().any(|table| {
            table.foreign.is_some_and(|(field, to)| {
                to == binding
                    && table.rows.values().any(|row| row.values.get(field.at()) == Some(wanted))
            })
        })
    }

    fn parent_is_there(&self, binding: BindingIndex, values: &[Value]) -> bool {
        let Some(table) = self.tables.get(&binding) else { return true };
        let Some((field, to)) = table.foreign else { return true };
        match values.get(field.at()) {
            None | Some(Value::Null) => true,
            Some(value) => self
                .tables
                .get(&to)
                .is_some_and(|parent| parent.rows.contains_key(&RowKey::new([value]))),
        }
    }

    fn observe(&self, binding: BindingIndex, key: &RowKey) -> Observed {
        let row = self.tables.get(&binding).and_then(|table| table.rows.get(key));
        let versioned = self.class == Class::Versioned;
        Observed {
            binding,
            key: key.clone(),
            row: row.map(|row| Row(row.values.iter().cloned().map(Slot::Present).collect())),
            parent: None,
            order: row.filter(|_| versioned).map(|row| Order::Version(u128::from(row.version))),
            token: row.filter(|_| versioned).map(|row| Token(row.version.to_be_bytes().to_vec())),
            changed_at: row.map(|row| row.changed_at),
            actor: None,
            mark: None,
            transaction: None,
        }
    }

    fn apply_group(&mut self, group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
        let before =
            (self.tables.clone(), self.changes, self.log.len(), self.marks.clone(), self.next_key);
        let counted = (self.written, self.replaced.len());
        if group.park {
            self.park(group);
        }
        let mut outcomes: Vec<(IntentId, Outcome)> = Vec::new();
        for write in &group.writes {
            let outcome = self.apply_row(write);
            let refused = !matches!(outcome, Outcome::Applied { .. });
            outcomes.push((write.intent, outcome));
            if refused {
                (self.tables, self.changes, _, self.marks, self.next_key) = before;
                self.log.truncate(before.2);
                self.written = counted.0;
                self.replaced.truncate(counted.1);
                let refused = write.intent;
                return group
                    .writes
                    .iter()
                    .map(|write| {
                        let own = outcomes
                            .iter()
                            .find(|(intent, _)| *intent == write.intent && *intent == refused);
                        own.cloned().unwrap_or((write.intent, Outcome::Sibling))
                    })
                    .collect();
            }
        }
        outcomes
    }

    /// Unique values that the members exchange among themselves are put out of the way.
    fn park(&mut self, group: &WriteGroup) {
        for write in group.writes.iter().filter(|write| write.kind == WriteKind::Update) {
            let Some(table) = self.tables.get_mut(&write.binding) else { continue };
            let unique: BTreeSet<FieldIndex> = table.unique.iter().copied().collect();
            let Some(row) = write.key.as_ref().and_then(|key| table.rows.get_mut(key)) else {
                continue;
            };
            let held = Expected::Fields(
                write
                    .set
                    .iter()
                    .filter_map(|(field, _)| Some((*field, row.values.get(field.at())?.clone())))
                    .collect(),
            );
            if write.expect != held && !matches!(&write.expect, Expected::Fields(_)) {
                continue;
            }
            for (field, _) in write.set.iter().filter(|(field, _)| unique.contains(field)) {
                // The precondition is judged on what was there before the parking.
                if let (Some(place), Expected::Fields(expected)) =
                    (row.values.get_mut(field.at()), &write.expect)
                    && expected.iter().any(|(other, value)| other == field && value == place)
                {
                    *place = Value::text(format!("parked {}", write.intent));
                }
            }
        }
    }

    fn apply_row(&mut self, write: &RowWrite) -> Outcome {
        let marked = matches!(self.class, Class::Marked | Class::Log);
        if marked && self.marks.contains_key(&write.intent) {
            return Outcome::Retry { reason: "the mark is taken".into() };
        }
        let current = write.key.as_ref().and_then(|key| {
            let table = self.tables.get(&write.binding)?;
            table.rows.get(key).map(|row| row.values.clone())
        });
        // Also who cannot be told what to find does not make a row of an update.
        let is_gone = write.kind == WriteKind::Update && current.is_none();
        if is_gone || (self.class != Class::Blind && !self.holds(write, current.as_deref())) {
            let observed = write.key.as_ref().map(|key| self.observe(write.binding, key));
            let (row, token) =
                observed.map_or((None, None), |observed| (observed.row, observed.token));
            return Outcome::Precondition { current: row, token };
        }
        if write.kind == WriteKind::Delete {
            return self.delete_row(write, current.as_deref(), marked);
        }
        let width = self.tables.get(&write.binding).map_or(0, |table| table.width);
        let mut values = current.clone().unwrap_or_else(|| vec![Value::Null; width]);
        for (field, value) in &write.set {
            if let Some(place) = values.get_mut(field.at()) {
                *place = value.clone();
            }
        }
        if let Some(holder) =
            self.clash(write.binding, &values, write.key.as_ref().filter(|_| current.is_some()))
        {
            return Outcome::Unique { columns: vec!["email".into()], holder: Some(holder) };
        }
        if !self.parent_is_there(write.binding, &values) {
            return Outcome::Foreign { constraint: "customer".into() };
        }
        let key = match (&write.key, write.kind) {
            (Some(key), _) => key.clone(),
            (None, _) => {
                self.next_key += 1;
                number(self.next_key - 1)
            }
        };
        self.remember_replaced(write, current.as_deref());
        if marked {
            self.marks.insert(write.intent, MarkFate::Applied);
        }
        self.put(write.binding, &key, values, marked.then_some(write.intent));
        self.written += 1;
        let post = self.observe(write.binding, &key);
        let order = match self.class {
            Class::Log => Some(Order::Log { epoch: 0, major: self.log.len() as u128, minor: 0 }),
            Class::Marked | Class::Versioned | Class::Plain | Class::Blind => post.order,
        };
        Outcome::Applied {
            key,
            post: post.row,
            token: post.token,
            order,
            transaction: marked.then(|| Text::new(write.intent.to_string())),
        }
    }

    fn delete_row(&mut self, write: &RowWrite, current: Option<&[Value]>, marked: bool) -> Outcome {
        let Some(key) = write.key.clone() else {
            return Outcome::Invalid {
                code: "write.no_key",
                reason: "a delete needs a key".into(),
            };
        };
        if current.is_some() && self.is_referred_to(write.binding, &key) {
            return Outcome::Foreign { constraint: "customer".into() };
        }
        self.remember_replaced(write, current);
        if marked {
            self.marks.insert(write.intent, MarkFate::Applied);
        }
        if let Some(table) = self.tables.get_mut(&write.binding) {
            table.rows.remove(&key);
        }
        self.changes += 1;
        self.record(write.binding, &key, None, marked.then_some(write.intent));
        self.written += 1;
        let order = (self.class == Class::Log).then_some(Order::Log {
            epoch: 0,
            major: self.log.len() as u128,
            minor: 0,
        });
        Outcome::Applied { key, post: None, token: None, order, transaction: None }
    }

    fn holds(&self, write: &RowWrite, current: Option<&[Value]>) -> bool {
        let token_holds = match (&write.token, write.key.as_ref()) {
            (Some(token), Some(key)) => {
                self.observe(write.binding, key).token.as_ref() == Some(token)
            }
            (Some(_), None) | (None, _) => true,
        };
        let fields_hold = match (&write.expect, current) {
            (Expected::Absent, found) => found.is_none(),
            (Expected::Fields(_), None) => false,
            (Expected::Fields(fields), Some(values)) => fields.iter().all(|(field, value)| {
                // A parked value stands for the one that was there.
                let found = values.get(field.at());
                found == Some(value)
                    || matches!(found, Some(Value::Text(text)) if text.starts_with("parked "))
            }),
        };
        token_holds && fields_hold
    }

    fn remember_replaced(&mut self, write: &RowWrite, current: Option<&[Value]>) {
        for (index, value) in current.unwrap_or_default().iter().enumerate() {
            let touched = write.kind == WriteKind::Delete
                || write.set.iter().any(|(field, new)| field.at() == index && new != value);
            if let (true, Value::Text(text)) = (touched, value)
                && !text.starts_with("parked ")
            {
                self.replaced.push(text.to_string());
            }
        }
    }
}

/// The reading door of a simulated system.
#[derive(Debug)]
pub struct SimSource(pub SimSystem);

/// The writing door of a simulated system.
#[derive(Debug)]
pub struct SimTarget(pub SimSystem);

fn refused() -> PortError {
    PortError::new(ErrorKind::Unreachable, "reach the simulated system", "bad weather")
}

#[async_trait]
impl Source for SimSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        moment().await;
        let batch = {
            let mut state = self.0.state();
            let percent = state.weather.refused;
            if state.chance.percent(percent) {
                return Err(refused());
            }
            match request {
                ReadRequest::Poll { binding, from } => state.poll(*binding, from.as_ref(), limit),
                ReadRequest::Scan { binding, after } => state.scan(*binding, after.as_ref()),
                ReadRequest::Keys { binding, keys } => state.answer(*binding, keys),
                ReadRequest::Children { .. } => Batch { then: Then::Idle, ..Batch::default() },
            }
        };
        moment().await;
        Ok(batch)
    }
}

fn at(position: Option<&Position>) -> u64 {
    let bytes = position.and_then(|position| position.0.as_slice().try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

impl SimState {
    fn poll(&mut self, binding: BindingIndex, from: Option<&Position>, limit: Limit) -> Batch {
        let from = at(from);
        let rows = self.tables.get(&binding).map(|table| &table.rows);
        let mut changed: Vec<(u64, RowKey)> = rows
            .into_iter()
            .flatten()
            .filter(|(_, row)| row.version > from)
            .map(|(key, row)| (row.version, key.clone()))
            .collect();
        changed.sort();
        let more = changed.len() > limit.rows;
        changed.truncate(limit.rows);
        let upto = changed.last().map_or(from, |(version, _)| *version);
        Batch {
            rows: changed.iter().map(|(_, key)| self.observe(binding, key)).collect(),
            upto: Some(Position(upto.to_be_bytes().to_vec())),
            then: if more { Then::More } else { Then::Idle },
            ..Batch::default()
        }
    }

    fn scan(&mut self, binding: BindingIndex, after: Option<&Position>) -> Batch {
        const PAGE: usize = 2;
        if after.is_none() {
            let keys = self.keys(binding);
            let snapshot = keys.iter().map(|key| self.observe(binding, key)).collect();
            self.snapshots.insert(binding, snapshot);
        }
        let percent = self.weather.cut;
        if after.is_some() && self.chance.percent(percent) {
            return Batch {
                then: Then::ScanIncomplete { reason: "the connection was cut".into() },
                ..Batch::default()
            };
        }
        let snapshot = self.snapshots.get(&binding).cloned().unwrap_or_default();
        let from = at(after) as usize;
        let rows: Vec<Observed> = snapshot.iter().skip(from).take(PAGE).cloned().collect();
        let upto = from + rows.len();
        if upto >= snapshot.len() {
            return Batch {
                rows,
                upto: None,
                then: Then::ScanComplete { rows: snapshot.len() as u64 },
                ..Batch::default()
            };
        }
        Batch {
            rows,
            upto: Some(Position((upto as u64).to_be_bytes().to_vec())),
            then: Then::More,
            ..Batch::default()
        }
    }

    fn answer(&mut self, binding: BindingIndex, keys: &[syncline_ports::source::KeyRead]) -> Batch {
        let mut answers = Vec::new();
        for read in keys {
            let mut marks = Vec::new();
            if matches!(self.class, Class::Marked | Class::Log) {
                for intent in &read.in_doubt {
                    marks.push((*intent, *self.marks.entry(*intent).or_insert(MarkFate::Void)));
                }
            }
            let observed = self.observe(binding, &read.key);
            let result = if observed.row.is_some() {
                ReadResult::Found(Box::new(observed))
            } else {
                ReadResult::Absent
            };
            answers.push(KeyAnswer {
                key: read.key.clone(),
                operation: read.operation,
                result,
                marks,
            });
        }
        Batch { answers, then: Then::Idle, ..Batch::default() }
    }
}

#[async_trait]
impl Target for SimTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        moment().await;
        let mut outcomes = Vec::new();
        for group in groups {
            let fate = {
                let mut state = self.0.state();
                let weather = state.weather;
                let draw = state.chance.below(100) as u32;
                if draw < weather.refused {
                    let retry = |write: &RowWrite| {
                        (write.intent, Outcome::Retry { reason: "refused".into() })
                    };
                    group.writes.iter().map(retry).collect()
                } else if draw < weather.refused + weather.zombie {
                    let sent = state.now;
                    state.zombies.push((sent, group.clone()));
                    unknown(group)
                } else {
                    let done = state.apply_group(group);
                    if draw < weather.refused + weather.zombie + weather.lost {
                        unknown(group)
                    } else {
                        done
                    }
                }
            };
            outcomes.extend(fate);
            moment().await;
        }
        outcomes
    }
}

fn unknown(group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
    let lost = |write: &RowWrite| {
        (write.intent, Outcome::Unknown { reason: "the answer was lost".into() })
    };
    group.writes.iter().map(lost).collect()
}
