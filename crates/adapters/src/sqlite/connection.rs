//! Connections: opened with care, used on blocking threads only, errors in our words.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's errors are many; those that are not named are unexpected"
)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, ffi};
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
};

use crate::settings::Settings;

/// How many virtual machine steps pass between two looks at the clock.
const STEPS_PER_LOOK: i32 = 20_000;

/// One connection, lent to a blocking thread for each piece of work.
///
/// If the caller gives up waiting, the work ends by itself (each statement has its time-out), its
/// connection is closed, and the next piece of work opens a new one.
#[derive(Debug)]
pub(crate) struct Worker {
    settings: Arc<Settings>,
    connection: Option<Open>,
}

/// An open connection with the time by which its work must be done.
#[derive(Debug)]
pub(crate) struct Open {
    /// The connection.
    pub(crate) connection: Connection,
    deadline: Deadline,
}

/// Stops statements that run too long; shared with the connection's progress handler.
#[derive(Clone, Debug)]
struct Deadline {
    start: Instant,
    /// Milliseconds after `start`.
    at: Arc<AtomicU64>,
}

impl Worker {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, connection: None }
    }

    /// Runs `work` on a blocking thread.
    pub(crate) async fn run<T, F>(&mut self, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, PortError> + Send + 'static,
    {
        let settings = Arc::clone(&self.settings);
        let lent = self.connection.take();
        let done = tokio::task::spawn_blocking(move || {
            let mut open = match lent {
                Some(open) => open,
                None => open(&settings)?,
            };
            open.deadline.set(settings.statement_timeout);
            let result = work(&mut open.connection);
            // Whatever happened, nothing stays open in between.
            if !open.connection.is_autocommit()
                && open.connection.execute_batch("rollback").is_err()
            {
                return result.map(|value| (value, None));
            }
            result.map(|value| (value, Some(open)))
        })
        .await;
        match done {
            Ok(Ok((value, connection))) => {
                self.connection = connection;
                Ok(value)
            }
            Ok(Err(error)) => Err(error),
            Err(panicked) => Err(PortError::new(
                ErrorKind::Unexpected,
                format!("work with {}", self.settings.name),
                panicked.to_string(),
            )),
        }
    }
}

impl Deadline {
    fn set(&self, timeout: Duration) {
        let at = self.start.elapsed() + timeout;
        self.at.store(u64::try_from(at.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.start.elapsed().as_millis() > u128::from(self.at.load(Ordering::Relaxed))
    }
}

/// Opens the file, which must exist.
///
/// # Errors
/// `Unreachable` if there is no such database.
pub(crate) fn open(settings: &Settings) -> Result<Open, PortError> {
    let action = || format!("open {}", settings.name);
    let path = Path::new(&settings.database);
    if !path.exists() {
        let detail = format!("there is no file {}", settings.database);
        return Err(PortError::new(ErrorKind::Unreachable, action(), detail));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let deadline = Deadline { start: Instant::now(), at: Arc::new(AtomicU64::new(u64::MAX)) };
    let prepare = || {
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(settings.statement_timeout)?;
        connection.set_prepared_statement_cache_capacity(256);
        connection.execute_batch("pragma foreign_keys = on")?;
        // Reads the file's header: what is no database is noticed here.
        connection.query_row("select count(*) from sqlite_schema", [], |_row| Ok(()))?;
        let watch = deadline.clone();
        connection.progress_handler(STEPS_PER_LOOK, Some(move || watch.is_over()))?;
        Ok(connection)
    };
    let connection = prepare().map_err(|error| port_error(&action(), &error))?;
    Ok(Open { connection, deadline })
}

/// An error of the driver, in our words. Messages of SQLite name tables and columns, never values.
pub(crate) fn port_error(action: &str, error: &Error) -> PortError {
    PortError::new(kind(error), action, detail(error))
}

/// What the driver said.
pub(crate) fn detail(error: &Error) -> Text {
    match error {
        Error::SqliteFailure(_, Some(message)) => Text::new(message),
        Error::SqlInputError { msg, .. } => Text::new(msg),
        other => Text::new(other.to_string()),
    }
}

fn kind(error: &Error) -> ErrorKind {
    let Error::SqliteFailure(ffi::Error { code, .. }, message) = error else {
        // `prepare` reports unknown tables and columns with the place in the statement.
        return match error {
            Error::SqlInputError { msg, .. } if is_schema(msg) => ErrorKind::SchemaDrift,
            _ => ErrorKind::Unexpected,
        };
    };
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::OperationInterrupted
        | ErrorCode::FileLockingProtocolFailed => ErrorKind::TimedOut,
        ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
            ErrorKind::Unreachable
        }
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            ErrorKind::Forbidden
        }
        ErrorCode::ReadOnly => ErrorKind::ReadOnly,
        ErrorCode::DiskFull => ErrorKind::DiskFull,
        ErrorCode::SystemIoFailure => ErrorKind::Unreachable,
        ErrorCode::SchemaChanged => ErrorKind::SchemaDrift,
        _ if message.as_deref().is_some_and(is_schema) => ErrorKind::SchemaDrift,
        _ => ErrorKind::Unexpected,
    }
}

fn is_schema(message: &str) -> bool {
    message.starts_with("no such table")
        || message.starts_with("no such column")
        || message.contains("has no column named")
}

/// A quoted name. Not in double quotes: where no column has the name, SQLite would take those for a
/// text, and a column that was renamed would be read as its own name.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
