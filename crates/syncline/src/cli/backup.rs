//! `syncline backup`: a copy of the hub, made while it is used.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use syncline_adapters::hub::backup;

use crate::{
    backups,
    cli::Context,
    config::{self, Loaded},
    recovery,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The new file; else one with the time in its name in the folder that the configuration says.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

impl Backup {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let loaded = config::load(context)?;
        let hub = loaded.hub_path();
        let unsaid = on_the_books(context, &loaded).await;
        let to = self.to.unwrap_or_else(|| backups::place(&loaded, Session::now()));
        let (from, file) = (hub.clone(), to.clone());
        let made =
            tokio::task::spawn_blocking(move || backup::back_up(&from, &file, Session::now()));
        let facts =
            made.await.map_err(|error| Failure::new("bug.unexpected", error.to_string()))??;
        let summary = format!(
            "{} copied to {} ({})",
            hub.display(),
            to.display(),
            words::counted(facts.records, "record")
        );
        let mut text = format!("{summary}\nTo go back to it: syncline restore {}", shown(&to));
        if let Some(failure) = unsaid {
            text.push_str(&format!("\nThat is not on the books: {}", failure.message));
        }
        let mut result = recovery::json(&facts);
        if let Some(object) = result.as_object_mut() {
            object.insert("file".into(), json!(to.display().to_string()));
        }
        Ok(Answer::new(summary).with_text(text).with_result(result))
    }
}

/// Puts it on the books, before it is done. A copy is made all the same where that cannot be: why not.
async fn on_the_books(context: &Context, loaded: &Loaded) -> Option<Failure> {
    if !loaded.hub_path().is_file() {
        return None;
    }
    let quiet = Context { quiet: true, ..context.clone() };
    Session::open(&quiet, Use::Write, Reach::Hub).await.err()
}

/// A path as a word of a command.
pub(super) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(' ') { format!("\"{text}\"") } else { text }
}
