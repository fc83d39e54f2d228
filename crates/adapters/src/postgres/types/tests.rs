//! `docs/reference/types-postgresql.md` says what this code does.

use syncline_ports::catalog::Travels;

use super::{TypeName, array_way, way};
use crate::pages;

const PAGE: &str = include_str!("../../../../../docs/reference/types-postgresql.md");

/// The type as the catalog would name it: extensions live elsewhere, ranges have their class.
fn found(name: &str) -> TypeName {
    let is_extension = ["citext", "hstore", "ltree"].contains(&name);
    let class = match name {
        "record" => 'p',
        _ if name.ends_with("multirange") => 'm',
        _ if name.ends_with("range") => 'r',
        _ => 'b',
    };
    let schema = if is_extension { "public" } else { "pg_catalog" };
    TypeName { schema: schema.into(), name: name.into(), class }
}

fn travels(name: &str) -> Travels {
    match way(&found(name)) {
        None => Travels::Refused,
        Some(way) => match way.by {
            None => Travels::Exactly(way.kind),
            Some(by) => Travels::Converted(way.kind, by.into()),
        },
    }
}

#[test]
fn the_page_says_how_each_type_travels() {
    let rows = pages::rows(PAGE);
    let expected: Vec<String> =
        rows.iter().map(|row| pages::row(pages::name(row), &travels(pages::name(row)))).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_page_names_every_type_that_travels() {
    let named: Vec<&str> = pages::rows(PAGE).into_iter().map(pages::name).collect();
    let words = pages::quoted(include_str!("../types.rs"), "fn way(", "/// How an array");
    assert!(words.len() > 40, "{words:?}");
    let missing: Vec<&str> = words
        .into_iter()
        .filter(|word| way(&found(word)).is_some() && !named.contains(word))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn an_array_travels_if_its_elements_do() {
    for name in pages::rows(PAGE).into_iter().map(pages::name) {
        let found = found(name);
        assert_eq!(array_way(&found).is_some(), way(&found).is_some(), "{name}");
    }
}

#[test]
fn an_enumeration_travels_and_a_composite_does_not() {
    let own = |class| way(&TypeName { schema: "public".into(), name: "own".into(), class });
    assert!(own('e').is_some_and(|way| way.by.is_none()));
    assert!(own('c').is_none());
    assert!(own('r').is_none());
    assert!(own('b').is_none());
}
