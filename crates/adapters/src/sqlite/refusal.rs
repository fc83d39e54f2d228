//! What a refused statement means: whose value clashes, which reference leads nowhere, what can
//! never be written.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's errors are many; those that are not named may pass"
)]

use rusqlite::{Connection, Error, ffi, params_from_iter, types::Value as Stored};
use syncline_core::{
    Text,
    change::{Outcome, RowKey},
    error::ErrorKind,
};

use crate::{
    sql::{Assigned, Assignment, invalid, put_off},
    sqlite::{
        bound::Bound,
        connection::{detail, port_error, quoted},
        write::Stop,
    },
};

/// What a refused statement means, where the row is not asked.
pub(crate) fn refusal(error: &Error) -> Outcome {
    let Error::SqliteFailure(failure, _) = error else {
        return match port_error("write", error).kind {
            ErrorKind::SchemaDrift => invalid(ErrorKind::SchemaDrift.remedy().code, detail(error)),
            kind => put_off(kind, detail(error)),
        };
    };
    let message = detail(error);
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_NOTNULL => invalid("write.null", message),
        ffi::SQLITE_CONSTRAINT_CHECK if message.contains("length(") => {
            invalid("write.value_too_long", message)
        }
        ffi::SQLITE_CONSTRAINT_CHECK => invalid("write.check", message),
        ffi::SQLITE_CONSTRAINT_DATATYPE | ffi::SQLITE_MISMATCH => invalid("write.type", message),
        ffi::SQLITE_CONSTRAINT_TRIGGER => invalid("write.refused_by_trigger", message),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Outcome::Foreign { constraint: message },
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            Outcome::Unique { columns: named_columns(&message), holder: None }
        }
        ffi::SQLITE_TOOBIG => invalid("write.value_too_long", message),
        _ if failure.code == rusqlite::ErrorCode::ConstraintViolation => {
            invalid("write.refused", message)
        }
        _ => match port_error("write", error).kind {
            ErrorKind::SchemaDrift => invalid(ErrorKind::SchemaDrift.remedy().code, message),
            kind => put_off(kind, message),
        },
    }
}

/// `UNIQUE constraint failed: contacts.email, contacts.site`
fn named_columns(message: &str) -> Vec<Text> {
    let Some((_, list)) = message.split_once(" failed: ") else { return Vec::new() };
    list.split(", ")
        .filter_map(|name| name.rsplit_once('.').map(|(_, column)| Text::new(column)))
        .collect()
}

/// A refused insert or update: whose value is it that clashes, which reference leads nowhere?
pub(crate) fn clash(
    connection: &Connection,
    bound: &Bound,
    key: Option<&RowKey>,
    assignments: &[Assignment],
    error: Error,
) -> Stop {
    match refusal(&error) {
        Outcome::Unique { columns, .. } => {
            let holder = holder(connection, bound, key, assignments, &columns).ok().flatten();
            Outcome::Unique { columns, holder }.into()
        }
        Outcome::Foreign { .. } => {
            let constraint = missing_parent(connection, bound, assignments)
                .ok()
                .flatten()
                .unwrap_or_else(|| Text::new("a foreign key of a row that refers to this one"));
            Outcome::Foreign { constraint }.into()
        }
        Outcome::Invalid { code, reason } => Outcome::Invalid { code, reason }.into(),
        _ => Stop::Driver(error),
    }
}

/// What is to be stored in the column of this name, if it is assigned.
fn assigned(bound: &Bound, assignments: &[Assignment], name: &str) -> Option<Stored> {
    let column = bound.shape.column_named(name)?;
    let found = assignments.iter().find(|assignment| assignment.column == column)?;
    match &found.to {
        Assigned::Value(value) => bound.codec(column)?.encode(value).ok(),
        Assigned::Paths(_) | Assigned::Now => None,
    }
}

/// The key of the row that holds the clashing values: those assigned, and for the columns of the
/// constraint that are not assigned, those of the row that was to be updated.
fn holder(
    connection: &Connection,
    bound: &Bound,
    key: Option<&RowKey>,
    assignments: &[Assignment],
    columns: &[Text],
) -> rusqlite::Result<Option<RowKey>> {
    let key_len = bound.shape.key.len();
    let mut bind = match key {
        Some(key) => bound.key_values(key),
        None => vec![Stored::Null; key_len],
    };
    let mut conditions = Vec::new();
    for column in columns {
        let name = quoted(column);
        if let Some(stored) = assigned(bound, assignments, column) {
            bind.push(stored);
            conditions.push(format!("{name} = ?{}", bind.len()));
        } else if key.is_some() {
            let table = &bound.table;
            conditions
                .push(format!("{name} = (select {name} from {table} where {})", bound.by_key));
        } else {
            return Ok(None);
        }
    }
    if conditions.is_empty() {
        return Ok(None);
    }
    let sql = format!("{} where {} limit 1", bound.select, conditions.join(" and "));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(bind))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let seen = bound.read(row)?;
    let holder = match seen.observed {
        Ok(observed) => observed.key,
        Err(refused) => refused.key,
    };
    Ok((Some(&holder) != key).then_some(holder))
}

/// The foreign key whose parent is not there.
fn missing_parent(
    connection: &Connection,
    bound: &Bound,
    assignments: &[Assignment],
) -> rusqlite::Result<Option<Text>> {
    for foreign in &bound.foreign {
        let (parent, columns) = &foreign.refers_to;
        let values: Option<Vec<Stored>> =
            foreign.columns.iter().map(|name| assigned(bound, assignments, name)).collect();
        let Some(values) = values.filter(|values| !values.contains(&Stored::Null)) else {
            continue;
        };
        let conditions: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| format!("{} = ?{}", quoted(column), at + 1))
            .collect();
        let sql = format!(
            "select exists (select 1 from {} where {})",
            quoted(parent),
            conditions.join(" and ")
        );
        let exists: bool =
            connection.query_row(&sql, params_from_iter(values), |row| row.get(0))?;
        if !exists {
            return Ok(Some(foreign.name.clone()));
        }
    }
    Ok(None)
}

pub(crate) fn foreign_of_delete(bound: &Bound, error: Error) -> Stop {
    match refusal(&error) {
        Outcome::Foreign { .. } => {
            let constraint = Text::new(format!("rows still refer to {}", bound.table));
            Outcome::Foreign { constraint }.into()
        }
        Outcome::Invalid { code, reason } => Outcome::Invalid { code, reason }.into(),
        _ => Stop::Driver(error),
    }
}
