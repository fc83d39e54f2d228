//! Texts in several places: a name split over columns, a set in one text.

use crate::{
    Text,
    lens::{
        Problem,
        problem::{self, shown},
        spec::{NativeKind, Split},
    },
    value::Value,
};

/// The parts joined; null parts are left out, and nothing but null parts is null.
pub(super) fn join(rule: &Split, list: &Value) -> Result<Value, Problem> {
    let invalid = || problem::invalid("list of texts", list);
    let Value::List(parts) = list else { return Err(invalid()) };
    if parts.len() > rule.parts as usize {
        return Err(invalid());
    }
    let mut out = String::new();
    let mut seen = false;
    for part in parts {
        match part {
            Value::Null => {}
            Value::Text(text) => {
                if seen {
                    out.push_str(&rule.separator);
                }
                out.push_str(text);
                seen = true;
            }
            Value::Bool(_)
            | Value::Num(_)
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
            | Value::Ref(_) => return Err(invalid()),
        }
    }
    Ok(if seen { Value::text(out) } else { Value::Null })
}

/// A text cut into its parts; missing ones are null.
pub(super) fn split(rule: &Split, text: &Value) -> Result<Value, Problem> {
    let count = rule.parts as usize;
    let mut parts: Vec<Value> = match text {
        Value::Null => Vec::new(),
        Value::Text(text) if rule.from_end => {
            let mut parts: Vec<_> =
                text.rsplitn(count, rule.separator.as_str()).map(Value::text).collect();
            parts.reverse();
            parts
        }
        Value::Text(text) => text.splitn(count, rule.separator.as_str()).map(Value::text).collect(),
        Value::Bool(_)
        | Value::Num(_)
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
        | Value::Ref(_) => return Err(problem::invalid("text", text)),
    };
    parts.resize(count, Value::Null);
    Ok(Value::List(parts))
}

/// How a cell writes a set.
#[derive(Debug)]
pub(super) struct SetOf {
    pub(super) native: Option<NativeKind>,
    pub(super) separator: Option<Text>,
}

impl SetOf {
    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        match (native, &self.separator) {
            (Value::List(items) | Value::Set(items), _) => Ok(Value::set(items.clone())),
            (Value::Text(text), Some(separator)) => {
                let members = text.split(separator.as_str()).map(str::trim);
                let members = members.filter(|member| !member.is_empty()).map(Value::text);
                Ok(Value::set(members.collect()))
            }
            (
                Value::Text(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Num(_)
                | Value::Float(_)
                | Value::Bytes(_)
                | Value::Uuid(_)
                | Value::Date(_)
                | Value::Time(_)
                | Value::LocalDateTime(..)
                | Value::Instant(..)
                | Value::OffsetDateTime(..)
                | Value::Interval(..)
                | Value::Map(_)
                | Value::Ref(_),
                _,
            ) => Err(problem::invalid("set", native)),
        }
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        let Value::Set(members) = golden else { return Err(problem::invalid("set", golden)) };
        let as_text = self.native == Some(NativeKind::Text)
            || self.native.is_none() && self.separator.is_some();
        let Some(separator) = self.separator.as_ref().filter(|_| as_text) else {
            return Ok(Value::List(members.clone()));
        };
        let mut out = String::new();
        for (index, member) in members.iter().enumerate() {
            let Value::Text(text) = member else {
                return Err(problem::invalid("text, as sets in one column hold", member));
            };
            if text.trim().len() != text.len()
                || text.is_empty()
                || text.contains(separator.as_str())
            {
                return Err(Problem::new(
                    "map.invalid",
                    format!("{} cannot stand between separators \"{separator}\"", shown(member)),
                ));
            }
            if index > 0 {
                out.push_str(separator);
            }
            out.push_str(text);
        }
        Ok(Value::text(out))
    }
}
