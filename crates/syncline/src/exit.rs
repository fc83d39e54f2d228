//! How every command ends: one classifier for all of them.
//!
//! The numbers are the contract of the command line; scripts depend on them.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, nothing set aside.
    Done,
    /// Failed while running; what was done is committed, and a rerun is safe.
    Failed,
    /// Wrong usage, or the configuration is invalid.
    Usage,
    /// A system or the hub cannot be reached, or refuses permission.
    Environment,
    /// Done, but this run set records aside for a person.
    SetAside,
    /// Refused by a guard; nothing was written.
    Refused,
    /// Differences were found.
    Differences,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl Exit {
    /// The number given to the shell.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::SetAside => 4,
            Self::Refused => 5,
            Self::Differences => 10,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What a number stands for, where another process ended so.
    pub(crate) fn of_number(number: u64) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Failed,
            Self::Usage,
            Self::Environment,
            Self::SetAside,
            Self::Refused,
            Self::Differences,
            Self::Interrupted,
            Self::Terminated,
        ];
        all.into_iter().find(|exit| u64::from(exit.code()) == number)
    }

    /// Of two outcomes of one run, the one it ends with: a signal, then wrong usage, then the
    /// ranking 3, 1, 5, 4, then differences.
    pub(crate) fn and(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Terminated => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Failed => 4,
            Self::Refused => 5,
            Self::SetAside => 6,
            Self::Differences => 7,
            Self::Done => 8,
        }
    }

    /// How an error of this code ends a command. Codes are `area.what`.
    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            "plan.stale" | "run.paused" | "run.unapproved" => return Self::Refused,
            "hub.path" | "server.exposed" | "server.tls" => return Self::Usage,
            _ => {}
        }
        match code.split('.').next().unwrap_or_default() {
            "connect" | "secret" | "hub" | "server" => Self::Environment,
            "config" | "usage" | "map" | "address" => Self::Usage,
            "guard" | "forget" => Self::Refused,
            "conflict" | "match" | "limit" => Self::SetAside,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
