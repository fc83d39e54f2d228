//! What commits have moved, in a chain of its own; and the records as they are rebuilt from it, beside those that the
//! hub holds.

use std::borrow::Cow;

use rusqlite::{Connection, Transaction, params};
use syncline_core::{
    commit::{Commit, GroupChange},
    group::Group,
    moved::{Moved, state_of},
    name::RecordId,
};
use syncline_ports::reader::Rebuilt;

use crate::hub::{
    codec::{
        audit::Form,
        encode_group,
        moves::{MovesWriter, decode_move, decode_moves, encode_move},
    },
    sqlite::{
        chain::{self, hash_of},
        commit::{blob, record},
        error::{Failure, Outcome},
        vault::{Seals, Vault},
    },
};

/// So many records that differ are named.
const NAMED_MAX: usize = 20;

/// Writes what a commit has moved, after its changes.
pub(super) fn write(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
    changes: &[&GroupChange],
    last_change: u64,
) -> Outcome<()> {
    let mut moved = changes.iter().filter(|change| change.moved != Moved::Nothing).peekable();
    if moved.peek().is_none() {
        return Ok(());
    }
    let (last, before): (i64, Option<Vec<u8>>) = transaction
        .prepare_cached("select moves, moves_chain from state")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let number = last + 1;
    let mut writer = MovesWriter::new(if seals.is_sealed() { Form::Sealed } else { Form::Clear });
    let mut body = Vec::with_capacity(256);
    for change in moved {
        body.clear();
        encode_move(change, &mut body);
        let id = change.group.id;
        if seals.is_sealed() {
            writer.push(id, &seals.moved(id, number, &body)?);
        } else {
            writer.push(id, &body);
        }
    }
    let (data, last_change) = (writer.finish(), last_change.cast_signed());
    let before = before.as_deref().and_then(hash_of).unwrap_or(chain::NONE);
    let hash = chain::moved(&before, number, commit.at.0, last_change, &data);
    transaction
        .prepare_cached(
            "insert into moves (number, at, changes, data, hash) values (?, ?, ?, ?, ?)",
        )?
        .execute(params![number, commit.at.0, last_change, data, hash])?;
    transaction
        .prepare_cached("update state set moves = ?, moves_chain = ?")?
        .execute(params![number, hash])?;
    Ok(())
}

fn damaged(number: i64) -> Failure {
    Failure::stored(format_args!("the move m-{number}"))
}

/// An entry as it was when it was written; `None` if something in it was erased since it was sealed.
pub(super) fn as_it_was<'s>(
    seals: &Seals<'_>,
    number: i64,
    data: &'s [u8],
) -> Outcome<Option<Cow<'s, [u8]>>> {
    let Some((Form::Covered, moves)) = decode_moves(data) else { return Ok(Some(data.into())) };
    let mut writer = MovesWriter::new(Form::Clear);
    for (id, body) in moves {
        let Some(body) = seals.read_moved(id, number, body)? else { return Ok(None) };
        writer.push(id, &body);
    }
    Ok(Some(writer.finish().into()))
}

/// Seals entries that are in clear.
pub(super) fn cover(vault: &Vault, transaction: &Transaction<'_>) -> Outcome<()> {
    let mut select = transaction
        .prepare("select number, data from moves where number > ? order by number limit 1")?;
    let mut update = transaction.prepare("update moves set data = ?2 where number = ?1")?;
    let mut last = 0_i64;
    loop {
        let seals = vault.at(transaction);
        let mut rows = select.query(params![last])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        last = row.get(0)?;
        let data: Vec<u8> = row.get(1)?;
        drop(rows);
        let (_, moves) = decode_moves(&data).ok_or_else(|| damaged(last))?;
        let mut writer = MovesWriter::new(Form::Covered);
        for (id, body) in moves {
            writer.push(id, &seals.moved(id, last, body)?);
        }
        update.execute(params![last, writer.finish()])?;
    }
}

/// Follows what a commit has moved, where states of records are kept while they are rebuilt: in the `snapshot_record` of
/// the hub or of another file. Nothing is known any more of what was erased.
pub(super) fn follow(
    seals: &Seals<'_>,
    states: &Connection,
    number: i64,
    data: &[u8],
) -> Outcome<()> {
    let mut select = states.prepare_cached("select data from snapshot_record where record = ?")?;
    let mut upsert = states.prepare_cached(
        "insert into snapshot_record (record, data, hash, is_covered) values (?1, ?2, ?3, 0)
         on conflict (record) do update
            set data = excluded.data, hash = excluded.hash, is_covered = 0",
    )?;
    let (form, moves) = decode_moves(data).ok_or_else(|| damaged(number))?;
    let mut stored = Vec::new();
    for (id, body) in moves {
        let body = match form {
            Form::Clear => Some(body.to_vec()),
            Form::Sealed | Form::Covered => seals.read_moved(id, number, body)?,
        };
        let Some(body) = body else { continue };
        let moved = decode_move(id, &body).ok_or_else(|| damaged(number))?;
        let mut rows = select.query(params![blob(id)])?;
        let before = match rows.next()? {
            Some(row) => Some(seals.read_group(id, bytes(row, 0)?)?),
            None => None,
        };
        drop(rows);
        stored.clear();
        seals.group(&state_of(&moved.follow(before)), &mut stored)?;
        upsert.execute(params![blob(id), stored, hash(id, &stored)])?;
    }
    Ok(())
}

/// The hash of a record of the snapshot.
pub(super) fn hash(record: RecordId, stored: &[u8]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(&blob(record));
    hash.update(stored);
    *hash.finalize().as_bytes()
}

pub(super) fn bytes<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Outcome<&'r [u8]> {
    Ok(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?)
}

/// Rebuilds every record from the books, and compares it with what the hub holds, byte for byte. Costs as much as
/// reading both; the states are kept in a file that is nobody's meanwhile.
pub(super) fn rebuild(vault: &Vault, connection: &Connection) -> Outcome<Rebuilt> {
    // One moment: others may add to it meanwhile.
    let hub = connection.unchecked_transaction()?;
    let mut rebuilt = Rebuilt::default();
    if !chain::has_moves(&hub)? {
        return Ok(rebuilt);
    }
    rebuilt.is_possible = true;
    let mut scratch = Connection::open("")?;
    scratch.execute_batch(
        "create table snapshot_record (record blob primary key, data blob not null, hash blob,
            is_covered integer) strict, without rowid",
    )?;
    let states = scratch.transaction()?;
    copy_snapshot(&hub, &states)?;
    let mut select = hub.prepare("select number, data from moves order by number")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        // What is sealed stays sealed there, too.
        follow(&vault.at(&hub), &states, row.get(0)?, bytes(row, 1)?)?;
        rebuilt.commits += 1;
    }
    compare(vault, &hub, &states, &mut rebuilt)?;
    Ok(rebuilt)
}

fn copy_snapshot(hub: &Connection, states: &Connection) -> Outcome<()> {
    let mut select = hub.prepare("select record, data from snapshot_record")?;
    let mut insert = states.prepare("insert into snapshot_record (record, data) values (?, ?)")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        insert.execute(params![bytes(row, 0)?, bytes(row, 1)?])?;
    }
    Ok(())
}

/// Both in the order of their ids.
fn compare(
    vault: &Vault,
    hub: &Connection,
    states: &Connection,
    rebuilt: &mut Rebuilt,
) -> Outcome<()> {
    let mut held = hub.prepare("select id, data from record order by id")?;
    let mut known = states.prepare("select record, data from snapshot_record order by record")?;
    let (mut held, mut known) = (held.query([])?, known.query([])?);
    let mut one = state(vault, hub, &mut held)?;
    let mut other = state(vault, hub, &mut known)?;
    loop {
        let (id, same) = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some((id, _)), None) => (*id, false),
            (None, Some((id, _))) => (*id, false),
            (Some((id, mine)), Some((theirs_id, theirs))) => {
                ((*id).min(*theirs_id), id == theirs_id && mine == theirs)
            }
        };
        rebuilt.records += 1;
        if !same {
            rebuilt.different += 1;
            if rebuilt.named.len() < NAMED_MAX {
                rebuilt.named.push(id);
            }
        }
        if one.as_ref().is_some_and(|(found, _)| *found == id) {
            one = state(vault, hub, &mut held)?;
        }
        if other.as_ref().is_some_and(|(found, _)| *found == id) {
            other = state(vault, hub, &mut known)?;
        }
    }
}

/// The next record's state in its canonical form; of what was erased there is none.
fn state(
    vault: &Vault,
    hub: &Connection,
    rows: &mut rusqlite::Rows<'_>,
) -> Outcome<Option<(RecordId, Vec<u8>)>> {
    let seals = vault.at(hub);
    while let Some(row) = rows.next()? {
        let id = record(bytes(row, 0)?)?;
        if seals.is_erased(id)? {
            continue;
        }
        let group: Group = seals.read_group(id, bytes(row, 1)?)?;
        let mut canonical = Vec::new();
        encode_group(&state_of(&group), &mut canonical);
        return Ok(Some((id, canonical)));
    }
    Ok(None)
}
