//! What this process writes, told in the log itself: a message in each transaction of ours names the
//! rows that were written and answered, so that whoever listens need not read them again.
//!
//! Only a row that changed once in the transaction is passed over: what a trigger or a cascade has
//! done to it since is heard like anything else. A message of another process, or of other tables
//! than those listened to, is nobody's: the rows it names are read.

use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use syncline_core::{
    change::RowKey,
    name::BindingIndex,
    value::{bytes, read_bytes, read_varint, varint},
};

use crate::postgres::bound::Bound;

/// What the messages are called in the log.
pub(super) const PREFIX: &str = "syncline";
/// Asks whether our user may write messages.
pub(super) const MAY_TELL: &str = "select has_function_privilege(\
     'pg_catalog.pg_logical_emit_message(boolean,text,bytea)', 'execute')";

/// Whether somebody in this process listens to a log.
static LISTENS: AtomicBool = AtomicBool::new(false);

/// From now on somebody in this process listens.
pub(super) fn listens() {
    LISTENS.store(true, Ordering::Relaxed);
}

/// Whether it is worth telling.
pub(super) fn is_heard() -> bool {
    LISTENS.load(Ordering::Relaxed)
}

/// Tells this process and its tables from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64);

impl Stamp {
    /// Of these tables, as they are bound.
    pub(super) fn of<'a>(bound: impl IntoIterator<Item = &'a Bound>) -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        let process = PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        let mut hasher = DefaultHasher::new();
        process.hash(&mut hasher);
        for bound in bound {
            (bound.shape.binding.0, bound.known.oid, &bound.list).hash(&mut hasher);
            bound.shape.key.hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// The statement that tells of these rows, in the transaction that has written them.
pub(super) fn statement<'a>(
    stamp: Stamp,
    rows: impl Iterator<Item = (BindingIndex, &'a RowKey)>,
) -> Option<String> {
    let mut content = stamp.0.to_be_bytes().to_vec();
    for (binding, key) in rows {
        varint(u64::from(binding.0), &mut content);
        bytes(&key.0, &mut content);
    }
    if content.len() == 8 {
        return None;
    }
    let mut statement = String::with_capacity(content.len() * 2 + 80);
    statement.push_str("select pg_catalog.pg_logical_emit_message(true, '");
    statement.push_str(PREFIX);
    statement.push_str("', '\\x");
    for byte in content {
        // A string takes whatever is written to it.
        let _ = write!(statement, "{byte:02x}");
    }
    statement.push_str("'::bytea)");
    Some(statement)
}

/// The rows that a message tells of; `None` if it is not ours.
pub(super) fn told(stamp: Stamp, content: &[u8]) -> Option<Vec<(BindingIndex, RowKey)>> {
    let (first, mut rest) = content.split_first_chunk::<8>()?;
    if u64::from_be_bytes(*first) != stamp.0 {
        return None;
    }
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let binding = BindingIndex(read_varint(&mut rest)?.try_into().ok()?);
        rows.push((binding, RowKey(read_bytes(&mut rest)?.into())));
    }
    Some(rows)
}
