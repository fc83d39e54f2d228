//! What a system has told of its rows, put together: a file beside the hub, one item for each row.
//!
//! A delivery counts once, in the order of their numbers. Members that an item does not have stay as they were:
//! what is not told says nothing. Objects within are put together in the same way, lists are taken whole.
//!
//! Where changes have versions, a member that is known from a newer one stays as it is, in whatever order
//! they are sent; and what is gone stays so.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use serde_json::Value as Json;
use syncline_core::{
    Text,
    change::RowKey,
    error::{ErrorKind, PortError},
};

use rusqlite::types::Value as Stored;

use crate::{hub::envelope::Envelope, settings::Settings};

/// What an item is, for whoever seals it.
const ITEM: &str = "item";

/// What this version writes.
const VERSION: i64 = 1;
/// So long another process that writes is waited for.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
create table told(
    system text not null,
    place text not null,
    key blob not null,
    -- Null: it is gone, and no older version brings it back.
    item text,
    -- The version that each member is known from, where changes have versions; '' is that of its end.
    versions text not null,
    primary key(system, place, key)
);
-- Numbers are those of one inbox.
create table upto(system text primary key, inbox integer not null, seq integer not null) without rowid;
";

/// What a system has told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(super) system: String,
    path: PathBuf,
    envelope: Envelope,
}

/// One thing that a delivery tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Telling {
    /// The delivery's number.
    pub(crate) seq: i64,
    /// Whose rows they are, as [`place`] says it.
    pub(crate) place: String,
    pub(crate) key: RowKey,
    /// The version of the change, if changes have versions.
    pub(crate) version: Option<i64>,
    pub(crate) what: What,
}

/// What is told of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// Its item, or some members of it.
    Item(Json),
    /// It is gone.
    Gone,
}

/// Rows that one table's key tells apart.
pub(crate) fn place(table: &str, key: &[Text]) -> String {
    let mut place = table.to_owned();
    for part in key {
        place.push('\n');
        place.push_str(part);
    }
    place
}

impl Told {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            system: settings.name.clone(),
            path: PathBuf::from(&settings.database),
            envelope: settings.envelope.clone().unwrap_or_default(),
        }
    }

    /// The last delivery of this inbox that was put together.
    ///
    /// # Errors
    /// The file's.
    pub(crate) fn upto(&self, inbox: i64) -> Result<i64, PortError> {
        let Some(connection) = self.look()? else { return Ok(0) };
        upto(&connection, &self.system, inbox).map_err(|error| self.failed(&error))
    }

    /// Puts together what deliveries tell, up to this number, in one piece. Those that were before
    /// say nothing new.
    ///
    /// # Errors
    /// The file's: nothing was taken.
    pub(crate) fn take(
        &self,
        tellings: &[Telling],
        inbox: i64,
        last: i64,
    ) -> Result<(), PortError> {
        let mut connection = self.open()?;
        let mut take = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = upto(&transaction, &self.system, inbox)?;
            for telling in tellings.iter().filter(|telling| telling.seq > known) {
                put(&transaction, self, telling)?;
            }
            transaction.execute(
                "insert or replace into upto(system, inbox, seq) values (?1, ?2, ?3)",
                params![self.system, inbox, last.max(known)],
            )?;
            transaction.commit()
        };
        take().map_err(|error| self.failed(&error))
    }

    /// The file, to be read; `None`: nothing was ever told.
    pub(super) fn look(&self) -> Result<Option<Connection>, PortError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&self.path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            let version = version(&connection)?;
            Ok((connection, version))
        });
        match opened.map_err(|error| self.failed(&error))? {
            (connection, VERSION) => Ok(Some(connection)),
            (_, 0) => Ok(None),
            (_, other) => Err(self.newer(other)),
        }
    }

    fn open(&self) -> Result<Connection, PortError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let mut connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY)?;
            // Of an item that is told to be gone, nothing stays in the file.
            connection.execute_batch(
                "pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on;",
            )?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found = version(&transaction)?;
            if found == 0 {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            transaction.commit()?;
            Ok((connection, found))
        };
        let (connection, found) = open().map_err(|error| self.failed(&error))?;
        if found > VERSION { Err(self.newer(found)) } else { Ok(connection) }
    }

    /// An item as it is kept, opened.
    pub(super) fn opened(&self, stored: Stored) -> rusqlite::Result<Option<String>> {
        let bytes = match stored {
            Stored::Null | Stored::Integer(_) | Stored::Real(_) => return Ok(None),
            Stored::Text(text) => return Ok(Some(text)),
            Stored::Blob(bytes) => bytes,
        };
        let opened = self.envelope.open(ITEM, bytes).map_err(broken)?;
        String::from_utf8(opened).map(Some).map_err(|error| broken(error.utf8_error()))
    }

    /// An item as it is to be kept.
    fn kept(&self, item: Option<&Json>) -> rusqlite::Result<Stored> {
        let Some(item) = item else { return Ok(Stored::Null) };
        let text = item.to_string();
        if !self.envelope.is_due(text.as_bytes()) {
            return Ok(Stored::Text(text));
        }
        self.envelope.seal(ITEM, text.into_bytes()).map(Stored::Blob).map_err(broken)
    }

    fn action(&self) -> String {
        format!("look up what \"{}\" has told", self.system)
    }

    /// What SQLite says holds names of tables and files, never values.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> PortError {
        use rusqlite::ErrorCode as Code;
        let kind = match error.sqlite_error_code() {
            Some(Code::DiskFull) => ErrorKind::DiskFull,
            Some(Code::ReadOnly | Code::PermissionDenied) => ErrorKind::ReadOnly,
            Some(_) | None => ErrorKind::Unreachable,
        };
        PortError::new(kind, self.action(), format!("{}: {error}", self.path.display()))
    }

    fn newer(&self, version: i64) -> PortError {
        let detail = format!("{} is of version {version}: not known here", self.path.display());
        PortError::new(ErrorKind::Unsupported, self.action(), detail)
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What cannot be sealed or opened, in the words of who has it.
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}

/// Seals with the key of the present what systems of this hub have told, where that is in clear or sealed with a
/// key before it.
///
/// # Errors
/// The file's; what opens with none of the keys.
pub(crate) fn reseal(path: &Path, envelope: &Envelope) -> Result<u64, PortError> {
    let told = Told { system: String::new(), path: path.to_owned(), envelope: envelope.clone() };
    if !path.exists() {
        return Ok(0);
    }
    let connection = told.open()?;
    let work = || -> rusqlite::Result<u64> {
        // Nothing of what was there stays in the file.
        connection.pragma_update(None, "secure_delete", true)?;
        let (mut after, mut count) = (i64::MIN, 0);
        loop {
            let mut page = connection.prepare_cached(
                "select rowid, item from told where rowid > ?1 and item is not null
                 order by rowid limit 500",
            )?;
            let rows = page.query_map([after], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(i64, Stored)> = rows.collect::<Result<_, _>>()?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            for (row, stored) in rows {
                let is_due = match &stored {
                    Stored::Text(text) => envelope.is_due(text.as_bytes()),
                    Stored::Blob(bytes) => envelope.is_due(bytes),
                    Stored::Null | Stored::Integer(_) | Stored::Real(_) => false,
                };
                let Some(text) = told.opened(stored)?.filter(|_| is_due) else { continue };
                let sealed = envelope.seal(ITEM, text.into_bytes()).map_err(broken)?;
                let sql = "update told set item = ?2 where rowid = ?1";
                connection.prepare_cached(sql)?.execute(params![row, Stored::Blob(sealed)])?;
                count += 1;
            }
        }
        if count > 0 {
            // Where somebody reads, it is done by whoever writes next.
            let _busy = connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
        }
        Ok(count)
    };
    work().map_err(|error| told.failed(&error))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma user_version", [], |row| row.get(0))
}

fn upto(connection: &Connection, system: &str, inbox: i64) -> rusqlite::Result<i64> {
    let sql = "select seq from upto where system = ?1 and inbox = ?2";
    let found = connection.query_row(sql, params![system, inbox], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

/// What is known of a row: its item, if it is there, and which versions that is from.
type Known = (Option<String>, String);

fn known(
    connection: &Connection,
    told: &Told,
    place: &str,
    key: &RowKey,
) -> rusqlite::Result<Option<Known>> {
    let mut statement = connection.prepare_cached(
        "select item, versions from told where system = ?1 and place = ?2 and key = ?3",
    )?;
    let row = |row: &rusqlite::Row<'_>| Ok((told.opened(row.get(0)?)?, row.get(1)?));
    statement.query_row(params![told.system, place, &key.0[..]], row).optional()
}

/// The item of a row that is there.
pub(super) fn item(
    connection: &Connection,
    told: &Told,
    place: &str,
    key: &RowKey,
) -> rusqlite::Result<Option<String>> {
    Ok(known(connection, told, place, key)?.and_then(|(item, _)| item))
}

fn put(connection: &Connection, whose: &Told, telling: &Telling) -> rusqlite::Result<()> {
    let Telling { place, key, version, .. } = telling;
    let (found, system) = (known(connection, whose, place, key)?, &whose.system);
    // What this program has written itself can be read again.
    let (mut item, mut versions): (Option<Json>, BTreeMap<String, i64>) = match found {
        None => (None, BTreeMap::new()),
        Some((item, versions)) => (
            item.and_then(|item| serde_json::from_str(&item).ok()),
            serde_json::from_str(&versions).unwrap_or_default(),
        ),
    };
    let is_old = |name: &str, versions: &BTreeMap<String, i64>| {
        version.zip(versions.get(name)).is_some_and(|(this, known)| this < *known)
    };
    match &telling.what {
        What::Gone if versions.keys().any(|name| is_old(name, &versions)) => return Ok(()),
        What::Gone => {
            let Some(version) = version else {
                let sql = "delete from told where system = ?1 and place = ?2 and key = ?3";
                connection.prepare_cached(sql)?.execute(params![system, place, &key.0[..]])?;
                return Ok(());
            };
            item = None;
            versions = BTreeMap::from([(String::new(), *version)]);
        }
        What::Item(_) if is_old("", &versions) => return Ok(()),
        What::Item(Json::Object(told)) => {
            let whole = item.get_or_insert_with(|| Json::Object(serde_json::Map::new()));
            for (name, value) in told.iter().filter(|(name, _)| !is_old(name, &versions)) {
                let member = Json::Object([(name.clone(), value.clone())].into_iter().collect());
                together(whole, &member);
            }
            for name in told.keys() {
                if let Some(version) = version.filter(|_| !is_old(name, &versions)) {
                    versions.insert(name.clone(), version);
                }
            }
        }
        // An item is an object; whoever sends something else was not taken.
        What::Item(_) => return Ok(()),
    }
    let (item, versions) = (whose.kept(item.as_ref())?, serde_json::to_string(&versions));
    let mut statement = connection.prepare_cached(
        "insert into told(system, place, key, item, versions) values (?1, ?2, ?3, ?4, ?5)
         on conflict(system, place, key) do update
         set item = excluded.item, versions = excluded.versions",
    )?;
    statement.execute(params![system, place, &key.0[..], item, versions.unwrap_or_default()])?;
    Ok(())
}

/// Puts what is told into what is known.
fn together(known: &mut Json, told: &Json) {
    match (known, told) {
        (Json::Object(known), Json::Object(told)) => {
            for (name, value) in told {
                match known.get_mut(name) {
                    Some(member) => together(member, value),
                    None => {
                        known.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (known, told) => *known = told.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use syncline_core::value::Value;

    use super::*;

    fn told(folder: &tempfile::TempDir) -> Told {
        let envelope = Envelope::default();
        Told { system: "app".into(), path: folder.path().join("hub.db.told"), envelope }
    }

    fn telling(seq: i64, number: i64, what: What) -> Telling {
        let key = RowKey::new([&Value::int(number)]);
        Telling { seq, place: place("people", &["id".into()]), key, version: None, what }
    }

    fn shown(told: &Told, number: i64) -> Option<Json> {
        let asked = telling(0, number, What::Gone);
        let connection = told.look().unwrap()?;
        let text = item(&connection, told, &asked.place, &asked.key).unwrap()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn what_is_not_told_stays_and_null_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let told = told(&folder);
        let first =
            json!({"id": 1, "name": "Ann", "at": {"city": "Rome", "zip": "1"}, "tags": [1]});
        let second = json!({"name": null, "at": {"zip": "2"}, "tags": []});
        let all = [telling(1, 1, What::Item(first)), telling(2, 1, What::Item(second))];
        told.take(&all, 7, 2).unwrap();
        let whole = json!({"id": 1, "name": null, "at": {"city": "Rome", "zip": "2"}, "tags": []});
        assert_eq!(shown(&told, 1), Some(whole));
    }

    #[test]
    fn what_is_heard_again_says_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let told = told(&folder);
        assert_eq!(told.upto(7).unwrap(), 0);
        let old = telling(1, 1, What::Item(json!({"id": 1, "name": "Old"})));
        let new = telling(2, 1, What::Item(json!({"name": "New"})));
        told.take(&[old.clone(), new], 7, 2).unwrap();
        told.take(&[old], 7, 2).unwrap();
        assert_eq!(shown(&told, 1), Some(json!({"id": 1, "name": "New"})));
        assert_eq!((told.upto(7).unwrap(), told.upto(8).unwrap()), (2, 0));
    }

    #[test]
    fn what_is_gone_comes_back_without_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let told = told(&folder);
        let whole = json!({"id": 1, "name": "Ann"});
        told.take(&[telling(1, 1, What::Item(whole)), telling(2, 1, What::Gone)], 7, 2).unwrap();
        assert_eq!(shown(&told, 1), None);
        told.take(&[telling(3, 1, What::Item(json!({"id": 1})))], 7, 3).unwrap();
        assert_eq!(shown(&told, 1), Some(json!({"id": 1})));
    }

    #[test]
    fn versions_in_any_order_come_to_the_same() {
        let told =
            |version: i64, what: What| Telling { version: Some(version), ..telling(0, 1, what) };
        let first = told(1, What::Item(json!({"id": 1, "name": "A", "phone": "1"})));
        let second = told(2, What::Item(json!({"phone": "2"})));
        let third = told(3, What::Item(json!({"name": "C"})));
        let end = told(4, What::Gone);
        let whole = json!({"id": 1, "name": "C", "phone": "2"});
        for (order, expected) in [
            (vec![&first, &second, &third], Some(&whole)),
            (vec![&third, &first, &second], Some(&whole)),
            (vec![&third, &second, &second, &first], Some(&whole)),
            (vec![&first, &end, &third, &second], None),
            (vec![&end, &first], None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let all = super::tests::told(&folder);
            for (seq, one) in (1..).zip(order) {
                all.take(&[Telling { seq, ..one.clone() }], 7, seq).unwrap();
            }
            assert_eq!(shown(&all, 1).as_ref(), expected);
        }
    }
}
