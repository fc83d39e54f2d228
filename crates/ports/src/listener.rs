//! Hears at once that rows changed: from a system's log, or from a table of changes kept by triggers.
//!
//! A listener says *which* rows changed, not what they hold: a hint. The row is then read as it
//! is, like any other, so what a log leaves out (large values, cascades, what triggers did, the
//! shape of the table at that time) cannot be wrong, and hearing something twice is harmless.
//! A listener must never keep silent about a committed change.

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{Observed, Position, RowKey},
    error::{ErrorKind, PortError},
    name::{BindingIndex, Timestamp},
};

/// One change that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The binding whose table changed.
    pub binding: BindingIndex,
    /// What changed in it.
    pub what: Changed,
    /// When it was committed, as the system says.
    pub at: Option<Timestamp>,
}

/// What changed in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The row of this key was created, changed or deleted; where the key itself was changed there
    /// is a hint for the old one and a hint for the new one.
    Row(RowKey),
    /// This row was created or changed, and the system itself has told what it holds: all that is bound of
    /// it, with a version that compares with those of the rows that are read. It counts if nothing newer is
    /// known; else the row is read, as with [`Changed::Row`].
    Shown(Box<Observed>),
    /// More than can be named row by row (`TRUNCATE`, another shape of the table, an event that
    /// cannot be read): the binding must be read whole. Says why.
    Unnamed(Text),
    /// Some rows changed, as any poll shows them: the binding is polled, or read whole where it
    /// cannot be. Says why they are not named.
    Somewhere(Text),
}

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// In the order of the commits. May be empty: then only time, or other tables, have passed.
    pub hints: Vec<Hint>,
    /// Where to go on once these hints are dealt with. May lie within a transaction if the listener
    /// can begin there again; else it is where the last one began that was heard completely.
    pub upto: Position,
    /// There is more, at once.
    pub more: bool,
}

/// What the system keeps for us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Bytes of log, or of the table of changes.
    pub bytes: u64,
    /// Whether the system itself bounds them.
    pub bounded: bool,
}

/// Hears changes of one system, of all its bindings.
#[async_trait]
pub trait Listener: Send {
    /// What it listens to, in a word: `wal`, `binlog`, `triggers`.
    fn word(&self) -> &'static str;

    /// Begins: after `from`, or from now on. Everything that is committed after this has returned
    /// will be heard, and with `from` everything after it too. Sets up what it needs in the system
    /// (a slot and a publication; triggers). Gives where it begins.
    ///
    /// # Errors
    /// `PositionLost`: the system no longer has everything after `from`; begin again with `None`,
    /// then read everything. Else what keeps it from listening.
    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError>;

    /// The next hints, about `rows` of them at most, as soon as there are some; after some seconds
    /// at most, none, with a position that may have moved on.
    ///
    /// # Errors
    /// `PositionLost` as with [`Listener::begin`]; else what happened to the connection: the
    /// listener is then opened anew and begins after what was last dealt with.
    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError>;

    /// Everything up to here is dealt with, durably: the system may forget it.
    ///
    /// # Errors
    /// What happened to the connection.
    async fn ack(&mut self, upto: &Position) -> Result<(), PortError>;

    /// How much the system keeps for us.
    ///
    /// # Errors
    /// What happened to the connection.
    async fn retained(&mut self) -> Result<Retained, PortError>;

    /// Takes everything out of the system again that listening has put there.
    ///
    /// # Errors
    /// What kept it from that.
    async fn remove(&mut self) -> Result<(), PortError>;
}

/// Why a listener that was not told where to begin cannot be asked for anything: a defect of who asks.
pub fn not_begun(action: &str) -> PortError {
    PortError::new(ErrorKind::Unexpected, action, "it has not begun")
}
