//! `syncline plan`: reads everything, writes nothing, shows every consequence.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Save the plan, for `apply`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<std::path::PathBuf>,
    /// Show every change, not a sample.
    #[arg(long)]
    pub(crate) full: bool,
    /// Show this record: `contacts/crm:8812`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) record: Option<String>,
    /// Exit 10 if anything would change.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Try on this many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

impl Plan {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "plan is not there yet"))
    }
}
