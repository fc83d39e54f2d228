//! Room for a swap: where members of a group exchange unique values, each first takes a value that
//! nobody else can hold, inside the same transaction.

use syncline_core::{name::IntentId, value::Value};

use crate::{
    postgres::{bound::Bound, value::Codec},
    sql::{Assignment, ColumnIndex},
};

/// Which columns to park, and on what, before these assignments are made.
pub(crate) fn parking(
    bound: &Bound,
    assignments: &[Assignment],
    intent: IntentId,
) -> Vec<(ColumnIndex, Value)> {
    let mut parked: Vec<(ColumnIndex, Value)> = Vec::new();
    for columns in &bound.shape.unique {
        let mut candidates = assignments
            .iter()
            .map(|assignment| assignment.column)
            .filter(|at| columns.iter().any(|name| name == bound.shape.column_name(*at)));
        // One column aside is enough to leave a constraint.
        let room = candidates.find_map(|at| Some((at, reserved(bound, at, intent)?)));
        if let Some((at, value)) = room
            && !parked.iter().any(|(column, _)| *column == at)
        {
            parked.push((at, value));
        }
    }
    parked
}

/// A value that no row holds: NULL where it may be, else one made of the intent's own number.
fn reserved(bound: &Bound, column: ColumnIndex, intent: IntentId) -> Option<Value> {
    let described = bound.shape.columns.get(column)?;
    let carrier = bound.carriers.get(column)?;
    if described.nullable {
        return Some(Value::Null);
    }
    let low = intent.0 as u64;
    Some(match carrier.codec {
        Codec::Text | Codec::Padded => {
            let word = format!("~{:032x}", intent.0);
            let max = described.length_max.map_or(word.len(), |max| max as usize);
            // The last digits are the most random ones.
            let start = word.len().saturating_sub(max);
            Value::text(word.get(start..).unwrap_or_default())
        }
        Codec::Uuid => Value::Uuid(intent.0.to_be_bytes()),
        Codec::Bytes => Value::Bytes(intent.0.to_be_bytes().into()),
        Codec::Int2 => Value::int(-1 - (low % 0x7fff) as i64),
        Codec::Int4 => Value::int(-1 - (low % 0x7fff_ffff) as i64),
        Codec::Int8 => Value::int(-1 - (low >> 1) as i64),
        Codec::Numeric => {
            let digits = match (described.precision, described.scale) {
                (Some(precision), Some(scale)) => precision.saturating_sub(scale).clamp(1, 18),
                _ => 18,
            };
            Value::int(-1 - (low % (10u64.pow(digits) - 1)) as i64)
        }
        // Long before any date that a row of business holds.
        Codec::Date => Value::Date(-2_000_000 + (low % 1_000_000) as i32),
        Codec::Timestamp => Value::LocalDateTime(-2_000_000 + (low % 1_000_000) as i32, 0),
        Codec::Timestamptz => Value::Instant(-150_000_000_000 + (low % 1_000_000_000) as i64, 0),
        Codec::Float8 => Value::Float(syncline_core::value::Float::new(-(low as f64))),
        Codec::Bool
        | Codec::Oid
        | Codec::Float4
        | Codec::Time
        | Codec::Interval
        | Codec::Json
        | Codec::Jsonb
        | Codec::Array(_) => return None,
    })
}
