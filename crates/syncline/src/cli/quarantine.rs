//! `syncline quarantine`: records that were set aside.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `quarantine`.
#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

impl Quarantine {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "quarantine is not there yet"))
    }
}

/// What to do with records that were set aside.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// The queue.
    List {
        /// Those with this code.
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// Those of this run: `last`, `r-1042`.
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
    },
    /// One, with what was sent and what was answered.
    Show {
        /// Its number.
        id: u64,
    },
    /// Correct a value, or say which record a row belongs to.
    Edit {
        /// Its number.
        id: u64,
        /// `number=FR-1099`; may be repeated.
        #[arg(long, value_name = "FIELD=VALUE")]
        set: Vec<String>,
        /// The record it belongs to: a hub id, or SYSTEM:KEY.
        #[arg(long, value_name = "KEY", conflicts_with = "set")]
        link: Option<String>,
    },
    /// Leave it alone until the row changes.
    Drop {
        /// Its number.
        id: u64,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}
