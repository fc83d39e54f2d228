//! Canonical values, and when two are equal.
//!
//! Equality is exact: two values are equal if and only if their canonical encodings are. Nothing
//! here follows a database's idea of equality (case, padding, floats): those ideas differ between
//! systems, and belong to a lens.

use std::collections::BTreeMap;

use crate::{Text, decimal::Decimal, name::RecordId};

mod show;

/// What a column or field holds, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Slot {
    /// Not in the record at all: says nothing.
    #[default]
    Missing,
    /// The source knows it and did not ship it (an unchanged large value). Never means NULL.
    Unavailable,
    /// The value, NULL included.
    Present(Value),
}

impl Slot {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Present(value) => Some(value),
            Self::Missing | Self::Unavailable => None,
        }
    }
}

/// One value, exact. Thirty-two bytes; texts of up to 23 bytes need no allocation.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    /// Known to be nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// Any exact number.
    Num(Decimal),
    /// A binary floating-point number, only where the source column is one.
    Float(Float),
    /// Exact code points; never normalised silently.
    Text(Text),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// A UUID.
    Uuid([u8; 16]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(u64),
    /// A date and a time of day without a zone: days since 1970-01-01, nanoseconds since midnight.
    LocalDateTime(i32, u64),
    /// A point in time: whole seconds since 1970-01-01T00:00:00Z, and nanoseconds within it.
    Instant(i64, u32),
    /// A point in time with the offset it was written with, in minutes east.
    OffsetDateTime(i64, u32, i16),
    /// Months, days and nanoseconds; they do not convert into each other.
    Interval(i32, i32, i64),
    /// In this order.
    List(Vec<Value>),
    /// Without order: sorted by encoding, without repetition. Made by [`Value::set`].
    Set(Vec<Value>),
    /// By name.
    Map(Box<BTreeMap<Text, Value>>),
    /// A record of the hub. Keys of systems never enter the hub's values.
    Ref(RecordId),
}

/// A double by its bits, with one NaN and one zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Float(u64);

impl Float {
    /// Takes a double; every NaN becomes one NaN, and -0.0 becomes 0.0.
    pub fn new(number: f64) -> Self {
        if number.is_nan() {
            Self(f64::NAN.to_bits())
        } else if number == 0.0 {
            Self(0)
        } else {
            Self(number.to_bits())
        }
    }

    /// The double.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Text::new(text))
    }

    /// A whole number.
    pub fn int(number: i64) -> Self {
        Self::Num(Decimal::from(number))
    }

    /// A set: sorted by encoding, without repetition.
    pub fn set(members: Vec<Self>) -> Self {
        let mut encoded: Vec<(Vec<u8>, Self)> =
            members.into_iter().map(|value| (value.encoded(), value)).collect();
        encoded.sort_by(|left, right| left.0.cmp(&right.0));
        encoded.dedup_by(|left, right| left.0 == right.0);
        Self::Set(encoded.into_iter().map(|(_, value)| value).collect())
    }

    /// The record that this refers to, if it is a reference.
    pub fn reference(&self) -> Option<RecordId> {
        if let Self::Ref(record) = self { Some(*record) } else { None }
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value this is, as people call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Num(_) => "number",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "uuid",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::LocalDateTime(..) => "local timestamp",
            Self::Instant(..) => "timestamp",
            Self::OffsetDateTime(..) => "timestamp with offset",
            Self::Interval(..) => "interval",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Map(_) => "map",
            Self::Ref(_) => "reference",
        }
    }

    /// The canonical encoding: a tag byte and a payload (`docs/reference/encoding.md`).
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16);
        self.encode(&mut bytes);
        bytes
    }

    /// Appends the canonical encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0x00),
            Self::Bool(false) => out.push(0x01),
            Self::Bool(true) => out.push(0x02),
            Self::Num(number) => {
                let coefficient = number.coefficient();
                out.push(0x10);
                out.push(u8::from(coefficient < 0));
                varint(zigzag(number.exponent()), out);
                let magnitude = coefficient.unsigned_abs().to_be_bytes();
                let start = magnitude.iter().position(|byte| *byte != 0).unwrap_or(magnitude.len());
                bytes(magnitude.get(start..).unwrap_or_default(), out);
            }
            Self::Float(number) => {
                out.push(0x11);
                out.extend_from_slice(&number.0.to_be_bytes());
            }
            Self::Text(text) => {
                out.push(0x20);
                bytes(text.as_bytes(), out);
            }
            Self::Bytes(raw) => {
                out.push(0x21);
                bytes(raw, out);
            }
            Self::Date(days) => {
                out.push(0x30);
                out.extend_from_slice(&days.to_be_bytes());
            }
            Self::Time(nanos) => {
                out.push(0x31);
                out.extend_from_slice(&nanos.to_be_bytes());
            }
            Self::LocalDateTime(days, nanos) => {
                out.push(0x32);
                out.extend_from_slice(&days.to_be_bytes());
                out.extend_from_slice(&nanos.to_be_bytes());
            }
            Self::Instant(seconds, nanos) => {
                out.push(0x33);
                out.extend_from_slice(&nanoseconds(*seconds, *nanos).to_be_bytes());
            }
            Self::OffsetDateTime(seconds, nanos, minutes) => {
                out.push(0x34);
                out.extend_from_slice(&nanoseconds(*seconds, *nanos).to_be_bytes());
                out.extend_from_slice(&minutes.to_be_bytes());
            }
            Self::Interval(months, days, nanos) => {
                out.push(0x36);
                out.extend_from_slice(&months.to_be_bytes());
                out.extend_from_slice(&days.to_be_bytes());
                out.extend_from_slice(&nanos.to_be_bytes());
            }
            Self::Uuid(raw) => {
                out.push(0x40);
                out.extend_from_slice(raw);
            }
            Self::List(items) | Self::Set(items) => {
                out.push(if matches!(self, Self::List(_)) { 0x50 } else { 0x52 });
                varint(items.len() as u64, out);
                for item in items {
                    item.encode(out);
                }
            }
            Self::Map(entries) => {
                out.push(0x51);
                varint(entries.len() as u64, out);
                for (name, value) in entries.iter() {
                    bytes(name.as_bytes(), out);
                    value.encode(out);
                }
            }
            Self::Ref(record) => {
                out.push(0x60);
                out.extend_from_slice(&record.0.to_be_bytes());
            }
        }
    }

    /// Reads one value off the front of `input`. `None` for anything that [`Value::encode`] does
    /// not write, at most [`DEPTH_MAX`] levels deep.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        decode(input, DEPTH_MAX)
    }
}

/// How deeply a stored value may nest.
pub const DEPTH_MAX: u32 = 64;

fn decode(input: &mut &[u8], depth: u32) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match take::<1>(input)? {
        [0x00] => Value::Null,
        [0x01] => Value::Bool(false),
        [0x02] => Value::Bool(true),
        [0x10] => {
            let [negative] = take::<1>(input)?;
            let exponent = unzigzag(read_varint(input)?)?;
            let raw = read_bytes(input)?;
            if raw.len() > 16 || negative > 1 || raw.first() == Some(&0) {
                return None;
            }
            let magnitude = raw.iter().fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
            let magnitude = i128::try_from(magnitude).ok()?;
            let coefficient = if negative == 1 { -magnitude } else { magnitude };
            let number = Decimal::checked(coefficient, exponent)?;
            if (number.coefficient(), number.exponent()) != (coefficient, exponent)
                || magnitude == 0 && negative == 1
            {
                return None;
            }
            Value::Num(number)
        }
        [0x11] => {
            let bits = u64::from_be_bytes(take(input)?);
            Value::Float(Some(Float::new(f64::from_bits(bits))).filter(|float| float.0 == bits)?)
        }
        [0x20] => Value::Text(Text::new(std::str::from_utf8(read_bytes(input)?).ok()?)),
        [0x21] => Value::Bytes(read_bytes(input)?.into()),
        [0x30] => Value::Date(i32::from_be_bytes(take(input)?)),
        [0x31] => Value::Time(u64::from_be_bytes(take(input)?)),
        [0x32] => {
            Value::LocalDateTime(i32::from_be_bytes(take(input)?), u64::from_be_bytes(take(input)?))
        }
        [0x33] => {
            let (seconds, nanos) = split_nanoseconds(i128::from_be_bytes(take(input)?))?;
            Value::Instant(seconds, nanos)
        }
        [0x34] => {
            let (seconds, nanos) = split_nanoseconds(i128::from_be_bytes(take(input)?))?;
            Value::OffsetDateTime(seconds, nanos, i16::from_be_bytes(take(input)?))
        }
        [0x36] => Value::Interval(
            i32::from_be_bytes(take(input)?),
            i32::from_be_bytes(take(input)?),
            i64::from_be_bytes(take(input)?),
        ),
        [0x40] => Value::Uuid(take(input)?),
        [tag @ (0x50 | 0x52)] => {
            let count = read_varint(input)?;
            let mut items = Vec::new();
            let mut before: &[u8] = &[];
            for _ in 0..count {
                let start = *input;
                items.push(decode(input, depth)?);
                let encoded = start.get(..start.len() - input.len())?;
                // A set is sorted by encoding; no encoding is empty.
                if tag == 0x52 && encoded <= before {
                    return None;
                }
                before = encoded;
            }
            if tag == 0x50 { Value::List(items) } else { Value::Set(items) }
        }
        [0x51] => {
            let count = read_varint(input)?;
            let mut entries: BTreeMap<Text, Value> = BTreeMap::new();
            for _ in 0..count {
                let name = Text::new(std::str::from_utf8(read_bytes(input)?).ok()?);
                if entries.last_key_value().is_some_and(|(last, _)| *last >= name) {
                    return None;
                }
                entries.insert(name, decode(input, depth)?);
            }
            Value::Map(Box::new(entries))
        }
        [0x60] => Value::Ref(RecordId(u128::from_be_bytes(take(input)?))),
        _ => return None,
    })
}

/// Nanoseconds since 1970, exact.
pub fn nanoseconds(seconds: i64, nanos: u32) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

/// The inverse of [`nanoseconds`]; `None` beyond the range of seconds.
pub fn split_nanoseconds(total: i128) -> Option<(i64, u32)> {
    let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
    Some((seconds, total.rem_euclid(1_000_000_000) as u32))
}

/// Appends a variable-length number: seven bits a byte, low bits first.
pub fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what [`varint`] wrote.
pub fn read_varint(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take::<1>(input)?;
        let bits = u64::from(byte & 0x7f);
        number |= bits << shift;
        if byte & 0x80 == 0 {
            // One form for each number: no zeros on top, nothing that falls off.
            let is_shortest = shift == 0 || bits != 0;
            return (is_shortest && bits << shift >> shift == bits).then_some(number);
        }
    }
    None
}

/// Appends a length and the bytes.
pub fn bytes(raw: &[u8], out: &mut Vec<u8>) {
    varint(raw.len() as u64, out);
    out.extend_from_slice(raw);
}

/// Reads what [`bytes`] wrote.
pub fn read_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(read_varint(input)?).ok()?;
    let (front, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(front)
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*front)
}

fn zigzag(number: i32) -> u64 {
    let wide = i64::from(number);
    ((wide << 1) ^ (wide >> 63)) as u64
}

fn unzigzag(number: u64) -> Option<i32> {
    i32::try_from((number >> 1) as i64 ^ -((number & 1) as i64)).ok()
}

/// The first 16 bytes of the BLAKE3 hash of an encoding, in the context `syncline/v1/value`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(encoding: &[u8]) -> Self {
        const CONTEXT: &[u8; 32] = b"syncline/v1/value\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let hash = blake3::keyed_hash(CONTEXT, encoding);
        let (front, _) = hash.as_bytes().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Self(*front)
    }
}

/// Year, month and day of a day number (days since 1970-01-01), in the proleptic Gregorian
/// calendar. After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn civil(days: i32) -> (i64, u32, u32) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number of a date; the inverse of [`civil`]. `None` for a date that does not exist.
pub fn day_number(year: i64, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 || day > 31 {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let number = i32::try_from(era * 146_097 + day_of_era - 719_468).ok()?;
    (civil(number) == (year, month, day)).then_some(number)
}

#[cfg(test)]
mod tests;
