//! A simulated system: tables, users, triggers, marks, a log, and bad weather on the way to it.
//!
//! One type plays all capability classes of `correctness.md` 1.4: what differs is what it shows
//! (a log, versions, nothing) and what it accepts as a precondition.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use syncline_core::{
    Text,
    change::{MarkFate, Observed, Order, Outcome, Row, RowKey, RowWrite, Token, WriteGroup},
    name::{BindingIndex, FieldIndex, IntentId, Timestamp},
    plan::Class,
    value::{Slot, Value},
};

use crate::{
    prng::Chance,
    rare::{Happened, Rare},
    system::doors::Disturbance,
};

pub mod doors;
pub mod unasked;
mod users;
mod write;

/// How long a request may still arrive after its sender gave up: less than the hub waits.
pub(crate) const REQUEST_LIFE_MS: i64 = 240_000;

/// A row, as the system keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimRow {
    /// Native atoms, by field.
    pub values: Vec<Value>,
    /// The system's change counter when the row last changed: its version.
    pub version: u64,
    /// The poll cursor: the counter when the transaction began that changed the row. Several rows
    /// may have the same, and a row that is committed late shows one that polls have passed.
    pub stamp: u64,
    /// When it last changed, by the system's clock.
    pub changed_at: Timestamp,
    /// For a row of a list: the row that it belongs to.
    pub parent: Option<RowKey>,
    /// The user who changed it last, where the system says so.
    pub by: Option<Text>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Rows by key.
    pub rows: BTreeMap<RowKey, SimRow>,
    /// How many fields a row has.
    pub width: usize,
    /// The field that is the key of its rows; otherwise the system numbers them.
    pub key_field: Option<FieldIndex>,
    /// A number whose row is gone is given again: the next one is one more than the highest there is.
    pub reuses_keys: bool,
    /// Columns whose values may occur once.
    pub unique: Vec<FieldIndex>,
    /// Values that a column does not take.
    pub refuses: Vec<(FieldIndex, Value)>,
    /// The column that this system writes in capitals, whatever it is given.
    pub capitals: Option<FieldIndex>,
    /// A reference: this column holds keys of that table.
    pub foreign: Option<(FieldIndex, BindingIndex)>,
    /// Its rows belong to rows of that table.
    pub list_of: Option<BindingIndex>,
}

/// A change in the log.
#[derive(Clone, Debug)]
struct LogEntry {
    observed: Observed,
}

/// What the weather does to calls, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// The call is refused; nothing happened.
    pub refused: u32,
    /// The work is done, and the answer is lost.
    pub lost: u32,
    /// The work is done much later, although nobody waits for it any more.
    pub zombie: u32,
    /// A scan stops in the middle; of some of the rows asked for by key nothing is said.
    pub cut: u32,
    /// A process dies at an await.
    pub crash: u32,
    /// A user's transaction is committed long after it began.
    pub late: u32,
    /// A request reaches a system without marks twice.
    pub twice: u32,
}

impl Weather {
    /// Nothing is refused, lost, late or cut.
    pub fn is_calm(&self) -> bool {
        *self == Self::default()
    }
}

/// How far a late commit's stamp may lie behind: what polls read again.
pub const OVERLAP: u64 = 8;

/// The state of a system.
#[derive(Clone, Debug)]
pub struct SimState {
    /// What it can do.
    pub class: Class,
    /// Its tables.
    pub tables: BTreeMap<BindingIndex, Table>,
    /// Counts changes.
    pub changes: u64,
    /// The number of the next row.
    pub next_key: i64,
    /// The number of the first row.
    first_key: i64,
    /// Keys that rows were given.
    given: BTreeSet<(BindingIndex, i64)>,
    /// How often a write of ours took away what nobody can read.
    pub unread: u64,
    /// Keys of rows that the hub has seen go.
    pub known_gone: BTreeSet<(BindingIndex, RowKey)>,
    /// Somebody follows its log: nobody else does.
    pub is_followed: bool,
    /// The table of marks.
    pub(crate) marks: BTreeMap<IntentId, MarkFate>,
    /// The keys that rows of ours were given.
    pub(crate) made: BTreeMap<IntentId, RowKey>,
    log: Vec<LogEntry>,
    /// Which rows have changed, in order, where the system tells that.
    told: Vec<(BindingIndex, RowKey)>,
    /// A guard held what was told: only a comparison finds it again.
    pub(crate) must_compare: bool,
    /// Writes still on their way although the caller gave up, and the version of each row when they were sent.
    pub(crate) zombies: Vec<(Timestamp, WriteGroup, Vec<Option<u64>>)>,
    /// Texts that a write brought which came after others had changed its row, and changed it back (ABA): who
    /// compares values, as class D does, takes it for one of its own time.
    pub(crate) outdated: BTreeSet<String>,
    /// How the weather is.
    pub weather: Weather,
    /// What happens to the next write.
    pub disturbance: Option<Disturbance>,
    chance: Chance,
    /// How far its clock is ahead.
    pub ahead_ms: i64,
    /// The time, set by the world.
    pub now: Timestamp,
    /// Rows written by the hub: what the checks count.
    pub written: u64,
    /// Values that a hub write replaced: what the checks look up.
    pub replaced: Vec<String>,
    /// Rows that its own users created, changed and deleted.
    pub edits: u64,
    /// Every text that its users wrote, in small letters.
    pub typed: BTreeSet<String>,
    /// Every text that it ever showed, in small letters.
    pub shown: BTreeSet<String>,
    /// Rows that the hub made without the row that they refer to.
    pub orphans: u64,
    /// Rows that were written although a rule forbids it.
    pub forbidden: u64,
    /// What its users counted, by the name of the stock.
    pub counted: BTreeMap<String, i64>,
    /// Calls that the weather disturbed.
    pub faults: u64,
    /// What a user saw when he wrote a value: by the value, in small letters.
    pub seen: BTreeMap<String, String>,
    /// A program that writes this field in capitals or in small letters, after others have.
    pub program: Option<(BindingIndex, FieldIndex, bool)>,
    /// Rows that the program has not looked at since others wrote them.
    fresh: BTreeSet<RowKey>,
    /// What it tells of its changes by itself, if it does.
    pub payloads: Option<Vec<Observed>>,
    /// What few worlds have.
    pub rare: Rare,
    /// What of it has happened.
    pub happened: Happened,
    /// What a copy shows that lags behind.
    copy: Option<BTreeMap<BindingIndex, Table>>,
    /// An older state of itself.
    backup: Option<Backup>,
    /// It was restored.
    pub is_restored: bool,
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
            first_key,
            given: BTreeSet::new(),
            unread: 0,
            known_gone: BTreeSet::new(),
            is_followed: false,
            marks: BTreeMap::new(),
            made: BTreeMap::new(),
            told: Vec::new(),
            must_compare: false,
            log: Vec::new(),
            zombies: Vec::new(),
            outdated: BTreeSet::new(),
            weather: Weather::default(),
            disturbance: None,
            chance: Chance::new(seed),
            ahead_ms: 0,
            now: Timestamp(0),
            written: 0,
            replaced: Vec::new(),
            edits: 0,
            typed: BTreeSet::new(),
            shown: BTreeSet::new(),
            orphans: 0,
            forbidden: 0,
            counted: BTreeMap::new(),
            faults: 0,
            seen: BTreeMap::new(),
            program: None,
            fresh: BTreeSet::new(),
            payloads: None,
            rare: Rare::default(),
            happened: Happened::default(),
            copy: None,
            backup: None,
            is_restored: false,
            snapshots: BTreeMap::new(),
        })))
    }

    /// Looks into the system.
    pub fn state(&self) -> MutexGuard<'_, SimState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a system was, once.
#[derive(Clone, Debug)]
struct Backup {
    tables: BTreeMap<BindingIndex, Table>,
    marks: BTreeMap<IntentId, MarkFate>,
    made: BTreeMap<IntentId, RowKey>,
    changes: u64,
}

/// What becomes of a row.
struct Put {
    values: Vec<Value>,
    parent: Option<RowKey>,
    mark: Option<IntentId>,
    /// How many changes ago its transaction began.
    back: u64,
    /// Somebody typed it.
    typed: bool,
}

/// A whole number, if it is one.
pub fn whole(value: &Value) -> Option<i64> {
    value.to_string().parse().ok()
}

fn number(key: i64) -> RowKey {
    RowKey::new([&Value::int(key)])
}

impl SimState {
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

    /// Whether it tells which rows change.
    pub fn tells(&self) -> bool {
        self.rare.ears && !matches!(self.class, Class::Log | Class::Blind)
    }

    /// Which rows have changed, from this change on.
    pub fn told_from(&self, from: usize, limit: usize) -> Vec<(BindingIndex, RowKey)> {
        self.told.iter().skip(from).take(limit).cloned().collect()
    }

    /// How many changes the log has.
    pub fn log_length(&self) -> usize {
        self.log.len()
    }

    /// A write stays on its way although nobody waits for it any more.
    pub(crate) fn delay(&mut self, group: WriteGroup) {
        let versions = self.versions(&group);
        self.zombies.push((self.now, group, versions));
    }

    fn versions(&self, group: &WriteGroup) -> Vec<Option<u64>> {
        let version = |write: &RowWrite| {
            let row = self.tables.get(&write.binding)?.rows.get(write.key.as_ref()?)?;
            Some(row.version)
        };
        group.writes.iter().map(version).collect()
    }

    /// Whether a write on its way can still arrive.
    pub(crate) fn has_zombies(&self) -> bool {
        self.zombies.iter().any(|(sent, ..)| self.now <= sent.plus_ms(REQUEST_LIFE_MS))
    }

    /// Writes on their way arrive after all.
    pub fn deliver_zombies(&mut self) {
        for (sent, group, versions) in std::mem::take(&mut self.zombies) {
            // No request lives for ever: that is what the hub's patience rests on.
            if self.now > sent.plus_ms(REQUEST_LIFE_MS) {
                continue;
            }
            let is_outdated = self.versions(&group) != versions;
            let outcomes = self.apply_group(&group);
            let is_made = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Applied { .. });
            if self.class == Class::Plain && is_outdated && outcomes.iter().all(is_made) {
                let set = group.writes.iter().flat_map(|write| &write.set);
                self.outdated.extend(set.map(|(_, value)| value.to_string().to_lowercase()));
            }
        }
    }

    fn put(&mut self, binding: BindingIndex, key: &RowKey, put: Put) {
        let Put { mut values, parent, mark, back, typed } = put;
        self.changes += 1;
        // Who works with a system that says who does: two people, by turns.
        let user = if self.changes.is_multiple_of(2) { "ann" } else { "bob" };
        let by = (typed && self.rare.limits).then(|| Text::from(user));
        let (version, changed_at) = (self.changes, self.now.plus_ms(self.ahead_ms));
        if let Some(table) = self.tables.get_mut(&binding) {
            if let Some(Value::Text(text)) =
                table.capitals.and_then(|field| values.get_mut(field.at()))
            {
                *text = Text::new(text.to_uppercase());
            }
            self.shown.extend(values.iter().map(|value| value.to_string().to_lowercase()));
            let stamp = version.saturating_sub(back);
            let row = SimRow { values, version, stamp, changed_at, parent, by };
            table.rows.insert(key.clone(), row);
        }
        let row = self.observe(binding, key);
        self.publish(row.clone());
        self.record(binding, key, Some(row), mark);
    }

    fn record(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        shown: Option<Observed>,
        mark: Option<IntentId>,
    ) {
        if self.tells() {
            self.told.push((binding, key.clone()));
        }
        if self.class != Class::Log {
            return;
        }
        let order = Order::Log { epoch: 0, major: self.log.len() as u128 + 1, minor: 0 };
        let observed = Observed {
            binding,
            key: key.clone(),
            parent: shown.as_ref().and_then(|shown| shown.parent.clone()),
            actor: shown.as_ref().and_then(|shown| shown.actor.clone()),
            row: shown.and_then(|shown| shown.row),
            order: Some(order),
            token: None,
            changed_at: Some(self.now.plus_ms(self.ahead_ms)),
            mark,
            transaction: mark.map(|mark| Text::new(mark.to_string())),
        };
        self.log.push(LogEntry { observed });
    }

    fn clash(
        &self,
        binding: BindingIndex,
        values: &[Value],
        parent: Option<&RowKey>,
        own: Option<&RowKey>,
    ) -> Option<RowKey> {
        let table = self.tables.get(&binding)?;
        table.unique.iter().find_map(|field| {
            let wanted = values.get(field.at()).filter(|value| !value.is_null())?;
            table
                .rows
                .iter()
                .find(|(key, row)| {
                    Some(*key) != own
                        && row.parent.as_ref() == parent
                        && row.values.get(field.at()) == Some(wanted)
                })
                .map(|(key, _)| key.clone())
        })
    }

    fn is_referred_to(&self, binding: BindingIndex, key: &RowKey) -> bool {
        let values = key.values();
        let Some(wanted) = values.first() else { return false };
        self.tables.values().any(|table| {
            let owns = table.list_of == Some(binding)
                && table.rows.values().any(|row| row.parent.as_ref() == Some(key));
            owns || table.foreign.is_some_and(|(field, to)| {
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

    pub(crate) fn observe(&self, binding: BindingIndex, key: &RowKey) -> Observed {
        let row = self.tables.get(&binding).and_then(|table| table.rows.get(key));
        let versioned = self.class == Class::Versioned;
        Observed {
            binding,
            key: key.clone(),
            row: row.map(|row| Row(row.values.iter().cloned().map(Slot::Present).collect())),
            parent: row.and_then(|row| row.parent.clone()),
            order: row.filter(|_| versioned).map(|row| Order::Version(u128::from(row.version))),
            token: row.filter(|_| versioned).map(|row| Token(row.version.to_be_bytes().to_vec())),
            changed_at: row.map(|row| row.changed_at),
            actor: row.and_then(|row| row.by.clone()),
            mark: None,
            transaction: None,
        }
    }
}
