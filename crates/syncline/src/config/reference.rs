//! `docs/reference/configuration.md`, made from the table of keys, so that neither goes stale
//! without the other: `UPDATE_EXPECT=1 cargo test` (`just bless`) writes it anew.

use std::fmt::Write as _;

use expect_test::expect_file;

use crate::config::keys::{KeyInfo, ROOT, Section, Shape};

const HEAD: &str = "\
# Every key of syncline.yaml

Made from the table that reads the file (`crates/syncline/src/config/keys.rs`). `syncline config
schema` prints the same as a JSON Schema for editors; `syncline config show` prints a file with all that
it leaves unsaid.

The file is YAML 1.2, strictly: a key may stand only once, words keep their letters (`no` is the word
*no*), and there are no anchors, aliases or tags. With `-e NAME` the overlay `syncline.NAME.yaml` is
laid over it, key by key; a key that holds nothing there takes the key away.

Wrong files get all their complaints at once, each with line and column. A key that this version does
not honour is `config.unsupported`: it is never accepted and ignored.

How cells write values is explained in [lenses](lenses.md), what happens to the types of each database in
[PostgreSQL](types-postgresql.md), [MariaDB and MySQL](types-mariadb.md), [SQLite](types-sqlite.md).
";

const TAIL: &str = "\
## Forms of values

| form | is written |
|---|---|
| text | any word; in quotes if it begins with a sign or holds `: ` or ` #` |
| value | a text, number or word, as the column takes it |
| time span | `500ms`, `30s`, `10m`, `2h`, `1d`, `2w` |
| size | `500MB`, `2GiB` |
| secret | `env:NAME`, `file:PATH` (relative to the file), `exec:COMMAND` (its output; no shell) |
| expression | a subset of CEL with exact decimals, over the fields of the record |
";

/// What a key takes, in a few words. Sections that it leads to are links.
fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Scalar => "value".to_owned(),
        Shape::Count => "whole number".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Bool => "`true`, `false`".to_owned(),
        Shape::Duration => "time span".to_owned(),
        Shape::Size => "size".to_owned(),
        Shape::Secret => "secret".to_owned(),
        Shape::Word(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Shape::List(item) => format!("list of: {}", takes(item)),
        Shape::Either(shapes) => shapes.iter().map(takes).collect::<Vec<_>>().join("; or "),
        Shape::Keys(section) => format!("[keys](#{})", section.name),
        Shape::Map(each) => format!("names, each with: {}", takes(each)),
        Shape::Any => "-".to_owned(),
    }
}

/// The sections, each once, in the order in which a reader of the file meets them.
fn sections() -> Vec<&'static Section> {
    let mut found: Vec<&'static Section> = vec![&ROOT];
    let mut at = 0;
    while let Some(section) = found.get(at).copied() {
        at += 1;
        let shapes = section.keys.iter().map(|key| &key.shape).chain(section.named.as_ref());
        let mut next = Vec::new();
        shapes.for_each(|shape| leads_to(shape, &mut next));
        for section in next {
            if !found.iter().any(|known| known.name == section.name) {
                found.push(section);
            }
        }
    }
    found
}

fn leads_to(shape: &Shape, found: &mut Vec<&'static Section>) {
    match shape {
        Shape::Keys(section) => found.push(section),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| leads_to(shape, found)),
        Shape::List(shape) | Shape::Map(shape) => leads_to(shape, found),
        Shape::Text
        | Shape::Scalar
        | Shape::Count
        | Shape::Number
        | Shape::Bool
        | Shape::Duration
        | Shape::Size
        | Shape::Word(_)
        | Shape::Secret
        | Shape::Any => {}
    }
}

fn reference() -> String {
    let mut out = HEAD.to_owned();
    for section in sections() {
        let _ = write!(out, "\n## {}\n\n{}\n", section.name, section.doc);
        if let Some(named) = &section.named {
            let _ = write!(out, "\nUnder names of yours, each: {}.\n", takes(named));
        }
        let now = |key: &&KeyInfo| key.later.is_none();
        if section.keys.iter().any(|key| now(&key)) {
            out.push_str("\n| key | takes | means |\n|---|---|---|\n");
        }
        for key in section.keys.iter().filter(now) {
            let must = if section.required.contains(&key.name) { " (needed)" } else { "" };
            let _ = writeln!(out, "| `{}`{must} | {} | {} |", key.name, takes(&key.shape), key.doc);
        }
        let later: Vec<String> = section
            .keys
            .iter()
            .filter_map(|key| Some(format!("`{}` ({})", key.name, key.later?)))
            .collect();
        if !later.is_empty() {
            let _ = write!(out, "\nRefused by this version: {}.\n", later.join("; "));
        }
    }
    out.push('\n');
    out.push_str(TAIL);
    out
}

#[test]
fn the_reference_names_every_key() {
    expect_file!["../../../../docs/reference/configuration.md"].assert_eq(&reference());
}
