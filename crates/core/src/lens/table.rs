//! Tables of values: enumerations, words for true and false, lookup files.
//!
//! Many native values may be read as one of the hub's; the first is written. A native that stands
//! in no row is refused: nothing is guessed.

use std::borrow::Cow;

use crate::{
    Text,
    lens::{
        Problem,
        problem::{self, shown},
        spec::NativeKind,
    },
    value::Value,
};

/// A compiled table. Values are compared as they print: the number 0 is the literal `"0"`.
#[derive(Debug)]
pub(super) struct Table {
    by_native: Vec<(Text, Value)>,
    by_golden: Vec<(Text, Value)>,
    null_is: Option<Value>,
    null_writes: Option<Value>,
    fold: bool,
    what: &'static str,
    clash: Option<Clash>,
}

/// Two of the hub's values that one native value would mean.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clash {
    pub(super) golden: Value,
    pub(super) native: Value,
    pub(super) already: Value,
}

impl Table {
    /// Builds a table from its rows; a native list of a row is read, its first is written.
    pub(super) fn new(
        rows: &[(Value, Vec<Value>)],
        native: Option<NativeKind>,
        fold: bool,
        what: &'static str,
    ) -> Result<Self, Vec<Problem>> {
        let mut table = Self {
            by_native: Vec::new(),
            by_golden: Vec::with_capacity(rows.len()),
            null_is: None,
            null_writes: None,
            fold,
            what,
            clash: None,
        };
        let mut problems = Vec::new();
        for (golden, natives) in rows {
            match natives.first() {
                None => problems.push(problem::setting(format!(
                    "{} has no value in the system",
                    shown(golden)
                ))),
                Some(first) => match literal(native, first) {
                    Ok(written) => match key(golden) {
                        Some(key) => table.by_golden.push((Text::new(key), written)),
                        None => table.null_writes = Some(written),
                    },
                    Err(found) => problems.push(found),
                },
            }
            for read in natives {
                match key(read) {
                    Some(key) => table.by_native.push((folded(&key, fold), golden.clone())),
                    None => table.null_is = Some(golden.clone()),
                }
            }
        }
        // Stable sorts: of two rows for one value, the file's first wins.
        table.by_golden.sort_by(|left, right| left.0.cmp(&right.0));
        table.by_native.sort_by(|left, right| left.0.cmp(&right.0));
        table.clash = table.by_native.windows(2).find_map(|pair| match pair {
            [(left, already), (right, golden)] if left == right && already != golden => {
                Some(Clash {
                    golden: golden.clone(),
                    native: Value::Text(right.clone()),
                    already: already.clone(),
                })
            }
            _ => None,
        });
        for pair in table.by_golden.windows(2) {
            if let [(left, _), (right, _)] = pair
                && left == right
            {
                problems.push(problem::setting(format!("\"{left}\" stands twice in `values`")));
            }
        }
        table.by_native.dedup_by(|later, first| later.0 == first.0);
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        let Some(key) = key(native) else {
            return match (native.is_null(), &self.null_is) {
                (true, Some(golden)) => Ok(golden.clone()),
                (true, None) => Ok(Value::Null),
                (false, _) => Err(self.unknown(native)),
            };
        };
        let key = if self.fold { Cow::Owned(key.to_lowercase()) } else { key };
        find(&self.by_native, &key).cloned().ok_or_else(|| self.unknown(native))
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        let Some(key) = key(golden) else {
            return match (golden.is_null(), &self.null_writes) {
                (true, Some(native)) => Ok(native.clone()),
                (true, None) => Ok(Value::Null),
                (false, _) => Err(self.unmapped(golden)),
            };
        };
        find(&self.by_golden, &key).cloned().ok_or_else(|| self.unmapped(golden))
    }

    /// Whether null stands in the table, on the hub's side.
    pub(super) fn writes_null(&self) -> bool {
        self.null_writes.is_some()
    }

    /// Whether null stands in the table, on the system's side.
    pub(super) fn reads_null(&self) -> bool {
        self.null_is.is_some()
    }

    pub(super) fn clash(&self) -> Option<&Clash> {
        self.clash.as_ref()
    }

    /// Whether this value of the hub has a row.
    pub(super) fn maps(&self, golden: &Value) -> bool {
        key(golden).is_some_and(|key| find(&self.by_golden, &key).is_some())
    }

    fn unknown(&self, native: &Value) -> Problem {
        let what = self.what;
        Problem::new("map.unknown_value", format!("{} stands for no {what}", shown(native)))
    }

    fn unmapped(&self, golden: &Value) -> Problem {
        let what = self.what;
        Problem::new(
            "map.unknown_value",
            format!("the {what} {} has no value in the system", shown(golden)),
        )
    }
}

fn find<'a>(rows: &'a [(Text, Value)], key: &str) -> Option<&'a Value> {
    let index = rows.binary_search_by(|row| row.0.as_str().cmp(key)).ok()?;
    rows.get(index).map(|row| &row.1)
}

fn folded(key: &str, fold: bool) -> Text {
    if fold { Text::new(key.to_lowercase()) } else { Text::new(key) }
}

/// How a value stands in a file; `None` for null and for what no file can write.
pub(super) fn key(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Num(number) if (-100..=100).contains(&number.exponent()) => {
            Some(Cow::Owned(number.to_string()))
        }
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..) => Some(Cow::Owned(value.to_string())),
        // A column of single bits.
        Value::Bytes(bytes) => match bytes.as_ref() {
            [0] => Some(Cow::Borrowed("0")),
            [1] => Some(Cow::Borrowed("1")),
            _ => None,
        },
        Value::Null
        | Value::Num(_)
        | Value::Float(_)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_) => None,
    }
}

/// A literal of the file as the column takes it: `"0"` for a number column is the number.
pub(super) fn literal(native: Option<NativeKind>, value: &Value) -> Result<Value, Problem> {
    let Some(kind) = native else { return Ok(value.clone()) };
    if value.is_null() {
        return Ok(Value::Null);
    }
    let Some(text) = key(value) else { return Ok(value.clone()) };
    super::scalar::parse(kind, &text)
        .or_else(|| matches!(kind, NativeKind::Json | NativeKind::List).then(|| value.clone()))
        .ok_or_else(|| {
            let kind = super::scalar::name(kind);
            problem::setting(format!("the column holds a {kind}, which {} is not", shown(value)))
        })
}
