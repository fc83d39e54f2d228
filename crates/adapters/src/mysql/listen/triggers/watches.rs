//! Which tables are watched, for which bindings, and whether their triggers are as they must be.
//!
//! Tools that alter a table by copying it leave its triggers behind. What is missing or is not as it
//! should be is made again, and the table is noted as to be read whole: nobody knows what happened to
//! it meanwhile. That is noted first: should the rest fail, it is made up for later.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::Value as Cell;
use syncline_core::{
    Text,
    change::RowKey,
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::{Digest, Value},
};

use super::names::{self, Names, Trigger, Watched, what};
use crate::mysql::{
    connect::Session,
    describe::{self, Cells},
    failure::Failure,
    listen::{
        key::KeyColumn,
        tables::{Name, Tables},
    },
    literal,
    types::{self, Wire},
};

/// A table and what is to be said of its changes.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) table: Watched,
    pub(super) bindings: Vec<BindingIndex>,
    /// Bindings whose rows may go or change with a deleted row, without a trigger being called.
    pub(super) on_delete: BTreeSet<BindingIndex>,
    /// The same for changes of what is referred to.
    pub(super) on_update: BTreeSet<BindingIndex>,
}

/// All that is watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    by_number: BTreeMap<i64, Watch>,
    /// Bindings whose tables are not as the plan needs them, and why: nothing is heard of them.
    pub(super) unheard: BTreeMap<BindingIndex, Text>,
}

/// Days of the server's calendar: until when triggers are made, which of them are made anew, and
/// which note nothing any more.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    until: String,
    soon: String,
    today: String,
}

/// So many days triggers note changes that nobody reads.
pub(super) const LEASE_DAYS: u32 = 30;

impl Lease {
    pub(super) async fn ask(session: &mut Session) -> Result<Self, Failure> {
        let sql = format!(
            "select cast(date(utc_timestamp() + interval {LEASE_DAYS} day) as char), \
             cast(date(utc_timestamp() + interval {} day) as char), \
             cast(date(utc_timestamp()) as char)",
            LEASE_DAYS / 2
        );
        let row = session.rows(&sql).await?.into_iter().next().unwrap_or_default();
        let mut cells = Cells(row.into_iter());
        Ok(Self { until: cells.text(), soon: cells.text(), today: cells.text() })
    }
}

/// What must be done so that all triggers are as they must be.
#[derive(Debug, Default)]
pub(super) struct Repair {
    statements: Vec<String>,
    /// Tables, by number, that were not watched all the time.
    missed: BTreeSet<i64>,
    /// Some triggers have noted nothing for some time.
    pub(super) has_run_out: bool,
}

impl Watches {
    /// Describes the tables of all bindings of a system.
    ///
    /// # Errors
    /// `Unheard` if one of them can have no such triggers; what the server says.
    pub(super) async fn load(
        session: &mut Session,
        database: &str,
        plan: &Plan,
        system: SystemIndex,
    ) -> Result<Self, PortError> {
        let tables = Tables::load(session, database, plan, system, true).await?;
        let mut found = Self { unheard: tables.unheard.clone(), ..Self::default() };
        for (name, known) in tables.bound() {
            must_be_transactional(session, name).await?;
            for (binding, key) in &known.bound {
                must_be_noted_exactly(session, name, key)?;
                let watch = found.by_number.entry(number(name, key)).or_insert_with(|| Watch {
                    table: Watched {
                        name: name.clone(),
                        key: key.clone(),
                        referenced: known.referenced.iter().cloned().collect(),
                    },
                    bindings: Vec::new(),
                    on_delete: known.on_delete.clone(),
                    on_update: known
                        .on_update
                        .iter()
                        .flat_map(|(_, bindings)| bindings.iter().copied())
                        .collect(),
                });
                watch.bindings.push(*binding);
            }
        }
        Ok(found)
    }

    /// How many columns the longest key has.
    pub(super) fn key_columns(&self) -> usize {
        self.by_number.values().map(|watch| watch.table.key.len()).max().unwrap_or(1)
    }

    pub(super) fn get(&self, number: i64) -> Option<&Watch> {
        self.by_number.get(&number)
    }

    /// The names of all tables, each once.
    pub(super) fn tables(&self) -> BTreeSet<&Name> {
        self.by_number.values().map(|watch| &watch.table.name).collect()
    }

    /// Compares the triggers that are there with those that must be.
    pub(super) async fn repair(
        &self,
        session: &mut Session,
        names: &Names,
        lease: &Lease,
    ) -> Result<Repair, Failure> {
        let mut schemas: BTreeSet<String> =
            self.by_number.values().map(|watch| watch.table.name.0.clone()).collect();
        schemas.insert(names.changes_name().0);
        let mut there: BTreeMap<(String, String), Found> = triggers(session, names, Some(&schemas))
            .await?
            .into_iter()
            .map(|found| ((found.schema.to_lowercase(), found.name.clone()), found))
            .collect();
        let can_replace = session.server.is_mariadb;
        let mut repair = Repair::default();
        for (number, watch) in &self.by_number {
            let table = &watch.table;
            for trigger in names.triggers(*number, table, &lease.until) {
                let found = there.remove(&(table.name.0.to_lowercase(), trigger.name.clone()));
                let until = found.as_ref().and_then(|found| {
                    let until = names::until(&found.body)?.to_owned();
                    let as_it_must_be = names.triggers(*number, table, &until);
                    found.is_one_of(&as_it_must_be, &table.name).then_some(until)
                });
                let create = |verb: &str| {
                    format!(
                        "{verb} {} after {} on {} for each row {}",
                        names::quoted(&(table.name.0.clone(), trigger.name.clone())),
                        trigger.event,
                        names::quoted(&table.name),
                        trigger.body
                    )
                };
                match until {
                    Some(until) if until > lease.soon => {}
                    // One takes the place of the other: no change is between the two.
                    Some(until) if can_replace => {
                        repair.has_run_out |= until <= lease.today;
                        repair.statements.push(create("create or replace trigger"));
                    }
                    Some(_) | None => {
                        repair.missed.insert(*number);
                        repair.statements.extend(found.map(|found| found.drop()));
                        repair.statements.push(create("create trigger"));
                    }
                }
            }
        }
        repair.statements.extend(there.into_values().map(|found| found.drop()));
        Ok(repair)
    }
}

impl Repair {
    /// Does it; notes the tables that were not watched all the time, unless all is read anyway.
    pub(super) async fn make(
        &self,
        session: &mut Session,
        names: &Names,
        notes: bool,
    ) -> Result<(), Failure> {
        for number in self.missed.iter().filter(|_| notes) {
            let (changes, what) = (names.changes(), what::NOT_WATCHED);
            let sql = format!("insert into {changes} (watch, what) values ({number}, {what})");
            session.run(&sql).await?;
        }
        for sql in &self.statements {
            session.run(sql).await?;
        }
        Ok(())
    }
}

/// A trigger of ours that is there.
#[derive(Debug)]
pub(super) struct Found {
    schema: String,
    name: String,
    table: Name,
    event: String,
    body: String,
    /// It acts in our name: should another account have made it, it fails once that one is gone.
    is_ours: bool,
}

impl Found {
    fn is_one_of(&self, expected: &[Trigger], table: &Name) -> bool {
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        self.is_ours
            && same(&self.table.0, &table.0)
            && same(&self.table.1, &table.1)
            && expected.iter().any(|trigger| {
                trigger.name == self.name
                    && trigger.event == self.event
                    && trigger.body == self.body
            })
    }

    /// The statement that takes it away.
    pub(super) fn drop(&self) -> String {
        let name = names::quoted(&(self.schema.clone(), self.name.clone()));
        format!("drop trigger if exists {name}")
    }
}

/// All of our triggers in these schemas, or in all.
pub(super) async fn triggers(
    session: &mut Session,
    names: &Names,
    schemas: Option<&BTreeSet<String>>,
) -> Result<Vec<Found>, Failure> {
    let prefix = names.trigger_prefix();
    let mut sql = format!(
        "select trigger_schema, trigger_name, event_object_schema, event_object_table, \
         event_manipulation, action_statement, definer = current_user() \
         from information_schema.triggers where locate('{}', action_statement) > 0 \
         and action_timing = 'AFTER' and left(trigger_name, {}) = ",
        names::MARKER,
        prefix.len()
    )
    .into_bytes();
    literal::text(&prefix, &mut sql);
    for (at, schema) in schemas.into_iter().flatten().enumerate() {
        sql.extend_from_slice(if at == 0 { b" and trigger_schema in (" } else { b", " });
        literal::text(schema, &mut sql);
    }
    if schemas.is_some_and(|schemas| !schemas.is_empty()) {
        sql.push(b')');
    }
    let rows = session.rows(&sql).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut cells = Cells(row.into_iter());
            Found {
                schema: cells.text(),
                name: cells.text(),
                table: (cells.text(), cells.text()),
                event: cells.text(),
                body: cells.text(),
                is_ours: cells.text() == "1",
            }
        })
        .collect())
}

/// The key that was noted, as a read of the row shows it; `None` where that cannot be said.
pub(super) fn key(
    columns: &[KeyColumn],
    cells: &mut impl Iterator<Item = Option<Cell>>,
) -> Option<RowKey> {
    let mut values = Vec::with_capacity(columns.len());
    for column in columns {
        values.push(value(column.wire, cells.next().flatten())?);
    }
    Some(RowKey::new(&values))
}

fn value(wire: Wire, cell: Option<Cell>) -> Option<Value> {
    let wire = match wire {
        Wire::Timestamp => return instant(cell),
        // It was noted as a number.
        Wire::Bit => Wire::Int,
        Wire::Int
        | Wire::Decimal
        | Wire::Float
        | Wire::Double
        | Wire::Text
        | Wire::Enum
        | Wire::Set
        | Wire::Bytes
        | Wire::Uuid
        | Wire::Date
        | Wire::DateTime
        | Wire::Time
        | Wire::Json => wire,
    };
    types::decode(wire, cell).ok()
}

/// Seconds since 1970, with a fraction; zero is the zero timestamp, which no value of ours holds.
fn instant(cell: Option<Cell>) -> Option<Value> {
    let Some(text) = literal::cell_text(cell) else { return Some(Value::Null) };
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let seconds = seconds.parse().ok().filter(|seconds| *seconds > 0)?;
    let is_digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = format!("{fraction:0<9}").parse().ok().filter(|_| is_digits)?;
    Some(Value::Instant(seconds, nanos))
}

/// Names a table with its key: the same after every start, another if the key is another.
fn number(name: &Name, key: &[KeyColumn]) -> i64 {
    let mut bytes = Vec::new();
    for name in [&name.0, &name.1].into_iter().chain(key.iter().map(|column| &column.name)) {
        bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    let Digest(digest) = Digest::of(&bytes);
    let first = digest.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
    // Positive and not zero, so that it reads the same everywhere.
    i64::try_from(first >> 1).unwrap_or(i64::MAX).max(1)
}

/// What is noted is taken back with a transaction; what it is noted of must be too.
async fn must_be_transactional(session: &mut Session, name: &Name) -> Result<(), PortError> {
    let action = format!("listen to {:?}", name.1);
    let place = describe::place(describe::TABLE, &name.0, &name.1);
    let sql = format!("select engine from information_schema.tables where {place}");
    let rows = session.rows(&sql).await.map_err(|failure| failure.error(&*action))?;
    let engine = rows.into_iter().next().map(|row| Cells(row.into_iter()).text());
    match engine {
        Some(engine) if !describe::is_transactional(&engine) => {
            let detail = format!(
                "it uses {engine}, which has no transactions: a change would stay and its note go; \
                 run `alter table … engine = InnoDB`, or set `detect: {{poll: 30s}}`"
            );
            Err(PortError::new(ErrorKind::Unheard, action, detail))
        }
        Some(_) | None => Ok(()),
    }
}

fn must_be_noted_exactly(
    session: &Session,
    name: &Name,
    key: &[KeyColumn],
) -> Result<(), PortError> {
    let is_exact = session.server.is_mariadb && session.server.number >= (10, 4);
    if is_exact || key.iter().all(|column| column.wire != Wire::Timestamp) {
        return Ok(());
    }
    let detail = "its key holds a timestamp, and a trigger of this server sees it only in the time \
         zone of whoever writes: set `detect: {poll: 30s}`";
    Err(PortError::new(ErrorKind::Unheard, format!("listen to {:?}", name.1), detail))
}
