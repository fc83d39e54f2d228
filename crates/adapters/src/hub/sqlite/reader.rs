//! The hub as people see it. Reads use a reader's connection; the few small things that people set
//! go through the writer like everything else. Long because it is one trait.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use syncline_core::{
    Text,
    change::RowKey,
    commit::Behind,
    error::PortError,
    group::Group,
    name::{BindingIndex, EntityIndex, RecordId, RunId, SystemIndex, Timestamp},
    value::Digest,
};
use syncline_ports::reader::{
    Action, ActionFilter, Chain, Conflict, ConflictFilter, Entry, Exceeded, Guard, HistoryFilter,
    Kept, Lately, Number, Pause, QuarantineFilter, Quarantined, Reader, Rebuilt, Run, RunFilter,
    Span, Waits,
};

use crate::hub::sqlite::{
    SqliteHub, chain,
    commit::{Counter, blob},
    error::{Failure, Outcome},
    history,
    load::{self, record_in},
    moves, pages, queues, rows, runs,
    store::{count, listed, oldest_behind},
};

macro_rules! conflict_columns {
    () => {
        "select number, record, entity, subject, body, opened_run, opened_at, settled, settled_at
         from conflict"
    };
}

macro_rules! quarantine_columns {
    () => {
        "select number, subject, entity, record, code, message, row, related, tries, since, run,
            dropped
         from quarantine"
    };
}

#[async_trait]
impl Reader for SqliteHub {
    async fn group(&self, id: RecordId) -> Result<Option<Group>, PortError> {
        self.open_seals("read a record", |seals| load::group(seals, id))
    }

    async fn record_of(
        &self,
        binding: BindingIndex,
        key: &RowKey,
    ) -> Result<Option<RecordId>, PortError> {
        self.read("find the record of a row", |connection| {
            let mut select = connection
                .prepare_cached("select record from row where binding = ? and key = ?")?;
            let mut rows = select.query(params![binding.0, key.0])?;
            rows.next()?.map(|row| record_in(row, 0)).transpose()
        })
    }

    async fn records_between(
        &self,
        first: RecordId,
        last: RecordId,
    ) -> Result<Vec<RecordId>, PortError> {
        self.read("find a record", |connection| {
            let mut select = connection.prepare_cached(
                "select id from record where id between ? and ? order by id limit 2",
            )?;
            let mut rows = select.query(params![blob(first), blob(last)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(record_in(row, 0)?);
            }
            Ok(found)
        })
    }

    async fn records(
        &self,
        entity: EntityIndex,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Group>, PortError> {
        self.open_seals("list records", |seals| pages::living(seals, entity, after, limit))
    }

    async fn scan_records(
        &self,
        entities: &[EntityIndex],
        after: Option<RecordId>,
        looked_at: usize,
    ) -> Result<(Vec<Group>, Option<RecordId>), PortError> {
        self.open_seals("look through records", |seals| {
            pages::records(seals, entities, after, looked_at)
        })
    }

    async fn rows_of(
        &self,
        binding: BindingIndex,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<(RowKey, RecordId)>, PortError> {
        self.read("list rows", |connection| pages::rows(connection, binding, after, limit))
    }

    async fn record_ids(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, PortError> {
        self.read("list records", |connection| load::ids(connection, after, limit))
    }

    async fn count_records(&self, entity: EntityIndex) -> Result<u64, PortError> {
        self.read("count records", |connection| count(connection, Counter::Alive, entity.0, 0))
    }

    async fn listed(
        &self,
        entity: EntityIndex,
        system: SystemIndex,
        records: (RecordId, RecordId),
    ) -> Result<BTreeMap<RecordId, Behind>, PortError> {
        self.read("list what is behind", |connection| listed(connection, (entity, system), records))
    }

    async fn later(
        &self,
        entity: EntityIndex,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RecordId, SystemIndex, Timestamp)>, PortError> {
        self.read("list what is tried later", |connection| {
            let mut select = connection.prepare_cached(
                "select record, system, not_before from behind
                 where entity = ? and not_before > ? and parked = 0 limit ?",
            )?;
            let mut rows = select.query(params![entity.0, now.0, limit as i64])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let until = Timestamp(row.get(2)?);
                found.push((record_in(row, 0)?, SystemIndex(row.get(1)?), until));
            }
            Ok(found)
        })
    }

    async fn oldest_behind(
        &self,
        entity: EntityIndex,
        now: Timestamp,
    ) -> Result<Vec<(SystemIndex, Timestamp)>, PortError> {
        self.read("ask since when rows wait", |connection| oldest_behind(connection, entity, now))
    }

    async fn conflicts(&self, settled_too: bool, limit: usize) -> Result<Vec<Conflict>, PortError> {
        self.open_seals("list conflicts", |seals| {
            let mut select = seals.connection.prepare_cached(if settled_too {
                concat!(conflict_columns!(), " order by number desc limit ?")
            } else {
                concat!(conflict_columns!(), " where settled is null order by number desc limit ?")
            })?;
            let mut rows = select.query(params![limit as i64])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(rows::conflict(seals, row)?);
            }
            Ok(found)
        })
    }

    async fn conflict_page(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>, PortError> {
        self.open_seals("list conflicts", |seals| pages::conflicts(seals, filter))
    }

    async fn count_conflicts(&self, filter: &ConflictFilter) -> Result<u64, PortError> {
        self.open_seals("count conflicts", |seals| pages::count_conflicts(seals, filter))
    }

    async fn conflict(&self, number: Number) -> Result<Option<Conflict>, PortError> {
        self.open_seals("read a conflict", |seals| {
            let mut select = seals
                .connection
                .prepare_cached(concat!(conflict_columns!(), " where number = ?"))?;
            let mut rows = select.query(params![number.cast_signed()])?;
            rows.next()?.map(|row| rows::conflict(seals, row)).transpose()
        })
    }

    async fn quarantine(&self, limit: usize) -> Result<Vec<Quarantined>, PortError> {
        self.open_seals("list the quarantine", |seals| {
            let mut select = seals
                .connection
                .prepare_cached(concat!(quarantine_columns!(), " order by number limit ?"))?;
            let mut rows = select.query(params![limit as i64])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(rows::quarantined(seals, row)?);
            }
            Ok(found)
        })
    }

    async fn quarantine_page(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<Quarantined>, PortError> {
        self.open_seals("list the quarantine", |seals| pages::quarantine(seals, filter))
    }

    async fn count_quarantine(&self, filter: &QuarantineFilter) -> Result<u64, PortError> {
        self.read("count the quarantine", |connection| pages::count_quarantine(connection, filter))
    }

    async fn excesses(&self, entity: EntityIndex) -> Result<Vec<Exceeded>, PortError> {
        self.read("list what users changed too much", |connection| {
            queues::excesses(connection, entity)
        })
    }

    async fn newest_quarantined(&self) -> Result<Number, PortError> {
        self.read("look at the quarantine", pages::newest_quarantined)
    }

    async fn count_set_aside(&self, run: RunId) -> Result<u64, PortError> {
        self.read("count what was set aside", |connection| {
            let mut count = connection.prepare_cached(
                "select (select count(*) from quarantine where run = ?1 and dropped is null)
                      + (select count(*) from conflict where settled is null and opened_run = ?1)",
            )?;
            let waits: i64 = count.query_row([run.0.cast_signed()], |row| row.get(0))?;
            Ok(waits.unsigned_abs())
        })
    }

    async fn quarantined(&self, number: Number) -> Result<Option<Quarantined>, PortError> {
        self.open_seals("read a quarantine entry", |seals| {
            let mut select = seals
                .connection
                .prepare_cached(concat!(quarantine_columns!(), " where number = ?"))?;
            let mut rows = select.query(params![number.cast_signed()])?;
            rows.next()?.map(|row| rows::quarantined(seals, row)).transpose()
        })
    }

    async fn drop_quarantined(
        &self,
        number: Number,
        reason: &str,
        who: &str,
    ) -> Result<(), PortError> {
        let (reason, who) = (reason.to_owned(), who.to_owned());
        self.change("drop a quarantine entry", move |connection| {
            connection.execute(
                "update quarantine set dropped = ?2, dropped_by = ?3, retry = 0 where number = ?1",
                params![number.cast_signed(), reason, who],
            )?;
            Ok(())
        })
        .await
    }

    async fn retry_quarantined(&self, number: Number) -> Result<(), PortError> {
        self.change("mark a quarantine entry to be tried again", move |connection| {
            connection.execute(
                "update quarantine set retry = 1, dropped = null, dropped_by = null
                 where number = ?",
                params![number.cast_signed()],
            )?;
            Ok(())
        })
        .await
    }

    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<Entry>, PortError> {
        self.open_seals("read the history", |seals| history::history(seals, filter))
    }

    async fn history_part(
        &self,
        filter: &HistoryFilter,
        looked_at: usize,
    ) -> Result<(Vec<Entry>, Option<Number>), PortError> {
        self.open_seals("read the history", |seals| history::part(seals, filter, looked_at))
    }

    async fn count_open(&self) -> Result<BTreeMap<EntityIndex, Waits>, PortError> {
        self.read("count what waits", pages::open)
    }

    async fn act(&self, action: &Action) -> Result<(), PortError> {
        let (action, what) = (action.clone(), "remember an action");
        self.write(what, move |connection| chain::act(connection, &action))
            .await?
            .map_err(|failure| failure.during(what))
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<Action>, PortError> {
        self.read("list actions", |connection| chain::actions(connection, filter))
    }

    async fn verify_chain(&self, kept: &Kept) -> Result<Chain, PortError> {
        self.open_seals("read the chain", |seals| chain::verify(seals, kept))
    }

    async fn rebuild(&self) -> Result<Rebuilt, PortError> {
        self.read("rebuild the records", |connection| moves::rebuild(&self.vault, connection))
    }

    async fn begin_run(
        &self,
        kind: &str,
        trigger: &str,
        entity: Option<EntityIndex>,
        at: Timestamp,
    ) -> Result<RunId, PortError> {
        let (kind, trigger) = (kind.to_owned(), trigger.to_owned());
        self.change("open a run", move |connection| {
            runs::begin(connection, &kind, &trigger, entity, at)
        })
        .await
    }

    async fn note_spans(&self, id: RunId, spans: &[Span]) -> Result<(), PortError> {
        let spans = spans.to_vec();
        self.change("note a run", move |connection| runs::note_spans(connection, id, &spans)).await
    }

    async fn end_run(
        &self,
        id: RunId,
        at: Timestamp,
        outcome: &str,
        message: &str,
        writes: &[(SystemIndex, u64, u64, u64)],
    ) -> Result<(), PortError> {
        let end = runs::End {
            at,
            outcome: outcome.to_owned(),
            message: message.to_owned(),
            writes: writes.to_vec(),
        };
        self.change("close a run", move |connection| runs::end(connection, id, &end)).await
    }

    async fn drop_run(&self, id: RunId) -> Result<(), PortError> {
        self.change("forget a run", move |connection| runs::drop(connection, id)).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<Run>, PortError> {
        self.read("list runs", |connection| runs::list(connection, limit))
    }

    async fn run_page(&self, filter: &RunFilter) -> Result<Vec<Run>, PortError> {
        self.read("list runs", |connection| pages::runs(connection, filter))
    }

    async fn count_runs(&self, filter: &RunFilter) -> Result<u64, PortError> {
        self.read("count runs", |connection| pages::count_runs(connection, filter))
    }

    async fn lately(&self, entity: EntityIndex, since: Timestamp) -> Result<Lately, PortError> {
        self.read("sum up runs", |connection| runs::lately(connection, entity, since))
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, PortError> {
        self.read("read a run", |connection| runs::one(connection, id))
    }

    async fn trip_guard(&self, guard: &Guard) -> Result<Number, PortError> {
        let guard = guard.clone();
        self.change("record a guard", move |connection| runs::trip_guard(connection, &guard)).await
    }

    async fn guards(&self, settled_too: bool) -> Result<Vec<Guard>, PortError> {
        self.read("list guards", |connection| runs::guards(connection, settled_too))
    }

    async fn settle_guard(&self, number: Number, state: &str, who: &str) -> Result<(), PortError> {
        let (state, who) = (state.to_owned(), who.to_owned());
        self.change("settle a guard", move |connection| {
            connection.execute(
                "update guard set state = ?2, who = ?3 where number = ?1 and state = 'open'",
                params![number.cast_signed(), state, who],
            )?;
            Ok(())
        })
        .await
    }

    async fn pause(&self, pause: &Pause) -> Result<(), PortError> {
        let pause = pause.clone();
        self.change("pause", move |connection| {
            connection.execute(
                "insert or replace into pause (name, writes_only, until, since)
                 values (?, ?, ?, ?)",
                params![
                    pause.name.as_str(),
                    pause.writes_only,
                    pause.until.map(|until| until.0),
                    pause.since.0
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn resume(&self, name: &str) -> Result<bool, PortError> {
        let name = name.to_owned();
        self.change("resume", move |connection| {
            Ok(connection.execute("delete from pause where name = ?", params![name])? > 0)
        })
        .await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, PortError> {
        self.read("list pauses", |connection| {
            let mut select = connection.prepare_cached(
                "select name, writes_only, until, since from pause order by name",
            )?;
            let rows = select.query_map([], |row| {
                Ok(Pause {
                    name: Text::new(row.get_ref(0)?.as_str()?),
                    writes_only: row.get(1)?,
                    until: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                    since: Timestamp(row.get(3)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    async fn approval(&self, entity: &str) -> Result<Option<Digest>, PortError> {
        self.read("read an approval", |connection| {
            let meaning = connection
                .prepare_cached("select meaning from approval where entity = ?")?
                .query_row(params![entity], |row| row.get::<_, [u8; 16]>(0))
                .optional()?;
            Ok(meaning.map(Digest))
        })
    }

    async fn approve(
        &self,
        entity: &str,
        meaning: Digest,
        who: &str,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let (entity, who) = (entity.to_owned(), who.to_owned());
        self.change("approve", move |connection| {
            connection.execute(
                "insert or replace into approval (entity, meaning, who, at) values (?, ?, ?, ?)",
                params![entity, meaning.0, who, at.0],
            )?;
            Ok(())
        })
        .await
    }

    async fn note(&self, name: &str) -> Result<Option<Text>, PortError> {
        self.read("read a note", |connection| {
            Ok(connection
                .prepare_cached("select value from note where name = ?")?
                .query_row(params![name], |row| Ok(Text::new(row.get_ref(0)?.as_str()?)))
                .optional()?)
        })
    }

    async fn set_note(&self, name: &str, value: &str) -> Result<(), PortError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.change("remember a note", move |connection| {
            connection.execute(
                // What is known already costs no commit.
                "insert into note (name, value) values (?, ?)
                 on conflict (name) do update set value = excluded.value
                 where value is not excluded.value",
                params![name, value],
            )?;
            Ok(())
        })
        .await
    }
}

impl SqliteHub {
    /// Changes one small thing, where commits are made.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        action: &str,
        work: impl FnOnce(&mut Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T, PortError> {
        self.write(action, work).await?.map_err(|failure| failure.during(action))
    }

    /// Reads everything once and says what is damaged: the file's own structure, then every group
    /// and every page of the audit. Takes as long as reading the file.
    ///
    /// # Errors
    /// `hub.damaged`, naming the first damage found.
    pub fn check(&self) -> Result<(), PortError> {
        self.open_seals("check the hub", |seals| {
            let connection = seals.connection;
            let verdict: String =
                connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
            if verdict != "ok" {
                return Err(Failure::Damaged(verdict));
            }
            let mut select = connection.prepare("select id, data from record")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                load::decode(seals, record_in(row, 0)?, row, 1)?;
            }
            history::check(seals)
        })
    }
}
