//! Living traffic: the rows that were heard of are read, and what that means is decided, so that the
//! second half of a pass can write it.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    change::{Position, RowKey},
    error::PortError,
    name::{BindingIndex, EntityIndex, SystemIndex},
    plan::Plan,
};

use crate::{
    capture::Mode,
    desk::{Desk, Systems},
    hear::{self, Gathered},
    pass::{Errand, Passed, capture, in_order, note, orphans, reread},
    reconcile::reconcile,
};

/// What was heard of one system, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The system.
    pub system: SystemIndex,
    /// What is to be read.
    pub gathered: Gathered,
    /// Where to go on to listen once that is dealt with.
    pub upto: Position,
}

/// The first half of a pass over living traffic: reads what was heard of. The report says of which
/// entities; `true` if everything was dealt with, and the position is on record.
///
/// # Errors
/// The store's. A system that does not answer is left out, and named.
pub async fn hear(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    news: News,
) -> Result<(Passed, bool), PortError> {
    let News { system, gathered, upto } = news;
    let mut passed = Passed::unread(&errand.entities);
    let order =
        in_order(desk.plan, &passed.entities.iter().map(|it| it.entity).collect::<Vec<_>>());
    passed.entities.sort_by_key(|report| order.iter().position(|it| *it == report.entity));
    let mut upto = Some(hear::checkpoint(desk.plan, system, upto));
    let mut portions = portions(desk.plan, gathered.rows);
    portions.retain(|entity, _| order.contains(entity));
    let (mut dealt_with, mut left) = (true, portions.len());
    for report in &mut passed.entities {
        let Some(rows) = portions.remove(&report.entity) else { continue };
        desk.set_run(report.run);
        left -= 1;
        // With the last rows, unless there is more to do than rows.
        let last = left == 0 && gathered.whole.is_empty() && dealt_with;
        let checkpoint = if last { upto.take() } else { None };
        let captured = hear::read(desk, systems, rows, checkpoint).await?;
        report.account.absorb(&captured.account);
        for reading in captured.readings {
            dealt_with &= reading.complete;
            note(desk, systems, reading, report);
        }
    }
    for (binding, why) in gathered.whole {
        let Some(root) = root_of(desk.plan, binding) else { continue };
        let Some(report) = passed.entities.iter_mut().find(|it| it.entity == root) else {
            continue;
        };
        tracing::warn!(why = %why, "a table is read whole");
        desk.set_run(report.run);
        let failures = report.failures.len();
        capture(desk, systems, errand, &[binding], Mode::Scan, report).await?;
        dealt_with &= report.failures.len() == failures && report.complete.contains(&binding);
    }
    if let Some(upto) = upto.filter(|_| dealt_with) {
        reconcile(desk, &[], vec![upto]).await?;
    }
    for report in &mut passed.entities {
        desk.set_run(report.run);
        reread(desk, systems, report).await?;
    }
    orphans::decide(desk, systems, errand, &mut passed).await?;
    Ok((passed, dealt_with))
}

/// Rows by the entity that they belong to; those of child lists go with their parents'.
fn portions(
    plan: &Plan,
    rows: BTreeMap<BindingIndex, BTreeSet<RowKey>>,
) -> BTreeMap<EntityIndex, BTreeMap<BindingIndex, BTreeSet<RowKey>>> {
    let mut portions: BTreeMap<EntityIndex, BTreeMap<_, _>> = BTreeMap::new();
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
