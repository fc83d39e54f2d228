//! How each type of MariaDB and MySQL travels (`docs/reference/types-mariadb.md`), and what a cell
//! of a result means.
//!
//! Surprising: `FLOAT` is selected as `cast(… as double)`, because the text protocol shows six
//! digits of it; a binary `char` is a `binary` type here, but JSON is not a type at all in MariaDB:
//! it is a `longtext` whose check says `json_valid`. A date may be `0000-00-00` or lack its day: no
//! value of ours holds that, so the row is refused with a code, never read as NULL.

use mysql_async::Value as Cell;
use syncline_core::{
    Text,
    decimal::{Decimal, Rounding},
    value::{Float, Value, day_number},
};
use syncline_ports::catalog::{Column, NativeKind, Travels};

use crate::{mysql::literal, sql::json};

/// How a column's cells are written, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Any integer type, and `YEAR`.
    Int,
    Bit,
    Decimal,
    Float,
    Double,
    Text,
    /// `ENUM`: text.
    Enum,
    Set,
    Bytes,
    Uuid,
    Date,
    DateTime,
    Timestamp,
    Time,
    Json,
}

/// What `information_schema.columns` says of a column's type.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    /// `data_type`: `varchar`.
    pub name: String,
    /// `column_type`: `varchar(20)`, `int(10) unsigned`.
    pub full: String,
    /// Digits of an exact number.
    pub precision: Option<u32>,
    /// Digits after the point.
    pub scale: Option<u32>,
    /// Digits of the seconds.
    pub fraction: Option<u32>,
    /// Characters or bytes.
    pub length: Option<u32>,
    /// Of a text column.
    pub collation: Option<String>,
    /// The table checks that it is JSON.
    pub is_json: bool,
}

/// A cell that no value of ours holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: &'static str,
    pub reason: &'static str,
}

impl Wire {
    /// How this column travels on the wire; `None` if its type is refused.
    pub(super) fn of(column: &Column) -> Option<Self> {
        if let Travels::Exactly(NativeKind::Json) | Travels::Converted(NativeKind::Json, _) =
            column.travels
        {
            return Some(Self::Json);
        }
        Self::named(base_name(&column.type_name))
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Self::Int,
            "bit" => Self::Bit,
            "decimal" => Self::Decimal,
            "float" => Self::Float,
            "double" => Self::Double,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "inet4"
            | "inet6" => Self::Text,
            "enum" => Self::Enum,
            "set" => Self::Set,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Self::Bytes,
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "timestamp" => Self::Timestamp,
            "time" => Self::Time,
            "json" => Self::Json,
            _ => return None,
        })
    }
}

/// The word before the first parenthesis or blank: `int` of `int(10) unsigned`.
pub(super) fn base_name(full: &str) -> &str {
    full.split(['(', ' ']).next().unwrap_or_default()
}

/// Fills in what the type decides: how it travels, limits, rounding, allowed texts.
pub(super) fn describe(declared: &Declared, column: &mut Column) {
    column.type_name = Text::new(&declared.full);
    column.travels = travels(declared);
    column.folds = declared.collation.as_deref().is_some_and(folds);
    match Wire::named(&declared.name) {
        Some(Wire::Decimal) => {
            column.precision = declared.precision;
            column.scale = declared.scale;
            column.rounds = Some(Rounding::HalfUp);
        }
        Some(Wire::DateTime | Wire::Timestamp | Wire::Time) => {
            column.scale = Some(declared.fraction.unwrap_or(0));
            column.rounds = Some(Rounding::Truncate);
        }
        Some(Wire::Int | Wire::Bit) => {
            column.precision = declared.precision;
            column.scale = Some(0);
            column.rounds = Some(Rounding::HalfUp);
        }
        Some(Wire::Text) => column.length_max = declared.length,
        Some(Wire::Enum | Wire::Set) => {
            column.allowed = allowed(&declared.full);
        }
        Some(Wire::Bytes | Wire::Float | Wire::Double | Wire::Uuid | Wire::Date | Wire::Json)
        | None => {}
    }
    if declared.is_json {
        column.length_max = None;
        column.folds = false;
    }
}

fn travels(declared: &Declared) -> Travels {
    let Some(wire) = Wire::named(&declared.name) else { return Travels::Refused };
    let converted = |kind, how: &str| Travels::Converted(kind, Text::new(how));
    match wire {
        Wire::Text if declared.is_json => json_travels(),
        Wire::Json => json_travels(),
        Wire::Decimal if declared.precision.is_none_or(|digits| digits > 38) => Travels::Refused,
        Wire::Bit => converted(NativeKind::Num, "the bits as a whole number, first bit highest"),
        Wire::Int | Wire::Decimal => Travels::Exactly(NativeKind::Num),
        Wire::Float => {
            converted(NativeKind::Float, "the shortest decimal that reads back as the same float")
        }
        Wire::Double => Travels::Exactly(NativeKind::Float),
        Wire::Text if declared.name == "char" => {
            converted(NativeKind::Text, "the column does not keep trailing spaces")
        }
        Wire::Text if declared.name.starts_with("inet") => {
            converted(NativeKind::Text, "the address as text, in the system's normal form")
        }
        Wire::Text | Wire::Enum => Travels::Exactly(NativeKind::Text),
        Wire::Set => converted(NativeKind::List, "the set of its members, without order"),
        Wire::Bytes if declared.name == "binary" => {
            converted(NativeKind::Bytes, "shorter values are filled with zero bytes")
        }
        Wire::Bytes => Travels::Exactly(NativeKind::Bytes),
        Wire::Uuid => Travels::Exactly(NativeKind::Uuid),
        Wire::Date => converted(NativeKind::Date, "rows with a zero or partial date are set aside"),
        Wire::DateTime => {
            converted(NativeKind::LocalDateTime, "rows with a zero or partial date are set aside")
        }
        Wire::Timestamp => {
            converted(NativeKind::Instant, "rows with a zero timestamp are set aside")
        }
        Wire::Time => {
            converted(NativeKind::Time, "a time below zero or of 24 hours and more is an interval")
        }
    }
}

fn json_travels() -> Travels {
    Travels::Converted(
        NativeKind::Json,
        Text::new("the document, without its layout; a JSON null reads as NULL"),
    )
}

/// Whether a collation takes different texts for equal. Only `…_bin` and `binary` do not fold case
/// or accents; and only the `NO PAD` ones among them keep trailing spaces apart.
fn folds(collation: &str) -> bool {
    let exact = collation.ends_with("_nopad_bin")
        || collation.ends_with("_0900_bin")
        || collation == "binary";
    !exact
}

/// The members of `enum('a','it''s')` or `set(…)`.
fn allowed(full: &str) -> Vec<Text> {
    let inside = full.split_once('(').map_or("", |(_, rest)| rest);
    let (mut members, mut member, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = inside.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('\'', false) => quoted = true,
            ('\'', true) if letters.peek() == Some(&'\'') => {
                letters.next();
                member.push('\'');
            }
            ('\'', true) => {
                quoted = false;
                members.push(Text::new(std::mem::take(&mut member)));
            }
            (other, true) => member.push(other),
            (_, false) => {}
        }
    }
    members
}

/// Appends what is selected to read a column of this wire.
pub(super) fn select(wire: Wire, column: &str, out: &mut Vec<u8>) {
    if wire == Wire::Float {
        out.extend_from_slice(b"cast(");
        literal::name(column, out);
        out.extend_from_slice(b" as double)");
    } else {
        literal::name(column, out);
    }
}

/// What a cell means.
///
/// # Errors
/// The row is to be set aside, for this reason.
pub(super) fn decode(wire: Wire, cell: Option<Cell>) -> Result<Value, Refusal> {
    let cell = match cell {
        None | Some(Cell::NULL) => return Ok(Value::Null),
        Some(cell) => cell,
    };
    match (wire, cell) {
        (Wire::Int, Cell::Int(number)) => Ok(Value::int(number)),
        (Wire::Int, Cell::UInt(number)) => Ok(Value::Num(Decimal::from(number))),
        (Wire::Double, Cell::Double(number)) => Ok(Value::Float(Float::new(number))),
        (Wire::Float, Cell::Float(number)) => Ok(single(number)),
        (Wire::Float, Cell::Double(number)) => Ok(single(number as f32)),
        (Wire::Date, Cell::Date(year, month, day, ..)) => Ok(Value::Date(date(year, month, day)?)),
        (
            Wire::DateTime | Wire::Timestamp,
            Cell::Date(year, month, day, hour, minute, second, micros),
        ) => {
            let days = date(year, month, day)?;
            let clock = clock(u64::from(hour), minute, second, micros).ok_or(UNREADABLE)?;
            point(wire, days, clock)
        }
        (Wire::Time, Cell::Time(negative, days, hour, minute, second, micros)) => {
            let hours = u64::from(days) * 24 + u64::from(hour);
            Ok(span(negative, clock(hours, minute, second, micros).ok_or(UNREADABLE)?))
        }
        (_, Cell::Bytes(raw)) => decode_bytes(wire, raw),
        (
            _,
            Cell::NULL
            | Cell::Int(_)
            | Cell::UInt(_)
            | Cell::Float(_)
            | Cell::Double(_)
            | Cell::Date(..)
            | Cell::Time(..),
        ) => Err(UNREADABLE),
    }
}

/// Nanoseconds.
const DAY: u64 = 86_400_000_000_000;

const UNREADABLE: Refusal =
    Refusal { code: "read.type", reason: "the system sent something that the type does not hold" };

const ZERO_DATE: Refusal =
    Refusal { code: "read.zero_date", reason: "a date without year, month or day is no date" };

const NOT_TEXT: Refusal =
    Refusal { code: "read.encoding", reason: "the text is not valid in its character set" };

const WIDE: Refusal =
    Refusal { code: "read.number", reason: "a number of more than 38 digits cannot be carried" };

const NOT_JSON: Refusal =
    Refusal { code: "read.json", reason: "no JSON document that can be carried" };

fn decode_bytes(wire: Wire, raw: Vec<u8>) -> Result<Value, Refusal> {
    match wire {
        Wire::Bytes => return Ok(Value::Bytes(raw.into())),
        Wire::Bit => {
            let number = raw.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
            return Ok(Value::Num(Decimal::from(number)));
        }
        Wire::Int
        | Wire::Decimal
        | Wire::Float
        | Wire::Double
        | Wire::Text
        | Wire::Enum
        | Wire::Set
        | Wire::Uuid
        | Wire::Date
        | Wire::DateTime
        | Wire::Timestamp
        | Wire::Time
        | Wire::Json => {}
    }
    let text = std::str::from_utf8(&raw).map_err(|_| NOT_TEXT)?;
    match wire {
        Wire::Text | Wire::Enum => Ok(Value::text(text)),
        Wire::Int => match text.parse::<i64>() {
            Ok(number) => Ok(Value::int(number)),
            Err(_) => Decimal::parse(text).map(Value::Num).ok_or(UNREADABLE),
        },
        Wire::Decimal => Decimal::parse(text).map(Value::Num).ok_or(WIDE),
        Wire::Double => text
            .parse::<f64>()
            .map(|number| Value::Float(Float::new(number)))
            .map_err(|_| UNREADABLE),
        Wire::Float => text.parse::<f64>().map(|wide| single(wide as f32)).map_err(|_| UNREADABLE),
        Wire::Set if text.is_empty() => Ok(Value::set(Vec::new())),
        Wire::Set => Ok(Value::set(text.split(',').map(Value::text).collect())),
        Wire::Uuid => uuid(text).ok_or(UNREADABLE),
        Wire::Date => Ok(Value::Date(parse_date(text)?)),
        Wire::DateTime | Wire::Timestamp => {
            let (day, clock) = text.split_once(' ').ok_or(UNREADABLE)?;
            point(wire, parse_date(day)?, parse_clock(clock).ok_or(UNREADABLE)?)
        }
        Wire::Time => {
            let (negative, clock) = match text.strip_prefix('-') {
                Some(rest) => (true, rest),
                None => (false, text),
            };
            Ok(span(negative, parse_clock(clock).ok_or(UNREADABLE)?))
        }
        Wire::Json => json::parse(text).map_err(|_| NOT_JSON),
        Wire::Bytes | Wire::Bit => Err(UNREADABLE),
    }
}

/// The double of the shortest decimal that reads back as this single.
fn single(number: f32) -> Value {
    let shortest = number.to_string().parse::<f64>().unwrap_or(f64::from(number));
    Value::Float(Float::new(shortest))
}

fn date(year: u16, month: u8, day: u8) -> Result<i32, Refusal> {
    day_number(i64::from(year), u32::from(month), u32::from(day)).ok_or(ZERO_DATE)
}

fn parse_date(text: &str) -> Result<i32, Refusal> {
    let mut parts = text.splitn(3, '-');
    let mut part = || parts.next().ok_or(UNREADABLE);
    let (year, month, day) = (part()?, part()?, part()?);
    let year = year.parse().map_err(|_| UNREADABLE)?;
    date(year, month.parse().map_err(|_| UNREADABLE)?, day.parse().map_err(|_| UNREADABLE)?)
}

/// Nanoseconds of a time, which ends at 838:59:59.999999; `None` if it is none.
fn clock(hours: u64, minute: u8, second: u8, micros: u32) -> Option<u64> {
    if hours > 838 || minute > 59 || second > 59 || micros > 999_999 {
        return None;
    }
    let seconds = hours * 3_600 + u64::from(minute) * 60 + u64::from(second);
    Some(seconds * 1_000_000_000 + u64::from(micros) * 1_000)
}

/// Nanoseconds of `838:59:59.000000`.
fn parse_clock(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':');
    let hours = parts.next()?.parse().ok()?;
    let (minute, second) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let missing = 6u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let micros: u32 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    clock(hours, minute, second, micros.checked_mul(10u32.pow(missing))?)
}

/// A point in time; `clock` is less than a day.
fn point(wire: Wire, days: i32, clock: u64) -> Result<Value, Refusal> {
    if clock >= DAY {
        Err(UNREADABLE)
    } else if wire == Wire::Timestamp {
        let (seconds, nanos) = (clock / 1_000_000_000, clock % 1_000_000_000);
        Ok(Value::Instant(i64::from(days) * 86_400 + seconds.cast_signed(), nanos as u32))
    } else {
        Ok(Value::LocalDateTime(days, clock))
    }
}

fn span(negative: bool, nanos: u64) -> Value {
    if negative && nanos > 0 {
        Value::Interval(0, 0, -nanos.cast_signed())
    } else if nanos >= DAY {
        Value::Interval(0, 0, nanos.cast_signed())
    } else {
        Value::Time(nanos)
    }
}

fn uuid(text: &str) -> Option<Value> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(Value::Uuid(number.to_be_bytes()))
}

#[cfg(test)]
mod tests;
