//! The stored form of the audit: pages of events, each event with the page of its record's event
//! before it, so that a record's history is a walk from page to page and needs no index.
//!
//! In a sealed hub, of each event its record and its entity can be read, and the rest is sealed by itself, with
//! the key of its record: who destroys that key erases the event, and the page stays what it was.

use syncline_core::{
    Text,
    change::{PartKey, RowKey},
    commit::{AuditEvent, AuditKind, Disposition},
    name::{EntityIndex, RecordId},
    value::{Value, bytes, read_bytes, read_varint, varint},
};

use crate::hub::codec::bits::{
    byte, checksum, delta, field, number, option, read_delta, read_field, read_option, read_system,
    read_text, system, text, timestamp,
};

/// The forms of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Events as they are.
    Clear,
    /// Each event is sealed.
    Sealed,
    /// The same, since: its hash in the chain is that of the clear page that it was.
    Covered,
}

impl Form {
    const ALL: [Self; 3] = [Self::Clear, Self::Sealed, Self::Covered];

    /// The form with this code.
    pub(super) fn read(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.code() == code)
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Clear => 1,
            Self::Sealed => 2,
            Self::Covered => 3,
        }
    }
}

/// Rules, systems' users and reasons repeat within a page: so many are remembered.
const WORDS_MAX: usize = 64;

/// A page being written.
pub(crate) struct PageWriter {
    out: Vec<u8>,
    words: Vec<Text>,
    last: RecordId,
    count: usize,
}

impl PageWriter {
    pub(crate) fn new(form: Form) -> Self {
        Self { out: vec![form.code()], words: Vec::new(), last: RecordId(0), count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn byte_count(&self) -> usize {
        self.out.len()
    }

    /// Appends an event to a clear page; `previous` is the page of the record's event before, or 0.
    pub(crate) fn push(&mut self, event: &AuditEvent, previous: u64) {
        self.begin(event.record, event.entity, previous);
        body(event, &mut self.words, &mut self.out);
    }

    /// Appends an event to a sealed page: what [`encode_event`] gives of it, sealed.
    pub(crate) fn push_sealed(
        &mut self,
        record: RecordId,
        entity: EntityIndex,
        previous: u64,
        sealed: &[u8],
    ) {
        self.begin(record, entity, previous);
        bytes(sealed, &mut self.out);
    }

    fn begin(&mut self, id: RecordId, entity: EntityIndex, previous: u64) {
        self.count += 1;
        record(id, self.last, &mut self.out);
        self.last = id;
        varint(previous, &mut self.out);
        varint(u64::from(entity.0), &mut self.out);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = checksum(&self.out);
        self.out.extend_from_slice(&sum.to_le_bytes());
        self.out
    }
}

/// What is to be sealed of an event: everything but its record and its entity.
pub(crate) fn encode_event(event: &AuditEvent) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    body(event, &mut Vec::new(), &mut out);
    out
}

/// Reads what [`encode_event`] wrote; `None` for anything else.
pub(crate) fn decode_event(
    record: RecordId,
    entity: EntityIndex,
    mut stored: &[u8],
) -> Option<AuditEvent> {
    let event = read_body(&mut stored, record, entity, &mut Vec::new())?;
    stored.is_empty().then_some(event)
}

fn body(event: &AuditEvent, words: &mut Vec<Text>, out: &mut Vec<u8>) {
    event.part.encode(out);
    field(event.field, out);
    out.push(kind(event.kind));
    system(event.system, out);
    option(event.key.as_ref(), out, |key, out| bytes(&key.0, out));
    option(event.before.as_ref(), out, Value::encode);
    option(event.after.as_ref(), out, Value::encode);
    varint(event.version, out);
    option(event.source_at, out, |at, out| delta(at.0, 0, out));
    word(event.actor.as_ref(), words, out);
    word(Some(&event.note), words, out);
}

/// 0: none; 1: a new word follows; else the place of a known one, and two.
fn word(word: Option<&Text>, words: &mut Vec<Text>, out: &mut Vec<u8>) {
    let Some(word) = word else { return out.push(0) };
    if let Some(at) = words.iter().position(|known| known == word) {
        return varint(at as u64 + 2, out);
    }
    out.push(1);
    text(word, out);
    if words.len() < WORDS_MAX {
        words.push(word.clone());
    }
}

/// An event of a page, and the page of its record's event before (0: none).
pub(crate) struct Stored {
    pub(crate) record: RecordId,
    pub(crate) entity: EntityIndex,
    pub(crate) previous: u64,
    pub(crate) body: Body,
}

/// The event itself.
pub(crate) enum Body {
    Clear(Box<AuditEvent>),
    Sealed(Box<[u8]>),
}

/// Reads a page; `None` if it is not one.
pub(crate) fn decode_page(stored: &[u8]) -> Option<(Form, Vec<Stored>)> {
    let (mut body, sum) = stored.split_last_chunk::<4>()?;
    if checksum(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let input = &mut body;
    let code = byte(input)?;
    let form = Form::read(code)?;
    let (mut words, mut events) = (Vec::new(), Vec::<Stored>::new());
    while !input.is_empty() {
        let last = events.last().map_or(RecordId(0), |stored| stored.record);
        let record = read_record(input, last)?;
        let previous = read_varint(input)?;
        let entity = EntityIndex(number(input)?);
        let body = match form {
            Form::Clear => Body::Clear(Box::new(read_body(input, record, entity, &mut words)?)),
            Form::Sealed | Form::Covered => Body::Sealed(read_bytes(input)?.into()),
        };
        events.push(Stored { record, entity, previous, body });
    }
    Some((form, events))
}

fn read_body(
    input: &mut &[u8],
    record: RecordId,
    entity: EntityIndex,
    words: &mut Vec<Text>,
) -> Option<AuditEvent> {
    let part = PartKey::decode(input)?;
    let field = read_field(input)?;
    let kind = read_kind(byte(input)?)?;
    let system = read_system(input)?;
    let key = read_option(input, |input| Some(RowKey(read_bytes(input)?.into())))?;
    let before = read_option(input, Value::decode)?;
    let after = read_option(input, Value::decode)?;
    let version = read_varint(input)?;
    let source_at = read_option(input, |input| Some(timestamp(read_delta(input, 0)?)))?;
    let actor = read_word(input, words)?;
    let note = read_word(input, words)??;
    Some(AuditEvent {
        record,
        entity,
        part,
        field,
        kind,
        system,
        key,
        before,
        after,
        version,
        actor,
        source_at,
        note,
    })
}

/// Ids that follow each other are equal, or have their first bytes in common: what differs is
/// stored, after its length.
pub(super) fn record(record: RecordId, last: RecordId, out: &mut Vec<u8>) {
    let difference = record.0 ^ last.0;
    let count = 16 - (difference.leading_zeros() / 8) as usize;
    out.push(count as u8);
    out.extend_from_slice(difference.to_be_bytes().get(16 - count..).unwrap_or_default());
}

pub(super) fn read_record(input: &mut &[u8], last: RecordId) -> Option<RecordId> {
    let count = usize::from(byte(input)?);
    let (raw, rest) = input.split_at_checked(count).filter(|_| count <= 16)?;
    *input = rest;
    let difference = raw.iter().fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
    Some(RecordId(last.0 ^ difference))
}

#[expect(clippy::option_option, reason = "damaged, absent and present are three answers")]
fn read_word(input: &mut &[u8], words: &mut Vec<Text>) -> Option<Option<Text>> {
    match read_varint(input)? {
        0 => Some(None),
        1 => {
            let word = read_text(input)?;
            if words.len() < WORDS_MAX {
                words.push(word.clone());
            }
            Some(Some(word))
        }
        at => Some(Some(words.get(usize::try_from(at - 2).ok()?)?.clone())),
    }
}

const KINDS: [AuditKind; 26] = [
    AuditKind::Created,
    AuditKind::Linked,
    AuditKind::Unlinked,
    AuditKind::Rekeyed,
    AuditKind::Changed,
    AuditKind::Agreed,
    AuditKind::Overridden,
    AuditKind::Lost,
    AuditKind::Rejected,
    AuditKind::Merged,
    AuditKind::Deleted,
    AuditKind::DeleteOverridden,
    AuditKind::Revived,
    AuditKind::Rendered,
    AuditKind::Written,
    AuditKind::Refused,
    AuditKind::Ambiguous,
    AuditKind::ConflictOpened,
    AuditKind::ConflictSettled,
    AuditKind::Scope,
    AuditKind::LoopSuspected,
    AuditKind::Person,
    AuditKind::Covered,
    AuditKind::Warned,
    AuditKind::Held,
    AuditKind::Erased,
];

/// The stored number of a kind: never reused, only added to.
fn kind(kind: AuditKind) -> u8 {
    match kind {
        AuditKind::Created => 0,
        AuditKind::Linked => 1,
        AuditKind::Unlinked => 2,
        AuditKind::Rekeyed => 3,
        AuditKind::Changed => 4,
        AuditKind::Agreed => 5,
        AuditKind::Overridden => 6,
        AuditKind::Lost => 7,
        AuditKind::Rejected => 8,
        AuditKind::Merged => 9,
        AuditKind::Deleted => 10,
        AuditKind::DeleteOverridden => 11,
        AuditKind::Revived => 12,
        AuditKind::Rendered => 13,
        AuditKind::Written => 14,
        AuditKind::Refused => 15,
        AuditKind::Ambiguous => 16,
        AuditKind::ConflictOpened => 17,
        AuditKind::ConflictSettled => 18,
        AuditKind::Scope => 19,
        AuditKind::LoopSuspected => 20,
        AuditKind::Person => 21,
        AuditKind::Covered => 22,
        AuditKind::Warned => 23,
        AuditKind::Held => 24,
        AuditKind::Erased => 25,
    }
}

fn read_kind(code: u8) -> Option<AuditKind> {
    KINDS.get(usize::from(code)).copied()
}

const DISPOSITIONS: [Disposition; 8] = [
    Disposition::Applied,
    Disposition::NoOp,
    Disposition::Echo,
    Disposition::Superseded,
    Disposition::ConflictLost,
    Disposition::Filtered,
    Disposition::Quarantined,
    Disposition::Held,
];

/// The stored number of a disposition.
pub(crate) fn disposition(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::Applied => 0,
        Disposition::NoOp => 1,
        Disposition::Echo => 2,
        Disposition::Superseded => 3,
        Disposition::ConflictLost => 4,
        Disposition::Filtered => 5,
        Disposition::Quarantined => 6,
        Disposition::Held => 7,
    }
}

pub(crate) fn read_disposition(code: u8) -> Option<Disposition> {
    DISPOSITIONS.get(usize::from(code)).copied()
}
