//! `syncline init`: writes a first configuration; never a secret, never over an existing file.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// A system to start from: <postgres://user@host/db>, mariadb://…, sqlite:PATH. May be repeated.
    #[arg(long, value_name = "URL")]
    pub(crate) from: Vec<String>,
}

impl Init {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "init is not there yet"))
    }
}
