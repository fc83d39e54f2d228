//! What the inbox holds, for who deals with it and for people.

use std::path::Path;

use rusqlite::{OptionalExtension as _, Row, params};
use syncline_core::{error::PortError, name::Timestamp};

use crate::hub::{
    envelope::{Envelope, IS_SEALED, OVERHEAD},
    inbox::{BODY, Fate, newest, path_of, schema},
    sqlite::error::{Failure, Outcome},
};

/// A delivery to be dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub seq: i64,
    /// When it came.
    pub at: Timestamp,
    /// Its kind, if it says.
    pub topic: Option<String>,
    /// What was sent.
    pub body: Vec<u8>,
    /// It is that delivery once more.
    pub again: Option<i64>,
}

/// A delivery, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub seq: i64,
    /// Who sent it.
    pub system: String,
    /// When it came.
    pub at: Timestamp,
    /// What became of it at the door.
    pub fate: Fate,
    /// Its own number, if it has one.
    pub id: Option<String>,
    /// Its kind, if it says.
    pub topic: Option<String>,
    /// How large its body is, if that was kept.
    pub bytes: Option<u64>,
    /// It is to be dealt with.
    pub waits: bool,
    /// So many more like it came within a minute.
    pub more: u64,
    /// It is that delivery once more.
    pub again: Option<i64>,
}

/// What is known of one system's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Told {
    /// When the last one came that was accepted.
    pub last: Option<Timestamp>,
    /// How many wait to be dealt with.
    pub waiting: u64,
    /// How many bytes those are.
    pub bytes: u64,
}

/// A reader of an inbox; each request has a connection of its own, so it can be asked anywhere.
#[derive(Clone, Debug)]
pub struct Look {
    path: std::path::PathBuf,
    envelope: Envelope,
}

impl Look {
    /// Looks at the inbox of this hub.
    pub fn at(hub: &Path) -> Self {
        Self { path: path_of(hub), envelope: Envelope::default() }
    }

    /// The same, with the keys that open bodies.
    pub fn with(self, envelope: &Envelope) -> Self {
        Self { envelope: envelope.clone(), ..self }
    }

    fn ask<T: Default>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Outcome<T>,
    ) -> Result<T, PortError> {
        let action = || format!("read the inbox {}", self.path.display());
        let asked = || match schema::look(&self.path)? {
            Some(connection) => work(&connection),
            None => Ok(T::default()),
        };
        asked().map_err(|failure: Failure| failure.during(&action()))
    }

    /// What comes after this number and is to be dealt with, in order; about so many bytes.
    ///
    /// # Errors
    /// The file's.
    pub fn after(
        &self,
        system: &str,
        seq: i64,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<Waiting>, PortError> {
        let mut all: Vec<Waiting> = self.ask(|connection| {
            let mut statement = connection.prepare_cached(
                "select seq, at, topic, body, again from delivery
                 where system = ?1 and seq > ?2 and waits = 1 order by seq limit ?3",
            )?;
            let mut found = statement.query(params![system, seq, rows as i64])?;
            let (mut all, mut sum) = (Vec::new(), 0);
            while let Some(row) = found.next()? {
                let body: Option<Vec<u8>> = row.get(3)?;
                let body = body.unwrap_or_default();
                sum += body.len();
                all.push(Waiting {
                    seq: row.get(0)?,
                    at: Timestamp(row.get(1)?),
                    topic: row.get(2)?,
                    body,
                    again: row.get(4)?,
                });
                if sum >= bytes {
                    break;
                }
            }
            Ok(all)
        })?;
        for waiting in &mut all {
            waiting.body = self.envelope.open(BODY, std::mem::take(&mut waiting.body))?;
        }
        Ok(all)
    }

    /// The last deliveries, newest first.
    ///
    /// # Errors
    /// The file's.
    pub fn list(&self, system: Option<&str>, limit: usize) -> Result<Vec<Delivery>, PortError> {
        self.page(system, None, limit)
    }

    /// Those with a smaller number than this, newest first.
    ///
    /// # Errors
    /// The file's.
    pub fn page(
        &self,
        system: Option<&str>,
        below: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, PortError> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "select seq, system, at, fate, id, topic, {}, waits, more, again
                 from delivery where (?1 is null or system = ?1) and seq < ?2
                 order by seq desc limit ?3",
                length()
            ))?;
            let below = below.unwrap_or(i64::MAX);
            let found = statement.query_map(params![system, below, limit as i64], delivery)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// How many there are.
    ///
    /// # Errors
    /// The file's.
    pub fn count(&self, system: Option<&str>) -> Result<u64, PortError> {
        self.ask(|connection| {
            let count: i64 = connection
                .prepare_cached("select count(*) from delivery where ?1 is null or system = ?1")?
                .query_row(params![system], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    /// The number of the last one.
    ///
    /// # Errors
    /// The file's.
    pub fn newest(&self) -> Result<i64, PortError> {
        self.ask(newest)
    }

    /// One delivery with its body, as it is kept.
    ///
    /// # Errors
    /// The file's.
    pub fn one(&self, seq: i64) -> Result<Option<(Delivery, Vec<u8>)>, PortError> {
        self.ask(|connection| {
            let found = connection
                .prepare_cached(&format!(
                    "select seq, system, at, fate, id, topic, {}, waits, more, again, body
                     from delivery where seq = ?1",
                    length()
                ))?
                .query_row([seq], |row| {
                    let body: Option<Vec<u8>> = row.get(10)?;
                    Ok((delivery(row)?, body.unwrap_or_default()))
                })
                .optional()?;
            Ok(found)
        })
    }

    /// Where the door was opened last.
    ///
    /// # Errors
    /// The file's.
    pub fn address(&self) -> Result<Option<String>, PortError> {
        self.ask(|connection| {
            Ok(connection.query_row("select address from inbox", [], |row| row.get(0))?)
        })
    }

    /// What is known of one system's deliveries.
    ///
    /// # Errors
    /// The file's.
    pub fn told(&self, system: &str) -> Result<Told, PortError> {
        self.ask(|connection| {
            let last: Option<i64> = connection
                .prepare_cached(
                    "select max(at) from delivery where system = ?1 and fate = 'accepted'",
                )?
                .query_row([system], |row| row.get(0))?;
            let (waiting, bytes): (i64, i64) = connection
                .prepare_cached(
                    "select count(*), coalesce(sum(length(body)), 0) from delivery
                     where system = ?1 and waits = 1",
                )?
                .query_row([system], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Told {
                last: last.map(Timestamp),
                waiting: waiting.unsigned_abs(),
                bytes: bytes.unsigned_abs(),
            })
        })
    }
}

/// How long a body is, sealed or not.
fn length() -> String {
    format!("length(body) - {OVERHEAD} * {IS_SEALED}")
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let fate: String = row.get(3)?;
    let bytes: Option<i64> = row.get(6)?;
    let more: i64 = row.get(8)?;
    Ok(Delivery {
        seq: row.get(0)?,
        system: row.get(1)?,
        at: Timestamp(row.get(2)?),
        // A word of a later version is shown as what is not dealt with.
        fate: Fate::of(&fate).unwrap_or(Fate::Forbidden),
        id: row.get(4)?,
        topic: row.get(5)?,
        bytes: bytes.map(i64::unsigned_abs),
        waits: row.get(7)?,
        more: more.unsigned_abs(),
        again: row.get(9)?,
    })
}
