//! What a batch of inputs means: the one function that decides.

use crate::{
    change::{Effect, Input},
    commit::{Commit, Wants, Working},
    name::Timestamp,
    plan::Plan,
};

/// The answer of [`step`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing was changed: load this too, and call again with the same inputs.
    Need(Wants),
    /// Make this one commit; then, and only then, let the effects happen.
    Done {
        /// What changes in the hub.
        commit: Box<Commit>,
        /// What must happen outside, in order.
        effects: Vec<Effect>,
    },
}

/// What these inputs want at the least: saves a round of [`Step::Need`].
pub fn wants(_plan: &Plan, _inputs: &[Input]) -> Wants {
    Wants::default()
}

/// What these inputs mean.
pub fn step(_plan: &Plan, _working: &mut Working, _now: Timestamp, _inputs: &[Input]) -> Step {
    Step::Need(Wants::default())
}
