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
    desk::Desk,
    garbled,
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
    let Verdicts { tripped, judged, is_unharmed } = judge(desk, allow, report).await?;
    if is_unharmed {
        garbled::is_over(desk, report.entity).await?;
    }
    report.tripped.extend(tripped);
    report.judged = judged;
    Ok(())
}

/// What was looked at in one system so far, written or about to be, and how much of it a person let
/// through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    deletes: Count,
    updates: Count,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: u64,
    approved: u64,
}

/// What the guards say of what is to be written now.
pub(super) struct Verdicts {
    pub(super) tripped: Vec<Tripped>,
    judged: BTreeMap<SystemIndex, Judged>,
    /// It was suspected that what is to be written is garbled, and nothing is.
    is_unharmed: bool,
}

/// The guards that what is to be written now would trip. Many small portions are a large one; what
/// was judged already is not judged again.
pub(super) async fn judge(
    desk: &Desk<'_>,
    allow: &Allow,
    report: &EntityPassed,
) -> Result<Verdicts, PortError> {
    let judged = report.judged.clone();
    let mut verdicts = Verdicts { tripped: Vec::new(), judged, is_unharmed: false };
    let Some(entity) = desk.plan.entity(report.entity) else { return Ok(verdicts) };
    let is_suspect = garbled::is_suspected(desk, report.entity).await?;
    let mut is_garbled = false;
    for (system, count) in desk.store.count_behind(report.entity, desk.now()).await? {
        let written = report.written.get(&system).copied().unwrap_or_default();
        let judged = verdicts.judged.entry(system).or_default();
        let linked = count.linked + written.deletes;
        let portions = [
            (WriteKind::Delete, allow.deletes, written.deletes, count.deletes, &mut judged.deletes),
            (WriteKind::Update, allow.updates, written.updates, count.updates, &mut judged.updates),
        ];
        for (kind, allowed, done, due, judged) in portions {
            let (all, is_delete) = (done + due, kind == WriteKind::Delete);
            let asked = judged.approved + if is_delete { report.let_through } else { 0 };
            // Who allows many updates does not allow harm: what is emptied or garbled is asked about all the same.
            let counted = |all: u64| match (allowed, is_delete) {
                (true, _) => Verdict::Pass,
                (false, true) => guard::deletes(&entity.guards, all, linked),
                (false, false) => guard::updates(&entity.guards, all, linked),
            };
            let verdict = counted(all.saturating_sub(asked));
            let (is_more, known) = (all > judged.all, judged.all);
            judged.all = judged.all.max(all);
            let is_let_through = desk.plan.is_mutant(Mutant::GuardNeverTrips);
            let may_blank = !is_delete && guard::may_blank(&entity.guards, due);
            let may_be_garbled = !is_delete && is_suspect;
            is_garbled |= may_be_garbled && due > 0 && !is_more;
            let is_looked_at = verdict != Verdict::Pass || may_blank || may_be_garbled;
            if !is_looked_at || !is_more || is_let_through {
                continue;
            }
            let Planned { digest, samples, waiting, blanks, garbled } =
                planned(desk, report.entity, system, kind).await?;
            is_garbled |= garbled > 0;
            // What waits is judged once it can be written.
            let all = all.saturating_sub(waiting);
            judged.all = known.max(all);
            let mut verdict = counted(all.saturating_sub(asked));
            let mut count = due.saturating_sub(waiting);
            if verdict == Verdict::Pass && may_blank {
                (verdict, count) = (guard::blanks(&entity.guards, blanks, linked), blanks);
            }
            if let trips @ Verdict::Trip { .. } = guard::corrupt(&entity.guards, garbled) {
                (verdict, count) = (trips, garbled);
            }
            let Verdict::Trip { code, max } = verdict else { continue };
            if allow.approved.contains(&digest) {
                judged.approved = all;
                continue;
            }
            verdicts.tripped.push(Tripped::Planned {
                code,
                system,
                count,
                linked,
                max,
                digest,
                samples,
            });
        }
    }
    verdicts.is_unharmed = is_suspect && !is_garbled;
    Ok(verdicts)
}

/// What exactly would be written of this kind in this system now, as a guard names it.
///
/// # Errors
/// The store's.
pub async fn pending(
    desk: &Desk<'_>,
    entity: EntityIndex,
    system: SystemIndex,
    kind: WriteKind,
) -> Result<Digest, PortError> {
    Ok(planned(desk, entity, system, kind).await?.digest)
}

/// What exactly would be written.
struct Planned {
    /// Every operation that counts, in one.
    digest: Digest,
    /// Some of their rows.
    samples: Vec<RowKey>,
    /// How many do not count: they were let through before, wait for other rows, and would not be written
    /// now either. Whoever asked about them again would hold back their neighbours for good.
    waiting: u64,
    /// How many values of one field would be emptied: of the field with most of them.
    blanks: u64,
    /// How many values would be replaced by the same in another character set.
    garbled: u64,
}

/// Looks at every operation of this kind.
async fn planned(
    desk: &Desk<'_>,
    entity: EntityIndex,
    system: SystemIndex,
    kind: WriteKind,
) -> Result<Planned, PortError> {
    let (mut all, mut samples, mut waiting, mut after) = (Vec::new(), Vec::new(), 0, None);
    let (mut blanks, mut garbled): (BTreeMap<_, u64>, u64) = (BTreeMap::new(), 0);
    loop {
        let (operations, last) = preview::page(desk, entity, system, after, PLANNED_PAGE).await?;
        if last.is_none() {
            let blanks = blanks.into_values().max().unwrap_or_default();
            return Ok(Planned { digest: Digest::of(&all), samples, waiting, blanks, garbled });
        }
        after = last;
        for operation in operations.into_iter().filter(|operation| operation.kind == kind) {
            if operation.tried && operation.waits {
                waiting += 1;
                continue;
            }
            garbled += operation.garbled();
            for place in operation.emptied() {
                *blanks.entry(place).or_default() += 1;
            }
            all.extend_from_slice(&operation.digest.0);
            if samples.len() < SAMPLES_MAX {
                samples.extend(operation.origin.map(|(_, key)| key));
            }
        }
    }
}
