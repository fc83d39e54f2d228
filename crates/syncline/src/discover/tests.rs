//! What is found among made-up tables: quick, without a system.

use syncline_core::{Text, value::Value};
use syncline_ports::catalog::{Column, NativeKind, Table, Travels, Unique};

use super::*;

/// A table of these columns, the first of which is its key.
fn table(name: &str, columns: &[(&str, NativeKind)], rows: Vec<Vec<Value>>) -> Sampled {
    let column = |(name, kind): &(&str, NativeKind)| Column {
        name: Text::new(name),
        type_name: Text::new(format!("{kind:?}")),
        travels: Travels::Exactly(*kind),
        nullable: true,
        ..Column::default()
    };
    let names: Vec<Text> = columns.iter().map(|(name, _)| Text::new(name)).collect();
    let mut table = Table {
        name: Text::new(name),
        columns: columns.iter().map(column).collect(),
        primary_key: names.first().cloned().into_iter().collect(),
        rows_estimate: rows.len() as u64,
        ..Table::default()
    };
    if let Some(first) = table.columns.first_mut() {
        first.is_identity = true;
    }
    Sampled { table, columns: names, rows, is_whole: true }
}

fn side(system: &str, tables: Vec<Sampled>) -> Side {
    Side { system: system.to_owned(), is_rest: false, tables }
}

fn wish() -> Wish {
    Wish { timezone: None, min: 0.7 }
}

fn text(text: impl AsRef<str>) -> Value {
    Value::text(text)
}

const PEOPLE: [(&str, NativeKind); 4] = [
    ("id", NativeKind::Num),
    ("email", NativeKind::Text),
    ("name", NativeKind::Text),
    ("city", NativeKind::Text),
];

fn people(count: i64, shift: i64) -> Vec<Vec<Value>> {
    let row = |at: i64| {
        vec![
            Value::int((at + shift) % count + 1),
            text(format!("p{at}@example.com")),
            text(format!("Person {}", at * 7919 % 997)),
            text(["Berlin", "Paris", "Rome"][(at * at % 3) as usize]),
        ]
    };
    (0..count).map(row).collect()
}

/// The names of the columns of each field, the key first.
fn fields(pair: &Pair) -> Vec<(String, String)> {
    let names = |cell: &Cell| cell.columns.join("+");
    pair.fields.iter().map(|field| (names(&field.cells[0]), names(&field.cells[1]))).collect()
}

fn pair(left: &str, right: &str) -> (String, String) {
    (left.to_owned(), right.to_owned())
}

#[test]
fn rows_are_matched_by_what_makes_the_others_agree_and_not_by_their_numbers() {
    let columns = [
        ("NO", NativeKind::Num),
        ("MAIL", NativeKind::Text),
        ("CNAME", NativeKind::Text),
        ("ORT", NativeKind::Text),
    ];
    let found = propose(
        &side("crm", vec![table("contacts", &PEOPLE, people(60, 0))]),
        &side("erp", vec![table("KUNDEN", &columns, people(60, 17))]),
        &wish(),
    );
    let [contacts] = found.pairs.as_slice() else { panic!("{found:?}") };
    assert_eq!(contacts.name, "contacts");
    let fields = fields(contacts);
    assert_eq!(fields.first(), Some(&pair("email", "MAIL")));
    assert!(fields.contains(&pair("name", "CNAME")) && fields.contains(&pair("city", "ORT")));
    assert!(!fields.iter().any(|(left, _)| left == "id"), "{fields:?}");
}

#[test]
fn what_must_not_travel_is_never_proposed() {
    let columns =
        [("id", NativeKind::Num), ("email", NativeKind::Text), ("iban", NativeKind::Text)];
    let rows: Vec<Vec<Value>> = (0..40)
        .map(|at| {
            vec![Value::int(at), text(format!("p{at}@example.com")), text("DE89370400440532013000")]
        })
        .collect();
    let found = propose(
        &side("crm", vec![table("accounts", &columns, rows.clone())]),
        &side("erp", vec![table("accounts", &columns, rows)]),
        &wish(),
    );
    let all: Vec<&Pair> = found.pairs.iter().chain(&found.doubtful).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].sensitive.len(), 2);
    let named =
        |field: &Field| field.cells.iter().any(|cell| cell.columns.contains(&"iban".into()));
    assert!(!all[0].fields.iter().chain(&all[0].doubtful).any(named));
}

#[test]
fn tables_of_which_one_is_empty_are_paired_by_their_names() {
    let mut empty = table("PEOPLE", &PEOPLE, Vec::new());
    let email = vec![Text::new("email")];
    empty.table.unique.push(Unique { name: "u".into(), columns: email, is_deferrable: false });
    let full = table("people", &PEOPLE, people(30, 0));
    let found = propose(&side("a", vec![full]), &side("b", vec![empty]), &wish());
    let [people] = found.pairs.as_slice() else { panic!("{found:?}") };
    assert_eq!(fields(people)[0], pair("email", "email"));
    assert!(people.fields.iter().all(|field| field.to_confirm));
}

/// Numbers that follow from a seed.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// A table as anybody might have it: numbers, words of its own, flags, dates, amounts.
fn stranger(name: &str, seed: &mut u64) -> Sampled {
    let all = [
        ("id", NativeKind::Num),
        ("name", NativeKind::Text),
        ("code", NativeKind::Text),
        ("active", NativeKind::Bool),
        ("kind", NativeKind::Text),
        ("created", NativeKind::Date),
        ("amount", NativeKind::Num),
        ("number", NativeKind::Num),
    ];
    let (rows, kinds) = (20 + next(seed) % 200, 2 + next(seed) % 5);
    let rows = (0..rows)
        .map(|at| {
            vec![
                Value::int(at as i64 + 1),
                text(format!("{name} {}", next(seed) % 100_000)),
                text(format!("{}{}", name.to_uppercase(), next(seed) % 100_000)),
                Value::Bool(next(seed).is_multiple_of(2)),
                text(format!("{}", next(seed) % kinds)),
                Value::Date(10_000 + (next(seed) % 9_000) as i32),
                Value::int((next(seed) % 50) as i64),
                Value::int(at as i64 + 1000),
            ]
        })
        .collect();
    table(name, &all, rows)
}

#[test]
fn strangers_are_never_proposed_whatever_they_hold() {
    for seed in 0..25 {
        let mut chance = seed * 7919 + 1;
        let lefts = ["plants", "valves", "songs"].map(|name| stranger(name, &mut chance));
        let rights = ["votes", "stars", "rivers"].map(|name| stranger(name, &mut chance));
        let found = propose(&side("a", lefts.into()), &side("b", rights.into()), &wish());
        assert!(found.pairs.is_empty(), "seed {seed}: {:#?}", found.pairs);
    }
}
