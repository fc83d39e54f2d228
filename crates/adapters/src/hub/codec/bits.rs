//! The small words of the stored form: numbers, options, lists, authors, and the checksum.

use syncline_core::{
    Text,
    commit::Settled,
    group::{Author, Candidate},
    name::{FieldIndex, SystemIndex, Timestamp},
    value::{Value, bytes, read_bytes, read_varint, varint},
};

pub(crate) fn byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

/// A truth: nothing but 0 and 1 is one.
pub(crate) fn flag(input: &mut &[u8]) -> Option<bool> {
    match byte(input)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A number that fits.
pub(crate) fn number<T: TryFrom<u64>>(input: &mut &[u8]) -> Option<T> {
    T::try_from(read_varint(input)?).ok()
}

pub(crate) fn id(id: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_be_bytes());
}

pub(crate) fn read_id(input: &mut &[u8]) -> Option<u128> {
    let (first, rest) = input.split_first_chunk::<16>()?;
    *input = rest;
    Some(u128::from_be_bytes(*first))
}

/// A signed number, as its distance from `base`; small distances are short.
pub(crate) fn delta(value: i64, base: i64, out: &mut Vec<u8>) {
    let distance = value.wrapping_sub(base);
    varint(((distance << 1) ^ (distance >> 63)) as u64, out);
}

pub(crate) fn read_delta(input: &mut &[u8], base: i64) -> Option<i64> {
    let coded = read_varint(input)?;
    let distance = (coded >> 1) as i64 ^ -((coded & 1) as i64);
    Some(base.wrapping_add(distance))
}

pub(crate) const fn timestamp(micros: i64) -> Timestamp {
    Timestamp(micros)
}

pub(crate) fn option<T>(value: Option<T>, out: &mut Vec<u8>, encode: impl FnOnce(T, &mut Vec<u8>)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            encode(value, out);
        }
    }
}

#[expect(clippy::option_option, reason = "damaged, absent and present are three answers")]
pub(crate) fn read_option<T>(
    input: &mut &[u8],
    decode: impl FnOnce(&mut &[u8]) -> Option<T>,
) -> Option<Option<T>> {
    if flag(input)? { decode(input).map(Some) } else { Some(None) }
}

pub(crate) fn list<T>(items: &[T], out: &mut Vec<u8>, mut encode: impl FnMut(&T, &mut Vec<u8>)) {
    varint(items.len() as u64, out);
    for item in items {
        encode(item, out);
    }
}

/// Every item takes a byte at least, so that a count beyond the input is a lie.
pub(crate) fn read_list<T>(
    input: &mut &[u8],
    mut decode: impl FnMut(&mut &[u8]) -> Option<T>,
) -> Option<Vec<T>> {
    let count = number::<usize>(input).filter(|count| *count <= input.len())?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(decode(input)?);
    }
    Some(items)
}

pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    bytes(text.as_bytes(), out);
}

pub(crate) fn read_text(input: &mut &[u8]) -> Option<Text> {
    Some(Text::new(std::str::from_utf8(read_bytes(input)?).ok()?))
}

pub(crate) fn option_text(value: Option<&str>, out: &mut Vec<u8>) {
    option(value, out, text);
}

#[expect(clippy::option_option, reason = "damaged, absent and present are three answers")]
pub(crate) fn read_option_text(input: &mut &[u8]) -> Option<Option<Text>> {
    read_option(input, read_text)
}

/// A field, or zero for none.
pub(crate) fn field(field: Option<FieldIndex>, out: &mut Vec<u8>) {
    varint(field.map_or(0, |field| u64::from(field.0) + 1), out);
}

#[expect(clippy::option_option, reason = "damaged, absent and present are three answers")]
pub(crate) fn read_field(input: &mut &[u8]) -> Option<Option<FieldIndex>> {
    Some(index(input)?.map(FieldIndex))
}

/// A system, or zero for none.
pub(crate) fn system(system: Option<SystemIndex>, out: &mut Vec<u8>) {
    varint(system.map_or(0, |system| u64::from(system.0) + 1), out);
}

#[expect(clippy::option_option, reason = "damaged, absent and present are three answers")]
pub(crate) fn read_system(input: &mut &[u8]) -> Option<Option<SystemIndex>> {
    Some(index(input)?.map(SystemIndex))
}

#[expect(clippy::option_option, reason = "damaged, absent and present are three answers")]
fn index(input: &mut &[u8]) -> Option<Option<u16>> {
    match read_varint(input)?.checked_sub(1) {
        None => Some(None),
        Some(index) => Some(Some(u16::try_from(index).ok()?)),
    }
}

pub(crate) fn author(author: Author, out: &mut Vec<u8>) {
    varint(
        match author {
            Author::Nobody => 0,
            Author::Person => 1,
            Author::Merged => 2,
            Author::System(system) => 3 + u64::from(system.0),
        },
        out,
    );
}

pub(crate) fn read_author(input: &mut &[u8]) -> Option<Author> {
    Some(match read_varint(input)? {
        0 => Author::Nobody,
        1 => Author::Person,
        2 => Author::Merged,
        system => Author::System(SystemIndex(u16::try_from(system - 3).ok()?)),
    })
}

pub(crate) fn candidates(all: &[Candidate], out: &mut Vec<u8>) {
    list(all, out, |candidate, out| {
        author(candidate.author, out);
        candidate.value.encode(out);
        delta(candidate.at.0, 0, out);
        option_text(candidate.actor.as_deref(), out);
    });
}

pub(crate) fn read_candidates(input: &mut &[u8]) -> Option<Vec<Candidate>> {
    read_list(input, |input| {
        Some(Candidate {
            author: read_author(input)?,
            value: Value::decode(input)?,
            at: timestamp(read_delta(input, 0)?),
            actor: read_option_text(input)?,
        })
    })
}

pub(crate) fn settled(settled: &Settled, out: &mut Vec<u8>) {
    text(&settled.rule, out);
    author(settled.winner, out);
    option_text(settled.who.as_deref(), out);
    option_text(settled.note.as_deref(), out);
}

pub(crate) fn read_settled(input: &mut &[u8]) -> Option<Settled> {
    Some(Settled {
        rule: read_text(input)?,
        winner: read_author(input)?,
        who: read_option_text(input)?,
        note: read_option_text(input)?,
    })
}

/// Finds torn and rotten blobs; eight bytes at a time, because it runs over every group.
pub(crate) fn checksum(data: &[u8]) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = ODD ^ data.len() as u64;
    let (words, tail) = data.as_chunks::<8>();
    for word in words {
        sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
    }
    for byte in tail {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(ODD).rotate_left(29);
    }
    sum = (sum ^ (sum >> 32)).wrapping_mul(ODD);
    (sum >> 32) as u32
}
