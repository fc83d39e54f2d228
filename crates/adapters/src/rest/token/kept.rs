//! The refresh token that holds now, in a file that only its owner may read.
//!
//! Servers that rotate refresh tokens give another with each renewal, and the one before ends. The
//! file names, by its fingerprint, the token of the configuration that it follows: another one there
//! is a new beginning. A lock beside it lets one process renew at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::settings::{Secret, api::Refresh};

/// The most such a file may hold.
const BYTES_MAX: u64 = 256 << 10;
/// How long another process may renew.
const PATIENCE: u32 = 1_200;
const STEP: Duration = Duration::from_millis(50);

/// A refresh token that no other process renews meanwhile.
#[derive(Debug)]
pub(super) struct Held<'r> {
    refresh: &'r Refresh,
    /// Let go with it.
    _lock: File,
}

/// Waits for the refresh token.
///
/// # Errors
/// Why it cannot be held, without a word of it.
pub(super) async fn hold(refresh: &Refresh) -> Result<Held<'_>, String> {
    let path = beside(&refresh.kept, "lock");
    let refused = |error: std::io::Error| format!("{}: {error}", path.display());
    let lock = private(OpenOptions::new().create(true).truncate(false)).open(&path);
    let lock = lock.map_err(refused)?;
    for _ in 0..PATIENCE {
        match lock.try_lock() {
            Ok(()) => return Ok(Held { refresh, _lock: lock }),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(STEP).await,
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
    }
    Err(format!("{}: another process holds it", path.display()))
}

impl Held<'_> {
    /// The token that holds now.
    ///
    /// # Errors
    /// If the file of the kept one cannot be read.
    pub(super) fn token(&self) -> Result<Secret, String> {
        let path = &self.refresh.kept;
        let refused = |error: &dyn std::fmt::Display| {
            format!("the refresh token kept in {} cannot be read: {error}", path.display())
        };
        let mut text = String::new();
        match File::open(path) {
            Ok(file) => {
                file.take(BYTES_MAX).read_to_string(&mut text).map_err(|it| refused(&it))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(self.refresh.token.clone());
            }
            Err(error) => return Err(refused(&error)),
        };
        let json: Json = serde_json::from_str(&text).map_err(|_| refused(&"it is damaged"))?;
        let said = |name: &str| json.get(name).and_then(Json::as_str);
        match (said("follows"), said("refresh_token")) {
            (Some(follows), Some(token)) if follows == self.fingerprint() => Ok(Secret::new(token)),
            (Some(_), Some(_)) => Ok(self.refresh.token.clone()),
            (_, _) => Err(refused(&"it is damaged")),
        }
    }

    /// Keeps its successor, so that it outlives a power cut.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn keep(&self, next: &Secret) -> Result<(), String> {
        let path = &self.refresh.kept;
        let text = json!({ "follows": self.fingerprint(), "refresh_token": next.reveal() });
        write(path, &text.to_string()).map_err(|error| {
            format!("the new refresh token cannot be kept in {}: {error}", path.display())
        })
    }

    fn fingerprint(&self) -> String {
        blake3::hash(self.refresh.token.reveal().as_bytes()).to_hex().to_string()
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let new = beside(path, "new");
    // One that was left behind may have been made by somebody else, for everybody.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = private(OpenOptions::new().create_new(true)).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_folder(path)
}

/// The name itself outlives a power cut.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.write(true).mode(0o600)
}

/// What a folder gives to its files holds.
#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.write(true)
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    PathBuf::from(name)
}
