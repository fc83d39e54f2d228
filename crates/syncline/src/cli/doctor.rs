//! `syncline doctor`: what each system offers, what it lacks, and the statements to paste.

mod hub;

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_adapters::hub::inbox::Look;
use syncline_core::plan::Class;
use syncline_ports::catalog::{Check, CheckState, Fitness};

use crate::{
    backups,
    cli::{Context, ask},
    config::{self, Loaded},
    drift,
    exit::Exit,
    measure,
    report::{self, Answer, Failure},
    session::{Session, of_system},
    words,
};

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only this system.
    pub(crate) system: Option<String>,
    /// Only the check of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) check: Option<String>,
    /// Print what would mend it, ask, then do it.
    #[arg(long)]
    pub(crate) fix: bool,
}

/// How all checks went.
#[derive(Default)]
struct Sums {
    passed: u64,
    warnings: u64,
    failed: u64,
}

impl Doctor {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let loaded = config::load(context)?;
        let mut names: Vec<String> = loaded.systems().map(str::to_owned).collect();
        if let Some(wanted) = &self.system {
            names.retain(|name| name == wanted);
            if names.is_empty() {
                return Err(Failure::new(
                    "usage.unknown_system",
                    format!("there is no system `{wanted}`"),
                )
                .cause(format!(
                    "the configuration has {}",
                    loaded.systems().collect::<Vec<_>>().join(", ")
                ))
                .fix("name one of them"));
            }
        }
        let mut examined = Vec::new();
        for name in names {
            let mut fitness = examine(&loaded, &name).await;
            if let (true, Ok(found)) = (self.fix, &fitness)
                && mend(&loaded, &name, found, context).await?
            {
                fitness = examine(&loaded, &name).await;
            }
            examined.push((name, fitness));
        }
        // Of one system, the hub is not asked about.
        let hub = match self.system {
            None => hub::examine(&loaded.hub_path(), backups::max_age_ms(&loaded)),
            Some(_) => Vec::new(),
        };
        self.refuse_unknown_check(&examined, &hub)?;
        let (mut text, mut rows, mut sums) = (String::new(), Vec::new(), Sums::default());
        for (name, fitness) in examined {
            if let (Some(measures), Ok(found)) = (measure::here(), &fitness) {
                measures.clock(&name, found.clock_ahead_ms);
            }
            match fitness {
                Ok(fitness) => {
                    self.show(&loaded, &name, &fitness, &mut text, &mut sums);
                    rows.push(self.json(&loaded, &name, &fitness));
                }
                Err(failure) => {
                    sums.failed += 1;
                    text.push_str(&format!("{name}\n  ✗ connect  {}\n", failure.message));
                    for (label, part) in &failure.parts {
                        text.push_str(&format!("      {label}: {part}\n"));
                    }
                    rows.push(json!({ "system": name, "error": failure.json() }));
                }
            }
        }
        if !hub.is_empty() {
            text.push_str("hub\n");
            self.list(&hub, &mut text, &mut sums);
            let checks: Vec<Json> = hub.iter().map(check_json).collect();
            let path = loaded.hub_path().display().to_string();
            rows.push(json!({ "hub": path, "checks": checks }));
        }
        let warnings = words::counted(sums.warnings, "warning");
        let summary = format!("{} passed, {warnings}, {} failed", sums.passed, sums.failed);
        text.push_str(&format!("Summary: {summary}"));
        let mut answer = Answer::new(summary).with_text(text).with_result(Json::Array(rows));
        let paused = drift::look(context, &loaded).await;
        let own = paused
            .iter()
            .filter(|it| self.system.as_ref().is_none_or(|wanted| *wanted == it.system.as_str()));
        let own = own.map(|it| of_system(&it.system, &it.failure()));
        if let Some(failure) = own.reduce(|first, other| first.also(&other)) {
            answer = answer.with_error(failure);
        }
        Ok(if sums.failed > 0 { answer.with_exit(Exit::Environment) } else { answer })
    }

    /// A check that no system has would pass by its absence.
    fn refuse_unknown_check(
        &self,
        examined: &[(String, Result<Fitness, Failure>)],
        hub: &[Check],
    ) -> Result<(), Failure> {
        let Some(wanted) = self.check.as_deref() else { return Ok(()) };
        let found = examined.iter().flat_map(|(_, fitness)| fitness);
        let known: BTreeSet<&str> =
            found.flat_map(|it| &it.checks).chain(hub).map(|check| check.name.as_str()).collect();
        let all_answer = examined.iter().all(|(_, fitness)| fitness.is_ok());
        if known.contains(wanted) || !all_answer {
            return Ok(());
        }
        let known: Vec<&str> = known.into_iter().collect();
        Err(Failure::new("usage.arguments", format!("no check is called `{wanted}`"))
            .fix(format!("one of {}", known.join(", "))))
    }

    fn show(
        &self,
        loaded: &Loaded,
        name: &str,
        fitness: &Fitness,
        text: &mut String,
        sums: &mut Sums,
    ) {
        let tested = if fitness.is_tested { "" } else { "  (untested version)" };
        let (letter, word) = class(loaded, name, fitness);
        let class = format!("class {letter}: {word}");
        text.push_str(&format!("{name}    {}{tested}   {class}\n", fitness.product));
        self.list(&fitness.checks, text, sums);
    }

    fn list(&self, checks: &[Check], text: &mut String, sums: &mut Sums) {
        for check in checks {
            if self.check.as_deref().is_some_and(|wanted| wanted != check.name) {
                continue;
            }
            let sign = match check.state {
                CheckState::Passed => {
                    sums.passed += 1;
                    '✓'
                }
                CheckState::Warning => {
                    sums.warnings += 1;
                    '!'
                }
                CheckState::Failed => {
                    sums.failed += 1;
                    '✗'
                }
            };
            text.push_str(&format!("  {sign} {:<12} {}\n", check.name, check.message));
            for fix in &check.fix {
                text.push_str(&format!("      -> {fix}\n"));
            }
        }
    }

    fn json(&self, loaded: &Loaded, name: &str, fitness: &Fitness) -> Json {
        let checks: Vec<Json> = fitness.checks.iter().map(check_json).collect();
        json!({
            "system": name,
            "product": fitness.product.as_str(),
            "tested": fitness.is_tested,
            "class": class(loaded, name, fitness).0,
            "clock_ahead_ms": fitness.clock_ahead_ms,
            "checks": checks,
        })
    }
}

/// What the system can promise, as a letter and a word.
fn class(loaded: &Loaded, name: &str, fitness: &Fitness) -> (&'static str, &'static str) {
    let unmarked = loaded.draft.system(name).map(|system| loaded.draft.class_of(system));
    match (fitness.has_marks, unmarked) {
        (false, Some(Class::Versioned)) => ("C", "versioned"),
        (false, Some(Class::Blind)) => ("E", "blind"),
        (false, Some(Class::Log | Class::Marked | Class::Plain) | None) => ("D", "plain"),
        (true, _) => ("B", "marked"),
    }
}

fn check_json(check: &Check) -> Json {
    json!({
        "name": check.name.as_str(),
        "state": match check.state {
            CheckState::Passed => "passed",
            CheckState::Warning => "warning",
            CheckState::Failed => "failed",
        },
        "message": check.message.as_str(),
        "fix": check.fix.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

async fn examine(loaded: &Loaded, name: &str) -> Result<Fitness, Failure> {
    let settings = loaded.settings(name).await?;
    let tables = loaded.tables(name);
    let mut catalog = syncline_adapters::catalog(&settings).await?;
    let mut fitness = catalog.examine(&tables).await?;
    fitness.checks.extend(hook(loaded, name).await?);
    Ok(fitness)
}

/// Of a system that calls us: whether its secrets are there, and when it called last.
async fn hook(loaded: &Loaded, name: &str) -> Result<Option<Check>, Failure> {
    let Some(hook) = loaded.hook(name).await? else { return Ok(None) };
    let told = Look::at(&loaded.hub_path()).told(name)?;
    let style = hook.style.word();
    let (state, message, fix) = match told.last {
        Some(last) => {
            let age = words::age(Session::now(), last);
            (CheckState::Passed, format!("{style}; the last webhook came {age} ago"), Vec::new())
        }
        None => (
            CheckState::Warning,
            if loaded.only_tells(name) {
                format!("{style}; no webhook received yet, and nothing stands behind them")
            } else {
                format!("{style}; no webhook received yet, polling covers it")
            },
            vec![format!("syncline hooks send {name} --test").into()],
        ),
    };
    Ok(Some(Check { name: "hook".into(), state, message: message.into(), fix }))
}

/// The one thing that can be mended from here: the table of marks. Whether it was.
async fn mend(
    loaded: &Loaded,
    name: &str,
    fitness: &Fitness,
    context: &Context,
) -> Result<bool, Failure> {
    if fitness.has_marks {
        return Ok(false);
    }
    let statements: Vec<String> = fitness
        .checks
        .iter()
        .filter(|check| check.name == "marks")
        .flat_map(|check| check.fix.iter().map(ToString::to_string))
        .collect();
    if statements.is_empty() {
        return Ok(false);
    }
    report::note(&format!("{name}: {}", statements.join("\n")));
    if context.yes
        || (context.interactive && ask::yes(&format!("Create the table of marks in {name}?")))
    {
        let settings = loaded.settings(name).await?;
        syncline_adapters::catalog(&settings).await?.create_marks().await?;
        context.note(&format!("{name}: the table of marks is there"));
        return Ok(true);
    }
    Ok(false)
}
