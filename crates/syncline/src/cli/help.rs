//! `syncline help`: explains an error code or a command, without a connection or a file; and writes
//! the man pages, which say the same as `--help`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use clap_mangen::Man;
use serde_json::json;

use crate::{
    cli::Context,
    pages,
    report::{Answer, Failure},
    words,
};

/// Flags of `help`.
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// An error code (`guard.mass_delete`) or a command.
    topic: Option<String>,

    /// Write the man pages of all commands into this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with = "topic")]
    man: Option<PathBuf>,
}

impl Help {
    /// Finds the page.
    pub(crate) fn run(self, _context: &Context) -> Result<Answer, Failure> {
        if let Some(folder) = self.man {
            return man(&folder);
        }
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

/// Writes a page for each command, and one for all of them.
fn man(folder: &Path) -> Result<Answer, Failure> {
    let mut definition = crate::cli::definition();
    // Now each command knows its long name, which is that of its page.
    definition.build();
    let mut pages = Vec::new();
    let written =
        fs::create_dir_all(folder).and_then(|()| pages_of(&definition, folder, &mut pages));
    written.map_err(|error| {
        let message = format!("the man pages cannot be written to {}", folder.display());
        Failure::new("usage.value", message)
            .cause(error.to_string())
            .fix("name a folder that you may write to")
    })?;
    let summary =
        format!("{} in {}", words::counted(pages.len() as u64, "man page"), folder.display());
    let result = json!({ "folder": folder.display().to_string(), "pages": pages });
    Ok(Answer::new(&summary).with_text(summary).with_result(result))
}

/// Writes the page of a command and those of its parts; their names are added to `pages`.
fn pages_of(command: &clap::Command, folder: &Path, pages: &mut Vec<String>) -> io::Result<()> {
    let page = Man::new(command.clone())
        .source(concat!("Syncline ", env!("CARGO_PKG_VERSION")))
        .manual("Syncline");
    page.generate_to(folder)?;
    pages.push(page.get_filename());
    let parts = command.get_subcommands().filter(|part| !part.is_hide_set());
    parts.into_iter().try_for_each(|part| pages_of(part, folder, pages))
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
