//! Values on the wire: PostgreSQL's binary forms, straight to [`Value`] and back.
//!
//! Whatever cannot be held exactly is refused here with its reason, never rounded and never
//! guessed. The reasons name no values.

use syncline_core::{
    Text,
    decimal::Decimal,
    error::Problem,
    value::{Float, Value},
};

use crate::{
    postgres::{literal, numeric},
    sql::json,
};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Arrays nest less deeply than this; the server itself stops at six.
const DIMENSIONS_MAX: i32 = 6;

/// How a type travels on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    /// `char(n)`: trailing spaces are padding.
    Padded,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
    Jsonb,
    Array(Box<Codec>),
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The stable code.
    pub(crate) code: &'static str,
    /// Why, without the value.
    pub(crate) reason: &'static str,
}

impl Refusal {
    /// A value that none of ours can hold.
    pub(crate) fn range(reason: &'static str) -> Self {
        Self { code: "map.out_of_range", reason }
    }

    pub(crate) fn wire() -> Self {
        Self { code: "read.damaged", reason: "the server sent something else than announced" }
    }
}

/// Takes numbers off the front of a message.
pub(crate) trait Wire {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal>;
    fn bytes(&mut self, length: usize) -> Result<&[u8], Refusal>;

    fn u16(&mut self) -> Result<u16, Refusal> {
        Ok(u16::from_be_bytes(self.take()?))
    }
    fn i16(&mut self) -> Result<i16, Refusal> {
        Ok(i16::from_be_bytes(self.take()?))
    }
    fn i32(&mut self) -> Result<i32, Refusal> {
        Ok(i32::from_be_bytes(self.take()?))
    }
    fn i64(&mut self) -> Result<i64, Refusal> {
        Ok(i64::from_be_bytes(self.take()?))
    }
}

impl Wire for &[u8] {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (front, rest) = self.split_first_chunk::<N>().ok_or_else(Refusal::wire)?;
        *self = rest;
        Ok(*front)
    }

    fn bytes(&mut self, length: usize) -> Result<&[u8], Refusal> {
        let (front, rest) = self.split_at_checked(length).ok_or_else(Refusal::wire)?;
        *self = rest;
        Ok(front)
    }
}

impl Codec {
    /// Reads a value; `None` is NULL.
    pub(crate) fn decode(&self, raw: Option<&[u8]>) -> Result<Value, Refusal> {
        let Some(mut raw) = raw else {
            return Ok(Value::Null);
        };
        let wire = &mut raw;
        Ok(match self {
            Self::Bool => Value::Bool(wire.take::<1>()? != [0]),
            Self::Int2 => Value::int(i64::from(wire.i16()?)),
            Self::Int4 => Value::int(i64::from(wire.i32()?)),
            Self::Int8 => Value::int(wire.i64()?),
            Self::Oid => Value::int(i64::from(u32::from_be_bytes(wire.take()?))),
            Self::Float4 => Value::Float(Float::new(shortest(f32::from_be_bytes(wire.take()?)))),
            Self::Float8 => Value::Float(Float::new(f64::from_be_bytes(wire.take()?))),
            Self::Numeric => Value::Num(numeric::decode(raw)?),
            Self::Text => Value::text(utf8(raw)?),
            Self::Padded => Value::text(utf8(raw)?.trim_end_matches(' ')),
            Self::Bytes => Value::Bytes(raw.into()),
            Self::Uuid => Value::Uuid(wire.take()?),
            Self::Date => match wire.i32()? {
                i32::MAX | i32::MIN => return Err(infinity()),
                days => Value::Date(days.checked_add(EPOCH_DAYS).ok_or_else(infinity)?),
            },
            // 24:00:00 is a time there.
            Self::Time => match wire.i64()? {
                micros @ 0..=MICROS_PER_DAY => Value::Time(micros.unsigned_abs() * 1_000),
                _ => return Err(Refusal::wire()),
            },
            Self::Timestamp => {
                let micros = finite(wire.i64()?)?;
                let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY))
                    .ok()
                    .and_then(|days| days.checked_add(EPOCH_DAYS))
                    .ok_or_else(infinity)?;
                let nanos = micros.rem_euclid(MICROS_PER_DAY) as u64 * 1_000;
                Value::LocalDateTime(days, nanos)
            }
            Self::Timestamptz => {
                let micros = finite(wire.i64()?)?;
                let seconds = micros.div_euclid(1_000_000) + i64::from(EPOCH_DAYS) * 86_400;
                Value::Instant(seconds, micros.rem_euclid(1_000_000) as u32 * 1_000)
            }
            Self::Interval => {
                let (micros, days, months) = (wire.i64()?, wire.i32()?, wire.i32()?);
                let nanos = micros
                    .checked_mul(1_000)
                    .ok_or(Refusal::range("an interval of more than 292 years in seconds"))?;
                Value::Interval(months, days, nanos)
            }
            Self::Json => parse(raw)?,
            Self::Jsonb => {
                if wire.take::<1>()? != [1] {
                    return Err(Refusal::wire());
                }
                parse(raw)?
            }
            Self::Array(element) => decode_array(element, raw)?,
        })
    }

    /// Appends the wire form of a value other than NULL.
    ///
    /// # Errors
    /// `write.type` where the value is not of this kind or does not fit, `write.encoding` for text
    /// with U+0000, which PostgreSQL cannot hold.
    pub(crate) fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Problem> {
        let other = || mistyped(self.name(), value);
        match (self, value) {
            (Self::Bool, Value::Bool(truth)) => out.push(u8::from(*truth)),
            (Self::Int2, Value::Num(number)) => {
                out.extend_from_slice(&whole::<i16>(*number)?.to_be_bytes());
            }
            (Self::Int4, Value::Num(number)) => {
                out.extend_from_slice(&whole::<i32>(*number)?.to_be_bytes());
            }
            (Self::Int8, Value::Num(number)) => {
                out.extend_from_slice(&whole::<i64>(*number)?.to_be_bytes());
            }
            (Self::Oid, Value::Num(number)) => {
                out.extend_from_slice(&whole::<u32>(*number)?.to_be_bytes());
            }
            (Self::Float4, Value::Float(number)) => {
                out.extend_from_slice(&(number.get() as f32).to_be_bytes());
            }
            (Self::Float8, Value::Float(number)) => {
                out.extend_from_slice(&number.get().to_be_bytes());
            }
            (Self::Numeric, Value::Num(number)) => {
                numeric::encode(*number, out)
                    .ok_or_else(|| Problem::new("write.type", "a number has too many places"))?;
            }
            (Self::Text | Self::Padded, Value::Text(text)) => {
                without_zero(text)?;
                out.extend_from_slice(text.as_bytes());
            }
            (Self::Bytes, Value::Bytes(raw)) => out.extend_from_slice(raw),
            (Self::Uuid, Value::Uuid(raw)) => out.extend_from_slice(raw),
            (Self::Date, Value::Date(days)) => {
                let days = days.checked_sub(EPOCH_DAYS).ok_or_else(too_far)?;
                out.extend_from_slice(&days.to_be_bytes());
            }
            (Self::Time, Value::Time(nanos)) => {
                out.extend_from_slice(&(micros(i128::from(*nanos))? as i64).to_be_bytes());
            }
            (Self::Timestamp, Value::LocalDateTime(days, nanos)) => {
                let days = i128::from(*days) - i128::from(EPOCH_DAYS);
                let total = days * i128::from(MICROS_PER_DAY) + micros(i128::from(*nanos))?;
                let total = i64::try_from(total).map_err(|_| too_far())?;
                out.extend_from_slice(&total.to_be_bytes());
            }
            (Self::Timestamptz, Value::Instant(seconds, nanos)) => {
                instant(*seconds, *nanos, out)?;
            }
            (Self::Interval, Value::Interval(months, days, nanos)) => {
                let micros = i64::try_from(micros(i128::from(*nanos))?).map_err(|_| too_far())?;
                out.extend_from_slice(&micros.to_be_bytes());
                out.extend_from_slice(&days.to_be_bytes());
                out.extend_from_slice(&months.to_be_bytes());
            }
            (Self::Json, value) => json_text(value, out)?,
            (Self::Jsonb, value) => {
                out.push(1);
                json_text(value, out)?;
            }
            (Self::Array(element), Value::List(items)) => {
                // Bound as the text of an array, which `unnest` does not take apart.
                literal::array(element, items, out)?;
            }
            _ => return Err(other()),
        }
        Ok(())
    }

    /// What the column takes, as people call it.
    fn name(&self) -> &'static str {
        match self {
            Self::Bool => "a boolean",
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid => "a whole number",
            Self::Float4 | Self::Float8 => "a float",
            Self::Numeric => "a number",
            Self::Text | Self::Padded => "a text",
            Self::Bytes => "bytes",
            Self::Uuid => "a uuid",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::Timestamp => "a local timestamp",
            Self::Timestamptz => "a timestamp",
            Self::Interval => "an interval",
            Self::Json | Self::Jsonb => "a document",
            Self::Array(_) => "a list",
        }
    }
}

/// The shortest decimal that reads back as this single, as a double: `0.1`, not
/// `0.10000000149011612`.
fn shortest(single: f32) -> f64 {
    // Whole numbers of this size are exact, and need no detour.
    if !single.is_finite() || (single.fract() == 0.0 && single.abs() < 16_777_216.0) {
        return f64::from(single);
    }
    single.to_string().parse().unwrap_or_else(|_| f64::from(single))
}

fn utf8(raw: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(raw)
        .map_err(|_| Refusal { code: "read.encoding", reason: "it is not valid UTF-8" })
}

fn infinity() -> Refusal {
    Refusal::range("infinity is no date")
}

fn finite(micros: i64) -> Result<i64, Refusal> {
    if micros == i64::MAX || micros == i64::MIN { Err(infinity()) } else { Ok(micros) }
}

fn parse(raw: &[u8]) -> Result<Value, Refusal> {
    json::parse(utf8(raw)?).map_err(|_| Refusal {
        code: "read.json",
        reason: "it nests too deeply, or holds a number of more than 38 digits",
    })
}

fn decode_array(element: &Codec, mut raw: &[u8]) -> Result<Value, Refusal> {
    let wire = &mut raw;
    let (dimensions, _has_null, _element) = (wire.i32()?, wire.i32()?, wire.i32()?);
    if !(0..=DIMENSIONS_MAX).contains(&dimensions) {
        return Err(Refusal::wire());
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        let length = usize::try_from(wire.i32()?).map_err(|_| Refusal::wire())?;
        if wire.i32()? != 1 {
            return Err(Refusal::range("an array that does not begin at 1"));
        }
        lengths.push(length);
    }
    if lengths.is_empty() { Ok(Value::List(Vec::new())) } else { nested(element, &lengths, wire) }
}

fn nested(element: &Codec, lengths: &[usize], wire: &mut &[u8]) -> Result<Value, Refusal> {
    let Some((length, inner)) = lengths.split_first() else {
        let length = wire.i32()?;
        return match usize::try_from(length) {
            Ok(length) => element.decode(Some(wire.bytes(length)?)),
            Err(_) => Ok(Value::Null),
        };
    };
    let mut items = Vec::new();
    for _ in 0..*length {
        items.push(nested(element, inner, wire)?);
    }
    Ok(Value::List(items))
}

/// A whole number of this width.
fn whole<T: TryFrom<i128>>(number: Decimal) -> Result<T, Problem> {
    number.to_i128().and_then(|whole| T::try_from(whole).ok()).ok_or_else(|| {
        Problem::new("write.type", "the number is not whole, or beyond the column's range")
    })
}

/// Microseconds, to the nearest as the server itself rounds the text of a time.
fn micros(nanos: i128) -> Result<i128, Problem> {
    nanos.checked_add(500).map(|shifted| shifted.div_euclid(1_000)).ok_or_else(too_far)
}

fn instant(seconds: i64, nanos: u32, out: &mut Vec<u8>) -> Result<(), Problem> {
    let seconds = i128::from(seconds) - i128::from(EPOCH_DAYS) * 86_400;
    let total = seconds * 1_000_000 + micros(i128::from(nanos))?;
    let total = i64::try_from(total).map_err(|_| too_far())?;
    out.extend_from_slice(&total.to_be_bytes());
    Ok(())
}

pub(crate) fn json_text(value: &Value, out: &mut Vec<u8>) -> Result<(), Problem> {
    let text = json::print(value).ok_or_else(|| mistyped("a document", value))?;
    // An escaped U+0000 is refused by `jsonb`, and makes a `json` that cannot be taken apart.
    if text.contains("\\u0000") {
        return Err(zero());
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

pub(crate) fn without_zero(text: &Text) -> Result<(), Problem> {
    if text.contains('\0') { Err(zero()) } else { Ok(()) }
}

fn zero() -> Problem {
    Problem::new("write.encoding", "PostgreSQL cannot hold the character U+0000")
}

fn too_far() -> Problem {
    Problem::new("write.type", "the time is beyond what PostgreSQL can hold")
}

pub(crate) fn mistyped(wanted: &str, value: &Value) -> Problem {
    Problem::new("write.type", format!("it takes {wanted}, and got a {}", value.kind()))
}

#[cfg(test)]
mod tests;
