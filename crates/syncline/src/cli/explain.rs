//! `syncline explain`: why a field has its value.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The record: `contacts/crm:8812`, `contacts/email=a@example.com`.
    pub(crate) address: String,
    /// The field; without it, all.
    pub(crate) field: Option<String>,
    /// As it was then.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

impl Explain {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "explain is not there yet"))
    }
}
