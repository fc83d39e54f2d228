//! `syncline help`: explains an error code or a command, without a connection or a file.

use clap::Args;

use crate::{
    cli::Context,
    report::{Answer, Failure},
};

/// Flags of `help`.
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// An error code (`guard.mass_delete`) or a command.
    topic: Option<String>,
}

impl Help {
    /// Finds the page.
    pub(crate) fn run(self, _context: &Context) -> Result<Answer, Failure> {
        let mut definition = crate::cli::definition();
        let Some(topic) = self.topic else {
            return Ok(Answer::new("help").with_text(definition.render_long_help().to_string()));
        };
        match definition.find_subcommand_mut(&topic) {
            Some(command) => {
                Ok(Answer::new(topic).with_text(command.render_long_help().to_string()))
            }
            None => Err(Failure::new("usage.unknown_topic", format!("no help on `{topic}`"))),
        }
    }
}
