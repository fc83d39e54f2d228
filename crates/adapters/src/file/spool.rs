//! Pieces of bytes that are needed again and are too many for memory: few stay there, many go to a file
//! beside the one that is written, which has no name as soon as it is open, so that none is left behind.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// How many bytes stay in memory.
const IN_MEMORY: usize = 4 << 20;
/// How many are written at once.
const AT_ONCE: usize = 256 << 10;

/// So many spools this process has made: no two have one name, not even for an instant.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Pieces of bytes, each found by where it begins.
#[derive(Debug)]
pub(super) struct Spool {
    /// Where many go; `None`: all of them stay in memory.
    folder: Option<PathBuf>,
    file: Option<File>,
    /// How many bytes are in the file.
    written: u64,
    /// Those behind them.
    tail: Vec<u8>,
}

impl Spool {
    /// An empty one, which would go to this folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), file: None, written: 0, tail: Vec::new() }
    }

    /// An empty one for a few pieces, beside a file that is perhaps in a folder where nothing can be written.
    pub(super) const fn in_memory() -> Self {
        Self { folder: None, file: None, written: 0, tail: Vec::new() }
    }

    /// Keeps a piece, and tells where.
    ///
    /// # Errors
    /// What kept it from being written.
    pub(super) fn put(&mut self, piece: &[u8]) -> io::Result<u64> {
        let at = self.written + self.tail.len() as u64;
        let length = u32::try_from(piece.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        self.tail.extend_from_slice(&length.to_le_bytes());
        self.tail.extend_from_slice(piece);
        let most = if self.file.is_some() { AT_ONCE } else { IN_MEMORY };
        if let Some(folder) = self.folder.as_ref().filter(|_| self.tail.len() > most) {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => nameless(folder)?,
            };
            file.seek(SeekFrom::Start(self.written))?;
            file.write_all(&self.tail)?;
            self.written += self.tail.len() as u64;
            self.file = Some(file);
            self.tail.clear();
            self.tail.shrink_to(AT_ONCE * 2);
        }
        Ok(at)
    }

    /// The piece that was kept here.
    ///
    /// # Errors
    /// What kept it from being read.
    pub(super) fn get(&self, at: u64) -> io::Result<Vec<u8>> {
        let lost = || io::Error::from(io::ErrorKind::UnexpectedEof);
        if let Some(behind) = at.checked_sub(self.written) {
            let from = usize::try_from(behind).map_err(|_| lost())?;
            let (length, rest) =
                self.tail.get(from..).and_then(|tail| tail.split_first_chunk()).ok_or_else(lost)?;
            let piece = rest.get(..u32::from_le_bytes(*length) as usize);
            return piece.map(<[u8]>::to_vec).ok_or_else(lost);
        }
        let mut file = self.file.as_ref().ok_or_else(lost)?;
        file.seek(SeekFrom::Start(at))?;
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let mut piece = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut piece)?;
        Ok(piece)
    }
}

/// A file that is gone when it is closed.
fn nameless(folder: &Path) -> io::Result<File> {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".{}-{number}.syncline-held", std::process::id()));
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_again_in_memory_and_in_the_file_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path());
        let piece = |number: u32| vec![number as u8; 100 + number as usize % 1_000];
        let places: Vec<u64> =
            (0..20_000).map(|number| spool.put(&piece(number)).unwrap()).collect();
        assert!(spool.file.is_some(), "most of it is in a file");
        for (number, at) in (0..).zip(places).step_by(7) {
            assert_eq!(spool.get(at).unwrap(), piece(number));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
