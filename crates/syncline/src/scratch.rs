//! Folders that go away again: when they are dropped, and when a second signal ends the program
//! at once.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Folders that are there now.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder that goes away with this value.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// An empty folder at this place. What a killed process left there goes first.
    pub(crate) fn new(path: PathBuf) -> std::io::Result<Self> {
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        folders().push(path.clone());
        Ok(Self { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        folders().retain(|folder| *folder != self.path);
        remove(&self.path);
    }
}

/// Removes them all: the program ends here.
pub(crate) fn remove_all() {
    folders().iter().for_each(|folder| remove(folder));
}

fn folders() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(folder: &Path) {
    // What cannot be removed now is only a copy, and makes room for the next of its name.
    let _ = std::fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    //! A scratch folder begins empty and leaves nothing.

    use super::*;

    #[test]
    fn a_scratch_folder_begins_empty_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("copy");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("left"), "by a process that was killed").unwrap();
        let scratch = Scratch::new(path.clone()).unwrap();
        assert!(!scratch.path().join("left").exists());
        std::fs::write(path.join("mine"), "").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
