//! `syncline apply`: does exactly what a saved plan says; skips records changed since.

use clap::Args;
use syncline_core::name::EntityIndex;
use syncline_engine::apply::Chooses as _;
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{
    approved, auto, backups,
    cli::{Context, ask, run},
    config::{self, numbering},
    overlay::{Named, Saved},
    pass::{Depth, Halves, Order, paused},
    progress::Progress,
    report::{self, Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The plan, as written by `plan --out`.
    pub(crate) file: std::path::PathBuf,
    /// Let this many through the guards: deletes, updates, creates.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) allow: Vec<Allow>,
    /// Stop before the first write if more than this percentage of the plan is stale.
    #[arg(long, value_name = "PERCENT", default_value_t = 10)]
    pub(crate) max_stale: u64,
    /// Exit 0 even if records were set aside.
    #[arg(long)]
    pub(crate) allow_partial: bool,
}

/// What a person lets through the guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Allow {
    /// Many deletes.
    Deletes,
    /// Many updates.
    Updates,
    /// Many creates.
    Creates,
}

impl Apply {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let saved = Saved::read(&self.file)?;
        let loaded = config::load(context)?;
        if let Some(warning) = backups::reminder(&loaded, Session::now())
            && !context.quiet
        {
            report::note(&warning.warning(context.paint));
        }
        confirm(&saved, context)?;
        let opened = Box::pin(Session::of(loaded, context, Use::Write, Reach::Systems));
        let mut session = opened.await?;
        let entities = same_meaning(&session, &saved)?;
        paused::refuse(&session, &entities).await?;
        let allow = run::allowed(&self.allow);

        // First the hub learns what is there now, then the plan is compared with what would be done.
        numbering::remember(&session).await?;
        let progress = Progress::new("apply", context.progress);
        let look = Order {
            kind: "apply",
            entities: entities.clone(),
            depth: Depth::Full,
            allow: allow.clone(),
            allow_partial: self.allow_partial,
            chooses: None,
            halves: Halves::Reads,
            beside: None,
        };
        let looked = crate::pass::run(&mut session, look, &progress).await?;
        if let Some(error) = looked.error {
            return Err(error);
        }
        if let Some(exit) = session.stopped() {
            return Ok(Answer::new("stopped before anything was written").with_exit(exit));
        }
        let stale = stale(&session, &entities, &saved).await?;
        let total = saved.operations.len() as u64;
        if stale * 100 > total * self.max_stale {
            let message = format!(
                "{} of {} records changed since plan {}; more than {} %, nothing applied",
                words::count(stale),
                words::count(total),
                saved.name,
                self.max_stale
            );
            return Err(Failure::new("plan.stale", message)
                .cause(format!("the plan was made at {}", saved.at))
                .done("what was read is known to the hub; nothing was written to any system")
                .fix("plan again: syncline plan --out FILE"));
        }
        for entity in &entities {
            approved::approve(&session, *entity).await?;
        }
        let named = Named::new(&saved.operations);
        let order = Order {
            kind: "apply",
            entities: entities.clone(),
            depth: Depth::Full,
            allow,
            allow_partial: self.allow_partial,
            chooses: Some(&named),
            halves: Halves::Writes,
            beside: None,
        };
        let mut outcome = crate::pass::run(&mut session, order, &progress).await?;
        auto::after(&session, &mut outcome).await?;
        drop(progress);
        let written = outcome.passed.entities.iter().flat_map(|report| &report.written);
        let mut summary =
            format!("Applied {}.", words::count(written.map(|(_, written)| written.total()).sum()));
        if stale > 0 {
            summary.push_str(&format!(
                " Skipped {} that changed since the plan (the next run takes them).",
                words::count(stale)
            ));
        }
        let waiting = waiting(&session, &entities).await?;
        let mut answer = outcome.answer().with_exit(looked.exit);
        answer.text.push_str(&format!("\n{summary}{waiting}"));
        answer.summary = summary;
        Ok(answer)
    }
}

/// What of these entities waits for a person, as a line.
pub(crate) async fn waiting(
    session: &Session,
    entities: &[EntityIndex],
) -> Result<String, Failure> {
    let is_of = |found: EntityIndex| entities.contains(&session.plan.root_of(found));
    let conflicts = session.hub.conflicts(false, 1_000_000).await?;
    let conflicts = conflicts.iter().filter(|it| is_of(it.entity)).count() as u64;
    let aside = session.hub.quarantine(1_000_000).await?;
    let aside = aside.iter().filter(|it| is_of(it.entity) && it.dropped.is_none()).count() as u64;
    let parts: Vec<String> = [
        (conflicts, words::counted(conflicts, "conflict")),
        (aside, format!("{} quarantined", words::count(aside))),
    ]
    .into_iter()
    .filter_map(|(count, text)| (count > 0).then_some(text))
    .collect();
    if parts.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("\nWaiting for you: {}. Next: syncline status", parts.join(", ")))
}

/// Types the plan's name on a terminal; `--yes` says it was read elsewhere.
fn confirm(saved: &Saved, context: &Context) -> Result<(), Failure> {
    if context.yes {
        return Ok(());
    }
    let [creates, updates, deletes] = saved.sums;
    let question = format!(
        "{}, {}, {}. Type {} to go on:",
        words::counted(creates, "create"),
        words::counted(updates, "update"),
        words::counted(deletes, "delete"),
        saved.name
    );
    if context.interactive && ask::answer(&question) == saved.name {
        return Ok(());
    }
    Err(Failure::new(
        "run.unapproved",
        format!("plan {} was not approved; nothing was written", saved.name),
    )
    .fix("type its name on a terminal, or say --yes"))
}

/// The plan's entities, if they still mean what they meant.
fn same_meaning(session: &Session, saved: &Saved) -> Result<Vec<EntityIndex>, Failure> {
    let mut entities = Vec::new();
    for (name, meaning) in &saved.entities {
        let entity = session.entities(Some(name))?;
        let same = entity
            .first()
            .and_then(|index| session.plan.entity(*index))
            .is_some_and(|found| found.meaning == *meaning);
        if !same {
            return Err(Failure::new(
                "guard.config_changed",
                format!("the meaning of {name} changed since plan {}", saved.name),
            )
            .done("nothing was written")
            .fix("plan again: syncline plan --out FILE"));
        }
        entities.extend(entity);
    }
    Ok(entities)
}

/// How many of the plan's operations are not what would be done now.
async fn stale(session: &Session, entities: &[EntityIndex], saved: &Saved) -> Result<u64, Failure> {
    let stop = session.stop.clone();
    let watch = syncline_engine::desk::Unwatched;
    let desk =
        Session::desk(&session.plan, &session.hub, &watch, &stop, syncline_core::name::RunId(0));
    let named = Named::new(&saved.operations);
    let mut same = 0;
    for entity in entities {
        let bindings =
            session.plan.entity(*entity).map(|found| found.bindings.clone()).unwrap_or_default();
        for binding in bindings {
            let Some(system) = session.plan.binding(binding).map(|found| found.system) else {
                continue;
            };
            let mut after = None;
            loop {
                let behind =
                    session.hub.behind(*entity, system, after, Session::now(), 2_000).await?;
                let Some((last, _)) = behind.last() else { break };
                after = Some(*last);
                same += named.choose(&desk, system, behind).await?.len() as u64;
            }
        }
    }
    Ok((saved.operations.len() as u64).saturating_sub(same))
}
