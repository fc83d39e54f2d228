//! The hub as the engine sees it.

use std::{collections::BTreeMap, time::Instant};

use async_trait::async_trait;
use rusqlite::params;
use syncline_core::{
    change::{Position, RowKey},
    commit::{Behind, Commit, Wants, Working},
    error::PortError,
    name::{BindingIndex, EntityIndex, IntentId, RecordId, SystemIndex, Timestamp},
};
use syncline_ports::store::{BehindCount, CommitError, Store};

use crate::hub::{
    codec::read_write_kind,
    sqlite::{
        SqliteHub,
        commit::{Counter, Refusal, blob, commit, record},
        error::{Failure, Outcome},
        load,
    },
};

#[async_trait]
impl Store for SqliteHub {
    async fn load(&self, wants: &Wants) -> Result<Working, PortError> {
        // Before the snapshot begins: what has changed since is seen when it is committed.
        let kept = self.recent.take(&wants.records);
        self.read("load from the hub", |connection| {
            let matches = self.matches(connection)?;
            load::load(&self.vault, connection, &matches, wants, kept)
        })
    }

    async fn commit(&self, changes: Commit) -> Result<(), CommitError> {
        const ACTION: &str = "commit to the hub";
        let (matches, recent) = (self.matches.clone(), self.recent.clone());
        let vault = self.vault.clone();
        let timed = self.timed.get().copied();
        let work = move |connection: &mut _| {
            let began = Instant::now();
            let made = commit(connection, &vault, &matches, &recent, changes);
            if let Some(tell) = timed {
                tell(began.elapsed());
            }
            made
        };
        let made = self.write(ACTION, work).await;
        match made.map_err(CommitError::Store)? {
            Ok(()) => Ok(()),
            Err(Refusal::Stale(records)) => Err(CommitError::Stale(records)),
            Err(Refusal::Failure(failure)) => Err(CommitError::Store(failure.during(ACTION))),
        }
    }

    async fn behind(
        &self,
        entity: EntityIndex,
        system: SystemIndex,
        after: Option<RecordId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RecordId, Behind)>, PortError> {
        self.read("list what is behind", |connection| {
            let mut select = connection.prepare_cached(
                "select record, kind, not_before from behind
                 where entity = ? and system = ? and record > ? and parked = 0
                    and (not_before is null or not_before <= ?)
                 order by record limit ?",
            )?;
            let after = after.map(blob);
            let after = after.as_ref().map_or(&[][..], |after| &after[..]);
            let mut rows = select.query(params![entity.0, system.0, after, now.0, limit as i64])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
                let kind = read_write_kind(row.get(1)?)
                    .ok_or_else(|| Failure::stored("a kind of write"))?;
                let not_before = row.get::<_, Option<i64>>(2)?.map(Timestamp);
                found.push((id, Behind { system, kind, not_before, parked: false }));
            }
            Ok(found)
        })
    }

    async fn count_behind(
        &self,
        entity: EntityIndex,
        now: Timestamp,
    ) -> Result<Vec<(SystemIndex, BehindCount)>, PortError> {
        self.read("count what is behind", |connection| count_behind(connection, entity, now))
    }

    async fn unanswered(
        &self,
        after: Option<IntentId>,
        limit: usize,
    ) -> Result<Vec<(IntentId, SystemIndex, RecordId)>, PortError> {
        self.read("list unanswered writes", |connection| {
            let mut select = connection.prepare_cached(
                "select id, system, record from intent where id > ? order by id limit ?",
            )?;
            let after = after.map(|after| after.0.to_be_bytes());
            let after = after.as_ref().map_or(&[][..], |after| &after[..]);
            let mut rows = select.query(params![after, limit as i64])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = IntentId(u128::from_be_bytes(row.get(0)?));
                let record = record(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?;
                found.push((id, SystemIndex(row.get(1)?), record));
            }
            Ok(found)
        })
    }

    async fn present(
        &self,
        binding: BindingIndex,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, PortError> {
        self.read("list the rows that were last seen", |connection| {
            let mut select = connection.prepare_cached(
                "select key from row where binding = ? and key > ? and digest is not null
                 order by key limit ?",
            )?;
            let after = after.map_or(&[][..], |after| &after.0[..]);
            let rows = select.query_map(params![binding.0, after, limit as i64], |row| {
                Ok(RowKey(row.get_ref(0)?.as_blob()?.into()))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    async fn count_present(&self, binding: BindingIndex) -> Result<u64, PortError> {
        self.read("count the rows that were last seen", |connection| {
            count(connection, Counter::Present, binding.0, 0)
        })
    }

    async fn must_read(
        &self,
        entity: EntityIndex,
        after: Option<(BindingIndex, RowKey)>,
        limit: usize,
    ) -> Result<Vec<(BindingIndex, RowKey)>, PortError> {
        self.read("list the rows to be read again", |connection| {
            let mut select = connection.prepare_cached(
                "select binding, key from reading
                    where entity = ?1 and (binding, key) > (?2, ?3)
                 union
                 select binding, key from quarantine
                    where entity = ?1 and retry = 1 and (binding, key) > (?2, ?3)
                 order by binding, key limit ?4",
            )?;
            let (binding, key) = match &after {
                Some((binding, key)) => (i64::from(binding.0), &key.0[..]),
                None => (-1, &[][..]),
            };
            let rows = select.query_map(params![entity.0, binding, key, limit as i64], |row| {
                Ok((BindingIndex(row.get(0)?), RowKey(row.get_ref(1)?.as_blob()?.into())))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    async fn checkpoint(&self, stream: &str) -> Result<Option<Position>, PortError> {
        self.open_seals("read a checkpoint", |seals| {
            let mut select = seals
                .connection
                .prepare_cached("select position from checkpoint where stream = ?")?;
            let mut rows = select.query(params![stream])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let stored = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let position = seals.read_position(stream, stored);
            let damaged = || Failure::stored(format_args!("the checkpoint of {stream}"));
            position.map(Position).ok_or_else(damaged).map(Some)
        })
    }
}

/// A maintained count.
pub(super) fn count(
    connection: &rusqlite::Connection,
    counter: Counter,
    first: u16,
    second: u16,
) -> Outcome<u64> {
    let mut select = connection
        .prepare_cached("select count from counter where kind = ? and first = ? and second = ?")?;
    let mut rows = select.query(params![counter.code(), first, second])?;
    Ok(match rows.next()? {
        Some(row) => u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
        None => 0,
    })
}

fn count_behind(
    connection: &rusqlite::Connection,
    entity: EntityIndex,
    now: Timestamp,
) -> Outcome<Vec<(SystemIndex, BehindCount)>> {
    let mut counts = std::collections::BTreeMap::<SystemIndex, BehindCount>::new();
    for counter in [
        Counter::Linked,
        Counter::Inserts,
        Counter::Updates,
        Counter::Deletes,
        Counter::Parked,
        Counter::Held,
    ] {
        let mut select = connection.prepare_cached(
            "select second, count from counter where kind = ? and first = ? and count > 0",
        )?;
        let mut rows = select.query(params![counter.code(), entity.0])?;
        while let Some(row) = rows.next()? {
            let entry = counts.entry(SystemIndex(row.get(0)?)).or_default();
            *place(entry, counter) = row.get::<_, i64>(1)?.cast_unsigned();
        }
    }
    // What is not due yet is counted as if it were parked.
    let mut later = connection.prepare_cached(
        "select system, kind, count(*) from behind
         where entity = ? and not_before > ? and parked = 0 group by system, kind",
    )?;
    let mut rows = later.query(params![entity.0, now.0])?;
    while let Some(row) = rows.next()? {
        let entry = counts.entry(SystemIndex(row.get(0)?)).or_default();
        let number = row.get::<_, i64>(2)?.cast_unsigned();
        let kind = match row.get::<_, u8>(1)? {
            0 => Counter::Inserts,
            1 => Counter::Updates,
            _ => Counter::Deletes,
        };
        let due = place(entry, kind);
        *due = due.saturating_sub(number);
        entry.parked += number;
    }
    Ok(counts.into_iter().collect())
}

/// What is listed as behind of the records from the first to the last, also what is not tried.
pub(super) fn listed(
    connection: &rusqlite::Connection,
    (entity, system): (EntityIndex, SystemIndex),
    (first, last): (RecordId, RecordId),
) -> Outcome<BTreeMap<RecordId, Behind>> {
    let mut select = connection.prepare_cached(
        "select record, kind, not_before, parked from behind
         where entity = ? and system = ? and record between ? and ?",
    )?;
    let mut rows = select.query(params![entity.0, system.0, blob(first), blob(last)])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id = record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
        let kind =
            read_write_kind(row.get(1)?).ok_or_else(|| Failure::stored("a kind of write"))?;
        let not_before = row.get::<_, Option<i64>>(2)?.map(Timestamp);
        found.insert(id, Behind { system, kind, not_before, parked: row.get(3)? });
    }
    Ok(found)
}

/// Since when the row waits that waits longest, by system; an earlier version of the hub, which can
/// be looked at, does not know.
pub(super) fn oldest_behind(
    connection: &rusqlite::Connection,
    entity: EntityIndex,
    now: Timestamp,
) -> Outcome<Vec<(SystemIndex, Timestamp)>> {
    let knows = connection
        .prepare_cached("select 1 from pragma_table_info('behind') where name = 'since'")?
        .exists([])?;
    if !knows {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "select system, min(since) as first from behind
         where entity = ? and parked = 0 and coalesce(not_before, 0) <= ?
         group by system having first is not null",
    )?;
    let mut rows = select.query(params![entity.0, now.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((SystemIndex(row.get(0)?), Timestamp(row.get(1)?)));
    }
    Ok(found)
}

fn place(count: &mut BehindCount, counter: Counter) -> &mut u64 {
    match counter {
        Counter::Inserts => &mut count.inserts,
        Counter::Updates => &mut count.updates,
        Counter::Deletes => &mut count.deletes,
        Counter::Parked => &mut count.parked,
        Counter::Held => &mut count.held,
        Counter::Linked | Counter::Present | Counter::Alive => &mut count.linked,
    }
}
