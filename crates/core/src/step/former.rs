//! Keys that rows of a record gave up: what a log tells of them again is old, and whoever shows one of
//! them later is another row.

use crate::{
    change::{Order, RowKey},
    commit::KnownRow,
    group::{Former, Group},
    name::{BindingIndex, RecordId},
    plan::Plan,
    step::{
        link::{PartAt, place},
        pass::Pass,
        sight::Sight,
    },
};

/// Keys remembered per record.
const REMEMBERED: usize = 8;

impl Pass<'_> {
    /// A row of the record gives up this key. Where a log may tell of it again, that is remembered, and
    /// how far the log was (2.7).
    pub(super) fn give_up(
        &mut self,
        group: &mut Group,
        at: PartAt,
        binding: BindingIndex,
        key: RowKey,
        order: Option<Order>,
    ) {
        group.former.retain(|former| former.binding != binding || former.key != key);
        match order {
            Some(order @ Order::Log { .. }) => {
                if group.former.len() >= REMEMBERED {
                    group.former.remove(0);
                }
                group.former.push(Former { binding, key: key.clone(), order });
                // Whose it is now was perhaps not heard yet.
                self.learn_childless(binding, key, group.id, at != PartAt::Root);
            }
            Some(Order::Version(_) | Order::Operation(_)) | None => self.forget(binding, key),
        }
    }

    /// This row belongs to this record as far as is known, and no other row refers to the record by it.
    pub(super) fn learn_childless(
        &mut self,
        binding: BindingIndex,
        key: RowKey,
        record: RecordId,
        child: bool,
    ) {
        let known = KnownRow { record, child, digest: None, quiet: true, rival: false };
        self.working.keys.insert((binding, key), Some(known));
    }

    /// The row under this key is this record's from now on. Whose it was before need not remember it: what a log
    /// tells of it from before that is old for the new one, too.
    pub(super) fn is_given_to(&mut self, sight: &Sight<'_>, record: RecordId) {
        let (binding, key) = (sight.binding, sight.key);
        let known = self.working.keys.get(&(binding, key.clone())).and_then(Option::as_ref);
        let holder = known.map(|known| known.record).filter(|holder| *holder != record);
        let is_it = |former: &Former| former.binding == binding && former.key == *key;
        let group = holder.and_then(|holder| self.working.groups.get(&holder)?.as_ref());
        if !group.is_some_and(|group| group.former.iter().any(is_it)) {
            return;
        }
        let Some(mut group) = holder.and_then(|holder| self.take(holder)) else { return };
        let before = self.before(&group);
        group.former.retain(|former| !is_it(former));
        self.put_changed(group, before);
    }

    /// Whether this key is one that a row of its record gave up, and shows another row by now.
    pub(super) fn is_taken_again(&self, sight: &Sight<'_>, record: RecordId) -> bool {
        let group = self.working.groups.get(&record).and_then(Option::as_ref);
        group.is_some_and(|group| is_taken_again(self.plan, group, sight))
    }
}

/// Whether this row has a key that a row of the group gave up, and is another row.
pub(super) fn is_taken_again(plan: &Plan, group: &Group, sight: &Sight<'_>) -> bool {
    let (binding, key) = (sight.binding, sight.key);
    let former = group.former.iter().find(|it| it.binding == binding && it.key == *key);
    let Some(former) = former.filter(|_| sight.row.is_some()) else { return false };
    let is_old = sight.order.is_some_and(|order| order.is_covered_by(former.order));
    !is_old && place(plan, group, binding, key).is_none()
}
