//! What waits in the hub, and what has happened there since somebody looked last: for who tells others.
//! It is read beside everything else, over a connection of its own; nobody waits for it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use syncline_core::{
    Text,
    commit::Disposition,
    error::{ErrorKind, PortError},
    name::{BindingIndex, EntityIndex, SystemIndex, Timestamp},
};

use crate::hub::{
    codec::audit::read_disposition,
    sqlite::{
        Counter,
        error::{Failure, Outcome, kind},
    },
};

/// Reads news.
#[derive(Debug)]
pub struct Newsreader {
    connection: Connection,
    action: String,
}

/// What waits, and what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Conflicts that nobody has decided.
    pub conflicts: Vec<Waits>,
    /// Rows and writes that are set aside.
    pub quarantine: Vec<Waits>,
    /// Guards that tripped and wait for an answer.
    pub guards: Vec<Waits>,
    /// How many fields the loop guard holds.
    pub held: Vec<(EntityIndex, SystemIndex, u64)>,
    /// Runs that ended, oldest first.
    pub runs: Vec<Ended>,
    /// What became of rows that were observed lately, by the span that was asked for: how many were set
    /// aside, of how many that said something.
    pub shares: Vec<(i64, BindingIndex, u64, u64)>,
    /// What is noted of contacts with systems and of successes, by name.
    pub notes: Vec<(Text, Text)>,
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Its number.
    pub number: i64,
    /// Its entity.
    pub entity: EntityIndex,
    /// Its system, if it is of one.
    pub system: Option<SystemIndex>,
    /// Why, in a code; empty for a conflict.
    pub code: Text,
    /// Since when.
    pub since: Timestamp,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its number.
    pub number: i64,
    /// Its entity.
    pub entity: Option<EntityIndex>,
    /// When.
    pub at: Timestamp,
    /// How: `ok`, `partial`, `failed`, `refused`, `stopped`.
    pub outcome: Text,
    /// What was said at the end.
    pub message: Text,
}

impl Newsreader {
    /// Opens a hub to be looked at.
    ///
    /// # Errors
    /// As with the hub.
    pub fn open(hub: &Path) -> Result<Self, PortError> {
        let action = format!("read news of the hub {}", hub.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> Outcome<Connection> {
            let connection = Connection::open_with_flags(hub, flags)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            Ok(connection)
        };
        let connection = open().map_err(|failure| failure.during(&action))?;
        Ok(Self { connection, action })
    }

    /// What waits now, the runs that ended since, and what became of rows within each of these spans
    /// before now, in milliseconds.
    ///
    /// # Errors
    /// The file's.
    pub fn read(
        &mut self,
        since: Timestamp,
        spans: &[i64],
        now: Timestamp,
    ) -> Result<News, PortError> {
        read(&mut self.connection, since, spans, now)
            .map_err(|failure| failure.during(&self.action))
    }
}

/// What is noted under this name; `None`: nothing, or there is no hub at this path.
///
/// # Errors
/// A hub that cannot be read now.
pub fn note(hub: &Path, name: &str) -> Result<Option<String>, PortError> {
    if !hub.exists() {
        return Ok(None);
    }
    let action = format!("read the hub {}", hub.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let asked = || -> rusqlite::Result<Option<String>> {
        let connection = Connection::open_with_flags(hub, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let sql = "select value from note where name = ?1";
        connection.query_row(sql, [name], |row| row.get(0)).optional()
    };
    match asked() {
        Ok(found) => Ok(found),
        // Whoever opens it says what is wrong with it.
        Err(error) if kind(&error) != ErrorKind::HubInUse => Ok(None),
        Err(error) => Err(Failure::from(error).during(&action)),
    }
}

fn read(
    connection: &mut Connection,
    since: Timestamp,
    spans: &[i64],
    now: Timestamp,
) -> Outcome<News> {
    // All of it as it was at one moment.
    let moment = connection.transaction()?;
    let waits = |sql: &str| -> Outcome<Vec<Waits>> {
        let mut statement = moment.prepare_cached(sql)?;
        let found = statement.query_map([], |row| {
            Ok(Waits {
                number: row.get(0)?,
                entity: EntityIndex(row.get(1)?),
                system: row.get::<_, Option<u16>>(2)?.map(SystemIndex),
                code: Text::new(row.get_ref(3)?.as_str()?),
                since: Timestamp(row.get(4)?),
            })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    };
    let conflicts = waits(
        "select number, entity, null, '', opened_at from conflict where settled is null order by number",
    )?;
    let quarantine = waits(
        "select number, entity, null, code, since from quarantine where dropped is null order by number",
    )?;
    let guards = waits(
        "select number, entity, system, code, at from guard where state = 'open' order by number",
    )?;
    let held = {
        let mut statement = moment.prepare_cached(
            "select first, second, count from counter where kind = ?1 and count > 0",
        )?;
        let found = statement.query_map([Counter::Held.code()], |row| {
            let count: i64 = row.get(2)?;
            Ok((EntityIndex(row.get(0)?), SystemIndex(row.get(1)?), count.unsigned_abs()))
        })?;
        found.collect::<Result<_, _>>()?
    };
    let runs = {
        // Of runs that began long before, only the last ones are looked at.
        let mut statement = moment.prepare_cached(
            "select number, entity, ended, outcome, message from run
             where number > (select coalesce(max(number), 0) - 1000 from run) and ended > ?1
             order by ended, number",
        )?;
        let found = statement.query_map(params![since.0], |row| {
            Ok(Ended {
                number: row.get(0)?,
                entity: row.get::<_, Option<u16>>(1)?.map(EntityIndex),
                at: Timestamp(row.get(2)?),
                outcome: Text::new(row.get_ref(3)?.as_str()?),
                message: Text::new(row.get_ref(4)?.as_str()?),
            })
        })?;
        found.collect::<Result<_, _>>()?
    };
    let mut shares = Vec::new();
    for span in spans {
        let mut statement = moment.prepare_cached(
            "select binding, disposition, sum(count) from ledger
             where run in (select number from run where started > ?1) group by 1, 2 order by 1, 2",
        )?;
        let mut found = statement.query([now.plus_ms(-span).0])?;
        while let Some(row) = found.next()? {
            let (binding, code, count): (u16, u8, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (aside, all) = match read_disposition(code) {
                Some(Disposition::Quarantined) => (count.unsigned_abs(), count.unsigned_abs()),
                Some(Disposition::NoOp | Disposition::Superseded) | None => (0, 0),
                Some(_) => (0, count.unsigned_abs()),
            };
            match shares.last_mut() {
                Some((known, at, sum, total))
                    if *known == *span && *at == BindingIndex(binding) =>
                {
                    *sum += aside;
                    *total += all;
                }
                _ => shares.push((*span, BindingIndex(binding), aside, all)),
            }
        }
    }
    let notes = {
        let mut statement = moment.prepare_cached(
            "select name, value from note
             where name >= 'contact:' and name < 'contact;' or name >= 'success:' and name < 'success;'
                 or name >= 'drift:' and name < 'drift;'",
        )?;
        let found = statement.query_map([], |row| {
            Ok((Text::new(row.get_ref(0)?.as_str()?), Text::new(row.get_ref(1)?.as_str()?)))
        })?;
        found.collect::<Result<_, _>>()?
    };
    Ok(News { conflicts, quarantine, guards, held, runs, shares, notes })
}
