//! Programs and scripts of others that npm has, for tests that run them.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

/// The folder `node_modules` with these packages, installed under this name if they are not there; else
/// why they cannot be.
pub(crate) fn installed(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let whole = folder.join("whole");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("node: {error}"))?;
    if !whole.exists() {
        let npm = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-progress", "--prefix"])
            .arg(&folder)
            .args(packages)
            .output()
            .map_err(|error| format!("npm: {error}"))?;
        if !npm.status.success() {
            return Err(format!("npm install: {}", String::from_utf8_lossy(&npm.stderr)));
        }
        fs::write(whole, "").map_err(|error| error.to_string())?;
    }
    Ok(folder.join("node_modules"))
}
