//! `syncline run`: one pass: detect, merge, write; refuses an entity that was never approved.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Read again what changed since: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Let this through the guards: deletes, updates, creates.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) allow: Vec<crate::cli::apply::Allow>,
    /// Exit 0 even if records were set aside.
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// Only this many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

impl Run {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "run is not there yet"))
    }
}
