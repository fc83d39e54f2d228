//! What SQLite says, in our words.

use rusqlite::{Error, ErrorCode, ffi};
use syncline_core::{
    error::{ErrorKind, PortError},
    name::RecordId,
};

/// A failure of a hub operation, before it knows what was attempted. Kept small and `From` what
/// the helpers return, so that they can use `?`.
#[derive(Debug)]
pub(in crate::hub) enum Failure {
    /// SQLite refused.
    Sqlite(Error),
    /// A stored form is not one.
    Damaged(String),
    /// It is sealed, and cannot be opened or sealed with what is at hand.
    Sealed(ErrorKind, String),
}

pub(in crate::hub) type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// The stored form of this record cannot be read.
    pub(in crate::hub) fn record(record: RecordId) -> Self {
        Self::Damaged(format!("the stored form of record {record} cannot be read"))
    }

    /// The stored form of something else cannot be read.
    pub(in crate::hub) fn stored(what: impl std::fmt::Display) -> Self {
        Self::Damaged(format!("{what} cannot be read"))
    }

    /// As the port says it.
    pub(in crate::hub) fn during(self, action: &str) -> PortError {
        match self {
            Self::Damaged(detail) => PortError::new(ErrorKind::HubDamaged, action, detail),
            Self::Sealed(kind, detail) => PortError::new(kind, action, detail),
            Self::Sqlite(error) => PortError::new(kind(&error), action, error.to_string()),
        }
    }
}

/// What kind of failure this is. What SQLite says holds names of tables and files, never values.
pub(in crate::hub) fn kind(error: &Error) -> ErrorKind {
    // A quota or a limit of the system shows as a write that fails, not as a full disk.
    if let Some(ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_WRITE) =
        error.sqlite_extended_error_code()
    {
        return ErrorKind::DiskFull;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::DiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::HubDamaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::HubInUse,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ErrorKind::HubReadOnly
        }
        // A column of another type than we ever store is damage as well.
        _ if matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::FromSqlConversionFailure(..)
        ) =>
        {
            ErrorKind::HubDamaged
        }
        _ => ErrorKind::Unexpected,
    }
}
