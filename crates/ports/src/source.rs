//! Reads from a system.

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{MarkAnswer, MarkFate, Observed, Position, ReadResult, RowKey},
    error::PortError,
    name::{BindingIndex, IntentId, OperationId},
};

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRequest {
    /// Rows that changed since `from` (`None`: from the beginning), by the binding's cursor column.
    ///
    /// Must not skip a row that is committed late, shares its stamp with others, or is committed
    /// between two reads: the source reads with an overlap, ties broken by key, its upper bound
    /// never taken from another snapshot. It may show rows again.
    Poll {
        /// Which binding.
        binding: BindingIndex,
        /// Where the last poll stopped.
        from: Option<Position>,
    },
    /// All rows, in ranges of the key, all in one snapshot. `after: None` begins a scan (and gives
    /// up one that was under way); `Some` goes on after that batch's position. With the batch that
    /// ends a complete scan, `upto` is instead where a [`ReadRequest::Poll`] of the binding may go on
    /// (as of the scan's snapshot, overlap included), if it has a cursor column; else `None`.
    Scan {
        /// Which binding.
        binding: BindingIndex,
        /// The `upto` of the batch before.
        after: Option<Position>,
    },
    /// As a scan that begins, but where an earlier one was cut: it shows first what lies behind that
    /// batch's position, then what lies before it, all in one snapshot and with the same proof. So
    /// scans that are cut again and again get to the end. A source that cannot begin there (any
    /// more) begins at the beginning. [`ReadRequest::Scan`] goes on with it.
    ScanFrom {
        /// Which binding.
        binding: BindingIndex,
        /// The `upto` of the last batch that was dealt with; may be of another process.
        from: Position,
    },
    /// These rows, by key, as they are now: one answer each. Reads the latest committed state, not
    /// a replica. For systems with a table of marks, the intents in doubt are voided in the same
    /// transaction (2.3): each comes back applied or void.
    Keys {
        /// Which binding.
        binding: BindingIndex,
        /// Which keys.
        keys: Vec<KeyRead>,
    },
    /// What became of these inserts, whose rows nobody can name yet. For systems with a table of
    /// marks: each is voided as in [`ReadRequest::Keys`], or comes back applied with the key that its
    /// row was given. Systems without one answer nothing.
    Marks {
        /// Which binding.
        binding: BindingIndex,
        /// Which writes.
        intents: Vec<IntentId>,
    },
    /// The child rows of these parents (by the parents' keys), all of them.
    Children {
        /// The binding of the child list.
        binding: BindingIndex,
        /// Keys of the parents in their own binding.
        parents: Vec<RowKey>,
    },
}

/// One fenced read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRead {
    /// The row's key.
    pub key: RowKey,
    /// Comes back with the answer.
    pub operation: OperationId,
    /// Intents whose fate is asked for.
    pub in_doubt: Vec<IntentId>,
}

/// How much to read at once. A source stops at whichever it reaches first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Rows.
    pub rows: usize,
    /// Bytes of row data, roughly.
    pub bytes: usize,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// Rows, in source order. For [`ReadRequest::Keys`] empty: see `answers`.
    pub rows: Vec<Observed>,
    /// One answer per key of a [`ReadRequest::Keys`], in the order asked. A key without one was not
    /// answered: nothing is known of its row, and it must be asked for again.
    pub answers: Vec<KeyAnswer>,
    /// What is known of each intent of a [`ReadRequest::Marks`].
    pub marks: Vec<MarkAnswer>,
    /// Rows that could not be read as configured (a value that no type of ours holds): set aside,
    /// each with its code and reason; never dropped, never a reason to stop.
    pub refused: Vec<RefusedRow>,
    /// The child lists that rows of this batch, or of its answers, hold: each whole. What a row does
    /// not say of its lists is not among them.
    pub lists: Vec<HeldList>,
    /// Where to read on; stored with what the batch means, in one commit.
    pub upto: Option<Position>,
    /// What comes after this batch.
    pub then: Then,
    /// With the first batch of a scan: about how many rows it will show, where the system knows
    /// that without counting them first. For people; nothing is decided by it.
    pub about: Option<u64>,
}

/// All lines of one child list of one row: what is not among them is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldList {
    /// The binding of the list.
    pub binding: BindingIndex,
    /// The key of the row that holds it, in its own binding.
    pub parent: RowKey,
    /// Its lines, in its order.
    pub rows: Vec<Observed>,
    /// Lines that could not be read as configured.
    pub refused: Vec<RefusedRow>,
}

/// The answer to one fenced read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAnswer {
    /// The key that was asked for.
    pub key: RowKey,
    /// The operation that was asked with.
    pub operation: OperationId,
    /// What was found.
    pub result: ReadResult,
    /// The fates that were asked for.
    pub marks: Vec<(IntentId, MarkFate)>,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its key.
    pub key: RowKey,
    /// The stable code.
    pub code: &'static str,
    /// Which column, and why.
    pub reason: Text,
}

/// What comes after a batch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Then {
    /// More, at once.
    #[default]
    More,
    /// Nothing at the moment (a poll has caught up; keys and children are answered).
    Idle,
    /// The scan showed every row of one snapshot, proved by a count in the same snapshot.
    ScanComplete {
        /// How many rows there were.
        rows: u64,
    },
    /// The scan ended early, or its count does not agree: nothing may be concluded from absence.
    ScanIncomplete {
        /// Why.
        reason: Text,
    },
}

/// A number that a system only counts upwards: one that went back says that the system was restored to an
/// older state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// What is counted, and whose count it is: a number of another name says nothing of this one.
    pub of: Text,
    /// How far it has come.
    pub count: u64,
}

/// What the age of the table of marks is called: what this hub has left there last.
pub const HEARTBEAT: &str = "heartbeat";

/// What a hub leaves in a system to know it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which hub: eight hexadecimal digits.
    pub installation: Text,
    /// What it leaves now; `None`: it only looks.
    pub leave: Option<u64>,
    /// What it has left before (0: nothing). Where less is found the system went back, and that stays
    /// as it is: to be seen.
    pub left: u64,
}

impl Heartbeat {
    /// What is left where `found` is there (0: nothing). It only grows, whoever of several processes comes last.
    #[must_use]
    pub fn leaves(&self, found: u64) -> Option<u64> {
        self.leave.filter(|leave| self.left <= found && found < *leave)
    }
}

/// Reads from a system. Never blocks for longer than its time-outs.
#[async_trait]
pub trait Source: Send {
    /// Reads one batch.
    ///
    /// # Errors
    /// What [`PortError`]'s kind says. After an error the source may be asked again; a scan under
    /// way is then begun anew.
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError>;

    /// How far the system has come, in numbers that never go back while it is the same. Where it has a
    /// table of marks, what this hub has left there last ([`HEARTBEAT`]; 0: nothing) is one of them, after it
    /// has left another. None where it counts nothing.
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn ages(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, PortError> {
        let _nothing_is_left = heartbeat;
        Ok(Vec::new())
    }
}
