//! Reserved values for the members of a swap.
//!
//! Two rows that exchange a unique value cannot be written one after the other: the first would meet
//! the second. Inside the transaction each first takes a value that nobody has: NULL where the column
//! takes it, else a text or bytes made of the intent, else a number above all others.

use syncline_core::{change::RowKey, name::IntentId};

use crate::{
    mysql::{literal, sql::Bound, types::Wire},
    sql::ColumnIndex,
};

/// One column of each unique index that these assigned columns touch.
pub(super) fn columns(bound: &Bound, assigned: &[ColumnIndex]) -> Vec<ColumnIndex> {
    let mut columns: Vec<ColumnIndex> = bound
        .indices
        .values()
        .filter_map(|index| {
            assigned
                .iter()
                .copied()
                .filter(|column| {
                    let name = bound.shape.column_name(*column);
                    // A key that is parked would be lost: the row is found by it.
                    index.iter().any(|indexed| indexed == name)
                        && !bound.shape.key.contains(column)
                        && can_park(bound, *column)
                })
                .min_by_key(|column| !is_nullable(bound, *column))
        })
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn is_nullable(bound: &Bound, column: ColumnIndex) -> bool {
    bound.shape.columns.get(column).is_some_and(|column| column.nullable)
}

fn can_park(bound: &Bound, column: ColumnIndex) -> bool {
    is_nullable(bound, column)
        || matches!(
            bound.wires.get(column),
            Some(Wire::Text | Wire::Bytes | Wire::Uuid | Wire::Int | Wire::Decimal)
        )
}

/// The statement that puts a reserved value there.
pub(super) fn sql(bound: &Bound, column: ColumnIndex, key: &RowKey, intent: IntentId) -> Vec<u8> {
    let mut sql = format!("update {} set ", bound.table).into_bytes();
    bound.name(column, &mut sql);
    sql.extend_from_slice(b" = ");
    if is_nullable(bound, column) {
        sql.extend_from_slice(b"null");
    } else {
        reserved(bound, column, intent, &mut sql);
    }
    sql.extend_from_slice(b" where ");
    bound.is_key(key, &mut sql);
    sql
}

fn reserved(bound: &Bound, column: ColumnIndex, intent: IntentId, sql: &mut Vec<u8>) {
    match bound.wires.get(column) {
        Some(Wire::Int | Wire::Decimal) => {
            // A table cannot be read by the statement that writes it, but for a derived one.
            sql.extend_from_slice(b"(select parked from (select coalesce(max(");
            bound.name(column, sql);
            sql.extend_from_slice(
                format!("), 0) + 1 as parked from {}) p)", bound.table).as_bytes(),
            );
        }
        Some(Wire::Bytes) => literal::bytes(&intent.0.to_be_bytes(), sql),
        Some(Wire::Uuid) => {
            let value = syncline_core::value::Value::Uuid(intent.0.to_be_bytes());
            literal::text(&value.to_string(), sql);
        }
        _ => {
            let length = bound.shape.columns.get(column).and_then(|column| column.length_max);
            let id = format!("~{intent}");
            let kept = length.map_or(id.len(), |length| id.len().min(length as usize));
            // The end of an id differs most.
            let text =
                if kept == id.len() { &id } else { id.get(id.len() - kept..).unwrap_or(&id) };
            literal::text(text, sql);
        }
    }
}
