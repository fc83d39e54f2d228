//! Living traffic: the rows that were heard of are read, and what that means is decided, so that the
//! second half of a pass can write it.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    error::PortError,
    name::{BindingIndex, EntityIndex},
    plan::Plan,
};

use crate::{
    capture::{Mode, has_cursor},
    desk::{Desk, Systems},
    hear::{self, Gathered, Rows},
    pass::{Errand, Passed, capture, in_order, note, orphans, reread},
};

/// What dealing with what was heard came to.
#[derive(Debug)]
pub struct Dealt {
    /// Entity by entity, as with every pass.
    pub passed: Passed,
    /// Everything could be read. What could not must be heard again.
    pub is_complete: bool,
    /// Rows that could not be decided about yet: they must be dealt with again before it is put on
    /// record how far the system was heard.
    pub later: Rows,
}

/// The first half of a pass over living traffic: reads what was heard of, as far as it is of the
/// entities of this errand.
///
/// # Errors
/// The store's. A system that does not answer is left out, and named.
pub async fn hear(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    gathered: Gathered,
) -> Result<Dealt, PortError> {
    let mut passed = Passed::unread(&errand.entities);
    let order =
        in_order(desk.plan, &passed.entities.iter().map(|it| it.entity).collect::<Vec<_>>());
    passed.entities.sort_by_key(|report| order.iter().position(|it| *it == report.entity));
    let mut portions = portions(desk.plan, gathered.rows);
    let mut shown = gathered.shown;
    let (mut is_complete, mut later) = (true, Rows::new());
    for report in &mut passed.entities {
        let Some(rows) = portions.remove(&report.entity) else { continue };
        desk.set_run(report.run);
        let read = hear::read(desk, systems, rows, &mut shown).await?;
        report.account.absorb(&read.captured.account);
        later.extend(read.later);
        for reading in read.captured.readings {
            is_complete &= reading.complete;
            note(desk, systems, reading, report);
        }
    }
    let polled = gathered.polled.into_iter().filter(|(it, _)| !gathered.whole.contains_key(it));
    let polled: Vec<_> = polled.collect();
    let mode = |binding| if has_cursor(desk.plan, binding) { Mode::Poll } else { Mode::Scan };
    let polled = polled.into_iter().map(|(binding, why)| (binding, mode(binding), why));
    let whole = gathered.whole.into_iter().map(|(binding, why)| (binding, Mode::Scan, why));
    for (binding, mode, why) in whole.chain(polled) {
        let Some(root) = root_of(desk.plan, binding) else { continue };
        let Some(report) = passed.entities.iter_mut().find(|it| it.entity == root) else {
            continue;
        };
        if mode == Mode::Scan {
            tracing::warn!(why = %why, "a table is read whole");
        }
        desk.set_run(report.run);
        let failures = report.failures.len();
        capture(desk, systems, errand, &[binding], mode, report).await?;
        is_complete &= report.failures.len() == failures && report.complete.contains(&binding);
    }
    for report in &mut passed.entities {
        desk.set_run(report.run);
        reread(desk, systems, report).await?;
        report.suspected = desk.suspected(report.run);
    }
    orphans::decide(desk, systems, errand, &mut passed).await?;
    Ok(Dealt { passed, is_complete, later })
}

/// Rows by the entity that they belong to; those of child lists go with their parents'.
fn portions(plan: &Plan, rows: Rows) -> BTreeMap<EntityIndex, Rows> {
    let mut portions: BTreeMap<EntityIndex, Rows> = BTreeMap::new();
    for (binding, keys) in rows {
        if let Some(root) = root_of(plan, binding) {
            portions.entry(root).or_default().insert(binding, keys);
        }
    }
    portions
}

/// The entity that this binding's rows belong to, or whose child list they are.
pub fn root_of(plan: &Plan, binding: BindingIndex) -> Option<EntityIndex> {
    let own = plan.binding(binding)?.entity;
    plan.entity(own).map(|entity| entity.parent.unwrap_or(own))
}

/// These entities and all that refer to them, however indirectly: what is written of the first may let
/// the others be written.
pub fn with_referring(plan: &Plan, entities: &[EntityIndex]) -> Vec<EntityIndex> {
    let mut all: BTreeSet<EntityIndex> = entities.iter().copied().collect();
    loop {
        let known = all.len();
        for (at, entity) in plan.entities.iter().enumerate() {
            let own = EntityIndex(u16::try_from(at).unwrap_or(u16::MAX));
            let refers = entity
                .fields
                .iter()
                .any(|field| field.reference.is_some_and(|target| all.contains(&target)));
            if refers {
                all.insert(entity.parent.unwrap_or(own));
            }
        }
        if all.len() == known {
            return all.into_iter().collect();
        }
    }
}
