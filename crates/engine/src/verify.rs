//! Full comparison: every row of every system against the hub, through the lenses. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    change::{Observed, PartKey, ReadResult, RowKey},
    commit::{KnownRow, Wants},
    error::PortError,
    group::{Group, Hold, Part, Scope},
    name::{BindingIndex, EntityIndex, FieldIndex, OperationId, RecordId, SystemIndex, Timestamp},
    value::Value,
};
use syncline_ports::source::{KeyRead, Limit, ReadRequest, RefusedRow, Then};

use crate::{
    desk::{Desk, Systems, ports},
    pass,
    scan::{Seen, unseen},
};

/// What a comparison of one binding found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Records that should be there.
    pub in_scope: u64,
    /// Rows that show what the hub holds.
    pub matched: u64,
    /// Rows that show something else.
    pub differs: u64,
    /// Records without a row.
    pub missing: u64,
    /// Rows without a record.
    pub extra: u64,
    /// How many of these nobody has ever heard of, and are not expected.
    pub unheard: u64,
    /// How many of these differences wait for a person (a conflict, a hold, the quarantine).
    pub expected: u64,
    /// How many rows differ, per field, expected ones included.
    pub columns: BTreeMap<FieldIndex, u64>,
    /// Some of the records that differ.
    pub samples: Vec<RecordId>,
    /// Why the comparison could not be completed.
    pub incomplete: Option<String>,
}

impl Compared {
    /// Differences that nobody knows a reason for.
    pub fn unexplained(&self) -> u64 {
        (self.differs + self.missing + self.extra).saturating_sub(self.expected)
    }

    /// Rows that were shown, and records that were not.
    pub fn compared(&self) -> u64 {
        self.matched + self.differs + self.missing + self.extra
    }
}

/// What to compare, and what is known to differ.
pub struct Options<'a> {
    /// Only these fields.
    pub columns: Option<Vec<FieldIndex>>,
    /// Only about so many rows of each table.
    pub rows_max: Option<u64>,
    /// Rows that are set aside.
    pub set_aside: &'a (dyn Fn(BindingIndex, &RowKey) -> bool + Sync),
    /// Records that wait for a person.
    pub waiting: &'a (dyn Fn(RecordId) -> bool + Sync),
}

const BATCH: Limit = Limit { rows: 2_000, bytes: 16 << 20 };
const SAMPLES_MAX: usize = 20;

/// Compares all bindings of an entity and its child lists. Rows that are set aside are expected to differ.
///
/// # Errors
/// The store's, or a source's.
pub async fn verify(
    desk: &Desk<'_>,
    systems: &mut Systems,
    entity: EntityIndex,
    options: &Options<'_>,
) -> Result<BTreeMap<BindingIndex, Compared>, PortError> {
    let mut results = BTreeMap::new();
    for binding in pass::bindings(desk.plan, entity) {
        let compared = compare(desk, systems, binding, options).await;
        desk.watch.scan_ends(binding);
        let compared = compared?;
        results.insert(binding, compared);
    }
    Ok(results)
}

async fn compare(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    options: &Options<'_>,
) -> Result<Compared, PortError> {
    let mut compared = Compared::default();
    let Some(system) = desk.plan.binding(binding).map(|found| found.system) else {
        return Ok(compared);
    };
    let mut after = None;
    let (mut seen, mut shown) = (Seen::default(), 0);
    loop {
        let request = ReadRequest::Scan { binding, after: after.clone() };
        let Some(open) = ports(systems, system) else {
            compared.incomplete = Some("the system is not reached".into());
            return Ok(compared);
        };
        let batch = open.source.read(&request, BATCH).await?;
        if after.is_none() {
            desk.watch.scan_begins(binding, batch.about);
        }
        after.clone_from(&batch.upto);
        desk.watch.read(binding, batch.rows.len() as u64);
        desk.read_whole(binding, batch.rows.len() + batch.refused.len()).await;
        shown += (batch.rows.len() + batch.refused.len()) as u64;
        // A row that is marked as deleted is there for the database only.
        let there: Vec<Observed> = batch.rows.into_iter().filter(|row| row.row.is_some()).collect();
        let refused = batch.refused.iter().map(|row| &row.key);
        there.iter().map(|row| &row.key).chain(refused).for_each(|key| seen.add(key));
        unreadable(desk, binding, &batch.refused, options, &mut compared).await?;
        rows(desk, binding, &there, options, &mut compared).await?;
        if options.rows_max.is_some_and(|most| compared.compared() >= most) {
            compared.in_scope = compared.matched + compared.differs;
            return Ok(compared);
        }
        match batch.then {
            Then::More | Then::Idle => {}
            Then::ScanComplete { rows } if rows == shown => break,
            Then::ScanComplete { rows } => {
                compared.incomplete = Some(format!("{shown} of {rows} rows were shown"));
                return Ok(compared);
            }
            Then::ScanIncomplete { reason } => {
                compared.incomplete = Some(reason.to_string());
                return Ok(compared);
            }
        }
        if desk.is_stopping() {
            compared.incomplete = Some("stopped".into());
            return Ok(compared);
        }
    }
    vanished(desk, systems, binding, options, seen, &mut compared).await?;
    missing(desk, binding, options, &mut compared).await?;
    compared.in_scope = compared.matched + compared.differs + compared.missing;
    Ok(compared)
}

/// Rows that cannot be read: of a record, they differ; of none, they are extra.
async fn unreadable(
    desk: &Desk<'_>,
    binding: BindingIndex,
    refused: &[RefusedRow],
    options: &Options<'_>,
    compared: &mut Compared,
) -> Result<(), PortError> {
    if refused.is_empty() {
        return Ok(());
    }
    let keys = refused.iter().map(|row| (binding, row.key.clone())).collect();
    let known = desk.store.load(&Wants { keys, ..Wants::default() }).await?;
    for row in refused {
        let is_linked = matches!(known.keys.get(&(binding, row.key.clone())), Some(Some(_)));
        let is_expected = (options.set_aside)(binding, &row.key);
        *(if is_linked { &mut compared.differs } else { &mut compared.extra }) += 1;
        compared.expected += u64::from(is_expected);
        compared.unheard += u64::from(!is_linked && !is_expected);
    }
    Ok(())
}

async fn rows(
    desk: &Desk<'_>,
    binding: BindingIndex,
    rows: &[Observed],
    options: &Options<'_>,
    compared: &mut Compared,
) -> Result<(), PortError> {
    let keys = rows.iter().map(|row| (binding, row.key.clone())).collect();
    let known = desk.store.load(&Wants { keys, ..Wants::default() }).await?;
    let record_of = |row: &Observed| -> Option<RecordId> {
        let known: &KnownRow = known.keys.get(&(binding, row.key.clone()))?.as_ref()?;
        known.digest.map(|_| known.record)
    };
    let records = rows.iter().filter_map(record_of).collect();
    let groups = desk.store.load(&Wants { records, ..Wants::default() }).await?.groups;
    let references =
        reference_keys(desk, binding, &groups.values().flatten().collect::<Vec<_>>()).await?;
    for row in rows {
        let group = record_of(row).and_then(|record| groups.get(&record)?.as_ref());
        let Some((group, part)) =
            group.and_then(|group| Some((group, part_of(desk, binding, group, row)?)))
        else {
            let is_expected = (options.set_aside)(binding, &row.key);
            compared.extra += 1;
            compared.expected += u64::from(is_expected);
            compared.unheard += u64::from(!is_expected);
            continue;
        };
        let mut differing = differing(desk, binding, part, row, &references);
        if let Some(columns) = &options.columns {
            differing.retain(|field| columns.contains(field));
        }
        let is_expected = (options.waiting)(group.id)
            || (options.set_aside)(binding, &row.key)
            || is_held(desk, binding, part);
        for field in &differing {
            *compared.columns.entry(*field).or_default() += 1;
        }
        let scope = desk
            .plan
            .binding(binding)
            .and_then(|found| part.link(found.system))
            .map_or(Scope::Out, |link| link.scope);
        match scope {
            Scope::Frozen | Scope::Detached | Scope::Out => {}
            Scope::In | Scope::Leaving => {
                if !part.exists.alive || scope == Scope::Leaving {
                    compared.extra += 1;
                    compared.expected += u64::from(is_expected);
                } else if differing.is_empty() {
                    compared.matched += 1;
                } else {
                    compared.differs += 1;
                    compared.expected += u64::from(is_expected);
                    if compared.samples.len() < SAMPLES_MAX {
                        compared.samples.push(group.id);
                    }
                }
            }
        }
    }
    Ok(())
}

fn part_of<'a>(
    desk: &Desk<'_>,
    binding: BindingIndex,
    group: &'a Group,
    row: &Observed,
) -> Option<&'a Part> {
    let found = desk.plan.binding(binding)?;
    group
        .parts()
        .find(|(key, part)| {
            belongs(found.entity, group, key)
                && part.link(found.system).is_some_and(|link| link.key.as_ref() == Some(&row.key))
        })
        .map(|(_, part)| part)
}

fn is_held(desk: &Desk<'_>, binding: BindingIndex, part: &Part) -> bool {
    let system = desk.plan.binding(binding).map(|found| found.system);
    !part.conflicts.is_empty()
        || system
            .and_then(|system| part.link(system))
            .is_some_and(|link| !link.held.is_empty() || link.parked.is_some())
        || system.is_some_and(|system| part.is_left(system))
}

type ReferenceKeys = BTreeMap<(RecordId, syncline_core::name::SystemIndex), Option<RowKey>>;

async fn reference_keys(
    desk: &Desk<'_>,
    binding: BindingIndex,
    groups: &[&Group],
) -> Result<ReferenceKeys, PortError> {
    let Some(found) = desk.plan.binding(binding) else { return Ok(BTreeMap::new()) };
    let mut wants = Wants::default();
    for group in groups {
        for (_, part) in group.parts() {
            for cell in &part.cells {
                if let Value::Ref(record) = cell.value {
                    wants.row_keys.insert((record, found.system));
                }
            }
        }
    }
    if wants.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(desk.store.load(&wants).await?.row_keys)
}

/// The fields in which this row does not show what the hub holds.
fn differing(
    desk: &Desk<'_>,
    binding: BindingIndex,
    part: &Part,
    row: &Observed,
    references: &ReferenceKeys,
) -> Vec<FieldIndex> {
    let mut fields = Vec::new();
    let Some(found) = desk.plan.binding(binding) else { return fields };
    let link = part.link(found.system);
    for (index, cell) in found.cells.iter().enumerate() {
        let field = FieldIndex(u16::try_from(index).unwrap_or(u16::MAX));
        let (Some(cell), Some(golden), Some(shown)) =
            (cell, part.cell(field), row.row.as_ref().and_then(|row| row.value(field)))
        else {
            continue;
        };
        if golden.version == 0 || cell.insert_only {
            continue;
        }
        // What a system made of our write is its image of that version: as long as it shows that,
        // it shows what the hub holds.
        // What the loop guard holds is no image, whatever it is written down as.
        let shows_agreed = link.is_some_and(|link| {
            link.hold_of(field) != Some(Hold::Loop)
                && link.agreed.get(index) == Some(&golden.version)
                && link.shadow.as_ref().and_then(|shadow| shadow.value(field)) == Some(shown)
        });
        let is_same = match golden.value.reference() {
            Some(record) => match references.get(&(record, found.system)) {
                Some(Some(key)) => key_atom(key) == *shown,
                Some(None) | None => shown.is_null(),
            },
            None => cell.lens.put(&golden.value, Some(shown)).is_ok_and(|native| native == *shown),
        };
        if !is_same && !shows_agreed {
            fields.push(field);
        }
    }
    fields
}

/// A parent's key as the atom of a reference: the value, or a list of them.
fn key_atom(key: &RowKey) -> Value {
    let mut values = key.values();
    if values.len() == 1 { values.remove(0) } else { Value::List(values) }
}

/// Rows that the hub believes to be there, and that a complete reading did not show.
async fn vanished(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    options: &Options<'_>,
    seen: Seen,
    compared: &mut Compared,
) -> Result<(), PortError> {
    let Some(found) = desk.plan.binding(binding) else { return Ok(()) };
    for unseen in unseen(desk, binding, seen).await?.chunks(BATCH.rows) {
        let keys = gone(systems, (binding, found.system), unseen).await?;
        let wants = keys.iter().map(|key| (binding, key.clone())).collect();
        let known = desk.store.load(&Wants { keys: wants, ..Wants::default() }).await?.keys;
        let records: BTreeSet<RecordId> =
            known.values().flatten().map(|known| known.record).collect();
        let records: Vec<RecordId> = records.into_iter().collect();
        for group in crate::preview::load(desk, &records).await?.into_values() {
            for (key, part) in group.parts() {
                let Some(link) = part.link(found.system) else { continue };
                let is_unseen = belongs(found.entity, &group, &key)
                    && link.key.as_ref().is_some_and(|key| keys.binary_search(key).is_ok());
                if is_unseen && part.exists.alive && link.scope == Scope::In {
                    compared.missing += 1;
                    compared.expected += u64::from((options.waiting)(group.id));
                }
            }
        }
    }
    Ok(())
}

/// Which of these keys have no row: asked one by one, for whoever writes meanwhile may have made a
/// row since its place in the table was read.
async fn gone(
    systems: &mut Systems,
    (binding, system): (BindingIndex, SystemIndex),
    unseen: &[RowKey],
) -> Result<Vec<RowKey>, PortError> {
    let Some(open) = ports(systems, system) else { return Ok(Vec::new()) };
    let read = |(at, key): (usize, &RowKey)| KeyRead {
        key: key.clone(),
        operation: OperationId(at as u64),
        in_doubt: Vec::new(),
    };
    let keys: Vec<KeyRead> = unseen.iter().enumerate().map(read).collect();
    let limit = Limit { rows: keys.len(), bytes: usize::MAX };
    let batch = open.source.read(&ReadRequest::Keys { binding, keys }, limit).await?;
    let mut gone: Vec<RowKey> = batch
        .answers
        .into_iter()
        .filter(|answer| answer.result == ReadResult::Absent)
        .map(|answer| answer.key)
        .collect();
    gone.sort_unstable();
    Ok(gone)
}

/// Whether a part is a record of this entity, or an entry of this child list.
fn belongs(entity: EntityIndex, group: &Group, key: &PartKey) -> bool {
    match key {
        PartKey::Root => entity == group.entity,
        PartKey::Child { list, .. } => *list == entity,
    }
}

/// Live records that have had no row here yet, and should.
async fn missing(
    desk: &Desk<'_>,
    binding: BindingIndex,
    options: &Options<'_>,
    compared: &mut Compared,
) -> Result<(), PortError> {
    let Some(found) = desk.plan.binding(binding) else { return Ok(()) };
    let entity =
        desk.plan.entity(found.entity).and_then(|entity| entity.parent).unwrap_or(found.entity);
    let mut after = None;
    loop {
        // Also what is not tried yet: a row in doubt is missing, too.
        let ever = Timestamp(i64::MAX);
        let behind = desk.store.behind(entity, found.system, after, ever, 1_000).await?;
        let Some((last, _)) = behind.last() else { break };
        after = Some(*last);
        let records: Vec<RecordId> = behind.iter().map(|(record, _)| *record).collect();
        for group in crate::preview::load(desk, &records).await?.into_values() {
            for (key, part) in group.parts() {
                let link = part.link(found.system);
                let absent = link.is_none_or(|link| !link.is_present() && link.scope == Scope::In);
                if belongs(found.entity, &group, &key) && part.exists.alive && absent {
                    compared.missing += 1;
                    compared.expected += u64::from((options.waiting)(group.id));
                }
            }
        }
    }
    Ok(())
}
