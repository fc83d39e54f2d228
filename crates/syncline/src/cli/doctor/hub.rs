//! Whether the hub's file can be written, and how much space is left beside it.

use std::{fs::OpenOptions, path::Path};

use syncline_adapters::hub::backup;
use syncline_ports::catalog::{Check, CheckState};

use crate::{session::Session, words};

/// Less than this is a warning: a first synchronisation of a million rows needs about so much.
const LITTLE_BYTES: u64 = 1 << 30;

/// What can be said of the hub without opening it: another process may hold it.
pub(super) fn examine(path: &Path, max_age_ms: i64) -> Vec<Check> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let check = |name: &str, state, message: String| Check {
        name: name.into(),
        state,
        message: message.into(),
        fix: Vec::new(),
    };
    let file = match OpenOptions::new().append(true).open(path) {
        Ok(_) => check("hub", CheckState::Passed, format!("{} is writable", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => {
            let message = format!("{} will be made by the first run", path.display());
            check("hub", CheckState::Passed, message)
        }
        Err(error) => check("hub", CheckState::Failed, format!("{}: {error}", path.display())),
    };
    let space = match free_bytes(folder) {
        Ok(free) => {
            let state = if free < LITTLE_BYTES { CheckState::Warning } else { CheckState::Passed };
            check("space", state, format!("{:.1} GiB free", free as f64 / f64::from(1 << 30)))
        }
        Err(error) => check("space", CheckState::Warning, format!("not known: {error}")),
    };
    let copy = backup::last(path).map(|(at, place)| {
        let now = Session::now();
        let is_old = at.plus_ms(max_age_ms) < now;
        let state = if is_old { CheckState::Warning } else { CheckState::Passed };
        let message = format!("copied {} ago to {}", words::age(now, at), place.display());
        let fix = if is_old { vec!["syncline backup".into()] } else { Vec::new() };
        Check { fix, ..check("backup", state, message) }
    });
    [file, space].into_iter().chain(copy).collect()
}

/// What anybody may still write on the disk of this folder.
fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
