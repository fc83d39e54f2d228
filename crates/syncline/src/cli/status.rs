//! `syncline status`: one screen: state, last success, errors, what waits for a person.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this entity or system.
    pub(crate) name: Option<String>,
    /// Show it again and again, until Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Wait until all is well, at most so long: `60s`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait_healthy: Option<String>,
}

impl Status {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "status is not there yet"))
    }
}
