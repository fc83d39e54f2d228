//! What a write expects to find; nothing is written over anything else.

use crate::{
    change::Expected,
    group::Link,
    name::FieldIndex,
    need::cells,
    plan::{Binding, Entity},
    value::Value,
};

/// What an update expects: the values it replaces, and those of their units.
pub(super) fn update(
    entity: &Entity,
    binding: &Binding,
    link: Option<&Link>,
    set: &[(FieldIndex, Value, u64)],
) -> Expected {
    let Some(shadow) = link.and_then(|link| link.shadow.as_ref()) else {
        return Expected::Fields(Vec::new());
    };
    let unit_of = |field: FieldIndex| entity.field(field).and_then(|field| field.unit);
    let units: Vec<usize> = set.iter().filter_map(|(field, ..)| unit_of(*field)).collect();
    let expected = cells(binding).filter(|(field, _)| {
        set.iter().any(|(own, ..)| own == field)
            || unit_of(*field).is_some_and(|unit| units.contains(&unit))
    });
    let values = expected.filter_map(|(field, _)| Some((field, shadow.value(field)?.clone())));
    Expected::Fields(values.collect())
}

/// What a delete expects: the whole row as it was last seen.
pub(super) fn delete(binding: &Binding, link: Option<&Link>) -> Expected {
    let Some(shadow) = link.and_then(|link| link.shadow.as_ref()) else {
        return Expected::Fields(Vec::new());
    };
    let values =
        cells(binding).filter_map(|(field, _)| Some((field, shadow.value(field)?.clone())));
    Expected::Fields(values.collect())
}
