//! The limits of the guards, from what the file says of them.

use syncline_core::guard::{Guards, Limit};

use crate::config::draft::GuardsDraft;

/// The limits: the entity's, else the defaults', else ours.
pub(super) fn of(defaults: GuardsDraft, own: GuardsDraft, built_in: Guards) -> Guards {
    let limit =
        |own: (Option<u64>, Option<u64>), default: (Option<u64>, Option<u64>), ours: Limit| Limit {
            max: own.0.or(default.0).unwrap_or(ours.max),
            max_percent: own.1.or(default.1).unwrap_or(ours.max_percent),
        };
    // Unsaid, emptied values are updates like any other.
    let built_in_blanks = Limit { max: 50, max_percent: 20 };
    let is_said = [own.blanks, defaults.blanks]
        .iter()
        .any(|(max, percent)| max.is_some() || percent.is_some());
    Guards {
        blanks: is_said.then(|| limit(own.blanks, defaults.blanks, built_in_blanks)),
        deletes: limit(own.deletes, defaults.deletes, built_in.deletes),
        updates: limit(own.updates, defaults.updates, built_in.updates),
        corrupt_min: own.corrupt_min.or(defaults.corrupt_min).unwrap_or(built_in.corrupt_min),
        empty_source_min: own
            .empty_source_min
            .or(defaults.empty_source_min)
            .unwrap_or(built_in.empty_source_min),
        loop_reflexes: own
            .loop_reflexes
            .or(defaults.loop_reflexes)
            .unwrap_or(built_in.loop_reflexes),
        loop_within_ms: own
            .loop_within_ms
            .or(defaults.loop_within_ms)
            .unwrap_or(built_in.loop_within_ms),
    }
}
