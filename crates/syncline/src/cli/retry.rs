//! `syncline retry`: tries again what was set aside.

use clap::Args;
use serde_json::json;
use syncline_core::{change::Command, commit::Subject, name::SystemIndex};
use syncline_ports::reader::{Quarantined, Reader as _};

use crate::{
    cli::{Context, quarantine},
    decide,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `retry`.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// These entries; without any, those that the flags select.
    #[arg(conflicts_with_all = ["code", "run", "all"])]
    pub(crate) ids: Vec<u64>,
    /// Those with this code.
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Those of this run: `last`, `r-1042`.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// All.
    #[arg(long)]
    pub(crate) all: bool,
}

impl Retry {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        if self.ids.is_empty() && self.code.is_none() && self.run.is_none() && !self.all {
            return Err(Failure::new("usage.arguments", "what should be tried again?")
                .fix("give numbers, --code CODE, --run last, or --all"));
        }
        let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
        let entries = if self.ids.is_empty() {
            quarantine::select(&session, self.code.as_deref(), self.run.as_deref()).await?
        } else {
            let mut named = Vec::new();
            for id in &self.ids {
                named.push(quarantine::find(&session, *id).await?);
            }
            named
        };
        for entry in &entries {
            session.permits(context.scope.as_deref(), entry.entity)?;
        }
        let mut entities = Vec::new();
        for entry in &entries {
            session.hub.retry_quarantined(entry.number).await?;
            let commands = match &entry.subject {
                // Its guard lets it through, and nothing else.
                Subject::Row { .. } | Subject::Excess { .. } => Vec::new(),
                Subject::Write { record, system, .. } => {
                    vec![Command::Retry { record: *record, system: *system }]
                }
                Subject::Record { record } => {
                    let systems = (0..session.plan.systems.len() as u16).map(SystemIndex);
                    systems.map(|system| Command::Retry { record: *record, system }).collect()
                }
            };
            if !commands.is_empty() {
                decide::command(&session, "retry", entry.entity, commands).await?;
            }
            entities.push(entry.entity);
        }
        if entries.is_empty() {
            return Ok(Answer::new("nothing to try again").with_result(json!({ "retried": 0 })));
        }
        let outcome = decide::carry_out(&mut session, context, "retry", entities).await?;
        let left = quarantine::select(&session, None, None).await?;
        // What is refused again keeps its number.
        let is_left = |entry: &&Quarantined| left.iter().any(|now| now.number == entry.number);
        let still: Vec<u64> = entries.iter().filter(is_left).map(|entry| entry.number).collect();
        let retried = entries.len() as u64;
        let summary = format!(
            "{} retried, {} done, {} still set aside",
            words::count(retried),
            words::count(retried - still.len() as u64),
            words::count(still.len() as u64)
        );
        let mut answer = outcome.answer();
        let numbers: Vec<String> = still.iter().map(u64::to_string).collect();
        let named =
            if still.is_empty() { String::new() } else { format!(": {}", numbers.join(", ")) };
        answer.text = format!("{summary}{named}\n{}", answer.text);
        answer.summary = summary;
        let entries: Vec<_> = still.iter().map(|number| json!({ "id": number })).collect();
        answer.result = json!({ "retried": retried, "still": still.len(), "entries": entries });
        Ok(if still.is_empty() { answer } else { answer.with_exit(crate::exit::Exit::SetAside) })
    }
}
