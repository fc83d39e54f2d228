//! Lookup files: CSV with a header; one column holds the hub's values, one the system's.
//!
//! The first column is the hub's and the second the system's, unless the file says otherwise.
//! Several rows of one hub value: all are read, the first is written. Fields are separated by
//! commas (or semicolons, if the header has no comma) and may stand in double quotes.

use std::path::Path;

use syncline_core::{Text, expr::Rates};

use crate::config::{
    complaint::Complaint,
    draft::{Atom, Draft, EntityDraft, LookupDraft, Name, Spanned},
    source::{Place, Sources},
};

/// The most bytes of a lookup file.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Reads every lookup file of the draft, and puts its rows where `values:` would stand.
pub(crate) fn read_all(
    draft: &mut Draft,
    folder: &Path,
    sources: &mut Sources,
    complaints: &mut Vec<Complaint>,
) {
    if let Some(file) = &draft.rates_file {
        match rates(file, folder, sources) {
            Ok(rates) => draft.rates = Some(std::sync::Arc::new(rates)),
            Err(complaint) => complaints.push(complaint),
        }
    }
    for entity in &mut draft.entities {
        read_entity(entity, folder, sources, complaints);
        if let Some(lines) = &mut entity.lines {
            read_entity(lines, folder, sources, complaints);
        }
    }
}

fn read_entity(
    entity: &mut EntityDraft,
    folder: &Path,
    sources: &mut Sources,
    complaints: &mut Vec<Complaint>,
) {
    for cell in entity.fields.iter_mut().flat_map(|field| &mut field.cells) {
        let Some(lookup) = &cell.lookup else { continue };
        match read(lookup, folder, sources) {
            Ok(rows) => cell.values = Some(Spanned { value: rows, place: lookup.file.place }),
            Err(complaint) => complaints.push(complaint),
        }
    }
}

/// A field of a row, and its place.
type Cell = (String, Place);

/// The exchange rates of a file: columns date, from, to and rate, in any order.
fn rates(name: &Name, folder: &Path, sources: &mut Sources) -> Result<Rates, Complaint> {
    let mut rows = rows(name, folder, sources)?.into_iter();
    let refuse = |why: String| {
        Complaint::error("config.lookup", name.place, "this file of rates cannot be read")
            .label(why)
    };
    let header = rows.next().ok_or_else(|| refuse("it is empty".to_owned()))?;
    let column = |wanted: &str| {
        let found = header.iter().position(|(text, _)| text.trim() == wanted);
        found.ok_or_else(|| refuse(format!("it has no column `{wanted}`")))
    };
    let (day, from, to, rate) = (column("date")?, column("from")?, column("to")?, column("rate")?);
    let mut rates = Rates::default();
    for row in rows {
        let place = row.first().map_or(name.place, |(_, place)| *place);
        let text = |at: usize| row.get(at).map_or("", |(text, _)| text.trim());
        rates.add(text(day), text(from), text(to), text(rate)).map_err(|why| {
            Complaint::error("config.lookup", place, "this is no exchange rate").label(why)
        })?;
    }
    Ok(rates)
}

/// The rows of a file that stands beside the configuration.
fn rows(name: &Name, folder: &Path, sources: &mut Sources) -> Result<Vec<Vec<Cell>>, Complaint> {
    let path = folder.join(name.value.as_str());
    let refuse = |why: String| {
        Complaint::error("config.lookup", name.place, "this lookup file cannot be read").label(why)
    };
    let file = match sources.files.iter().position(|source| source.path == path) {
        Some(file) => file,
        None => {
            let size = std::fs::metadata(&path).map_err(|error| refuse(error.to_string()))?.len();
            if size > BYTES_MAX {
                return Err(refuse(format!("it has more than {} MiB", BYTES_MAX / 1024 / 1024)));
            }
            let text = std::fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
            sources.add(path, text)
        }
    };
    let text = sources.files.get(file).map_or("", |source| source.text.as_str());
    parse(file, text)
}

fn read(
    lookup: &LookupDraft,
    folder: &Path,
    sources: &mut Sources,
) -> Result<Vec<(Name, Vec<Atom>)>, Complaint> {
    let refuse = |why: String| {
        Complaint::error("config.lookup", lookup.file.place, "this lookup file cannot be read")
            .label(why)
    };
    let mut rows = rows(&lookup.file, folder, sources)?.into_iter();
    let header = rows.next().ok_or_else(|| refuse("it is empty".to_owned()))?;
    let column = |name: Option<&Name>, unsaid: usize| match name {
        None if unsaid < header.len() => Ok(unsaid),
        None => Err(refuse("it needs a header and two columns".to_owned())),
        Some(name) => header.iter().position(|(text, _)| *text == *name.value).ok_or_else(|| {
            let known: Vec<&str> = header.iter().map(|(text, _)| text.as_str()).collect();
            crate::config::check::unknown("config.lookup", "column", name, known)
        }),
    };
    let (hub, system) = (column(lookup.hub.as_ref(), 0)?, column(lookup.system.as_ref(), 1)?);
    let mut values: Vec<(Name, Vec<Atom>)> = Vec::new();
    let mut index = std::collections::BTreeMap::new();
    for row in rows {
        let (Some((golden, place)), Some((native, at))) = (row.get(hub), row.get(system)) else {
            let place = row.first().map_or(lookup.file.place, |(_, place)| *place);
            return Err(Complaint::error("config.lookup", place, "this row is too short"));
        };
        let atom = Atom { text: Text::new(native), is_quoted: true, place: *at };
        let at = *index.entry(golden.clone()).or_insert_with(|| {
            values.push((Spanned { value: Text::new(golden), place: *place }, Vec::new()));
            values.len() - 1
        });
        if let Some((_, atoms)) = values.get_mut(at) {
            atoms.push(atom);
        }
    }
    Ok(values)
}

/// All rows that hold anything.
pub(super) fn parse(file: usize, text: &str) -> Result<Vec<Vec<Cell>>, Complaint> {
    let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let first = text.lines().next().unwrap_or_default();
    let separator = if !first.contains(',') && first.contains(';') { ';' } else { ',' };
    let mut rows = Vec::new();
    let mut row: Vec<Cell> = Vec::new();
    let mut value = String::new();
    let mut start = skipped;
    let mut quoted_at = None;
    let mut letters = text.char_indices().skip_while(|(at, _)| *at < skipped).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if quoted_at.is_some() => {
                if letters.next_if(|(_, next)| *next == '"').is_some() {
                    value.push('"');
                } else {
                    quoted_at = None;
                }
            }
            '"' if value.is_empty() => quoted_at = Some(at),
            letter if quoted_at.is_none() && (letter == separator || letter == '\n') => {
                let place = Place { file, start, end: at };
                row.push((take(&mut value), place));
                start = at + 1;
                if letter == '\n' {
                    end_row(&mut rows, &mut row);
                }
            }
            letter => value.push(letter),
        }
    }
    if let Some(at) = quoted_at {
        let place = Place { file, start: at, end: at + 1 };
        return Err(Complaint::error("config.lookup", place, "this quote is not closed"));
    }
    if !value.is_empty() || !row.is_empty() {
        row.push((take(&mut value), Place { file, start, end: text.len() }));
        end_row(&mut rows, &mut row);
    }
    Ok(rows)
}

fn take(value: &mut String) -> String {
    let mut taken = std::mem::take(value);
    if taken.ends_with('\r') {
        taken.pop();
    }
    taken
}

fn end_row(rows: &mut Vec<Vec<Cell>>, row: &mut Vec<Cell>) {
    let row = std::mem::take(row);
    if row.iter().any(|(text, _)| !text.is_empty()) {
        rows.push(row);
    }
}
