//! The keys of a sealed hub, and the one way in which what it remembers goes into the file and comes out.
//!
//! Once the configuration has named a key, everything that holds values is sealed: records, what was set aside,
//! conflicts and the audit, each record with a key of its own, and all those keys with the key of the
//! installation. What is asked for by equality is kept as keyed hashes. What names rows (their keys) and what
//! counts stays as it is. A hub without a key is as it always was.

mod places;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use syncline_core::{
    change::RowKey,
    commit::{AuditEvent, AuditKind, MatchKey},
    error::{ErrorKind, PortError},
    group::Group,
    name::{BindingIndex, RecordId},
    value::{Digest, read_varint, varint},
};
use zeroize::Zeroizing;

use crate::hashed::HashKey;
use crate::hub::{
    codec::{
        audit::{Body, Stored, decode_event, encode_event},
        decode_group, encode_group,
    },
    seal::{Key, KeyId, Keyring, Place, fresh},
    sqlite::{
        commit::blob,
        error::{Failure, Outcome},
    },
};

use places::{
    conflict_place, digest_place, event_place, key_place, move_place, position_place, record_place,
    row_place,
};

/// The version of the tables that has keys.
const SINCE: i32 = 6;
/// How a sealed record begins; what begins otherwise is in clear.
const SEALED_RECORD: u8 = 2;

/// The keys, if the hub is sealed; shared by the writer and the readers of this process.
#[derive(Clone, Default)]
pub(super) struct Vault(Option<Arc<Opened>>);

struct Opened {
    keys: Keyring,
    common: Key,
    matches: Zeroizing<[u8; 32]>,
    fields: HashKey,
}

/// What the hub says of its keys.
pub(super) struct Kept {
    /// The key of the installation that it is sealed with.
    pub(super) key: KeyId,
    pub(super) common: Vec<u8>,
    /// The key that it is being changed to.
    pub(super) next: Option<KeyId>,
    pub(super) is_clean: bool,
}

impl Kept {
    /// The key that what is new is sealed with.
    pub(super) fn latest(&self) -> KeyId {
        self.next.unwrap_or(self.key)
    }

    fn common_place() -> Place {
        Place::new("the key of what belongs to no record", &[])
    }
}

/// Reads it; `None`: the hub is not sealed.
pub(super) fn kept(connection: &Connection) -> Outcome<Option<Kept>> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < SINCE {
        return Ok(None);
    }
    let mut select = connection.prepare_cached("select key, common, next, is_clean from vault")?;
    let found = select
        .query_row([], |row| {
            let (key, next) = (row.get(0)?, row.get(2)?);
            Ok(Kept { key, common: row.get(1)?, next, is_clean: row.get(3)? })
        })
        .optional()?;
    Ok(found)
}

impl Vault {
    /// Opens it with these keys, if the hub is sealed.
    pub(super) fn open(connection: &Connection, keys: Option<&Keyring>) -> Outcome<Self> {
        let Some(kept) = kept(connection)? else { return Ok(Self::default()) };
        let Some(keys) = keys else {
            let detail = "it was sealed when a key was named";
            return Err(Failure::Sealed(ErrorKind::HubKeyMissing, detail.to_owned()));
        };
        if kept.next.is_some_and(|next| keys.find(next).is_none()) {
            let detail = "a change of keys has begun, and the key that it goes to is not at hand";
            return Err(Failure::Sealed(ErrorKind::HubKeyWrong, detail.to_owned()));
        }
        let key = keys.find(kept.key).ok_or_else(|| {
            let detail = match kept.next {
                Some(_) => "a change of keys has begun, and the key before is not at hand",
                None => "it was sealed with another one",
            };
            Failure::Sealed(ErrorKind::HubKeyWrong, detail.to_owned())
        })?;
        let common = key
            .open_key(&Kept::common_place(), &kept.common)
            .ok_or_else(|| Failure::stored("the key of the hub"))?;
        Ok(Self::of(keys, &common))
    }

    fn of(keys: &Keyring, common: &[u8; 32]) -> Self {
        let matches = blake3::derive_key("syncline 2026 match keys of the hub", common);
        Self(Some(Arc::new(Opened {
            keys: keys.clone(),
            common: Key::new(common),
            matches: Zeroizing::new(matches),
            fields: HashKey::new(blake3::derive_key("syncline 2026 hashes of fields", common)),
        })))
    }

    /// Keys for a hub that is to be sealed, put into it.
    pub(super) fn found(connection: &Connection, keys: &Keyring) -> Outcome<Self> {
        let common = random()?;
        let (id, key) = keys.current();
        connection.execute(
            "insert into vault (one, key, common, is_clean) values (1, ?, ?, 0)",
            params![id, sealed(key.seal(&Kept::common_place(), &*common))?],
        )?;
        Ok(Self::of(keys, &common))
    }

    /// Whether the hub is sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.0.is_some()
    }

    /// The key of the hashes that stand for values of fields. It stays when the key of the hub is changed.
    pub(super) fn hash_key(&self) -> Option<&HashKey> {
        self.0.as_ref().map(|opened| &opened.fields)
    }

    /// The way in and out, as this connection sees the keys of records.
    pub(super) fn at<'a>(&'a self, connection: &'a Connection) -> Seals<'a> {
        Seals {
            opened: self.0.as_deref(),
            connection,
            known: RefCell::default(),
            outer: RefCell::default(),
            latest: Cell::new(None),
        }
    }
}

/// Seals what goes into the file, and opens what comes out, within one transaction. Keys are looked up once.
pub(super) struct Seals<'a> {
    opened: Option<&'a Opened>,
    pub(super) connection: &'a Connection,
    known: RefCell<HashMap<RecordId, Own>>,
    /// Keys of the installation, at work: to make one ready costs as much as to seal a record.
    outer: RefCell<HashMap<KeyId, Rc<Key>>>,
    /// Which of them new records are sealed with.
    latest: Cell<Option<KeyId>>,
}

/// The key of a record.
#[derive(Clone)]
pub(super) enum Own {
    /// It has one.
    Key(Rc<Key>),
    /// It had one, which was destroyed.
    Erased,
    /// It never had one.
    Nothing,
}

impl Seals<'_> {
    /// Whether anything is sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.opened.is_some()
    }

    /// Appends the stored form of a group.
    pub(super) fn group(&self, group: &Group, out: &mut Vec<u8>) -> Outcome<()> {
        if self.opened.is_none() {
            encode_group(group, out);
            return Ok(());
        }
        let mut plain = Vec::with_capacity(1024);
        encode_group(group, &mut plain);
        let key = self.own_key(group.id)?;
        out.push(SEALED_RECORD);
        varint(group.revision.0, out);
        out.extend(sealed(key.seal(&record_place(group.id, group.revision.0), &plain))?);
        Ok(())
    }

    /// Reads what [`Seals::group`] wrote.
    pub(super) fn read_group(&self, id: RecordId, stored: &[u8]) -> Outcome<Group> {
        let damaged = || Failure::record(id);
        let plain = match stored.split_first() {
            Some((&SEALED_RECORD, mut rest)) => {
                let revision = read_varint(&mut rest).ok_or_else(damaged)?;
                let Own::Key(key) = self.key(id)? else { return Err(damaged()) };
                Cow::from(key.open(&record_place(id, revision), rest).ok_or_else(damaged)?)
            }
            Some(_) | None => Cow::from(stored),
        };
        decode_group(id, &plain).ok_or_else(damaged)
    }

    /// What is kept of a conflict of a record.
    pub(super) fn conflict(
        &self,
        record: RecordId,
        subject: &[u8],
        body: Vec<u8>,
    ) -> Outcome<Vec<u8>> {
        if self.opened.is_none() {
            return Ok(body);
        }
        sealed(self.own_key(record)?.seal(&conflict_place(record, subject), &body))
    }

    /// Opens it.
    pub(super) fn read_conflict<'s>(
        &self,
        record: RecordId,
        subject: &[u8],
        stored: &'s [u8],
    ) -> Outcome<Option<Cow<'s, [u8]>>> {
        if self.opened.is_none() {
            return Ok(Some(stored.into()));
        }
        let Own::Key(key) = self.key(record)? else { return Ok(None) };
        Ok(key.open(&conflict_place(record, subject), stored).map(Cow::from))
    }

    /// A row that was set aside. The same row gives the same bytes: they are compared.
    pub(super) fn row(&self, subject: &[u8], row: Vec<u8>) -> Outcome<Vec<u8>> {
        match self.opened {
            None => Ok(row),
            Some(opened) => sealed(opened.common.seal(&row_place(subject), &row)),
        }
    }

    /// Opens it; `None` if it is damaged.
    pub(super) fn read_row<'s>(&self, subject: &[u8], stored: &'s [u8]) -> Option<Cow<'s, [u8]>> {
        match self.opened {
            None => Some(stored.into()),
            Some(opened) => opened.common.open(&row_place(subject), stored).map(Cow::from),
        }
    }

    /// An event of the audit, to be appended to a sealed page under this number.
    pub(super) fn event(&self, event: &AuditEvent, number: u64) -> Outcome<Vec<u8>> {
        let key = self.own_key(event.record)?;
        sealed(key.seal(&event_place(event.record, number), &encode_event(event)))
    }

    /// Opens an event of a page; that its record was erased, in its place.
    pub(super) fn read_event(&self, stored: Stored, number: u64) -> Outcome<AuditEvent> {
        let Stored { record, entity, previous: _, body } = stored;
        let damaged = || Failure::stored(format_args!("change c-{number}"));
        let body = match body {
            Body::Clear(event) => return Ok(*event),
            Body::Sealed(body) => body,
        };
        let key = match self.key(record)? {
            Own::Key(key) => key,
            Own::Erased => return Ok(erased(record, entity)),
            Own::Nothing => return Err(damaged()),
        };
        let plain = key.open(&event_place(record, number), &body).ok_or_else(damaged)?;
        decode_event(record, entity, &plain).ok_or_else(damaged)
    }

    /// What a commit has moved of a record, under this number.
    pub(super) fn moved(&self, record: RecordId, number: i64, body: &[u8]) -> Outcome<Vec<u8>> {
        sealed(self.own_key(record)?.seal(&move_place(record, number), body))
    }

    /// Opens it; `None`: the record was erased.
    pub(super) fn read_moved(
        &self,
        record: RecordId,
        number: i64,
        stored: &[u8],
    ) -> Outcome<Option<Vec<u8>>> {
        let damaged = || Failure::stored(format_args!("the move m-{number}"));
        match self.key(record)? {
            Own::Key(key) => {
                key.open(&move_place(record, number), stored).ok_or_else(damaged).map(Some)
            }
            Own::Erased => Ok(None),
            Own::Nothing => Err(damaged()),
        }
    }

    /// Whether the key of this record was destroyed.
    pub(super) fn is_erased(&self, record: RecordId) -> Outcome<bool> {
        Ok(self.is_sealed() && matches!(self.key(record)?, Own::Erased))
    }

    /// Where a stream is read on from. A poll keeps there what it has shown.
    pub(super) fn position(&self, stream: &str, position: &[u8]) -> Outcome<Vec<u8>> {
        match self.opened {
            None => Ok(position.to_vec()),
            Some(opened) => sealed(opened.common.seal(&position_place(stream), position)),
        }
    }

    /// Opens it; `None` if it is damaged.
    pub(super) fn read_position(&self, stream: &str, stored: &[u8]) -> Option<Vec<u8>> {
        match self.opened {
            None => Some(stored.to_vec()),
            Some(opened) => opened.common.open(&position_place(stream), stored),
        }
    }

    /// A match key, as it is stored and looked for.
    pub(super) fn match_key(&self, key: MatchKey) -> MatchKey {
        let Some(opened) = self.opened else { return key };
        let hash = blake3::keyed_hash(&opened.matches, &key.0);
        Digest(hash.as_bytes().first_chunk().copied().unwrap_or_default())
    }

    /// The digest of what a row shows, as it is stored.
    pub(super) fn digest(
        &self,
        binding: BindingIndex,
        key: &RowKey,
        digest: Digest,
    ) -> Outcome<Vec<u8>> {
        match self.opened {
            None => Ok(digest.0.to_vec()),
            Some(opened) => sealed(opened.common.seal(&digest_place(binding, &key.0), &digest.0)),
        }
    }

    /// Reads what [`Seals::digest`] gave; `None` if it is damaged.
    pub(super) fn read_digest(
        &self,
        binding: BindingIndex,
        key: &[u8],
        stored: &[u8],
    ) -> Option<Digest> {
        match self.opened {
            None => Some(Digest(stored.try_into().ok()?)),
            Some(opened) => {
                let plain = opened.common.open(&digest_place(binding, key), stored)?;
                Some(Digest(plain.as_slice().try_into().ok()?))
            }
        }
    }

    /// The key that new records are sealed with.
    fn latest(&self) -> Outcome<KeyId> {
        if let Some(known) = self.latest.get() {
            return Ok(known);
        }
        let kept = kept(self.connection)?.ok_or_else(|| Failure::stored("the key of the hub"))?;
        self.latest.set(Some(kept.latest()));
        Ok(kept.latest())
    }

    /// This key of the installation, at work.
    fn outer(&self, opened: &Opened, id: KeyId) -> Outcome<Rc<Key>> {
        if let Some(known) = self.outer.borrow().get(&id) {
            return Ok(Rc::clone(known));
        }
        let key = Rc::new(outer(&opened.keys, id)?);
        self.outer.borrow_mut().insert(id, Rc::clone(&key));
        Ok(key)
    }

    /// The key of a record.
    fn key(&self, record: RecordId) -> Outcome<Own> {
        if let Some(known) = self.known.borrow().get(&record) {
            return Ok(known.clone());
        }
        let mut select = self
            .connection
            .prepare_cached("select key, sealed from record_key where record = ?")?;
        let mut rows = select.query(params![blob(record)])?;
        let found: Option<Option<(KeyId, Vec<u8>)>> = match rows.next()? {
            Some(row) => Some(row.get::<_, Option<KeyId>>(0)?.zip(row.get(1)?)),
            None => None,
        };
        let own = match (found, self.opened) {
            (Some(Some((id, stored))), Some(opened)) => {
                let bytes = self.outer(opened, id)?.open_key(&key_place(record), &stored);
                let bytes = bytes.ok_or_else(|| Failure::record(record))?;
                Own::Key(Rc::new(Key::new(&bytes)))
            }
            (Some(None), _) => Own::Erased,
            (None, _) | (_, None) => Own::Nothing,
        };
        self.known.borrow_mut().insert(record, own.clone());
        Ok(own)
    }

    /// The key of a record, which gets one if it has none yet. An erased one gets none any more.
    fn own_key(&self, record: RecordId) -> Outcome<Rc<Key>> {
        match self.key(record)? {
            Own::Key(key) => return Ok(key),
            Own::Erased => return Err(Failure::stored(format_args!("record {record}, erased,"))),
            Own::Nothing => {}
        }
        let Some(opened) = self.opened else {
            return Err(Failure::stored("a key that nobody has"));
        };
        let latest = self.latest()?;
        let outer = self.outer(opened, latest)?;
        let bytes = random()?;
        self.connection
            .prepare_cached("insert into record_key (record, key, sealed) values (?, ?, ?)")?
            .execute(params![
                blob(record),
                latest,
                sealed(outer.seal(&key_place(record), &*bytes))?
            ])?;
        let key = Rc::new(Key::new(&bytes));
        self.known.borrow_mut().insert(record, Own::Key(Rc::clone(&key)));
        Ok(key)
    }
}

/// The key of a record, sealed with another key of the installation.
pub(super) fn rewrapped(
    keys: &Keyring,
    record: RecordId,
    former: KeyId,
    stored: &[u8],
    key: &Key,
) -> Outcome<Vec<u8>> {
    let bytes = outer(keys, former)?.open_key(&key_place(record), stored);
    sealed(key.seal(&key_place(record), &*bytes.ok_or_else(|| Failure::record(record))?))
}

/// The key of what belongs to no record, sealed with another key of the installation.
pub(super) fn rewrap_common(keys: &Keyring, kept: &Kept, key: &Key) -> Outcome<Vec<u8>> {
    let bytes = outer(keys, kept.key)?.open_key(&Kept::common_place(), &kept.common);
    let bytes = bytes.ok_or_else(|| Failure::stored("the key of the hub"))?;
    sealed(key.seal(&Kept::common_place(), &*bytes))
}

fn outer(keys: &Keyring, id: KeyId) -> Outcome<Key> {
    keys.find(id).ok_or_else(|| {
        let detail = "something is sealed with a key that is not at hand";
        Failure::Sealed(ErrorKind::HubKeyWrong, detail.to_owned())
    })
}

/// What is left of an event whose record was erased.
fn erased(record: RecordId, entity: syncline_core::name::EntityIndex) -> AuditEvent {
    AuditEvent {
        record,
        entity,
        part: syncline_core::change::PartKey::Root,
        field: None,
        kind: AuditKind::Erased,
        system: None,
        key: None,
        before: None,
        after: None,
        version: 0,
        actor: None,
        source_at: None,
        note: syncline_core::Text::default(),
    }
}

fn random() -> Outcome<Zeroizing<[u8; 32]>> {
    fresh().map_err(|PortError { kind, detail, .. }| Failure::Sealed(kind, detail.to_string()))
}

/// Nothing that the hub holds is too long to be sealed; if it were, nothing is stored.
fn sealed(sealed: Option<Vec<u8>>) -> Outcome<Vec<u8>> {
    sealed.ok_or_else(|| {
        Failure::Sealed(ErrorKind::Unexpected, "something is too long to be sealed".to_owned())
    })
}
