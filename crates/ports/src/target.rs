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

    /// Whether writes that [`Target::apply`] does not answer are held back, to be made together by
    /// [`Target::finish`]: what costs as much for one as for thousands is done once.
    fn holds_back(&self) -> bool {
        false
    }

    /// Makes what is held back, if that is not done yet, and answers a portion of it; `None`: all of it is
    /// answered.
    async fn finish(&mut self) -> Option<Finished> {
        None
    }

    /// Forgets what is held back: nobody waits for it any more.
    fn forget(&mut self) {}
}

/// Writes that were held back, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// What was held back.
    pub groups: Vec<WriteGroup>,
    /// As [`Target::apply`] answers.
    pub answers: Vec<(IntentId, Outcome)>,
}

/// Writes these groups and whatever was held back before them, and gives all answers.
pub async fn apply_at_once(
    target: &mut dyn Target,
    groups: &[WriteGroup],
) -> Vec<(IntentId, Outcome)> {
    let mut answers = target.apply(groups).await;
    while let Some(finished) = target.finish().await {
        answers.extend(finished.answers);
    }
    answers
}
