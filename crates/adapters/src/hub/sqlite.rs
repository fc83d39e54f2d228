//! The hub in one SQLite file.
//!
//! One process writes (a lock file says which), one thread of it makes the commits, one after the
//! other; readers have connections of their own and see the last commit. A commit is durable when
//! it returns: write-ahead log, `synchronous = full`.

mod audit;
mod chain;
mod commit;
mod cover;
pub(in crate::hub) mod error;
mod history;
mod index;
mod keep;
pub mod keys;
mod load;
pub(in crate::hub) mod lock;
mod matches;
mod migrate;
mod moves;
mod open;
mod pages;
mod queues;
mod reader;
mod recent;
mod rows;
mod runs;
pub(in crate::hub) mod schema;
mod store;
mod tallies;
mod vault;
mod worker;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, backup::Backup};
use syncline_core::error::{ErrorKind, PortError};

pub(in crate::hub) use self::commit::Counter;
use crate::hashed::HashKey;
use crate::hub::{
    seal::Keyring,
    sqlite::{
        error::Outcome,
        lock::Lock,
        matches::Matches,
        recent::Recent,
        vault::{Seals, Vault},
        worker::Worker,
    },
};

/// How a hub is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To be changed. One process at a time.
    ReadWrite,
    /// To be looked at, also while another process changes it.
    ReadOnly,
}

/// A hub in an SQLite file, or in memory.
pub struct SqliteHub {
    path: PathBuf,
    writer: Writer,
    readers: Vec<Mutex<Connection>>,
    matches: Matches,
    recent: Recent,
    /// The keys that were given, whether or not the hub is sealed.
    keys: Option<Keyring>,
    vault: Vault,
    /// Who is told how long each commit took, if anybody.
    timed: OnceLock<fn(Duration)>,
    _lock: Option<Lock>,
}

/// Where commits are made.
enum Writer {
    /// On a thread of their own.
    Thread(Worker),
    /// At once, on the caller's thread; readers use the same connection.
    Memory(Mutex<Connection>),
    /// Nowhere.
    Nobody,
}

impl SqliteHub {
    /// From now on, `tell` is told how long each commit took, where it is made.
    pub fn time_commits(&self, tell: fn(Duration)) {
        let _told_already = self.timed.set(tell);
    }

    /// Who has the hub at `path` open for writing, as they name themselves (`process 4121, since …`);
    /// `None`: nobody.
    pub fn holder(path: &Path) -> Option<String> {
        lock::holder(path)
    }

    /// Opens the hub at `path`; makes it, and its directory, if `create` allows.
    ///
    /// # Errors
    /// `hub.in_use` with the process that holds it, `hub.missing`, `hub.version` for a hub of a
    /// newer version, `hub.damaged`, `hub.read_only`, `hub.disk_full`.
    pub fn open(path: &Path, mode: Open, create: bool) -> Result<Self, PortError> {
        Self::open_with(path, mode, create, None)
    }

    /// The same, with keys. A hub that is opened to be changed is sealed if it is not yet: that takes as long
    /// as writing the file anew.
    ///
    /// # Errors
    /// Those of [`SqliteHub::open`]; `hub.key_missing`, `hub.key_wrong` for a hub that is sealed.
    pub fn open_with(
        path: &Path,
        mode: Open,
        create: bool,
        keys: Option<&Keyring>,
    ) -> Result<Self, PortError> {
        let action = format!("open the hub {}", path.display());
        match mode {
            Open::ReadWrite => {
                let (writer, readers, lock, vault) = open::for_writing(path, create, keys)?;
                let matches = Matches::open(&writer).map_err(|failure| failure.during(&action))?;
                let writer = Writer::Thread(Worker::start(writer)?);
                let (recent, lock) = (Recent::default(), Some(lock));
                Ok(Self {
                    path: path.into(),
                    writer,
                    readers,
                    matches,
                    recent,
                    keys: keys.cloned(),
                    vault,
                    timed: OnceLock::new(),
                    _lock: lock,
                })
            }
            Open::ReadOnly => {
                let reader = open::for_reading(path)?;
                let vault = {
                    let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
                    Vault::open(&reader, keys).map_err(|failure| failure.during(&action))?
                };
                let readers = vec![reader];
                let matches = Matches::default();
                Ok(Self {
                    path: path.into(),
                    writer: Writer::Nobody,
                    readers,
                    matches,
                    recent: Recent::default(),
                    keys: keys.cloned(),
                    vault,
                    timed: OnceLock::new(),
                    _lock: None,
                })
            }
        }
    }

    /// An empty hub that is forgotten when it is dropped.
    ///
    /// # Errors
    /// If SQLite has no memory to give.
    pub fn in_memory() -> Result<Self, PortError> {
        let writer = Writer::Memory(Mutex::new(open::in_memory()?));
        let (matches, recent) = (Matches::default(), Recent::default());
        let readers = Vec::new();
        Ok(Self {
            path: PathBuf::new(),
            writer,
            readers,
            matches,
            recent,
            keys: None,
            vault: Vault::default(),
            timed: OnceLock::new(),
            _lock: None,
        })
    }

    /// The keys that it was opened with: a copy of it opens with them, too.
    pub const fn keys(&self) -> Option<&Keyring> {
        self.keys.as_ref()
    }

    /// Whether what it holds is sealed.
    pub fn is_sealed(&self) -> bool {
        self.vault.is_sealed()
    }

    /// The key of the hashes that stand for values of fields, if the hub is sealed.
    pub fn hash_key(&self) -> Option<&HashKey> {
        self.vault.hash_key()
    }

    /// The file; empty for a hub in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the hub in bytes: pages of the last commit, without the write-ahead log.
    ///
    /// # Errors
    /// If the hub cannot be read.
    pub fn size_bytes(&self) -> Result<u64, PortError> {
        self.read("measure the hub", |connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            Ok(pages.cast_unsigned() * size.cast_unsigned())
        })
    }

    /// Copies the hub as of the last commit to a new file at `path`, which another hub may open.
    ///
    /// # Errors
    /// If either file fails; the copy is not usable then.
    pub fn copy_to(&self, path: &Path) -> Result<(), PortError> {
        self.read("copy the hub", |connection| {
            let mut copy = Connection::open(path)?;
            let backup = Backup::new(connection, &mut copy)?;
            backup.run_to_completion(i32::MAX, std::time::Duration::ZERO, None)?;
            Ok(())
        })
    }

    /// Reads with a connection that is free.
    fn read<T>(
        &self,
        action: &str,
        work: impl FnOnce(&Connection) -> Outcome<T>,
    ) -> Result<T, PortError> {
        let reader = self.reader()?;
        work(&reader).map_err(|failure| failure.during(action))
    }

    /// The same, for what may be sealed.
    fn open_seals<T>(
        &self,
        action: &str,
        work: impl FnOnce(&Seals<'_>) -> Outcome<T>,
    ) -> Result<T, PortError> {
        self.read(action, |connection| work(&self.vault.at(connection)))
    }

    fn reader(&self) -> Result<MutexGuard<'_, Connection>, PortError> {
        match &self.writer {
            Writer::Memory(connection) => {
                return Ok(connection.lock().unwrap_or_else(PoisonError::into_inner));
            }
            Writer::Thread(worker) => {
                if let Some(idle) = worker.idle() {
                    return Ok(idle);
                }
            }
            Writer::Nobody => {}
        }
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        match (free, self.readers.first()) {
            (Some(reader), _) => Ok(reader),
            (None, Some(reader)) => Ok(reader.lock().unwrap_or_else(PoisonError::into_inner)),
            (None, None) => {
                Err(PortError::new(ErrorKind::Unexpected, "read the hub", "it has no reader"))
            }
        }
    }

    /// The match keys beside the index. Who only looks on sees what another process has written by
    /// reading its log each time.
    fn matches(&self, connection: &Connection) -> Outcome<Matches> {
        match &self.writer {
            Writer::Thread(_) | Writer::Memory(_) => Ok(self.matches.clone()),
            Writer::Nobody => Matches::open(connection),
        }
    }

    /// Runs `work` where commits are made, after those that came before.
    async fn write<T: Send + 'static>(
        &self,
        action: &str,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        match &self.writer {
            Writer::Thread(worker) => worker.run(work).await.ok_or_else(|| {
                PortError::new(ErrorKind::Unexpected, action, "the hub's writer has ended")
            }),
            Writer::Memory(connection) => {
                Ok(work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)))
            }
            Writer::Nobody => {
                Err(PortError::new(ErrorKind::HubReadOnly, action, "it was opened only to be read"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
