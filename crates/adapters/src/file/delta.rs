//! Files that hold what has changed: each is read once, in the order of their names.
//!
//! The position remembers every file that was read: its name's digest, how far it was read, and a digest of
//! what it held up to there. A file that has grown is read on; one that holds something else is read
//! again; one that was only touched is not. Files are neither moved nor removed.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use syncline_core::{
    Text,
    change::{Position, ReadResult, RowKey},
    error::{ErrorKind, PortError},
    value::{Digest, read_varint, varint},
};
use syncline_ports::source::{Batch, Limit, Then};

use crate::file::{
    bound::{Bound, Seen},
    failed,
    place::{self, Found, Look},
    rows::Rows,
};

/// So many files are remembered beside those that are there.
const REMEMBERED_MAX: usize = 50_000;

/// What is known of the files that were read, by the digests of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known(BTreeMap<u64, Done>);

/// How far a file was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    /// Its size, and a digest of it, then.
    bytes: u64,
    digest: u64,
    /// When it was changed last, in microseconds: it was not read again to compare its digest.
    modified: u64,
    /// How many of its rows were taken.
    rows: u64,
    /// All of them that could be read.
    is_over: bool,
    /// Some of its lines could not be read as rows.
    is_broken: bool,
}

impl Known {
    fn read(position: Option<&Position>) -> Self {
        let mut known = BTreeMap::new();
        let mut rest = position.map_or(&[][..], |position| position.0.as_slice());
        while let Some((name, done)) = one(&mut rest) {
            known.insert(name, done);
        }
        Self(known)
    }

    fn position(&self) -> Position {
        let mut out = Vec::with_capacity(self.0.len() * 32);
        for (name, done) in &self.0 {
            let flags = u64::from(done.is_over) | u64::from(done.is_broken) << 1;
            for number in [*name, done.bytes, done.digest, done.modified, done.rows, flags] {
                varint(number, &mut out);
            }
        }
        Position(out)
    }

    /// Forgets files that are gone, if there are very many.
    fn prune(&mut self, there: &[(String, std::path::PathBuf)]) {
        if self.0.len() > there.len() + REMEMBERED_MAX {
            let names: Vec<u64> = there.iter().map(|(name, _)| short(name.as_bytes())).collect();
            self.0.retain(|name, _| names.contains(name));
        }
    }
}

fn one(rest: &mut &[u8]) -> Option<(u64, Done)> {
    let name = read_varint(rest)?;
    let (bytes, digest) = (read_varint(rest)?, read_varint(rest)?);
    let (modified, rows, flags) = (read_varint(rest)?, read_varint(rest)?, read_varint(rest)?);
    let (is_over, is_broken) = (flags & 1 != 0, flags & 2 != 0);
    Some((name, Done { bytes, digest, modified, rows, is_over, is_broken }))
}

fn short(bytes: &[u8]) -> u64 {
    let Digest(long) = Digest::of(bytes);
    long.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// A reading of the files, cut into batches.
pub(super) struct Pass {
    bound: Arc<Bound>,
    known: Known,
    /// What was known when the last batch was given.
    at: Position,
    open: Option<Open>,
    /// Lines that are no rows, in files that were read.
    doubt: Option<String>,
}

/// The file under way.
struct Open {
    name: u64,
    rows: Rows,
}

impl Pass {
    pub(super) fn new(bound: Arc<Bound>, from: Option<&Position>) -> Self {
        let known = Known::read(from);
        let at = known.position();
        Self { bound, known, at, open: None, doubt: None }
    }

    /// Whether this is the reading that goes on there.
    pub(super) fn goes_on(&self, from: Option<&Position>) -> bool {
        self.open.is_some() && from == Some(&self.at)
    }

    /// The next rows.
    ///
    /// # Errors
    /// What kept a file, or the folder, from being read.
    pub(super) fn batch(&mut self, limit: Limit) -> Result<Batch, PortError> {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        let action = self.bound.action("read");
        batch.then = loop {
            if batch.rows.len() + batch.refused.len() >= limit.rows.max(1) || bytes > limit.bytes {
                break Then::More;
            }
            let open = match &mut self.open {
                Some(open) => open,
                None => match self.next()? {
                    Next::File(open) => self.open.insert(open),
                    Next::None => break self.ends(None),
                    Next::NotNow(why) => break self.ends(Some(why)),
                },
            };
            let done = self.known.0.entry(open.name).or_default();
            let entry = match open.rows.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    done.is_over = true;
                    self.open = None;
                    continue;
                }
                Err(error) => return Err(failed(&action, &error)),
            };
            done.rows += 1;
            bytes += entry.raw.bytes().len();
            match self.bound.seen(&entry) {
                Seen::Row(observed) => batch.rows.push(*observed),
                Seen::Refused(refused) => batch.refused.push(refused),
                Seen::Lost(why) => {
                    done.is_broken = true;
                    self.doubt.get_or_insert(why);
                }
            }
        };
        let position = self.known.position();
        batch.upto = (position != self.at).then(|| position.clone());
        self.at = position;
        Ok(batch)
    }

    fn ends(&self, why: Option<String>) -> Then {
        match why.or_else(|| self.doubt.clone()) {
            Some(reason) => Then::ScanIncomplete { reason: Text::from(reason) },
            None => Then::Idle,
        }
    }

    /// The next file of which something was not read yet.
    fn next(&mut self) -> Result<Next, PortError> {
        let (system, action) = (Arc::clone(&self.bound.system), self.bound.action("read"));
        let there = place::all(&system, &self.bound.file)?;
        self.known.prune(&there);
        for (name, path) in there {
            let id = short(name.as_bytes());
            let before = self.known.0.get(&id).copied();
            if let Some(done) = before.filter(|done| done.is_over && is_as_it_was(&path, *done)) {
                self.say_again(done, &path, &action)?;
                continue;
            }
            let found = match place::open(&system, path)? {
                Look::Found(found) => found,
                // It is gone since the folder was listed.
                Look::Missing => continue,
                Look::NotNow(why) => return Ok(Next::NotNow(why)),
            };
            let (now, is_same) = examine(&found, before, &action)?;
            self.known.0.insert(id, now);
            if is_same && now.is_over && before.is_some_and(|done| done.bytes == now.bytes) {
                self.say_again(now, &found.path, &action)?;
                continue;
            }
            let mut rows = match Rows::open(
                &system.folder,
                &found,
                &self.bound.names(),
                &self.bound.kinds,
                &action,
            )? {
                Ok(rows) => rows,
                Err(why) => {
                    self.known.0.remove(&id);
                    return Ok(Next::NotNow(why));
                }
            };
            for _ in 0..now.rows {
                if rows.next().map_err(|error| failed(&action, &error))?.is_none() {
                    break;
                }
            }
            if let Some(done) = self.known.0.get_mut(&id) {
                done.is_over = false;
            }
            return Ok(Next::File(Open { name: id, rows }));
        }
        Ok(Next::None)
    }

    /// What could not be read of a file is said every time, until it is corrected.
    fn say_again(&mut self, done: Done, path: &Path, action: &str) -> Result<(), PortError> {
        if !done.is_broken || self.doubt.is_some() {
            return Ok(());
        }
        let system = &self.bound.system;
        let Look::Found(found) = place::open(system, path.to_owned())? else { return Ok(()) };
        let opened =
            Rows::open(&system.folder, &found, &self.bound.names(), &self.bound.kinds, action)?;
        let Ok(mut rows) = opened else { return Ok(()) };
        while let Some(entry) = rows.next().map_err(|error| failed(action, &error))? {
            if let Seen::Lost(why) = self.bound.seen(&entry) {
                self.doubt = Some(why);
                return Ok(());
            }
        }
        Ok(())
    }
}

enum Next {
    File(Open),
    /// Everything was read.
    None,
    /// The next file may not be read just now, and those behind it wait for it.
    NotNow(String),
}

/// What tells, without reading it, that a file holds what it held.
fn is_as_it_was(path: &Path, done: Done) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|now| now.len() == done.bytes && modified(&now) == done.modified)
}

fn modified(metadata: &std::fs::Metadata) -> u64 {
    let at = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// What a file is now, and whether what was read of it still stands at its beginning.
fn examine(found: &Found, before: Option<Done>, action: &str) -> Result<(Done, bool), PortError> {
    let io = |error: std::io::Error| failed(action, &error);
    let metadata = found.file.metadata().map_err(io)?;
    let mut hasher = blake3::Hasher::new();
    let (mut read, mut is_same) = (0, false);
    let mut file = found.file.try_clone().map_err(io)?;
    std::io::Seek::rewind(&mut file).map_err(io)?;
    let digest = |hasher: &blake3::Hasher| {
        hasher
            .finalize()
            .as_bytes()
            .iter()
            .take(8)
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    };
    if let Some(done) = before {
        read = hash(&mut (&mut file).take(done.bytes), &mut hasher).map_err(io)?;
        is_same = read == done.bytes && digest(&hasher) == done.digest;
    }
    read += hash(&mut file, &mut hasher).map_err(io)?;
    let now = Done {
        bytes: read,
        digest: digest(&hasher),
        modified: modified(&metadata),
        ..Done::default()
    };
    Ok(match before.filter(|_| is_same) {
        Some(Done { rows, is_over, is_broken, .. }) => {
            (Done { rows, is_over, is_broken, ..now }, true)
        }
        None => (now, false),
    })
}

/// Adds all that there is to a digest; how much it was.
fn hash(input: &mut impl std::io::Read, hasher: &mut blake3::Hasher) -> std::io::Result<u64> {
    let (mut buffer, mut all) = (vec![0; 256 << 10], 0);
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(all);
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        all += count as u64;
    }
}

/// What the newest file that shows them says of these rows: what no file shows is not known.
///
/// # Errors
/// What kept a file, or the folder, from being read.
pub(super) fn by_key(
    bound: &Bound,
    wanted: &[RowKey],
) -> Result<BTreeMap<RowKey, ReadResult>, PortError> {
    let action = bound.action("read");
    let unknown = || ReadResult::Failed(Text::new("no file says anything of it"));
    let mut results: BTreeMap<RowKey, ReadResult> =
        wanted.iter().map(|key| (key.clone(), unknown())).collect();
    for (_, path) in place::all(&bound.system, &bound.file)? {
        let Look::Found(found) = place::open(&bound.system, path)? else { continue };
        let opened =
            Rows::open(&bound.system.folder, &found, &bound.names(), &bound.kinds, &action)?;
        let Ok(mut rows) = opened else { continue };
        while let Some(entry) = rows.next().map_err(|error| failed(&action, &error))? {
            let (key, result) = match bound.seen(&entry) {
                Seen::Row(observed) => (observed.key.clone(), ReadResult::Found(observed)),
                Seen::Refused(refused) => {
                    let why = format!("{}: {}", refused.code, refused.reason);
                    (refused.key, ReadResult::Failed(Text::from(why)))
                }
                Seen::Lost(_) => continue,
            };
            if let Some(known) = results.get_mut(&key) {
                *known = result;
            }
        }
    }
    Ok(results)
}

/// A folder of changes cannot be read as a whole.
pub(super) fn no_scan() -> Batch {
    let reason = Text::new("its files hold only what has changed");
    Batch { then: Then::ScanIncomplete { reason }, ..Batch::default() }
}

/// A file that holds everything there is has nothing that is read from somewhere on.
pub(super) fn no_poll() -> PortError {
    PortError::new(ErrorKind::Unsupported, "read a part of a file", "a file is read whole")
}
