//! Rows that are not linked: which record they belong to, and what happens if that is not clear.

use crate::{
    Text,
    audit::event,
    change::{Effect, PartKey, RowKey},
    commit::{AuditEvent, AuditKind, Disposition, MatchKey},
    group::{Group, Lane, Link, Part, Scope},
    matching,
    merge::{Merged, Taken, Trouble},
    name::{BindingIndex, EntityIndex, RecordId},
    plan::{Class, Plan},
    step::{
        fence::{Fence, fence, in_doubt, is_covered},
        pass::Pass,
        rivals,
        sight::{How, Sight},
    },
    value::Value,
};

/// Where a part is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartAt {
    /// The record itself.
    Root,
    /// This child.
    Child(usize),
}

impl PartAt {
    /// The part.
    pub(crate) fn part(self, group: &Group) -> Option<&Part> {
        match self {
            Self::Root => Some(&group.root),
            Self::Child(at) => group.children.get(at).map(|child| &child.part),
        }
    }

    /// The part, to be changed.
    pub(crate) fn part_mut(self, group: &mut Group) -> Option<&mut Part> {
        match self {
            Self::Root => Some(&mut group.root),
            Self::Child(at) => group.children.get_mut(at).map(|child| &mut child.part),
        }
    }

    /// Its key.
    pub(crate) fn key(self, group: &Group) -> PartKey {
        match self {
            Self::Root => PartKey::Root,
            Self::Child(at) => group.children.get(at).map_or(PartKey::Root, |child| {
                PartKey::Child { list: child.list, key: child.key.clone() }
            }),
        }
    }
}

/// Where an unlinked row goes.
pub(super) enum Found {
    /// No record has its match keys.
    Nobody,
    /// This one, by this rule.
    One(RecordId, u16),
    /// Several.
    Several(Vec<RecordId>),
}

impl Pass<'_> {
    /// Where in a group the row with this key is.
    pub(crate) fn place(
        &self,
        group: &Group,
        binding: BindingIndex,
        key: &RowKey,
    ) -> Option<PartAt> {
        place(self.plan, group, binding, key)
    }

    /// A row that is not linked.
    pub(super) fn unlinked(&mut self, sight: &Sight<'_>, keys: &[(u16, MatchKey)]) {
        let Some(binding) = self.plan.binding(sight.binding) else { return };
        let Some(entity) = self.plan.entity(binding.entity) else { return };
        if matches!(sight.how, How::Push) {
            // A hint: whether the row is still there, the payload cannot say.
            self.journal.ended(sight, Disposition::Held);
            self.ask(sight.binding, sight.key.clone(), Vec::new());
            return;
        }
        let is_looked_at = matches!(sight.how, How::Polled(_) | How::Heard(_));
        if is_looked_at && self.class(binding.system) == Class::Log {
            // Whose row it is, and since when, the log says (D6).
            self.journal.ended(sight, Disposition::Held);
            return;
        }
        if let Some((group, at)) = self.inserted(sight) {
            self.link(sight, group, at, None);
            return;
        }
        if let Some(record) = self.came_late(sight) {
            let message = "our own insert came late: the record has another row by now";
            self.park_ambiguous(sight, message.into(), vec![record]);
            return;
        }
        if entity.parent.is_some() {
            self.unlinked_child(sight);
            return;
        }
        if self.awaits_original(sight, keys) {
            return;
        }
        if self.asks_whose(sight, keys) {
            self.again(sight);
            return;
        }
        if let Some((group, rule)) = self.written_in_doubt(sight, keys) {
            self.link_or_move(sight, group, PartAt::Root, Some(rule));
            return;
        }
        if self.clashing.contains(&(sight.binding, sight.key.clone())) {
            self.set_aside_rival(sight, keys);
            return;
        }
        match self.find(binding.entity, keys) {
            Found::Several(records) => self.park_several(sight, records),
            Found::Nobody if !binding.reads => {
                self.journal.ended(sight, Disposition::Filtered);
            }
            Found::Nobody => {
                let group = self.new_group(binding.entity);
                self.link(sight, group, PartAt::Root, None);
            }
            Found::One(record, rule) => {
                let Some(group) = self.take(record) else { return };
                if let Some(at) = self.place(&group, sight.binding, sight.key) {
                    // It was linked while this batch was looked up.
                    self.learn(sight.binding, sight.key.clone(), record, false);
                    self.seen(sight, group, at);
                } else if group.rivals.iter().any(|rival| rival.binding == sight.binding) {
                    self.join_rivals(sight, group, None);
                } else {
                    self.link_or_move(sight, group, PartAt::Root, Some(rule));
                }
            }
        }
    }

    /// The record with these match keys: the living ones decide; a deleted one may live again.
    pub(super) fn find(&self, entity_index: EntityIndex, keys: &[(u16, MatchKey)]) -> Found {
        let Some(entity) = self.plan.entity(entity_index) else { return Found::Nobody };
        for (rule, key) in keys {
            let Some(match_rule) = entity.matching.get(usize::from(*rule)) else { continue };
            let records = self.working.matches.get(&(entity_index, *rule, *key));
            let groups = records.into_iter().flatten().filter_map(|record| {
                let group = self.working.groups.get(record)?.as_ref()?;
                // The index may be older than what this batch has changed.
                let matches = group.entity == entity_index
                    && group.merged_into.is_none()
                    && matching::part_key(match_rule, &group.root) == Some(*key);
                matches.then_some(group)
            });
            let (mut living, mut dead): (Vec<&Group>, Vec<&Group>) =
                groups.partition(|group| group.root.exists.alive);
            match (living.len(), living.pop(), dead.pop()) {
                (1, Some(group), _) => return Found::One(group.id, *rule),
                (0, _, Some(group)) => {
                    let newest = dead.iter().map(|group| group.id).max();
                    return Found::One(newest.unwrap_or(group.id).max(group.id), *rule);
                }
                (0, _, None) => {}
                (_, last, _) => {
                    let all = living.iter().copied().chain(last).map(|group| group.id);
                    return Found::Several(all.collect());
                }
            }
        }
        Found::Nobody
    }

    /// Links the row, unless its record already has another row there: that one must be gone first.
    pub(super) fn link_or_move(
        &mut self,
        sight: &Sight<'_>,
        group: Group,
        at: PartAt,
        rule: Option<u16>,
    ) {
        let Some(system) = self.plan.binding(sight.binding).map(|found| found.system) else {
            return;
        };
        let group = self.expired(group, system);
        let link = at.part(&group).and_then(|part| part.link(system)).cloned();
        let Some(link) = link else {
            self.link(sight, group, at, rule);
            return;
        };
        if matches!(sight.how, How::Log) && is_covered(sight.order, &link) {
            // The log is heard again, and this row was the record's before the one that is known; or
            // it came while that one was still there. If it is still there itself, it counts.
            self.put_back(group);
            self.journal.ended(sight, Disposition::Superseded);
            self.ask(sight.binding, sight.key.clone(), Vec::new());
            return;
        }
        let old = link.key.clone().filter(|_| link.shadow.is_some());
        if is_claimed(&link, sight) {
            // Our own row is known by its key; this one is another, and perhaps gone already.
            if at == PartAt::Root {
                self.join_rivals(sight, group, None);
                return;
            }
            let record = group.id;
            self.put_back(group);
            let message = "our own row of the same record is on its way";
            self.park_ambiguous(sight, message.into(), vec![record]);
            return;
        }
        let Some(old) = old else {
            // No row there, but perhaps an insert of ours whose fate is not known.
            let in_doubt = in_doubt(&link);
            let class = self.class(system);
            let is_told = |intent| sight.marks.iter().any(|(known, _)| known == intent);
            // Where marks are kept, only they tell whose row it is.
            let is_read = matches!(sight.how, How::Read(_));
            let must_ask = is_read && class == Class::Marked && !in_doubt.iter().all(is_told);
            if matches!(sight.how, How::Heard(_)) && link.lane != Lane::Free {
                // It may be the very row that is being written: the answer will say so, or nobody.
                self.put_back(group);
                self.journal.ended(sight, Disposition::Held);
                let (binding, key) = (sight.binding, sight.key.clone());
                self.journal.effects.push(Effect::Later { binding, key });
                return;
            }
            match fence(self.plan, class, &Link { order: None, ..link.clone() }, sight) {
                Fence::Open | Fence::Stale if !must_ask => self.link(sight, group, at, rule),
                Fence::Busy => {
                    self.put_back(group);
                    self.journal.ended(sight, Disposition::Held);
                }
                // Nothing of ours is out there that this row could be taken for.
                Fence::Reread if in_doubt.is_empty() || (is_read && !must_ask) => {
                    self.link(sight, group, at, rule);
                }
                Fence::Open | Fence::Stale | Fence::Reread => {
                    self.put_back(group);
                    self.journal.ended(sight, Disposition::Held);
                    self.ask(sight.binding, sight.key.clone(), in_doubt);
                }
            }
            return;
        };
        let place = (sight.binding, old.clone());
        if self.gone.contains(&place) {
            self.rekey(sight, group, at, &old);
        } else if self.found.contains(&place) || self.unread.contains(&place) {
            if at == PartAt::Root {
                self.join_rivals(sight, group, Some(&old).filter(|_| self.found.contains(&place)));
                return;
            }
            let record = group.id;
            self.put_back(group);
            let message = format!("row {old} of the same system matches the same record");
            self.park_ambiguous(sight, message, vec![record]);
        } else if group.root.exists.alive || at != PartAt::Root {
            // Re-created, or a duplicate? The old row's key answers. A line is never a record.
            let doubts = in_doubt(&link);
            self.put_back(group);
            self.ask(sight.binding, old, doubts);
            self.again(sight);
        } else {
            // The old row is about to go with its record; this is somebody new.
            if group.is_rival(sight.binding, sight.key) {
                self.withdraw(sight.binding, sight.key, group);
            } else {
                self.put_back(group);
            }
            let Some(binding) = self.plan.binding(sight.binding) else { return };
            let group = self.new_group(binding.entity);
            self.link(sight, group, PartAt::Root, None);
        }
    }

    /// The record's row moved to another key: the link follows, and only differences flow.
    fn rekey(&mut self, sight: &Sight<'_>, mut group: Group, at: PartAt, old: &RowKey) {
        let Some(system) = self.plan.binding(sight.binding).map(|found| found.system) else {
            return;
        };
        let before = self.before(&group);
        let mut order = None;
        if let Some(link) = at.part_mut(&mut group).and_then(|part| part.link_mut(system)) {
            link.key = Some(sight.key.clone());
            order = link.order.take();
        }
        rivals::remove(&mut group, sight.binding, sight.key);
        self.gone.remove(&(sight.binding, old.clone()));
        self.give_up(&mut group, at, sight.binding, old.clone(), order);
        let is_child = at != PartAt::Root;
        self.learn(sight.binding, sight.key.clone(), group.id, is_child);
        let part = at.key(&group);
        self.journal.audit.push(AuditEvent {
            system: Some(system),
            key: Some(sight.key.clone()),
            note: format!("was {old}").into(),
            ..event(group.id, group.entity, &part, AuditKind::Rekeyed)
        });
        let record = group.id;
        self.put_changed(group, before);
        self.release(sight);
        if let Some(group) = self.take(record) {
            self.seen(sight, group, at);
        }
    }

    /// Links the row to the part and merges it.
    pub(super) fn link(
        &mut self,
        sight: &Sight<'_>,
        mut group: Group,
        at: PartAt,
        rule: Option<u16>,
    ) {
        let Some(binding) = self.plan.binding(sight.binding) else { return };
        let system = binding.system;
        self.is_given_to(sight, group.id);
        let before = self.before(&group);
        let is_new = group.revision.0 == 0 && group.root.exists.version == 0;
        let (record, part) = (group.id, at.key(&group));
        let was_new = at.part(&group).is_none_or(|part| part.exists.version == 0);
        let old =
            at.part(&group).and_then(|part| part.link(system)).and_then(|link| link.key.clone());
        // What is known of an older row there says nothing about this one.
        let mut order = None;
        if let Some(link) = at.part_mut(&mut group).and_then(|part| part.link_mut(system)) {
            order = link.order.take();
        }
        if at == PartAt::Root && was_new {
            // The match keys of a record that was only a place for rivals: this row says its own.
            for cell in group.root.cells.iter_mut().filter(|cell| cell.version == 0) {
                cell.value = Value::Null;
            }
        }
        match self.merge_sight(sight, &mut group, at) {
            Ok(Merged { taken, awaits, unreadable, .. }) => {
                let birth = self.birth();
                rivals::remove(&mut group, sight.binding, sight.key);
                if let Some(link) = at.part_mut(&mut group).and_then(|part| part.link_mut(system)) {
                    link.touched = link.touched.max(birth);
                    link.key = Some(sight.key.clone());
                    if link.scope == Scope::Out {
                        link.scope = Scope::Frozen;
                    }
                }
                let outside = group.root.link(system).is_some_and(|link| link.scope != Scope::In);
                if let Some(old) = old.filter(|old| old != sight.key) {
                    self.give_up(&mut group, at, sight.binding, old, order);
                }
                self.learn(sight.binding, sight.key.clone(), record, at != PartAt::Root);
                if !was_new {
                    self.journal.audit.push(AuditEvent {
                        system: Some(system),
                        key: Some(sight.key.clone()),
                        note: self.rule_name(group.entity, rule),
                        ..event(record, group.entity, &part, AuditKind::Linked)
                    });
                }
                self.put_changed(group, before);
                if let Some(awaits) = awaits {
                    self.wait_for_parent(sight, Some(record), awaits, "write.parent_missing");
                    return;
                }
                if let Some(problem) = unreadable {
                    self.unreadable(sight, Some(record), Trouble::Problem(problem));
                    return;
                }
                self.release(sight);
                let filtered = outside && taken == Taken::Applied && was_new;
                let taken = if filtered { Taken::Filtered } else { taken.max(Taken::Nothing) };
                // A link is news even where every value agrees.
                let counted = match taken.disposition() {
                    Disposition::NoOp => Disposition::Applied,
                    other @ (Disposition::Applied
                    | Disposition::Echo
                    | Disposition::Superseded
                    | Disposition::ConflictLost
                    | Disposition::Filtered
                    | Disposition::Quarantined
                    | Disposition::Held) => other,
                };
                self.journal.ended(sight, counted);
            }
            Err(problem) => {
                let mut of = None;
                if !was_new {
                    // The row is the record's, whatever it says: nothing is written over it, and no
                    // second one beside it.
                    rivals::remove(&mut group, sight.binding, sight.key);
                    if let Some(part) = at.part_mut(&mut group) {
                        let mut link = part.take_link(system);
                        link.key = Some(sight.key.clone());
                        link.must_read = true;
                        self.hold_unread(&mut link, binding, sight.row);
                        part.put_link(link);
                    }
                    if let Some(old) = old.filter(|old| old != sight.key) {
                        self.give_up(&mut group, at, sight.binding, old, order);
                    }
                    let is_child = at != PartAt::Root;
                    self.learn_childless(sight.binding, sight.key.clone(), record, is_child);
                    self.put_changed(group, before);
                    of = Some(record);
                } else if !is_new {
                    self.put_back(group);
                }
                self.park_row(sight, of, problem.code, problem.message.into(), None);
                self.journal.ended(sight, Disposition::Quarantined);
            }
        }
    }

    fn rule_name(&self, entity: EntityIndex, rule: Option<u16>) -> Text {
        let Some(entity) = self.plan.entity(entity) else { return Text::default() };
        let Some(rule) = rule.and_then(|rule| entity.matching.get(usize::from(rule))) else {
            return Text::default();
        };
        let names = rule.fields.iter().filter_map(|field| entity.field(*field));
        let names: Vec<&str> = names.map(|field| field.name.as_str()).collect();
        format!("by {}", names.join(", ")).into()
    }
}

/// Where in a group the row with this key is.
pub(super) fn place(
    plan: &Plan,
    group: &Group,
    binding: BindingIndex,
    key: &RowKey,
) -> Option<PartAt> {
    let found = plan.binding(binding)?;
    let has =
        |part: &Part| part.link(found.system).is_some_and(|link| link.key.as_ref() == Some(key));
    if found.entity == group.entity {
        return has(&group.root).then_some(PartAt::Root);
    }
    let mut children = group.children.iter();
    let at = children.position(|child| child.list == found.entity && has(&child.part))?;
    Some(PartAt::Child(at))
}

/// Whether the link waits for the echo of an insert of ours that was given another key.
fn is_claimed(link: &Link, sight: &Sight<'_>) -> bool {
    link.shadow.is_none()
        && matches!(link.lane, Lane::Echo(_))
        && link.key.as_ref().is_some_and(|key| key != sight.key)
}
