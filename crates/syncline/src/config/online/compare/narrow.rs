//! Columns that hold less than others of their field.

use syncline_ports::catalog::{Column, NativeKind, Travels};

use super::Comparer;
use crate::config::{
    complaint::Complaint,
    draft::{CellDraft, EntityDraft, FieldDraft},
};

/// A column without a bound is only called wider than one that takes fewer characters than this:
/// `text` beside `varchar(255)` is how most schemas are.
const NARROW: u32 = 100;

impl Comparer<'_> {
    /// A text column that takes fewer characters than another of its field holds (S10).
    pub(super) fn narrow(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        let plain = |cell: &&CellDraft| {
            cell.values.is_none()
                && cell.boolean.is_none()
                && cell.format.is_none()
                && cell.path.is_none()
                && cell.constant.is_none()
                && !cell.lossy
                && cell.columns.len() == 1
        };
        let mut lengths: Vec<(&CellDraft, Option<u32>, &Column)> = Vec::new();
        for cell in field.cells.iter().filter(plain) {
            let column = entity.binding(&cell.system.value).and_then(|binding| {
                let tables = &self.live.get(&binding.system.value)?.tables;
                let table = tables.get(&binding.table.value)?.as_ref()?;
                let name = &cell.columns.first()?.value;
                table.columns.iter().find(|column| column.name == *name)
            });
            let is_text = |column: &&Column| {
                matches!(
                    column.travels,
                    Travels::Exactly(NativeKind::Text) | Travels::Converted(NativeKind::Text, _)
                )
            };
            if let Some(column) = column.filter(is_text) {
                lengths.push((cell, cell.max.or(column.length_max), column));
            }
        }
        let unbounded = |length: Option<u32>| length.unwrap_or(u32::MAX);
        let widest = lengths
            .iter()
            .filter(|(cell, ..)| entity.reads(field, &cell.system.value))
            .max_by_key(|(_, length, _)| unbounded(*length))
            .copied();
        let Some((wide_cell, wide, wide_column)) = widest else { return };
        for (cell, length, column) in lengths {
            let Some(length) = length
                .filter(|length| *length < unbounded(wide) && (wide.is_some() || *length < NARROW))
            else {
                continue;
            };
            if !entity.writes(field, &cell.system.value) {
                continue;
            }
            self.complain(
                Complaint::warning(
                    "schema.narrow",
                    cell.place,
                    format!(
                        "{}.{} takes {length} characters, {}.{} is {}",
                        cell.system.value,
                        column.name,
                        wide_cell.system.value,
                        wide_column.name,
                        wide_column.type_name
                    ),
                )
                .fix("longer texts are set aside; widen it, or say `lossy: true` to cut them"),
            );
        }
    }
}
