//! `auto_rollback: true`: what a guard stops is taken back in the hub by itself. The systems that it comes from keep what
//! they have, until somebody edits it there, as with any rollback; nothing else was written yet.

use syncline_core::{
    change::WriteKind,
    commit::AuditKind,
    name::{EntityIndex, RunId},
};
use syncline_engine::{desk::Unwatched, pass::Tripped};
use syncline_ports::reader::{Action, HistoryFilter, Reader as _};

use crate::{
    pass::Outcome,
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
