//! What the server's refusals mean: SQLSTATE to kinds of failure and to verdicts.
//!
//! A server's `detail` and `hint`, and some of its messages, quote row values; ours are made of the
//! SQLSTATE and of names (constraint, table, column) only.

use std::error::Error as _;

use syncline_core::error::{ErrorKind, PortError};
use tokio_postgres::{Error, error::DbError};

/// The failure of a port.
pub(crate) fn port_error(action: impl Into<String>, error: &Error) -> PortError {
    PortError::new(kind(error), action, describe(error))
}

/// What kind of failure this is.
pub(crate) fn kind(error: &Error) -> ErrorKind {
    if let Some(db) = error.as_db_error() {
        return state_kind(db.code().code());
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<rustls::Error>() {
            return ErrorKind::Tls;
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io_kind(io);
        }
        source = cause.source();
    }
    let text = error.to_string();
    if text.contains("TLS") {
        ErrorKind::Tls
    } else if text.contains("password missing") || text.contains("authentication") {
        ErrorKind::Unauthorized
    } else if text.contains("timeout") {
        ErrorKind::TimedOut
    } else if error.is_closed() || text.contains("communicating") || text.contains("connecting") {
        ErrorKind::Unreachable
    } else {
        ErrorKind::Unexpected
    }
}

/// What kind of failure of the line this is.
pub(crate) fn io_kind(error: &std::io::Error) -> ErrorKind {
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        ErrorKind::Tls
    } else if error.kind() == std::io::ErrorKind::TimedOut {
        ErrorKind::TimedOut
    } else {
        ErrorKind::Unreachable
    }
}

/// What kind of failure the server means by this SQLSTATE.
pub(crate) fn state_kind(code: &str) -> ErrorKind {
    match code {
        "28P01" | "28000" => ErrorKind::Unauthorized,
        "42501" => ErrorKind::Forbidden,
        "25006" => ErrorKind::ReadOnly,
        "42P01" | "42703" | "3F000" | "42704" | "42883" | "42804" | "0A000" => {
            ErrorKind::SchemaDrift
        }
        "3D000" => ErrorKind::SchemaDrift,
        "57014" | "55P03" | "55006" | "25P03" => ErrorKind::TimedOut,
        "53300" | "53400" | "53000" | "53200" => ErrorKind::Throttled,
        "53100" => ErrorKind::DiskFull,
        "57P01" | "57P02" | "57P03" | "57P05" => ErrorKind::Unreachable,
        _ if code.starts_with("08") => ErrorKind::Unreachable,
        _ if code.starts_with("40") => ErrorKind::TimedOut,
        _ => ErrorKind::Unexpected,
    }
}

/// What happened, without values.
pub(crate) fn describe(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => describe_state(db),
        None => match error.source() {
            // Causes of the driver name hosts, files and protocols, never rows.
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

/// What a server says in a refusal, as far as it may be passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    /// The SQLSTATE.
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    pub(crate) table: Option<&'a str>,
    pub(crate) column: Option<&'a str>,
    pub(crate) constraint: Option<&'a str>,
}

fn describe_state(db: &DbError) -> String {
    Said {
        code: db.code().code(),
        message: db.message(),
        table: db.table(),
        column: db.column(),
        constraint: db.constraint(),
    }
    .describe()
}

impl Said<'_> {
    /// The message where it speaks of objects and people; otherwise only the state and the names.
    pub(crate) fn describe(&self) -> String {
        let code = self.code;
        let speaks_of_objects = matches!(
            code.get(..2),
            Some("08" | "28" | "3D" | "3F" | "53" | "57" | "55" | "25" | "40" | "58")
        ) || matches!(
            code,
            "42P01" | "42703" | "42501" | "42883" | "42704" | "42601" | "42710"
        );
        let mut text = if speaks_of_objects {
            format!("{} (SQLSTATE {code})", self.message)
        } else {
            format!("SQLSTATE {code}")
        };
        for (word, name) in
            [("table", self.table), ("column", self.column), ("constraint", self.constraint)]
        {
            if let Some(name) = name {
                text.push_str(&format!(", {word} {name:?}"));
            }
        }
        text
    }
}

/// Whether the connection is gone, so that nothing can be known of what was under way.
pub(crate) fn is_lost(error: &Error) -> bool {
    match error.as_db_error() {
        // The server ended the session itself, or failed beneath it.
        Some(db) => {
            matches!(db.code().code(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
                || db.code().code().starts_with("08")
        }
        None => true,
    }
}
