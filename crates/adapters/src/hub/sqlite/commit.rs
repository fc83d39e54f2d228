//! One commit, one transaction: groups with a check of their revisions, the indices that follow
//! from them, the audit, the queues, the checkpoints and the counters.
//!
//! Writes of one kind are made together and in the order of their keys: a page of the file is
//! touched once, and new records and rows are appended.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use syncline_core::{
    commit::{Commit, GroupChange, Ledger},
    group::Group,
    name::{RecordId, Revision, RunId},
};

use crate::hub::{
    codec::audit::disposition,
    sqlite::{
        audit,
        error::{Failure, Outcome},
        index,
        load::look_up,
        matches::{Change, Matches},
        moves, queues,
        recent::Recent,
        tallies,
        vault::{Seals, Vault},
    },
};

/// Why a commit was not made.
pub(super) enum Refusal {
    /// These groups are not at the revision that was read, or their rows now belong to others.
    Stale(Vec<RecordId>),
    /// The store failed.
    Failure(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failure(error.into())
    }
}

/// An id as SQLite keeps it.
pub(super) fn blob(record: RecordId) -> [u8; 16] {
    record.0.to_be_bytes()
}

/// An id as SQLite kept it.
pub(super) fn record(stored: &[u8]) -> Outcome<RecordId> {
    stored
        .try_into()
        .map(|bytes| RecordId(u128::from_be_bytes(bytes)))
        .map_err(|_| Failure::stored("an id of a record"))
}

/// Makes the commit. Returns after it is durable.
pub(super) fn commit(
    connection: &mut Connection,
    vault: &Vault,
    shared: &Matches,
    recent: &Recent,
    commit: Commit,
) -> Result<(), Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seals = vault.at(&transaction);
    let mut changes: Vec<&GroupChange> = commit.groups.iter().collect();
    changes.sort_unstable_by_key(|change| change.group.id);
    let mut pages = check(&transaction, recent, &changes)?;
    let (last_change, chain) = audit::write(&seals, &transaction, &commit, &mut pages)?;
    moves::write(&seals, &transaction, &commit, &changes, last_change)?;
    let lengths = write_groups(&seals, &transaction, &changes, &pages)?;
    let mut matches = Change::default();
    let stale = index::write(&seals, &transaction, &changes, shared, &mut matches, commit.at)?;
    if !stale.is_empty() {
        return Err(Refusal::Stale(stale));
    }
    queues::conflicts(&seals, &transaction, &commit)?;
    queues::quarantine(&seals, &transaction, &commit)?;
    write_checkpoints(&seals, &transaction, &commit)?;
    tallies::write(&transaction, &commit.tallies)?;
    add_ledger(&transaction, commit.run, &commit.ledger)?;
    transaction
        .prepare_cached(
            "update state set operation = max(operation, ?), minted = max(minted, ?), changes = ?,
                 changes_chain = ?",
        )?
        .execute(params![
            commit.operation.0.cast_signed(),
            commit.minted.cast_signed(),
            last_change.cast_signed(),
            chain
        ])?;
    drop(seals);
    recent.forget(commit.groups.iter());
    let mut pending = shared.lock();
    transaction.commit()?;
    pending.follow(matches);
    drop(pending);
    recent.follow(commit.groups, &lengths, &pages);
    Ok(())
}

/// Refuses groups that are not at the revision before. Gives the page of the last event of each
/// group that was there (0: none).
fn check(
    transaction: &Transaction<'_>,
    recent: &Recent,
    changes: &[&GroupChange],
) -> Result<HashMap<RecordId, u64>, Refusal> {
    let mut pages = HashMap::with_capacity(changes.len());
    // A new record is refused by its key when it is written.
    let (new, old): (Vec<&GroupChange>, Vec<&GroupChange>) =
        changes.iter().partition(|change| change.group.revision.0 <= 1);
    pages.extend(new.iter().map(|change| (change.group.id, 0)));
    let mut stale = Vec::new();
    let known = recent.known(old.iter().map(|change| change.group.id));
    let mut look = |group: &Group, known: Option<(Revision, u64)>| match known {
        Some((revision, page)) if revision.0 + 1 == group.revision.0 => {
            pages.insert(group.id, page);
        }
        Some(_) | None => stale.push(group.id),
    };
    let mut unknown = Vec::new();
    for change in &old {
        match known.get(&change.group.id) {
            Some(known) => look(&change.group, Some(*known)),
            None => unknown.push(&change.group),
        }
    }
    let mut select = transaction
        .prepare_cached("select id, revision, audit from record where id >= ? order by id")?;
    look_up(
        &mut select,
        unknown.into_iter(),
        |select, group| Ok(select.query(params![blob(group.id)])?),
        |group, row| {
            let id = record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
            Ok(group.id.cmp(&id))
        },
        |group, row| {
            let stored = row.map(|row| Ok::<(i64, i64), Failure>((row.get(1)?, row.get(2)?)));
            let known = stored
                .transpose()?
                .map(|(revision, page)| (Revision(revision.cast_unsigned()), page.cast_unsigned()));
            look(group, known);
            Ok(())
        },
    )?;
    if stale.is_empty() { Ok(pages) } else { Err(Refusal::Stale(stale)) }
}

/// Gives the lengths of the stored forms.
fn write_groups(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    changes: &[&GroupChange],
    pages: &HashMap<RecordId, u64>,
) -> Result<HashMap<RecordId, usize>, Refusal> {
    let mut lengths = HashMap::with_capacity(changes.len());
    let mut insert = transaction.prepare_cached(
        "insert into record (id, revision, entity, alive, audit, data) values (?, ?, ?, ?, ?, ?)
         on conflict do nothing",
    )?;
    let mut update = transaction.prepare_cached(
        "update record set revision = ?2, entity = ?3, alive = ?4, audit = ?5, data = ?6
         where id = ?1 and revision = ?2 - 1",
    )?;
    let mut stale = Vec::new();
    let mut stored = Vec::with_capacity(1024);
    for change in changes {
        let group = &change.group;
        stored.clear();
        seals.group(group, &mut stored)?;
        let statement = if group.revision.0 <= 1 { &mut insert } else { &mut update };
        let written = statement.execute(params![
            blob(group.id),
            group.revision.0.cast_signed(),
            group.entity.0,
            change.after.alive,
            pages.get(&group.id).copied().unwrap_or(0).cast_signed(),
            stored,
        ])?;
        if written == 0 {
            stale.push(group.id);
        }
        lengths.insert(group.id, stored.len());
    }
    if stale.is_empty() { Ok(lengths) } else { Err(Refusal::Stale(stale)) }
}

fn write_checkpoints(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
) -> Outcome<()> {
    let mut upsert = transaction.prepare_cached(
        "insert into checkpoint (stream, position) values (?, ?)
         on conflict do update set position = excluded.position",
    )?;
    for checkpoint in &commit.checkpoints {
        let position = seals.position(&checkpoint.stream, &checkpoint.position.0)?;
        upsert.execute(params![checkpoint.stream.as_str(), position])?;
    }
    Ok(())
}

fn add_ledger(transaction: &Transaction<'_>, run: RunId, ledger: &Ledger) -> Outcome<()> {
    let mut upsert = transaction.prepare_cached(
        "insert into ledger (run, binding, disposition, count) values (?, ?, ?, ?)
         on conflict do update set count = count + excluded.count",
    )?;
    for ((binding, what), count) in &ledger.0 {
        let what = disposition(*what);
        upsert.execute(params![run.0.cast_signed(), binding.0, what, count.cast_signed()])?;
    }
    Ok(())
}

/// Changes of maintained counts, gathered over a commit and written once.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<(Counter, u16, u16), i64>);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum Counter {
    /// Rows of a binding that were last seen present.
    Present,
    /// Rows of an entity (not of its child lists) present in a system.
    Linked,
    /// Records of an entity that live.
    Alive,
    /// Rows to create in a system.
    Inserts,
    /// Rows to change in a system.
    Updates,
    /// Rows to delete in a system.
    Deletes,
    /// Rows that are behind in a system and not tried by themselves.
    Parked,
    /// Fields of rows of an entity that the loop guard holds in a system.
    Held,
}

impl Counter {
    /// Its stored number.
    pub(in crate::hub) const fn code(self) -> u8 {
        match self {
            Self::Present => 0,
            Self::Linked => 1,
            Self::Alive => 2,
            Self::Inserts => 3,
            Self::Updates => 4,
            Self::Deletes => 5,
            Self::Parked => 6,
            Self::Held => 7,
        }
    }
}

impl Counts {
    /// Counts one more, or one less.
    pub(super) fn add(&mut self, counter: Counter, first: u16, second: u16, change: i64) {
        *self.0.entry((counter, first, second)).or_default() += change;
    }

    /// Writes what changed.
    pub(super) fn write(self, transaction: &Transaction<'_>) -> Outcome<()> {
        let mut upsert = transaction.prepare_cached(
            // What an earlier version did not count is not missed when it goes.
            "insert into counter (kind, first, second, count) values (?1, ?2, ?3, max(?4, 0))
             on conflict do update set count = max(count + ?4, 0)",
        )?;
        for ((counter, first, second), change) in self.0 {
            if change != 0 {
                upsert.execute(params![counter.code(), first, second, change])?;
            }
        }
        Ok(())
    }
}
