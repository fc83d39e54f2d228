//! When each binding was last read completely, remembered in the hub.

use std::collections::BTreeMap;

use syncline_core::{
    name::{BindingIndex, Timestamp},
    plan::Plan,
};
use syncline_engine::{
    capture::{Mode, stream_name},
    pass::EntityPassed,
};
use syncline_ports::reader::Reader as _;

use crate::{report::Failure, session::Session, words};

fn scan_note(plan: &Plan, binding: BindingIndex) -> String {
    format!("complete:{}", stream_name(plan, binding, Mode::Scan))
}

/// When this binding was last read completely, if its entity meant then what it means now: under
/// another meaning, rows that did not change may still say something new.
pub(crate) async fn last(
    session: &Session,
    binding: BindingIndex,
) -> Result<Option<Timestamp>, Failure> {
    let note = session.hub.note(&scan_note(&session.plan, binding)).await?.unwrap_or_default();
    let (at, meaning) = note.split_once(' ').unwrap_or_default();
    let is_same = meaning == meaning_of(&session.plan, binding);
    Ok(at.parse::<i64>().ok().map(Timestamp).filter(|_| is_same))
}

/// The meaning of the root entity that this binding belongs to, as text.
fn meaning_of(plan: &Plan, binding: BindingIndex) -> String {
    let entity = plan.binding(binding).and_then(|found| plan.entity(found.entity));
    let root = entity.and_then(|entity| entity.parent).and_then(|parent| plan.entity(parent));
    root.or(entity).map(|entity| words::hex(&entity.meaning)).unwrap_or_default()
}

/// Forgets when this binding was last read completely: it is read whole the next time.
pub(crate) async fn forget(session: &Session, binding: BindingIndex) -> Result<(), Failure> {
    session.hub.set_note(&scan_note(&session.plan, binding), "").await?;
    Ok(())
}

/// Remembers which bindings this pass read completely.
pub(super) async fn remember(
    session: &Session,
    report: &EntityPassed,
    modes: &BTreeMap<BindingIndex, Mode>,
    began: Timestamp,
) -> Result<(), Failure> {
    for binding in &report.complete {
        if modes.get(binding) == Some(&Mode::Scan) {
            let note = format!("{} {}", began.0, meaning_of(&session.plan, *binding));
            session.hub.set_note(&scan_note(&session.plan, *binding), &note).await?;
        }
    }
    Ok(())
}
