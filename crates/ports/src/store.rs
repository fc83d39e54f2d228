//! The hub: records, links, audit, and all we remember. One door in: [`Store::commit`].

use async_trait::async_trait;
use syncline_core::{
    change::{Position, RowKey},
    commit::{Behind, Commit, Wants, Working},
    error::PortError,
    name::{BindingIndex, EntityIndex, IntentId, RecordId, SystemIndex, Timestamp},
};

/// Why a commit was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// These groups are not at the revision that was read: load and step again.
    Stale(Vec<RecordId>),
    /// The store itself failed; nothing was committed.
    Store(PortError),
}

/// How many records a system does not show as the hub holds them, by what they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BehindCount {
    /// Rows to create.
    pub inserts: u64,
    /// Rows to change.
    pub updates: u64,
    /// Rows to delete.
    pub deletes: u64,
    /// Not tried by themselves: parked or held.
    pub parked: u64,
    /// Rows of the entity that are linked and present there.
    pub linked: u64,
    /// Fields of its rows, and of those of its child lists, that the loop guard holds there.
    pub held: u64,
}

/// The hub. All reads see the last commit.
#[async_trait]
pub trait Store: Send + Sync {
    /// Loads what a step wants, into a fresh working set.
    async fn load(&self, wants: &Wants) -> Result<Working, PortError>;

    /// Commits, all or nothing, durably. The only door in.
    ///
    /// # Errors
    /// [`CommitError::Stale`] if a group is not at the revision before; nothing was changed.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Records behind in this system, in the order of their ids, after `after`, not parked and due
    /// at `now`.
    async fn behind(
        &self,
        entity: EntityIndex,
        system: SystemIndex,
        after: Option<RecordId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RecordId, Behind)>, PortError>;

    /// Counts what is behind, per system of the entity. What is not due at `now` counts as parked.
    async fn count_behind(
        &self,
        entity: EntityIndex,
        now: Timestamp,
    ) -> Result<Vec<(SystemIndex, BehindCount)>, PortError>;

    /// Intents that were sent and never answered, after a crash.
    async fn unanswered(
        &self,
        after: Option<IntentId>,
        limit: usize,
    ) -> Result<Vec<(IntentId, SystemIndex, RecordId)>, PortError>;

    /// Keys of rows of this binding that were last seen present, in the order of their encoding,
    /// after `after`.
    async fn present(
        &self,
        binding: BindingIndex,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, PortError>;

    /// How many rows of this binding were last seen present.
    async fn count_present(&self, binding: BindingIndex) -> Result<u64, PortError>;

    /// Rows that must be read again before anything is decided: after a crash, a failed fence, a
    /// quarantined row whose cause may be gone (a parent that is linked now, a retry). A quarantined
    /// row of a child list is listed under the list, everything else under the group's entity.
    async fn must_read(
        &self,
        entity: EntityIndex,
        after: Option<(BindingIndex, RowKey)>,
        limit: usize,
    ) -> Result<Vec<(BindingIndex, RowKey)>, PortError>;

    /// How far this stream was read.
    async fn checkpoint(&self, stream: &str) -> Result<Option<Position>, PortError>;
}
