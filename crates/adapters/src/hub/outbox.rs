//! The outbox: what is to be told to people and programs, and what they have been told. A file of its
//! own beside the hub, so that a sink that is down delays nothing, and nothing that was to be told is
//! lost.
//!
//! What is known to be so (a conflict is open, a system is down) and what is to be said about it
//! change in one commit: each change is said once, and what was said is sent until it is taken.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use syncline_core::{error::PortError, name::Timestamp};

use crate::hub::{
    beside::{self, Tables},
    sqlite::error::{Failure, Outcome},
};

const TABLES: Tables = Tables {
    what: "an outbox",
    version: 1,
    is_durable: true,
    sql: "
create table open(
    topic text not null,
    number integer not null,
    primary key (topic, number)
) without rowid;
create table known(name text primary key, value text not null) without rowid;
create table message(
    number integer primary key autoincrement,
    channel text not null,
    topic text not null,
    -- Several of one topic are one message until it is sent.
    event text not null,
    body text not null,
    count integer not null default 1,
    at integer not null,
    due integer not null,
    tries integer not null default 0,
    -- waits, sent, given_up
    state text not null default 'waits',
    answer text
);
create index message_due on message(due) where state = 'waits';
create index message_topic on message(channel, topic, event) where state = 'waits';
create index message_at on message(at);
create table channel(name text primary key, disabled text, since integer) without rowid;
",
};

/// The outbox. Used by one process at a time: whoever has the hub, or the daemon.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    action: String,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub number: i64,
    /// To whom.
    pub channel: String,
    /// What it is about: messages about one thing have one topic.
    pub topic: String,
    /// What happened: `conflict.opened`.
    pub event: String,
    /// What is said, as the sender wrote it.
    pub body: String,
    /// So many of the same kind are told by it.
    pub count: u64,
    /// When it happened, first.
    pub at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}

/// A message to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// To whom.
    pub channel: String,
    /// What it is about.
    pub topic: String,
    /// What happened.
    pub event: String,
    /// What is said.
    pub body: String,
    /// So many of the same kind.
    pub count: u64,
    /// When it happened.
    pub at: Timestamp,
    /// When it is to be sent.
    pub due: Timestamp,
    /// If an event of this kind waits there on the same topic, both are as if they had never been.
    pub undoes: Option<String>,
}

/// What is to be remembered and said, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Is so now.
    pub opened: Vec<(String, i64)>,
    /// Is so no more.
    pub closed: Vec<(String, i64)>,
    /// What else is known.
    pub known: Vec<(String, String)>,
    /// What is to be said.
    pub drafts: Vec<Draft>,
}

/// How a message fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fared {
    /// It was taken.
    Sent,
    /// It is tried again then.
    Again(Timestamp, String),
    /// It is tried no more.
    GivenUp(String),
}

/// The file of the outbox of this hub.
pub fn path_of(hub: &Path) -> PathBuf {
    beside::path_of(hub, ".alerts")
}

impl Outbox {
    /// Opens the outbox beside this hub, and makes it if it is not there.
    ///
    /// # Errors
    /// As with the hub's file.
    pub fn open(hub: &Path) -> Result<Self, PortError> {
        let path = path_of(hub);
        let action = format!("use the outbox {}", path.display());
        let connection = beside::open(&path, &TABLES).map_err(|failure| failure.during(&action))?;
        Ok(Self { connection, action })
    }

    fn during<T>(&self, outcome: Outcome<T>) -> Result<T, PortError> {
        outcome.map_err(|failure| failure.during(&self.action))
    }

    /// All that is known to be so.
    ///
    /// # Errors
    /// The file's.
    pub fn open_things(&self) -> Result<Vec<(String, i64)>, PortError> {
        let read = || -> Outcome<_> {
            let mut all =
                self.connection.prepare_cached("select topic, number from open order by 1, 2")?;
            let found = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        };
        self.during(read())
    }

    /// What is known under this name.
    ///
    /// # Errors
    /// The file's.
    pub fn known(&self, name: &str) -> Result<Option<String>, PortError> {
        let read = || -> Outcome<_> {
            let mut one =
                self.connection.prepare_cached("select value from known where name = ?")?;
            Ok(one.query_row([name], |row| row.get(0)).optional()?)
        };
        self.during(read())
    }

    /// Remembers and says all of this, or nothing. What is said on a topic while something of it waits
    /// to be sent becomes one with that.
    ///
    /// # Errors
    /// The file's.
    pub fn change(&mut self, change: &Change) -> Result<(), PortError> {
        let outcome = commit(&mut self.connection, change);
        self.during(outcome)
    }

    /// What is due, oldest first.
    ///
    /// # Errors
    /// The file's.
    pub fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Message>, PortError> {
        let read = || -> Outcome<_> {
            let mut due = self.connection.prepare_cached(
                "select number, channel, topic, event, body, count, at, tries from message
                 where state = 'waits' and due <= ?1
                     and channel not in (select name from channel where disabled is not null)
                 order by due, number limit ?2",
            )?;
            let found = due.query_map(params![now.0, limit as i64], |row| {
                let count: i64 = row.get(5)?;
                Ok(Message {
                    number: row.get(0)?,
                    channel: row.get(1)?,
                    topic: row.get(2)?,
                    event: row.get(3)?,
                    body: row.get(4)?,
                    count: count.unsigned_abs(),
                    at: Timestamp(row.get(6)?),
                    tries: row.get(7)?,
                })
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        };
        self.during(read())
    }

    /// Puts on record how messages fared.
    ///
    /// # Errors
    /// The file's.
    pub fn fared(&mut self, all: &[(i64, Fared)]) -> Result<(), PortError> {
        let outcome = fared(&mut self.connection, all);
        self.during(outcome)
    }

    /// Nothing more is sent there until somebody says so; what waits is kept.
    ///
    /// # Errors
    /// The file's.
    pub fn disable(&mut self, channel: &str, why: &str, now: Timestamp) -> Result<(), PortError> {
        let outcome = self.connection.execute(
            "insert into channel(name, disabled, since) values (?1, ?2, ?3)
             on conflict(name) do update set disabled = excluded.disabled, since = excluded.since",
            params![channel, why, now.0],
        );
        self.during(outcome.map(|_| ()).map_err(Failure::from))
    }

    /// Channels are used again: the configuration was read anew.
    ///
    /// # Errors
    /// The file's.
    pub fn enable_all(&mut self) -> Result<(), PortError> {
        let outcome = self.connection.execute("delete from channel", []);
        self.during(outcome.map(|_| ()).map_err(Failure::from))
    }

    /// How many messages wait for each channel, and why nothing is sent to it, if nothing is.
    ///
    /// # Errors
    /// The file's.
    pub fn waiting(&self) -> Result<Vec<(String, u64, Option<String>)>, PortError> {
        let read = || -> Outcome<_> {
            let mut all = self.connection.prepare_cached(
                "select channel, count(*), max(disabled) from message
                 left join channel on channel.name = message.channel
                 where state = 'waits' group by channel order by channel",
            )?;
            let found = all.query_map([], |row| {
                let count: i64 = row.get(1)?;
                Ok((row.get(0)?, count.unsigned_abs(), row.get(2)?))
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        };
        self.during(read())
    }

    /// Forgets what was sent before this.
    ///
    /// # Errors
    /// The file's.
    pub fn forget(&mut self, before: Timestamp) -> Result<(), PortError> {
        let outcome = self.connection.execute(
            "delete from message where number in (
                 select number from message where at < ?1 and state <> 'waits' limit 2000)",
            [before.0],
        );
        self.during(outcome.map(|_| ()).map_err(Failure::from))
    }
}

fn commit(connection: &mut Connection, change: &Change) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut open = transaction.prepare_cached("insert or ignore into open values (?1, ?2)")?;
        for (topic, number) in &change.opened {
            open.execute(params![topic, number])?;
        }
        let mut close =
            transaction.prepare_cached("delete from open where topic = ?1 and number = ?2")?;
        for (topic, number) in &change.closed {
            close.execute(params![topic, number])?;
        }
        let mut know = transaction.prepare_cached(
            "insert into known values (?1, ?2)
             on conflict(name) do update set value = excluded.value",
        )?;
        for (name, value) in &change.known {
            know.execute(params![name, value])?;
        }
        let mut join = transaction.prepare_cached(
            "update message set count = count + ?4, body = ?5
             where channel = ?1 and topic = ?2 and event = ?3 and state = 'waits' and tries = 0",
        )?;
        let mut say = transaction.prepare_cached(
            "insert into message(channel, topic, event, body, count, at, due)
             values (?1, ?2, ?3, ?5, ?4, ?6, ?7)",
        )?;
        let mut undo = transaction.prepare_cached(
            "delete from message
             where channel = ?1 and topic = ?2 and event = ?3 and state = 'waits' and tries = 0",
        )?;
        for draft in &change.drafts {
            if let Some(event) = &draft.undoes
                && undo.execute(params![draft.channel, draft.topic, event])? > 0
            {
                continue;
            }
            let count = draft.count as i64;
            let Draft { channel, topic, event, body, .. } = draft;
            if join.execute(params![channel, topic, event, count, body])? == 0 {
                let times = (draft.at.0, draft.due.0);
                say.execute(params![channel, topic, event, count, body, times.0, times.1])?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn fared(connection: &mut Connection, all: &[(i64, Fared)]) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut set = transaction.prepare_cached(
            "update message set state = ?2, due = coalesce(?3, due), answer = ?4, tries = tries + 1
             where number = ?1",
        )?;
        for (number, fared) in all {
            let (state, due, answer) = match fared {
                Fared::Sent => ("sent", None, None),
                Fared::Again(due, why) => ("waits", Some(due.0), Some(why)),
                Fared::GivenUp(why) => ("given_up", None, Some(why)),
            };
            set.execute(params![number, state, due, answer])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
