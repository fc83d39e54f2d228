//! A full scan: one snapshot, ranges of the key, proved by a count in the same snapshot.
//!
//! A task of its own reads ahead over a connection of its own, and hands over pages through a
//! channel that holds few, so that memory stays bounded however slow the reader is. Ranges keep the
//! server from waiting in the middle of one endless result; the snapshot holds over all of them.

use std::sync::Arc;

use syncline_core::{
    Text,
    change::{Observed, Position, RowKey},
    name::BindingIndex,
    value::Value,
};
use syncline_ports::source::{Batch, Limit, RefusedRow, Then};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    mysql::{
        connect::{Purpose, Session},
        describe,
        failure::Failure,
        literal::cell_text,
        overlap, source,
        sql::{Bindings, Bound, row_bytes},
    },
    settings::Settings,
    sql::poll::Poll,
};

/// Rows in one range of the key.
const RANGE_ROWS: usize = 50_000;
/// Pages that wait to be taken.
const PAGES_AHEAD: usize = 2;

/// A scan under way.
pub(super) struct Scan {
    binding: BindingIndex,
    pages: mpsc::Receiver<Result<Batch, Failure>>,
    reader: JoinHandle<()>,
    /// The position of the last page that was taken.
    upto: Option<Position>,
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Scan {
    /// Connects and begins: with `from`, behind that key, and what comes before it last.
    pub(super) async fn begin(
        settings: &Settings,
        bindings: Arc<Bindings>,
        binding: BindingIndex,
        from: Option<&Position>,
        limit: Limit,
    ) -> Result<Self, Failure> {
        let mut session = Session::open(settings, Purpose::Read).await?;
        session.run("set session net_write_timeout = 3600").await?;
        if session.server.is_mariadb {
            // It would count the time in which the reader is busy with other things.
            session.run("set session max_statement_time = 0").await?;
        } else {
            session.run("set session max_execution_time = 0").await?;
        }
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let from = from.map(|position| RowKey(position.0.clone().into()).values());
        let reader = Reader { session, bindings, binding, limit, sender, rows: 0 };
        let reader = tokio::spawn(reader.run(from));
        Ok(Self { binding, pages, reader, upto: None })
    }

    /// Whether this scan stands where the request goes on.
    pub(super) fn goes_on(&self, binding: BindingIndex, after: Option<&Position>) -> bool {
        self.binding == binding && self.upto.as_ref() == after
    }

    /// The next page.
    pub(super) async fn next(&mut self) -> Result<Batch, Failure> {
        let lost = || Err(Failure::Lost("the scan ended unexpectedly".to_owned()));
        let batch = self.pages.recv().await.unwrap_or_else(lost)?;
        self.upto.clone_from(&batch.upto);
        Ok(batch)
    }
}

struct Reader {
    session: Session,
    bindings: Arc<Bindings>,
    binding: BindingIndex,
    limit: Limit,
    sender: mpsc::Sender<Result<Batch, Failure>>,
    rows: u64,
}

/// The page that is being filled.
#[derive(Default)]
struct Filling {
    rows: Vec<Observed>,
    refused: Vec<RefusedRow>,
    bytes: usize,
    /// The key of the last row.
    last: Vec<Value>,
    /// About how many rows there are, until the first page has told it.
    about: Option<u64>,
}

impl Filling {
    fn len(&self) -> usize {
        self.rows.len() + self.refused.len()
    }

    fn batch(&mut self, then: Then, upto: Option<Position>) -> Batch {
        self.bytes = 0;
        Batch {
            rows: std::mem::take(&mut self.rows),
            refused: std::mem::take(&mut self.refused),
            upto,
            then,
            about: self.about.take(),
            ..Batch::default()
        }
    }

    fn position(&self) -> Position {
        Position(RowKey::new(&self.last).0.to_vec())
    }
}

impl Reader {
    async fn run(mut self, from: Option<Vec<Value>>) {
        let bindings = self.bindings.clone();
        let Some(bound) = bindings.get(&self.binding) else { return };
        if let Err(failure) = self.read(bound, from).await {
            let _ = self.sender.send(Err(failure)).await;
        }
        self.session.close().await;
    }

    async fn read(&mut self, bound: &Bound, from: Option<Vec<Value>>) -> Result<(), Failure> {
        self.session.run("start transaction with consistent snapshot, read only").await?;
        let now = source::now(&mut self.session, bound).await?;
        let top = source::top(&mut self.session, bound).await?;
        let horizon = overlap::fingerprint(&mut self.session, bound, top.as_ref(), now.as_ref());
        let horizon = horizon.await?;
        let about = self.about(bound).await?;
        let mut filling = Filling { about, ..Filling::default() };
        // A key of other columns is none of this table.
        let from = from.filter(|from| from.len() == bound.shape.key.len());
        let parts = match &from {
            Some(from) => vec![Part::Behind(from), Part::UpTo(from)],
            None => vec![Part::Whole],
        };
        for part in parts {
            let mut after: Option<Vec<Value>> = None;
            loop {
                let sql = part.range(bound, after.as_deref());
                let rows = self.range(bound, &sql, &mut filling).await?;
                let Some(rows) = rows else { return Ok(()) };
                self.rows += rows as u64;
                if rows < RANGE_ROWS {
                    break;
                }
                after = Some(filling.last.clone());
            }
        }
        let (then, upto) = match self.count(bound).await? {
            count if count == self.rows => {
                let upto = Poll::after_scan(top.as_ref(), now.as_ref(), horizon);
                (Then::ScanComplete { rows: count }, upto)
            }
            count => {
                let reason = format!("{} rows were read of {count}", self.rows);
                let reason = Text::new(reason);
                (Then::ScanIncomplete { reason }, Some(filling.position()))
            }
        };
        let _ = self.sender.send(Ok(filling.batch(then, upto))).await;
        Ok(())
    }

    /// Reads one range and hands over the pages that it fills. `None`: nobody reads any more.
    async fn range(
        &mut self,
        bound: &Bound,
        sql: &str,
        filling: &mut Filling,
    ) -> Result<Option<usize>, Failure> {
        let mut rows = 0;
        let mut stream = self.session.stream(sql).await?;
        while let Some(row) = stream.next().await? {
            rows += 1;
            let cells = row.unwrap_raw();
            filling.bytes += row_bytes(&cells);
            take(bound, cells, filling);
            if filling.len() >= self.limit.rows || filling.bytes >= self.limit.bytes {
                let upto = Some(filling.position());
                if self.sender.send(Ok(filling.batch(Then::More, upto))).await.is_err() {
                    return Ok(None);
                }
            }
        }
        stream.end().await?;
        Ok(Some(rows))
    }

    /// About how many rows the table has.
    async fn about(&mut self, bound: &Bound) -> Result<Option<u64>, Failure> {
        let (schema, table) = describe::unquoted(&bound.table);
        let place = describe::place(describe::TABLE, &schema, &table);
        let sql = format!("select table_rows from information_schema.tables where {place}");
        let cell = self.session.rows(&sql).await?.into_iter().flatten().next();
        Ok(cell.and_then(cell_text).and_then(|rows| rows.parse().ok()))
    }

    async fn count(&mut self, bound: &Bound) -> Result<u64, Failure> {
        let sql = format!("select count(*) from {}", bound.table);
        let cell = self.session.rows(&sql).await?.into_iter().flatten().next();
        Ok(cell.and_then(cell_text).and_then(|count| count.parse().ok()).unwrap_or(u64::MAX))
    }
}

fn take(bound: &Bound, cells: Vec<Option<mysql_async::Value>>, filling: &mut Filling) {
    match bound.values(cells) {
        Ok(values) => {
            filling.last.clear();
            filling.last.extend(
                bound.shape.key.iter().map(|at| values.get(*at).cloned().unwrap_or_default()),
            );
            match bound.shape.observe(&values) {
                Ok(observed) => filling.rows.push(observed),
                Err(refused) => filling.refused.push(refused),
            }
        }
        Err(refused) => {
            filling.last = refused.key.values();
            filling.refused.push(refused);
        }
    }
}

/// What of a table is read.
#[derive(Clone, Copy)]
enum Part<'a> {
    Whole,
    /// Rows behind this key.
    Behind(&'a [Value]),
    /// The others.
    UpTo(&'a [Value]),
}

impl Part<'_> {
    /// The next range of it.
    fn range(self, bound: &Bound, after: Option<&[Value]>) -> String {
        let mut sql = bound.select();
        let mut word: &[u8] = b" where ";
        let behind = match self {
            Self::Whole | Self::UpTo(_) => after,
            Self::Behind(from) => after.or(Some(from)),
        };
        if let Some(behind) = behind {
            sql.extend_from_slice(word);
            bound.is_after(&bound.shape.key, behind, &mut sql);
            word = b" and ";
        }
        if let Self::UpTo(from) = self {
            sql.extend_from_slice(word);
            sql.push(b'(');
            bound.is_after(&bound.shape.key, from, &mut sql);
            // A key that holds a null is not behind any.
            sql.extend_from_slice(b") is not true");
        }
        sql.extend_from_slice(b" order by ");
        bound.names(&bound.shape.key, &mut sql);
        sql.extend_from_slice(format!(" limit {RANGE_ROWS}").as_bytes());
        String::from_utf8_lossy(&sql).into_owned()
    }
}
