//! Groups as the last commits left them. What was decided is written and answered moments later:
//! whoever takes it up again need not find, read and decode it.
//!
//! Only commits of this process change groups, and each follows up here, so what is kept is what
//! the file holds. A group is taken out, not copied; where it is not kept, it is read.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use syncline_core::{
    commit::{GroupChange, GroupIndex},
    group::Group,
    name::{RecordId, Revision},
};

/// So many bytes of stored form are kept; in memory a group takes some fifteen times as much. Few in
/// tests, so that some are forgotten.
const BYTES_MAX: usize = if cfg!(test) { 4 << 10 } else { 2 << 20 };
/// What a group weighs beside its stored form.
const WEIGHT: usize = 128;

/// What is kept, shared by the writer and the readers of this process.
#[derive(Clone, Default)]
pub(super) struct Recent(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    groups: HashMap<RecordId, Entry>,
    /// In the order of their commits. An entry that was committed again since counts no more.
    order: VecDeque<(RecordId, Revision)>,
    weight: usize,
}

struct Entry {
    revision: Revision,
    /// The page of the audit that holds its last event (0: none).
    page: u64,
    /// `None` once it was taken.
    state: Option<Box<(Group, GroupIndex)>>,
    weight: usize,
}

/// Groups with what the indices say of them.
pub(super) type Taken = BTreeMap<RecordId, (Group, GroupIndex)>;

impl Recent {
    /// Takes those of these groups that are kept.
    pub(super) fn take(&self, wanted: &BTreeSet<RecordId>) -> Taken {
        let mut kept = self.lock();
        if kept.groups.is_empty() {
            return Taken::new();
        }
        let take = |id: &RecordId| Some((*id, *kept.groups.get_mut(id)?.state.take()?));
        wanted.iter().filter_map(take).collect()
    }

    /// At which revision a group is, and the page of its last event, where that is known.
    pub(super) fn known(
        &self,
        ids: impl Iterator<Item = RecordId>,
    ) -> HashMap<RecordId, (Revision, u64)> {
        let kept = self.lock();
        let known = |id| kept.groups.get(&id).map(|entry| (id, (entry.revision, entry.page)));
        ids.filter_map(known).collect()
    }

    /// These groups are about to change.
    pub(super) fn forget<'a>(&self, changes: impl Iterator<Item = &'a GroupChange>) {
        let mut kept = self.lock();
        for change in changes {
            kept.remove(change.group.id);
        }
    }

    /// These groups are gone for good.
    pub(super) fn drop(&self, ids: &[RecordId]) {
        let mut kept = self.lock();
        for id in ids {
            kept.remove(*id);
        }
    }

    /// Follows a commit that was made: its groups, each with the length of its stored form, and the
    /// pages of the last events of all records that had one.
    pub(super) fn follow(
        &self,
        changes: Vec<GroupChange>,
        lengths: &HashMap<RecordId, usize>,
        pages: &HashMap<RecordId, u64>,
    ) {
        let mut kept = self.lock();
        for (id, page) in pages {
            if let Some(entry) = kept.groups.get_mut(id) {
                entry.page = *page;
            }
        }
        for GroupChange { group, after, .. } in changes {
            let (id, revision) = (group.id, group.revision);
            let weight = lengths.get(&id).copied().unwrap_or(0) + WEIGHT;
            let page = pages.get(&id).copied().unwrap_or(0);
            kept.remove(id);
            kept.weight += weight;
            kept.order.push_back((id, revision));
            let state = Some(Box::new((group, after)));
            kept.groups.insert(id, Entry { revision, page, state, weight });
        }
        kept.shrink();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, id: RecordId) {
        if let Some(entry) = self.groups.remove(&id) {
            self.weight -= entry.weight;
        }
    }

    fn shrink(&mut self) {
        while let Some((id, revision)) = self.order.front().copied() {
            let is_old = self.groups.get(&id).is_none_or(|entry| entry.revision != revision);
            if self.weight <= BYTES_MAX && !is_old {
                break;
            }
            self.order.pop_front();
            if !is_old {
                self.remove(id);
            }
        }
    }
}
