//! `syncline completions`: a script that completes commands in a shell.

use clap::Args;
use clap_complete::Shell;

use crate::report::{Answer, Failure};

/// Flags of `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Writes the script.
    pub(crate) fn run(&self) -> Result<Answer, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::cli::definition(), "syncline", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let result = serde_json::json!({ "shell": self.shell.to_string(), "script": script });
        Ok(Answer::new(format!("completions for {}", self.shell))
            .with_result(result)
            .with_text(script))
    }
}
