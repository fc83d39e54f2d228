//! Rows that a hub made and has forgotten, because it was restored from an older backup (2.16).
//!
//! The mark in a log says that such a row is ours; so it is a copy, and speaks for nobody. While everything
//! is learnt again, the record of a copy whose original was not heard of yet is not born: it keeps the
//! match keys and the row, so that the original finds it, as it was when it was copied. What people did to
//! the copy since waits until all logs were heard, and is heard again then. Who is still not born has
//! lost its original, and lives by its copy.
//!
//! The same is true of values. A row that shows one of ours which the hub does not hold is a copy of what
//! somebody typed elsewhere; whoever has changed it since had seen that, and waits until it was heard.

use crate::{
    change::Effect,
    commit::{Disposition, MatchKey},
    group::Group,
    need::{Rows, View, cells},
    step::{
        fence::is_covered,
        link::{Found, PartAt},
        pass::Pass,
        sight::{How, Sight},
    },
};

impl Pass<'_> {
    /// Keeps a row that we made and have forgotten for whoever it was copied from. Whether it is one.
    pub(super) fn awaits_original(&mut self, sight: &Sight<'_>, keys: &[(u16, MatchKey)]) -> bool {
        let (Some(mark), Some(row), How::Log) = (sight.mark, sight.row, sight.how) else {
            return false;
        };
        let is_forgotten = matches!(self.working.intents.get(&mark), Some(None));
        let Some(binding) = self.plan.binding(sight.binding) else { return false };
        if !self.relearns || !is_forgotten || keys.is_empty() {
            return false;
        }
        let found = match self.find(binding.entity, keys) {
            Found::Nobody => Some(self.place_of(sight, binding, keys)),
            Found::One(record, _) => self.take(record),
            Found::Several(_) => None,
        };
        let Some(mut group) = found else { return false };
        let system = binding.system;
        if group.root.exists.version > 0 || group.root.link(system).is_some() {
            self.put_back(group);
            return false;
        }
        let (before, birth) = (self.before(&group), self.birth());
        let mut link = group.root.take_link(system);
        link.key = Some(sight.key.clone());
        link.shadow = Some(row.clone());
        link.order = sight.order;
        link.touched = birth;
        group.root.put_link(link);
        self.learn(sight.binding, sight.key.clone(), group.id, false);
        self.put_changed(group, before);
        self.journal.ended(sight, Disposition::Held);
        true
    }

    /// What a log tells of the copy of a record that is not born: put off while everything is learnt again;
    /// afterwards it is somebody's. The group, where neither is so.
    pub(super) fn of_the_unborn(&mut self, sight: &Sight<'_>, mut group: Group) -> Option<Group> {
        if sight.how != How::Log || group.root.exists.version > 0 {
            return Some(group);
        }
        let Some(system) = self.plan.binding(sight.binding).map(|found| found.system) else {
            return Some(group);
        };
        let Some(link) = group.root.link(system).filter(|link| link.shadow.is_some()) else {
            return Some(group);
        };
        if self.relearns {
            if is_covered(sight.order, link) {
                return Some(group);
            }
            self.put_back(group);
            self.hear_later(sight);
            return None;
        }
        if sight.row.is_none() {
            return Some(group);
        }
        let before = self.before(&group);
        group.root.links.retain(|link| link.system != system);
        self.touch(&group, before);
        self.link(sight, group, PartAt::Root, None);
        None
    }

    /// What a log tells of a row that shows something of ours which the hub has forgotten, and has not learnt again:
    /// put off while everything is learnt again. The group, where that is not so.
    pub(super) fn on_top_of_forgotten(
        &mut self,
        sight: &Sight<'_>,
        group: Group,
        at: PartAt,
    ) -> Option<Group> {
        let is_told = self.relearns && sight.how == How::Log;
        if !is_told || !self.shows_forgotten(sight, &group, at) {
            return Some(group);
        }
        self.put_back(group);
        self.hear_later(sight);
        None
    }

    fn shows_forgotten(&self, sight: &Sight<'_>, group: &Group, at: PartAt) -> bool {
        let found = self.plan.binding(sight.binding).zip(at.part(group));
        let Some((binding, part)) = found.filter(|(_, part)| part.exists.alive) else {
            return false;
        };
        let entity = self.plan.entity(binding.entity);
        let link = part.link(binding.system).filter(|link| !is_covered(sight.order, link));
        let Some(((link, shadow), entity)) =
            link.and_then(|it| it.shadow.as_ref().map(|row| (it, row))).zip(entity)
        else {
            return false;
        };
        let rows = Rows { working: Some(self.working) };
        let view = View { plan: self.plan, entity, record: group.id, root: &group.root, rows };
        let is_ours = |field| link.last_own.contains(field) && link.agreed(field) == 0;
        cells(binding).filter(|(field, _)| is_ours(*field)).any(|(field, cell)| {
            let Some(golden) = part.cell(field) else { return false };
            let shown = shadow.value(field);
            let held = view.put(binding.system, field, cell, &golden.value, shown);
            held.is_ok_and(|held| Some(&held) != shown)
        })
    }

    /// Whether something that was told of this row before is to be heard later.
    pub(super) fn is_later(&self, sight: &Sight<'_>) -> bool {
        !self.later.is_empty() && self.later.contains(&(sight.binding, sight.key.clone()))
    }

    /// This, and all that is told of the row after it, is to be heard again, later.
    pub(super) fn hear_later(&mut self, sight: &Sight<'_>) {
        let (binding, key) = (sight.binding, sight.key.clone());
        self.later.insert((binding, key.clone()));
        self.journal.ended(sight, Disposition::Held);
        self.journal.effects.push(Effect::Later { binding, key });
    }
}
