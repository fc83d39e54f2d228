//! Values that mean nothing: people leave them, nobody but people touches them, and everything around them goes on.

use syncline_core::{
    commit::Subject,
    group::{Group, Hold, Link, Scope},
    name::{RecordId, SystemIndex},
    plan::Class,
    value::Value,
};

use crate::{
    checks::{is_in_scope, same},
    draft::PHONE,
    people::Tables,
    store::Memory,
    world::{Breach, World},
};

/// What is typed in their place in the end is told apart from all that was typed before.
const FIRST: usize = 100_000;
/// The code under which rows wait that say something which means nothing.
const CODE: &str = "map.invalid";

/// What nobody can read: no text in any encoding. No two are the same.
pub fn value(tag: u64) -> Value {
    let mut raw = vec![0xff];
    raw.extend(tag.to_be_bytes());
    Value::Bytes(raw.into())
}

/// Whether nobody can read this.
pub fn is_it(value: &Value) -> bool {
    matches!(value, Value::Bytes(_))
}

/// All is at rest. What nobody can read is still there, and everything around it has flowed; then people type it
/// anew. Whether there was anything.
///
/// # Errors
/// The first breach.
pub fn mend(world: &World) -> Result<bool, Breach> {
    if !world.rare.unreadable {
        return Ok(false);
    }
    untouched(world)?;
    around(world)?;
    let mut mended = 0;
    for (system, at) in world.systems.iter().zip(0u16..) {
        let Some(contacts) = Tables::of(&world.plan, SystemIndex(at)).map(Tables::contacts) else {
            continue;
        };
        let mut state = system.state();
        for key in state.keys(contacts) {
            if state.value(contacts, &key, PHONE).as_ref().is_some_and(is_it) {
                world.happened.note("unreadable");
                let typed = Value::text(format!("edit {}", FIRST + mended));
                mended += 1;
                state.edit(contacts, &key, PHONE, typed);
            }
        }
    }
    Ok(mended > 0)
}

/// Nobody but people has touched it, and nobody holds it for a value.
fn untouched(world: &World) -> Result<(), Breach> {
    for (system, at) in world.systems.iter().zip(0u16..) {
        let state = system.state();
        // A system without preconditions can lose an edit between our look and our write; said so.
        if state.class != Class::Blind && state.unread > 0 {
            let detail = format!("what nobody could read was written over in system {at}");
            return Err(Breach { guarantee: "no lost update", detail });
        }
    }
    let memory = world.store.memory();
    for group in memory.groups.values() {
        let held = group
            .root
            .cells
            .iter()
            .chain(group.children.iter().flat_map(|child| &child.part.cells));
        if held.into_iter().any(|cell| is_it(&cell.value)) {
            let detail = format!("{} holds what nobody can read", group.id);
            return Err(Breach { guarantee: "no pollution", detail });
        }
    }
    Ok(())
}

/// The other fields of a row that says something which means nothing are what the hub holds.
fn around(world: &World) -> Result<(), Breach> {
    let memory = world.store.memory();
    for group in memory.groups.values().filter(|group| group.root.exists.alive) {
        if waits_otherwise(&memory, group) || !is_in_scope(world, group) {
            continue;
        }
        for link in group.root.links.iter().filter(|link| is_kept(link)) {
            row(world, &memory, group, link)?;
        }
    }
    Ok(())
}

/// Whether a link is only kept back by what nobody can read.
fn is_kept(link: &Link) -> bool {
    let only = link.held.iter().all(|(_, hold)| *hold == Hold::Unreadable);
    link.is_unreadable() && only && link.scope == Scope::In && link.is_present()
}

fn waits_otherwise(memory: &Memory, group: &Group) -> bool {
    let root = &group.root;
    let waits = |link: &Link| link.parked.is_some() || link.waits_for.is_some();
    root.links.iter().any(waits)
        || !root.conflicts.is_empty()
        || !group.rivals.is_empty()
        || !group.excess.is_empty()
        || group.merged_into.is_some()
        || memory.quarantine.keys().any(|subject| is_about(subject, group.id))
}

fn is_about(subject: &Subject, group: RecordId) -> bool {
    matches!(subject, Subject::Write { record, .. } | Subject::Record { record } | Subject::Excess { record, .. } if *record == group)
}

fn row(world: &World, memory: &Memory, group: &Group, link: &Link) -> Result<(), Breach> {
    let (Some(system), Some(key)) = (world.systems.get(link.system.at()), &link.key) else {
        return Ok(());
    };
    let Some(binding) = world.plan.binding_of(group.entity, link.system) else { return Ok(()) };
    let state = system.state();
    let row = state.tables.get(&binding).and_then(|table| table.rows.get(key));
    let Some(row) = row else { return Ok(()) };
    for (field, cell) in (0u16..).zip(&group.root.cells) {
        let Some(shown) = row.values.get(usize::from(field)) else { continue };
        let is_held = link.held.iter().any(|(held, _)| held.0 == field);
        let is_right =
            if is_held { is_it(shown) } else { same(memory, link.system, &cell.value, shown) };
        if !is_right {
            let (record, at, golden) = (group.id, link.system.0, &cell.value);
            let detail = format!(
                "{record} field {field}, beside what nobody can read: the hub holds {golden:?}, system {at} shows {shown:?}"
            );
            return Err(Breach { guarantee: "convergence", detail });
        }
    }
    Ok(())
}

/// Once people have typed it anew, nothing waits for it any more.
///
/// # Errors
/// The first breach.
pub fn left(world: &World) -> Result<(), Breach> {
    if !world.rare.unreadable {
        return Ok(());
    }
    untouched(world)?;
    let memory = world.store.memory();
    // Of a row that went before it was ever read, no look at the others tells: somebody tries it again.
    let is_there = |subject: &Subject| match subject {
        Subject::Row { binding, key } => {
            let system =
                world.plan.binding(*binding).and_then(|it| world.systems.get(it.system.at()));
            system.is_some_and(|it| it.state().keys(*binding).contains(key))
        }
        Subject::Write { .. } | Subject::Record { .. } | Subject::Excess { .. } => true,
    };
    // Two processes may commit what they read the other way round.
    let is_told = |subject: &Subject| !memory.crowded && is_there(subject);
    let waits = memory.quarantine.iter().find(|(it, (code, _))| code == CODE && is_told(it));
    let held = memory.groups.values().find(|group| {
        let mut links = group.root.links.iter().filter(|link| link.is_present());
        links.any(Link::is_unreadable)
    });
    let detail = match (waits, held) {
        (Some((subject, _)), _) => format!("{subject:?} waits although all can be read"),
        (None, Some(group)) => format!("{} waits although all can be read", group.id),
        (None, None) => return Ok(()),
    };
    Err(Breach { guarantee: "convergence", detail })
}
