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
    /// Where to be called over HTTP: an address of this machine and a port.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
}

impl Serve {
    /// Does it, until it is told to stop.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let options =
            Options { paused: self.paused, read_only: self.read_only, listen: self.listen };
        Box::pin(serve::serve(context, options)).await
    }
}
