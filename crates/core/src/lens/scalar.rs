//! Scalars written as text, by the kind of column they stand in.

use crate::{
    decimal::Decimal,
    lens::{number::to_float, spec::NativeKind, time::iso, zone::unshifted},
    value::Value,
};

/// The value of this kind that a text means; `None` if it means none.
pub(super) fn parse(kind: NativeKind, text: &str) -> Option<Value> {
    match kind {
        NativeKind::Text | NativeKind::Json => Some(Value::text(text)),
        NativeKind::Num => Decimal::parse(text).map(Value::Num),
        NativeKind::Float => Decimal::parse(text).map(|number| Value::Float(to_float(number))),
        NativeKind::Bool => match text {
            "true" | "1" => Some(Value::Bool(true)),
            "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        NativeKind::Bytes => match text {
            "0" => Some(Value::Bytes(Box::new([0]))),
            "1" => Some(Value::Bytes(Box::new([1]))),
            _ => Some(Value::Bytes(text.as_bytes().into())),
        },
        NativeKind::Uuid => uuid(text).map(Value::Uuid),
        NativeKind::Date => {
            let moment = iso(text).filter(|moment| moment.nanos.is_none())?;
            moment.days.map(Value::Date)
        }
        NativeKind::Time => {
            let moment = iso(text).filter(|moment| moment.days.is_none())?;
            moment.nanos.map(Value::Time)
        }
        NativeKind::LocalDateTime => {
            let moment = iso(text).filter(|moment| moment.offset.is_none())?;
            Some(Value::LocalDateTime(moment.days?, moment.nanos.unwrap_or(0)))
        }
        NativeKind::Instant => {
            let moment = iso(text)?;
            let (seconds, nanos) = unshifted(moment.days?, moment.nanos?, moment.offset?);
            Some(Value::Instant(seconds, nanos))
        }
        NativeKind::OffsetDateTime => {
            let moment = iso(text)?;
            let offset = moment.offset?;
            let (seconds, nanos) = unshifted(moment.days?, moment.nanos?, offset);
            Some(Value::OffsetDateTime(seconds, nanos, i16::try_from(offset / 60).ok()?))
        }
        NativeKind::Interval => super::interval::parse(text),
        NativeKind::List => None,
    }
}

/// What people call a kind of column.
pub(super) fn name(kind: NativeKind) -> &'static str {
    match kind {
        NativeKind::Bool => "boolean",
        NativeKind::Num => "number",
        NativeKind::Float => "floating-point number",
        NativeKind::Text => "text",
        NativeKind::Bytes => "byte string",
        NativeKind::Uuid => "UUID",
        NativeKind::Date => "date",
        NativeKind::Time => "time",
        NativeKind::LocalDateTime => "timestamp without zone",
        NativeKind::Instant => "timestamp",
        NativeKind::OffsetDateTime => "timestamp with offset",
        NativeKind::Interval => "interval",
        NativeKind::Json => "JSON value",
        NativeKind::List => "list",
    }
}

/// Reads a UUID with or without hyphens or braces.
pub(super) fn uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let text = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let hyphenated = text.len() == 36;
    let mut out = [0u8; 16];
    let mut digits = 0usize;
    for (index, byte) in text.bytes().enumerate() {
        if hyphenated && matches!(index, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(byte).to_digit(16)? as u8;
        let place = out.get_mut(digits / 2)?;
        *place = (*place << 4) | digit;
        digits += 1;
    }
    (digits == 32).then_some(out)
}

/// Reads pairs of hexadecimal digits.
pub(super) fn hex(text: &str) -> Option<Box<[u8]>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|letter| letter.to_digit(16).map(|digit| digit as u8)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| (high << 4) | low).collect())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes base 64, padded.
pub(super) fn write_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = BASE64.get((word >> (18 - 6 * place)) as usize & 63);
            let used = place <= chunk.len();
            out.push(letter.filter(|_| used).map_or('=', |letter| char::from(*letter)));
        }
    }
    out
}

/// Reads base 64, padded; bits beyond the last byte must be zero, so that one form means one value.
pub(super) fn base64(text: &str) -> Option<Box<[u8]>> {
    let letters = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - letters.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0u32, 0u32);
    for letter in letters.bytes() {
        let digit = BASE64.iter().position(|known| *known == letter)? as u32;
        word = (word << 6) | digit;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    (word == 0).then(|| out.into())
}
