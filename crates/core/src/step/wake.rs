//! Writes that a system refused because of another row: due at once when that row is seen to have
//! changed, or to be gone (2.9). A reason that nobody sees is tried again after a while.
//!
//! Who waits is found from the row that it waits for: a delete, by the keys that the rows in its way
//! name; a row without its parent, by the index of references, once the refusal has had the parent
//! read.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    change::{Row, RowKey, WriteKind},
    commit::GroupChange,
    group::{Group, Intent, Link, Parked},
    index,
    moved::Moved,
    name::{BindingIndex, RecordId, SystemIndex},
    need::{cells, reference_key},
    plan::{Binding, Class, Entity, Plan},
    step::{gather::Gather, link::PartAt, parents::ALWAYS, pass::Pass, written::Answered},
    value::Slot,
};

const CHILDREN: &str = "write.children_exist";
const PARENT: &str = "write.parent_missing";

impl Parked {
    /// Another row is in the way, or missing; and when it is tried again is a guess.
    pub fn is_for_a_row(&self) -> bool {
        self.not_before > ALWAYS && (self.code == CHILDREN || self.code == PARENT)
    }
}

impl Gather<'_> {
    /// Who may wait for this row to be as it is seen now.
    pub(super) fn frees(
        &mut self,
        group: &Group,
        binding: &Binding,
        link: &Link,
        row: Option<&Row>,
    ) {
        let Some(entity) = self.plan.entity(binding.entity) else { return };
        for (parent, key) in let_go(self.plan, binding, entity, link.shadow.as_ref(), row) {
            if let Some(Some(known)) = self.known(parent, &key)
                && !known.is_at_rest()
            {
                self.record(known.record);
            }
        }
        if row.is_none() && link.must_read && self.plan.is_referred_to(group.entity) {
            self.all_referring(group.id, RecordId::NONE);
        }
    }

    /// The rows that a refused write refers to: one of them may be gone.
    pub(super) fn suspects(&mut self, binding: &Binding, entity: &Entity, intent: &Intent) {
        for (parent, key) in named(self.plan, binding, entity, intent) {
            if let Some(Some(known)) = self.known(parent, &key) {
                self.record(known.record);
            }
        }
    }
}

impl Pass<'_> {
    /// The rows that a refused write refers to are read: if one of them is gone, all follows from
    /// that. A log tells by itself.
    pub(super) fn read_suspects(&mut self, group: &mut Group, answered: &Answered) {
        let kind = answered.intent.kind;
        if answered.class == Class::Log || kind == WriteKind::Delete {
            return;
        }
        let (system, plan) = (answered.system, self.plan);
        let Some(binding) = plan.binding(answered.binding) else { return };
        let Some(entity) = plan.entity(binding.entity) else { return };
        if let (Some(parent), Some(link)) = (entity.parent, group.root.link_mut(system))
            && let (Some(place), Some(key)) = (plan.binding_of(parent, system), link.key.clone())
            && link.is_settled()
        {
            link.must_read = true;
            self.ask(place, key, Vec::new());
        }
        for (place, key) in named(plan, binding, entity, &answered.intent) {
            let known = self.working.keys.get(&(place, key.clone())).and_then(Option::as_ref);
            let Some(other) = known.map(|known| known.record) else { continue };
            let Some(other) = self.take(other) else { continue };
            if other.root.link(system).is_some_and(Link::is_settled) {
                self.mark_must_read(other, PartAt::Root, system);
                self.ask(place, key, Vec::new());
            } else {
                self.put_back(other);
            }
        }
    }

    /// What waited for rows that this step saw change is due at once.
    pub(super) fn wake(&mut self, groups: &mut Vec<GroupChange>) {
        let plan = self.plan;
        let mut woken: BTreeSet<(RecordId, SystemIndex, &'static str)> = BTreeSet::new();
        for change in groups.iter().filter(|change| is_tied(plan, &change.group)) {
            let after: BTreeMap<(BindingIndex, &RowKey), Option<&Row>> = change
                .after
                .rows
                .iter()
                .map(|row| ((row.binding, &row.key), row.shadow.as_ref()))
                .collect();
            for row in change.before.rows.iter().filter(|row| row.shadow.is_some()) {
                let now = after.get(&(row.binding, &row.key)).copied().flatten();
                let Some(binding) = plan.binding(row.binding) else { continue };
                let Some(entity) = plan.entity(binding.entity) else { continue };
                for place in let_go(plan, binding, entity, row.shadow.as_ref(), now) {
                    if let Some(Some(known)) = self.working.keys.get(&place) {
                        woken.insert((known.record, row.system, CHILDREN));
                    }
                }
                if now.is_some() {
                    continue;
                }
                if row.child {
                    woken.insert((change.group.id, row.system, CHILDREN));
                    continue;
                }
                let referring = self.working.referring.get(&(change.group.id, RecordId::NONE));
                let referring = referring.into_iter().flatten();
                woken.extend(referring.map(|record| (*record, row.system, PARENT)));
            }
        }
        for (record, system, code) in woken {
            self.wake_one(groups, record, system, code);
        }
    }

    fn wake_one(
        &mut self,
        groups: &mut Vec<GroupChange>,
        record: RecordId,
        system: SystemIndex,
        code: &str,
    ) {
        match groups.binary_search_by_key(&record, |change| change.group.id) {
            Ok(at) => {
                let Some(change) = groups.get_mut(at) else { return };
                if release(&mut change.group, system, code) {
                    change.after = index::of(self.plan, &change.group);
                }
            }
            Err(at) => {
                let Some(mut group) = self.take(record) else { return };
                let before = self.index_of(&group);
                if release(&mut group, system, code) {
                    group.revision.0 += 1;
                    let after = index::of(self.plan, &group);
                    // What waits is no part of the state.
                    let moved = Moved::Nothing;
                    groups.insert(at, GroupChange { group, before, after, moved });
                } else {
                    self.put_back(group);
                }
            }
        }
    }
}

/// Rows of this record, or of its lists, can be in somebody's way.
fn is_tied(plan: &Plan, group: &Group) -> bool {
    plan.entity(group.entity).is_some_and(|entity| {
        !entity.lists.is_empty()
            || entity.fields.iter().any(|field| field.reference.is_some())
            || plan.is_referred_to(group.entity)
    })
}

/// The rows that this one referred to before, and does not now.
fn let_go(
    plan: &Plan,
    binding: &Binding,
    entity: &Entity,
    before: Option<&Row>,
    now: Option<&Row>,
) -> Vec<(BindingIndex, RowKey)> {
    let Some(before) = before else { return Vec::new() };
    let references = cells(binding).filter_map(|(field, _)| {
        let parent = entity.field(field)?.reference?;
        let old = before.slot(field);
        if now.is_some_and(|now| now.slot(field) == old) {
            return None;
        }
        let Slot::Present(native) = old else { return None };
        Some((plan.binding_of(parent, binding.system)?, reference_key(native)?))
    });
    references.collect()
}

/// The rows that a write refers to.
fn named(
    plan: &Plan,
    binding: &Binding,
    entity: &Entity,
    intent: &Intent,
) -> Vec<(BindingIndex, RowKey)> {
    let references = intent.set.iter().filter_map(|(field, native, _)| {
        let parent = entity.field(*field)?.reference?;
        Some((plan.binding_of(parent, binding.system)?, reference_key(native)?))
    });
    references.collect()
}

/// Whatever waits for a row there for this reason is due at once.
fn release(group: &mut Group, system: SystemIndex, code: &str) -> bool {
    let parts = std::iter::once(&mut group.root)
        .chain(group.children.iter_mut().map(|child| &mut child.part));
    let mut changed = false;
    for link in parts.filter_map(|part| part.link_mut(system)) {
        if let Some(parked) = link.parked.as_mut().filter(|it| it.code == code && it.is_for_a_row())
        {
            parked.not_before = ALWAYS;
            changed = true;
        }
    }
    changed
}
