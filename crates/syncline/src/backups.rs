//! Copies of the hub by themselves: where they go, when the next is due, how many are kept; and the reminder
//! that there is none.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syncline_adapters::{hub::backup, settings::Kind};
use syncline_core::name::Timestamp;

use crate::{
    config::{Loaded, address::Address},
    report::Failure,
    words,
};

/// Older than this, the last copy is spoken of, unless the file says otherwise.
const MAX_AGE_MS: i64 = 24 * 3_600_000;

/// Where the next copy goes.
pub(crate) fn place(loaded: &Loaded, now: Timestamp) -> PathBuf {
    let hub = loaded.hub_path();
    folder(loaded).join(format!("{}-{}.db", stem(&hub), backup::stamp(now)))
}

fn folder(loaded: &Loaded) -> PathBuf {
    match &loaded.draft.backup.to {
        Some(to) => loaded.folder.join(to),
        None => loaded.hub_path().with_file_name("backups"),
    }
}

fn stem(hub: &Path) -> String {
    hub.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Makes one copy, and lets go of those that are not to be kept.
pub(crate) fn copy(loaded: &Loaded, now: Timestamp) -> Result<PathBuf, Failure> {
    let file = place(loaded, now);
    backup::back_up(&loaded.hub_path(), &file, now)?;
    if let Some(keep) = loaded.draft.backup.keep {
        let prefix = format!("{}-", stem(&loaded.hub_path()));
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let rest = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix("Z.db"));
            rest.is_some_and(|stamp| {
                stamp.len() == 15 && stamp.bytes().all(|byte| byte.is_ascii_digit() || byte == b'T')
            })
        };
        let entries = fs::read_dir(folder(loaded)).into_iter().flatten().flatten();
        let mut copies: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_ours).collect();
        // Their names are in the order of their times.
        copies.sort();
        let more = copies.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        for old in copies.iter().take(more) {
            backup::remove_copy(old);
        }
    }
    Ok(file)
}

/// When a copy is old.
pub(crate) fn max_age_ms(loaded: &Loaded) -> i64 {
    loaded.draft.backup.max_age_ms.unwrap_or(MAX_AGE_MS)
}

/// What is said before many rows are written: that there is no recent copy of the hub, and how each database
/// is copied. `None`: there is one.
pub(crate) fn reminder(loaded: &Loaded, now: Timestamp) -> Option<Failure> {
    let max_ms = max_age_ms(loaded);
    let hub = loaded.hub_path();
    let message = match backup::last(&hub) {
        Some((at, _)) if at.plus_ms(max_ms) >= now => return None,
        Some((at, _)) => {
            format!("the last copy of {} is {} old", hub.display(), words::age(now, at))
        }
        None => format!("there is no copy of {}", hub.display()),
    };
    let mut fix = "syncline backup".to_owned();
    for system in &loaded.draft.systems {
        if let Some(address) = &system.address
            && let Some(command) = dump(&system.name.value, &address.value)
        {
            fix.push_str(&format!("\n       {command}"));
        }
    }
    Some(Failure::new("hub.backup_old", message).fix(fix))
}

/// How a database is copied with its own tools. Nothing secret is said: they ask for it, or know where it
/// is kept.
fn dump(name: &str, address: &Address) -> Option<String> {
    let Address { kind, host, port, user, database } = address;
    Some(match kind {
        Kind::Postgres => format!(
            "pg_dump --format=custom --host={host} --port={port} --username={user} --file={name}.dump {database}"
        ),
        Kind::Mysql => format!(
            "mariadb-dump --single-transaction --host={host} --port={port} --user={user} --password --result-file={name}.sql {database}"
        ),
        Kind::Sqlite => format!("sqlite3 {database} \".backup '{name}.backup.db'\""),
        Kind::File => format!("cp -a {database} {name}.backup"),
        // What one that only tells has told is copied with the hub.
        Kind::Rest | Kind::Push => return None,
    })
}
