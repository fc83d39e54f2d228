//! One step at work: groups taken out of the working set, changed, and put back.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    audit::Journal,
    change::{Effect, RowKey},
    commit::{Commit, GroupChange, GroupIndex, KnownRow, Working},
    expr::Zone,
    group::{Existence, Group, Part},
    index,
    moved::{Moved, Trace},
    name::{
        BindingIndex, EntityIndex, IntentId, OperationId, RecordId, Revision, SystemIndex,
        Timestamp,
    },
    plan::{Class, Plan},
    step::{Step, sight::Sight},
    tally::Counted,
};

/// One step at work.
pub(crate) struct Pass<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) working: &'a mut Working,
    pub(crate) now: Timestamp,
    pub(crate) zone: Option<Zone>,
    pub(crate) journal: Journal,
    /// Groups that were changed, with what the indices said of them before.
    touched: BTreeMap<RecordId, GroupIndex>,
    /// What their state was before.
    traces: BTreeMap<RecordId, Trace>,
    /// Keys of linked rows that this batch proves absent while another row may take their place.
    pub(crate) gone: BTreeSet<(BindingIndex, RowKey)>,
    /// Keys of rows that this batch has read by key and found.
    pub(crate) found: BTreeSet<(BindingIndex, RowKey)>,
    /// Keys of rows that this batch has failed to read.
    pub(crate) unread: BTreeSet<(BindingIndex, RowKey)>,
    /// Rows that match what another row of their system in this batch matches, too.
    pub(crate) clashing: BTreeSet<(BindingIndex, RowKey)>,
    /// What was forgotten is learnt again.
    pub(crate) relearns: bool,
    /// Rows of which something is to be heard again, later: all that comes after it, too.
    pub(crate) later: BTreeSet<(BindingIndex, RowKey)>,
    /// Records whose marks this batch tells of.
    pub(crate) told: BTreeSet<RecordId>,
    /// Rows of which something was put off to the next batch: what a log tells of them after it waits, too.
    pub(crate) put_off: BTreeSet<(BindingIndex, RowKey)>,
    /// The operation in which this step links rows, once it has linked one.
    birth: Option<OperationId>,
    /// Rows whose parents are not linked yet.
    pub(crate) waiting: Vec<crate::step::aside::Waiting>,
    /// Users of whom this step has let changes through that are counted.
    pub(crate) tallied: BTreeSet<Counted>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(plan: &'a Plan, working: &'a mut Working, now: Timestamp) -> Self {
        Self {
            plan,
            working,
            now,
            zone: plan.zone.as_deref().and_then(Zone::get),
            journal: Journal::default(),
            touched: BTreeMap::new(),
            traces: BTreeMap::new(),
            gone: BTreeSet::new(),
            found: BTreeSet::new(),
            unread: BTreeSet::new(),
            clashing: BTreeSet::new(),
            relearns: false,
            later: BTreeSet::new(),
            told: BTreeSet::new(),
            put_off: BTreeSet::new(),
            birth: None,
            waiting: Vec::new(),
            tallied: BTreeSet::new(),
        }
    }

    /// Whether something that was told of this row before was put off.
    pub(crate) fn is_put_off(&self, sight: &Sight<'_>) -> bool {
        !self.put_off.is_empty() && self.put_off.contains(&(sight.binding, sight.key.clone()))
    }

    /// Feeds a sight again, once what it waits for has been read.
    pub(crate) fn again(&mut self, sight: &Sight<'_>) {
        self.put_off.insert((sight.binding, sight.key.clone()));
        self.journal.effects.push(Effect::Again(Box::new(sight.as_input())));
    }

    /// Takes a group out, to be changed; `None` if there is no such record.
    pub(crate) fn take(&mut self, record: RecordId) -> Option<Group> {
        self.working.groups.get_mut(&record)?.take()
    }

    /// Puts a group back as it was.
    pub(crate) fn put_back(&mut self, group: Group) {
        self.working.groups.insert(group.id, Some(group));
    }

    /// What the indices say of a group that was not changed in this step yet.
    pub(crate) fn before(&mut self, group: &Group) -> Option<GroupIndex> {
        if self.touched.contains_key(&group.id) {
            return None;
        }
        if group.revision == Revision(0) {
            return Some(GroupIndex::default());
        }
        self.trace(group);
        Some(self.index_of(group))
    }

    /// Keeps what the state of a group was that was not changed since it was loaded.
    pub(crate) fn trace(&mut self, group: &Group) {
        self.traces.insert(group.id, Trace::of(group));
    }

    /// What the indices say of a group that was not changed since it was loaded.
    pub(crate) fn index_of(&mut self, group: &Group) -> GroupIndex {
        let at_hand = self.working.indices.remove(&group.id);
        at_hand.unwrap_or_else(|| index::of(self.plan, group))
    }

    /// A group that is taken out was changed, with what [`Pass::before`] said before the change.
    pub(crate) fn touch(&mut self, group: &Group, before: Option<GroupIndex>) {
        if let Some(before) = before {
            self.touched.entry(group.id).or_insert(before);
        }
    }

    /// Puts a changed group back, with what [`Pass::before`] said before the change.
    pub(crate) fn put_changed(&mut self, group: Group, before: Option<GroupIndex>) {
        self.touch(&group, before);
        if !self.working.matches.is_empty() {
            self.show_matches(&group);
        }
        self.working.groups.insert(group.id, Some(group));
    }

    /// Lets later rows of this batch find the record by the match keys it has now.
    fn show_matches(&mut self, group: &Group) {
        let Some(entity) = self.plan.entity(group.entity) else { return };
        for (rule, key) in crate::matching::part_keys(entity, &group.root) {
            let wanted = self.working.matches.get_mut(&(group.entity, rule, key));
            if let Some(records) = wanted.filter(|records| !records.contains(&group.id)) {
                records.push(group.id);
            }
        }
    }

    /// Whether a group was changed in this step.
    pub(crate) fn is_touched(&self, record: RecordId) -> bool {
        self.touched.contains_key(&record)
    }

    /// The groups that were changed in this step.
    pub(super) fn touched(&self) -> Vec<RecordId> {
        self.touched.keys().copied().collect()
    }

    /// A record that does not exist yet.
    pub(crate) fn new_group(&mut self, entity: EntityIndex) -> Group {
        let id = RecordId(self.mint());
        let fields = self.plan.entity(entity).map_or(0, |entity| entity.fields.len());
        Group {
            id,
            entity,
            revision: Revision(0),
            incarnation: 1,
            root: new_part(fields),
            children: Vec::new(),
            merged_into: None,
            rivals: Vec::new(),
            former: Vec::new(),
            excess: Vec::new(),
        }
    }

    /// The class of a system.
    pub(crate) fn class(&self, system: SystemIndex) -> Class {
        self.plan.system(system).map_or(Class::Blind, |system| system.class)
    }

    /// The next number of the hub's operations.
    pub(crate) fn next_operation(&mut self) -> OperationId {
        self.working.operation.0 += 1;
        self.working.operation
    }

    /// The operation in which this step links rows: later than the reading that showed them began.
    pub(crate) fn birth(&mut self) -> OperationId {
        if let Some(birth) = self.birth {
            return birth;
        }
        let birth = self.next_operation();
        self.birth = Some(birth);
        birth
    }

    /// A UUIDv7 that nobody minted before: the time, then the hub's counter, then the hub.
    pub(crate) fn mint(&mut self) -> u128 {
        self.working.minted += 1;
        uuid(self.now, self.working.minted, self.working.hub)
    }

    /// The id of a new intent.
    pub(crate) fn mint_intent(&mut self) -> IntentId {
        IntentId(self.mint())
    }

    /// From now on this row belongs to this record.
    pub(crate) fn learn(
        &mut self,
        binding: BindingIndex,
        key: RowKey,
        record: RecordId,
        child: bool,
    ) {
        let known = KnownRow { record, child, digest: None, quiet: false, rival: false };
        self.working.keys.insert((binding, key), Some(known));
    }

    /// From now on this row belongs to nobody.
    pub(crate) fn forget(&mut self, binding: BindingIndex, key: RowKey) {
        self.working.keys.insert((binding, key), None);
    }

    /// Asks for a fenced read of this key.
    pub(crate) fn ask(&mut self, binding: BindingIndex, key: RowKey, in_doubt: Vec<IntentId>) {
        let asked = self.journal.effects.iter().any(|effect| {
            matches!(effect, Effect::Read { binding: other, key: known, .. }
                if *other == binding && *known == key)
        });
        // The effects of a step are few where reads are; a second read of one key says nothing.
        if asked && self.journal.effects.len() < 64 {
            return;
        }
        let operation = self.next_operation();
        self.journal.effects.push(Effect::Read { binding, key, operation, in_doubt });
    }

    /// The one commit that this step comes to.
    pub(crate) fn finish(mut self) -> Step {
        let mut groups = Vec::with_capacity(self.touched.len());
        for (record, before) in std::mem::take(&mut self.touched) {
            let Some(Some(mut group)) = self.working.groups.remove(&record) else { continue };
            group.revision.0 += 1;
            let after = index::of(self.plan, &group);
            let trace = self.traces.remove(&record);
            let moved = trace.map_or(Moved::Whole, |trace| trace.moved(&group));
            groups.push(GroupChange { group, before, after, moved });
        }
        self.wake(&mut groups);
        self.veil(&groups.iter().map(|change| (change.group.id, &change.group)).collect());
        let tallies = std::mem::take(&mut self.tallied).into_iter();
        let tallies = tallies.filter_map(|counted| self.working.tallies.get_key_value(&counted));
        let tallies = tallies.map(|(counted, tally)| (counted.clone(), tally.clone())).collect();
        let Journal { audit, conflicts, quarantine, ledger, effects, garbled, .. } = self.journal;
        let commit = Commit {
            groups,
            audit,
            conflicts,
            quarantine,
            tallies,
            ledger,
            garbled,
            at: self.now,
            operation: self.working.operation,
            minted: self.working.minted,
            ..Commit::default()
        };
        Step::Done { commit: Box::new(commit), effects }
    }
}

/// A part nobody has said anything about.
pub(crate) fn new_part(field_count: usize) -> Part {
    Part {
        exists: Existence::default(),
        cells: vec![crate::group::Cell::default(); field_count].into(),
        links: Vec::new(),
        conflicts: Vec::new(),
    }
}

/// A UUIDv7: 48 bits of milliseconds, then the hub's counter, then bits of the hub itself.
fn uuid(now: Timestamp, counter: u64, hub: u64) -> u128 {
    let time = u128::try_from(now.ms().max(0)).unwrap_or(0) & 0xffff_ffff_ffff;
    // 74 bits are free: 44 for the counter, 30 for the hub.
    let free = (u128::from(counter & 0xfff_ffff_ffff) << 30) | u128::from(hub & 0x3fff_ffff);
    let (high, low) = (free >> 62, free & 0x3fff_ffff_ffff_ffff);
    (time << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low
}
