//! The match index: which records have this match key?
//!
//! Match keys are digests, so new ones fall all over the index, and a commit of a few thousand
//! would rewrite nearly every page of it. So a commit appends its changes to a log (one blob) and
//! to a sorted list in memory; a look-up asks the list and the index; and when the list is long, the
//! commit at hand merges it into the index, in order, and empties the log. On opening, the log is
//! read back. The list and the file change together: a look-up holds the list for as long as it
//! reads, a commit while it is made durable.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rusqlite::{Connection, Transaction, params};
use syncline_core::{
    commit::MatchKey,
    name::{EntityIndex, RecordId},
    value::{Digest, varint},
};

use crate::hub::{
    codec::bits,
    sqlite::{
        commit::{blob, record},
        error::{Failure, Outcome},
    },
};

/// So many changes are kept beside the index (about ten megabytes); few in tests, so that they merge.
const PENDING_MAX: usize = if cfg!(test) { 40 } else { 150_000 };

/// A match key of a record.
pub(super) type Entry = (EntityIndex, u16, MatchKey, RecordId);

/// Changes that are in the log and not in the index: put in (`true`) or taken out.
#[derive(Default)]
pub(super) struct Pending(BTreeMap<Entry, bool>);

/// The list, shared by the writer and the readers of this process.
#[derive(Clone, Default)]
pub(super) struct Matches(Arc<RwLock<Pending>>);

/// The match keys that a commit puts in and takes out.
#[derive(Default)]
pub(super) struct Change {
    pub(super) entries: Vec<(Entry, bool)>,
    merges: bool,
}

impl Matches {
    /// Reads the log back.
    pub(super) fn open(connection: &Connection) -> Outcome<Self> {
        let mut pending = Pending::default();
        let mut select = connection.prepare("select data from match_log order by number")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let mut data = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            while !data.is_empty() {
                let (entry, put) = read_entry(&mut data)
                    .ok_or_else(|| Failure::stored("the log of match keys"))?;
                pending.0.insert(entry, put);
            }
        }
        Ok(Self(Arc::new(RwLock::new(pending))))
    }

    /// The list, for as long as a look-up needs it to stay what the file is.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Pending> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list, while a commit is made durable.
    pub(super) fn lock(&self) -> RwLockWriteGuard<'_, Pending> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the change to the log, or with everything that is pending to the index.
    pub(super) fn write(&self, transaction: &Transaction<'_>, change: &mut Change) -> Outcome<()> {
        if change.entries.is_empty() {
            return Ok(());
        }
        // In order, the list and the index are walked, not searched.
        change.entries.sort_unstable();
        let pending = self.read();
        change.merges = pending.0.len() + change.entries.len() >= PENDING_MAX;
        if change.merges {
            pending.settle(transaction)?;
            merge(transaction, change.entries.iter().map(|(entry, put)| (entry, *put)))?;
        } else {
            let mut data = Vec::with_capacity(change.entries.len() * 36);
            for (entry, put) in &change.entries {
                write_entry(entry, *put, &mut data);
            }
            transaction
                .prepare_cached("insert into match_log (data) values (?)")?
                .execute([data])?;
        }
        Ok(())
    }
}

impl Pending {
    /// Brings everything that is pending into the index.
    fn settle(&self, transaction: &Transaction<'_>) -> Outcome<()> {
        merge(transaction, self.0.iter().map(|(entry, put)| (entry, *put)))?;
        transaction.prepare_cached("delete from match_log")?.execute([])?;
        Ok(())
    }

    /// What is pending was brought into the index.
    pub(super) fn settled(&mut self) {
        self.0.clear();
    }

    /// Follows a commit that was made.
    pub(super) fn follow(&mut self, change: Change) {
        if change.merges {
            self.0.clear();
        } else {
            self.0.extend(change.entries);
        }
    }

    /// The records with this match key, in the order of their ids.
    pub(super) fn find(
        &self,
        select: &mut rusqlite::CachedStatement<'_>,
        entity: EntityIndex,
        rule: u16,
        key: MatchKey,
    ) -> Outcome<Vec<RecordId>> {
        let mut rows = select.query(params![entity.0, rule, key.0])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            records.push(record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
        }
        let first = (entity, rule, key, RecordId(0));
        let last = (entity, rule, key, RecordId(u128::MAX));
        for ((_, _, _, record), put) in self.0.range(first..=last) {
            match (records.binary_search(record), put) {
                (Err(at), true) => records.insert(at, *record),
                (Ok(at), false) => drop(records.remove(at)),
                (Ok(_), true) | (Err(_), false) => {}
            }
        }
        Ok(records)
    }
}

/// The query of [`Pending::find`].
pub(super) const FIND: &str =
    "select record from match where entity = ? and rule = ? and digest = ? order by record";

/// Brings what is pending into the index; the list is to be told of it once that is committed.
pub(super) fn settle(transaction: &Transaction<'_>, shared: &Matches) -> Outcome<()> {
    shared.read().settle(transaction)
}

/// Puts keys into the index and takes them out.
pub(super) fn merge<'a>(
    transaction: &Transaction<'_>,
    changes: impl Iterator<Item = (&'a Entry, bool)>,
) -> Outcome<()> {
    let mut delete = transaction.prepare_cached(
        "delete from match where entity = ? and rule = ? and digest = ? and record = ?",
    )?;
    let mut insert = transaction.prepare_cached(
        "insert into match (entity, rule, digest, record) values (?, ?, ?, ?) on conflict do nothing",
    )?;
    for ((entity, rule, key, record), put) in changes {
        let statement = if put { &mut insert } else { &mut delete };
        statement.execute(params![entity.0, rule, key.0, blob(*record)])?;
    }
    Ok(())
}

fn write_entry((entity, rule, key, record): &Entry, put: bool, out: &mut Vec<u8>) {
    out.push(u8::from(put));
    varint(u64::from(entity.0), out);
    varint(u64::from(*rule), out);
    out.extend_from_slice(&key.0);
    bits::id(record.0, out);
}

fn read_entry(input: &mut &[u8]) -> Option<(Entry, bool)> {
    let put = bits::flag(input)?;
    let entity = EntityIndex(bits::number(input)?);
    let rule = bits::number(input)?;
    let (key, rest) = input.split_first_chunk::<16>()?;
    *input = rest;
    Some(((entity, rule, Digest(*key), RecordId(bits::read_id(input)?)), put))
}
