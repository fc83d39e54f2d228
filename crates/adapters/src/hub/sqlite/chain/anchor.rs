//! Signatures over where the books ended. Who writes the chain anew cannot sign, so each signature that does not
//! fit gives that away. They are kept in the hub, and a line each in a file beside it or elsewhere.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use syncline_core::{Text, name::Timestamp};
use syncline_ports::reader::Kept;

use crate::hub::{
    signer::{Signer, hex, is_signed, unhex},
    sqlite::{
        chain::{NONE, Reading, hash_of, head},
        error::{Failure, Outcome},
    },
};

/// How a line in the file begins.
const LINE: &str = "syncline-anchor-1";

/// Which chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Changes,
    Moves,
    Actions,
}

impl Kind {
    const fn letter(self) -> &'static str {
        match self {
            Self::Changes => "c-",
            Self::Moves => "m-",
            Self::Actions => "action ",
        }
    }
}

/// Where one chain ended: its last number, and the hash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) number: u64,
    pub(super) hash: [u8; 32],
}

impl Default for End {
    fn default() -> Self {
        Self { number: 0, hash: NONE }
    }
}

/// Where the books ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) changes: End,
    pub(super) moves: End,
    pub(super) actions: End,
}

impl Ends {
    /// Where they end now.
    pub(super) fn now(connection: &Connection) -> Outcome<Self> {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let end = |number: i64, column| -> Outcome<End> {
            Ok(End { number: number.cast_unsigned(), hash: head(connection, column)? })
        };
        // Of actions that were all compacted, the snapshot knows the last.
        let actions = number(
            "select max(coalesce((select max(number) from action), 0),
                        coalesce((select actions from snapshot), 0))",
        )?;
        Ok(Self {
            changes: end(number("select changes from state")?, "changes_chain")?,
            moves: end(number("select moves from state")?, "moves_chain")?,
            actions: end(actions, "actions_chain")?,
        })
    }

    /// What is signed.
    pub(super) fn message(&self, what: &str, hub: i64, at: i64, more: &[u8]) -> Vec<u8> {
        let mut message = format!("{what}\n{hub}\n{at}\n").into_bytes();
        for end in [self.changes, self.moves, self.actions] {
            message.extend_from_slice(format!("{} {}\n", end.number, hex(&end.hash)).as_bytes());
        }
        message.extend_from_slice(more);
        message
    }

    /// Reads six columns.
    pub(super) fn read(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let end = |column: usize| -> rusqlite::Result<End> {
            let hash: Vec<u8> = row.get(column + 1)?;
            let number = row.get::<_, i64>(column)?.cast_unsigned();
            Ok(End { number, hash: hash_of(&hash).unwrap_or(NONE) })
        };
        Ok(Self { changes: end(column)?, moves: end(column + 2)?, actions: end(column + 4)? })
    }
}

/// Which hub it is.
pub(super) fn identity(connection: &Connection) -> Outcome<i64> {
    Ok(connection.query_row("select hub from state", [], |row| row.get(0))?)
}

/// A signature over where the books ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Anchor {
    hub: i64,
    at: i64,
    ends: Ends,
    signer: Vec<u8>,
    signature: Vec<u8>,
}

impl Anchor {
    fn line(&self) -> String {
        let Ends { changes, moves, actions } = self.ends;
        let end = |end: End| format!("{} {}", end.number, hex(&end.hash));
        format!(
            "{LINE} {} {} {} {} {} {} {}",
            self.hub,
            self.at,
            end(changes),
            end(moves),
            end(actions),
            hex(&self.signer),
            hex(&self.signature)
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(LINE)?.split_ascii_whitespace();
        let (hub, at) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mut end = || {
            let number = words.next()?.parse().ok()?;
            Some(End { number, hash: hash_of(&unhex(words.next()?)?)? })
        };
        let ends = Ends { changes: end()?, moves: end()?, actions: end()? };
        let (signer, signature) = (unhex(words.next()?)?, unhex(words.next()?)?);
        words.next().is_none().then_some(Self { hub, at, ends, signer, signature })
    }

    /// What is wrong with the signature itself.
    fn fault(&self, hub: i64, signers: &[[u8; 32]]) -> Option<String> {
        fault(&self.signer, &self.signature, signers, || {
            self.ends.message(LINE, self.hub, self.at, &[])
        })
        .or_else(|| (self.hub != hub).then(|| "it is of another hub".to_owned()))
    }
}

/// What is wrong with a signature.
pub(super) fn fault(
    signer: &[u8],
    signature: &[u8],
    signers: &[[u8; 32]],
    message: impl Fn() -> Vec<u8>,
) -> Option<String> {
    let (Ok(signer), Ok(signature)) = (<[u8; 32]>::try_from(signer), signature.try_into()) else {
        return Some("its signature was altered".to_owned());
    };
    if !is_signed(&signer, &message(), signature) {
        return Some("its signature is wrong".to_owned());
    }
    let is_known = signers.is_empty() || signers.contains(&signer);
    (!is_known).then(|| format!("it was signed by somebody else: {}", hex(&signer)))
}

/// Signs where the books end, if they have gone on since the last signature and the one before still fits, and the last
/// one that was kept. Gives the lines that a file of signatures lacks: all of them if it has none, else the new one.
pub(in crate::hub::sqlite) fn sign(
    connection: &mut Connection,
    signer: &Signer,
    at: Timestamp,
    kept: Option<&str>,
) -> Outcome<Vec<Text>> {
    let transaction = connection.transaction()?;
    let now = Ends::now(&transaction)?;
    let (hub, known) = (identity(&transaction)?, last(&transaction)?);
    let mut lines = Vec::new();
    let altered = || {
        Failure::Damaged(
            "the audit is not what was signed last: syncline audit --verify-chain".to_owned(),
        )
    };
    if let Some(line) = kept {
        let anchor = Anchor::parse(line).filter(|anchor| anchor.hub == hub).ok_or_else(altered)?;
        if !fits(&transaction, &anchor.ends)? {
            return Err(altered());
        }
    }
    if known.as_ref().is_none_or(|known| known.ends != now) {
        if known.is_some_and(|known| !fits(&transaction, &known.ends).unwrap_or(false)) {
            return Err(altered());
        }
        let signature = signer.sign(&now.message(LINE, hub, at.0, &[])).to_vec();
        let anchor =
            Anchor { hub, at: at.0, ends: now, signer: signer.public().to_vec(), signature };
        transaction.execute(
            "insert into anchor (at, changes, changes_chain, moves, moves_chain, actions,
                actions_chain, signer, signature) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                anchor.at,
                now.changes.number.cast_signed(),
                now.changes.hash,
                now.moves.number.cast_signed(),
                now.moves.hash,
                now.actions.number.cast_signed(),
                now.actions.hash,
                anchor.signer,
                anchor.signature
            ],
        )?;
        lines.push(anchor.line().into());
    }
    if kept.is_none() {
        lines = stored(&transaction)?.iter().map(|anchor| anchor.line().into()).collect();
    }
    transaction.commit()?;
    Ok(lines)
}

const COLUMNS: &str = "select at, changes, changes_chain, moves, moves_chain, actions,
    actions_chain, signer, signature from anchor";

fn read(hub: i64, row: &rusqlite::Row<'_>) -> rusqlite::Result<Anchor> {
    Ok(Anchor {
        hub,
        at: row.get(0)?,
        ends: Ends::read(row, 1)?,
        signer: row.get(7)?,
        signature: row.get(8)?,
    })
}

fn last(connection: &Connection) -> Outcome<Option<Anchor>> {
    let hub = identity(connection)?;
    let sql = format!("{COLUMNS} order by number desc limit 1");
    Ok(connection.query_row(&sql, [], |row| read(hub, row)).optional()?)
}

fn stored(connection: &Connection) -> Outcome<Vec<Anchor>> {
    let hub = identity(connection)?;
    let mut select = connection.prepare(&format!("{COLUMNS} order by number"))?;
    let rows = select.query_map([], |row| read(hub, row))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether the chains still go through these places.
fn fits(connection: &Connection, ends: &Ends) -> Outcome<bool> {
    let at = |sql: &str, end: End, begin: &str| -> Outcome<bool> {
        if end.number == 0 {
            return Ok(true);
        }
        let number = end.number.cast_signed();
        let found: Option<Option<Vec<u8>>> =
            connection.query_row(sql, [number], |row| row.get(0)).optional()?;
        if let Some(found) = found {
            return Ok(found.as_deref().and_then(hash_of).unwrap_or(NONE) == end.hash);
        }
        // What was compacted is under the signature of the snapshot.
        let begin: Option<i64> = connection.query_row(begin, [], |row| row.get(0)).optional()?;
        Ok(begin.is_some_and(|begin| number <= begin))
    };
    Ok(at(
        "select hash from audit where first + events - 1 = ?1 and first <= ?1
         order by first desc limit 1",
        ends.changes,
        "select changes from snapshot",
    )? && at(
        "select hash from moves where number = ?1",
        ends.moves,
        "select moves from snapshot",
    )? && at(
        "select hash from action where number = ?1",
        ends.actions,
        "select actions from snapshot",
    )?)
}

/// What signatures say of the hashes at some places, until they are met.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<(Kind, u64), BTreeMap<[u8; 32], i64>>);

impl Expected {
    fn add(&mut self, kind: Kind, end: End, at: i64) {
        if end.number > 0 {
            self.0.entry((kind, end.number)).or_default().insert(end.hash, at);
        }
    }

    /// What is wrong where a chain passes such a place.
    pub(super) fn meet(&mut self, kind: Kind, number: u64, hash: &[u8; 32]) -> Option<String> {
        let mut said = self.0.remove(&(kind, number))?;
        said.remove(hash);
        said.pop_first().map(|(_, at)| not_signed(kind, number, at))
    }

    /// The places that no chain has passed.
    pub(super) fn unmet(&mut self) -> Vec<String> {
        let left = std::mem::take(&mut self.0);
        left.into_iter()
            .filter_map(|((kind, number), said)| {
                said.into_values().next().map(|at| not_signed(kind, number, at))
            })
            .collect()
    }
}

fn not_signed(kind: Kind, number: u64, at: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{}{number}: this is not what was signed at {at}: it was written anew", kind.letter())
}

impl Reading<'_> {
    /// Takes what was signed, in the hub and beside it, for what must be found.
    pub(super) fn anchors(&mut self, kept: &Kept, begins: &Ends) -> Outcome<()> {
        let hub = identity(self.connection)?;
        let in_hub = stored(self.connection)?;
        let mut all: Vec<(String, Anchor)> = Vec::new();
        for (anchor, number) in in_hub.into_iter().zip(1..) {
            all.push((format!("signature {number}"), anchor));
        }
        for (line, number) in kept.anchors.iter().zip(1..) {
            match Anchor::parse(line) {
                Some(anchor) if all.iter().any(|(_, known)| *known == anchor) => {}
                Some(anchor) => all.push((format!("kept signature {number}"), anchor)),
                None => self.broken(format!("kept signature {number}: this line was altered")),
            }
        }
        for (name, anchor) in &all {
            if let Some(fault) = anchor.fault(hub, &kept.signers) {
                self.broken(format!("{name}: {fault}"));
                continue;
            }
            self.found.anchors += 1;
            self.found.anchored = self.found.anchored.max(Some(Timestamp(anchor.at)));
            let ends = [
                (Kind::Changes, anchor.ends.changes, begins.changes),
                (Kind::Moves, anchor.ends.moves, begins.moves),
                (Kind::Actions, anchor.ends.actions, begins.actions),
            ];
            for (kind, end, begin) in ends {
                // What was compacted is under the signature of the snapshot.
                if end.number >= begin.number {
                    self.expected.add(kind, end, anchor.at);
                }
            }
        }
        Ok(())
    }
}
