//! Known-wrong variants of what this package decides, each behind a switch that only the simulator
//! can turn: a check that no mutant can slip past is a check with teeth.
//!
//! A mutant is a value in the plan, and only there with the feature `mutants`, which nothing but
//! the simulator asks for. Without it [`Plan::is_mutant`] is constantly false, and nothing of this
//! is in the program. Origins named `b01` to `b33` are those of correctness.md 8.

use crate::plan::Plan;

impl Plan {
    /// Whether this wrong variant was asked for.
    #[cfg(feature = "mutants")]
    pub fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Never: the program has no mutants.
    #[cfg(not(feature = "mutants"))]
    pub const fn is_mutant(&self, _: Mutant) -> bool {
        false
    }
}

/// The invariants of correctness.md 3, as `docs/guarantees.md` and the oracles name them.
pub mod breaks {
    /// I1.
    pub const CONVERGENCE: &str = "convergence";
    /// I1 and I13: it comes to rest.
    pub const QUIESCENCE: &str = "quiescence";
    /// I2.
    pub const LOST_UPDATE: &str = "no lost update";
    /// I3.
    pub const CAUSALITY: &str = "causality";
    /// I4.
    pub const RESURRECTION: &str = "no resurrection";
    /// I5.
    pub const ECHO: &str = "bounded echo";
    /// I6.
    pub const POLLUTION: &str = "no pollution";
    /// I9.
    pub const COUNTERS: &str = "counters";
    /// One record, one row.
    pub const DUPLICATE: &str = "no duplicate";
    /// Great damage waits for a person.
    pub const GUARDS: &str = "guards";
    /// What a file says of directions and rules is what happens.
    pub const RULES: &str = "rules";
}

macro_rules! mutants {
    ($($mutant:ident, $name:literal, $origin:literal, $breaks:ident, $wrong:literal;)*) => {
        /// A wrong variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $(#[doc = $wrong] $mutant,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$mutant),*];

            /// Its name, which stays.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$mutant => $name),* }
            }

            /// Where it comes from: a configuration of correctness.md 8, or `hand`: done to the code by hand before it stood here.
            pub const fn origin(self) -> &'static str {
                match self { $(Self::$mutant => $origin),* }
            }

            /// The invariant that it breaks above all.
            pub const fn breaks(self) -> &'static str {
                match self { $(Self::$mutant => breaks::$breaks),* }
            }

            /// What is wrong.
            pub const fn wrong(self) -> &'static str {
                match self { $(Self::$mutant => $wrong),* }
            }
        }
    };
}

mutants! {
    BlindWrite, "blind-write", "b01", LOST_UPDATE,
        "an update expects nothing of the row that it changes";
    BlindDelete, "blind-delete", "b01", LOST_UPDATE,
        "a delete expects nothing of the row that it takes away";
    ExpectsItsOwn, "expects-its-own", "hand", CONVERGENCE,
        "an update expects to find the values that it brings";
    PushTrusted, "push-trusted", "b02", LOST_UPDATE,
        "a webhook's payload counts although it carries no version";
    AckIsWholeRow, "ack-is-whole-row", "b03", CONVERGENCE,
        "all that a write's answer shows is ours, fields that were not written included";
    NeedByValue, "need-by-value", "b04", QUIESCENCE,
        "whether a field must be written is asked of the values alone";
    DoubtForgotten, "doubt-forgotten", "b05", CAUSALITY,
        "a write whose answer was lost counts as not made";
    OnlyNewestDoubt, "only-newest-doubt", "b24", CAUSALITY,
        "a new write makes the earlier ones in doubt forgotten";
    RetiredFirst, "retired-first", "b33", CAUSALITY,
        "writes in doubt are given up before what is seen is compared with them";
    UnfencedPoll, "unfenced-poll", "b06", LOST_UPDATE,
        "a row counts although a write of ours was under way when it was polled";
    UnfencedRead, "unfenced-read", "b06", LOST_UPDATE,
        "a row counts although a write of ours was answered since it was asked for";
    LogOrderIgnored, "log-order-ignored", "b07", CONVERGENCE,
        "what a log tells again counts again";
    NextEventIgnored, "next-event-ignored", "b08", CONVERGENCE,
        "the next that a log tells of a row after our write is taken for our write";
    PositionFirst, "position-first", "b09", CONVERGENCE,
        "how far a source was read is durable before what was read";
    LoserAgrees, "loser-agrees", "b10", CONVERGENCE,
        "losing a conflict counts as agreement";
    RejectedNotDirty, "rejected-not-dirty", "b29", CONVERGENCE,
        "an edit that loses to a delete leaves its field agreed";
    ConflictByValue, "conflict-by-value", "b11", CAUSALITY,
        "whether two edits are a conflict is asked of the values";
    ScopeExitDeletes, "scope-exit-deletes", "b13", CONVERGENCE,
        "a row that goes because its record left the scope is a delete";
    EchoAdopted, "echo-adopted", "b20", POLLUTION,
        "what a system made of our write counts as its user's edit";
    RowCopied, "row-copied", "b28", POLLUTION,
        "a record that lives again is filled from the row that was edited";
    FailureFinal, "failure-final", "b15", CAUSALITY,
        "a failed precondition proves that the write never happened, also behind a retrying proxy";
    FailureImageTrusted, "failure-image-trusted", "b22", CAUSALITY,
        "the row that comes with a failed precondition counts, in a system with a log";
    PushDuringWrite, "push-during-write", "b32", CAUSALITY,
        "a versioned webhook counts while a write of ours is under way";
    MarksUnread, "marks-unread", "b16", COUNTERS,
        "the marks of our writes are not looked for after a lost answer";
    RestoreIgnoresMarks, "restore-ignores-marks", "b18", COUNTERS,
        "a mark of ours that nobody remembers is a user's edit";
    NoLoopGuard, "no-loop-guard", "b30", QUIESCENCE,
        "no loop of programs is ever suspected";
    LoopAgrees, "loop-agrees", "b31", LOST_UPDATE,
        "where a loop is suspected, what is shown counts as agreed";
    InsertByExistence, "insert-by-existence", "b25", LOST_UPDATE,
        "any row that is there is our insert whose answer was lost";
    AckMovesShadow, "ack-moves-shadow", "b27", LOST_UPDATE,
        "the answer to a write moves what a system with a log is known to show, past what it has not told";
    MarkIgnored, "mark-ignored", "hand", POLLUTION,
        "the marks in a log are not looked at";
    LoserNotKept, "loser-not-kept", "hand", LOST_UPDATE,
        "the value that lost a conflict is not kept";
    InsertAgain, "insert-again", "hand", DUPLICATE,
        "an insert in doubt is made again at once";
    CrashForgets, "crash-forgets", "hand", COUNTERS,
        "after a crash nothing is in doubt";
    EqualCounts, "equal-counts", "hand", COUNTERS,
        "two who counted the same counted once";
    CounterOverwritten, "counter-overwritten", "hand", COUNTERS,
        "a counter that was counted on both sides takes the last count";
    AbsenceUnproved, "absence-unproved", "hand", CONVERGENCE,
        "a row that a scan did not show is gone, although the scan was cut";
    ChildFirst, "child-first", "hand", CONVERGENCE,
        "a row is made before the row that it refers to";
    FieldLeftOut, "field-left-out", "hand", CONVERGENCE,
        "one field is left out of every merge";
    HeldWritten, "held-written", "hand", RULES,
        "a field whose conflict waits for a person is written";
    GuardNeverTrips, "guard-never-trips", "hand", GUARDS,
        "no count of deletes is too great";
    LostDeleteDone, "lost-delete-done", "hand", RULES,
        "a delete that lost to an edit is carried out";
    PriorityUpsideDown, "priority-upside-down", "hand", RULES,
        "who stands first stands last";
    BesideTheCommit, "beside-the-commit", "hand", CONVERGENCE,
        "a batch is decided without what the commit under way touches";
}
