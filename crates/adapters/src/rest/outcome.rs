//! What an answer to a write means.

use reqwest::StatusCode;
use syncline_core::{
    Text,
    change::{Observed, Outcome, RowWrite, WriteKind},
    error::ErrorKind,
};
use syncline_ports::source::RefusedRow;

use crate::{
    rest::client::Answer,
    sql::{invalid, put_off},
};

/// The write was made, and this is what there is now.
pub(super) fn done(observed: Observed) -> Outcome {
    let Observed { key, row, token, order, .. } = observed;
    Outcome::Applied { key, post: row, token, order, transaction: None }
}

/// A soft delete answers like any other.
pub(super) fn deleted_softly(write: &RowWrite, outcome: Outcome) -> Outcome {
    match (write.kind, outcome) {
        (WriteKind::Delete, Outcome::Applied { key, .. }) => {
            Outcome::Applied { key, post: None, token: None, order: None, transaction: None }
        }
        (WriteKind::Insert | WriteKind::Update | WriteKind::Delete, outcome) => outcome,
    }
}

/// What is there cannot be read as configured: nothing is written over it.
pub(super) fn unreadable(refused: &RefusedRow) -> Outcome {
    let reason = format!("{}: {}", refused.code, refused.reason);
    Outcome::Retry { reason: Text::from(reason) }
}

/// An answer that does not say whether the write was made: of a proxy, or of a server that failed on
/// the way. A server that says that it cannot do anything at present has done nothing.
pub(super) fn is_doubtful(status: StatusCode) -> bool {
    status.is_server_error()
        && !matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::NOT_IMPLEMENTED)
        || status == StatusCode::REQUEST_TIMEOUT
}

/// An answer that says that nothing was written, and why.
pub(super) fn refusal(answer: &Answer) -> Outcome {
    refused(answer.status, answer.reason())
}

/// The same, of this status and with these words.
pub(super) fn refused(status: StatusCode, reason: String) -> Outcome {
    let kind = match status.as_u16() {
        401 => ErrorKind::Credentials,
        403 => ErrorKind::Forbidden,
        404 | 405 | 410 => ErrorKind::SchemaDrift,
        423 | 425 => ErrorKind::TimedOut,
        429 => ErrorKind::Throttled,
        503 => ErrorKind::Unreachable,
        300..=399 | 428 => ErrorKind::Answer,
        _ => return invalid("write.refused", reason),
    };
    put_off(kind, reason)
}
