//! What a batch of inputs changes in the hub: one commit, all or nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Text,
    change::{PartKey, Position, Row, RowKey, WriteKind},
    group::{Author, Candidate, Group},
    moved::Moved,
    name::{
        BindingIndex, EntityIndex, FieldIndex, IntentId, OperationId, RecordId, RunId, SystemIndex,
        Timestamp,
    },
    tally::{Counted, Tally},
    value::{Digest, Value},
};

/// A match key: the golden values of a match rule's fields, in the canonical encoding, digested.
pub type MatchKey = Digest;

/// What a step must see before it can decide.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wants {
    /// Groups by record.
    pub records: BTreeSet<RecordId>,
    /// Rows by key: which record are they linked to, and what was last seen?
    pub keys: BTreeSet<(BindingIndex, RowKey)>,
    /// Records by match key: entity, rule, key.
    pub matches: BTreeSet<(EntityIndex, u16, MatchKey)>,
    /// The keys of these records' rows in these systems (parents of references).
    pub row_keys: BTreeSet<(RecordId, SystemIndex)>,
    /// The records that refer to the first of these, as the index says: [`REFERRING_MAX`] at most, those
    /// after the second in the order of their ids.
    pub referring: BTreeSet<(RecordId, RecordId)>,
    /// The records of these intents in flight or in doubt: whose row carries their mark.
    pub intents: BTreeSet<IntentId>,
    /// How much these users have changed lately.
    pub tallies: BTreeSet<Counted>,
}

/// So many records that refer to one are looked at in one step; who has more waits for the next.
pub const REFERRING_MAX: usize = 500;

impl Wants {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.keys.is_empty()
            && self.matches.is_empty()
            && self.row_keys.is_empty()
            && self.referring.is_empty()
            && self.intents.is_empty()
            && self.tallies.is_empty()
    }
}

/// What was loaded, and what a step has made of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Working {
    /// Groups by record; `None`: there is no such record.
    pub groups: BTreeMap<RecordId, Option<Group>>,
    /// What the indices say of groups, of those where the store has it at hand.
    pub indices: BTreeMap<RecordId, GroupIndex>,
    /// Rows by key; `None`: not linked.
    pub keys: BTreeMap<(BindingIndex, RowKey), Option<KnownRow>>,
    /// Records by match key.
    pub matches: BTreeMap<(EntityIndex, u16, MatchKey), Vec<RecordId>>,
    /// The keys of living records' rows in systems; `None`: no row there (yet), or one that is to go.
    pub row_keys: BTreeMap<(RecordId, SystemIndex), Option<RowKey>>,
    /// The records that refer to the first and come after the second, in the order of their ids.
    pub referring: BTreeMap<(RecordId, RecordId), Vec<RecordId>>,
    /// Records by intent; `None`: settled, or never heard of.
    pub intents: BTreeMap<IntentId, Option<RecordId>>,
    /// How much users have changed lately; nothing known is an empty tally.
    pub tallies: BTreeMap<Counted, Tally>,
    /// The hub's operation counter; a step takes numbers from it, the commit stores it.
    pub operation: OperationId,
    /// The hub's identity, mixed into the ids it mints.
    pub hub: u64,
    /// How many ids were minted; a step takes numbers from it, the commit stores it.
    pub minted: u64,
}

impl Working {
    /// Adds what was loaded later. What is here already stays, for it may have been worked on.
    pub fn absorb(&mut self, later: Self) {
        self.hub = later.hub;
        self.operation = self.operation.max(later.operation);
        self.minted = self.minted.max(later.minted);
        absorb(&mut self.groups, later.groups);
        absorb(&mut self.indices, later.indices);
        absorb(&mut self.keys, later.keys);
        absorb(&mut self.matches, later.matches);
        absorb(&mut self.row_keys, later.row_keys);
        absorb(&mut self.referring, later.referring);
        absorb(&mut self.intents, later.intents);
        absorb(&mut self.tallies, later.tallies);
    }
}

fn absorb<K: Ord, V>(known: &mut BTreeMap<K, V>, mut later: BTreeMap<K, V>) {
    if !known.is_empty() {
        later.append(known);
    }
    *known = later;
}

/// What the hub knows of a row without loading its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRow {
    /// The record it is linked to.
    pub record: RecordId,
    /// For a child row: the part's key is in the group; `true` if this is a child.
    pub child: bool,
    /// The digest of the shadow and its version; `None`: the row was last seen absent.
    pub digest: Option<Digest>,
    /// Nothing is in flight or in doubt, nothing must be read, no hold.
    pub quiet: bool,
    /// It is not linked to the record: it is one of its [`crate::group::Rival`]s.
    pub rival: bool,
}

impl KnownRow {
    /// Whether a row with the same digest says nothing new: its group need not be loaded.
    pub fn is_at_rest(&self) -> bool {
        self.quiet && self.digest.is_some()
    }

    /// Whether it was there when it was last seen.
    pub fn is_at_hand(&self) -> bool {
        !self.rival && self.digest.is_some()
    }

    /// Whether another row may refer to this one. A row that is gone, and that nothing of ours brings
    /// back, is nobody's parent: its key may be another's by now, who was not heard of yet.
    pub fn is_parent(&self) -> bool {
        !self.rival && (self.digest.is_some() || !self.quiet)
    }
}

/// One atomic change of the hub.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Commit {
    /// Groups that changed, with the index entries of before and after.
    pub groups: Vec<GroupChange>,
    /// What people read about the decisions, in order.
    pub audit: Vec<AuditEvent>,
    /// Conflicts opened, changed and settled.
    pub conflicts: Vec<ConflictChange>,
    /// Rows and writes set aside, and released.
    pub quarantine: Vec<QuarantineChange>,
    /// How far sources were read.
    pub checkpoints: Vec<Checkpoint>,
    /// How much users have changed lately, of those who changed something now.
    pub tallies: Vec<(Counted, Tally)>,
    /// What became of each observation: the conservation law.
    pub ledger: Ledger,
    /// Entities in which an edit looks as if it had been read in another character set: who writes looks
    /// at what, first.
    pub garbled: BTreeSet<EntityIndex>,
    /// The run this belongs to.
    pub run: RunId,
    /// The hub's time.
    pub at: Timestamp,
    /// The hub's counters after this commit.
    pub operation: OperationId,
    /// Ids minted so far.
    pub minted: u64,
}

/// A group as it will be, and the index entries to take out and put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The group, its revision already raised; the store refuses it unless it holds the one before
    /// (or nothing, for revision 1).
    pub group: Group,
    /// What the indices say of it now.
    pub before: GroupIndex,
    /// What they must say.
    pub after: GroupIndex,
    /// What the books must say of it, to be able to rebuild it.
    pub moved: Moved,
}

/// What the store's indices say of a group. A function of plan and group: see `index::of`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GroupIndex {
    /// Its rows.
    pub rows: Vec<RowEntry>,
    /// Its match keys: entity (never a child list), rule, key. Tombstones have them too.
    pub matches: Vec<(u16, MatchKey)>,
    /// What systems do not yet show.
    pub behind: Vec<Behind>,
    /// Intents in flight or in doubt.
    pub intents: Vec<(SystemIndex, IntentId)>,
    /// Records that its living parts, or rows of it that are still there, refer to.
    pub references: Vec<RecordId>,
    /// It lives and is in scope.
    pub alive: bool,
}

/// A row of a group, as the index holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowEntry {
    /// The binding (of the entity, or of a child list).
    pub binding: BindingIndex,
    /// The row's key there.
    pub key: RowKey,
    /// The system of the binding.
    pub system: SystemIndex,
    /// See [`KnownRow::child`].
    pub child: bool,
    /// What was last seen; `None`: absent.
    pub shadow: Option<Row>,
    /// In which version, where rows have versions that compare.
    pub version: Option<u128>,
    /// See [`KnownRow::quiet`].
    pub quiet: bool,
    /// [`crate::group::Link::must_read`], or some of its values mean nothing: listed by the store
    /// until a commit says otherwise.
    pub must_read: bool,
    /// See [`KnownRow::rival`].
    pub rival: bool,
    /// How many of its fields the loop guard holds.
    pub held: u16,
}

impl RowEntry {
    /// What the hub knows of this row of a record without loading its group.
    pub fn known(&self, record: RecordId) -> KnownRow {
        let digest = self.digest();
        KnownRow { record, child: self.child, digest, quiet: self.quiet, rival: self.rival }
    }

    /// See [`KnownRow::digest`].
    pub fn digest(&self) -> Option<Digest> {
        self.shadow.as_ref().map(|shadow| shadow.digest_at(self.version))
    }
}

/// A record that a system does not show as the hub holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The system.
    pub system: SystemIndex,
    /// What the record itself needs there; for a record that only needs child rows: an update.
    pub kind: WriteKind,
    /// Not before this time (a retry that may heal by itself).
    pub not_before: Option<Timestamp>,
    /// It will not be tried by itself (parked, held, in doubt, waiting for a parent is *not* this).
    pub parked: bool,
}

/// What people read about a decision. Values are golden or native as said; labels mask them later.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// The record.
    pub record: RecordId,
    /// Its entity.
    pub entity: EntityIndex,
    /// The part.
    pub part: PartKey,
    /// The field, or `None` for the whole part.
    pub field: Option<FieldIndex>,
    /// What happened.
    pub kind: AuditKind,
    /// The system it came from or went to.
    pub system: Option<SystemIndex>,
    /// The row there.
    pub key: Option<RowKey>,
    /// Before, where there is one.
    pub before: Option<Value>,
    /// After, or the value that lost.
    pub after: Option<Value>,
    /// The golden version after.
    pub version: u64,
    /// Who, as the system says, or the person.
    pub actor: Option<Text>,
    /// When, by the source's clock, if it says.
    pub source_at: Option<Timestamp>,
    /// A sentence's worth of why: the rule, the policy, the code.
    pub note: Text,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditKind {
    /// A record was created from this row.
    Created,
    /// A row was linked to the record; the note says by which rule.
    Linked,
    /// A link was given up.
    Unlinked,
    /// The link moved to another key.
    Rekeyed,
    /// A golden field changed.
    Changed,
    /// Both sides made the same edit.
    Agreed,
    /// A golden value was overridden by a concurrent edit: `before` is restorable.
    Overridden,
    /// An edit lost a conflict: `after` is restorable.
    Lost,
    /// An edit was not taken (direction, scope): `after` is restorable.
    Rejected,
    /// Both sides were merged.
    Merged,
    /// The record was deleted; its cells are kept.
    Deleted,
    /// A delete was overridden: the record lives.
    DeleteOverridden,
    /// The record lives again.
    Revived,
    /// A system's own rendering of an agreed value; nothing changed.
    Rendered,
    /// A system shows what we wrote.
    Written,
    /// A write was refused for good.
    Refused,
    /// An attribution that could not be exact.
    Ambiguous,
    /// A conflict was opened.
    ConflictOpened,
    /// A conflict was settled.
    ConflictSettled,
    /// The record left or entered a scope.
    Scope,
    /// The loop guard tripped.
    LoopSuspected,
    /// A person decided something.
    Person,
    /// An older or repeated observation: covered.
    Covered,
    /// A rule is broken that only warns.
    Warned,
    /// A user has changed too much; the record waits for a person.
    Held,
    /// Something was here of a record that was erased since: nothing more is known. Stores say so; no step does.
    Erased,
}

/// A change of the queue of conflicts. The store gives numbers.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum ConflictChange {
    /// Opened, or its candidates changed (one open entry per record, part and field).
    Open {
        record: RecordId,
        entity: EntityIndex,
        part: PartKey,
        field: Option<FieldIndex>,
        base: Value,
        /// The golden version from which the candidates departed: entries settled by rule with the
        /// same record, part, field and base version are one entry as long as [`Settled::goes_on`];
        /// candidates are united by author (the newer wins), and the last `settled` stands.
        base_version: u64,
        candidates: Vec<Candidate>,
        ambiguous: bool,
        /// Settled by rule at once (kept for the count and for `history`), or open.
        settled: Option<Settled>,
    },
    /// Settled by a person, or by later events.
    Close { record: RecordId, part: PartKey, field: Option<FieldIndex>, settled: Settled },
}

/// How a conflict ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// `priority`, `newest`, `expr`, `person`, `agreed` …
    pub rule: Text,
    /// Whose value stands.
    pub winner: Author,
    /// The person, if one.
    pub who: Option<Text>,
    /// What the person noted.
    pub note: Option<Text>,
}

impl Settled {
    /// Whether a contest over the same value, from the same version, is still this one: whoever it was given
    /// to competes. Who has replaced his value since had seen it, and competes with others, over another.
    /// Whether a record lives is one question.
    pub fn goes_on(&self, field: Option<FieldIndex>, candidates: &[Candidate]) -> bool {
        field.is_none() || candidates.iter().any(|candidate| candidate.author == self.winner)
    }
}

/// A change of the quarantine. The store gives numbers; one open entry per subject.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum QuarantineChange {
    /// Set aside: a row that cannot be taken, or a write that was refused.
    Park {
        subject: Subject,
        entity: EntityIndex,
        record: Option<RecordId>,
        /// The stable code: `map.unknown_value`, `write.value_too_long`, `match.ambiguous` …
        code: Text,
        message: Text,
        /// The row as it was shown, encoded, for people and for `edit`.
        row: Option<crate::change::Row>,
        /// Candidates of an ambiguous match, or the record waited for.
        related: Vec<RecordId>,
        /// The parent row that is not linked yet: once it is, the store lists this row again.
        awaits: Option<(BindingIndex, RowKey)>,
    },
    /// It was taken or written after all, or no longer matters.
    Release { subject: Subject },
}

/// What is set aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum Subject {
    /// A row that was read.
    Row { binding: BindingIndex, key: RowKey },
    /// A write of this part to this system.
    Write { record: RecordId, part: PartKey, system: SystemIndex },
    /// A record that breaks a rule.
    Record { record: RecordId },
    /// A record that a user has changed beyond the limit of their system.
    Excess { record: RecordId, system: SystemIndex, user: Text },
}

/// How far a source was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// `poll:contacts@crm`, `scan:contacts@crm`, `log:crm`.
    pub stream: Text,
    /// Where to read on.
    pub position: Position,
}

/// What became of an observation. Every one ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It changed the hub.
    Applied,
    /// It says what the hub knows.
    NoOp,
    /// It is our own write coming back.
    Echo,
    /// Something newer was already known or came in the same batch, or one read of the row stands
    /// for several changes of it.
    Superseded,
    /// It lost a conflict; its value is kept and restorable.
    ConflictLost,
    /// Direction or scope keep it out.
    Filtered,
    /// It was set aside for a person or a parent.
    Quarantined,
    /// It waits: a conflict, a guard, a fenced read.
    Held,
}

/// Counts of what was observed and what became of it, per binding.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ledger(pub BTreeMap<(BindingIndex, Disposition), u64>);

impl Ledger {
    /// Counts one observation.
    pub fn count(&mut self, binding: BindingIndex, disposition: Disposition) {
        self.add(binding, disposition, 1);
    }

    /// Counts so many observations.
    pub fn add(&mut self, binding: BindingIndex, disposition: Disposition, count: u64) {
        if count > 0 {
            *self.0.entry((binding, disposition)).or_default() += count;
        }
    }

    /// Adds the counts of another.
    pub fn absorb(&mut self, other: &Self) {
        for (key, count) in &other.0 {
            *self.0.entry(*key).or_default() += count;
        }
    }
}
