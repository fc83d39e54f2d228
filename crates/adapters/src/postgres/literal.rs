//! The text of arrays: how a list is bound as one parameter beside others that are taken apart row
//! by row.

use syncline_core::{error::Problem, value::Value};

use crate::postgres::value::{Codec, json_text, mistyped, without_zero};

/// Appends the array literal of these items: `{1,NULL,"two words"}`.
pub(crate) fn array(element: &Codec, items: &[Value], out: &mut Vec<u8>) -> Result<(), Problem> {
    out.push(b'{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match item {
            Value::Null => out.extend_from_slice(b"NULL"),
            // A list within a list is another dimension, unless the elements are documents.
            Value::List(inner) if !matches!(element, Codec::Json | Codec::Jsonb) => {
                array(element, inner, out)?;
            }
            item @ (Value::Bool(_)
            | Value::Num(_)
            | Value::Float(_)
            | Value::Text(_)
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
            | Value::Ref(_)) => quoted(&scalar(element, item)?, out),
        }
    }
    out.push(b'}');
    Ok(())
}

fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// The text of one value, as PostgreSQL reads it with `DateStyle` ISO.
fn scalar(codec: &Codec, value: &Value) -> Result<Vec<u8>, Problem> {
    // The binary form first: it is the one place that knows what fits.
    let mut probe = Vec::new();
    codec.encode(value, &mut probe)?;
    Ok(match value {
        Value::Text(text) if !matches!(codec, Codec::Json | Codec::Jsonb) => {
            without_zero(text)?;
            text.as_bytes().to_vec()
        }
        value if matches!(codec, Codec::Json | Codec::Jsonb) => {
            let mut text = Vec::new();
            json_text(value, &mut text)?;
            text
        }
        Value::Float(number) => float(number.get()).into_bytes(),
        Value::Date(days) => date(*days).into_bytes(),
        Value::LocalDateTime(days, nanos) => local(*days, *nanos, "").into_bytes(),
        Value::Instant(seconds, nanos) => {
            let days = i32::try_from(seconds.div_euclid(86_400)).unwrap_or(i32::MAX);
            let within = seconds.rem_euclid(86_400) as u64 * 1_000_000_000 + u64::from(*nanos);
            local(days, within, "+00").into_bytes()
        }
        Value::Interval(months, days, nanos) => {
            format!("{months} mons {days} days {} microseconds", nanos / 1_000).into_bytes()
        }
        Value::Bool(_) | Value::Num(_) | Value::Bytes(_) | Value::Uuid(_) | Value::Time(_) => {
            value.to_string().into_bytes()
        }
        Value::Null
        | Value::Text(_)
        | Value::OffsetDateTime(..)
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_) => return Err(mistyped("a scalar", value)),
    })
}

fn float(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        format!("{number:?}")
    }
}

/// A date; PostgreSQL counts years before the first as `BC`, without a year zero.
fn date(days: i32) -> String {
    let (year, month, day) = syncline_core::value::civil(days);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{:04}-{month:02}-{day:02} BC", 1 - year)
    }
}

fn local(days: i32, nanos: u64, zone: &str) -> String {
    let text = date(days);
    let time = Value::Time(nanos).to_string();
    match text.strip_suffix(" BC") {
        Some(text) => format!("{text} {time}{zone} BC"),
        None => format!("{text} {time}{zone}"),
    }
}
