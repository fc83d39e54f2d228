//! What becomes of each write to a file: decided against the rows as the file has them, and as the writes
//! before it leave them.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    change::{Outcome, Row, RowKey, RowWrite, WriteGroup, WriteKind},
    error::ErrorKind,
    name::IntentId,
    value::Value,
};
use syncline_ports::clock::Clock as _;

use crate::{
    clock::SystemClock,
    file::{bound::Bound, held::Find, print::Printer, rows::Head},
    sql::{Assigned, invalid, is_expected, json, put_off},
};

/// What happens to one row of the file.
#[derive(Debug)]
pub(super) struct Change {
    /// The key by which it stands there; `None`: it is new.
    pub(super) was: Option<RowKey>,
    /// What it becomes; `None`: it goes.
    pub(super) values: Option<Vec<Value>>,
}

/// A row that a write asks for.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It is there.
    There { was: Option<RowKey>, values: Vec<Value>, row: Option<Row> },
    /// It is not there any more.
    Gone,
    /// Nobody can tell what it holds.
    Unreadable(String),
}

/// Decides about writes to one file.
pub(super) struct Deciding<'a> {
    bound: &'a Bound,
    printer: &'a Printer<'a>,
    rows: BTreeMap<RowKey, Standing>,
    /// New rows, in the order in which they were asked for.
    new: Vec<RowKey>,
    /// Rows of the file that go.
    gone: Vec<RowKey>,
    /// Rows of the group under way that get another key, with the number of their write.
    moving: Vec<(usize, Option<RowKey>, Vec<Value>)>,
    /// Why a row that was not found may be there all the same.
    doubt: Option<String>,
}

/// A step that went another way than that of a write that is made.
type Step<T> = Result<T, Outcome>;

impl<'a> Deciding<'a> {
    /// Decides about rows of which nothing is known yet; `doubt`: why a row that was not found may be in
    /// the file all the same.
    pub(super) fn new(bound: &'a Bound, printer: &'a Printer<'a>, doubt: Option<String>) -> Self {
        Self {
            bound,
            printer,
            rows: BTreeMap::new(),
            new: Vec::new(),
            gone: Vec::new(),
            moving: Vec::new(),
            doubt,
        }
    }

    /// The file has this row.
    pub(super) fn learn(&mut self, found: Find) {
        let twice = self.rows.contains_key(&found.key);
        let why = || format!("{}: two rows have this key", found.place);
        let standing = if twice { Standing::Unreadable(why()) } else { found.standing };
        self.rows.insert(found.key, standing);
    }

    /// What changes in the file, and an answer to every write.
    pub(super) fn decide(
        mut self,
        groups: &[WriteGroup],
        head: &Head,
    ) -> (Vec<Change>, Vec<(IntentId, Outcome)>) {
        let mut answers = Vec::new();
        for group in groups {
            let before: BTreeMap<RowKey, Option<Standing>> = BTreeMap::new();
            let mut undo = Undo { rows: before, new: self.new.len(), gone: self.gone.len() };
            let mut refused: Option<(usize, Outcome)> = None;
            let mut outcomes = Vec::new();
            for (at, write) in group.writes.iter().enumerate() {
                match self.one(write, at, head, &mut undo) {
                    Ok(outcome) => outcomes.push((write.intent, outcome)),
                    Err(outcome) => {
                        refused = Some((at, outcome));
                        break;
                    }
                }
            }
            // Rows that exchange their keys give them up first.
            for (at, was, values) in std::mem::take(&mut self.moving) {
                if let (None, Err(outcome)) = (&refused, self.arrive(was, values, &mut undo)) {
                    refused = Some((at, outcome));
                }
            }
            let Some((at, outcome)) = refused else {
                answers.extend(outcomes);
                continue;
            };
            self.undo(undo);
            for (number, write) in group.writes.iter().enumerate() {
                let outcome = if number == at { outcome.clone() } else { Outcome::Sibling };
                answers.push((write.intent, outcome));
            }
        }
        (self.changes(), answers)
    }

    fn changes(self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut rows = self.rows;
        for key in &self.new {
            // One that has gone again, or has another key now, is not there.
            if let Some(Standing::There { was: None, .. }) = rows.get(key)
                && let Some(Standing::There { values, .. }) = rows.remove(key)
            {
                changes.push(Change { was: None, values: Some(values) });
            }
        }
        for (_, standing) in rows {
            // Rows that were read and not changed still show what they held.
            if let Standing::There { was: Some(was), values, row: None } = standing {
                changes.push(Change { was: Some(was), values: Some(values) });
            }
        }
        let gone = self.gone.into_iter();
        changes.extend(gone.map(|was| Change { was: Some(was), values: None }));
        changes
    }

    fn undo(&mut self, undo: Undo) {
        self.new.truncate(undo.new);
        self.gone.truncate(undo.gone);
        for (key, standing) in undo.rows {
            match standing {
                Some(standing) => self.rows.insert(key, standing),
                None => self.rows.remove(&key),
            };
        }
    }

    fn put(&mut self, key: RowKey, standing: Standing, undo: &mut Undo) {
        let before = self.rows.insert(key.clone(), standing);
        undo.rows.entry(key).or_insert(before);
    }

    fn one(&mut self, write: &RowWrite, at: usize, head: &Head, undo: &mut Undo) -> Step<Outcome> {
        match (write.kind, &write.key) {
            (WriteKind::Insert, _) => self.insert(write, head, undo),
            (WriteKind::Update | WriteKind::Delete, Some(key)) => {
                self.change(write, at, key, head, undo)
            }
            (WriteKind::Update | WriteKind::Delete, None) => {
                Err(invalid("write.type", "a row without a key is to be changed"))
            }
        }
    }

    fn insert(&mut self, write: &RowWrite, head: &Head, undo: &mut Undo) -> Step<Outcome> {
        let values = set(self.bound, write, None)?;
        let key = self.bound.shape.key_of(&values);
        match self.rows.get(&key) {
            Some(Standing::There { was, values, row }) => {
                let current = row.clone().or_else(|| self.row(values));
                if current.is_some() {
                    return Err(Outcome::Precondition { current, token: None });
                }
                // It was marked as deleted, and is there again.
                let (was, values) = (was.clone(), set(self.bound, write, Some(values.clone()))?);
                self.printer.new_row(&values, head)?;
                self.put(key.clone(), Standing::There { was, values, row: None }, undo);
                return Ok(applied(key));
            }
            Some(Standing::Unreadable(why)) => return Err(unreadable(why)),
            Some(Standing::Gone) => {}
            None => {
                if let Some(doubt) = &self.doubt {
                    return Err(unreadable(doubt));
                }
            }
        }
        self.printer.new_row(&values, head)?;
        self.new.push(key.clone());
        self.put(key.clone(), Standing::There { was: None, values, row: None }, undo);
        Ok(applied(key))
    }

    fn change(
        &mut self,
        write: &RowWrite,
        at: usize,
        key: &RowKey,
        head: &Head,
        undo: &mut Undo,
    ) -> Step<Outcome> {
        let nothing = Outcome::Precondition { current: None, token: None };
        let (was, values, row) = match self.rows.get(key) {
            Some(Standing::There { was, values, row }) => {
                let row = row.clone().or_else(|| self.row(values));
                (was.clone(), values.clone(), row)
            }
            Some(Standing::Unreadable(why)) => return Err(unreadable(why)),
            Some(Standing::Gone) => return Err(nothing),
            None => {
                return Err(self.doubt.as_ref().map_or(nothing, |doubt| unreadable(doubt)));
            }
        };
        if !is_expected(&write.expect, row.as_ref()) {
            return Err(Outcome::Precondition { current: row, token: None });
        }
        if write.kind == WriteKind::Delete && !self.bound.shape.deletes_softly() {
            self.gone.extend(was);
            self.put(key.clone(), Standing::Gone, undo);
            return Ok(applied(key.clone()));
        }
        let values = set(self.bound, write, Some(values))?;
        self.printer.new_row(&values, head)?;
        let now = self.bound.shape.key_of(&values);
        if now == *key {
            self.put(now.clone(), Standing::There { was, values, row: None }, undo);
        } else {
            self.put(key.clone(), Standing::Gone, undo);
            self.moving.push((at, was, values));
        }
        Ok(applied(now))
    }

    /// A row that gave up its key takes another.
    fn arrive(&mut self, was: Option<RowKey>, values: Vec<Value>, undo: &mut Undo) -> Step<()> {
        let key = self.bound.shape.key_of(&values);
        match self.rows.get(&key) {
            Some(Standing::There { .. } | Standing::Unreadable(_)) => {
                let names = self.bound.shape.key.iter();
                let names = names.map(|at| self.bound.shape.column_name(*at).into());
                return Err(Outcome::Unique { columns: names.collect(), holder: Some(key) });
            }
            Some(Standing::Gone) | None => {}
        }
        if was.is_none() {
            self.new.push(key.clone());
        }
        self.put(key, Standing::There { was, values, row: None }, undo);
        Ok(())
    }

    /// What a row shows that the file does not hold yet.
    fn row(&self, values: &[Value]) -> Option<Row> {
        self.bound.shape.observe(values).ok().and_then(|observed| observed.row)
    }
}

/// The keys of the rows that these writes ask for, and those that they take.
pub(super) fn wanted(bound: &Bound, groups: &[WriteGroup]) -> BTreeSet<RowKey> {
    let mut wanted = BTreeSet::new();
    for write in groups.iter().flat_map(|group| &group.writes) {
        wanted.extend(write.key.clone());
        wanted.extend(key_then(bound, write));
    }
    wanted
}

/// The key that a row has when it is written: what is not set of it stays.
pub(super) fn key_then(bound: &Bound, write: &RowWrite) -> Option<RowKey> {
    let mut before = vec![Value::Null; bound.shape.columns.len()];
    let parts = write.key.iter().flat_map(RowKey::values);
    for (column, part) in bound.shape.key.iter().zip(parts) {
        if let Some(place) = before.get_mut(*column) {
            *place = part;
        }
    }
    let values = set(bound, write, Some(before)).ok()?;
    Some(bound.shape.key_of(&values))
}

/// What stood before a group.
struct Undo {
    rows: BTreeMap<RowKey, Option<Standing>>,
    new: usize,
    gone: usize,
}

/// The row as this write makes it of what it was.
fn set(bound: &Bound, write: &RowWrite, before: Option<Vec<Value>>) -> Step<Vec<Value>> {
    let mut assignments = bound.shape.assignments(write, None)?;
    if write.kind == WriteKind::Insert && before.is_some() {
        assignments.extend(bound.shape.revival(&assignments));
    }
    let mut values = before.unwrap_or_else(|| vec![Value::Null; bound.shape.columns.len()]);
    for assignment in assignments {
        let Some(place) = values.get_mut(assignment.column) else { continue };
        *place = match assignment.to {
            Assigned::Value(value) => value,
            Assigned::Now => {
                let now = jiff::Timestamp::from_microsecond(SystemClock.now().0);
                now.map_or(Value::Null, |now| Value::text(now.to_string()))
            }
            Assigned::Paths(paths) => {
                let document = (!place.is_null()).then(|| json::print(place)).flatten();
                let text = json::assign(document.as_deref(), &paths)?;
                json::parse(&text).map_err(|problem| invalid("write.json", problem.message))?
            }
        };
    }
    Ok(values)
}

/// What is there cannot be read as configured: nothing is written over it.
fn unreadable(why: &str) -> Outcome {
    put_off(ErrorKind::TimedOut, why)
}

/// The write is made with the file; what it shows then is filled in.
fn applied(key: RowKey) -> Outcome {
    Outcome::Applied { key, post: None, token: None, order: None, transaction: None }
}
