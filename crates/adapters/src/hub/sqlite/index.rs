//! The indices that follow from groups: only the differences of before and after are written.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Transaction, params};
use syncline_core::{
    change::{RowKey, WriteKind},
    commit::{Behind, GroupChange, RowEntry},
    group::IntentStatus,
    name::{BindingIndex, EntityIndex, IntentId, RecordId, SystemIndex, Timestamp},
};

use crate::hub::sqlite::{
    commit::{Counter, Counts, blob},
    error::Outcome,
    matches::{Change, Entry, Matches},
    vault::Seals,
};

/// The row belongs to a child list.
pub(super) const CHILD: u8 = 1;
/// Nothing is in flight or in doubt.
pub(super) const QUIET: u8 = 2;
/// The row is not linked to the record: it is one of its rivals.
pub(super) const RIVAL: u8 = 4;

/// The rows of a group, to be found by their place. Most groups have a few; an order with its lines
/// may have hundreds.
enum Rows<'a> {
    Few(&'a [RowEntry]),
    Many(BTreeMap<(BindingIndex, &'a RowKey), &'a RowEntry>),
}

impl<'a> Rows<'a> {
    const FEW: usize = 8;

    fn of(rows: &'a [RowEntry]) -> Self {
        if rows.len() <= Self::FEW {
            return Self::Few(rows);
        }
        Self::Many(rows.iter().map(|row| ((row.binding, &row.key), row)).collect())
    }

    fn find(&self, place: &RowEntry) -> Option<&'a RowEntry> {
        match self {
            Self::Few(rows) => {
                rows.iter().find(|row| row.binding == place.binding && row.key == place.key)
            }
            Self::Many(rows) => rows.get(&(place.binding, &place.key)).copied(),
        }
    }
}

/// What is to be taken out and put in, over all groups of a commit.
#[derive(Default)]
struct Difference<'a> {
    rows_out: Vec<(BindingIndex, &'a RowKey, RecordId)>,
    /// With whether the record must get the row. By binding: a scan shows the rows of each in order,
    /// and what is in order needs no sorting.
    rows_in: BTreeMap<BindingIndex, Vec<(&'a RowEntry, RecordId, bool)>>,
    matches: Vec<(Entry, bool)>,
    behind_out: Vec<(EntityIndex, SystemIndex, RecordId)>,
    behind_in: Vec<(EntityIndex, RecordId, &'a Behind)>,
    reading_out: Vec<(EntityIndex, BindingIndex, &'a RowKey)>,
    reading_in: Vec<(EntityIndex, BindingIndex, &'a RowKey)>,
    intents_out: Vec<IntentId>,
    intents_in: Vec<(IntentId, SystemIndex, RecordId)>,
    references_out: Vec<(RecordId, RecordId)>,
    references_in: Vec<(RecordId, RecordId)>,
    counts: Counts,
}

/// Writes the differences; match keys by way of their log, and noted in `matches`. Gives the records whose rows belong to another record by now: the
/// commit is stale then.
pub(super) fn write(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    changes: &[&GroupChange],
    shared: &Matches,
    matches: &mut Change,
    at: Timestamp,
) -> Outcome<Vec<RecordId>> {
    let mut difference = Difference::default();
    for change in changes {
        difference.rows(change);
        difference.matches(seals, change);
        difference.behind(change);
        difference.intents(change);
        difference.references(change);
        let entity = change.group.entity.0;
        let alive = i64::from(change.after.alive) - i64::from(change.before.alive);
        difference.counts.add(Counter::Alive, entity, 0, alive);
    }
    let stale = write_rows(seals, transaction, &mut difference)?;
    if !stale.is_empty() {
        return Ok(stale);
    }
    matches.entries = std::mem::take(&mut difference.matches);
    shared.write(transaction, matches)?;
    write_behind(transaction, &mut difference, at)?;
    write_reading(transaction, &mut difference)?;
    write_intents(transaction, &mut difference)?;
    write_references(transaction, &mut difference)?;
    difference.counts.write(transaction)?;
    Ok(stale)
}

impl<'a> Difference<'a> {
    fn rows(&mut self, change: &'a GroupChange) {
        let (record, entity) = (change.group.id, change.group.entity);
        let before = Rows::of(&change.before.rows);
        let after = Rows::of(&change.after.rows);
        for row in &change.before.rows {
            let new = after.find(row);
            self.count_row(entity, row, -1);
            if new.is_none() {
                self.rows_out.push((row.binding, &row.key, record));
            }
            if row.must_read && !new.is_some_and(|new| new.must_read) {
                self.reading_out.push((entity, row.binding, &row.key));
            }
        }
        for row in &change.after.rows {
            let old = before.find(row);
            self.count_row(entity, row, 1);
            if old != Some(row) {
                // What made a new record knew of no other one with this row, whatever became of it.
                let claims = row.shadow.is_some() || change.group.revision.0 <= 1;
                self.rows_in.entry(row.binding).or_default().push((row, record, claims));
            }
            if row.must_read && !old.is_some_and(|old| old.must_read) {
                self.reading_in.push((entity, row.binding, &row.key));
            }
        }
    }

    fn count_row(&mut self, entity: EntityIndex, row: &RowEntry, change: i64) {
        if row.shadow.is_some() {
            self.counts.add(Counter::Present, row.binding.0, 0, change);
            if !row.child {
                self.counts.add(Counter::Linked, entity.0, row.system.0, change);
            }
            if row.held > 0 {
                self.counts.add(
                    Counter::Held,
                    entity.0,
                    row.system.0,
                    change * i64::from(row.held),
                );
            }
        }
    }

    fn matches(&mut self, seals: &Seals<'_>, change: &GroupChange) {
        let (record, entity) = (change.group.id, change.group.entity);
        let (before, after) = (&change.before.matches, &change.after.matches);
        let out = before.iter().filter(|key| !after.contains(key));
        self.matches
            .extend(out.map(|(rule, key)| ((entity, *rule, seals.match_key(*key), record), false)));
        let new = after.iter().filter(|key| !before.contains(key));
        self.matches
            .extend(new.map(|(rule, key)| ((entity, *rule, seals.match_key(*key), record), true)));
    }

    fn behind(&mut self, change: &'a GroupChange) {
        let (record, entity) = (change.group.id, change.group.entity);
        let (before, after) = (&change.before.behind, &change.after.behind);
        for old in before {
            self.counts.add(behind_counter(old), entity.0, old.system.0, -1);
            if !after.iter().any(|new| new.system == old.system) {
                self.behind_out.push((entity, old.system, record));
            }
        }
        for new in after {
            self.counts.add(behind_counter(new), entity.0, new.system.0, 1);
            if !before.contains(new) {
                self.behind_in.push((entity, record, new));
            }
        }
    }

    /// Only intents that may never have been answered are listed: those in doubt are known to be.
    fn intents(&mut self, change: &'a GroupChange) {
        let sent: BTreeSet<IntentId> = if change.after.intents.is_empty() {
            BTreeSet::new()
        } else {
            let links = change.group.parts().flat_map(|(_, part)| &part.links);
            let intents = links.flat_map(|link| &link.unresolved);
            intents
                .filter(|intent| match intent.status {
                    IntentStatus::Sent => true,
                    IntentStatus::Acknowledged { .. } | IntentStatus::InDoubt => false,
                })
                .map(|intent| intent.id)
                .collect()
        };
        let before = change.before.intents.iter();
        self.intents_out.extend(before.map(|(_, id)| *id).filter(|id| !sent.contains(id)));
        let after = change.after.intents.iter().filter(|(_, id)| sent.contains(id));
        self.intents_in.extend(after.map(|(system, id)| (*id, *system, change.group.id)));
    }

    fn references(&mut self, change: &GroupChange) {
        let record = change.group.id;
        let (before, after) = (&change.before.references, &change.after.references);
        let out = before.iter().filter(|target| !after.contains(target));
        self.references_out.extend(out.map(|target| (*target, record)));
        let new = after.iter().filter(|target| !before.contains(target));
        self.references_in.extend(new.map(|target| (*target, record)));
    }
}

fn behind_counter(behind: &Behind) -> Counter {
    match behind.kind {
        _ if behind.parked => Counter::Parked,
        WriteKind::Insert => Counter::Inserts,
        WriteKind::Update => Counter::Updates,
        WriteKind::Delete => Counter::Deletes,
    }
}

/// A key may pass from one record to another (a re-created row), but two records never hold one
/// row that is there: the second to come is stale, and so is a new record whose row another one
/// has. A row last seen absent gives way, and never displaces.
fn write_rows(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    difference: &mut Difference<'_>,
) -> Outcome<Vec<RecordId>> {
    let mut delete = transaction
        .prepare_cached("delete from row where binding = ? and key = ? and record = ?")?;
    difference.rows_out.sort_unstable();
    for (binding, key, record) in &difference.rows_out {
        delete.execute(params![binding.0, key.0, blob(*record)])?;
    }
    let mut upsert = transaction.prepare_cached(
        "insert into row (binding, key, record, flags, digest) values (?, ?, ?, ?, ?)
         on conflict do update
            set record = excluded.record, flags = excluded.flags, digest = excluded.digest
            where record = excluded.record or (digest is null and excluded.digest is not null)",
    )?;
    let mut wake = awaiting(transaction)?;
    let mut stale = Vec::new();
    // Rows that leave a record come first, so that a row moves from one to another in one commit.
    for rows in difference.rows_in.values_mut() {
        rows.sort_unstable_by_key(|(row, ..)| &row.key);
    }
    for (row, record, claims) in difference.rows_in.values().flatten() {
        let flags = [(row.child, CHILD), (row.quiet, QUIET), (row.rival, RIVAL)];
        let flags = flags.iter().fold(0, |sum, (set, bit)| if *set { sum | bit } else { sum });
        let digest = row.digest().map(|it| seals.digest(row.binding, &row.key, it)).transpose()?;
        let written =
            upsert.execute(params![row.binding.0, row.key.0, blob(*record), flags, digest])?;
        if written == 0 && *claims {
            stale.push(*record);
        }
        if let Some(wake) = wake.as_mut().filter(|_| row.shadow.is_some()) {
            wake.execute(params![row.binding.0, row.key.0])?;
        }
    }
    Ok(stale)
}

/// The statement that wakes rows which wait for a parent, if any does.
fn awaiting<'a>(
    transaction: &'a Transaction<'_>,
) -> Outcome<Option<rusqlite::CachedStatement<'a>>> {
    let any = transaction
        .prepare_cached("select exists (select 1 from quarantine where awaits_key is not null)")?
        .query_row([], |row| row.get::<_, bool>(0))?;
    if !any {
        return Ok(None);
    }
    Ok(Some(transaction.prepare_cached(
        "update quarantine set retry = 1
         where awaits_binding = ? and awaits_key = ? and dropped is null",
    )?))
}

/// What was behind before waits for as long as it did.
fn write_behind(
    transaction: &Transaction<'_>,
    difference: &mut Difference<'_>,
    at: Timestamp,
) -> Outcome<()> {
    let mut delete = transaction
        .prepare_cached("delete from behind where entity = ? and system = ? and record = ?")?;
    difference.behind_out.sort_unstable();
    for (entity, system, record) in &difference.behind_out {
        delete.execute(params![entity.0, system.0, blob(*record)])?;
    }
    let mut upsert = transaction.prepare_cached(
        "insert into behind (entity, system, record, kind, parked, not_before, since)
         values (?, ?, ?, ?, ?, ?, ?)
         on conflict do update set kind = excluded.kind, parked = excluded.parked,
            not_before = excluded.not_before",
    )?;
    difference
        .behind_in
        .sort_unstable_by_key(|(entity, record, behind)| (*entity, behind.system, *record));
    for (entity, record, behind) in &difference.behind_in {
        upsert.execute(params![
            entity.0,
            behind.system.0,
            blob(*record),
            write_kind(behind.kind),
            behind.parked,
            behind.not_before.map(|time| time.0),
            at.0,
        ])?;
    }
    Ok(())
}

fn write_reading(transaction: &Transaction<'_>, difference: &mut Difference<'_>) -> Outcome<()> {
    let mut delete = transaction
        .prepare_cached("delete from reading where entity = ? and binding = ? and key = ?")?;
    for (entity, binding, key) in &difference.reading_out {
        delete.execute(params![entity.0, binding.0, key.0])?;
    }
    let mut insert = transaction.prepare_cached(
        "insert into reading (entity, binding, key) values (?, ?, ?) on conflict do nothing",
    )?;
    difference.reading_in.sort_unstable();
    for (entity, binding, key) in &difference.reading_in {
        insert.execute(params![entity.0, binding.0, key.0])?;
    }
    Ok(())
}

fn write_intents(transaction: &Transaction<'_>, difference: &mut Difference<'_>) -> Outcome<()> {
    let mut delete = transaction.prepare_cached("delete from intent where id = ?")?;
    difference.intents_out.sort_unstable();
    for intent in &difference.intents_out {
        delete.execute(params![intent.0.to_be_bytes()])?;
    }
    let mut insert = transaction.prepare_cached(
        "insert into intent (id, system, record) values (?, ?, ?) on conflict do nothing",
    )?;
    difference.intents_in.sort_unstable();
    for (intent, system, record) in &difference.intents_in {
        insert.execute(params![intent.0.to_be_bytes(), system.0, blob(*record)])?;
    }
    Ok(())
}

fn write_references(transaction: &Transaction<'_>, difference: &mut Difference<'_>) -> Outcome<()> {
    let mut delete =
        transaction.prepare_cached("delete from reference where target = ? and record = ?")?;
    difference.references_out.sort_unstable();
    for (target, record) in &difference.references_out {
        delete.execute(params![blob(*target), blob(*record)])?;
    }
    let mut insert = transaction.prepare_cached(
        "insert into reference (target, record) values (?, ?) on conflict do nothing",
    )?;
    difference.references_in.sort_unstable();
    for (target, record) in &difference.references_in {
        insert.execute(params![blob(*target), blob(*record)])?;
    }
    Ok(())
}

/// The stored number of a kind of write.
pub(super) const fn write_kind(kind: WriteKind) -> u8 {
    crate::hub::codec::write_kind(kind)
}
