//! Polls: rows of the overlap are read again only if something was committed among them.

use mysql_async::prelude::Queryable as _;
use syncline_adapters::Connector;
use syncline_core::change::Position;
use syncline_ports::source::{Limit, ReadRequest, Then};

use crate::mysql_tests::{
    bench::other,
    table::{BINDING, Table},
};

const ROWS: usize = 6_000;
const ALL: Limit = Limit { rows: 100_000, bytes: 64 << 20 };

/// Rows of one moment, all within the overlap.
fn contacts() -> Table {
    let ddl = format!(
        "create table t (id int primary key, name varchar(20) not null,
            changed datetime(6) not null default current_timestamp(6), key (changed));
         insert into t (id, name) select seq, 'old' from seq_1_to_{ROWS}"
    );
    let mut table = Table::new(&ddl, &["id", "name"]);
    table.plan.bindings[0].table.cursor = Some("changed".into());
    table
}

async fn scanned(open: &mut Connector) -> Option<Position> {
    let request = ReadRequest::Scan { binding: BINDING, after: None };
    let batch = open.source.read(&request, ALL).await.unwrap();
    assert_eq!(batch.then, Then::ScanComplete { rows: ROWS as u64 });
    batch.upto
}

/// The keys that a poll shows, and where the next goes on.
async fn polled(open: &mut Connector, from: Option<Position>) -> (Vec<String>, Option<Position>) {
    let request = ReadRequest::Poll { binding: BINDING, from };
    let batch = open.source.read(&request, ALL).await.unwrap();
    assert_eq!(batch.then, Then::Idle);
    (batch.rows.iter().map(|row| row.key.to_string()).collect(), batch.upto)
}

#[tokio::test]
async fn a_poll_after_a_scan_shows_new_rows_only() {
    let table = contacts();
    let mut open = table.open().await;
    let position = scanned(&mut open).await;

    let (nothing, position) = polled(&mut open, position).await;
    table.sql("insert into t (id, name) values (7000, 'new'), (7001, 'new')");
    let (added, position) = polled(&mut open, position).await;
    let (nothing_again, _) = polled(&mut open, position).await;

    assert_eq!((nothing.len(), nothing_again.len()), (0, 0));
    assert_eq!(added, ["7000", "7001"]);
}

/// Its stamp is older than rows that were read: the overlap is not what it was, and read again.
#[tokio::test]
async fn a_row_that_is_committed_late_is_shown() {
    let table = contacts();
    let mut late = other(&table.settings).await;
    late.query_drop(
        "begin; update t set name = 'late', changed = current_timestamp(6) where id = 1",
    )
    .await
    .unwrap();
    table.sql("update t set changed = current_timestamp(6) where id = 3");
    let mut open = table.open().await;
    let position = scanned(&mut open).await;
    let (_, position) = polled(&mut open, position).await;

    late.query_drop("commit").await.unwrap();

    let (shown, position) = polled(&mut open, position).await;
    let (nothing, _) = polled(&mut open, position).await;
    assert!(shown.contains(&"1".to_owned()), "{} rows", shown.len());
    assert_eq!(nothing.len(), 0);
}
