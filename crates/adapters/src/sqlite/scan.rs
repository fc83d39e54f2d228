//! Reads a whole table in one snapshot, on a thread of its own, one batch ahead of whoever asks.
//!
//! In WAL mode the snapshot is a read transaction: writers go on meanwhile. In the other journal
//! modes a read transaction would block every writer, for as long as the hub takes to digest the
//! rows; there the table is first copied to a private temporary file, in one short transaction.

use std::sync::Arc;

use rusqlite::Connection;
use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError},
    name::BindingIndex,
    value::Value,
};
use syncline_ports::source::{Batch, Limit, Then};
use tokio::sync::mpsc;

use crate::{
    settings::Settings,
    sql::poll::Poll,
    sqlite::{
        bound::{Bindings, Bound},
        connection::open,
        source::{failed, highest, take},
    },
};

/// A scan under way.
#[derive(Debug)]
pub(crate) struct Scan {
    binding: BindingIndex,
    /// The position of the last batch handed out; `None`: none was.
    at: Option<Position>,
    batches: mpsc::Receiver<Result<Batch, PortError>>,
}

impl Scan {
    /// Begins a scan, where another was cut if `from` says so; `number` tells its positions from
    /// those of other scans.
    pub(crate) fn begin(
        settings: Arc<Settings>,
        bindings: Arc<Bindings>,
        binding: BindingIndex,
        number: u64,
        from: Option<&Position>,
        limit: Limit,
    ) -> Self {
        let from = from.and_then(place);
        let (sender, batches) = mpsc::channel(1);
        let _detached = tokio::task::spawn_blocking(move || {
            let mut reader = Reader { sender, number, sent: 0, from, place: None, limit };
            if let Err(error) = scan(&settings, &bindings, binding, &mut reader) {
                // Nobody may be listening any more; then nobody misses it.
                let _unheard = reader.sender.blocking_send(Err(error));
            }
        });
        Self { binding, at: None, batches }
    }

    /// Whether the scan goes on where this request wants to go on.
    pub(crate) fn is_at(&self, binding: BindingIndex, after: Option<&Position>) -> bool {
        self.binding == binding && self.at.as_ref() == after
    }

    /// The next batch.
    pub(crate) async fn next(&mut self) -> Result<Batch, PortError> {
        let batch = self.batches.recv().await.unwrap_or_else(|| {
            Err(PortError::new(ErrorKind::Unexpected, "scan", "the scan ended without an end"))
        })?;
        self.at.clone_from(&batch.upto);
        Ok(batch)
    }
}

/// Collects rows into batches and hands them over.
struct Reader {
    sender: mpsc::Sender<Result<Batch, PortError>>,
    number: u64,
    sent: u64,
    /// Where another scan was cut.
    from: Option<i64>,
    /// The number of the last row, in a table that numbers them.
    place: Option<i64>,
    limit: Limit,
}

/// The number of the last row in a position of a scan.
fn place(position: &Position) -> Option<i64> {
    Some(i64::from_be_bytes(position.0.get(16..)?.try_into().ok()?))
}

/// Whether anybody still listens.
enum Listener {
    Waits,
    Gone,
}

impl Reader {
    fn send(&mut self, mut batch: Batch) -> Listener {
        self.sent += 1;
        if batch.then == Then::More {
            let mut position = self.number.to_be_bytes().to_vec();
            position.extend_from_slice(&self.sent.to_be_bytes());
            position.extend(self.place.iter().flat_map(|place| place.to_be_bytes()));
            batch.upto = Some(Position(position));
        }
        match self.sender.blocking_send(Ok(batch)) {
            Ok(()) => Listener::Waits,
            Err(_closed) => Listener::Gone,
        }
    }
}

fn scan(
    settings: &Settings,
    bindings: &Bindings,
    binding: BindingIndex,
    reader: &mut Reader,
) -> Result<(), PortError> {
    let open = open(settings)?;
    let bound = bindings.get(&open.connection, binding)?;
    run(&open.connection, &bound, reader).map_err(|error| failed(&bound, &error))
}

fn run(connection: &Connection, bound: &Bound, reader: &mut Reader) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0))?;
    let is_wal = mode == "wal";
    if !is_wal {
        connection.execute_batch("attach '' as spill")?;
    }
    connection.execute_batch("begin")?;
    let (top, now) = highest(connection, bound)?;
    let count: i64 =
        connection
            .query_row(&format!("select count(*) from {}", bound.table), [], |row| row.get(0))?;
    let rows = rows_of(connection, bound, reader.from);
    let select = if is_wal {
        rows
    } else {
        connection.execute_batch(&format!("create table spill.copy as {rows}"))?;
        connection.execute_batch("commit")?;
        "select * from spill.copy".to_owned()
    };
    stream(connection, bound, &select, count.unsigned_abs(), (&top, now.as_ref()), reader)
}

/// Selects all rows with their numbers, in the order of these; first those behind `from`. A table
/// that does not number its rows is read as it comes.
fn rows_of(connection: &Connection, bound: &Bound, from: Option<i64>) -> String {
    let table = format!(" from {}", bound.table);
    let list = bound.select.strip_suffix(&table).unwrap_or(&bound.select);
    let numbered = |condition: &str| format!("{list}, _rowid_{table}{condition} order by _rowid_");
    if connection.prepare(&numbered("")).is_err() {
        return bound.select.clone();
    }
    let Some(from) = from else { return numbered("") };
    let part =
        |sign| format!("select * from ({})", numbered(&format!(" where _rowid_ {sign} {from}")));
    format!("{} union all {}", part(">"), part("<="))
}

fn stream(
    connection: &Connection,
    bound: &Bound,
    select: &str,
    count: u64,
    (top, now): (&Value, Option<&Value>),
    reader: &mut Reader,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query([])?;
    let (mut bytes, mut shown) = (0, 0u64);
    let mut batch = Batch { about: Some(count), ..Batch::default() };
    while let Some(row) = rows.next()? {
        let seen = bound.read(row)?;
        reader.place = row.get(bound.shape.columns.len()).ok();
        bytes += seen.bytes;
        shown += 1;
        take(&mut batch, seen);
        if batch.rows.len() + batch.refused.len() >= reader.limit.rows
            || bytes >= reader.limit.bytes
        {
            bytes = 0;
            match reader.send(std::mem::take(&mut batch)) {
                Listener::Waits => {}
                Listener::Gone => return Ok(()),
            }
        }
    }
    if shown == count {
        batch.then = Then::ScanComplete { rows: count };
        batch.upto = Poll::after_scan(Some(top), now, None);
    } else {
        let reason = format!("{shown} of {count} rows were shown").into();
        batch.then = Then::ScanIncomplete { reason };
    }
    reader.send(batch);
    Ok(())
}
