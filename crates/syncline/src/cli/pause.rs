//! `syncline pause`: stops reading or writing; positions are kept.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// An entity or a system; without it, everything.
    pub(crate) name: Option<String>,
    /// Go on reading.
    #[arg(long)]
    pub(crate) writes_only: bool,
    /// Until then only: `2h`.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<String>,
}

impl Pause {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "pause is not there yet"))
    }
}
