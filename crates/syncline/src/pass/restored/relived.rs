//! A system that counts nothing tells of its past by what it shows: many changes at once, and nearly all of them
//! bring back what was there before; what is gone was made at more than one time, and some of it by others.
//! Whoever takes back an import of their own takes back what they made, and an automation that undoes what it is
//! given undoes what was written last: both are edits like any other.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    change::PartKey,
    commit::{AuditEvent, AuditKind},
    name::{FieldIndex, RecordId, SystemIndex},
    value::Value,
};
use syncline_engine::pass::EntityPassed;
use syncline_ports::reader::{HistoryFilter, Number, Reader as _};

use crate::{pass::restored::has_heartbeat, report::Failure, session::Session};

/// Fewer changes of one system in one run are nothing that stands out.
const CHANGES_MIN: usize = 10;
/// So many per cent of them bring something back.
const BACK_PERCENT: usize = 90;
/// So many of the run's events are looked at.
const EVENTS_MAX: usize = 2_000;
/// So many records' histories are looked at, and so far back.
const RECORDS_MAX: usize = 100;
const HISTORY_MAX: usize = 256;

type Place = (PartKey, Option<FieldIndex>);

/// Whether nearly all that this run has taken from the system was there before. Costs a look at the run's
/// events, and for many of them one at the histories of some records.
pub(super) async fn shows(
    session: &Session,
    report: &EntityPassed,
    system: SystemIndex,
) -> Result<bool, Failure> {
    if report.count(syncline_core::commit::Disposition::Applied) < CHANGES_MIN as u64
        || has_heartbeat(session, report.entity, system).await?
    {
        return Ok(false);
    }
    let hub = &session.hub;
    let own = HistoryFilter { run: Some(report.run), limit: EVENTS_MAX, ..Default::default() };
    let mut changed: BTreeMap<RecordId, Vec<(Place, Option<Value>, Number)>> = BTreeMap::new();
    for entry in hub.history(&own).await? {
        let event = entry.event;
        let is_change = matches!(event.kind, AuditKind::Changed | AuditKind::Revived);
        if is_change && event.system == Some(system) {
            let place = (event.part, event.field);
            let events = changed.entry(event.record).or_default();
            events.push((place, event.after, entry.number));
        }
    }
    if changed.values().map(Vec::len).sum::<usize>() < CHANGES_MIN {
        return Ok(false);
    }
    let (mut all, mut back) = (0, 0);
    let (mut is_others, mut times) = (false, BTreeSet::new());
    for (record, events) in changed.into_iter().take(RECORDS_MAX) {
        let filter =
            HistoryFilter { record: Some(record), limit: HISTORY_MAX, ..Default::default() };
        let before = hub.history(&filter).await?;
        for ((part, field), after, number) in events {
            all += 1;
            let mut earlier = before.iter().filter(|entry| {
                let place = (&entry.event.part, entry.event.field);
                entry.number < number && place == (&part, field)
            });
            // The newest first: that is what is gone now.
            let Some(gone) = earlier.next() else { continue };
            let was_there = |event: &AuditEvent| event.before.is_some() && event.before == after;
            // A life that comes back is a past by itself.
            if field.is_none() || was_there(&gone.event) || earlier.any(|it| was_there(&it.event)) {
                back += 1;
                is_others |= gone.event.system != Some(system);
                times.insert(gone.run);
            }
        }
    }
    Ok(back * 100 >= all * BACK_PERCENT && is_others && times.len() > 1)
}
