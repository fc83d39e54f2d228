//! Small files beside the hub, each with tables of its own: what is kept there may fail, wait or be lost
//! without a record noticing.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::hub::sqlite::error::{Failure, Outcome};

/// What stands in such a file.
pub(super) struct Tables {
    /// As people call it: `an outbox`.
    pub(super) what: &'static str,
    /// The version that this program writes and reads.
    pub(super) version: i64,
    /// The statements that make them.
    pub(super) sql: &'static str,
    /// Whether a commit must outlast a power cut.
    pub(super) is_durable: bool,
}

/// The file beside this hub whose name ends like this.
pub(super) fn path_of(hub: &Path, end: &str) -> PathBuf {
    let mut name = hub.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Opens the file, and makes it if it is not there.
pub(super) fn open(path: &Path, tables: &Tables) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let synchronous = if tables.is_durable { "full" } else { "normal" };
    connection.execute_batch(&format!(
        "pragma journal_mode = wal; pragma synchronous = {synchronous};"
    ))?;
    if version(&connection)? == tables.version {
        return Ok(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&transaction)? {
        0 => {
            transaction.execute_batch(tables.sql)?;
            transaction.pragma_update(None, "user_version", tables.version)?;
        }
        known if known == tables.version => {}
        other => {
            let what = tables.what;
            return Err(Failure::stored(format_args!(
                "{what} of version {other}, which this version does not know,"
            )));
        }
    }
    transaction.commit()?;
    Ok(connection)
}

fn version(connection: &Connection) -> Outcome<i64> {
    Ok(connection.query_row("pragma user_version", [], |row| row.get(0))?)
}
