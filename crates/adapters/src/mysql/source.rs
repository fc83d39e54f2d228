//! Reads rows: by poll, by key, by parent; scans are in [`crate::mysql::scan`].
//!
//! Each statement of a poll sees the latest commits. The highest cursor value of a pass is read
//! before its first page, so that a row committed between the two is behind the bound, never
//! skipped (see [`crate::sql::poll`]).
//!
//! Long because it is one list of ways to read, each a few lines.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{MarkAnswer, MarkFate, Observed, Position, ReadResult, RowKey},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId},
    value::Value,
};
use syncline_ports::{
    clock::Clock,
    source::{
        Age, Batch, Heartbeat, KeyAnswer, KeyRead, Limit, ReadRequest, RefusedRow, Source, Then,
    },
};

use crate::{
    clock::SystemClock,
    mysql::{
        connect::{Purpose, Session},
        failure::Failure,
        literal::cell_text,
        overlap,
        scan::Scan,
        sql::{Bindings, Bound, row_bytes},
        types::{self, Wire},
    },
    settings::Settings,
    sql::{
        marks,
        poll::{Poll, Start},
    },
};

/// Keys in one statement, at most.
const KEYS_MAX: usize = 1_000;

/// Reads from a system; connects again when the connection was lost.
pub(super) struct MysqlSource {
    pub settings: Settings,
    pub bindings: Arc<Bindings>,
    pub has_marks: bool,
    pub session: Option<Session>,
    pub scan: Option<Scan>,
}

#[async_trait]
impl Source for MysqlSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        let binding = match request {
            ReadRequest::Poll { binding, .. }
            | ReadRequest::Scan { binding, .. }
            | ReadRequest::ScanFrom { binding, .. }
            | ReadRequest::Keys { binding, .. }
            | ReadRequest::Marks { binding, .. }
            | ReadRequest::Children { binding, .. } => *binding,
        };
        let bindings = self.bindings.clone();
        let bound = bindings.get(&binding).ok_or_else(|| {
            PortError::new(ErrorKind::Unexpected, "read", "the binding is not of this system")
        })?;
        let action = format!("read {:?} of \"{}\"", bound.shape.table, self.settings.name);
        let from = match request {
            ReadRequest::Poll { from, .. } => Poll::resume(from.as_ref())?,
            ReadRequest::Scan { .. }
            | ReadRequest::ScanFrom { .. }
            | ReadRequest::Keys { .. }
            | ReadRequest::Marks { .. }
            | ReadRequest::Children { .. } => Poll::default(),
        };
        let is_scan = matches!(request, ReadRequest::Scan { .. } | ReadRequest::ScanFrom { .. });
        let was_idle = self.session.is_some();
        let batch = match self.read_once(bound, request, from.clone(), limit).await {
            // It was closed while nobody used it: nothing has been read or written yet.
            Err(Failure::Lost(_)) if was_idle && !is_scan => {
                self.session = None;
                self.read_once(bound, request, from, limit).await
            }
            batch => batch,
        };
        batch.map_err(|failure| failure.error(action))
    }

    async fn ages(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, PortError> {
        let action = format!("look how far \"{}\" has come", self.settings.name);
        let was_idle = self.session.is_some();
        let wait = self.settings.connect_timeout;
        let counting = async {
            match self.counted(heartbeat).await {
                // It was closed while nobody used it; leaving the same heartbeat twice is leaving it once.
                Err(Failure::Lost(_)) if was_idle => {
                    self.session = None;
                    self.counted(heartbeat).await
                }
                ages => ages,
            }
        };
        // Little is asked, and who asks has others to look after: a line may freeze.
        let ages = tokio::time::timeout(wait, counting).await.unwrap_or_else(|_| {
            self.session = None;
            Err(Failure::Late(wait))
        });
        ages.map_err(|failure| failure.error(action))
    }
}

impl MysqlSource {
    /// The last transaction of each domain of the log, and this hub's heartbeat.
    async fn counted(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, Failure> {
        let has_marks = self.has_marks;
        let session = self.session().await?;
        let mut ages = Vec::new();
        for cells in session.rows("show global variables like 'gtid_current_pos'").await? {
            let place = cells.into_iter().nth(1).and_then(cell_text).unwrap_or_default();
            ages.extend(place.split(',').filter_map(|gtid| {
                let mut parts = gtid.trim().split('-');
                let (domain, _, number) = (parts.next()?, parts.next()?, parts.next()?);
                let count = number.parse().ok()?;
                Some(Age { of: format!("log of domain {domain}").into(), count })
            }));
        }
        if has_marks {
            let (table, id) = (marks::TABLE, marks::heartbeat_id(&heartbeat.installation));
            let look = format!(
                "select row_key from {table} where intent_id = '{id}' and state = '{}'",
                marks::BEAT
            );
            let found = session.rows(&look).await?.into_iter().flatten().find_map(cell_text);
            let mut age = marks::beaten(found.as_deref());
            if let Some(leave) = heartbeat.leaves(age.count) {
                let (state, at, found) = (marks::BEAT, marks::FOREVER, age.count);
                let sql = format!(
                    "insert into {table} (intent_id, state, at, row_key) \
                     values ('{id}', '{state}', {at}, '{leave}') on duplicate key update \
                     row_key = if(coalesce(row_key, '0') + 0 = {found}, '{leave}', row_key)"
                );
                session.run(&sql).await?;
                let found = session.rows(&look).await?.into_iter().flatten().find_map(cell_text);
                age = marks::beaten(found.as_deref());
            }
            ages.push(age);
        }
        Ok(ages)
    }

    async fn read_once(
        &mut self,
        bound: &Bound,
        request: &ReadRequest,
        from: Poll,
        limit: Limit,
    ) -> Result<Batch, Failure> {
        match request {
            ReadRequest::Scan { after, .. } => {
                self.scan(bound.shape.binding, after.as_ref(), limit).await
            }
            ReadRequest::ScanFrom { from, .. } => {
                self.begin(bound.shape.binding, Some(from), limit).await?;
                self.page().await
            }
            ReadRequest::Poll { .. } => self.poll(bound, from, limit).await,
            ReadRequest::Keys { keys, .. } => {
                let answers = self.keys(bound, keys).await?;
                Ok(Batch { answers, then: Then::Idle, ..Batch::default() })
            }
            ReadRequest::Marks { intents, .. } => {
                let marks = self.marks(intents).await?;
                Ok(Batch { marks, then: Then::Idle, ..Batch::default() })
            }
            ReadRequest::Children { parents, .. } => self.children(bound, parents).await,
        }
    }

    async fn session(&mut self) -> Result<&mut Session, Failure> {
        if !self.session.as_ref().is_some_and(Session::is_usable) {
            self.session = Some(Session::open(&self.settings, Purpose::Read).await?);
        }
        self.session.as_mut().ok_or_else(|| Failure::Lost("no connection".to_owned()))
    }

    async fn scan(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, Failure> {
        let goes_on = self.scan.as_ref().is_some_and(|scan| scan.goes_on(binding, after));
        match after {
            None => self.begin(binding, None, limit).await?,
            Some(_) if goes_on => {}
            Some(_) => {
                let reason = Text::new("its snapshot is gone");
                return Ok(Batch { then: Then::ScanIncomplete { reason }, ..Batch::default() });
            }
        }
        self.page().await
    }

    async fn begin(
        &mut self,
        binding: BindingIndex,
        from: Option<&Position>,
        limit: Limit,
    ) -> Result<(), Failure> {
        self.scan = None;
        let scan = Scan::begin(&self.settings, self.bindings.clone(), binding, from, limit);
        self.scan = Some(scan.await?);
        Ok(())
    }

    /// The next page of the scan under way.
    async fn page(&mut self) -> Result<Batch, Failure> {
        let Some(scan) = &mut self.scan else {
            return Err(Failure::Lost("the scan was given up".to_owned()));
        };
        let batch = scan.next().await;
        let is_over = match &batch {
            Ok(batch) => match batch.then {
                Then::More | Then::Idle => false,
                Then::ScanComplete { .. } | Then::ScanIncomplete { .. } => true,
            },
            Err(_) => true,
        };
        if is_over {
            self.scan = None;
        }
        batch
    }

    async fn poll(
        &mut self,
        bound: &Bound,
        mut poll: Poll,
        limit: Limit,
    ) -> Result<Batch, Failure> {
        let Some(cursor) = bound.shape.cursor else {
            return Ok(Batch { then: Then::Idle, ..Batch::default() });
        };
        let session = self.session().await?;
        if poll.is_between_passes() {
            let max = top(session, bound).await?;
            let now = now(session, bound).await?;
            let horizon = overlap::look(session, bound, &mut poll, max.as_ref(), now.as_ref());
            let horizon = horizon.await?;
            poll.begin(max.as_ref(), now.as_ref(), horizon);
        }
        let page = Page::read(session, bound, page_sql(bound, cursor, &poll, limit), limit).await?;
        let mut batch = Batch::default();
        for row in page.rows {
            match row {
                Shown::Row(values, observed) => {
                    let at = values.get(cursor).cloned().unwrap_or_default();
                    let digest = syncline_core::value::Digest::of(&said(&observed));
                    if poll.shows(&at, &observed.key, digest) {
                        batch.rows.push(observed);
                    }
                }
                Shown::Refused(Some(at), refused) => {
                    let digest = syncline_core::value::Digest::of(refused.reason.as_bytes());
                    if poll.shows(&at, &refused.key, digest) {
                        batch.refused.push(refused);
                    }
                }
                Shown::Refused(None, refused) => batch.refused.push(refused),
            }
        }
        batch.then = if page.is_last {
            poll.finish();
            Then::Idle
        } else {
            Then::More
        };
        batch.upto = Some(poll.position());
        Ok(batch)
    }

    async fn keys(&mut self, bound: &Bound, keys: &[KeyRead]) -> Result<Vec<KeyAnswer>, Failure> {
        let has_marks = self.has_marks;
        let session = self.session().await?;
        let mut answers = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_MAX) {
            let asked: Vec<IntentId> =
                keys.iter().flat_map(|read| read.in_doubt.iter().copied()).collect();
            let voids = has_marks && !asked.is_empty();
            if !voids {
                let found = by_key(session, bound, keys).await?;
                answers.extend(answer(keys, &found, &BTreeMap::new()));
                continue;
            }
            session.run("start transaction").await?;
            let read = async {
                // First the marks: this waits for a writer that is still at work.
                let fates = void(session, &asked).await?;
                let fates = fates.into_iter().map(|mark| (mark.intent, mark.fate)).collect();
                let found = by_key(session, bound, keys).await?;
                session.run("commit").await?;
                Ok((fates, found))
            };
            match read.await {
                Ok((fates, found)) => answers.extend(answer(keys, &found, &fates)),
                Err(failure) => {
                    let _ = session.run("rollback").await;
                    return Err(failure);
                }
            }
        }
        Ok(answers)
    }

    /// What became of inserts whose rows nobody can name. Each statement is a transaction of its
    /// own: the first settles the fates, and waits for a writer that is still at work.
    async fn marks(&mut self, intents: &[IntentId]) -> Result<Vec<MarkAnswer>, Failure> {
        let has_marks = self.has_marks;
        let session = self.session().await?;
        let mut answers = Vec::with_capacity(intents.len());
        for intents in intents.chunks(KEYS_MAX).filter(|_| has_marks) {
            answers.extend(void(session, intents).await?);
        }
        Ok(answers)
    }

    async fn children(&mut self, bound: &Bound, parents: &[RowKey]) -> Result<Batch, Failure> {
        let session = self.session().await?;
        let mut batch = Batch { then: Then::Idle, ..Batch::default() };
        for parents in parents.chunks(KEYS_MAX) {
            let mut sql = bound.select();
            sql.extend_from_slice(b" where ");
            bound.are_in(&bound.shape.parent, parents.iter(), &mut sql);
            sql.extend_from_slice(b" order by ");
            bound.names(&bound.shape.key, &mut sql);
            for cells in session.rows(&sql).await? {
                match bound.observe(cells) {
                    Ok(observed) => batch.rows.push(observed),
                    Err(refused) => batch.refused.push(refused),
                }
            }
        }
        Ok(batch)
    }
}

/// What a row says, for telling whether it was shown already.
fn said(observed: &Observed) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    match &observed.row {
        Some(row) => row.encode(&mut out),
        None => out.push(0xff),
    }
    if let Some(parent) = &observed.parent {
        out.extend_from_slice(&parent.0);
    }
    out
}

/// Takes the ids of intents in doubt, so that they can never be applied from now on, and tells
/// which had been.
async fn void(session: &mut Session, intents: &[IntentId]) -> Result<Vec<MarkAnswer>, Failure> {
    let now = SystemClock.now().ms();
    let (mut insert, mut select) = (
        format!("insert ignore into {} (intent_id, state, at) values ", marks::TABLE),
        format!("select intent_id, state, row_key from {} where intent_id in (", marks::TABLE),
    );
    for (at, intent) in intents.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let id = marks::id(*intent);
        insert.push_str(&format!("{comma}('{id}','{}',{now})", marks::VOID));
        select.push_str(&format!("{comma}'{id}'"));
    }
    select.push(')');
    session.run(&insert).await?;
    // What is there now is ours, or was there before: the state tells, not a count.
    let mut states = BTreeMap::new();
    for row in session.rows(&select).await? {
        let mut cells = row.into_iter().map(cell_text);
        if let (Some(Some(id)), Some(Some(state))) = (cells.next(), cells.next()) {
            states.insert(id, (state, cells.next().flatten()));
        }
    }
    Ok(intents
        .iter()
        .map(|intent| {
            let found = states.get(&marks::id(*intent));
            let found = found.map(|(state, key)| (state.as_str(), key.as_deref()));
            marks::answer(*intent, found)
        })
        .collect())
}

type Found = BTreeMap<RowKey, Result<Observed, RefusedRow>>;

async fn by_key(session: &mut Session, bound: &Bound, keys: &[KeyRead]) -> Result<Found, Failure> {
    let mut sql = bound.select();
    sql.extend_from_slice(b" where ");
    bound.are_in(&bound.shape.key, keys.iter().map(|read| &read.key), &mut sql);
    let mut found = Found::new();
    for cells in session.rows(&sql).await? {
        let row = bound.observe(cells);
        let key = match &row {
            Ok(observed) => observed.key.clone(),
            Err(refused) => refused.key.clone(),
        };
        found.insert(key, row);
    }
    Ok(found)
}

fn answer(keys: &[KeyRead], found: &Found, fates: &BTreeMap<IntentId, MarkFate>) -> Vec<KeyAnswer> {
    keys.iter()
        .map(|read| KeyAnswer {
            key: read.key.clone(),
            operation: read.operation,
            result: match found.get(&read.key) {
                None => ReadResult::Absent,
                Some(Ok(observed)) if observed.row.is_none() => ReadResult::Absent,
                Some(Ok(observed)) => ReadResult::Found(Box::new(observed.clone())),
                Some(Err(refused)) => {
                    ReadResult::Failed(Text::new(format!("{}: {}", refused.code, refused.reason)))
                }
            },
            marks: read
                .in_doubt
                .iter()
                .filter_map(|intent| Some((*intent, *fates.get(intent)?)))
                .collect(),
        })
        .collect()
}

/// A row of a page, with its cursor value if it has one.
enum Shown {
    Row(Vec<Value>, Observed),
    Refused(Option<Value>, RefusedRow),
}

struct Page {
    rows: Vec<Shown>,
    is_last: bool,
}

impl Page {
    /// Reads a page. What comes after `limit.bytes` is read and forgotten: the next page shows it.
    async fn read(
        session: &mut Session,
        bound: &Bound,
        sql: Vec<u8>,
        limit: Limit,
    ) -> Result<Self, Failure> {
        let (mut rows, mut bytes, mut is_full) = (Vec::new(), 0, false);
        let asked = page_rows(bound, limit);
        let mut seen = 0;
        session
            .each(&sql, |row| {
                seen += 1;
                if is_full {
                    return;
                }
                let cells = row.unwrap_raw();
                bytes += row_bytes(&cells);
                is_full = bytes >= limit.bytes;
                let cursor = bound.shape.cursor.and_then(|at| {
                    types::decode(*bound.wires.get(at)?, cells.get(at)?.clone()).ok()
                });
                rows.push(match bound.values(cells) {
                    Ok(values) => match bound.shape.observe(&values) {
                        Ok(observed) => Shown::Row(values, observed),
                        Err(refused) => Shown::Refused(cursor, refused),
                    },
                    Err(refused) => Shown::Refused(cursor, refused),
                });
            })
            .await?;
        let is_last = seen < asked && rows.len() == seen;
        Ok(Self { rows, is_last })
    }
}

/// Rows in a page of a poll: few where each may be large, because they cannot be left unread.
fn page_rows(bound: &Bound, limit: Limit) -> usize {
    if bound.is_wide { limit.rows.clamp(1, 256) } else { limit.rows.max(1) }
}

fn page_sql(bound: &Bound, cursor: usize, poll: &Poll, limit: Limit) -> Vec<u8> {
    let mut sql = bound.select();
    sql.extend_from_slice(b" where ");
    let mut order = vec![cursor];
    order.extend(bound.shape.key.iter().copied().filter(|column| *column != cursor));
    match poll.start() {
        Start::Beginning => {
            bound.name(cursor, &mut sql);
            sql.extend_from_slice(b" is not null");
        }
        Start::At(low) => {
            bound.name(cursor, &mut sql);
            sql.extend_from_slice(b" >= ");
            bound.operand(cursor, low, &mut sql);
        }
        Start::Beyond(top) => {
            bound.name(cursor, &mut sql);
            sql.extend_from_slice(b" > ");
            bound.operand(cursor, top, &mut sql);
        }
        Start::After(at, key) => {
            let mut values = vec![at.clone()];
            for (column, value) in bound.shape.key.iter().zip(key.values()) {
                if *column != cursor {
                    values.push(value);
                }
            }
            bound.is_after(&order, &values, &mut sql);
        }
    }
    sql.extend_from_slice(b" order by ");
    bound.names(&order, &mut sql);
    sql.extend_from_slice(format!(" limit {}", page_rows(bound, limit)).as_bytes());
    sql
}

/// The highest cursor value.
pub(super) async fn top(session: &mut Session, bound: &Bound) -> Result<Option<Value>, Failure> {
    let Some((cursor, wire)) = cursor_of(bound) else { return Ok(None) };
    let mut sql = b"select ".to_vec();
    types::select(wire, bound.shape.column_name(cursor), &mut sql);
    sql.extend_from_slice(format!(" from {} where ", bound.table).as_bytes());
    bound.name(cursor, &mut sql);
    sql.extend_from_slice(b" is not null order by ");
    bound.name(cursor, &mut sql);
    sql.extend_from_slice(b" desc limit 1");
    let cell = session.rows(&sql).await?.into_iter().flatten().next().flatten();
    Ok(types::decode(wire, cell).ok().filter(|value| !value.is_null()))
}

/// The system's time, as the cursor column would hold it; `None` if it holds no times.
///
/// What a `DATETIME` column holds is up to the programs that write it: the server's own zone or
/// UTC, whichever is later now. Later is on the safe side here: it only bounds rows from the future.
pub(super) async fn now(session: &mut Session, bound: &Bound) -> Result<Option<Value>, Failure> {
    let Some((_, wire)) = cursor_of(bound) else { return Ok(None) };
    match wire {
        Wire::Timestamp => {
            let cell = session.rows("select sysdate(6)").await?.into_iter().flatten().next();
            Ok(types::decode(wire, cell.flatten()).ok())
        }
        Wire::DateTime | Wire::Date => {
            session.run("set session time_zone = @@global.time_zone").await?;
            let theirs = session.rows("select cast(sysdate(6) as char)").await;
            session.run("set session time_zone = '+00:00'").await?;
            let mut sql = b"select greatest(sysdate(6), cast(".to_vec();
            let theirs = theirs?.into_iter().flatten().next().and_then(cell_text);
            crate::mysql::literal::text(&theirs.unwrap_or_default(), &mut sql);
            sql.extend_from_slice(b" as datetime(6)))");
            let cell = session.rows(&sql).await?.into_iter().flatten().next().flatten();
            let now = types::decode(Wire::DateTime, cell).ok();
            Ok(match (wire, now) {
                (Wire::Date, Some(Value::LocalDateTime(days, _))) => Some(Value::Date(days)),
                (_, now) => now,
            })
        }
        Wire::Int
        | Wire::Bit
        | Wire::Decimal
        | Wire::Float
        | Wire::Double
        | Wire::Text
        | Wire::Enum
        | Wire::Set
        | Wire::Bytes
        | Wire::Uuid
        | Wire::Time
        | Wire::Json => Ok(None),
    }
}

fn cursor_of(bound: &Bound) -> Option<(usize, Wire)> {
    let cursor = bound.shape.cursor?;
    Some((cursor, *bound.wires.get(cursor)?))
}
