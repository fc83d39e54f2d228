//! What a step wants, read in one snapshot.
//!
//! Wants are sorted, and neighbours are often wanted together (a range of keys, records that were
//! made together). So a look-up steps on through the table from the last one while the next key is
//! near, and seeks anew only over a gap.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{CachedStatement, Connection, Row, params};
use syncline_core::{
    change::RowKey,
    commit::{KnownRow, MatchKey, REFERRING_MAX, Wants, Working},
    group::Group,
    name::{BindingIndex, EntityIndex, IntentId, OperationId, RecordId, SystemIndex},
};

use crate::hub::sqlite::{
    commit::{blob, record},
    error::{Failure, Outcome},
    index::{CHILD, QUIET, RIVAL},
    matches::{FIND, Matches, Pending},
    recent::Taken,
    tallies,
    vault::{Seals, Vault},
};

/// So many rows that nobody wants are stepped over before it is cheaper to seek.
const STEPS_MAX: u32 = 6;

/// Loads everything that is wanted; what is not there gets an entry that says so.
/// `kept` are those of the wanted groups that are at hand.
pub(super) fn load(
    vault: &Vault,
    connection: &Connection,
    shared: &Matches,
    wants: &Wants,
    kept: Taken,
) -> Outcome<Working> {
    // Only who asks for match keys waits for a commit under way.
    let pending = (!wants.matches.is_empty()).then(|| shared.read());
    let snapshot = connection.unchecked_transaction()?;
    let seals = vault.at(&snapshot);
    let missing = wants.records.iter().filter(|id| !kept.contains_key(id));
    let mut groups = groups(&seals, &snapshot, missing)?;
    let mut indices = BTreeMap::new();
    for (id, (group, index)) in kept {
        groups.insert(id, Some(group));
        indices.insert(id, index);
    }
    let keys = keys(&seals, &snapshot, &wants.keys)?;
    let matches = match &pending {
        Some(pending) => matches(&seals, &snapshot, &wants.matches, pending)?,
        None => BTreeMap::new(),
    };
    let row_keys = row_keys(&seals, &snapshot, &wants.row_keys, &groups)?;
    let referring = referring(&snapshot, &wants.referring)?;
    let intents = intents(&snapshot, &wants.intents)?;
    let tallies = tallies::load(&snapshot, &wants.tallies)?;
    let (hub, operation, minted) = snapshot
        .prepare_cached("select hub, operation, minted from state")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))
        .map(|(hub, operation, minted): (i64, i64, i64)| {
            (hub.cast_unsigned(), operation.cast_unsigned(), minted.cast_unsigned())
        })?;
    drop(seals);
    snapshot.finish()?;
    let operation = OperationId(operation);
    Ok(Working {
        groups,
        indices,
        keys,
        matches,
        row_keys,
        referring,
        intents,
        tallies,
        operation,
        hub,
        minted,
    })
}

/// Reads one group.
pub(super) fn group(seals: &Seals<'_>, id: RecordId) -> Outcome<Option<Group>> {
    let mut select = seals.connection.prepare_cached("select data from record where id = ?")?;
    let mut rows = select.query(params![blob(id)])?;
    match rows.next()? {
        Some(row) => decode(seals, id, row, 0).map(Some),
        None => Ok(None),
    }
}

/// Decodes the group in this column.
pub(super) fn decode(
    seals: &Seals<'_>,
    id: RecordId,
    row: &Row<'_>,
    column: usize,
) -> Outcome<Group> {
    seals.read_group(id, row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?)
}

fn groups<'a>(
    seals: &Seals<'_>,
    connection: &Connection,
    wanted: impl Iterator<Item = &'a RecordId>,
) -> Outcome<BTreeMap<RecordId, Option<Group>>> {
    let mut select =
        connection.prepare_cached("select id, data from record where id >= ? order by id")?;
    let mut found = Vec::new();
    look_up(
        &mut select,
        wanted,
        |select, wanted| Ok(select.query(params![blob(*wanted)])?),
        |wanted, row| {
            let id = record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
            Ok(wanted.cmp(&id))
        },
        |wanted, row| {
            let group = row.map(|row| decode(seals, *wanted, row, 1)).transpose()?;
            found.push((*wanted, group));
            Ok(())
        },
    )?;
    Ok(found.into_iter().collect())
}

fn keys(
    seals: &Seals<'_>,
    connection: &Connection,
    wanted: &BTreeSet<(BindingIndex, RowKey)>,
) -> Outcome<BTreeMap<(BindingIndex, RowKey), Option<KnownRow>>> {
    let mut select = connection.prepare_cached(
        "select binding, key, record, flags, digest from row
         where (binding, key) >= (?, ?) order by binding, key",
    )?;
    let mut found = Vec::with_capacity(wanted.len());
    look_up(
        &mut select,
        wanted.iter(),
        |select, (binding, key)| Ok(select.query(params![binding.0, key.0])?),
        |(binding, key), row| {
            let here: u16 = row.get(0)?;
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            Ok(binding.0.cmp(&here).then_with(|| (*key.0).cmp(bytes)))
        },
        |wanted, row| {
            found.push((wanted.clone(), row.map(|row| known_row(seals, row)).transpose()?));
            Ok(())
        },
    )?;
    Ok(found.into_iter().collect())
}

fn known_row(seals: &Seals<'_>, row: &Row<'_>) -> Outcome<KnownRow> {
    let flags: u8 = row.get(3)?;
    let bytes = |column| -> Outcome<_> {
        Ok(row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
    };
    let digest = match bytes(4)? {
        Some(stored) => {
            let binding = BindingIndex(row.get(0)?);
            let digest = seals.read_digest(binding, bytes(1)?.unwrap_or_default(), stored);
            Some(digest.ok_or_else(|| Failure::stored("the digest of a row"))?)
        }
        None => None,
    };
    Ok(KnownRow {
        record: record(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?,
        child: flags & CHILD != 0,
        digest,
        quiet: flags & QUIET != 0,
        rival: flags & RIVAL != 0,
    })
}

/// Records by match key; several may share one.
fn matches(
    seals: &Seals<'_>,
    connection: &Connection,
    wanted: &BTreeSet<(EntityIndex, u16, MatchKey)>,
    pending: &Pending,
) -> Outcome<BTreeMap<(EntityIndex, u16, MatchKey), Vec<RecordId>>> {
    let mut select = connection.prepare_cached(FIND)?;
    let mut found = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let (entity, rule, key) = *wanted;
        found.push((*wanted, pending.find(&mut select, entity, rule, seals.match_key(key))?));
    }
    Ok(found.into_iter().collect())
}

/// The keys of rows that are there; a row that is only planned, gone, or to go has none.
fn row_keys(
    seals: &Seals<'_>,
    connection: &Connection,
    wanted: &BTreeSet<(RecordId, SystemIndex)>,
    loaded: &BTreeMap<RecordId, Option<Group>>,
) -> Outcome<BTreeMap<(RecordId, SystemIndex), Option<RowKey>>> {
    let more: BTreeSet<RecordId> =
        wanted.iter().map(|(id, _)| *id).filter(|id| !loaded.contains_key(id)).collect();
    let more = groups(seals, connection, more.iter())?;
    let key = |id: &RecordId, system: SystemIndex| {
        let group = loaded.get(id).or_else(|| more.get(id))?.as_ref()?;
        group.root.key_in(system).cloned()
    };
    Ok(wanted.iter().map(|(id, system)| ((*id, *system), key(id, *system))).collect())
}

/// The records that refer to each of these.
fn referring(
    connection: &Connection,
    wanted: &BTreeSet<(RecordId, RecordId)>,
) -> Outcome<BTreeMap<(RecordId, RecordId), Vec<RecordId>>> {
    let mut select = connection.prepare_cached(
        "select record from reference where target = ? and record > ? order by record limit ?",
    )?;
    let mut all = BTreeMap::new();
    for (target, after) in wanted {
        let limit = REFERRING_MAX as i64;
        let mut rows = select.query(params![blob(*target), blob(*after), limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
        }
        all.insert((*target, *after), found);
    }
    Ok(all)
}

/// The record of each of these intents.
fn intents(
    connection: &Connection,
    wanted: &BTreeSet<IntentId>,
) -> Outcome<BTreeMap<IntentId, Option<RecordId>>> {
    let mut select = connection.prepare_cached("select record from intent where id = ?")?;
    let mut all = BTreeMap::new();
    for intent in wanted {
        let mut rows = select.query(params![&intent.0.to_be_bytes()[..]])?;
        let found = match rows.next()? {
            Some(row) => Some(record(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?),
            None => None,
        };
        all.insert(*intent, found);
    }
    Ok(all)
}

/// Walks the wanted keys, in their order, beside the rows of an ordered query. `seek` starts the
/// query at a key, `compare` compares a wanted key with a row's, `found` takes the row of each
/// wanted key, or that there is none.
pub(super) fn look_up<'connection, W: Copy>(
    select: &mut CachedStatement<'connection>,
    wanted: impl Iterator<Item = W>,
    mut seek: impl for<'a> FnMut(&'a mut CachedStatement<'connection>, W) -> Outcome<rusqlite::Rows<'a>>,
    compare: impl Fn(W, &Row<'_>) -> Outcome<std::cmp::Ordering>,
    mut found: impl FnMut(W, Option<&Row<'_>>) -> Outcome<()>,
) -> Outcome<()> {
    let mut wanted = wanted.peekable();
    while let Some(first) = wanted.peek().copied() {
        let mut rows = seek(select, first)?;
        let mut steps = 0;
        while steps <= STEPS_MAX {
            let Some(row) = rows.next()? else {
                // Nothing comes after: none of the others is there.
                return wanted.try_for_each(|absent| found(absent, None));
            };
            steps += 1;
            while let Some(next) = wanted.peek().copied() {
                match compare(next, row)? {
                    std::cmp::Ordering::Less => found(next, None)?,
                    std::cmp::Ordering::Equal => found(next, Some(row))?,
                    std::cmp::Ordering::Greater => break,
                }
                wanted.next();
                steps = 0;
            }
            if wanted.peek().is_none() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The ids of all records after one, in their order.
pub(super) fn ids(
    connection: &Connection,
    after: Option<RecordId>,
    limit: usize,
) -> Outcome<Vec<RecordId>> {
    let mut select =
        connection.prepare_cached("select id from record where id > ? order by id limit ?")?;
    let after = after.map(blob);
    let after = after.as_ref().map_or(&[][..], |after| &after[..]);
    let mut rows = select.query(params![after, limit as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(record_in(row, 0)?);
    }
    Ok(found)
}

pub(super) fn record_in(row: &rusqlite::Row<'_>, column: usize) -> Outcome<RecordId> {
    record(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?)
}
