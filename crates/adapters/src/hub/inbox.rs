//! The inbox: what systems have sent, durable before they are answered, and kept to be looked at.
//!
//! A file of its own beside the hub: what is sent must be taken also while a command has the hub.
//! One thread writes; all that waits for it is one transaction, so that thousands a second share few
//! syncs of the disk. Readers have connections of their own. Deliveries are numbered in the order in
//! which they became durable, and no number is given twice.

mod erase;
mod read;
mod reseal;
mod schema;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use syncline_core::{
    error::{ErrorKind, PortError},
    name::Timestamp,
};
use tokio::sync::{mpsc, oneshot, watch};

pub use self::{
    erase::{Erased, Named, erase, waiting_for},
    read::{Delivery, Look, Told, Waiting},
    reseal::reseal,
};
use crate::hub::{
    envelope::Envelope,
    sqlite::error::{Failure, Outcome},
};

/// So many deliveries wait for the disk; then whoever sends waits.
const WAITING: usize = 4_096;
/// So many are one transaction at most.
const TOGETHER: usize = 1_000;
/// Refusals of one system are noted one by one up to so many in [`REFUSALS_SPAN`]; the others are
/// counted there.
const REFUSALS: i64 = 20;
const REFUSALS_SPAN: i64 = 60_000_000;

/// What became of a delivery at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is on record.
    Accepted,
    /// It had been sent before.
    Duplicate,
    /// Its signature or secret was wrong.
    BadSignature,
    /// It was signed too long ago.
    TooOld,
    /// It was larger than anybody may send.
    TooLarge,
    /// It came from an address that is not listed.
    Forbidden,
    /// It is of a system that only tells, and does not tell of rows.
    Unreadable,
    /// It was sent to try the way.
    Test,
}

impl Fate {
    /// As lists and metrics write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::BadSignature => "bad_signature",
            Self::TooOld => "too_old",
            Self::TooLarge => "too_large",
            Self::Forbidden => "forbidden",
            Self::Unreadable => "unreadable",
            Self::Test => "test",
        }
    }

    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Duplicate,
        Self::BadSignature,
        Self::TooOld,
        Self::TooLarge,
        Self::Forbidden,
        Self::Unreadable,
        Self::Test,
    ];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.word() == word)
    }
}

/// What arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The system that sent it, by name.
    pub system: String,
    /// When it came.
    pub at: Timestamp,
    /// What the door says of it: a delivery that is accepted may turn out to be a duplicate.
    pub fate: Fate,
    /// Its number, if it has one.
    pub id: Option<String>,
    /// Its kind, if it says.
    pub topic: Option<String>,
    /// What was sent; kept of deliveries that were accepted.
    pub body: Vec<u8>,
}

/// The inbox, open for writing.
#[derive(Debug)]
pub struct Inbox {
    path: PathBuf,
    envelope: Envelope,
    identity: i64,
    tell: mpsc::Sender<Job>,
    last: watch::Receiver<i64>,
    is_full: Arc<AtomicBool>,
}

type Answer = oneshot::Sender<Result<Fate, PortError>>;

enum Job {
    Take(Arrival, Answer),
    /// Everything of this system up to this number is dealt with.
    Done {
        system: String,
        upto: i64,
    },
    /// The door is here.
    Opened(String),
    Forget {
        before: Timestamp,
        answer: oneshot::Sender<Result<u64, PortError>>,
    },
}

/// The file of the inbox of this hub.
pub fn path_of(hub: &Path) -> PathBuf {
    let mut name = hub.as_os_str().to_owned();
    name.push(".hooks");
    name.into()
}

impl Inbox {
    /// Opens the inbox beside this hub, and makes it if it is not there. At most so many bytes wait
    /// to be dealt with.
    ///
    /// # Errors
    /// As with the hub's file.
    pub fn open(hub: &Path, max_bytes: u64, envelope: Envelope) -> Result<Arc<Self>, PortError> {
        let path = path_of(hub);
        let action = format!("open the inbox {}", path.display());
        let (connection, identity) = schema::open(&path).map_err(|it| it.during(&action))?;
        let newest = newest(&connection).map_err(|it| it.during(&action))?;
        let waiting = waiting(&connection, None).map_err(|it| it.during(&action))?;
        let (tell, jobs) = mpsc::channel(WAITING);
        let (moved, last) = watch::channel(newest);
        let is_full = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            connection,
            envelope: envelope.clone(),
            moved,
            max_bytes,
            waiting,
            is_full: is_full.clone(),
            action: format!("write the inbox {}", path.display()),
        };
        std::thread::Builder::new()
            .name("inbox".into())
            .spawn(move || writer.work(jobs))
            .map_err(|error| PortError::new(ErrorKind::Unexpected, action, error.to_string()))?;
        Ok(Arc::new(Self { path, envelope, identity, tell, last, is_full }))
    }

    /// Puts a delivery on record. It is durable when this has returned; what it turned out to be.
    ///
    /// # Errors
    /// The disk's: it is not on record. `Throttled`: too much waits to be dealt with.
    pub async fn take(&self, arrival: Arrival) -> Result<Fate, PortError> {
        if arrival.fate == Fate::Accepted && self.is_full.load(Ordering::Relaxed) {
            let detail = "too many deliveries wait to be dealt with";
            return Err(PortError::new(ErrorKind::Throttled, "take a delivery", detail));
        }
        let (answer, answered) = oneshot::channel();
        let gone =
            || PortError::new(ErrorKind::Unexpected, "take a delivery", "its writer is gone");
        self.tell.send(Job::Take(arrival, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Everything of this system up to this number is dealt with.
    pub async fn done(&self, system: &str, upto: i64) {
        // If its writer is gone, it is dealt with again.
        let _gone = self.tell.send(Job::Done { system: system.to_owned(), upto }).await;
    }

    /// Puts on record where the door is, for whoever wants to try it.
    pub async fn opened(&self, address: String) {
        // Whoever tries it is told that nobody answers.
        let _gone = self.tell.send(Job::Opened(address)).await;
    }

    /// Forgets what came before this and is dealt with; gives how many deliveries that were.
    ///
    /// # Errors
    /// The disk's.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, PortError> {
        let (answer, answered) = oneshot::channel();
        let gone =
            || PortError::new(ErrorKind::Unexpected, "clear the inbox", "its writer is gone");
        self.tell.send(Job::Forget { before, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Follows the number of the last delivery.
    pub fn last(&self) -> watch::Receiver<i64> {
        self.last.clone()
    }

    /// What tells this inbox from one that took its place.
    pub fn identity(&self) -> i64 {
        self.identity
    }

    /// The keys that bodies are sealed with.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

struct Writer {
    connection: Connection,
    envelope: Envelope,
    moved: watch::Sender<i64>,
    max_bytes: u64,
    /// So many bytes wait to be dealt with.
    waiting: i64,
    is_full: Arc<AtomicBool>,
    action: String,
}

impl Writer {
    /// Works until nobody can give it anything to do any more.
    fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut together = vec![first];
            while together.len() < TOGETHER
                && let Ok(next) = jobs.try_recv()
            {
                together.push(next);
            }
            self.write(together);
        }
    }

    fn write(&mut self, jobs: Vec<Job>) {
        let (mut arrivals, mut answers, mut done) = (Vec::new(), Vec::new(), Vec::new());
        let mut others = Vec::new();
        for job in jobs {
            match job {
                Job::Take(arrival, answer) => {
                    arrivals.push(arrival);
                    answers.push(answer);
                }
                Job::Done { system, upto } => done.push((system, upto)),
                other @ (Job::Opened(_) | Job::Forget { .. }) => others.push(other),
            }
        }
        self.take(arrivals, answers, &done);
        for job in others {
            match job {
                Job::Take(..) | Job::Done { .. } => {}
                Job::Opened(address) => {
                    // As with `opened`.
                    let _unknown =
                        self.connection.execute("update inbox set address = ?1", [address]);
                }
                Job::Forget { before, answer } => {
                    let forgotten = forget(&mut self.connection, before);
                    let _gone = answer.send(forgotten.map_err(|it| it.during(&self.action)));
                }
            }
        }
    }

    fn take(&mut self, mut arrivals: Vec<Arrival>, answers: Vec<Answer>, done: &[(String, i64)]) {
        let mut bodies = arrivals.iter_mut().filter(|it| it.fate == Fate::Accepted);
        let sealed = bodies.try_for_each(|it| {
            it.body = self.envelope.seal(BODY, std::mem::take(&mut it.body))?;
            Ok(())
        });
        if let Err(error) = sealed {
            for answer in answers {
                let _gone = answer.send(Err(PortError::clone(&error)));
            }
            return;
        }
        let arrivals = arrivals.as_slice();
        match commit(&mut self.connection, arrivals, done) {
            Ok((fates, newest, freed)) => {
                let taken =
                    arrivals.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Accepted);
                let taken: usize = taken.map(|(arrival, _)| arrival.body.len()).sum();
                self.waiting = (self.waiting + taken as i64 - freed).max(0);
                let is_full = self.waiting.unsigned_abs() > self.max_bytes;
                self.is_full.store(is_full, Ordering::Relaxed);
                // Before the answers: whoever has one finds what it took.
                self.moved.send_if_modified(|known| std::mem::replace(known, newest) != newest);
                for (answer, fate) in answers.into_iter().zip(fates) {
                    let _gone = answer.send(Ok(fate));
                }
            }
            Err(failure) => {
                let error = failure.during(&self.action);
                for answer in answers {
                    let _gone = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Puts all this on record, or nothing. Gives what each turned out to be, the last number, and how
/// many bytes wait no more.
fn commit(
    connection: &mut Connection,
    arrivals: &[Arrival],
    done: &[(String, i64)],
) -> Outcome<(Vec<Fate>, i64, i64)> {
    let transaction = connection.transaction()?;
    let mut freed = 0;
    let mut fates = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        fates.push(note(&transaction, arrival)?);
    }
    {
        let mut moves = transaction.prepare_cached(
            "insert into dealt(system, upto) values (?1, ?2)
             on conflict(system) do update set upto = max(upto, excluded.upto)",
        )?;
        let mut ends = transaction.prepare_cached(
            "update delivery set waits = 0 where system = ?1 and seq <= ?2 and waits = 1",
        )?;
        for (system, upto) in done {
            freed += waiting(&transaction, Some((system, *upto)))?;
            moves.execute(params![system, upto])?;
            ends.execute(params![system, upto])?;
        }
    }
    let newest = newest(&transaction)?;
    transaction.commit()?;
    Ok((fates, newest, freed))
}

/// How many bytes wait to be dealt with: all, or those of this system up to this number.
fn waiting(connection: &Connection, of: Option<(&str, i64)>) -> Outcome<i64> {
    let mut sum = connection.prepare_cached(
        "select coalesce(sum(length(body)), 0) from delivery
         where waits = 1 and (?1 is null or system = ?1 and seq <= ?2)",
    )?;
    let (system, upto) = of.unzip();
    Ok(sum.query_row(params![system, upto], |row| row.get(0))?)
}

fn note(connection: &Connection, arrival: &Arrival) -> Outcome<Fate> {
    let mut fate = arrival.fate;
    if fate == Fate::Accepted
        && let Some(id) = &arrival.id
    {
        let known: Option<i64> = connection
            .prepare_cached(
                "select seq from delivery where system = ?1 and id = ?2 and fate = 'accepted'",
            )?
            .query_row(params![arrival.system, id], |row| row.get(0))
            .optional()?;
        if known.is_some() {
            fate = Fate::Duplicate;
        }
    }
    if !matches!(fate, Fate::Accepted | Fate::Test) {
        // Whoever knocks at the door without end fills no disk.
        let counted = connection
            .prepare_cached(
                "update delivery set more = more + 1 where seq = (
                     select max(seq) from delivery where system = ?1 and fate = ?2)
                 and (select count(*) from delivery
                      where system = ?1 and fate = ?2 and at > ?3) >= ?4",
            )?
            .execute(params![
                arrival.system,
                fate.word(),
                arrival.at.0 - REFUSALS_SPAN,
                REFUSALS
            ])?;
        if counted > 0 {
            return Ok(fate);
        }
    }
    let accepted = fate == Fate::Accepted;
    connection
        .prepare_cached(
            "insert into delivery(system, at, fate, id, topic, body, waits)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            arrival.system,
            arrival.at.0,
            fate.word(),
            arrival.id,
            arrival.topic,
            accepted.then_some(&arrival.body),
            accepted
        ])?;
    Ok(fate)
}

fn newest(connection: &Connection) -> Outcome<i64> {
    let seq = connection
        .prepare_cached("select seq from sqlite_sequence where name = 'delivery'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0))
}

/// So many rows are removed in one go: nobody who sends waits long.
const FORGOTTEN_AT_ONCE: i64 = 2_000;

fn forget(connection: &mut Connection, before: Timestamp) -> Outcome<u64> {
    let gone = connection
        .prepare_cached(
            "delete from delivery where seq in (
                 select seq from delivery where at < ?1 and waits = 0 order by seq limit ?2)",
        )?
        .execute(params![before.0, FORGOTTEN_AT_ONCE])?;
    Ok(gone as u64)
}

/// Puts a delivery that is on record into the line once more, as if it had just come. Gives its new
/// number; `None`: there is none of that number with a body.
///
/// # Errors
/// As with the hub's file.
pub fn replay(hub: &Path, seq: i64, now: Timestamp) -> Result<Option<i64>, PortError> {
    let path = path_of(hub);
    let action = format!("write the inbox {}", path.display());
    let again = || -> Outcome<Option<i64>> {
        let (connection, _) = schema::open(&path)?;
        let copied = connection.execute(
            "insert into delivery(system, at, fate, topic, body, waits, again)
             select system, ?2, fate, topic, body, 1, coalesce(again, seq) from delivery
             where seq = ?1 and fate = 'accepted' and body is not null",
            params![seq, now.0],
        )?;
        Ok((copied > 0).then(|| connection.last_insert_rowid()))
    };
    again().map_err(|failure: Failure| failure.during(&action))
}

/// What a body is, for whoever seals it.
const BODY: &str = "delivery";

/// How long a writer waits for another.
const BUSY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
