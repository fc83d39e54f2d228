//! The chain over the audit: each page of changes, each action of people, and what each commit has moved carry a
//! hash over what they hold and the hash before it; the hub's state holds the last ones. Who alters, drops, adds or
//! moves an entry would have to write all later ones anew; who does that too is found out by the signatures over where
//! the books ended (`anchor.rs`), and by anybody who has kept one hash elsewhere.

use std::borrow::Cow;

use rusqlite::{Connection, Transaction, params};
use syncline_core::{Text, commit::AuditKind, name::Timestamp};
use syncline_ports::reader::{Action, ActionFilter, Chain, Kept};

use crate::hub::{
    codec::audit::{Form, PageWriter, Stored, decode_page},
    signer,
    sqlite::{
        chain::anchor::{End, Ends, Expected},
        error::{Failure, Outcome},
        moves,
        vault::Seals,
    },
};

pub(super) mod anchor;
pub(super) mod snapshot;

/// What comes before the first.
pub(super) const NONE: [u8; 32] = [0; 32];

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

/// The hash of what a commit has moved, after this one.
pub(super) fn moved(
    before: &[u8; 32],
    number: i64,
    at: i64,
    changes: i64,
    data: &[u8],
) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(before);
    hash.update(&number.to_be_bytes());
    hash.update(&at.to_be_bytes());
    hash.update(&changes.to_be_bytes());
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

pub(super) fn hash_of(stored: &[u8]) -> Option<[u8; 32]> {
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
    // Of actions that were all compacted, the snapshot knows the last.
    let last: i64 = transaction.query_row(
        "select max(coalesce((select max(number) from action), 0),
                    coalesce((select actions from snapshot), 0))",
        [],
        |row| row.get(0),
    )?;
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

/// Whether the tables are of a version with a chain.
fn has_chain(connection: &Connection) -> Outcome<bool> {
    Ok(version(connection)? >= 4)
}

/// Whether the tables are of a version that keeps what commits have moved.
pub(super) fn has_moves(connection: &Connection) -> Outcome<bool> {
    Ok(version(connection)? >= 7)
}

fn version(connection: &Connection) -> Outcome<i32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// One reading of the chains.
struct Reading<'a> {
    connection: &'a Connection,
    seals: &'a Seals<'a>,
    kept: Option<&'a str>,
    has_kept: bool,
    expected: Expected,
    found: Chain,
}

/// Reads all chains from the beginning, or from where they were compacted, and compares them with what was
/// signed and with what was kept elsewhere.
pub(super) fn verify(seals: &Seals<'_>, kept: &Kept) -> Outcome<Chain> {
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
    let mut reading = Reading {
        connection: &connection,
        seals,
        kept: kept.hash.as_deref(),
        has_kept: kept.hash.is_none(),
        expected: Expected::default(),
        found: chain,
    };
    let mut begins = Ends::default();
    if has_moves(&connection)? {
        begins = reading.snapshot(kept)?;
        reading.anchors(kept, &begins)?;
    }
    reading.changes(begins.changes)?;
    reading.people(begins.actions)?;
    if has_moves(&connection)? {
        reading.moves(begins.moves)?;
    }
    for place in reading.expected.unmet() {
        reading.broken(place);
    }
    if !reading.has_kept {
        reading.broken(
            "the hash that was kept elsewhere is in no place of it: it was written anew".into(),
        );
    }
    Ok(reading.found)
}

impl Reading<'_> {
    /// The first place counts.
    fn broken(&mut self, place: String) {
        if self.found.broken.is_none() {
            self.found.broken = Some(place.into());
        }
    }

    /// A hash of one of the chains, with the number of the last entry under it.
    fn pass(&mut self, kind: anchor::Kind, number: u64, hash: &[u8; 32]) {
        let kept = self.kept;
        self.has_kept |= kept.is_some_and(|kept| !kept.is_empty() && hex(hash).starts_with(kept));
        if let Some(place) = self.expected.meet(kind, number, hash) {
            self.broken(place);
        }
    }

    fn changes(&mut self, begin: End) -> Outcome<()> {
        let mut select = self
            .connection
            .prepare("select first, run, at, events, data, hash from audit order by first")?;
        let mut rows = select.query([])?;
        let (mut before, mut next, mut linked) = (begin.hash, begin.number + 1, begin.hash != NONE);
        self.pass(anchor::Kind::Changes, begin.number, &before);
        let mut unchained = 0;
        while let Some(row) = rows.next()? {
            let first = row.get::<_, i64>(0)?.cast_unsigned();
            let run = row.get::<_, i64>(1)?.cast_unsigned();
            let (at, events): (i64, i64) = (row.get(2)?, row.get(3)?);
            let data = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
            let hash: Option<Vec<u8>> = row.get(5)?;
            if first != next {
                self.broken(format!("c-{next}: changes are missing here"));
            }
            let held = decode_page(data);
            if held.as_ref().map(|(_, held)| held.len() as u64) != Some(events.cast_unsigned()) {
                self.broken(format!("c-{first}: this page was altered"));
            }
            let hashed = match held {
                Some((Form::Covered, held)) => match as_it_was(self.seals, held, first) {
                    // What cannot be opened was altered.
                    Err(Failure::Damaged(_)) => Some(Cow::from(&[][..])),
                    other => other?,
                },
                Some((Form::Clear | Form::Sealed, _)) | None => Some(data.into()),
            };
            next = first + events.cast_unsigned();
            match hash.as_deref().and_then(hash_of) {
                Some(hash) => {
                    linked = true;
                    // Of what was erased in between nobody can tell any more; the link stays.
                    let is_it = hashed.is_none_or(|it| page(&before, first, run, at, &it) == hash);
                    if !is_it {
                        self.broken(format!(
                            "c-{first}: this page, or the one before it, was altered"
                        ));
                    }
                    before = hash;
                }
                // Written before there was a chain.
                None if !linked => unchained += events.cast_unsigned(),
                None => self.broken(format!("c-{first}: this page is in no chain")),
            }
            self.pass(anchor::Kind::Changes, next - 1, &before);
        }
        let last: i64 =
            self.connection.query_row("select changes from state", [], |row| row.get(0))?;
        if next != last.cast_unsigned() + 1 {
            self.broken(format!("c-{next}: changes are missing at the end"));
        }
        if before != head(self.connection, "changes_chain")? {
            self.broken(format!("c-{}: the end of the chain is not this", next.saturating_sub(1)));
        }
        (self.found.changes, self.found.unchained) = (next - 1, unchained);
        self.found.changes_head = hex(&before);
        Ok(())
    }

    fn people(&mut self, begin: End) -> Outcome<()> {
        let mut select = self.connection.prepare(
            "select number, at, who, what, target, detail, hash from action order by number",
        )?;
        let mut rows = select.query([])?;
        let (mut before, mut next) = (begin.hash, begin.number.cast_signed() + 1);
        self.pass(anchor::Kind::Actions, begin.number, &before);
        while let Some(row) = rows.next()? {
            let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
            let text = |column| row.get::<_, String>(column);
            let (who, what, target, detail) = (text(2)?, text(3)?, text(4)?, text(5)?);
            let hash: Option<Vec<u8>> = row.get(6)?;
            if number != next {
                self.broken(format!("action {next}: actions are missing here"));
            }
            next = number + 1;
            let hash = hash.as_deref().and_then(hash_of).unwrap_or(NONE);
            if action(&before, number, at, [&who, &what, &target, &detail]) != hash {
                self.broken(format!(
                    "action {number}: this action, or the one before it, was altered"
                ));
            }
            before = hash;
            self.pass(anchor::Kind::Actions, number.cast_unsigned(), &before);
        }
        if before != head(self.connection, "actions_chain")? {
            self.broken(format!("action {next}: actions are missing at the end"));
        }
        self.found.actions = (next - 1).cast_unsigned();
        self.found.actions_head = hex(&before);
        Ok(())
    }

    fn moves(&mut self, begin: End) -> Outcome<()> {
        let mut select = self
            .connection
            .prepare("select number, at, changes, data, hash from moves order by number")?;
        let mut rows = select.query([])?;
        let (mut before, mut next) = (begin.hash, begin.number.cast_signed() + 1);
        self.pass(anchor::Kind::Moves, begin.number, &before);
        while let Some(row) = rows.next()? {
            let (number, at, changes): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let data = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let hash: Vec<u8> = row.get(4)?;
            if number != next {
                self.broken(format!("m-{next}: what commits have moved is missing here"));
            }
            next = number + 1;
            let hash = hash_of(&hash).unwrap_or(NONE);
            let hashed = match moves::as_it_was(self.seals, number, data) {
                // What cannot be opened was altered.
                Err(Failure::Damaged(_)) => Some(Cow::from(&[][..])),
                other => other?,
            };
            let is_it = hashed.is_none_or(|it| moved(&before, number, at, changes, &it) == hash);
            if !is_it {
                self.broken(format!(
                    "m-{number}: what this commit has moved, or the one before it, was altered"
                ));
            }
            before = hash;
            self.pass(anchor::Kind::Moves, number.cast_unsigned(), &before);
        }
        let last: i64 =
            self.connection.query_row("select moves from state", [], |row| row.get(0))?;
        if next != last + 1 || before != head(self.connection, "moves_chain")? {
            self.broken(format!("m-{next}: what commits have moved is missing at the end"));
        }
        self.found.moves = (next - 1).cast_unsigned();
        self.found.moves_head = hex(&before);
        Ok(())
    }
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

fn hex(hash: &[u8; 32]) -> Text {
    signer::hex(hash).into()
}

#[cfg(test)]
mod tests;
