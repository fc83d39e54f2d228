//! What a table is, beyond what people are told: how its columns are read and bound, and which of
//! its constraints a refusal may name.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
};
use syncline_ports::catalog::{Column, Foreign, Privileges, Table, Unique};
use tokio_postgres::{Row, types::Type};

use crate::postgres::{
    connect::{Session, answered},
    failure::port_error,
    sql,
    types::{self, Carrier, TypeName},
};

/// A table with what the adapter needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// As people are told.
    pub(crate) table: Table,
    /// What the server calls it.
    pub(crate) oid: u32,
    /// Schema and name between quotes.
    pub(crate) qualified: String,
    /// Per column that travels: how.
    pub(crate) carriers: BTreeMap<Text, Carrier>,
    /// Columns that number themselves and take no number but with `overriding system value`.
    pub(crate) always_identity: Vec<Text>,
    /// All unique indices, also partial ones and those on expressions, by name: their columns.
    pub(crate) unique: Vec<(Text, Vec<Text>)>,
    /// Something about it can wait for the commit.
    pub(crate) has_deferrable: bool,
    /// It keeps system columns, and rows that can be locked: no view, no foreign table.
    pub(crate) is_plain: bool,
    /// Policies may hide rows from us.
    pub(crate) hides_rows: bool,
    /// Its rows tell by which transaction they were written.
    pub(crate) tells_writers: bool,
}

impl Known {
    /// Whether its rows tell what was committed since a moment: a row that a policy hid until now
    /// would not.
    pub(crate) fn tells_when_written(&self) -> bool {
        self.tells_writers && !self.hides_rows
    }

    /// Forgets what is said of columns elsewhere by now: of the table's, only those that tell its rows apart stay.
    pub(crate) fn forget_columns(&mut self) {
        let table = &mut self.table;
        let unique = &table.unique;
        table.columns.retain(|column| unique.iter().any(|it| it.columns.contains(&column.name)));
        table.columns.shrink_to_fit();
        table.rows_estimate = 0;
        self.carriers.clear();
    }
}

/// Looks up a table; `None` if we cannot see it.
///
/// # Errors
/// The server's, and `TimedOut`.
pub(crate) async fn look_up(session: &Session, name: &str) -> Result<Option<Known>, PortError> {
    let action = || format!("describe table {name:?}");
    answered(session.patience(), action, looked_up(session, name)).await
}

async fn looked_up(session: &Session, name: &str) -> Result<Option<Known>, PortError> {
    let action = || format!("describe table {name:?}");
    let failed = |error: tokio_postgres::Error| port_error(action(), &error);
    let client = &session.client;
    let found =
        client.query_typed(sql::FIND_TABLE, &[(&name, Type::TEXT)]).await.map_err(failed)?;
    let Some(row) = found.first() else { return Ok(None) };
    let oid: u32 = row.get(0);
    let by_oid: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&oid, Type::OID)];
    let (columns, unique, foreign, deferrable) = tokio::try_join!(
        client.query_typed(sql::COLUMNS, &by_oid),
        client.query_typed(sql::UNIQUE, &by_oid),
        client.query_typed(sql::FOREIGN, &by_oid),
        client.query_typed(sql::DEFERRABLE, &by_oid),
    )
    .map_err(failed)?;
    let mut known = heading(row, name);
    for row in &columns {
        add_column(&mut known, row);
    }
    for row in &unique {
        add_unique(&mut known, row);
    }
    known.table.foreign = foreign
        .iter()
        .map(|row| Foreign {
            name: text(row, 0),
            columns: texts(row, 1),
            refers_to: (text(row, 2), texts(row, 3)),
            cascades: row.get(4),
        })
        .collect();
    known.has_deferrable = deferrable.first().is_some_and(|row| row.get(0));
    Ok(Some(known))
}

/// Looks up a table that has to be there.
pub(crate) async fn require(session: &Session, name: &str) -> Result<Known, PortError> {
    look_up(session, name).await?.ok_or_else(|| {
        PortError::new(
            ErrorKind::SchemaDrift,
            format!("use table {name:?}"),
            "there is no such table, or our user may not see it",
        )
    })
}

fn heading(row: &Row, name: &str) -> Known {
    let (schema, relation, kind): (String, String, String) = (row.get(1), row.get(2), row.get(3));
    let (estimate, bytes): (f64, i64) = (row.get(5), row.get(6));
    // A table that was never analysed has no estimate: about a hundred bytes a row, then.
    let rows_estimate = if estimate < 0.0 { bytes.unsigned_abs() / 100 } else { estimate as u64 };
    Known {
        table: Table {
            name: Text::new(name),
            is_view: !matches!(kind.as_str(), "r" | "p" | "f"),
            has_triggers: row.get(11),
            rows_estimate,
            privileges: Privileges {
                select: row.get(7),
                insert: row.get(8),
                update: row.get(9),
                delete: row.get(10),
            },
            ..Table::default()
        },
        oid: row.get(0),
        qualified: sql::qualified(&schema, &relation),
        carriers: BTreeMap::new(),
        always_identity: Vec::new(),
        unique: Vec::new(),
        has_deferrable: false,
        is_plain: matches!(kind.as_str(), "r" | "p"),
        hides_rows: row.get::<_, Option<bool>>(12).unwrap_or(false),
        tells_writers: row.get(13),
    }
}

fn add_column(known: &mut Known, row: &Row) {
    let name = text(row, 0);
    let modifier: i32 = row.get(2);
    let class = |at: usize| -> char {
        row.get::<_, Option<String>>(at).and_then(|class| class.chars().next()).unwrap_or('?')
    };
    let base = TypeName { schema: row.get(3), name: row.get(4), class: class(5) };
    let element = match (row.get::<_, Option<String>>(6), row.get::<_, Option<String>>(7)) {
        (Some(schema), Some(name)) => Some(TypeName { schema, name, class: class(8) }),
        _ => None,
    };
    let way = match &element {
        Some(element) => types::array_way(element),
        None => types::way(&base),
    };
    let mut column = Column {
        name: name.clone(),
        type_name: text(row, 1),
        nullable: !row.get::<_, bool>(10),
        has_default: row.get(11),
        is_identity: row.get(12),
        is_generated: row.get(13),
        allowed: texts(row, 9),
        folds: row.get(15),
        ..Column::default()
    };
    types::describe(&mut column, &base, modifier, way.as_ref());
    if row.get::<_, bool>(14) {
        known.always_identity.push(name.clone());
    }
    if let Some(way) = way {
        known.carriers.insert(name, way.carrier);
    }
    known.table.columns.push(column);
}

fn add_unique(known: &mut Known, row: &Row) {
    let (name, columns) = (text(row, 0), texts(row, 1));
    let (is_whole, is_primary, is_deferrable): (bool, bool, bool) =
        (row.get(2), row.get(3), row.get(4));
    if is_primary {
        known.table.primary_key.clone_from(&columns);
    } else if is_whole {
        let unique = Unique { name: name.clone(), columns: columns.clone(), is_deferrable };
        known.table.unique.push(unique);
    }
    known.unique.push((name, columns));
}

fn text(row: &Row, at: usize) -> Text {
    Text::new(row.get::<_, &str>(at))
}

fn texts(row: &Row, at: usize) -> Vec<Text> {
    row.get::<_, Vec<&str>>(at).into_iter().map(Text::new).collect()
}
