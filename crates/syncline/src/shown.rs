//! Values as people and programs may see them: every screen, answer and export takes them from here.

use std::borrow::Cow;

use syncline_core::{
    change::PartKey,
    label::Label,
    name::{EntityIndex, FieldIndex},
    value::Value,
};
use syncline_ports::reader::{Conflict, Entry};

use crate::session::Session;

/// How much of a field's values may be seen.
pub(crate) fn label(session: &Session, entity: EntityIndex, field: FieldIndex) -> Label {
    let found = session.plan.entity(entity).and_then(|entity| entity.field(field));
    // Of a field that is not in the file any more, it is not known.
    found.map_or(Label::Mask, |field| field.label)
}

/// A value of this field.
pub(crate) fn value<'v>(
    session: &Session,
    entity: EntityIndex,
    field: FieldIndex,
    value: &'v Value,
) -> Cow<'v, Value> {
    label(session, entity, field).shown(value)
}

/// An entry of the history.
pub(crate) fn entry(session: &Session, entry: &Entry) -> Entry {
    let mut shown = entry.clone();
    let Some(field) = entry.event.field else { return shown };
    let label = label(session, of_part(entry.event.entity, &entry.event.part), field);
    let hide = |value: &Option<Value>| value.as_ref().map(|it| label.shown(it).into_owned());
    shown.event.before = hide(&entry.event.before);
    shown.event.after = hide(&entry.event.after);
    shown
}

/// A conflict.
pub(crate) fn conflict(session: &Session, conflict: &Conflict) -> Conflict {
    let mut shown = conflict.clone();
    let Some(field) = conflict.field else { return shown };
    let label = label(session, of_part(conflict.entity, &conflict.part), field);
    shown.base = label.shown(&conflict.base).into_owned();
    for candidate in &mut shown.candidates {
        candidate.value = label.shown(&candidate.value).into_owned();
    }
    shown
}

/// The entity that the fields of a part are of: a child list's, or the record's own.
fn of_part(entity: EntityIndex, part: &PartKey) -> EntityIndex {
    match part {
        PartKey::Root => entity,
        PartKey::Child { list, .. } => *list,
    }
}
