//! A write of a set, and how far it is: everything about it that is decided without the server.

use std::sync::Arc;

use syncline_core::{
    Text,
    change::{Observed, Outcome, Row, RowKey, RowWrite, WriteKind},
    error::Problem,
    name::IntentId,
    value::Value,
};
use tokio_postgres::types::Type;

use crate::{
    postgres::{
        bound::Bound,
        target::{
            check,
            set::Failure,
            statement::{Filled, Lock},
        },
        wire::{Column, Parameter, Raw},
    },
    sql::{Assigned, Assignment, ColumnIndex, is_expected, json},
};

/// A write, and how far it is.
pub(super) struct Planned<'a> {
    pub(super) write: &'a RowWrite,
    pub(super) bound: Arc<Bound>,
    pub(super) group: usize,
    /// The row's key, once it is known.
    pub(super) key: Option<RowKey>,
    /// The row as it was found.
    pub(super) found: Option<Found>,
    pub(super) assignments: Vec<Assignment>,
    /// Documents that are written in part: their new text, exactly.
    pub(super) texts: Vec<(ColumnIndex, String)>,
    pub(super) action: Action,
    pub(super) wave: usize,
    pub(super) post: Option<Row>,
    pub(super) verdict: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Delete,
    Update,
    Insert,
}

/// A row as it was found.
pub(super) struct Found {
    /// `None`: a value in it cannot be read.
    pub(super) observed: Option<Observed>,
    pub(super) documents: Vec<Option<String>>,
    pub(super) is_twice: bool,
}

/// The key of a row that is to be written, if it is known before.
pub(super) fn known_key(bound: &Bound, write: &RowWrite) -> Option<RowKey> {
    if write.key.is_some() || write.kind != WriteKind::Insert {
        return write.key.clone();
    }
    // An insert that carries the key columns as fields.
    let assignments = bound.shape.assignments(write, write.parent.as_ref()).ok()?;
    let values: Option<Vec<&Value>> = bound
        .shape
        .key
        .iter()
        .map(|column| {
            let found = assignments.iter().find(|assignment| assignment.column == *column)?;
            match &found.to {
                Assigned::Value(value) if !value.is_null() => Some(value),
                Assigned::Value(_) | Assigned::Paths(_) | Assigned::Now => None,
            }
        })
        .collect();
    Some(RowKey::new(values?))
}

/// The lock that these writes need.
pub(super) fn lock<'p, 'a: 'p>(
    bound: &Bound,
    items: impl Iterator<Item = &'p Planned<'a>>,
) -> Lock {
    let mut lock = Lock::None;
    for item in items {
        match item.write.kind {
            WriteKind::Insert => {}
            WriteKind::Delete => return Lock::Full,
            WriteKind::Update => {
                lock = Lock::Share;
                let moves = bound
                    .shape
                    .assignments(item.write, item.write.parent.as_ref())
                    .unwrap_or_default()
                    .iter()
                    .any(|assignment| {
                        let name = bound.shape.column_name(assignment.column);
                        bound
                            .known
                            .unique
                            .iter()
                            .any(|(_, columns)| columns.iter().any(|known| known == name))
                    });
                if moves {
                    return Lock::Full;
                }
            }
        }
    }
    lock
}

pub(super) fn take_found(
    bound: &Bound,
    rows: &[tokio_postgres::Row],
    asked: &[usize],
    planned: &mut [Planned<'_>],
) {
    let width = bound.carriers.len();
    for row in rows {
        let place = row.get::<_, i64>(width + bound.documents.len()) - 1;
        let at = usize::try_from(place).ok().and_then(|place| asked.get(place));
        let Some(item) = at.and_then(|at| planned.get_mut(*at)) else { continue };
        let observed = match bound.observe(|at| row.get::<_, Raw<'_>>(at).0) {
            // A collation may find more than the exact key.
            Ok(observed) if Some(&observed.key) != item.key.as_ref() => continue,
            Ok(observed) => Some(observed),
            Err(_) => None,
        };
        let documents =
            (0..bound.documents.len()).map(|at| row.get::<_, Option<String>>(width + at)).collect();
        let is_twice = item.found.is_some();
        item.found = Some(Found { observed, documents, is_twice });
    }
}

pub(super) fn take_busy(
    bound: &Bound,
    rows: &[tokio_postgres::Row],
    asked: &[usize],
    planned: &mut [Planned<'_>],
) {
    for row in rows {
        let place = row.get::<_, i64>(bound.carriers.len() + bound.documents.len()) - 1;
        let at = usize::try_from(place).ok().and_then(|place| asked.get(place));
        if let Some(item) = at.and_then(|at| planned.get_mut(*at))
            && item.found.is_none()
        {
            let reason = Text::new("somebody else has locked the row");
            item.verdict = Some(Outcome::Retry { reason });
        }
    }
}

/// Compares what was found with what is expected; decides what is to be done.
pub(super) fn compare(item: &mut Planned<'_>) {
    if item.verdict.is_some() {
        return;
    }
    let Some(found) = &item.found else {
        if !is_expected(&item.write.expect, None) {
            item.verdict = Some(Outcome::Precondition { current: None, token: None });
        }
        return;
    };
    if found.is_twice {
        let reason = "two rows have this key: it does not tell rows apart";
        item.verdict =
            Some(Outcome::Invalid { code: "write.key_not_unique", reason: Text::new(reason) });
        return;
    }
    let Some(observed) = &found.observed else {
        let reason = "the row holds a value that cannot be read, so it cannot be compared";
        item.verdict =
            Some(Outcome::Invalid { code: "map.out_of_range", reason: Text::new(reason) });
        return;
    };
    if !is_expected(&item.write.expect, observed.row.as_ref()) {
        item.verdict = Some(Outcome::Precondition { current: observed.row.clone(), token: None });
        return;
    }
    if item.write.kind == WriteKind::Insert {
        // Under the key lies a row that is marked as deleted: it comes back.
        item.action = Action::Update;
    }
    if item.write.kind == WriteKind::Delete && item.bound.shape.deletes_softly() {
        item.action = Action::Update;
    }
}

/// What the write does to its columns, checked as far as that is possible here.
pub(super) fn assign(item: &mut Planned<'_>, parent: Option<&RowKey>) -> Result<(), Outcome> {
    let shape = &item.bound.shape;
    let mut assignments = shape.assignments(item.write, parent)?;
    if item.write.kind == WriteKind::Insert && item.action == Action::Update {
        let revival = shape.revival(&assignments);
        assignments.extend(revival);
        assignments.retain(|assignment| !shape.key.contains(&assignment.column));
    }
    // One order of columns, so that equal writes make one statement.
    assignments.sort_by_key(|assignment| assignment.column);
    let mut scratch = Vec::new();
    let mut texts = Vec::new();
    for assignment in &mut assignments {
        let (Some(column), Some(carrier)) =
            (shape.columns.get(assignment.column), item.bound.carriers.get(assignment.column))
        else {
            continue;
        };
        if let Assigned::Paths(paths) = &assignment.to {
            let place = item.bound.documents.iter().position(|at| *at == assignment.column);
            let text =
                place.and_then(|place| item.found.as_ref()?.documents.get(place)?.as_deref());
            let text = json::assign(text, paths)?;
            // Checked as a value, and written as the text: what is not ours keeps its digits.
            assignment.to = Assigned::Value(json::parse(&text).map_err(invalid)?);
            texts.push((assignment.column, text));
        }
        if let Assigned::Value(value) = &assignment.to {
            check::value(column, carrier, value, &mut scratch).map_err(invalid)?;
        }
    }
    item.assignments = assignments;
    item.texts = texts;
    Ok(())
}

/// Spreads refusals over their groups; which groups are refused.
pub(super) fn drop_refused(planned: &mut [Planned<'_>], groups: usize) -> Vec<bool> {
    let mut refused = vec![false; groups];
    for item in planned.iter() {
        if item.verdict.is_some()
            && let Some(refused) = refused.get_mut(item.group)
        {
            *refused = true;
        }
    }
    for item in planned.iter_mut() {
        if item.verdict.is_none() && refused.get(item.group).copied().unwrap_or(false) {
            item.verdict = Some(Outcome::Sibling);
        }
    }
    refused
}

/// Numbers the waves: a new one where a group goes on to another table or another deed, and for a
/// group that stands alone with every write, so that a refusal names its write.
pub(super) fn waves(planned: &mut [Planned<'_>], one_by_one: bool) {
    let (mut group, mut before, mut wave) = (usize::MAX, None, 0);
    for item in planned {
        let deed = (item.bound.shape.binding, item.action);
        if item.group != group {
            (group, wave) = (item.group, 0);
        } else if one_by_one || before != Some(deed) {
            wave += 1;
        }
        before = Some(deed);
        item.wave = wave;
    }
}

/// The key that the parent of a child row was given by an earlier insert of its group.
pub(super) fn parent_key(planned: &[Planned<'_>], at: usize) -> Option<RowKey> {
    let child = planned.get(at)?;
    let earlier = planned.get(..at)?;
    earlier
        .iter()
        .rev()
        .filter(|item| item.group == child.group)
        .find(|item| {
            item.bound.shape.binding != child.bound.shape.binding
                && item.bound.shape.key.len() == child.bound.shape.parent.len()
                && item.write.kind == WriteKind::Insert
        })?
        .key
        .clone()
}

pub(super) fn filled(assignments: &[Assignment]) -> Vec<Filled> {
    assignments
        .iter()
        .map(|assignment| match assignment.to {
            Assigned::Value(_) | Assigned::Paths(_) => Filled::Value(assignment.column),
            Assigned::Now => Filled::Now(assignment.column),
        })
        .collect()
}

pub(super) fn valued(filled: Filled) -> Option<usize> {
    match filled {
        Filled::Value(column) => Some(column),
        Filled::Now(_) => None,
    }
}

/// The values of a row, for the columns that have one each.
pub(super) fn row_values(item: &Planned<'_>, filled: &[Filled]) -> Result<Vec<Value>, Failure> {
    let mut values = Vec::with_capacity(filled.len());
    for column in filled.iter().filter_map(|filled| valued(*filled)) {
        let found = item.assignments.iter().find(|assignment| assignment.column == column);
        match found.map(|assignment| &assignment.to) {
            Some(Assigned::Value(value)) => values.push(value.clone()),
            Some(Assigned::Paths(_) | Assigned::Now) | None => values.push(Value::Null),
        }
    }
    Ok(values)
}

pub(super) fn put(
    bound: &Bound,
    column: usize,
    array: &mut Column,
    value: &Value,
    item: &Planned<'_>,
) -> Result<(), Failure> {
    let Some(carrier) = bound.carriers.get(column) else { return Ok(()) };
    if let Some((_, text)) = item.texts.iter().find(|(at, _)| *at == column) {
        array.push_document(carrier, text);
        return Ok(());
    }
    array
        .push(carrier, value)
        .map_err(|problem| Failure::Verdict { write: item.write.intent, outcome: invalid(problem) })
}

/// As many NULLs as rows.
pub(super) fn nothing(rows: usize) -> Parameter {
    let header = [1i32, 1, Type::BOOL.oid() as i32, i32::try_from(rows).unwrap_or(i32::MAX), 1];
    let mut raw: Vec<u8> = header.iter().flat_map(|number| number.to_be_bytes()).collect();
    raw.resize(raw.len() + 4 * rows, 0xff);
    Parameter(Some(raw))
}

/// Takes the row as it is now.
pub(super) fn take_post(
    item: &mut Planned<'_>,
    bound: &Bound,
    row: &tokio_postgres::Row,
) -> Result<(), Failure> {
    match bound.observe(|at| row.get::<_, Raw<'_>>(at).0) {
        Ok(observed) => {
            item.key = Some(observed.key);
            item.post = observed.row;
            Ok(())
        }
        Err(refused) => Err(Failure::Verdict {
            write: item.write.intent,
            outcome: Outcome::Invalid { code: refused.code, reason: refused.reason },
        }),
    }
}

pub(super) fn answer(item: Planned<'_>) -> (IntentId, Outcome) {
    let outcome = match (item.verdict, item.key) {
        (Some(verdict), _) => verdict,
        (None, Some(key)) => {
            Outcome::Applied { key, post: item.post, token: None, order: None, transaction: None }
        }
        (None, None) => Outcome::Unknown { reason: Text::new("the row's key is not known") },
    };
    (item.write.intent, outcome)
}

pub(super) fn blame(failure: Failure, intent: IntentId) -> Failure {
    match failure {
        Failure::Refused { error, write: None } => Failure::Refused { error, write: Some(intent) },
        other @ (Failure::Refused { .. } | Failure::Verdict { .. }) => other,
    }
}

pub(super) fn invalid(problem: Problem) -> Outcome {
    Outcome::Invalid { code: problem.code, reason: Text::from(problem.message) }
}

pub(super) fn swallowed() -> Outcome {
    Outcome::Invalid {
        code: "write.ignored",
        reason: Text::new("a trigger, a rule or a policy keeps the row from being written"),
    }
}
