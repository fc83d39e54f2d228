//! Which tables are watched, for which bindings, and whether their triggers are as they must be.
//!
//! Rebuilding a table, SQLite's usual way of altering one, takes its triggers along. What is missing
//! or is not as it should be is made again, and the table is noted as to be read whole: nobody knows
//! what happened to it meanwhile.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Transaction};
use syncline_core::{
    Text,
    change::RowKey,
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex},
    value::Digest,
};

use crate::sqlite::{
    bound::{Bindings, Bound},
    catalog::list,
    connection::{port_error, quoted},
    listen::sql::{Names, Watched},
    types::{Declared, raw},
};

/// What is watched, for one form of the schema.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// The form of the schema that this holds for.
    pub(crate) schema: i64,
    by_number: BTreeMap<i64, (Watched, Vec<Arc<Bound>>)>,
    /// Bindings whose tables are not as the plan needs them, and why: nothing is heard of them.
    pub(crate) unheard: BTreeMap<BindingIndex, Text>,
}

/// What must be done so that all triggers are as they must be.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    drop: Vec<String>,
    create: Vec<String>,
    /// Tables, by number, that were not watched all the time.
    missed: Vec<i64>,
}

impl Repair {
    pub(crate) fn is_needed(&self) -> bool {
        !self.drop.is_empty() || !self.create.is_empty()
    }
}

impl Watches {
    /// Describes the tables of all bindings of a system.
    ///
    /// # Errors
    /// `Unsupported` if one of them can have no triggers; what SQLite says.
    pub(crate) fn of(
        connection: &Connection,
        bindings: &Bindings,
        system: SystemIndex,
    ) -> Result<Self, PortError> {
        bindings.forget();
        let mut found = Self { schema: schema(connection)?, ..Self::default() };
        for at in 0..bindings.plan.bindings.len() {
            let index = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
            let Some(binding) = bindings.plan.binding(index).filter(|one| one.system == system)
            else {
                continue;
            };
            let table = binding.table.table.as_str();
            can_have_triggers(connection, table)?;
            let bound = match bindings.get(connection, index) {
                Ok(bound) => bound,
                Err(error)
                    if matches!(error.kind, ErrorKind::SchemaDrift | ErrorKind::Unsupported) =>
                {
                    found.unheard.insert(index, Text::new(error.to_string()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let watched = watched(connection, table, &bound)
                .map_err(|error| port_error(&format!("describe {table:?}"), &error))?;
            let (_, bounds) =
                found.by_number.entry(number(&watched)).or_insert_with(|| (watched, Vec::new()));
            bounds.push(bound);
        }
        Ok(found)
    }

    /// How many columns the longest key has.
    pub(crate) fn key_columns(&self) -> usize {
        self.by_number.values().map(|(watched, _)| watched.key.len()).max().unwrap_or(1)
    }

    /// The bindings of a watched table; none if it is watched no longer.
    pub(crate) fn bounds(&self, number: i64) -> &[Arc<Bound>] {
        self.by_number.get(&number).map_or(&[], |(_, bounds)| bounds)
    }

    /// Compares the triggers that are there with those that must be.
    pub(crate) fn repair(
        &self,
        connection: &Connection,
        names: &Names,
    ) -> rusqlite::Result<Repair> {
        let mut there: BTreeMap<String, String> =
            triggers(connection, names)?.into_iter().collect();
        let mut repair = Repair::default();
        for (number, (watched, _)) in &self.by_number {
            let mut is_whole = true;
            for (name, text) in names.triggers(*number, watched) {
                let found = there.remove(&name);
                // SQLite keeps the text as it was given, but for the first two words.
                if found.as_deref() == Some(&format!("CREATE TRIGGER {text}")) {
                    continue;
                }
                is_whole = false;
                repair.drop.extend(found.map(|_| name));
                repair.create.push(text);
            }
            if !is_whole {
                repair.missed.push(*number);
            }
        }
        repair.drop.extend(there.into_keys());
        Ok(repair)
    }
}

impl Repair {
    /// Does it; notes the tables that were not watched all the time, unless all is read anyway.
    pub(crate) fn make(
        &self,
        transaction: &Transaction<'_>,
        names: &Names,
        notes: bool,
    ) -> rusqlite::Result<()> {
        for name in &self.drop {
            let name = quoted(name);
            transaction.execute_batch(&format!("drop trigger {name}"))?;
        }
        for text in &self.create {
            transaction.execute_batch(&format!("create trigger {text}"))?;
        }
        let sql = format!("insert into {} (watch, whole) values (?1, 1)", names.changes());
        for number in self.missed.iter().filter(|_| notes) {
            transaction.execute(&sql, [number])?;
        }
        Ok(())
    }
}

/// All of our triggers, with their texts.
pub(crate) fn triggers(
    connection: &Connection,
    names: &Names,
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut found = list(
        connection,
        "select name, sql from sqlite_schema where type = 'trigger'",
        [],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    found.retain(|(name, _)| names.owns(name));
    Ok(found)
}

/// A number that moves whenever somebody changes a table, an index or a trigger.
pub(crate) fn schema(connection: &Connection) -> Result<i64, PortError> {
    let read =
        || connection.prepare_cached("pragma schema_version")?.query_row([], |row| row.get(0));
    read().map_err(|error| port_error("read the schema's version", &error))
}

/// The key of a noted row as the binding's source reads it: what does not fit its column's type is
/// named by its storage class there too.
pub(crate) fn key(
    bound: &Bound,
    row: &rusqlite::Row<'_>,
    first: usize,
) -> rusqlite::Result<RowKey> {
    let mut values = Vec::with_capacity(bound.shape.key.len());
    for (at, column) in bound.shape.key.iter().enumerate() {
        let stored = row.get_ref(first + at)?;
        let decoded = bound.codec(*column).and_then(|codec| codec.decode(stored).ok());
        values.push(decoded.unwrap_or_else(|| raw(stored)));
    }
    Ok(RowKey::new(&values))
}

/// Names a table with its key: the same after every start, another if the key is another.
fn number(watched: &Watched) -> i64 {
    let mut bytes = Vec::new();
    for name in std::iter::once(&watched.table).chain(&watched.key) {
        bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    let Digest(digest) = Digest::of(&bytes);
    let first = digest.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
    // Positive and not zero, so that it reads the same everywhere.
    i64::try_from(first >> 1).unwrap_or(i64::MAX).max(1)
}

fn can_have_triggers(connection: &Connection, table: &str) -> Result<(), PortError> {
    let action = format!("listen to {table:?}");
    let kind: Option<String> = connection
        .query_row(
            "select type from pragma_table_list where schema = 'main' and name = ?1",
            [table],
            |row| row.get(0),
        )
        .optional()
        .map_err(|error| port_error(&action, &error))?;
    match kind.as_deref() {
        None | Some("table") => Ok(()),
        Some(kind) => {
            let detail = format!(
                "it is a {kind}, and no triggers would tell of its changes: bind a table, or set \
                 `detect: {{poll: 30s}}`"
            );
            Err(PortError::new(ErrorKind::Unheard, action, detail))
        }
    }
}

/// What the triggers of a table must know.
fn watched(connection: &Connection, table: &str, bound: &Bound) -> rusqlite::Result<Watched> {
    let shape = &bound.shape;
    let key: Vec<Text> = shape.key.iter().map(|at| Text::new(shape.column_name(*at))).collect();
    let indexes = list(
        connection,
        "select name, origin from pragma_index_list(?1) where \"unique\" order by name",
        [table],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let mut unique = Vec::new();
    let has_key_index = indexes.iter().any(|(_, origin)| origin == "pk");
    for (name, _) in &indexes {
        let columns = list(
            connection,
            "select name, coll from pragma_index_xinfo(?1) where key order by seqno",
            [name],
            |row| {
                let (name, collation): (Option<String>, String) = (row.get(0)?, row.get(1)?);
                Ok(name.map(|name| (Text::from(name), Text::from(collation))))
            },
        )?;
        // An expression has no column whose value could be looked up.
        unique.extend(columns.into_iter().collect::<Option<Vec<(Text, Text)>>>());
    }
    if !has_key_index {
        let number = list(
            connection,
            "select name from pragma_table_info(?1) where pk > 0 order by pk",
            [table],
            |row| row.get::<_, String>(0).map(|name| (Text::from(name), Text::new("BINARY"))),
        )?;
        unique.extend((!number.is_empty()).then_some(number));
    }
    // A row that holds the whole key is the row that is noted anyway.
    let is_exact = |at: &usize| {
        bound
            .codec(*at)
            .is_some_and(|codec| !matches!(codec.declared, Declared::Any | Declared::Bytes))
    };
    let is_key = |columns: &Vec<(Text, Text)>| {
        shape.key.iter().all(is_exact)
            && key.iter().all(|name| {
                columns.iter().any(|(column, collation)| column == name && collation == "BINARY")
            })
    };
    unique.retain(|columns| !is_key(columns));
    unique.dedup();
    Ok(Watched { table: Text::new(table), key, unique })
}
