use syncline_core::{Text, value::Value};

use super::*;

fn path(text: &str) -> Vec<Text> {
    text.split('.').map(Text::new).collect()
}

#[test]
fn only_the_named_member_changes() {
    let check = |document: Option<&str>, at: &str, value: Value, expected: &str| {
        assert_eq!(assign(document, &[(path(at), value)]).unwrap(), expected);
    };
    check(
        Some(r#"{"z":1.10,"address":{"zip":"1","x":12345678901234567890123456789012345678901}}"#),
        "address.zip",
        Value::text("75001"),
        r#"{"z":1.10,"address":{"zip":"75001","x":12345678901234567890123456789012345678901}}"#,
    );
    check(None, "a.b", Value::int(1), r#"{"a":{"b":1}}"#);
    check(Some("null"), "a", Value::Null, r#"{"a":null}"#);
    check(Some(r#"{"a":{"b":null}}"#), "a.b.c", Value::Bool(true), r#"{"a":{"b":{"c":true}}}"#);
    assert!(assign(Some(r#"{"a":"x"}"#), &[(path("a.b"), Value::int(1))]).is_err());
    assert!(assign(None, &[(path("a"), Value::Date(1))]).is_err());
}

#[test]
fn a_path_finds_its_value_or_null() {
    let document = parse(r#"{"a":{"b":1.50},"n":null,"s":"x"}"#).unwrap();
    let check = |at_path: &str, expected: Option<&str>| {
        let found = at(&document, &path(at_path)).map(ToString::to_string);
        assert_eq!(found.as_deref(), expected, "{at_path}");
    };
    check("a.b", Some("1.5"));
    check("a.c", Some("null"));
    check("n.x", Some("null"));
    check("x.y", Some("null"));
    check("s.x", None);
}

#[test]
fn numbers_are_exact_or_refused() {
    assert_eq!(parse("9007199254740993").unwrap(), Value::int(9_007_199_254_740_993));
    assert!(parse("1234567890123456789012345678901234567890123").is_err());
    assert!(parse("{").is_err());
}
