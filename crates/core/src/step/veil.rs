//! What a step says of what could not be taken or written never holds the value of a field that people may
//! not see, whoever worded it.

use std::collections::BTreeMap;

use crate::{
    Text,
    change::Row,
    commit::{QuarantineChange, Subject},
    group::{Group, Part},
    label::{Label, betrays},
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId},
    plan::Plan,
    step::pass::Pass,
    value::Value,
};

/// What is said instead.
const HIDDEN: &str = "what the system said of it holds a value that is not shown";

impl Pass<'_> {
    /// Takes values that people may not see out of what this step says.
    pub(super) fn veil(&mut self, groups: &BTreeMap<RecordId, &Group>) {
        let plan = self.plan;
        let is_open = |entity: &crate::plan::Entity| {
            entity.fields.iter().all(|field| field.label == Label::Open)
        };
        if plan.entities.iter().all(is_open) {
            return;
        }
        for change in &mut self.journal.quarantine {
            let QuarantineChange::Park { subject, entity, record, message, row, .. } = change
            else {
                continue;
            };
            let group = record.and_then(|record| groups.get(&record).copied());
            let values = values(plan, *entity, group, row.as_ref());
            let is_unseen = match (&*subject, &*row) {
                // What could not even be read may be anything.
                (Subject::Row { binding, .. }, None) => labelled(plan, *binding),
                (
                    Subject::Row { .. }
                    | Subject::Write { .. }
                    | Subject::Record { .. }
                    | Subject::Excess { .. },
                    _,
                ) => false,
            };
            if is_unseen || values.iter().any(|value| betrays(message, value)) {
                *message = HIDDEN.into();
            }
        }
        for event in &mut self.journal.audit {
            let group = groups.get(&event.record).copied();
            let values = values(plan, event.entity, group, None);
            if !event.note.is_empty() && values.iter().any(|value| betrays(&event.note, value)) {
                event.note = Text::new(HIDDEN);
            }
        }
    }
}

/// Whether this binding has a field whose values people may not see.
fn labelled(plan: &Plan, binding: BindingIndex) -> bool {
    let Some(found) = plan.binding(binding) else { return false };
    let Some(entity) = plan.entity(found.entity) else { return false };
    let mut fields = entity.fields.iter().zip(&found.cells);
    fields.any(|(field, cell)| field.label != Label::Open && cell.is_some())
}

/// All that is known of the values that people may not see: as the hub has them, as systems show them, and
/// as they would be written.
fn values(
    plan: &Plan,
    entity: EntityIndex,
    group: Option<&Group>,
    row: Option<&Row>,
) -> Vec<Value> {
    let mut all = Vec::new();
    add(plan, entity, None, row, &mut all);
    let Some(group) = group else { return all };
    add(plan, group.entity, Some(&group.root), None, &mut all);
    for child in &group.children {
        add(plan, child.list, Some(&child.part), None, &mut all);
    }
    all
}

fn add(
    plan: &Plan,
    entity: EntityIndex,
    part: Option<&Part>,
    row: Option<&Row>,
    all: &mut Vec<Value>,
) {
    let Some(found) = plan.entity(entity) else { return };
    let fields = (0u16..).map(FieldIndex).zip(&found.fields);
    for (field, _) in fields.filter(|(_, field)| field.label != Label::Open) {
        all.extend(row.and_then(|row| row.value(field)).cloned());
        let Some(part) = part else { continue };
        let golden = part.cell(field).map(|cell| &cell.value);
        all.extend(golden.cloned());
        for link in &part.links {
            all.extend(link.shadow.as_ref().and_then(|row| row.value(field)).cloned());
            let sent = link.unresolved.iter().flat_map(|intent| &intent.set);
            all.extend(sent.filter(|(it, ..)| *it == field).map(|(_, value, _)| value.clone()));
        }
        for binding in found.bindings.iter().filter_map(|binding| plan.binding(*binding)) {
            let written = binding.cell(field).zip(golden);
            all.extend(written.and_then(|(cell, golden)| cell.lens.put(golden, None).ok()));
        }
    }
}
