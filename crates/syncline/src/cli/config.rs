//! `syncline config`: the configuration as it is understood, its schema for editors, and what is
//! another than what was approved.

mod diff;

use clap::{Args, Subcommand};

use crate::{
    cli::Context,
    config,
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
    /// What the file says otherwise than what was approved; exit 10 if anything.
    Diff,
}

impl Config {
    /// Shows it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        match self.command {
            Action::Show => {
                let loaded = config::load(context)?;
                Ok(Answer::new(format!("{}, as it is understood", loaded.path.display()))
                    .with_text(config::yaml(&loaded))
                    .with_result(config::json(&loaded)))
            }
            Action::Diff => diff::run(context).await,
            Action::Schema => {
                let schema = config::schema();
                Ok(Answer::new("the JSON Schema of the file")
                    .with_text(format!("{schema:#}"))
                    .with_result(schema))
            }
        }
    }
}
