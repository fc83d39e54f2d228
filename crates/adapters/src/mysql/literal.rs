//! Values as SQL literals.
//!
//! The session runs with `NO_BACKSLASH_ESCAPES` (see `connect`), so that a quote is all that needs
//! doubling in a text, and with the time zone `+00:00`. Fractions of a second beyond microseconds
//! are cut, as the system itself would cut them.

use std::io::Write;

use mysql_async::Value as Cell;
use syncline_core::{change::Outcome, decimal::Decimal, value::Value, value::civil};
use syncline_ports::catalog::Column;

use crate::{
    mysql::types::Wire,
    sql::{invalid, json},
};

/// Appends a literal that this column takes.
///
/// # Errors
/// [`Outcome::Invalid`] with `write.type` if the column does not hold such a value.
pub(super) fn write(
    column: &Column,
    wire: Wire,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), Outcome> {
    let refused = || {
        let message =
            format!("column {:?} is {}, got a {}", column.name, column.type_name, value.kind());
        invalid("write.type", message)
    };
    match (wire, value) {
        (_, Value::Null) => out.extend_from_slice(b"null"),
        (Wire::Int | Wire::Bit | Wire::Decimal, Value::Bool(value)) => {
            out.push(if *value { b'1' } else { b'0' });
        }
        (
            Wire::Int | Wire::Bit | Wire::Decimal | Wire::Float | Wire::Double,
            Value::Num(number),
        ) => {
            decimal(*number, out).ok_or_else(refused)?;
        }
        (Wire::Float, Value::Float(number)) if (number.get() as f32).is_finite() => {
            // Rounded to a single here: the shortest decimal of the largest one is out of range.
            let _ = write!(out, "{:e}", f64::from(number.get() as f32));
        }
        (Wire::Double, Value::Float(number)) if number.get().is_finite() => {
            // With an exponent it is a double to the parser, not a decimal.
            let _ = write!(out, "{:e}", number.get());
        }
        (Wire::Text | Wire::Enum, Value::Text(value)) => text(value, out),
        (Wire::Bytes, Value::Bytes(raw)) => bytes(raw, out),
        (Wire::Uuid, Value::Uuid(_)) => text(&value.to_string(), out),
        (Wire::Set, Value::Set(members) | Value::List(members)) => {
            text(&set(members).ok_or_else(refused)?, out);
        }
        (Wire::Date, Value::Date(days)) => {
            out.push(b'\'');
            date(i64::from(*days), out).ok_or_else(refused)?;
            out.push(b'\'');
        }
        (Wire::DateTime, Value::LocalDateTime(days, nanos)) => {
            moment(i64::from(*days), *nanos, out).ok_or_else(refused)?;
        }
        (Wire::Timestamp, Value::Instant(seconds, nanos)) => {
            let clock = seconds.rem_euclid(86_400) as u64 * 1_000_000_000 + u64::from(*nanos);
            moment(seconds.div_euclid(86_400), clock, out).ok_or_else(refused)?;
        }
        (Wire::Time, Value::Time(nanos)) => span(false, u128::from(*nanos), out),
        (Wire::Time, Value::Interval(0, days, nanos)) => {
            let total = i128::from(*days) * 86_400_000_000_000 + i128::from(*nanos);
            span(total < 0, total.unsigned_abs(), out);
        }
        (Wire::Json, document) => text(&json::print(document).ok_or_else(refused)?, out),
        (
            Wire::Int
            | Wire::Bit
            | Wire::Decimal
            | Wire::Float
            | Wire::Double
            | Wire::Text
            | Wire::Enum
            | Wire::Set
            | Wire::Bytes
            | Wire::Uuid
            | Wire::Date
            | Wire::DateTime
            | Wire::Timestamp
            | Wire::Time,
            _,
        ) => return Err(refused()),
    }
    Ok(())
}

/// Appends a name in backticks.
pub(super) fn name(name: &str, out: &mut Vec<u8>) {
    out.push(b'`');
    for byte in name.bytes() {
        if byte == b'`' {
            out.push(b'`');
        }
        out.push(byte);
    }
    out.push(b'`');
}

/// Appends names in backticks, separated by commas.
pub(super) fn names<'n>(names: impl Iterator<Item = &'n str>, out: &mut Vec<u8>) {
    for (at, one) in names.enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        name(one, out);
    }
}

/// Appends a text literal.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'\'');
    if value.contains('\'') {
        out.extend_from_slice(value.replace('\'', "''").as_bytes());
    } else {
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'\'');
}

/// Appends a literal of bytes.
pub(super) fn bytes(raw: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"x'");
    for byte in raw {
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
    }
    out.push(b'\'');
}

/// A text cell as a string, for what the catalog reads.
pub(super) fn cell_text(cell: Option<Cell>) -> Option<String> {
    match cell? {
        Cell::Bytes(raw) => Some(String::from_utf8_lossy(&raw).into_owned()),
        Cell::Int(number) => Some(number.to_string()),
        Cell::UInt(number) => Some(number.to_string()),
        Cell::NULL | Cell::Float(_) | Cell::Double(_) | Cell::Date(..) | Cell::Time(..) => None,
    }
}

/// Numbers that a column could never hold are not spelt out: they may have a billion zeros.
fn decimal(number: Decimal, out: &mut Vec<u8>) -> Option<()> {
    if number.exponent().unsigned_abs() > 400 {
        return None;
    }
    write!(out, "{number}").ok()
}

fn set(members: &[Value]) -> Option<String> {
    let mut joined = String::new();
    for (index, member) in members.iter().enumerate() {
        let Value::Text(member) = member else { return None };
        if member.contains(',') {
            return None;
        }
        if index > 0 {
            joined.push(',');
        }
        joined.push_str(member);
    }
    Some(joined)
}

fn date(days: i64, out: &mut Vec<u8>) -> Option<()> {
    let (year, month, day) = civil(i32::try_from(days).ok()?);
    if !(0..=9_999).contains(&year) {
        return None;
    }
    digits(year as u64, 4, out);
    out.push(b'-');
    digits(u64::from(month), 2, out);
    out.push(b'-');
    digits(u64::from(day), 2, out);
    Some(())
}

fn moment(days: i64, nanos: u64, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'\'');
    date(days, out)?;
    out.push(b' ');
    clock(u128::from(nanos), out);
    out.push(b'\'');
    Some(())
}

fn span(negative: bool, nanos: u128, out: &mut Vec<u8>) {
    out.push(b'\'');
    if negative {
        out.push(b'-');
    }
    clock(nanos, out);
    out.push(b'\'');
}

fn clock(nanos: u128, out: &mut Vec<u8>) {
    let micros = nanos / 1_000;
    let (seconds, micros) = ((micros / 1_000_000) as u64, (micros % 1_000_000) as u64);
    digits(seconds / 3_600, 2, out);
    out.push(b':');
    digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    digits(seconds % 60, 2, out);
    if micros > 0 {
        out.push(b'.');
        digits(micros, 6, out);
    }
}

fn digits(number: u64, width: usize, out: &mut Vec<u8>) {
    let _ = write!(out, "{number:0width$}");
}
