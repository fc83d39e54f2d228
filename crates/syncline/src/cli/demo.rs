//! `syncline demo`: three small systems with living traffic; leaves nothing behind.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep everything in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<std::path::PathBuf>,
    /// How fast the story is told: 1 is its own pace.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) speed: f64,
}

impl Demo {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "demo is not there yet"))
    }
}
