//! The hub as people see it: counts, queues, histories, and the few small things that people set
//! (pauses, approvals, guards). Nothing here changes records.
//!
//! Long because it is one trait, with what its questions are answered with.

mod span;

use std::collections::BTreeMap;

use async_trait::async_trait;
pub use span::{Span, Work};
use syncline_core::{
    Text,
    change::{PartKey, Row, RowKey},
    commit::{AuditEvent, Behind, Disposition, Settled, Subject},
    error::PortError,
    group::{Candidate, Excess, Group},
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, RunId, SystemIndex, Timestamp},
    value::{Digest, Value},
};

/// A number people use for a conflict, a quarantine entry, a guard or a change.
pub type Number = u64;

/// A conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Its number.
    pub number: Number,
    /// The record, its entity and part.
    pub record: RecordId,
    /// The entity.
    pub entity: EntityIndex,
    /// The part.
    pub part: PartKey,
    /// The field; `None`: existence.
    pub field: Option<FieldIndex>,
    /// The golden value before.
    pub base: Value,
    /// What competes.
    pub candidates: Vec<Candidate>,
    /// Perhaps there was no conflict.
    pub ambiguous: bool,
    /// The run that opened it, and when.
    pub opened: (RunId, Timestamp),
    /// How and when it ended.
    pub settled: Option<(Settled, Timestamp)>,
}

/// How much of an entity waits for a person, and what to look at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Conflicts that are open.
    pub conflicts: u64,
    /// The newest of them.
    pub conflict: Option<Number>,
    /// Entries of the quarantine that nobody has left alone.
    pub quarantined: u64,
    /// The oldest of them.
    pub entry: Option<Number>,
}

/// Something set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarantined {
    /// Its number.
    pub number: Number,
    /// What is set aside.
    pub subject: Subject,
    /// Its entity.
    pub entity: EntityIndex,
    /// Its record, if it has one.
    pub record: Option<RecordId>,
    /// The stable code.
    pub code: Text,
    /// Why, in a sentence.
    pub message: Text,
    /// The row as it was shown.
    pub row: Option<Row>,
    /// Candidates, or the record waited for.
    pub related: Vec<RecordId>,
    /// How often it was tried.
    pub tries: u32,
    /// Since when.
    pub since: Timestamp,
    /// The run that set it aside last.
    pub run: RunId,
    /// A person said: leave it (with the reason). The row's next version is taken again.
    pub dropped: Option<Text>,
}

/// A change, as `history` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number: `c-90211`.
    pub number: Number,
    /// The run it belongs to.
    pub run: RunId,
    /// The hub's time.
    pub at: Timestamp,
    /// What happened.
    pub event: AuditEvent,
}

/// A pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `r-1042`.
    pub id: RunId,
    /// `run`, `apply`, `refresh`, `verify`, `demo` …
    pub kind: Text,
    /// What set it going: `live`, `poll`, `hook`, `schedule`, `person`; empty where that was not put on record.
    pub trigger: Text,
    /// The entity.
    pub entity: Option<EntityIndex>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None`: under way, or cut off.
    pub ended: Option<Timestamp>,
    /// How it ended: `ok`, `partial`, `failed`, `refused`, `stopped`.
    pub outcome: Text,
    /// Counts of observations, per binding, by what became of them.
    pub ledger: Vec<(BindingIndex, Disposition, u64)>,
    /// Writes made: system, inserts, updates, deletes.
    pub writes: Vec<(SystemIndex, u64, u64, u64)>,
    /// What was said at the end.
    pub message: Text,
    /// What it spent its time on.
    pub spans: Vec<Span>,
}

/// What the runs of an entity came to lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// When the first run began that is still known.
    pub first: Option<Timestamp>,
    /// When the last one began.
    pub last_began: Option<Timestamp>,
    /// How the last one ended that is over.
    pub last_outcome: Option<Text>,
    /// Runs that failed, of those that began since the time asked for.
    pub failed: u64,
    /// Rows they created.
    pub inserts: u64,
    /// Rows they changed.
    pub updates: u64,
    /// Rows they deleted.
    pub deletes: u64,
    /// What became of all that they observed.
    pub fates: Vec<(Disposition, u64)>,
}

/// A guard that tripped.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Its number.
    pub number: Number,
    /// `guard.mass_delete`, `guard.mass_update`, `guard.mass_blank`, `guard.corrupt_values`, `guard.empty_source`,
    /// `guard.restored`, `limit.user`.
    pub code: Text,
    /// The entity.
    pub entity: EntityIndex,
    /// The system whose rows vanished, or that would be written.
    pub system: SystemIndex,
    /// How many, of how many, against which limit.
    pub count: u64,
    /// Rows linked.
    pub linked: u64,
    /// The limit's number.
    pub max: u64,
    /// What exactly would be done: a digest of the set.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// `open`, `applied`, `reversed`, `dismissed`, or `over`: a later pass did not trip it any more.
    pub state: Text,
    /// A few of the rows, for people.
    pub samples: Vec<RowKey>,
    /// The user whose changes it holds; empty if it is about no user.
    pub user: Text,
}

impl Guard {
    /// Whether nothing of its entity is written until it is settled. What a user has changed too much
    /// waits by itself.
    pub fn stops_entity(&self) -> bool {
        self.code != syncline_core::guard::USER
    }
}

/// A record that waits because a user has changed more than the limit lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The record.
    pub record: RecordId,
    /// Who, and where.
    pub excess: Excess,
    /// Since when.
    pub since: Timestamp,
    /// The run that held it.
    pub run: RunId,
}

/// What a person set for an entity or a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// `contacts` or `erp`.
    pub name: Text,
    /// Only writing stops.
    pub writes_only: bool,
    /// Until when; `None`: until resumed.
    pub until: Option<Timestamp>,
    /// Since when.
    pub since: Timestamp,
}

/// Selects history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Of this record.
    pub record: Option<RecordId>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Only those with a smaller number: where a page ended, the next one begins.
    pub below: Option<Number>,
    /// From or to this system.
    pub system: Option<SystemIndex>,
    /// By this actor.
    pub actor: Option<Text>,
    /// Of one of these fields.
    pub fields: Option<Vec<(EntityIndex, FieldIndex)>>,
    /// At most so many, newest first.
    pub limit: usize,
}

/// Selects conflicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Of one of these entities and lists.
    pub entities: Option<Vec<EntityIndex>>,
    /// Over one of these fields.
    pub fields: Option<Vec<(EntityIndex, FieldIndex)>>,
    /// This system has a value in it.
    pub system: Option<SystemIndex>,
    /// Of this record.
    pub record: Option<RecordId>,
    /// Opened by this run.
    pub run: Option<RunId>,
    /// Only those that are settled, or that are not.
    pub settled: Option<bool>,
    /// Only those with a smaller number: where a page ended, the next one begins.
    pub below: Option<Number>,
    /// At most so many, newest first.
    pub limit: usize,
}

/// Selects entries of the quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// Of one of these entities and lists.
    pub entities: Option<Vec<EntityIndex>>,
    /// With this code.
    pub code: Option<Text>,
    /// Set aside last by this run.
    pub run: Option<RunId>,
    /// Those that a person dropped, too.
    pub dropped: bool,
    /// Only those with a larger number: where a page ended, the next one begins.
    pub above: Option<Number>,
    /// At most so many, oldest first.
    pub limit: usize,
}

/// Selects runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of one of these entities.
    pub entities: Option<Vec<EntityIndex>>,
    /// Of this kind.
    pub kind: Option<Text>,
    /// Set going by this.
    pub trigger: Option<Text>,
    /// That ended so.
    pub outcome: Option<Text>,
    /// Begun not before.
    pub since: Option<Timestamp>,
    /// Only those with a smaller number: where a page ended, the next one begins.
    pub below: Option<Number>,
    /// At most so many, newest first.
    pub limit: usize,
}

/// What a person or a program has done with Syncline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Its number; of a new one, none.
    pub number: Number,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: Text,
    /// What: `conflicts.resolve`, `config.load`.
    pub what: Text,
    /// On what: a number, an address, a name.
    pub target: Text,
    /// How it was said.
    pub detail: Text,
}

/// Selects actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// Not before.
    pub since: Option<Timestamp>,
    /// By whom.
    pub who: Option<Text>,
    /// Only those with a smaller number.
    pub below: Option<Number>,
    /// At most so many, newest first.
    pub limit: usize,
}

/// What a reading of the audit's chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// So many changes.
    pub changes: u64,
    /// Of them, so many are older than the chain.
    pub unchained: u64,
    /// Of them, so many are so old that only what they came to is kept.
    pub compacted: u64,
    /// So many actions.
    pub actions: u64,
    /// So many commits have moved something.
    pub moves: u64,
    /// The last hash of the changes, in hexadecimal digits.
    pub changes_head: Text,
    /// The same of the actions.
    pub actions_head: Text,
    /// The same of what was moved.
    pub moves_head: Text,
    /// So many signatures over where the books ended are right.
    pub anchors: u64,
    /// When the last one was made.
    pub anchored: Option<Timestamp>,
    /// The first place where it is not what was written.
    pub broken: Option<Text>,
}

/// What is known of the books from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How one of the hashes begins, in hexadecimal digits.
    pub hash: Option<Text>,
    /// Signatures that were kept beside the hub, a line each.
    pub anchors: Vec<Text>,
    /// Who may have signed; nobody: whoever did.
    pub signers: Vec<[u8; 32]>,
}

/// What rebuilding the records from the books came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The books have what it takes; an earlier version wrote less.
    pub is_possible: bool,
    /// So many commits were followed.
    pub commits: u64,
    /// So many records.
    pub records: u64,
    /// Of them, so many are not what the hub holds.
    pub different: u64,
    /// The first of those.
    pub named: Vec<RecordId>,
}

/// The hub as people see it.
#[async_trait]
pub trait Reader: Send + Sync {
    /// The group of this record.
    async fn group(&self, record: RecordId) -> Result<Option<Group>, PortError>;
    /// The record of this row.
    async fn record_of(
        &self,
        binding: BindingIndex,
        key: &RowKey,
    ) -> Result<Option<RecordId>, PortError>;
    /// Records whose id lies in this range, at most two (for a unique prefix).
    async fn records_between(
        &self,
        first: RecordId,
        last: RecordId,
    ) -> Result<Vec<RecordId>, PortError>;
    /// Live records of an entity, in the order of their ids, after `after`.
    async fn records(
        &self,
        entity: EntityIndex,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Group>, PortError>;
    /// Of the next so many records of whatever entity, those of these entities that live; and the last one
    /// that was looked at, if there may be more. Costs as much as it looks at.
    async fn scan_records(
        &self,
        entities: &[EntityIndex],
        after: Option<RecordId>,
        looked_at: usize,
    ) -> Result<(Vec<Group>, Option<RecordId>), PortError>;
    /// Rows that are known of a binding with their records, in the order of their keys as the hub keeps
    /// them, after `after`.
    async fn rows_of(
        &self,
        binding: BindingIndex,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<(RowKey, RecordId)>, PortError>;
    /// The ids of all records, those that are gone too, in their order, after `after`.
    async fn record_ids(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, PortError>;
    /// How many records of the entity live.
    async fn count_records(&self, entity: EntityIndex) -> Result<u64, PortError>;

    /// What is listed as behind in this system of the records of an entity from the first to the last.
    async fn listed(
        &self,
        entity: EntityIndex,
        system: SystemIndex,
        records: (RecordId, RecordId),
    ) -> Result<BTreeMap<RecordId, Behind>, PortError>;

    /// Records that some system does not show yet, and that are not tried before a later time than
    /// `now`; with that time.
    async fn later(
        &self,
        entity: EntityIndex,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RecordId, SystemIndex, Timestamp)>, PortError>;

    /// Since when the row waits that waits longest to be written to each system, of those that are
    /// due at `now`. Costs as much as there are.
    async fn oldest_behind(
        &self,
        entity: EntityIndex,
        now: Timestamp,
    ) -> Result<Vec<(SystemIndex, Timestamp)>, PortError>;

    /// Open conflicts (or all, newest first).
    async fn conflicts(&self, settled_too: bool, limit: usize) -> Result<Vec<Conflict>, PortError>;
    /// A page of conflicts; costs about as much as it holds.
    async fn conflict_page(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>, PortError>;
    /// How many conflicts pass, on all pages.
    async fn count_conflicts(&self, filter: &ConflictFilter) -> Result<u64, PortError>;
    /// How much waits for a person, by entity and list. Costs little for each, and reads none.
    async fn count_open(&self) -> Result<BTreeMap<EntityIndex, Waits>, PortError>;
    /// One conflict.
    async fn conflict(&self, number: Number) -> Result<Option<Conflict>, PortError>;

    /// What is set aside, oldest first.
    async fn quarantine(&self, limit: usize) -> Result<Vec<Quarantined>, PortError>;
    /// A page of the quarantine; costs about as much as it holds.
    async fn quarantine_page(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<Quarantined>, PortError>;
    /// How many entries pass, on all pages.
    async fn count_quarantine(&self, filter: &QuarantineFilter) -> Result<u64, PortError>;
    /// What users have changed beyond the limits of this entity, and waits; oldest first.
    async fn excesses(&self, entity: EntityIndex) -> Result<Vec<Exceeded>, PortError>;
    /// The number of the newest entry of the quarantine; 0: there never was one.
    async fn newest_quarantined(&self) -> Result<Number, PortError>;
    /// How many conflicts and entries of the quarantine this run has opened that still wait.
    async fn count_set_aside(&self, run: RunId) -> Result<u64, PortError>;
    /// One entry.
    async fn quarantined(&self, number: Number) -> Result<Option<Quarantined>, PortError>;
    /// Leaves an entry alone: only a new version of the row takes it up again.
    async fn drop_quarantined(
        &self,
        number: Number,
        reason: &str,
        who: &str,
    ) -> Result<(), PortError>;
    /// Marks an entry to be tried again by the next pass.
    async fn retry_quarantined(&self, number: Number) -> Result<(), PortError>;

    /// Changes, newest first.
    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<Entry>, PortError>;
    /// The same, but no further than about so many changes are looked at, and none that are more than a day
    /// older than `since`: below which number to go on, if there may be more.
    async fn history_part(
        &self,
        filter: &HistoryFilter,
        looked_at: usize,
    ) -> Result<(Vec<Entry>, Option<Number>), PortError>;

    /// Puts an action on the books.
    async fn act(&self, action: &Action) -> Result<(), PortError>;
    /// Actions, newest first.
    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<Action>, PortError>;
    /// Reads the chains over changes, actions and what was moved from the beginning, and compares them with what
    /// was kept elsewhere.
    async fn verify_chain(&self, kept: &Kept) -> Result<Chain, PortError>;
    /// Rebuilds every record from the books, and compares it with what is held.
    async fn rebuild(&self) -> Result<Rebuilt, PortError>;

    /// Opens a run and gives it a number.
    async fn begin_run(
        &self,
        kind: &str,
        trigger: &str,
        entity: Option<EntityIndex>,
        at: Timestamp,
    ) -> Result<RunId, PortError>;
    /// Puts on record what a run spent its time on.
    async fn note_spans(&self, id: RunId, spans: &[Span]) -> Result<(), PortError>;
    /// Closes a run.
    async fn end_run(
        &self,
        id: RunId,
        at: Timestamp,
        outcome: &str,
        message: &str,
        writes: &[(SystemIndex, u64, u64, u64)],
    ) -> Result<(), PortError>;
    /// Forgets a run in which nothing happened.
    async fn drop_run(&self, id: RunId) -> Result<(), PortError>;
    /// Runs, newest first.
    async fn runs(&self, limit: usize) -> Result<Vec<Run>, PortError>;
    /// A page of runs; costs about as much as it holds.
    async fn run_page(&self, filter: &RunFilter) -> Result<Vec<Run>, PortError>;
    /// How many runs pass, on all pages.
    async fn count_runs(&self, filter: &RunFilter) -> Result<u64, PortError>;
    /// What the runs of an entity came to since some time. Costs no more than they are many.
    async fn lately(&self, entity: EntityIndex, since: Timestamp) -> Result<Lately, PortError>;
    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, PortError>;

    /// Records a tripped guard (or finds the open one of the same code, entity and system, whose
    /// counts are brought up to date), and gives its number.
    async fn trip_guard(&self, guard: &Guard) -> Result<Number, PortError>;
    /// Guards: the open ones, or all, newest first.
    async fn guards(&self, settled_too: bool) -> Result<Vec<Guard>, PortError>;
    /// Settles a guard: `applied`, `dismissed` or `over`.
    async fn settle_guard(&self, number: Number, state: &str, who: &str) -> Result<(), PortError>;

    /// Pauses an entity or a system.
    async fn pause(&self, pause: &Pause) -> Result<(), PortError>;
    /// Ends a pause; whether there was one.
    async fn resume(&self, name: &str) -> Result<bool, PortError>;
    /// All pauses.
    async fn pauses(&self) -> Result<Vec<Pause>, PortError>;

    /// The meaning under which an entity was approved, if it ever was.
    async fn approval(&self, entity: &str) -> Result<Option<Digest>, PortError>;
    /// Approves an entity under this meaning.
    async fn approve(
        &self,
        entity: &str,
        meaning: Digest,
        who: &str,
        at: Timestamp,
    ) -> Result<(), PortError>;

    /// A small remembered value: times of last full scans, last success per entity.
    async fn note(&self, name: &str) -> Result<Option<Text>, PortError>;
    /// Remembers a small value.
    async fn set_note(&self, name: &str, value: &str) -> Result<(), PortError>;
}
