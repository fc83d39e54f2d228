//! The table of marks, `syncline_applied`: how a write whose answer was lost gets a definite fate
//! (correctness.md 2.3, "Voiding").
//!
//! A writer inserts the mark of each intent with state [`APPLIED`], *first* in its transaction. Who
//! asks for the fate of an intent in doubt inserts the same id with state [`VOID`], in the
//! transaction that reads the row:
//!
//! - the insert succeeds: the write never happened, and if it comes late it meets the primary key
//!   and is rolled back;
//! - the id is there: the write was applied, if its state is `applied`, or was voided before;
//! - the writer's transaction is still open: the insert waits for its end.
//!
//! Marks older than [`KEEP_MS`] are removed by writers, at most [`PRUNE_MAX`] per transaction. An
//! intent in doubt is asked about as soon as its system answers again, long before that.

use syncline_core::{change::MarkFate, name::IntentId};

/// The name of the table.
pub const TABLE: &str = "syncline_applied";
/// The state of a write that happened.
pub const APPLIED: &str = "applied";
/// The state of a write that never happened and never can.
pub const VOID: &str = "void";
/// How long marks are kept, in milliseconds: thirty days.
pub const KEEP_MS: i64 = 30 * 86_400_000;
/// Marks removed per writing transaction, at most.
pub const PRUNE_MAX: usize = 1_000;

/// Creates the table; the same words on all three systems. `at` is in milliseconds since 1970.
pub const CREATE: &str = "create table if not exists syncline_applied \
    (intent_id char(32) not null primary key, state varchar(7) not null, at bigint not null)";
/// The index for pruning; names the table, so that it is one of its kind in a schema.
pub const CREATE_INDEX: &str = "create index syncline_applied_at on syncline_applied (at)";

/// The id of an intent as the table holds it: 32 hexadecimal digits.
pub fn id(intent: IntentId) -> String {
    intent.to_string()
}

/// What became of an intent in doubt: `found` is the state under its id when our insert met it,
/// `None` when our insert succeeded.
pub fn fate(found: Option<&str>) -> MarkFate {
    match found {
        Some(APPLIED) => MarkFate::Applied,
        Some(_) | None => MarkFate::Void,
    }
}
