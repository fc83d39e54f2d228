//! What a person says: decisions about conflicts, edits, links, rollbacks.

use crate::{
    Text,
    change::{PartKey, RowKey},
    group::Excess,
    name::{BindingIndex, FieldIndex, RecordId, SystemIndex},
    value::Value,
};

/// What a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum Command {
    /// Settles an open conflict on one field of one part of a record.
    Resolve { record: RecordId, part: PartKey, field: Option<FieldIndex>, take: Take, who: Text },
    /// Lifts what holds a field on the record (a tripped loop guard, a rollback hold).
    Release { record: RecordId, system: Option<SystemIndex>, field: Option<FieldIndex> },
    /// Ties an unlinked row to this record (`quarantine edit ID --link KEY`). The row is read again.
    Link { record: RecordId, binding: BindingIndex, key: RowKey },
    /// Forgets the intent's park after `retry`: plan again.
    Retry { record: RecordId, system: SystemIndex },
    /// Edits golden fields directly (`quarantine edit ID --set field=value`), as a person's change.
    Edit { record: RecordId, part: PartKey, values: Vec<(FieldIndex, Value)>, who: Text },
    /// Lets through what a user has changed beyond the limit of their system.
    Admit { record: RecordId, excess: Excess, who: Text },
    /// Takes back what a run did, where nobody changed it since (2.17).
    Rollback { record: RecordId, part: PartKey, fields: Vec<RolledBack>, who: Text },
}

/// One field of a rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// Which field; `None` for the existence of the part.
    pub field: Option<FieldIndex>,
    /// What it held before the run; of existence, whether it lived.
    pub before: Value,
    /// The version that the run left; another version now means "leave alone, report".
    pub after_version: u64,
    /// The systems the run took it from: they keep what they have, until somebody edits it there.
    pub keeps: Vec<SystemIndex>,
}

/// How a conflict is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// The value of this system.
    System(SystemIndex),
    /// This golden value.
    Value(Value),
    /// What was agreed before the conflict; the golden value stays.
    Base,
    /// The newest candidate.
    Newest,
}
