//! `syncline refresh`: reads again now, one record or all.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `refresh`.
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// `contacts`, or one record: `contacts/crm:8812`.
    pub(crate) address: String,
    /// Only from this system.
    #[arg(long, value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
    /// What changed since: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Compare everything.
    #[arg(long, conflicts_with = "since")]
    pub(crate) full: bool,
}

impl Refresh {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "refresh is not there yet"))
    }
}
