//! From any older version of the tables to this one, in one transaction; never from a newer one.

use rusqlite::{Connection, TransactionBehavior, params};
use syncline_core::error::{ErrorKind, PortError};

use crate::hub::sqlite::{
    error::{Failure, Outcome},
    schema::{APPLICATION, FIRST, READABLE, STEPS, VERSION},
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
        Found::Hub { version } if (1..VERSION).contains(&version) => {
            advance(connection, version).map_err(|failure| failure.during(action))
        }
        found @ (Found::Hub { .. } | Found::Foreign) => refuse(&found, VERSION, action),
    }
}

/// Checks the version of a hub that is only read.
pub(super) fn check_version(connection: &Connection, action: &str) -> Result<(), PortError> {
    let found = found(connection).map_err(|failure| failure.during(action))?;
    refuse(&found, READABLE, action)
}

fn refuse(found: &Found, oldest: i32, action: &str) -> Result<(), PortError> {
    match found {
        Found::Hub { version } if (oldest..=VERSION).contains(version) => Ok(()),
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
    steps(&transaction, 1)?;
    transaction.commit().map_err(Failure::from)
}

/// Brings a hub of an older version to this one, all or nothing.
fn advance(connection: &mut Connection, version: i32) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    steps(&transaction, version)?;
    transaction.commit().map_err(Failure::from)
}

fn steps(connection: &Connection, version: i32) -> Outcome<()> {
    for step in STEPS.iter().skip(usize::try_from(version - 1).unwrap_or_default()) {
        connection.execute_batch(step)?;
    }
    Ok(connection.pragma_update(None, "user_version", VERSION)?)
}

#[cfg(test)]
mod tests {
    //! A hub of every earlier version becomes one of this version.

    use super::*;

    fn tables(connection: &Connection) -> Vec<(String, String)> {
        let mut select = connection
            .prepare("select name, coalesce(sql, '') from sqlite_schema order by name")
            .unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn of_version(version: i32) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(FIRST).unwrap();
        for step in &STEPS[..version as usize - 1] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "application_id", APPLICATION).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        connection
            .execute_batch("insert into note (name, value) values ('serve', 'process 7')")
            .unwrap();
        connection
    }

    #[test]
    fn a_hub_of_every_earlier_version_becomes_one_of_this_version() {
        let mut new = Connection::open_in_memory().unwrap();
        to_current(&mut new, 1, "open").unwrap();
        for version in 1..=VERSION {
            let mut hub = of_version(version);
            to_current(&mut hub, 1, "open").unwrap();
            assert_eq!(tables(&hub), tables(&new), "from version {version}");
            let note: String =
                hub.query_row("select value from note", [], |row| row.get(0)).unwrap();
            assert_eq!(note, "process 7");
            to_current(&mut hub, 1, "open").unwrap();
        }
    }

    #[test]
    fn a_hub_of_an_earlier_version_can_be_looked_at() {
        for version in READABLE..=VERSION {
            check_version(&of_version(version), "open").unwrap();
        }
    }
}
