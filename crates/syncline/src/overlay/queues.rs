//! What a plan would leave for a person, and what it would fill, counted per system.

use std::collections::BTreeSet;

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    change::Expected,
    commit::Subject,
    group::Author,
    name::{EntityIndex, SystemIndex},
};
use syncline_engine::preview::Operation;
use syncline_ports::reader::Reader as _;

use super::{EntityPlan, Wish};
use crate::{address, report::Failure, session::Session};

/// What of one system waits for a person, or is left alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queues {
    /// Conflicts in which this system's value competes.
    pub(crate) conflicts: u64,
    /// Rows of it that cannot be taken, and writes to it that cannot be made.
    pub(crate) invalid: u64,
    /// Rows of it that match more than one record.
    pub(crate) review: u64,
    /// Rows of it that scope or direction keep out.
    pub(crate) out_of_scope: u64,
}

/// Counts what this would leave for a person.
pub(super) async fn wait(
    session: &Session,
    hub: &SqliteHub,
    index: EntityIndex,
    wish: &Wish,
    plan: &mut EntityPlan,
) -> Result<(), Failure> {
    for conflict in hub.conflicts(false, 1_000_000).await? {
        if conflict.entity != index {
            continue;
        }
        plan.conflicts += 1;
        let systems: BTreeSet<SystemIndex> = conflict
            .candidates
            .iter()
            .filter_map(|candidate| match candidate.author {
                Author::System(system) => Some(system),
                Author::Nobody | Author::Person | Author::Merged => None,
            })
            .collect();
        for system in systems {
            plan.queues.entry(system).or_default().conflicts += 1;
        }
        if plan.disputes.len() < wish.samples {
            let group = hub.group(conflict.record).await?;
            let name = group.map(|group| address::of(session, &group));
            let name = name.unwrap_or_else(|| conflict.record.to_string());
            plan.disputes.push((name, conflict));
        }
    }
    for entry in hub.quarantine(1_000_000).await? {
        if entry.entity != index || entry.dropped.is_some() {
            continue;
        }
        let system = match entry.subject {
            Subject::Row { binding, .. } => session.plan.binding(binding).map(|it| it.system),
            Subject::Write { system, .. } | Subject::Excess { system, .. } => Some(system),
            Subject::Record { .. } => None,
        };
        let mut nowhere = Queues::default();
        let queues = match system {
            Some(system) => plan.queues.entry(system).or_default(),
            None => &mut nowhere,
        };
        if entry.code == "match.ambiguous" {
            plan.review += 1;
            queues.review += 1;
        } else {
            plan.invalid += 1;
            queues.invalid += 1;
        }
    }
    Ok(())
}

/// Counts the cells that this update fills where nothing was.
pub(super) fn fills(operation: &Operation, plan: &mut EntityPlan) {
    for write in &operation.writes.writes {
        let Expected::Fields(before) = &write.expect else { continue };
        for (field, after) in &write.set {
            let was_empty = before.iter().any(|(other, value)| other == field && value.is_null());
            if was_empty && !after.is_null() {
                *plan.fills.entry((operation.system, *field)).or_default() += 1;
            }
        }
    }
}
