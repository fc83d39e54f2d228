//! `syncline plan`: reads everything, writes nothing, shows every consequence.

use crate::{
    cli::Context,
    columns,
    exit::Exit,
    overlay::{self, EntityPlan, Planned, Wish},
    pass::Depth,
    progress::Progress,
    report::{Answer, Failure},
    session::{Reach, Session, Use, of_system},
    words,
};
use clap::Args;
use serde_json::json;

mod replay;
mod show;

use show::describe;
pub(crate) use show::{show, summary};

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Save the plan, for `apply`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<std::path::PathBuf>,
    /// Show every change, not a sample.
    #[arg(long)]
    pub(crate) full: bool,
    /// Show this record: `contacts/crm:8812`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) record: Option<String>,
    /// Exit 10 if anything would change.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Try on this many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Instead: which records of the last so many days would have ended differently by this file.
    #[arg(
        long,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650),
        conflicts_with_all = ["out", "record", "limit"]
    )]
    pub(crate) replay: Option<u32>,
}

/// Operations shown of each entity and system, unless all are asked for.
const SAMPLES: usize = 3;

impl Plan {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        if let Some(days) = self.replay {
            let entity = self.entity.as_deref();
            return replay::run(context, days, entity, self.full, self.exit_code).await;
        }
        let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
        let entities = session.entities(self.entity.as_deref())?;
        let everything = self.full || self.record.is_some();
        let wish = Wish {
            entities,
            samples: if everything { usize::MAX } else { SAMPLES },
            limit: self.limit,
            depth: Depth::Full,
            record: self.record.clone(),
        };
        let began = Session::now();
        let progress = Progress::new("planning", context.progress);
        let planned = overlay::plan(&mut session, &wish, &progress).await?;
        drop(progress);
        let took = words::span((Session::now().0 - began.0) / 1_000);
        let mut text = show(&session, &planned, &took);
        let is_touched =
            |entity: &EntityPlan| !entity.samples.is_empty() || !entity.disputes.is_empty();
        if let Some(record) = &self.record
            && !planned.entities.iter().any(is_touched)
        {
            text.push_str(&format!("\nOf {record} nothing would change."));
        }
        if let Some(path) = &self.out {
            planned.save(&session, path, Session::now())?;
            let allow = allow_flags(&planned);
            text.push_str(&format!(
                "\nNothing was written. Saved {} ({}). Next: syncline apply {}{allow}",
                path.display(),
                planned.name(),
                path.display()
            ));
        } else {
            text.push_str("\nNothing was written. To keep this plan: syncline plan --out FILE");
        }
        let mut answer =
            Answer::new(summary(&planned)).with_text(text).with_result(result(&session, &planned));
        if self.exit_code && planned.total() > 0 {
            answer = answer.with_exit(Exit::Differences);
        }
        if let Some((system, failure)) = planned.failures.first() {
            answer = answer.with_error(of_system(system, failure));
        }
        Ok(match session.stopped() {
            Some(exit) => answer.with_exit(exit),
            None => answer,
        })
    }
}

fn allow_flags(planned: &Planned) -> String {
    let trips = |code: &str| {
        planned.entities.iter().any(|entity| entity.tripped.iter().any(|(found, ..)| found == code))
    };
    let deletes = trips("guard.mass_delete") || trips("guard.empty_source");
    match (deletes, trips("guard.mass_update")) {
        (true, true) => " --allow deletes,updates".into(),
        (true, false) => " --allow deletes".into(),
        (false, true) => " --allow updates".into(),
        (false, false) => String::new(),
    }
}

/// The plan for programs.
fn result(session: &Session, planned: &Planned) -> serde_json::Value {
    let entities: Vec<_> = planned
        .entities
        .iter()
        .map(|entity| {
            let systems: serde_json::Map<String, serde_json::Value> = entity
                .behind
                .keys()
                .chain(entity.counts.keys())
                .map(|system| {
                    let [creates, updates, deletes] =
                        entity.counts.get(system).copied().unwrap_or_default();
                    let behind = entity.behind.get(system).copied().unwrap_or_default();
                    let queues = entity.queues.get(system).copied().unwrap_or_default();
                    let row = json!({
                        "creates": creates,
                        "updates": updates,
                        "deletes": deletes,
                        "linked": behind.linked,
                        "conflicts": queues.conflicts,
                        "invalid": queues.invalid,
                        "review": queues.review,
                        "out_of_scope": queues.out_of_scope,
                        "read": entity.read.get(system),
                    });
                    (session.system_name(*system).to_owned(), row)
                })
                .collect();
            let guards: Vec<_> = entity
                .tripped
                .iter()
                .map(|(code, system, count, linked, max)| {
                    json!({
                        "code": code, "system": session.system_name(*system),
                        "count": count, "linked": linked, "max": max,
                    })
                })
                .collect();
            let name = |system, field| show::cell(session, entity.entity, system, field);
            let filled: Vec<_> = entity
                .fills
                .iter()
                .map(|((system, field), cells)| json!({ "cell": name(*system, *field), "cells": cells }))
                .collect();
            let otherwise: Vec<_> = entity
                .otherwise
                .iter()
                .map(|((system, field), found)| {
                    json!({ "cell": name(*system, *field), "values": found.values })
                })
                .collect();
            json!({
                "entity": session.entity_name(entity.entity),
                "systems": systems,
                "filled": filled,
                "written_otherwise": otherwise,
                "conflicts": entity.conflicts,
                "invalid": entity.invalid,
                "review": entity.review,
                "out_of_scope": entity.out_of_scope,
                "new_columns": columns::json(&entity.appeared),
                "guards": guards,
                "first": entity.is_first,
                "sample": entity.samples.iter().map(|it| describe(session, it)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let [creates, updates, deletes] = planned.sums();
    json!({
        "plan": planned.name(),
        "creates": creates,
        "updates": updates,
        "deletes": deletes,
        "entities": entities,
    })
}
