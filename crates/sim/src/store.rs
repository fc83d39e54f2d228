//! The hub in memory, with the same commit boundary as the real one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use syncline_core::{
    change::{Position, RowKey, WriteKind},
    commit::{
        AuditEvent, Behind, Checkpoint, Commit, GroupChange, GroupIndex, KnownRow, Ledger,
        MatchKey, QuarantineChange, REFERRING_MAX, Subject, Wants, Working,
    },
    error::{ErrorKind, PortError},
    group::Group,
    mutant::Mutant,
    name::{BindingIndex, EntityIndex, IntentId, RecordId, SystemIndex, Timestamp},
    tally::{Counted, Tally},
};
use syncline_ports::store::{BehindCount, CommitError, Store};

use crate::{moment::moment, rare::Happened};

mod booked;
mod ghost;
mod under_way;

/// Everything the hub remembers.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The hub's identity: two hubs mint different ids.
    pub hub: u64,
    /// The disk is full: nothing can be committed.
    pub is_full: bool,
    /// Groups by record.
    pub groups: BTreeMap<RecordId, Group>,
    /// Their index entries.
    pub indices: BTreeMap<RecordId, GroupIndex>,
    /// Rows by key.
    pub rows: BTreeMap<(BindingIndex, RowKey), KnownRow>,
    /// Records by match key.
    pub matches: BTreeMap<(EntityIndex, u16, MatchKey), BTreeSet<RecordId>>,
    /// The audit, whole.
    pub audit: Vec<AuditEvent>,
    /// What is set aside, with the code.
    pub quarantine: BTreeMap<Subject, (syncline_core::Text, Vec<RecordId>)>,
    /// How often something was set aside.
    pub parks: u64,
    /// What is set aside, and what it waits for.
    pub waiting: BTreeMap<Subject, Waiting>,
    /// Conflicts opened, those settled by rule included.
    pub conflicts: Vec<syncline_core::commit::ConflictChange>,
    /// Positions.
    pub checkpoints: BTreeMap<String, Position>,
    /// How much users have changed lately.
    pub tallies: BTreeMap<Counted, Tally>,
    /// The conservation ledger.
    pub ledger: Ledger,
    /// Operations so far.
    pub operation: u64,
    /// Ids minted so far.
    pub minted: u64,
    /// Every text that was ever golden or audited: what is accounted for.
    pub accounted: BTreeSet<String>,
    /// Golden texts that gave way to others that systems brought: the old one, and the new.
    pub replaced: Vec<(String, String)>,
    /// Texts that a living record took from a system: what its people must have typed.
    pub authored: Vec<(SystemIndex, RecordId, String)>,
    /// What was decided against the rules of the plan.
    pub broken: Vec<String>,
    /// What changed and cannot be told from the books.
    pub unbooked: Vec<String>,
    /// How long deletes of contacts wait.
    pub grace_ms: i64,
    /// Several processes work on it.
    pub crowded: bool,
    /// An older state of itself.
    pub backup: Option<Box<Memory>>,
    /// It was restored.
    pub is_restored: bool,
    /// Systems that people paused: they are read, and not written.
    pub paused: BTreeSet<SystemIndex>,
    /// What of the rare things has happened.
    pub happened: Happened,
    /// Answers of people.
    pub answers: u64,
    /// What is wrong on purpose with the hub itself.
    pub mutant: Option<Mutant>,
    /// Commits that were decided, and are not made yet.
    pub under_way: usize,
}

/// What something set aside waits for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its entity.
    pub entity: EntityIndex,
    /// The parent's row.
    pub awaits: Option<(BindingIndex, RowKey)>,
    /// The parent is there: read it again.
    pub again: bool,
}

/// The hub in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Memory>>);

impl MemoryStore {
    /// A hub of its own that remembers the same.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.memory().clone())))
    }

    /// Looks into the hub.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// The first record whose row is there already for another record, as far as this commit leaves
    /// it there.
    fn taken(&self, changes: &[GroupChange]) -> Vec<RecordId> {
        // What this commit makes of the rows it tells of, before those that follow.
        let mut told: BTreeMap<(BindingIndex, RowKey), Option<KnownRow>> = BTreeMap::new();
        for change in changes {
            for row in &change.before.rows {
                let place = (row.binding, row.key.clone());
                if self.rows.get(&place).is_some_and(|known| known.record == change.group.id) {
                    told.insert(place, None);
                }
            }
        }
        let mut taken = Vec::new();
        for change in changes {
            // What made a new record knew of no other one with its row, whatever became of it.
            let is_new = change.group.revision.0 <= 1;
            for row in change.after.rows.iter().filter(|row| is_new || row.shadow.is_some()) {
                let place = (row.binding, row.key.clone());
                let holder = match told.get(&place) {
                    Some(known) => known.as_ref(),
                    None => self.rows.get(&place),
                };
                let holder = holder.filter(|known| row.shadow.is_none() || known.digest.is_some());
                if holder.is_some_and(|known| known.record != change.group.id) {
                    taken.push(change.group.id);
                }
                told.insert(place, Some(row.known(change.group.id)));
            }
        }
        taken
    }

    /// Follows the index entries of a commit. Rows that leave a record go first, so that a row moves
    /// from one to another; a row last seen absent gives way, and never displaces.
    fn index(&mut self, changes: &[GroupChange]) {
        take_out(&mut self.rows, changes);
        for change in changes {
            let (record, entity) = (change.group.id, change.group.entity);
            for (rule, key) in &change.before.matches {
                if let Some(records) = self.matches.get_mut(&(entity, *rule, *key)) {
                    records.remove(&record);
                }
            }
            for (rule, key) in &change.after.matches {
                self.matches.entry((entity, *rule, *key)).or_default().insert(record);
            }
            for row in &change.after.rows {
                let place = (row.binding, row.key.clone());
                if row.shadow.is_some() {
                    for waiting in self.waiting.values_mut() {
                        waiting.again |= waiting.awaits.as_ref() == Some(&place);
                    }
                    self.rows.insert(place, row.known(record));
                } else {
                    self.rows.entry(place).or_insert_with(|| row.known(record));
                }
            }
            self.indices.insert(record, change.after.clone());
        }
    }

    /// What a step asked to see.
    pub fn load(&self, wants: &Wants) -> Working {
        let mut working = Working {
            operation: syncline_core::name::OperationId(self.operation),
            hub: self.hub,
            minted: self.minted,
            ..Working::default()
        };
        for record in &wants.records {
            working.groups.insert(*record, self.groups.get(record).cloned());
        }
        for key in &wants.keys {
            working.keys.insert(key.clone(), self.rows.get(key).cloned());
        }
        for key in &wants.matches {
            let records = self.matches.get(key).into_iter().flatten().copied().collect();
            working.matches.insert(*key, records);
        }
        for (record, system) in &wants.row_keys {
            let key = self.groups.get(record).and_then(|group| group.root.key_in(*system)).cloned();
            working.row_keys.insert((*record, *system), key);
        }
        for counted in &wants.tallies {
            let known = self.tallies.get(counted).cloned();
            working.tallies.insert(counted.clone(), known.unwrap_or_default());
        }
        for intent in &wants.intents {
            let has = |index: &GroupIndex| index.intents.iter().any(|(_, id)| id == intent);
            let found = self.indices.iter().find(|(_, index)| has(index));
            working.intents.insert(*intent, found.map(|(record, _)| *record));
        }
        for (target, after) in &wants.referring {
            let refers = |index: &GroupIndex| index.references.contains(target);
            let found = self.indices.iter().filter(|(record, _)| *record > after);
            let found = found.filter(|(_, index)| refers(index)).map(|(record, _)| *record);
            working.referring.insert((*target, *after), found.take(REFERRING_MAX).collect());
        }
        working
    }

    /// Makes a commit whole, or refuses it whole.
    ///
    /// # Errors
    /// If others changed the groups since they were read, or the disk is full.
    pub fn commit(&mut self, commit: Commit) -> Result<(), CommitError> {
        if self.is_full {
            self.happened.note("full_disk");
            let error =
                PortError::new(ErrorKind::DiskFull, "commit to the hub", "the disk is full");
            return Err(CommitError::Store(error));
        }
        let stale: Vec<RecordId> = commit
            .groups
            .iter()
            .filter(|change| {
                let held = self.groups.get(&change.group.id).map_or(0, |group| group.revision.0);
                held + 1 != change.group.revision.0
            })
            .map(|change| change.group.id)
            .collect();
        if !stale.is_empty() {
            return Err(CommitError::Stale(stale));
        }
        let taken = self.taken(&commit.groups);
        if !taken.is_empty() {
            return Err(CommitError::Stale(taken));
        }
        self.compare(&commit.groups);
        self.book(&commit);
        self.account(&commit);
        self.index(&commit.groups);
        for change in commit.groups {
            self.groups.insert(change.group.id, change.group);
        }
        for change in commit.quarantine {
            self.set_aside(change);
        }
        self.audit.extend(commit.audit);
        self.conflicts.extend(commit.conflicts);
        self.follow(&commit.checkpoints);
        self.ledger.absorb(&commit.ledger);
        self.tallies.extend(commit.tallies);
        self.operation = self.operation.max(commit.operation.0);
        self.minted = self.minted.max(commit.minted);
        Ok(())
    }

    /// Remembers how far sources were read.
    fn follow(&mut self, checkpoints: &[Checkpoint]) {
        for checkpoint in checkpoints {
            self.checkpoints.insert(checkpoint.stream.to_string(), checkpoint.position.clone());
        }
    }

    /// Forgets what was learnt since the backup was made, if there is one. The checks do not.
    pub fn restore(&mut self) -> bool {
        let Some(old) = self.backup.take() else { return false };
        self.groups = old.groups;
        self.indices = old.indices;
        self.rows = old.rows;
        self.matches = old.matches;
        self.quarantine = old.quarantine;
        self.waiting = old.waiting;
        self.conflicts = old.conflicts;
        self.checkpoints = old.checkpoints;
        self.tallies = old.tallies;
        self.operation = old.operation;
        self.minted = old.minted;
        self.is_restored = true;
        true
    }

    fn set_aside(&mut self, change: QuarantineChange) {
        match change {
            QuarantineChange::Park { subject, entity, code, related, awaits, .. } => {
                // A parent that was linked meanwhile is noticed once.
                let again = !self.waiting.contains_key(&subject)
                    && awaits.as_ref().is_some_and(|place| {
                        self.rows.get(place).is_some_and(|known| known.digest.is_some())
                    });
                self.parks += 1;
                self.waiting.insert(subject.clone(), Waiting { entity, awaits, again });
                self.quarantine.insert(subject, (code, related));
            }
            QuarantineChange::Release { subject } => {
                self.waiting.remove(&subject);
                self.quarantine.remove(&subject);
            }
        }
    }
}

fn take_out(rows: &mut BTreeMap<(BindingIndex, RowKey), KnownRow>, changes: &[GroupChange]) {
    for change in changes {
        for row in &change.before.rows {
            let place = (row.binding, row.key.clone());
            if rows.get(&place).is_some_and(|known| known.record == change.group.id) {
                rows.remove(&place);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, wants: &Wants) -> Result<Working, PortError> {
        moment().await;
        Ok(self.memory().load(wants))
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        // A process may die before the commit, or after it: both are moments. It takes a while, so
        // that what is decided beside it reads the hub without it.
        let _under_way = under_way::UnderWay::new(self);
        if self.memory().mutant == Some(Mutant::PositionFirst) {
            self.memory().follow(&commit.checkpoints);
        }
        for _ in 0..4 {
            moment().await;
        }
        let result = self.memory().commit(commit);
        moment().await;
        result
    }

    async fn behind(
        &self,
        entity: EntityIndex,
        system: SystemIndex,
        after: Option<RecordId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RecordId, Behind)>, PortError> {
        let memory = self.memory();
        let found =
            memory.indices.iter().filter(|(record, _)| after.is_none_or(|after| **record > after));
        Ok(found
            .filter(|(record, _)| {
                memory.groups.get(record).is_some_and(|group| group.entity == entity)
            })
            .filter_map(|(record, index)| {
                let behind = index.behind.iter().find(|behind| behind.system == system)?;
                let is_due = !behind.parked && behind.not_before.is_none_or(|time| time <= now);
                is_due.then(|| (*record, behind.clone()))
            })
            .take(limit)
            .collect())
    }

    async fn count_behind(
        &self,
        entity: EntityIndex,
        now: Timestamp,
    ) -> Result<Vec<(SystemIndex, BehindCount)>, PortError> {
        let memory = self.memory();
        let mut counts: BTreeMap<SystemIndex, BehindCount> = BTreeMap::new();
        for (record, index) in &memory.indices {
            if memory.groups.get(record).is_none_or(|group| group.entity != entity) {
                continue;
            }
            for behind in &index.behind {
                let count = counts.entry(behind.system).or_default();
                if behind.parked || behind.not_before.is_some_and(|time| time > now) {
                    count.parked += 1;
                    continue;
                }
                match behind.kind {
                    WriteKind::Insert => count.inserts += 1,
                    WriteKind::Update => count.updates += 1,
                    WriteKind::Delete => count.deletes += 1,
                }
            }
            for row in index.rows.iter().filter(|row| row.held > 0) {
                counts.entry(row.system).or_default().held += u64::from(row.held);
            }
            for link in memory.groups.get(record).into_iter().flat_map(|group| &group.root.links) {
                if link.is_present() {
                    counts.entry(link.system).or_default().linked += 1;
                }
            }
        }
        Ok(counts.into_iter().collect())
    }

    async fn unanswered(
        &self,
        after: Option<IntentId>,
        limit: usize,
    ) -> Result<Vec<(IntentId, SystemIndex, RecordId)>, PortError> {
        let memory = self.memory();
        let mut found: Vec<(IntentId, SystemIndex, RecordId)> = memory
            .groups
            .values()
            .flat_map(|group| group.parts().map(move |(_, part)| (group.id, part)))
            .flat_map(|(record, part)| part.links.iter().map(move |link| (record, link)))
            .flat_map(|(record, link)| {
                link.unresolved
                    .iter()
                    .filter(|intent| {
                        matches!(intent.status, syncline_core::group::IntentStatus::Sent)
                    })
                    .map(move |intent| (intent.id, link.system, record))
            })
            .filter(|(intent, _, _)| after.is_none_or(|after| *intent > after))
            .collect();
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    async fn present(
        &self,
        binding: BindingIndex,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, PortError> {
        let memory = self.memory();
        Ok(memory
            .rows
            .iter()
            .filter(|((found, key), known)| {
                *found == binding && known.digest.is_some() && after.is_none_or(|after| key > after)
            })
            .map(|((_, key), _)| key.clone())
            .take(limit)
            .collect())
    }

    async fn count_present(&self, binding: BindingIndex) -> Result<u64, PortError> {
        let memory = self.memory();
        Ok(memory
            .rows
            .iter()
            .filter(|((found, _), known)| *found == binding && known.digest.is_some())
            .count() as u64)
    }

    async fn must_read(
        &self,
        entity: EntityIndex,
        after: Option<(BindingIndex, RowKey)>,
        limit: usize,
    ) -> Result<Vec<(BindingIndex, RowKey)>, PortError> {
        let memory = self.memory();
        let mut found: BTreeSet<(BindingIndex, RowKey)> = BTreeSet::new();
        for group in memory.groups.values().filter(|group| group.entity == entity) {
            let rows = memory.indices.get(&group.id).into_iter().flat_map(|index| &index.rows);
            let again = rows.filter(|row| row.must_read);
            found.extend(again.map(|row| (row.binding, row.key.clone())));
        }
        for (subject, waiting) in &memory.waiting {
            let is_due = waiting.again && waiting.entity == entity;
            if let (Subject::Row { binding, key }, true) = (subject, is_due) {
                found.insert((*binding, key.clone()));
            }
        }
        Ok(found
            .into_iter()
            .filter(|key| after.as_ref().is_none_or(|after| key > after))
            .take(limit)
            .collect())
    }

    async fn checkpoint(&self, stream: &str) -> Result<Option<Position>, PortError> {
        Ok(self.memory().checkpoints.get(stream).cloned())
    }
}

#[cfg(test)]
mod tests;
