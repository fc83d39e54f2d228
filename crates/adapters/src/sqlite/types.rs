//! What SQLite columns hold: declared types, storage classes, and values. The table for people is
//! `docs/reference/types-sqlite.md`.
//!
//! A declared type promises little in SQLite: any column may hold any storage class. A value whose
//! storage class does not fit its column's declared type is refused with its row, by name, and
//! never changed. Dates and times are texts; the way a column writes them (`T` or space, fraction,
//! `Z`) is taken from a row that is there, so that our writes look like those of its users.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "conversions name the kinds they know; all others are treated alike"
)]

use rusqlite::types::{Value as Stored, ValueRef};
use syncline_core::{
    Text,
    decimal::Decimal,
    error::Problem,
    name::Timestamp,
    value::{Float, Value},
};
use syncline_ports::catalog::{NativeKind, Travels};

use crate::sql::{json, time};

/// What a column is declared to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// `…INT…`
    Whole,
    /// `…CHAR…`, `…CLOB…`, `…TEXT…`
    Text,
    /// `…BLOB…`
    Bytes,
    /// `…REAL…`, `…FLOA…`, `…DOUB…`
    Real,
    /// `NUMERIC`, `DECIMAL(10,2)`, and all that is none of the others.
    Numeric,
    /// `BOOL`, `BOOLEAN`
    Bool,
    /// `DATE`
    Date,
    /// `TIME`
    Time,
    /// `DATETIME`, `TIMESTAMP`
    DateTime,
    /// `JSON`
    Json,
    /// `UUID`, `GUID`
    Uuid,
    /// No type, or `ANY`: whatever is stored.
    Any,
}

/// Reads a declared type by SQLite's own rules, after the names that people give to what SQLite
/// has no type for.
pub(crate) fn declared(type_name: &str) -> Declared {
    let upper = type_name.to_ascii_uppercase();
    let word = upper.split(['(', ' ']).next().unwrap_or_default();
    let has = |part: &str| upper.contains(part);
    match word {
        "" | "ANY" => Declared::Any,
        "BOOL" | "BOOLEAN" => Declared::Bool,
        "DATE" => Declared::Date,
        "TIME" => Declared::Time,
        "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => Declared::DateTime,
        "JSON" => Declared::Json,
        "UUID" | "GUID" | "UNIQUEIDENTIFIER" => Declared::Uuid,
        _ if has("INT") => Declared::Whole,
        _ if has("CHAR") || has("CLOB") || has("TEXT") => Declared::Text,
        _ if has("BLOB") => Declared::Bytes,
        _ if has("REAL") || has("FLOA") || has("DOUB") => Declared::Real,
        _ => Declared::Numeric,
    }
}

/// How a column writes times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    separator: char,
    /// Digits of the fraction that are always written; more are written where the value has them.
    fraction: usize,
    is_utc: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { separator: ' ', fraction: 0, is_utc: false }
    }
}

impl Style {
    /// The style of this text; the default if it is no time.
    pub(crate) fn of(sample: &str) -> Self {
        let separator = if sample.as_bytes().get(10) == Some(&b'T') { 'T' } else { ' ' };
        let is_utc = sample.ends_with('Z');
        let fraction =
            sample.trim_end_matches('Z').rsplit_once('.').map_or(0, |(_, digits)| digits.len());
        Self { separator, fraction: fraction.min(9), is_utc }
    }
}

/// Decodes and encodes the values of one column.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    name: Text,
    pub(crate) declared: Declared,
    style: Style,
}

impl Codec {
    /// A codec for a column of this name and declared type; `sample` is a text that it holds.
    pub(crate) fn new(name: &str, type_name: &str, sample: Option<&str>) -> Self {
        let style = sample.map(Style::of).unwrap_or_default();
        Self { name: Text::new(name), declared: declared(type_name), style }
    }

    /// How the column's values travel.
    pub(crate) fn travels(&self) -> Travels {
        let converted = |kind, how: &str| Travels::Converted(kind, Text::new(how));
        match self.declared {
            Declared::Whole => Travels::Exactly(NativeKind::Num),
            Declared::Text => Travels::Exactly(NativeKind::Text),
            Declared::Bytes => Travels::Exactly(NativeKind::Bytes),
            Declared::Real => Travels::Exactly(NativeKind::Float),
            Declared::Numeric => converted(
                NativeKind::Num,
                "fractions are stored as binary numbers and read as their shortest decimal",
            ),
            Declared::Bool => converted(NativeKind::Bool, "0 is false, 1 is true"),
            Declared::Date => converted(NativeKind::Date, "texts like 2024-01-31"),
            Declared::Time => converted(NativeKind::Time, "texts like 10:02:03"),
            Declared::DateTime if self.style.is_utc => {
                converted(NativeKind::Instant, "texts like 2024-01-31T10:02:03Z")
            }
            Declared::DateTime => {
                converted(NativeKind::LocalDateTime, "texts like 2024-01-31 10:02:03")
            }
            Declared::Json => converted(NativeKind::Json, "texts in JSON"),
            Declared::Uuid => converted(NativeKind::Uuid, "texts of 36 lower-case characters"),
            Declared::Any => {
                converted(NativeKind::Text, "by what is stored: number, text or bytes")
            }
        }
    }

    /// Whether a text of the column tells how it writes times.
    pub(crate) fn wants_sample(&self) -> bool {
        matches!(self.declared, Declared::DateTime | Declared::Time)
    }

    /// The value that is stored.
    ///
    /// # Errors
    /// `read.type` where the storage class, or the text, does not fit the declared type.
    pub(crate) fn decode(&self, stored: ValueRef<'_>) -> Result<Value, Problem> {
        let decoded = match (self.declared, stored) {
            (_, ValueRef::Null) => Some(Value::Null),
            (
                Declared::Whole | Declared::Numeric | Declared::Json | Declared::Any,
                ValueRef::Integer(number),
            ) => Some(Value::int(number)),
            (Declared::Real | Declared::Any, ValueRef::Real(number)) => {
                Some(Value::Float(Float::new(number)))
            }
            (Declared::Text | Declared::Any, ValueRef::Text(text)) => utf8(text).map(Value::text),
            (Declared::Bytes | Declared::Any, ValueRef::Blob(bytes)) => {
                Some(Value::Bytes(bytes.into()))
            }
            (Declared::Bool, ValueRef::Integer(number @ (0 | 1))) => Some(Value::Bool(number == 1)),
            (Declared::Date, ValueRef::Text(text)) => {
                utf8(text).and_then(time::parse_date).map(Value::Date)
            }
            (Declared::Time, ValueRef::Text(text)) => {
                utf8(text).and_then(time::parse_time).map(Value::Time)
            }
            (Declared::DateTime, ValueRef::Text(text)) => {
                utf8(text).and_then(|text| self.decode_time(text))
            }
            (Declared::Numeric | Declared::Json, ValueRef::Real(number)) => shortest(number),
            (Declared::Json, ValueRef::Text(text)) => match utf8(text).map(json::parse) {
                Some(Ok(document)) => Some(document),
                Some(Err(problem)) => return Err(self.problem(problem.code, &problem.message)),
                None => None,
            },
            (Declared::Uuid, ValueRef::Text(text)) => utf8(text).and_then(uuid).map(Value::Uuid),
            _ => None,
        };
        decoded.ok_or_else(|| {
            let class = format!("{:?}", stored.data_type()).to_lowercase();
            self.problem(
                "read.type",
                &format!("it holds a {class} that does not fit its declared type"),
            )
        })
    }

    fn decode_time(&self, text: &str) -> Option<Value> {
        let (days, nanos) = match text.strip_suffix('Z') {
            Some(front) if self.style.is_utc => time::parse_local(front)?,
            None if !self.style.is_utc => time::parse_local(text)?,
            Some(_) | None => return None,
        };
        // A date alone is not a time of day, and would be written back as one.
        (text.len() > 10).then(|| {
            if self.style.is_utc {
                let seconds = i64::from(days) * 86_400 + (nanos / 1_000_000_000) as i64;
                Value::Instant(seconds, (nanos % 1_000_000_000) as u32)
            } else {
                Value::LocalDateTime(days, nanos)
            }
        })
    }

    /// What is to be stored for a value.
    ///
    /// # Errors
    /// `write.type` for a value that the column would not give back as it is.
    pub(crate) fn encode(&self, value: &Value) -> Result<Stored, Problem> {
        let encoded = match (self.declared, value) {
            (_, Value::Null) => Some(Stored::Null),
            (Declared::Whole | Declared::Numeric | Declared::Any, Value::Num(number)) => {
                self.encode_number(*number)
            }
            (Declared::Real | Declared::Any, Value::Float(number)) => {
                let number = number.get();
                // SQLite stores NaN as NULL.
                (!number.is_nan()).then_some(Stored::Real(number))
            }
            (Declared::Text | Declared::Any, Value::Text(text)) => {
                Some(Stored::Text(text.to_string()))
            }
            (Declared::Bytes | Declared::Any, Value::Bytes(bytes)) => {
                Some(Stored::Blob(bytes.to_vec()))
            }
            (Declared::Bool, Value::Bool(truth)) => Some(Stored::Integer(i64::from(*truth))),
            (Declared::Date, Value::Date(_)) | (Declared::Uuid, Value::Uuid(_)) => {
                Some(Stored::Text(value.to_string()))
            }
            (Declared::Time, Value::Time(nanos)) => Some(Stored::Text(self.time(*nanos))),
            (Declared::DateTime, Value::LocalDateTime(days, nanos)) if !self.style.is_utc => {
                Some(Stored::Text(self.date_time(*days, *nanos)))
            }
            (Declared::DateTime, Value::Instant(seconds, nanos)) if self.style.is_utc => {
                i32::try_from(seconds.div_euclid(86_400)).ok().map(|days| {
                    let of_day = seconds.rem_euclid(86_400) as u64 * 1_000_000_000;
                    Stored::Text(format!("{}Z", self.date_time(days, of_day + u64::from(*nanos))))
                })
            }
            (Declared::Json, document) => json::print(document).map(Stored::Text),
            _ => None,
        };
        encoded.ok_or_else(|| {
            self.problem("write.type", &format!("it cannot hold this {} as it is", value.kind()))
        })
    }

    fn encode_number(&self, number: Decimal) -> Option<Stored> {
        if let Some(whole) = number.to_i128().and_then(|whole| i64::try_from(whole).ok()) {
            return Some(Stored::Integer(whole));
        }
        if self.declared == Declared::Whole {
            return None;
        }
        // Only what comes back as the same decimal may be stored as a binary number.
        let binary: f64 = number.to_string().parse().ok()?;
        (shortest(binary) == Some(Value::Num(number))).then_some(Stored::Real(binary))
    }

    fn time(&self, nanos: u64) -> String {
        let text = Value::Time(nanos).to_string();
        let digits = text.rsplit_once('.').map_or(0, |(_, digits)| digits.len());
        if digits >= self.style.fraction {
            return text;
        }
        let point = if digits == 0 { "." } else { "" };
        format!("{text}{point}{}", "0".repeat(self.style.fraction - digits))
    }

    fn date_time(&self, days: i32, nanos: u64) -> String {
        format!("{}{}{}", Value::Date(days), self.style.separator, self.time(nanos))
    }

    /// The present moment, as the column holds it.
    pub(crate) fn now(&self, at: Timestamp) -> Stored {
        let seconds = at.0.div_euclid(1_000_000);
        let days = i32::try_from(seconds.div_euclid(86_400)).unwrap_or(i32::MAX);
        let of_day = seconds.rem_euclid(86_400) as u64 * 1_000_000_000;
        match self.declared {
            Declared::Whole | Declared::Numeric => Stored::Integer(seconds),
            Declared::Real => Stored::Real(seconds as f64),
            Declared::Bool => Stored::Integer(1),
            Declared::Date => Stored::Text(Value::Date(days).to_string()),
            Declared::Time => Stored::Text(self.time(of_day)),
            Declared::Text
            | Declared::Bytes
            | Declared::DateTime
            | Declared::Json
            | Declared::Uuid
            | Declared::Any => {
                let zulu = if self.style.is_utc { "Z" } else { "" };
                Stored::Text(format!("{}{zulu}", self.date_time(days, of_day)))
            }
        }
    }

    fn problem(&self, code: &'static str, what: &str) -> Problem {
        Problem::new(code, format!("column {:?}: {what}", self.name))
    }
}

/// What is stored, without regard to the declared type: for cursors, and for keys of refused rows.
pub(crate) fn raw(stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::int(number),
        ValueRef::Real(number) => Value::Float(Float::new(number)),
        ValueRef::Text(text) => utf8(text).map_or_else(|| Value::Bytes(text.into()), Value::text),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    }
}

/// The inverse of [`raw`].
pub(crate) fn unraw(value: &Value) -> Stored {
    match value {
        Value::Num(number) => number
            .to_i128()
            .and_then(|whole| i64::try_from(whole).ok())
            .map_or(Stored::Null, Stored::Integer),
        Value::Float(number) => Stored::Real(number.get()),
        Value::Text(text) => Stored::Text(text.to_string()),
        Value::Bytes(bytes) => Stored::Blob(bytes.to_vec()),
        _ => Stored::Null,
    }
}

/// The shortest decimal that is read back as this number; NaN and infinities have none.
fn shortest(number: f64) -> Option<Value> {
    if number == 0.0 {
        return Some(Value::int(0));
    }
    Decimal::parse(&format!("{number:e}")).map(Value::Num)
}

fn utf8(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

/// Reads the form in which UUIDs are printed, and no other.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let mut raw = [0u8; 16];
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    for place in &mut raw {
        let (high, low) = (digits.next()?, digits.next()?);
        let digit = |byte: u8| (byte as char).to_digit(16);
        *place = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    (Value::Uuid(raw).to_string() == text).then_some(raw)
}

#[cfg(test)]
mod tests;
