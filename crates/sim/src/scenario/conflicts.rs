//! Conflicts as people know them: the changes of the queue, one entry for each record, part and field.

use syncline_core::{
    change::PartKey,
    commit::{ConflictChange, Settled},
    group::Candidate,
    name::{EntityIndex, FieldIndex, RecordId},
    value::Value,
};

/// A conflict as people know it: everything that was said of it.
pub(super) struct Conflict {
    pub(super) place: (RecordId, PartKey, Option<FieldIndex>, u64),
    pub(super) entity: EntityIndex,
    pub(super) base: Value,
    pub(super) candidates: Vec<Candidate>,
    pub(super) settled: Option<Settled>,
}

/// One entry for each record, part and field, as the hub's store has them.
pub(super) fn grouped(changes: &[ConflictChange]) -> Vec<Conflict> {
    let mut all: Vec<Conflict> = Vec::new();
    for change in changes {
        match change {
            ConflictChange::Open {
                record,
                entity,
                part,
                field,
                base,
                base_version,
                candidates,
                settled,
                ..
            } => {
                let place = (*record, part.clone(), *field, *base_version);
                let is_open = settled.is_none();
                let known = all.iter_mut().rfind(|it| {
                    let same =
                        (&it.place.0, &it.place.1, &it.place.2) == (&place.0, &place.1, &place.2);
                    same && if is_open { it.settled.is_none() } else { it.place.3 == place.3 }
                });
                let goes_on = |known: &&mut Conflict| {
                    let how = known.settled.as_ref();
                    how.is_none_or(|how| how.goes_on(*field, candidates))
                };
                if let Some(known) = known.filter(goes_on) {
                    if is_open {
                        known.candidates.clear();
                    }
                    for candidate in candidates {
                        known.candidates.retain(|it| it.author != candidate.author);
                        known.candidates.push(candidate.clone());
                    }
                    known.settled.clone_from(settled);
                } else {
                    all.push(Conflict {
                        place,
                        entity: *entity,
                        base: base.clone(),
                        candidates: candidates.clone(),
                        settled: settled.clone(),
                    });
                }
            }
            ConflictChange::Close { record, part, field, settled } => {
                let mut open = all.iter_mut().filter(|it| it.settled.is_none());
                let own = open
                    .find(|it| (&it.place.0, &it.place.1, &it.place.2) == (record, part, field));
                if let Some(own) = own {
                    own.settled = Some(settled.clone());
                }
            }
        }
    }
    all
}
