//! `syncline check`: looks for mistakes in the file; `--online` compares it with the live schemas.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also compare with the live schemas.
    #[arg(long)]
    pub(crate) online: bool,
    /// Warnings fail too.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Mend what can be mended safely; comments are kept.
    #[arg(long)]
    pub(crate) fix: bool,
    /// How findings are written.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
}

impl Check {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "check is not there yet"))
    }
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// The envelope of `--json`.
    Json,
    /// For code scanners.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
}
