//! What the daemon says while it runs: a line a time on stderr, as text on a terminal and as one JSON
//! object otherwise. Names, codes and counts; never values of fields.

use std::io::IsTerminal as _;

use serde_json::{Map, Value as Json, json};
use syncline_ports::clock::Clock as _;

use crate::{
    cli::Context,
    report::{self, Failure},
};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// It goes as it should.
    Info,
    /// Something is not as it should be; the daemon goes on by itself.
    Warn,
    /// A person must do something.
    Error,
}

/// Writes the lines.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    is_text: bool,
    is_quiet: bool,
}

impl Journal {
    /// As the command line wants it.
    pub(crate) fn new(context: &Context) -> Self {
        let is_text = std::io::stderr().is_terminal() && !context.json;
        Self { is_text, is_quiet: context.quiet }
    }

    /// Says that something happened.
    pub(crate) fn say(&self, level: Level, event: &str, message: &str, more: Json) {
        if self.is_quiet && level == Level::Info {
            return;
        }
        let now = syncline_adapters::clock::SystemClock.now();
        if self.is_text {
            let time = crate::words::time(now);
            let clock = time.get(11..19).unwrap_or(&time);
            let sign = match level {
                Level::Info => "",
                Level::Warn => "! ",
                Level::Error => "!! ",
            };
            report::note(&format!("{clock}  {sign}{message}"));
            return;
        }
        let mut line = Map::new();
        line.insert("ts".into(), json!(crate::words::time(now)));
        let level = match level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        line.insert("level".into(), json!(level));
        line.insert("event".into(), json!(event));
        if let Json::Object(more) = more {
            // What is not known is not said.
            line.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        }
        line.insert("msg".into(), json!(message));
        report::note(&Json::Object(line).to_string());
    }

    /// Says that something went wrong, with what helps.
    pub(crate) fn failed(&self, level: Level, event: &str, failure: &Failure, more: &Json) {
        let mut fields = more.as_object().cloned().unwrap_or_default();
        fields.insert("code".into(), json!(failure.code));
        let mut message = format!("{} [{}]", failure.message, failure.code);
        for (label, text) in &failure.parts {
            fields.insert((*label).to_owned(), json!(text));
            if matches!(*label, "cause" | "fix") {
                message.push_str(&format!("; {label}: {text}"));
            }
        }
        self.say(level, event, &message, Json::Object(fields));
    }
}
