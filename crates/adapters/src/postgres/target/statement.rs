//! The statements that write: many rows each, one array of parameters per column.

use tokio_postgres::types::Type;

use crate::{
    postgres::{
        bound::{Bound, Keyed},
        sql::quoted,
        value::Codec,
    },
    sql::ColumnIndex,
};

/// What becomes of a column, for all rows of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Filled {
    /// Each row has its value.
    Value(ColumnIndex),
    /// The time of the write.
    Now(ColumnIndex),
}

/// A statement and the types of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) types: Vec<Type>,
}

/// How rows are locked while they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Not at all: there should be no row.
    None,
    /// As an update of ordinary columns does: rows that refer to it may still be written.
    Share,
    /// As a delete or a change of keys does.
    Full,
}

/// What to do about rows that somebody else has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Wait, for a while.
    Wait,
    /// Leave them out.
    Skip,
}

/// Reads the rows of these keys, with the text of documents that are written in part, and locks
/// them in the order of the key, so that two writers do not wait for each other.
pub(crate) fn find(bound: &Bound, lock: Lock, patience: Patience) -> Statement {
    let keyed = bound.keyed(&bound.shape.key, 1);
    let documents: String =
        bound.documents.iter().map(|column| format!(", {}::text", bound.column(*column))).collect();
    let order: Vec<String> = bound.shape.key.iter().map(|column| bound.column(*column)).collect();
    let lock = match lock {
        Lock::None => "",
        Lock::Share => "for no key update of t",
        Lock::Full => "for update of t",
    };
    let skip = match patience {
        Patience::Skip if !lock.is_empty() => " skip locked",
        Patience::Skip | Patience::Wait => "",
    };
    let order =
        if lock.is_empty() { String::new() } else { format!("order by {}", order.join(", ")) };
    Statement {
        text: format!(
            "select {}{documents}, u.place from {} join {} t on {} {order} {lock}{skip}",
            bound.list,
            keyed.from(),
            bound.known.qualified,
            keyed.condition(),
        ),
        types: keyed.types,
    }
}

/// Inserts rows, and returns them in the same order.
pub(crate) fn insert(bound: &Bound, filled: &[Filled], numbers_itself: bool) -> Statement {
    let mut rows = Keyed::default();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in filled {
        let (name, value) = assigned(bound, *column, &mut rows);
        names.push(name);
        values.push(value);
    }
    // At least one array, to say how many rows there are.
    rows.add("nothing".into(), Type::BOOL_ARRAY);
    let columns = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
    let overriding = if numbers_itself { " overriding system value" } else { "" };
    Statement {
        text: format!(
            "insert into {} as t {columns}{overriding} select {} from {} order by u.place returning {}",
            bound.known.qualified,
            values.join(", "),
            rows.from(),
            bound.list,
        ),
        types: rows.types,
    }
}

/// Updates rows by key, and returns them with their places.
pub(crate) fn update(bound: &Bound, filled: &[Filled]) -> Statement {
    let mut keyed = bound.keyed(&bound.shape.key, 1);
    let assignments: Vec<String> = filled
        .iter()
        .map(|column| {
            let (name, value) = assigned(bound, *column, &mut keyed);
            format!("{name} = {value}")
        })
        .collect();
    Statement {
        text: format!(
            "update {} t set {} from {} where {} returning {}, u.place",
            bound.known.qualified,
            assignments.join(", "),
            keyed.from(),
            keyed.condition(),
            bound.list,
        ),
        types: keyed.types,
    }
}

/// Deletes rows by key, and returns their places.
pub(crate) fn delete(bound: &Bound) -> Statement {
    let keyed = bound.keyed(&bound.shape.key, 1);
    Statement {
        text: format!(
            "delete from {} t using {} where {} returning u.place",
            bound.known.qualified,
            keyed.from(),
            keyed.condition(),
        ),
        types: keyed.types,
    }
}

/// The quoted name of a column and what it is set to.
fn assigned(bound: &Bound, column: Filled, rows: &mut Keyed) -> (String, String) {
    let (Filled::Value(at) | Filled::Now(at)) = column;
    let name = quoted(bound.shape.column_name(at));
    let Some(carrier) = bound.carriers.get(at) else { return (name, "default".into()) };
    match column {
        Filled::Value(_) => {
            let array = format!("v{at}");
            rows.add(array.clone(), carrier.parameters.clone());
            (name, format!("u.{array}{}", carrier.write))
        }
        Filled::Now(_) => (name, now(&carrier.codec).to_owned()),
    }
}

/// The time of the write, by the server's clock and in the server's zone.
fn now(codec: &Codec) -> &'static str {
    match codec {
        Codec::Timestamptz => "clock_timestamp()",
        Codec::Timestamp => "clock_timestamp()::timestamp",
        Codec::Date => "clock_timestamp()::date",
        Codec::Time => "clock_timestamp()::time",
        Codec::Bool => "true",
        Codec::Int2 | Codec::Int4 | Codec::Int8 | Codec::Oid | Codec::Numeric => {
            "floor(extract(epoch from clock_timestamp()))"
        }
        Codec::Float4 | Codec::Float8 => "extract(epoch from clock_timestamp())",
        Codec::Text
        | Codec::Padded
        | Codec::Bytes
        | Codec::Uuid
        | Codec::Interval
        | Codec::Json
        | Codec::Jsonb
        | Codec::Array(_) => {
            "to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        }
    }
}
