//! `syncline serve`: the daemon.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
    serve::{self, Options},
};

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Begin with everything paused, until `syncline resume`.
    #[arg(long)]
    pub(crate) paused: bool,
    /// Read, and write nothing.
    #[arg(long)]
    pub(crate) read_only: bool,
}

impl Serve {
    /// Does it, until it is told to stop.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        serve::serve(context, Options { paused: self.paused, read_only: self.read_only }).await
    }
}
