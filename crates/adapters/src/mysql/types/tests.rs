//! `docs/reference/types-mariadb.md` says what this code does.

use super::{Declared, base_name, travels};
use crate::pages;

const PAGE: &str = include_str!("../../../../../docs/reference/types-mariadb.md");

/// The type as the catalog would declare it: `decimal(39,0)` says how many digits it has.
fn declared(full: &str) -> Declared {
    let precision = full.split(['(', ',', ')']).nth(1).and_then(|digits| digits.parse().ok());
    Declared { name: base_name(full).into(), full: full.into(), precision, ..Declared::default() }
}

#[test]
fn the_page_says_how_each_type_travels() {
    let rows = pages::rows(PAGE);
    let expected: Vec<String> = rows
        .iter()
        .map(|row| pages::row(pages::name(row), &travels(&declared(pages::name(row)))))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_page_names_every_type_that_travels() {
    let named: Vec<&str> =
        pages::rows(PAGE).into_iter().map(|row| base_name(pages::name(row))).collect();
    let words = pages::quoted(include_str!("../types.rs"), "fn named(", "/// The word before");
    assert!(words.len() > 30, "{words:?}");
    let missing: Vec<&str> = words.into_iter().filter(|word| !named.contains(word)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_text_that_is_checked_to_be_json_is_json() {
    let checked = Declared { is_json: true, ..declared("longtext") };
    assert_eq!(travels(&checked), travels(&declared("json")));
}
