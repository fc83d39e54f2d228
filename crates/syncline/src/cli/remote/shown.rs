//! Draws a document for people: a list as a table, whose columns are the names in it; an object as lines of
//! name and value, with the lists in it under their names.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::words::Table;

/// A cell is not wider than this.
const CELL_MAX: usize = 100;

/// For people.
pub(super) fn text(document: &Json) -> String {
    let mut out = String::new();
    draw(document, &mut out);
    out.trim_end().to_owned()
}

/// For `--plain`: rows of the list; of an object, rows of the lists in it, or name and value.
pub(super) fn plain(document: &Json) -> String {
    match document {
        Json::Array(rows) => table(rows).plain(),
        Json::Object(parts) => {
            let lists: Vec<String> =
                parts.values().filter_map(|part| Some(table(rows(part)?).plain())).collect();
            if !lists.is_empty() {
                return lists.join("\n");
            }
            let mut table = Table::new(&["", ""]);
            for (name, value) in parts {
                table.row([name.clone(), cell(value)]);
            }
            table.plain()
        }
        Json::Null => String::new(),
        other @ (Json::Bool(_) | Json::Number(_) | Json::String(_)) => cell(other),
    }
}

fn draw(document: &Json, out: &mut String) {
    match document {
        Json::Null => {}
        Json::Array(all) if all.is_empty() => {}
        Json::Array(all) => out.push_str(&table(all).text()),
        Json::Object(parts) => {
            let width = parts.keys().map(|name| name.chars().count()).max().unwrap_or_default();
            for (name, value) in parts.iter().filter(|(_, value)| rows(value).is_none()) {
                if !value.is_null() {
                    let _ = writeln!(out, "{name:<width$}  {}", whole(value));
                }
            }
            for (name, list) in parts.iter().filter_map(|(name, it)| Some((name, rows(it)?))) {
                let _ = writeln!(out, "\n{}\n{}", name.to_uppercase(), table(list).text());
            }
        }
        other @ (Json::Bool(_) | Json::Number(_) | Json::String(_)) => out.push_str(&whole(other)),
    }
}

/// A list of objects, which makes a table of its own.
fn rows(value: &Json) -> Option<&Vec<Json>> {
    value.as_array().filter(|all| all.first().is_some_and(Json::is_object))
}

fn table(rows: &[Json]) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let keys = row.as_object().into_iter().flatten();
        for (name, _) in keys.filter(|(_, value)| says(value)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    // Beside the name of a thing its id says nothing to people.
    let known = names.clone();
    names.retain(|name| name.strip_suffix("_id").is_none_or(|thing| !known.contains(&thing)));
    let header: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    if names.is_empty() {
        let mut table = Table::new(&["VALUE"]);
        for row in rows {
            table.row([cell(row)]);
        }
        return table;
    }
    let mut table = Table::new(&header);
    for row in rows {
        table.row(names.iter().map(|name| row.get(name).map(cell).unwrap_or_default()));
    }
    table
}

/// Whether there is anything in it: nothing, none and no are left out where all rows say so.
fn says(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Bool(true) => true,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(all) => all.iter().any(says),
        Json::Object(parts) => parts.values().any(says),
    }
}

/// A value in one line.
fn whole(value: &Json) -> String {
    match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Json::Array(all) => all.iter().map(whole).collect::<Vec<_>>().join(", "),
        Json::Object(parts) => {
            // A text speaks for itself; a number needs the name of what it counts.
            let parts = parts.iter().filter(|(_, value)| says(value)).map(|(name, value)| {
                if value.is_string() { whole(value) } else { format!("{name} {}", whole(value)) }
            });
            parts.collect::<Vec<_>>().join(" ")
        }
        Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

fn cell(value: &Json) -> String {
    let text = whole(value);
    if text.chars().count() <= CELL_MAX {
        return text;
    }
    let cut: String = text.chars().take(CELL_MAX - 1).collect();
    format!("{cut}…")
}
