//! Notices at once that somebody has committed: looks at the file's times and sizes, which costs
//! next to nothing, and asks SQLite itself once they move, and once a second anyway.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use rusqlite::{Connection, ErrorCode};
use syncline_core::error::{ErrorKind, PortError};

use crate::sqlite::connection::port_error;

/// Between two looks while changes come.
const BUSY_LOOK: Duration = Duration::from_millis(3);
/// Between two looks else.
const IDLE_LOOK: Duration = Duration::from_millis(25);
/// So long after a change more are expected.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// The times of files move in steps: what is written within one step of a look shows in none.
const CLOCK_STEP: Duration = Duration::from_millis(20);
/// SQLite itself is asked so often, whatever the file's times say.
const ASK_ANYWAY: Duration = Duration::from_secs(1);

/// Set once nobody waits any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given(Arc<AtomicBool>);

/// Tells the waiting thread, when it goes out of scope, that nobody waits any more.
#[derive(Debug)]
pub(crate) struct Waiting(Given);

impl Waiting {
    pub(crate) fn new() -> (Self, Given) {
        let given = Given::default();
        (Self(given.clone()), given)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Given {
    fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

/// How a file looks from outside.
type Look = (Option<SystemTime>, u64);

impl FileId {
    /// The file that is there now.
    ///
    /// # Errors
    /// `Unreachable` if there is none.
    pub(crate) fn of(path: &Path) -> Result<Self, PortError> {
        let found = fs::metadata(path);
        found.map(|found| Self::from(&found)).map_err(|error| {
            PortError::new(ErrorKind::Unreachable, "watch the file", error.to_string())
        })
    }

    #[cfg(unix)]
    fn from(found: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(found.dev(), found.ino())
    }

    #[cfg(not(unix))]
    fn from(found: &fs::Metadata) -> Self {
        let made =
            found.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self(0, made.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    log: PathBuf,
    file: FileId,
    /// When a change was last seen.
    pub(crate) changed: Option<Instant>,
}

impl Watch {
    /// Watches the file that is there now.
    ///
    /// # Errors
    /// `Unreachable` if there is none.
    pub(crate) fn new(path: &Path) -> Result<Self, PortError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let file = FileId::of(path)?;
        Ok(Self { path: path.to_owned(), log: log.into(), file, changed: None })
    }

    /// # Errors
    /// `Unreachable` if the path leads to another file by now: whoever writes that one is not heard.
    pub(crate) fn still_there(&self) -> Result<(), PortError> {
        if FileId::of(&self.path)? == self.file {
            return Ok(());
        }
        let detail = "another file has taken its place";
        Err(PortError::new(ErrorKind::Unreachable, "watch the file", detail))
    }

    /// Waits until another connection has committed something after `version`, the time is over, or
    /// nobody waits any more.
    ///
    /// # Errors
    /// As [`Watch::still_there`], and what SQLite says.
    pub(crate) fn wait(
        &mut self,
        connection: &Connection,
        version: i64,
        until: Instant,
        given: &Given,
    ) -> Result<(), PortError> {
        let begun = Instant::now();
        let mut busy_until = self.changed.map_or(begun, |changed| changed + BUSY_FOR);
        busy_until = busy_until.max(begun + CLOCK_STEP);
        let mut ask_at = begun;
        let mut seen = self.look();
        loop {
            let now = Instant::now();
            if now >= until || given.is_up() {
                return Ok(());
            }
            let looks = self.look();
            if looks != seen {
                self.still_there()?;
                busy_until = now + BUSY_FOR;
                seen = looks;
            }
            if now < busy_until || now >= ask_at {
                self.still_there()?;
                ask_at = now + ASK_ANYWAY;
                if has_moved(connection, version)? {
                    self.changed = Some(now);
                    return Ok(());
                }
            }
            thread::sleep(if now < busy_until { BUSY_LOOK } else { IDLE_LOOK });
        }
    }

    /// Where there is a log beside the file, commits go there first.
    fn look(&self) -> Option<Look> {
        look(&self.log).or_else(|| look(&self.path))
    }
}

fn look(path: &Path) -> Option<Look> {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok(), found.len()))
}

/// A number that moves with every commit of another connection.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))
}

fn has_moved(connection: &Connection, since: i64) -> Result<bool, PortError> {
    match version(connection) {
        Ok(now) => Ok(now != since),
        // Somebody is committing: it will show with the next look.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(port_error("watch the file", &error)),
    }
}
