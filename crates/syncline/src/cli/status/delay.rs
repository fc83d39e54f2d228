//! How long changes took from system to system: from their time at the origin, where the origin
//! tells it, else from when they were read, to the answer of the target.

use std::collections::BTreeMap;

use syncline_core::{
    commit::AuditKind,
    name::{EntityIndex, RecordId, SystemIndex, Timestamp},
};
use syncline_ports::reader::Entry;

/// A change of a record on its way.
struct Underway {
    since: Timestamp,
    /// It arrived somewhere: what comes next is another change.
    arrived: bool,
}

/// A write that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Where.
    pub(super) system: Option<SystemIndex>,
    /// When.
    pub(super) at: Timestamp,
    /// After so many milliseconds.
    pub(super) delay_ms: i64,
}

/// In milliseconds, the delay that so many of 100 writes did not exceed; `None` if there were none.
pub(super) fn percentile<'a>(
    arrived: impl Iterator<Item = &'a Arrived>,
    of_hundred: usize,
) -> Option<i64> {
    let mut delays: Vec<i64> = arrived.map(|it| it.delay_ms).collect();
    delays.sort_unstable();
    delays.get((delays.len() * of_hundred).div_ceil(100).saturating_sub(1)).copied()
}

/// The writes of this entity, oldest first. `entries` are newest first. What is older than `first`,
/// when the entity was first read, counts from then.
pub(super) fn arrived(
    entries: &[Entry],
    of: impl Fn(EntityIndex) -> bool,
    first: Timestamp,
) -> Vec<Arrived> {
    let mut underway: BTreeMap<RecordId, Underway> = BTreeMap::new();
    let mut arrived = Vec::new();
    for entry in entries.iter().rev().filter(|entry| of(entry.event.entity)) {
        match entry.event.kind {
            AuditKind::Written => {
                if let Some(change) = underway.get_mut(&entry.event.record) {
                    change.arrived = true;
                    let delay_ms = (entry.at.0 - change.since.0).max(0) / 1_000;
                    arrived.push(Arrived { system: entry.event.system, at: entry.at, delay_ms });
                }
            }
            AuditKind::Created
            | AuditKind::Changed
            | AuditKind::Agreed
            | AuditKind::Overridden
            | AuditKind::Lost
            | AuditKind::Rejected
            | AuditKind::Merged
            | AuditKind::Deleted
            | AuditKind::DeleteOverridden
            | AuditKind::Revived
            | AuditKind::ConflictSettled
            | AuditKind::Scope
            | AuditKind::Person => {
                let since = entry.event.source_at.unwrap_or(entry.at).max(first).min(entry.at);
                let change = underway
                    .entry(entry.event.record)
                    .or_insert(Underway { since, arrived: false });
                if change.arrived {
                    *change = Underway { since, arrived: false };
                }
                change.since = change.since.min(since);
            }
            AuditKind::Linked
            | AuditKind::Unlinked
            | AuditKind::Rekeyed
            | AuditKind::Rendered
            | AuditKind::Refused
            | AuditKind::Ambiguous
            | AuditKind::ConflictOpened
            | AuditKind::LoopSuspected
            | AuditKind::Covered
            | AuditKind::Warned
            | AuditKind::Held
            | AuditKind::Erased => {}
        }
    }
    arrived
}

#[cfg(test)]
mod tests;
