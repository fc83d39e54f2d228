//! Reads an SQLite file: by cursor, by key, children of parents. Whole scans are in `scan`.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params, types::ValueRef};
use syncline_core::{
    Text,
    change::{MarkAnswer, Position, ReadResult, RowKey},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId},
    value::{Digest, Value},
};
use syncline_ports::{
    clock::Clock,
    source::{Age, Batch, Heartbeat, KeyAnswer, KeyRead, Limit, ReadRequest, Source, Then},
};

use crate::{
    clock::SystemClock,
    settings::Settings,
    sql::{
        marks,
        poll::{Poll, Start},
    },
    sqlite::{
        bound::{Bindings, Bound, Found, Seen},
        connection::{Worker, port_error, quoted},
        scan::Scan,
        types::{raw, unraw},
    },
};

/// Reads an SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteSource {
    settings: Arc<Settings>,
    bindings: Arc<Bindings>,
    worker: Worker,
    scan: Option<Scan>,
    scans_begun: u64,
}

impl SqliteSource {
    pub(crate) fn new(settings: Arc<Settings>, bindings: Arc<Bindings>) -> Self {
        let worker = Worker::new(Arc::clone(&settings));
        Self { settings, bindings, worker, scan: None, scans_begun: 0 }
    }

    fn begin(&mut self, binding: BindingIndex, from: Option<&Position>, limit: Limit) {
        self.scans_begun += 1;
        let (settings, bindings) = (Arc::clone(&self.settings), Arc::clone(&self.bindings));
        self.scan = Some(Scan::begin(settings, bindings, binding, self.scans_begun, from, limit));
    }

    async fn scan(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        if after.is_none() {
            self.begin(binding, None, limit);
        }
        self.next(binding, after).await
    }

    async fn next(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
    ) -> Result<Batch, PortError> {
        let batch = match &mut self.scan {
            Some(scan) if scan.is_at(binding, after) => scan.next().await,
            Some(_) | None => Ok(Batch {
                then: Then::ScanIncomplete { reason: "the scan was given up meanwhile".into() },
                ..Batch::default()
            }),
        };
        let goes_on = batch.as_ref().is_ok_and(|batch| batch.then == Then::More);
        if !goes_on {
            self.scan = None;
        }
        batch
    }
}

/// Leaves a heartbeat, and reads what is there.
fn beaten(connection: &Connection, heartbeat: &Heartbeat) -> rusqlite::Result<Age> {
    let id = marks::heartbeat_id(&heartbeat.installation);
    let look = || -> rusqlite::Result<Option<String>> {
        let found: Option<Option<String>> = connection
            .prepare_cached(
                "select row_key from syncline_applied where intent_id = ?1 and state = ?2",
            )?
            .query_row(params![id, marks::BEAT], |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    };
    let found = look()?;
    let Some(leave) = heartbeat.leaves(marks::beaten(found.as_deref()).count) else {
        return Ok(marks::beaten(found.as_deref()));
    };
    connection
        .prepare_cached(
            "insert into syncline_applied (intent_id, state, at, row_key) values (?1, ?2, ?3, ?4) \
             on conflict (intent_id) do update set row_key = excluded.row_key where row_key is ?5",
        )?
        .execute(params![id, marks::BEAT, marks::FOREVER, leave.to_string(), found])?;
    Ok(marks::beaten(look()?.as_deref()))
}

#[async_trait]
impl Source for SqliteSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        let bindings = Arc::clone(&self.bindings);
        let read = match request {
            ReadRequest::Scan { binding, after } => {
                self.scan(*binding, after.as_ref(), limit).await
            }
            ReadRequest::ScanFrom { binding, from } => {
                self.begin(*binding, Some(from), limit);
                self.next(*binding, None).await
            }
            ReadRequest::Poll { binding, from } => {
                let (binding, from) = (*binding, from.clone());
                let work = move |connection: &mut Connection| {
                    let bound = bindings.get(connection, binding)?;
                    poll(connection, &bound, from.as_ref(), limit)
                };
                self.worker.run(work).await
            }
            ReadRequest::Keys { binding, keys } => {
                let (binding, keys) = (*binding, keys.clone());
                let work = move |connection: &mut Connection| {
                    let bound = bindings.get(connection, binding)?;
                    by_key(connection, &bound, &keys, bindings.has_marks)
                        .map_err(|error| failed(&bound, &error))
                };
                self.worker.run(work).await
            }
            ReadRequest::Marks { intents, .. } if bindings.has_marks => {
                let intents = intents.clone();
                let work = move |connection: &mut Connection| {
                    made(connection, &intents).map_err(|error| port_error("read marks", &error))
                };
                self.worker.run(work).await
            }
            ReadRequest::Marks { .. } => Ok(Batch { then: Then::Idle, ..Batch::default() }),
            ReadRequest::Children { binding, parents } => {
                let (binding, parents) = (*binding, parents.clone());
                let work = move |connection: &mut Connection| {
                    let bound = bindings.get(connection, binding)?;
                    children(connection, &bound, &parents).map_err(|error| failed(&bound, &error))
                };
                self.worker.run(work).await
            }
        };
        if read.as_ref().is_err_and(|error| error.kind == ErrorKind::SchemaDrift) {
            self.bindings.forget();
        }
        read
    }

    async fn ages(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, PortError> {
        if !self.bindings.has_marks {
            return Ok(Vec::new());
        }
        let heartbeat = heartbeat.clone();
        // A file that was put in the place of another is not the one that a connection still holds.
        let mut worker = Worker::new(Arc::clone(&self.settings));
        let work = move |connection: &mut Connection| {
            let age = beaten(connection, &heartbeat);
            age.map(|age| vec![age])
                .map_err(|error| port_error("leave a heartbeat in the table of marks", &error))
        };
        worker.run(work).await
    }
}

pub(crate) fn failed(bound: &Bound, error: &rusqlite::Error) -> PortError {
    port_error(&format!("read table {}", bound.table), error)
}

/// Puts a row where it belongs.
pub(crate) fn take(batch: &mut Batch, seen: Seen) {
    match seen.observed {
        Ok(row) => batch.rows.push(row),
        Err(refused) => batch.refused.push(refused),
    }
}

fn poll(
    connection: &mut Connection,
    bound: &Bound,
    from: Option<&Position>,
    limit: Limit,
) -> Result<Batch, PortError> {
    let mut poll = Poll::resume(from)?;
    let Some(cursor) = bound.shape.cursor else {
        let detail = "the binding has no cursor column";
        return Err(PortError::new(ErrorKind::Unsupported, "poll", detail));
    };
    poll_page(connection, bound, cursor, &mut poll, limit)
        .map(|mut batch| {
            let upto = poll.position();
            // Nothing new, and nowhere else to go on: nothing to store.
            let says_nothing = batch.rows.is_empty() && batch.refused.is_empty();
            batch.upto = (!says_nothing || from != Some(&upto)).then_some(upto);
            batch
        })
        .map_err(|error| failed(bound, &error))
}

fn poll_page(
    connection: &Connection,
    bound: &Bound,
    cursor: usize,
    poll: &mut Poll,
    limit: Limit,
) -> rusqlite::Result<Batch> {
    let name = quoted(bound.shape.column_name(cursor));
    if poll.is_between_passes() {
        let (max, now) = highest(connection, bound)?;
        poll.begin(Some(&max), now.as_ref(), None);
    }
    let keys: Vec<String> = bound.shape.key.iter().map(|key| exact(bound, *key)).collect();
    let (condition, bind) = match poll.start() {
        Start::Beginning => (String::new(), Vec::new()),
        Start::At(low) => (format!(" where {name} >= ?1"), vec![unraw(low)]),
        Start::Beyond(top) => (format!(" where {name} > ?1"), vec![unraw(top)]),
        Start::After(at, key) => {
            let mut bind = vec![unraw(at)];
            bind.extend(bound.key_values(key));
            let beyond = after_key(&keys, 2);
            if at.is_null() {
                // The first value is bound and not used: NULL compares with nothing.
                let here = format!("{name} is not null or (?1 is null and {beyond})");
                (format!(" where ({here})"), bind)
            } else {
                (format!(" where {name} >= ?1 and ({name} > ?1 or {beyond})"), bind)
            }
        }
    };
    let sql = format!(
        "{}{condition} order by {name}, {} limit {}",
        bound.select,
        keys.join(", "),
        limit.rows
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(bind))?;
    let (mut batch, mut bytes, mut count) = (Batch::default(), 0, 0);
    let mut is_cut = false;
    while let Some(row) = rows.next()? {
        let seen = bound.read(row)?;
        count += 1;
        bytes += seen.bytes;
        let shows = match &seen.observed {
            Ok(row) => {
                let digest = row.row.as_ref().map(syncline_core::change::Row::digest);
                poll.shows(&seen.cursor, &row.key, digest.unwrap_or_default())
            }
            Err(refused) => {
                poll.shows(&seen.cursor, &refused.key, Digest::of(refused.reason.as_bytes()))
            }
        };
        if shows {
            take(&mut batch, seen);
        }
        if bytes >= limit.bytes {
            is_cut = true;
            break;
        }
    }
    if count < limit.rows && !is_cut {
        poll.finish();
        batch.then = Then::Idle;
    }
    Ok(batch)
}

/// The highest cursor value, and the present time as the cursor column would hold it.
pub(crate) fn highest(
    connection: &Connection,
    bound: &Bound,
) -> rusqlite::Result<(Value, Option<Value>)> {
    let Some(cursor) = bound.shape.cursor else { return Ok((Value::Null, None)) };
    let name = quoted(bound.shape.column_name(cursor));
    let sql = format!("select max({name}) from {}", bound.table);
    let max = connection.prepare_cached(&sql)?.query_row([], |row| row.get_ref(0).map(raw))?;
    // Numbers may count anything: only texts are surely times.
    let is_time = matches!(max, Value::Text(_));
    let now = bound.codec(cursor).filter(|_| is_time).map(|codec| codec.now(SystemClock.now()));
    let now = now.map(|now| raw(ValueRef::from(&now)));
    Ok((max, now))
}

/// A key column, compared exactly.
fn exact(bound: &Bound, column: usize) -> String {
    let name = quoted(bound.shape.column_name(column));
    if bound.shape.columns.get(column).is_some_and(|column| column.folds) {
        format!("{name} collate binary")
    } else {
        name
    }
}

/// `(k1 > ?2 or (k1 = ?2 and (k2 > ?3)))`: after this key, in the order of its columns.
fn after_key(keys: &[String], place: usize) -> String {
    let Some((first, rest)) = keys.split_first() else { return "false".to_owned() };
    if rest.is_empty() {
        return format!("{first} > ?{place}");
    }
    format!("({first} > ?{place} or ({first} = ?{place} and {}))", after_key(rest, place + 1))
}

fn by_key(
    connection: &mut Connection,
    bound: &Bound,
    keys: &[KeyRead],
    has_marks: bool,
) -> rusqlite::Result<Batch> {
    let asks = has_marks && keys.iter().any(|key| !key.in_doubt.is_empty());
    // Voiding and reading are one transaction: what is not void now was written before we read.
    let behavior =
        if asks { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
    let transaction = connection.transaction_with_behavior(behavior)?;
    let mut batch = Batch { then: Then::Idle, ..Batch::default() };
    for read in keys {
        let mut fates = Vec::new();
        if has_marks {
            for intent in &read.in_doubt {
                fates.push((*intent, void(&transaction, *intent)?.fate));
            }
        }
        let result = match bound.find(&transaction, &read.key)? {
            Found::None => ReadResult::Absent,
            Found::Many => ReadResult::Failed("the key is not unique".into()),
            Found::One(seen) => match seen.observed {
                Ok(observed) if observed.row.is_none() => ReadResult::Absent,
                Ok(observed) => ReadResult::Found(Box::new(observed)),
                Err(refused) => {
                    ReadResult::Failed(Text::new(format!("{}: {}", refused.code, refused.reason)))
                }
            },
        };
        let (key, operation) = (read.key.clone(), read.operation);
        batch.answers.push(KeyAnswer { key, operation, result, marks: fates });
    }
    transaction.commit()?;
    Ok(batch)
}

/// What became of inserts whose rows nobody can name.
fn made(connection: &mut Connection, intents: &[IntentId]) -> rusqlite::Result<Batch> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let marks: rusqlite::Result<_> =
        intents.iter().map(|intent| void(&transaction, *intent)).collect();
    let batch = Batch { marks: marks?, then: Then::Idle, ..Batch::default() };
    transaction.commit()?;
    Ok(batch)
}

/// Makes sure that the intent can no longer be applied, or learns that it was.
fn void(connection: &Connection, intent: IntentId) -> rusqlite::Result<MarkAnswer> {
    let id = marks::id(intent);
    let inserted = connection
        .prepare_cached(
            "insert into syncline_applied (intent_id, state, at) values (?1, ?2, ?3) \
             on conflict do nothing",
        )?
        .execute(params![id, marks::VOID, SystemClock.now().ms()])?;
    if inserted == 1 {
        return Ok(marks::answer(intent, None));
    }
    let found: Option<(String, Option<String>)> = connection
        .prepare_cached("select state, row_key from syncline_applied where intent_id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let found = found.as_ref().map(|(state, key)| (state.as_str(), key.as_deref()));
    Ok(marks::answer(intent, found))
}

fn children(
    connection: &mut Connection,
    bound: &Bound,
    parents: &[RowKey],
) -> rusqlite::Result<Batch> {
    let mut batch = Batch { then: Then::Idle, ..Batch::default() };
    if bound.shape.parent.is_empty() {
        return Ok(batch);
    }
    let conditions: Vec<String> = bound
        .shape
        .parent
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{} = ?{}", quoted(bound.shape.column_name(*column)), at + 1))
        .collect();
    let sql = format!("{} where {}", bound.select, conditions.join(" and "));
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(&sql)?;
        for parent in parents {
            let bind = bound.stored(&bound.shape.parent, parent);
            let mut rows = statement.query(rusqlite::params_from_iter(bind))?;
            while let Some(row) = rows.next()? {
                let seen = bound.read(row)?;
                // The column's collation may find children of a parent that is spelt alike.
                let is_own =
                    seen.observed.as_ref().map_or(true, |row| row.parent.as_ref() == Some(parent));
                if is_own {
                    take(&mut batch, seen);
                }
            }
        }
    }
    transaction.commit()?;
    Ok(batch)
}
