//! `syncline history`: changes, in the order in which they happened.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// A record (`contacts/crm:8812`), or `run`.
    pub(crate) address: Option<String>,
    /// After `run`: its number.
    pub(crate) id: Option<String>,
    /// Not before: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// From or to this system.
    #[arg(long, value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
    /// By this person or user.
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}

impl History {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "history is not there yet"))
    }
}
