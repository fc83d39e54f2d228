//! What a plan says of rules is what happens: who wins, what waits, what is not passed on.

use std::collections::BTreeSet;

use syncline_core::{
    commit::AuditKind,
    group::Author,
    name::EntityIndex,
    plan::{Class, DeleteConflict},
    value::Value,
};

use crate::{
    store::Memory,
    world::{Breach, World},
};

/// The rules were kept.
///
/// # Errors
/// The first breach.
pub(super) fn kept(world: &World, memory: &Memory) -> Result<(), Breach> {
    if let Some(detail) = memory.broken.first() {
        return Err(Breach { guarantee: "rules", detail: detail.clone() });
    }
    edits_survive(world, memory)?;
    nobody_is_orphaned(world)?;
    nothing_forbidden(world)?;
    authors_are_right(world, memory)
}

/// Where an update wins, no record died of a delete whose system had never shown the last edit.
fn edits_survive(world: &World, memory: &Memory) -> Result<(), Breach> {
    let contacts = EntityIndex(0);
    let rule = world.plan.entity(contacts).map(|entity| entity.delete_conflict);
    if rule != Some(DeleteConflict::UpdateWins) {
        return Ok(());
    }
    for group in memory.groups.values().filter(|group| group.entity == contacts) {
        let (false, Author::System(deleter)) = (group.root.exists.alive, group.root.exists.author)
        else {
            continue;
        };
        let Some(system) = world.systems.get(deleter.at()) else { continue };
        for cell in &group.root.cells {
            let Value::Text(text) = &cell.value else { continue };
            let is_edit = text.to_lowercase().starts_with("edit ");
            if is_edit && !system.state().shown.contains(&text.to_lowercase()) {
                let detail = format!("{} died although {text:?} had not been seen", group.id);
                return Err(Breach { guarantee: "rules", detail });
            }
        }
    }
    Ok(())
}

/// No row was made without the row that it refers to.
fn nobody_is_orphaned(world: &World) -> Result<(), Breach> {
    let orphans: u64 = world.systems.iter().map(|system| system.state().orphans).sum();
    if orphans == 0 {
        return Ok(());
    }
    let detail = format!("{orphans} orders were made without a customer");
    Err(Breach { guarantee: "rules", detail })
}

/// Nothing was written that a rule of the plan forbids.
fn nothing_forbidden(world: &World) -> Result<(), Breach> {
    let written: u64 = world.systems.iter().map(|system| system.state().forbidden).sum();
    if written == 0 {
        return Ok(());
    }
    let detail = format!("{written} rows were written that break a rule");
    Err(Breach { guarantee: "rules", detail })
}

/// Nothing counts as the edit of somebody who did not type it.
fn authors_are_right(world: &World, memory: &Memory) -> Result<(), Breach> {
    // Two processes may commit what they read the other way round.
    let authored = memory.authored.iter().filter(|_| !memory.crowded);
    // Without marks a lost answer leaves a doubt about who made a row, and the history says so (I3).
    let doubts = memory.audit.iter().filter(|it| it.kind == AuditKind::Ambiguous);
    let doubts: BTreeSet<_> = doubts.map(|it| (it.system, it.record)).collect();
    for (system, record, text) in authored {
        let Some(sim) = world.systems.get(system.at()) else { continue };
        let state = sim.state();
        let forgets = memory.is_restored && state.class != Class::Log;
        let has_marks = matches!(state.class, Class::Log | Class::Marked);
        let is_doubtful = !has_marks && doubts.contains(&(Some(*system), *record));
        // A write that was given up, and comes when its row shows again what it expects, no comparison of values
        // tells from a user's: class D says so.
        let is_outdated = state.outdated.contains(text);
        if forgets || state.is_restored || is_doubtful || is_outdated {
            continue;
        }
        if state.class != Class::Blind && text.starts_with("edit ") && !state.typed.contains(text) {
            let detail =
                format!("{text:?} counts as an edit in system {}, which never made it", system.0);
            return Err(Breach { guarantee: "causality", detail });
        }
    }
    Ok(())
}
