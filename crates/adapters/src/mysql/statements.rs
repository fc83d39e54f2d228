//! Statements that write: many rows in one insert, many updates in one round trip.

use std::fmt::Write;

use syncline_core::{
    change::{Outcome, RowKey, RowWrite},
    name::IntentId,
    value::Value,
};
use syncline_ports::clock::Clock;

use crate::{
    clock::SystemClock,
    mysql::{
        connect::{Server, Session},
        failure::Failure,
        literal::{self, cell_text},
        sql::Bound,
        types::Wire,
    },
    sql::{Assigned, Assignment, ColumnIndex, invalid, json, marks},
};

/// Rows in one insert, at most.
const ROWS_MAX: usize = 1_000;
/// Bytes of one statement, where the server takes so much.
const STATEMENT_BYTES: usize = 1 << 20;
/// Updates in one round trip, at most.
const UPDATES_MAX: usize = 500;

/// A write, ready to be put into a statement.
pub(super) struct Element<'a> {
    pub group: usize,
    pub index: usize,
    pub write: &'a RowWrite,
    pub assignments: Vec<Assignment>,
    /// Marks of a soft delete that are taken back: NULL, or the default where NULL has no place.
    pub revived: Vec<ColumnIndex>,
}

/// Updates to be run in one round trip, with the keys of their rows.
#[derive(Default)]
pub(super) struct Statements<'a> {
    pub sql: Vec<u8>,
    pub elements: Vec<(Element<'a>, RowKey)>,
    /// Where each statement ends.
    ends: Vec<usize>,
}

impl<'a> Statements<'a> {
    pub(super) fn begin(&mut self) -> usize {
        let start = self.sql.len();
        if start > 0 {
            self.sql.push(b';');
        }
        start
    }

    pub(super) fn end(&mut self, element: Element<'a>, key: RowKey) {
        self.elements.push((element, key));
        self.ends.push(self.sql.len());
    }

    pub(super) fn is_full(&self) -> bool {
        self.elements.len() >= UPDATES_MAX || self.sql.len() >= STATEMENT_BYTES
    }

    /// Splits off what comes after the first `count`.
    pub(super) fn split(&mut self, count: usize) -> Self {
        let count = count.min(self.elements.len());
        let at = count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        // Behind the semicolon.
        let from = if count == 0 { 0 } else { (at + 1).min(self.sql.len()) };
        let rest = Self {
            sql: self.sql.get(from..).unwrap_or_default().to_vec(),
            elements: self.elements.split_off(count),
            ends: self.ends.split_off(count).into_iter().map(|end| end - from).collect(),
        };
        self.sql.clear();
        self.ends.clear();
        rest
    }

    pub(super) fn pop_first(&mut self) -> Option<(Element<'a>, RowKey)> {
        let mut rest = self.split(1);
        std::mem::swap(self, &mut rest);
        rest.elements.pop()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Element<'a>) -> bool) {
        if self.elements.iter().all(|(element, _)| keep(element)) {
            return;
        }
        let mut kept = Self::default();
        let mut start = 0;
        for ((element, key), end) in self.elements.drain(..).zip(self.ends.drain(..)) {
            let sql = self.sql.get(start..end).unwrap_or_default();
            if keep(&element) {
                kept.begin();
                kept.sql.extend_from_slice(sql);
                kept.end(element, key);
            }
            start = end + 1;
        }
        *self = kept;
    }
}

/// Rows to be inserted by one statement: the same columns of one table.
pub(super) struct InsertSet<'a> {
    bound: &'a Bound,
    columns: Vec<ColumnIndex>,
    rows: Vec<(Element<'a>, Vec<u8>)>,
    bytes: usize,
    bytes_max: usize,
    rows_max: usize,
    /// The statement answers with the rows as they were stored.
    pub returns: bool,
}

impl<'a> InsertSet<'a> {
    pub(super) fn new(server: &Server, bound: &'a Bound, columns: Vec<ColumnIndex>) -> Self {
        let knows_keys = bound.shape.key.iter().all(|key| columns.contains(key));
        // Where the system makes the keys and cannot return them, each row is asked for alone.
        let rows_max = if knows_keys || server.has_returning { ROWS_MAX } else { 1 };
        Self {
            bound,
            columns,
            rows: Vec::new(),
            bytes: 0,
            bytes_max: STATEMENT_BYTES.min(server.packet_max / 2),
            rows_max,
            returns: server.has_returning,
        }
    }

    /// Adds a row; gives it back if one of its values has no place.
    pub(super) fn push(&mut self, element: Element<'a>) -> Result<(), (Element<'a>, Outcome)> {
        let mut row = Vec::with_capacity(128);
        row.push(b'(');
        for (at, assignment) in element.assignments.iter().enumerate() {
            if at > 0 {
                row.push(b',');
            }
            if let Err(outcome) = assigned(self.bound, assignment, None, &mut row) {
                return Err((element, outcome));
            }
        }
        row.push(b')');
        self.bytes += row.len() + 1;
        self.rows.push((element, row));
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max || self.bytes >= self.bytes_max
    }

    /// Takes the rows out.
    pub(super) fn take(&mut self) -> Vec<(Element<'a>, Vec<u8>)> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }

    /// The statement for these rows.
    pub(super) fn statement(&self, rows: &[(Element<'a>, Vec<u8>)]) -> Vec<u8> {
        let mut sql =
            Vec::with_capacity(256 + rows.iter().map(|(_, row)| row.len() + 1).sum::<usize>());
        sql.extend_from_slice(format!("insert into {} (", self.bound.table).as_bytes());
        self.bound.names(&self.columns, &mut sql);
        sql.extend_from_slice(b") values ");
        for (at, (_, row)) in rows.iter().enumerate() {
            if at > 0 {
                sql.push(b',');
            }
            sql.extend_from_slice(row);
        }
        if self.returns {
            sql.extend_from_slice(b" returning ");
            sql.extend_from_slice(self.bound.list.as_bytes());
        }
        sql
    }
}

/// Appends what a column becomes.
///
/// # Errors
/// The column cannot hold it.
pub(super) fn assigned(
    bound: &Bound,
    assignment: &Assignment,
    document: Option<&str>,
    sql: &mut Vec<u8>,
) -> Result<(), Outcome> {
    match &assignment.to {
        Assigned::Value(value) => bound.literal(assignment.column, value, sql),
        Assigned::Paths(paths) => {
            literal::text(&json::assign(document, paths)?, sql);
            Ok(())
        }
        Assigned::Now => {
            // The session's zone is UTC.
            let now: &[u8] = match bound.wires.get(assignment.column) {
                Some(Wire::Timestamp | Wire::DateTime | Wire::Date | Wire::Time) => b"now(6)",
                Some(Wire::Int | Wire::Decimal) => b"unix_timestamp()",
                Some(
                    Wire::Bit
                    | Wire::Float
                    | Wire::Double
                    | Wire::Text
                    | Wire::Enum
                    | Wire::Set
                    | Wire::Bytes
                    | Wire::Uuid
                    | Wire::Json,
                )
                | None => return Err(invalid("write.type", "the column holds no time")),
            };
            sql.extend_from_slice(now);
            Ok(())
        }
    }
}

/// The key that these assignments make, if they assign all of it.
pub(super) fn assigned_key(bound: &Bound, assignments: &[Assignment]) -> Option<RowKey> {
    let values: Option<Vec<&Value>> =
        bound.shape.key.iter().map(|column| assigned_value(assignments, *column)).collect();
    Some(RowKey::new(values?))
}

fn assigned_value(assignments: &[Assignment], column: ColumnIndex) -> Option<&Value> {
    assignments.iter().find(|assignment| assignment.column == column).and_then(|assignment| {
        match &assignment.to {
            Assigned::Value(value) => Some(value),
            Assigned::Paths(_) | Assigned::Now => None,
        }
    })
}

/// The key of a row after an update, which may have assigned parts of it.
pub(super) fn key_after(bound: &Bound, element: &Element<'_>, key: RowKey) -> RowKey {
    let assigns_key =
        element.assignments.iter().any(|assignment| bound.shape.key.contains(&assignment.column));
    if !assigns_key {
        return key;
    }
    let values = key.values();
    RowKey::new(
        bound
            .shape
            .key
            .iter()
            .zip(&values)
            .map(|(column, old)| assigned_value(&element.assignments, *column).unwrap_or(old)),
    )
}

/// The key that the system gave the row of the last insert.
pub(super) async fn generated_key(
    session: &mut Session,
    bound: &Bound,
) -> Result<Option<RowKey>, Failure> {
    let numbers_itself = match bound.shape.key.as_slice() {
        [key] => bound.shape.columns.get(*key).is_some_and(|column| column.is_identity),
        _ => false,
    };
    if !numbers_itself {
        return Ok(None);
    }
    let cell = session.rows("select last_insert_id()").await?.into_iter().flatten().next();
    let number = cell_text(cell.flatten()).and_then(|text| text.parse::<u64>().ok());
    Ok(number.map(|number| RowKey::new(&[Value::Num(number.into())])))
}

/// Which row of the failed statement was refused, if that is known: its only one, or the one that
/// the server names.
pub(super) async fn culprit(session: &mut Session, rows: usize) -> Result<Option<usize>, Failure> {
    if rows == 1 {
        return Ok(Some(0));
    }
    if !session.server.has_row_number {
        return Ok(None);
    }
    session.run("get diagnostics condition 1 @syncline_row = row_number").await?;
    let cell = session.rows("select @syncline_row").await?.into_iter().flatten().next();
    let number = cell.and_then(cell_text).and_then(|text| text.parse::<usize>().ok());
    Ok(number.filter(|number| (1..=rows).contains(number)).map(|number| number - 1))
}

/// The statement that leaves the marks of these writes; `None` for no writes.
pub(super) fn marks_sql<'w>(writes: impl Iterator<Item = &'w RowWrite>) -> Option<String> {
    let now = SystemClock.now().ms();
    let mut sql = format!("insert into {} (intent_id, state, at) values ", marks::TABLE);
    let start = sql.len();
    for write in writes {
        let comma = if sql.len() > start { "," } else { "" };
        let id = marks::id(write.intent);
        let _ = write!(sql, "{comma}('{id}','{}',{now})", marks::APPLIED);
    }
    (sql.len() > start).then_some(sql)
}

/// The statement that puts the keys of new rows to their marks; `None` for no rows.
pub(super) fn keys_sql(named: impl Iterator<Item = (IntentId, String)>) -> Option<String> {
    let mut sql = format!("insert into {} (intent_id, state, at, row_key) values ", marks::TABLE);
    let start = sql.len();
    for (intent, key) in named {
        let comma = if sql.len() > start { "," } else { "" };
        let _ = write!(sql, "{comma}('{}','{}',0,'{key}')", marks::id(intent), marks::APPLIED);
    }
    let is_empty = sql.len() == start;
    sql.push_str(" on duplicate key update row_key = values(row_key)");
    (!is_empty).then_some(sql)
}
