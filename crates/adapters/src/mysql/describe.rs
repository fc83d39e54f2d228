//! Tables as `information_schema` describes them.
//!
//! Surprising: JSON in `MariaDB` is known by a check constraint; a column default that is the text
//! `NULL` is no default there; and a user without the privilege `TRIGGER` sees no triggers.

use std::collections::BTreeMap;

use mysql_async::Value as Cell;
use syncline_core::Text;
use syncline_ports::catalog::{Column, Foreign, Table, Unique};

use crate::mysql::{
    connect::Session,
    failure::Failure,
    listen::triggers::{COMMENT, MARKER},
    literal::{self, cell_text},
    types::{self, Declared},
};

/// A table, and what the adapter alone needs of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    pub table: Table,
    /// Its quoted name: `` `shop`.`customer` ``.
    pub sql_name: String,
    /// The storage engine; empty for a view.
    pub engine: String,
    /// The columns of each unique index, by the index's name.
    pub indices: BTreeMap<String, Vec<Text>>,
}

impl Described {
    /// Whether a transaction on it can be taken back.
    pub(super) fn is_transactional(&self) -> bool {
        self.engine.is_empty() || is_transactional(&self.engine)
    }
}

/// Whether what is done in an engine can be taken back.
pub(super) fn is_transactional(engine: &str) -> bool {
    ["innodb", "rocksdb", "ndbcluster", "tokudb", "xtradb"]
        .contains(&engine.to_ascii_lowercase().as_str())
}

/// The names of all tables and views of the database, without our tables of marks and of changes.
pub(super) async fn tables(session: &mut Session, database: &str) -> Result<Vec<Text>, Failure> {
    let mut sql = b"select table_name from information_schema.tables where table_type in \
        ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED') and table_name <> 'syncline_applied' \
        and table_schema = "
        .to_vec();
    literal::text(database, &mut sql);
    sql.extend_from_slice(b" and table_comment <> ");
    literal::text(COMMENT, &mut sql);
    sql.extend_from_slice(b" order by table_name");
    let rows = session.rows(&sql).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).filter_map(text).collect())
}

/// Describes these tables, named as in the file (`customer` or `shop.customer`); privileges are
/// left empty.
pub(super) async fn describe(
    session: &mut Session,
    database: &str,
    names: &[Text],
) -> Result<Vec<Option<Described>>, Failure> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        // A table whose own name has a dot comes first.
        let mut described = one(session, database, name, name).await?;
        if let (None, Some((schema, table))) = (&described, name.split_once('.')) {
            described = one(session, schema, table, name).await?;
        }
        found.push(described);
    }
    Ok(found)
}

async fn one(
    session: &mut Session,
    schema: &str,
    name: &str,
    called: &Text,
) -> Result<Option<Described>, Failure> {
    let place = place(TABLE, schema, name);
    let sql = format!(
        "select table_schema, table_name, table_type, engine, table_rows \
         from information_schema.tables where {place}"
    );
    let Some(row) = session.rows(&sql).await?.into_iter().next() else { return Ok(None) };
    let mut cells = Cells(row.into_iter());
    let (schema, name, kind) = (cells.text(), cells.text(), cells.text());
    let mut sql_name = Vec::new();
    literal::name(&schema, &mut sql_name);
    sql_name.push(b'.');
    literal::name(&name, &mut sql_name);
    let mut described = Described {
        engine: cells.text(),
        sql_name: String::from_utf8_lossy(&sql_name).into_owned(),
        ..Described::default()
    };
    described.table.name = called.clone();
    described.table.is_view = kind.contains("VIEW");
    described.table.rows_estimate = cells.number().unwrap_or(0);
    columns(session, &schema, &name, &mut described.table).await?;
    indices(session, &schema, &name, &mut described).await?;
    described.table.foreign = foreign(session, &schema, &name).await?;
    described.table.has_triggers = has_triggers(session, &schema, &name).await?;
    Ok(Some(described))
}

/// The two names in `` `schema`.`table` ``.
pub(super) fn unquoted(sql_name: &str) -> (String, String) {
    let inside = sql_name.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let (schema, table) = inside.and_then(|inside| inside.split_once("`.`")).unwrap_or_default();
    (schema.replace("``", "`"), table.replace("``", "`"))
}

/// `table_schema = 'x' and table_name = 'y'`, as the views of `information_schema` call them.
pub(super) fn place(
    (schema_column, name_column): (&str, &str),
    schema: &str,
    name: &str,
) -> String {
    let mut sql = format!("{schema_column} = ").into_bytes();
    literal::text(schema, &mut sql);
    sql.extend_from_slice(format!(" and {name_column} = ").as_bytes());
    literal::text(name, &mut sql);
    String::from_utf8_lossy(&sql).into_owned()
}

/// What most views call the two.
pub(super) const TABLE: (&str, &str) = ("table_schema", "table_name");

async fn columns(
    session: &mut Session,
    schema: &str,
    name: &str,
    table: &mut Table,
) -> Result<(), Failure> {
    let documents = json_columns(session, schema, name).await?;
    let sql = format!(
        "select column_name, data_type, column_type, is_nullable, column_default, extra, \
         numeric_precision, numeric_scale, datetime_precision, character_maximum_length, \
         collation_name from information_schema.columns where {} order by ordinal_position",
        place(TABLE, schema, name)
    );
    for row in session.rows(&sql).await? {
        let mut cells = Cells(row.into_iter());
        let name = cells.text();
        let (data_type, full) = (cells.text().to_ascii_lowercase(), cells.text());
        let nullable = cells.text() == "YES";
        let default = cells.optional();
        let extra = cells.text().to_ascii_lowercase();
        let declared = Declared {
            is_json: documents.contains(&name) || data_type == "json",
            name: data_type,
            full,
            precision: cells.small(),
            scale: cells.small(),
            fraction: cells.small(),
            length: cells.small(),
            collation: cells.optional(),
        };
        let is_identity = extra.contains("auto_increment");
        let mut column = Column {
            name: Text::new(&name),
            nullable,
            is_identity,
            has_default: is_identity || default.is_some_and(|default| default != "NULL"),
            is_generated: [
                "virtual generated",
                "stored generated",
                "persistent",
                "row start",
                "row end",
            ]
            .iter()
            .any(|word| extra.contains(word)),
            ..Column::default()
        };
        types::describe(&declared, &mut column);
        table.columns.push(column);
    }
    Ok(())
}

/// The columns that a check holds to JSON (`MariaDB`).
async fn json_columns(
    session: &mut Session,
    schema: &str,
    name: &str,
) -> Result<Vec<String>, Failure> {
    if !session.server.is_mariadb {
        return Ok(Vec::new());
    }
    let place = place(("constraint_schema", "table_name"), schema, name);
    let sql =
        format!("select check_clause from information_schema.check_constraints where {place}");
    let clauses = session.rows(&sql).await?;
    Ok(clauses
        .into_iter()
        .filter_map(|row| cell_text(row.into_iter().next().flatten()))
        .filter_map(|clause| {
            let column = clause.strip_prefix("json_valid(`")?.strip_suffix("`)")?;
            Some(column.replace("``", "`"))
        })
        .collect())
}

async fn indices(
    session: &mut Session,
    schema: &str,
    name: &str,
    described: &mut Described,
) -> Result<(), Failure> {
    let sql = format!(
        "select index_name, column_name from information_schema.statistics \
         where non_unique = 0 and {} order by index_name, seq_in_index",
        place(TABLE, schema, name)
    );
    for row in session.rows(&sql).await? {
        let mut cells = Cells(row.into_iter());
        let (index, column) = (cells.text(), Text::new(cells.text()));
        described.indices.entry(index).or_default().push(column);
    }
    for (index, columns) in &described.indices {
        if index == "PRIMARY" {
            described.table.primary_key.clone_from(columns);
        } else {
            described.table.unique.push(Unique {
                name: Text::new(index),
                columns: columns.clone(),
                is_deferrable: false,
            });
        }
    }
    Ok(())
}

async fn foreign(session: &mut Session, schema: &str, name: &str) -> Result<Vec<Foreign>, Failure> {
    let sql = format!(
        "select k.constraint_name, k.column_name, k.referenced_table_schema, \
         k.referenced_table_name, k.referenced_column_name, r.delete_rule \
         from information_schema.key_column_usage k \
         join information_schema.referential_constraints r \
         on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name \
         and r.table_name = k.table_name \
         where {} and k.referenced_table_name is not null \
         order by k.constraint_name, k.ordinal_position",
        place(("k.table_schema", "k.table_name"), schema, name)
    );
    let mut keys: Vec<Foreign> = Vec::new();
    for row in session.rows(&sql).await? {
        let mut cells = Cells(row.into_iter());
        let (constraint, column) = (Text::new(cells.text()), Text::new(cells.text()));
        let (other, table) = (cells.text(), cells.text());
        let (target, rule) = (Text::new(cells.text()), cells.text());
        match keys.last_mut().filter(|key| key.name == constraint) {
            Some(key) => {
                key.columns.push(column);
                key.refers_to.1.push(target);
            }
            None => keys.push(Foreign {
                name: constraint,
                columns: vec![column],
                refers_to: (
                    if other == schema {
                        Text::new(table)
                    } else {
                        Text::new(format!("{other}.{table}"))
                    },
                    vec![target],
                ),
                cascades: rule == "CASCADE",
            }),
        }
    }
    Ok(keys)
}

/// Whether there are triggers beside ours, which change no row of it.
async fn has_triggers(session: &mut Session, schema: &str, name: &str) -> Result<bool, Failure> {
    let place = place(("event_object_schema", "event_object_table"), schema, name);
    let sql = format!(
        "select 1 from information_schema.triggers where {place} \
         and locate('{MARKER}', action_statement) = 0 limit 1"
    );
    Ok(!session.rows(&sql).await?.is_empty())
}

fn text(cell: Option<Cell>) -> Option<Text> {
    cell_text(cell).map(Text::new)
}

/// The cells of a row, one after another.
pub(super) struct Cells(pub std::vec::IntoIter<Option<Cell>>);

impl Cells {
    pub(super) fn optional(&mut self) -> Option<String> {
        cell_text(self.0.next().flatten())
    }

    pub(super) fn text(&mut self) -> String {
        self.optional().unwrap_or_default()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.optional()?.parse().ok()
    }

    fn small(&mut self) -> Option<u32> {
        self.number().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }
}
