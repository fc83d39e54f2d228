//! What must hold when everything has come to rest. Each check names the guarantee it guards.

use std::collections::BTreeMap;

use syncline_core::{
    change::RowKey,
    commit::Subject,
    error::{ErrorKind, PortError},
    group::{Group, Scope},
    name::{EntityIndex, FieldIndex, SystemIndex},
    plan::Class,
    value::Value,
};
use syncline_engine::capture::Captured;

use crate::{
    store::Memory,
    world::{Breach, World},
};

/// Prints a line of a trace.
#[expect(clippy::print_stdout, reason = "a trace is for people")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Conservation: each row that was shown ended in exactly one account.
///
/// # Errors
/// The sums, where they differ.
pub fn conserved(captured: &Captured) -> Result<(), PortError> {
    let observed: u64 = captured.account.observed.values().sum();
    let counted: u64 = captured.account.ledger.0.values().sum();
    if counted == observed {
        return Ok(());
    }
    let detail = format!("{observed} rows were shown, {counted} are accounted for");
    Err(PortError::new(ErrorKind::Unexpected, "keep the books", detail))
}

/// All checks of a world at rest.
///
/// # Errors
/// The first breach.
pub fn at_rest(world: &World) -> Result<(), Breach> {
    let memory = world.store.memory().clone();
    nothing_lost(world, &memory)?;
    for group in memory.groups.values() {
        shown(world, &memory, group)?;
    }
    nobody_twice(world, &memory)
}

/// No lost update: what the hub replaced was golden, or is in the audit.
fn nothing_lost(world: &World, memory: &Memory) -> Result<(), Breach> {
    let accounted: std::collections::BTreeSet<String> =
        memory.accounted.iter().map(|text| text.to_lowercase()).collect();
    for (index, system) in world.systems.iter().enumerate() {
        let state = system.state();
        // A system without preconditions can lose an edit between our look and our write; said so.
        if state.class == Class::Blind {
            continue;
        }
        for value in &state.replaced {
            if value != "between" && !accounted.contains(&value.to_lowercase()) {
                let detail =
                    format!("{value:?} was overwritten in system {index}, and nobody knows of it");
                return Err(Breach { guarantee: "no lost update", detail });
            }
        }
    }
    Ok(())
}

fn is_set_aside(memory: &Memory, group: &Group) -> bool {
    let waits = |link: &syncline_core::group::Link| link.parked.is_some() || !link.held.is_empty();
    group.root.links.iter().any(waits)
        || waits_for_set_aside(memory, group)
        || !group.root.conflicts.is_empty()
        || memory.quarantine.iter().any(|(subject, (_, related))| {
            related.contains(&group.id)
                || matches!(subject, Subject::Write { record, .. } if *record == group.id)
        })
}

/// Whether a row waits, through others, for one whose unique value cannot be had.
fn waits_for_set_aside(memory: &Memory, group: &Group) -> bool {
    group.root.links.iter().any(|link| {
        let mut seen = std::collections::BTreeSet::from([group.id]);
        let mut next = link.waits_for;
        while let Some(record) = next.filter(|record| seen.insert(*record)) {
            let holder = memory.groups.get(&record).and_then(|group| group.root.link(link.system));
            if holder.is_some_and(|holder| holder.parked.is_some()) {
                return true;
            }
            next = holder.and_then(|holder| holder.waits_for);
        }
        false
    })
}

/// Convergence: every system shows what the hub holds.
fn shown(world: &World, memory: &Memory, group: &Group) -> Result<(), Breach> {
    if is_set_aside(memory, group) || group.merged_into.is_some() {
        return Ok(());
    }
    let breach = |detail: String| Err(Breach { guarantee: "convergence", detail });
    for (index, system) in world.systems.iter().enumerate() {
        let own = SystemIndex(index as u16);
        let Some(binding) = world.plan.binding_of(group.entity, own) else { continue };
        let state = system.state();
        let link = group.root.link(own);
        let key = link.and_then(|link| link.key.clone());
        let row = key.as_ref().and_then(|key| state.tables.get(&binding)?.rows.get(key));
        let scope = link.map_or(Scope::In, |link| link.scope);
        match (group.root.exists.alive, row) {
            (true, Some(row)) => {
                for (field, cell) in group.root.cells.iter().enumerate() {
                    let shown = row.values.get(field).cloned().unwrap_or_default();
                    if !same(memory, own, &cell.value, &shown) {
                        return breach(format!(
                            "{} field {field}: the hub holds {:?}, system {index} shows {shown:?}",
                            group.id, cell.value
                        ));
                    }
                }
            }
            (true, None) if scope == Scope::In => {
                return breach(format!("{} lives, and has no row in system {index}", group.id));
            }
            (false, Some(_)) if link.is_some_and(syncline_core::group::Link::is_present) => {
                return breach(format!(
                    "{} is deleted, and system {index} still shows it",
                    group.id
                ));
            }
            (true, None) | (false, _) => {}
        }
    }
    Ok(())
}

fn same(memory: &Memory, system: SystemIndex, golden: &Value, shown: &Value) -> bool {
    match (golden, shown) {
        (Value::Ref(record), shown) => {
            let parent = memory.groups.get(record).and_then(|group| group.root.link(system));
            let key = parent.and_then(|link| link.key.clone());
            key == Some(RowKey::new([shown])) || (key.is_none() && shown.is_null())
        }
        (Value::Text(golden), Value::Text(shown)) => golden.eq_ignore_ascii_case(shown),
        (golden, shown) => golden == shown,
    }
}

/// No duplicate: every row is the only row of its record, and every row has one.
fn nobody_twice(world: &World, memory: &Memory) -> Result<(), Breach> {
    for (index, system) in world.systems.iter().enumerate() {
        let own = SystemIndex(index as u16);
        let state = system.state();
        for entity in 0..world.plan.entities.len() {
            let Some(binding) = world.plan.binding_of(EntityIndex(entity as u16), own) else {
                continue;
            };
            let mut seen: BTreeMap<Encoded, RowKey> = BTreeMap::new();
            for (key, row) in state.tables.get(&binding).into_iter().flat_map(|table| &table.rows) {
                let aside =
                    memory.quarantine.contains_key(&Subject::Row { binding, key: key.clone() });
                let known = memory
                    .rows
                    .get(&(binding, key.clone()))
                    .is_some_and(|known| known.digest.is_some());
                if !known && !aside {
                    let detail =
                        format!("row {key} of system {index} belongs to nobody: {:?}", row.values);
                    return Err(Breach { guarantee: "no duplicate", detail });
                }
                let name = Encoded(
                    row.values.get(FieldIndex(0).at()).cloned().unwrap_or_default().encoded(),
                );
                if let Some(other) = seen.insert(name, key.clone()) {
                    let detail = format!("rows {other} and {key} of system {index} are the same");
                    return Err(Breach { guarantee: "no duplicate", detail });
                }
            }
        }
    }
    Ok(())
}

/// A value by its encoding, so that it can be a key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Encoded(Vec<u8>);
