//! Columns of a system that are gone for a while. Meanwhile their fields have no cell in the plan: they are neither read
//! nor written there, and a shadow keeps what it showed. When a column is there again, it may have been made anew, and
//! be empty: what it shows is nobody's edit, and what the hub holds is written there once the row was read.

use crate::{
    change::{Drifted, Row},
    commit::{QuarantineChange, Subject},
    group::{Link, Part, UNKNOWN},
    index,
    name::{BindingIndex, FieldIndex, OperationId},
    need::may_write,
    plan::Plan,
    step::{judge, link::PartAt, pass::Pass},
    value::Slot,
};

impl Pass<'_> {
    /// Works out what a record lacks in a system some of whose columns are gone, or are there again. What the indices
    /// say of it comes from a plan with other cells.
    pub(super) fn drifted(&mut self, drifted: &Drifted) {
        let Drifted { record, system, listed, back } = drifted;
        let Some(mut group) = self.take(*record) else { return };
        self.working.indices.remove(record);
        let mut before = index::of(self.plan, &group);
        before.behind.retain(|behind| behind.system != *system);
        before.behind.extend(listed.clone());
        before.behind.sort_by_key(|behind| behind.system);
        self.trace(&group);
        self.touch(&group, Some(before));
        let operation = self.next_operation();
        let parts =
            std::iter::once(PartAt::Root).chain((0..group.children.len()).map(PartAt::Child));
        for at in parts {
            let key = at.key(&group);
            let entity = match at {
                PartAt::Root => Some(group.entity),
                PartAt::Child(child) => group.children.get(child).map(|child| child.list),
            };
            let place = entity.and_then(|entity| self.plan.binding_of(entity, *system));
            let (Some(place), Some(part)) = (place, at.part_mut(&mut group)) else { continue };
            let own = back.iter().filter(|(known, _)| *known == place).map(|(_, field)| *field);
            let fields: Vec<FieldIndex> = own.collect();
            if fields.is_empty() {
                continue;
            }
            distrust(self.plan, place, &fields, operation, part);
            // What the system refused without the column, it may take by now.
            let link = part.link_mut(*system);
            if let Some(link) = link
                && link.parked.take_if(|parked| !judge::is_rule(parked)).is_some()
            {
                let subject = Subject::Write { record: *record, part: key, system: *system };
                self.journal.quarantine.push(QuarantineChange::Release { subject });
            }
        }
        self.conclude(&mut group, None);
        self.put_changed(group, None);
    }
}

/// Has the row read again, and forgets what it showed in fields that are there again, as far as the hub writes them.
fn distrust(
    plan: &Plan,
    place: BindingIndex,
    fields: &[FieldIndex],
    operation: OperationId,
    part: &mut Part,
) {
    let Some(binding) = plan.binding(place) else { return };
    let Some(entity) = plan.entity(binding.entity) else { return };
    let system = binding.system;
    let is_known = |field: FieldIndex| part.cell(field).is_some_and(|cell| cell.version > 0);
    let written: Vec<FieldIndex> = (fields.iter().copied())
        .filter(|field| {
            let is_set = binding.cell(*field).is_some_and(|cell| !cell.insert_only);
            binding.writes && is_set && may_write(entity, *field, system) && is_known(*field)
        })
        .collect();
    let Some(link) = part.link_mut(system) else { return };
    if link.shadow.is_none() {
        return;
    }
    for field in &written {
        link.agree(*field, UNKNOWN);
    }
    forget(link, &written);
    link.must_read = link.key.is_some();
    link.touched = operation;
}

fn forget(link: &mut Link, fields: &[FieldIndex]) {
    let Some(shadow) = &mut link.shadow else { return };
    let slot = |(slot, index): (&Slot, u16)| {
        if fields.contains(&FieldIndex(index)) { Slot::Missing } else { slot.clone() }
    };
    *shadow = Row(shadow.0.iter().zip(0u16..).map(slot).collect());
}
