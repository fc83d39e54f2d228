//! From any older version of the tables to this one, in one transaction; never from a newer one.

use rusqlite::{Connection, TransactionBehavior, params};
use syncline_core::error::{ErrorKind, PortError};

use crate::hub::sqlite::{
    error::{Failure, Outcome},
    schema::{APPLICATION, FIRST, VERSION},
};

/// What is in the file.
enum Found {
    Empty,
    Hub { version: i32 },
    Foreign,
}

/// Brings the tables to this version; `identity` is taken by a hub that is new.
///
/// # Errors
/// `hub.version` for a hub of a newer version, `hub.damaged` for a file that is no hub at all.
pub(super) fn to_current(
    connection: &mut Connection,
    identity: u64,
    action: &str,
) -> Result<(), PortError> {
    match found(connection).map_err(|failure| failure.during(action))? {
        Found::Empty => create(connection, identity).map_err(|failure| failure.during(action)),
        found @ (Found::Hub { .. } | Found::Foreign) => refuse(&found, action),
    }
}

/// Checks the version of a hub that is only read.
pub(super) fn check_version(connection: &Connection, action: &str) -> Result<(), PortError> {
    refuse(&found(connection).map_err(|failure| failure.during(action))?, action)
}

fn refuse(found: &Found, action: &str) -> Result<(), PortError> {
    match found {
        Found::Hub { version } if *version == VERSION => Ok(()),
        Found::Hub { version } => Err(PortError::new(
            ErrorKind::HubVersion,
            action,
            format!("it has version {version}, this program writes version {VERSION}"),
        )),
        Found::Empty => Err(PortError::new(ErrorKind::HubMissing, action, "the file is empty")),
        Found::Foreign => Err(PortError::new(
            ErrorKind::HubDamaged,
            action,
            "the file is an SQLite database, but not a hub",
        )),
    }
}

fn found(connection: &Connection) -> Outcome<Found> {
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application == APPLICATION {
        return Ok(Found::Hub { version });
    }
    let tables: i64 =
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    Ok(if tables == 0 { Found::Empty } else { Found::Foreign })
}

fn create(connection: &mut Connection, identity: u64) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(FIRST)?;
    transaction.execute(
        "insert into state (one, hub, operation, minted, changes) values (1, ?, 0, 0, 0)",
        params![identity.cast_signed()],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit().map_err(Failure::from)
}
