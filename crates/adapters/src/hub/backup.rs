//! Copies of the hub: made while it is used, looked at, and put in its place.
//!
//! A copy is whole or is not there: it is made under another name, examined, and renamed. When the last one
//! was made stands in a file beside the hub, so that it is known without opening the hub, and after it
//! was replaced.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, backup::Backup};
use syncline_core::{
    error::{ErrorKind, PortError},
    name::Timestamp,
};

use crate::hub::sqlite::{
    error::{Failure, Outcome},
    lock::Lock,
    schema,
};

/// The file beside a hub, or beside a copy of one, with what systems that only tell have told.
const TOLD: &str = ".told";

/// What a hub's file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which hub it is: copies of one have the same number.
    pub identity: u64,
    /// The version of its tables.
    pub version: i32,
    /// Records that live.
    pub records: u64,
    /// The number of its last change.
    pub changes: u64,
    /// When that was made.
    pub last_at: Option<Timestamp>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Copies the hub to a new file, as of its last commit. Others may use the hub meanwhile.
///
/// # Errors
/// `hub.missing`, `hub.damaged`, `hub.disk_full`; `hub.read_only` where the file cannot be made, or is
/// there already.
pub fn back_up(hub: &Path, to: &Path, at: Timestamp) -> Result<Facts, PortError> {
    let facts = copy(hub, to)?;
    // After the hub: what was told since is read like any change.
    told(hub, to)?;
    let text = format!("{}\n{}\n", at.0, to.display());
    let beside = memo(hub);
    let noted = File::create(&beside).and_then(|mut file| file.write_all(text.as_bytes()));
    noted.map_err(|error| {
        PortError::new(
            ErrorKind::HubReadOnly,
            format!("write {}", beside.display()),
            error.to_string(),
        )
    })?;
    Ok(facts)
}

/// Copies what systems that only tell have told, if there is such a thing and not yet a copy of it.
fn told(of: &Path, to: &Path) -> Result<(), PortError> {
    let (from, to) = (with_ending(of, TOLD), with_ending(to, TOLD));
    if !from.is_file() || to.exists() {
        return Ok(());
    }
    let action = format!("copy {} to {}", from.display(), to.display());
    let cannot = |error: std::io::Error| {
        PortError::new(ErrorKind::HubReadOnly, action.clone(), error.to_string())
    };
    let unfinished = with_ending(&to, ".unfinished");
    remove(&unfinished);
    private(&unfinished).map_err(cannot)?;
    if let Err(failure) = pages(&from, &unfinished) {
        remove(&unfinished);
        return Err(failure.during(&action));
    }
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(cannot)?;
    fs::rename(&unfinished, &to).map_err(cannot)?;
    sync_folder(&to);
    Ok(())
}

/// Lets go of a copy, and of what lies beside it.
pub fn remove_copy(copy: &Path) {
    let _kept = fs::remove_file(copy);
    let _kept = fs::remove_file(with_ending(copy, TOLD));
}

/// When the last copy was made, and where it went.
pub fn last(hub: &Path) -> Option<(Timestamp, PathBuf)> {
    let text = fs::read_to_string(memo(hub)).ok()?;
    let (at, path) = text.split_once('\n')?;
    Some((Timestamp(at.trim().parse().ok()?), PathBuf::from(path.trim_end())))
}

/// Looks at a hub's file, all of it.
///
/// # Errors
/// `hub.missing`; `hub.damaged` for what is no hub or a broken one; `hub.version` for a newer one.
pub fn look(file: &Path) -> Result<Facts, PortError> {
    let action = format!("look at {}", file.display());
    if !file.is_file() {
        return Err(PortError::new(ErrorKind::HubMissing, action, "the file does not exist"));
    }
    let facts = open(file, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|it| facts(&it));
    let facts = facts.map_err(|failure| failure.during(&action))?;
    if facts.version > schema::VERSION {
        let detail =
            format!("its version is {}, this program knows {}", facts.version, schema::VERSION);
        return Err(PortError::new(ErrorKind::HubVersion, action, detail));
    }
    Ok(facts)
}

/// Puts a copy in the place of the hub. What is there is kept beside it, under the name that is given back.
/// Nobody else may use the hub for writing.
///
/// # Errors
/// As [`look`] for the copy; `hub.in_use`, `hub.disk_full`, `hub.read_only`. The hub is what it was then, or
/// lies beside its place under the new name, and this can be done again.
pub fn restore(copy_of: &Path, hub: &Path, at: Timestamp) -> Result<Option<PathBuf>, PortError> {
    look(copy_of)?;
    let failed = |what: &str, error: &std::io::Error| {
        PortError::new(ErrorKind::HubReadOnly, what.to_owned(), error.to_string())
    };
    if let Some(folder) = hub.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| failed("make the folder of the hub", &error))?;
    }
    let _lock = Lock::take(hub)?;
    let fresh = with_ending(hub, ".restoring");
    remove(&fresh);
    copy(copy_of, &fresh)?;
    let aside = with_ending(hub, &format!(".before-restore-{}", stamp(at)));
    let is_there = hub.exists();
    // Its log goes first: beside another hub it would be taken for that one's.
    for ending in ["-wal", "-shm", ""] {
        let (from, to) = (with_ending(hub, ending), with_ending(&aside, ending));
        if from.exists() && (is_there || !ending.is_empty()) {
            fs::rename(&from, &to).map_err(|error| failed("put the hub aside", &error))?;
        }
    }
    fs::rename(&fresh, hub).map_err(|error| failed("put the copy in its place", &error))?;
    // What was told since the copy nobody tells again: it stays where it is there.
    told(copy_of, hub)?;
    sync_folder(hub);
    Ok(is_there.then_some(aside))
}

/// A moment as a part of a file's name: `20260301T221000Z`.
pub fn stamp(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn copy(hub: &Path, to: &Path) -> Result<Facts, PortError> {
    let action = format!("copy {} to {}", hub.display(), to.display());
    if !hub.is_file() {
        return Err(PortError::new(ErrorKind::HubMissing, action, "the file does not exist"));
    }
    if to.exists() {
        let detail = "there is a file of that name already";
        return Err(PortError::new(ErrorKind::HubReadOnly, action, detail));
    }
    let cannot = |error: std::io::Error| {
        PortError::new(ErrorKind::HubReadOnly, action.clone(), error.to_string())
    };
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    let unfinished = with_ending(to, ".unfinished");
    remove(&unfinished);
    private(&unfinished).map_err(cannot)?;
    let made = pages(hub, &unfinished).and_then(|()| {
        let copy = open(&unfinished, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        facts(&copy)
    });
    let facts = match made {
        Ok(facts) => facts,
        Err(failure) => {
            remove(&unfinished);
            return Err(failure.during(&action));
        }
    };
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(cannot)?;
    fs::rename(&unfinished, to).map_err(cannot)?;
    sync_folder(to);
    Ok(facts)
}

/// All pages, as of one commit.
fn pages(hub: &Path, to: &Path) -> Outcome<()> {
    let from = open(hub, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut copy = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    {
        let backup = Backup::new(&from, &mut copy)?;
        backup.run_to_completion(i32::MAX, Duration::ZERO, None)?;
    }
    // One file, without a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    Ok(())
}

fn open(path: &Path, flags: OpenFlags) -> Outcome<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

fn facts(hub: &Connection) -> Outcome<Facts> {
    let application: i32 = hub.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != schema::APPLICATION {
        return Err(Failure::stored("this file, as a hub of Syncline,"));
    }
    let found: String = hub.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if found != "ok" {
        return Err(Failure::Damaged(found));
    }
    let number = |sql: &str| hub.query_row(sql, [], |row| row.get::<_, i64>(0));
    let last_at = hub.query_row(
        "select max(at) from audit where first = (select max(first) from audit)",
        [],
        |row| row.get::<_, Option<i64>>(0),
    )?;
    let pages: i64 = hub.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let size: i64 = hub.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(Facts {
        identity: number("select hub from state")?.cast_unsigned(),
        version: hub.pragma_query_value(None, "user_version", |row| row.get(0))?,
        records: number("select count(*) from record where alive = 1")?.cast_unsigned(),
        changes: number("select changes from state")?.cast_unsigned(),
        last_at: last_at.map(Timestamp),
        bytes: pages.cast_unsigned() * size.cast_unsigned(),
    })
}

/// A new file that only its owner can read.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Renames are on the disk when this returns; where a folder cannot be synced, when the system gets to it.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let _unsynced = File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all());
}

/// What a copy that was cut off has left.
fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let _gone = fs::remove_file(with_ending(path, ending));
    }
}

/// The file that says when the last copy was made.
fn memo(hub: &Path) -> PathBuf {
    with_ending(hub, ".backup")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests;
