//! Writes to an SQLite file: locked compare, own mark first, read back, one answer for each write.
//!
//! Many groups share a transaction, which holds the file's one write lock; each group has a
//! savepoint, and a group that is refused is rolled back to it alone. What a trigger does to the
//! whole transaction (`raise(rollback)`), or what only the commit finds (deferred foreign keys),
//! concerns everybody in it: then each group is tried again in a transaction of its own.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, TransactionBehavior, params};
use syncline_core::{
    Text,
    change::{Outcome, WriteGroup},
    error::{ErrorKind, PortError},
    name::IntentId,
};
use syncline_ports::{clock::Clock, target::Target};

use crate::{
    clock::SystemClock,
    settings::Settings,
    sql::{marks, put_off},
    sqlite::{
        bound::Bindings,
        connection::{Worker, detail, port_error},
        refusal::refusal,
        write::{self, Refusal},
    },
};

/// Writes per transaction: bounds how long others wait for the lock.
const WRITES_PER_TRANSACTION: usize = 1_000;

/// Writes to an SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteTarget {
    bindings: Arc<Bindings>,
    worker: Worker,
}

impl SqliteTarget {
    pub(crate) fn new(settings: Arc<Settings>, bindings: Arc<Bindings>) -> Self {
        Self { bindings, worker: Worker::new(settings) }
    }
}

type Answers = Vec<(IntentId, Outcome)>;

#[async_trait]
impl Target for SqliteTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Answers {
        let mut answers = Vec::new();
        for chunk in chunks(groups) {
            let bindings = Arc::clone(&self.bindings);
            let owned = chunk.to_vec();
            let work =
                move |connection: &mut Connection| Ok(together(connection, &bindings, &owned));
            match self.worker.run(work).await {
                Ok(more) => answers.extend(more),
                // Only a panic, or a file that cannot be opened, comes here.
                Err(error) => answers.extend(all(chunk, &outcome_of(&error))),
            }
        }
        answers
    }
}

/// Groups that go into one transaction: at least one, and not many more writes than the bound.
fn chunks(groups: &[WriteGroup]) -> Vec<&[WriteGroup]> {
    let (mut found, mut rest) = (Vec::new(), groups);
    while !rest.is_empty() {
        let mut writes = 0;
        let len = rest
            .iter()
            .take_while(|group| {
                let is_first = writes == 0;
                writes += group.writes.len();
                is_first || writes <= WRITES_PER_TRANSACTION
            })
            .count();
        let (front, back) = rest.split_at(len.max(1));
        found.push(front);
        rest = back;
    }
    found
}

/// The same answer for every write of these groups.
fn all(groups: &[WriteGroup], outcome: &Outcome) -> Answers {
    groups
        .iter()
        .flat_map(|group| &group.writes)
        .map(|write| (write.intent, outcome.clone()))
        .collect()
}

fn outcome_of(error: &PortError) -> Outcome {
    if error.kind == ErrorKind::Unexpected {
        Outcome::Unknown { reason: Text::new(error.to_string()) }
    } else {
        put_off(error.kind, error.to_string())
    }
}

/// How a transaction of several groups ended.
enum Ended {
    /// Committed, with these answers.
    Committed(Answers),
    /// Rolled back as a whole because of what one of them did: each is to be tried alone.
    /// With what it would be told if it was alone.
    Spoilt(Outcome),
    /// Nothing could be written at all, or nobody knows.
    Failed(Outcome),
}

fn together(connection: &mut Connection, bindings: &Bindings, groups: &[WriteGroup]) -> Answers {
    match transact(connection, bindings, groups) {
        Ended::Committed(answers) => answers,
        Ended::Failed(outcome) => all(groups, &outcome),
        Ended::Spoilt(outcome) if groups.len() == 1 => all(groups, &outcome),
        Ended::Spoilt(_) => {
            groups.chunks(1).flat_map(|group| together(connection, bindings, group)).collect()
        }
    }
}

fn transact(connection: &mut Connection, bindings: &Bindings, groups: &[WriteGroup]) -> Ended {
    let mut transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate)
    {
        Ok(transaction) => transaction,
        Err(error) => return retry(&error),
    };
    if bindings.has_marks
        && let Err(error) = prune(&transaction)
    {
        return retry(&error);
    }
    let mut answers = Vec::new();
    for group in groups {
        match in_savepoint(&mut transaction, bindings, group) {
            Ok(more) => answers.extend(more),
            Err(ended) => return ended,
        }
    }
    match transaction.commit() {
        Ok(()) => Ended::Committed(answers),
        Err(error) => match error.sqlite_error_code() {
            // A deferred constraint: the transaction was rolled back when it was dropped.
            Some(rusqlite::ErrorCode::ConstraintViolation) => Ended::Spoilt(refusal(&error)),
            Some(
                rusqlite::ErrorCode::DatabaseBusy
                | rusqlite::ErrorCode::DatabaseLocked
                | rusqlite::ErrorCode::DiskFull
                | rusqlite::ErrorCode::OperationInterrupted,
            ) => retry(&error),
            _ => Ended::Failed(Outcome::Unknown { reason: detail(&error) }),
        },
    }
}

/// Whether an error says nothing about the group that met it.
fn is_everybodys(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(
        error.sqlite_error_code(),
        Some(
            Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::DiskFull
                | Code::OperationInterrupted
                | Code::ReadOnly
                | Code::SystemIoFailure
                | Code::OutOfMemory
                | Code::DatabaseCorrupt
        )
    )
}

/// Writes a group, or leaves everything as it was.
///
/// # Errors
/// How the whole transaction ended, if it did.
fn in_savepoint(
    transaction: &mut rusqlite::Transaction<'_>,
    bindings: &Bindings,
    group: &WriteGroup,
) -> Result<Answers, Ended> {
    run(transaction, "savepoint write_group")?;
    let written = write::group(transaction, bindings, group);
    let answers = match written {
        Err(Refusal { error: Some(error), .. }) if is_everybodys(&error) => {
            return Err(retry(&error));
        }
        Err(Refusal { outcome, .. }) if transaction.is_autocommit() => {
            return Err(Ended::Spoilt(*outcome));
        }
        Ok(outcomes) => group.writes.iter().map(|write| write.intent).zip(outcomes).collect(),
        Err(Refusal { at, outcome, .. }) => {
            run(transaction, "rollback to write_group")?;
            let mut outcome = Some(*outcome);
            let mut answer =
                |index| if index == at { outcome.take() } else { None }.unwrap_or(Outcome::Sibling);
            group
                .writes
                .iter()
                .enumerate()
                .map(|(index, write)| (write.intent, answer(index)))
                .collect()
        }
    };
    run(transaction, "release write_group")?;
    Ok(answers)
}

fn run(connection: &Connection, sql: &str) -> Result<(), Ended> {
    let ran = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    ran.map(|_count| ()).map_err(|error| retry(&error))
}

fn retry(error: &rusqlite::Error) -> Ended {
    let error = port_error("write", error);
    Ended::Failed(put_off(error.kind, error.to_string()))
}

/// Removes marks that nobody asks about any more.
fn prune(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "delete from syncline_applied where rowid in \
             (select rowid from syncline_applied where at < ?1 order by at limit ?2)",
        )?
        .execute(params![SystemClock.now().ms() - marks::KEEP_MS, marks::PRUNE_MAX as i64])?;
    Ok(())
}
