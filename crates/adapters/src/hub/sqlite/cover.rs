//! Seals a hub that was kept in clear, when it is opened with a key for the first time: in one transaction, so
//! that a hub is sealed or is not. Then the file is written anew, so that no free page of it remembers.
//!
//! The chain over the audit stays what it is: a page that was in clear is hashed as it was.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use syncline_core::{
    change::RowKey,
    name::{BindingIndex, EntityIndex, RecordId},
    value::Digest,
};

use crate::hub::{
    codec::audit::{Form, PageWriter, decode_page},
    seal::Keyring,
    sqlite::{
        audit,
        chain::as_it_was,
        commit::blob,
        error::Outcome,
        load::{decode, record_in},
        matches::{self, Matches},
        moves,
        vault::{self, Seals, Vault},
    },
};

/// So many rows are held at a time.
const BATCH: i64 = 256;

/// Opens the vault of a hub that may be changed; seals it, if it is not yet.
pub(super) fn open(connection: &mut Connection, keys: Option<&Keyring>) -> Outcome<Vault> {
    let vault = match (vault::kept(connection)?, keys) {
        (None, None) => return Ok(Vault::default()),
        (Some(_), keys) => Vault::open(connection, keys)?,
        (None, Some(keys)) => {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let vault = Vault::found(&transaction, keys)?;
            cover(&vault, &transaction)?;
            transaction.commit()?;
            vault
        }
    };
    clean(connection)?;
    // What is taken out is overwritten: keys are.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    Ok(vault)
}

fn cover(vault: &Vault, transaction: &Transaction<'_>) -> Outcome<()> {
    records(vault, transaction)?;
    pages(vault, transaction)?;
    moves::cover(vault, transaction)?;
    snapshot(vault, transaction)?;
    let seals = vault.at(transaction);
    conflicts(&seals, transaction)?;
    rows_aside(&seals, transaction)?;
    digests(&seals, transaction)?;
    positions(&seals, transaction)?;
    match_keys(&seals, transaction)
}

fn records(vault: &Vault, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select =
        transaction.prepare("select id, data from record where id > ? order by id limit ?")?;
    let mut update = transaction.prepare("update record set data = ?2 where id = ?1")?;
    let mut last: Option<RecordId> = None;
    loop {
        let seals = vault.at(transaction);
        let after = last.map(blob);
        let after = after.as_ref().map_or(&[][..], |after| &after[..]);
        let mut found = Vec::new();
        let mut rows = select.query(params![after, BATCH])?;
        while let Some(row) = rows.next()? {
            found.push(decode(&seals, record_in(row, 0)?, row, 1)?);
        }
        for group in &found {
            let mut stored = Vec::new();
            seals.group(group, &mut stored)?;
            update.execute(params![blob(group.id), stored])?;
        }
        let Some(group) = found.last() else { return Ok(()) };
        last = Some(group.id);
    }
}

fn pages(vault: &Vault, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction
        .prepare("select first, data from audit where first > ? order by first limit 1")?;
    let mut update = transaction.prepare("update audit set data = ?2 where first = ?1")?;
    let mut last = 0;
    loop {
        let seals = vault.at(transaction);
        let mut rows = select.query(params![last])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        last = row.get::<_, i64>(0)?;
        let first = last.cast_unsigned();
        let data: Vec<u8> = row.get(1)?;
        drop(rows);
        let damaged = || audit::damaged(first);
        let (_, events) = decode_page(&data).ok_or_else(damaged)?;
        let mut page = PageWriter::new(Form::Covered);
        for (stored, number) in events.into_iter().zip(first..) {
            let (record, entity, previous) = (stored.record, stored.entity, stored.previous);
            let event = seals.read_event(stored, number)?;
            page.push_sealed(record, entity, previous, &seals.event(&event, number)?);
        }
        let covered = page.finish();
        // Its hash must be found again, from what is kept of it.
        let (_, events) = decode_page(&covered).ok_or_else(damaged)?;
        if as_it_was(&seals, events, first)?.as_deref() != Some(&*data) {
            return Err(damaged());
        }
        update.execute(params![last, covered])?;
    }
}

fn snapshot(vault: &Vault, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction.prepare(
        "select record, data from snapshot_record where record > ? order by record limit 1",
    )?;
    let mut update = transaction.prepare(
        "update snapshot_record set data = ?2, is_covered = hash is not null where record = ?1",
    )?;
    let mut last: Option<RecordId> = None;
    loop {
        let seals = vault.at(transaction);
        let after = last.map(blob);
        let after = after.as_ref().map_or(&[][..], |after| &after[..]);
        let mut rows = select.query(params![after])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let group = decode(&seals, record_in(row, 0)?, row, 1)?;
        drop(rows);
        let mut stored = Vec::new();
        seals.group(&group, &mut stored)?;
        update.execute(params![blob(group.id), stored])?;
        last = Some(group.id);
    }
}

fn conflicts(seals: &Seals<'_>, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction.prepare(
        "select number, record, subject, body from conflict where number > ? order by number limit 1",
    )?;
    let mut update = transaction.prepare("update conflict set body = ?2 where number = ?1")?;
    let mut last = 0_i64;
    loop {
        let mut rows = select.query(params![last])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        last = row.get(0)?;
        let (record, subject) = (record_in(row, 1)?, row.get::<_, Vec<u8>>(2)?);
        let body = seals.conflict(record, &subject, row.get(3)?)?;
        drop(rows);
        update.execute(params![last, body])?;
    }
}

fn rows_aside(seals: &Seals<'_>, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction.prepare(
        "select number, subject, row from quarantine
         where number > ? and row is not null order by number limit 1",
    )?;
    let mut update = transaction.prepare("update quarantine set row = ?2 where number = ?1")?;
    let mut last = 0_i64;
    loop {
        let mut rows = select.query(params![last])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        last = row.get(0)?;
        let sealed = seals.row(&row.get::<_, Vec<u8>>(1)?, row.get(2)?)?;
        drop(rows);
        update.execute(params![last, sealed])?;
    }
}

fn digests(seals: &Seals<'_>, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction.prepare(
        "select binding, key, digest from row
         where (binding, key) > (?, ?) and digest is not null order by binding, key limit ?",
    )?;
    let mut update =
        transaction.prepare("update row set digest = ?3 where binding = ?1 and key = ?2")?;
    let (mut binding, mut key) = (-1_i64, Vec::new());
    loop {
        let found: Vec<(u16, Vec<u8>, [u8; 16])> = select
            .query_map(params![binding, key, BATCH], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        for (binding, key, digest) in &found {
            let row = RowKey(key.as_slice().into());
            let stored = seals.digest(BindingIndex(*binding), &row, Digest(*digest))?;
            update.execute(params![binding, key, stored])?;
        }
        let Some(last) = found.into_iter().next_back() else { return Ok(()) };
        (binding, key) = (i64::from(last.0), last.1);
    }
}

fn positions(seals: &Seals<'_>, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction.prepare("select stream, position from checkpoint")?;
    let found: Vec<(String, Vec<u8>)> =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut update =
        transaction.prepare("update checkpoint set position = ?2 where stream = ?1")?;
    for (stream, position) in found {
        update.execute(params![stream, seals.position(&stream, &position)?])?;
    }
    Ok(())
}

/// All at once, for each lands elsewhere in the index: some fifty bytes a key.
fn match_keys(seals: &Seals<'_>, transaction: &Transaction<'_>) -> Outcome<()> {
    matches::settle(transaction, &Matches::open(transaction)?)?;
    let mut all: Vec<matches::Entry> = Vec::new();
    let mut select = transaction.prepare("select entity, rule, digest, record from match")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let key = seals.match_key(Digest(row.get(2)?));
        all.push((EntityIndex(row.get(0)?), row.get(1)?, key, record_in(row, 3)?));
    }
    transaction.execute("delete from match", [])?;
    all.sort_unstable();
    matches::merge(transaction, all.iter().map(|entry| (entry, true)))
}

/// Writes the file anew, unless that was done since it was sealed. While somebody else looks at it, it is left
/// to the next who opens it.
pub(super) fn clean(connection: &Connection) -> Outcome<()> {
    let Some(kept) = vault::kept(connection)? else { return Ok(()) };
    if kept.is_clean {
        return Ok(());
    }
    connection.pragma_update(None, "temp_store", "file")?;
    connection.execute_batch("vacuum")?;
    connection.pragma_update(None, "temp_store", "memory")?;
    let is_busy: bool =
        connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
    if !is_busy {
        connection.execute("update vault set is_clean = 1", [])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
