//! What a delete means for the records that refer to the deleted one: decided once everything was read
//! and before anything is counted, so that a plan shows it and the guards count it.
//!
//! A delete that a guard stops decides about nobody.

use syncline_core::{
    change::{Effect, Input, WriteKind},
    error::PortError,
    name::{EntityIndex, RecordId, SystemIndex},
    plan::{OnParentDelete, Plan},
};

use crate::{
    desk::{Desk, Systems},
    pass::{Errand, Passed, guards},
    read,
    reconcile::reconcile,
};

/// Deleted records looked at together.
const PAGE: usize = 500;

/// Decides, entity by entity, referred-to ones first: who goes with a parent may be one.
pub(super) async fn decide(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    passed: &mut Passed,
) -> Result<(), PortError> {
    for report in &mut passed.entities {
        if !has_heirs(desk.plan, report.entity) || !report.tripped.is_empty() {
            continue;
        }
        desk.set_run(report.run);
        let mut known = None;
        loop {
            let deletes = deletes(desk, report.entity).await?;
            // Records that refer to others of their own entity may have more to decide about.
            if deletes == 0 || known == Some(deletes) || desk.is_stopping() {
                break;
            }
            known = Some(deletes);
            if !guards::judge(desk, &errand.allow, report).await?.tripped.is_empty() {
                break;
            }
            let bindings = desk.plan.entity(report.entity).map(|entity| entity.bindings.as_slice());
            for binding in bindings.unwrap_or_default() {
                let Some(found) = desk.plan.binding(*binding) else { continue };
                let mut after = None;
                loop {
                    let (mut inputs, last) = page(desk, report.entity, found.system, after).await?;
                    while !inputs.is_empty() {
                        let decided = reconcile(desk, &inputs, Vec::new()).await?;
                        let (rest, effects) = unfinished(decided.effects);
                        read::settle(desk, systems, effects, &mut report.account).await?;
                        inputs = rest;
                    }
                    after = last;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Parents that more refer to than were looked at, and all other effects.
fn unfinished(effects: Vec<Effect>) -> (Vec<Input>, Vec<Effect>) {
    let (mut inputs, mut others) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Again(ref input) if matches!(**input, Input::Orphans { .. }) => {
                inputs.push((**input).clone());
            }
            Effect::Write { .. }
            | Effect::Read { .. }
            | Effect::ReadMarks { .. }
            | Effect::Again(_)
            | Effect::Later { .. }
            | Effect::BlockedOn { .. } => others.push(effect),
        }
    }
    (inputs, others)
}

/// Whether a delete of this entity decides about others.
fn has_heirs(plan: &Plan, entity: EntityIndex) -> bool {
    plan.entities.iter().any(|other| {
        let refers = other.fields.iter().any(|field| field.reference == Some(entity));
        refers
            && match other.on_parent_delete {
                OnParentDelete::Wait => false,
                OnParentDelete::Cascade | OnParentDelete::Detach | OnParentDelete::Forbid => true,
            }
    })
}

async fn deletes(desk: &Desk<'_>, entity: EntityIndex) -> Result<u64, PortError> {
    let counts = desk.store.count_behind(entity, desk.now()).await?;
    Ok(counts.into_iter().map(|(_, count)| count.deletes).sum())
}

async fn page(
    desk: &Desk<'_>,
    entity: EntityIndex,
    system: SystemIndex,
    after: Option<RecordId>,
) -> Result<(Vec<Input>, Option<RecordId>), PortError> {
    let behind = desk.store.behind(entity, system, after, desk.now(), PAGE).await?;
    let last = behind.last().map(|(record, _)| *record);
    let gone = behind.into_iter().filter(|(_, behind)| behind.kind == WriteKind::Delete);
    Ok((
        gone.map(|(record, _)| Input::Orphans { record, system, after: RecordId::NONE }).collect(),
        last,
    ))
}
