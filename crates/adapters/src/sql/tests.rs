use syncline_core::{
    change::Expected,
    error::ErrorKind,
    plan::{Place, Plan},
};
use syncline_ports::{
    catalog::Table,
    suite::bench::{self, CONTACTS, LINES, ORDERS, Writer, text},
};

use super::*;

fn table(name: &str, columns: &[&str]) -> Table {
    let column = |name: &&str| Column {
        name: (*name).into(),
        travels: Travels::Exactly(NativeKind::Text),
        ..Column::default()
    };
    Table {
        name: name.into(),
        columns: columns.iter().map(column).collect(),
        primary_key: vec!["id".into()],
        ..Table::default()
    }
}

/// `contacts` with these places for the first three fields (email, name, phone).
fn shape(places: [Place; 3], change: impl FnOnce(&mut Plan, &mut Table)) -> Shape {
    let mut plan = bench::plan();
    let mut table =
        table("contacts", &["id", "a", "b", "c", "doc", "at", "who", "gone", "touched", "email"]);
    let binding = &mut plan.bindings[0];
    binding.cells.truncate(3);
    plan.entities[0].fields.truncate(3);
    for (cell, place) in binding.cells.iter_mut().zip(places) {
        cell.as_mut().unwrap().place = place;
    }
    change(&mut plan, &mut table);
    Shape::of(&plan, CONTACTS, &table).unwrap()
}

fn column(name: &str) -> Place {
    Place::Column(name.into())
}

fn path(column: &str, path: &str) -> Place {
    Place::Path { column: column.into(), path: path.split('.').map(Text::new).collect() }
}

/// The values of the shape's columns, by name; others are NULL.
fn values(shape: &Shape, named: &[(&str, Value)]) -> Vec<Value> {
    let of = |column: &Column| {
        named.iter().find(|(name, _)| *name == column.name).map(|(_, value)| value.clone())
    };
    shape.columns.iter().map(|column| of(column).unwrap_or_default()).collect()
}

/// What an update of these fields assigns, as text.
fn assigned(shape: &Shape, set: &[(u16, Value)]) -> String {
    let mut write = Writer::default().write(CONTACTS, WriteKind::Update, None, &[], None);
    write.set = set.iter().map(|(field, value)| (FieldIndex(*field), value.clone())).collect();
    match shape.assignments(&write, None) {
        Ok(list) => list
            .iter()
            .map(|assignment| {
                let name = shape.column_name(assignment.column);
                match &assignment.to {
                    Assigned::Value(value) => format!("{name}={value}"),
                    Assigned::Paths(paths) => {
                        let paths: Vec<String> = paths
                            .iter()
                            .map(|(path, value)| format!("{}={value}", path.join(".")))
                            .collect();
                        format!("{name}[{}]", paths.join(" "))
                    }
                    Assigned::Now => format!("{name}=now"),
                }
            })
            .collect::<Vec<_>>()
            .join(" "),
        Err(Outcome::Invalid { code, .. }) => code.to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn atoms_are_columns_lists_and_paths() {
    let columns = Place::Columns(vec!["b".into(), "c".into()]);
    let shape = shape([column("a"), columns, path("doc", "address.zip")], |_, _| {});
    let document = json::parse(r#"{"address":{"zip":"75001","city":"Paris"}}"#).unwrap();
    let named = [("id", Value::int(7)), ("a", text("x")), ("b", text("Ana")), ("doc", document)];
    let observed = shape.observe(&values(&shape, &named)).unwrap();
    assert_eq!(observed.key.to_string(), "7");
    assert_eq!(
        bench::shown(CONTACTS, &observed.row.unwrap()),
        "email=x name=[Ana, null] phone=75001"
    );

    let names = Value::List(vec![text("Ana"), text("Diaz")]);
    let set = [(0, text("y")), (1, names), (2, text("69001"))];
    assert_eq!(assigned(&shape, &set), "a=y b=Ana c=Diaz doc[address.zip=69001]");
    assert_eq!(assigned(&shape, &[(1, Value::Null)]), "b=null c=null");
    assert_eq!(assigned(&shape, &[(1, Value::List(vec![text("Ana")]))]), "write.type");
    assert_eq!(shape.documents(), [shape.column_named("doc").unwrap()]);
}

#[test]
fn a_path_through_something_else_refuses_the_row() {
    let shape = shape([column("a"), column("b"), path("doc", "address.zip")], |_, _| {});
    let document = json::parse(r#"{"address":"75001 Paris"}"#).unwrap();
    let named = [("id", Value::int(7)), ("doc", document)];
    let refused = shape.observe(&values(&shape, &named)).unwrap_err();
    assert_eq!((refused.code, refused.key.to_string()), ("read.json", "7".to_owned()));
}

#[test]
fn a_row_without_a_key_is_refused() {
    let shape = shape([column("a"), column("b"), column("c")], |_, _| {});
    assert_eq!(shape.observe(&values(&shape, &[])).unwrap_err().code, "read.null_key");
}

#[test]
fn no_write_makes_a_row_without_a_key() {
    let keyed = |nullable| {
        shape([column("a"), column("b"), column("c")], move |plan, table| {
            plan.bindings[0].table.key = vec!["a".into()];
            table.columns[1].nullable = nullable;
        })
    };
    let code = |shape: &Shape, kind, set: &[(u16, Value)]| {
        let mut write = Writer::default().write(CONTACTS, kind, None, &[], None);
        write.set = set.iter().map(|(field, value)| (FieldIndex(*field), value.clone())).collect();
        match shape.assignments(&write, None) {
            Ok(_) => "",
            Err(Outcome::Invalid { code, .. }) => code,
            Err(_) => "another",
        }
    };
    let (full, empty, none) = ([(0, text("x"))], [(0, Value::Null)], [(1, text("x"))]);
    for kind in [WriteKind::Insert, WriteKind::Update] {
        assert_eq!(code(&keyed(true), kind, &full), "");
        assert_eq!(code(&keyed(true), kind, &empty), "write.null");
    }
    assert_eq!(code(&keyed(true), WriteKind::Insert, &none), "write.null");
    assert_eq!(code(&keyed(true), WriteKind::Update, &none), "");
    // The column itself refuses, unless a trigger fills it.
    assert_eq!(code(&keyed(false), WriteKind::Insert, &none), "");
}

#[test]
fn when_and_who_are_read_beside_the_row() {
    let shape = shape([column("a"), column("b"), column("c")], |plan, _| {
        let spec = &mut plan.bindings[0].table;
        spec.changed_at = Some(("at".into(), Some("Europe/Paris".into())));
        spec.changed_by = Some("who".into());
    });
    let named =
        [("id", Value::int(7)), ("at", text("2024-07-01 12:00:00")), ("who", Value::int(12))];
    let observed = shape.observe(&values(&shape, &named)).unwrap();
    assert_eq!(time::utc_text(observed.changed_at.unwrap()), "2024-07-01 10:00:00");
    assert_eq!(observed.actor.as_deref(), Some("12"));
}

#[test]
fn a_soft_delete_reads_as_an_absence_and_writes_its_marks() {
    let shape = shape([column("a"), column("b"), column("c")], |plan, _| {
        plan.bindings[0].soft_delete = Some(vec![
            ("phone".into(), SoftValue::Value(Value::int(99))),
            ("gone".into(), SoftValue::Now),
        ]);
    });
    let mut named = vec![("id", Value::int(7)), ("c", text("99")), ("gone", text("2024-01-01"))];
    assert_eq!(shape.observe(&values(&shape, &named)).unwrap().row, None);
    named.pop();
    assert!(shape.observe(&values(&shape, &named)).unwrap().row.is_some());

    let delete = Writer::default().write(CONTACTS, WriteKind::Delete, None, &[], None);
    let marks = shape.assignments(&delete, None).unwrap();
    let to = |name: &str| {
        let column = shape.column_named(name);
        marks.iter().find(|mark| Some(mark.column) == column).map(|mark| mark.to.clone())
    };
    assert_eq!(to("c"), Some(Assigned::Value(text("99"))), "as its column holds it");
    assert_eq!(to("gone"), Some(Assigned::Now));
    let revived = vec![Assignment { column: shape.column_named("c").unwrap(), to: Assigned::Now }];
    let back = shape.revival(&revived);
    assert_eq!(back.len(), 1, "what is assigned anyway is not set back");
    assert_eq!(back[0].to, Assigned::Value(Value::Null));
}

#[test]
fn one_column_holds_one_value() {
    let shape = shape([column("a"), column("a"), path("a", "x")], |_, _| {});
    assert_eq!(assigned(&shape, &[(0, text("x")), (1, text("x"))]), "a=x");
    assert_eq!(assigned(&shape, &[(0, text("x")), (1, text("y"))]), "write.type");
    assert_eq!(assigned(&shape, &[(0, text("x")), (2, text("y"))]), "write.type");
}

#[test]
fn what_the_system_computes_is_not_written() {
    let shape = shape([column("a"), column("b"), column("c")], |_, table| {
        table.columns[1].is_generated = true;
    });
    assert_eq!(assigned(&shape, &[(0, text("x"))]), "write.generated");
}

#[test]
fn a_child_takes_the_key_of_its_parent() {
    let plan = bench::plan();
    let lines = table("order_lines", &["order_id", "line", "sku", "qty"]);
    let shape = Shape::of(&plan, LINES, &lines).unwrap();
    let parent = bench::number_key(&[5]);
    let set = [("line", Value::int(2))];
    let write = Writer::default().write(LINES, WriteKind::Insert, None, &set, None);
    let assignments = shape.assignments(&write, Some(&parent)).unwrap();
    let names: Vec<&str> =
        assignments.iter().map(|assignment| shape.column_name(assignment.column)).collect();
    assert_eq!(names, ["order_id", "line"]);
    let row = shape.observe(&[Value::int(5), Value::int(2), Value::Null, Value::Null]).unwrap();
    assert_eq!((row.parent, row.key), (Some(parent), bench::number_key(&[5, 2])));
}

#[test]
fn a_composite_reference_is_null_as_a_whole() {
    let mut plan = bench::plan();
    let cell = plan.bindings[1].cells[1].as_mut().unwrap();
    cell.place = Place::Columns(vec!["b".into(), "c".into()]);
    let orders = table("orders", &["id", "number", "b", "c"]);
    let shape = Shape::of(&plan, ORDERS, &orders).unwrap();
    let mut row = vec![Value::int(1), text("N1"), Value::Null, Value::Null];
    let atom = |row: &[Value]| {
        shape.observe(row).unwrap().row.unwrap().value(FieldIndex(1)).cloned().unwrap()
    };
    assert_eq!(atom(&row), Value::Null);
    row[2] = Value::int(3);
    assert_eq!(atom(&row), Value::List(vec![Value::int(3), Value::Null]));
}

#[test]
fn a_missing_or_refused_column_is_named() {
    let check = |table: &Table, kind: ErrorKind, words: &str| {
        let error = Shape::of(&bench::plan(), ORDERS, table).unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.to_string().contains(words), "{error}");
    };
    let known = table("orders", &["id", "Number", "contact_id"]);
    check(&known, ErrorKind::SchemaDrift, r#"no column "number"; there is "Number""#);
    let mut refused = table("orders", &["id", "number", "contact_id"]);
    refused.columns[1].travels = Travels::Refused;
    refused.columns[1].type_name = "tsvector".into();
    check(&refused, ErrorKind::Unsupported, "tsvector");
}

#[test]
fn expectations_are_compared_exactly() {
    let row = Row(vec![Slot::Present(text("a")), Slot::Missing].into());
    let check = |expected: Expected, current: Option<&Row>, holds: bool| {
        assert_eq!(is_expected(&expected, current), holds, "{expected:?}");
    };
    let fields = |value: Value| Expected::Fields(vec![(FieldIndex(0), value)]);
    check(fields(text("a")), Some(&row), true);
    check(fields(text("A")), Some(&row), false);
    check(fields(text("a ")), Some(&row), false);
    check(fields(Value::Null), Some(&row), false);
    check(Expected::Fields(vec![(FieldIndex(1), Value::Null)]), Some(&row), false);
    check(fields(text("a")), None, false);
    check(Expected::Absent, None, true);
    check(Expected::Absent, Some(&row), false);
}
