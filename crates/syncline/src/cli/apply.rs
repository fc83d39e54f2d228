//! `syncline apply`: does exactly what a saved plan says; skips records changed since.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The plan, as written by `plan --out`.
    pub(crate) file: std::path::PathBuf,
    /// Let this many through the guards: deletes, updates, creates.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) allow: Vec<Allow>,
    /// Stop before the first write if more than this percentage of the plan is stale.
    #[arg(long, value_name = "PERCENT", default_value_t = 10)]
    pub(crate) max_stale: u64,
    /// Exit 0 even if records were set aside.
    #[arg(long)]
    pub(crate) allow_partial: bool,
}

impl Apply {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "apply is not there yet"))
    }
}

/// What a person lets through the guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Allow {
    /// Many deletes.
    Deletes,
    /// Many updates.
    Updates,
    /// Many creates.
    Creates,
}
