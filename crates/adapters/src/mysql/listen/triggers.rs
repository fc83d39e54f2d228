//! Hears which rows of MariaDB or MySQL change where the log cannot be read: triggers note the keys in
//! a table of changes, in the transaction of the change.
//!
//! What is put into the server: one table, and three triggers on each bound table, all named after
//! the installation; [`Listener::remove`] takes them out without a trace. They work with the
//! application's transactions, whoever writes, whether or not Syncline runs, beside other triggers.
//!
//! Transactions commit in another order than they are numbered in: a lower number may be seen later.
//! So no number is passed over because a higher one was seen. Whatever is in the table is yet to be
//! dealt with, and goes by its own number once it was.
//!
//! A position is the number and the time of a note that was dealt with. That note stays until one
//! that was handed out later is dealt with: if it is not there, or is another one, this is not the
//! server that was heard (a copy from before, a table made anew), or what came after it is gone.
//!
//! Emptying a table calls no trigger, and neither do rows that a foreign key takes along. For the
//! latter the tables whose rows go along are read whole, if the table they refer to is bound too.
//! The rest is found by the comparison of everything, once a day.

mod kept;
mod names;
mod possible;
mod watches;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use mysql_async::Value as Cell;
use syncline_core::{
    Text,
    change::Position,
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_ports::listener::{Changed, Heard, Hint, Listener, Retained, not_begun};

use self::{
    kept::Kept,
    names::{Names, what},
    watches::{Lease, Watch, Watches},
};
pub(in crate::mysql) use self::{
    names::{COMMENT, MARKER},
    possible::refusal,
};
use crate::{
    mysql::{
        connect::{self, Purpose, Session},
        failure::Failure,
        literal::cell_text,
    },
    settings::{Listening, Settings},
};

/// So long nothing is waited for in one go.
const WAIT: Duration = Duration::from_secs(2);
/// Between two looks while changes come.
const BUSY_LOOK: Duration = Duration::from_millis(10);
/// Between two looks else.
const IDLE_LOOK: Duration = Duration::from_millis(100);
/// So long after a change more are expected.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// How often it is looked for lower numbers that were committed later.
const LATE_EVERY: Duration = Duration::from_millis(250);
/// How often the tables and their triggers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Whoever makes a trigger waits for all who work with the table, and everybody waits for them.
const LOCK_WAIT_SECONDS: u8 = 3;

const NOT_WATCHED: &str = "its triggers were not there all the time, or were not as they must be";
const NOT_READ: &str = "the key of a row was noted that cannot be read";
const GO_ALONG: &str = "no trigger tells of rows that go with a deleted or changed row";

/// Opens a server to be listened to.
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
    if settings.database.is_empty() {
        let detail = "its URL names no database that the table of changes could be put into";
        return Err(PortError::new(ErrorKind::Unheard, action, detail));
    }
    let mut triggers = Triggers {
        names: Names::new(&listening.name, &settings.database),
        max_retained: listening.max_retained,
        settings: settings.clone(),
        plan,
        system,
        action,
        session: None,
        begun: None,
    };
    triggers.must_be_possible().await?;
    Ok(Box::new(triggers))
}

/// `change 17`.
pub(crate) fn position_words(position: &Position) -> Option<String> {
    At::of(position).map(|at| format!("change {}", at.number))
}

/// A note: its number, and when it was made, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    number: u64,
    micros: u64,
}

/// Tells a position from those in the log.
const TAG: u8 = b'T';

impl At {
    fn position(self) -> Position {
        let [number, micros] = [self.number.to_be_bytes(), self.micros.to_be_bytes()];
        Position([&[TAG][..], &number, &micros].concat())
    }

    fn of(position: &Position) -> Option<Self> {
        let (tag, rest) = position.0.split_first()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let micros = u64::from_be_bytes(rest.try_into().ok()?);
        (*tag == TAG).then_some(Self { number: u64::from_be_bytes(*number), micros })
    }
}

/// Listens by triggers.
struct Triggers {
    settings: Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
    action: String,
    names: Names,
    max_retained: u64,
    session: Option<Session>,
    begun: Option<Begun>,
}

/// What is known since the beginning. Moves only between waits: who gives up waiting hears the same
/// again.
struct Begun {
    watches: Watches,
    /// When the tables and their triggers were last looked at.
    looked: Instant,
    /// What was handed out last.
    upto: At,
    /// The highest number that was handed out.
    highest: u64,
    kept: Kept,
    /// Hints that come from no change: handed out first.
    untold: Vec<Hint>,
    /// When it was last looked for lower numbers.
    late: Option<Instant>,
    /// When something was last found.
    changed: Option<Instant>,
}

/// Notes as they were read.
#[derive(Default)]
struct Notes {
    hints: Vec<Hint>,
    numbers: Vec<u64>,
    upto: Option<At>,
    more: bool,
}

#[async_trait]
impl Listener for Triggers {
    fn word(&self) -> &'static str {
        "triggers"
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.begun = None;
        let from = match from.map(At::of) {
            Some(None) => return Err(self.lost("the position is none of ours")),
            Some(at) => at,
            None => None,
        };
        let watches = self.watches().await?;
        match from {
            Some(from) => {
                self.must_hold(from).await?;
                self.must_have_room().await?;
            }
            // First of all, so that no earlier position holds should the rest fail.
            None => self.forget_all().await?,
        }
        self.set_up(&watches, from.is_some()).await?;
        let upto = match from {
            Some(from) => from,
            None => self.note_beginning().await?,
        };
        let untold = unheard(&Watches::default(), &watches);
        self.begun = Some(Begun {
            watches,
            looked: Instant::now(),
            upto,
            highest: 0,
            kept: Kept::after(upto),
            untold,
            late: None,
            changed: None,
        });
        Ok(upto.position())
    }

    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError> {
        let (rows, until) = (rows.max(1), Instant::now() + WAIT);
        self.trim().await?;
        loop {
            if self.begun()?.looked.elapsed() >= LOOK_EVERY {
                self.look_again().await?;
            }
            let begun = self.begun()?;
            if !begun.untold.is_empty() {
                let hints = std::mem::take(&mut begun.untold);
                return Ok(Heard { hints, upto: begun.upto.position(), more: true });
            }
            let is_due = begun.late.is_none_or(|at| at.elapsed() >= LATE_EVERY);
            let mut notes = if is_due { self.late(rows).await? } else { Notes::default() };
            if is_due && notes.numbers.is_empty() {
                self.begun()?.late = Some(Instant::now());
            }
            if notes.numbers.is_empty() {
                notes = self.later(rows).await?;
            }
            let begun = self.begun()?;
            let Some(upto) = notes.upto else {
                if Instant::now() >= until {
                    return Ok(Heard { hints: vec![], upto: begun.upto.position(), more: false });
                }
                let is_busy = begun.changed.is_some_and(|at| at.elapsed() < BUSY_FOR);
                tokio::time::sleep(if is_busy { BUSY_LOOK } else { IDLE_LOOK }).await;
                continue;
            };
            begun.changed = Some(Instant::now());
            begun.upto = upto;
            begun.highest = notes.numbers.iter().copied().fold(begun.highest, u64::max);
            begun.kept.hand_out(upto, notes.numbers);
            return Ok(Heard { hints: notes.hints, upto: upto.position(), more: notes.more });
        }
    }

    async fn ack(&mut self, upto: &Position) -> Result<(), PortError> {
        // What was said before it began, or in another way, says nothing of what is noted here.
        if let Some(at) = At::of(upto) {
            self.begun()?.kept.deal_with(at);
        }
        self.trim().await
    }

    async fn retained(&mut self) -> Result<Retained, PortError> {
        Ok(Retained { bytes: self.noted().await?, bounded: false })
    }

    async fn remove(&mut self) -> Result<(), PortError> {
        self.begun = None;
        self.remove_all().await
    }
}

impl Triggers {
    fn begun(&mut self) -> Result<&mut Begun, PortError> {
        let action = &self.action;
        self.begun.as_mut().ok_or_else(|| not_begun(action))
    }

    fn failed(&self, failure: &Failure) -> PortError {
        failure.error(&*self.action)
    }

    fn lost(&self, detail: &str) -> PortError {
        PortError::new(ErrorKind::PositionLost, self.action.clone(), detail)
    }

    async fn session(&mut self) -> Result<&mut Session, PortError> {
        if !self.session.as_ref().is_some_and(Session::is_usable) {
            let mut session = connect::open(&self.settings, Purpose::Write).await?;
            let patience = format!("set session lock_wait_timeout = {LOCK_WAIT_SECONDS}");
            session.run(&patience).await.map_err(|failure| self.failed(&failure))?;
            self.session = Some(session);
        }
        let action = &self.action;
        self.session
            .as_mut()
            .ok_or_else(|| PortError::new(ErrorKind::Unreachable, action.clone(), "no connection"))
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<Cell>>>, PortError> {
        let answered = self.session().await?.rows(sql).await;
        answered.map_err(|failure| self.failed(&failure))
    }

    async fn run(&mut self, sql: &str) -> Result<(), PortError> {
        self.rows(sql).await.map(drop)
    }

    async fn watches(&mut self) -> Result<Watches, PortError> {
        let (plan, database) = (Arc::clone(&self.plan), self.settings.database.clone());
        let system = self.system;
        Watches::load(self.session().await?, &database, &plan, system).await
    }

    /// Makes what is missing; notes the tables that were not watched all the time, unless all is
    /// read anyway.
    async fn set_up(&mut self, watches: &Watches, notes: bool) -> Result<(), PortError> {
        let names = self.names.clone();
        self.make_changes(watches.key_columns()).await?;
        let session = self.session().await?;
        let made = async {
            let lease = Lease::ask(session).await?;
            let repair = watches.repair(session, &names, &lease).await?;
            if notes && repair.has_run_out {
                return Ok(true);
            }
            repair.make(session, &names, notes).await?;
            Ok(false)
        };
        match made.await {
            Ok(false) => Ok(()),
            Ok(true) => Err(self.lost(
                "nobody listened for so long that its triggers have stopped noting what changes",
            )),
            Err(failure) => Err(self.explained(&failure)),
        }
    }

    /// Looks at all tables, mends the triggers where needed, and makes sure that everything is there
    /// that was.
    async fn look_again(&mut self) -> Result<(), PortError> {
        let witness = self.begun()?.kept.witness;
        self.must_hold(witness).await?;
        self.must_have_room().await?;
        let watches = self.watches().await?;
        self.set_up(&watches, true).await?;
        let begun = self.begun()?;
        begun.untold = unheard(&begun.watches, &watches);
        begun.watches = watches;
        begun.looked = Instant::now();
        Ok(())
    }

    /// The note that was dealt with last must still be there as it was.
    async fn must_hold(&mut self, at: At) -> Result<(), PortError> {
        let sql =
            format!("select {MICROS} from {} where seq = {}", self.names.changes(), at.number);
        let found = match self.session().await?.rows(&sql).await {
            Ok(found) => found,
            Err(failure) if failure.code() == Some(NO_SUCH_TABLE) => {
                return Err(self.lost("the table of changes is no longer there"));
            }
            Err(failure) => return Err(self.failed(&failure)),
        };
        let found = found.into_iter().flatten().next().and_then(number);
        if found == Some(at.micros) {
            return Ok(());
        }
        Err(self.lost("the change that was dealt with last is not there: an older copy of it?"))
    }

    /// Numbers below the highest that was handed out, which were committed later than it.
    async fn late(&mut self, rows: usize) -> Result<Notes, PortError> {
        let begun = self.begun()?;
        let limit = begun.kept.given().len() + rows;
        let highest = begun.highest;
        let sql = format!(
            "select seq from {} where seq <= {highest} order by seq limit {limit}",
            self.names.changes()
        );
        let there = self.rows(&sql).await?;
        let given = self.begun()?.kept.given();
        let late: Vec<String> = there
            .into_iter()
            .flatten()
            .filter_map(number)
            .filter(|number| !given.contains(number))
            .take(rows)
            .map(|number| number.to_string())
            .collect();
        if late.is_empty() {
            return Ok(Notes::default());
        }
        self.read(&format!("seq in ({})", late.join(", ")), rows).await
    }

    /// Numbers above the highest that was handed out.
    async fn later(&mut self, rows: usize) -> Result<Notes, PortError> {
        let highest = self.begun()?.highest;
        self.read(&format!("seq > {highest}"), rows).await
    }

    async fn read(&mut self, which: &str, rows: usize) -> Result<Notes, PortError> {
        let keys: Vec<String> =
            (1..=self.begun()?.watches.key_columns()).map(|at| format!(", k{at}")).collect();
        let sql = format!(
            "select seq, {MICROS}, watch, what{} from {} where {which} order by seq limit {}",
            keys.concat(),
            self.names.changes(),
            rows.saturating_add(1)
        );
        let mut found = self.rows(&sql).await?;
        let begun = self.begun()?;
        let mut notes = Notes { more: found.len() > rows, ..Notes::default() };
        found.truncate(rows);
        let (mut told, given) = (BTreeSet::new(), begun.kept.given());
        for row in found {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten().and_then(|cell| number(Some(cell)));
            let (Some(seq), Some(micros), watch, kind) = (next(), next(), next(), next()) else {
                continue;
            };
            if given.contains(&seq) {
                continue;
            }
            notes.numbers.push(seq);
            notes.upto = Some(At { number: seq, micros });
            let watch = watch.and_then(|watch| begun.watches.get(i64::try_from(watch).ok()?));
            let at = Some(Timestamp(i64::try_from(micros).unwrap_or(i64::MAX)));
            for (binding, what) in watch.into_iter().flat_map(|watch| said(watch, kind, &mut cells))
            {
                // What is to be read whole is said once.
                if matches!(what, Changed::Row(_)) || told.insert(binding) {
                    notes.hints.push(Hint { binding, what, at });
                }
            }
        }
        Ok(notes)
    }
}

/// When a note was made.
const MICROS: &str = "cast(unix_timestamp(at) * 1000000 as unsigned)";
/// The server's number for a table that is not there.
const NO_SUCH_TABLE: u16 = 1146;

fn number(cell: Option<Cell>) -> Option<u64> {
    cell_text(cell)?.parse().ok()
}

/// What a note says.
fn said(
    watch: &Watch,
    kind: Option<u64>,
    cells: &mut impl Iterator<Item = Option<Cell>>,
) -> Vec<(BindingIndex, Changed)> {
    let whole = |bindings: &BTreeSet<BindingIndex>| -> Vec<(BindingIndex, Changed)> {
        bindings.iter().map(|it| (*it, Changed::Unnamed(Text::new(GO_ALONG)))).collect()
    };
    let kind = kind.and_then(|kind| u8::try_from(kind).ok());
    if kind == Some(what::REFERENCED) {
        return whole(&watch.on_update);
    }
    let is_row = matches!(kind, Some(what::INSERTED | what::UPDATED | what::DELETED));
    let named = if is_row {
        let key = watches::key(&watch.table.key, cells);
        key.map_or_else(|| Changed::Unnamed(Text::new(NOT_READ)), Changed::Row)
    } else {
        Changed::Unnamed(Text::new(NOT_WATCHED))
    };
    let mut said: Vec<_> = watch.bindings.iter().map(|it| (*it, named.clone())).collect();
    if kind == Some(what::DELETED) || !is_row {
        said.extend(whole(&watch.on_delete));
    }
    if !is_row {
        said.extend(whole(&watch.on_update));
    }
    said
}

/// Bindings of which nothing is heard any more: whoever reads them is told why. So is who reads what
/// is heard of again.
fn unheard(before: &Watches, now: &Watches) -> Vec<Hint> {
    let gone = now
        .unheard
        .iter()
        .filter(|(binding, why)| before.unheard.get(*binding) != Some(*why))
        .map(|(binding, why)| (*binding, why.clone()));
    let back = before
        .unheard
        .keys()
        .filter(|binding| !now.unheard.contains_key(*binding))
        .map(|binding| (*binding, Text::new(NOT_WATCHED)));
    gone.chain(back)
        .map(|(binding, why)| Hint { binding, what: Changed::Unnamed(why), at: None })
        .collect()
}
