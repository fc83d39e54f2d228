//! `syncline config`: the configuration as it is understood, and its schema for editors.

use clap::{Args, Subcommand};

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The effective configuration, secrets left out.
    Show,
    /// The JSON Schema of the file, for editors.
    Schema,
}

impl Config {
    /// Shows it.
    pub(crate) fn run(self, _context: &Context) -> Result<Answer, Failure> {
        match self.command {
            Action::Show | Action::Schema => Err(Failure::new("bug.unexpected", "not there yet")),
        }
    }
}
