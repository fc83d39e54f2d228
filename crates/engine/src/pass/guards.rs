//! The guards of a pass: how much would be written, and whether that is too much.

use std::collections::BTreeMap;

use syncline_core::{
    change::{RowKey, WriteKind},
    error::PortError,
    guard::{self, Verdict},
    mutant::Mutant,
    name::{EntityIndex, SystemIndex},
    value::Digest,
};

use crate::{
    apply::Written,
    desk::Desk,
    pass::{Allow, EntityPassed, Tripped},
    preview,
};

/// Records looked at together when a guard says what exactly it stopped.
const PLANNED_PAGE: usize = 2_000;
/// Rows that a guard names as examples.
const SAMPLES_MAX: usize = 5;

/// Counts what would be written, and trips where it is too much. Before the first write, and before
/// each further round: what was read since the last one may have made more of it.
pub(super) async fn check(
    desk: &Desk<'_>,
    allow: &Allow,
    report: &mut EntityPassed,
) -> Result<(), PortError> {
    if !report.tripped.is_empty() {
        return Ok(());
    }
    let tripped = trips(desk, allow, report).await?;
    report.tripped.extend(tripped);
    Ok(())
}

/// The guards that what is to be written now would trip.
pub(super) async fn trips(
    desk: &Desk<'_>,
    allow: &Allow,
    report: &EntityPassed,
) -> Result<Vec<Tripped>, PortError> {
    let mut tripped = Vec::new();
    let Some(entity) = desk.plan.entity(report.entity) else { return Ok(tripped) };
    for (system, count) in desk.store.count_behind(report.entity, desk.now()).await? {
        // Many small portions are a large one. What a person approved is counted no more.
        let written = report.written.get(&system).copied().unwrap_or_default();
        let before = if allow.approved.is_empty() { written } else { Written::default() };
        let unasked = (count.deletes + before.deletes).saturating_sub(report.let_through);
        let linked = count.linked + before.deletes;
        let deletes = guard::deletes(&entity.guards, unasked, linked);
        let updates = guard::updates(&entity.guards, count.updates + before.updates, linked);
        let checks = [
            (deletes, allow.deletes, WriteKind::Delete, count.deletes),
            (updates, allow.updates, WriteKind::Update, count.updates),
        ];
        for (verdict, allowed, kind, number) in checks {
            let Verdict::Trip { code, max } = verdict else { continue };
            if number == 0 || allowed || desk.plan.is_mutant(Mutant::GuardNeverTrips) {
                continue;
            }
            let (digest, samples) = planned(desk, report.entity, system, kind).await?;
            if !allow.approved.contains(&digest) {
                tripped.push(Tripped::Planned {
                    code,
                    system,
                    count: number,
                    linked,
                    max,
                    digest,
                    samples,
                });
            }
        }
    }
    Ok(tripped)
}

/// What exactly would be written: every operation of this kind, in one digest, and some of the rows.
async fn planned(
    desk: &Desk<'_>,
    entity: EntityIndex,
    system: SystemIndex,
    kind: WriteKind,
) -> Result<(Digest, Vec<RowKey>), PortError> {
    let (mut all, mut samples, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = desk.store.behind(entity, system, after, desk.now(), PLANNED_PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok((Digest::of(&all), samples)) };
        after = Some(*last);
        let wanted: BTreeMap<_, _> =
            page.into_iter().filter(|(_, behind)| behind.kind == kind).collect();
        let records: Vec<_> = wanted.keys().copied().collect();
        for group in preview::load(desk, &records).await?.into_values() {
            let Some(behind) = wanted.get(&group.id) else { continue };
            let operation = preview::describe(desk.plan, &group, system, behind);
            all.extend_from_slice(&operation.digest.0);
            if samples.len() < SAMPLES_MAX {
                samples.extend(operation.origin.map(|(_, key)| key));
            }
        }
    }
}
