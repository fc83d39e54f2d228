//! What a pass *would* write: planned by the same step, committed by nobody.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    change::{Cycles, Effect, Expected, Input, RowKey, WriteGroup, WriteKind},
    commit::{Behind, QuarantineChange, Subject, Wants},
    error::PortError,
    garble::is_garbled,
    group::{Author, Cell, Group, Part},
    index,
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, SystemIndex},
    plan::Plan,
    value::{Digest, Value},
};

use crate::{desk::Desk, reconcile::decide};

/// One consequence: a record that a system does not show as the hub would hold it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The record, as the previewing hub calls it.
    pub record: RecordId,
    /// The system that would be written.
    pub system: SystemIndex,
    /// What would be done with the record's row there.
    pub kind: WriteKind,
    /// The row it comes from, or for an existing row the row itself: the record's name for people.
    pub origin: Option<(BindingIndex, RowKey)>,
    /// The writes, natively; empty while it waits for a parent that is itself still to be written.
    pub writes: WriteGroup,
    /// It waits for another record's row.
    pub waits: bool,
    /// It was tried, just like this, and refused.
    pub tried: bool,
    /// It would be set aside, with this code, for this reason.
    pub refused: Option<(Text, Text)>,
    /// What exactly would be done, independent of the hub it was planned in: equal digests, equal
    /// operations.
    pub digest: Digest,
}

impl Operation {
    /// The cells in which it puts nothing, or an empty text, in the place of something.
    pub fn emptied(&self) -> impl Iterator<Item = (BindingIndex, FieldIndex)> + '_ {
        let is_empty = |value: &Value| {
            value.is_null() || matches!(value, Value::Text(text) if text.is_empty())
        };
        let emptied =
            self.replaced().filter(move |(_, before, after)| is_empty(after) && !is_empty(before));
        emptied.map(|(place, ..)| place)
    }

    /// How many values it puts in the place of the same ones in another character set.
    pub fn garbled(&self) -> u64 {
        self.replaced().filter(|(_, before, after)| is_garbled(before, after)).count() as u64
    }

    /// The cells whose values it replaces: what is expected there, and what is put there.
    fn replaced(&self) -> impl Iterator<Item = ((BindingIndex, FieldIndex), &Value, &Value)> {
        self.writes.writes.iter().flat_map(|write| {
            let before = match &write.expect {
                Expected::Fields(fields) => fields.as_slice(),
                Expected::Absent => &[],
            };
            write.set.iter().filter_map(move |(field, after)| {
                let (_, before) = before.iter().find(|(other, _)| other == field)?;
                Some(((write.binding, *field), before, after))
            })
        })
    }
}

/// Plans the next records behind in this system after `after`. Returns the operations and the last
/// record looked at (`None` at the end).
///
/// # Errors
/// The store's.
pub async fn page(
    desk: &Desk<'_>,
    entity: EntityIndex,
    system: SystemIndex,
    after: Option<RecordId>,
    limit: usize,
) -> Result<(Vec<Operation>, Option<RecordId>), PortError> {
    let behind = desk.store.behind(entity, system, after, desk.now(), limit).await?;
    let last = behind.last().map(|(record, _)| *record);
    let records: Vec<RecordId> = behind.iter().map(|(record, _)| *record).collect();
    let groups = load(desk, &records).await?;
    let due: Vec<Input> = records
        .iter()
        .map(|record| Input::Due { record: *record, system, cycles: Cycles::Wait })
        .collect();
    let (commit, effects) = decide(desk, &due).await?;
    let mut operations = Vec::new();
    for (record, behind) in behind {
        let Some(group) = groups.get(&record) else { continue };
        operations.push(describe(desk.plan, group, system, &behind));
    }
    for effect in effects {
        if let Effect::Write { group, .. } = effect {
            attach(&mut operations, group);
        }
    }
    for change in commit.quarantine {
        let QuarantineChange::Park { subject, code, message, .. } = change else { continue };
        let record = match subject {
            // What a user changed too much is due nowhere.
            Subject::Row { .. } | Subject::Excess { .. } => continue,
            Subject::Write { system: aside, .. } if aside != system => continue,
            Subject::Write { record, .. } | Subject::Record { record } => record,
        };
        if let Some(operation) = of(&mut operations, record) {
            operation.refused = Some((code, message));
        }
    }
    for operation in &mut operations {
        operation.waits = operation.writes.writes.is_empty() && operation.refused.is_none();
    }
    Ok((operations, last))
}

fn attach(operations: &mut [Operation], group: WriteGroup) {
    // A group may concern several records (a swap): it is shown with the first.
    let record = group.writes.first().map(|write| write.record);
    if let Some(operation) = record.and_then(|record| of(operations, record)) {
        operation.writes = group;
    }
}

/// The operation on this record: they are in the order of their records.
fn of(operations: &mut [Operation], record: RecordId) -> Option<&mut Operation> {
    let at = operations.binary_search_by_key(&record, |operation| operation.record).ok()?;
    operations.get_mut(at)
}

/// Loads these groups.
///
/// # Errors
/// The store's.
pub async fn load(
    desk: &Desk<'_>,
    records: &[RecordId],
) -> Result<BTreeMap<RecordId, Group>, PortError> {
    let wants = Wants { records: records.iter().copied().collect(), ..Wants::default() };
    let groups = desk.store.load(&wants).await?.groups.into_iter();
    Ok(groups.filter_map(|(record, group)| Some((record, group?))).collect())
}

/// Describes what this record needs in this system.
pub fn describe(plan: &Plan, group: &Group, system: SystemIndex, behind: &Behind) -> Operation {
    Operation {
        record: group.id,
        system,
        kind: behind.kind,
        origin: origin(plan, group, system),
        writes: WriteGroup::default(),
        waits: false,
        tried: was_tried(group, system),
        refused: None,
        digest: digest(group, system, behind.kind),
    }
}

fn was_tried(group: &Group, system: SystemIndex) -> bool {
    let parked = group.root.link(system).and_then(|link| link.parked.as_ref());
    parked.is_some_and(|parked| parked.versions == index::versions(&group.root))
}

/// What the operation rests on: the golden values it brings and the row it finds, whole. Whoever
/// changes either, in whatever field, makes it another operation. What only this hub knows (ids,
/// versions, tokens) stays out, and so do the other systems' rows: they change while a plan is
/// carried out.
fn digest(group: &Group, system: SystemIndex, kind: WriteKind) -> Digest {
    let mut encoding = Vec::new();
    encoding.push(match kind {
        WriteKind::Insert => 1,
        WriteKind::Update => 2,
        WriteKind::Delete => 3,
    });
    encoding.extend_from_slice(&group.entity.0.to_be_bytes());
    encoding.extend_from_slice(&system.0.to_be_bytes());
    for (key, part) in group.parts() {
        key.encode(&mut encoding);
        encoding.push(u8::from(part.exists.alive));
        // Of what is to go, the values are not written.
        let cells = if part.exists.alive { &*part.cells } else { &[] };
        for (index, cell) in cells.iter().enumerate() {
            let field = FieldIndex(u16::try_from(index).unwrap_or(u16::MAX));
            stable(part, field, cell, &mut encoding);
        }
        let link = part.link(system);
        match link.and_then(|link| link.key.as_ref()) {
            Some(key) => Value::Bytes((*key.0).into()).encode(&mut encoding),
            None => encoding.push(0xff),
        }
        match link.and_then(|link| link.shadow.as_ref()) {
            Some(row) => row.encode(&mut encoding),
            None => encoding.push(0xff),
        }
    }
    Digest::of(&encoding)
}

/// The golden values of a record, whole. A write that is made in two steps (a circle of references)
/// rests on the same ones in both.
pub fn golden(group: &Group) -> Digest {
    let mut encoding = Vec::new();
    for (key, part) in group.parts() {
        key.encode(&mut encoding);
        encoding.push(u8::from(part.exists.alive));
        for cell in &*part.cells {
            cell.value.encode(&mut encoding);
        }
    }
    Digest::of(&encoding)
}

/// Ids of records differ from hub to hub, so a reference counts as what its author shows there.
fn stable(part: &Part, field: FieldIndex, cell: &Cell, out: &mut Vec<u8>) {
    if !matches!(cell.value, Value::Ref(_)) {
        return cell.value.encode(out);
    }
    out.push(0x60);
    let author = match cell.author {
        Author::System(system) => part.link(system),
        Author::Nobody | Author::Person | Author::Merged => None,
    };
    if let Some(value) =
        author.and_then(|link| link.shadow.as_ref()).and_then(|row| row.value(field))
    {
        value.encode(out);
    }
}

/// The row of this system if there is one, else the first system's that has one.
fn origin(plan: &Plan, group: &Group, system: SystemIndex) -> Option<(BindingIndex, RowKey)> {
    let own = group.root.link(system).into_iter();
    own.chain(&group.root.links).find_map(|link| {
        let binding = plan.binding_of(group.entity, link.system)?;
        link.shadow.as_ref()?;
        Some((binding, link.key.clone()?))
    })
}
