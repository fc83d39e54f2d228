//! The places that things are sealed for: what they are, and of what. Nothing opens at another's.

use syncline_core::name::{BindingIndex, RecordId};

use crate::hub::{seal::Place, sqlite::commit::blob};

pub(super) fn key_place(record: RecordId) -> Place {
    Place::new("the key of a record", &[&blob(record)])
}

pub(super) fn record_place(record: RecordId, revision: u64) -> Place {
    Place::new("record", &[&blob(record), &revision.to_be_bytes()])
}

pub(super) fn event_place(record: RecordId, number: u64) -> Place {
    Place::new("event", &[&blob(record), &number.to_be_bytes()])
}

pub(super) fn move_place(record: RecordId, number: i64) -> Place {
    Place::new("move", &[&blob(record), &number.to_be_bytes()])
}

pub(super) fn conflict_place(record: RecordId, subject: &[u8]) -> Place {
    Place::new("conflict", &[&blob(record), subject])
}

pub(super) fn row_place(subject: &[u8]) -> Place {
    Place::new("row set aside", &[subject])
}

pub(super) fn position_place(stream: &str) -> Place {
    Place::new("position", &[stream.as_bytes()])
}

pub(super) fn digest_place(binding: BindingIndex, key: &[u8]) -> Place {
    Place::new("digest of a row", &[&binding.0.to_be_bytes(), key])
}
