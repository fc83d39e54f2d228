//! Writes that a step plans in the same commit as the changes that they come from: one commit less
//! until the change is there, where a system can be written at once.

use crate::{
    change::{Cycles, WriteKind},
    index::behind,
    name::{RecordId, SystemIndex},
    plan::Class,
    step::{gather::misses_for, pass::Pass},
};

impl Pass<'_> {
    /// Plans what the records that were changed in this step need in these systems, where that is
    /// nothing but rows to create and to change, and all that a plan must see is at hand. The rest is
    /// due, as ever.
    pub(super) fn carry(&mut self, systems: &[SystemIndex]) {
        // What looks garbled is looked at before it goes anywhere.
        if systems.is_empty() || !self.journal.garbled.is_empty() {
            return;
        }
        for record in self.touched() {
            for system in systems {
                if self.can_carry(record, *system) {
                    self.due(record, *system, Cycles::Wait);
                }
            }
        }
    }

    fn can_carry(&self, record: RecordId, system: SystemIndex) -> bool {
        if self.class(system) == Class::Log {
            // Who writes there follows the log first: it tells the fate of what was written.
            return false;
        }
        let group = self.working.groups.get(&record).and_then(Option::as_ref);
        let Some(group) = group.filter(|group| group.root.exists.alive) else { return false };
        let needed = behind(self.plan, group, system);
        let is_put = needed.is_some_and(|needed| match needed.kind {
            WriteKind::Insert | WriteKind::Update => !needed.parked && needed.not_before.is_none(),
            WriteKind::Delete => false,
        });
        is_put && !misses_for(self.plan, self.working, record, system)
    }
}
