//! `syncline resume`: ends a pause, of an entity, a system, or one record held by the loop guard.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// An entity, a system or a record; without it, everything.
    pub(crate) name: Option<String>,
}

impl Resume {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "resume is not there yet"))
    }
}
