//! New rows of ours that were given the key of another record's row: one that is there, or one that is
//! gone.

use crate::{
    change::{Order, RowKey, WriteKind},
    group::{Group, Lane, Link},
    name::{BindingIndex, IntentId, RecordId},
    plan::Class,
    step::{
        link::PartAt,
        pass::Pass,
        written::{Answered, drop_intent, link_mut},
    },
};

impl Pass<'_> {
    /// The other record whose row the system says it has just created, if there is one: a table that
    /// replaces a row by another instead of refusing it, or a key that tells no rows apart.
    pub(super) fn displaces(
        &self,
        record: RecordId,
        answered: &Answered,
        key: &RowKey,
    ) -> Option<RecordId> {
        if answered.intent.kind != WriteKind::Insert {
            return None;
        }
        let known = self.working.keys.get(&(answered.binding, key.clone()))?.as_ref()?;
        let holder = self.working.groups.get(&known.record)?.as_ref()?;
        let at = self.place(holder, answered.binding, key)?;
        let link = at.part(holder)?.link(answered.system)?;
        (known.record != record && is_there(link)).then_some(known.record)
    }

    /// The new row is not taken for this record's, and the other record's is looked at again.
    pub(super) fn displaced(
        &mut self,
        group: &mut Group,
        answered: &Answered,
        key: &RowKey,
        holder: RecordId,
    ) {
        self.is_not_made(group, answered, key);
        let system = answered.system;
        let Some(other) = self.take(holder) else { return };
        match self.place(&other, answered.binding, key) {
            Some(at) => self.mark_must_read(other, at, system),
            None => self.put_back(other),
        }
    }

    fn is_not_made(&mut self, group: &mut Group, answered: &Answered, key: &RowKey) {
        drop_intent(group, answered);
        let message = format!("the new row was given the key of another record's, {key}");
        let (at, system, code) = (answered.at, answered.system, "write.key_not_unique");
        self.park_write(group, at, system, code, &message, false);
    }

    /// A log tells that our new row has taken the place of another record's, which was there.
    pub(super) fn displaced_in_log(&mut self, mut group: Group, mark: IntentId, key: &RowKey) {
        let Some(answered) = self.answered(&group, mark) else {
            self.put_back(group);
            return;
        };
        let before = self.before(&group);
        self.is_not_made(&mut group, &answered, key);
        if let Some(link) = link_mut(&mut group, &answered) {
            link.lane = Lane::Free;
        }
        self.put_changed(group, before);
    }

    /// Another record whose row is gone gives up the key that its system has given to this one's new
    /// row: its own, if it lives again, is another row, and no read of that key would tell of it.
    pub(super) fn take_over(&mut self, record: RecordId, answered: &Answered, key: &RowKey) {
        let known = self.working.keys.get(&(answered.binding, key.clone()));
        let Some(known) = known.and_then(Option::as_ref) else { return };
        // Where there is a log, it tells of the key again, and whose it was is remembered for that.
        if known.record == record || answered.class == Class::Log {
            return;
        }
        let Some(mut former) = self.take(known.record) else { return };
        let before = self.before(&former);
        let at = self.place(&former, answered.binding, key);
        let part = at.and_then(|at| at.part_mut(&mut former));
        let link = part.and_then(|part| part.link_mut(answered.system));
        if let Some(link) = link.filter(|link| !is_there(link)) {
            link.key = None;
            link.must_read = false;
            self.put_changed(former, before);
        } else {
            self.put_back(former);
        }
    }
}

impl Pass<'_> {
    /// Another part of the same record whose row is gone gives up the key that this part's new row has. How far a
    /// log was heard of that key, it was heard of this row: what it told of the other is old. Whether
    /// there was one.
    pub(super) fn give_way(
        &self,
        group: &mut Group,
        new: PartAt,
        binding: BindingIndex,
        key: &RowKey,
    ) -> bool {
        let Some(system) = self.plan.binding(binding).map(|found| found.system) else {
            return false;
        };
        let list_of = |group: &Group, at: PartAt| match at {
            PartAt::Root => group.entity,
            PartAt::Child(child) => group.children.get(child).map_or(group.entity, |it| it.list),
        };
        let entity = list_of(group, new);
        let parts = (0..group.children.len()).map(PartAt::Child);
        let others: Vec<PartAt> =
            parts.filter(|at| *at != new && list_of(group, *at) == entity).collect();
        let mut heard = None;
        let mut was_known = false;
        for at in others {
            let Some(link) = at.part_mut(group).and_then(|part| part.link_mut(system)) else {
                continue;
            };
            if link.key.as_ref() != Some(key) || is_there(link) || !link.unresolved.is_empty() {
                continue;
            }
            (link.key, link.must_read) = (None, false);
            heard = link.order.filter(|order| matches!(order, Order::Log { .. }));
            was_known = true;
        }
        if let Some(link) = new.part_mut(group).and_then(|part| part.link_mut(system)) {
            link.order = link.order.or(heard);
        }
        was_known
    }
}

/// Whether a row is there: one of class A that was just written is shown by the log, later.
fn is_there(link: &Link) -> bool {
    link.is_present() || matches!(link.lane, Lane::Echo(_))
}
