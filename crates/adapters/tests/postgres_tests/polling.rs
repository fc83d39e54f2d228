//! Polls: of rows that were read already, only what was committed since comes again.

use syncline_core::{change::Position, name::BindingIndex, plan::Plan};
use syncline_ports::source::{Limit, ReadRequest, Source, Then};

use crate::{
    postgres_tests::{Own, other_user, plan_of},
    servers::{self, Server},
};

const ROWS: usize = 6_000;
const ALL: Limit = Limit { rows: 100_000, bytes: 64 << 20 };
const BINDING: BindingIndex = BindingIndex(0);

fn plan() -> Plan {
    let mut plan = plan_of(&[("contacts", &["id"], &["name"])]);
    plan.bindings[0].table.cursor = Some("changed".into());
    plan
}

/// Rows of one moment, all within the overlap, on a server where nobody else writes: transactions
/// of other databases count, too.
async fn contacts() -> (Server, Own) {
    let server = servers::private_postgres();
    let sql = format!(
        "create table contacts (
            id int primary key, name text not null, changed timestamptz not null default now());
         create index on contacts (changed);
         insert into contacts select n, 'old' from generate_series(1, {ROWS}) n"
    );
    let own = Own::new(&server, &sql, plan()).await;
    (server, own)
}

async fn scanned(source: &mut dyn Source) -> Option<Position> {
    let request = ReadRequest::Scan { binding: BINDING, after: None };
    let batch = source.read(&request, ALL).await.unwrap();
    assert_eq!(batch.then, Then::ScanComplete { rows: ROWS as u64 });
    batch.upto
}

/// The keys that a poll shows, and where the next goes on.
async fn polled(
    source: &mut dyn Source,
    from: Option<Position>,
) -> (Vec<String>, Option<Position>) {
    let request = ReadRequest::Poll { binding: BINDING, from };
    let batch = source.read(&request, ALL).await.unwrap();
    assert_eq!(batch.then, Then::Idle);
    (batch.rows.iter().map(|row| row.key.to_string()).collect(), batch.upto)
}

#[tokio::test]
async fn a_poll_after_a_scan_shows_what_was_committed_since() {
    let (_server, mut own) = contacts().await;
    let position = scanned(own.source.as_mut()).await;

    let (nothing, position) = polled(own.source.as_mut(), position).await;
    own.other
        .batch_execute("update contacts set name = 'new', changed = now() where id in (7, 4000)")
        .await
        .unwrap();
    let (mut changed, position) = polled(own.source.as_mut(), position).await;
    let (nothing_again, _) = polled(own.source.as_mut(), position).await;

    changed.sort();
    assert_eq!((nothing.len(), nothing_again.len()), (0, 0));
    assert_eq!(changed, ["4000", "7"]);
}

/// Its stamp is older than rows that were read, and a savepoint gives it a number of its own.
#[tokio::test]
async fn a_row_that_is_committed_late_is_shown() {
    let (_server, mut own) = contacts().await;
    let late = other_user(&own.url).await;
    late.batch_execute(
        "begin; update contacts set name = 'late', changed = now() where id = 1; savepoint inner_one;
         update contacts set name = 'late', changed = now() where id = 2; release inner_one",
    )
    .await
    .unwrap();
    own.other
        .batch_execute("update contacts set changed = clock_timestamp() where id = 3")
        .await
        .unwrap();
    let position = scanned(own.source.as_mut()).await;
    let (_, position) = polled(own.source.as_mut(), position).await;

    late.batch_execute("commit").await.unwrap();

    let (mut shown, _) = polled(own.source.as_mut(), position).await;
    shown.retain(|key| key != "3");
    shown.sort();
    assert_eq!(shown, ["1", "2"]);
}
