//! `read:` and `write:` of a file system.

use crate::config::keys::{Section, Shape, TEXTS, key};

const FORMATS: &[&str] = &["csv", "jsonl", "xlsx"];

/// What both ways of a file have.
macro_rules! both {
    ($name:literal, $doc:literal, [$($own:expr),* $(,)?]) => {
        Section {
            name: $name,
            doc: $doc,
            keys: &[
                key("format", Shape::Word(FORMATS), "What the files are; unsaid: as `name` ends, else `csv`."),
                key(
                    "name",
                    Shape::Text,
                    "What the files are called: `{file}` is what the entity names, `{date}` a day as \
                     2026-03-02 (`{date:%Y%m%d}`: otherwise), `*` anything. `{file}.csv` and the like unless said.",
                ),
                key("separator", Shape::Text, "Between cells of CSV: one sign, or `tab`; a comma unless said."),
                key(
                    "decimal",
                    Shape::Text,
                    "The decimal sign of numbers in CSV, where a cell says no other; a point unless said.",
                ),
                key(
                    "encoding",
                    Shape::Text,
                    "How letters are written in CSV: `windows-1252`, `iso-8859-15`, `utf-16`; `utf-8` \
                     unless said.",
                ),
                key("header", TEXTS, "The names of the columns, where CSV files have no header of their own."),
                key("sheet", Shape::Text, "The sheet of a workbook; the first unless said."),
                $($own),*
            ],
            named: None,
            required: &[],
        }
    };
}

pub(crate) static READ: Section = both!(
    "file_read",
    "How the files of a folder are read.",
    [
        key(
            "kind",
            Shape::Word(&["full", "delta"]),
            "`full`: the newest file holds all rows there are; `delta`: each file holds what has changed. `full` \
             unless said.",
        ),
        key(
            "settle",
            Shape::Duration,
            "A file that nothing has changed for so long is whole; 1s unless said.",
        ),
        key(
            "last_line",
            Shape::Word(&["ended", "open"]),
            "`open`: the last line of CSV need not end. Unless said, a file whose last line does not end counts as cut.",
        ),
        key("max_bytes", Shape::Size, "Larger files are not read; 1GiB unless said."),
    ]
);

pub(crate) static WRITE: Section = both!(
    "file_write",
    "How the files of a folder are written.",
    [
        key(
            "bom",
            Shape::Bool,
            "New UTF-8 files begin with a byte order mark, for Excel; `false` unless said."
        ),
        key(
            "formulas",
            Shape::Word(&["keep", "refuse"]),
            "Texts that a spreadsheet would take for formulas (`=…`, `+…`, `-…`, `@…`) in CSV: written as they \
             are, or refused; `keep` unless said.",
        ),
    ]
);
