//! `syncline check`: looks for mistakes in the file; `--online` compares it with the live schemas.

mod fix;
mod format;

use clap::Args;
use serde_json::json;

use crate::{
    cli::Context,
    config::{self, Complaint, Loaded, Severity},
    drift,
    exit::Exit,
    report::{Answer, Failure},
    session::of_system,
};

/// Flags of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also compare with the live schemas.
    #[arg(long)]
    online: bool,
    /// Warnings fail too.
    #[arg(long)]
    strict: bool,
    /// Mend what can be mended safely; comments are kept.
    #[arg(long)]
    fix: bool,
    /// How findings are written.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// The envelope of `--json`.
    Json,
    /// For code scanners.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
}

/// Whether the live schemas were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schemas {
    NotAsked,
    /// A file that is not understood cannot be compared with anything.
    PutOff,
    Compared,
}

impl Check {
    /// Reads the file, and complains about everything at once.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let mut loaded = config::read(&context.config, context.env.as_deref())?;
        let mut fixed = 0;
        if self.fix {
            fixed = fix::apply(&loaded)?;
            if fixed > 0 {
                loaded = config::read(&context.config, context.env.as_deref())?;
            }
        }
        let mut complaints = loaded.complaints.clone();
        let mut unreachable = None;
        let schemas = match (self.online, loaded.is_invalid()) {
            (false, _) => Schemas::NotAsked,
            (true, true) => Schemas::PutOff,
            (true, false) => {
                let seen = config::look(&loaded).await;
                complaints.extend(loaded.compare(&seen));
                unreachable = seen.failure;
                Schemas::Compared
            }
        };
        let complaints = config::sorted(complaints);
        let mut answer = self.answer(context, &loaded, &complaints, fixed, schemas);
        if schemas == Schemas::Compared {
            let paused = drift::look(context, &loaded).await;
            let paused = paused.iter().map(|it| of_system(&it.system, &it.failure()));
            let failures = unreachable.into_iter().chain(paused);
            if let Some(failure) = failures.reduce(|first, other| first.also(&other)) {
                answer = answer.with_error(failure);
            }
        }
        Ok(answer)
    }

    fn answer(
        &self,
        context: &Context,
        loaded: &Loaded,
        complaints: &[Complaint],
        fixed: usize,
        schemas: Schemas,
    ) -> Answer {
        let errors = complaints.iter().filter(|found| found.severity == Severity::Error).count();
        let fails = errors > 0 || (self.strict && !complaints.is_empty());
        let summary = summary(loaded, complaints, fixed, schemas);
        let problems: Vec<_> = complaints.iter().map(|found| found.json(&loaded.sources)).collect();
        let result = json!({
            "problems": problems,
            "errors": errors,
            "warnings": complaints.len() - errors,
            "fixed": fixed,
            "online": schemas == Schemas::Compared,
        });
        let text = match self.format {
            Format::Human | Format::Json => {
                let shown = config::render(complaints, &loaded.sources, context.paint_out);
                let gap = if shown.is_empty() { "" } else { "\n" };
                format!("{shown}{gap}{summary}")
            }
            Format::Sarif => format::sarif(complaints, &loaded.sources).to_string(),
            Format::Github => format::github(complaints, &loaded.sources),
        };
        let mut answer = Answer::new(summary).with_result(result).with_text(text);
        if fails {
            answer = answer.with_exit(Exit::Usage);
        }
        answer.as_json = self.format == Format::Json;
        answer
    }
}

fn summary(loaded: &Loaded, complaints: &[Complaint], fixed: usize, schemas: Schemas) -> String {
    let mut parts = Vec::new();
    if fixed > 0 {
        parts.push(format!("{fixed} mended."));
    }
    if complaints.is_empty() {
        parts.push(format!("{} is fine: {}.", loaded.path.display(), counted(loaded)));
    } else {
        parts.push(format!("{}.", config::count(complaints)));
    }
    let compared = match schemas {
        Schemas::NotAsked => "Checked offline; --online also compares the live schemas.",
        Schemas::PutOff => "Not compared with the live schemas: the file comes first.",
        Schemas::Compared => "Compared with the live schemas.",
    };
    parts.push(compared.to_owned());
    let first = complaints.iter().find(|found| found.severity == Severity::Error);
    if let Some(first) = first.or(complaints.first()) {
        parts.push(format!("syncline help {}", first.code));
    }
    parts.join(" ")
}

/// `3 systems, 4 entities, 41 fields`: silence is not success.
fn counted(loaded: &Loaded) -> String {
    let plural = |count: usize, one: &str, many: &str| {
        if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
    };
    let entities = &loaded.draft.entities;
    let lines = entities.iter().filter_map(|entity| entity.lines.as_deref());
    let fields: usize = entities.iter().chain(lines).map(|entity| entity.fields.len()).sum();
    [
        plural(loaded.draft.systems.len(), "system", "systems"),
        plural(entities.len(), "entity", "entities"),
        plural(fields, "field", "fields"),
    ]
    .join(", ")
}
