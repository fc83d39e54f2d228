//! What those who call over HTTP were answered, so that who asks again is answered the same, and when
//! each token was used last. A file of its own beside the hub: neither waits for the other.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use syncline_core::{error::PortError, name::Timestamp, value::Digest};

use crate::hub::{
    beside::{self, Tables},
    sqlite::error::Outcome,
};

const TABLES: Tables = Tables {
    what: "calls",
    version: 1,
    is_durable: true,
    sql: "
create table answer(
    -- Whose key, and the key.
    who text not null,
    key text not null,
    request blob not null,
    at integer not null,
    -- Null: it is under way.
    status integer,
    head text,
    body text,
    primary key (who, key)
) without rowid;
create index answer_at on answer(at);
create table used(name text primary key, at integer not null) without rowid;
",
};

/// The file. Used by the daemon alone.
#[derive(Debug)]
pub struct Calls {
    connection: Mutex<Connection>,
    action: String,
}

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The number of HTTP.
    pub status: u16,
    /// What stood in its head beside that, as whoever kept it wrote it.
    pub head: String,
    /// The document.
    pub body: String,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it is the asker's now.
    New,
    /// The same was asked, and is under way.
    Running,
    /// Something else was asked with it.
    Other,
    /// The same was asked and answered so.
    Given(Given),
}

/// The request, and what was answered: number, head, document.
type Kept = ([u8; 16], Option<u16>, Option<String>, Option<String>);

/// The file of this hub.
pub fn path_of(hub: &Path) -> PathBuf {
    beside::path_of(hub, ".calls")
}

impl Calls {
    /// Opens the file beside this hub, and makes it if it is not there. What was under way when the daemon
    /// before this one ended may be asked again.
    ///
    /// # Errors
    /// As with the hub's file.
    pub fn open(hub: &Path) -> Result<Self, PortError> {
        let path = path_of(hub);
        let action = format!("use {}", path.display());
        let connection = open(&path).map_err(|failure| failure.during(&action))?;
        Ok(Self { connection: Mutex::new(connection), action })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn during<T>(&self, outcome: Outcome<T>) -> Result<T, PortError> {
        outcome.map_err(|failure| failure.during(&self.action))
    }

    /// Claims a key for a request. What was answered before `forgotten` is not known any more.
    ///
    /// # Errors
    /// The file's.
    pub fn claim(
        &self,
        who: &str,
        key: &str,
        request: Digest,
        now: Timestamp,
        forgotten: Timestamp,
    ) -> Result<Claim, PortError> {
        let claim = |connection: &mut Connection| -> Outcome<Claim> {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction
                .prepare_cached("delete from answer where at < ? and status is not null")?
                .execute([forgotten.0])?;
            let known: Option<Kept> = transaction
                .prepare_cached(
                    "select request, status, head, body from answer where who = ? and key = ?",
                )?
                .query_row(params![who, key], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()?;
            let claim = match known {
                Some((asked, ..)) if asked != request.0 => Claim::Other,
                Some((_, Some(status), head, body)) => Claim::Given(Given {
                    status,
                    head: head.unwrap_or_default(),
                    body: body.unwrap_or_default(),
                }),
                Some((_, None, ..)) => Claim::Running,
                None => {
                    transaction
                        .prepare_cached(
                            "insert into answer (who, key, request, at) values (?, ?, ?, ?)",
                        )?
                        .execute(params![who, key, request.0, now.0])?;
                    Claim::New
                }
            };
            transaction.commit()?;
            Ok(claim)
        };
        self.during(claim(&mut self.connection()))
    }

    /// Keeps what was answered; `None`: nothing was done, and it may be asked again.
    ///
    /// # Errors
    /// The file's.
    pub fn keep(&self, who: &str, key: &str, given: Option<&Given>) -> Result<(), PortError> {
        let keep = |connection: &Connection| -> Outcome<()> {
            match given {
                Some(given) => connection
                    .prepare_cached(
                        "update answer set status = ?3, head = ?4, body = ?5
                         where who = ?1 and key = ?2",
                    )?
                    .execute(params![who, key, given.status, given.head, given.body])?,
                None => connection
                    .prepare_cached("delete from answer where who = ? and key = ?")?
                    .execute(params![who, key])?,
            };
            Ok(())
        };
        self.during(keep(&self.connection()))
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    /// The file's.
    pub fn note_use(&self, name: &str, at: Timestamp) -> Result<(), PortError> {
        let note = |connection: &Connection| -> Outcome<()> {
            connection
                .prepare_cached("insert or replace into used (name, at) values (?, ?)")?
                .execute(params![name, at.0])?;
            Ok(())
        };
        self.during(note(&self.connection()))
    }

    /// When each token was used last, of the file beside this hub.
    ///
    /// # Errors
    /// The file's.
    pub fn used(hub: &Path) -> Result<Vec<(String, Timestamp)>, PortError> {
        let path = path_of(hub);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let read = || -> Outcome<Vec<(String, Timestamp)>> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            let mut select = connection.prepare("select name, at from used")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        read().map_err(|failure| failure.during(&format!("read {}", path.display())))
    }
}

fn open(path: &Path) -> Outcome<Connection> {
    let connection = beside::open(path, &TABLES)?;
    connection.execute("delete from answer where status is null", [])?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    //! A key is one request's, whoever asks again.

    use super::*;

    #[test]
    fn who_asks_again_is_answered_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let hub = folder.path().join("hub");
        let calls = Calls::open(&hub).unwrap();
        let (day, asked) = (Timestamp(86_400_000_000), Digest::of(b"a"));
        let claim = |calls: &Calls, who: &str, request: Digest, now: i64| {
            calls.claim(who, "k", request, Timestamp(now), Timestamp(now - day.0)).unwrap()
        };
        assert_eq!(claim(&calls, "ada", asked, 1), Claim::New);
        assert_eq!(claim(&calls, "ada", asked, 2), Claim::Running);
        assert_eq!(claim(&calls, "bob", asked, 2), Claim::New);
        let given = Given { status: 200, head: String::new(), body: "{}".into() };
        calls.keep("ada", "k", Some(&given)).unwrap();
        calls.keep("bob", "k", None).unwrap();
        assert_eq!(claim(&calls, "ada", asked, 3), Claim::Given(given));
        assert_eq!(claim(&calls, "ada", Digest::of(b"b"), 3), Claim::Other);
        // What was under way when the daemon ended is nobody's.
        drop(calls);
        let calls = Calls::open(&hub).unwrap();
        assert_eq!(claim(&calls, "bob", asked, 4), Claim::New);
        // A day later, a key is new again.
        assert_eq!(claim(&calls, "ada", asked, day.0 + 2), Claim::New);
        calls.note_use("ci", Timestamp(7)).unwrap();
        assert_eq!(Calls::used(&hub).unwrap(), [("ci".to_owned(), Timestamp(7))]);
    }
}
