//! The configuration under attack. Whatever stands in the file, the answer is a plan or complaints that
//! have a page; and a plan's file, shown as it is understood, means the same.

use std::{collections::BTreeSet, path::Path};

use syncline_ports::suite::parser::{attack, path};

use super::{address, complaint, json, lookup, of_text, yaml};
use crate::report::Paint;

#[test]
fn a_file_becomes_a_plan_or_complaints() {
    let words = [
        "version: 1\n",
        "systems:",
        "entities:",
        "defaults:",
        "guards:",
        "fields:",
        "match:",
        "in:",
        "lines:",
        "ref: ",
        "values:",
        "format: ",
        "type: ",
        "money",
        "enum",
        "conflicts: ",
        "newest",
        "priority",
        "manual",
        "expr: ",
        "when: ",
        "on_leave: ",
        "compute: ",
        "split: ",
        "lookup: ",
        "env:X",
        "exec:x",
        "file:x",
        "&a ",
        "*a",
        "<<: *a",
        "!tag ",
        "{",
        "}",
        "[",
        "]",
        ": ",
        "- ",
        "? ",
        "| ",
        "\n  ",
        "\n    ",
        "\t",
        "#",
        "...",
        "---\n",
        "5m",
        "-1",
        "${X}",
        "sqlite:",
        "postgres://a:b@c/d",
    ];
    let errors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/configuration"), &words, |input| {
        let text = String::from_utf8_lossy(input).into_owned();
        let loaded = of_text(Path::new("syncline.yaml"), text);
        let codes: BTreeSet<&str> =
            loaded.complaints.iter().map(|complaint| complaint.code).collect();
        for code in &codes {
            assert!(errors.join(format!("{code}.md")).exists(), "{code} has no page");
        }
        assert!(
            complaint::render(&loaded.complaints, &loaded.sources, Paint::Plain).len() < 1 << 20
        );
        for complaint in &loaded.complaints {
            assert_eq!(complaint.json(&loaded.sources)["code"], complaint.code);
        }
        if !loaded.is_invalid() {
            let shown = yaml(&loaded);
            let again = of_text(Path::new("syncline.yaml"), shown.clone());
            assert!(!again.is_invalid(), "{shown}\n{:?}", again.complaints);
            assert_eq!(json(&again), json(&loaded), "{shown}");
        }
        path((loaded.root.is_some(), codes.iter().take(2).collect::<Vec<_>>(), codes.len().min(4)))
    });
}

#[test]
fn an_address_is_taken_apart_or_refused() {
    let words = [
        "postgres:",
        "mariadb:",
        "sqlite:",
        "//",
        "@",
        ":",
        "/",
        "?",
        "%41",
        "[::1]",
        "sslmode=",
        "65536",
        "%",
    ];
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/addresses"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        match address::parse(&text) {
            Ok(url) => path((url.password.is_some(), text.len().ilog2())),
            Err(error) => path(std::mem::discriminant(&error)),
        }
    });
}

#[test]
fn a_lookup_file_is_rows_or_a_complaint() {
    attack(
        concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/lookups"),
        &[",", ";", "\"", "\"\"", "\n", "\r\n", "\u{feff}"],
        |input| {
            let text = String::from_utf8_lossy(input);
            match lookup::parse(0, &text) {
                Ok(rows) => path((rows.len().min(8), rows.first().map(|row| row.len().min(8)))),
                Err(complaint) => path(complaint.code),
            }
        },
    );
}
