//! Rows of all tables of a system, so many and so much as was allowed. Only reads.

use syncline_adapters::settings::Kind;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Value,
};
use syncline_ports::catalog::{Catalog, NativeKind, Table, Travels};

use crate::{
    config::{Loaded, similar},
    discover::{self, Side},
    report::Failure,
    session,
};

/// So much is kept of a system, and of one of its tables.
const BYTES_MAX: usize = 192 * 1024 * 1024;
const TABLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// So many rows show how long rows are.
const PROBE: usize = 50;
/// So many tables are looked at.
const TABLES_MAX: usize = 500;
/// Columns beyond these are left out of a table.
const COLUMNS_MAX: usize = 200;

/// How much is read.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// Rows of a table.
    pub(super) rows: usize,
    /// Only these tables and what they may belong to; empty: all.
    pub(super) only: &'a [String],
}

/// A system, as far as it was read.
pub(super) struct Sampled {
    /// Its tables, with their rows.
    pub(super) side: Side,
    /// How many tables there are.
    pub(super) all: usize,
    /// What was not looked at, and why.
    pub(super) skipped: Vec<String>,
}

impl Sampled {
    /// The most rows that were read of a table.
    pub(super) fn rows_max(&self) -> usize {
        self.side.tables.iter().map(|table| table.rows.len()).max().unwrap_or_default()
    }
}

/// Reads a system.
pub(super) async fn side(
    loaded: &Loaded,
    system: &str,
    limits: Limits<'_>,
) -> Result<Sampled, Failure> {
    let settings = loaded.settings(system).await?;
    if settings.kind == Kind::File {
        let message = format!("`{system}` is a folder of files: what is in them is not compared");
        return Err(Failure::new("usage.arguments", message)
            .done("nothing was written")
            .fix("docs/files.md says how the file names a folder's columns; syncline check --online compares them"));
    }
    let is_rest = settings.kind == Kind::Rest;
    let read = async {
        let mut catalog = syncline_adapters::catalog(&settings).await?;
        read(catalog.as_mut(), system, is_rest, limits).await
    };
    read.await.map_err(|error: PortError| {
        session::of_system(system, &Failure::from(error)).done("nothing was written")
    })
}

async fn read(
    catalog: &mut dyn Catalog,
    system: &str,
    is_rest: bool,
    limits: Limits<'_>,
) -> Result<Sampled, PortError> {
    let names = catalog.tables().await?;
    let mut skipped = Vec::new();
    if names.len() > TABLES_MAX {
        skipped.push(format!(
            "{system}: {} tables after the first {TABLES_MAX}",
            names.len() - TABLES_MAX
        ));
    }
    let looked: Vec<Text> = names.iter().take(TABLES_MAX).cloned().collect();
    let described = catalog.describe(&looked).await?;
    let mut tables = Vec::new();
    for table in described.into_iter().flatten() {
        let is_asked = limits.only.iter().any(|name| is_called(&table.name, name));
        if table.is_view && !is_asked {
            skipped.push(format!("{system}.{}: a view is not written", table.name));
            continue;
        }
        if !table.privileges.select {
            skipped.push(format!("{system}.{}: our user may not read it", table.name));
            continue;
        }
        tables.push(table);
    }
    let budget = (BYTES_MAX / tables.len().max(1)).min(TABLE_BYTES_MAX);
    let mut side = Side { system: system.to_owned(), is_rest, tables: Vec::new() };
    for table in tables {
        let read = if is_rest {
            items(catalog, table, limits.rows, budget).await
        } else {
            rows(catalog, table, limits.rows, budget).await
        };
        match read {
            Ok(table) => side.tables.push(table),
            // One that cannot be read does not stand in the way of the others.
            Err((name, error)) if !is_of_the_connection(error.kind) => {
                skipped.push(format!("{system}.{name}: {}", error.detail));
            }
            Err((_, error)) => return Err(error),
        }
    }
    Ok(Sampled { side, all: names.len(), skipped })
}

/// Rows of a table, of the columns that can be compared.
async fn rows(
    catalog: &mut dyn Catalog,
    table: Table,
    limit: usize,
    budget: usize,
) -> Result<discover::Sampled, (Text, PortError)> {
    let columns: Vec<Text> = table
        .columns
        .iter()
        .filter(|column| match &column.travels {
            Travels::Exactly(kind) | Travels::Converted(kind, _) => *kind != NativeKind::Bytes,
            Travels::Refused => false,
        })
        .map(|column| column.name.clone())
        .take(COLUMNS_MAX)
        .collect();
    if columns.is_empty() {
        return Ok(discover::Sampled { table, columns, rows: Vec::new(), is_whole: true });
    }
    let failed = |error: PortError| (table.name.clone(), error);
    let probe = catalog.sample(&table.name, &columns, PROBE.min(limit)).await.map_err(&failed)?;
    let size = probe.iter().map(|row| size(row)).sum::<usize>() / probe.len().max(1);
    let affordable = (budget / size.max(1)).clamp(PROBE.min(limit), limit);
    // Who reads short runs of keys may find few in the gaps: fewer rows than asked for are all only
    // if the system knows of no more.
    let all = |rows: usize, asked: usize| rows < asked && table.rows_estimate <= 2 * rows as u64;
    let is_short = all(probe.len(), PROBE.min(limit));
    let rows = if is_short || affordable <= probe.len() {
        probe
    } else {
        catalog.sample(&table.name, &columns, affordable).await.map_err(&failed)?
    };
    let is_whole = is_short || all(rows.len(), affordable);
    Ok(discover::Sampled { table, columns, rows, is_whole })
}

/// The next table would fail in the same way.
fn is_of_the_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unreachable | ErrorKind::Unauthorized | ErrorKind::Credentials | ErrorKind::Tls
    )
}

/// Items of a resource, each whole: which members they have, only they themselves tell.
async fn items(
    catalog: &mut dyn Catalog,
    table: Table,
    limit: usize,
    budget: usize,
) -> Result<discover::Sampled, (Text, PortError)> {
    let sampled = catalog.sample(&table.name, &[Text::new("$")], limit).await;
    let sampled = sampled.map_err(|error| (table.name.clone(), error))?;
    let mut flat: Vec<Vec<(Text, Value)>> = Vec::new();
    let mut columns: Vec<Text> = table.primary_key.clone();
    let mut held = 0;
    for item in sampled.into_iter().flatten() {
        let mut members = Vec::new();
        flatten("", &item, 0, &mut members);
        held += members.iter().map(|(_, value)| size(std::slice::from_ref(value))).sum::<usize>();
        if held > budget {
            break;
        }
        for (path, _) in &members {
            if !columns.contains(path) && columns.len() < COLUMNS_MAX {
                columns.push(path.clone());
            }
        }
        flat.push(members);
    }
    let row = |members: Vec<(Text, Value)>| -> Vec<Value> {
        let value = |path: &Text| members.iter().find(|(known, _)| known == path);
        columns.iter().map(|path| value(path).map(|it| it.1.clone()).unwrap_or_default()).collect()
    };
    let rows: Vec<Vec<Value>> = flat.into_iter().map(row).collect();
    // Its list may go on where we stopped.
    let is_whole = rows.len() < limit && held <= budget;
    Ok(discover::Sampled { table, columns, rows, is_whole })
}

/// The members of an item, by their paths; lists are left out.
fn flatten(path: &str, item: &Value, depth: usize, found: &mut Vec<(Text, Value)>) {
    const DEPTH_MAX: usize = 4;
    let Value::Map(members) = item else {
        if !path.is_empty() && !matches!(item, Value::List(_) | Value::Set(_)) {
            found.push((Text::new(path), item.clone()));
        }
        return;
    };
    for (name, value) in members.iter().take(COLUMNS_MAX) {
        let is_plain = !name.is_empty()
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if is_plain && depth < DEPTH_MAX {
            let dot = if path.is_empty() { "" } else { "." };
            flatten(&format!("{path}{dot}{name}"), value, depth + 1, found);
        }
    }
}

/// About how much memory a row takes.
fn size(row: &[Value]) -> usize {
    row.iter().map(|value| 32 + if let Value::Text(text) = value { text.len() } else { 0 }).sum()
}

fn is_called(table: &str, name: &str) -> bool {
    table == name || table.rsplit('.').next() == Some(name)
}

/// Keeps the tables that were asked for, with all of the other side.
pub(super) fn narrow(
    left: &mut Sampled,
    right: &mut Sampled,
    only: &[String],
) -> Result<(), Failure> {
    let names = |side: &Sampled| -> Vec<String> {
        side.side.tables.iter().map(|table| table.table.name.to_string()).collect()
    };
    let (lefts, rights) = (names(left), names(right));
    let asked = |tables: &[String]| -> Vec<String> {
        tables
            .iter()
            .filter(|table| only.iter().any(|name| is_called(table, name)))
            .cloned()
            .collect()
    };
    let (in_left, in_right) = (asked(&lefts), asked(&rights));
    for name in only {
        let is_there = in_left.iter().chain(&in_right).any(|table| is_called(table, name));
        if !is_there {
            let known: Vec<&str> = lefts.iter().chain(&rights).map(String::as_str).collect();
            let fix = match similar::nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("tables: {}", known.join(", ")),
            };
            return Err(Failure::new(
                "usage.arguments",
                format!("neither system has a table `{name}`"),
            )
            .done("nothing was written")
            .fix(fix));
        }
    }
    let keep = |side: &mut Sampled, kept: &[String]| {
        if !kept.is_empty() {
            side.side.tables.retain(|table| kept.iter().any(|name| *name == table.table.name));
        }
    };
    keep(left, &in_left);
    keep(right, &in_right);
    Ok(())
}
