//! The new file: what was there, with what changes, beside it, in its place in one rename if what is there is
//! still what was read.
//!
//! The file is gone through a fixed number of times, however many writes there are: for its digest, for the rows
//! they ask for, for the new file; and the new one for what it shows. Memory holds the rows of one
//! portion of them.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use syncline_core::{
    change::{Outcome, RowKey, WriteGroup, WriteKind},
    error::{ErrorKind, PortError},
    name::IntentId,
    value::{Value, bytes, read_bytes},
};
use syncline_ports::target::Finished;

use crate::{
    file::{
        bound::{Bound, short},
        change::{Change, Deciding, Standing, key_then},
        failed,
        held::{Finds, Held},
        place::{self, Found, Identity, Look},
        print::Printer,
        rows::{Entry, Head, Rows, digest},
        spool::Spool,
        xlsx::{Book, Written},
    },
    settings::folder::Form,
};

/// What became of the writes to one file, told portion by portion.
#[derive(Debug)]
pub(super) struct Made {
    held: Held,
    /// The portion that is told next.
    next: usize,
    how: How,
}

#[derive(Debug)]
enum How {
    /// The same to all.
    All(Outcome),
    Each {
        /// Those that were not made.
        refused: HashMap<IntentId, Outcome>,
        /// What the new file shows of those that were; `None`: nothing had to change.
        shown: Option<Finds>,
    },
}

impl Made {
    /// These were not made; of the others, the new file shows this.
    pub(super) fn new(
        held: Held,
        refused: HashMap<IntentId, Outcome>,
        shown: Option<Finds>,
    ) -> Self {
        Self { held, next: 0, how: How::Each { refused, shown } }
    }

    /// None of it could be made, for this reason.
    pub(super) fn none(held: Held, why: Outcome) -> Self {
        Self { held, next: 0, how: How::All(why) }
    }

    /// The answers to a portion of the writes; `None`: all were told.
    pub(super) fn next(&mut self) -> Option<Finished> {
        while self.next < self.held.portions() {
            let portion = self.next;
            self.next += 1;
            // A portion that cannot be read any more is not answered: its writes are asked for, as those
            // of a process that died.
            let Ok(groups) = self.held.portion(portion) else { continue };
            if groups.is_empty() {
                continue;
            }
            let answers = match &self.how {
                How::All(outcome) => {
                    let writes = groups.iter().flat_map(|group| &group.writes);
                    writes.map(|write| (write.intent, outcome.clone())).collect()
                }
                How::Each { refused, shown } => {
                    self.answers(portion, &groups, refused, shown.as_ref())
                }
            };
            return Some(Finished { groups, answers });
        }
        None
    }

    /// What the new file shows of the rows that were written is what they are now.
    fn answers(
        &self,
        portion: usize,
        groups: &[WriteGroup],
        refused: &HashMap<IntentId, Outcome>,
        shown: Option<&Finds>,
    ) -> Vec<(IntentId, Outcome)> {
        let bound = &self.held.bound;
        let mut rows: BTreeMap<RowKey, Option<Standing>> = BTreeMap::new();
        for find in shown.into_iter().flat_map(|shown| shown.of(portion, bound)).flatten() {
            let standing = (!rows.contains_key(&find.key)).then_some(find.standing);
            rows.insert(find.key, standing);
        }
        let writes = groups.iter().flat_map(|group| &group.writes);
        let answer = |write: &syncline_core::change::RowWrite| {
            if let Some(outcome) = refused.get(&write.intent) {
                return outcome.clone();
            }
            let is_delete = write.kind == WriteKind::Delete;
            let removed = write.key.clone().filter(|_| is_delete && !bound.shape.deletes_softly());
            let Some(key) = removed.or_else(|| key_then(bound, write)) else {
                return Outcome::Unknown { reason: "its key cannot be told".into() };
            };
            let post = match rows.get(&key) {
                Some(Some(Standing::There { row, .. })) if !is_delete => row.clone(),
                _ if is_delete || shown.is_none() => None,
                Some(_) | None => {
                    let reason = "the new file does not show the row".into();
                    return Outcome::Unknown { reason };
                }
            };
            Outcome::Applied { key, post, token: None, order: None, transaction: None }
        };
        writes.map(|write| (write.intent, answer(write))).collect()
    }
}

/// What came of an attempt.
pub(super) enum Replaced {
    Done {
        refused: HashMap<IntentId, Outcome>,
        shown: Option<Finds>,
    },
    /// Somebody saved the file while it was being read.
    Meanwhile,
}

/// Reads the file, decides about each write, and puts the new file in its place.
///
/// # Errors
/// What kept the file from being read, or the new one from being made.
pub(super) fn replace(held: &Held) -> Result<Replaced, PortError> {
    let bound = &*held.bound;
    let (folder, action) = (&bound.system.folder, bound.action("write"));
    let io = |error: io::Error| failed(&action, &error);
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
    let (mut head, mut found) = (printer.head(), None);
    if let Some(state) = &state {
        let mut rows = open(bound, state, &action)?;
        if let Some(more) = rows.holds_more() {
            let why = format!("{} has {more}: a new file would lose them", state.name);
            return Err(PortError::new(ErrorKind::Unsupported, action, why));
        }
        head = rows.head();
        found = Some(held.find(&mut rows).map_err(io)?);
    }
    let mut refused = HashMap::new();
    let changes = decide(held, &printer, &head, found.as_ref(), &mut refused).map_err(io)?;
    drop(found);
    if changes.is_empty() {
        return Ok(Replaced::Done { refused, shown: None });
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
    let shown = show(held, &new.path, &action)?;
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
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
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
    Ok(Replaced::Done { refused, shown: Some(shown) })
}

/// Decides portion by portion: no row is in two of them.
fn decide(
    held: &Held,
    printer: &Printer<'_>,
    head: &Head,
    found: Option<&Finds>,
    refused: &mut HashMap<IntentId, Outcome>,
) -> io::Result<Changes> {
    let bound = &*held.bound;
    let mut changes = Changes::new(&bound.system.folder.path);
    for portion in 0..held.portions() {
        let groups = held.portion(portion)?;
        if groups.is_empty() {
            continue;
        }
        let doubt = found.and_then(|found| found.doubt.clone());
        let mut deciding = Deciding::new(bound, printer, doubt);
        for find in found.into_iter().flat_map(|found| found.of(portion, bound)) {
            deciding.learn(find?);
        }
        let (decided, answers) = deciding.decide(&groups, head);
        for change in decided {
            changes.push(&change)?;
        }
        let not_made =
            |(_, outcome): &(IntentId, Outcome)| !matches!(outcome, Outcome::Applied { .. });
        refused.extend(answers.into_iter().filter(not_made));
    }
    changes.by_key.sort_unstable();
    Ok(changes)
}

/// What changes in the file.
struct Changes {
    spool: Spool,
    /// Where what becomes of a row is, by eight bytes of its key, in order.
    by_key: Vec<(u64, u64)>,
    /// Where new rows are, in their order.
    new: Vec<u64>,
}

impl Changes {
    fn new(folder: &Path) -> Self {
        Self { spool: Spool::new(folder), by_key: Vec::new(), new: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.by_key.is_empty() && self.new.is_empty()
    }

    fn push(&mut self, change: &Change) -> io::Result<()> {
        let mut piece = Vec::new();
        if let Some(was) = &change.was {
            bytes(&was.0, &mut piece);
            piece.push(u8::from(change.values.is_some()));
        }
        for value in change.values.iter().flatten() {
            value.encode(&mut piece);
        }
        let at = self.spool.put(&piece)?;
        match &change.was {
            Some(was) => self.by_key.push((short(was), at)),
            None => self.new.push(at),
        }
        Ok(())
    }

    /// What becomes of the row that had this key.
    fn of(&self, key: &RowKey) -> io::Result<Option<Change>> {
        let short = short(key);
        let from = self.by_key.partition_point(|(known, _)| *known < short);
        let alike = self.by_key.iter().skip(from).take_while(|(known, _)| *known == short);
        for (_, at) in alike {
            let piece = self.spool.get(*at)?;
            let mut input = piece.as_slice();
            let was = read_bytes(&mut input).ok_or_else(lost)?;
            if was != &*key.0 {
                continue;
            }
            let (stays, rest) = input.split_first().ok_or_else(lost)?;
            let values = if *stays == 1 { Some(read_values(rest)?) } else { None };
            return Ok(Some(Change { was: Some(key.clone()), values }));
        }
        Ok(None)
    }

    /// The values of new rows.
    fn new_rows(&self) -> impl Iterator<Item = io::Result<Vec<Value>>> {
        self.new.iter().map(|at| read_values(&self.spool.get(*at)?))
    }
}

fn lost() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn read_values(mut input: &[u8]) -> io::Result<Vec<Value>> {
    let mut values = Vec::new();
    while !input.is_empty() {
        values.push(Value::decode(&mut input).ok_or_else(lost)?);
    }
    Ok(values)
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
    changes: &'a Changes,
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
        let io = |error: std::io::Error| failed(self.action, &error);
        let mut rows = open(self.bound, found, self.action)?;
        while let Some(entry) = rows.next().map_err(io)? {
            let change = match self.bound.key_of(&entry) {
                Some(key) => self.changes.of(&key).map_err(io)?,
                None => None,
            };
            put(&entry, change.as_ref())?;
        }
        Ok(())
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
        for values in self.changes.new_rows() {
            let line = printer
                .new_row(&values.map_err(io)?, head)
                .map_err(|found| self.refused(&found))?;
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
        for values in self.changes.new_rows() {
            let values = values.map_err(|error| failed(self.action, &error))?;
            let row = printer.sheet_row(None, &values, head).map_err(refused)?;
            book.push(&row).map_err(wrong)?;
        }
        book.save(path).map_err(wrong)
    }
}

/// What the new file shows of the rows that were written.
fn show(held: &Held, path: &Path, action: &str) -> Result<Finds, PortError> {
    let io = |error: io::Error| failed(action, &error);
    let file = File::open(path).map_err(io)?;
    let identity = Identity::at(path).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = Found { path: path.to_owned(), name, identity, file };
    held.find(&mut open(&held.bound, &found, action)?).map_err(io)
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
