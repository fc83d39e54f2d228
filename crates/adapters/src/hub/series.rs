//! How much happened when, for pictures: sums in coarse pieces of time, in a file of its own beside the
//! hub. It is no record of anything: a piece that could not be written is missing from a picture and
//! from nothing else.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior, params};
use syncline_core::{error::PortError, name::Timestamp};

use crate::hub::{
    beside::{self, Tables},
    sqlite::error::Outcome,
};

const TABLES: Tables = Tables {
    what: "sums",
    version: 1,
    is_durable: false,
    sql: "
create table piece(
    -- Seconds since 1970: the minute's beginning, or the hour's where it is long ago.
    at integer not null,
    name text not null,
    entity text not null,
    system text not null,
    key text not null,
    value real not null,
    primary key (name, at, entity, system, key)
) without rowid;
",
};

/// Minutes are kept for so long, then hours.
const MINUTES: i64 = 2 * 86_400;
/// Hours are kept for so long.
const HOURS: i64 = 30 * 86_400;
/// So many points are given at most.
const POINTS_MAX: i64 = 2_000;

/// What was counted: which number, of which entity and system, under which key; empty where that says
/// nothing.
pub type Counted = (&'static str, String, String, String);

/// By what sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By entity.
    Entity,
    /// By system.
    System,
    /// By key.
    Key,
}

impl By {
    fn column(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::System => "system",
            Self::Key => "key",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which number.
    pub name: String,
    /// How sums are told apart.
    pub by: By,
    /// Of this entity.
    pub entity: Option<String>,
    /// Of this system.
    pub system: Option<String>,
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Seconds in one point.
    pub step: i64,
}

/// Sums over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// When each point begins.
    pub times: Vec<Timestamp>,
    /// For each name, a sum for each point.
    pub lines: BTreeMap<String, Vec<f64>>,
}

/// The file of the pictures of this hub.
pub fn path_of(hub: &Path) -> PathBuf {
    beside::path_of(hub, ".series")
}

/// Adds what was counted in this minute, and lets go of what is old.
///
/// # Errors
/// The file's.
pub fn add(hub: &Path, at: Timestamp, counted: &[(Counted, f64)]) -> Result<(), PortError> {
    let path = path_of(hub);
    let write = || -> Outcome<()> {
        let mut connection = beside::open(&path, &TABLES)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let minute = seconds(at) / 60 * 60;
        {
            let mut insert = transaction.prepare_cached(ADD)?;
            for ((name, entity, system, key), value) in counted {
                insert.execute(params![minute, name, entity, system, key, value])?;
            }
        }
        if minute % 3_600 == 0 {
            fold(&transaction, minute)?;
        }
        Ok(transaction.commit()?)
    };
    write().map_err(|failure| failure.during(&format!("write {}", path.display())))
}

const ADD: &str = "insert into piece (at, name, entity, system, key, value)
    values (?, ?, ?, ?, ?, ?)
    on conflict (name, at, entity, system, key) do update set value = value + excluded.value";

/// Minutes that are old become hours; hours that are old go.
fn fold(connection: &Connection, now: i64) -> Outcome<()> {
    let old = now - MINUTES;
    connection.execute(
        "insert into piece (at, name, entity, system, key, value)
         select at / 3600 * 3600, name, entity, system, key, sum(value) from piece
         where at < ?1 and at % 3600 != 0 group by 1, 2, 3, 4, 5
         on conflict (name, at, entity, system, key) do update set value = value + excluded.value",
        [old],
    )?;
    connection.execute("delete from piece where at < ?1 and at % 3600 != 0", [old])?;
    connection.execute("delete from piece where at < ?1", [now - HOURS])?;
    Ok(())
}

/// Looks sums up. A file that is not there yet has none.
///
/// # Errors
/// The file's.
pub fn look(hub: &Path, ask: &Ask) -> Result<Sums, PortError> {
    let path = path_of(hub);
    let step = ask.step.max(60);
    let (first, last) = (seconds(ask.since) / step * step, seconds(ask.until) / step * step);
    let points = ((last - first) / step + 1).clamp(0, POINTS_MAX);
    let first = last - (points - 1) * step;
    let mut sums = Sums {
        times: (0..points).map(|at| Timestamp((first + at * step) * 1_000_000)).collect(),
        lines: BTreeMap::new(),
    };
    if !path.exists() {
        return Ok(sums);
    }
    let read = |sums: &mut Sums| -> Outcome<()> {
        let connection = beside::open(&path, &TABLES)?;
        let sql = format!(
            "select at / ?1 * ?1, {}, sum(value) from piece where name = ?2 and at >= ?3 and at < ?4
             and (?5 is null or entity = ?5) and (?6 is null or system = ?6) group by 1, 2",
            ask.by.column()
        );
        let mut select = connection.prepare(&sql)?;
        let mut rows =
            select.query(params![step, ask.name, first, last + step, ask.entity, ask.system])?;
        while let Some(row) = rows.next()? {
            let (at, key, value): (i64, String, f64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let line = sums.lines.entry(key).or_insert_with(|| vec![0.0; sums.times.len()]);
            let place = usize::try_from((at - first) / step).ok().and_then(|at| line.get_mut(at));
            if let Some(place) = place {
                *place += value;
            }
        }
        Ok(())
    };
    read(&mut sums).map_err(|failure| failure.during(&format!("read {}", path.display())))?;
    Ok(sums)
}

fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests;
