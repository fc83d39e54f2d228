//! The answers to a system that was restored to an older state: what it shows now is wanted, or what the hub
//! holds is written back to it.
//!
//! To write it back, what the system shows is first taken for what it is, an edit, with nobody else read and
//! nothing written; and then all of that is taken back, and its origin written. So a row that reappeared goes
//! again, one that vanished comes back, and the books tell what was there. If that is cut off in between, the
//! entity rests as before, and the answer is given again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use syncline_core::name::{BindingIndex, EntityIndex, RecordId, RunId};
use syncline_engine::{capture::Mode, desk::Unwatched, pass::Allow, recover};
use syncline_ports::reader::{Guard, Reader as _, RunFilter};

use crate::{
    cli::{Context, ask, rollback::Only},
    exit::Exit,
    pass::{Depth, Halves, Order, Outcome, restored},
    progress::Progress,
    report::{Answer, Failure},
    rollback::{self, Manner, What},
    session::Session,
    words,
};

/// So many attempts that were cut off are taken back with the last.
const ATTEMPTS: usize = 100;

/// What the system shows now is what people want: it counts as edits, within what the other guards allow.
pub(super) async fn accept(
    session: &mut Session,
    context: &Context,
    guard: &Guard,
) -> Result<Answer, Failure> {
    let (entity, system) = names(session, guard);
    agreed(
        context,
        guard,
        &format!("Take what {system} shows of {entity} now for what is wanted?"),
    )?;
    let progress = Progress::new("guard", context.progress);
    let run = session.hub.begin_run(restored::KIND, "person", Some(guard.entity), Session::now());
    let run = run.await?;
    forget_places(session, guard, run).await?;
    restored::settle(session, guard, "applied").await?;
    let order = Order {
        kind: "guard",
        entities: vec![guard.entity],
        depth: Depth::Full,
        allow: Allow::default(),
        allow_partial: false,
        chooses: None,
        halves: Halves::Both,
        beside: None,
    };
    let outcome = crate::pass::run(session, order, &progress).await?;
    drop(progress);
    let summary = format!("guard {} is applied: what {system} shows counts", guard.number);
    Ok(told(outcome, &summary, json!({ "applied": guard.number })))
}

/// What the hub holds is written back.
pub(super) async fn write_back(
    session: &mut Session,
    context: &Context,
    guard: &Guard,
) -> Result<Answer, Failure> {
    let (entity, system) = names(session, guard);
    agreed(context, guard, &format!("Write what the hub holds of {entity} back to {system}?"))?;
    let progress = Progress::new("guard", context.progress);
    let looked = look(session, guard, &progress).await?;
    if let Some(exit) = session.stopped() {
        return Ok(Answer::new("stopped before anything was put back").with_exit(exit));
    }
    if !matches!(looked.exit, Exit::Done | Exit::SetAside) {
        return Ok(looked.answer());
    }
    let (own, restored, records) = take_back(session, guard).await?;
    restored::settle(session, guard, "reversed").await?;
    let only = Only(records);
    let order = Order {
        kind: "guard",
        entities: vec![guard.entity],
        depth: Depth::Changes,
        // Whoever says so has seen what differs.
        allow: Allow { deletes: true, updates: true, approved: Vec::new() },
        allow_partial: false,
        chooses: Some(&only),
        halves: Halves::Writes,
        beside: None,
    };
    let outcome = crate::pass::run(session, order, &progress).await?;
    drop(progress);
    let restored = words::counted(restored, "change");
    let summary = format!(
        "guard {} is reversed: {restored} put back in {system}\nUndo: syncline rollback run {own}",
        guard.number
    );
    let result = json!({ "reversed": guard.number, "restored": restored, "run": own.to_string() });
    Ok(told(outcome, &summary, result))
}

fn names(session: &Session, guard: &Guard) -> (String, String) {
    (session.entity_name(guard.entity).to_owned(), session.system_name(guard.system).to_owned())
}

fn agreed(context: &Context, guard: &Guard, question: &str) -> Result<(), Failure> {
    if context.yes || context.interactive && ask::yes(question) {
        return Ok(());
    }
    let message = format!("guard {} was not answered; nothing was written", guard.number);
    Err(Failure::new("run.unapproved", message).fix("answer on a terminal, or say --yes"))
}

fn told(outcome: Outcome, summary: &str, mut result: serde_json::Value) -> Answer {
    let mut answer = outcome.answer();
    let text = [answer.text.as_str(), summary].join("\n");
    answer.text = text.trim_start().into();
    summary.lines().next().unwrap_or_default().clone_into(&mut answer.summary);
    if let Some(result) = result.as_object_mut() {
        result.insert("written".into(), answer.result);
    }
    answer.result = result;
    answer
}

/// Writes in flight are asked about, and no row is where its place in a log, or its version, said.
async fn forget_places(session: &mut Session, guard: &Guard, run: RunId) -> Result<(), Failure> {
    let (plan, stop, hub) = (session.plan.clone(), session.stop.clone(), session.hub.clone());
    let desk = Session::desk(&plan, &hub, &Unwatched, &stop, run);
    recover::recover(&desk, &mut session.systems).await?;
    let place = (guard.entity, guard.system);
    let done = recover::system_restored(&desk, &*hub, &mut session.systems, place).await;
    let word = if done.is_ok() { "ok" } else { "failed" };
    hub.end_run(run, Session::now(), word, "what a restored system shows", &[]).await?;
    Ok(done?)
}

/// Takes all that the system shows for edits, and reads nobody else.
async fn look(
    session: &mut Session,
    guard: &Guard,
    progress: &Progress,
) -> Result<Outcome, Failure> {
    let entity = guard.entity;
    let run = session.hub.begin_run(restored::KIND, "person", Some(entity), Session::now());
    let run = run.await?;
    forget_places(session, guard, run).await?;
    let bindings = syncline_engine::pass::bindings(&session.plan, entity).into_iter();
    let mode = |binding: BindingIndex| {
        let found = session.plan.binding(binding);
        let is_its = found.is_some_and(|found| found.system == guard.system);
        (binding, if is_its { Mode::Scan } else { Mode::Heard })
    };
    let modes: BTreeMap<BindingIndex, Mode> = bindings.map(mode).collect();
    let order = Order {
        kind: restored::KIND,
        entities: vec![entity],
        depth: Depth::Full,
        // What is not there any more is taken back in a moment.
        allow: Allow { deletes: true, updates: true, approved: Vec::new() },
        allow_partial: true,
        chooses: None,
        halves: Halves::Reads,
        beside: Some(modes),
    };
    crate::pass::run(session, order, progress).await
}

/// Takes back what was taken from it, in the hub: the run that did, how much, and of which records.
async fn take_back(
    session: &Session,
    guard: &Guard,
) -> Result<(RunId, u64, BTreeSet<RecordId>), Failure> {
    let (plan, stop, hub) = (session.plan.clone(), session.stop.clone(), session.hub.clone());
    let entity: Option<EntityIndex> = Some(guard.entity);
    let filter = RunFilter {
        entities: entity.map(|entity| vec![entity]),
        kind: Some(restored::KIND.into()),
        since: Some(guard.at),
        limit: ATTEMPTS,
        ..RunFilter::default()
    };
    let runs = hub.run_page(&filter).await?;
    let own = hub.begin_run("guard", "person", entity, Session::now()).await?;
    let desk = Session::desk(&plan, &hub, &Unwatched, &stop, own);
    let manner = Manner { force: false, revert_source: true, who: session.who.as_str().into() };
    let (mut restored, mut records, mut failed) = (0, BTreeSet::new(), None);
    let attempts = runs.into_iter().map(|run| What::Run(run.id));
    let taken = restored::taken(session, guard).await?;
    let taken = taken.map(|run| What::Shown(run, guard.system));
    for what in attempts.chain(taken) {
        match rollback::take_back(&hub, &desk, what, &manner).await {
            Ok(report) => {
                restored += report.restored;
                records.extend(report.records);
            }
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    let (word, message) = match &failed {
        None => ("ok", format!("{own} guard {}: {restored} restored", guard.number)),
        Some(failure) => ("failed", failure.message.clone()),
    };
    hub.end_run(own, Session::now(), word, &message, &[]).await?;
    match failed {
        None => Ok((own, restored, records)),
        Some(failure) => Err(failure),
    }
}
