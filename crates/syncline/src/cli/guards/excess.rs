//! The answers to a guard that holds what a user has changed too much.

use serde_json::json;
use syncline_ports::reader::{Guard, Reader as _};

use crate::{
    cli::{Context, ask, rollback},
    exit::Exit,
    progress::Progress,
    report::{Answer, Failure},
    rollback::{Excess, Manner, What},
    session::Session,
    words,
};

/// Lets it through, or puts its origin back; exactly what was shown, and nothing that came since.
pub(super) async fn answer(
    session: &mut Session,
    context: &Context,
    guard: &Guard,
    answer: Excess,
) -> Result<Answer, Failure> {
    let id = guard.number;
    let (entity, user) = (session.entity_name(guard.entity), &guard.user);
    let count = words::count(guard.count);
    let (question, state) = match answer {
        Excess::LetThrough => {
            (format!("Let {count} of {entity} through that {user} has changed?"), "applied")
        }
        Excess::TakenBack => {
            (format!("Put back {count} of {entity} that {user} has changed?"), "reversed")
        }
    };
    if !(context.yes || context.interactive && ask::yes(&question)) {
        let message = format!("guard {id} was not answered; nothing was written");
        return Err(
            Failure::new("run.unapproved", message).fix("answer on a terminal, or say --yes")
        );
    }
    let progress = Progress::new("guard", context.progress);
    let manner = Manner { force: false, revert_source: true, who: session.who.as_str().into() };
    let what = What::Excess(id, answer);
    let label = id.to_string();
    let done = rollback::carry_out(
        session,
        ("guard", &label),
        Some(guard.entity),
        what,
        &manner,
        &progress,
    )
    .await?;
    drop(progress);
    if matches!(done.outcome.exit, Exit::Done | Exit::SetAside) {
        session.hub.settle_guard(id, state, &session.who).await?;
    }
    let records = words::counted(done.report.records.len() as u64, "record");
    let restored = done.report.restored;
    let summary = match answer {
        Excess::LetThrough => format!("guard {id} is applied: {records} let through"),
        Excess::TakenBack => format!(
            "guard {id} is reversed: {} of {records} put back",
            words::counted(restored, "change")
        ),
    };
    let own = done.own;
    let count = done.report.records.len();
    let mut answered = done.outcome.answer();
    let mut text = [answered.text.as_str(), summary.as_str()].join("\n");
    if answer == Excess::TakenBack {
        text.push_str(&format!("\nUndo: syncline rollback run {own}"));
    }
    answered.text = text.trim_start().into();
    answered.summary = summary;
    answered.result = json!({
        state: id,
        "records": count,
        "restored": restored,
        "run": own.to_string(),
        "written": answered.result,
    });
    Ok(answered)
}
