//! Keys are changed, and destroyed with what they open.

use rusqlite::{Connection, TransactionBehavior, params};
use syncline_core::{
    error::{ErrorKind, PortError},
    group::Group,
    name::{EntityIndex, RecordId, Timestamp},
};

use crate::hub::{
    seal::Keyring,
    sqlite::{
        SqliteHub,
        commit::blob,
        error::{Failure, Outcome},
        load::{decode, record_in},
        matches,
        vault::{self, Seals, rewrap_common, rewrapped},
    },
};

/// What a step of a change of keys came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// So many keys of records were sealed anew.
    pub records: u64,
    /// The last of them: the next step goes on behind it.
    pub last: Option<RecordId>,
    /// Everything is sealed with the key of the present.
    pub is_done: bool,
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Conflicts, open and settled.
    pub conflicts: u64,
    /// Rows and writes that were set aside.
    pub set_aside: u64,
    /// Whether the log of the file is empty, too: not while somebody else looks at the hub.
    pub is_clean: bool,
}

impl SqliteHub {
    /// A step of sealing the keys of all records anew, with the key of the present: at most so many behind this
    /// one, in one commit. Whoever is stopped in between begins again without one, and passes over what is
    /// done; until it is through, both keys are needed.
    ///
    /// # Errors
    /// `hub.key_missing` for a hub that is not sealed; `hub.key_wrong`.
    pub async fn rotate_keys(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Rotation, PortError> {
        const ACTION: &str = "change the keys of the hub";
        let Some(keys) = self.keys().filter(|_| self.is_sealed()).cloned() else {
            let detail = "it is not sealed";
            return Err(PortError::new(ErrorKind::HubKeyMissing, ACTION, detail));
        };
        self.change(ACTION, move |connection| {
            let step = rotate(connection, &keys, after, limit)?;
            if step.is_done {
                // What was sealed or erased before lies in the log of the file until that is emptied.
                fold(connection)?;
            }
            Ok(step)
        })
        .await
    }

    /// The records that were merged into this one.
    ///
    /// # Errors
    /// The hub's.
    pub fn merged_into(&self, entity: EntityIndex, id: RecordId) -> Result<Vec<Group>, PortError> {
        self.open_seals("find what was merged", |seals| merged_into(seals, entity, id))
    }

    /// Destroys the keys of these records, and with them what the history holds of them; and takes out whatever
    /// else is kept of them. They must be gone from every system, with nothing left to be written.
    ///
    /// # Errors
    /// `hub.key_missing` for a hub that is not sealed.
    pub async fn erase(&self, ids: &[RecordId], at: Timestamp) -> Result<Erased, PortError> {
        const ACTION: &str = "erase a record";
        if !self.is_sealed() {
            let detail =
                "it is not sealed: its history cannot be erased without being written anew";
            return Err(PortError::new(ErrorKind::HubKeyMissing, ACTION, detail));
        }
        let (ids, shared) = (ids.to_vec(), self.matches.clone());
        let recent = self.recent.clone();
        self.change(ACTION, move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // What is pending goes into the index, where it is found by its record.
            matches::settle(&transaction, &shared)?;
            let mut erased = Erased::default();
            for id in &ids {
                erase(&transaction, *id, at, &mut erased)?;
            }
            recent.drop(&ids);
            let mut pending = shared.lock();
            transaction.commit()?;
            pending.settled();
            drop(pending);
            erased.is_clean = fold(connection)?;
            Ok(erased)
        })
        .await
    }
}

/// Brings the log of the file into the file and empties it, unless somebody else looks at the hub.
fn fold(connection: &Connection) -> Outcome<bool> {
    let is_busy: bool =
        connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
    Ok(!is_busy)
}

fn rotate(
    connection: &mut Connection,
    keys: &Keyring,
    after: Option<RecordId>,
    limit: usize,
) -> Outcome<Rotation> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(kept) = vault::kept(&transaction)? else {
        return Err(Failure::stored("the key of the hub"));
    };
    let (id, key) = keys.current();
    if kept.key == id && kept.next.is_none() {
        return Ok(Rotation { is_done: true, ..Rotation::default() });
    }
    // From now on new records are sealed with it, too.
    transaction.execute("update vault set next = ?", params![id])?;
    let after = after.map(blob);
    let after = after.as_ref().map_or(&[][..], |after| &after[..]);
    let found: Vec<([u8; 16], [u8; 8], Vec<u8>)> = transaction
        .prepare_cached(
            "select record, key, sealed from record_key
             where record > ?3 and key is not null and key is not ?1 order by record limit ?2",
        )?
        .query_map(params![id, limit as i64, after], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut update = transaction
        .prepare_cached("update record_key set key = ?2, sealed = ?3 where record = ?1")?;
    for (record, old, sealed) in &found {
        let record = RecordId(u128::from_be_bytes(*record));
        update.execute(params![blob(record), id, rewrapped(keys, record, *old, sealed, &key)?])?;
    }
    drop(update);
    let is_done = found.len() < limit;
    if is_done {
        let common = rewrap_common(keys, &kept, &key)?;
        transaction
            .execute("update vault set key = ?, common = ?, next = null", params![id, common])?;
    }
    transaction.commit()?;
    if is_done {
        // What the former key opens is in the log no more.
        fold(connection)?;
    }
    let last = found.last().map(|(record, ..)| RecordId(u128::from_be_bytes(*record)));
    Ok(Rotation { records: found.len() as u64, last, is_done })
}

fn merged_into(seals: &Seals<'_>, entity: EntityIndex, id: RecordId) -> Outcome<Vec<Group>> {
    let mut select = seals
        .connection
        .prepare_cached("select id, data from record where entity = ? and alive = 0")?;
    let mut rows = select.query(params![entity.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let group = decode(seals, record_in(row, 0)?, row, 1)?;
        if group.merged_into == Some(id) {
            found.push(group);
        }
    }
    Ok(found)
}

fn erase(connection: &Connection, id: RecordId, at: Timestamp, erased: &mut Erased) -> Outcome<()> {
    let record = blob(id);
    connection.execute(
        "insert into record_key (record, erased_at) values (?1, ?2)
         on conflict do update set key = null, sealed = null, erased_at = ?2",
        params![record, at.0],
    )?;
    let set_aside = connection.execute(
        "delete from quarantine where record = ?1
            or (binding, key) in (select binding, key from row where record = ?1)",
        params![record],
    )?;
    let conflicts = connection.execute("delete from conflict where record = ?", params![record])?;
    connection.execute(
        "delete from reading
         where (binding, key) in (select binding, key from row where record = ?1)",
        params![record],
    )?;
    for table in ["record", "row", "match", "behind", "intent", "reference"] {
        let column = if table == "record" { "id" } else { "record" };
        connection.execute(&format!("delete from {table} where {column} = ?"), params![record])?;
    }
    erased.conflicts += conflicts as u64;
    erased.set_aside += set_aside as u64;
    Ok(())
}

#[cfg(test)]
mod tests;
