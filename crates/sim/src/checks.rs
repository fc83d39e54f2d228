//! What must hold when everything has come to rest. Each check names the guarantee it guards.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    change::{PartKey, RowKey},
    commit::Subject,
    error::{ErrorKind, PortError},
    group::{Group, Link, Part, Scope},
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, SystemIndex},
    plan::{Class, OnLeave},
    value::Value,
};
use syncline_engine::account::Account;

use crate::{
    draft,
    script::{Fault, Script},
    store::Memory,
    system::{SimRow, SimState},
    unreadable,
    world::{Breach, Summary, World},
};

mod again;
mod rules;

pub use again::Rest;

/// Prints a line of a trace.
#[expect(clippy::print_stdout, reason = "a trace is for people")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Conservation: each row that was shown, and each change that was told of, ended in exactly one
/// account, binding by binding.
///
/// # Errors
/// The sums, where they differ.
pub fn conserved(account: &Account) -> Result<(), PortError> {
    let mut counted: BTreeMap<BindingIndex, u64> = BTreeMap::new();
    for ((binding, _), count) in &account.ledger.0 {
        *counted.entry(*binding).or_default() += count;
    }
    let mut observed = account.observed.clone();
    observed.retain(|_, rows| *rows > 0);
    if counted == observed {
        return Ok(());
    }
    let detail = format!("{observed:?} rows were shown, {counted:?} are accounted for");
    Err(PortError::new(ErrorKind::Unexpected, "keep the books", detail))
}

/// All checks of a world at rest.
///
/// # Errors
/// The first breach.
pub fn at_rest(world: &World) -> Result<(), Breach> {
    let memory = world.store.memory();
    nothing_lost(world, &memory)?;
    for group in memory.groups.values() {
        shown(world, &memory, group)?;
    }
    nobody_twice(world, &memory)?;
    booked(&memory)?;
    rules::kept(world, &memory)?;
    drop(memory);
    unreadable::left(world)
}

/// The books say all: each record is rebuilt from them, and each value that changed has a line.
fn booked(memory: &Memory) -> Result<(), Breach> {
    match memory.unbooked.first() {
        Some(detail) => Err(Breach { guarantee: "accounting", detail: detail.clone() }),
        None => Ok(()),
    }
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
    group.parts().any(|(_, part)| part.links.iter().any(waits) || !part.conflicts.is_empty())
        || waits_for_set_aside(memory, group)
        || memory.quarantine.iter().any(|(subject, (_, related))| {
            related.contains(&group.id)
                || matches!(subject, Subject::Write { record, .. } | Subject::Record { record } | Subject::Excess { record, .. } if *record == group.id)
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

/// Convergence: every system shows what the hub holds, with its lists.
fn shown(world: &World, memory: &Memory, group: &Group) -> Result<(), Breach> {
    if is_set_aside(memory, group) || group.merged_into.is_some() {
        return Ok(());
    }
    for (key, part) in group.parts() {
        for (index, system) in world.systems.iter().enumerate() {
            let own = SystemIndex(index as u16);
            let entity = match key {
                PartKey::Root => group.entity,
                PartKey::Child { list, .. } => list,
            };
            let Some(binding) = world.plan.binding_of(entity, own) else { continue };
            // Outside the scope a row keeps what it has, or is nobody's.
            let root = group.root.link(own);
            if root.is_some_and(|link| link.scope != Scope::In) {
                if is_in_scope(world, group) {
                    let detail = format!("{} is in scope, and not in system {index}", group.id);
                    return Err(Breach { guarantee: "convergence", detail });
                }
                continue;
            }
            if !is_in_scope(world, group) {
                continue;
            }
            let link = part.link(own);
            // A rollback leaves its source what it has, or has not.
            if part.is_left(own) || group.root.is_left(own) {
                continue;
            }
            let state = system.state();
            let row_key = link.and_then(|link| link.key.clone());
            let table = state.tables.get(&binding);
            let row = row_key.as_ref().and_then(|key| table?.rows.get(key));
            let parent = root.and_then(|link| link.key.as_ref());
            is_shown(memory, group, part, own, row, parent)?;
        }
    }
    Ok(())
}

/// Whether the golden values say that the record flows.
pub(crate) fn is_in_scope(world: &World, group: &Group) -> bool {
    let has_scope = world.plan.entity(group.entity).is_some_and(|entity| entity.when.is_some());
    let status = group.root.cell(draft::STATUS).map(|cell| &cell.value);
    !has_scope || status == Some(&Value::text("active"))
}

fn is_shown(
    memory: &Memory,
    group: &Group,
    part: &Part,
    system: SystemIndex,
    row: Option<&SimRow>,
    parent: Option<&RowKey>,
) -> Result<(), Breach> {
    let breach = |detail: String| Err(Breach { guarantee: "convergence", detail });
    let record = group.id;
    let index = system.0;
    match (part.exists.alive && group.root.exists.alive, row) {
        (true, Some(row)) => {
            for (field, cell) in part.cells.iter().enumerate() {
                let shown = row.values.get(field).cloned().unwrap_or_default();
                if !same(memory, system, &cell.value, &shown) {
                    return breach(format!(
                        "{record} field {field}: the hub holds {:?}, system {index} shows {shown:?}",
                        cell.value
                    ));
                }
            }
            if row.parent.is_some() && row.parent.as_ref() != parent {
                return breach(format!("a line of {record} hangs elsewhere in system {index}"));
            }
            Ok(())
        }
        (true, None) => breach(format!("{record} lives, and has no row in system {index}")),
        (false, Some(_)) if part.link(system).is_some_and(Link::is_present) => {
            breach(format!("{record} is deleted, and system {index} still shows it"))
        }
        (false, _) => Ok(()),
    }
}

pub(crate) fn same(memory: &Memory, system: SystemIndex, golden: &Value, shown: &Value) -> bool {
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

/// What must hold of a whole life: bounded echo, causality, counters.
///
/// # Errors
/// The first breach.
pub fn whole_life(world: &World, script: &Script, summary: &Summary) -> Result<(), Breach> {
    bounded(world, script, summary)?;
    caused(world, script)?;
    unpolluted(world, script)?;
    summed(world)
}

/// Rows in doubt when a process dies: no more than a batch and what is sent with it.
const DOUBTS_PER_CRASH: u64 = 8;

/// I5: `W <= N * (E + D)`.
fn bounded(world: &World, script: &Script, summary: &Summary) -> Result<(), Breach> {
    let count = |of: fn(&SimState) -> u64| -> u64 {
        world.systems.iter().map(|system| of(&system.state())).sum()
    };
    let writes = count(|state| state.written);
    let edits = count(|state| state.edits) + world.store.memory().answers;
    // Whoever lives at the end of a storm is gone, too.
    let ends = script.processes * (1 + usize::from(script.last_day.is_some()));
    let faults = count(|state| state.faults) + (summary.crashes + ends) as u64 * DOUBTS_PER_CRASH;
    let systems = world.systems.len() as u64;
    // A hub that was restored asks about every row.
    let asked = if world.store.memory().is_restored { world.store.memory().rows.len() } else { 0 };
    let faults = faults + asked as u64;
    if writes <= systems * (edits + faults) {
        return Ok(());
    }
    let detail = format!("{writes} writes after {edits} edits and {faults} faults");
    Err(Breach { guarantee: "bounded echo", detail })
}

/// I3: no value gave way to one that its author had seen. Exact where our own writes carry marks,
/// and in fair weather. A system that rewrites what it is given, and says so nowhere, is only known
/// by its answers: when one is lost, its form of a value counts as somebody's.
fn caused(world: &World, script: &Script) -> Result<(), Breach> {
    let marked = |class: &Class| matches!(class, Class::Log | Class::Marked);
    let is_fair = Fault::ALL.iter().all(|fault| fault.get(&script.weather) == 0);
    // An answer that could not be put on record is a lost one.
    let is_fair = is_fair && !script.rare.full_disk;
    let classes = &script.draft.classes;
    // Two processes on one hub, which its lock forbids, may commit what they read the other way round.
    // A program writes again what somebody typed: its tag says nothing then.
    // What a hub forgot that was restored, only the marks in a log can tell: and not which value it was that a
    // system shows in a form of its own (ADR 26). A value that a system shows again, restored, nobody typed
    // again.
    let tells = classes.iter().all(|it| *it == Class::Log) && script.capitals.is_none();
    let remembers = !world.store.memory().is_restored || tells;
    let is_back = world.systems.iter().any(|system| system.state().is_restored);
    let is_exact = script.processes == 1
        && remembers
        && !is_back
        // A person who takes something back has seen everything, and outranks everybody.
        && !script.rare.rollbacks
        && !script.draft.extras.programs
        && ((classes.iter().all(marked) && script.capitals.is_none())
            || (is_fair && !classes.contains(&Class::Blind)));
    if !is_exact {
        return Ok(());
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for system in &world.systems {
        seen.extend(system.state().seen.clone());
    }
    for (old, new) in &world.store.memory().replaced {
        let mut known = BTreeSet::new();
        let mut next = seen.get(old);
        while let Some(value) = next.filter(|value| known.insert((*value).clone())) {
            if value == new {
                let detail = format!("{old:?} gave way to {new:?}, which its author had seen");
                return Err(Breach { guarantee: "causality", detail });
            }
            next = seen.get(value);
        }
    }
    Ok(())
}

/// I6: the capitals that a system makes of what it is given are nobody's edit. Exact where a log
/// tells what we wrote; elsewhere a lost answer leaves the system's form to be taken for an edit.
fn unpolluted(world: &World, script: &Script) -> Result<(), Breach> {
    let Some(at) = script.capitals else { return Ok(()) };
    let Some(system) = world.systems.get(at).filter(|system| system.state().class == Class::Log)
    else {
        return Ok(());
    };
    let state = system.state();
    let memory = world.store.memory();
    if memory.is_restored {
        // Of a record that it has forgotten it learns the form in which it is first seen.
        return Ok(());
    }
    for group in memory.groups.values() {
        for cell in &group.root.cells {
            let Value::Text(text) = &cell.value else { continue };
            let small = text.to_lowercase();
            if **text != *small && !state.typed.contains(&small) {
                let detail = format!("the hub holds {text:?}, which nobody wrote");
                return Err(Breach { guarantee: "no pollution", detail });
            }
        }
    }
    Ok(())
}

/// I9: a counter is the sum of what everybody counted.
fn summed(world: &World) -> Result<(), Breach> {
    let Some(stock) = world.plan.entity_named(draft::names::STOCK) else { return Ok(()) };
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for system in &world.systems {
        for (name, sum) in &system.state().counted {
            *sums.entry(name.clone()).or_default() += sum;
        }
    }
    let memory = world.store.memory();
    for group in memory.groups.values().filter(|group| group.entity == stock) {
        let values: Vec<String> =
            group.root.cells.iter().map(|cell| cell.value.to_string()).collect();
        if let [name, count] = values.as_slice() {
            let sum = sums.get(name).copied().unwrap_or_default();
            if *count != sum.to_string() {
                let detail = format!("{name}: people counted {sum}, the hub holds {count}");
                return Err(Breach { guarantee: "counters", detail });
            }
        }
    }
    Ok(())
}

/// The contacts that this system shows, by their keys there, of which nothing waits for anybody.
pub fn undisputed(world: &World, system: SystemIndex) -> Vec<(RowKey, RecordId)> {
    let memory = world.store.memory();
    let all_in = |group: &Group| group.root.links.iter().all(|link| link.scope == Scope::In);
    let groups = memory.groups.values().filter(|group| {
        group.entity == EntityIndex(0)
            && group.root.exists.alive
            && all_in(group)
            && is_in_scope(world, group)
            && !is_set_aside(&memory, group)
    });
    groups
        .filter_map(|group| {
            let link = group.root.link(system).filter(|link| link.is_present())?;
            Some((link.key.clone()?, group.id))
        })
        .collect()
}

/// I4: whoever was deleted, and edited by nobody, stays deleted.
///
/// # Errors
/// If one is back.
pub fn stayed_dead(
    world: &World,
    system: SystemIndex,
    gone: &[(RowKey, RecordId)],
) -> Result<(), Breach> {
    let memory = world.store.memory();
    for (key, record) in gone {
        let Some(group) = memory.groups.get(record) else { continue };
        if group.root.exists.alive && !is_set_aside(&memory, group) {
            let detail = format!("{record} was deleted as {key} in system {}, and lives", system.0);
            return Err(Breach { guarantee: "no resurrection", detail });
        }
    }
    Ok(())
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
            // Who is let go of is nobody's, and may come again.
            let lets_go = world.plan.binding(binding).is_some_and(|found| {
                let entity = world.plan.entity(found.entity);
                found.on_leave == OnLeave::Detach && entity.is_some_and(|it| it.when.is_some())
            });
            if lets_go {
                continue;
            }
            let mut seen: BTreeMap<(Option<RowKey>, Encoded), RowKey> = BTreeMap::new();
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
                if let Some(other) = seen.insert((row.parent.clone(), name), key.clone()) {
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
