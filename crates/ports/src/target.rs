//! Writes to a system.

use async_trait::async_trait;
use syncline_core::{
    change::{Outcome, WriteGroup},
    name::IntentId,
};

/// Writes to a system.
#[async_trait]
pub trait Target: Send {
    /// Writes these groups, each all or nothing, each row under its own precondition, and answers
    /// every write. What is not in the answer, or was cut off, is [`Outcome::Unknown`].
    ///
    /// A refused group never keeps the others from being written. Groups are independent: an
    /// adapter may put many in one transaction, and on an error takes smaller pieces.
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)>;
}
