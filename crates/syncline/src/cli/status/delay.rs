//! How long changes took from system to system: from their time at the origin, where the origin
//! tells it, else from when they were read, to the answer of the target.

use std::collections::BTreeMap;

use syncline_core::{
    commit::AuditKind,
    name::{EntityIndex, RecordId, Timestamp},
};
use syncline_ports::reader::Entry;

/// A change of a record on its way.
struct Underway {
    since: Timestamp,
    /// It arrived somewhere: what comes next is another change.
    arrived: bool,
}

/// In milliseconds, the delay that 95 of 100 writes of this entity did not exceed; `None` if there
/// were none. `entries` are newest first. What is older than `first`, when the entity was first
/// read, counts from then.
pub(super) fn p95_ms(
    entries: &[Entry],
    of: impl Fn(EntityIndex) -> bool,
    first: Timestamp,
) -> Option<i64> {
    let mut underway: BTreeMap<RecordId, Underway> = BTreeMap::new();
    let mut delays = Vec::new();
    for entry in entries.iter().rev().filter(|entry| of(entry.event.entity)) {
        match entry.event.kind {
            AuditKind::Written => {
                if let Some(change) = underway.get_mut(&entry.event.record) {
                    change.arrived = true;
                    delays.push((entry.at.0 - change.since.0).max(0) / 1_000);
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
            | AuditKind::Covered => {}
        }
    }
    delays.sort_unstable();
    delays.get((delays.len() * 95).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests;
