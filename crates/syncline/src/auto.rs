//! `auto_rollback: true`: what a guard stops is taken back in the hub by itself. The systems that it comes from keep what
//! they have, until somebody edits it there, as with any rollback; nothing else was written yet. What `run --verify`
//! finds not to hold was written, and is taken back like any run.

use std::collections::BTreeSet;

use syncline_core::{
    change::WriteKind,
    commit::AuditKind,
    name::{EntityIndex, RecordId, RunId},
};
use syncline_engine::{
    desk::Unwatched,
    pass::Tripped,
    verify::{self, Compared},
};
use syncline_ports::reader::{Action, HistoryFilter, Reader as _};

use crate::{
    cli::rollback::carry_out,
    exit::Exit,
    pass::Outcome,
    progress::Progress,
    report::Failure,
    rollback::{self, Manner, Report, What},
    session::Session,
    words,
};

/// Who says so, in the history.
const WHO: &str = "auto_rollback";

/// Takes back what the runs of this pass have changed in entities that say so, where a guard stopped them.
/// Rows that vanished were never taken for deletes: they wait for a person.
pub(crate) async fn after(session: &Session, outcome: &mut Outcome) -> Result<(), Failure> {
    let mut stopped = Vec::new();
    for report in &outcome.passed.entities {
        if !is_said(session, report.entity) {
            continue;
        }
        for tripped in &report.tripped {
            let Tripped::Planned { code, system, .. } = tripped else { continue };
            stopped.push((report.entity, report.run, *code, *system));
        }
    }
    for (entity, run, code, system) in stopped {
        // A guard that comes after another of the same run may find nothing left.
        let own = HistoryFilter { run: Some(run), limit: usize::MAX, ..HistoryFilter::default() };
        let changed = session.hub.history(&own).await?;
        let has_changed = changed.iter().any(|entry| entry.event.kind != AuditKind::Written);
        let kind = if code == "guard.mass_delete" { WriteKind::Delete } else { WriteKind::Update };
        let what = if has_changed { What::Run(run) } else { What::Pending(entity, system, kind) };
        let deed = Action {
            at: Session::now(),
            who: WHO.into(),
            what: "rollback".into(),
            target: run.to_string().into(),
            detail: code.into(),
            ..Action::default()
        };
        session.hub.act(&deed).await?;
        // Whatever set the run going has set this going, too.
        let trigger = session.hub.run(run).await?.map(|it| it.trigger).unwrap_or_default();
        let now = Session::now();
        let own = session.hub.begin_run("rollback", &trigger, Some(entity), now).await?;
        let taken = take_back(session, own, what).await;
        let (word, message) = match &taken {
            Ok(report) => {
                let changes = words::counted(report.restored, "change");
                ("ok", format!("{own} rollback {run}: {changes} restored by itself"))
            }
            Err(failure) => ("failed", failure.message.clone()),
        };
        session.hub.end_run(own, Session::now(), word, &message, &[]).await?;
        let report = taken?;
        outcome.lines.push(format!(
            "  taken back by itself (`auto_rollback`): {}; undo: syncline rollback run {own}",
            words::counted(report.restored, "change")
        ));
        if !report.left.is_empty() {
            outcome.lines.push(format!(
                "  {} left alone, which somebody changed since or has to decide",
                words::count(report.left.values().sum())
            ));
        }
        settle(session, entity, code).await?;
    }
    Ok(())
}

/// Compares what the runs of this pass have changed, row by row, with what the hub holds, and takes back runs that do
/// not hold, of entities that say so.
pub(crate) async fn verified(
    session: &mut Session,
    outcome: &mut Outcome,
    progress: &Progress,
) -> Result<(), Failure> {
    if session.stopped().is_some() {
        return Ok(());
    }
    let runs = outcome.passed.entities.iter().filter(|report| report.tripped.is_empty());
    let runs: Vec<(EntityIndex, RunId)> = runs.map(|it| (it.entity, it.run)).collect();
    let mut waiting = BTreeSet::new();
    for entry in session.hub.quarantine(usize::MAX).await? {
        waiting.extend(entry.record);
    }
    for (entity, run) in runs {
        let changed = changed_by(session, run).await?;
        if changed.is_empty() {
            continue;
        }
        let failing = failing(session, entity, &changed, &waiting, progress).await?;
        let name = session.entity_name(entity).to_owned();
        if failing == 0 {
            let records = words::counted(changed.len() as u64, "record");
            outcome.lines.push(format!("  verified: {records} of {name} show what the hub holds"));
            continue;
        }
        let rows = words::several(failing, "row", "rows");
        let message =
            format!("{rows} of {name} that {run} has changed do not show what the hub holds");
        let mut failure = Failure::new("run.not_verified", message)
            .cause("somebody edited them in between, or their system makes something else of them")
            .with_exit(Exit::Differences);
        outcome.exit = outcome.exit.and(Exit::Differences);
        if is_said(session, entity) {
            let deed = Action {
                at: Session::now(),
                who: WHO.into(),
                what: "rollback".into(),
                target: run.to_string().into(),
                detail: failure.code.as_str().into(),
                ..Action::default()
            };
            session.hub.act(&deed).await?;
            let manner = Manner { force: false, revert_source: false, who: WHO.into() };
            let place = ("rollback", run.to_string());
            let what = What::Run(run);
            let done =
                carry_out(session, (place.0, &place.1), Some(entity), what, &manner, progress)
                    .await?;
            let changes = words::counted(done.report.restored, "change");
            failure = failure
                .done(format!("{run} was taken back by itself (`auto_rollback`): {changes}"))
                .fix(format!("syncline verify {name}; undo: syncline rollback run {}", done.own));
            outcome.lines.extend(done.outcome.lines);
        } else {
            failure = failure
                .done("everything stays as it was written")
                .fix(format!("syncline verify {name}; or syncline rollback run {run}"));
        }
        outcome.error.get_or_insert(failure);
    }
    Ok(())
}

/// The records that a run has changed.
async fn changed_by(session: &Session, run: RunId) -> Result<BTreeSet<RecordId>, Failure> {
    const PAGE: usize = 4_096;
    let mut records = BTreeSet::new();
    let mut filter = HistoryFilter { run: Some(run), limit: PAGE, ..HistoryFilter::default() };
    loop {
        let page = session.hub.history(&filter).await?;
        records.extend(page.iter().map(|entry| entry.event.record));
        match page.last() {
            Some(last) if page.len() == PAGE => filter.below = Some(last.number),
            Some(_) | None => return Ok(records),
        }
    }
}

/// How many rows of these records do not show what the hub holds, though nobody is waited for.
async fn failing(
    session: &mut Session,
    entity: EntityIndex,
    changed: &BTreeSet<RecordId>,
    waiting: &BTreeSet<RecordId>,
    progress: &Progress,
) -> Result<u64, Failure> {
    let (plan, hub, stop) = (session.plan.clone(), session.hub.clone(), session.stop.clone());
    let paces = session.paces.clone();
    let desk = Session::desk(&plan, &hub, progress, &stop, RunId(0)).paced(Some(&*paces));
    let options = verify::Options {
        columns: None,
        rows_max: None,
        set_aside: &|_, _| false,
        waiting: &|record| !changed.contains(&record) || waiting.contains(&record),
    };
    let found = verify::verify(&desk, &mut session.systems, entity, &options).await?;
    let of_these = |it: &Compared| it.unexplained().saturating_sub(it.unheard);
    Ok(found.values().map(of_these).sum())
}

/// Nothing is to be written for it: where it comes from keeps it, and all others never had it.
async fn take_back(session: &Session, own: RunId, what: What) -> Result<Report, Failure> {
    let desk = Session::desk(&session.plan, &session.hub, &Unwatched, &session.stop, own)
        .beside(session.turns.as_deref());
    let manner = Manner { force: false, revert_source: false, who: WHO.into() };
    rollback::take_back(&session.hub, &desk, what, &manner).await
}

/// What it stopped is gone.
async fn settle(session: &Session, entity: EntityIndex, code: &str) -> Result<(), Failure> {
    for guard in session.hub.guards(false).await? {
        if guard.entity == entity && guard.code == code {
            session.hub.settle_guard(guard.number, "over", WHO).await?;
        }
    }
    Ok(())
}

/// Whether the file says so of this entity.
fn is_said(session: &Session, entity: EntityIndex) -> bool {
    let draft = &session.loaded.draft;
    let name = session.entity_name(session.plan.root_of(entity));
    let own = draft.entities.iter().find(|it| it.name == name);
    let own = own.and_then(|it| it.common.auto_rollback);
    own.or(draft.defaults.auto_rollback).unwrap_or(false)
}
