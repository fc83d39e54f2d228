//! Commits that were decided and are not made yet: who asks what is under way sees them, too.

use super::MemoryStore;

/// A commit that was decided, until it is made or whoever makes it dies.
pub(super) struct UnderWay<'a>(&'a MemoryStore);

impl<'a> UnderWay<'a> {
    /// It begins.
    pub(super) fn new(store: &'a MemoryStore) -> Self {
        store.memory().under_way += 1;
        Self(store)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.memory().under_way -= 1;
    }
}
