//! A proposal as the file would say it, and its place in a file that is there already: at the end of
//! `entities:`, everything else untouched.

use std::collections::BTreeSet;

use syncline_core::Text;

use crate::{
    config::{
        Sources,
        tree::{self, Kind, Node},
    },
    discover::{Cell, Field, Pair, Sensitive, codes},
};

/// Stands above every entity that was written by `discover`.
pub(crate) const MARK: &str = "# proposed";

/// What a line of an entity is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The entity as a whole.
    Entity,
    /// Its table on this side.
    Table(usize),
    /// This field.
    Field(String),
    /// Its lines as a whole.
    Lines,
    /// This field of its lines.
    LineField(String),
}

/// A line, and what it is about.
pub(crate) type Line = (About, String);

/// How an entity is written: which systems are written at all, beside the pair itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    /// The pair.
    pub(crate) pair: &'a Pair,
    /// The systems' names.
    pub(crate) systems: [&'a str; 2],
    /// Which of them are REST systems.
    pub(crate) rest: [bool; 2],
    /// A side that cannot be written, and why.
    pub(crate) read_only: Option<(usize, &'a str)>,
}

/// The lines of an entity, without the indentation of the file they go to.
pub(crate) fn lines(shape: Shape<'_>) -> Vec<Line> {
    let pair = shape.pair;
    let [one, other] = shape.systems;
    let mut lines: Vec<Line> = Vec::new();
    let mut say = |about: About, text: String| lines.push((about, text));
    say(
        About::Entity,
        format!(
            "{MARK} by syncline discover {one} {other}, confidence {:.2}: look it over",
            pair.confidence
        ),
    );
    say(About::Entity, format!("{}:", pair.name));
    say(About::Entity, "  in:".to_owned());
    let places = shape.systems.iter().zip(&pair.tables).zip(&pair.keys);
    for (side, ((system, table), key)) in places.enumerate() {
        let table = codes::word(table);
        let place = match key.as_slice() {
            [] => table,
            key => format!("{{table: {table}, key: {}}}", list(key)),
        };
        say(About::Table(side), format!("    {system}: {place}"));
    }
    if let Some((side, why)) = shape.read_only {
        let target = if side == 0 { other } else { one };
        let system = if side == 0 { one } else { other };
        say(
            About::Table(side),
            format!("  to: [{target}]   # {system} is only read: {}", remark(why)),
        );
    }
    say(About::Entity, format!("  match: {}", key_of(pair)));
    say(About::Entity, "  fields:".to_owned());
    for field in &pair.fields {
        say(About::Field(field.name.clone()), format!("    {}", field_text(field, shape)));
    }
    for text in left_out(pair, shape) {
        say(About::Entity, format!("    {text}"));
    }
    if let Some(child) = &pair.lines {
        say(About::Lines, format!("  lines:   # confidence {:.2}", child.pair.confidence));
        say(About::Lines, "    in:".to_owned());
        let tables = child.pair.tables.iter().zip(&child.parents).zip(shape.systems);
        for ((table, parent), system) in tables {
            let (table, parent) = (codes::word(table), codes::word(parent));
            say(About::Lines, format!("      {system}: {{table: {table}, parent: {parent}}}"));
        }
        say(About::Lines, format!("    key: {}", key_of(&child.pair)));
        say(About::Lines, "    fields:".to_owned());
        for field in &child.pair.fields {
            let text = format!("      {}", field_text(field, shape));
            say(About::LineField(field.name.clone()), text);
        }
        for text in left_out(&child.pair, shape) {
            say(About::Lines, format!("      {text}"));
        }
    }
    lines
}

fn key_of(pair: &Pair) -> String {
    let keys: Vec<&str> =
        pair.fields.iter().filter(|field| field.is_key).map(|field| field.name.as_str()).collect();
    match keys.as_slice() {
        [only] => (*only).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}

fn field_text(field: &Field, shape: Shape<'_>) -> String {
    let confirm = if field.to_confirm { "   # please confirm: " } else { "   # " };
    let (body, evidence) = (body(field, shape), remark(&field.evidence));
    format!("{}: {{{body}}}{confirm}{:.2}, {evidence}", field.name, field.confidence)
}

/// Columns that must not travel: known, and never read.
fn left_out(pair: &Pair, shape: Shape<'_>) -> Vec<String> {
    let mut names: BTreeSet<String> = pair.fields.iter().map(|field| field.name.clone()).collect();
    let mut one = |it: &Sensitive| {
        let system = shape.systems.get(it.side).copied().unwrap_or_default();
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        let mut name: String = it.column.to_lowercase().chars().map(plain).collect();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            name.insert(0, '_');
        }
        while !names.insert(name.clone()) {
            name = format!("{name}_{system}");
        }
        let column = codes::word(&it.column);
        format!("{name}: {{{system}: {column}, sensitive: never}}   # {}", it.why)
    };
    pair.sensitive.iter().map(&mut one).collect()
}

/// One line, whatever it holds.
fn remark(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(names: &[Text]) -> String {
    match names {
        [only] => codes::word(only),
        several => {
            let names: Vec<String> = several.iter().map(|name| codes::word(name)).collect();
            format!("[{}]", names.join(", "))
        }
    }
}

/// `type: date, crm: birth_date, erp: {column: BDATE, format: "%Y%m%d"}`.
fn body(field: &Field, shape: Shape<'_>) -> String {
    let mut parts: Vec<String> =
        field.keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    for ((system, cell), is_rest) in shape.systems.iter().zip(&field.cells).zip(shape.rest) {
        parts.push(format!("{system}: {}", cell_text(cell, is_rest)));
    }
    parts.join(", ")
}

fn cell_text(cell: &Cell, is_rest: bool) -> String {
    let word = |name: &Text| {
        // A path is a name with points.
        let is_path = is_rest
            && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.len() > 1
            && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '.');
        if is_path { name.to_string() } else { codes::word(name) }
    };
    let settings = cell.settings.iter().map(|(key, value)| format!("{key}: {value}"));
    match (cell.columns.as_slice(), cell.settings.is_empty()) {
        ([only], true) => word(only),
        ([only], false) => {
            let key = if is_rest { "path" } else { "column" };
            let all: Vec<String> =
                std::iter::once(format!("{key}: {}", word(only))).chain(settings).collect();
            format!("{{{}}}", all.join(", "))
        }
        (several, _) => {
            let names: Vec<String> = several.iter().map(word).collect();
            let all: Vec<String> = std::iter::once(format!("columns: [{}]", names.join(", ")))
                .chain(settings)
                .collect();
            format!("{{{}}}", all.join(", "))
        }
    }
}

/// A file with entities added.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The whole text.
    pub(crate) text: String,
    /// The number of the line, from 1, on which each of the added lines stands.
    pub(crate) first_line: usize,
}

/// Adds lines at the end of `entities:`, or says why that cannot be done without touching the rest.
pub(crate) fn insert(text: &str, lines: &[String]) -> Result<Written, String> {
    let mut sources = Sources::default();
    let file = sources.add(std::path::PathBuf::new(), text.to_owned());
    let (root, _) = tree::parse(&sources, file);
    let root = root.ok_or("the file cannot be read")?;
    let Kind::Map(entries) = &root.kind else { return Err("the file holds no keys".to_owned()) };
    let found = entries.iter().find(|(key, _)| key.text == "entities");
    let (at, indent, head) = match found {
        None => (text.len(), 2, "entities:\n"),
        Some((key, value)) if value.is_null() => (line_end(text, key.place.end), 2, ""),
        Some((key, value)) => match &value.kind {
            Kind::Map(inner) => {
                let (Some((first, _)), Some((last_key, last))) = (inner.first(), inner.last())
                else {
                    return Err("`entities: {}` stands in braces: write `entities:`".to_owned());
                };
                let indent = column(text, first.place.start);
                let same_line = line_end(text, key.place.end) >= first.place.start;
                if same_line {
                    return Err("`entities:` stands in braces: write a line each".to_owned());
                }
                (block_end(text, deepest(last, last_key.place.end), indent), indent, "")
            }
            Kind::Scalar { .. } | Kind::List(_) => {
                return Err("`entities:` holds no entities".to_owned());
            }
        },
    };
    let (before, after) = text.split_at(at);
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let mut out = format!("{before}{gap}{head}");
    let first_line = out.matches('\n').count() + 1;
    for line in lines {
        out.push_str(&" ".repeat(indent));
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(after.strip_prefix('\n').filter(|_| !gap.is_empty()).unwrap_or(after));
    Ok(Written { text: out, first_line })
}

/// The last byte of what a node holds: maps may end where the next begins.
fn deepest(node: &Node, otherwise: usize) -> usize {
    match &node.kind {
        Kind::Scalar { .. } => node.place.end.max(otherwise),
        Kind::List(items) => items.last().map_or(node.place.end, |last| deepest(last, otherwise)),
        Kind::Map(entries) => entries
            .last()
            .map_or(node.place.end, |(key, value)| deepest(value, key.place.end.max(otherwise))),
    }
}

/// After the line that holds this byte.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| at + end + 1)
}

/// How far from the beginning of its line.
fn column(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.len() - before.rfind('\n').map_or(0, |end| end + 1)
}

/// After the last line of a block, with the remarks and closing braces that belong to it.
fn block_end(text: &str, at: usize, indent: usize) -> usize {
    let mut end = line_end(text, at);
    let mut rest = text.get(end..).unwrap_or_default();
    let mut blank = 0;
    while let Some(line) = rest.lines().next() {
        let bare = line.trim_start();
        let own = line.len() - bare.len();
        let belongs = own > indent && (bare.starts_with('#') || bare.starts_with(['}', ']']));
        let length = (line.len() + 1).min(rest.len());
        if bare.is_empty() {
            blank += length;
        } else if belongs {
            end += blank + length;
            blank = 0;
        } else {
            break;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> String {
        insert(text, &["x:".to_owned(), "  in: {}".to_owned()]).unwrap().text
    }

    #[test]
    fn an_entity_goes_to_the_end_of_entities_and_every_remark_stays() {
        let text = "# mine\nversion: 1\nentities: # all\n    a:\n        in: {x: y} # why\n        # last words\n\ndefaults: # more\n    deletes: hold\n";
        assert_eq!(
            added(text),
            "# mine\nversion: 1\nentities: # all\n    a:\n        in: {x: y} # why\n        # last words\n    x:\n      in: {}\n\ndefaults: # more\n    deletes: hold\n"
        );
    }

    #[test]
    fn a_file_without_entities_gets_some() {
        let expected = "version: 1\nsystems: {a: b}\n# end\nentities:\n  x:\n    in: {}\n";
        assert_eq!(added("version: 1\nsystems: {a: b}\n# end\n"), expected);
        assert_eq!(added("version: 1\nsystems: {a: b}\n# end"), expected);
        let empty = "entities: # none yet\nversion: 1\n";
        assert_eq!(added(empty), "entities: # none yet\n  x:\n    in: {}\nversion: 1\n");
    }

    #[test]
    fn a_last_entity_without_a_line_break_is_not_torn() {
        assert_eq!(
            added("entities:\n  a:\n    in:\n      x: y"),
            "entities:\n  a:\n    in:\n      x: y\n  x:\n    in: {}\n"
        );
    }

    #[test]
    fn entities_in_braces_are_left_alone() {
        assert!(insert("entities: {a: {in: {}}}\n", &[]).is_err());
    }
}
