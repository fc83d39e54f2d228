//! A toy world around `step`: tables that people edit, a store, and an executor of effects.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Text,
    change::{
        Command, Cycles, Drifted, Effect, Expected, Input, MarkAnswer, MarkFate, Observed, Order,
        Outcome, PartKey, ReadResult, Row, RowKey, RowWrite, Token, WriteGroup, WriteKind,
    },
    commit::{
        AuditEvent, AuditKind, Commit, ConflictChange, Disposition, GroupIndex, KnownRow, Ledger,
        QuarantineChange, Settled, Subject, Wants, Working,
    },
    group::{Author, Candidate, Group, Link},
    label::Label,
    lens::{FieldType, Lens},
    name::{
        BindingIndex, EntityIndex, FieldIndex, IntentId, OperationId, RecordId, Revision,
        SystemIndex, Timestamp,
    },
    need::reference_key,
    plan::{
        Binding, Cell, Class, DeleteConflict, DeletePolicy, Entity, Field, Guards, MatchRule,
        OnLeave, OnParentDelete, OnTargetEdit, Place, Plan, Policy, Schedule, System, TableSpec,
    },
    step::{Batch, Step, step},
    tally::{Counted, Tally},
    value::{Digest, Slot, Value},
};

/// A row of a table, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) row: Row,
    pub(super) at: Timestamp,
    pub(super) parent: Option<RowKey>,
    /// Who says the system changed it.
    pub(super) by: Option<Text>,
}

/// What happens to writes of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Weather {
    #[default]
    Calm,
    /// The write is made, its answer is lost.
    AnswerLost,
    /// The write is not made, and nobody knows.
    WriteLost,
}

/// What a system makes of a value that it is given.
pub(super) type Rewrite = fn(&Value) -> Value;

/// A toy world.
#[derive(Clone)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now: Timestamp,
    tables: BTreeMap<BindingIndex, BTreeMap<RowKey, Stored>>,
    groups: BTreeMap<RecordId, Group>,
    indices: BTreeMap<RecordId, GroupIndex>,
    rows: BTreeMap<(BindingIndex, RowKey), KnownRow>,
    operation: OperationId,
    minted: u64,
    pub(super) next_key: u64,
    /// A new row takes the place of the last one that was inserted.
    pub(super) replaces: bool,
    /// The hub was restored, and learns again what it has forgotten.
    pub(super) relearns: bool,
    /// Systems that can be written at once.
    pub(super) carried_to: Vec<SystemIndex>,
    /// Every system refuses what would leave a reference without its row.
    pub(super) keeps_references: bool,
    /// Columns that are unique in every system, by field.
    pub(super) unique: Vec<FieldIndex>,
    /// Fields that a system rewrites.
    pub(super) rewrites: BTreeMap<(SystemIndex, FieldIndex), Rewrite>,
    /// Fields that a system computes itself.
    pub(super) computes: BTreeMap<(SystemIndex, FieldIndex), Value>,
    /// Values that a system refuses.
    pub(super) refuses: Vec<(SystemIndex, Value)>,
    pub(super) weather: BTreeMap<SystemIndex, Weather>,
    /// Mutating operations sent, by system.
    pub(super) writes: BTreeMap<SystemIndex, u64>,
    marks: BTreeMap<IntentId, RowKey>,
    pub(super) audit: Vec<AuditEvent>,
    pub(super) conflicts: BTreeMap<(RecordId, PartKey, Option<FieldIndex>, u64, usize), Entry>,
    pub(super) open: BTreeMap<(RecordId, PartKey, Option<FieldIndex>), Vec<Candidate>>,
    pub(super) quarantine: BTreeMap<Subject, (Text, Vec<RecordId>)>,
    awaits: BTreeMap<(BindingIndex, RowKey), (BindingIndex, RowKey)>,
    tallies: BTreeMap<Counted, Tally>,
    /// What was said of all that was ever set aside.
    pub(super) messages: Vec<Text>,
    /// Who edits, as the systems say.
    pub(super) user: Option<Text>,
    pub(super) ledger: Ledger,
    pub(super) observed: u64,
    /// Everything that may be delivered twice.
    pub(super) history: Vec<Vec<Input>>,
    /// Inserts are answered by a key of the system; otherwise key fields make the key.
    log: Vec<Observed>,
    log_at: u128,
}

/// A conflict that a rule settled.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) candidates: Vec<Candidate>,
    pub(super) winner: Author,
}

const CONTACT: [&str; 4] = ["name", "email", "phone", "status"];

pub(super) fn text(value: &str) -> Value {
    match value {
        "-" => Value::Null,
        number if number.parse::<i64>().is_ok() => Value::int(number.parse().unwrap()),
        set if set.starts_with('{') => {
            let inner = set.trim_matches(['{', '}']);
            let members = inner.split('+').filter(|member| !member.is_empty());
            Value::set(members.map(Value::text).collect())
        }
        other => Value::text(other),
    }
}

fn key(value: &str) -> RowKey {
    RowKey::new([&text(value)])
}

pub(super) fn field(name: &str) -> Field {
    Field {
        name: name.into(),
        kind: FieldType::Any,
        label: Label::Open,
        reference: None,
        from: None,
        to: None,
        policy: Policy::Priority,
        priority: None,
        compute: None,
        unit: None,
        ranks: BTreeMap::new(),
    }
}

pub(super) fn entity(name: &str, fields: &[&str], match_by: usize) -> Entity {
    Entity {
        name: name.into(),
        parent: None,
        lists: Vec::new(),
        fields: fields.iter().map(|name| field(name)).collect(),
        bindings: Vec::new(),
        matching: vec![MatchRule { fields: vec![FieldIndex(match_by as u16)] }],
        when: None,
        on_leave: OnLeave::Freeze,
        priority: Vec::new(),
        units: Vec::new(),
        deletes: DeletePolicy::Propagate,
        delete_from: None,
        delete_grace_ms: 0,
        delete_conflict: DeleteConflict::Priority,
        on_parent_delete: OnParentDelete::Wait,
        on_target_edit: OnTargetEdit::Revert,
        guards: Guards::default(),
        validate: Vec::new(),
        rekey_window_ms: None,
        schedule: Schedule::Live,
        reconcile_ms: None,
        meaning: Digest::default(),
    }
}

impl World {
    /// Systems A, B, C (as many as asked for) around contacts, matched by e-mail.
    pub(super) fn new(systems: usize) -> Self {
        Self::of(systems, vec![entity("contact", &CONTACT, 1)])
    }

    /// These entities in that many systems, each with a cell for every field.
    pub(super) fn of(systems: usize, entities: Vec<Entity>) -> Self {
        let mut plan = Plan { max_skew_ms: 300_000, ..Plan::default() };
        for name in ["A", "B", "C", "D"].iter().take(systems) {
            plan.systems.push(System {
                name: (*name).into(),
                class: Class::Plain,
                path_retries: false,
                batch: 100,
            });
        }
        let all: Vec<SystemIndex> = (0..systems as u16).map(SystemIndex).collect();
        for (mut entity, index) in entities.into_iter().zip(0u16..) {
            entity.priority = all.clone();
            for (rank, system) in all.iter().enumerate() {
                entity.bindings.push(BindingIndex(plan.bindings.len() as u16));
                let cells = entity.fields.iter().map(|field| {
                    Some(Cell {
                        place: Place::Column(field.name.clone()),
                        lens: Lens::identity(),
                        two_way: true,
                        insert_only: false,
                    })
                });
                plan.bindings.push(Binding {
                    entity: EntityIndex(index),
                    system: *system,
                    table: TableSpec::default(),
                    cells: cells.collect(),
                    when: None,
                    on_leave: entity.on_leave,
                    reads: true,
                    writes: true,
                    soft_delete: None,
                    per_user: None,
                    rank,
                });
            }
            plan.entities.push(entity);
        }
        Self {
            plan,
            now: Timestamp(1_700_000_000_000_000),
            tables: BTreeMap::new(),
            groups: BTreeMap::new(),
            indices: BTreeMap::new(),
            rows: BTreeMap::new(),
            operation: OperationId(0),
            minted: 0,
            next_key: 100,
            replaces: false,
            relearns: false,
            carried_to: Vec::new(),
            keeps_references: false,
            unique: Vec::new(),
            rewrites: BTreeMap::new(),
            computes: BTreeMap::new(),
            refuses: Vec::new(),
            weather: BTreeMap::new(),
            writes: BTreeMap::new(),
            marks: BTreeMap::new(),
            audit: Vec::new(),
            conflicts: BTreeMap::new(),
            open: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            awaits: BTreeMap::new(),
            tallies: BTreeMap::new(),
            messages: Vec::new(),
            user: None,
            ledger: Ledger::default(),
            observed: 0,
            history: Vec::new(),
            log: Vec::new(),
            log_at: 0,
        }
    }

    /// Changes the plan before anything happened.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }

    /// All systems have this class.
    pub(super) fn class(self, class: Class) -> Self {
        self.with(|plan| {
            for system in &mut plan.systems {
                system.class = class;
            }
        })
    }

    pub(super) fn system(&self, name: &str) -> SystemIndex {
        self.plan.system_named(name).unwrap()
    }

    fn binding_at(&self, place: &str) -> BindingIndex {
        let (system, entity) = place.split_once('.').unwrap_or((place, ""));
        let entity = if entity.is_empty() {
            EntityIndex(0)
        } else {
            self.plan.entity_named(entity).unwrap()
        };
        self.plan.binding_of(entity, self.system(system)).unwrap()
    }

    fn parse(&self, binding: BindingIndex, values: &str, onto: Option<&Row>) -> Row {
        let entity = self.plan.entity(self.plan.binding(binding).unwrap().entity).unwrap();
        let mut slots = onto.map_or_else(
            || vec![Slot::Present(Value::Null); entity.fields.len()],
            |row| row.0.to_vec(),
        );
        for pair in values.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            if name.starts_with('^') {
                continue;
            }
            slots[entity.field_named(name).unwrap().at()] = Slot::Present(text(value));
        }
        Row(slots.into())
    }

    /// Somebody creates a row. `^=KEY` names its parent's key.
    pub(super) fn insert(&mut self, place: &str, name: &str, values: &str) {
        let binding = self.binding_at(place);
        let row = self.parse(binding, values, None);
        let parent = values.split_whitespace().find_map(|pair| pair.strip_prefix("^=")).map(key);
        let at = self.now;
        let stored = Stored { row, at, parent, by: self.user.clone() };
        self.log(binding, &key(name), Some(&stored), None);
        self.tables.entry(binding).or_default().insert(key(name), stored);
    }

    /// A row that a hub of ours made, and has forgotten since.
    pub(super) fn insert_forgotten(&mut self, place: &str, name: &str, values: &str) {
        self.insert(place, name, values);
        if let Some(told) = self.log.last_mut() {
            told.mark = Some(IntentId(7));
        }
    }

    /// What a hub of ours wrote, and has forgotten since.
    pub(super) fn set_forgotten(&mut self, place: &str, name: &str, values: &str) {
        self.set(place, name, values);
        if let Some(told) = self.log.last_mut() {
            told.mark = Some(IntentId(7));
        }
    }

    /// Somebody edits a row.
    pub(super) fn set(&mut self, place: &str, name: &str, values: &str) {
        let binding = self.binding_at(place);
        let old = self.tables[&binding][&key(name)].clone();
        let row = self.parse(binding, values, Some(&old.row));
        let stored = Stored { row, at: self.now, parent: old.parent, by: self.user.clone() };
        self.log(binding, &key(name), Some(&stored), None);
        self.tables.entry(binding).or_default().insert(key(name), stored);
    }

    /// Somebody edits a row, so many seconds from now by the clock of the system.
    pub(super) fn set_at(&mut self, place: &str, name: &str, values: &str, seconds: i64) {
        let (binding, at) = (self.binding_at(place), self.now.plus_ms(seconds * 1_000));
        self.set(place, name, values);
        self.tables.get_mut(&binding).unwrap().get_mut(&key(name)).unwrap().at = at;
    }

    /// Somebody deletes a row, and the next poll shows it as gone: marked with a time, or without.
    pub(super) fn gone(&mut self, place: &str, name: &str, seconds: Option<i64>) {
        let binding = self.binding_at(place);
        let stored = self.tables.get_mut(&binding).unwrap().remove(&key(name)).unwrap();
        let row = Observed {
            row: None,
            changed_at: seconds.map(|seconds| self.now.plus_ms(seconds * 1_000)),
            ..shown(binding, &key(name), &stored)
        };
        let effects = self.decide(&[Input::Polled { row, began: self.operation }]);
        self.settle(effects);
    }

    /// Somebody deletes a row.
    pub(super) fn delete(&mut self, place: &str, name: &str) {
        let binding = self.binding_at(place);
        self.tables.entry(binding).or_default().remove(&key(name)).expect("a row to delete");
        self.log(binding, &key(name), None, None);
    }

    fn is_log(&self, binding: BindingIndex) -> bool {
        let system = self.plan.binding(binding).unwrap().system;
        self.plan.system(system).unwrap().class == Class::Log
    }

    fn log(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        stored: Option<&Stored>,
        mark: Option<IntentId>,
    ) {
        if !self.is_log(binding) {
            return;
        }
        self.log_at += 1;
        self.log.push(Observed {
            binding,
            key: key.clone(),
            row: stored.map(|stored| stored.row.clone()),
            parent: stored.and_then(|stored| stored.parent.clone()),
            order: Some(Order::Log { epoch: 0, major: self.log_at, minor: 0 }),
            token: None,
            changed_at: Some(self.now),
            actor: stored.and_then(|stored| stored.by.clone()),
            mark,
            transaction: Some(format!("t{}", self.log_at).into()),
        });
    }

    /// Whether somebody could edit or delete this row.
    pub(super) fn keys(&self, place: &str) -> Vec<RowKey> {
        let binding = self.binding_at(place);
        self.tables.get(&binding).map(|table| table.keys().cloned().collect()).unwrap_or_default()
    }

    /// What a system holds, in a line per row: `KEY: name email phone status`.
    pub(super) fn show(&self, place: &str) -> String {
        let binding = self.binding_at(place);
        let Some(table) = self.tables.get(&binding) else { return String::new() };
        let mut lines: Vec<String> = table
            .iter()
            .map(|(key, stored)| {
                let values: Vec<String> = stored
                    .row
                    .0
                    .iter()
                    .map(|slot| match slot {
                        Slot::Present(Value::Null) => "-".to_owned(),
                        Slot::Present(Value::Ref(_)) => "?".to_owned(),
                        Slot::Present(value) => value.to_string(),
                        Slot::Missing => "missing".to_owned(),
                        Slot::Unavailable => "unavailable".to_owned(),
                    })
                    .collect();
                let parent = stored.parent.as_ref().map(|key| format!(" ^{key}"));
                format!("{key}: {}{}", values.join(" "), parent.unwrap_or_default())
            })
            .collect();
        lines.sort();
        lines.join("\n")
    }

    /// What all systems hold, without their keys: equal strings, converged systems.
    pub(super) fn images(&self, entity: &str) -> Vec<String> {
        let entity = self.plan.entity_named(entity).unwrap();
        self.plan.entities[entity.at()]
            .bindings
            .iter()
            .map(|binding| {
                let table = self.tables.get(binding).cloned().unwrap_or_default();
                let mut rows: Vec<String> =
                    table.values().map(|stored| format!("{:?}", stored.row)).collect();
                rows.sort();
                rows.join("\n")
            })
            .collect()
    }

    // ---- the hub ----

    fn load(&self, wants: &Wants) -> Working {
        let mut working = Working {
            operation: self.operation,
            minted: self.minted,
            hub: 7,
            ..Working::default()
        };
        for record in &wants.records {
            working.groups.insert(*record, self.groups.get(record).cloned());
        }
        for place in &wants.keys {
            working.keys.insert(place.clone(), self.rows.get(place).cloned());
        }
        for wanted in &wants.matches {
            let found = self
                .indices
                .iter()
                .filter(|(record, index)| {
                    self.groups[record].entity == wanted.0
                        && index.matches.contains(&(wanted.1, wanted.2))
                })
                .map(|(record, _)| *record);
            working.matches.insert(*wanted, found.collect());
        }
        for (record, system) in &wants.row_keys {
            let row = self.groups.get(record).and_then(|group| group.root.key_in(*system)).cloned();
            working.row_keys.insert((*record, *system), row);
        }
        for counted in &wants.tallies {
            let known = self.tallies.get(counted).cloned();
            working.tallies.insert(counted.clone(), known.unwrap_or_default());
        }
        for intent in &wants.intents {
            let mut found = self
                .indices
                .iter()
                .filter(|(_, index)| index.intents.iter().any(|(_, id)| id == intent));
            working.intents.insert(*intent, found.next().map(|(record, _)| *record));
        }
        for (target, after) in &wants.referring {
            let found = self.indices.iter().filter(|(_, index)| index.references.contains(target));
            let found = found.filter(|(record, _)| *record > after);
            working.referring.insert((*target, *after), found.map(|(record, _)| *record).collect());
        }
        working
    }

    /// Decides and commits; returns the effects.
    pub(super) fn decide(&mut self, inputs: &[Input]) -> Vec<Effect> {
        self.history.push(inputs.iter().filter(|input| is_told(input)).cloned().collect());
        let carried_to = self.carried_to.clone();
        let mut batch = Batch::new(inputs).carried_to(&carried_to).relearning(self.relearns);
        let mut working = self.load(&batch.wants(&self.plan));
        for _ in 0..20 {
            match step(&self.plan, &mut working, self.now, &mut batch) {
                Step::Need(wants) => working.absorb(self.load(&wants)),
                Step::Done { commit, effects } => {
                    self.observed += count(inputs, &effects);
                    self.commit(*commit);
                    return effects;
                }
            }
        }
        panic!("the step keeps asking for more");
    }

    fn commit(&mut self, commit: Commit) {
        self.operation = commit.operation;
        self.minted = commit.minted;
        self.ledger.absorb(&commit.ledger);
        self.audit.extend(commit.audit);
        for change in commit.groups {
            let id = change.group.id;
            let stored = self.groups.get(&id).map_or(Revision(0), |group| group.revision);
            assert_eq!(change.group.revision.0, stored.0 + 1, "a stale group");
            let known = self.indices.get(&id).cloned().unwrap_or_default();
            assert_eq!(known, change.before, "the index of before is what the store holds");
            for row in &change.before.rows {
                let place = (row.binding, row.key.clone());
                if self.rows.get(&place).is_some_and(|known| known.record == id) {
                    self.rows.remove(&place);
                }
            }
            for row in &change.after.rows {
                let (place, known) = ((row.binding, row.key.clone()), row.known(id));
                // A row last seen absent gives way, and never displaces.
                match self.rows.get(&place).cloned() {
                    Some(old) if old.digest.is_none() && known.digest.is_some() => {}
                    Some(_) if known.digest.is_none() && !known.rival => continue,
                    old => assert!(old.is_none(), "two records have row {}", row.key),
                }
                self.rows.insert(place, known);
            }
            self.indices.insert(id, change.after);
            self.groups.insert(id, change.group);
        }
        self.tallies.extend(commit.tallies);
        for change in commit.conflicts {
            self.take_conflict(change);
        }
        for change in commit.quarantine {
            match change {
                QuarantineChange::Park { subject, code, message, related, awaits, .. } => {
                    self.messages.push(message);
                    if let (Subject::Row { binding, key }, Some(awaits)) = (&subject, awaits) {
                        self.awaits.insert((*binding, key.clone()), awaits);
                    }
                    self.quarantine.insert(subject, (code, related));
                }
                QuarantineChange::Release { subject } => {
                    if let Subject::Row { binding, key } = &subject {
                        self.awaits.remove(&(*binding, key.clone()));
                    }
                    self.quarantine.remove(&subject);
                }
            }
        }
    }

    fn take_conflict(&mut self, change: ConflictChange) {
        match change {
            ConflictChange::Open {
                record, part, field, base_version, candidates, settled, ..
            } => match settled {
                Some(settled) => {
                    let of = |at| (record, part.clone(), field, base_version, at);
                    let known = self.conflicts.range(of(0)..=of(usize::MAX)).next_back();
                    let goes_on = known.is_some_and(|(_, known)| {
                        let how = Settled { winner: known.winner, ..settled.clone() };
                        how.goes_on(field, &candidates)
                    });
                    let at = known.map_or(0, |(place, _)| place.4 + usize::from(!goes_on));
                    let entry = self
                        .conflicts
                        .entry(of(at))
                        .or_insert(Entry { candidates: Vec::new(), winner: settled.winner });
                    for candidate in candidates {
                        crate::audit::put_candidate(&mut entry.candidates, candidate);
                    }
                    entry.winner = settled.winner;
                }
                None => {
                    self.open.insert((record, part, field), candidates);
                }
            },
            ConflictChange::Close { record, part, field, .. } => {
                self.open.remove(&(record, part, field));
            }
        }
    }

    // ---- the engine ----

    /// Reads what effects ask for, until nothing more is asked. Returns the writes.
    pub(super) fn settle(&mut self, effects: Vec<Effect>) -> Vec<(SystemIndex, WriteGroup)> {
        let mut writes = Vec::new();
        let mut asked = effects;
        for _ in 0..20 {
            let (mut reads, mut again) = (Vec::new(), Vec::new());
            for effect in asked {
                match effect {
                    Effect::Read { binding, key, operation, in_doubt } => {
                        reads.push(self.read(binding, key, operation, &in_doubt));
                    }
                    Effect::ReadMarks { record, intents, .. } => {
                        let answers = intents.iter().map(|id| self.mark(*id)).collect();
                        reads.push(Input::MarksRead { record, answers });
                    }
                    Effect::Again(input) => again.push(*input),
                    Effect::Write { system, group } => writes.push((system, group)),
                    Effect::Later { .. } | Effect::BlockedOn { .. } => {}
                }
            }
            reads.append(&mut again);
            if reads.is_empty() {
                return writes;
            }
            asked = self.decide(&reads);
        }
        panic!("reads without end");
    }

    /// What the table of marks says of a write; none is there for one that was lost.
    fn mark(&self, intent: IntentId) -> MarkAnswer {
        let key = self.marks.get(&intent).cloned();
        let fate = if key.is_some() { MarkFate::Applied } else { MarkFate::Void };
        MarkAnswer { intent, fate, key }
    }

    fn read(
        &mut self,
        binding: BindingIndex,
        key: RowKey,
        operation: OperationId,
        in_doubt: &[IntentId],
    ) -> Input {
        let stored = self.tables.get(&binding).and_then(|table| table.get(&key));
        let result = match stored {
            Some(stored) => ReadResult::Found(Box::new(shown(binding, &key, stored))),
            None => ReadResult::Absent,
        };
        let marks = in_doubt.iter().map(|id| {
            let fate = if self.marks.contains_key(id) { MarkFate::Applied } else { MarkFate::Void };
            (*id, fate)
        });
        let class =
            self.plan.binding(binding).map(|found| self.plan.systems[found.system.at()].class);
        let marks = if class == Some(Class::Marked) { marks.collect() } else { Vec::new() };
        Input::ReadDone { binding, key, operation, result, marks }
    }

    /// A poll of everything a system holds of all entities.
    pub(super) fn poll(&mut self, system: &str) {
        self.scan_in_batches(system, usize::MAX);
    }

    /// The rows of a scan, so many at a time.
    pub(super) fn scan_in_batches(&mut self, system: &str, rows: usize) {
        let system = self.system(system);
        let began = self.operation;
        for binding in self.bindings(system) {
            let inputs: Vec<Input> = self
                .tables
                .get(&binding)
                .into_iter()
                .flatten()
                .map(|(key, stored)| Input::Polled { row: shown(binding, key, stored), began })
                .collect();
            for batch in inputs.chunks(rows) {
                let effects = self.decide(batch);
                self.settle(effects);
            }
        }
    }

    /// A system has told so many times that a row changed; it is read once.
    pub(super) fn hear_of(&mut self, place: &str, name: &str, changes: u32) {
        let (binding, key) = (self.binding_at(place), key(name));
        let began = self.operation;
        let row = shown(binding, &key, &self.tables[&binding][&key]);
        let effects = self.decide(&[Input::Heard { row, began, others: changes - 1 }]);
        self.settle(effects);
    }

    /// A scan: all rows, and a question about each linked one that was not shown.
    pub(super) fn scan(&mut self, system: &str) {
        let index = self.system(system);
        if self.plan.systems[index.at()].class == Class::Log {
            self.follow(index);
            return;
        }
        self.poll(system);
        let began = self.operation;
        for binding in self.bindings(index) {
            let unseen: Vec<Input> = self
                .rows
                .iter()
                .filter(|((known, key), row)| {
                    let table = self.tables.get(known);
                    *known == binding
                        && row.digest.is_some()
                        && !table.is_some_and(|table| table.contains_key(key))
                })
                .map(|((_, key), _)| Input::Unseen { binding, key: key.clone(), began })
                .collect();
            let effects = self.decide(&unseen);
            self.settle(effects);
        }
    }

    /// The log of a system, to its end.
    fn follow(&mut self, system: SystemIndex) {
        let (ours, rest): (Vec<Observed>, Vec<Observed>) = std::mem::take(&mut self.log)
            .into_iter()
            .partition(|change| self.plan.bindings[change.binding.at()].system == system);
        self.log = rest;
        let inputs: Vec<Input> = ours.into_iter().map(Input::Change).collect();
        let effects = self.decide(&inputs);
        self.settle(effects);
    }

    fn bindings(&self, system: SystemIndex) -> Vec<BindingIndex> {
        (0..self.plan.bindings.len() as u16)
            .map(BindingIndex)
            .filter(|index| self.plan.bindings[index.at()].system == system)
            .collect()
    }

    /// Rows to be read again, and rows whose parents are linked now.
    pub(super) fn must_read(&mut self) {
        let mut keys: Vec<(BindingIndex, RowKey)> = self
            .indices
            .values()
            .flat_map(|index| &index.rows)
            .filter(|row| row.must_read)
            .map(|row| (row.binding, row.key.clone()))
            .collect();
        let ready = self
            .awaits
            .iter()
            .filter(|(_, parent)| self.rows.get(*parent).is_some_and(KnownRow::is_parent));
        keys.extend(ready.map(|(row, _)| row.clone()));
        let began = self.operation;
        let inputs: Vec<Input> =
            keys.into_iter().map(|(binding, key)| Input::Unseen { binding, key, began }).collect();
        let effects = self.decide(&inputs);
        self.settle(effects);
    }

    /// Plans what is behind in a system.
    pub(super) fn plan_writes(
        &mut self,
        system: &str,
        cycles: Cycles,
    ) -> Vec<(SystemIndex, WriteGroup)> {
        let system = self.system(system);
        let now = self.now;
        let due: Vec<Input> = self
            .indices
            .iter()
            .filter(|(_, index)| {
                index.behind.iter().any(|behind| {
                    behind.system == system
                        && !behind.parked
                        && behind.not_before.is_none_or(|until| until <= now)
                })
            })
            .map(|(record, _)| Input::Due { record: *record, system, cycles })
            .collect();
        let effects = self.decide(&due);
        self.settle(effects)
    }

    /// Writes what is behind in a system, until nothing more is written.
    pub(super) fn apply(&mut self, system: &str) -> u64 {
        let mut total = 0;
        let mut cycles = Cycles::Wait;
        for _ in 0..20 {
            let groups = self.plan_writes(system, cycles);
            if groups.is_empty() {
                if cycles == Cycles::Break {
                    return total;
                }
                cycles = Cycles::Break;
                continue;
            }
            cycles = Cycles::Wait;
            for (system, group) in groups {
                total += group.writes.len() as u64;
                let answers = self.execute(system, &group);
                let effects = self.decide(&answers);
                self.settle(effects);
            }
        }
        panic!("writes to {system} without end: {}", self.show(system));
    }

    /// Makes the writes of one group, all or nothing, and answers.
    pub(super) fn execute(&mut self, system: SystemIndex, group: &WriteGroup) -> Vec<Input> {
        *self.writes.entry(system).or_default() += group.writes.len() as u64;
        let weather = self.weather.remove(&system).unwrap_or_default();
        let kept = self.tables.clone();
        let (kept_log, kept_marks) = (self.log.clone(), self.marks.clone());
        let mut answers: Vec<(RecordId, IntentId, Outcome)> = Vec::new();
        let mut refused = false;
        let mut given: Option<RowKey> = None;
        for write in &group.writes {
            let outcome = if refused {
                Outcome::Sibling
            } else {
                self.write(system, write, group, &mut given)
            };
            refused |= !matches!(outcome, Outcome::Applied { .. });
            answers.push((write.record, write.intent, outcome));
        }
        if refused || weather == Weather::WriteLost {
            self.tables = kept;
            self.log = kept_log;
            self.marks = kept_marks;
            for (_, _, outcome) in &mut answers {
                if matches!(outcome, Outcome::Applied { .. }) {
                    *outcome = Outcome::Sibling;
                }
            }
        }
        if weather != Weather::Calm {
            for (_, _, outcome) in &mut answers {
                *outcome = Outcome::Unknown { reason: "weather".into() };
            }
        }
        answers
            .into_iter()
            .map(|(record, intent, outcome)| Input::WriteDone { record, intent, outcome })
            .collect()
    }

    fn write(
        &mut self,
        system: SystemIndex,
        write: &RowWrite,
        group: &WriteGroup,
        given: &mut Option<RowKey>,
    ) -> Outcome {
        let binding = write.binding;
        let found = write.key.as_ref().and_then(|key| self.tables.get(&binding)?.get(key)).cloned();
        if let Some((_, value)) =
            write.set.iter().find(|(_, value)| self.refuses.contains(&(system, value.clone())))
        {
            let reason = format!("{value} is refused").into();
            return Outcome::Invalid { code: "write.value_too_long", reason };
        }
        match &write.expect {
            Expected::Absent => {}
            Expected::Fields(fields) => {
                let same = found.as_ref().is_some_and(|stored| {
                    fields.iter().all(|(field, value)| stored.row.value(*field) == Some(value))
                });
                if !same {
                    let current = found.map(|stored| stored.row);
                    return Outcome::Precondition { current, token: None };
                }
            }
        }
        if !group.park
            && let Some(conflict) = self.unique_holder(write)
        {
            return conflict;
        }
        if self.keeps_references && self.leaves_dangling(system, write) {
            return Outcome::Foreign { constraint: "customer".into() };
        }
        let key = write.key.clone().unwrap_or_else(|| {
            self.next_key += u64::from(!self.replaces);
            RowKey::new([&Value::text(format!("n{}", self.next_key))])
        });
        self.marks.insert(write.intent, key.clone());
        if write.kind == WriteKind::Delete {
            self.tables.entry(binding).or_default().remove(&key);
            self.log(binding, &key, None, Some(write.intent));
            let (post, token, transaction) = (None, None, None);
            return Outcome::Applied { key, post, token, order: None, transaction };
        }
        let cells = self.plan.bindings[binding.at()].cells.iter();
        let mut slots = found.as_ref().map_or_else(
            // A field whose column is gone has no cell.
            || {
                cells
                    .map(|cell| cell.as_ref().map_or(Slot::Missing, |_| Slot::Present(Value::Null)))
                    .collect()
            },
            |stored| stored.row.0.to_vec(),
        );
        for ((place, field), value) in &self.computes {
            if *place == system {
                slots[field.at()] = Slot::Present(value.clone());
            }
        }
        for (field, value) in &write.set {
            let rewrite = self.rewrites.get(&(system, *field));
            let value = rewrite.map_or_else(|| value.clone(), |rewrite| rewrite(value));
            slots[field.at()] = Slot::Present(value);
        }
        if write.kind == WriteKind::Insert && write.parent.is_none() {
            given.get_or_insert_with(|| key.clone());
        }
        let is_child =
            self.plan.entities[self.plan.bindings[binding.at()].entity.at()].parent.is_some();
        let parent = if is_child {
            write
                .parent
                .clone()
                .or_else(|| given.clone())
                .or(found.and_then(|stored| stored.parent))
        } else {
            None
        };
        let stored = Stored { row: Row(slots.into()), at: self.now, parent, by: None };
        self.log(binding, &key, Some(&stored), Some(write.intent));
        let post = Some(stored.row.clone());
        self.tables.entry(binding).or_default().insert(key.clone(), stored);
        let transaction = Some(format!("t{}", self.log_at).into());
        Outcome::Applied { key, post, token: None, order: None, transaction }
    }

    fn unique_holder(&self, write: &RowWrite) -> Option<Outcome> {
        if self.plan.bindings[write.binding.at()].entity != EntityIndex(0) {
            return None;
        }
        for field in &self.unique {
            let Some((_, value)) = write.set.iter().find(|(set, _)| set == field) else { continue };
            let holder = self.tables.get(&write.binding)?.iter().find(|(key, stored)| {
                Some(*key) != write.key.as_ref() && stored.row.value(*field) == Some(value)
            });
            if let Some((holder, _)) = holder {
                let columns = vec![self.plan.entities[0].fields[field.at()].name.clone()];
                return Some(Outcome::Unique { columns, holder: Some(holder.clone()) });
            }
        }
        None
    }

    /// Whether a reference in this system would point to no row after this write.
    fn leaves_dangling(&self, system: SystemIndex, write: &RowWrite) -> bool {
        let own = self.plan.bindings[write.binding.at()].entity;
        let fields = |entity: EntityIndex| {
            self.plan.entities[entity.at()]
                .fields
                .iter()
                .zip(0u16..)
                .filter_map(|(field, index)| Some((FieldIndex(index), field.reference?)))
        };
        let refers_to = |value: &Value, key: &RowKey| reference_key(value).as_ref() == Some(key);
        if write.kind == WriteKind::Delete {
            return self.tables.iter().any(|(binding, rows)| {
                let bound = &self.plan.bindings[binding.at()];
                bound.system == system
                    && fields(bound.entity).filter(|(_, parent)| *parent == own).any(
                        |(field, _)| {
                            rows.values().any(|stored| {
                                let value = stored.row.value(field);
                                value
                                    .zip(write.key.as_ref())
                                    .is_some_and(|(it, key)| refers_to(it, key))
                            })
                        },
                    )
            });
        }
        fields(own).any(|(field, parent)| {
            let set = write.set.iter().find(|(known, _)| *known == field);
            let key = set.and_then(|(_, value)| reference_key(value));
            let binding = self.plan.binding_of(parent, system);
            let rows = binding.and_then(|binding| self.tables.get(&binding));
            key.is_some_and(|key| !rows.is_some_and(|rows| rows.contains_key(&key)))
        })
    }

    fn names(&self) -> Vec<String> {
        self.plan.systems.iter().map(|system| system.name.to_string()).collect()
    }

    /// One pass: everything is read, then everything is written.
    pub(super) fn cycle(&mut self) -> u64 {
        for name in self.names() {
            self.scan(&name);
        }
        self.must_read();
        let mut written = 0;
        for name in self.names() {
            written += self.apply(&name);
        }
        for name in self.names() {
            if self.plan.systems[self.system(&name).at()].class == Class::Log {
                self.scan(&name);
            }
        }
        written
    }

    /// Runs until nothing moves, then two more cycles that must write nothing; checks conservation.
    pub(super) fn run(&mut self) {
        for _ in 0..12 {
            if self.cycle() == 0 {
                self.check_quiet();
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn check_quiet(&mut self) {
        assert_eq!(self.cycle() + self.cycle(), 0, "two further cycles write nothing");
        self.check_conservation();
    }

    /// Every observation ended in exactly one disposition.
    pub(super) fn check_conservation(&self) {
        let counted: u64 = self.ledger.0.values().sum();
        assert_eq!(counted, self.observed, "conservation: {:?}", self.ledger);
    }

    /// Mutating operations sent to a system.
    pub(super) fn written(&self, system: &str) -> u64 {
        self.writes.get(&self.system(system)).copied().unwrap_or(0)
    }

    /// Forgets counts, keeps the world.
    pub(super) fn reset_counts(&mut self) {
        self.writes.clear();
        self.conflicts.clear();
        self.audit.clear();
        self.ledger = Ledger::default();
        self.observed = 0;
    }

    /// A minute passes.
    pub(super) fn later(&mut self, minutes: i64) {
        self.now = self.now.plus_ms(minutes * 60_000);
    }

    pub(super) fn group(&self) -> &Group {
        assert_eq!(self.groups.len(), 1, "one record");
        self.groups.values().next().unwrap()
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub(super) fn living(&self) -> usize {
        self.groups.values().filter(|group| group.root.exists.alive).count()
    }

    /// Losers of the settled conflicts: `B P2`.
    pub(super) fn losers(&self) -> Vec<String> {
        let name = |author: Author| {
            let Author::System(system) = author else { return format!("{author:?}") };
            self.plan.systems[system.at()].name.to_string()
        };
        let mut losers: Vec<String> = self
            .conflicts
            .values()
            .flat_map(|entry| {
                entry
                    .candidates
                    .iter()
                    .filter(|candidate| candidate.author != entry.winner)
                    .map(|candidate| format!("{} {}", name(candidate.author), candidate.value))
            })
            .collect();
        losers.sort();
        losers
    }

    pub(super) fn kinds(&self) -> BTreeSet<AuditKind> {
        self.audit.iter().map(|event| event.kind).collect()
    }

    pub(super) fn count(&self, disposition: Disposition) -> u64 {
        let counts = self.ledger.0.iter();
        counts.filter(|((_, kind), _)| *kind == disposition).map(|(_, count)| count).sum()
    }

    /// Codes in quarantine.
    pub(super) fn codes(&self) -> Vec<&str> {
        self.quarantine.values().map(|(code, _)| code.as_str()).collect()
    }

    /// A crash: what was sent is in doubt.
    pub(super) fn crash(&mut self) {
        let records: BTreeSet<RecordId> = self
            .indices
            .iter()
            .filter(|(_, index)| !index.intents.is_empty())
            .map(|(record, _)| *record)
            .collect();
        let inputs: Vec<Input> =
            records.into_iter().map(|record| Input::Recovered { record }).collect();
        let effects = self.decide(&inputs);
        self.settle(effects);
    }

    pub(super) fn command(&mut self, command: Command) {
        let effects = self.decide(&[Input::Command(command)]);
        self.settle(effects);
    }

    /// The one row of a system, as it is now and with this version.
    pub(super) fn observe(&self, system: SystemIndex, version: u128) -> Observed {
        let binding = self.bindings(system)[0];
        let (key, stored) = self.tables[&binding].first_key_value().unwrap();
        let token = Some(Token(version.to_be_bytes().to_vec()));
        Observed { order: Some(Order::Version(version)), token, ..shown(binding, key, stored) }
    }

    /// A poll that began just now shows this row.
    pub(super) fn poll_of(&mut self, row: Observed) {
        let effects = self.decide(&[Input::Polled { row, began: self.operation }]);
        self.settle(effects);
    }

    /// Feeds one observation of a row that people did not make, such as an old one.
    pub(super) fn show_old(&mut self, place: &str, name: &str, values: &str, began: OperationId) {
        let answers = self.show_old_and_read(place, name, values, began);
        if !answers.is_empty() {
            self.hear(&answers);
        }
    }

    /// The same, up to the answers to what it asks: they are on their way.
    pub(super) fn show_old_and_read(
        &mut self,
        place: &str,
        name: &str,
        values: &str,
        began: OperationId,
    ) -> Vec<Input> {
        let binding = self.binding_at(place);
        let row = self.parse(binding, values, None);
        let stored = Stored { row, at: self.now, parent: None, by: None };
        let inputs = [Input::Polled { row: shown(binding, &key(name), &stored), began }];
        let mut answers = Vec::new();
        for effect in self.decide(&inputs) {
            if let Effect::Read { binding, key, operation, in_doubt } = effect {
                answers.push(self.read(binding, key, operation, &in_doubt));
            }
        }
        answers
    }

    /// What was on its way is heard.
    pub(super) fn hear(&mut self, answers: &[Input]) {
        let effects = self.decide(answers);
        self.settle(effects);
    }

    /// Shows a row of a system without this field.
    pub(super) fn hide(&mut self, system: &str, name: FieldIndex, began: OperationId) {
        let binding = self.binding_at(system);
        let table = self.tables.get(&binding).cloned().unwrap_or_default();
        let rows = table.iter().map(|(key, stored)| {
            let mut row = shown(binding, key, stored);
            Arc::make_mut(&mut row.row.as_mut().unwrap().0)[name.at()] = Slot::Missing;
            Input::Polled { row, began }
        });
        let effects = self.decide(&rows.collect::<Vec<_>>());
        self.settle(effects);
    }

    /// Somebody edits one value, which may hold anything.
    pub(super) fn set_value(&mut self, place: &str, name: &str, field: FieldIndex, value: Value) {
        self.set(place, name, "");
        let binding = self.binding_at(place);
        let stored = self.tables.get_mut(&binding).unwrap().get_mut(&key(name)).unwrap();
        Arc::make_mut(&mut stored.row.0)[field.at()] = Slot::Present(value);
    }

    /// A column of a system is gone: its field has no cell there, and no row shows it. Gives the cell.
    pub(super) fn lose_column(&mut self, system: SystemIndex, field: FieldIndex) -> Cell {
        let binding = self.bindings(system)[0];
        let cell = self.plan.bindings[binding.at()].cells[field.at()].take().unwrap();
        self.fill_column(binding, field, &Slot::Missing);
        self.drift(system, &[]);
        cell
    }

    /// It is there again, with this in every row.
    pub(super) fn regain_column(
        &mut self,
        system: SystemIndex,
        field: FieldIndex,
        (cell, value): (Cell, Value),
    ) {
        let binding = self.bindings(system)[0];
        self.plan.bindings[binding.at()].cells[field.at()] = Some(cell);
        self.fill_column(binding, field, &Slot::Present(value));
        self.drift(system, &[(binding, field)]);
    }

    fn fill_column(&mut self, binding: BindingIndex, field: FieldIndex, with: &Slot) {
        for stored in self.tables.get_mut(&binding).into_iter().flat_map(BTreeMap::values_mut) {
            let slots = stored.row.0.iter().zip(0u16..);
            let slots = slots.map(|(slot, at)| if at == field.0 { with } else { slot }.clone());
            stored.row = Row(slots.collect());
        }
    }

    fn drift(&mut self, system: SystemIndex, back: &[(BindingIndex, FieldIndex)]) {
        let inputs: Vec<Input> = (self.indices.iter())
            .map(|(record, index)| {
                let listed = index.behind.iter().find(|behind| behind.system == system).cloned();
                let back = back.into();
                Input::Drifted(Drifted { record: *record, system, listed, back })
            })
            .collect();
        self.hear(&inputs);
    }

    /// One value of a row.
    pub(super) fn value(&self, place: &str, name: &str, field: FieldIndex) -> Value {
        let stored = &self.tables[&self.binding_at(place)][&key(name)];
        stored.row.value(field).unwrap().clone()
    }

    /// Everything that systems ever said is delivered again, in the same order, and all rows are
    /// shown once more.
    pub(super) fn replay(&mut self) {
        for inputs in self.history.clone() {
            let effects = self.decide(&inputs);
            self.settle(effects);
        }
        for name in self.names() {
            self.scan(&name);
        }
        self.must_read();
    }

    /// What the hub believes: golden values with their versions, and what each system shows. How
    /// often it was told so stays out.
    pub(super) fn hub(&self) -> String {
        let mut lines = Vec::new();
        for group in self.groups.values() {
            for (key, part) in group.parts() {
                lines.push(format!("{} {key:?} {:?} {:?}", group.id, part.exists, part.cells));
                for link in &part.links {
                    let Link { system, key, shadow, agreed, agreed_exists, held, lane, .. } = link;
                    let open = (&link.unresolved, link.must_read);
                    lines.push(format!(
                        "  {system:?} {key:?} {shadow:?} {agreed:?} {agreed_exists} {held:?} {lane:?} {open:?}"
                    ));
                }
            }
        }
        lines.join("\n")
    }

    /// The tables are as in another world.
    pub(super) fn restore_tables(&mut self, other: &Self) {
        self.tables.clone_from(&other.tables);
    }

    pub(super) fn operation(&self) -> OperationId {
        self.operation
    }
}

fn shown(binding: BindingIndex, key: &RowKey, stored: &Stored) -> Observed {
    Observed {
        binding,
        key: key.clone(),
        row: Some(stored.row.clone()),
        parent: stored.parent.clone(),
        order: None,
        token: None,
        changed_at: Some(stored.at),
        actor: stored.by.clone(),
        mark: None,
        transaction: None,
    }
}

/// Whether this may be delivered twice. A read answers once, and shows a row as it is.
fn is_told(input: &Input) -> bool {
    matches!(input, Input::Change(_) | Input::Push(_) | Input::WriteDone { .. })
}

/// How many observations these inputs are; those that are fed again count when they are decided.
fn count(inputs: &[Input], effects: &[Effect]) -> u64 {
    let one = |input: &Input| {
        matches!(
            input,
            Input::Change(_)
                | Input::Push(_)
                | Input::Polled { .. }
                | Input::Refused { .. }
                | Input::ReadDone { result: ReadResult::Found(_) | ReadResult::Absent, .. }
        )
    };
    let observations: u64 = inputs
        .iter()
        .map(|input| {
            if let Input::ScanChunk { rows, .. } = input {
                rows.len() as u64
            } else if let Input::Heard { others, .. } = input {
                1 + u64::from(*others)
            } else if let Input::Accounted { changes, .. } = input {
                *changes
            } else {
                u64::from(one(input))
            }
        })
        .sum();
    let again = effects.iter().filter(|effect| matches!(effect, Effect::Again(_))).count();
    observations - again as u64
}
