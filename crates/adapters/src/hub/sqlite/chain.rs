//! The chain over the audit: each page of changes, and each action of people, carries a hash over what it
//! holds and the hash before it; the hub's state holds the last ones. Who alters, drops, adds or moves an entry would
//! have to write all later ones anew; who does that too is found out by anybody who has kept one hash
//! elsewhere.

use std::borrow::Cow;

use rusqlite::{Connection, Transaction, params};
use syncline_core::{Text, commit::AuditKind, name::Timestamp};
use syncline_ports::reader::{Action, ActionFilter, Chain};

use crate::hub::{
    codec::audit::{Form, PageWriter, Stored, decode_page},
    sqlite::{error::Outcome, vault::Seals},
};

/// What comes before the first.
const NONE: [u8; 32] = [0; 32];

/// The hash of a page of changes after this one.
pub(super) fn page(before: &[u8; 32], first: u64, run: u64, at: i64, data: &[u8]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(before);
    hash.update(&first.to_be_bytes());
    hash.update(&run.to_be_bytes());
    hash.update(&at.to_be_bytes());
    hash.update(data);
    *hash.finalize().as_bytes()
}

fn action(before: &[u8; 32], number: i64, at: i64, texts: [&str; 4]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(before);
    hash.update(&number.to_be_bytes());
    hash.update(&at.to_be_bytes());
    for text in texts {
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    *hash.finalize().as_bytes()
}

/// The number of the last change, and the last hash of the changes.
pub(super) fn last(connection: &Connection) -> Outcome<(u64, [u8; 32])> {
    let mut select = connection.prepare_cached("select changes, changes_chain from state")?;
    let (last, stored): (i64, Option<Vec<u8>>) =
        select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((last.cast_unsigned(), stored.as_deref().and_then(hash_of).unwrap_or(NONE)))
}

/// The last hash of a chain: `changes_chain` or `actions_chain`.
pub(super) fn head(connection: &Connection, column: &str) -> Outcome<[u8; 32]> {
    let sql = format!("select {column} from state");
    let stored: Option<Vec<u8>> =
        connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
    Ok(stored.as_deref().and_then(hash_of).unwrap_or(NONE))
}

fn hash_of(stored: &[u8]) -> Option<[u8; 32]> {
    stored.try_into().ok()
}

/// Puts an action on the books.
pub(super) fn act(connection: &mut Connection, done: &Action) -> Outcome<()> {
    let transaction = connection.transaction()?;
    add(&transaction, done)?;
    Ok(transaction.commit()?)
}

fn add(transaction: &Transaction<'_>, done: &Action) -> Outcome<()> {
    let Action { number: _, at, who, what, target, detail } = done;
    let last: i64 =
        transaction
            .query_row("select coalesce(max(number), 0) from action", [], |row| row.get(0))?;
    let (number, before) = (last + 1, head(transaction, "actions_chain")?);
    let hash = action(&before, number, at.0, [who, what, target, detail]);
    transaction.execute(
        "insert into action (number, at, who, what, target, detail, hash) values (?, ?, ?, ?, ?, ?, ?)",
        params![number, at.0, who.as_str(), what.as_str(), target.as_str(), detail.as_str(), hash],
    )?;
    transaction.execute("update state set actions_chain = ?", params![hash])?;
    Ok(())
}

/// Actions that pass, newest first.
pub(super) fn actions(connection: &Connection, filter: &ActionFilter) -> Outcome<Vec<Action>> {
    if !has_chain(connection)? {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "select number, at, who, what, target, detail from action
         where at >= ?1 and number < ?2 and (?3 is null or who = ?3) order by number desc limit ?4",
    )?;
    let below = filter.below.map_or(i64::MAX, u64::cast_signed);
    let since = filter.since.map_or(i64::MIN, |since| since.0);
    let who = filter.who.as_ref().map(Text::as_str);
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let rows = select.query_map(params![since, below, who, limit], |row| {
        let text = |column| row.get::<_, String>(column).map(Text::from);
        Ok(Action {
            number: row.get::<_, i64>(0)?.cast_unsigned(),
            at: Timestamp(row.get(1)?),
            who: text(2)?,
            what: text(3)?,
            target: text(4)?,
            detail: text(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads both chains from the beginning. `kept`: a last hash that somebody kept elsewhere, as hexadecimal
/// digits; it must be in one of them.
pub(super) fn verify(seals: &Seals<'_>, kept: Option<&str>) -> Outcome<Chain> {
    // One moment: others may add to it meanwhile.
    let connection = seals.connection.unchecked_transaction()?;
    let mut chain = Chain::default();
    if !has_chain(&connection)? {
        // It is looked at as an older program left it.
        let changes: i64 =
            connection.query_row("select changes from state", [], |row| row.get(0))?;
        (chain.changes, chain.unchained) = (changes.cast_unsigned(), changes.cast_unsigned());
        return Ok(chain);
    }
    let mut has_kept = kept.is_none();
    let mut note = |hash: &[u8; 32]| {
        has_kept |= kept.is_some_and(|kept| !kept.is_empty() && hex(hash).starts_with(kept));
    };
    changes(seals, &mut chain, &mut note)?;
    people(&connection, &mut chain, &mut note)?;
    if !has_kept && chain.broken.is_none() {
        chain.broken = Some(
            "the hash that was kept elsewhere is in no place of it: it was written anew".into(),
        );
    }
    Ok(chain)
}

/// Whether the tables are of a version with a chain.
fn has_chain(connection: &Connection) -> Outcome<bool> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version >= 4)
}

fn changes(seals: &Seals<'_>, chain: &mut Chain, note: &mut dyn FnMut(&[u8; 32])) -> Outcome<()> {
    let mut broken = |at: u64, what: &str| {
        if chain.broken.is_none() {
            chain.broken = Some(format!("c-{at}: {what}").into());
        }
    };
    let connection = seals.connection;
    let mut select = connection
        .prepare("select first, run, at, events, data, hash from audit order by first")?;
    let mut rows = select.query([])?;
    let (mut before, mut next, mut linked) = (NONE, 1, false);
    let mut unchained = 0;
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)?.cast_unsigned();
        let run = row.get::<_, i64>(1)?.cast_unsigned();
        let (at, events): (i64, i64) = (row.get(2)?, row.get(3)?);
        let data = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        let hash: Option<Vec<u8>> = row.get(5)?;
        if first != next {
            broken(next, "changes are missing here");
        }
        let held = decode_page(data);
        if held.as_ref().map(|(_, held)| held.len() as u64) != Some(events.cast_unsigned()) {
            broken(first, "this page was altered");
        }
        let hashed = match held {
            Some((Form::Covered, held)) => as_it_was(seals, held, first)?,
            Some((Form::Clear | Form::Sealed, _)) | None => Some(data.into()),
        };
        next = first + events.cast_unsigned();
        match hash.as_deref().and_then(hash_of) {
            Some(hash) => {
                linked = true;
                // Of what was erased in between nobody can tell any more; the link stays.
                let is_it = hashed.is_none_or(|it| page(&before, first, run, at, &it) == hash);
                if !is_it {
                    broken(first, "this page, or the one before it, was altered");
                }
                note(&hash);
                before = hash;
            }
            // Written before there was a chain.
            None if !linked => unchained += events.cast_unsigned(),
            None => broken(first, "this page is in no chain"),
        }
    }
    let last: i64 = connection.query_row("select changes from state", [], |row| row.get(0))?;
    if next != last.cast_unsigned() + 1 {
        broken(next, "changes are missing at the end");
    }
    if before != head(connection, "changes_chain")? {
        broken(next.saturating_sub(1), "the end of the chain is not this");
    }
    (chain.changes, chain.unchained) = (next - 1, unchained);
    chain.changes_head = hex(&before);
    Ok(())
}

/// A page as it was before it was sealed; `None` if something in it was erased since.
pub(super) fn as_it_was(
    seals: &Seals<'_>,
    events: Vec<Stored>,
    first: u64,
) -> Outcome<Option<Cow<'static, [u8]>>> {
    let mut page = PageWriter::new(Form::Clear);
    for (stored, number) in events.into_iter().zip(first..) {
        let previous = stored.previous;
        let event = seals.read_event(stored, number)?;
        if event.kind == AuditKind::Erased {
            return Ok(None);
        }
        page.push(&event, previous);
    }
    Ok(Some(page.finish().into()))
}

fn people(
    connection: &Connection,
    chain: &mut Chain,
    note: &mut dyn FnMut(&[u8; 32]),
) -> Outcome<()> {
    let mut broken = |at: i64, what: &str| {
        if chain.broken.is_none() {
            chain.broken = Some(format!("action {at}: {what}").into());
        }
    };
    let mut select = connection.prepare(
        "select number, at, who, what, target, detail, hash from action order by number",
    )?;
    let mut rows = select.query([])?;
    let (mut before, mut next) = (NONE, 1);
    while let Some(row) = rows.next()? {
        let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let text = |column| row.get::<_, String>(column);
        let (who, what, target, detail) = (text(2)?, text(3)?, text(4)?, text(5)?);
        let hash: Option<Vec<u8>> = row.get(6)?;
        if number != next {
            broken(next, "actions are missing here");
        }
        next = number + 1;
        let hash = hash.as_deref().and_then(hash_of).unwrap_or(NONE);
        if action(&before, number, at, [&who, &what, &target, &detail]) != hash {
            broken(number, "this action, or the one before it, was altered");
        }
        note(&hash);
        before = hash;
    }
    if before != head(connection, "actions_chain")? {
        broken(next, "actions are missing at the end");
    }
    chain.actions = (next - 1).cast_unsigned();
    chain.actions_head = hex(&before);
    Ok(())
}

fn hex(hash: &[u8; 32]) -> Text {
    hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests;
