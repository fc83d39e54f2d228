//! `syncline guards`: guards that tripped.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `guards`.
#[derive(Debug, Args)]
pub(crate) struct Guards {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

impl Guards {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "guards is not there yet"))
    }
}

/// What to do with guards.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Those that wait for a decision.
    List,
    /// One, with samples.
    Show {
        /// Its number.
        id: u64,
    },
    /// Let through exactly what it stopped.
    Apply {
        /// Its number.
        id: u64,
    },
    /// Leave everything as it is.
    Dismiss {
        /// Its number.
        id: u64,
    },
}
