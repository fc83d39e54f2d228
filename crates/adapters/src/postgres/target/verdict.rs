//! What the server's refusal of a write means for the write.

use syncline_core::{Text, change::Outcome};
use tokio_postgres::{Error, error::DbError};

use crate::{
    postgres::{bound::Bound, failure},
    sql::marks,
};

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// It is about one of the rows: find out which.
    Row,
    /// It is about the moment: the same again may succeed.
    Moment,
    /// It is about the system: nothing can be written now.
    System,
    /// Somebody else holds a row.
    Locked,
    /// The line is gone.
    Lost,
}

/// How far a refusal reaches.
pub(crate) fn scope(error: &Error) -> Scope {
    if failure::is_lost(error) {
        return Scope::Lost;
    }
    match error.code().map_or("", |state| state.code()) {
        "40001" | "40P01" | "57014" => Scope::Moment,
        "55P03" => Scope::Locked,
        "42501" | "25006" | "0A000" | "42P01" | "42703" | "42804" | "42883" | "42601" => {
            Scope::System
        }
        code if code.starts_with("53") || code.starts_with("XX") || code.starts_with("58") => {
            Scope::System
        }
        _ => Scope::Row,
    }
}

/// Definitely not done; the same again may succeed.
pub(crate) fn retry(error: &Error) -> Outcome {
    let code = failure::kind(error).remedy().code;
    let detail = failure::describe(error);
    // A deadlock and the like has no code of its own: it is nobody's fault.
    let reason = match scope(error) {
        Scope::Moment | Scope::Locked => detail,
        Scope::Row | Scope::System | Scope::Lost => format!("{code}: {detail}"),
    };
    Outcome::Retry { reason: Text::from(reason) }
}

/// The columns of the unique constraint that a row violates, if that is what happened.
pub(crate) fn violated<'a>(error: &DbError, bound: &'a Bound) -> Option<&'a [Text]> {
    if error.code().code() != "23505" {
        return None;
    }
    let name = error.constraint()?;
    let found = bound.known.unique.iter().find(|(known, _)| known == name)?;
    Some(&found.1)
}

/// Whether a mark of ours was there already.
pub(crate) fn is_marked(error: &DbError) -> bool {
    error.code().code() == "23505" && error.table() == Some(marks::TABLE)
}

/// What the refusal of one row means, unless it is about a unique constraint.
pub(crate) fn row(error: &DbError) -> Outcome {
    let state = error.code().code();
    let constraint = || Text::new(error.constraint().unwrap_or_default());
    let column = || match error.column() {
        Some(column) => format!("column {column:?}"),
        None => "a column".to_owned(),
    };
    let (code, reason) = match state {
        "23503" => return Outcome::Foreign { constraint: constraint() },
        "23505" => {
            return Outcome::Unique { columns: vec![constraint()], holder: None };
        }
        "23502" => ("write.null", format!("{} takes no NULL", column())),
        "23514" | "44000" => {
            ("write.check", format!("the check {:?} refuses it", constraint().as_str()))
        }
        "23P01" => ("write.check", format!("{:?} excludes it", constraint().as_str())),
        "22001" => ("write.value_too_long", format!("{} takes fewer characters", column())),
        "22P05" | "22021" => {
            ("write.encoding", "the database's encoding lacks one of the characters".to_owned())
        }
        "P0001" => ("write.check", "a trigger refuses it".to_owned()),
        _ if state.starts_with("22") || state.starts_with("42") => {
            ("write.type", format!("a value does not fit its column (SQLSTATE {state})"))
        }
        "428C9" => ("write.generated", format!("{} is computed by the system", column())),
        _ => ("write.check", format!("the server refuses it (SQLSTATE {state})")),
    };
    Outcome::Invalid { code, reason: Text::from(reason) }
}
