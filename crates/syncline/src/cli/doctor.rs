//! `syncline doctor`: what each system offers, what it lacks, and the SQL to paste.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only this system.
    pub(crate) system: Option<String>,
    /// Only the check of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) check: Option<String>,
    /// Print what would mend it, ask, then do it.
    #[arg(long)]
    pub(crate) fix: bool,
}

impl Doctor {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "doctor is not there yet"))
    }
}
