//! Who asks, and what they may do.

use crate::{api::request::Request, report::Failure};

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Looks.
    Viewer,
    /// Decides conflicts and what was set aside.
    Steward,
    /// Runs, pauses, and answers guards.
    Operator,
    /// Takes back, and gives tokens out.
    Admin,
}

impl Role {
    /// As it is written.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Steward => "steward",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// As the books name them.
    pub(super) who: String,
    pub(super) role: Role,
}

impl Caller {
    /// Whether they may do it.
    ///
    /// # Errors
    /// `server.role`.
    pub(super) fn may(&self, role: Role, _request: &Request) -> Result<(), Failure> {
        if self.role >= role {
            return Ok(());
        }
        let message =
            format!("{} is {}, and this needs {}", self.who, self.role.word(), role.word());
        Err(Failure::new("server.role", message)
            .done("nothing was read or changed")
            .fix(format!("ask with a token of the role {}", role.word())))
    }
}
