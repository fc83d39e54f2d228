//! `syncline conflicts`: conflicts that wait for a decision.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `conflicts`.
#[derive(Debug, Args)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

impl Conflicts {
    /// Does it.
    #[expect(clippy::unused_async, reason = "filled in by its owner before release")]
    pub(crate) async fn run(self, _context: &Context) -> Result<Answer, Failure> {
        Err(Failure::new("bug.unexpected", "conflicts is not there yet"))
    }
}

/// What to do with conflicts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// The queue.
    List {
        /// Only these: `entity=contacts field=phone`.
        #[arg(long = "where", value_name = "FILTER")]
        filter: Option<String>,
    },
    /// One, side by side.
    Show {
        /// Its number.
        id: u64,
    },
    /// Decide.
    Resolve(Resolve),
}

/// A decision.
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The conflict.
    pub(crate) id: Option<u64>,
    /// All of these instead: `entity=contacts field=phone`.
    #[arg(long = "where", value_name = "FILTER", conflicts_with = "id")]
    pub(crate) filter: Option<String>,
    /// The value of this system, or `newest`.
    #[arg(long, value_name = "SYSTEM", group = "decision")]
    pub(crate) take: Option<String>,
    /// This value.
    #[arg(long, value_name = "V", group = "decision")]
    pub(crate) value: Option<String>,
    /// The value both agreed on before.
    #[arg(long, group = "decision")]
    pub(crate) keep_base: bool,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Also propose a rule for the configuration.
    #[arg(long)]
    pub(crate) remember: bool,
    /// Show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
