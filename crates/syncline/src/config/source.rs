//! The files a configuration is made of, and places in them.
//!
//! A place is a range of bytes of one file. Lines and columns are computed only when a person
//! reads them; columns count characters from 1. Ranges that hold a secret written as a literal are
//! masked wherever a line of the file is shown.

use std::{ops::Range, path::PathBuf};

use syncline_core::value::Digest;

/// A range of bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    /// Which file, in the order of [`Sources::files`].
    pub(crate) file: usize,
    /// First byte.
    pub(crate) start: usize,
    /// After the last byte.
    pub(crate) end: usize,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How it is called in messages.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) text: String,
    /// What must not be shown of it.
    masked: Vec<Range<usize>>,
}

/// All files of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The file, its overlay, lookup files.
    pub(crate) files: Vec<Source>,
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineColumn {
    /// The line.
    pub(crate) line: usize,
    /// The column, in characters.
    pub(crate) column: usize,
}

/// A line to show, and what to underline in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// The line, secrets masked, tabs widened to one space.
    pub(crate) line: String,
    /// Where the underline begins, in characters from 0.
    pub(crate) from: usize,
    /// How long it is, in characters; at least 1.
    pub(crate) length: usize,
}

impl Sources {
    /// Adds a file, and gives its number.
    pub(crate) fn add(&mut self, path: PathBuf, text: String) -> usize {
        let name = path.display().to_string();
        self.files.push(Source { path, name, text, masked: Vec::new() });
        self.files.len() - 1
    }

    /// A digest of all that is written in them: another one is another configuration.
    pub(crate) fn digest(&self) -> Digest {
        let mut all = Vec::new();
        for file in &self.files {
            all.extend((file.text.len() as u64).to_be_bytes());
            all.extend(file.text.as_bytes());
        }
        Digest::of(&all)
    }

    /// What is written there.
    pub(crate) fn text(&self, place: Place) -> &str {
        self.files
            .get(place.file)
            .and_then(|source| source.text.get(place.start..place.end))
            .unwrap_or_default()
    }

    /// The name of the file.
    pub(crate) fn name(&self, place: Place) -> &str {
        self.files.get(place.file).map_or("", |source| source.name.as_str())
    }

    /// From now on, what is written there is shown as stars.
    pub(crate) fn mask(&mut self, place: Place) {
        if let Some(source) = self.files.get_mut(place.file) {
            source.masked.push(place.start..place.end);
        }
    }

    /// Something of it must not be shown.
    pub(crate) fn is_masked(&self, place: Place) -> bool {
        let masked = self.files.get(place.file).map(|source| source.masked.as_slice());
        let overlaps = |range: &Range<usize>| range.start < place.end && place.start < range.end;
        masked.into_iter().flatten().any(overlaps)
    }

    /// What is written there, each secret as three stars: not even its length is told.
    pub(crate) fn shown(&self, place: Place) -> String {
        let masked = self.files.get(place.file).map_or(&[][..], |source| source.masked.as_slice());
        let mut shown = String::new();
        let mut was_masked = false;
        for (at, letter) in self.text(place).char_indices() {
            let is_masked = masked.iter().any(|range| range.contains(&(place.start + at)));
            match (is_masked, was_masked) {
                (false, _) => shown.push(letter),
                (true, false) => shown.push_str("***"),
                (true, true) => {}
            }
            was_masked = is_masked;
        }
        shown
    }

    /// The line and column where it begins.
    pub(crate) fn line_column(&self, place: Place) -> LineColumn {
        let Some(source) = self.files.get(place.file) else {
            return LineColumn { line: 1, column: 1 };
        };
        let before = source.text.get(..place.start).unwrap_or(&source.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        LineColumn { line, column }
    }

    /// The line where it begins, to be shown with an underline.
    pub(crate) fn snippet(&self, place: Place) -> Option<Snippet> {
        let source = self.files.get(place.file)?;
        let start = place.start.min(source.text.len());
        let before = source.text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = source.text.get(line_start..)?;
        let line = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let line_end = line_start + line.len();
        let mut shown = String::with_capacity(line.len());
        for (at, letter) in line.char_indices() {
            let at = line_start + at;
            let is_masked = source.masked.iter().any(|range| range.contains(&at));
            shown.push(match letter {
                _ if is_masked => '*',
                letter if letter.is_control() => ' ',
                letter => letter,
            });
        }
        let from = source.text.get(line_start..start)?.chars().count();
        let end = place.end.clamp(start, line_end.max(start));
        let length = source.text.get(start..end).map_or(1, |text| text.trim_end().chars().count());
        Some(Snippet { line: shown, from, length: length.max(1) }.within(SHOWN_MAX))
    }
}

/// More of a line is not shown: some lines are a whole file.
const SHOWN_MAX: usize = 160;
/// So much of what stands before the place.
const BEFORE: usize = 40;

impl Snippet {
    /// The part around the place, with dots where something was left out.
    fn within(self, most: usize) -> Self {
        let count = self.line.chars().count();
        if count <= most {
            return self;
        }
        let first = if self.from > most / 2 { self.from.saturating_sub(BEFORE) } else { 0 };
        let mut line: String = if first > 0 { "…".into() } else { String::new() };
        line.extend(self.line.chars().skip(first).take(most));
        if first + most < count {
            line.push('…');
        }
        let from = self.from - first + usize::from(first > 0);
        let length = self.length.min(most - (self.from - first).min(most - 1));
        Self { line, from, length }
    }
}
