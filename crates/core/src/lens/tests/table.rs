//! Values of tables (S5, S6) and booleans.

use super::*;

pub(super) fn status() -> (FieldType, CellSpec) {
    let kind = FieldType::Enum(["lead", "customer", "blocked"].map(Text::new).to_vec());
    let rows = vec![
        (text("lead"), vec![text("0")]),
        (text("customer"), vec![text("1")]),
        (text("blocked"), vec![text("8"), text("9")]),
    ];
    (kind, CellSpec { values: Some(rows), ..spec() })
}

#[test]
fn many_native_values_are_read_and_the_first_is_written() {
    let (kind, cell) = status();
    let texts = lens(&kind, &cell);
    check_both(&texts, &[(text("blocked"), text("8")), (text("lead"), text("0"))]);
    check_reads(&texts, text("9"), text("blocked"));
    check_reads(&texts, num("9"), text("blocked"));
    assert_eq!(texts.put(&text("blocked"), Some(&text("9"))), Ok(text("9")), "9 is no news");
    assert_eq!(texts.put(&text("lead"), Some(&text("9"))), Ok(text("0")));
    let numbers = lens(&kind, &CellSpec { native: Some(NativeKind::Num), ..cell.clone() });
    check_both(&numbers, &[(text("customer"), num("1"))]);
    assert_eq!(law::invertible(&kind, &numbers), Ok(()));
}

#[test]
fn a_value_outside_the_table_is_not_guessed() {
    let (kind, cell) = status();
    let lens = lens(&kind, &cell);
    check_refuses_to_read(&lens, text("7"), "map.unknown_value", "\"7\" stands for no value");
    check_refuses_to_write(
        &lens,
        text("vip"),
        "map.unknown_value",
        "the value \"vip\" has no value in the system",
    );
}

#[test]
fn a_table_is_checked_when_it_is_compiled() {
    let (kind, cell) = status();
    let with = |rows| CellSpec { values: Some(rows), ..cell.clone() };
    check_refuses_to_compile(
        &kind,
        &with(vec![(text("leed"), vec![text("0")]), (text("customer"), Vec::new())]),
        "map.unknown_value: \"leed\" is not one of the field's values, which are lead, customer, \
         blocked\nmap.setting: \"customer\" has no value in the system",
    );
    let twice = with(vec![
        (text("lead"), vec![text("0")]),
        (text("customer"), vec![text("0")]),
        (text("blocked"), vec![text("8")]),
    ]);
    let found = law::invertible(&kind, &lens(&kind, &twice)).expect_err("two for one");
    assert_eq!(found.code, "map.not_invertible");
    assert_eq!(found.to_string(), "writing \"customer\" and reading it back: \"0\" gives \"lead\"");
    let partial = with(vec![(text("lead"), vec![text("0")]), (text("blocked"), vec![text("8")])]);
    let found = law::invertible(&kind, &lens(&kind, &partial)).expect_err("customer is missing");
    assert_eq!((found.code, found.golden), ("map.incomplete", Some(text("customer"))));
    let letters =
        CellSpec { native: Some(NativeKind::Num), ..with(vec![(text("lead"), vec![text("L")])]) };
    check_refuses_to_compile(
        &kind,
        &letters,
        "map.setting: the column holds a number, which \"L\" is not",
    );
}

#[test]
fn null_may_stand_in_a_table() {
    let rows = vec![(text("open"), vec![Value::Null]), (text("shut"), vec![text("x")])];
    let lens = lens(&FieldType::Text, &CellSpec { values: Some(rows), ..spec() });
    check_both(&lens, &[(text("open"), Value::Null), (text("shut"), text("x"))]);
    assert_eq!(lens.put0(&Value::Null), Ok(Value::Null));
}

#[test]
fn booleans_in_every_dress() {
    let yes = Value::Bool(true);
    let words = (vec![text("O"), text("1")], vec![text("N"), text("0")]);
    let french = lens(&FieldType::Bool, &CellSpec { boolean: Some(words), ..spec() });
    check_both(&french, &[(yes.clone(), text("O")), (Value::Bool(false), text("N"))]);
    check_reads(&french, num("1"), yes.clone());
    assert_eq!(french.put(&yes, Some(&text("1"))), Ok(text("1")));
    check_refuses_to_read(&french, text("Y"), "map.unknown_value", "\"Y\" stands for no boolean");
    let tiny = lens(&FieldType::Bool, &CellSpec { native: Some(NativeKind::Num), ..spec() });
    check_both(&tiny, &[(yes.clone(), num("1")), (Value::Bool(false), num("0"))]);
    check_refuses_to_read(&tiny, num("2"), "map.invalid", "2 is no boolean");
    let bit = lens(&FieldType::Bool, &CellSpec { native: Some(NativeKind::Bytes), ..spec() });
    check_both(&bit, &[(yes.clone(), Value::Bytes(Box::new([1])))]);
    let loose = lens(&FieldType::Bool, &CellSpec { native: Some(NativeKind::Text), ..spec() });
    for word in ["true", "T", "1", "Yes", "y", "ON"] {
        check_reads(&loose, text(word), yes.clone());
    }
}
