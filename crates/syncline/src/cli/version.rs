//! `syncline version`.

use clap::Args;
use serde_json::json;

use crate::report::{Answer, Failure};

/// Flags of `version`.
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    /// Says it.
    pub(crate) fn run(&self) -> Result<Answer, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        Ok(Answer::new(format!("syncline {version}"))
            .with_result(json!({ "version": version, "file": 1 })))
    }
}
