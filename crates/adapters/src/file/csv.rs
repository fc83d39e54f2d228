//! CSV, strictly: a quote stands only where RFC 4180 has one. What is broken costs its own line, and is
//! told by its number; reading goes on behind it.
//!
//! A cell that is not there (`a,,b`) is NULL, one in quotes (`a,"",b`) is an empty text. The bytes of a
//! line stay at hand: what is not changed is copied as it is.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use encoding_rs::{DecoderResult, Encoding};
use syncline_core::{Text, value::Value};

/// The most bytes of one row.
const ROW_MAX: usize = 16 << 20;

/// Reads rows.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    separator: u8,
    /// Lines that were read ahead, with their numbers.
    ahead: VecDeque<Vec<u8>>,
    /// The number of the next line.
    line: u64,
}

/// One row, or a line that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The number of its first line.
    pub(super) line: u64,
    /// All of it, line end included.
    pub(super) raw: Vec<u8>,
    /// Where its cells are.
    pub(super) cells: Vec<Cell>,
    /// Why it cannot be read.
    pub(super) broken: Option<&'static str>,
}

/// Where a cell is in the bytes of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_quoted: bool,
}

/// A row under way: it may go on on the next line.
#[derive(Debug, Default)]
struct Parser {
    cells: Vec<Cell>,
    at: usize,
    /// Where the cell whose quote is still open begins, and how far it was read.
    open: Option<(usize, usize)>,
}

enum Parsed {
    Whole,
    /// A quote is still open at the end.
    Open,
    Broken(&'static str),
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, separator: u8) -> Self {
        Self { input, separator, ahead: VecDeque::new(), line: 1 }
    }

    /// The next row; empty lines are passed over.
    ///
    /// # Errors
    /// What kept the file from being read.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(mut raw) = self.next_line()? else { return Ok(None) };
            let line = self.line;
            if content(&raw).is_empty() {
                self.line += 1;
                continue;
            }
            let first = raw.len();
            let mut lines = 1;
            let mut parser = Parser::default();
            let broken = loop {
                match parser.parse(&raw, self.separator) {
                    Parsed::Whole => {
                        self.line += lines;
                        return Ok(Some(Record { line, raw, cells: parser.cells, broken: None }));
                    }
                    Parsed::Broken(why) => break why,
                    Parsed::Open => match self.next_line()? {
                        Some(_) if raw.len() > ROW_MAX => break "a quote is not closed",
                        Some(more) => {
                            raw.extend_from_slice(&more);
                            lines += 1;
                        }
                        None => break "a quote is not closed",
                    },
                }
            };
            // Behind its first line there may be rows that are whole.
            self.give_back(&raw.split_off(first));
            self.line += 1;
            return Ok(Some(Record { line, raw, cells: Vec::new(), broken: Some(broken) }));
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut self.input, ROW_MAX as u64);
        limited.read_until(b'\n', &mut line)?;
        if line.len() >= ROW_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {} is longer than 16 MiB", self.line),
            ));
        }
        Ok((!line.is_empty()).then_some(line))
    }

    fn give_back(&mut self, bytes: &[u8]) {
        let mut lines: Vec<Vec<u8>> =
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        while let Some(line) = lines.pop() {
            self.ahead.push_front(line);
        }
    }
}

/// A line without its end.
fn content(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// The end of a line, as it stands there.
pub(super) fn line_end(raw: &[u8]) -> &[u8] {
    raw.get(content(raw).len()..).unwrap_or_default()
}

impl Parser {
    fn parse(&mut self, raw: &[u8], separator: u8) -> Parsed {
        let line = content(raw);
        loop {
            let begins = (line.get(self.at) == Some(&b'"')).then_some((self.at + 1, self.at + 1));
            if let Some((start, mut end)) = self.open.take().or(begins) {
                loop {
                    match line.get(end) {
                        None => {
                            self.open = Some((start, end));
                            return Parsed::Open;
                        }
                        Some(b'"') if line.get(end + 1) == Some(&b'"') => end += 2,
                        Some(b'"') => break,
                        Some(_) => end += 1,
                    }
                }
                self.cells.push(Cell { start, end, is_quoted: true });
                self.at = end + 1;
            } else {
                let rest = line.get(self.at..).unwrap_or_default();
                let length = rest.iter().position(|byte| *byte == separator).unwrap_or(rest.len());
                let end = self.at + length;
                if rest.iter().take(length).any(|byte| *byte == b'"') {
                    return Parsed::Broken("a quote stands in a cell that does not begin with one");
                }
                self.cells.push(Cell { start: self.at, end, is_quoted: false });
                self.at = end;
            }
            match line.get(self.at) {
                None => return Parsed::Whole,
                Some(byte) if *byte == separator => self.at += 1,
                Some(_) => return Parsed::Broken("behind a closing quote the cell goes on"),
            }
        }
    }
}

impl Record {
    /// What a cell holds.
    ///
    /// # Errors
    /// Its bytes are no letters in this encoding.
    pub(super) fn value(&self, cell: Cell, encoding: &'static Encoding) -> Result<Value, ()> {
        let bytes = self.raw.get(cell.start..cell.end).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(if cell.is_quoted { Value::text("") } else { Value::Null });
        }
        let text = decode(bytes, encoding).ok_or(())?;
        Ok(Value::Text(if cell.is_quoted && text.contains('"') {
            Text::from(text.replace("\"\"", "\""))
        } else {
            Text::from(text)
        }))
    }
}

/// The text of bytes, or nothing if they are none in this encoding.
pub(super) fn decode(bytes: &[u8], encoding: &'static Encoding) -> Option<String> {
    if encoding == encoding_rs::UTF_8 || bytes.is_ascii() {
        let text = std::str::from_utf8(bytes).ok()?;
        // What stands for letters that were lost on the way here is no letter.
        return (!text.contains('\u{fffd}')).then(|| text.to_owned());
    }
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text =
        String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true).0 {
        // Where web pages read bytes that no letter has, they read control characters.
        DecoderResult::InputEmpty => (!text.contains(is_made_up)).then_some(text),
        DecoderResult::OutputFull | DecoderResult::Malformed(..) => None,
    }
}

fn is_made_up(letter: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&letter)
}

/// Appends a cell.
///
/// # Errors
/// The first letter that this encoding does not have.
pub(super) fn write(
    out: &mut Vec<u8>,
    value: Option<&str>,
    separator: u8,
    encoding: &'static Encoding,
) -> Result<(), char> {
    let Some(text) = value else { return Ok(()) };
    let special = |byte: u8| byte == separator || matches!(byte, b'"' | b'\n' | b'\r');
    let is_quoted = text.is_empty() || text.bytes().any(special);
    let inside = if is_quoted { text.replace('"', "\"\"") } else { text.to_owned() };
    let bytes = encode(&inside, encoding)?;
    if is_quoted {
        out.push(b'"');
    }
    out.extend_from_slice(&bytes);
    if is_quoted {
        out.push(b'"');
    }
    Ok(())
}

/// The bytes of a text.
///
/// # Errors
/// The first letter that this encoding does not have.
pub(super) fn encode(text: &str, encoding: &'static Encoding) -> Result<Vec<u8>, char> {
    if encoding == encoding_rs::UTF_8 || text.is_ascii() {
        return Ok(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for letter in text.chars() {
        let (found, _, is_missing) = encoding.encode(letter.encode_utf8(&mut buffer));
        if is_missing || is_made_up(letter) {
            return Err(letter);
        }
        bytes.extend_from_slice(&found);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
