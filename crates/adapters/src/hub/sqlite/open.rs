//! How the file is opened, and what SQLite is told about it.

use std::{fs, path::Path, sync::Mutex, time::Duration};

use rusqlite::{Connection, OpenFlags};
use syncline_core::error::{ErrorKind, PortError};
use syncline_ports::clock::Clock as _;

use crate::{
    clock::SystemClock,
    hub::{
        seal::Keyring,
        sqlite::{
            cover,
            error::{Failure, Outcome},
            lock::Lock,
            migrate, runs,
            vault::Vault,
        },
    },
};

/// Readers beside the writer: one for the step under way, one for people.
const READERS: usize = 2;
/// Statements each connection keeps prepared; more than we have.
const STATEMENTS: usize = 96;
/// Bytes of a page. Groups of a few hundred bytes lie in the leaves and in the inner pages.
const PAGE_SIZE: u32 = 8192;
/// The write-ahead log is folded back when it has so many pages (32 MB).
const LOG_PAGES: u32 = 4096;
/// Kibibytes of pages the writer may hold: what a commit of a full batch changes, and the inner pages of indices.
const WRITER_CACHE: u32 = 32 * 1024;
/// Kibibytes of pages each reader may hold.
const READER_CACHE: u32 = 4 * 1024;

pub(super) type Opened = (Connection, Vec<Mutex<Connection>>, Lock, Vault);

/// Opens for changing: lock first, then the file, its tables, and its vault.
pub(super) fn for_writing(
    path: &Path,
    create: bool,
    keys: Option<&Keyring>,
) -> Result<Opened, PortError> {
    let action = action(path);
    if !path.exists() {
        if !create {
            return Err(missing(&action));
        }
        make_directory(path, &action)?;
    }
    let lock = Lock::take(path)?;
    let say = |failure: Failure| failure.during(&action);
    let mut writer =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
            .map_err(say)?;
    prepare(&writer).map_err(say)?;
    migrate::to_current(&mut writer, identity(path), &action)?;
    // Before anything temporary is made: the file may be written anew.
    let vault = cover::open(&mut writer, keys).map_err(say)?;
    writer.execute_batch(runs::EARLIER).map_err(Failure::from).map_err(say)?;
    let mut readers = Vec::with_capacity(READERS);
    for _ in 0..READERS {
        let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(say)?;
        readers.push(Mutex::new(reader));
    }
    Ok((writer, readers, lock, vault))
}

/// Opens for looking.
pub(super) fn for_reading(path: &Path) -> Result<Mutex<Connection>, PortError> {
    let action = action(path);
    if !path.exists() {
        return Err(missing(&action));
    }
    let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|failure| failure.during(&action))?;
    migrate::check_version(&reader, &action)?;
    Ok(Mutex::new(reader))
}

/// Opens nothing but memory.
pub(super) fn in_memory() -> Result<Connection, PortError> {
    const ACTION: &str = "make a hub in memory";
    let mut connection =
        Connection::open_in_memory().map_err(|error| Failure::from(error).during(ACTION))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    migrate::to_current(&mut connection, 0x6d65_6d6f_7279, ACTION)?;
    connection.execute_batch(runs::EARLIER).map_err(|error| Failure::from(error).during(ACTION))?;
    Ok(connection)
}

fn action(path: &Path) -> String {
    format!("open the hub {}", path.display())
}

fn missing(action: &str) -> PortError {
    PortError::new(ErrorKind::HubMissing, action, "the file does not exist")
}

fn make_directory(path: &Path, action: &str) -> Result<(), PortError> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => fs::create_dir_all(directory)
            .map_err(|error| PortError::new(ErrorKind::HubReadOnly, action, error.to_string())),
        Some(_) | None => Ok(()),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Outcome<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

/// What only the writer is told. The first touch of the file: a file that is no database at all
/// says so here.
fn prepare(writer: &Connection) -> Outcome<()> {
    writer.pragma_update(None, "page_size", PAGE_SIZE)?;
    writer.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    writer.pragma_update(None, "synchronous", "full")?;
    writer.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE))?;
    writer.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    writer.pragma_update_and_check(
        None,
        "journal_size_limit",
        i64::from(LOG_PAGES) * i64::from(PAGE_SIZE),
        |_| Ok(()),
    )?;
    Ok(())
}

/// A number no other hub has: mixed into the ids that this one mints.
fn identity(path: &Path) -> u64 {
    let mut words = path.as_os_str().as_encoded_bytes().to_vec();
    words.extend_from_slice(&SystemClock.now().0.to_le_bytes());
    words.extend_from_slice(&std::process::id().to_le_bytes());
    let hash = blake3::hash(&words);
    hash.as_bytes().first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first))
}
