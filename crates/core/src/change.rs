//! What is read from systems, and what is written to them: the words between the core and the
//! outside. Keys and rows are shared, not copied: a row is its link's shadow too.

mod command;

use std::sync::Arc;

use crate::{
    Text,
    commit::{Behind, Disposition},
    name::{BindingIndex, FieldIndex, IntentId, OperationId, RecordId, SystemIndex, Timestamp},
    value::{Digest, Slot, Value, bytes, read_bytes, read_varint, varint},
};

pub use command::{Command, RolledBack, Take};

/// A row's key in its system: one or more native values, in the canonical encoding.
///
/// Compared as bytes, which is exact and fast; the order is *not* the system's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowKey(pub Arc<[u8]>);

impl RowKey {
    /// Encodes the key's native values, in the order of the key columns.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut out = Vec::with_capacity(16);
        for value in values {
            value.encode(&mut out);
        }
        Self(out.into())
    }

    /// The native values, in the order of the key columns. Empty if the bytes are not a key.
    pub fn values(&self) -> Vec<Value> {
        let (mut rest, mut values) = (&*self.0, Vec::new());
        while !rest.is_empty() {
            match Value::decode(&mut rest) {
                Some(value) => values.push(value),
                None => return Vec::new(),
            }
        }
        values
    }
}

/// As people write it: `8812`, or `SKU-1/paris` for a composite key.
impl std::fmt::Display for RowKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, value) in self.values().iter().enumerate() {
            write!(f, "{}{value}", if index == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

/// What a row holds, one slot per field of the entity (not per column).
///
/// A slot is the *native atom* of the field's cell: the value of its column; a [`Value::List`] of
/// the values of its columns where the cell has several; the value at the path where the cell is a
/// path in a JSON column; the key of the parent row (a list if composite) for a reference. Fields
/// without a cell in this system are [`Slot::Missing`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Row(pub Arc<[Slot]>);

impl Row {
    /// The slot of this field; missing where the row has none.
    pub fn slot(&self, field: FieldIndex) -> &Slot {
        self.0.get(field.at()).unwrap_or(&Slot::Missing)
    }

    /// The value of this field, if the row shows one.
    pub fn value(&self, field: FieldIndex) -> Option<&Value> {
        self.slot(field).value()
    }

    /// A digest of all slots: equal digests mean equal rows.
    pub fn digest(&self) -> Digest {
        let mut out = Vec::with_capacity(256);
        self.encode(&mut out);
        Digest::of(&out)
    }

    /// The same of a row as it was then, where rows have versions that compare: values that come
    /// back are another state of it.
    pub fn digest_at(&self, version: Option<u128>) -> Digest {
        let Some(version) = version else { return self.digest() };
        let mut out = Vec::with_capacity(256);
        self.encode(&mut out);
        out.extend(version.to_be_bytes());
        Digest::of(&out)
    }

    /// Appends the canonical encoding: the number of slots, then each slot.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint(self.0.len() as u64, out);
        for slot in self.0.iter() {
            match slot {
                Slot::Missing => out.push(0xf0),
                Slot::Unavailable => out.push(0xf1),
                Slot::Present(value) => value.encode(out),
            }
        }
    }

    /// Reads what [`Row::encode`] wrote.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let count =
            usize::try_from(read_varint(input)?).ok().filter(|count| *count <= input.len())?;
        let mut slots = Vec::with_capacity(count);
        for _ in 0..count {
            slots.push(match input.split_first() {
                Some((0xf0, rest)) => {
                    *input = rest;
                    Slot::Missing
                }
                Some((0xf1, rest)) => {
                    *input = rest;
                    Slot::Unavailable
                }
                _ => Slot::Present(Value::decode(input)?),
            });
        }
        Some(Self(slots.into()))
    }
}

/// A place in a system's history of one row. Only orders of one kind compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum Order {
    /// A place in a log: epoch of the system, position, row within the transaction.
    Log { epoch: u32, major: u128, minor: u64 },
    /// A version that the system counts per row.
    Version(u128),
    /// The hub operation of a fenced read.
    Operation(u64),
}

impl Order {
    /// Whether this comes before or at `other`; `false` where they do not compare.
    pub fn is_covered_by(self, other: Self) -> bool {
        match (self, other) {
            (
                Self::Log { epoch, major, minor },
                Self::Log { epoch: other_epoch, major: other_major, minor: other_minor },
            ) => (epoch, major, minor) <= (other_epoch, other_major, other_minor),
            (Self::Version(this), Self::Version(other)) => this <= other,
            (Self::Operation(this), Self::Operation(other)) => this <= other,
            (Self::Log { .. } | Self::Version(_) | Self::Operation(_), _) => false,
        }
    }

    /// The row's own version, if this is one.
    pub fn version(self) -> Option<u128> {
        match self {
            Self::Version(version) => Some(version),
            Self::Log { .. } | Self::Operation(_) => None,
        }
    }
}

/// Resumes a stream or a poll where it stopped. Opaque to all but the adapter that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position(pub Vec<u8>);

/// Tells whether a row is still the one that was read (xmin, `ETag`). Equality only, never ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(pub Vec<u8>);

/// One row of one binding, as a source showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// How the entity lives in the system.
    pub binding: BindingIndex,
    /// The row's key there.
    pub key: RowKey,
    /// What the row holds, or `None`: it is not there (or marked deleted, where the binding deletes
    /// softly).
    pub row: Option<Row>,
    /// For a child list: the key of the row's parent, in the parent's binding of this system.
    pub parent: Option<RowKey>,
    /// Where in the history of the row this was, if the source orders it.
    pub order: Option<Order>,
    /// What a later write may expect to find, if the system has such a thing.
    pub token: Option<Token>,
    /// When the system says that the row last changed (`changed_at`, or the commit time in a log).
    pub changed_at: Option<Timestamp>,
    /// Who the system says changed it (`changed_by`).
    pub actor: Option<Text>,
    /// In a log: the mark that our own transaction left, if it did.
    pub mark: Option<IntentId>,
    /// In a log: the transaction of the source, to be compared with what a write answered.
    pub transaction: Option<Text>,
}

/// What a person or a later commit said about the fate of an intent that was in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkFate {
    /// Its marker was found: it was applied.
    Applied,
    /// Its marker was not there and has been taken by us: it can never be applied any more.
    Void,
}

/// What became of a write whose row has no key yet that it could be read by: an insert into a table
/// that makes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkAnswer {
    /// The write.
    pub intent: IntentId,
    /// Whether it was applied.
    pub fate: MarkFate,
    /// The key that its row was given, if it was applied.
    pub key: Option<RowKey>,
}

/// The answer to a fenced read of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// The row as it is, with the fates of the intents that were asked about.
    Found(Box<Observed>),
    /// The row is not there.
    Absent,
    /// The row could not be read; nothing is known.
    Failed(Text),
}

/// Everything that can happen to the hub: correctness.md 2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum Input {
    /// A change from a log, in the order of the log.
    Change(Observed),
    /// A webhook: a hint, or with a comparable version a statement.
    Push(Observed),
    /// A row that a poll or a scan showed. `began` is the hub's operation when its batch began:
    /// the row counts as a fenced read only if nothing of ours was in flight since.
    Polled { row: Observed, began: OperationId },
    /// A row that was read because its system told that it changed. It is told once: where the row
    /// does not count, because something of ours was in flight or something newer may be known, it
    /// is read again. `others` is how many more changes of the row were told of, all of which this
    /// one read stands for.
    Heard { row: Observed, began: OperationId, others: u32 },
    /// Changes that were told of and for which no row is decided about: what became of them.
    Accounted { binding: BindingIndex, changes: u64, fate: Disposition },
    /// A row that could not be read as configured: set aside, with the reader's code and reason.
    Refused { binding: BindingIndex, key: RowKey, code: &'static str, reason: Text },
    /// A key that a proved complete scan did not show. Not yet a delete: it asks for a read by key.
    Unseen { binding: BindingIndex, key: RowKey, began: OperationId },
    /// The answer to [`Effect::Read`].
    ReadDone {
        binding: BindingIndex,
        key: RowKey,
        operation: OperationId,
        result: ReadResult,
        /// For systems with a table of marks: what became of the intents in doubt.
        marks: Vec<(IntentId, MarkFate)>,
    },
    /// The answer to [`Effect::ReadMarks`]: no answer about an intent leaves it in doubt.
    MarksRead { record: RecordId, answers: Vec<MarkAnswer> },
    /// Rows of one range of a concurrent backfill, between two marks of the log (2.13). Linked keys
    /// that are absent although inside the range arrive as [`Input::Unseen`].
    ScanChunk { rows: Vec<Observed>, began: OperationId },
    /// A scan ended, with a proof of completeness or without.
    ScanDone { binding: BindingIndex, complete: bool },
    /// The answer to a write.
    WriteDone { record: RecordId, intent: IntentId, outcome: Outcome },
    /// A read was not answered in time.
    Timeout { binding: BindingIndex, key: RowKey, operation: OperationId },
    /// Plan what this record needs in this system, now. Level-triggered: says *that*, never *what*.
    Due { record: RecordId, system: SystemIndex, cycles: Cycles },
    /// Decide what becomes of those that refer to this deleted record, whose row in this system is
    /// to go: of those, the ones after `after` in the order of their ids. Nothing is written yet: plans
    /// show what is decided, and guards count it.
    Orphans { record: RecordId, system: SystemIndex, after: RecordId },
    /// A person's command.
    Command(Command),
    /// The process came back: every intent that was sent is in doubt.
    Recovered { record: RecordId },
    /// The entity lives in this system from now on, or its rows are matched by other rules: what the
    /// record lacks there is worked out, and it is found by what it is matched by now.
    Renew { record: RecordId, system: Option<SystemIndex> },
    /// The hub, or a system, was restored to an older state (2.16).
    Restored(Restored),
    /// Columns of a system are gone, or are there again.
    Drifted(Drifted),
}

/// Fields of a system whose columns are gone have no cell in the plan, and what a row showed there is remembered.
/// What the record lacks in the system is worked out by the plan as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// The record concerned (the engine feeds one input per record).
    pub record: RecordId,
    /// The system.
    pub system: SystemIndex,
    /// What the store lists of the record there, by the plan as it was.
    pub listed: Option<Behind>,
    /// Fields whose columns are there again. What they show is nobody's edit where the hub writes them: they may have
    /// been made anew, and be empty.
    pub back: Arc<[(BindingIndex, FieldIndex)]>,
}

/// Whether references that are not linked yet may be left empty, to be written in a second step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cycles {
    /// Children wait for their parents.
    Wait,
    /// Nothing else is left to do: break the cycle with NULL references (2.9).
    Break,
}

/// What was restored, and to what extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The system, or `None`: the hub itself.
    pub system: Option<SystemIndex>,
    /// The record concerned (the engine feeds one input per record).
    pub record: RecordId,
    /// What a person chose for a restored system.
    pub choice: RestoreChoice,
}

/// After a restore of a system, a person chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreChoice {
    /// Shadows are unknown; nothing that the system shows is an edit; the hub is written again.
    Push,
    /// Differences are edits like any other.
    Accept,
}

/// Which part of a record: the record itself, or a row of one of its child lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum PartKey {
    /// The record itself.
    #[default]
    Root,
    /// A row of this child list, by its golden key (encoded like a [`RowKey`]).
    Child { list: crate::name::EntityIndex, key: RowKey },
}

impl PartKey {
    /// Appends a form that [`PartKey::decode`] reads.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Root => out.push(0),
            Self::Child { list, key } => {
                out.push(1);
                varint(u64::from(list.0), out);
                bytes(&key.0, out);
            }
        }
    }

    /// Reads what [`PartKey::encode`] wrote.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let (tag, rest) = input.split_first()?;
        *input = rest;
        match tag {
            0 => Some(Self::Root),
            1 => {
                let list = crate::name::EntityIndex(u16::try_from(read_varint(input)?).ok()?);
                Some(Self::Child { list, key: RowKey(read_bytes(input)?.into()) })
            }
            _ => None,
        }
    }
}

/// What a write does to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// There is no row yet.
    Insert,
    /// Some fields of a row.
    Update,
    /// The row goes; where the binding deletes softly, the target marks it instead, and answers
    /// without a post-image all the same.
    Delete,
}

/// What a write expects to find; anything else is [`Outcome::Precondition`] and nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No row with this key.
    Absent,
    /// The row, with these native atoms in these fields (exact equality, compared in the engine).
    Fields(Vec<(FieldIndex, Value)>),
}

impl Expected {
    /// Whether this row, or none, is what is expected.
    pub fn is_met_by(&self, row: Option<&Row>) -> bool {
        match (self, row) {
            (Self::Absent, found) => found.is_none(),
            (Self::Fields(_), None) => false,
            (Self::Fields(fields), Some(row)) => {
                fields.iter().all(|(field, value)| row.value(*field) == Some(value))
            }
        }
    }
}

/// One row to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWrite {
    /// The record it belongs to.
    pub record: RecordId,
    /// Its intent, on record before the write is made; the mark the write leaves.
    pub intent: IntentId,
    /// How the entity lives in the system.
    pub binding: BindingIndex,
    /// The row's key; `None` for an insert whose key the system makes. An insert whose key columns
    /// are fields carries them in `set`.
    pub key: Option<RowKey>,
    /// For a child row: the key of its parent row, or `None` while the parent is inserted by an
    /// earlier write of the same group (the adapter takes the key that insert was given).
    pub parent: Option<RowKey>,
    /// Insert, update or delete.
    pub kind: WriteKind,
    /// Native atoms to write. For an update only what changes; the rest of the row is not touched.
    pub set: Vec<(FieldIndex, Value)>,
    /// What must be found.
    pub expect: Expected,
    /// The token that must still hold, where the system has such a thing.
    pub token: Option<Token>,
}

/// Rows that are written together or not at all: an order with its lines, a swap of unique values.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WriteGroup {
    /// In this order; parents first for inserts, children first for deletes.
    pub writes: Vec<RowWrite>,
    /// The members exchange unique values among themselves: the adapter first parks clashing
    /// columns on reserved temporary values, inside the same transaction.
    pub park: bool,
}

/// What became of a write. An unanswered write *is* [`Outcome::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum Outcome {
    /// Done. The row as it is after triggers and coercion, or `None` after a delete. `key` is the
    /// row's key now (made by the system for an insert, moved for an update of key columns).
    Applied {
        key: RowKey,
        post: Option<Row>,
        token: Option<Token>,
        order: Option<Order>,
        transaction: Option<Text>,
    },
    /// Not done: the row is not what was expected. `current` is what was found, `None`: no row.
    Precondition { current: Option<Row>, token: Option<Token> },
    /// Not done: another row holds the value. `holder` is that row's key if it could be found.
    Unique { columns: Vec<Text>, holder: Option<RowKey> },
    /// Not done: a row it refers to is not there (or, for a delete, rows still refer to it).
    Foreign { constraint: Text },
    /// Not done, and it never will be as it is: a stable code and the reason.
    Invalid { code: &'static str, reason: Text },
    /// Definitely not done; the same again may succeed (deadlock, serialization, lost connection
    /// before the commit was sent).
    Retry { reason: Text },
    /// Perhaps done.
    Unknown { reason: Text },
    /// Not done because another member of its group was refused.
    Sibling,
}

/// What must happen outside, after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum Effect {
    /// Send these rows to this system.
    Write { system: SystemIndex, group: WriteGroup },
    /// Read this key now, fenced, and ask for (and void) these intents in doubt.
    Read { binding: BindingIndex, key: RowKey, operation: OperationId, in_doubt: Vec<IntentId> },
    /// Ask for (and void) these inserts in doubt: the key that would be read is known to nobody.
    ReadMarks { record: RecordId, binding: BindingIndex, intents: Vec<IntentId> },
    /// This input could not be decided yet: feed it again, in one batch with the answers to the
    /// reads of this step. It was counted nowhere.
    Again(Box<Input>),
    /// A row that was heard of, and is nobody's yet, cannot be decided while a write is in flight: it
    /// must be heard of again, even if the process ends. It was counted as held.
    Later { binding: BindingIndex, key: RowKey },
    /// The row waits until this record has a row in this system.
    BlockedOn { record: RecordId, system: SystemIndex },
}
