//! What must be seen before an answer of a system to one of our writes can be decided.

use super::Gather;
use crate::{
    change::{MarkAnswer, Outcome, WriteKind},
    group::Group,
    name::IntentId,
};

impl Gather<'_> {
    /// The row that an insert of ours made is nobody's, or what the system did was no insert.
    pub(super) fn made(&mut self, group: &Group, answer: &MarkAnswer) {
        let (Some(key), Some((entity, system))) = (&answer.key, group.place_of(answer.intent))
        else {
            return;
        };
        if let Some(index) = self.plan.binding_of(entity, system)
            && let Some(Some(known)) = self.known(index, key)
        {
            self.record(known.record);
        }
    }

    /// What an answer to a write is about: the rows that it names, and who waits for them.
    pub(super) fn outcome(&mut self, group: Option<&Group>, intent: IntentId, outcome: &Outcome) {
        let Some(group) = group else { return };
        let Some((entity, system)) = group.place_of(intent) else { return };
        let links = group.links_to(system);
        let sent = links.flat_map(|link| link.unresolved.iter().map(move |it| (link, it)));
        let Some((link, sent)) = sent.into_iter().find(|(_, known)| known.id == intent) else {
            return;
        };
        let is_new = sent.kind == WriteKind::Insert;
        let Some(index) = self.plan.binding_of(entity, system) else { return };
        let (Some(binding), Some(entity)) = (self.plan.binding(index), self.plan.entity(entity))
        else {
            return;
        };
        match outcome {
            Outcome::Applied { key, post, .. } => {
                self.references(binding, entity, post.as_ref());
                self.frees(group, binding, link, post.as_ref());
                // A new row is nobody's, or what the system did was no insert.
                if is_new && let Some(Some(known)) = self.known(index, key) {
                    self.record(known.record);
                }
            }
            Outcome::Precondition { current, .. } => {
                self.references(binding, entity, current.as_ref());
                self.frees(group, binding, link, current.as_ref());
            }
            Outcome::Foreign { .. } => self.suspects(binding, entity, sent),
            Outcome::Unique { holder: Some(holder), .. } => {
                if let Some(Some(known)) = self.known(index, holder)
                    && let Some(holder) = self.record(known.record)
                {
                    self.targets(holder, system);
                }
            }
            Outcome::Unique { holder: None, .. }
            | Outcome::Invalid { .. }
            | Outcome::Retry { .. }
            | Outcome::Unknown { .. }
            | Outcome::Sibling => {}
        }
    }
}
