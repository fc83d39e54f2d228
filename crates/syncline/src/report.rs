//! What a command gives back, and how it is shown: text for people, one envelope for programs.
//!
//! Results go to stdout, messages to stderr. Only this file and `cli/` speak. Every message has
//! the same parts wherever it is read: what happened, its place, the cause, what was done, and
//! the next command.

use std::io::Write as _;

use serde_json::{Value as Json, json};
use syncline_core::error::PortError;

use crate::{cli::Context, exit::Exit};

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// How it ends.
    pub(crate) exit: Exit,
    /// One sentence; also the `summary` of the envelope.
    pub(crate) summary: String,
    /// The result for programs.
    pub(crate) result: Json,
    /// The result for people, printed as it is (with a final line break added if missing). Empty:
    /// the summary is printed instead.
    pub(crate) text: String,
    /// What `--plain` prints instead of `text`: one line a row, cells separated by tabs.
    pub(crate) plain: Option<String>,
    /// An error beside a result: the run was done in part.
    pub(crate) error: Option<Failure>,
    /// Shown as the envelope even without `--json`.
    pub(crate) as_json: bool,
}

impl Answer {
    /// An answer that ends well.
    pub(crate) fn new(summary: impl Into<String>) -> Self {
        Self {
            exit: Exit::Done,
            summary: summary.into(),
            result: Json::Null,
            text: String::new(),
            plain: None,
            error: None,
            as_json: false,
        }
    }

    /// The same with a result for programs.
    pub(crate) fn with_result(mut self, result: Json) -> Self {
        self.result = result;
        self
    }

    /// The same with a text for people.
    pub(crate) fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The same with rows for `--plain`.
    pub(crate) fn with_plain(mut self, plain: impl Into<String>) -> Self {
        self.plain = Some(plain.into());
        self
    }

    /// The same, ending so.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = self.exit.and(exit);
        self
    }

    /// The same, with an error beside the result; its exit counts too.
    pub(crate) fn with_error(mut self, error: Failure) -> Self {
        self.exit = self.exit.and(error.exit);
        self.error = Some(error);
        self
    }
}

/// Why a command could not do its work.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The stable code; has a page in `docs/errors`.
    pub(crate) code: String,
    /// What happened to what, in one line.
    pub(crate) message: String,
    /// The parts under it, labelled: `cause`, `done`, `fix`, `seen`, `path` …
    pub(crate) parts: Vec<(&'static str, String)>,
    /// How the command ends.
    pub(crate) exit: Exit,
    /// More for programs: every problem of a file, the numbers of a guard.
    pub(crate) more: Json,
    /// Printed for people instead of message and parts, where there are many problems with
    /// snippets. Already coloured, if the terminal wants it.
    pub(crate) text: Option<String>,
}

impl Failure {
    /// A failure; its exit follows from its code.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            exit: Exit::of_code(&code),
            code,
            message: message.into(),
            parts: Vec::new(),
            more: Json::Null,
            text: None,
        }
    }

    /// The same with its cause.
    pub(crate) fn cause(self, text: impl Into<String>) -> Self {
        self.part("cause", text)
    }

    /// The same with what was done about it.
    pub(crate) fn done(self, text: impl Into<String>) -> Self {
        self.part("done", text)
    }

    /// The same with the next command.
    pub(crate) fn fix(self, text: impl Into<String>) -> Self {
        self.part("fix", text)
    }

    /// The same with one more labelled part. Parts stand in the order in which they are read:
    /// what was seen, the cause, what was done, the next command; a second of a kind replaces
    /// the first.
    pub(crate) fn part(mut self, label: &'static str, text: impl Into<String>) -> Self {
        const ORDER: [&str; 3] = ["cause", "done", "fix"];
        let rank =
            |label: &str| ORDER.iter().position(|known| *known == label).map_or(0, |at| at + 1);
        self.parts.retain(|(known, _)| *known != label || rank(label) == 0);
        let at = self.parts.partition_point(|(known, _)| rank(known) <= rank(label));
        self.parts.insert(at, (label, text.into()));
        self
    }

    /// The same as a warning, for people: nothing failed.
    pub(crate) fn warning(&self, paint: Paint) -> String {
        let head = paint.warning(&format!("warning[{}]", self.code));
        let parts: String =
            self.parts.iter().map(|(label, text)| format!("\n  {label}: {text}")).collect();
        format!("{head}: {}{parts}", self.message)
    }

    /// The same, naming another failure beside it.
    pub(crate) fn also(self, other: &Self) -> Self {
        let cause = other.parts.iter().find(|(label, _)| *label == "cause");
        let cause = cause.map_or_else(String::new, |(_, cause)| format!(": {cause}"));
        let text = format!("[{}] {}{cause}", other.code, other.message);
        self.part("also", text)
    }

    /// The same, ending so.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The error as programs read it.
    pub(crate) fn json(&self) -> Json {
        let mut error = json!({ "code": self.code, "detail": self.message });
        if let Some(object) = error.as_object_mut() {
            for (label, text) in &self.parts {
                // What is said twice under one label is one text of several lines.
                let known = object.get(*label).and_then(Json::as_str);
                let text = known.map_or_else(|| text.clone(), |known| format!("{known}\n{text}"));
                object.insert((*label).to_owned(), json!(text));
            }
            if !self.more.is_null() {
                object.insert("more".to_owned(), self.more.clone());
            }
        }
        error
    }

    /// The error as people read it, without a final line break.
    pub(crate) fn render(&self, paint: Paint) -> String {
        if let Some(text) = &self.text {
            return text.trim_end().to_owned();
        }
        let mut out =
            format!("{}: {}", paint.error(&format!("error[{}]", self.code)), self.message);
        let width = self.parts.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 1;
        for (label, text) in &self.parts {
            let label = format!("{label}:");
            for (row, line) in text.lines().enumerate() {
                let head = if row == 0 { label.as_str() } else { "" };
                out.push_str(&format!("\n  {} {line}", paint.faint(&format!("{head:<width$}"))));
            }
        }
        out
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        let remedy = error.kind.remedy();
        let failure = Self::new(remedy.code, format!("could not {}", error.action));
        let cause = if error.detail.is_empty() {
            remedy.summary.to_owned()
        } else {
            format!("{}: {}", remedy.summary, error.detail)
        };
        failure.cause(cause).fix(remedy.hint)
    }
}

/// Whether and how to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Plain letters.
    Plain,
    /// ANSI colours.
    Ansi,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi if text.is_empty() => String::new(),
            Self::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// Bold red.
    pub(crate) fn error(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// Bold yellow.
    pub(crate) fn warning(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    /// Blue, for frames and places.
    pub(crate) fn frame(self, text: &str) -> String {
        self.wrap("34", text)
    }

    /// Grey.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// Shows what a command gave back, and says how to end.
pub(crate) fn show(context: &Context, command: &str, outcome: Result<Answer, Failure>) -> Exit {
    let as_json = matches!(&outcome, Ok(answer) if answer.as_json);
    if context.json || as_json {
        let (exit, envelope) = envelope(command, &outcome);
        say(&envelope.to_string());
        return exit;
    }
    match outcome {
        Ok(answer) => {
            let text = match (&answer.plain, context.plain) {
                (Some(plain), true) => plain,
                _ if answer.text.is_empty() => &answer.summary,
                _ => &answer.text,
            };
            if !text.is_empty() {
                say(text.trim_end_matches('\n'));
            }
            if let Some(error) = &answer.error {
                note(&error.render(context.paint));
            }
            answer.exit
        }
        Err(failure) => {
            note(&failure.render(context.paint));
            failure.exit
        }
    }
}

/// The one envelope of `--json`.
fn envelope(command: &str, outcome: &Result<Answer, Failure>) -> (Exit, Json) {
    match outcome {
        Ok(answer) => {
            let ok = matches!(answer.exit, Exit::Done);
            let error = answer.error.as_ref().map_or(Json::Null, Failure::json);
            let body = json!({
                "command": command,
                "ok": ok,
                "summary": answer.summary,
                "result": answer.result,
                "error": error,
            });
            (answer.exit, body)
        }
        Err(failure) => {
            let body = json!({
                "command": command,
                "ok": false,
                "summary": failure.message,
                "result": Json::Null,
                "error": failure.json(),
            });
            (failure.exit, body)
        }
    }
}

/// A line on stdout. A reader that went away (`| head`) is not an error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line on stderr.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests;
