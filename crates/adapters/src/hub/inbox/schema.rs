//! The inbox's tables.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::hub::{
    inbox::BUSY,
    sqlite::error::{Failure, Outcome},
};

/// What this version writes.
const VERSION: i64 = 1;

const TABLES: &str = "
create table delivery(
    seq integer primary key autoincrement,
    system text not null,
    at integer not null,
    fate text not null,
    id text,
    topic text,
    body blob,
    -- It is to be dealt with.
    waits integer not null default 0,
    -- So many more like it were not noted one by one.
    more integer not null default 0,
    -- It is that delivery once more.
    again integer
);
create index delivery_id on delivery(system, id) where id is not null and fate = 'accepted';
create index delivery_fate on delivery(system, fate, at);
create index delivery_waits on delivery(system, seq) where waits = 1;
create index delivery_at on delivery(at);
create table dealt(system text primary key, upto integer not null) without rowid;
-- `address`: where the door was opened last.
create table inbox(identity integer not null, address text);
insert into inbox values (random(), null);
";

/// Opens the file for writing, and makes it if it is not there. Gives what tells it from others, too.
pub(super) fn open(path: &Path) -> Outcome<(Connection, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("pragma journal_mode = wal; pragma synchronous = full;")?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    match version(&transaction)? {
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        other => return Err(newer(other)),
    }
    let identity = transaction.query_row("select identity from inbox", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok((connection, identity))
}

/// Opens the file for reading. `None`: there is none, so nothing was ever sent.
pub(super) fn look(path: &Path) -> Outcome<Option<Connection>> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    match version(&connection)? {
        VERSION => Ok(Some(connection)),
        0 => Ok(None),
        other => Err(newer(other)),
    }
}

fn version(connection: &Connection) -> Outcome<i64> {
    Ok(connection.query_row("pragma user_version", [], |row| row.get(0))?)
}

fn newer(version: i64) -> Failure {
    Failure::stored(format!("an inbox of version {version}, which this version does not know,"))
}
