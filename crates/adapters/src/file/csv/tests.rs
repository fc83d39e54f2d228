use encoding_rs::{UTF_8, WINDOWS_1252};
use proptest::prelude::*;

use super::*;

/// Rows as people write them down: cells between bars, NULL as `-`; what is broken by its line.
fn read(text: &[u8]) -> Vec<String> {
    let mut records = Records::new(text, b',');
    let mut found = Vec::new();
    while let Some(record) = records.next().unwrap() {
        let cell = |cell: &Cell| match record.value(*cell, UTF_8) {
            Ok(Value::Null) => "-".to_owned(),
            Ok(value) => value.to_string(),
            Err(()) => "?".to_owned(),
        };
        let cells: Vec<String> = record.cells.iter().map(cell).collect();
        found.push(match record.broken {
            Some(_) => format!("{}!", record.line),
            None => format!("{}: {}", record.line, cells.join("|")),
        });
    }
    found
}

#[test]
fn cells_stand_between_separators_and_quotes() {
    assert_eq!(read(b"a,,\"\"\r\n\"x, \"\"y\"\"\n2\",b,\n"), ["1: a|-|", "2: x, \"y\"\n2|b|-"]);
    assert_eq!(read(b"a\n\n\nb"), ["1: a", "4: b"]);
    assert_eq!(read(b"a,\xff\n"), ["1: a|?"]);
}

#[test]
fn a_broken_quote_costs_its_own_line() {
    assert_eq!(read(b"a,1\nb,\"2\nc,3\nd,4\n"), ["1: a|1", "2!", "3: c|3", "4: d|4"]);
    assert_eq!(read(b"a,5\" pipe\nb,\"x\"y\nc,3\n"), ["1!", "2!", "3: c|3"]);
    assert_eq!(read(b"b,\"2\nc,\"3\"\n"), ["1!", "2: c|3"]);
}

#[test]
fn letters_that_an_encoding_lacks_are_named() {
    let written = |text: &str| {
        let mut out = Vec::new();
        write(&mut out, Some(text), b';', WINDOWS_1252).map(|()| out)
    };
    assert_eq!(written("Garc\u{ed}a; \u{20ac}").unwrap(), b"\"Garc\xeda; \x80\"");
    assert_eq!(written("\u{141}ukasz"), Err('\u{141}'));
    assert_eq!(decode(b"Garc\xeda \x80", WINDOWS_1252).unwrap(), "Garc\u{ed}a \u{20ac}");
    assert_eq!(decode(b"\x81", WINDOWS_1252), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(texts in prop::collection::vec(prop::option::of("[a\",;\n\r\u{e9} ]{0,6}"), 2..5)) {
        let mut out = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                out.push(b';');
            }
            write(&mut out, text.as_deref(), b';', UTF_8).unwrap();
        }
        out.extend_from_slice(b"\r\n");
        let record = Records::new(out.as_slice(), b';').next().unwrap().unwrap();
        let found: Vec<Value> =
            record.cells.iter().map(|cell| record.value(*cell, UTF_8).unwrap()).collect();
        let meant: Vec<Value> =
            texts.iter().map(|text| text.as_ref().map_or(Value::Null, Value::text)).collect();
        prop_assert_eq!(found, meant);
    }

    #[test]
    fn whatever_comes_every_byte_is_in_one_row(bytes in prop::collection::vec(prop::sample::select(b"a\",\n\r\xff".to_vec()), 0..60)) {
        let mut records = Records::new(bytes.as_slice(), b',');
        let mut seen = 0;
        while let Some(record) = records.next().unwrap() {
            seen += record.raw.len();
        }
        prop_assert!(seen <= bytes.len());
    }
}
