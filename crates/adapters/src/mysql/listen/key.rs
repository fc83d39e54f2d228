//! Key columns as the log holds them, turned into the values that a read shows, or into nothing:
//! a wrong key would hide a change, and none means that the table is read whole.

use std::net::Ipv4Addr;

use mysql_async::Value as Cell;
use syncline_core::{Text, value::Value};

use crate::mysql::{
    listen::event::{DIGIT_BYTES, Held, Logged, kind, little},
    types::{self, Wire},
};

/// A key column of a table.
#[derive(Clone, Debug)]
pub(super) struct KeyColumn {
    pub name: String,
    /// Its place in the table.
    pub at: usize,
    pub wire: Wire,
    /// `int`, `char`, `binary`.
    pub type_name: String,
    pub is_unsigned: bool,
    /// The character set, of a text.
    pub charset: Option<String>,
    /// Of an `enum` or `set`, in their order.
    pub members: Vec<Text>,
}

/// Character sets whose bytes are UTF-8.
const UTF8: [&str; 3] = ["utf8mb4", "utf8mb3", "utf8"];
/// Character sets whose bytes below 128 are ASCII; others of theirs are not read.
const ASCII: [&str; 17] = [
    "ascii", "latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257",
    "cp850", "cp852", "cp866", "greek", "hebrew", "koi8r", "koi8u", "tis620",
];

impl KeyColumn {
    /// What a read of the row would show for this column.
    pub(super) fn value(&self, logged: Logged, held: Held<'_>) -> Option<Value> {
        match held {
            Held::Nothing => None,
            Held::Null => Some(Value::Null),
            Held::Value(raw) => self.decode(logged, raw),
        }
    }

    fn decode(&self, logged: Logged, raw: &[u8]) -> Option<Value> {
        let cell = match (self.wire, logged.kind) {
            (Wire::Int, kind::TINY | kind::SHORT | kind::INT24 | kind::LONG | kind::LONGLONG) => {
                self.whole(logged.kind, raw)?
            }
            (Wire::Int, kind::YEAR) if self.type_name == "year" => {
                let year = i64::from(*raw.first()?);
                Cell::Int(if year == 0 { 0 } else { 1_900 + year })
            }
            (Wire::Bit, kind::BIT) => Cell::Bytes(raw.to_vec()),
            (Wire::Decimal, kind::NEWDECIMAL) => Cell::Bytes(decimal(logged, raw)?.into_bytes()),
            (Wire::Float, kind::FLOAT) => Cell::Float(f32::from_le_bytes(raw.try_into().ok()?)),
            (Wire::Double, kind::DOUBLE) => Cell::Double(f64::from_le_bytes(raw.try_into().ok()?)),
            (Wire::Text, kind::STRING) if self.type_name == "char" => {
                Cell::Bytes(self.text(raw)?.trim_end_matches(' ').as_bytes().to_vec())
            }
            (
                Wire::Text,
                kind::VARCHAR | kind::TINY_BLOB | kind::BLOB | kind::MEDIUM_BLOB | kind::LONG_BLOB,
            ) => Cell::Bytes(self.text(raw)?.as_bytes().to_vec()),
            (Wire::Bytes, kind::STRING) if self.type_name == "binary" => {
                // Zero bytes at the end are not logged.
                let mut whole = raw.to_vec();
                whole.resize(logged.longest.max(raw.len()), 0);
                Cell::Bytes(whole)
            }
            (
                Wire::Bytes,
                kind::VARCHAR | kind::TINY_BLOB | kind::BLOB | kind::MEDIUM_BLOB | kind::LONG_BLOB,
            ) => Cell::Bytes(raw.to_vec()),
            (Wire::Enum, kind::ENUM) => Cell::Bytes(self.member(little(raw))?.into_bytes()),
            (Wire::Set, kind::SET) => Cell::Bytes(self.chosen(little(raw))?.into_bytes()),
            (Wire::Date, kind::DATE | kind::NEWDATE) => {
                let packed = little(raw);
                Cell::Date(
                    (packed >> 9) as u16,
                    (packed >> 5 & 15) as u8,
                    (packed & 31) as u8,
                    0,
                    0,
                    0,
                    0,
                )
            }
            (Wire::DateTime, kind::DATETIME2) => date_time(raw)?,
            (Wire::Uuid, kind::STRING) => return Some(Value::Uuid(filled(raw)?)),
            (Wire::Text, kind::STRING) if self.type_name == "inet4" => {
                Cell::Bytes(Ipv4Addr::from(filled::<4>(raw)?).to_string().into_bytes())
            }
            (Wire::Timestamp, kind::TIMESTAMP2) => return instant(raw),
            (Wire::Time, kind::TIME2) => time(raw)?,
            _ => return None,
        };
        types::decode(self.wire, Some(cell)).ok()
    }

    fn whole(&self, kind: u8, raw: &[u8]) -> Option<Cell> {
        let expected = match self.type_name.as_str() {
            "tinyint" => kind::TINY,
            "smallint" => kind::SHORT,
            "mediumint" => kind::INT24,
            "int" => kind::LONG,
            "bigint" => kind::LONGLONG,
            _ => return None,
        };
        if kind != expected {
            return None;
        }
        let number = little(raw);
        if self.is_unsigned {
            return Some(Cell::UInt(number));
        }
        let unused = 64u32.checked_sub(8 * u32::try_from(raw.len()).ok()?)?;
        Some(Cell::Int(number.checked_shl(unused)?.cast_signed() >> unused))
    }

    fn text<'a>(&self, raw: &'a [u8]) -> Option<&'a str> {
        let charset = self.charset.as_deref()?;
        let is_read = UTF8.contains(&charset) || (ASCII.contains(&charset) && raw.is_ascii());
        std::str::from_utf8(raw).ok().filter(|_| is_read)
    }

    fn member(&self, number: u64) -> Option<String> {
        // A value that was refused without strictness is the empty text.
        let Some(at) = number.checked_sub(1) else { return Some(String::new()) };
        self.members.get(usize::try_from(at).ok()?).map(ToString::to_string)
    }

    fn chosen(&self, bits: u64) -> Option<String> {
        let mut chosen = Vec::new();
        for at in (0..64).filter(|at| bits >> at & 1 == 1) {
            chosen.push(self.members.get(at)?.as_str());
        }
        Some(chosen.join(","))
    }
}

/// So many bytes: zero bytes at the end are not logged.
fn filled<const BYTES: usize>(raw: &[u8]) -> Option<[u8; BYTES]> {
    let mut whole = [0; BYTES];
    whole.get_mut(..raw.len())?.copy_from_slice(raw);
    Some(whole)
}

/// A number of up to eight bytes, highest first.
fn big(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Groups of nine digits, highest first; the first bit is set where the number is not negative, and
/// all bits of a negative one are inverted.
fn decimal(logged: Logged, raw: &[u8]) -> Option<String> {
    let scale = usize::from(logged.second);
    let whole = usize::from(logged.first).checked_sub(scale)?;
    let is_negative = raw.first()? & 0x80 == 0;
    let mut bytes = raw.to_vec();
    *bytes.first_mut()? ^= 0x80;
    if is_negative {
        for byte in &mut bytes {
            *byte = !*byte;
        }
    }
    let mut rest = bytes.as_slice();
    let mut text = String::from(if is_negative { "-" } else { "" });
    let mut groups = vec![whole % 9];
    groups.extend(vec![9; whole / 9]);
    let point = groups.len();
    groups.extend(vec![9; scale / 9]);
    groups.push(scale % 9);
    text.push('0');
    for (at, digits) in groups.into_iter().enumerate() {
        if at == point && scale > 0 {
            text.push('.');
        }
        let (group, others) = rest.split_at_checked(*DIGIT_BYTES.get(digits)?)?;
        rest = others;
        if digits > 0 {
            let shown = format!("{:0digits$}", big(group));
            if shown.len() != digits {
                return None;
            }
            text.push_str(&shown);
        }
    }
    Some(text)
}

/// Millionths from one to three bytes of them, highest first.
fn micros(raw: &[u8]) -> Option<u32> {
    let scale = match raw.len() {
        0 => return Some(0),
        1 => 10_000,
        2 => 100,
        3 => 1,
        _ => return None,
    };
    let micros = u32::try_from(big(raw)).ok()?.checked_mul(scale)?;
    (micros < 1_000_000).then_some(micros)
}

fn date_time(raw: &[u8]) -> Option<Cell> {
    let (packed, fraction) = raw.split_at_checked(5)?;
    let packed = big(packed).checked_sub(0x80_0000_0000)?;
    let (date, clock) = (packed >> 17, packed & 0x1_ffff);
    let (months, day) = (date >> 5, (date & 31) as u8);
    let (hour, minute, second) = ((clock >> 12) as u8, (clock >> 6 & 63) as u8, (clock & 63) as u8);
    let (year, month) = (u16::try_from(months / 13).ok()?, (months % 13) as u8);
    Some(Cell::Date(year, month, day, hour, minute, second, micros(fraction)?))
}

/// Seconds since 1970; zero is the zero timestamp, which no value of ours holds.
fn instant(raw: &[u8]) -> Option<Value> {
    let (seconds, fraction) = raw.split_at_checked(4)?;
    let seconds = i64::try_from(big(seconds)).ok().filter(|seconds| *seconds > 0)?;
    Some(Value::Instant(seconds, micros(fraction)? * 1_000))
}

/// Hours, minutes, seconds and fraction as one number, moved so that none is below zero.
fn time(raw: &[u8]) -> Option<Cell> {
    let bytes = raw.len();
    if !(3..=6).contains(&bytes) {
        return None;
    }
    let bits = 8 * (bytes - 3);
    let moved = i64::try_from(big(raw)).ok()? - (0x80_0000_i64 << bits);
    let packed = moved.unsigned_abs();
    let (clock, fraction) = (packed >> bits, packed & ((1 << bits) - 1));
    let fraction = fraction.to_be_bytes();
    let micros = micros(fraction.get(8 - (bytes - 3)..)?)?;
    let hours = u32::try_from(clock >> 12 & 0x3ff).ok()?;
    let (minute, second) = ((clock >> 6 & 63) as u8, (clock & 63) as u8);
    Some(Cell::Time(moved < 0, hours / 24, (hours % 24) as u8, minute, second, micros))
}
