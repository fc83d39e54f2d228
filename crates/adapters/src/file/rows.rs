//! The rows of a file, one by one, whatever its form: values by column, and what is wrong by place.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
};

use encoding_rs::Encoding;
use serde_json::Value as Json;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    lens::FieldType,
    value::Value,
};

use crate::{
    file::{
        csv::{self, Record, Records},
        failed,
        place::Found,
        xlsx::{self, Line, Sheet, Unread},
    },
    settings::folder::{Csv, Folder, Form, UTF_8, is_bytewise, is_wide},
    sql::json,
};

mod lines;
mod transcode;

use lines::Lines;
use transcode::Transcoded;
pub(super) use transcode::Wide;

/// What rows are read from.
pub(super) type Input = Box<dyn BufRead + Send>;

/// A row.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it is: `orders.csv:17`.
    pub(super) place: String,
    /// A value for each column that was asked for; NULL where it cannot be read.
    pub(super) values: Vec<Value>,
    /// What cannot be read.
    pub(super) problems: Vec<Trouble>,
    /// Why it is no row at all.
    pub(super) broken: Option<String>,
    /// As it stands in the file.
    pub(super) raw: Raw,
}

/// A row as it stands in its file.
#[derive(Debug)]
pub(super) enum Raw {
    /// A line of cells.
    Csv(Record),
    /// A line.
    Line(Vec<u8>),
    /// A row of a sheet.
    Sheet(Line),
}

impl Raw {
    /// All of it, line end included; a row of a sheet has no bytes of its own.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Csv(record) => &record.raw,
            Self::Line(line) => line,
            Self::Sheet(_) => &[],
        }
    }
}

/// A value that cannot be read.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Which of the columns that were asked for; one beyond them: none in particular.
    pub(super) column: usize,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

/// A file that is being read.
pub(super) struct Rows {
    name: String,
    content: Content,
    /// Its last line need not end.
    last_is_open: bool,
}

enum Content {
    Csv {
        records: Records<Input>,
        encoding: &'static Encoding,
        header: Head,
        /// Where the columns asked for are.
        places: Vec<usize>,
    },
    Lines {
        lines: Lines<Input>,
        columns: Vec<Text>,
    },
    Sheet {
        sheet: Box<Sheet>,
        header: Head,
        places: Vec<usize>,
        kinds: Vec<Option<FieldType>>,
    },
}

/// What stands before the rows of a CSV file.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// As it stands there, byte order mark included.
    pub(super) raw: Vec<u8>,
    /// The names of its columns, in their order.
    pub(super) names: Vec<Text>,
    /// It is written in UTF-16.
    pub(super) wide: Option<Wide>,
    /// What the sheet is called.
    pub(super) sheet: Option<Text>,
}

impl Rows {
    /// Begins to read a file, from its beginning.
    ///
    /// # Errors
    /// `SchemaDrift` if it has no such columns, or not one of each; `TooLarge` for a workbook; `Ok(Err(_))`: why it is no file of
    /// this form.
    pub(super) fn open(
        folder: &Folder,
        found: &Found,
        columns: &[Text],
        kinds: &[Option<FieldType>],
        action: &str,
    ) -> Result<Result<Self, String>, PortError> {
        let io = |error: std::io::Error| failed(action, &error);
        let mut file: File = found.file.try_clone().map_err(io)?;
        file.rewind().map_err(io)?;
        let content = match &folder.form {
            Form::Csv(form) => match csv(file, form, &found.name, columns, action)? {
                Ok(content) => content,
                Err(why) => return Ok(Err(why)),
            },
            Form::JsonLines => Content::Lines {
                lines: Lines::new(bytes(file, UTF_8, false).map_err(io)?.input),
                columns: columns.to_vec(),
            },
            Form::Xlsx { sheet } => match Sheet::open(file, sheet.as_ref()) {
                Ok(sheet) => match self::sheet(sheet, &found.name, columns, kinds, action)? {
                    Ok(content) => content,
                    Err(why) => return Ok(Err(why)),
                },
                Err(Unread::Broken(why)) => return Ok(Err(format!("{}: {why}", found.name))),
                Err(Unread::TooLarge(why)) => {
                    let why = format!("{}: {why}", found.name);
                    return Err(PortError::new(ErrorKind::TooLarge, action, why));
                }
            },
        };
        let last_is_open = folder.last_line_open;
        Ok(Ok(Self { name: found.name.clone(), content, last_is_open }))
    }

    /// What stands before the rows.
    pub(super) fn head(&self) -> Head {
        match &self.content {
            Content::Csv { header, .. } | Content::Sheet { header, .. } => header.clone(),
            Content::Lines { .. } => Head::default(),
        }
    }

    /// What a new file in the place of this one would lose.
    pub(super) fn holds_more(&self) -> Option<&'static str> {
        match &self.content {
            Content::Sheet { sheet, .. } => sheet.holds_more,
            Content::Csv { .. } | Content::Lines { .. } => None,
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// What kept the file from being read.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Entry>> {
        match &mut self.content {
            Content::Csv { records, encoding, header, places } => {
                let Some(record) = records.next()? else { return Ok(None) };
                let place = format!("{}:{}", self.name, record.line);
                let mut entry = cells(record, encoding, header, places, place);
                let Raw::Csv(record) = &entry.raw else { return Ok(Some(entry)) };
                if csv::line_end(&record.raw).is_empty() && !self.last_is_open {
                    let why = "the last line does not end: the file may have been cut there";
                    entry.broken = Some(why.into());
                }
                Ok(Some(entry))
            }
            Content::Lines { lines, columns } => {
                let Some((number, raw)) = lines.next()? else { return Ok(None) };
                Ok(Some(object(raw, columns, format!("{}:{number}", self.name))))
            }
            Content::Sheet { sheet, places, kinds, .. } => {
                let Some(line) = sheet.next() else { return Ok(None) };
                let place = format!("{}:{}", self.name, line.number);
                Ok(Some(row(line, places, kinds, place)))
            }
        }
    }
}

/// The bytes of a file behind its byte order mark.
struct Begun {
    input: Input,
    /// That mark, if it is one of UTF-8.
    mark: Vec<u8>,
    /// They were UTF-16, and are UTF-8 by now.
    wide: Option<Wide>,
}

/// Begins to read the bytes of a file. What is not read byte by byte becomes UTF-8. Where one of the
/// encodings of Unicode is meant, a byte order mark says which (`is_told`).
fn bytes(file: File, encoding: &'static Encoding, is_told: bool) -> std::io::Result<Begun> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut input = BufReader::with_capacity(256 << 10, file);
    let is_unicode = encoding == UTF_8 || is_wide(encoding);
    let said = Encoding::for_bom(input.fill_buf()?).filter(|_| is_told && is_unicode);
    let found = said.map_or(encoding, |(found, _)| found);
    if is_bytewise(found) {
        let has_mark = found == UTF_8 && input.fill_buf()?.starts_with(MARK);
        if has_mark {
            input.consume(MARK.len());
        }
        let mark = if has_mark { MARK.to_vec() } else { Vec::new() };
        return Ok(Begun { input: Box::new(input), mark, wide: None });
    }
    let wide = Wide { is_big: found == encoding_rs::UTF_16BE, has_mark: said.is_some() };
    let input = Box::new(BufReader::new(Transcoded::new(input, found)));
    Ok(Begun { input, mark: Vec::new(), wide: is_wide(found).then_some(wide) })
}

fn csv(
    file: File,
    form: &Csv,
    name: &str,
    columns: &[Text],
    action: &str,
) -> Result<Result<Content, String>, PortError> {
    let io = |error: std::io::Error| failed(action, &error);
    let drift = |detail: String| PortError::new(ErrorKind::SchemaDrift, action, detail);
    let Begun { input, mark, wide } = bytes(file, form.encoding, true).map_err(io)?;
    let mut records = Records::new(input, form.separator);
    let encoding = form.letters();
    let header = match &form.header {
        Some(names) => Head { raw: mark, names: names.clone(), wide, sheet: None },
        None => {
            let Some(first) = records.next().map_err(io)? else {
                return Ok(Err(format!("{name} is empty: it has no header")));
            };
            let place = format!("{name}:{}", first.line);
            if let Some(why) = first.broken {
                return Err(drift(format!("{place}: {why}")));
            }
            let mut names = Vec::with_capacity(first.cells.len());
            for cell in &first.cells {
                let found = first.value(*cell, encoding).map_err(|()| {
                    let name = form.encoding.name();
                    drift(format!("{place}: the header holds bytes that are no {name}"))
                })?;
                names.push(if let Value::Text(text) = found { text } else { Text::default() });
            }
            if let Some(name) = twice(&names) {
                return Err(drift(format!("{place}: two columns are called {name:?}")));
            }
            let raw = [mark, first.raw].concat();
            Head { raw, names, wide, sheet: None }
        }
    };
    let places = places(&header.names, columns).map_err(|why| drift(format!("{name} {why}")))?;
    Ok(Ok(Content::Csv { records, encoding, header, places }))
}

/// Where these columns are among those of the header.
fn places(names: &[Text], columns: &[Text]) -> Result<Vec<usize>, String> {
    let place = |column: &Text| {
        names.iter().position(|name| name == column).ok_or_else(|| {
            let known: Vec<&str> = names.iter().map(Text::as_str).take(30).collect();
            format!("has no column {column:?}; it has {}", known.join(", "))
        })
    };
    columns.iter().map(place).collect()
}

fn twice(names: &[Text]) -> Option<&Text> {
    let is_second = |at: usize, name: &Text| {
        !name.is_empty() && names.iter().take(at).any(|other| other == name)
    };
    names.iter().enumerate().find(|(at, name)| is_second(*at, name)).map(|(_, name)| name)
}

fn sheet(
    mut sheet: Sheet,
    name: &str,
    columns: &[Text],
    kinds: &[Option<FieldType>],
    action: &str,
) -> Result<Result<Content, String>, PortError> {
    let drift = |detail: String| PortError::new(ErrorKind::SchemaDrift, action, detail);
    let Some(first) = sheet.next() else {
        return Ok(Err(format!("{name} is empty: it has no header")));
    };
    let text = |cell| match xlsx::value(cell, None) {
        Ok(Value::Null) | Err(_) => Text::default(),
        Ok(value) => Text::from(value.to_string()),
    };
    let names: Vec<Text> = first.cells.iter().map(text).collect();
    if let Some(column) = twice(&names) {
        return Err(drift(format!("{name}:{}: two columns are called {column:?}", first.number)));
    }
    let places = places(&names, columns).map_err(|why| drift(format!("{name} {why}")))?;
    let (header, kinds) =
        (Head { names, sheet: Some(sheet.name.clone()), ..Head::default() }, kinds.to_vec());
    Ok(Ok(Content::Sheet { sheet: Box::new(sheet), header, places, kinds }))
}

fn row(line: Line, places: &[usize], kinds: &[Option<FieldType>], place: String) -> Entry {
    let (mut values, mut problems) = (Vec::with_capacity(places.len()), Vec::new());
    for (column, at) in places.iter().enumerate() {
        let kind = kinds.get(column).and_then(Option::as_ref);
        let found = match line.cells.get(*at) {
            None => Ok(Value::Null),
            Some(_) if line.uncomputed.contains(at) => {
                let why = "its formula was never computed: open the file in Excel and save it";
                Err(("read.type", why.to_owned()))
            }
            Some(cell) => xlsx::value(cell, kind),
        };
        values.push(found.unwrap_or_else(|(code, reason)| {
            problems.push(Trouble { column, code, reason });
            Value::Null
        }));
    }
    Entry { place, values, problems, broken: None, raw: Raw::Sheet(line) }
}

fn cells(
    record: Record,
    encoding: &'static Encoding,
    header: &Head,
    places: &[usize],
    place: String,
) -> Entry {
    let mut problems = Vec::new();
    let mut broken = record.broken.map(str::to_owned);
    let (has, wants) = (record.cells.len(), header.names.len());
    if broken.is_none() && has != wants {
        broken = Some(format!("it has {has} cells, the header {wants}"));
    }
    let mut values = Vec::with_capacity(places.len());
    for (column, at) in places.iter().enumerate() {
        let value = record.cells.get(*at).map(|cell| record.value(*cell, encoding));
        if value == Some(Err(())) {
            let reason = format!("its bytes are no {}", encoding.name());
            problems.push(Trouble { column, code: "read.encoding", reason });
        }
        values.push(value.and_then(Result::ok).unwrap_or_default());
    }
    Entry { place, values, problems, broken, raw: Raw::Csv(record) }
}

fn object(raw: Vec<u8>, columns: &[Text], place: String) -> Entry {
    let parsed = match serde_json::from_slice::<Json>(&raw) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => {
            Err("it is no JSON object".to_owned())
        }
        Err(error) => Err(format!("it is no JSON object: {error}")),
    };
    let (mut values, mut problems, mut broken) = (Vec::new(), Vec::new(), None);
    match parsed {
        Err(why) => broken = Some(why),
        Ok(mut members) => {
            for (column, name) in columns.iter().enumerate() {
                let found = members.remove(name.as_str()).unwrap_or(Json::Null);
                values.push(json::from_json(found).unwrap_or_else(|problem| {
                    let (code, reason) = (problem.code, problem.message);
                    problems.push(Trouble { column, code, reason });
                    Value::Null
                }));
            }
        }
    }
    Entry { place, values, problems, broken, raw: Raw::Line(raw) }
}

/// Reads a file to its end, for its digest.
///
/// # Errors
/// What kept it from being read.
pub(super) fn digest(found: &Found) -> std::io::Result<blake3::Hash> {
    let mut file = found.file.try_clone()?;
    file.rewind()?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}
