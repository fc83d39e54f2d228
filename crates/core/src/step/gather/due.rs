//! What must be seen before a record can be written: its parents, and whoever is in its way.

use std::collections::BTreeSet;

use super::Gather;
use crate::{
    change::Cycles,
    group::Group,
    name::{RecordId, SystemIndex},
    step::parents::{is_to_come, targets},
    value::Value,
};

impl Gather<'_> {
    /// Everything a plan of this record's rows in this system looks at: parents, and the records
    /// whose unique values it waits for; for a deleted record, those that refer to it.
    pub(super) fn due(&mut self, record: RecordId, system: SystemIndex, cycles: Cycles) {
        let mut next = Some(record);
        let mut seen = BTreeSet::new();
        while let Some(record) = next.take().filter(|record| seen.insert(*record)) {
            let Some(group) = self.record(record) else { return };
            self.targets(group, system);
            self.referring(group);
            if cycles == Cycles::Break {
                self.chains(group, system);
            }
            next = group.root.link(system).and_then(|link| link.waits_for);
        }
    }

    /// The records that refer to this deleted one.
    fn referring(&mut self, group: &Group) {
        if !group.root.exists.alive && self.plan.is_referred_to(group.entity) {
            self.all_referring(group.id, RecordId::NONE);
        }
    }

    /// The records that refer to this one, and come after that one.
    pub(in crate::step) fn all_referring(&mut self, record: RecordId, after: RecordId) {
        match self.working.referring.get(&(record, after)) {
            Some(records) => {
                for record in records {
                    self.record(*record);
                }
            }
            None => {
                self.misses = true;
                self.wants.referring.insert((record, after));
            }
        }
    }

    /// The records that this one waits for in this system, and those that they wait for.
    fn chains(&mut self, group: &Group, system: SystemIndex) {
        let mut seen = BTreeSet::from([group.id]);
        let mut next: Vec<RecordId> = targets(group).collect();
        while let Some(record) = next.pop() {
            let is_there = matches!(self.working.row_keys.get(&(record, system)), Some(Some(_)));
            if is_there || !seen.insert(record) {
                continue;
            }
            if let Some(group) = self.record(record).filter(|group| is_to_come(group, system)) {
                next.extend(targets(group));
            }
        }
    }

    /// The keys in this system of the records that this one refers to.
    pub(super) fn targets(&mut self, group: &Group, system: SystemIndex) {
        for (_, part) in group.parts() {
            for cell in &part.cells {
                let Value::Ref(parent) = cell.value else { continue };
                if parent != group.id
                    && !self.working.row_keys.contains_key(&(parent, system))
                    && !self.working.groups.contains_key(&parent)
                {
                    self.misses = true;
                    self.wants.row_keys.insert((parent, system));
                }
            }
        }
    }
}
