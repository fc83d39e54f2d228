//! What a commit touches, so that a decision that looks at none of it may be made beside it.

use std::collections::BTreeSet;

use crate::{
    change::RowKey,
    commit::{Commit, GroupIndex, MatchKey, Wants},
    name::{BindingIndex, EntityIndex, RecordId},
    tally::Counted,
};

/// What a commit touches: all that a [`Wants`] can ask for and that reads otherwise after it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Sorted, as all of these.
    records: Vec<RecordId>,
    keys: Vec<(BindingIndex, RowKey)>,
    matches: Vec<(EntityIndex, u16, MatchKey)>,
    /// Some record refers to others than before.
    refers: bool,
    /// Some write was put on record, or answered.
    intends: bool,
    /// Whose changes were counted.
    tallies: Vec<Counted>,
}

impl Footprint {
    /// The footprint of this commit.
    pub fn of(commit: &Commit) -> Self {
        let mut footprint = Self::default();
        for change in &commit.groups {
            let entity = change.group.entity;
            footprint.records.push(change.group.id);
            footprint.refers |= change.before.references != change.after.references;
            footprint.intends |= change.before.intents != change.after.intents;
            for index in [&change.before, &change.after] {
                footprint.add(entity, index);
            }
        }
        footprint.tallies.extend(commit.tallies.iter().map(|(counted, _)| counted.clone()));
        footprint.tallies.sort_unstable();
        footprint.records.sort_unstable();
        footprint.keys.sort_unstable();
        footprint.matches.sort_unstable();
        footprint
    }

    fn add(&mut self, entity: EntityIndex, index: &GroupIndex) {
        self.keys.extend(index.rows.iter().map(|row| (row.binding, row.key.clone())));
        self.matches.extend(index.matches.iter().map(|(rule, key)| (entity, *rule, *key)));
    }

    /// Whether any of this reads otherwise after the commit than before.
    pub fn meets(&self, wants: &Wants) -> bool {
        let holders: BTreeSet<RecordId> =
            wants.row_keys.iter().map(|(record, _)| *record).collect();
        share(&self.records, &wants.records)
            || share(&self.records, &holders)
            || share(&self.keys, &wants.keys)
            || share(&self.matches, &wants.matches)
            || (self.refers && !wants.referring.is_empty())
            || (self.intends && !wants.intents.is_empty())
            || share(&self.tallies, &wants.tallies)
    }
}

/// Whether the sorted list and the set have an element in common. Mostly their ranges already lie
/// apart: new records and rows that are read in the order of their keys.
fn share<T: Ord>(sorted: &[T], wanted: &BTreeSet<T>) -> bool {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return false };
    wanted.range(first..=last).any(|element| sorted.binary_search(element).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commit::{GroupChange, RowEntry},
        group::Group,
        name::{Revision, SystemIndex},
        step::pass::new_part,
        value::Digest,
    };

    const ENTITY: EntityIndex = EntityIndex(0);

    fn key(name: &str) -> RowKey {
        RowKey(name.as_bytes().into())
    }

    /// A commit that links the row `a` to record 7, which gains a match key.
    fn commit() -> Commit {
        let group = Group {
            id: RecordId(7),
            entity: ENTITY,
            revision: Revision(1),
            incarnation: 1,
            root: new_part(0),
            children: Vec::new(),
            merged_into: None,
            rivals: Vec::new(),
            former: Vec::new(),
            excess: Vec::new(),
        };
        let row = RowEntry {
            binding: BindingIndex(1),
            key: key("a"),
            system: SystemIndex(0),
            child: false,
            shadow: None,
            version: None,
            quiet: false,
            must_read: false,
            rival: false,
            held: 0,
        };
        let after = GroupIndex {
            rows: vec![row],
            matches: vec![(0, Digest([1; 16]))],
            ..GroupIndex::default()
        };
        Commit {
            groups: vec![GroupChange {
                group,
                before: GroupIndex::default(),
                after,
                moved: crate::moved::Moved::Whole,
            }],
            ..Commit::default()
        }
    }

    #[test]
    fn whoever_asks_for_what_a_commit_touches_meets_it() {
        let footprint = Footprint::of(&commit());
        let meeting = [
            Wants { records: [RecordId(7)].into(), ..Wants::default() },
            Wants { row_keys: [(RecordId(7), SystemIndex(3))].into(), ..Wants::default() },
            Wants { keys: [(BindingIndex(1), key("a"))].into(), ..Wants::default() },
            Wants { matches: [(ENTITY, 0, Digest([1; 16]))].into(), ..Wants::default() },
        ];
        for wants in meeting {
            assert!(footprint.meets(&wants), "{wants:?}");
        }
    }

    #[test]
    fn whoever_asks_for_something_else_does_not() {
        let footprint = Footprint::of(&commit());
        let apart = [
            Wants::default(),
            Wants { records: [RecordId(6), RecordId(8)].into(), ..Wants::default() },
            Wants { keys: [(BindingIndex(0), key("a"))].into(), ..Wants::default() },
            Wants { matches: [(ENTITY, 1, Digest([1; 16]))].into(), ..Wants::default() },
            Wants { referring: [(RecordId(7), RecordId::NONE)].into(), ..Wants::default() },
        ];
        for wants in apart {
            assert!(!footprint.meets(&wants), "{wants:?}");
        }
    }
}
