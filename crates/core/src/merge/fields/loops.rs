//! The loop guard: tells a cycle of programs from people who work on the same field.
//!
//! A cycle comes back to what it showed before, or answers every one of our writes. People do
//! neither for long. So the same value counts, and more so on top of a write of ours; and any
//! answers to our writes count as well, with much more patience (ADR 12).

use crate::{
    commit::{AuditEvent, AuditKind},
    group::{Hold, Link, Reflex},
    merge::{Scene, Source},
    mutant::Mutant,
    name::FieldIndex,
    plan::Policy,
    value::{Digest, Value},
};

/// So much more patience with answers that are new each time.
const PATIENCE: u32 = 4;
/// Values remembered per link; the oldest goes first.
const REMEMBERED: usize = 16;

impl Scene<'_> {
    /// Counts an edit; whether it is one too many.
    pub(super) fn is_loop(&self, link: &mut Link, field: FieldIndex, theirs: &Value) -> bool {
        if self.plan.is_mutant(Mutant::NoLoopGuard) {
            return false;
        }
        let answers = link.last_own.contains(field);
        if answers {
            link.last_own.set(field, false);
        }
        let within = self.entity.guards.loop_within_ms;
        link.reflexes.retain(|reflex| self.now <= reflex.since.plus_ms(within));
        let limit = self.entity.guards.loop_reflexes.max(1);
        let policy = self.entity.field(field).map(|field| &field.policy);
        // Stock goes down and up again: the same number says nothing there.
        let comes_back = !matches!(policy, Some(Policy::Add { .. })) && {
            let weight = if answers { 2 } else { 1 };
            self.count(link, field, Some(short(theirs)), weight) >= limit.saturating_mul(2)
        };
        let goes_on = answers && self.count(link, field, None, 1) >= limit.saturating_mul(PATIENCE);
        comes_back || goes_on
    }

    fn count(&self, link: &mut Link, field: FieldIndex, value: Option<u32>, weight: u32) -> u32 {
        let mut known = link.reflexes.iter_mut();
        if let Some(reflex) = known.find(|known| known.field == field && known.value == value) {
            reflex.count = reflex.count.saturating_add(weight);
            return reflex.count;
        }
        if link.reflexes.len() >= REMEMBERED {
            link.reflexes.remove(0);
        }
        link.reflexes.push(Reflex { field, value, count: weight, since: self.now });
        weight
    }

    /// The loop guard trips: what the system shows is its rendering of what it has agreed to. Its
    /// agreed version stays as it is (F9).
    pub(super) fn trip(
        &mut self,
        source: &Source<'_>,
        link: &mut Link,
        field: FieldIndex,
        theirs: Value,
        version: u64,
    ) {
        if self.plan.is_mutant(Mutant::LoopAgrees) {
            link.agree(field, version);
        }
        link.hold(field, Hold::Loop);
        link.reflexes.retain(|reflex| reflex.field != field);
        self.journal.audit.push(AuditEvent {
            field: Some(field),
            after: Some(theirs),
            note: "guard.loop_suspected".into(),
            ..self.event_from(source, AuditKind::LoopSuspected)
        });
    }

    pub(super) fn rendered(
        &mut self,
        source: &Source<'_>,
        link: &Link,
        field: FieldIndex,
        theirs: Value,
    ) {
        self.journal.audit.push(AuditEvent {
            field: Some(field),
            after: Some(theirs),
            version: link.agreed(field),
            note: "guard.loop_suspected".into(),
            ..self.event_from(source, AuditKind::Rendered)
        });
    }
}

fn short(value: &Value) -> u32 {
    let mut encoding = Vec::new();
    value.encode(&mut encoding);
    let Digest(digest) = Digest::of(&encoding);
    digest.iter().take(4).fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}
