//! Writes to a file system: the file as it is, with what changes, becomes a new file beside it, which takes
//! its place in one rename if what is there is still what was read.
//!
//! All writes of a batch to one file are one replacement, and memory holds only their rows. What is not
//! changed is copied byte by byte. A lock on the folder keeps two of ours apart; other programs are kept
//! apart by nothing, so that what one of them saves between the last look and the rename is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use syncline_core::{
    change::{Outcome, RowKey, WriteGroup, WriteKind},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId},
    plan::Plan,
    value::Value,
};
use syncline_ports::target::Target;

use crate::{
    file::{
        System, blocking,
        bound::Bound,
        change::{Change, Deciding},
        failed,
        place::{self, Found, Identity, Look},
        print::Printer,
        rows::{Entry, Head, Rows, digest},
        source::{Bindings, Picked},
        xlsx::{Book, Written},
    },
    settings::folder::Form,
    sql::{invalid, put_off},
};

/// How long another of ours is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often a file is read again because somebody saved it meanwhile.
const TRIES: u32 = 3;

/// Writes to a file system.
pub(super) struct FileTarget {
    bindings: Bindings,
}

impl FileTarget {
    pub(super) fn new(system: Arc<System>, plan: Arc<Plan>) -> Self {
        Self { bindings: Bindings::new(system, plan) }
    }
}

#[async_trait]
impl Target for FileTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let (mut answers, mut files) = (Vec::new(), Vec::<(BindingIndex, Vec<WriteGroup>)>::new());
        for group in groups {
            let Some(binding) = group.writes.first().map(|write| write.binding) else { continue };
            if group.writes.iter().any(|write| write.binding != binding) {
                let why = "two files cannot be replaced as one";
                answers.extend(all([group], &invalid("write.type", why)));
                continue;
            }
            match files.iter_mut().find(|(known, _)| *known == binding) {
                Some((_, groups)) => groups.push(group.clone()),
                None => files.push((binding, vec![group.clone()])),
            }
        }
        for (binding, groups) in files {
            answers.extend(match self.bindings.get(binding) {
                Ok(bound) => one_file(bound, groups).await,
                Err(error) => all(&groups, &put_off(error.kind, &error.detail)),
            });
        }
        answers
    }
}

/// The same answer to all of these.
fn all<'a>(
    groups: impl IntoIterator<Item = &'a WriteGroup>,
    outcome: &Outcome,
) -> Vec<(IntentId, Outcome)> {
    let writes = groups.into_iter().flat_map(|group| &group.writes);
    writes.map(|write| (write.intent, outcome.clone())).collect()
}

async fn one_file(bound: Arc<Bound>, groups: Vec<WriteGroup>) -> Vec<(IntentId, Outcome)> {
    let action = bound.action("write");
    let work = groups.clone();
    let done = blocking(&action, move || Ok(locked(&bound, &work))).await;
    match done {
        Ok(answers) => answers,
        Err(error) => all(&groups, &Outcome::Unknown { reason: error.to_string().into() }),
    }
}

/// Writes while no other of ours does.
fn locked(bound: &Bound, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
    let folder = &bound.system.folder;
    if !folder.writes {
        return all(groups, &invalid("write.refused", "its files are not written"));
    }
    let not_done = |error: &PortError| all(groups, &put_off(error.kind, &error.detail));
    let lock = match lock(&folder.path, &bound.action("lock the folder of")) {
        Ok(lock) => lock,
        Err(error) => return not_done(&error),
    };
    let mut answers = Vec::new();
    for _ in 0..TRIES {
        match replace(bound, groups) {
            Ok(Replaced::Done(done)) => {
                answers = done;
                break;
            }
            Ok(Replaced::Meanwhile) => {
                let why = "somebody keeps saving the file";
                answers = all(groups, &put_off(ErrorKind::TimedOut, why));
            }
            Err(error) => {
                answers = not_done(&error);
                break;
            }
        }
    }
    drop(lock);
    answers
}

fn lock(folder: &Path, action: &str) -> Result<Option<File>, PortError> {
    // Where folders cannot be opened or locked, two of ours are kept apart by nothing.
    let Ok(file) = File::open(folder) else { return Ok(None) };
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let detail = "another process of ours is writing there";
                return Err(PortError::new(ErrorKind::TimedOut, action, detail));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

enum Replaced {
    Done(Vec<(IntentId, Outcome)>),
    /// Somebody saved the file while it was being read.
    Meanwhile,
}

/// Reads the file, decides about each write, and puts the new file in its place.
fn replace(bound: &Bound, groups: &[WriteGroup]) -> Result<Replaced, PortError> {
    let (folder, action) = (&bound.system.folder, bound.action("write"));
    let io = |error: std::io::Error| failed(&action, &error);
    let busy = |why: String| PortError::new(ErrorKind::TimedOut, action.clone(), why);
    place::look_in(&bound.system)?;
    let path = folder.path.join(folder.name.filled(&bound.file, place::now(&bound.system)));
    if place::is_being_edited(&path) {
        return Err(busy(format!("{} is open in an office program", path.display())));
    }
    let state = match place::open(&bound.system, path.clone())? {
        Look::Found(found) => Some(found),
        Look::Missing => None,
        Look::NotNow(why) => return Err(busy(why)),
    };
    let before = state.as_ref().map(digest).transpose().map_err(io)?;
    let printer = Printer::new(bound);
    let mut deciding = Deciding::new(bound, &printer, groups);
    let mut head = printer.head();
    if let Some(found) = &state {
        let mut rows = open(bound, found, &action)?;
        if let Some(more) = rows.holds_more() {
            let why = format!("{} has {more}: a new file would lose them", found.name);
            return Err(PortError::new(ErrorKind::Unsupported, action, why));
        }
        head = rows.head();
        deciding.read(&mut rows).map_err(io)?;
    }
    let (changes, mut answers) = deciding.decide(groups, &head);
    if changes.is_empty() {
        return Ok(Replaced::Done(answers));
    }
    let new = New::beside(&path);
    let writing =
        Writing { bound, printer: &printer, head: &head, changes: &changes, action: &action };
    match folder.form {
        Form::Csv(_) | Form::JsonLines => writing.lines(state.as_ref(), &new.path)?,
        Form::Xlsx { .. } => writing.book(state.as_ref(), &new.path)?,
    }
    let file = File::options().write(true).open(&new.path).map_err(io)?;
    if let Some(found) = &state
        && let Ok(metadata) = found.file.metadata()
    {
        let _as_far_as_allowed = file.set_permissions(metadata.permissions());
    }
    file.sync_all().map_err(io)?;
    show(bound, &new.path, groups, &mut answers, &action)?;
    let after = state.as_ref().map(digest).transpose().map_err(io)?;
    let there = Identity::at(&path);
    if after != before || there != state.as_ref().map(|found| found.identity) {
        return Ok(Replaced::Meanwhile);
    }
    if state.is_some() {
        fs::rename(&new.path, &path).map_err(io)?;
    } else {
        // Fails if somebody has put a file there.
        match fs::hard_link(&new.path, &path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Ok(Replaced::Meanwhile);
            }
            // Not every file system has links.
            Err(_) => fs::rename(&new.path, &path).map_err(io)?,
        }
    }
    place::remember_own(&path);
    if let Ok(folder) = File::open(&folder.path) {
        // The rename is made; whether it outlives a failure of power now is the file system's.
        let _as_far_as_it_can = folder.sync_all();
    }
    Ok(Replaced::Done(answers))
}

fn open(bound: &Bound, found: &Found, action: &str) -> Result<Rows, PortError> {
    let opened = Rows::open(&bound.system.folder, found, &bound.names(), &bound.kinds, action)?;
    opened.map_err(|why| PortError::new(ErrorKind::TimedOut, action, why))
}

/// A new file under way: what was there, with the changes in it, and new rows behind.
struct Writing<'a> {
    bound: &'a Bound,
    printer: &'a Printer<'a>,
    head: &'a Head,
    changes: &'a [Change],
    action: &'a str,
}

impl Writing<'_> {
    /// What there is of each row of the file: the row, and what becomes of it if that is something else.
    fn each(
        &self,
        state: Option<&Found>,
        mut put: impl FnMut(&Entry, Option<&Change>) -> Result<(), PortError>,
    ) -> Result<(), PortError> {
        let Some(found) = state else { return Ok(()) };
        let by_key: BTreeMap<&RowKey, &Change> =
            self.changes.iter().filter_map(|change| Some((change.was.as_ref()?, change))).collect();
        let mut rows = open(self.bound, found, self.action)?;
        while let Some(entry) = rows.next().map_err(|error| failed(self.action, &error))? {
            let key = self.bound.key_of(&entry);
            put(&entry, key.and_then(|key| by_key.get(&key).copied()))?;
        }
        Ok(())
    }

    /// The values of new rows.
    fn new_rows(&self) -> impl Iterator<Item = &Vec<Value>> {
        let new = self.changes.iter().filter(|change| change.was.is_none());
        new.filter_map(|change| change.values.as_ref())
    }

    /// What was decided could be printed.
    fn refused(&self, outcome: &Outcome) -> PortError {
        PortError::new(ErrorKind::Unexpected, self.action, format!("{outcome:?}"))
    }

    /// Puts a line into the new file, in its encoding.
    fn put(&self, out: &mut impl std::io::Write, line: &[u8]) -> Result<(), PortError> {
        let io = |error: std::io::Error| failed(self.action, &error);
        let Some(wide) = self.head.wide else { return out.write_all(line).map_err(io) };
        let lost = || {
            let why = "it holds bytes that are no UTF-16: a new file would lose them";
            PortError::new(ErrorKind::Unsupported, self.action, why)
        };
        let text = std::str::from_utf8(line).map_err(|_| lost())?;
        if text.contains('\u{fffd}') {
            return Err(lost());
        }
        wide.write(out, text).map_err(io)
    }

    fn lines(&self, state: Option<&Found>, path: &Path) -> Result<(), PortError> {
        let io = |error: std::io::Error| failed(self.action, &error);
        let (printer, head) = (self.printer, self.head);
        let mut out = BufWriter::new(File::create(path).map_err(io)?);
        if let Some(wide) = head.wide {
            wide.begin(&mut out).map_err(io)?;
        }
        let mut put = |bytes: &[u8]| self.put(&mut out, bytes);
        put(&head.raw)?;
        self.each(state, |entry, change| match change {
            None => put(&printer.ended(entry.raw.bytes(), head)),
            Some(Change { values: None, .. }) => Ok(()),
            Some(Change { values: Some(values), .. }) => {
                let line = printer.changed(entry, values, head);
                put(&line.map_err(|found| self.refused(&found))?)
            }
        })?;
        for values in self.new_rows() {
            let line = printer.new_row(values, head).map_err(|found| self.refused(&found))?;
            put(&line)?;
        }
        out.flush().map_err(io)
    }

    fn book(&self, state: Option<&Found>, path: &Path) -> Result<(), PortError> {
        let wrong = |error: rust_xlsxwriter::XlsxError| {
            if let rust_xlsxwriter::XlsxError::IoError(error) = &error {
                return failed(self.action, error);
            }
            PortError::new(ErrorKind::Unsupported, self.action, error.to_string())
        };
        let refused = |found: Outcome| self.refused(&found);
        let (printer, head) = (self.printer, self.head);
        let mut book = Book::new(head.sheet.as_ref()).map_err(wrong)?;
        let names = head.names.iter().map(|name| Written::Text(name.to_string()));
        book.push(&names.collect::<Vec<_>>()).map_err(wrong)?;
        self.each(state, |entry, change| {
            let values = match change {
                None => &entry.values,
                Some(Change { values: None, .. }) => return Ok(()),
                Some(Change { values: Some(values), .. }) => values,
            };
            let row = printer.sheet_row(Some(entry), values, head).map_err(refused)?;
            book.push(&row).map_err(wrong)
        })?;
        for values in self.new_rows() {
            let row = printer.sheet_row(None, values, head).map_err(refused)?;
            book.push(&row).map_err(wrong)?;
        }
        book.save(path).map_err(wrong)
    }
}

/// What the new file shows of the rows that were written: that is what they are now.
fn show(
    bound: &Bound,
    path: &Path,
    groups: &[WriteGroup],
    answers: &mut [(IntentId, Outcome)],
    action: &str,
) -> Result<(), PortError> {
    let io = |error: std::io::Error| failed(action, &error);
    let file = File::open(path).map_err(io)?;
    let identity = Identity::at(path).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = Found { path: path.to_owned(), name, identity, file };
    let keys: Vec<_> = answers
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Applied { key, .. } => Some(key.clone()),
            Outcome::Precondition { .. }
            | Outcome::Unique { .. }
            | Outcome::Foreign { .. }
            | Outcome::Invalid { .. }
            | Outcome::Retry { .. }
            | Outcome::Unknown { .. }
            | Outcome::Sibling => None,
        })
        .collect();
    let mut picked = Picked::new(keys.iter());
    picked.read(bound, &mut open(bound, &found, action)?).map_err(io)?;
    let writes = groups.iter().flat_map(|group| &group.writes);
    let deletes: BTreeSet<IntentId> =
        writes.filter(|write| write.kind == WriteKind::Delete).map(|write| write.intent).collect();
    for (intent, outcome) in answers.iter_mut() {
        let Outcome::Applied { key, post, .. } = outcome else { continue };
        if deletes.contains(intent) {
            continue;
        }
        match picked.rows.get(key) {
            Some(Some(Ok(observed))) => post.clone_from(&observed.row),
            Some(Some(Err(_)) | None) | None => {
                let reason = "the new file does not show the row".into();
                *outcome = Outcome::Unknown { reason };
            }
        }
    }
    Ok(())
}

/// A file under way. It goes if it does not come to be the file.
struct New {
    path: PathBuf,
}

impl New {
    fn beside(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self { path: path.with_file_name(format!(".{name}.syncline-tmp")) }
    }
}

impl Drop for New {
    fn drop(&mut self) {
        let _is_in_place = fs::remove_file(&self.path);
    }
}
