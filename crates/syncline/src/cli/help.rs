//! `syncline help`: explains an error code or a command, without a connection or a file.

use clap::Args;
use serde_json::json;

use crate::{
    cli::Context,
    pages,
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
            return Ok(answer("help", definition.render_long_help().to_string()));
        };
        if let Some(page) = pages::page(&topic) {
            return Ok(answer(&topic, page.to_string()));
        }
        match definition.find_subcommand_mut(&topic) {
            Some(command) => Ok(answer(&topic, command.render_long_help().to_string())),
            None => Err(unknown(&topic)),
        }
    }
}

fn answer(topic: &str, page: String) -> Answer {
    let result = json!({ "topic": topic, "page": page });
    Answer::new(topic).with_text(page).with_result(result)
}

/// For a code that does not exist, the codes of its area; else all of them.
fn unknown(topic: &str) -> Failure {
    let area = topic.split('.').next().unwrap_or_default();
    let near: Vec<&str> =
        pages::codes().filter(|code| code.split('.').next() == Some(area)).collect();
    let fix = if near.is_empty() {
        "`syncline help` lists the commands".to_owned()
    } else {
        format!("there are {}", near.join(", "))
    };
    Failure::new("usage.unknown_topic", format!("no help on `{topic}`")).fix(fix)
}
