//! Columns whose values nobody sees outside of their systems: at the door of a system they become keyed hashes
//! (HMAC-SHA-256), of what the field holds, so that systems which write it otherwise show the same. What goes
//! to a system never holds one: such a column is not written, and nothing is expected of it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use ring::hmac;
use syncline_core::{
    change::{Expected, Observed, Outcome, ReadResult, Row, WriteGroup},
    error::PortError,
    lens::Lens,
    name::{BindingIndex, FieldIndex, IntentId},
    plan::Plan,
    value::{Slot, Value},
};
use syncline_ports::{
    source::{Age, Batch, Heartbeat, Limit, ReadRequest, Source},
    target::{Finished, Target},
};
use zeroize::Zeroizing;

/// The key of all hashes of an installation.
#[derive(Clone)]
pub struct HashKey(Zeroizing<[u8; 32]>);

impl HashKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(key)")
    }
}

/// The doors of a system, with the columns of this plan hashed.
pub fn doors(
    plan: &Plan,
    key: &HashKey,
    source: Box<dyn Source>,
    target: Box<dyn Target>,
) -> (Box<dyn Source>, Box<dyn Target>) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &*key.0);
    let columns = plan.hashed.clone();
    let hashes = Arc::new(Hashes { key, columns });
    (
        Box::new(Hashed { inner: source, hashes: Arc::clone(&hashes) }),
        Box::new(Hashed { inner: target, hashes }),
    )
}

/// What becomes of which columns.
struct Hashes {
    key: hmac::Key,
    /// With what a hash is for, so that equal values of two fields are not seen to be equal, and how the
    /// value is read.
    columns: BTreeMap<(BindingIndex, FieldIndex), (syncline_core::Text, Lens)>,
}

impl Hashes {
    fn of(&self, binding: BindingIndex) -> impl Iterator<Item = (FieldIndex, &str, &Lens)> {
        let range = (binding, FieldIndex(0))..=(binding, FieldIndex(u16::MAX));
        self.columns.range(range).map(|((_, field), (what, lens))| (*field, what.as_str(), lens))
    }

    fn row(&self, binding: BindingIndex, row: &mut Row) {
        let hashed: BTreeMap<usize, Value> = self
            .of(binding)
            .filter_map(|(field, what, lens)| {
                let value = row.value(field).filter(|value| !value.is_null())?;
                // What means nothing in the field is told apart as it stands.
                let read = lens.get(value, None);
                Some((usize::from(field.0), self.hash(what, read.as_ref().unwrap_or(value))))
            })
            .collect();
        if !hashed.is_empty() {
            let slot = |(at, slot): (usize, &Slot)| match hashed.get(&at) {
                Some(hash) => Slot::Present(hash.clone()),
                None => slot.clone(),
            };
            row.0 = row.0.iter().enumerate().map(slot).collect();
        }
    }

    fn hash(&self, what: &str, value: &Value) -> Value {
        if value.is_null() {
            return Value::Null;
        }
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(what.len() as u64).to_be_bytes());
        context.update(what.as_bytes());
        context.update(&value.encoded());
        let tag = context.sign();
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Value::text(digits)
    }

    fn observed(&self, observed: &mut Observed) {
        if let Some(row) = &mut observed.row {
            self.row(observed.binding, row);
        }
    }

    /// What is sent: nothing is expected of a hashed column, for what it holds is not known here.
    fn sent(&self, groups: &[WriteGroup]) -> Vec<WriteGroup> {
        let mut groups = groups.to_vec();
        for write in groups.iter_mut().flat_map(|group| &mut group.writes) {
            let binding = write.binding;
            let is_hashed = |field: FieldIndex| self.columns.contains_key(&(binding, field));
            write.set.retain(|(field, _)| !is_hashed(*field));
            if let Expected::Fields(fields) = &mut write.expect {
                fields.retain(|(field, _)| !is_hashed(*field));
            }
        }
        groups
    }

    /// What came of it.
    fn answered(&self, groups: &[WriteGroup], answers: &mut [(IntentId, Outcome)]) {
        let writes = || groups.iter().flat_map(|group| &group.writes);
        for (intent, outcome) in answers {
            let Some(write) = writes().find(|write| write.intent == *intent) else { continue };
            let row = match outcome {
                Outcome::Applied { post: row, .. } | Outcome::Precondition { current: row, .. } => {
                    row
                }
                Outcome::Unique { .. }
                | Outcome::Foreign { .. }
                | Outcome::Invalid { .. }
                | Outcome::Retry { .. }
                | Outcome::Unknown { .. }
                | Outcome::Sibling => continue,
            };
            if let Some(row) = row {
                self.row(write.binding, row);
            }
        }
    }
}

struct Hashed<T: ?Sized> {
    inner: Box<T>,
    hashes: Arc<Hashes>,
}

#[async_trait]
impl Source for Hashed<dyn Source> {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        let mut batch = self.inner.read(request, limit).await?;
        let lists = batch.lists.iter_mut().flat_map(|list| &mut list.rows);
        batch.rows.iter_mut().chain(lists).for_each(|row| self.hashes.observed(row));
        for answer in &mut batch.answers {
            if let ReadResult::Found(found) = &mut answer.result {
                self.hashes.observed(found);
            }
        }
        Ok(batch)
    }

    async fn ages(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, PortError> {
        self.inner.ages(heartbeat).await
    }
}

#[async_trait]
impl Target for Hashed<dyn Target> {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let mut answers = self.inner.apply(&self.hashes.sent(groups)).await;
        self.hashes.answered(groups, &mut answers);
        answers
    }

    fn holds_back(&self) -> bool {
        self.inner.holds_back()
    }

    async fn finish(&mut self) -> Option<Finished> {
        let mut finished = self.inner.finish().await?;
        self.hashes.answered(&finished.groups, &mut finished.answers);
        Some(finished)
    }

    fn forget(&mut self) {
        self.inner.forget();
    }
}

#[cfg(test)]
mod tests {
    //! What comes through the door is a hash, and nothing that goes out depends on one.

    use syncline_core::{
        change::{RowKey, RowWrite, WriteKind},
        name::RecordId,
    };

    use super::*;

    const PLACE: (BindingIndex, FieldIndex) = (BindingIndex(1), FieldIndex(0));

    fn hashes(byte: u8) -> Hashes {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]);
        Hashes { key, columns: [(PLACE, ("contacts.nir".into(), Lens::identity()))].into() }
    }

    fn seen(hashes: &Hashes, binding: u16, value: Value) -> Value {
        let mut row = Row([Slot::Present(value), Slot::Present(Value::text("open"))].into());
        hashes.row(BindingIndex(binding), &mut row);
        assert_eq!(row.value(FieldIndex(1)), Some(&Value::text("open")));
        row.value(FieldIndex(0)).unwrap().clone()
    }

    #[test]
    fn equal_values_are_equal_hashes_under_one_key_only() {
        let (ours, theirs, value) = (hashes(1), hashes(2), Value::text("185057800608436"));
        let hash = seen(&ours, 1, value.clone());
        assert_eq!(hash.to_string().len(), 64);
        assert_eq!(seen(&ours, 1, value.clone()), hash);
        assert_ne!(seen(&theirs, 1, value.clone()), hash);
        assert_ne!(seen(&ours, 1, Value::text("185057800608437")), hash);
        assert_eq!(seen(&ours, 2, value.clone()), value, "of another table it is as it stands");
        assert_eq!(seen(&ours, 1, Value::Null), Value::Null, "that there is none is no secret");
    }

    #[test]
    fn nothing_that_is_sent_holds_a_hash_or_expects_one() {
        let (hash, name) = (Value::text("af09"), Value::text("Ada"));
        let fields = vec![(FieldIndex(0), hash), (FieldIndex(1), name.clone())];
        let write = RowWrite {
            record: RecordId(1),
            intent: IntentId(1),
            binding: PLACE.0,
            key: Some(RowKey::new([&Value::int(1)])),
            parent: None,
            kind: WriteKind::Update,
            set: fields.clone(),
            expect: Expected::Fields(fields),
            token: None,
        };
        let sent = hashes(1).sent(&[WriteGroup { writes: vec![write], park: false }]);
        let write = &sent[0].writes[0];
        let only = vec![(FieldIndex(1), name)];
        assert_eq!((&write.set, &write.expect), (&only, &Expected::Fields(only.clone())));
    }
}
