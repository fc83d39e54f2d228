//! What the configuration says of a file system: a folder, what its files are called, and how they
//! are written.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

pub use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;
use syncline_core::Text;

mod pattern;

pub use pattern::{Dated, Pattern};

/// A file system.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What its files are called.
    pub name: Pattern,
    /// How they are written.
    pub form: Form,
    /// It is read: edits in it count.
    pub reads: bool,
    /// It is written.
    pub writes: bool,
    /// What a file holds.
    pub holds: Holds,
    /// A file that nothing has changed for so long is whole.
    pub settle: Duration,
    /// The last line of a CSV file need not end.
    pub last_line_open: bool,
    /// Larger files are not read.
    pub max_bytes: u64,
    /// The columns that tell the rows of each entity's file apart.
    pub keys: BTreeMap<Text, Vec<Text>>,
    /// Where the days of names begin.
    pub zone: TimeZone,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Holds {
    /// Everything there is: what is not in it is not there.
    #[default]
    All,
    /// What has changed: what is not in it is as it was.
    Changes,
}

/// How a file is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Cells between separators, a row a line.
    Csv(Csv),
    /// A JSON object a line.
    JsonLines,
    /// A sheet of a workbook of Excel; the first unless said.
    Xlsx {
        /// Its name.
        sheet: Option<Text>,
    },
}

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Csv {
    /// Between cells.
    pub separator: u8,
    /// How letters become bytes.
    pub encoding: &'static Encoding,
    /// A new file begins with a byte order mark.
    pub bom: bool,
    /// The names of the columns, where the file itself does not say them.
    pub header: Option<Vec<Text>>,
    /// What is done to texts that a spreadsheet would take for formulas.
    pub formulas: Formulas,
}

/// What is done to texts that a spreadsheet would take for formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Formulas {
    /// They are written as they are.
    #[default]
    Keep,
    /// They are not written.
    Refuse,
}

impl Csv {
    /// How the letters of a line are handled: what is not read byte by byte is UTF-8 on the way.
    pub fn letters(&self) -> &'static Encoding {
        if is_bytewise(self.encoding) { self.encoding } else { UTF_8 }
    }
}

impl Form {
    /// As the file says it; the end of its names, too.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::JsonLines => "jsonl",
            Self::Xlsx { .. } => "xlsx",
        }
    }
}

/// The encoding of this name, as web pages name them.
pub fn encoding(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
}

/// Whether files in this encoding can be read cell by cell: a separator is one byte in it, and never a
/// part of a letter.
pub fn is_bytewise(encoding: &'static Encoding) -> bool {
    encoding == encoding_rs::UTF_8 || encoding.is_single_byte()
}

/// Whether this is UTF-16, one way or the other.
pub fn is_wide(encoding: &'static Encoding) -> bool {
    encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE
}
