//! The stored form of a link: what one system shows of a part, told by its difference from golden.

use syncline_core::{
    change::{Expected, Order, Row, RowKey, Token, WriteKind},
    group::{Cell, FieldSet, Hold, Intent, IntentStatus, Lane, Link, Parked, Reflex, Scope},
    name::{FieldIndex, IntentId, OperationId, RecordId, SystemIndex},
    value::{Slot, Value, bytes, read_bytes, read_varint, varint},
};

use crate::hub::codec::bits::{
    byte, delta, flag, id, list, number, option, option_text, read_delta, read_id, read_list,
    read_option, read_option_text, read_text, text, timestamp,
};

const KEY: u16 = 1;
const SHADOW: u16 = 1 << 1;
const ORDER: u16 = 1 << 2;
const TOKEN: u16 = 1 << 3;
/// Every field is agreed on the version that the cell has.
const AGREED: u16 = 1 << 4;
const UNRESOLVED: u16 = 1 << 5;
const LANE: u16 = 1 << 6;
const MUST_READ: u16 = 1 << 7;
const WAIT: u16 = 1 << 8;
const HELD: u16 = 1 << 9;
const LAST_OWN: u16 = 1 << 10;
const REFLEXES: u16 = 1 << 11;
const SCOPE: u16 = 1 << 12;
const PARKED: u16 = 1 << 13;
const TOUCHED: u16 = 1 << 14;
const WAITS_FOR: u16 = 1 << 15;

/// Slots that say what the golden cells say, and how many of them.
const SAME: u8 = 0xf2;
const MISSING: u8 = 0xf0;
const UNAVAILABLE: u8 = 0xf1;

pub(super) fn encode(link: &Link, cells: &[Cell], out: &mut Vec<u8>) {
    let flags = flags(link, cells);
    varint(u64::from(link.system.0), out);
    out.extend_from_slice(&flags.to_le_bytes());
    varint(link.agreed_exists, out);
    if let Some(key) = &link.key {
        bytes(&key.0, out);
    }
    if let Some(row) = &link.shadow {
        shadow(row, cells, out);
    }
    if let Some(place) = link.order {
        order(place, out);
    }
    if let Some(token) = &link.token {
        bytes(&token.0, out);
    }
    if flags & AGREED == 0 {
        agreed(&link.agreed, cells, out);
    }
    if flags & UNRESOLVED != 0 {
        list(&link.unresolved, out, intent);
    }
    if flags & LANE != 0 {
        lane(link.lane, out);
    }
    if flags & HELD != 0 {
        list(&link.held, out, |(field, hold), out| {
            varint(u64::from(field.0), out);
            out.push(match hold {
                Hold::Conflict => 0,
                Hold::Loop => 1,
                Hold::Rollback => 2,
                Hold::Parent => 3,
                Hold::Unreadable => 4,
            });
        });
    }
    if flags & LAST_OWN != 0 {
        list(&link.last_own.0, out, |word, out| varint(*word, out));
    }
    if flags & REFLEXES != 0 {
        list(&link.reflexes, out, |reflex, out| {
            varint(u64::from(reflex.field.0), out);
            option(reflex.value, out, |value, out| varint(u64::from(value), out));
            varint(u64::from(reflex.count), out);
            delta(reflex.since.0, 0, out);
        });
    }
    if flags & SCOPE != 0 {
        out.push(match link.scope {
            Scope::In => 0,
            Scope::Frozen => 1,
            Scope::Detached => 2,
            Scope::Leaving => 3,
            Scope::Out => 4,
        });
    }
    if let Some(parked) = &link.parked {
        text(&parked.code, out);
        list(&parked.versions, out, |version, out| varint(*version, out));
        varint(u64::from(parked.tries), out);
        option(parked.not_before, out, |time, out| delta(time.0, 0, out));
    }
    if flags & TOUCHED != 0 {
        varint(link.touched.0, out);
    }
    if let Some(record) = link.waits_for {
        id(record.0, out);
    }
}

fn flags(link: &Link, cells: &[Cell]) -> u16 {
    let all_agreed = link.agreed.len() == cells.len()
        && link.agreed.iter().zip(cells).all(|(agreed, cell)| *agreed == cell.version);
    let flags = [
        (link.key.is_some(), KEY),
        (link.shadow.is_some(), SHADOW),
        (link.order.is_some(), ORDER),
        (link.token.is_some(), TOKEN),
        (all_agreed, AGREED),
        (!link.unresolved.is_empty(), UNRESOLVED),
        (link.lane != Lane::Free, LANE),
        (link.must_read, MUST_READ),
        (link.wait, WAIT),
        (!link.held.is_empty(), HELD),
        (!link.last_own.0.is_empty(), LAST_OWN),
        (!link.reflexes.is_empty(), REFLEXES),
        (link.scope != Scope::In, SCOPE),
        (link.parked.is_some(), PARKED),
        (link.touched != OperationId(0), TOUCHED),
        (link.waits_for.is_some(), WAITS_FOR),
    ];
    flags.iter().fold(0, |sum, (set, bit)| if *set { sum | bit } else { sum })
}

pub(super) fn decode(input: &mut &[u8], cells: &[Cell]) -> Option<Link> {
    let mut link = Link::new(SystemIndex(number(input)?), 0);
    let flags = u16::from_le_bytes([byte(input)?, byte(input)?]);
    let has = |bit: u16| flags & bit != 0;
    link.agreed_exists = read_varint(input)?;
    if has(KEY) {
        link.key = Some(RowKey(read_bytes(input)?.into()));
    }
    if has(SHADOW) {
        link.shadow = Some(read_shadow(input, cells)?);
    }
    if has(ORDER) {
        link.order = Some(read_order(input)?);
    }
    if has(TOKEN) {
        link.token = Some(Token(read_bytes(input)?.into()));
    }
    link.agreed = if has(AGREED) {
        cells.iter().map(|cell| cell.version).collect()
    } else {
        read_agreed(input, cells)?
    };
    if has(UNRESOLVED) {
        link.unresolved = read_list(input, read_intent)?;
    }
    if has(LANE) {
        link.lane = read_lane(input)?;
    }
    link.must_read = has(MUST_READ);
    link.wait = has(WAIT);
    if has(HELD) {
        link.held = read_list(input, |input| {
            let field = FieldIndex(number(input)?);
            let hold = match byte(input)? {
                0 => Hold::Conflict,
                1 => Hold::Loop,
                2 => Hold::Rollback,
                3 => Hold::Parent,
                4 => Hold::Unreadable,
                _ => return None,
            };
            Some((field, hold))
        })?;
    }
    if has(LAST_OWN) {
        link.last_own = FieldSet(read_list(input, read_varint)?);
    }
    if has(REFLEXES) {
        link.reflexes = read_list(input, |input| {
            Some(Reflex {
                field: FieldIndex(number(input)?),
                value: read_option(input, number)?,
                count: number(input)?,
                since: timestamp(read_delta(input, 0)?),
            })
        })?;
    }
    if has(SCOPE) {
        link.scope = match byte(input)? {
            0 => Scope::In,
            1 => Scope::Frozen,
            2 => Scope::Detached,
            3 => Scope::Leaving,
            4 => Scope::Out,
            _ => return None,
        };
    }
    if has(PARKED) {
        link.parked = Some(Parked {
            code: read_text(input)?,
            versions: read_list(input, read_varint)?,
            tries: number(input)?,
            not_before: read_option(input, |input| Some(timestamp(read_delta(input, 0)?)))?,
        });
    }
    if has(TOUCHED) {
        link.touched = OperationId(read_varint(input)?);
    }
    if has(WAITS_FOR) {
        link.waits_for = Some(RecordId(read_id(input)?));
    }
    Some(link)
}

/// Runs of slots that equal the golden cells cost two bytes, however long they are.
fn shadow(row: &Row, cells: &[Cell], out: &mut Vec<u8>) {
    varint(row.0.len() as u64, out);
    let same = |index: usize, slot: &Slot| matches!((slot, cells.get(index)), (Slot::Present(value), Some(cell)) if *value == cell.value);
    let mut run = 0u64;
    for (index, slot) in row.0.iter().enumerate() {
        if same(index, slot) {
            run += 1;
            continue;
        }
        end_run(&mut run, out);
        match slot {
            Slot::Missing => out.push(MISSING),
            Slot::Unavailable => out.push(UNAVAILABLE),
            Slot::Present(value) => value.encode(out),
        }
    }
    end_run(&mut run, out);
}

fn end_run(run: &mut u64, out: &mut Vec<u8>) {
    if *run > 0 {
        out.push(SAME);
        varint(*run, out);
        *run = 0;
    }
}

fn read_shadow(input: &mut &[u8], cells: &[Cell]) -> Option<Row> {
    // A run may be longer than its bytes, but never longer than the cells.
    let count: usize = number(input)?;
    if count > input.len().saturating_add(cells.len()) {
        return None;
    }
    let mut slots = Vec::with_capacity(count);
    while slots.len() < count {
        match *input.first()? {
            MISSING => {
                byte(input)?;
                slots.push(Slot::Missing);
            }
            UNAVAILABLE => {
                byte(input)?;
                slots.push(Slot::Unavailable);
            }
            SAME => {
                byte(input)?;
                let start = slots.len();
                let end = start.checked_add(number(input)?).filter(|end| *end <= count)?;
                let run = cells.get(start..end).filter(|run| !run.is_empty())?;
                slots.extend(run.iter().map(|cell| Slot::Present(cell.value.clone())));
            }
            _ => slots.push(Slot::Present(Value::decode(input)?)),
        }
    }
    Some(Row(slots.into()))
}

fn agreed(agreed: &[u64], cells: &[Cell], out: &mut Vec<u8>) {
    // One more than the version, and zero for "as the cell": most are.
    list(agreed, out, |_, _| {});
    for (index, version) in agreed.iter().enumerate() {
        if cells.get(index).is_some_and(|cell| cell.version == *version) {
            out.push(0);
        } else {
            out.push(1);
            varint(*version, out);
        }
    }
}

fn read_agreed(input: &mut &[u8], cells: &[Cell]) -> Option<Box<[u64]>> {
    let mut index = 0;
    let all = read_list(input, |input| {
        let cell = cells.get(index);
        index += 1;
        if flag(input)? { read_varint(input) } else { cell.map(|cell| cell.version) }
    })?;
    Some(all.into())
}

pub(super) fn order(order: Order, out: &mut Vec<u8>) {
    match order {
        Order::Log { epoch, major, minor } => {
            out.push(0);
            varint(u64::from(epoch), out);
            wide(major, out);
            varint(minor, out);
        }
        Order::Version(version) => {
            out.push(1);
            wide(version, out);
        }
        Order::Operation(operation) => {
            out.push(2);
            varint(operation, out);
        }
    }
}

pub(super) fn read_order(input: &mut &[u8]) -> Option<Order> {
    Some(match byte(input)? {
        0 => Order::Log {
            epoch: number(input)?,
            major: read_wide(input)?,
            minor: read_varint(input)?,
        },
        1 => Order::Version(read_wide(input)?),
        2 => Order::Operation(read_varint(input)?),
        _ => return None,
    })
}

fn wide(number: u128, out: &mut Vec<u8>) {
    varint((number >> 64) as u64, out);
    varint(number as u64, out);
}

fn read_wide(input: &mut &[u8]) -> Option<u128> {
    Some((u128::from(read_varint(input)?) << 64) | u128::from(read_varint(input)?))
}

fn lane(lane: Lane, out: &mut Vec<u8>) {
    match lane {
        Lane::Free => out.push(0),
        Lane::Write(intent) => {
            out.push(1);
            id(intent.0, out);
        }
        Lane::Echo(intent) => {
            out.push(2);
            id(intent.0, out);
        }
        Lane::Read(operation) => {
            out.push(3);
            varint(operation.0, out);
        }
    }
}

fn read_lane(input: &mut &[u8]) -> Option<Lane> {
    Some(match byte(input)? {
        0 => Lane::Free,
        1 => Lane::Write(IntentId(read_id(input)?)),
        2 => Lane::Echo(IntentId(read_id(input)?)),
        3 => Lane::Read(OperationId(read_varint(input)?)),
        _ => return None,
    })
}

fn intent(intent: &Intent, out: &mut Vec<u8>) {
    id(intent.id.0, out);
    out.push(write_kind(intent.kind));
    list(&intent.set, out, |(field, value, version), out| {
        varint(u64::from(field.0), out);
        value.encode(out);
        varint(*version, out);
    });
    varint(intent.exists_version, out);
    match &intent.expect {
        Expected::Absent => out.push(0),
        Expected::Fields(fields) => {
            out.push(1);
            list(fields, out, |(field, value), out| {
                varint(u64::from(field.0), out);
                value.encode(out);
            });
        }
    }
    option(intent.token.as_ref(), out, |token, out| bytes(&token.0, out));
    match &intent.status {
        IntentStatus::Sent => out.push(0),
        IntentStatus::Acknowledged { order: place, transaction } => {
            out.push(1);
            option(*place, out, order);
            option_text(transaction.as_deref(), out);
        }
        IntentStatus::InDoubt => out.push(2),
    }
}

fn read_intent(input: &mut &[u8]) -> Option<Intent> {
    Some(Intent {
        id: IntentId(read_id(input)?),
        kind: read_write_kind(byte(input)?)?,
        set: read_list(input, |input| {
            Some((FieldIndex(number(input)?), Value::decode(input)?, read_varint(input)?))
        })?,
        exists_version: read_varint(input)?,
        expect: if flag(input)? {
            Expected::Fields(read_list(input, |input| {
                Some((FieldIndex(number(input)?), Value::decode(input)?))
            })?)
        } else {
            Expected::Absent
        },
        token: read_option(input, |input| Some(Token(read_bytes(input)?.into())))?,
        status: match byte(input)? {
            0 => IntentStatus::Sent,
            1 => IntentStatus::Acknowledged {
                order: read_option(input, read_order)?,
                transaction: read_option_text(input)?,
            },
            2 => IntentStatus::InDoubt,
            _ => return None,
        },
    })
}

pub(crate) const fn write_kind(kind: WriteKind) -> u8 {
    match kind {
        WriteKind::Insert => 0,
        WriteKind::Update => 1,
        WriteKind::Delete => 2,
    }
}

pub(crate) const fn read_write_kind(code: u8) -> Option<WriteKind> {
    match code {
        0 => Some(WriteKind::Insert),
        1 => Some(WriteKind::Update),
        2 => Some(WriteKind::Delete),
        _ => None,
    }
}
