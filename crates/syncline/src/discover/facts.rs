//! What is known of a column by itself, looked up once and compared with many.

use std::collections::BTreeMap;

use syncline_core::{Text, lens::NativeKind, value::Value};
use syncline_ports::catalog::{Column, Foreign, Table};

use crate::{
    config::compile::kind,
    discover::{
        Sampled, names,
        reading::{self, Reading, whole},
        sensitive,
    },
};

/// The most values that a list of codes has, and the most letters of one.
const CODES_MAX: usize = 24;
const CODE_LENGTH_MAX: usize = 24;

/// A column, and what its values are.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// As the system describes it.
    pub(crate) column: Column,
    /// What its values are, as lenses name it; of a member of items what the values show.
    pub(crate) native: NativeKind,
    /// Its values, a row each.
    pub(crate) values: Vec<Value>,
    /// How many are not null.
    pub(crate) filled: usize,
    /// The ways in which it can be read.
    pub(crate) readings: Vec<Reading>,
    /// Why it must not travel.
    pub(crate) sensitive: Option<&'static str>,
    /// Few short values, again and again.
    pub(crate) codes: Option<Codes>,
    /// It is part of the primary key.
    pub(crate) is_key: bool,
    /// It is numbered one after the other, which proves nothing: all numbered columns are alike.
    pub(crate) is_serial: bool,
    /// It changes with every write, ours too.
    pub(crate) is_stamp: bool,
    /// The schema keeps it unique by itself.
    pub(crate) is_kept_unique: bool,
    /// The table that it refers to, and the column there.
    pub(crate) refers_to: Option<(Text, Text)>,
    /// All letters are capitals, and there are some.
    pub(crate) is_upper: bool,
}

/// The codes of a column.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    /// The values, most frequent first.
    pub(crate) all: Vec<Value>,
    /// Which of them each row holds.
    pub(crate) rows: Vec<Option<usize>>,
}

/// A table, looked at once.
#[derive(Clone, Debug)]
pub(crate) struct TableFacts {
    /// As its system describes it.
    pub(crate) table: Table,
    /// How many rows were sampled.
    pub(crate) rows: usize,
    /// Which share of all rows that is, as far as the system knows.
    pub(crate) share: f64,
    /// The columns that were read.
    pub(crate) columns: Vec<Facts>,
}

/// Looks at a table.
pub(crate) fn of(sampled: &Sampled, zone: Option<&str>) -> TableFacts {
    let columns = sampled.columns.iter().enumerate().filter_map(|(at, name)| {
        let known = sampled.table.columns.iter().find(|column| column.name == *name);
        let column = match known {
            Some(column) => column.clone(),
            None if sampled.table.is_open => member(&sampled.table, name),
            None => return None,
        };
        let values: Vec<Value> =
            sampled.rows.iter().map(|row| row.get(at).cloned().unwrap_or_default()).collect();
        facts(&sampled.table, column, values, zone)
    });
    let rows = sampled.rows.len();
    // Systems do not always know how many rows there are: ten times as many as were read, at least.
    let unseen = if sampled.is_whole { 1 } else { 10 };
    let estimate = if sampled.is_whole { 0 } else { sampled.table.rows_estimate };
    let all = (rows as u64 * unseen).max(estimate).max(1);
    TableFacts {
        table: sampled.table.clone(),
        rows,
        share: rows as f64 / all as f64,
        columns: columns.collect(),
    }
}

/// A member of an item, of which nothing is said beforehand.
fn member(table: &Table, name: &Text) -> Column {
    Column {
        name: name.clone(),
        // The server numbers its items.
        is_identity: table.primary_key.contains(name),
        type_name: Text::new("member"),
        travels: syncline_ports::catalog::Travels::Exactly(
            syncline_ports::catalog::NativeKind::Json,
        ),
        nullable: true,
        ..Column::default()
    }
}

fn facts(table: &Table, column: Column, values: Vec<Value>, zone: Option<&str>) -> Option<Facts> {
    let held: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
    let said = kind::native(&column)?;
    let is_member = said == NativeKind::Json && table.is_open;
    let native = if is_member { reading::shown(&held) } else { said };
    let sensitive = sensitive::why(&column.name, &held);
    let every: Vec<&Value> = values.iter().collect();
    let (readings, codes) = match sensitive {
        // What must not travel is not compared either.
        Some(_) => (Vec::new(), None),
        None => (reading::all(native, &every, zone), codes(&column.name, &values)),
    };
    let is_key = table.primary_key.contains(&column.name);
    let only = |columns: &[Text]| matches!(columns, [only] if *only == column.name);
    let refers_to = table.foreign.iter().filter(|foreign| only(&foreign.columns)).find_map(target);
    Some(Facts {
        native,
        filled: held.len(),
        readings,
        sensitive,
        codes: codes.filter(|_| !is_key),
        is_serial: is_serial(&held),
        is_stamp: names::is_called(&column.name, "updated"),
        is_kept_unique: only(&table.primary_key)
            || table.unique.iter().any(|unique| only(&unique.columns)),
        refers_to,
        is_upper: is_upper(&held),
        is_key,
        column,
        values,
    })
}

fn target(foreign: &Foreign) -> Option<(Text, Text)> {
    let (table, columns) = &foreign.refers_to;
    columns.first().map(|column| (table.clone(), column.clone()))
}

/// Whole numbers without gaps to speak of.
fn is_serial(values: &[&Value]) -> bool {
    let numbers: Option<Vec<i128>> = values.iter().map(|value| whole(value)).collect();
    let Some(mut numbers) = numbers else { return false };
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return false };
    let reach = last.saturating_sub(*first).saturating_add(1);
    count > 2 && numbers.len() == count && reach <= (count as i128).saturating_mul(2)
}

fn is_upper(values: &[&Value]) -> bool {
    let has = |test: fn(char) -> bool| {
        values.iter().any(|value| matches!(value, Value::Text(text) if text.chars().any(test)))
    };
    has(char::is_uppercase) && !has(char::is_lowercase)
}

/// The codes of a column, unless its name says that its values are about people.
fn codes(name: &str, values: &[Value]) -> Option<Codes> {
    const PERSONAL: [&str; 18] = [
        "email", "phone", "fax", "name", "first", "last", "address", "city", "zip", "birth",
        "login", "note", "company", "tax", "customer", "employee", "supplier", "boss",
    ];
    // A title, a label: names of things, not of people.
    let is_title =
        |thing: &&str| *thing == "name" && !names::words(name).iter().any(|it| it == "name");
    if PERSONAL.iter().filter(|it| !is_title(it)).any(|thing| names::is_called(name, thing)) {
        return None;
    }
    let mut counts: BTreeMap<String, (usize, &Value)> = BTreeMap::new();
    let mut filled = 0;
    for value in values.iter().filter(|value| !value.is_null()) {
        let text = match value {
            Value::Text(text) => text.to_string(),
            Value::Bool(_) => value.to_string(),
            Value::Num(number) if number.scale() == 0 => value.to_string(),
            Value::Null
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
            | Value::Ref(_) => return None,
        };
        let is_short = text.chars().count() <= CODE_LENGTH_MAX && !text.contains(['\n', '@']);
        filled += 1;
        counts.entry(text).or_insert((0, value)).0 += 1;
        if !is_short || counts.len() > CODES_MAX {
            return None;
        }
    }
    if counts.len() < 2 || filled < counts.len() * 2 {
        return None;
    }
    let mut all: Vec<(usize, String, Value)> =
        counts.into_iter().map(|(text, (count, value))| (count, text, value.clone())).collect();
    all.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    let all: Vec<Value> = all.into_iter().map(|(_, _, value)| value).collect();
    let rows = values.iter().map(|value| all.iter().position(|known| known == value)).collect();
    Some(Codes { all, rows })
}
