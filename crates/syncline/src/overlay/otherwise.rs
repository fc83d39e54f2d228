//! Values that a system writes otherwise than we would, and that mean the same: they stay.
//!
//! A person who compares two tables sees "0611223344" beside "+33611223344" and expects thousands
//! of updates; the plan says that there are none, and why.

use std::collections::BTreeMap;

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    group::{Group, Link},
    name::{EntityIndex, FieldIndex, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::reader::Reader as _;

use crate::report::Failure;

/// Values of one column that are written otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Otherwise {
    /// How many.
    pub(crate) values: u64,
    /// One of them, as the system writes it.
    pub(crate) native: Value,
    /// What it means.
    pub(crate) golden: Value,
}

/// Counts them in the linked records of an entity.
pub(super) async fn count(
    hub: &SqliteHub,
    plan: &Plan,
    entity: EntityIndex,
) -> Result<BTreeMap<(SystemIndex, FieldIndex), Otherwise>, Failure> {
    const PAGE: usize = 2_000;
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let page = hub.records(entity, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.id);
        for group in &page {
            add(plan, group, &mut found);
        }
    }
}

fn add(plan: &Plan, group: &Group, found: &mut BTreeMap<(SystemIndex, FieldIndex), Otherwise>) {
    let present = || group.root.links.iter().filter(|link| link.is_present());
    // Alone, a row cannot differ from another.
    if present().count() < 2 {
        return;
    }
    for link in present() {
        let binding = plan.binding_of(group.entity, link.system).and_then(|it| plan.binding(it));
        let cells = binding.map_or(&[][..], |binding| &binding.cells);
        for (index, cell) in cells.iter().enumerate() {
            let field = FieldIndex(u16::try_from(index).unwrap_or(u16::MAX));
            let (Some(cell), Some(golden)) = (cell, group.root.cell(field)) else { continue };
            let has_one_form = cell.lens.is_identity() || cell.insert_only;
            if has_one_form || link.agreed(field) != golden.version {
                continue;
            }
            let Some(native) = shown(link, field) else { continue };
            let means_the_same = cell.lens.get0(native).is_ok_and(|meant| meant == golden.value);
            // What cannot be written at all (a reference, a one-way cell) has no other form.
            if means_the_same
                && cell.lens.put0(&golden.value).is_ok_and(|written| written != *native)
            {
                let known = found.entry((link.system, field)).or_insert_with(|| Otherwise {
                    values: 0,
                    native: native.clone(),
                    golden: golden.value.clone(),
                });
                known.values += 1;
            }
        }
    }
}

fn shown(link: &Link, field: FieldIndex) -> Option<&Value> {
    link.shadow.as_ref()?.value(field)
}
