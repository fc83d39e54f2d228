//! What a run spends its time on.

use syncline_core::name::SystemIndex;

/// What a run may spend its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Reading this system.
    Read(SystemIndex),
    /// Deciding what that means, and putting it on record.
    Merge,
    /// Writing to this system.
    Write(SystemIndex),
}

/// One kind of work of a run, in milliseconds since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub work: Work,
    /// When for the first time.
    pub from_ms: u64,
    /// When the last of it ended.
    pub to_ms: u64,
    /// How long it was done in all: there are pauses.
    pub busy_ms: u64,
}
