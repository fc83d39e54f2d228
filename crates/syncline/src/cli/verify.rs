//! `syncline verify`: compares all systems completely; `--repair` mends.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Show what would mend it, ask, then do it.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Compare only so many records, spread over the entity.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<u64>,
    /// Compare only these fields.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
}

impl Verify {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "verify is not there yet"))
    }
}
