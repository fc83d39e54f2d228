use super::*;
use crate::{Text, decimal::Decimal, value::day_number};

pub(super) mod catalogue;
mod number;
mod rest;
mod table;
mod text;
mod time;

use self::catalogue::law_catalogue;

fn spec() -> CellSpec {
    CellSpec::default()
}

fn text(value: &str) -> Value {
    Value::text(value)
}

fn num(value: &str) -> Value {
    Value::Num(Decimal::parse(value).expect("a number"))
}

fn date(year: i64, month: u32, day: u32) -> Value {
    Value::Date(day_number(year, month, day).expect("a date"))
}

/// An instant written `2024-01-31T12:00:00Z`.
fn instant(value: &str) -> Value {
    scalar::parse(NativeKind::Instant, value).expect("an instant")
}

fn local(value: &str) -> Value {
    scalar::parse(NativeKind::LocalDateTime, value).expect("a local time")
}

fn list(items: &[&str]) -> Value {
    Value::List(
        items.iter().map(|item| if *item == "-" { Value::Null } else { text(item) }).collect(),
    )
}

#[track_caller]
fn lens(kind: &FieldType, spec: &CellSpec) -> Lens {
    compile(kind, spec, None).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Golden and native mean each other, both ways, without memory.
#[track_caller]
fn check_both(lens: &Lens, pairs: &[(Value, Value)]) {
    for (golden, native) in pairs {
        assert_eq!(lens.put0(golden).as_ref(), Ok(native), "writing {golden:?}");
        assert_eq!(lens.get0(native).as_ref(), Ok(golden), "reading {native:?}");
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call site")]
fn check_reads(lens: &Lens, native: Value, expected: Value) {
    assert_eq!(lens.get0(&native), Ok(expected), "reading {native:?}");
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call site")]
fn check_refuses_to_read(lens: &Lens, native: Value, code: &str, message: &str) {
    let problem = lens.get0(&native).expect_err("it is refused");
    assert_eq!((problem.code, problem.message.as_str()), (code, message));
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call site")]
fn check_refuses_to_write(lens: &Lens, golden: Value, code: &str, message: &str) {
    let problem = lens.put0(&golden).expect_err("it is refused");
    assert_eq!((problem.code, problem.message.as_str()), (code, message));
}

#[track_caller]
fn check_refuses_to_compile(kind: &FieldType, spec: &CellSpec, expected: &str) {
    let problems = compile(kind, spec, None).expect_err("it is refused");
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn a_cell_that_says_nothing_copies() {
    let same = [
        (FieldType::Any, None),
        (FieldType::Text, Some(NativeKind::Text)),
        (FieldType::Decimal, Some(NativeKind::Num)),
        (FieldType::Bool, Some(NativeKind::Bool)),
        (FieldType::Date, Some(NativeKind::Date)),
        (FieldType::Timestamp, Some(NativeKind::Instant)),
        (FieldType::Uuid, Some(NativeKind::Uuid)),
        (FieldType::Json, Some(NativeKind::Json)),
        (FieldType::Money { currency: Some("EUR".into()) }, Some(NativeKind::Num)),
    ];
    for (kind, native) in same {
        let lens = lens(&kind, &CellSpec { native, ..spec() });
        assert!(lens.is_identity(), "{kind:?}");
        assert_eq!(lens.get(&text("x"), Some(&text("y"))), Ok(text("x")));
        assert_eq!(lens.put(&text("x"), Some(&text("y"))), Ok(text("x")));
    }
}

#[test]
fn null_is_null_everywhere() {
    for (kind, spec) in law_catalogue() {
        let lens = lens(&kind, &spec);
        if spec.default.is_none() && spec.constant.is_none() && spec.split.is_none() {
            assert_eq!(lens.get0(&Value::Null), Ok(Value::Null), "{kind:?}");
            assert_eq!(lens.put0(&Value::Null), Ok(Value::Null), "{kind:?}");
        }
    }
}
