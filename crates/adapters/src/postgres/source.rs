//! Reads: polls by a cursor column, rows by key with the fates of intents, children of parents.
//! Whole scans are in `scan`.
//!
//! A poll reads what is committed, and what is committed late is met by the overlap of
//! [`Poll`]. Where we may see it, the beginning of the oldest transaction
//! that still writes bounds the next pass, so that even one that takes an hour is not skipped. And
//! a row tells by which transaction it was written: of the overlap only those rows are read that
//! were written by one which was not over when the pass before began.
//!
//! Long because it is one list of ways to read, each a few lines.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, pin_mut};
use syncline_core::{
    Text,
    change::{MarkAnswer, Position, ReadResult, RowKey},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId, Timestamp},
    value::{Digest, Value},
};
use syncline_ports::source::{
    Age, Batch, Heartbeat, KeyAnswer, KeyRead, Limit, ReadRequest, RefusedRow, Source, Then,
};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use crate::{
    postgres::{
        bound::Bound,
        connect::{Purpose, Session, answered, borrowed},
        failure::port_error,
        scan::Scan,
        sql,
        value::Codec,
        wire::{Parameter, Raw},
    },
    settings::Settings,
    sql::{
        marks,
        poll::{Poll, Start},
    },
};

/// Reads from a PostgreSQL database.
pub(crate) struct PostgresSource {
    settings: Settings,
    bound: Vec<Arc<Bound>>,
    has_marks: bool,
    session: Option<Session>,
    scan: Option<Scan>,
}

impl PostgresSource {
    pub(crate) fn new(
        settings: &Settings,
        bound: Vec<Arc<Bound>>,
        has_marks: bool,
        session: Session,
    ) -> Self {
        Self { settings: settings.clone(), bound, has_marks, session: Some(session), scan: None }
    }

    fn bound(&self, binding: BindingIndex) -> Result<Arc<Bound>, PortError> {
        let found = self.bound.iter().find(|bound| bound.shape.binding == binding);
        found.cloned().ok_or_else(|| {
            PortError::new(ErrorKind::Unexpected, "read a binding", "it is not of this system")
        })
    }

    /// The session to work with; it is put back only where nothing is open in it.
    async fn take_session(&mut self) -> Result<Session, PortError> {
        match self.session.take().filter(Session::is_open) {
            Some(session) => Ok(session),
            None => Session::open(&self.settings, Purpose::Work).await,
        }
    }

    async fn begin(
        &mut self,
        binding: BindingIndex,
        from: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        let bound = self.bound(binding)?;
        let scan = self.scan.insert(Scan::begin(&self.settings, bound, from, limit));
        scan.next().await.inspect_err(|_| self.scan = None)
    }

    async fn scan(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        let Some(after) = after else { return self.begin(binding, None, limit).await };
        match &mut self.scan {
            Some(scan) if scan.goes_on_after(binding, after) => {
                scan.next().await.inspect_err(|_| self.scan = None)
            }
            Some(_) | None => Ok(Batch {
                then: Then::ScanIncomplete { reason: Text::new("its snapshot is gone") },
                ..Batch::default()
            }),
        }
    }
}

impl PostgresSource {
    /// The end of the log as it is on the disk, and this hub's heartbeat.
    async fn counted(
        &self,
        session: &Session,
        heartbeat: &Heartbeat,
    ) -> Result<Vec<Age>, PortError> {
        // Who may not see the state of the server has the heartbeat alone; a copy that only follows counts
        // nothing, since it goes back when it starts anew.
        let mut ages: Vec<Age> = match session.client.query_typed(sql::LOG_END, &[]).await {
            Ok(rows) => rows
                .iter()
                .map(|row| Age {
                    of: row.get::<_, &str>(0).into(),
                    count: row.get::<_, i64>(1).unsigned_abs(),
                })
                .collect(),
            Err(error) if error.as_db_error().is_some() => Vec::new(),
            Err(error) => return Err(port_error("look at the end of the log", &error)),
        };
        if self.has_marks {
            let failed = |error| port_error("leave a heartbeat in the table of marks", &error);
            let id = marks::heartbeat_id(&heartbeat.installation);
            let look = async || {
                let rows = session.client.query_typed(sql::HEARTBEAT, &[(&id, Type::BPCHAR)]).await;
                let rows = rows.map_err(failed)?;
                Ok::<Option<String>, PortError>(rows.first().and_then(|row| row.get(0)))
            };
            let mut found = look().await?;
            if let Some(leave) = heartbeat.leaves(marks::beaten(found.as_deref()).count) {
                let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
                    (&id, Type::BPCHAR),
                    (&marks::BEAT, Type::TEXT),
                    (&marks::FOREVER, Type::INT8),
                    (&leave.to_string(), Type::TEXT),
                    (&found, Type::TEXT),
                ];
                session.client.execute_typed(sql::BEAT, &parameters).await.map_err(failed)?;
                found = look().await?;
            }
            ages.push(marks::beaten(found.as_deref()));
        }
        Ok(ages)
    }
}

#[async_trait]
impl Source for PostgresSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        let binding = match request {
            ReadRequest::Scan { binding, after } => {
                return self.scan(*binding, after.as_ref(), limit).await;
            }
            ReadRequest::ScanFrom { binding, from } => {
                return self.begin(*binding, Some(from), limit).await;
            }
            ReadRequest::Poll { binding, .. }
            | ReadRequest::Keys { binding, .. }
            | ReadRequest::Marks { binding, .. }
            | ReadRequest::Children { binding, .. } => *binding,
        };
        let bound = self.bound(binding)?;
        let mut session = self.take_session().await?;
        let patience = session.patience();
        let reading = Reading { bound: &bound, session: &mut session, has_marks: self.has_marks };
        let action = || format!("read table {:?}", bound.shape.table);
        let batch = answered(patience, action, async {
            match request {
                ReadRequest::Scan { .. } | ReadRequest::ScanFrom { .. } => Ok(Batch::default()),
                ReadRequest::Poll { from, .. } => reading.poll(from.as_ref(), limit).await,
                ReadRequest::Keys { keys, .. } => reading.keys(keys).await,
                ReadRequest::Marks { intents, .. } => reading.marks(intents).await,
                ReadRequest::Children { parents, .. } => reading.children(parents).await,
            }
        })
        .await;
        // After an error there may be a transaction left open: the session goes, and with it that.
        if batch.is_ok() {
            self.session = Some(session);
        }
        batch
    }

    async fn ages(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, PortError> {
        let session = self.take_session().await?;
        let action = || format!("look how far {:?} is", self.settings.name);
        let counted = self.counted(&session, heartbeat);
        // Little is asked, and who asks has others to look after.
        let ages = answered(self.settings.connect_timeout, action, counted).await;
        if ages.is_ok() {
            self.session = Some(session);
        }
        ages
    }
}

/// One read in one session.
struct Reading<'a> {
    bound: &'a Bound,
    session: &'a mut Session,
    has_marks: bool,
}

impl Reading<'_> {
    fn failed(&self) -> impl Fn(tokio_postgres::Error) -> PortError + use<> {
        let action = format!("read table {:?}", self.bound.shape.table);
        move |error| port_error(action.clone(), &error)
    }

    async fn query(
        &mut self,
        statement: &str,
        types: &[Type],
        parameters: &[Parameter],
    ) -> Result<Vec<Row>, PortError> {
        let failed = self.failed();
        let statement = self.session.prepare(statement, types).await.map_err(&failed)?;
        self.session.client.query(&statement, &borrowed(parameters)).await.map_err(failed)
    }

    /// One page.
    async fn poll(self, from: Option<&Position>, limit: Limit) -> Result<Batch, PortError> {
        let Some(cursor) = self.bound.shape.cursor else {
            return Err(PortError::new(
                ErrorKind::Unsupported,
                format!("poll table {:?}", self.bound.shape.table),
                "it has no cursor column",
            ));
        };
        let mut poll = Poll::resume(from)?;
        if poll.is_between_passes() {
            // Before the first page: what is committed behind a page must not be overtaken.
            let (now, horizon) = oldest_writer(self.session).await?;
            let max = top(self.session, self.bound).await?;
            let horizon = horizon.filter(|_| self.bound.known.tells_when_written());
            poll.begin(max.as_ref(), self.bound.shape.cursor_now(now).as_ref(), horizon);
        }
        let (statement, types, parameters) = self.page(cursor, &poll, limit.rows)?;
        let failed = self.failed();
        let statement = self.session.prepare(&statement, &types).await.map_err(&failed)?;
        let rows =
            self.session.client.query_raw(&statement, parameters.iter()).await.map_err(&failed)?;
        pin_mut!(rows);
        let mut batch = Batch::default();
        let (mut count, mut bytes) = (0usize, 0usize);
        while bytes < limit.bytes
            && let Some(row) = rows.next().await
        {
            let row = row.map_err(&failed)?;
            count += 1;
            bytes += row.raw_size_bytes();
            self.show(&row, cursor, &mut poll, &mut batch);
        }
        batch.then = if count >= limit.rows || bytes >= limit.bytes {
            Then::More
        } else {
            poll.finish();
            Then::Idle
        };
        batch.upto = Some(poll.position());
        Ok(batch)
    }

    /// Takes a row into the batch, unless the pass before showed the same.
    fn show(&self, row: &Row, cursor: usize, poll: &mut Poll, batch: &mut Batch) {
        let field = |at| row.get::<_, Raw<'_>>(at).0;
        match self.bound.decode(field) {
            Ok(values) => {
                let value = values.get(cursor).cloned().unwrap_or_default();
                match self.bound.shape.observe(&values) {
                    Ok(observed) => {
                        let digest = observed.row.as_ref().map(syncline_core::change::Row::digest);
                        if poll.shows(&value, &observed.key, digest.unwrap_or_default()) {
                            batch.rows.push(observed);
                        }
                    }
                    Err(refused) => refuse(&value, refused, poll, batch),
                }
            }
            Err(refused) => {
                let value = self
                    .bound
                    .carriers
                    .get(cursor)
                    .and_then(|carrier| carrier.codec.decode(field(cursor)).ok());
                refuse(&value.unwrap_or_default(), refused, poll, batch);
            }
        }
    }

    /// The statement of the next page.
    fn page(
        &self,
        cursor: usize,
        poll: &Poll,
        rows: usize,
    ) -> Result<(String, Vec<Type>, Vec<Parameter>), PortError> {
        let shape = &self.bound.shape;
        let order: Vec<usize> = std::iter::once(cursor).chain(shape.key.iter().copied()).collect();
        let names: Vec<String> = order.iter().map(|column| self.bound.column(*column)).collect();
        let values: Vec<Value> = match poll.start() {
            Start::Beginning => Vec::new(),
            Start::At(low) | Start::Beyond(low) => vec![low.clone()],
            Start::After(value, key) => {
                std::iter::once(value.clone()).chain(key.values()).collect()
            }
        };
        let (mut types, mut parameters, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (column, value)) in order.iter().zip(&values).enumerate() {
            let Some(carrier) = self.bound.carriers.get(*column) else { continue };
            types.push(carrier.parameter.clone());
            parameters.push(Parameter::of(carrier, value).map_err(|problem| {
                PortError::new(
                    ErrorKind::PositionLost,
                    format!("go on with a poll of {:?}", shape.table),
                    problem.message,
                )
            })?);
            marks.push(format!("${}{}", at + 1, carrier.write));
        }
        let condition = match poll.start() {
            Start::Beginning => format!("{} is not null", self.bound.column(cursor)),
            Start::At(_) => format!("{} >= {}", self.bound.column(cursor), marks.join(", ")),
            Start::Beyond(_) => format!("{} > {}", self.bound.column(cursor), marks.join(", ")),
            Start::After(..) => format!("({}) > ({})", names.join(", "), marks.join(", ")),
        };
        let finite = finite(self.bound, cursor);
        let mut fresh = String::new();
        if let (Some(behind), Some(carrier)) = (poll.behind(), self.bound.carriers.get(cursor))
            && let Ok(top) = Parameter::of(carrier, &behind.top)
        {
            let at = types.len() + 1;
            types.extend([carrier.parameter.clone(), Type::TEXT]);
            // Transactions are numbered in a circle of 32 bits; `age` knows where it stands now. A
            // horizon to come is one of before a restore, and says nothing.
            parameters.extend([top, Parameter::text(&(behind.horizon as u32).to_string())]);
            fresh = format!(
                " and ({} > ${at}{} or age(t.xmin) <= age(${next}::xid) or age(${next}::xid) < 0)",
                self.bound.column(cursor),
                carrier.write,
                next = at + 1
            );
        }
        let statement = format!(
            "select {} from {} t where {condition}{finite}{fresh} order by {} limit {rows}",
            self.bound.list,
            self.bound.known.qualified,
            names.join(", "),
        );
        Ok((statement, types, parameters))
    }

    /// Rows by key, and before them, in the same transaction, the fates of intents in doubt.
    async fn keys(mut self, keys: &[KeyRead]) -> Result<Batch, PortError> {
        let failed = self.failed();
        let in_doubt: Vec<IntentId> =
            keys.iter().flat_map(|read| read.in_doubt.iter().copied()).collect();
        let asks = self.has_marks && !in_doubt.is_empty();
        let mut fates = Vec::new();
        if asks {
            self.session.client.batch_execute("begin").await.map_err(&failed)?;
            fates = self.void(&in_doubt).await?;
        }
        let mut batch = Batch { then: Then::Idle, ..Batch::default() };
        let mut found: Vec<ReadResult> = keys.iter().map(|_| ReadResult::Absent).collect();
        let arrays =
            self.bound.key_parameters(&self.bound.shape.key, keys.iter().map(|read| &read.key));
        match arrays {
            Ok(arrays) => self.fill(&arrays, keys, &mut found).await?,
            // One key that fits no row must not keep the others from being read.
            Err((place, problem)) if keys.len() == 1 || place >= keys.len() => {
                found.fill(ReadResult::Failed(Text::from(problem.message)));
            }
            Err(_) => {
                for (read, slot) in keys.iter().zip(&mut found) {
                    let one = std::slice::from_ref(read);
                    let key = std::iter::once(&read.key);
                    match self.bound.key_parameters(&self.bound.shape.key, key) {
                        Ok(arrays) => {
                            self.fill(&arrays, one, std::slice::from_mut(slot)).await?;
                        }
                        Err((_, problem)) => {
                            *slot = ReadResult::Failed(Text::from(problem.message));
                        }
                    }
                }
            }
        }
        if asks {
            self.session.client.batch_execute("commit").await.map_err(&failed)?;
        }
        for (read, result) in keys.iter().zip(found) {
            let marks = read
                .in_doubt
                .iter()
                .filter_map(|intent| fates.iter().find(|mark| mark.intent == *intent))
                .map(|mark| (mark.intent, mark.fate))
                .collect();
            batch.answers.push(KeyAnswer {
                key: read.key.clone(),
                operation: read.operation,
                result,
                marks,
            });
        }
        Ok(batch)
    }

    /// Looks up keys and puts what is found in their places.
    async fn fill(
        &mut self,
        arrays: &[Parameter],
        keys: &[KeyRead],
        found: &mut [ReadResult],
    ) -> Result<(), PortError> {
        let keyed = self.bound.keyed(&self.bound.shape.key, 1);
        let statement = format!(
            "select {}, u.place from {} join {} t on {}",
            self.bound.list,
            keyed.from(),
            self.bound.known.qualified,
            keyed.condition()
        );
        let place_at = self.bound.carriers.len();
        for row in self.query(&statement, &keyed.types, arrays).await? {
            let place = row.get::<_, i64>(place_at) - 1;
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let (Some(slot), Some(read)) = (found.get_mut(place), keys.get(place)) else {
                continue;
            };
            match self.bound.observe(|at| row.get::<_, Raw<'_>>(at).0) {
                // A collation may find more than the exact key.
                Ok(observed) if observed.key != read.key => {}
                Ok(observed) if observed.row.is_none() => *slot = ReadResult::Absent,
                Ok(observed) => *slot = ReadResult::Found(Box::new(observed)),
                Err(refused) => {
                    let reason = format!("{}: {}", refused.code, refused.reason);
                    *slot = ReadResult::Failed(Text::new(reason));
                }
            }
        }
        Ok(())
    }

    /// What became of inserts whose rows nobody can name. Each statement is a transaction of its
    /// own: the first settles the fates, and waits for a writer that is still at work.
    async fn marks(mut self, intents: &[IntentId]) -> Result<Batch, PortError> {
        let marks = if self.has_marks { self.void(intents).await? } else { Vec::new() };
        Ok(Batch { marks, then: Then::Idle, ..Batch::default() })
    }

    /// Takes the marks of intents in doubt, so that those that never ran never will.
    async fn void(&mut self, intents: &[IntentId]) -> Result<Vec<MarkAnswer>, PortError> {
        const INSERT: &str = "\
            insert into syncline_applied (intent_id, state, at) \
            select id, 'void', (extract(epoch from clock_timestamp()) * 1000)::int8 \
            from unnest($1) as u(id) order by id on conflict (intent_id) do nothing";
        const SELECT: &str = "select intent_id::text, state::text, row_key::text from syncline_applied \
             where intent_id = any ($1)";
        let failed = self.failed();
        let types = [Type::BPCHAR_ARRAY];
        let ids: Vec<String> = intents.iter().copied().map(marks::id).collect();
        let insert = self.session.prepare(INSERT, &types).await.map_err(&failed)?;
        let select = self.session.prepare(SELECT, &types).await.map_err(&failed)?;
        self.session.client.execute(&insert, &[&ids]).await.map_err(&failed)?;
        let rows = self.session.client.query(&select, &[&ids]).await.map_err(&failed)?;
        Ok(intents
            .iter()
            .zip(&ids)
            .filter_map(|(intent, id)| {
                let row = rows.iter().find(|row| row.get::<_, &str>(0) == id)?;
                Some(marks::answer(*intent, Some((row.get(1), row.get(2)))))
            })
            .collect())
    }

    /// All children of these parents.
    async fn children(mut self, parents: &[RowKey]) -> Result<Batch, PortError> {
        let mut batch = Batch { then: Then::Idle, ..Batch::default() };
        let columns = self.bound.shape.parent.clone();
        let arrays =
            self.bound.key_parameters(&columns, parents.iter()).map_err(|(_, problem)| {
                PortError::new(
                    ErrorKind::SchemaDrift,
                    format!("read children in {:?}", self.bound.shape.table),
                    problem.message,
                )
            })?;
        let keyed = self.bound.keyed(&columns, 1);
        let key: Vec<String> =
            self.bound.shape.key.iter().map(|column| self.bound.column(*column)).collect();
        let statement = format!(
            "select {} from {} join {} t on {} order by u.place, {}",
            self.bound.list,
            keyed.from(),
            self.bound.known.qualified,
            keyed.condition(),
            key.join(", ")
        );
        for row in self.query(&statement, &keyed.types, &arrays).await? {
            match self.bound.observe(|at| row.get::<_, Raw<'_>>(at).0) {
                Ok(observed) => {
                    if observed.parent.as_ref().is_some_and(|parent| parents.contains(parent)) {
                        batch.rows.push(observed);
                    }
                }
                Err(refused) => batch.refused.push(refused),
            }
        }
        Ok(batch)
    }
}

fn refuse(cursor: &Value, refused: RefusedRow, poll: &mut Poll, batch: &mut Batch) {
    let digest = Digest::of(refused.reason.as_bytes());
    if poll.shows(cursor, &refused.key, digest) {
        batch.refused.push(refused);
    }
}

/// When the oldest transaction that may still write began, as far as we may see it, and the oldest
/// that is not over.
pub(crate) async fn oldest_writer(
    session: &Session,
) -> Result<(Timestamp, Option<u64>), PortError> {
    let failed = |error: tokio_postgres::Error| port_error("ask for the time", &error);
    let rows = session.client.query_typed(sql::OLDEST_WRITER, &[]).await.map_err(failed)?;
    let began = Timestamp(rows.first().map_or(0, |row| row.get(0)));
    Ok((began, rows.first().map(|row| row.get::<_, i64>(1).cast_unsigned())))
}

/// Leaves infinite times out of a poll: they have no place in its order. Scans show them.
fn finite(bound: &Bound, cursor: usize) -> String {
    match bound.carriers.get(cursor).map(|carrier| &carrier.codec) {
        Some(Codec::Timestamp | Codec::Timestamptz | Codec::Date) => {
            format!(" and isfinite({})", bound.column(cursor))
        }
        _ => String::new(),
    }
}

/// The highest value of the cursor column.
pub(crate) async fn top(session: &Session, bound: &Bound) -> Result<Option<Value>, PortError> {
    let Some((cursor, carrier)) =
        bound.shape.cursor.and_then(|cursor| Some((cursor, bound.carriers.get(cursor)?)))
    else {
        return Ok(None);
    };
    let column = bound.column(cursor);
    let statement = format!(
        "select {} from {} t where {column} is not null{} order by {column} desc limit 1",
        carrier.select(&column),
        bound.known.qualified,
        finite(bound, cursor)
    );
    let failed = |error: tokio_postgres::Error| {
        port_error(format!("read table {:?}", bound.shape.table), &error)
    };
    let rows = session.client.query_typed(&statement, &[]).await.map_err(failed)?;
    Ok(rows.first().and_then(|row| carrier.codec.decode(row.get::<_, Raw<'_>>(0).0).ok()))
}
