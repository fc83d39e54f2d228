//! Whole scans: one snapshot, one stream, and a count in the same snapshot as its proof.
//!
//! The rows come by COPY, in the order in which the table holds them: nothing is sorted, and every
//! row is on the wire once. A task of its own takes them apart while the hub works on the batch
//! before; it is never more than two batches ahead, and the server waits where the hub is slow.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, pin_mut};
use syncline_core::{
    Text,
    change::Position,
    error::{ErrorKind, PortError},
    name::BindingIndex,
    value::Value,
};
use syncline_ports::source::{Batch, Limit, Then};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_postgres::types::Type;

use crate::{
    postgres::{
        bound::Bound,
        connect::{Purpose, Session},
        failure::port_error,
        source::{oldest_writer, top},
        sql,
        wire::CopyRows,
    },
    settings::Settings,
    sql::poll::Poll,
};

/// One snapshot, and rows in the order in which they lie: a scan that is cut has read what comes before.
const BEGIN: &str =
    "begin isolation level repeatable read read only; set local synchronize_seqscans = off";
/// Batches that may wait for the hub.
const AHEAD: usize = 1;

/// A scan under way.
pub(crate) struct Scan {
    binding: BindingIndex,
    batches: mpsc::Receiver<Result<Batch, PortError>>,
    task: JoinHandle<()>,
    count: u64,
    upto: Option<Position>,
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scan {
    /// Begins a scan, where another was cut if `from` says so; the limit of its first batch holds
    /// for all.
    pub(crate) fn begin(
        settings: &Settings,
        bound: Arc<Bound>,
        from: Option<&Position>,
        limit: Limit,
    ) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let binding = bound.shape.binding;
        let from = from.and_then(Place::read).filter(|_| bound.known.tells_when_written());
        let reader = Reader { settings: settings.clone(), bound, from, limit, sender };
        let task = tokio::spawn(async move {
            let sender = reader.sender.clone();
            if let Err(error) = reader.run().await {
                // Nobody listens where the scan was given up.
                let _given_up = sender.send(Err(error)).await;
            }
        });
        Self { binding, batches, task, count: 0, upto: None }
    }

    /// Whether this position is where the scan stands.
    pub(crate) fn goes_on_after(&self, binding: BindingIndex, after: &Position) -> bool {
        self.binding == binding && self.upto.as_ref() == Some(after)
    }

    /// The next batch.
    pub(crate) async fn next(&mut self) -> Result<Batch, PortError> {
        let Some(batch) = self.batches.recv().await else {
            return Ok(Batch {
                then: Then::ScanIncomplete { reason: Text::new("it has ended already") },
                ..Batch::default()
            });
        };
        let mut batch = batch?;
        if matches!(batch.then, Then::More) {
            self.count += 1;
            // Behind the number, where the last row lies, if that is known.
            let mut position = self.count.to_be_bytes().to_vec();
            position.extend(batch.upto.take().unwrap_or_default().0);
            self.upto = Some(Position(position));
            batch.upto.clone_from(&self.upto);
        }
        Ok(batch)
    }
}

/// Where a row lies in its table: block and number, as the server sends a `tid`.
#[derive(Clone, Copy)]
struct Place {
    block: u32,
    number: u16,
}

impl Place {
    /// The place in a position of a scan, behind its number.
    fn read(position: &Position) -> Option<Self> {
        Self::of(position.0.get(8..)?)
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (block, number) = bytes.split_first_chunk::<4>()?;
        let number = u16::from_be_bytes(number.try_into().ok()?);
        Some(Self { block: u32::from_be_bytes(*block), number })
    }
}

struct Reader {
    settings: Settings,
    bound: Arc<Bound>,
    from: Option<Place>,
    limit: Limit,
    sender: mpsc::Sender<Result<Batch, PortError>>,
}

impl Reader {
    async fn run(self) -> Result<(), PortError> {
        let table = &self.bound.shape.table;
        let failed =
            |error: tokio_postgres::Error| port_error(format!("scan table {table:?}"), &error);
        let session = Session::open(&self.settings, Purpose::Scan).await?;
        // Before the snapshot: what commits between the two is behind this time.
        let (now, _) = oldest_writer(&session).await?;
        let client = &session.client;
        client.batch_execute(BEGIN).await.map_err(failed)?;
        let about = client
            .query_typed(sql::ESTIMATE, &[(&self.bound.known.oid, Type::OID)])
            .await
            .map_err(failed)?;
        let about = about.first().map(|row| row.get::<_, f64>(0)).filter(|rows| *rows > 0.0);
        let highest = top(&session, &self.bound).await?;
        let horizon = client.query_typed(sql::HORIZON, &[]).await.map_err(failed)?;
        let horizon = horizon.first().map(|row| row.get::<_, i64>(0).cast_unsigned());
        let mut filling = Filling::new(self.limit);
        filling.batch.about = about.map(|rows| rows as u64);
        let mut is_ended = true;
        for statement in self.statements() {
            match self.copy(client, &statement, &mut filling).await? {
                Some(ended) => is_ended &= ended,
                None => return Ok(()),
            }
        }
        let count = format!("select count(*) from {} t", self.bound.known.qualified);
        let counted = client.query_typed(&count, &[]).await.map_err(failed)?;
        let expected = counted.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs();
        client.batch_execute("commit").await.map_err(failed)?;
        let shown = filling.shown;
        let mut last = Batch { upto: None, ..filling.next() };
        last.then = if is_ended && shown == expected {
            last.upto = self.resume(highest.as_ref(), now, horizon);
            Then::ScanComplete { rows: shown }
        } else {
            let reason = format!("{shown} of {expected} rows came");
            Then::ScanIncomplete { reason: Text::from(reason) }
        };
        // The reader may have gone; then nobody needs the end.
        let _given_up = self.sender.send(Ok(last)).await;
        Ok(())
    }

    /// Reads the whole table: at once, or first what lies behind the place where another scan was
    /// cut. There are places only where rows have them.
    fn statements(&self) -> Vec<String> {
        let (list, table) = (&self.bound.list, &self.bound.known.qualified);
        if !self.bound.known.tells_when_written() {
            return vec![format!("copy (select {list} from {table} t) to stdout (format binary)")];
        }
        let part = |condition: String| {
            format!(
                "copy (select {list}, t.ctid from {table} t{condition}) to stdout (format binary)"
            )
        };
        match self.from {
            None => vec![part(String::new())],
            Some(Place { block, number }) => [">", "<="]
                .map(|sign| part(format!(" where t.ctid {sign} '({block},{number})'::tid")))
                .into(),
        }
    }

    /// Reads what a statement shows, and hands over the batches that it fills. Whether it came to
    /// its end; `None`: nobody listens any more.
    async fn copy(
        &self,
        client: &tokio_postgres::Client,
        statement: &str,
        filling: &mut Filling,
    ) -> Result<Option<bool>, PortError> {
        let action = || format!("scan table {:?}", self.bound.shape.table);
        let failed = |error: tokio_postgres::Error| port_error(action(), &error);
        let stream = client.copy_out(statement).await.map_err(failed)?;
        pin_mut!(stream);
        let mut rows = CopyRows::default();
        // A server that stalls is noticed here: the statement as a whole has no limit.
        let patience = self.settings.statement_timeout.max(Duration::from_secs(1));
        loop {
            let message = match tokio::time::timeout(patience, stream.next()).await {
                Ok(Some(message)) => message.map_err(failed)?,
                Ok(None) => return Ok(Some(rows.is_ended())),
                Err(_) => {
                    let detail = format!("no row within {} s", patience.as_secs());
                    return Err(PortError::new(ErrorKind::TimedOut, action(), detail));
                }
            };
            rows.feed(&message, |fields| filling.take(&self.bound, fields)).map_err(|refusal| {
                PortError::new(ErrorKind::Unexpected, action(), refusal.reason)
            })?;
            if filling.is_full() && self.sender.send(Ok(filling.next())).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Where a poll goes on after this scan.
    fn resume(
        &self,
        highest: Option<&Value>,
        now: syncline_core::name::Timestamp,
        horizon: Option<u64>,
    ) -> Option<Position> {
        self.bound.shape.cursor?;
        let horizon = horizon.filter(|_| self.bound.known.tells_when_written());
        Poll::after_scan(highest, self.bound.shape.cursor_now(now).as_ref(), horizon)
    }
}

/// A batch that is being filled.
struct Filling {
    batch: Batch,
    bytes: usize,
    limit: Limit,
    shown: u64,
    /// Where the last row lies.
    place: Option<[u8; 6]>,
}

impl Filling {
    fn new(limit: Limit) -> Self {
        Self { batch: Batch::default(), bytes: 0, limit, shown: 0, place: None }
    }

    fn take(&mut self, bound: &Bound, fields: &[Option<&[u8]>]) {
        self.shown += 1;
        let place = fields.get(bound.carriers.len()).copied().flatten();
        self.place = place.and_then(|place| place.try_into().ok());
        self.bytes += fields.iter().map(|field| 4 + field.map_or(0, <[u8]>::len)).sum::<usize>();
        match bound.observe(|at| fields.get(at).copied().flatten()) {
            Ok(observed) => self.batch.rows.push(observed),
            Err(refused) => self.batch.refused.push(refused),
        }
    }

    fn is_full(&self) -> bool {
        self.batch.rows.len() + self.batch.refused.len() >= self.limit.rows
            || self.bytes >= self.limit.bytes
    }

    fn next(&mut self) -> Batch {
        self.bytes = 0;
        let room = self.batch.rows.len().min(self.limit.rows);
        let empty = Batch { rows: Vec::with_capacity(room), ..Batch::default() };
        let upto = self.place.map(|place| Position(place.to_vec()));
        Batch { upto, ..std::mem::replace(&mut self.batch, empty) }
    }
}
