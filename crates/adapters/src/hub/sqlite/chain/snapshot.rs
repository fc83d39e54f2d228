//! What is old in the books gives way to what it came to: the state of each record then, and where the chains were,
//! signed. The chains go on from there.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use syncline_core::name::Timestamp;
use syncline_ports::reader::{Action, Kept};

use crate::hub::{
    codec::encode_group,
    signer::Signer,
    sqlite::{
        chain::{
            NONE, Reading, add,
            anchor::{End, Ends, fault, identity},
            hash_of,
        },
        commit::{blob, record},
        error::{Failure, Outcome},
        moves,
        vault::{Seals, Vault},
    },
};

/// What is signed begins with this.
const SNAPSHOT: &str = "syncline-snapshot-1";
/// So many entries of each kind are compacted in one piece.
const PIECE: i64 = 5_000;

/// The name of what is done, on the books.
const COMPACTED: &str = "history.compact";

/// Compacts what is older than this, a piece of it, and signs what it came to. Gives how many changes, and whether
/// there may be more.
pub(in crate::hub::sqlite) fn compact(
    vault: &Vault,
    connection: &mut Connection,
    signer: &Signer,
    before: Timestamp,
    now: Timestamp,
) -> Outcome<(u64, bool)> {
    let transaction = connection.transaction()?;
    let begin = begin(&transaction)?;
    let old = old(&transaction, &begin, before)?;
    if old == begin && is_sealed(&transaction)? {
        return Ok((0, false));
    }
    {
        let mut select = transaction
            .prepare("select number, data from moves where number <= ? order by number")?;
        let mut rows = select.query([old.moves.number.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let data: Vec<u8> = row.get(1)?;
            moves::follow(&vault.at(&transaction), &transaction, row.get(0)?, &data)?;
        }
    }
    for (sql, end) in [
        ("delete from audit where first <= ?", old.changes),
        ("delete from moves where number <= ?", old.moves),
        ("delete from action where number <= ?", old.actions),
    ] {
        transaction.execute(sql, [end.number.cast_signed()])?;
    }
    seal(&transaction, signer, &old, now)?;
    let count = old.changes.number - begin.changes.number;
    if old != begin {
        let action = Action {
            number: 0,
            at: now,
            who: "syncline".into(),
            what: COMPACTED.into(),
            target: format!("c-{}", old.changes.number).into(),
            detail: format!("{count} changes older than the file keeps").into(),
        };
        add(&transaction, &action)?;
    }
    transaction.commit()?;
    Ok((count, old != begin))
}

/// Where the chains that are kept begin.
fn begin(connection: &Connection) -> Outcome<Ends> {
    let found = connection.query_row(
        "select changes, changes_chain, moves, moves_chain, actions, actions_chain from snapshot",
        [],
        |row| Ends::read(row, 0),
    );
    Ok(found.optional()?.unwrap_or_default())
}

fn is_sealed(connection: &Connection) -> Outcome<bool> {
    Ok(connection.prepare("select 1 from snapshot")?.exists([])?)
}

/// The end of what is older than this and follows on where the chains begin, a piece at most.
fn old(connection: &Connection, begin: &Ends, before: Timestamp) -> Outcome<Ends> {
    let end = |sql: &str, begin: End| -> Outcome<End> {
        let mut select = connection.prepare(sql)?;
        let mut rows = select.query(params![begin.number.cast_signed(), PIECE])?;
        let mut end = begin;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? >= before.0 {
                break;
            }
            let hash: Option<Vec<u8>> = row.get(2)?;
            let hash = hash.as_deref().and_then(hash_of).unwrap_or(NONE);
            end = End { number: row.get::<_, i64>(0)?.cast_unsigned(), hash };
        }
        Ok(end)
    };
    Ok(Ends {
        changes: end(
            "select first + events - 1, at, hash from audit where first > ? order by first limit ?",
            begin.changes,
        )?,
        moves: end(
            "select number, at, hash from moves where number > ? order by number limit ?",
            begin.moves,
        )?,
        actions: end(
            "select number, at, hash from action where number > ? order by number limit ?",
            begin.actions,
        )?,
    })
}

/// Signs what was compacted, and what it came to.
fn seal(transaction: &Transaction<'_>, signer: &Signer, ends: &Ends, at: Timestamp) -> Outcome<()> {
    hash_all(transaction)?;
    let records = digest(transaction)?;
    let message = ends.message(SNAPSHOT, identity(transaction)?, at.0, &records);
    let signature = signer.sign(&message);
    transaction.execute(
        "insert or replace into snapshot (one, at, changes, changes_chain, moves, moves_chain,
            actions, actions_chain, records, signer, signature)
         values (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            at.0,
            ends.changes.number.cast_signed(),
            ends.changes.hash,
            ends.moves.number.cast_signed(),
            ends.moves.hash,
            ends.actions.number.cast_signed(),
            ends.actions.hash,
            records,
            signer.public(),
            signature
        ],
    )?;
    Ok(())
}

/// States that an earlier version of the tables left have no hash yet.
fn hash_all(transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction
        .prepare("select record, data from snapshot_record where hash is null limit 1")?;
    let mut update =
        transaction.prepare("update snapshot_record set hash = ?2 where record = ?1")?;
    loop {
        let mut rows = select.query([])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let id = record(moves::bytes(row, 0)?)?;
        let hash = moves::hash(id, moves::bytes(row, 1)?);
        drop(rows);
        update.execute(params![blob(id), hash])?;
    }
}

/// Over all states, in the order of their records.
fn digest(connection: &Connection) -> Outcome<[u8; 32]> {
    let mut hash = blake3::Hasher::new();
    let mut select =
        connection.prepare("select record, hash from snapshot_record order by record")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        hash.update(moves::bytes(row, 0)?);
        hash.update(moves::bytes(row, 1)?);
    }
    Ok(*hash.finalize().as_bytes())
}

/// Whether each state is that of which the hash was signed. Of what was erased nobody can tell any more.
fn is_whole(vault: &Seals<'_>) -> Outcome<bool> {
    let mut select = vault
        .connection
        .prepare("select record, data, hash, is_covered from snapshot_record order by record")?;
    let mut rows = select.query([])?;
    let mut clear = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, stored) = (record(moves::bytes(row, 0)?)?, moves::bytes(row, 1)?);
        let is_covered: bool = row.get(3)?;
        let found = if is_covered && vault.is_erased(id)? {
            continue;
        } else if is_covered {
            clear.clear();
            match vault.read_group(id, stored) {
                Ok(group) => encode_group(&group, &mut clear),
                // What cannot be opened was altered.
                Err(Failure::Damaged(_)) => return Ok(false),
                Err(other) => return Err(other),
            }
            moves::hash(id, &clear)
        } else {
            moves::hash(id, stored)
        };
        if moves::bytes(row, 2)? != found {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Reading<'_> {
    /// Whether what was compacted is what was signed. Gives where the chains go on.
    pub(super) fn snapshot(&mut self, kept: &Kept) -> Outcome<Ends> {
        let ends = begin(self.connection)?;
        let mut select =
            self.connection.prepare("select at, records, signer, signature from snapshot")?;
        let mut rows = select.query([])?;
        let Some(row) = rows.next()? else { return Ok(ends) };
        let (at, records): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let (signer, signature): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let hub = identity(self.connection)?;
        let message = || ends.message(SNAPSHOT, hub, at, &records);
        if let Some(fault) = fault(&signer, &signature, &kept.signers, message) {
            self.broken(format!("the snapshot: {fault}"));
        } else if records != digest(self.connection)? || !is_whole(self.seals)? {
            self.broken("the snapshot: a record in it was altered".to_owned());
        }
        self.found.compacted = ends.changes.number;
        Ok(ends)
    }
}
