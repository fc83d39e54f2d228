//! What listening by triggers puts into a server: the table of changes, and the triggers that fill it.
//!
//! Keys are noted as the bytes of their texts, in UTF-8, as a read would show them; binary ones as they
//! are. Nothing of it depends on the session of who works with the table, whose time zone and character
//! set may be any.
//!
//! A trigger reads no table: where the log holds statements, a read in it would lock what it reads, and
//! writers would wait for each other. So it cannot count what is noted. It notes nothing from a day on
//! that is written in it (the lease), which whoever listens moves on: a table of changes that nobody
//! reads any more does not grow for ever.

use crate::mysql::{
    listen::{key::KeyColumn, tables::Name},
    literal,
    types::Wire,
};

/// Stands in every trigger of ours: others do not matter to who describes a table.
pub(in crate::mysql) const MARKER: &str = "/* changes noted for syncline */";
/// Says of the table of changes what it is: it is not shown among the tables of the system.
pub(in crate::mysql) const COMMENT: &str = "changes noted for syncline";

/// About how many bytes a noted change takes, beside its key.
pub(super) const ROW_BYTES: u64 = 64;
/// So many columns the table of changes has for keys at least: a longer key alters it.
const KEY_COLUMNS: usize = 8;
/// What stands in front of the day from which on a trigger notes nothing.
const UNTIL: &str = "utc_timestamp() < '";

/// What was noted of a row.
pub(super) mod what {
    /// It is new.
    pub(in super::super) const INSERTED: u8 = 1;
    /// It was changed: this is its key before, or the one it has since.
    pub(in super::super) const UPDATED: u8 = 2;
    /// It is gone.
    pub(in super::super) const DELETED: u8 = 3;
    /// Values were changed that rows of other tables refer to.
    pub(in super::super) const REFERENCED: u8 = 4;
    /// Not of a row: the table was not watched all the time.
    pub(in super::super) const NOT_WATCHED: u8 = 5;
}

/// Names of one installation.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    database: String,
}

/// A table as its triggers need to know it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// Its schema and its name.
    pub(super) name: Name,
    /// The columns whose values name a row.
    pub(super) key: Vec<KeyColumn>,
    /// Columns whose changes go along to rows of other tables.
    pub(super) referenced: Vec<String>,
}

/// A trigger as it must be.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// `INSERT`, as the server says it.
    pub(super) event: &'static str,
    pub(super) body: String,
}

impl Names {
    pub(super) fn new(prefix: &str, database: &str) -> Self {
        Self { prefix: prefix.to_owned(), database: database.to_owned() }
    }

    /// The schema of the table of changes, and its name.
    pub(super) fn changes_name(&self) -> Name {
        (self.database.clone(), format!("{}_changes", self.prefix))
    }

    /// The table of changes, quoted.
    pub(super) fn changes(&self) -> String {
        quoted(&self.changes_name())
    }

    /// How the names of all triggers of ours begin.
    pub(super) fn trigger_prefix(&self) -> String {
        format!("{}_", self.prefix)
    }

    /// Creates the table of changes.
    pub(super) fn create_changes(&self, key_columns: usize) -> String {
        let keys: Vec<String> =
            (1..=key_columns.max(KEY_COLUMNS)).map(|at| format!(", k{at} longblob")).collect();
        format!(
            "create table if not exists {} (seq bigint unsigned not null auto_increment primary key, \
             at timestamp(6) not null default current_timestamp(6), watch bigint not null default 0, \
             what tinyint unsigned not null default 0{}) engine = InnoDB comment = '{COMMENT}'",
            self.changes(),
            keys.concat()
        )
    }

    /// The triggers of a table, which note its changes before the day `until`.
    pub(super) fn triggers(&self, id: i64, watched: &Watched, until: &str) -> Vec<Trigger> {
        let note = |kind, row: &str| {
            let columns: Vec<String> = (1..=watched.key.len()).map(|at| format!("k{at}")).collect();
            let values: Vec<String> = watched.key.iter().map(|column| shown(column, row)).collect();
            format!(
                "insert into {} (watch, what, {}) values ({id}, {kind}, {});",
                self.changes(),
                columns.join(", "),
                values.join(", ")
            )
        };
        let same: Vec<String> = watched
            .key
            .iter()
            .map(|column| {
                let (old, new) = (shown(column, "old"), shown(column, "new"));
                format!("cast({old} as binary) <=> cast({new} as binary)")
            })
            .collect();
        let mut update = format!(
            "{} if not ({}) then {} end if;",
            note(what::UPDATED, "old"),
            same.join(" and "),
            note(what::UPDATED, "new")
        );
        if !watched.referenced.is_empty() {
            let same: Vec<String> = watched
                .referenced
                .iter()
                .map(|column| {
                    let column = name(column);
                    format!("cast(old.{column} as binary) <=> cast(new.{column} as binary)")
                })
                .collect();
            update += &format!(
                " if not ({}) then insert into {} (watch, what) values ({id}, {}); end if;",
                same.join(" and "),
                self.changes(),
                what::REFERENCED
            );
        }
        [
            ("i", "INSERT", note(what::INSERTED, "new")),
            ("u", "UPDATE", update),
            ("d", "DELETE", note(what::DELETED, "old")),
        ]
        .into_iter()
        .map(|(when, event, notes)| Trigger {
            name: format!("{}_{id:016x}_{when}", self.prefix),
            event,
            body: format!("begin {MARKER} if {UNTIL}{until}' then {notes} end if; end"),
        })
        .collect()
    }
}

/// The day in a trigger from which on it notes nothing.
pub(super) fn until(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once(UNTIL)?;
    rest.split_once('\'').map(|(day, _)| day)
}

/// A name of a table or a trigger, with that of its schema.
pub(super) fn quoted((schema, own): &Name) -> String {
    format!("{}.{}", name(schema), name(own))
}

pub(super) fn name(own: &str) -> String {
    let mut quoted = Vec::new();
    literal::name(own, &mut quoted);
    String::from_utf8_lossy(&quoted).into_owned()
}

/// What a read shows of a key column, as text.
fn shown(column: &KeyColumn, row: &str) -> String {
    let value = format!("{row}.{}", name(&column.name));
    let value = match column.wire {
        Wire::Bytes => return value,
        // A read has its bytes; they are a number.
        Wire::Bit => format!("cast({value} as unsigned)"),
        Wire::Float => format!("cast({value} as double)"),
        // Its text depends on a time zone, and names two moments in one hour of the year.
        Wire::Timestamp => format!("unix_timestamp({value})"),
        Wire::Int
        | Wire::Decimal
        | Wire::Double
        | Wire::Text
        | Wire::Enum
        | Wire::Set
        | Wire::Uuid
        | Wire::Date
        | Wire::DateTime
        | Wire::Time
        | Wire::Json => value,
    };
    format!("convert({value} using utf8mb4)")
}
