//! `syncline guards reverse`: what a guard stopped is put back where it comes from.
//!
//! Rows that vanished are first taken for what they are, deletes, and then taken back: nothing is
//! written in between.

use serde_json::json;
use syncline_core::{
    change::WriteKind,
    guard::{RESTORED, USER},
    name::RunId,
};
use syncline_engine::{
    desk::Unwatched,
    pass::{self, Allow, Tripped},
};
use syncline_ports::reader::{Guard, Reader as _};

use crate::{
    cli::{
        Context, ask,
        guards::{excess, find, refuse_settled, restored, tag},
        rollback,
    },
    exit::Exit,
    pass::{Depth, Halves, Order, Outcome, paused},
    progress::Progress,
    report::{Answer, Failure},
    rollback::{Excess, Manner, What},
    session::{Reach, Session, Use},
    words,
};

/// Does it.
pub(super) async fn reverse(context: &Context, id: u64) -> Result<Answer, Failure> {
    let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
    let guard = find(&session, id).await?;
    session.permits(context.scope.as_deref(), guard.entity)?;
    context.expects(|| tag(&guard))?;
    refuse_settled(&guard)?;
    paused::refuse(&session, &[guard.entity]).await?;
    if guard.code == USER {
        return excess::answer(&mut session, context, &guard, Excess::TakenBack).await;
    }
    if guard.code == RESTORED {
        return restored::write_back(&mut session, context, &guard).await;
    }
    let (entity, system) = (session.entity_name(guard.entity), session.system_name(guard.system));
    let question =
        format!("Put back {} of {entity} that concern {system}?", words::count(guard.count));
    if !(context.yes || context.interactive && ask::yes(&question)) {
        let message = format!("guard {id} was not answered; nothing was written");
        return Err(
            Failure::new("run.unapproved", message).fix("answer on a terminal, or say --yes")
        );
    }
    let progress = Progress::new("guard", context.progress);
    let look = Order {
        kind: "guard",
        entities: vec![guard.entity],
        depth: Depth::Full,
        // Exactly what was shown: a set that grew or shrank since trips again.
        allow: Allow { approved: vec![guard.digest], ..Allow::default() },
        allow_partial: false,
        chooses: None,
        halves: Halves::Reads,
        beside: None,
    };
    let looked = crate::pass::run(&mut session, look, &progress).await?;
    if let Some(exit) = session.stopped() {
        return Ok(Answer::new("stopped before anything was put back").with_exit(exit));
    }
    if is_asked_again(&session, &looked, &guard) {
        return Ok(looked.answer());
    }
    let what = stopped(&session, &looked, &guard).await?;
    let manner = Manner { force: false, revert_source: true, who: session.who.as_str().into() };
    let label = ("guard", id.to_string());
    let done = rollback::carry_out(
        &mut session,
        (label.0, &label.1),
        Some(guard.entity),
        what,
        &manner,
        &progress,
    )
    .await?;
    drop(progress);
    if matches!(done.outcome.exit, Exit::Done | Exit::SetAside) {
        session.hub.settle_guard(id, "reversed", &session.who).await?;
    }
    let restored = words::counted(done.report.restored, "change");
    let summary = format!("guard {id} is reversed: {restored} put back");
    let undo = format!("Undo: syncline rollback run {}", done.own);
    let mut answer = done.outcome.answer();
    let text = [answer.text.as_str(), summary.as_str(), undo.as_str()].join("\n");
    answer.text = text.trim_start().into();
    answer.summary = summary;
    answer.result = json!({
        "reversed": id,
        "restored": done.report.restored,
        "run": done.own.to_string(),
        "written": answer.result,
    });
    Ok(answer)
}

/// Whether rows vanished there that are others than those that were shown.
fn is_asked_again(session: &Session, looked: &Outcome, guard: &Guard) -> bool {
    let mut tripped = looked.passed.entities.iter().flat_map(|report| &report.tripped);
    tripped.any(|tripped| match tripped {
        Tripped::Absences(held) => {
            let system = session.plan.binding(held.binding).map(|found| found.system);
            held.code == guard.code && system == Some(guard.system)
        }
        Tripped::Planned { .. } => false,
    })
}

/// What exactly it stopped: rows that vanished from a system, or writes to it.
async fn stopped(session: &Session, looked: &Outcome, guard: &Guard) -> Result<What, Failure> {
    let let_through = looked.passed.entities.iter().find(|report| report.let_through > 0);
    if let Some(report) = let_through {
        return Ok(What::Deaths(report.run, guard.system));
    }
    let kind = match guard.code.as_str() {
        "guard.mass_update" | "guard.mass_blank" | "guard.corrupt_values" => WriteKind::Update,
        _ => WriteKind::Delete,
    };
    let desk = Session::desk(&session.plan, &session.hub, &Unwatched, &session.stop, RunId(0));
    if pass::pending(&desk, guard.entity, guard.system, kind).await? == guard.digest {
        return Ok(What::Pending(guard.entity, guard.system, kind));
    }
    let entity = session.entity_name(guard.entity);
    let message = format!("what guard {} stopped is not what would be done now", guard.number);
    Err(Failure::new("plan.stale", message)
        .cause("rows of it changed since it was shown")
        .done("nothing was written")
        .fix(format!("syncline run {entity}: it trips again with what there is now")))
}
