//! `syncline retry`: tries again what was set aside.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `retry`.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// These entries; without any, those that the flags select.
    pub(crate) ids: Vec<u64>,
    /// Those with this code.
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Those of this run: `last`, `r-1042`.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// All.
    #[arg(long)]
    pub(crate) all: bool,
}

impl Retry {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "retry is not there yet"))
    }
}
