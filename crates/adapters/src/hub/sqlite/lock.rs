//! One process writes a hub. The lock is the operating system's (it ends with the process, however
//! that ends); what the file says is for people.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use syncline_core::error::{ErrorKind, PortError};

use crate::clock::SystemClock;
use syncline_ports::clock::Clock as _;

/// Held for as long as a hub is open for writing.
#[derive(Debug)]
pub(in crate::hub) struct Lock {
    /// The lock ends when this is closed.
    _file: File,
}

impl Lock {
    /// Takes the lock beside the hub's file, or says who holds it.
    pub(in crate::hub) fn take(hub: &Path) -> Result<Self, PortError> {
        let action = format!("open the hub {}", hub.display());
        let path = path(hub);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| PortError::new(ErrorKind::HubReadOnly, &action, error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever holds the lock may be writing these words just now: then they are empty.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.lines().next() {
                    Some(line) if !line.is_empty() => format!("it is used by {line}"),
                    Some(_) | None => String::from("it is used by another process"),
                };
                return Err(PortError::new(ErrorKind::HubInUse, action, holder));
            }
            Err(TryLockError::Error(error)) => {
                return Err(PortError::new(ErrorKind::HubReadOnly, action, error.to_string()));
            }
        }
        // For people only: a lock without words is a lock.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}, since {}", std::process::id(), since()));
        Ok(Self { _file: file })
    }
}

/// Who has the hub open for writing, as they name themselves; `None`: nobody.
pub(super) fn holder(hub: &Path) -> Option<String> {
    let mut file = OpenOptions::new().read(true).write(true).open(path(hub)).ok()?;
    match file.try_lock_shared() {
        // Nobody: what was taken to find out is let go of.
        Ok(()) => {
            let _ = file.unlock();
            None
        }
        Err(_) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Some(holder.lines().next().unwrap_or_default().to_owned())
        }
    }
}

/// The file beside the hub's.
fn path(hub: &Path) -> PathBuf {
    let mut name = hub.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn since() -> String {
    let now = jiff::Timestamp::from_microsecond(SystemClock.now().0).unwrap_or_default();
    now.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
