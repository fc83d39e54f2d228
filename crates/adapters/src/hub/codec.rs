//! The stored form of what the hub remembers: versioned, compact, and nobody else's business.
//!
//! A group is one blob: a version byte, the body, and a checksum. It is small because most of what
//! a record's rows show is what the record holds: a shadow's slot that equals the golden value is a
//! flag, and so is an agreed version that equals the cell's. Decoding never panics and never
//! believes a length: a blob that is not exactly what [`encode_group`] wrote is `None`.
//!
//! The canonical encoding of values is the core's (`Value::encode`); everything around it is here.

pub(crate) mod audit;
pub(crate) mod bits;
mod link;
pub(crate) mod moves;

use syncline_core::{
    change::RowKey,
    group::{Cell, Child, Excess, Existence, Former, Group, OpenConflict, Part, Rival},
    name::{BindingIndex, EntityIndex, RecordId, Revision, SystemIndex},
    value::{Value, bytes, read_bytes, read_varint, varint},
};

use crate::hub::codec::bits::{
    author, byte, candidates, checksum, delta, field, id, list, number, option, read_author,
    read_candidates, read_delta, read_field, read_id, read_option,
};
pub(crate) use crate::hub::codec::{
    bits::{read_settled, settled},
    link::{read_write_kind, write_kind},
};

/// The version of the form that is written. Older ones stay readable.
const VERSION: u8 = 1;

const VERSION_OF_RECORD: u8 = 1;
const AUTHOR_OF_RECORD: u8 = 1 << 1;
const TIME_OF_RECORD: u8 = 1 << 2;
const CLOCK_SUSPECT: u8 = 1 << 3;
const NULL: u8 = 1 << 4;

/// Appends the stored form of a group.
pub(crate) fn encode_group(group: &Group, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(VERSION);
    varint(u64::from(group.entity.0), out);
    varint(group.revision.0, out);
    varint(u64::from(group.incarnation), out);
    option(group.merged_into.as_ref(), out, |record, out| id(record.0, out));
    part(&group.root, out);
    list(&group.children, out, |child, out| {
        varint(u64::from(child.list.0), out);
        bytes(&child.key.0, out);
        part(&child.part, out);
    });
    // Hardly any group has rivals, former keys or an excess, and none takes a byte for it.
    let has_former = !group.former.is_empty() || !group.excess.is_empty();
    if !group.rivals.is_empty() || has_former {
        list(&group.rivals, out, |rival, out| {
            varint(u64::from(rival.binding.0), out);
            bytes(&rival.key.0, out);
        });
    }
    if has_former {
        list(&group.former, out, |former, out| {
            varint(u64::from(former.binding.0), out);
            bytes(&former.key.0, out);
            link::order(former.order, out);
        });
    }
    if !group.excess.is_empty() {
        list(&group.excess, out, |excess, out| {
            varint(u64::from(excess.system.0), out);
            bytes(excess.user.as_bytes(), out);
        });
    }
    let sum = checksum(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&sum.to_le_bytes());
}

/// Reads what [`encode_group`] wrote; `None` for anything else.
pub(crate) fn decode_group(record: RecordId, stored: &[u8]) -> Option<Group> {
    let (mut body, sum) = stored.split_last_chunk::<4>()?;
    if checksum(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let input = &mut body;
    if byte(input)? != VERSION {
        return None;
    }
    let entity = EntityIndex(number(input)?);
    let revision = Revision(read_varint(input)?);
    let incarnation = number(input)?;
    let merged_into = read_option(input, |input| Some(RecordId(read_id(input)?)))?;
    let root = read_part(input)?;
    let children = bits::read_list(input, |input| {
        Some(Child {
            list: EntityIndex(number(input)?),
            key: RowKey(read_bytes(input)?.into()),
            part: read_part(input)?,
        })
    })?;
    let rivals = if input.is_empty() {
        Vec::new()
    } else {
        bits::read_list(input, |input| {
            Some(Rival {
                binding: BindingIndex(number(input)?),
                key: RowKey(read_bytes(input)?.into()),
            })
        })?
    };
    let former = if input.is_empty() {
        Vec::new()
    } else {
        bits::read_list(input, |input| {
            Some(Former {
                binding: BindingIndex(number(input)?),
                key: RowKey(read_bytes(input)?.into()),
                order: link::read_order(input)?,
            })
        })?
    };
    let excess = if input.is_empty() {
        Vec::new()
    } else {
        bits::read_list(input, |input| {
            let system = SystemIndex(number(input)?);
            Some(Excess { system, user: bits::read_text(input)? })
        })?
    };
    input.is_empty().then_some(Group {
        id: record,
        entity,
        revision,
        incarnation,
        root,
        children,
        merged_into,
        rivals,
        former,
        excess,
    })
}

fn part(part: &Part, out: &mut Vec<u8>) {
    let exists = &part.exists;
    out.push(u8::from(exists.alive) | (u8::from(exists.clock_suspect) << 1));
    author(exists.author, out);
    varint(exists.version, out);
    delta(exists.at.0, 0, out);
    list(&part.cells, out, |one, out| cell(one, exists, out));
    list(&part.links, out, |one, out| link::encode(one, &part.cells, out));
    list(&part.conflicts, out, |conflict, out| {
        field(conflict.field, out);
        conflict.base.encode(out);
        candidates(&conflict.candidates, out);
        out.push(u8::from(conflict.ambiguous));
    });
}

fn read_part(input: &mut &[u8]) -> Option<Part> {
    let flags = byte(input)?;
    if flags > 0b11 {
        return None;
    }
    let exists = Existence {
        alive: flags & 0b01 != 0,
        clock_suspect: flags & 0b10 != 0,
        author: read_author(input)?,
        version: read_varint(input)?,
        at: bits::timestamp(read_delta(input, 0)?),
    };
    let cells: Box<[Cell]> = bits::read_list(input, |input| read_cell(input, &exists))?.into();
    let links = bits::read_list(input, |input| link::decode(input, &cells))?;
    let conflicts = bits::read_list(input, |input| {
        Some(OpenConflict {
            field: read_field(input)?,
            base: Value::decode(input)?,
            candidates: read_candidates(input)?,
            ambiguous: bits::flag(input)?,
        })
    })?;
    Some(Part { exists, cells, links, conflicts })
}

fn cell(cell: &Cell, exists: &Existence, out: &mut Vec<u8>) {
    let flags = [
        (cell.version == exists.version, VERSION_OF_RECORD),
        (cell.author == exists.author, AUTHOR_OF_RECORD),
        (cell.at == exists.at, TIME_OF_RECORD),
        (cell.clock_suspect, CLOCK_SUSPECT),
        (cell.value.is_null(), NULL),
    ];
    let flags = flags.iter().fold(0, |sum, (set, bit)| if *set { sum | bit } else { sum });
    out.push(flags);
    if flags & VERSION_OF_RECORD == 0 {
        varint(cell.version, out);
    }
    if flags & AUTHOR_OF_RECORD == 0 {
        author(cell.author, out);
    }
    if flags & TIME_OF_RECORD == 0 {
        delta(cell.at.0, exists.at.0, out);
    }
    if flags & NULL == 0 {
        cell.value.encode(out);
    }
}

fn read_cell(input: &mut &[u8], exists: &Existence) -> Option<Cell> {
    let flags = byte(input)?;
    let version = if flags & VERSION_OF_RECORD == 0 { read_varint(input)? } else { exists.version };
    let author = if flags & AUTHOR_OF_RECORD == 0 { read_author(input)? } else { exists.author };
    let at = if flags & TIME_OF_RECORD == 0 {
        bits::timestamp(read_delta(input, exists.at.0)?)
    } else {
        exists.at
    };
    let value = if flags & NULL == 0 { Value::decode(input)? } else { Value::Null };
    Some(Cell { value, version, author, at, clock_suspect: flags & CLOCK_SUSPECT != 0 })
}

#[cfg(test)]
mod attack;
#[cfg(test)]
mod tests;
