//! What the store's indices say of a group: a pure function of plan and group.
//!
//! The store keeps it beside the group, so that an unchanged row is recognised, a record found by
//! its match key and outstanding work listed, all without loading groups.

use std::collections::BTreeSet;

use crate::{
    change::{Order, WriteKind},
    commit::{Behind, GroupIndex, RowEntry},
    group::{Group, Hold, Intent, Lane, Link, Parked, Part, Scope},
    matching,
    mutant::Mutant,
    name::{EntityIndex, RecordId, SystemIndex, Timestamp},
    need::{Need, PartNeed, Rows, needs},
    plan::{Binding, Plan},
    step::{
        doubt,
        due::{IN_DOUBT_MS, minted_at},
        recover::nameless_doubts,
        written::key_of_set,
    },
};

/// What the indices must say of this group.
pub fn of(plan: &Plan, group: &Group) -> GroupIndex {
    let mut index = GroupIndex::default();
    if group.merged_into.is_some() {
        return index;
    }
    let mut references = BTreeSet::new();
    add_part(plan, group.entity, &group.root, false, &mut index, &mut references);
    for child in &group.children {
        add_part(plan, child.list, &child.part, true, &mut index, &mut references);
    }
    index.references = references.into_iter().collect();
    for rival in &group.rivals {
        let Some(system) = plan.binding(rival.binding).map(|found| found.system) else { continue };
        index.rows.push(RowEntry {
            binding: rival.binding,
            key: rival.key.clone(),
            system,
            child: false,
            shadow: None,
            version: None,
            quiet: false,
            // Once it or another of them has changed or gone, they may tell themselves apart.
            must_read: true,
            rival: true,
            held: 0,
        });
    }
    for former in &group.former {
        let Some(binding) = plan.binding(former.binding) else { continue };
        // It may be a row's again.
        let mut rows = index.rows.iter();
        if rows.any(|row| row.binding == former.binding && row.key == former.key) {
            continue;
        }
        index.rows.push(RowEntry {
            binding: former.binding,
            key: former.key.clone(),
            system: binding.system,
            child: binding.entity != group.entity,
            shadow: None,
            version: None,
            // Nothing of ours brings it back: it is nobody's parent.
            quiet: true,
            must_read: false,
            rival: false,
            held: 0,
        });
    }
    let Some(entity) = plan.entity(group.entity) else { return index };
    index.matches = matching::part_keys(entity, &group.root);
    doubt::add_keys(plan, entity, &group.root, &mut index.matches);
    index.alive = group.root.exists.alive
        && (group.root.links.is_empty()
            || group.root.links.iter().any(|link| link.scope == Scope::In));
    for binding in &entity.bindings {
        let Some(system) = plan.binding(*binding).map(|found| found.system) else { continue };
        index.behind.extend(behind(plan, group, system));
    }
    index
}

fn add_part(
    plan: &Plan,
    entity: EntityIndex,
    part: &Part,
    child: bool,
    index: &mut GroupIndex,
    references: &mut BTreeSet<RecordId>,
) {
    for link in &part.links {
        index.intents.extend(link.unresolved.iter().map(|intent| (link.system, intent.id)));
        let Some(key) = &link.key else { continue };
        let Some(binding) = plan.binding_of(entity, link.system) else { continue };
        index.rows.push(RowEntry {
            binding,
            key: key.clone(),
            system: link.system,
            child,
            shadow: link.shadow.clone(),
            version: link.order.and_then(Order::version),
            quiet: is_quiet(link) || is_unread(link),
            // What a row could not say may be said by now, or mean something to another configuration.
            must_read: link.must_read || link.is_unreadable(),
            rival: false,
            held: if part.exists.alive { loops(link) } else { 0 },
        });
    }
    if !part.exists.alive && !part.links.iter().any(Link::is_present) {
        return;
    }
    references.extend(part.cells.iter().filter_map(|cell| cell.value.reference()));
}

/// How many fields of a row the loop guard holds.
fn loops(link: &Link) -> u16 {
    let held = link.held.iter().filter(|(_, hold)| *hold == Hold::Loop).count();
    u16::try_from(held).unwrap_or(u16::MAX)
}

/// A row that is there and was never read: it may turn out to be another record's, and is nobody's parent yet.
fn is_unread(link: &Link) -> bool {
    link.shadow.is_none() && link.is_unreadable()
}

fn is_quiet(link: &Link) -> bool {
    // Whoever waits for another row is looked at with whatever frees it.
    let waits = link.parked.as_ref().is_some_and(Parked::is_for_a_row);
    link.is_settled() && link.held.is_empty() && !waits
}

/// What this system does not show of the group, if anything.
pub fn behind(plan: &Plan, group: &Group, system: SystemIndex) -> Option<Behind> {
    let needs = needs(plan, group, system, Rows { working: None });
    let root = needs.iter().find(|need| need.child.is_none())?;
    let kind = match &root.need {
        Need::Insert => WriteKind::Insert,
        Need::Update(_) => WriteKind::Update,
        Need::Delete => WriteKind::Delete,
        Need::Nothing if needs.iter().any(|need| need.need != Need::Nothing) => WriteKind::Update,
        // A row of a record that is gone, or that belongs there no more, may be there all the same: its
        // mark is asked.
        Need::Nothing => {
            let (link, is_alive) = (group.root.link(system)?, group.root.exists.alive);
            let place = plan.binding_of(group.entity, system)?;
            let is_meant = is_alive && link.scope == Scope::In;
            nameless_doubts(plan, place, link).filter(|_| !is_meant)?;
            if is_alive { WriteKind::Update } else { WriteKind::Delete }
        }
    };
    // What is on its way is as due as it was: whoever sent it puts its answer on record.
    let links = group.parts().filter_map(|(_, part)| part.link(system));
    let is_sent = links.into_iter().any(|link| matches!(link.lane, Lane::Write(_)));
    let wait = if is_sent { Waiting::default() } else { waiting(plan, group, system, &needs) };
    Some(Behind { system, kind, not_before: wait.not_before, parked: wait.parked })
}

/// Until when the delete of this record waits before it is passed on, if it is to wait.
pub fn grace(plan: &Plan, group: &Group) -> Option<Timestamp> {
    let grace = plan.entity(group.entity).map_or(0, |entity| entity.delete_grace_ms);
    let exists = &group.root.exists;
    // One that went into another record is not gone.
    let is_gone = !exists.alive && group.merged_into.is_none();
    (is_gone && grace > 0).then(|| exists.at.plus_ms(grace))
}

/// Why work that is due is not tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// Not by itself.
    pub parked: bool,
}

/// Whether the group's rows in this system can be written now, as far as their links say.
pub fn waiting(plan: &Plan, group: &Group, system: SystemIndex, needs: &[PartNeed]) -> Waiting {
    let mut waiting = Waiting::default();
    if needs.iter().any(|need| need.need == Need::Delete) {
        waiting.not_before = grace(plan, group);
    }
    for need in needs {
        let part = match need.child {
            None => Some(&group.root),
            Some(at) => group.children.get(at).map(|child| &child.part),
        };
        let Some((part, link)) = part.and_then(|part| Some((part, part.link(system)?))) else {
            continue;
        };
        if link.lane != Lane::Free || link.wait {
            waiting.parked = true;
        }
        let doubt = keyless_doubt(plan.binding(need.binding), link)
            .filter(|_| !plan.is_mutant(Mutant::InsertAgain));
        if doubt.is_some() {
            waiting.not_before = waiting.not_before.max(doubt);
        } else if link.must_read {
            match link.key {
                // Its last write was answered after all: there is nothing to be read.
                None => {}
                Some(_) => waiting.parked = true,
            }
        }
        if let Some(parked) = &link.parked
            && parked.versions == versions(part)
        {
            match parked.not_before {
                Some(until) => waiting.not_before = waiting.not_before.max(Some(until)),
                None => waiting.parked = true,
            }
        }
    }
    waiting
}

/// An insert in doubt whose key the system makes cannot be read by key. If no read has shown its
/// row until this time, it never happened. The key of a row that was there before is not its key.
///
/// A row whose own fields make its key is no such case once the link knows that key: it was asked
/// for, and a second insert under the same key cannot make a second row.
pub fn keyless_doubt(binding: Option<&Binding>, link: &Link) -> Option<Timestamp> {
    if link.shadow.is_some() {
        return None;
    }
    let has_its_key = |intent: &Intent| {
        let own = binding.and_then(|binding| key_of_set(binding, intent));
        own.is_some() && own == link.key
    };
    let inserts = link.unresolved.iter().filter(|intent| intent.kind == WriteKind::Insert);
    let inserts = inserts.filter(|intent| !has_its_key(intent));
    inserts.map(|intent| minted_at(intent.id.0).plus_ms(IN_DOUBT_MS)).max()
}

/// The versions of existence and of all fields: what a refused write was made of.
pub fn versions(part: &Part) -> Vec<u64> {
    std::iter::once(part.exists.version).chain(part.cells.iter().map(|cell| cell.version)).collect()
}
