//! What an SQLite file holds: tables, views, columns, keys; and whether it is fit to be kept in
//! step.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, types::ValueRef};
use syncline_core::{Text, error::PortError, value::Value};
use syncline_ports::catalog::{
    Catalog, Check, CheckState, Column, Fitness, Foreign, Privileges, Table, Unique,
};

use crate::{
    settings::{Marks, Settings},
    sql::marks,
    sqlite::{
        connection::{Worker, port_error, quoted},
        listen::MARKER,
        types::{Codec, Declared, raw},
    },
};

/// How far rows are counted for an estimate.
const COUNTED_MAX: u64 = 1_000_000;

/// Describes an SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteCatalog {
    settings: Arc<Settings>,
    worker: Worker,
}

impl SqliteCatalog {
    /// Opens the file.
    ///
    /// # Errors
    /// `Unreachable` if there is no such database.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, PortError> {
        let settings = Arc::new(settings.clone());
        let mut worker = Worker::new(Arc::clone(&settings));
        worker.run(|_connection| Ok(())).await?;
        Ok(Self { settings, worker })
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn tables(&mut self) -> Result<Vec<Text>, PortError> {
        self.worker
            .run(|connection| {
                list(connection, TABLES, [MARKER], |row| row.get::<_, String>(0).map(Text::from))
                    .map_err(|error| port_error("list the tables", &error))
            })
            .await
    }

    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError> {
        let tables = tables.to_vec();
        self.worker
            .run(move |connection| {
                tables
                    .iter()
                    .map(|table| {
                        describe(connection, table)
                            .map_err(|error| port_error(&format!("describe {table:?}"), &error))
                    })
                    .collect()
            })
            .await
    }

    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError> {
        let (tables, wanted) = (tables.to_vec(), self.settings.marks);
        self.worker
            .run(move |connection| {
                examine(connection, &tables, wanted)
                    .map_err(|error| port_error("examine the file", &error))
            })
            .await
    }

    async fn create_marks(&mut self) -> Result<(), PortError> {
        self.worker
            .run(|connection| {
                let create = || {
                    if has_marks(connection)? {
                        return Ok(());
                    }
                    let statements = create_marks(connection)?.join(";");
                    connection.execute_batch(&format!("begin;{statements};commit"))
                };
                create().map_err(|error| port_error("create the table of marks", &error))
            })
            .await
    }

    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError> {
        let (table, columns) = (Text::new(table), columns.to_vec());
        self.worker
            .run(move |connection| {
                sample(connection, &table, &columns, limit)
                    .map_err(|error| port_error(&format!("read rows of {table:?}"), &error))
            })
            .await
    }
}

const TABLES: &str = "select name from sqlite_schema where type in ('table', 'view') \
     and name not like 'sqlite\\_%' escape '\\' and name <> 'syncline_applied' \
     and instr(sql, ?1) = 0 order by name";

pub(crate) fn list<T, P: rusqlite::Params>(
    connection: &Connection,
    sql: &str,
    parameters: P,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(parameters, read)?.collect()
}

/// Whether the table of marks is there, with the columns that it has today.
pub(crate) fn has_marks(connection: &Connection) -> rusqlite::Result<bool> {
    // Asked by a statement, which notices what another connection has changed meanwhile.
    connection
        .prepare_cached("select 1 from pragma_table_info(?1, 'main') where name = 'row_key'")?
        .exists([marks::TABLE])
}

/// What makes the table of marks, or makes one of an older version whole.
fn create_marks(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    Ok(if connection.table_exists(Some("main"), marks::TABLE)? {
        vec![marks::ADD_KEY.replace(" if not exists", "")]
    } else {
        vec![marks::CREATE.to_owned(), marks::CREATE_INDEX.to_owned()]
    })
}

/// A table or view; `None` if there is none of this name (in exactly this spelling).
pub(crate) fn describe(connection: &Connection, name: &str) -> rusqlite::Result<Option<Table>> {
    let kind = connection
        .query_row(
            "select type, wr from pragma_table_list where schema = 'main' and name = ?1 collate binary",
            [name],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)),
        )
        .optional()?;
    let Some((kind, without_rowid)) = kind else { return Ok(None) };
    let is_view = kind == "view";
    let mut keyed: Vec<(i64, Text)> = Vec::new();
    let mut columns = Vec::new();
    let described = list(
        connection,
        "select name, type, \"notnull\", dflt_value is not null, pk, hidden \
         from pragma_table_xinfo(?1)",
        [name],
        |row| {
            Ok(Described {
                name: row.get::<_, String>(0)?.into(),
                type_name: row.get::<_, String>(1)?.into(),
                not_null: row.get(2)?,
                has_default: row.get(3)?,
                key_place: row.get(4)?,
                hidden: row.get(5)?,
            })
        },
    )?;
    let key_len = described.iter().filter(|column| column.key_place > 0).count();
    for column in described.into_iter().filter(|column| column.hidden != HIDDEN) {
        if column.key_place > 0 {
            keyed.push((column.key_place, column.name.clone()));
        }
        let is_rowid = column.key_place == 1
            && key_len == 1
            && !without_rowid
            && !is_view
            && column.type_name.eq_ignore_ascii_case("integer");
        columns.push(described_column(connection, name, column, is_rowid, without_rowid)?);
    }
    keyed.sort();
    let triggers: i64 = connection.query_row(
        "select count(*) from sqlite_schema where type = 'trigger' \
         and tbl_name = ?1 collate nocase and instr(sql, ?2) = 0",
        [name, MARKER],
        |row| row.get(0),
    )?;
    let rows: i64 = connection.query_row(
        &format!("select count(*) from (select 1 from {} limit {COUNTED_MAX})", quoted(name)),
        [],
        |row| row.get(0),
    )?;
    let writable = !is_view && !connection.is_readonly("main")?;
    Ok(Some(Table {
        name: name.into(),
        columns,
        primary_key: keyed.into_iter().map(|(_, name)| name).collect(),
        unique: unique(connection, name)?,
        foreign: foreign(connection, name)?,
        is_open: false,
        is_view,
        has_triggers: triggers > 0,
        rows_estimate: rows.unsigned_abs(),
        privileges: Privileges {
            select: true,
            insert: writable,
            update: writable,
            delete: writable,
        },
    }))
}

/// `hidden` of a column of a virtual table that `select *` does not show.
const HIDDEN: i64 = 1;

struct Described {
    name: Text,
    type_name: Text,
    not_null: bool,
    has_default: bool,
    key_place: i64,
    hidden: i64,
}

fn described_column(
    connection: &Connection,
    table: &str,
    column: Described,
    is_rowid: bool,
    without_rowid: bool,
) -> rusqlite::Result<Column> {
    let codec = codec(connection, table, &column.name, &column.type_name)?;
    // Views have no collation of their own to tell.
    let folds = connection
        .column_metadata(Some("main"), table, &column.name)
        .ok()
        .and_then(|(_, collation, ..)| collation)
        .is_some_and(|collation| collation.to_bytes() != b"BINARY");
    Ok(Column {
        travels: codec.travels(),
        nullable: !(column.not_null || is_rowid || (without_rowid && column.key_place > 0)),
        has_default: column.has_default || is_rowid,
        is_identity: is_rowid,
        is_generated: matches!(column.hidden, 2 | 3),
        length_max: None,
        scale: None,
        precision: None,
        rounds: None,
        allowed: Vec::new(),
        folds: folds && matches!(codec.declared, Declared::Text | Declared::Any),
        name: column.name,
        type_name: column.type_name,
    })
}

/// The codec of a column, with the style of a text that it holds.
pub(crate) fn codec(
    connection: &Connection,
    table: &str,
    column: &str,
    type_name: &str,
) -> rusqlite::Result<Codec> {
    let plain = Codec::new(column, type_name, None);
    if !plain.wants_sample() {
        return Ok(plain);
    }
    let name = quoted(column);
    let sql = format!("select {name} from {} where typeof({name}) = 'text' limit 1", quoted(table));
    let sample: Option<String> = connection.query_row(&sql, [], |row| row.get(0)).optional()?;
    Ok(Codec::new(column, type_name, sample.as_deref()))
}

fn unique(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Unique>> {
    let names: Vec<String> = list(
        connection,
        "select name from pragma_index_list(?1) \
         where \"unique\" and not partial and origin <> 'pk' order by seq",
        [table],
        |row| row.get(0),
    )?;
    let mut found = Vec::new();
    for name in names {
        // An expression in an index has no column name.
        let columns: Vec<Option<String>> = list(
            connection,
            "select name from pragma_index_info(?1) order by seqno",
            [&name],
            |row| row.get(0),
        )?;
        let columns: Option<Vec<Text>> =
            columns.into_iter().map(|name| name.map(Text::from)).collect();
        if let Some(columns) = columns {
            found.push(Unique { name: name.into(), columns, is_deferrable: false });
        }
    }
    Ok(found)
}

/// One column of a foreign key, as the pragma lists it.
struct ForeignColumn {
    id: i64,
    parent: String,
    from: String,
    to: Option<String>,
    on_delete: String,
}

pub(crate) fn foreign(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Foreign>> {
    let columns = list(
        connection,
        "select id, \"table\", \"from\", \"to\", on_delete from pragma_foreign_key_list(?1) \
         order by id, seq",
        [table],
        |row| {
            Ok(ForeignColumn {
                id: row.get(0)?,
                parent: row.get(1)?,
                from: row.get(2)?,
                to: row.get(3)?,
                on_delete: row.get(4)?,
            })
        },
    )?;
    let mut found: Vec<(i64, Foreign)> = Vec::new();
    for column in columns {
        if found.last().is_none_or(|(id, _)| *id != column.id) {
            found.push((
                column.id,
                Foreign {
                    name: Text::default(),
                    columns: Vec::new(),
                    refers_to: (column.parent.as_str().into(), Vec::new()),
                    cascades: column.on_delete.eq_ignore_ascii_case("cascade"),
                },
            ));
        }
        if let Some((_, foreign)) = found.last_mut() {
            foreign.columns.push(column.from.into());
            foreign.refers_to.1.extend(column.to.map(Text::from));
        }
    }
    for (_, foreign) in &mut found {
        let (parent, to) = &mut foreign.refers_to;
        if to.is_empty() {
            *to = list(
                connection,
                "select name from pragma_table_info(?1) where pk > 0 order by pk",
                [parent.as_str()],
                |row| row.get::<_, String>(0).map(Text::from),
            )?;
        }
        // SQLite does not keep the names of constraints.
        foreign.name = Text::new(format!("{table}({}) -> {parent}", foreign.columns.join(", ")));
    }
    Ok(found.into_iter().map(|(_, foreign)| foreign).collect())
}

fn examine(connection: &Connection, tables: &[Text], wanted: Marks) -> rusqlite::Result<Fitness> {
    let version = rusqlite::version();
    let read_only = connection.is_readonly("main")?;
    let has_marks = has_marks(connection)?;
    let mut checks = vec![check(
        "connect",
        CheckState::Passed,
        format!("the file is an SQLite database (library {version})"),
    )];
    let mut missing = Vec::new();
    for table in tables {
        if !connection.table_exists(Some("main"), table.as_str())? {
            missing.push(table.as_str());
        }
    }
    checks.push(if missing.is_empty() {
        check("tables", CheckState::Passed, format!("{} of {} found", tables.len(), tables.len()))
    } else {
        check("tables", CheckState::Failed, format!("not found: {}", missing.join(", ")))
    });
    checks.push(if read_only {
        check("privileges", CheckState::Failed, "the file cannot be written".to_owned())
    } else {
        check("privileges", CheckState::Passed, "the file can be read and written".to_owned())
    });
    let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0))?;
    checks.push(if mode == "wal" {
        check("journal", CheckState::Passed, "readers and writers do not block each other".into())
    } else {
        let mut found = check(
            "journal",
            CheckState::Warning,
            format!("journal mode {mode}: readers and writers wait for each other"),
        );
        found.fix.push("pragma journal_mode = wal;".into());
        found
    });
    checks.push(match (has_marks, wanted) {
        (_, Marks::None) => {
            check("marks", CheckState::Passed, "not used, as configured".to_owned())
        }
        (true, _) => check("marks", CheckState::Passed, "own writes are recognised".to_owned()),
        (false, Marks::IfPresent | Marks::Table) => {
            let state =
                if wanted == Marks::Table { CheckState::Failed } else { CheckState::Warning };
            let mut found = check(
                "marks",
                state,
                format!("there is no table {}: a lost answer leaves doubt", marks::TABLE),
            );
            let statements = create_marks(connection)?;
            found.fix = statements.iter().map(|sql| format!("{sql};").into()).collect();
            found
        }
    });
    checks.push(check("clock", CheckState::Passed, "the clock of this machine".to_owned()));
    Ok(Fitness {
        product: Text::new(format!("SQLite {version}")),
        is_tested: true,
        has_marks: has_marks && !read_only,
        clock_ahead_ms: 0,
        checks,
    })
}

fn check(name: &str, state: CheckState, message: String) -> Check {
    Check { name: name.into(), state, message: message.into(), fix: Vec::new() }
}

/// Rows spread over the table, or the first ones where it has no row numbers.
fn sample(
    connection: &Connection,
    table: &str,
    columns: &[Text],
    limit: usize,
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let Some(described) = describe(connection, table)? else {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    };
    let mut codecs = Vec::with_capacity(columns.len());
    for name in columns {
        let found = described.columns.iter().find(|column| column.name == *name);
        let type_name = found.map_or("", |column| column.type_name.as_str());
        codecs.push(codec(connection, table, name, type_name)?);
    }
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let select = format!("select {} from {}", names.join(", "), quoted(table));
    let step = (described.rows_estimate / (limit.max(1) as u64)).max(1);
    let spread = format!("{select} where rowid % {step} = 0 limit {limit}");
    let read = |row: &Row<'_>| {
        (0..codecs.len())
            .zip(&codecs)
            .map(|(at, codec)| {
                let stored: ValueRef<'_> = row.get_ref(at)?;
                Ok(codec.decode(stored).unwrap_or_else(|_refused| raw(stored)))
            })
            .collect::<rusqlite::Result<Vec<Value>>>()
    };
    match connection.prepare(&spread) {
        Ok(mut statement) => statement.query_map([], read)?.collect(),
        Err(_no_rowid) => list(connection, &format!("{select} limit {limit}"), [], read),
    }
}
