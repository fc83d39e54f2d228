//! After a crash or a restore: what was in flight is in doubt, and what was known may be wrong.

use crate::{
    change::{RestoreChoice, Restored, RowKey, WriteKind},
    group::{IntentStatus, Lane, Link, UNKNOWN},
    index::keyless_doubt,
    mutant::Mutant,
    name::{BindingIndex, RecordId},
    plan::{Class, Plan},
    step::{fence::in_doubt, link::PartAt, pass::Pass, written::key_of_set},
};

impl Pass<'_> {
    /// The process came back: every intent of this record that was sent is in doubt.
    pub(super) fn recovered(&mut self, record: RecordId) {
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        let operation = self.next_operation();
        let mut changed = false;
        let mut asks: Vec<(BindingIndex, RowKey, Vec<crate::name::IntentId>)> = Vec::new();
        let mut learnt = Vec::new();
        let parts = std::iter::once(PartAt::Root)
            .chain((0..group.children.len()).map(PartAt::Child))
            .collect::<Vec<_>>();
        for at in parts {
            let entity = match at {
                PartAt::Root => Some(group.entity),
                PartAt::Child(child) => group.children.get(child).map(|child| child.list),
            };
            let Some(part) = at.part_mut(&mut group) else { continue };
            for link in &mut part.links {
                let class = self.plan.system(link.system).map_or(Class::Blind, |known| known.class);
                if self.plan.is_mutant(Mutant::CrashForgets) {
                    link.unresolved.retain(|intent| intent.status != IntentStatus::Sent);
                }
                if doubt(link, class) {
                    link.touched = operation;
                    changed = true;
                }
                let binding = entity.and_then(|entity| self.plan.binding_of(entity, link.system));
                if let Some((key, place)) =
                    binding.and_then(|place| Some((key_in_doubt(self.plan, place, link)?, place)))
                {
                    link.key = Some(key.clone());
                    learnt.push((place, key, at != PartAt::Root));
                    changed = true;
                }
                if let (true, Lane::Free, Some(binding), Some(key)) =
                    (link.must_read, link.lane, binding, link.key.clone())
                {
                    asks.push((binding, key, in_doubt(link)));
                }
            }
        }
        for (binding, key, is_child) in learnt {
            self.learn(binding, key, record, is_child);
        }
        if changed {
            self.put_changed(group, before);
        } else {
            self.put_back(group);
        }
        for (binding, key, doubts) in asks {
            self.ask(binding, key, doubts);
        }
    }

    /// The hub, or a system, was restored to an older state (2.16).
    pub(super) fn restored(&mut self, restored: &Restored) {
        let Some(mut group) = self.take(restored.record) else { return };
        let before = self.before(&group);
        let operation = self.next_operation();
        let parts = std::iter::once(&mut group.root)
            .chain(group.children.iter_mut().map(|child| &mut child.part));
        for link in parts.flat_map(|part| &mut part.links) {
            if restored.system.is_some_and(|system| system != link.system) {
                continue;
            }
            link.order = None;
            link.token = None;
            link.wait = false;
            link.touched = operation;
            link.must_read = link.key.is_some();
            if restored.choice == RestoreChoice::Push {
                link.agreed.fill(UNKNOWN);
            }
        }
        self.put_changed(group, before);
    }
}

/// The key under which an insert in doubt would be, where its own fields make it: such a row can be
/// asked for.
pub(super) fn key_in_doubt(plan: &Plan, place: BindingIndex, link: &Link) -> Option<RowKey> {
    keyless_doubt(plan.binding(place), link).filter(|_| link.must_read)?;
    let intent = link.unresolved.iter().rev().find(|intent| intent.kind == WriteKind::Insert)?;
    key_of_set(plan.binding(place)?, intent)
}

/// Puts what was sent in doubt; whether anything changed.
fn doubt(link: &mut Link, class: Class) -> bool {
    let mut changed = false;
    for intent in &mut link.unresolved {
        if intent.status == IntentStatus::Sent {
            intent.status = IntentStatus::InDoubt;
            changed = true;
        }
    }
    if matches!(link.lane, Lane::Write(_) | Lane::Read(_)) {
        link.lane = Lane::Free;
        changed = true;
    }
    if changed {
        // Class A: the log will tell. Others are read; a row without a key is found by its values.
        link.must_read |= class != Class::Log || keyless_doubt(None, link).is_some();
    }
    changed
}
