//! Hears which rows of an SQLite file change: triggers note the keys in a table of changes, in the
//! transaction of the change; whoever commits is noticed within milliseconds.
//!
//! What is put into the file: one table, and three to five triggers on each bound table, all named
//! after the installation; [`Listener::remove`] takes them out without a trace. They work with the
//! application's transactions, whoever writes, whether or not Syncline runs.
//!
//! A position is the number of the last change dealt with and a random number that was noted with
//! it. That row stays until a later one is dealt with: if it is not there, or holds another number,
//! the file is not the one that was heard (a copy from before, a table made anew).
//!
//! A `replace` removes rows that hold the same unique values without calling triggers, unless the
//! application has set `recursive_triggers`. Triggers of our own look for such rows beforehand. One
//! thing escapes them: a unique index over an expression. What only that has removed is found by the
//! comparison of everything, once a day.
//!
//! What is noted is bounded: beyond `max_retained` the triggers note nothing more, and whoever comes
//! to read removes everything and says `Retained`.

mod kept;
mod sql;
#[cfg(test)]
mod tests;
mod wake;
mod watches;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use syncline_core::{
    Text,
    change::Position,
    error::{ErrorKind, PortError},
    name::{SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_ports::listener::{Changed, Heard, Hint, Listener, Retained, not_begun};

pub(crate) use self::sql::MARKER;
use self::{
    kept::TRIM_ROWS,
    sql::Names,
    wake::{Given, Waiting, Watch},
    watches::Watches,
};
use crate::{
    settings::{Listening, Settings},
    sqlite::{
        bound::Bindings,
        connection::{Worker, port_error},
    },
};

/// So long nothing is waited for in one go.
const WAIT: Duration = Duration::from_secs(2);
/// Between two removals of what was dealt with; more than [`TRIM_ROWS`] are removed at once.
const TRIM_EVERY: Duration = Duration::from_secs(1);

const NOT_WATCHED: &str = "its triggers were not there all the time, or were not as they must be";

/// Opens a file to be listened to.
///
/// # Errors
/// As [`crate::listen`].
pub(crate) async fn listen(
    settings: &Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
    listening: &Listening,
) -> Result<Box<dyn Listener>, PortError> {
    let action = format!("listen to \"{}\"", settings.name);
    let settings = Arc::new(settings.clone());
    let mut worker = Worker::new(Arc::clone(&settings));
    let context = Arc::new(Context {
        names: Names::new(&listening.name, listening.max_retained),
        max_retained: listening.max_retained,
        bindings: Bindings::new(plan, false),
        system,
        action,
        patience: settings.statement_timeout,
    });
    let asked = Arc::clone(&context);
    worker.run(move |connection| asked.may_write(connection)).await?;
    Ok(Box::new(Triggers {
        wait: WAIT.min(settings.statement_timeout / 2),
        settings,
        worker,
        context,
        begun: None,
        dealt_with: None,
        trimmed: None,
    }))
}

/// Listens by triggers.
struct Triggers {
    settings: Arc<Settings>,
    worker: Worker,
    context: Arc<Context>,
    wait: Duration,
    begun: Option<Begun>,
    /// What was acknowledged and is still noted.
    dealt_with: Option<At>,
    /// When rows were last removed, and up to which.
    trimmed: Option<(Instant, i64)>,
}

/// What does not change while listening.
struct Context {
    names: Names,
    max_retained: u64,
    bindings: Bindings,
    system: SystemIndex,
    action: String,
    patience: Duration,
}

/// What is known since the beginning, and moves only with what is handed out: who gives up waiting
/// hears the same again.
#[derive(Clone)]
struct Begun {
    after: At,
    watches: Arc<Watches>,
    watch: Watch,
    /// Hints that come from no change: handed out first.
    untold: Vec<Hint>,
}

/// `change 17`.
pub(crate) fn position_words(position: &Position) -> Option<String> {
    At::of(position).map(|at| format!("change {}", at.number))
}

/// A noted change: its number, and the random number noted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    number: i64,
    nonce: i64,
}

impl At {
    fn position(self) -> Position {
        Position([self.number.to_be_bytes(), self.nonce.to_be_bytes()].concat())
    }

    fn of(position: &Position) -> Option<Self> {
        let (number, rest) = position.0.split_first_chunk::<8>()?;
        let nonce = rest.try_into().ok()?;
        Some(Self { number: i64::from_be_bytes(*number), nonce: i64::from_be_bytes(nonce) })
    }
}

#[async_trait]
impl Listener for Triggers {
    fn word(&self) -> &'static str {
        "triggers"
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.begun = None;
        self.dealt_with = None;
        let from = match from.map(At::of) {
            Some(None) => return Err(self.context.lost("the position is none of ours")),
            Some(at) => at,
            None => None,
        };
        let context = Arc::clone(&self.context);
        // First the file, then the connection: should the file be replaced between the two, it is
        // noticed.
        let watch = Watch::new(Path::new(&self.settings.database))?;
        self.worker = Worker::new(Arc::clone(&self.settings));
        let work = move |connection: &mut Connection| context.begin(connection, from, watch);
        let begun = self.worker.run(work).await?;
        let position = begun.after.position();
        self.begun = Some(begun);
        Ok(position)
    }

    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError> {
        self.trim(false).await?;
        let begun = self.begun()?.clone();
        let (context, until) = (Arc::clone(&self.context), Instant::now() + self.wait);
        let (_waiting, given) = Waiting::new();
        let work = move |connection: &mut Connection| {
            context.hear(connection, begun, rows.max(1), until, &given)
        };
        let (heard, begun) = self.worker.run(work).await?;
        self.begun = Some(begun);
        Ok(heard)
    }

    async fn ack(&mut self, upto: &Position) -> Result<(), PortError> {
        let at = At::of(upto).ok_or_else(|| self.context.lost("the position is none of ours"))?;
        self.dealt_with = Some(at);
        self.trim(true).await
    }

    async fn retained(&mut self) -> Result<Retained, PortError> {
        let context = Arc::clone(&self.context);
        let work = move |connection: &mut Connection| {
            let bytes = context.noted(connection).map(|noted| noted.bytes);
            bytes.map_err(|error| context.failed(&error))
        };
        Ok(Retained { bytes: self.worker.run(work).await?, bounded: true })
    }

    async fn remove(&mut self) -> Result<(), PortError> {
        self.begun = None;
        self.dealt_with = None;
        let context = Arc::clone(&self.context);
        let work = move |connection: &mut Connection| {
            context.remove(connection).map_err(|error| context.failed(&error))
        };
        self.worker.run(work).await
    }
}

impl Triggers {
    fn begun(&self) -> Result<&Begun, PortError> {
        self.begun.as_ref().ok_or_else(|| not_begun(&self.context.action))
    }

    /// Removes what was dealt with, now and then: not with each small acknowledgement, for the
    /// application's writers wait for ours.
    async fn trim(&mut self, is_new: bool) -> Result<(), PortError> {
        let Some(upto) = self.dealt_with else { return Ok(()) };
        let is_due = self.trimmed.is_none_or(|(at, number)| {
            at.elapsed() >= TRIM_EVERY || (is_new && upto.number - number >= TRIM_ROWS)
        });
        if !is_due {
            return Ok(());
        }
        let context = Arc::clone(&self.context);
        let is_done = self.worker.run(move |connection| context.trim(connection, upto)).await?;
        self.trimmed = Some((Instant::now(), upto.number));
        if is_done {
            self.dealt_with = None;
        }
        Ok(())
    }
}

impl Context {
    fn failed(&self, error: &rusqlite::Error) -> PortError {
        port_error(&self.action, error)
    }

    fn lost(&self, detail: &str) -> PortError {
        PortError::new(ErrorKind::PositionLost, self.action.clone(), detail)
    }

    fn may_write(&self, connection: &Connection) -> Result<(), PortError> {
        if !connection.is_readonly("main").map_err(|error| self.failed(&error))? {
            return Ok(());
        }
        let detail = "triggers are put into the file, and it cannot be written: give the user that \
             runs Syncline write access to the file and its directory, or set `detect: {poll: 30s}`";
        Err(PortError::new(ErrorKind::Forbidden, self.action.clone(), detail))
    }

    fn begin(
        &self,
        connection: &mut Connection,
        from: Option<At>,
        watch: Watch,
    ) -> Result<Begun, PortError> {
        self.may_write(connection)?;
        let failed = |error: rusqlite::Error| self.failed(&error);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        match from {
            Some(from) => {
                self.must_hold(&transaction, from)?;
                if self.is_full(&transaction).map_err(failed)? {
                    drop(transaction);
                    return Err(self.give_up(connection));
                }
            }
            None => {
                let table = format!("drop table if exists {}", self.names.changes());
                transaction.execute_batch(&table).map_err(failed)?;
            }
        }
        let watches = self.set_up(&transaction, from.is_some())?;
        let after = match from {
            Some(from) => from,
            None => self.last(&transaction).map_err(failed)?,
        };
        transaction.commit().map_err(failed)?;
        let untold = unheard(&Watches::default(), &watches);
        Ok(Begun { after, watches: Arc::new(watches), watch, untold })
    }

    fn hear(
        &self,
        connection: &mut Connection,
        mut begun: Begun,
        rows: usize,
        until: Instant,
        given: &Given,
    ) -> Result<(Heard, Begun), PortError> {
        let failed = |error: rusqlite::Error| self.failed(&error);
        loop {
            begun.watch.still_there()?;
            if !begun.untold.is_empty() {
                let hints = std::mem::take(&mut begun.untold);
                return Ok((Heard { hints, upto: begun.after.position(), more: true }, begun));
            }
            let transaction = connection.transaction().map_err(failed)?;
            let version = wake::version(&transaction).map_err(failed)?;
            if watches::schema(&transaction)? != begun.watches.schema {
                drop(transaction);
                let before = Arc::clone(&begun.watches);
                begun.watches = Arc::new(self.look_again(connection)?);
                begun.untold = unheard(&before, &begun.watches);
                continue;
            }
            self.must_hold(&transaction, begun.after)?;
            let is_full = self.is_full(&transaction).map_err(failed)?;
            let (hints, upto, more) = self.read(&transaction, &begun, rows).map_err(failed)?;
            transaction.commit().map_err(failed)?;
            if is_full {
                return Err(self.give_up(connection));
            }
            if upto != begun.after || Instant::now() >= until {
                begun.after = upto;
                return Ok((Heard { hints, upto: upto.position(), more }, begun));
            }
            begun.watch.wait(connection, version, until, given)?;
        }
    }

    /// The hints after where we are, where that leads, and whether there is more.
    fn read(
        &self,
        connection: &Connection,
        begun: &Begun,
        rows: usize,
    ) -> rusqlite::Result<(Vec<Hint>, At, bool)> {
        let keys: Vec<String> =
            (1..=begun.watches.key_columns()).map(|at| format!(", k{at}")).collect();
        let sql = format!(
            "select seq, nonce, at, watch, whole{} from {} where seq > ?1 order by seq limit ?2",
            keys.concat(),
            self.names.changes()
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let limit = i64::try_from(rows).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = statement.query([begun.after.number, limit])?;
        let (mut hints, mut upto, mut count) = (Vec::new(), begun.after, 0);
        while let Some(row) = found.next()? {
            count += 1;
            if count > rows {
                return Ok((hints, upto, true));
            }
            upto = At { number: row.get(0)?, nonce: row.get(1)? };
            let at = row.get::<_, Option<i64>>(2)?.map(|at| Timestamp(at.saturating_mul(1_000)));
            let is_whole = row.get::<_, Option<i64>>(4)?.is_some();
            let number = row.get::<_, Option<i64>>(3)?.unwrap_or_default();
            for bound in begun.watches.bounds(number) {
                let what = if is_whole {
                    Changed::Unnamed(Text::new(NOT_WATCHED))
                } else {
                    Changed::Row(watches::key(bound, row, 5)?)
                };
                hints.push(Hint { binding: bound.shape.binding, what, at });
            }
        }
        Ok((hints, upto, false))
    }

    /// The schema is another one: looks at all tables, and mends the triggers where needed.
    fn look_again(&self, connection: &mut Connection) -> Result<Watches, PortError> {
        let failed = |error: rusqlite::Error| self.failed(&error);
        // Most changes of a schema concern other tables: then nobody is kept from writing.
        let transaction = connection.transaction().map_err(failed)?;
        let watches = Watches::of(&transaction, &self.bindings, self.system)?;
        let repair = watches.repair(&transaction, &self.names).map_err(failed)?;
        let is_there = self.is_there(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        if is_there && !repair.is_needed() {
            return Ok(watches);
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let watches = self.set_up(&transaction, true)?;
        transaction.commit().map_err(failed)?;
        Ok(watches)
    }

    /// Makes what is missing; notes the tables that were not watched all the time, unless all is
    /// read anyway.
    fn set_up(&self, transaction: &Transaction<'_>, notes: bool) -> Result<Watches, PortError> {
        let mut watches = Watches::of(transaction, &self.bindings, self.system)?;
        self.make_changes(transaction, &watches)
            .and_then(|()| watches.repair(transaction, &self.names))
            .and_then(|repair| repair.make(transaction, &self.names, notes))
            .map_err(|error| self.failed(&error))?;
        watches.schema = watches::schema(transaction)?;
        Ok(watches)
    }

    fn is_there(&self, connection: &Connection) -> rusqlite::Result<bool> {
        // Asked by a statement, which notices what another connection has changed meanwhile.
        connection
            .prepare_cached("select 1 from sqlite_schema where type = 'table' and name = ?1")?
            .exists([self.names.changes_name()])
    }

    /// Makes sure that the table of changes is there, with columns for the longest key.
    fn make_changes(&self, connection: &Connection, watches: &Watches) -> rusqlite::Result<()> {
        let changes = self.names.changes();
        if !self.is_there(connection)? {
            connection.execute_batch(&self.names.create_changes(watches.key_columns()))?;
            connection.execute(&format!("insert into {changes} (watch) values (null)"), [])?;
        }
        for at in 1..=watches.key_columns() {
            let sql = "select 1 from pragma_table_info(?1, 'main') where name = ?2";
            let (table, column) = (self.names.changes_name(), format!("k{at}"));
            if !connection.prepare_cached(sql)?.exists([&table, &column])? {
                connection.execute_batch(&format!("alter table {changes} add column {column}"))?;
            }
        }
        Ok(())
    }

    /// The last noted change.
    fn last(&self, connection: &Connection) -> rusqlite::Result<At> {
        let sql =
            format!("select seq, nonce from {} order by seq desc limit 1", self.names.changes());
        connection.query_row(&sql, [], |row| Ok(At { number: row.get(0)?, nonce: row.get(1)? }))
    }

    /// The change that was dealt with last must still be there as it was.
    fn must_hold(&self, connection: &Connection, at: At) -> Result<(), PortError> {
        if !self.is_there(connection).map_err(|error| self.failed(&error))? {
            return Err(self.lost("the table of changes is no longer there"));
        }
        let sql = format!("select nonce from {} where seq = ?1", self.names.changes());
        let found: Option<i64> = connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row([at.number], |row| row.get(0)).optional())
            .map_err(|error| self.failed(&error))?;
        if found == Some(at.nonce) {
            return Ok(());
        }
        Err(self
            .lost("the change that was dealt with last is not there: an older copy of the file?"))
    }
}

/// Bindings of which nothing is heard any more: whoever reads them is told why.
fn unheard(before: &Watches, now: &Watches) -> Vec<Hint> {
    now.unheard
        .iter()
        .filter(|(binding, why)| before.unheard.get(*binding) != Some(*why))
        .map(|(binding, why)| Hint {
            binding: *binding,
            what: Changed::Unnamed(why.clone()),
            at: None,
        })
        .collect()
}
