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
//! A row whose key the table makes cannot be asked for by key after a lost answer. The mark of such an
//! insert gets that key, in the same transaction, once it is known.
//!
//! A hub leaves one row more, its heartbeat: a number that only grows. Where it is smaller than the hub left it
//! last, or gone, the system was restored to an older state.
//!
//! Marks older than [`KEEP_MS`] are removed by writers, at most [`PRUNE_MAX`] per transaction. An
//! intent in doubt is asked about as soon as its system answers again, long before that.

use syncline_core::{
    change::{MarkAnswer, MarkFate, RowKey},
    name::IntentId,
};
use syncline_ports::source::{Age, HEARTBEAT};

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
    (intent_id char(32) not null primary key, state varchar(7) not null, at bigint not null, \
    row_key varchar(1024))";
/// Adds to a table of an older version what it lacks; PostgreSQL and MariaDB do nothing where it is.
pub const ADD_KEY: &str =
    "alter table syncline_applied add column if not exists row_key varchar(1024)";
/// The index for pruning; names the table, so that it is one of its kind in a schema.
pub const CREATE_INDEX: &str = "create index syncline_applied_at on syncline_applied (at)";

/// The id of an intent as the table holds it: 32 hexadecimal digits.
pub fn id(intent: IntentId) -> String {
    intent.to_string()
}

/// The id of what a hub leaves to know the system again: one row for each hub, its number in place of a
/// key. Whoever removes old marks never meets it.
pub fn heartbeat_id(installation: &str) -> String {
    let plain: String = installation.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("heartbeat-{plain:->22.22}")
}

/// The state of such a row.
pub const BEAT: &str = "beat";
/// Its time.
pub const FOREVER: i64 = i64::MAX;

/// The age that it says.
pub fn beaten(found: Option<&str>) -> Age {
    let count = found.and_then(|text| text.trim().parse().ok()).unwrap_or_default();
    Age { of: HEARTBEAT.into(), count }
}

/// A key as the table holds it, in hexadecimal digits; one that the column cannot hold is left out,
/// and the row is then found by what it holds.
pub fn key_text(key: &RowKey) -> Option<String> {
    const DIGITS_MAX: usize = 1_024;
    let text: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
    (text.len() <= DIGITS_MAX).then_some(text)
}

fn key_of(text: &str) -> Option<RowKey> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| Some(u8::try_from(digit.to_digit(16)?).unwrap_or(0))).collect();
    let pairs = digits?;
    let bytes =
        pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, half| byte << 4 | half));
    Some(RowKey(bytes.collect()))
}

/// What a mark says that our own insert met, with the key it holds; `None`: our insert succeeded.
pub fn answer(intent: IntentId, found: Option<(&str, Option<&str>)>) -> MarkAnswer {
    let fate = fate(found.map(|(state, _)| state));
    let key = found.and_then(|(_, key)| key_of(key?));
    MarkAnswer { intent, fate, key }
}

/// What became of an intent in doubt: `found` is the state under its id when our insert met it,
/// `None` when our insert succeeded.
fn fate(found: Option<&str>) -> MarkFate {
    match found {
        Some(APPLIED) => MarkFate::Applied,
        Some(_) | None => MarkFate::Void,
    }
}

#[cfg(test)]
mod tests {
    use syncline_core::value::Value;

    use super::*;

    #[test]
    fn a_heartbeat_fits_its_column_and_is_nothing_where_there_is_none() {
        assert_eq!(heartbeat_id("0a1b2c3d").len(), 32);
        assert_eq!(heartbeat_id("much longer than any name of a hub ever is").len(), 32);
        assert_eq!((beaten(Some("17")).count, beaten(None).count), (17, 0));
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = RowKey::new([&Value::text("ä-7"), &Value::int(-12)]);
        let text = key_text(&key).unwrap();
        let read = answer(IntentId(7), Some((APPLIED, Some(&text))));
        let (intent, fate) = (IntentId(7), MarkFate::Applied);
        assert_eq!(read, MarkAnswer { intent, fate, key: Some(key) });
        assert_eq!(answer(IntentId(7), None).fate, MarkFate::Void);
    }
}
