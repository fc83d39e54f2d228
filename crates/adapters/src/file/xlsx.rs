//! Workbooks of Excel: one sheet of them, its first row the header.
//!
//! Numbers in a workbook are doubles; each is read as the shortest decimal that means it, which is what
//! was typed. Dates are numbers with a format, and become text in ISO form. A formula is read as the
//! value that was computed last. A workbook is unpacked once before anything of it is believed: that proves that
//! it is whole, and that it does not unpack to more than it may. A sheet is held in memory as a whole, with a place
//! for each cell between its corners: both are bounded before they are made.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

use calamine::{Cell, Data, DataRef, ExcelDateTime as Serial, Range, Reader as _, Xlsx};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use syncline_core::{Text, change::Outcome, decimal::Decimal, lens::FieldType, value::Value};

use crate::sql::{invalid, json};

/// What a workbook may unpack to, at most. Little in tests.
const UNPACKED_MAX: u64 = if cfg!(test) { 4 << 20 } else { 256 << 20 };
/// How many cells there may be between the corners of a sheet: some thirty bytes each.
const CELLS_MAX: u64 = 5_000_000;
/// How many bytes of texts the cells of a sheet may hold. One text may be in many cells.
const TEXTS_MAX: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };
/// What a cell may hold, as Excel says.
const CELL_MAX: usize = 32_767;

/// A sheet that was read.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) name: Text,
    cells: Range<Data>,
    /// Formulas, by the same places.
    formulas: Range<String>,
    next: u32,
    /// There is more in the workbook than a new one would have.
    pub(super) holds_more: Option<&'static str>,
}

/// A row of a sheet.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number, as Excel shows it.
    pub(super) number: u32,
    /// From the first column of the header on.
    pub(super) cells: Vec<Data>,
    /// The places of formulas that were never computed.
    pub(super) uncomputed: Vec<usize>,
}

/// Why a sheet is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no workbook, or has no such sheet.
    Broken(String),
    /// It would take more memory than it may.
    TooLarge(String),
}

/// How much of a sheet there is so far.
#[derive(Debug, Default)]
struct Extent {
    /// The corners: first and last row, first and last column.
    corners: Option<(u32, u32, u32, u32)>,
    texts: usize,
}

impl Extent {
    /// Counts a cell in.
    fn add(&mut self, (row, column): (u32, u32), text: usize) -> Result<(), Unread> {
        let (top, bottom, left, right) = self.corners.unwrap_or((row, row, column, column));
        let (top, bottom) = (top.min(row), bottom.max(row));
        let (left, right) = (left.min(column), right.max(column));
        self.corners = Some((top, bottom, left, right));
        self.texts += text;
        let (rows, columns) = (bottom - top + 1, right - left + 1);
        if u64::from(rows) * u64::from(columns) > CELLS_MAX {
            return Err(Unread::TooLarge(format!(
                "its sheet spans {rows} rows and {columns} columns: more than {CELLS_MAX} cells"
            )));
        }
        if self.texts > TEXTS_MAX {
            let most = TEXTS_MAX >> 20;
            return Err(Unread::TooLarge(format!("its sheet holds more than {most} MiB of texts")));
        }
        Ok(())
    }
}

impl Sheet {
    /// Reads a sheet.
    ///
    /// # Errors
    /// Why it is not read.
    pub(super) fn open(file: File, sheet: Option<&Text>) -> Result<Self, Unread> {
        let Some(mut file) = unpack(file).map_err(|error| broken(&error))? else {
            let most = UNPACKED_MAX >> 20;
            return Err(Unread::TooLarge(format!("it unpacks to more than {most} MiB")));
        };
        file.rewind().map_err(|error| broken(&error))?;
        let mut book: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(|error| broken(&error))?;
        let names = book.sheet_names();
        let name = match sheet {
            Some(sheet) => names.iter().find(|name| *name == sheet.as_str()).cloned(),
            None => names.first().cloned(),
        };
        let Some(name) = name else {
            let has = names.join(", ");
            let why = format!("it has no sheet {:?}; it has {has}", sheet.map_or("", |it| it));
            return Err(Unread::Broken(why));
        };
        let cells = cells(&mut book, &name)?;
        let formulas = formulas(&mut book, &name)?;
        let next = cells.start().map_or(0, |(row, _)| row);
        let holds_more = if names.len() > 1 {
            Some("other sheets")
        } else {
            (!formulas.is_empty()).then_some("formulas")
        };
        Ok(Self { name: Text::from(name), cells, formulas, next, holds_more })
    }

    /// The next row that is not empty.
    pub(super) fn next(&mut self) -> Option<Line> {
        let (last, width) = (self.cells.end()?.0, self.cells.width());
        let first = self.cells.start()?.1;
        while self.next <= last {
            let row = self.next;
            self.next += 1;
            let at = |column: usize| (row, first + column as u32);
            let cells: Vec<Data> = (0..width)
                .map(|column| self.cells.get_value(at(column)).cloned().unwrap_or_default())
                .collect();
            let is_formula = |column: &usize| {
                self.formulas.get_value(at(*column)).is_some_and(|formula| !formula.is_empty())
            };
            let uncomputed: Vec<usize> = (0..width)
                .filter(|column| cells.get(*column) == Some(&Data::Empty))
                .filter(is_formula)
                .collect();
            if cells.iter().any(|cell| *cell != Data::Empty) || !uncomputed.is_empty() {
                return Some(Line { number: row + 1, cells, uncomputed });
            }
        }
        None
    }
}

fn broken(error: &dyn std::fmt::Display) -> Unread {
    Unread::Broken(format!("it is no whole workbook: {error}"))
}

type Opened = Xlsx<BufReader<File>>;

/// What the cells of a sheet hold.
fn cells(book: &mut Opened, name: &str) -> Result<Range<Data>, Unread> {
    let mut reader = book.worksheet_cells_reader(name).map_err(|error| broken(&error))?;
    let (mut extent, mut cells) = (Extent::default(), Vec::new());
    while let Some(cell) = reader.next_cell().map_err(|error| broken(&error))? {
        let (place, value) = (cell.get_position(), cell.get_value());
        if *value != DataRef::Empty {
            extent.add(place, length(value))?;
            cells.push(Cell::new(place, Data::from(value.clone())));
        }
    }
    Ok(Range::from_sparse(cells))
}

/// Its formulas.
fn formulas(book: &mut Opened, name: &str) -> Result<Range<String>, Unread> {
    let mut reader = book.worksheet_cells_reader(name).map_err(|error| broken(&error))?;
    let (mut extent, mut formulas) = (Extent::default(), Vec::new());
    while let Some(formula) = reader.next_formula().map_err(|error| broken(&error))? {
        if !formula.get_value().is_empty() {
            extent.add(formula.get_position(), formula.get_value().len())?;
            formulas.push(formula);
        }
    }
    Ok(Range::from_sparse(formulas))
}

/// How many bytes of text a cell holds.
fn length(value: &DataRef<'_>) -> usize {
    match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.len()
        }
        DataRef::SharedString(text) => text.len(),
        DataRef::Int(_)
        | DataRef::Float(_)
        | DataRef::Bool(_)
        | DataRef::DateTime(_)
        | DataRef::Error(_)
        | DataRef::Empty => 0,
    }
}

/// Unpacks all of a workbook, to see that it is whole; `None`: it is too large.
fn unpack(file: File) -> io::Result<Option<File>> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file))?;
    let (mut buffer, mut all) = (vec![0; 64 << 10], 0);
    for at in 0..archive.len() {
        let mut part = archive.by_index(at)?;
        loop {
            let count = part.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            all += count as u64;
            if all > UNPACKED_MAX {
                return Ok(None);
            }
        }
    }
    Ok(Some(archive.into_inner().into_inner()))
}

/// What a cell holds, for a field of this kind.
///
/// # Errors
/// The code, and why it cannot be read.
pub(super) fn value(
    cell: &Data,
    kind: Option<&FieldType>,
) -> Result<Value, (&'static str, String)> {
    let found = match cell {
        Data::Empty => Value::Null,
        Data::Int(number) => Value::int(*number),
        Data::Float(number) => match Decimal::parse(&number.to_string()) {
            Some(number) => Value::Num(number),
            None => return Err(("read.number", "its number is none that can be carried".into())),
        },
        Data::String(text) if text.is_empty() => Value::Null,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Value::text(text),
        Data::Bool(truth) => Value::Bool(*truth),
        Data::DateTime(serial) => Value::text(moment(*serial)),
        Data::Error(error) => return Err(("read.type", format!("it holds an error ({error})"))),
    };
    // A code that looks like a number is one to Excel.
    let is_textual = kind.is_some_and(|kind| {
        matches!(
            kind,
            FieldType::Text
                | FieldType::Email
                | FieldType::Phone { .. }
                | FieldType::Enum(_)
                | FieldType::Uuid
        )
    });
    let is_code = is_textual && matches!(found, Value::Num(_) | Value::Bool(_));
    Ok(if is_code { Value::text(found.to_string()) } else { found })
}

/// A date, a time of day, or both.
fn moment(serial: Serial) -> String {
    let (year, month, day, hour, minute, second, millisecond) = serial.to_ymd_hms_milli();
    let mut time = format!("{hour:02}:{minute:02}:{second:02}");
    if millisecond > 0 {
        time.push_str(&format!(".{millisecond:03}"));
    }
    let has_date = serial.as_f64() >= 1.0 && !serial.is_duration();
    let has_time = (hour, minute, second, millisecond) != (0, 0, 0, 0);
    match (has_date, has_time) {
        (true, true) => format!("{year:04}-{month:02}-{day:02}T{time}"),
        (true, false) => format!("{year:04}-{month:02}-{day:02}"),
        (false, _) => time,
    }
}

/// A workbook under way.
pub(super) struct Book {
    inner: Workbook,
    row: u32,
    date: Format,
    moment: Format,
}

/// What is written into a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    /// Nothing.
    Nothing,
    /// A number, as Excel holds it.
    Number(f64),
    /// A text; never a formula.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A date, or a date and a time.
    Moment(String),
}

/// A value as a cell of a workbook holds it.
///
/// # Errors
/// A value that Excel cannot hold as it is.
pub(super) fn written(
    value: &Value,
    kind: Option<&FieldType>,
    column: &str,
) -> Result<Written, Outcome> {
    match value {
        Value::Null => Ok(Written::Nothing),
        Value::Bool(truth) => Ok(Written::Bool(*truth)),
        Value::Num(number) => {
            let text = number.to_string();
            let double: Option<f64> = text.parse().ok();
            let back = double.and_then(|double| Decimal::parse(&double.to_string()));
            match double.filter(|_| back == Some(*number)) {
                Some(double) => Ok(Written::Number(double)),
                None => Err(invalid(
                    "map.lossy",
                    format!(
                        "a number of a workbook has about 15 digits; that of {column:?} has more"
                    ),
                )),
            }
        }
        Value::Text(text) => {
            let is_moment = matches!(kind, Some(FieldType::Date | FieldType::LocalTimestamp));
            if is_moment && ExcelDateTime::parse_from_str(text).is_ok() {
                return Ok(Written::Moment(text.to_string()));
            }
            if text.encode_utf16().count() > CELL_MAX {
                let why = format!("a cell takes {CELL_MAX} characters ({column:?})");
                return Err(invalid("write.value_too_long", why));
            }
            Ok(Written::Text(text.to_string()))
        }
        Value::Float(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::Ref(_) => Ok(Written::Text(value.to_string())),
        Value::List(_) | Value::Set(_) | Value::Map(_) => json::print(value)
            .map(Written::Text)
            .ok_or_else(|| invalid("write.type", format!("{column:?} takes no {}", value.kind()))),
    }
}

/// A cell that is not ours, as it was.
pub(super) fn kept(cell: &Data) -> Written {
    match cell {
        Data::Empty => Written::Nothing,
        Data::Int(number) => Written::Number(*number as f64),
        Data::Float(number) => Written::Number(*number),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            Written::Text(text.clone())
        }
        Data::Bool(truth) => Written::Bool(*truth),
        Data::DateTime(serial) => Written::Moment(moment(*serial)),
        Data::Error(error) => Written::Text(error.to_string()),
    }
}

impl Book {
    /// A workbook with one sheet of this name.
    ///
    /// # Errors
    /// Excel takes no sheet of this name.
    pub(super) fn new(sheet: Option<&Text>) -> Result<Self, XlsxError> {
        let mut book = Workbook::new();
        if let Some(name) = sheet {
            book.add_worksheet().set_name(name.as_str())?;
        } else {
            book.add_worksheet();
        }
        let date = Format::new().set_num_format("yyyy-mm-dd");
        let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000");
        Ok(Self { inner: book, row: 0, date, moment })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Excel takes no more rows, or columns.
    pub(super) fn push(&mut self, cells: &[Written]) -> Result<(), XlsxError> {
        let (date, moment) = (&self.date, &self.moment);
        let sheet: &mut Worksheet = self.inner.worksheet_from_index(0)?;
        for (column, cell) in (0_u16..).zip(cells) {
            match cell {
                Written::Nothing => {}
                Written::Number(number) => {
                    sheet.write_number(self.row, column, *number)?;
                }
                Written::Text(text) => {
                    sheet.write_string(self.row, column, text)?;
                }
                Written::Bool(truth) => {
                    sheet.write_boolean(self.row, column, *truth)?;
                }
                Written::Moment(text) => {
                    let format = if text.contains('T') { moment } else { date };
                    let found = ExcelDateTime::parse_from_str(text)?;
                    sheet.write_datetime_with_format(self.row, column, &found, format)?;
                }
            }
        }
        self.row += 1;
        Ok(())
    }

    /// Writes the workbook.
    ///
    /// # Errors
    /// What kept it from being written.
    pub(super) fn save(&mut self, path: &Path) -> Result<(), XlsxError> {
        self.inner.save(path)
    }
}

#[cfg(test)]
mod tests;
