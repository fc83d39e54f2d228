//! The stored form of what a commit has moved: for each record that it changed, what became of its values, of its
//! rows, and of what is agreed. Records are rebuilt from this.
//!
//! In a sealed hub, what each record has moved is sealed by itself, with the key of its record.

use syncline_core::{
    change::{PartKey, RowKey},
    commit::GroupChange,
    group::{Existence, Group, Part},
    moved::{LinkMove, Move, Moved, MovedPart, PartMove, agrees_with_all},
    name::{EntityIndex, FieldIndex, RecordId, SystemIndex},
    value::{bytes, read_bytes, read_varint, varint},
};

use crate::hub::codec::{
    audit::{Form, read_record, record},
    bits::{
        author, byte, delta, flag, id, list, number, option, read_author, read_delta, read_id,
        read_list, read_option, timestamp,
    },
    cell, read_cell,
};

/// What is agreed with a system, and whether a key is said.
const AGREED: u8 = 1;
const KEY: u8 = 1 << 1;

/// What a commit has moved, being written.
pub(crate) struct MovesWriter {
    out: Vec<u8>,
    last: RecordId,
}

impl MovesWriter {
    pub(crate) fn new(form: Form) -> Self {
        Self { out: vec![form.code()], last: RecordId(0) }
    }

    /// Appends what has moved of a record: what [`encode_move`] gives, sealed where the form says so.
    pub(crate) fn push(&mut self, id: RecordId, body: &[u8]) {
        record(id, self.last, &mut self.out);
        self.last = id;
        bytes(body, &mut self.out);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// What a record has moved, as it is stored.
pub(crate) type StoredMove<'a> = (RecordId, &'a [u8]);

/// What each record of an entry has moved; `None` for what is no entry.
pub(crate) fn decode_moves(stored: &[u8]) -> Option<(Form, Vec<StoredMove<'_>>)> {
    let mut body = stored;
    let input = &mut body;
    let form = Form::read(byte(input)?)?;
    let (mut moves, mut last) = (Vec::new(), RecordId(0));
    while !input.is_empty() {
        last = read_record(input, last)?;
        moves.push((last, read_bytes(input)?));
    }
    Some((form, moves))
}

/// What has moved of a record, but which one it is.
pub(crate) fn encode_move(change: &GroupChange, out: &mut Vec<u8>) {
    let group = &change.group;
    varint(u64::from(group.entity.0), out);
    varint(u64::from(group.incarnation), out);
    option(group.merged_into.as_ref(), out, |record, out| id(record.0, out));
    out.push(u8::from(change.moved == Moved::Whole));
    match &change.moved {
        Moved::Parts(parts) => list(parts, out, |moved, out| part(group, moved, out)),
        Moved::Whole | Moved::Nothing => {
            list(&change.moved.parts(group), out, |moved, out| part(group, moved, out));
        }
    }
}

fn part(group: &Group, moved: &MovedPart, out: &mut Vec<u8>) {
    moved.part.encode(out);
    let part = group.part(&moved.part);
    out.push(u8::from(part.is_some()));
    let Some(part) = part else { return };
    existence(&part.exists, out);
    let cells = moved.cells.iter().filter_map(|field| Some((field, part.cell(*field)?)));
    let cells: Vec<_> = cells.collect();
    list(&cells, out, |(field, one), out| {
        varint(u64::from(field.0), out);
        cell(one, &part.exists, out);
    });
    list(&moved.links, out, |system, out| link(part, *system, out));
}

fn existence(exists: &Existence, out: &mut Vec<u8>) {
    out.push(u8::from(exists.alive) | (u8::from(exists.clock_suspect) << 1));
    author(exists.author, out);
    varint(exists.version, out);
    delta(exists.at.0, 0, out);
}

fn link(part: &Part, system: SystemIndex, out: &mut Vec<u8>) {
    varint(u64::from(system.0), out);
    let link = part.link(system);
    out.push(u8::from(link.is_some()));
    let Some(link) = link else { return };
    let agrees = agrees_with_all(link, part);
    out.push(if agrees { AGREED } else { 0 } | if link.key.is_some() { KEY } else { 0 });
    varint(link.agreed_exists, out);
    if let Some(key) = &link.key {
        bytes(&key.0, out);
    }
    if !agrees {
        list(&link.agreed, out, |agreed, out| varint(*agreed, out));
    }
}

/// Reads what [`encode_move`] wrote; `None` for anything else.
pub(crate) fn decode_move(record: RecordId, stored: &[u8]) -> Option<Move> {
    let mut body = stored;
    let input = &mut body;
    let found = Move {
        record,
        entity: EntityIndex(number(input)?),
        incarnation: number(input)?,
        merged_into: read_option(input, |input| Some(RecordId(read_id(input)?)))?,
        whole: flag(input)?,
        parts: read_list(input, read_part)?,
    };
    input.is_empty().then_some(found)
}

fn read_part(input: &mut &[u8]) -> Option<(PartKey, Option<PartMove>)> {
    let key = PartKey::decode(input)?;
    if !flag(input)? {
        return Some((key, None));
    }
    let flags = byte(input).filter(|flags| *flags <= 0b11)?;
    let exists = Existence {
        alive: flags & 0b01 != 0,
        clock_suspect: flags & 0b10 != 0,
        author: read_author(input)?,
        version: read_varint(input)?,
        at: timestamp(read_delta(input, 0)?),
    };
    let cells =
        read_list(input, |input| Some((FieldIndex(number(input)?), read_cell(input, &exists)?)))?;
    let links = read_list(input, |input| {
        let system = SystemIndex(number(input)?);
        Some((system, if flag(input)? { Some(read_link(input)?) } else { None }))
    })?;
    Some((key, Some(PartMove { exists, cells, links })))
}

fn read_link(input: &mut &[u8]) -> Option<LinkMove> {
    let flags = byte(input).filter(|flags| *flags <= AGREED | KEY)?;
    let agreed_exists = read_varint(input)?;
    let key = if flags & KEY == 0 { None } else { Some(RowKey(read_bytes(input)?.into())) };
    let agreed = if flags & AGREED == 0 { Some(read_list(input, read_varint)?) } else { None };
    Some(LinkMove { key, agreed, agreed_exists })
}
