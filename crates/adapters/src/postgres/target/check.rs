//! What can be said of a value before it is sent: so that one bad value is refused by name, and
//! does not make the server refuse the rows beside it.

use syncline_core::{error::Problem, value::Value};
use syncline_ports::catalog::Column;

use crate::postgres::{types::Carrier, value::Codec};

/// Whether this column can take this value.
///
/// # Errors
/// `write.value_too_long`, `write.type`, `write.encoding`; the message names the column and no value.
pub(crate) fn value(
    column: &Column,
    carrier: &Carrier,
    value: &Value,
    scratch: &mut Vec<u8>,
) -> Result<(), Problem> {
    scratch.clear();
    let named = |problem: Problem| {
        Problem::new(problem.code, format!("column {:?}: {}", column.name, problem.message))
    };
    if value.is_null() {
        return Ok(());
    }
    carrier.codec.encode(value, scratch).map_err(named)?;
    match value {
        Value::Text(text) => {
            // Padding is no part of a `char(n)`.
            let text = match carrier.codec {
                Codec::Padded => text.trim_end_matches(' '),
                Codec::Bool
                | Codec::Int2
                | Codec::Int4
                | Codec::Int8
                | Codec::Oid
                | Codec::Float4
                | Codec::Float8
                | Codec::Numeric
                | Codec::Text
                | Codec::Bytes
                | Codec::Uuid
                | Codec::Date
                | Codec::Time
                | Codec::Timestamp
                | Codec::Timestamptz
                | Codec::Interval
                | Codec::Json
                | Codec::Jsonb
                | Codec::Array(_) => text.as_str(),
            };
            if let Some(max) = column.length_max {
                let max = max as usize;
                // Counting characters is slow, and most texts are short.
                if text.len() > max {
                    let got = text.chars().count();
                    if got > max {
                        return Err(named(Problem::new(
                            "write.value_too_long",
                            format!("it takes {max} characters, got {got}"),
                        )));
                    }
                }
            }
            if !column.allowed.is_empty() && !column.allowed.iter().any(|word| word == text) {
                let message = "the text is not one of the enumeration";
                return Err(named(Problem::new("write.type", message)));
            }
        }
        Value::Num(number) => {
            if let (Some(precision), Some(scale)) = (column.precision, column.scale) {
                let before = i64::from(number.digits()) + i64::from(number.exponent());
                if before > i64::from(precision) - i64::from(scale) && !number.is_zero() {
                    let most = i64::from(precision) - i64::from(scale);
                    return Err(named(Problem::new(
                        "write.type",
                        format!("it takes {most} digits before the point, got {before}"),
                    )));
                }
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_) => {}
    }
    Ok(())
}
