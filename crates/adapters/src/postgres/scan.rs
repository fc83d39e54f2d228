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
    /// Begins a scan; the limit of its first batch holds for all.
    pub(crate) fn begin(settings: &Settings, bound: Arc<Bound>, limit: Limit) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let binding = bound.shape.binding;
        let reader = Reader { settings: settings.clone(), bound, limit, sender };
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
            let position = Position(self.count.to_be_bytes().to_vec());
            self.upto = Some(position.clone());
            batch.upto = Some(position);
        }
        Ok(batch)
    }
}

struct Reader {
    settings: Settings,
    bound: Arc<Bound>,
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
        client
            .batch_execute("begin isolation level repeatable read read only")
            .await
            .map_err(failed)?;
        let about = client
            .query_typed(sql::ESTIMATE, &[(&self.bound.known.oid, Type::OID)])
            .await
            .map_err(failed)?;
        let about = about.first().map(|row| row.get::<_, f64>(0)).filter(|rows| *rows > 0.0);
        let highest = top(&session, &self.bound).await?;
        let horizon = client.query_typed(sql::HORIZON, &[]).await.map_err(failed)?;
        let horizon = horizon.first().map(|row| row.get::<_, i64>(0).cast_unsigned());
        let statement = format!(
            "copy (select {} from {} t) to stdout (format binary)",
            self.bound.list, self.bound.known.qualified
        );
        let stream = client.copy_out(&statement).await.map_err(failed)?;
        pin_mut!(stream);
        let mut rows = CopyRows::default();
        let mut filling = Filling::new(self.limit);
        filling.batch.about = about.map(|rows| rows as u64);
        // A server that stalls is noticed here: the statement as a whole has no limit.
        let patience = self.settings.statement_timeout.max(Duration::from_secs(1));
        loop {
            let message = match tokio::time::timeout(patience, stream.next()).await {
                Ok(Some(message)) => message.map_err(failed)?,
                Ok(None) => break,
                Err(_) => {
                    let detail = format!("no row within {} s", patience.as_secs());
                    let action = format!("scan table {table:?}");
                    return Err(PortError::new(ErrorKind::TimedOut, action, detail));
                }
            };
            rows.feed(&message, |fields| filling.take(&self.bound, fields)).map_err(|refusal| {
                let action = format!("scan table {table:?}");
                PortError::new(ErrorKind::Unexpected, action, refusal.reason)
            })?;
            if filling.is_full() && self.sender.send(Ok(filling.next())).await.is_err() {
                return Ok(());
            }
        }
        let count = format!("select count(*) from {} t", self.bound.known.qualified);
        let counted = client.query_typed(&count, &[]).await.map_err(failed)?;
        let expected = counted.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs();
        client.batch_execute("commit").await.map_err(failed)?;
        let shown = filling.shown;
        let mut last = filling.next();
        last.then = if rows.is_ended() && shown == expected {
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
}

impl Filling {
    fn new(limit: Limit) -> Self {
        Self { batch: Batch::default(), bytes: 0, limit, shown: 0 }
    }

    fn take(&mut self, bound: &Bound, fields: &[Option<&[u8]>]) {
        self.shown += 1;
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
        std::mem::replace(&mut self.batch, empty)
    }
}
