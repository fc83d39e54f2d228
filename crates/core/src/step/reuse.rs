//! Keys that a system has given again: whether the row under the key of one that is gone is still its record's.

use crate::{
    change::Row,
    commit::MatchKey,
    group::Group,
    matching,
    merge::take,
    plan::{Binding, Entity, MatchRule},
    step::{
        fence::is_covered,
        link::PartAt,
        pass::Pass,
        sight::{How, Sight},
    },
    value::Value,
};

impl Pass<'_> {
    /// Id reuse (I8): a key that belonged to a deleted row and now shows somebody else is a new
    /// record's. Returns the group where the row is still its own, as it is where a log is heard again.
    pub(super) fn reused(
        &mut self,
        sight: &Sight<'_>,
        mut group: Group,
        at: PartAt,
    ) -> Option<Group> {
        let (Some(row), Some(binding)) = (sight.row, self.plan.binding(sight.binding)) else {
            return Some(group);
        };
        let system = binding.system;
        if let PartAt::Child(child) = at {
            return self.reused_line(sight, group, child);
        }
        let is_absent = group
            .root
            .link(system)
            .filter(|link| !matches!(sight.how, How::Log) || !is_covered(sight.order, link))
            .is_some_and(|link| {
                // A row that was there and could not be read is no other one once it can.
                link.shadow.is_none() && link.unresolved.is_empty() && !link.is_unreadable()
            });
        if !is_absent {
            return Some(group);
        }
        let entity = self.plan.entity(binding.entity)?;
        let keys = self.keys_shown(binding, entity, row);
        let known = matching::part_keys(entity, &group.root);
        let shares = keys.iter().any(|key| known.contains(key));
        let comparable = keys.iter().any(|(rule, _)| known.iter().any(|(other, _)| rule == other));
        if shares || !comparable {
            return Some(group);
        }
        let before = self.before(&group);
        // A log may be heard again from when the row was still there.
        let order = group.root.link(system).and_then(|link| link.order);
        group.root.links.retain(|link| link.system != system);
        self.give_up(&mut group, PartAt::Root, sight.binding, sight.key.clone(), order);
        self.put_changed(group, before);
        // Whoever has these keys was not asked for: it is looked up with the next batch.
        let wanted = keys
            .iter()
            .all(|(rule, key)| self.working.matches.contains_key(&(binding.entity, *rule, *key)));
        if wanted {
            self.unlinked(sight, &keys);
        } else {
            self.again(sight);
        }
        None
    }

    /// The same for the key of a line that is gone: a row of another order, or one that is told apart from it
    /// within its own, is another line.
    fn reused_line(&mut self, sight: &Sight<'_>, mut group: Group, child: usize) -> Option<Group> {
        let (Some(row), Some(binding)) = (sight.row, self.plan.binding(sight.binding)) else {
            return Some(group);
        };
        let (system, list) = (binding.system, self.plan.entity(binding.entity));
        let parent = list.and_then(|list| list.parent);
        let parent = parent.and_then(|parent| self.plan.binding_of(parent, system));
        let known = parent.zip(sight.parent).and_then(|(parent, key)| {
            self.working.keys.get(&(parent, key.clone()))?.as_ref().map(|known| known.record)
        });
        let (Some(list), Some(parent)) = (list, known) else { return Some(group) };
        let at = PartAt::Child(child);
        let Some(line) = group.children.get(child) else { return Some(group) };
        let shown = self.keys_shown(binding, list, row);
        let same = matching::part_keys(list, &line.part).iter().any(|key| shown.contains(key));
        let is_absent = line.part.link(system).is_some_and(|link| {
            let is_old = matches!(sight.how, How::Log) && is_covered(sight.order, link);
            link.shadow.is_none() && link.unresolved.is_empty() && !is_old
        });
        if !is_absent || (same && parent == group.id) {
            return Some(group);
        }
        let before = self.before(&group);
        let order = line.part.link(system).and_then(|link| link.order);
        if let Some(line) = group.children.get_mut(child) {
            line.part.links.retain(|link| link.system != system);
        }
        self.give_up(&mut group, at, sight.binding, sight.key.clone(), order);
        self.put_changed(group, before);
        self.unlinked_child(sight);
        None
    }

    /// The match keys that a row shows, as far as it can be read.
    pub(super) fn keys_shown(
        &self,
        binding: &Binding,
        entity: &Entity,
        row: &Row,
    ) -> Vec<(u16, MatchKey)> {
        let shown = |rule: &MatchRule| {
            let values = rule.fields.iter().map(|field| {
                let (cell, native) = binding.cell(*field).zip(row.value(*field))?;
                let (plan, working, system) = (self.plan, &*self.working, binding.system);
                take(plan, working, entity, system, *field, cell, native, None).ok()
            });
            let values: Vec<Option<Value>> = values.collect();
            matching::key_of(values.iter().map(Option::as_ref))
        };
        let numbered = (0u16..).zip(&entity.matching);
        numbered.filter_map(|(number, rule)| Some((number, shown(rule)?))).collect()
    }
}
