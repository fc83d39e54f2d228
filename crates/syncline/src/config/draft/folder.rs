//! What the file says of a file system.

use syncline_adapters::settings::folder::{Form, Holds, Pattern};

/// What is said of a file system alone.
#[derive(Clone, Debug)]
pub(crate) struct FolderDraft {
    /// What its files are called.
    pub(crate) name: Pattern,
    /// How they are written.
    pub(crate) form: Form,
    /// They are read.
    pub(crate) reads: bool,
    /// They are written.
    pub(crate) writes: bool,
    /// What a file holds.
    pub(crate) holds: Holds,
    /// A file that nothing has changed for so long is whole, in milliseconds.
    pub(crate) settle_ms: i64,
    /// The last line need not end.
    pub(crate) last_line_open: bool,
    /// Larger files are not read.
    pub(crate) max_bytes: u64,
    /// The decimal sign of numbers, where a cell says no other.
    pub(crate) decimal: Option<char>,
}
