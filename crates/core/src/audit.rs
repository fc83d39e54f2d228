//! What people read about a decision, gathered while a step works.
//!
//! One event per decision and no more: a record that was created has one line, not one per field.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Text,
    change::{Effect, PartKey},
    commit::{
        AuditEvent, AuditKind, ConflictChange, Disposition, Ledger, QuarantineChange, Settled,
    },
    group::{Author, Candidate},
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, Timestamp},
    value::Value,
};

/// Everything a step says, beside what it changes.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Decisions, in order.
    pub(crate) audit: Vec<AuditEvent>,
    /// Conflicts, in order.
    pub(crate) conflicts: Vec<ConflictChange>,
    /// What was set aside and released.
    pub(crate) quarantine: Vec<QuarantineChange>,
    /// What became of the observations.
    pub(crate) ledger: Ledger,
    /// What must happen outside.
    pub(crate) effects: Vec<Effect>,
    /// Entities in which an edit looks as if it had been read in another character set.
    pub(crate) garbled: BTreeSet<EntityIndex>,
    /// Where in `conflicts` the entries settled in this step are; of one base, the newest.
    settled: BTreeMap<(RecordId, PartKey, Option<FieldIndex>, u64), usize>,
}

/// A conflict that a rule settled at once.
pub(crate) struct SettledConflict {
    pub(crate) record: RecordId,
    pub(crate) entity: EntityIndex,
    pub(crate) part: PartKey,
    pub(crate) field: Option<FieldIndex>,
    pub(crate) base: Value,
    pub(crate) base_version: u64,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) ambiguous: bool,
    pub(crate) rule: Text,
    pub(crate) winner: Author,
}

impl Journal {
    /// Counts one observation.
    pub(crate) fn count(&mut self, binding: BindingIndex, disposition: Disposition) {
        self.ledger.count(binding, disposition);
    }

    /// Records a conflict that a rule settled. All losers from one base share one entry, as long as they
    /// compete with the same winner.
    pub(crate) fn settle_conflict(&mut self, conflict: SettledConflict) {
        let SettledConflict { record, entity, part, field, base, base_version, .. } = conflict;
        let key = (record, part.clone(), field, base_version);
        let settled =
            Settled { rule: conflict.rule, winner: conflict.winner, who: None, note: None };
        let known = self.settled.get(&key).and_then(|at| self.conflicts.get_mut(*at));
        if let Some(ConflictChange::Open { candidates, ambiguous, settled: Some(standing), .. }) =
            known
            && standing.goes_on(field, &conflict.candidates)
        {
            for candidate in conflict.candidates {
                put_candidate(candidates, candidate);
            }
            *ambiguous |= conflict.ambiguous;
            *standing = settled;
            return;
        }
        self.settled.insert(key, self.conflicts.len());
        self.conflicts.push(ConflictChange::Open {
            record,
            entity,
            part,
            field,
            base,
            base_version,
            candidates: conflict.candidates,
            ambiguous: conflict.ambiguous,
            settled: Some(settled),
        });
    }
}

/// Puts a candidate in the place of its author's older one, or in system order.
pub(crate) fn put_candidate(candidates: &mut Vec<Candidate>, new: Candidate) {
    match candidates.iter_mut().find(|known| known.author == new.author) {
        Some(known) => *known = new,
        None => {
            let at = candidates.partition_point(|known| order(known.author) < order(new.author));
            candidates.insert(at, new);
        }
    }
}

fn order(author: Author) -> u32 {
    match author {
        Author::Nobody => 0,
        Author::Person => 1,
        Author::Merged => 2,
        Author::System(system) => 3 + u32::from(system.0),
    }
}

/// An event of this kind, with nothing else said yet.
pub(crate) fn event(
    record: RecordId,
    entity: EntityIndex,
    part: &PartKey,
    kind: AuditKind,
) -> AuditEvent {
    AuditEvent {
        record,
        entity,
        part: part.clone(),
        field: None,
        kind,
        system: None,
        key: None,
        before: None,
        after: None,
        version: 0,
        actor: None,
        source_at: None::<Timestamp>,
        note: Text::default(),
    }
}
