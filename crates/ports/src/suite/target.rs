//! What every target must pass. Each function takes a fresh [`Bench`].

use std::{fmt::Write as _, time::Duration};

use syncline_core::{
    change::{Outcome, RowKey, RowWrite, WriteGroup, WriteKind},
    name::{BindingIndex, IntentId},
    value::Value,
};

use crate::{
    suite::bench::{
        Bench, CONTACTS, Columns, Edit, LINES, ORDERS, STOCK, Writer, number_key, plan, shown, text,
    },
    target::{Target, apply_at_once},
};

const TIMEOUT: Duration = Duration::from_secs(20);

fn alone(write: RowWrite) -> WriteGroup {
    WriteGroup { writes: vec![write], park: false }
}

fn together(writes: Vec<RowWrite>) -> WriteGroup {
    WriteGroup { writes, park: false }
}

/// Applies groups and gives the outcomes in the order of the writes, as text.
async fn apply(target: &mut dyn Target, groups: &[WriteGroup]) -> Vec<String> {
    outcomes(target, groups)
        .await
        .iter()
        .map(|(binding, outcome)| said(*binding, outcome))
        .collect()
}

async fn outcomes(target: &mut dyn Target, groups: &[WriteGroup]) -> Vec<(BindingIndex, Outcome)> {
    let answers = apply_at_once(target, groups).await;
    let count: usize = groups.iter().map(|group| group.writes.len()).sum();
    assert_eq!(answers.len(), count, "every write is answered");
    let answer = |intent: IntentId| {
        let mut found = answers.iter().filter(|(other, _)| *other == intent);
        let first = found.next().map(|(_, outcome)| outcome.clone());
        assert!(first.is_some() && found.next().is_none(), "each write is answered once");
        first
    };
    groups
        .iter()
        .flat_map(|group| &group.writes)
        .filter_map(|write| Some((write.binding, answer(write.intent)?)))
        .collect()
}

fn said(binding: BindingIndex, outcome: &Outcome) -> String {
    let row = |row: &Option<syncline_core::change::Row>| {
        row.as_ref().map_or("no row".to_owned(), |row| shown(binding, row))
    };
    match outcome {
        Outcome::Applied { key, post, .. } => format!("applied {key}: {}", row(post)),
        Outcome::Precondition { current, .. } => format!("found {}", row(current)),
        Outcome::Unique { columns, holder } => {
            let mut text = format!("unique {}", columns.join(","));
            if let Some(holder) = holder {
                let _never_fails = write!(text, " held by {holder}");
            }
            text
        }
        Outcome::Foreign { .. } => "foreign".to_owned(),
        Outcome::Invalid { code, .. } => format!("invalid {code}"),
        Outcome::Retry { .. } => "retry".to_owned(),
        Outcome::Unknown { .. } => "unknown".to_owned(),
        Outcome::Sibling => "sibling".to_owned(),
    }
}

fn only(outcomes: &[(BindingIndex, Outcome)]) -> Option<&Outcome> {
    match outcomes {
        [(_, outcome)] => Some(outcome),
        _ => None,
    }
}

async fn contact(bench: &mut dyn Bench, id: i64, email: &str, name: &str) {
    let row = vec![("id", Value::int(id)), ("email", text(email)), ("name", text(name))];
    bench.edit(&Edit::Insert { table: "contacts", row }).await;
}

async fn is_one(bench: &mut dyn Bench, table: &'static str, values: Columns) {
    let count = bench.count(table, &values).await;
    assert_eq!(count, 1, "rows of {table} with {values:?}");
}

/// An insert is answered with the key the system made and the row as it is, defaults and triggers
/// included.
pub async fn insert_answers_the_key_made(bench: &mut dyn Bench) {
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let set = [("email", text("a@example.com")), ("code", text("ab")), ("order", Value::int(3))];
    let write = Writer::default().write(CONTACTS, WriteKind::Insert, None, &set, None);
    let outcomes = outcomes(target.as_mut(), &[alone(write)]).await;
    let Some(Outcome::Applied { key, post, .. }) = only(&outcomes) else {
        assert_eq!(format!("{outcomes:?}"), "applied");
        return;
    };
    let row = post.as_ref().map(|row| shown(CONTACTS, row));
    let expected = "email=a@example.com name=null phone=null note=null code=AB \
         Mixed Case=null order=3";
    assert_eq!(row.as_deref(), Some(expected), "the trigger's work is in the answer");
    let id = key.values().first().cloned().unwrap_or_default();
    is_one(bench, "contacts", vec![("id", id), ("extra", text("x"))]).await;
}

/// An update writes what it sets and nothing else; what the system makes of it is in the answer.
pub async fn update_touches_only_what_it_sets(bench: &mut dyn Bench) {
    let row = vec![
        ("id", Value::int(1)),
        ("email", text("a@example.com")),
        ("name", text("Ana")),
        ("extra", text("keep")),
        ("Mixed Case", text("keep too")),
    ];
    bench.edit(&Edit::Insert { table: "contacts", row }).await;
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let write = Writer::default().write(
        CONTACTS,
        WriteKind::Update,
        Some(number_key(&[1])),
        &[("code", text("xyz")), ("phone", text(""))],
        Some(&[("code", Value::Null), ("phone", Value::Null)]),
    );
    let said = apply(target.as_mut(), &[alone(write)]).await;
    let expected = "applied 1: email=a@example.com name=Ana phone= note=null code=XYZ \
         Mixed Case=keep too order=null";
    assert_eq!(said, [expected]);
    let values = vec![("extra", text("keep")), ("code", text("XYZ")), ("phone", text(""))];
    is_one(bench, "contacts", values).await;
}

/// A row that is not as expected is not written, and is shown as it is: exactly, letter case and
/// trailing spaces included, NULL and empty apart.
pub async fn changed_rows_are_not_overwritten(bench: &mut dyn Bench) {
    contact(bench, 1, "a@example.com", "Ana ").await;
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    for expected in [text("Ana"), text("ana "), text(""), Value::Null] {
        let write = writer.write(
            CONTACTS,
            WriteKind::Update,
            Some(number_key(&[1])),
            &[("name", text("Changed"))],
            Some(&[("name", expected)]),
        );
        let said = apply(target.as_mut(), &[alone(write)]).await;
        let found = "found email=a@example.com name=Ana  phone=null note=null code=null \
             Mixed Case=null order=null";
        assert_eq!(said, [found]);
    }
    let gone = writer.write(
        CONTACTS,
        WriteKind::Update,
        Some(number_key(&[99])),
        &[("name", text("Changed"))],
        Some(&[]),
    );
    let there = writer.write(
        STOCK,
        WriteKind::Insert,
        None,
        &[("sku", text("A")), ("site", text("paris")), ("qty", Value::int(1))],
        None,
    );
    let again = RowWrite { intent: IntentId(77), ..there.clone() };
    let said = apply(target.as_mut(), &[alone(gone), alone(there), alone(again)]).await;
    let expected =
        ["found no row", "applied A/paris: sku=A site=paris qty=1", "found sku=A site=paris qty=1"];
    assert_eq!(said, expected);
}

/// A delete removes the row it expects, and no other.
pub async fn deletes_are_conditional(bench: &mut dyn Bench) {
    contact(bench, 1, "a@example.com", "Ana").await;
    contact(bench, 2, "b@example.com", "Bea").await;
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let mut delete = |id: i64, name: &str| {
        let expect = [("name", text(name))];
        let key = Some(number_key(&[id]));
        alone(writer.write(CONTACTS, WriteKind::Delete, key, &[], Some(&expect)))
    };
    let groups = [delete(1, "Ana"), delete(2, "Somebody"), delete(3, "Nobody")];
    let said = apply(target.as_mut(), &groups).await;
    let found = "found email=b@example.com name=Bea phone=null note=null code=null \
         Mixed Case=null order=null";
    assert_eq!(said, ["applied 1: no row", found, "found no row"]);
    assert_eq!(bench.count("contacts", &Vec::new()).await, 1);
}

/// A value that another row holds is refused, and the holder named; the holder is not touched.
pub async fn unique_violations_name_the_holder(bench: &mut dyn Bench) {
    contact(bench, 1, "a@example.com", "Ana").await;
    contact(bench, 9, "b@example.com", "Bea").await;
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let set = [("email", text("b@example.com"))];
    let update = writer.write(
        CONTACTS,
        WriteKind::Update,
        Some(number_key(&[1])),
        &set,
        Some(&[("email", text("a@example.com"))]),
    );
    let insert = writer.write(CONTACTS, WriteKind::Insert, None, &set, None);
    let said = apply(target.as_mut(), &[alone(update), alone(insert)]).await;
    assert_eq!(said, ["unique email held by 9", "unique email held by 9"]);
    is_one(bench, "contacts", vec![("id", Value::int(9)), ("name", text("Bea"))]).await;
}

/// A write that clashes costs its neighbours nothing, wherever in the batch it stands; and a value that
/// a later write of the batch sets free is taken, or its holder is named: nobody is told of a holder
/// that is none.
pub async fn a_clash_costs_nobody_else(bench: &mut dyn Bench) {
    for id in 1..=9 {
        contact(bench, id, &format!("e{id}"), "").await;
    }
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let mut to = |id: i64, email: &str| {
        let set = [("email", text(email))];
        alone(writer.write(CONTACTS, WriteKind::Update, Some(number_key(&[id])), &set, Some(&[])))
    };
    let batch = [to(1, "x1"), to(2, "e9"), to(3, "x3"), to(4, "e9"), to(5, "x5")];
    let said = apply(target.as_mut(), &batch).await;
    let ended: Vec<&str> = said.iter().map(|said| said.split(':').next().unwrap_or(said)).collect();
    let clash = "unique email held by 9";
    assert_eq!(ended, ["applied 1", clash, "applied 3", clash, "applied 5"]);
    for (id, email) in [(1, "x1"), (2, "e2"), (3, "x3"), (4, "e4"), (5, "x5")] {
        is_one(bench, "contacts", vec![("id", Value::int(id)), ("email", text(email))]).await;
    }
    // 6 takes what 7 leaves for what 8 leaves.
    for _ in 0..3 {
        let chain = [to(6, "e7"), to(7, "e8"), to(8, "x8")];
        let said = apply(target.as_mut(), &chain).await;
        let open = |said: &&String| !said.starts_with("applied") && !said.contains("held by");
        assert_eq!(said.iter().find(open), None, "{said:?}");
    }
    for (id, email) in [(6, "e7"), (7, "e8"), (8, "x8")] {
        is_one(bench, "contacts", vec![("id", Value::int(id)), ("email", text(email))]).await;
    }
}

/// W7: two rows exchange their unique values in one group, and no third value is left.
pub async fn unique_values_are_swapped(bench: &mut dyn Bench) {
    contact(bench, 1, "a@example.com", "Ana").await;
    contact(bench, 2, "b@example.com", "Bea").await;
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let mut swap = |id: i64, from: &str, to: &str| {
        let (set, expect) = ([("email", text(to))], [("email", text(from))]);
        writer.write(CONTACTS, WriteKind::Update, Some(number_key(&[id])), &set, Some(&expect))
    };
    let writes =
        vec![swap(1, "a@example.com", "b@example.com"), swap(2, "b@example.com", "a@example.com")];
    let said = apply(target.as_mut(), &[WriteGroup { writes, park: true }]).await;
    assert!(said.iter().all(|outcome| outcome.starts_with("applied")), "{said:?}");
    is_one(bench, "contacts", vec![("id", Value::int(1)), ("email", text("b@example.com"))]).await;
    is_one(bench, "contacts", vec![("id", Value::int(2)), ("email", text("a@example.com"))]).await;
}

/// References to rows that are not there, and deletes of rows that are referred to, are refused.
pub async fn foreign_keys_are_respected(bench: &mut dyn Bench) {
    contact(bench, 1, "a@example.com", "Ana").await;
    let row = vec![("number", text("N1")), ("contact_id", Value::int(1))];
    bench.edit(&Edit::Insert { table: "orders", row }).await;
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let set = [("number", text("N2")), ("contact_id", Value::int(404))];
    let orphan = writer.write(ORDERS, WriteKind::Insert, None, &set, None);
    let key = Some(number_key(&[1]));
    let parent = writer.write(CONTACTS, WriteKind::Delete, key, &[], Some(&[]));
    let said = apply(target.as_mut(), &[alone(orphan), alone(parent)]).await;
    assert_eq!(said, ["foreign", "foreign"]);
    assert_eq!(bench.count("contacts", &Vec::new()).await, 1);
}

/// What the system refuses for good has a code, and the reason.
pub async fn invalid_values_have_codes(bench: &mut dyn Bench) {
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let mut insert =
        |set: &[(&str, Value)]| alone(writer.write(CONTACTS, WriteKind::Insert, None, set, None));
    let groups = [
        insert(&[("email", Value::Null)]),
        insert(&[("email", text("a@example.com")), ("phone", text("invalid"))]),
    ];
    let said = apply(target.as_mut(), &groups).await;
    assert_eq!(said, ["invalid write.null", "invalid write.check"]);
}

/// An order and its lines are written together: the lines take the key the order was given.
pub async fn parents_and_children_are_one(bench: &mut dyn Bench) {
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let mut order = |number: &str, quantities: [Value; 2]| {
        let set = [("number", text(number))];
        let mut writes = vec![writer.write(ORDERS, WriteKind::Insert, None, &set, None)];
        for (at, qty) in quantities.into_iter().enumerate() {
            let set = [("line", Value::int(at as i64 + 1)), ("sku", text("S")), ("qty", qty)];
            writes.push(writer.write(LINES, WriteKind::Insert, None, &set, None));
        }
        together(writes)
    };
    let good = order("N1", [Value::int(10), Value::int(20)]);
    // The second line of this one repeats the number of the first: the key is refused.
    let mut bad = order("N2", [Value::int(10), Value::int(20)]);
    if let Some(line) = bad.writes.get(1).map(|line| line.set.clone())
        && let Some(last) = bad.writes.last_mut()
    {
        last.set = line;
    }
    let outcomes = outcomes(target.as_mut(), &[good, bad]).await;
    let said: Vec<String> =
        outcomes.iter().map(|(binding, outcome)| said(*binding, outcome)).collect();
    assert!(said.iter().take(3).all(|said| said.starts_with("applied")), "{said:?}");
    let Some((_, Outcome::Applied { key, .. })) = outcomes.first() else { return };
    let id = key.values().first().cloned().unwrap_or_default();
    let line = vec![("order_id", id), ("line", Value::int(2)), ("qty", Value::int(20))];
    is_one(bench, "order_lines", line).await;

    assert_eq!(said.get(3).map(String::as_str), Some("sibling"));
    assert_eq!(bench.count("orders", &Vec::new()).await, 1, "no half order");
    assert_eq!(bench.count("order_lines", &Vec::new()).await, 2);
}

/// W4: one of a thousand is refused, 999 are written.
pub async fn one_of_a_thousand_is_refused_alone(bench: &mut dyn Bench) {
    let (_source, mut target) = bench.open(plan(), Duration::from_secs(120)).await;
    let mut writer = Writer::default();
    let groups: Vec<WriteGroup> = (0..1_000)
        .map(|number| {
            let phone = if number == 500 { "invalid" } else { "1" };
            let set = [("email", text(&format!("c{number}@example.com"))), ("phone", text(phone))];
            alone(writer.write(CONTACTS, WriteKind::Insert, None, &set, None))
        })
        .collect();
    let said = apply(target.as_mut(), &groups).await;
    let refused: Vec<usize> = said
        .iter()
        .enumerate()
        .filter(|(_, said)| !said.starts_with("applied"))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(refused, [500]);
    assert_eq!(said.get(500).map(String::as_str), Some("invalid write.check"));
    assert_eq!(bench.count("contacts", &Vec::new()).await, 999);
}

/// Names that are reserved words or mixed in case are written like others, and texts arrive byte
/// by byte.
pub async fn odd_names_and_texts_are_written_exactly(bench: &mut dyn Bench) {
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let large = "ä0123456789abcde".repeat(65_536);
    let odd = "O'Hara \"x\" \\ \u{1F600} e\u{301} \r\n\t ";
    let set = [
        ("email", text("a@example.com")),
        ("Mixed Case", text(odd)),
        ("order", Value::int(-1)),
        ("note", text(&large)),
        ("name", text("")),
        ("phone", Value::Null),
    ];
    let write = Writer::default().write(CONTACTS, WriteKind::Insert, None, &set, None);
    let fields: Vec<_> = write.set.clone();
    let outcomes = outcomes(target.as_mut(), &[alone(write)]).await;
    let Some(Outcome::Applied { post: Some(post), .. }) = only(&outcomes) else {
        assert_eq!(format!("{outcomes:?}").get(..200), None);
        return;
    };
    for (field, value) in fields {
        assert!(post.value(field) == Some(&value), "field {field:?} came back changed");
    }
    let count = bench.count("contacts", &vec![("name", text("")), ("phone", Value::Null)]).await;
    assert_eq!(count, 1);
}

/// Rows with composite keys are written, moved and deleted by exactly their keys.
pub async fn composite_keys_are_written(bench: &mut dyn Bench) {
    for site in ["paris", "lyon"] {
        let row = vec![("sku", text("A")), ("site", text(site)), ("qty", Value::int(1))];
        bench.edit(&Edit::Insert { table: "stock", row }).await;
    }
    let (_source, mut target) = bench.open(plan(), TIMEOUT).await;
    let mut writer = Writer::default();
    let key = |site: &str| Some(RowKey::new([&text("A"), &text(site)]));
    let one = [("qty", Value::int(1))];
    let groups = [
        alone(writer.write(
            STOCK,
            WriteKind::Update,
            key("paris"),
            &[("qty", Value::int(5))],
            Some(&one),
        )),
        alone(writer.write(
            STOCK,
            WriteKind::Update,
            key("lyon"),
            &[("site", text("nice"))],
            Some(&one),
        )),
    ];
    let said = apply(target.as_mut(), &groups).await;
    let expected =
        ["applied A/paris: sku=A site=paris qty=5", "applied A/nice: sku=A site=nice qty=1"];
    assert_eq!(said, expected);
    let gone = writer.write(STOCK, WriteKind::Delete, key("nice"), &[], Some(&one));
    assert_eq!(apply(target.as_mut(), &[alone(gone)]).await, ["applied A/nice: no row"]);
    assert_eq!(bench.count("stock", &Vec::new()).await, 1);
}

/// A write that meets a lock for longer than its time-out is not answered as done; the next one,
/// when the lock is gone, is.
pub async fn locks_end_in_a_time_out(bench: &mut dyn Bench) {
    contact(bench, 1, "a@example.com", "Ana").await;
    let (_source, mut target) = bench.open(plan(), Duration::from_millis(400)).await;
    let find = vec![("id", Value::int(1))];
    let set = vec![("phone", text("1"))];
    bench.hold(&Edit::Update { table: "contacts", find, set }).await;
    let mut writer = Writer::default();
    let mut rename = || {
        let (set, expect) = ([("name", text("Bea"))], [("name", text("Ana"))]);
        let key = Some(number_key(&[1]));
        alone(writer.write(CONTACTS, WriteKind::Update, key, &set, Some(&expect)))
    };
    let said = apply(target.as_mut(), &[rename()]).await;
    assert!(matches!(said.as_slice(), [one] if one == "retry" || one == "unknown"), "{said:?}");
    bench.release().await;
    let name = bench.count("contacts", &vec![("name", text("Ana"))]).await;
    assert_eq!(name, 1, "nothing was written");
    let said = apply(target.as_mut(), &[rename()]).await;
    assert!(matches!(said.as_slice(), [one] if one.starts_with("applied")), "{said:?}");
}
