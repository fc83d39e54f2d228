//! Groups that are older than the plan: fields that came later have a place in them, and say nothing yet;
//! in systems that came later they have no row yet.

use crate::{
    group::{Cell, Group, Part},
    index,
    name::{EntityIndex, RecordId, SystemIndex},
    plan::Plan,
    step::pass::Pass,
};

impl Pass<'_> {
    /// Works out what a record lacks in a system in which its entity lives from now on, and by what it is
    /// matched. Nobody knew of either, whatever this plan says of the group as it was.
    pub(super) fn renew(&mut self, record: RecordId, system: Option<SystemIndex>) {
        let Some(mut group) = self.take(record) else { return };
        self.working.indices.remove(&record);
        let mut before = index::of(self.plan, &group);
        before.behind.retain(|behind| Some(behind.system) != system);
        before.matches.clear();
        self.trace(&group);
        self.touch(&group, Some(before));
        self.conclude(&mut group, None);
        self.put_changed(group, None);
    }
}

/// Makes room for fields that the group does not know.
pub(crate) fn fit(plan: &Plan, group: &mut Group) {
    let fields = |entity: EntityIndex| plan.entity(entity).map_or(0, |found| found.fields.len());
    part(&mut group.root, fields(group.entity));
    for child in &mut group.children {
        let count = fields(child.list);
        part(&mut child.part, count);
    }
}

fn part(part: &mut Part, fields: usize) {
    if part.cells.len() < fields {
        let mut cells = std::mem::take(&mut part.cells).into_vec();
        cells.resize_with(fields, Cell::default);
        part.cells = cells.into();
    }
    for link in part.links.iter_mut().filter(|link| link.agreed.len() < fields) {
        let mut agreed = std::mem::take(&mut link.agreed).into_vec();
        agreed.resize(fields, 0);
        link.agreed = agreed.into();
    }
}
