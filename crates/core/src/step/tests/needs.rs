//! What a system does not yet show, asked of one row.

use super::{A, B, PHONE, contact_in, world::World};
use crate::{
    group::UNKNOWN,
    name::{EntityIndex, FieldIndex, RecordId},
    need::{Need, Rows, View, need},
    step::pass::new_part,
    value::Value,
};

const STATUS: FieldIndex = FieldIndex(3);

#[test]
fn a_reference_of_several_columns_to_nobody_empties_each_of_them() {
    let world = World::new(1).with(|plan| {
        plan.entities[0].fields[STATUS.at()].reference = Some(EntityIndex(0));
    });
    let root = new_part(4);
    let (entity, binding) = (&world.plan.entities[0], &world.plan.bindings[0]);
    let rows = Rows { working: None };
    let view = View { plan: &world.plan, entity, record: RecordId(1), root: &root, rows };
    let put = |shadow: Option<&Value>| {
        view.put(A, STATUS, binding.cell(STATUS).unwrap(), &Value::Null, shadow).unwrap()
    };
    let shown = Value::List(vec![Value::int(7), Value::int(8)]);
    assert_eq!(put(Some(&shown)), Value::List(vec![Value::Null, Value::Null]));
    assert_eq!(put(Some(&Value::int(7))), Value::Null);
    assert_eq!(put(None), Value::Null);
}

#[test]
fn a_field_of_which_nobody_ever_said_anything_is_not_written_over_what_a_row_shows() {
    let world = contact_in(World::new(2));
    let mut root = world.group().root.clone();
    root.cells[PHONE.at()] = crate::group::Cell::default();
    // Nothing that this row shows is trusted, as after a restore of its system.
    root.link_mut(B).unwrap().agreed.fill(UNKNOWN);
    let (entity, binding) = (&world.plan.entities[0], &world.plan.bindings[1]);
    let rows = Rows { working: None };
    let view = View { plan: &world.plan, entity, record: RecordId(1), root: &root, rows };
    assert_eq!(need(&view, binding, &root, true), Need::Nothing);
}
