//! Which file holds the rows, and whether somebody is still writing it.
//!
//! A file counts as whole when nothing has changed it for the time of `settle`, nobody has locked it, and its
//! name is not one of those that programs give to files they are still writing. What we wrote ourselves
//! is whole: it came into place by one rename.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
    time::{Duration, SystemTime},
};

use jiff::civil::DateTime;
use syncline_core::error::{ErrorKind, PortError};
use syncline_ports::clock::Clock as _;

use crate::{
    clock::SystemClock,
    file::{System, failed},
};

/// Where a file is and what tells whether it is still the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    inode: u64,
    pub(super) bytes: u64,
    modified: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { inode, bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    /// A few bytes that tell it from others.
    pub(super) fn digest(&self) -> [u8; 24] {
        let since = self.modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let nanos = since.map_or(0, |since| since.as_nanos() as u64);
        let mut out = [0; 24];
        let numbers = [self.inode, self.bytes, nanos];
        for (place, byte) in out.iter_mut().zip(numbers.iter().flat_map(|it| it.to_be_bytes())) {
            *place = byte;
        }
        out
    }

    /// What is there now; `None`: nothing.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }
}

/// A file that may be read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Its name, for messages.
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) file: File,
}

impl Found {
    /// Nobody has written into it since it was opened. One that another file has replaced is as whole as
    /// it was.
    pub(super) fn is_as_it_was(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| Identity::of(&metadata) == self.identity)
    }
}

/// What there is of an entity's file.
#[derive(Debug)]
pub(super) enum Look {
    /// It may be read.
    Found(Found),
    /// There is none.
    Missing,
    /// There is one, and it may not be read just now, or never: why.
    NotNow(String),
}

/// The folder is there and can be listed.
///
/// # Errors
/// `Unreachable`, or `Forbidden`.
pub(super) fn look_in(system: &System) -> Result<(), PortError> {
    let action = format!("look into the folder of \"{}\"", system.name);
    let path = &system.folder.path;
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => {
            let detail = format!("{} is not a folder", path.display());
            Err(PortError::new(ErrorKind::SchemaDrift, action, detail))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let detail = format!("there is no folder {}", path.display());
            Err(PortError::new(ErrorKind::Unreachable, action, detail))
        }
        Err(error) => Err(failed(&action, &error)),
    }
}

/// The time that names take their dates from.
pub(super) fn now(system: &System) -> DateTime {
    let now = jiff::Timestamp::from_microsecond(SystemClock.now().0).unwrap_or_default();
    system.folder.zone.to_datetime(now)
}

/// The path of the file that holds this entity's rows; `None`: there is none.
///
/// # Errors
/// What kept the folder from being listed.
pub(super) fn path(system: &System, file: &str) -> Result<Option<PathBuf>, PortError> {
    let folder = &system.folder;
    if folder.writes || !folder.name.is_open() {
        let path = folder.path.join(folder.name.filled(file, now(system)));
        return Ok(path.exists().then_some(path));
    }
    Ok(all(system, file)?.pop().map(|(_, path)| path))
}

/// All files of this entity, the newest last: by the date in the name, then by when they were changed,
/// then by name; where several hold changes, by name alone.
///
/// # Errors
/// What kept the folder from being listed.
pub(super) fn all(system: &System, file: &str) -> Result<Vec<(String, PathBuf)>, PortError> {
    look_in(system)?;
    let action = format!("list the folder of \"{}\"", system.name);
    let folder = &system.folder;
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder.path).map_err(|error| failed(&action, &error))? {
        let entry = entry.map_err(|error| failed(&action, &error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if is_temporary(&name) {
            continue;
        }
        let Some(dated) = folder.name.matches(&name, file) else { continue };
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            let changed = match folder.holds {
                crate::settings::folder::Holds::All => metadata.modified().ok(),
                crate::settings::folder::Holds::Changes => None,
            };
            found.push((dated, changed, name, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, _, name, path)| (name, path)).collect())
}

/// Names that programs give to files while they write them.
fn is_temporary(name: &str) -> bool {
    const ENDS: [&str; 8] =
        [".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~"];
    let name = name.to_ascii_lowercase();
    name.starts_with(['.', '~']) || ENDS.iter().any(|end| name.ends_with(end))
}

/// The file of this entity, if it may be read now. Waits at most for `settle`.
///
/// # Errors
/// What kept it, or the folder, from being read.
pub(super) fn look(system: &System, file: &str) -> Result<Look, PortError> {
    look_in(system)?;
    match path(system, file)? {
        Some(path) => open(system, path),
        None => Ok(Look::Missing),
    }
}

/// Opens a file, if it may be read now.
///
/// # Errors
/// As [`look`].
pub(super) fn open(system: &System, path: PathBuf) -> Result<Look, PortError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let action = format!("read {name} of \"{}\"", system.name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Look::Missing),
        Err(error) => return Err(failed(&action, &error)),
    };
    let metadata = file.metadata().map_err(|error| failed(&action, &error))?;
    let identity = Identity::of(&metadata);
    if !metadata.is_file() {
        return Ok(Look::NotNow(format!("{name} is not a file")));
    }
    if identity.bytes > system.folder.max_bytes {
        let most = system.folder.max_bytes;
        let has = identity.bytes;
        return Ok(Look::NotNow(format!("{name} has {has} bytes; `max_bytes` is {most}")));
    }
    if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
        return Ok(Look::NotNow(format!("{name} is locked by another program")));
    }
    let _others_may_lock = file.unlock();
    if !is_own(&path, identity) && !settles(&path, identity, system.folder.settle) {
        return Ok(Look::NotNow(format!("{name} is still being written")));
    }
    Ok(Look::Found(Found { path, name, identity, file }))
}

/// Whether nothing changes a file for so long; what has passed since it was changed counts.
fn settles(path: &Path, identity: Identity, settle: Duration) -> bool {
    let age = identity.modified.and_then(|at| at.elapsed().ok()).unwrap_or_default();
    let Some(wait) = settle.checked_sub(age).filter(|wait| !wait.is_zero()) else { return true };
    std::thread::sleep(wait);
    Identity::at(path) == Some(identity)
}

/// An office program has it open: what it saves later would undo what is written now.
pub(super) fn is_being_edited(path: &Path) -> bool {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else { return false };
    let name = name.to_string_lossy();
    [format!("~${name}"), format!(".~lock.{name}#")].iter().any(|lock| folder.join(lock).exists())
}

/// What was written last by this process, by path.
static OWN: LazyLock<Mutex<BTreeMap<PathBuf, Identity>>> = LazyLock::new(Mutex::default);

/// Remembers that this process has put this file in its place.
pub(super) fn remember_own(path: &Path) {
    if let (Some(identity), Ok(mut own)) = (Identity::at(path), OWN.lock()) {
        own.insert(path.to_owned(), identity);
    }
}

/// Whether this is still what this process has written.
pub(super) fn is_own(path: &Path, identity: Identity) -> bool {
    OWN.lock().is_ok_and(|own| own.get(path) == Some(&identity))
}
