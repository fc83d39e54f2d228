//! A complaint about the file: what is wrong, where, and what to do; shown with the line and an
//! underline. All complaints of a file are shown at once.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use crate::{
    config::source::{Place, Sources},
    exit::Exit,
    report::{Failure, Paint},
};

/// How grave a complaint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but should be looked at.
    Warning,
}

impl Severity {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A replacement that mends a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// What is replaced.
    pub(crate) place: Place,
    /// By what.
    pub(crate) text: String,
}

/// What is wrong with a place of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// How grave it is.
    pub(crate) severity: Severity,
    /// The stable code.
    pub(crate) code: &'static str,
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// Where; `None`: about the configuration as a whole.
    pub(crate) place: Option<Place>,
    /// What stands beside the underline.
    pub(crate) label: String,
    /// What to do about it.
    pub(crate) fix: String,
    /// The line is not shown, because it holds a secret: the label stands beside the place.
    pub(crate) is_hidden: bool,
    /// What `check --fix` may do by itself.
    pub(crate) edit: Option<Edit>,
}

impl Complaint {
    /// An error at this place.
    pub(crate) fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: Some(place),
            label: String::new(),
            fix: String::new(),
            is_hidden: false,
            edit: None,
        }
    }

    /// A warning at this place.
    pub(crate) fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// The same with a word beside the underline.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with what to do.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The same without showing the line.
    pub(crate) fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// The same with a safe replacement.
    pub(crate) fn edit(mut self, place: Place, text: impl Into<String>) -> Self {
        self.edit = Some(Edit { place, text: text.into() });
        self
    }

    /// As people read it, without a final line break.
    pub(crate) fn render(&self, sources: &Sources, paint: Paint) -> String {
        let head = format!("{}[{}]", self.severity.name(), self.code);
        let head = match self.severity {
            Severity::Error => paint.error(&head),
            Severity::Warning => paint.warning(&head),
        };
        let mut lines = vec![format!("{head}: {}", short(&self.message))];
        let mut margin = 1;
        if let Some(place) = self.place {
            let at = sources.line_column(place);
            let arrow = paint.frame("-->");
            let name = sources.name(place);
            if self.is_hidden {
                let label = if self.label.is_empty() { &self.fix } else { &self.label };
                lines.push(format!("  {arrow} {name}:{}:{}  {label}", at.line, at.column));
                return lines.join("\n");
            }
            lines.push(format!("  {arrow} {name}:{}:{}", at.line, at.column));
            if let Some(snippet) = sources.snippet(place).filter(|found| !found.line.is_empty()) {
                let number = at.line.to_string();
                margin = number.len();
                let blank = " ".repeat(margin);
                let bar = paint.frame("|");
                let under = format!("{}{}", " ".repeat(snippet.from), "^".repeat(snippet.length));
                let under = match self.severity {
                    Severity::Error => paint.error(&under),
                    Severity::Warning => paint.warning(&under),
                };
                lines.push(format!("{blank} {bar}"));
                lines.push(format!("{} {bar} {}", paint.frame(&number), snippet.line));
                lines.push(format!("{blank} {bar} {under} {}", self.label).trim_end().to_owned());
            }
        }
        if !self.fix.is_empty() {
            let blank = " ".repeat(margin);
            lines.push(format!("{blank} {} fix: {}", paint.frame("="), self.fix));
        }
        lines.join("\n")
    }

    /// As programs read it.
    pub(crate) fn json(&self, sources: &Sources) -> Json {
        let mut object = json!({
            "severity": self.severity.name(),
            "code": self.code,
            "detail": short(&self.message),
        });
        let Some(map) = object.as_object_mut() else { return object };
        if let Some(place) = self.place {
            let at = sources.line_column(place);
            map.insert("file".to_owned(), json!(sources.name(place)));
            map.insert("line".to_owned(), json!(at.line));
            map.insert("column".to_owned(), json!(at.column));
        }
        if !self.label.is_empty() {
            map.insert("cause".to_owned(), json!(self.label));
        }
        if !self.fix.is_empty() {
            map.insert("fix".to_owned(), json!(self.fix));
        }
        object
    }
}

/// A message may quote the file, and a word of the file may be as long as a book.
fn short(message: &str) -> Cow<'_, str> {
    const MOST: usize = 300;
    match message.char_indices().nth(MOST) {
        None => Cow::Borrowed(message),
        Some((end, _)) => Cow::Owned(format!("{}…", message.get(..end).unwrap_or_default())),
    }
}

/// Complaints in the order of the file, each once.
pub(crate) fn sorted(mut complaints: Vec<Complaint>) -> Vec<Complaint> {
    complaints.sort_by(|left, right| {
        (left.place, left.severity, left.code).cmp(&(right.place, right.severity, right.code))
    });
    complaints.dedup();
    complaints
}

/// `2 errors, 1 warning`.
pub(crate) fn count(complaints: &[Complaint]) -> String {
    let errors = complaints.iter().filter(|found| found.severity == Severity::Error).count();
    let warnings = complaints.len() - errors;
    let plural = |count: usize, word: &str| {
        if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
    };
    match (errors, warnings) {
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => {
            format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
        }
    }
}

/// All complaints as people read them.
pub(crate) fn render(complaints: &[Complaint], sources: &Sources, paint: Paint) -> String {
    complaints
        .iter()
        .map(|complaint| complaint.render(sources, paint))
        .collect::<Vec<_>>()
        .join("\n")
}

/// One failure for a file that cannot be used.
pub(crate) fn failure(complaints: &[Complaint], sources: &Sources, paint: Paint) -> Failure {
    let errors: Vec<_> =
        complaints.iter().filter(|found| found.severity == Severity::Error).collect();
    let code = errors.first().map_or("config.value", |first| first.code);
    let counted = count(complaints);
    let mut failure = Failure::new(code, format!("the configuration is invalid: {counted}"))
        .with_exit(Exit::Usage)
        .fix("syncline check");
    failure.more = json!({
        "problems": complaints.iter().map(|found| found.json(sources)).collect::<Vec<_>>(),
    });
    failure.text = Some(format!(
        "{}\n{counted}. Nothing was done. syncline help {code}",
        render(complaints, sources, paint)
    ));
    failure
}
