//! The two directions of every kind of cell, chosen once when the cell is compiled.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a conversion names the kinds it takes; any other, a new one too, is refused"
)]

use crate::{
    Text,
    lens::{
        Problem, contact, interval, json,
        money::Money,
        number::{Number, from_float, to_float},
        parts::{self, SetOf},
        problem::{self, shown},
        scalar,
        spec::{NativeKind, Split},
        table::Table,
        time::Time,
    },
    value::Value,
};

/// How a cell converts, both ways. Null never gets here, except into a table that names it.
#[derive(Debug)]
pub(super) enum Conversion {
    /// Whatever it is.
    Copy,
    /// Values of the hub's own kind, checked.
    Same(Same),
    Text(Option<NativeKind>),
    Number(Number),
    Money(Box<Money>),
    /// True and false without declared words.
    Bool(Option<NativeKind>),
    Table(Table),
    /// One of these texts, sorted.
    Enum(Vec<Text>, Option<NativeKind>),
    Time(Box<Time>),
    Email,
    Phone(contact::Phone),
    Uuid(Option<NativeKind>),
    Bytes(Coding),
    /// JSON in a text column.
    JsonText,
    Set(SetOf),
    Float(Option<NativeKind>),
    Interval(Option<NativeKind>),
    /// One field, several columns.
    Columns(Split),
    /// Several fields, one column.
    Fields(Split),
}

/// Kinds that are only checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Same {
    Reference,
}

/// How bytes look in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Coding {
    Raw,
    Hex,
    Base64,
}

impl Conversion {
    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        match self {
            Self::Copy => Ok(native.clone()),
            Self::Same(Same::Reference) => match native {
                Value::Ref(_) => Ok(native.clone()),
                _ => Err(problem::invalid("reference", native)),
            },
            Self::Text(_) => text(native),
            Self::Number(number) => number.get(native),
            Self::Money(money) => money.get(native),
            Self::Bool(_) => boolean(native),
            Self::Table(table) => table.get(native),
            Self::Enum(values, _) => member(values, &text(native)?),
            Self::Time(time) => time.get(native),
            Self::Email => contact::email(native),
            Self::Phone(phone) => phone.get(native),
            Self::Uuid(_) => uuid(native),
            Self::Bytes(coding) => coding.get(native),
            Self::JsonText => match native {
                Value::Text(text) => {
                    json::parse(text).ok_or_else(|| problem::invalid("JSON", native))
                }
                other => Ok(other.clone()),
            },
            Self::Set(set) => set.get(native),
            Self::Float(_) => float(native),
            Self::Interval(_) => interval_of(native),
            Self::Columns(split) => parts::join(split, native),
            Self::Fields(split) => parts::split(split, native),
        }
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        match self {
            Self::Copy => Ok(golden.clone()),
            Self::Same(Same::Reference) => match golden {
                Value::Ref(_) => Ok(golden.clone()),
                _ => Err(problem::invalid("reference", golden)),
            },
            Self::Text(native) => put_text(*native, golden),
            Self::Number(number) => number.put(golden),
            Self::Money(money) => money.put(golden),
            Self::Bool(native) => put_boolean(*native, golden),
            Self::Table(table) => table.put(golden),
            Self::Enum(values, native) => put_text(*native, &member(values, golden)?),
            Self::Time(time) => time.put(golden),
            Self::Email => match golden {
                Value::Text(_) => Ok(golden.clone()),
                _ => Err(problem::invalid("e-mail address", golden)),
            },
            Self::Phone(phone) => phone.put(golden),
            Self::Uuid(native) => put_uuid(*native, golden),
            Self::Bytes(coding) => coding.put(golden),
            Self::JsonText => Ok(Value::text(json::write(golden))),
            Self::Set(set) => set.put(golden),
            Self::Float(native) => put_float(*native, golden),
            Self::Interval(native) => put_interval(*native, golden),
            Self::Columns(split) => parts::split(split, golden),
            Self::Fields(split) => parts::join(split, golden),
        }
    }
}

fn text(native: &Value) -> Result<Value, Problem> {
    match native {
        Value::Text(_) => Ok(native.clone()),
        Value::Bool(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..) => Ok(Value::text(native.to_string())),
        Value::Num(number) if (-100..=100).contains(&number.exponent()) => {
            Ok(Value::text(number.to_string()))
        }
        Value::Float(number) => match from_float(*number) {
            Some(number) => text(&Value::Num(number)),
            None => Err(problem::invalid("text", native)),
        },
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .map(Value::text)
            .map_err(|_| problem::invalid("text", native)),
        Value::Null
        | Value::Num(_)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_) => Err(problem::invalid("text", native)),
    }
}

fn put_text(native: Option<NativeKind>, golden: &Value) -> Result<Value, Problem> {
    let Value::Text(text_of) = golden else { return Err(problem::invalid("text", golden)) };
    match native {
        None | Some(NativeKind::Text | NativeKind::Json) => Ok(golden.clone()),
        Some(NativeKind::Bytes) => Ok(Value::Bytes(text_of.as_bytes().into())),
        Some(kind) => {
            let found = scalar::parse(kind, text_of);
            let found = found.ok_or_else(|| problem::invalid(scalar::name(kind), golden))?;
            // "007" in a number column would come back as "7".
            if text(&found).as_ref() == Ok(golden) {
                Ok(found)
            } else {
                Err(Problem::new(
                    "map.lossy",
                    format!("{} would come back as {}", shown(golden), shown(&found)),
                ))
            }
        }
    }
}

fn member(values: &[Text], text: &Value) -> Result<Value, Problem> {
    match text {
        Value::Text(word) if values.binary_search(word).is_ok() => Ok(text.clone()),
        _ => Err(Problem::new(
            "map.unknown_value",
            format!("{} is not one of the field's values", shown(text)),
        )),
    }
}

fn boolean(native: &Value) -> Result<Value, Problem> {
    let invalid = || problem::invalid("boolean", native);
    let truth = match native {
        Value::Bool(truth) => Some(*truth),
        Value::Num(number) => match number.to_i128() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::Bytes(bytes) => match bytes.as_ref() {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        },
        Value::Text(text) => {
            const TRUE: [&str; 6] = ["true", "t", "1", "yes", "y", "on"];
            const FALSE: [&str; 6] = ["false", "f", "0", "no", "n", "off"];
            let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            if is(&TRUE) { Some(true) } else { is(&FALSE).then_some(false) }
        }
        Value::Null
        | Value::Float(_)
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
        | Value::Ref(_) => None,
    };
    truth.map(Value::Bool).ok_or_else(invalid)
}

fn put_boolean(native: Option<NativeKind>, golden: &Value) -> Result<Value, Problem> {
    let Value::Bool(truth) = golden else { return Err(problem::invalid("boolean", golden)) };
    match native {
        None | Some(NativeKind::Bool | NativeKind::Json) => Ok(golden.clone()),
        Some(NativeKind::Num) => Ok(Value::int(i64::from(*truth))),
        Some(NativeKind::Bytes) => Ok(Value::Bytes(Box::new([u8::from(*truth)]))),
        Some(NativeKind::Text) => Ok(Value::text(if *truth { "true" } else { "false" })),
        Some(
            kind @ (NativeKind::Float
            | NativeKind::Uuid
            | NativeKind::Date
            | NativeKind::Time
            | NativeKind::LocalDateTime
            | NativeKind::Instant
            | NativeKind::OffsetDateTime
            | NativeKind::Interval
            | NativeKind::List),
        ) => Err(problem::invalid(scalar::name(kind), golden)),
    }
}

fn uuid(native: &Value) -> Result<Value, Problem> {
    let found = match native {
        Value::Uuid(raw) => Some(*raw),
        Value::Text(text) => scalar::uuid(text),
        Value::Bytes(bytes) => bytes.as_ref().try_into().ok(),
        _ => None,
    };
    found.map(Value::Uuid).ok_or_else(|| problem::invalid("UUID", native))
}

fn put_uuid(native: Option<NativeKind>, golden: &Value) -> Result<Value, Problem> {
    let Value::Uuid(raw) = golden else { return Err(problem::invalid("UUID", golden)) };
    match native {
        Some(NativeKind::Text | NativeKind::Json) => Ok(Value::text(golden.to_string())),
        Some(NativeKind::Bytes) => Ok(Value::Bytes((*raw).into())),
        _ => Ok(golden.clone()),
    }
}

impl Coding {
    fn get(self, native: &Value) -> Result<Value, Problem> {
        let found = match (self, native) {
            (_, Value::Bytes(_)) => return Ok(native.clone()),
            (Self::Hex, Value::Text(text)) => scalar::hex(text.strip_prefix("\\x").unwrap_or(text)),
            (Self::Base64, Value::Text(text)) => scalar::base64(text),
            _ => None,
        };
        found.map(Value::Bytes).ok_or_else(|| problem::invalid("byte string", native))
    }

    fn put(self, golden: &Value) -> Result<Value, Problem> {
        let Value::Bytes(bytes) = golden else {
            return Err(problem::invalid("byte string", golden));
        };
        Ok(match self {
            Self::Raw => golden.clone(),
            Self::Hex => Value::text(bytes.iter().fold(String::new(), |mut out, byte| {
                use std::fmt::Write as _;
                let _ = write!(out, "{byte:02x}");
                out
            })),
            Self::Base64 => Value::text(scalar::write_base64(bytes)),
        })
    }
}

fn float(native: &Value) -> Result<Value, Problem> {
    let found = match native {
        Value::Float(_) => return Ok(native.clone()),
        Value::Num(number) => Some(to_float(*number)),
        Value::Text(text) => crate::decimal::Decimal::parse(text.trim()).map(to_float),
        _ => None,
    };
    found.map(Value::Float).ok_or_else(|| problem::invalid("floating-point number", native))
}

fn put_float(native: Option<NativeKind>, golden: &Value) -> Result<Value, Problem> {
    let Value::Float(number) = golden else {
        return Err(problem::invalid("floating-point number", golden));
    };
    let exact = || from_float(*number).ok_or_else(|| problem::invalid("finite number", golden));
    match native {
        Some(NativeKind::Num | NativeKind::Json) => exact().map(Value::Num),
        Some(NativeKind::Text) => {
            let number = exact()?;
            Ok(Value::text(format!("{}e{}", number.coefficient(), number.exponent())))
        }
        _ => Ok(golden.clone()),
    }
}

fn interval_of(native: &Value) -> Result<Value, Problem> {
    let found = match native {
        Value::Interval(..) => return Ok(native.clone()),
        Value::Time(nanos) => i64::try_from(*nanos).ok().map(|nanos| Value::Interval(0, 0, nanos)),
        Value::Text(text) => interval::parse(text.trim()),
        _ => None,
    };
    found.ok_or_else(|| problem::invalid("interval", native))
}

fn put_interval(native: Option<NativeKind>, golden: &Value) -> Result<Value, Problem> {
    let Value::Interval(months, days, nanos) = golden else {
        return Err(problem::invalid("interval", golden));
    };
    match native {
        Some(NativeKind::Text | NativeKind::Json) => {
            Ok(Value::text(interval::write(*months, *days, *nanos)))
        }
        Some(NativeKind::Time) => match (months, days, u64::try_from(*nanos)) {
            (0, 0, Ok(nanos)) if nanos < crate::lens::zone::DAY_NS => Ok(Value::Time(nanos)),
            _ => Err(Problem::new(
                "map.out_of_range",
                format!("{} is no time within a day", shown(golden)),
            )),
        },
        _ => Ok(golden.clone()),
    }
}
