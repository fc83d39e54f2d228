//! After a crash or a restore: what was in flight is in doubt, and what was known may be wrong.

use crate::{
    change::{Effect, MarkAnswer, MarkFate, Order, RestoreChoice, Restored, RowKey, WriteKind},
    group::{IntentStatus, Lane, Link, UNKNOWN},
    index::keyless_doubt,
    mutant::Mutant,
    name::{BindingIndex, IntentId, RecordId},
    plan::{Class, Plan},
    step::{
        fence::in_doubt,
        link::PartAt,
        pass::Pass,
        written::{drop_intent, key_of_set, link_mut},
    },
};

impl Pass<'_> {
    /// The process came back: every intent of this record that was sent is in doubt.
    pub(super) fn recovered(&mut self, record: RecordId) {
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        let operation = self.next_operation();
        let mut changed = false;
        let mut asks: Vec<(BindingIndex, RowKey, Vec<IntentId>)> = Vec::new();
        let mut nameless = Vec::new();
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
                nameless.extend(binding.and_then(|place| nameless_doubts(self.plan, place, link)));
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
        for (binding, intents) in nameless {
            self.journal.effects.push(Effect::ReadMarks { record, binding, intents });
        }
    }

    /// What the marks say of inserts whose rows nobody could name. One that has no mark will never
    /// happen: its record is due again. The row of one that has is read by the key it was given.
    pub(super) fn marks_read(&mut self, record: RecordId, answers: &[MarkAnswer]) {
        self.told.insert(record);
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        let mut changed = false;
        for MarkAnswer { intent, fate, key } in answers {
            // Perhaps a read has shown the row meanwhile.
            let Some(answered) = self.answered(&group, *intent) else { continue };
            let operation = self.next_operation();
            if let Some(link) = link_mut(&mut group, &answered) {
                link.touched = operation;
            }
            changed = true;
            match (fate, key) {
                (MarkFate::Void, _) => {
                    drop_intent(&mut group, &answered);
                    if let Some(link) = link_mut(&mut group, &answered) {
                        link.must_read &= link.key.is_some() || !link.unresolved.is_empty();
                    }
                }
                (MarkFate::Applied, Some(key)) => match self.displaces(record, &answered, key) {
                    Some(holder) => self.displaced(&mut group, &answered, key, holder),
                    None => {
                        self.take_over(record, &answered, key);
                        self.rename(&mut group, &answered, key);
                        if let Some(link) = link_mut(&mut group, &answered) {
                            link.must_read = true;
                            let doubts = in_doubt(link);
                            self.ask(answered.binding, key.clone(), doubts);
                        }
                    }
                },
                // Its row is found by what it holds.
                (MarkFate::Applied, None) => {}
            }
        }
        if changed {
            self.put_changed(group, before);
        } else {
            self.put_back(group);
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
            // A hub that goes back knows as little of a log as it did then, and hears the rest again; what
            // it had heard by then, it has heard. A system that goes back may tell of other things under
            // the same places.
            let is_known = restored.system.is_none();
            link.order.take_if(|order| !(is_known && matches!(order, Order::Log { .. })));
            link.token = None;
            link.wait = false;
            link.touched = operation;
            // What a log tells need not be read; and a read could say less than what it tells later.
            let is_told = link.order.is_some() && !link.must_read;
            link.must_read = link.key.is_some() && !is_told;
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

/// Inserts in doubt whose rows cannot be asked for by a key, where a table of marks knows of them.
pub(crate) fn nameless_doubts(
    plan: &Plan,
    place: BindingIndex,
    link: &Link,
) -> Option<(BindingIndex, Vec<IntentId>)> {
    let is_marked = plan.system(link.system).is_some_and(|found| found.class == Class::Marked);
    let is_open = is_marked && link.lane == Lane::Free;
    keyless_doubt(plan.binding(place), link).filter(|_| is_open)?;
    let inserts = link.unresolved.iter().filter(|intent| intent.kind == WriteKind::Insert);
    Some((place, inserts.map(|intent| intent.id).collect()))
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
