//! The bytes of a binary log: tables as the log describes them, rows cut into columns.
//!
//! Nothing is trusted: what is shorter than it says, or of a kind that is not known, is `None`, and
//! the table is then read whole.

/// Reads numbers and pieces from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    /// A number of up to eight bytes, lowest first.
    pub(super) fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(little(self.take(bytes)?))
    }

    fn count(&mut self, bytes: usize) -> Option<usize> {
        usize::try_from(self.number(bytes)?).ok()
    }

    /// A number whose first byte says how long it is.
    fn packed(&mut self) -> Option<usize> {
        match self.count(1)? {
            first @ 0..=250 => Some(first),
            252 => self.count(2),
            253 => self.count(3),
            254 => self.count(8),
            _ => None,
        }
    }
}

/// A number of up to eight bytes, lowest first.
pub(super) fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Kinds of columns, as the log numbers them.
pub(super) mod kind {
    pub(in crate::mysql::listen) const TINY: u8 = 1;
    pub(in crate::mysql::listen) const SHORT: u8 = 2;
    pub(in crate::mysql::listen) const LONG: u8 = 3;
    pub(in crate::mysql::listen) const FLOAT: u8 = 4;
    pub(in crate::mysql::listen) const DOUBLE: u8 = 5;
    pub(in crate::mysql::listen) const NULL: u8 = 6;
    pub(in crate::mysql::listen) const TIMESTAMP: u8 = 7;
    pub(in crate::mysql::listen) const LONGLONG: u8 = 8;
    pub(in crate::mysql::listen) const INT24: u8 = 9;
    pub(in crate::mysql::listen) const DATE: u8 = 10;
    pub(in crate::mysql::listen) const TIME: u8 = 11;
    pub(in crate::mysql::listen) const DATETIME: u8 = 12;
    pub(in crate::mysql::listen) const YEAR: u8 = 13;
    pub(in crate::mysql::listen) const NEWDATE: u8 = 14;
    pub(in crate::mysql::listen) const VARCHAR: u8 = 15;
    pub(in crate::mysql::listen) const BIT: u8 = 16;
    pub(in crate::mysql::listen) const TIMESTAMP2: u8 = 17;
    pub(in crate::mysql::listen) const DATETIME2: u8 = 18;
    pub(in crate::mysql::listen) const TIME2: u8 = 19;
    pub(in crate::mysql::listen) const BLOB_COMPRESSED: u8 = 140;
    pub(in crate::mysql::listen) const VARCHAR_COMPRESSED: u8 = 141;
    pub(in crate::mysql::listen) const JSON: u8 = 245;
    pub(in crate::mysql::listen) const NEWDECIMAL: u8 = 246;
    pub(in crate::mysql::listen) const ENUM: u8 = 247;
    pub(in crate::mysql::listen) const SET: u8 = 248;
    pub(in crate::mysql::listen) const TINY_BLOB: u8 = 249;
    pub(in crate::mysql::listen) const MEDIUM_BLOB: u8 = 250;
    pub(in crate::mysql::listen) const LONG_BLOB: u8 = 251;
    pub(in crate::mysql::listen) const BLOB: u8 = 252;
    pub(in crate::mysql::listen) const STRING: u8 = 254;
    pub(in crate::mysql::listen) const GEOMETRY: u8 = 255;
}

/// How a column is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    /// One of [`kind`]; an `ENUM` or `SET` under its own number.
    pub kind: u8,
    /// What the kind makes of them: digits, lengths.
    pub first: u8,
    pub second: u8,
    /// For texts: at most so many bytes.
    pub longest: usize,
}

impl Logged {
    fn read(kind: u8, metadata: &mut Bytes<'_>) -> Option<Self> {
        let plain = Self { kind, first: 0, second: 0, longest: 0 };
        match kind {
            kind::FLOAT
            | kind::DOUBLE
            | kind::TIMESTAMP2
            | kind::DATETIME2
            | kind::TIME2
            | kind::JSON
            | kind::TINY_BLOB
            | kind::MEDIUM_BLOB
            | kind::LONG_BLOB
            | kind::BLOB
            | kind::BLOB_COMPRESSED
            | kind::GEOMETRY => {
                let [first] = *metadata.take(1)? else { return None };
                Some(Self { first, ..plain })
            }
            kind::VARCHAR | kind::VARCHAR_COMPRESSED => {
                let [first, second] = *metadata.take(2)? else { return None };
                Some(Self { longest: usize::from(u16::from_le_bytes([first, second])), ..plain })
            }
            kind::NEWDECIMAL | kind::BIT | kind::ENUM | kind::SET | kind::STRING => {
                let [first, second] = *metadata.take(2)? else { return None };
                let mut logged = Self { first, second, longest: usize::from(second), ..plain };
                if kind == kind::STRING {
                    // Two bits of a long length hide in the kind, inverted.
                    logged.longest |= usize::from((first & 0x30) ^ 0x30) << 4;
                    let real = first | 0x30;
                    logged.kind = if matches!(real, kind::ENUM | kind::SET) { real } else { kind };
                }
                Some(logged)
            }
            _ => Some(plain),
        }
    }

    /// Takes a value from the front of a row: without its length, where it has one.
    fn value<'a>(&self, row: &mut Bytes<'a>) -> Option<&'a [u8]> {
        let fraction = usize::from(self.first).div_ceil(2);
        let prefixed = |row: &mut Bytes<'a>, bytes: usize| {
            let count = row.count(bytes)?;
            row.take(count)
        };
        match self.kind {
            kind::NULL => row.take(0),
            kind::TINY | kind::YEAR => row.take(1),
            kind::SHORT => row.take(2),
            kind::INT24 | kind::DATE | kind::NEWDATE | kind::TIME => row.take(3),
            kind::LONG | kind::FLOAT | kind::TIMESTAMP => row.take(4),
            kind::LONGLONG | kind::DOUBLE | kind::DATETIME => row.take(8),
            kind::TIMESTAMP2 => row.take(4 + fraction),
            kind::DATETIME2 => row.take(5 + fraction),
            kind::TIME2 => row.take(3 + fraction),
            kind::NEWDECIMAL => row.take(decimal_bytes(self.first, self.second)?),
            kind::BIT => row.take(usize::from(self.second) + usize::from(self.first > 0)),
            kind::ENUM | kind::SET => row.take(usize::from(self.second)),
            kind::VARCHAR | kind::VARCHAR_COMPRESSED | kind::STRING => {
                prefixed(row, if self.longest > 255 { 2 } else { 1 })
            }
            kind::TINY_BLOB
            | kind::MEDIUM_BLOB
            | kind::LONG_BLOB
            | kind::BLOB
            | kind::BLOB_COMPRESSED
            | kind::GEOMETRY
            | kind::JSON => match self.first {
                bytes @ 1..=4 => prefixed(row, usize::from(bytes)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Nine digits take four bytes; fewer take as many as they need.
pub(super) const DIGIT_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

fn decimal_bytes(precision: u8, scale: u8) -> Option<usize> {
    let whole = usize::from(precision.checked_sub(scale)?);
    let bytes = |digits: usize| Some(digits / 9 * 4 + DIGIT_BYTES.get(digits % 9)?);
    Some(bytes(whole)? + bytes(usize::from(scale))?)
}

/// A table as the log describes it before its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub schema: String,
    pub table: String,
    pub columns: Vec<Logged>,
}

impl Layout {
    /// Reads a table map; gives the number that its rows go by.
    pub(super) fn read(data: &[u8]) -> Option<(u64, Self)> {
        let mut data = Bytes(data);
        let number = data.number(6)?;
        data.take(2)?;
        let schema = name(&mut data)?;
        let table = name(&mut data)?;
        let count = data.packed()?;
        let kinds = data.take(count)?;
        let length = data.packed()?;
        let mut metadata = Bytes(data.take(length)?);
        let columns: Option<Vec<Logged>> =
            kinds.iter().map(|kind| Logged::read(*kind, &mut metadata)).collect();
        Some((number, Self { schema, table, columns: columns? }))
    }
}

fn name(data: &mut Bytes<'_>) -> Option<String> {
    let count = data.count(1)?;
    let name = String::from_utf8(data.take(count)?.to_vec()).ok()?;
    data.take(1)?;
    Some(name)
}

/// What happened to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Insert,
    Update,
    Delete,
}

/// A value of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// The image does not hold this column.
    Nothing,
    Null,
    Value(&'a [u8]),
}

/// The wanted columns of a row before and after; an image that there is not is empty.
pub(super) struct Images<'a> {
    pub before: Vec<Held<'a>>,
    pub after: Vec<Held<'a>>,
}

/// The number of the table that rows belong to.
pub(super) fn table_of(data: &[u8]) -> Option<u64> {
    Bytes(data).number(6)
}

/// Reads the rows of an event, all or none.
pub(super) fn rows<'a>(
    data: &'a [u8],
    act: Act,
    has_extra: bool,
    layout: &Layout,
    wanted: &[usize],
) -> Option<Vec<Images<'a>>> {
    let mut data = Bytes(data);
    data.take(8)?;
    if has_extra {
        let length = data.count(2)?;
        data.take(length.checked_sub(2)?)?;
    }
    let count = data.packed()?;
    if count != layout.columns.len() {
        return None;
    }
    let bitmap = count.div_ceil(8);
    let (before, after) = match act {
        Act::Insert => (None, Some(data.take(bitmap)?)),
        Act::Update => (Some(data.take(bitmap)?), Some(data.take(bitmap)?)),
        Act::Delete => (Some(data.take(bitmap)?), None),
    };
    let mut found = Vec::new();
    while !data.0.is_empty() {
        let left = data.0.len();
        let mut read = |columns: Option<&[u8]>| match columns {
            None => Some(Vec::new()),
            Some(columns) => image(&mut data, columns, layout, wanted),
        };
        found.push(Images { before: read(before)?, after: read(after)? });
        // A row of no bytes at all would never end.
        if data.0.len() == left {
            return None;
        }
    }
    Some(found)
}

fn image<'a>(
    data: &mut Bytes<'a>,
    columns: &[u8],
    layout: &Layout,
    wanted: &[usize],
) -> Option<Vec<Held<'a>>> {
    let held = (0..layout.columns.len()).filter(|at| bit(columns, *at)).count();
    let nulls = data.take(held.div_ceil(8))?;
    let mut found = vec![Held::Nothing; wanted.len()];
    let there = layout.columns.iter().enumerate().filter(|(at, _)| bit(columns, *at));
    for (place, (at, logged)) in there.enumerate() {
        let value = if bit(nulls, place) { Held::Null } else { Held::Value(logged.value(data)?) };
        for (wants, slot) in wanted.iter().zip(&mut found) {
            if *wants == at {
                *slot = value;
            }
        }
    }
    Some(found)
}

fn bit(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// A logged statement: the database it was run in, and its text.
pub(super) fn statement(data: &[u8]) -> Option<(String, String)> {
    let mut data = Bytes(data);
    data.take(8)?;
    let length = data.count(1)?;
    data.take(2)?;
    let variables = data.count(2)?;
    data.take(variables)?;
    let schema = String::from_utf8_lossy(data.take(length)?).into_owned();
    data.take(1)?;
    Some((schema, String::from_utf8_lossy(data.0).into_owned()))
}

/// Where the log goes on: the file, and the place in it. `known` is a file of the same log.
///
/// What the server makes up to say which file it reads may carry a checksum that was not announced
/// yet: its four bytes are no part of the name.
pub(super) fn rotation(data: &[u8], known: &str) -> Option<(String, u64)> {
    let mut data = Bytes(data);
    let offset = data.number(8)?;
    // The number in the name may have one digit more.
    let length = match data.0.len().checked_sub(known.len())? {
        0 | 1 => data.0.len(),
        extra @ (4 | 5) => known.len() + extra - 4,
        _ => return None,
    };
    Some((String::from_utf8(data.take(length)?.to_vec()).ok()?, offset))
}

#[cfg(test)]
mod tests {
    use super::rotation;

    #[test]
    fn a_checksum_that_was_not_announced_is_no_part_of_the_name() {
        let place = |name: &[u8]| {
            let data = [&4u64.to_le_bytes(), name].concat();
            rotation(&data, "binlog.999999")
        };
        let found = |name: &str| Some((name.to_owned(), 4));
        assert_eq!(place(b"binlog.000002"), found("binlog.000002"));
        assert_eq!(place(b"binlog.0000021a2b"), found("binlog.000002"));
        assert_eq!(place(b"binlog.000002\xff\x00\x80\x01"), found("binlog.000002"));
        assert_eq!(place(b"binlog.1000000"), found("binlog.1000000"));
        assert_eq!(place(b"binlog.1000000abcd"), found("binlog.1000000"));
        assert_eq!(place(b"bin"), None);
    }
}
