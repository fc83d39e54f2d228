//! One group of writes, inside a transaction: mark, compare, write, read back.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{
    Connection, Error, OptionalExtension, params, params_from_iter, types::Value as Stored,
};
use syncline_core::{
    Text,
    change::{Outcome, Row, RowKey, RowWrite, WriteGroup, WriteKind},
    error::ErrorKind,
    name::BindingIndex,
    value::Value,
};
use syncline_ports::clock::Clock;

use crate::{
    clock::SystemClock,
    sql::{Assigned, Assignment, invalid, is_expected, json, marks, put_off},
    sqlite::{
        bound::{Bindings, Bound, Found},
        connection::quoted,
        refusal::{clash, foreign_of_delete, refusal},
        types::Declared,
    },
};

/// Keys given to rows of a group so far, by binding: parents of rows that come later.
type Given = BTreeMap<BindingIndex, RowKey>;

/// A write that was refused, and with it its group.
pub(crate) struct Refusal {
    /// Which write of the group.
    pub(crate) at: usize,
    /// Its answer.
    pub(crate) outcome: Box<Outcome>,
    /// What the driver said, if it was the driver.
    pub(crate) error: Option<Box<Error>>,
}

/// Why a write stops: an answer, or the driver.
pub(crate) enum Stop {
    Answer(Outcome),
    Driver(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Self::Answer(outcome)
    }
}

/// Writes a group in order. The caller rolls back what was written before a refusal.
pub(crate) fn group(
    connection: &Connection,
    bindings: &Bindings,
    group: &WriteGroup,
) -> Result<Vec<Outcome>, Refusal> {
    let refuse = |at: usize, stop: Stop| match stop {
        Stop::Answer(outcome) => Refusal { at, outcome: Box::new(outcome), error: None },
        Stop::Driver(error) => {
            Refusal { at, outcome: Box::new(refusal(&error)), error: Some(Box::new(error)) }
        }
    };
    if bindings.has_marks {
        for (at, write) in group.writes.iter().enumerate() {
            mark(connection, bindings, write).map_err(|stop| refuse(at, stop))?;
        }
    }
    if group.park {
        for (at, write) in group.writes.iter().enumerate() {
            park(connection, bindings, write, at).map_err(|stop| refuse(at, stop))?;
        }
    }
    let mut given = Given::new();
    let mut outcomes = Vec::with_capacity(group.writes.len());
    for (at, write) in group.writes.iter().enumerate() {
        // A parked row was compared before it was parked.
        let compare = if group.park && write.kind == WriteKind::Update {
            Compare::Done
        } else {
            Compare::Now
        };
        let outcome = one(connection, bindings, write, compare, &mut given)
            .map_err(|stop| refuse(at, stop))?;
        if let Outcome::Applied { key, .. } = &outcome {
            name(connection, bindings, write, key).map_err(|stop| refuse(at, stop))?;
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Now,
    Done,
}

/// Leaves the mark of this write, first of all. A mark that is there already was left by the same
/// write sent before, or by a reader that declared it void.
fn mark(connection: &Connection, bindings: &Bindings, write: &RowWrite) -> Result<(), Stop> {
    let id = marks::id(write.intent);
    let inserted = connection
        .prepare_cached(
            "insert into syncline_applied (intent_id, state, at) values (?1, ?2, ?3) \
             on conflict do nothing",
        )?
        .execute(params![id, marks::APPLIED, SystemClock.now().ms()])?;
    if inserted == 1 {
        return Ok(());
    }
    let state: Option<String> = connection
        .prepare_cached("select state from syncline_applied where intent_id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if state.as_deref() == Some(marks::APPLIED) {
        let reason = Text::new("its mark is there: it was applied before");
        return Err(Outcome::Unknown { reason }.into());
    }
    let bound = bound(connection, bindings, write)?;
    let current = match &write.key {
        Some(key) => current(connection, &bound, key)?,
        None => None,
    };
    Err(Outcome::Precondition { current, token: None }.into())
}

/// The mark learns the key that the table has made.
fn name(
    connection: &Connection,
    bindings: &Bindings,
    write: &RowWrite,
    key: &RowKey,
) -> Result<(), Stop> {
    if bindings.has_marks
        && bound(connection, bindings, write)?.shape.makes_its_key(write)
        && let Some(text) = marks::key_text(key)
    {
        connection
            .prepare_cached("update syncline_applied set row_key = ?1 where intent_id = ?2")?
            .execute(params![text, marks::id(write.intent)])?;
    }
    Ok(())
}

fn bound(
    connection: &Connection,
    bindings: &Bindings,
    write: &RowWrite,
) -> Result<Arc<Bound>, Stop> {
    bindings.get(connection, write.binding).map_err(|error| {
        let is_ours = matches!(error.kind, ErrorKind::SchemaDrift | ErrorKind::Unsupported);
        Stop::Answer(if is_ours {
            bindings.forget();
            invalid(error.kind.remedy().code, error.to_string())
        } else {
            put_off(error.kind, error.to_string())
        })
    })
}

/// The row of this key; a row marked as deleted is none.
fn current(connection: &Connection, bound: &Bound, key: &RowKey) -> Result<Option<Row>, Stop> {
    match bound.find(connection, key)? {
        Found::None => Ok(None),
        Found::Many => {
            Err(invalid("write.key_not_unique", format!("{}: the key is not unique", bound.table))
                .into())
        }
        Found::One(seen) => match seen.observed {
            Ok(observed) => Ok(observed.row),
            Err(refused) => Err(invalid(refused.code, refused.reason).into()),
        },
    }
}

/// Writes one row.
fn one(
    connection: &Connection,
    bindings: &Bindings,
    write: &RowWrite,
    compare: Compare,
    given: &mut Given,
) -> Result<Outcome, Stop> {
    let bound = bound(connection, bindings, write)?;
    let parent = write.parent.clone().or_else(|| parent_given(bindings, write, given));
    let assignments = bound.shape.assignments(write, parent.as_ref())?;
    let key = match (&write.key, write.kind) {
        (Some(key), _) => Some(key.clone()),
        (None, WriteKind::Insert) => assigned_key(&bound, &assignments),
        (None, WriteKind::Update | WriteKind::Delete) => {
            return Err(invalid("write.type", "a write to a row without its key").into());
        }
    };
    if compare == Compare::Now
        && let Some(key) = &key
    {
        let current = current(connection, &bound, key)?;
        if !is_expected(&write.expect, current.as_ref()) {
            return Err(Outcome::Precondition { current, token: None }.into());
        }
    }
    let outcome = match write.kind {
        WriteKind::Insert => insert(connection, &bound, key.as_ref(), assignments)?,
        WriteKind::Update => update(connection, &bound, key.as_ref(), &assignments)?,
        WriteKind::Delete => delete(connection, &bound, key, &assignments)?,
    };
    if let Outcome::Applied { key, .. } = &outcome {
        given.insert(write.binding, key.clone());
    }
    Ok(outcome)
}

/// The key that the parent row was given by an earlier insert of the group.
fn parent_given(bindings: &Bindings, write: &RowWrite, given: &Given) -> Option<RowKey> {
    let plan = &bindings.plan;
    let binding = plan.binding(write.binding)?;
    let parent = plan.entity(binding.entity)?.parent?;
    given.get(&plan.binding_of(parent, binding.system)?).cloned()
}

/// The key that an insert carries in its fields, if it carries all of it.
fn assigned_key(bound: &Bound, assignments: &[Assignment]) -> Option<RowKey> {
    let values: Option<Vec<&Value>> = bound
        .shape
        .key
        .iter()
        .map(|column| {
            assignments.iter().find_map(|assignment| match &assignment.to {
                Assigned::Value(value) if assignment.column == *column && !value.is_null() => {
                    Some(value)
                }
                Assigned::Value(_) | Assigned::Paths(_) | Assigned::Now => None,
            })
        })
        .collect();
    values.map(RowKey::new)
}

fn insert(
    connection: &Connection,
    bound: &Bound,
    key: Option<&RowKey>,
    mut assignments: Vec<Assignment>,
) -> Result<Outcome, Stop> {
    // A row marked as deleted comes back to life.
    if bound.shape.deletes_softly()
        && let Some(key) = key
        && matches!(bound.find(connection, key)?, Found::One(_))
    {
        let revival = bound.shape.revival(&assignments);
        assignments.extend(revival);
        return update(connection, bound, Some(key), &assignments);
    }
    let (names, stored) = columns(connection, bound, None, &assignments)?;
    let places: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let values = if names.is_empty() {
        "default values".to_owned()
    } else {
        format!("({}) values ({})", names.join(", "), places.join(", "))
    };
    // `or abort`: a table that replaces rows on a conflict would lose another record's.
    let returning = key_columns(bound);
    let sql = format!("insert or abort into {} {values} returning {returning}", bound.table);
    let written = execute(connection, bound, &sql, stored, None)
        .map_err(|error| clash(connection, bound, None, &assignments, error))?;
    let key = written.ok_or_else(|| ignored(bound))?;
    let post = current(connection, bound, &key)?;
    Ok(applied(key, post))
}

fn update(
    connection: &Connection,
    bound: &Bound,
    key: Option<&RowKey>,
    assignments: &[Assignment],
) -> Result<Outcome, Stop> {
    let Some(key) = key else {
        return Err(invalid("write.type", "an update without a key").into());
    };
    if assignments.is_empty() {
        let post = current(connection, bound, key)?;
        return Ok(applied(key.clone(), post));
    }
    let (names, stored) = columns(connection, bound, Some(key), assignments)?;
    let first = bound.shape.key.len() + 1;
    let sets: Vec<String> =
        names.iter().enumerate().map(|(at, name)| format!("{name} = ?{}", first + at)).collect();
    let sql = format!(
        "update or abort {} set {} where {} returning {}",
        bound.table,
        sets.join(", "),
        bound.by_key,
        key_columns(bound)
    );
    let written = execute(connection, bound, &sql, stored, Some(key))
        .map_err(|error| clash(connection, bound, Some(key), assignments, error))?;
    let key = written.ok_or_else(|| ignored(bound))?;
    let post = current(connection, bound, &key)?;
    Ok(applied(key, post))
}

fn delete(
    connection: &Connection,
    bound: &Bound,
    key: Option<RowKey>,
    marks: &[Assignment],
) -> Result<Outcome, Stop> {
    let Some(key) = key else {
        return Err(invalid("write.type", "a delete without a key").into());
    };
    if bound.shape.deletes_softly() {
        return update(connection, bound, Some(&key), marks);
    }
    let sql = format!(
        "delete from {} where {} returning {}",
        bound.table,
        bound.by_key,
        key_columns(bound)
    );
    let deleted = execute(connection, bound, &sql, Vec::new(), Some(&key))
        .map_err(|error| foreign_of_delete(bound, error))?;
    deleted.ok_or_else(|| ignored(bound))?;
    let post = current(connection, bound, &key)?;
    Ok(applied(key, post))
}

fn applied(key: RowKey, post: Option<Row>) -> Outcome {
    Outcome::Applied { key, post, token: None, order: None, transaction: None }
}

/// A trigger said `raise(ignore)`: the statement did nothing and said nothing.
fn ignored(bound: &Bound) -> Stop {
    invalid("write.ignored", format!("a trigger of {} discards the write", bound.table)).into()
}

fn key_columns(bound: &Bound) -> String {
    let names: Vec<String> =
        bound.shape.key.iter().map(|column| quoted(bound.shape.column_name(*column))).collect();
    names.join(", ")
}

/// The columns to assign, and what is stored in them.
fn columns(
    connection: &Connection,
    bound: &Bound,
    key: Option<&RowKey>,
    assignments: &[Assignment],
) -> Result<(Vec<String>, Vec<Stored>), Stop> {
    let (mut names, mut stored) = (Vec::new(), Vec::new());
    for Assignment { column, to } in assignments {
        let Some(codec) = bound.codec(*column) else { continue };
        let name = quoted(bound.shape.column_name(*column));
        stored.push(match to {
            Assigned::Value(value) => {
                codec.encode(value).map_err(|problem| invalid(problem.code, &problem.message))?
            }
            Assigned::Now => codec.now(SystemClock.now()),
            Assigned::Paths(paths) => {
                let document = match key {
                    None => None,
                    Some(key) => document(connection, bound, &name, key)?,
                };
                Stored::Text(json::assign(document.as_deref(), paths)?)
            }
        });
        names.push(name);
    }
    Ok((names, stored))
}

/// The text of a JSON column, under the lock.
fn document(
    connection: &Connection,
    bound: &Bound,
    column: &str,
    key: &RowKey,
) -> rusqlite::Result<Option<String>> {
    let sql = format!("select cast({column} as text) from {} where {}", bound.table, bound.by_key);
    connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(bound.key_values(key)), |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Runs a statement that answers with the key of the one row it wrote.
fn execute(
    connection: &Connection,
    bound: &Bound,
    sql: &str,
    stored: Vec<Stored>,
    key: Option<&RowKey>,
) -> rusqlite::Result<Option<RowKey>> {
    let bind = key.map(|key| bound.key_values(key)).unwrap_or_default().into_iter().chain(stored);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(bind))?;
    let mut written = None;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(bound.shape.key.len());
        for (at, column) in bound.shape.key.iter().enumerate() {
            let stored = row.get_ref(at)?;
            let decoded = bound.codec(*column).and_then(|codec| codec.decode(stored).ok());
            values.push(decoded.unwrap_or_else(|| crate::sqlite::types::raw(stored)));
        }
        written = Some(RowKey::new(&values));
    }
    Ok(written)
}

/// Sets the unique columns that this write changes to values that no row has, so that the members
/// of the group can exchange theirs.
fn park(
    connection: &Connection,
    bindings: &Bindings,
    write: &RowWrite,
    at: usize,
) -> Result<(), Stop> {
    let (WriteKind::Update, Some(key)) = (write.kind, &write.key) else { return Ok(()) };
    let bound = bound(connection, bindings, write)?;
    let current = current(connection, &bound, key)?;
    if !is_expected(&write.expect, current.as_ref()) {
        return Err(Outcome::Precondition { current, token: None }.into());
    }
    let clashing = |assignment: &&Assignment| {
        let name = bound.shape.column_name(assignment.column);
        // Key columns stay: the row must be found again.
        !bound.shape.key.contains(&assignment.column)
            && bound.shape.unique.iter().any(|columns| columns.iter().any(|other| other == name))
    };
    let parked: Vec<Assignment> = bound
        .shape
        .assignments(write, None)?
        .iter()
        .filter(clashing)
        .map(|assignment| Assignment {
            column: assignment.column,
            to: Assigned::Value(reserved(&bound, assignment.column, write, at)),
        })
        .collect();
    if !parked.is_empty() {
        update(connection, &bound, Some(key), &parked)?;
    }
    Ok(())
}

/// A value that no row has: NULL where it may be, else one made from the intent's id.
fn reserved(bound: &Bound, column: usize, write: &RowWrite, at: usize) -> Value {
    if bound.shape.columns.get(column).is_some_and(|column| column.nullable) {
        return Value::Null;
    }
    match bound.codec(column).map(|codec| codec.declared) {
        Some(Declared::Whole | Declared::Numeric) => Value::int(i64::MIN + at as i64),
        Some(Declared::Bytes) => Value::Bytes(write.intent.0.to_be_bytes().into()),
        Some(Declared::Uuid) => Value::Uuid(write.intent.0.to_be_bytes()),
        Some(Declared::Date) => Value::Date(-700_000 + at as i32),
        Some(Declared::DateTime) => Value::LocalDateTime(-700_000 + at as i32, 0),
        _ => Value::text(format!("~{}", write.intent)),
    }
}
