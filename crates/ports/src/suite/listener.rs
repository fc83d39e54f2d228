//! What every listener must pass: nothing that is committed goes unheard. Each function takes a fresh
//! [`Listened`] bench.
//!
//! Hearing something twice is allowed, so what was heard is compared by what must be in it.

#![expect(clippy::panic, reason = "a suite fails by panicking, like any test")]

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use syncline_core::{
    change::{Position, RowKey},
    error::ErrorKind,
    name::BindingIndex,
    value::Value,
};

use crate::{
    listener::{Changed, Heard, Hint, Listener},
    source::{Limit, ReadRequest, Then},
    suite::bench::{Bench, CONTACTS, Edit, LINES, ORDERS, STOCK, number_key, plan, text},
};

/// A bench whose system can be listened to.
#[async_trait]
pub trait Listened: Bench {
    /// Opens a listener to the tables of [`plan`], under the same name each time. An earlier one was
    /// dropped.
    async fn listen(&mut self) -> Box<dyn Listener>;

    /// The other user does all this in one transaction, and commits.
    async fn execute(&mut self, edits: &[Edit]);

    /// The system ends every connection but the other user's, if it has such a thing.
    async fn cut(&mut self);

    /// Whether listening puts something into the system that can be removed.
    fn leaves_something(&self) -> bool {
        true
    }
}

/// More hints than are asked for are still "about" as many.
const PIECE: usize = 100;

type Named = (BindingIndex, RowKey);

/// A listener that has begun, and how far it came.
struct Ear {
    listener: Box<dyn Listener>,
    upto: Position,
}

impl Ear {
    async fn begin(bench: &mut dyn Listened, from: Option<&Position>) -> Self {
        let mut listener = bench.listen().await;
        match listener.begin(from).await {
            Ok(upto) => Self { listener, upto },
            Err(error) => panic!("beginning after {from:?}: {error}"),
        }
    }

    async fn hear(&mut self) -> Heard {
        match self.listener.hear(PIECE).await {
            Ok(heard) => {
                self.upto.clone_from(&heard.upto);
                heard
            }
            Err(error) => panic!("hearing: {error}"),
        }
    }

    /// Hears until all of these were heard; everything that was heard.
    async fn hears(&mut self, expected: &[Named]) -> BTreeSet<Named> {
        let mut all = BTreeSet::new();
        while !expected.iter().all(|named| all.contains(named)) {
            all.extend(self.hear().await.hints.into_iter().map(named));
        }
        all
    }

    async fn ack(&mut self) {
        if let Err(error) = self.listener.ack(&self.upto.clone()).await {
            panic!("confirming {:?}: {error}", self.upto);
        }
    }
}

fn named(hint: Hint) -> Named {
    match hint.what {
        Changed::Row(key) => (hint.binding, key),
        Changed::Shown(row) => (hint.binding, row.key),
        Changed::Unnamed(why) | Changed::Somewhere(why) => {
            panic!("{:?} is to be read whole: {why}", hint.binding)
        }
    }
}

fn contact(id: i64) -> Edit {
    let row = vec![("id", Value::int(id)), ("email", text(&format!("c{id}@example.com")))];
    Edit::Insert { table: "contacts", row }
}

fn line(order: i64, line: i64) -> Edit {
    let row = vec![
        ("order_id", Value::int(order)),
        ("line", Value::int(line)),
        ("sku", text("SKU")),
        ("qty", Value::int(1)),
    ];
    Edit::Insert { table: "order_lines", row }
}

fn order(id: i64) -> Edit {
    let row = vec![("id", Value::int(id)), ("number", text(&format!("N-{id}")))];
    Edit::Insert { table: "orders", row }
}

fn stock(sku: &str, site: &str) -> Edit {
    let row = vec![("sku", text(sku)), ("site", text(site)), ("qty", Value::int(1))];
    Edit::Insert { table: "stock", row }
}

fn contact_key(id: i64) -> Named {
    (CONTACTS, number_key(&[id]))
}

fn stock_key(sku: &str, site: &str) -> Named {
    (STOCK, RowKey::new(&[text(sku), text(site)]))
}

/// New, changed and deleted rows are heard by their keys, each after its commit.
pub async fn changes_are_heard_by_key(bench: &mut dyn Listened) {
    bench.edit(&contact(1)).await;
    bench.edit(&contact(2)).await;
    let mut ear = Ear::begin(bench, None).await;

    bench.edit(&contact(3)).await;
    ear.hears(&[contact_key(3)]).await;

    let find = vec![("id", Value::int(1))];
    let set = vec![("name", text("Other"))];
    bench.edit(&Edit::Update { table: "contacts", find, set }).await;
    ear.hears(&[contact_key(1)]).await;

    let find = vec![("id", Value::int(2))];
    bench.edit(&Edit::Delete { table: "contacts", find }).await;
    ear.hears(&[contact_key(2)]).await;
}

/// What a transaction did that was rolled back is not heard.
pub async fn nothing_given_up_is_heard(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    bench.hold(&contact(7)).await;
    bench.release().await;
    bench.edit(&contact(8)).await;
    let heard = ear.hears(&[contact_key(8)]).await;
    assert!(!heard.contains(&contact_key(7)), "{heard:?}");
}

/// A row whose key changes is heard under the old key and under the new one.
pub async fn a_changed_key_is_heard_under_both(bench: &mut dyn Listened) {
    bench.edit(&stock("A", "north")).await;
    let mut ear = Ear::begin(bench, None).await;
    let find = vec![("sku", text("A"))];
    let set = vec![("site", text("south"))];
    bench.edit(&Edit::Update { table: "stock", find, set }).await;
    ear.hears(&[stock_key("A", "north"), stock_key("A", "south")]).await;
}

/// One transaction over several tables is heard whole.
pub async fn a_transaction_is_heard_in_all_tables(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    bench.execute(&[contact(1), order(5), line(5, 1), line(5, 2), stock("A", "north")]).await;
    ear.hears(&[
        contact_key(1),
        (ORDERS, number_key(&[5])),
        (LINES, number_key(&[5, 1])),
        (LINES, number_key(&[5, 2])),
        stock_key("A", "north"),
    ])
    .await;
}

/// The keys that are heard are, byte for byte, those that a read shows.
pub async fn keys_are_those_that_reads_show(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    let odd =
        ["plain", "o'three", "say \"x\"", "a/b\\c", "größe", "日本", "{1,2}", "tab\there", "NULL"];
    for sku in odd {
        bench.edit(&stock(sku, "ñ")).await;
    }
    let (mut source, _target) = bench.open(plan(), Duration::from_secs(20)).await;
    let limit = Limit { rows: 1_000, bytes: 1 << 20 };
    let request = ReadRequest::Scan { binding: STOCK, after: None };
    let shown = match source.read(&request, limit).await {
        Ok(batch) => batch,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(shown.then, Then::ScanComplete { rows: odd.len() as u64 });
    let keys: Vec<Named> = shown.rows.into_iter().map(|row| (STOCK, row.key)).collect();
    let heard = ear.hears(&keys).await;
    assert_eq!(heard, keys.into_iter().collect());
}

/// What is committed while nobody listens is heard afterwards.
pub async fn what_nobody_listened_to_is_heard(bench: &mut dyn Listened) {
    let ear = Ear::begin(bench, None).await;
    let from = ear.upto.clone();
    drop(ear);
    bench.edit(&contact(1)).await;
    let mut ear = Ear::begin(bench, Some(&from)).await;
    bench.edit(&contact(2)).await;
    ear.hears(&[contact_key(1), contact_key(2)]).await;
}

/// What was heard and not dealt with is heard again.
pub async fn what_was_not_dealt_with_is_heard_again(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    let from = ear.upto.clone();
    bench.edit(&contact(1)).await;
    ear.hears(&[contact_key(1)]).await;
    drop(ear);
    let mut ear = Ear::begin(bench, Some(&from)).await;
    ear.hears(&[contact_key(1)]).await;
}

/// After a confirmation listening goes on behind it; from before it, everything is heard again or the
/// position is lost, but it is never silent.
pub async fn what_was_dealt_with_may_be_forgotten(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    let first = ear.upto.clone();
    bench.edit(&contact(1)).await;
    ear.hears(&[contact_key(1)]).await;
    ear.ack().await;
    let from = ear.upto.clone();
    drop(ear);

    bench.edit(&contact(2)).await;
    let mut ear = Ear::begin(bench, Some(&from)).await;
    ear.hears(&[contact_key(2)]).await;
    drop(ear);

    let mut listener = bench.listen().await;
    match listener.begin(Some(&first)).await {
        Ok(upto) => {
            let mut ear = Ear { listener, upto };
            ear.hears(&[contact_key(1), contact_key(2)]).await;
        }
        Err(error) => assert_eq!(error.kind, ErrorKind::PositionLost, "{error}"),
    }
}

/// A transaction of many rows is heard in pieces; who begins again amid them misses nothing.
pub async fn a_large_transaction_is_heard_in_pieces(bench: &mut dyn Listened) {
    const ROWS: i64 = 3_000;
    let mut ear = Ear::begin(bench, None).await;
    let edits: Vec<Edit> = (1..=ROWS).map(contact).collect();
    bench.execute(&edits).await;
    let expected: BTreeSet<Named> = (1..=ROWS).map(contact_key).collect();

    let mut heard = BTreeSet::new();
    while heard.is_empty() {
        let piece = ear.hear().await;
        assert!(piece.hints.len() <= 2 * PIECE, "{} hints at once", piece.hints.len());
        heard.extend(piece.hints.into_iter().map(named));
    }
    assert!(heard.len() < expected.len(), "all of it in one piece");
    ear.ack().await;
    let from = ear.upto.clone();
    drop(ear);

    let mut ear = Ear::begin(bench, Some(&from)).await;
    while heard.len() < expected.len() {
        heard.extend(ear.hear().await.hints.into_iter().map(named));
    }
    assert!(heard == expected, "keys that were never written");
}

/// Where the line is cut, an error tells; opened anew, it goes on without a gap.
pub async fn a_cut_line_leaves_no_gap(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    bench.edit(&contact(1)).await;
    ear.hears(&[contact_key(1)]).await;
    bench.cut().await;
    bench.edit(&contact(2)).await;

    let mut heard = BTreeSet::new();
    while !heard.contains(&contact_key(2)) {
        match ear.listener.hear(PIECE).await {
            Ok(found) => {
                ear.upto = found.upto;
                heard.extend(found.hints.into_iter().map(named));
            }
            Err(error) => {
                assert_ne!(error.kind, ErrorKind::PositionLost, "{error}");
                let from = ear.upto.clone();
                drop(ear);
                ear = Ear::begin(bench, Some(&from)).await;
            }
        }
    }
}

/// Where nothing happens, that is said, and can be confirmed.
pub async fn silence_is_heard(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    let heard = ear.hear().await;
    assert_eq!(heard.hints, []);
    ear.ack().await;
    let retained = ear.listener.retained().await;
    assert!(retained.is_ok(), "{retained:?}");
}

/// What was taken out of the system is gone: the position is lost, and listening can begin anew.
pub async fn what_is_removed_is_gone(bench: &mut dyn Listened) {
    let mut ear = Ear::begin(bench, None).await;
    let from = ear.upto.clone();
    if let Err(error) = ear.listener.remove().await {
        panic!("removing: {error}");
    }
    drop(ear);
    let mut listener = bench.listen().await;
    let begun = listener.begin(Some(&from)).await;
    if bench.leaves_something() {
        assert!(matches!(&begun, Err(error) if error.kind == ErrorKind::PositionLost), "{begun:?}");
    }
    drop(listener);

    let mut ear = Ear::begin(bench, None).await;
    bench.edit(&contact(1)).await;
    ear.hears(&[contact_key(1)]).await;
}

/// A position that no listener of this system made is lost.
pub async fn an_unknown_position_is_lost(bench: &mut dyn Listened) {
    drop(Ear::begin(bench, None).await);
    for unknown in [vec![], vec![1, 2, 3], vec![0xff; 40]] {
        let mut listener = bench.listen().await;
        let lost = listener.begin(Some(&Position(unknown))).await;
        assert!(matches!(&lost, Err(error) if error.kind == ErrorKind::PositionLost), "{lost:?}");
    }
}
