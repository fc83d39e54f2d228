//! What every source must pass. Each function takes a fresh [`Bench`].

use std::{collections::BTreeMap, time::Duration};

use syncline_core::{
    change::{
        MarkAnswer, MarkFate, Outcome, Position, ReadResult, RowKey, RowWrite, WriteGroup,
        WriteKind,
    },
    name::{BindingIndex, IntentId, OperationId},
    value::Value,
};

use crate::{
    source::{Batch, HEARTBEAT, Heartbeat, KeyRead, Limit, ReadRequest, Source, Then},
    suite::bench::{Bench, CONTACTS, Edit, LINES, STOCK, Writer, number_key, plan, shown, text},
};

const TIMEOUT: Duration = Duration::from_secs(20);
const SMALL: Limit = Limit { rows: 7, bytes: 1 << 20 };

async fn read(source: &mut dyn Source, request: &ReadRequest, limit: Limit) -> Batch {
    match source.read(request, limit).await {
        Ok(batch) => batch,
        Err(error) => {
            assert_eq!(error.to_string(), "", "reading {request:?}");
            Batch::default()
        }
    }
}

fn contact(number: i64, touched: i64) -> Edit {
    let row = vec![
        ("email", text(&format!("c{number}@example.com"))),
        ("name", text(&format!("Contact {number}"))),
        ("touched", Value::int(touched)),
    ];
    Edit::Insert { table: "contacts", row }
}

/// Polls until the source has caught up: the e-mail addresses shown, and the new position.
async fn poll(source: &mut dyn Source, from: Option<Position>) -> (Vec<String>, Option<Position>) {
    let (mut found, mut from) = (Vec::new(), from);
    loop {
        let request = ReadRequest::Poll { binding: CONTACTS, from: from.clone() };
        let batch = read(source, &request, SMALL).await;
        assert!(batch.refused.is_empty());
        found.extend(batch.rows.iter().map(email));
        from = batch.upto.or(from);
        if batch.then == Then::Idle {
            found.sort();
            return (found, from);
        }
        assert_eq!(batch.then, Then::More);
    }
}

fn email(row: &syncline_core::change::Observed) -> String {
    let field = crate::suite::bench::field_of(CONTACTS, "email");
    let value = row.row.as_ref().and_then(|row| row.value(field));
    value.map(ToString::to_string).unwrap_or_default()
}

fn addresses(numbers: impl IntoIterator<Item = i64>) -> Vec<String> {
    let mut all: Vec<String> =
        numbers.into_iter().map(|number| format!("c{number}@example.com")).collect();
    all.sort();
    all
}

/// Scans a binding: rows by key, and how it ended.
async fn scan(source: &mut dyn Source, binding: BindingIndex) -> (BTreeMap<RowKey, String>, Batch) {
    let (mut rows, mut after) = (BTreeMap::new(), None);
    loop {
        let request = ReadRequest::Scan { binding, after: after.clone() };
        let batch = read(source, &request, SMALL).await;
        for row in &batch.rows {
            let text = row.row.as_ref().map(|row| shown(binding, row)).unwrap_or_default();
            let again = rows.insert(row.key.clone(), text);
            assert!(again.is_none(), "a scan shows each row once");
        }
        if batch.then != Then::More {
            return (rows, batch);
        }
        after = batch.upto;
    }
}

/// A scan shows every row once and proves it by a count; a poll goes on from its snapshot.
pub async fn scan_is_complete_and_proved(bench: &mut dyn Bench) {
    for number in 0..40 {
        bench.edit(&contact(number, 100_000 + number)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let (rows, last) = scan(source.as_mut(), CONTACTS).await;
    assert_eq!(rows.len(), 40);
    assert_eq!(last.then, Then::ScanComplete { rows: 40 });
    assert!(last.upto.is_some(), "a poll may go on here");

    bench.edit(&contact(40, 100_100)).await;
    let (found, _) = poll(source.as_mut(), last.upto).await;
    assert!(found.contains(&"c40@example.com".to_owned()));
}

/// Rows that are added and removed during a scan do not disturb its snapshot.
pub async fn scan_is_one_snapshot(bench: &mut dyn Bench) {
    for number in 0..40 {
        bench.edit(&contact(number, 0)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let request = ReadRequest::Scan { binding: CONTACTS, after: None };
    let mut batch = read(source.as_mut(), &request, SMALL).await;
    let find = vec![("email", text("c39@example.com"))];
    bench.edit(&Edit::Delete { table: "contacts", find }).await;
    bench.edit(&contact(50, 0)).await;
    let mut count = batch.rows.len();
    while batch.then == Then::More {
        let request = ReadRequest::Scan { binding: CONTACTS, after: batch.upto };
        batch = read(source.as_mut(), &request, SMALL).await;
        count += batch.rows.len();
    }
    assert_eq!((count, batch.then), (40, Then::ScanComplete { rows: 40 }));
}

/// A scan that was given up proves nothing, and another may begin.
pub async fn scan_given_up_is_incomplete(bench: &mut dyn Bench) {
    for number in 0..20 {
        bench.edit(&contact(number, 0)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let begin = ReadRequest::Scan { binding: CONTACTS, after: None };
    let first = read(source.as_mut(), &begin, SMALL).await;
    let _second = read(source.as_mut(), &begin, SMALL).await;
    let stale = ReadRequest::Scan { binding: CONTACTS, after: Some(Position(vec![1, 2, 3])) };
    let lost = source.read(&stale, SMALL).await;
    assert!(
        lost.is_err() || lost.is_ok_and(|batch| matches!(batch.then, Then::ScanIncomplete { .. })),
        "{first:?}"
    );
    let (rows, last) = scan(source.as_mut(), CONTACTS).await;
    assert_eq!((rows.len(), last.then), (20, Then::ScanComplete { rows: 20 }));
}

/// F11: a scan goes on where another was cut, also in another process: it shows first what that one did
/// not, then the rest, each row once, and proves it.
pub async fn scan_goes_on_where_it_was_cut(bench: &mut dyn Bench) {
    for number in 0..40 {
        bench.edit(&contact(number, 0)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let keys = |batch: &Batch| batch.rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
    let begin = ReadRequest::Scan { binding: CONTACTS, after: None };
    let mut batch = read(source.as_mut(), &begin, SMALL).await;
    let first = keys(&batch);
    assert_eq!(batch.then, Then::More);
    let from = batch.upto.unwrap_or_default();
    drop(source);

    bench.edit(&contact(50, 0)).await;
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    batch = read(source.as_mut(), &ReadRequest::ScanFrom { binding: CONTACTS, from }, SMALL).await;
    let mut shown = keys(&batch);
    assert!(shown.iter().all(|key| !first.contains(key)), "what was not shown comes first");
    while batch.then == Then::More {
        let request = ReadRequest::Scan { binding: CONTACTS, after: batch.upto };
        batch = read(source.as_mut(), &request, SMALL).await;
        shown.extend(keys(&batch));
    }
    assert_eq!(batch.then, Then::ScanComplete { rows: 41 });
    let last = shown.len() - first.len();
    assert_eq!(shown.get(last..), Some(first.as_slice()), "what was shown comes last");
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 41, "each row once");
}

/// A position that a source cannot use is none: it begins at the beginning.
pub async fn scan_that_cannot_go_on_begins_anew(bench: &mut dyn Bench) {
    for number in 0..20 {
        bench.edit(&contact(number, 0)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    for from in [vec![], vec![1, 2, 3], vec![0xff; 14], vec![0xff; 24]] {
        let request = ReadRequest::ScanFrom { binding: CONTACTS, from: Position(from) };
        let mut batch = read(source.as_mut(), &request, SMALL).await;
        let mut count = batch.rows.len();
        while batch.then == Then::More {
            let request = ReadRequest::Scan { binding: CONTACTS, after: batch.upto };
            batch = read(source.as_mut(), &request, SMALL).await;
            count += batch.rows.len();
        }
        assert_eq!((count, batch.then), (20, Then::ScanComplete { rows: 20 }));
    }
}

/// F1: sixty rows of one stamp come over many pages, and none is skipped.
pub async fn poll_shows_all_rows_of_one_stamp(bench: &mut dyn Bench) {
    for number in 0..60 {
        bench.edit(&contact(number, 100_000)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let (found, position) = poll(source.as_mut(), None).await;
    assert_eq!(found, addresses(0..60));
    let (again, _) = poll(source.as_mut(), position).await;
    assert_eq!(again, Vec::<String>::new(), "nothing new, nothing shown");
}

/// F2: a row that is committed late, with a stamp from before rows already read, is shown.
pub async fn poll_meets_a_late_commit(bench: &mut dyn Bench) {
    bench.edit(&contact(1, 100_000)).await;
    bench.edit(&contact(2, 101_000)).await;
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let (_, position) = poll(source.as_mut(), None).await;
    bench.edit(&contact(3, 100_500)).await;
    let (found, _) = poll(source.as_mut(), position).await;
    assert_eq!(found, addresses([3]));
}

/// F3: rows committed between two pages, before and behind them, are not skipped.
pub async fn poll_meets_commits_between_pages(bench: &mut dyn Bench) {
    for number in 0..20 {
        bench.edit(&contact(number, 100_000 + number)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let request = ReadRequest::Poll { binding: CONTACTS, from: None };
    let first = read(source.as_mut(), &request, SMALL).await;
    bench.edit(&contact(50, 99_999)).await;
    bench.edit(&contact(51, 100_010)).await;
    bench.edit(&contact(52, 900_000)).await;
    let mut found: Vec<String> = first.rows.iter().map(email).collect();
    let (rest, position) = poll(source.as_mut(), first.upto).await;
    found.extend(rest);
    let (later, _) = poll(source.as_mut(), position).await;
    found.extend(later);
    found.sort();
    found.dedup();
    assert_eq!(found, addresses((0..20).chain([50, 51, 52])));
}

/// A row that changed comes again, one that did not does not.
pub async fn poll_shows_what_changed(bench: &mut dyn Bench) {
    for number in 0..5 {
        bench.edit(&contact(number, 100_000)).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let (_, position) = poll(source.as_mut(), None).await;
    let find = vec![("email", text("c3@example.com"))];
    let set = vec![("name", text("Nora")), ("touched", Value::int(100_001))];
    bench.edit(&Edit::Update { table: "contacts", find, set }).await;
    let (found, _) = poll(source.as_mut(), position).await;
    assert_eq!(found, addresses([3]));
}

/// Rows are found by key, and keys without a row are absent, in the order asked; NULL is not the
/// empty text, and odd names are read like others.
pub async fn keys_are_found_or_absent(bench: &mut dyn Bench) {
    let row = vec![
        ("id", Value::int(5)),
        ("email", text("c1@example.com")),
        ("phone", text("")),
        ("Mixed Case", text("O'Hara \u{1F600} e\u{301}  ")),
        ("order", Value::int(-7)),
    ];
    bench.edit(&Edit::Insert { table: "contacts", row }).await;
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let ask = |number: i64| KeyRead {
        key: number_key(&[number]),
        operation: OperationId(number.unsigned_abs()),
        in_doubt: Vec::new(),
    };
    let request = ReadRequest::Keys { binding: CONTACTS, keys: vec![ask(99), ask(5)] };
    let batch = read(source.as_mut(), &request, SMALL).await;
    let seen: Vec<(u64, String)> = batch
        .answers
        .iter()
        .map(|answer| {
            let text = match &answer.result {
                ReadResult::Found(found) => {
                    found.row.as_ref().map(|row| shown(CONTACTS, row)).unwrap_or_default()
                }
                ReadResult::Absent => "absent".to_owned(),
                ReadResult::Failed(reason) => format!("failed {reason}"),
            };
            (answer.operation.0, text)
        })
        .collect();
    let found = "email=c1@example.com name=null phone= note=null code=null \
         Mixed Case=O'Hara \u{1F600} e\u{301}   order=-7";
    assert_eq!(seen, [(99, "absent".to_owned()), (5, found.to_owned())]);
}

/// Rows with composite keys are found by exactly their keys.
pub async fn composite_keys_are_exact(bench: &mut dyn Bench) {
    for (sku, site) in [("A", "paris"), ("A", "lyon"), ("a b", "paris")] {
        let row = vec![("sku", text(sku)), ("site", text(site)), ("qty", Value::int(1))];
        bench.edit(&Edit::Insert { table: "stock", row }).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let (rows, _) = scan(source.as_mut(), STOCK).await;
    assert_eq!(rows.len(), 3);
    let keys = [("A", "lyon"), ("a", "lyon"), ("A", "lyon "), ("paris", "A")];
    let keys: Vec<KeyRead> = keys
        .iter()
        .map(|(sku, site)| KeyRead {
            key: RowKey::new([&text(sku), &text(site)]),
            operation: OperationId(1),
            in_doubt: Vec::new(),
        })
        .collect();
    let batch = read(source.as_mut(), &ReadRequest::Keys { binding: STOCK, keys }, SMALL).await;
    let found: Vec<bool> =
        batch.answers.iter().map(|answer| matches!(answer.result, ReadResult::Found(_))).collect();
    assert_eq!(found, [true, false, false, false]);
}

/// The children of a parent come whole, with the parent's key, and no others.
pub async fn children_come_with_their_parent(bench: &mut dyn Bench) {
    for (id, number) in [(1, "N1"), (2, "N2"), (3, "N3")] {
        let row = vec![("id", Value::int(id)), ("number", text(number))];
        bench.edit(&Edit::Insert { table: "orders", row }).await;
        for line in 1..=id {
            let row = vec![
                ("order_id", Value::int(id)),
                ("line", Value::int(line)),
                ("sku", text("S")),
                ("qty", Value::int(line * 10)),
            ];
            bench.edit(&Edit::Insert { table: "order_lines", row }).await;
        }
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let parents = vec![number_key(&[2]), number_key(&[3]), number_key(&[9])];
    let request = ReadRequest::Children { binding: LINES, parents };
    let batch = read(source.as_mut(), &request, Limit { rows: 100, bytes: 1 << 20 }).await;
    let mut keys: Vec<(String, String)> = batch
        .rows
        .iter()
        .map(|row| {
            let parent = row.parent.as_ref().map(ToString::to_string).unwrap_or_default();
            (parent, row.key.to_string())
        })
        .collect();
    keys.sort();
    let expected = [("2", "2/1"), ("2", "2/2"), ("3", "3/1"), ("3", "3/2"), ("3", "3/3")];
    let expected: Vec<(String, String)> =
        expected.iter().map(|(parent, key)| ((*parent).into(), (*key).into())).collect();
    assert_eq!(keys, expected);
}

/// A write in doubt is found applied, or is voided; once voided, it can never be applied.
pub async fn doubts_are_settled_by_marks(bench: &mut dyn Bench) {
    if !bench.has_marks() {
        return;
    }
    bench.edit(&contact(1, 0)).await;
    let (mut source, mut target) = bench.open(plan(), TIMEOUT).await;
    let (rows, _) = scan(source.as_mut(), CONTACTS).await;
    let key = rows.keys().next().cloned();
    let mut writer = Writer::default();
    let mut rename = |from: &str, to: &str| {
        writer.write(
            CONTACTS,
            WriteKind::Update,
            key.clone(),
            &[("name", text(to))],
            Some(&[("name", text(from))]),
        )
    };
    let (made, late) = (rename("Contact 1", "Made"), rename("Made", "Late"));
    let group = |write: &syncline_core::change::RowWrite| WriteGroup {
        writes: vec![write.clone()],
        park: false,
    };
    let outcomes = target.apply(&[group(&made)]).await;
    assert!(matches!(outcomes.as_slice(), [(_, Outcome::Applied { .. })]), "{outcomes:?}");
    let ask = |in_doubt: Vec<IntentId>| ReadRequest::Keys {
        binding: CONTACTS,
        keys: vec![KeyRead {
            key: key.clone().unwrap_or(RowKey([].into())),
            operation: OperationId(1),
            in_doubt,
        }],
    };
    let batch = read(source.as_mut(), &ask(vec![made.intent, late.intent]), SMALL).await;
    let fates = batch.answers.first().map(|answer| answer.marks.clone()).unwrap_or_default();
    assert_eq!(fates, [(made.intent, MarkFate::Applied), (late.intent, MarkFate::Void)]);

    let outcomes = target.apply(&[group(&late)]).await;
    assert!(
        !matches!(outcomes.as_slice(), [(_, Outcome::Applied { .. })]),
        "a voided write comes late: {outcomes:?}"
    );
    let made_rows = bench.count("contacts", &vec![("name", text("Made"))]).await;
    assert_eq!(made_rows, 1);
    let batch = read(source.as_mut(), &ask(vec![late.intent]), SMALL).await;
    let fates = batch.answers.first().map(|answer| answer.marks.clone()).unwrap_or_default();
    assert_eq!(fates, [(late.intent, MarkFate::Void)]);
}

/// A heartbeat only grows, and is left only where the one before is still there: a system that goes back while one is
/// left is seen to have.
pub async fn heartbeats_tell_that_a_system_went_back(bench: &mut dyn Bench) {
    if !bench.has_marks() {
        return;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let mut found = Vec::new();
    for (leave, left) in [(5, 0), (9, 5), (7, 9), (12, 10), (12, 9)] {
        let heartbeat = Heartbeat { installation: "0a1b2c3d".into(), leave: Some(leave), left };
        let ages = source.ages(&heartbeat).await.unwrap_or_default();
        found.extend(ages.into_iter().filter(|age| *age.of == *HEARTBEAT).map(|age| age.count));
    }

    // The fourth had left 10, and so much is not there: it stays as it is.
    assert_eq!(found, [5, 9, 9, 9, 12]);
}

/// The mark of a new row whose key the table makes tells that key; one that is voided is never made.
pub async fn new_rows_are_found_by_their_marks(bench: &mut dyn Bench) {
    if !bench.has_marks() {
        return;
    }
    let (mut source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let mut create = |email: &str| {
        writer.write(CONTACTS, WriteKind::Insert, None, &[("email", text(email))], None)
    };
    let made: Vec<_> = (0..3).map(|number| create(&format!("c{number}@example.com"))).collect();
    let late = create("late@example.com");
    let group = |write: &RowWrite| WriteGroup { writes: vec![write.clone()], park: false };
    let groups: Vec<WriteGroup> = made.iter().map(group).collect();
    let outcomes = target.apply(&groups).await;
    let keys: BTreeMap<IntentId, RowKey> = outcomes
        .into_iter()
        .filter_map(|(intent, outcome)| {
            if let Outcome::Applied { key, .. } = outcome { Some((intent, key)) } else { None }
        })
        .collect();
    assert_eq!(keys.len(), made.len());

    let intents: Vec<IntentId> = made.iter().chain([&late]).map(|write| write.intent).collect();
    let ask = ReadRequest::Marks { binding: CONTACTS, intents };
    let batch = read(source.as_mut(), &ask, SMALL).await;
    let (intent, fate) = (late.intent, MarkFate::Void);
    let mut expected: Vec<MarkAnswer> = keys
        .iter()
        .map(|(intent, key)| MarkAnswer {
            intent: *intent,
            fate: MarkFate::Applied,
            key: Some(key.clone()),
        })
        .collect();
    expected.push(MarkAnswer { intent, fate, key: None });
    assert_eq!(batch.marks, expected);

    let outcomes = target.apply(&[group(&late)]).await;
    assert!(
        !matches!(outcomes.as_slice(), [(_, Outcome::Applied { .. })]),
        "a voided insert comes late: {outcomes:?}"
    );
    let late = vec![("email", text("late@example.com"))];
    assert_eq!(bench.count("contacts", &late).await, 0);
}

/// Texts of a megabyte are read whole, and a batch of them is bounded by bytes.
pub async fn large_texts_are_read_in_bounded_batches(bench: &mut dyn Bench) {
    let large = "ä0123456789abcde".repeat(65_536);
    for number in 0..6 {
        let row = vec![("email", text(&format!("c{number}@example.com"))), ("note", text(&large))];
        bench.edit(&Edit::Insert { table: "contacts", row }).await;
    }
    let (mut source, _target) = bench.open(plan(), TIMEOUT).await;
    let limit = Limit { rows: 1_000, bytes: 2 << 20 };
    let field = crate::suite::bench::field_of(CONTACTS, "note");
    let (mut after, mut count) = (None, 0);
    loop {
        let request = ReadRequest::Scan { binding: CONTACTS, after };
        let batch = read(source.as_mut(), &request, limit).await;
        assert!(batch.rows.len() <= 4, "{} rows of a megabyte in one batch", batch.rows.len());
        for row in &batch.rows {
            let note = row.row.as_ref().and_then(|row| row.value(field));
            assert!(note == Some(&text(&large)), "the text is whole");
            count += 1;
        }
        if batch.then != Then::More {
            break;
        }
        after = batch.upto;
    }
    assert_eq!(count, 6);
}
