//! What a row says, before anything is changed; and what of it is remembered.

use crate::{
    change::Row,
    error::Problem,
    group::{Hold, Link, Part, UNKNOWN},
    merge::{Awaits, Edit, Own, Scene, Source, Trouble},
    mutant::Mutant,
    name::FieldIndex,
    need::cells,
    plan::Binding,
    value::Slot,
};

/// What was read off a row before anything is changed.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) edits: Vec<Edit>,
    /// Changed cells that are one-way.
    pub(super) one_way: Vec<FieldIndex>,
    pub(super) awaits: Vec<Awaits>,
    /// Fields whose values mean nothing, and those that go with them.
    pub(super) unreadable: Vec<FieldIndex>,
    /// The first of those values.
    pub(super) problem: Option<Problem>,
    /// Fields that now show what the hub has never trusted.
    pub(super) adopted: Vec<FieldIndex>,
}

impl Scene<'_> {
    /// Reads what differs from the shadow and is not ours. Changes nothing.
    pub(super) fn read(
        &self,
        source: &Source<'_>,
        part: &Part,
        link: &Link,
        row: &Row,
        own: &Own,
    ) -> Result<Reading, Problem> {
        let mut reading = Reading::default();
        for (field, cell) in cells(source.binding) {
            let Slot::Present(native) = row.slot(field) else { continue };
            if self.plan.is_mutant(Mutant::FieldLeftOut) && field == FieldIndex(1) {
                continue;
            }
            let shown = link.shadow.as_ref().map(|shadow| shadow.slot(field));
            let same = shown.and_then(Slot::value) == Some(native);
            // What nobody but the system itself says is no mere default of our insert.
            let sources = self.entity.field(field).and_then(|field| field.from.as_deref());
            let is_theirs = !own.fields.iter().any(|(known, _)| *known == field)
                && sources == Some(&[source.system])
                && !native.is_null();
            if same || (own.version(field).is_some() && !is_theirs) {
                continue;
            }
            if link.shadow.is_some() && link.agreed(field) == UNKNOWN {
                reading.adopted.push(field);
                continue;
            }
            if !cell.two_way {
                reading.one_way.push(field);
                continue;
            }
            let golden = part.cell(field).filter(|golden| golden.version > 0);
            match self.take(source.system, field, cell, native, golden.map(|cell| &cell.value)) {
                Ok(theirs) => reading.edits.push(Edit { field, theirs }),
                Err(Trouble::Parent(binding, key)) => {
                    reading.awaits.push(Awaits { field, binding, key });
                }
                Err(Trouble::Problem(mut problem)) => {
                    if let Some(found) = self.entity.field(field) {
                        problem.message = format!("{}: {}", found.name, problem.message);
                    }
                    if link.shadow.is_none() || !part.exists.alive {
                        return Err(problem);
                    }
                    reading.unreadable.push(field);
                    reading.problem.get_or_insert(problem);
                }
            }
        }
        self.keep_units_whole(source.binding, &mut reading);
        Ok(reading)
    }

    /// What merges as one with a value that means nothing waits with it.
    fn keep_units_whole(&self, binding: &Binding, reading: &mut Reading) {
        let unit_of = |field: FieldIndex| self.entity.field(field).and_then(|field| field.unit);
        let units: Vec<usize> =
            reading.unreadable.iter().filter_map(|field| unit_of(*field)).collect();
        if units.is_empty() {
            return;
        }
        let is_kept = |field| unit_of(field).is_some_and(|unit| units.contains(&unit));
        reading.edits.retain(|edit| !is_kept(edit.field));
        reading.awaits.retain(|waiting| !is_kept(waiting.field));
        let members = cells(binding).map(|(field, _)| field).filter(|field| is_kept(*field));
        let more: Vec<FieldIndex> =
            members.filter(|field| !reading.unreadable.contains(field)).collect();
        reading.unreadable.extend(more);
    }
}

/// The row as it will be remembered: what was not shown stays as it was, and what waits for its
/// parent or means nothing counts as not shown, so that it is looked at again.
pub(super) fn remember(row: &Row, shadow: Option<&Row>, waiting: &[FieldIndex]) -> Row {
    let is_whole = |(index, slot): (u16, &Slot)| match slot {
        Slot::Present(_) => true,
        Slot::Missing => {
            shadow.is_none_or(|shadow| matches!(shadow.slot(FieldIndex(index)), Slot::Missing))
        }
        Slot::Unavailable => false,
    };
    if waiting.is_empty() && (0u16..).zip(row.0.iter()).all(is_whole) {
        return row.clone();
    }
    let slots = row.0.iter().zip(0u16..).map(|(slot, index)| {
        let field = FieldIndex(index);
        let waits = waiting.contains(&field);
        match slot {
            Slot::Present(value) if !waits => Slot::Present(value.clone()),
            Slot::Present(_) | Slot::Missing | Slot::Unavailable => {
                shadow.map_or(Slot::Missing, |shadow| shadow.slot(field).clone())
            }
        }
    });
    Row(slots.collect())
}

/// Holds what waits for its parent or means nothing, and nothing else for these reasons: but what is
/// not shown is what it was.
pub(super) fn hold_waiting(
    link: &mut Link,
    row: &Row,
    awaits: &[Awaits],
    unreadable: &[FieldIndex],
) {
    link.held.retain(|(field, hold)| match hold {
        Hold::Parent => false,
        Hold::Unreadable => !matches!(row.slot(*field), Slot::Present(_)),
        Hold::Conflict | Hold::Loop | Hold::Rollback => true,
    });
    for waiting in awaits {
        link.hold(waiting.field, Hold::Parent);
    }
    for field in unreadable {
        // What is held for another reason, too, goes on by its own rule, and waits when that is over.
        link.hold(*field, Hold::Unreadable);
    }
}
