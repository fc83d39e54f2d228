//! What the server or the network said, and what it means.
//!
//! A message of the server may quote values (`Duplicate entry 'x'`, `near '…'`). Only messages of
//! codes that are known not to are passed on; of the others the code alone.

use std::time::Duration;

use mysql_async::{DriverError, Error, IoError, ServerError, TlsError};
use syncline_core::{
    Text,
    change::Outcome,
    error::{ErrorKind, PortError},
};

use crate::sql::put_off;

/// A statement that did not succeed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server refused the statement; the connection is fine.
    Server {
        /// Its number, as in the manual.
        code: u16,
        /// Its words; may quote values.
        message: String,
    },
    /// The connection is gone; the statement may have been done.
    Lost(String),
    /// Its certificate is not the one expected.
    Tls(String),
    /// No answer in time; the statement may have been done.
    Late(Duration),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(ServerError { code, message, .. }) => Self::Server { code, message },
            Error::Io(IoError::Tls(TlsError::Tls(error))) => Self::Tls(error.to_string()),
            Error::Io(IoError::Io(error))
                if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) =>
            {
                Self::Tls(error.to_string())
            }
            Error::Driver(DriverError::NoClientSslFlagFromServer) => {
                Self::Tls("the server offers no TLS".to_owned())
            }
            Error::Driver(
                DriverError::UnknownAuthPlugin { .. } | DriverError::CleartextPluginDisabled,
            ) => Self::Server { code: 1251, message: "unknown way of authentication".to_owned() },
            // A driver error could quote a packet; its kind is all that is needed.
            Error::Driver(DriverError::ConnectionClosed) => {
                Self::Lost("the server closed the connection".to_owned())
            }
            Error::Driver(DriverError::PacketTooLarge) => {
                Self::Lost("a packet was too large".to_owned())
            }
            Error::Driver(_) => Self::Lost("the protocol was not followed".to_owned()),
            Error::Io(error) => Self::Lost(error.to_string()),
            Error::Other(_) | Error::Url(_) => Self::Lost("the driver failed".to_owned()),
        }
    }
}

impl Failure {
    /// The server's code, if it was the server that refused.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Server { code, .. } => Some(*code),
            Self::Lost(_) | Self::Tls(_) | Self::Late(_) => None,
        }
    }

    /// Whether this concerns the transaction or the system, not one row of a statement.
    pub(super) fn ends_transaction(&self) -> bool {
        match self {
            // 1020: the row changed since the snapshot; 1792 and the rest have a kind of their own.
            Self::Server { code, .. } => *code == 1020 || self.kind() != ErrorKind::Unexpected,
            Self::Lost(_) | Self::Tls(_) | Self::Late(_) => true,
        }
    }

    /// What people may read: no values.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Server { code, message } => match safe_message(*code, message) {
                Some(message) => format!("error {code}: {message}"),
                None => format!("error {code}"),
            },
            Self::Lost(detail) | Self::Tls(detail) => detail.clone(),
            Self::Late(after) => format!("no answer within {} s", after.as_secs()),
        }
    }

    /// The failure of a port.
    pub(super) fn error(&self, action: impl Into<String>) -> PortError {
        PortError::new(self.kind(), action, self.detail())
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Lost(_) => ErrorKind::Unreachable,
            Self::Tls(_) => ErrorKind::Tls,
            Self::Late(_) => ErrorKind::TimedOut,
            Self::Server { code, .. } => match code {
                1045 | 1130 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 | 3118 | 3159 | 4151 => {
                    ErrorKind::Unauthorized
                }
                1044 | 1142 | 1143 | 1227 | 1370 => ErrorKind::Forbidden,
                1290 | 1792 | 1836 => ErrorKind::ReadOnly,
                1049 | 1051 | 1054 | 1146 | 1109 => ErrorKind::SchemaDrift,
                1040 | 1203 | 1226 | 1129 => ErrorKind::Throttled,
                3 | 1021 | 1041 | 1114 | 1037 => ErrorKind::DiskFull,
                1205 | 1213 | 1317 | 1969 | 3024 => ErrorKind::TimedOut,
                1047
                | 1053
                | 1077
                | 1079
                | 1080
                | 1152
                | 1158..=1161
                | 1184
                | 1927
                | 2002..=2013
                | 4031 => ErrorKind::Unreachable,
                _ => ErrorKind::Unexpected,
            },
        }
    }

    /// What this means for the one write that caused it.
    pub(super) fn outcome(&self) -> Outcome {
        let invalid = |code| Outcome::Invalid { code, reason: Text::new(self.detail()) };
        match self {
            Self::Lost(_) | Self::Tls(_) | Self::Late(_) => self.put_off(),
            Self::Server { code, message } => match code {
                1062 | 1169 | 1586 => Outcome::Unique { columns: Vec::new(), holder: None },
                1216 | 1217 | 1451 | 1452 | 1834 => {
                    Outcome::Foreign { constraint: Text::new(constraint(message)) }
                }
                1406 | 1162 | 1118 => invalid("write.value_too_long"),
                1048 | 1364 | 1263 => invalid("write.null"),
                3819 | 4025 => invalid("write.check"),
                1366 | 1300 | 1977 | 3854 => invalid("write.encoding"),
                1264 | 1265 | 1292 | 1367 | 1411 | 1416 | 1441 | 1525 | 1690 | 3140 | 3141 => {
                    invalid("write.type")
                }
                1644 | 1643 => invalid("write.refused_by_trigger"),
                _ if self.ends_transaction() => self.put_off(),
                _ => invalid("write.refused"),
            },
        }
    }

    /// Definitely not done; the same again may succeed.
    pub(super) fn put_off(&self) -> Outcome {
        put_off(self.kind(), self.detail())
    }

    /// The name of the index of a duplicate (`Duplicate entry '…' for key 'name'`).
    pub(super) fn duplicate_index(&self) -> Option<&str> {
        match self {
            Self::Server { code: 1062 | 1586, message } => {
                let (_, name) = message.rsplit_once(" for key ")?;
                let name = name.trim_end_matches('.').trim_matches('\'');
                // MySQL says `table.index`.
                Some(name.rsplit_once('.').map_or(name, |(_, index)| index))
            }
            Self::Server { .. } | Self::Lost(_) | Self::Tls(_) | Self::Late(_) => None,
        }
    }
}

/// The name in ``CONSTRAINT `orders_contact` FOREIGN KEY``, or nothing.
fn constraint(message: &str) -> &str {
    message
        .split_once("CONSTRAINT `")
        .and_then(|(_, rest)| rest.split_once('`'))
        .map_or("", |(name, _)| name)
}

fn safe_message(code: u16, message: &str) -> Option<String> {
    match code {
        // These quote the value between the first colon and the column.
        1366 | 1292 | 1411 | 1525 => {
            let (kind, rest) = message.split_once(": ")?;
            let column = rest.rsplit_once(" for column ").map(|(_, column)| column);
            Some(match column {
                Some(column) => format!("{kind} for column {column}"),
                None => kind.to_owned(),
            })
        }
        1062 | 1586 => message
            .rsplit_once(" for key ")
            .map(|(_, name)| format!("duplicate entry for key {name}")),
        // A trigger's own words, written for people.
        1643 | 1644 => Some(message.chars().take(200).collect()),
        3
        | 1021
        | 1040
        | 1044..=1051
        | 1053
        | 1054
        | 1109
        | 1114
        | 1118
        | 1129
        | 1130
        | 1142
        | 1143
        | 1146
        | 1158..=1161
        | 1203
        | 1205
        | 1213
        | 1216
        | 1217
        | 1226
        | 1227
        | 1251
        | 1263..=1265
        | 1275
        | 1290
        | 1317
        | 1364
        | 1370
        | 1406
        | 1442
        | 1451
        | 1452
        | 1524
        | 1698
        | 1792
        | 1836
        | 1906
        | 1927
        | 1969
        | 2002..=2013
        | 3024
        | 3118
        | 3159
        | 3819
        | 4025
        | 4031
        | 4151 => Some(message.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
