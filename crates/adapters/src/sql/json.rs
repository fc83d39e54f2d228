//! JSON columns: documents as values, and changes to a document that leave the rest of it alone.
//!
//! A document that is written in part goes through its *text*: members that are not ours keep their
//! order and the digits of their numbers. Where a name occurs twice in one object the last counts,
//! as in `jsonb`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "conversions name the kinds they know; all others are treated alike"
)]

use std::collections::BTreeMap;

use serde_json::Value as Json;
use syncline_core::{
    Text,
    change::Outcome,
    decimal::Decimal,
    error::Problem,
    value::{DEPTH_MAX, Value},
};

use crate::sql::invalid;

/// Reads a document.
///
/// # Errors
/// `read.json` for what is not JSON, is nested too deeply, or holds a number of more than 38 digits.
pub fn parse(text: &str) -> Result<Value, Problem> {
    let json = serde_json::from_str(text)
        .map_err(|error| Problem::new("read.json", format!("not a JSON document: {error}")))?;
    from_json(json)
}

/// A document, or a part of one, as a value.
///
/// # Errors
/// As [`parse`].
pub fn from_json(json: Json) -> Result<Value, Problem> {
    value(json, DEPTH_MAX - 4)
}

fn value(json: Json, depth: u32) -> Result<Value, Problem> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Problem::new("read.json", "the JSON document is nested too deeply"));
    };
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => Value::Num(Decimal::parse(number.as_str()).ok_or_else(|| {
            Problem::new("read.json", "a number in the JSON document has more than 38 digits")
        })?),
        Json::String(text) => Value::Text(Text::from(text)),
        Json::Array(items) => {
            Value::List(items.into_iter().map(|item| value(item, depth)).collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => {
            let mut map = BTreeMap::new();
            for (name, entry) in entries {
                map.insert(Text::from(name), value(entry, depth)?);
            }
            Value::Map(Box::new(map))
        }
    })
}

/// Writes a value as a document; `None` for a kind that JSON does not have.
pub fn print(value: &Value) -> Option<String> {
    to_json(value).map(|json| json.to_string())
}

/// Writes a value as a document, or a part of one; `None` for a kind that JSON does not have.
pub fn to_json(value: &Value) -> Option<Json> {
    json(value)
}

fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Num(number) => Json::Number(serde_json::from_str(&number.to_string()).ok()?),
        Value::Float(number) => Json::Number(serde_json::Number::from_f64(number.get())?),
        Value::Text(text) => Json::String(text.to_string()),
        Value::List(items) | Value::Set(items) => {
            Json::Array(items.iter().map(json).collect::<Option<_>>()?)
        }
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(name, entry)| Some((name.to_string(), json(entry)?)))
                .collect::<Option<_>>()?,
        ),
        Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::Ref(_) => return None,
    })
}

/// The value at a path of object names; NULL where the document ends before the path does, `None`
/// where something else than an object is in the way.
pub fn at<'a>(document: &'a Value, path: &[Text]) -> Option<&'a Value> {
    static NULL: Value = Value::Null;
    let mut found = document;
    for name in path {
        match found {
            Value::Map(entries) => found = entries.get(name).unwrap_or(&NULL),
            Value::Null => return Some(&NULL),
            _ => return None,
        }
    }
    Some(found)
}

/// The text of a document in which these paths hold these values and all else is as it was.
/// `None` and JSON null count as an empty object.
///
/// # Errors
/// [`Outcome::Invalid`] if the document is no object where a path needs one, or a value has no JSON.
pub fn assign(document: Option<&str>, paths: &[(Vec<Text>, Value)]) -> Result<String, Outcome> {
    let mut root = match document {
        None => Json::Null,
        Some(text) => serde_json::from_str(text)
            .map_err(|error| invalid("write.json", format!("not a JSON document: {error}")))?,
    };
    for (path, value) in paths {
        let new = json(value).ok_or_else(|| {
            invalid("write.json", format!("JSON has no {} (at {})", value.kind(), path.join(".")))
        })?;
        let mut place = &mut root;
        for name in path {
            if place.is_null() {
                *place = Json::Object(serde_json::Map::new());
            }
            let Json::Object(entries) = place else {
                let reason = format!("{} is not inside an object", path.join("."));
                return Err(invalid("write.json", reason));
            };
            place = entries.entry(name.to_string()).or_insert(Json::Null);
        }
        *place = new;
    }
    Ok(root.to_string())
}

#[cfg(test)]
mod tests;
