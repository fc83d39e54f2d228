//! Hears which rows of MariaDB or MySQL change: reads the binary log as a replica does.
//!
//! The log holds whole rows; only their keys are taken. What cannot be named with certainty makes a
//! binding be read whole: a table that was altered or emptied, a row logged under another shape of
//! its table, rows that a foreign key deletes or changes along (the log has none of them), a
//! statement that was logged instead of its rows.
//!
//! The description of a table is newer than the events behind us. An alteration between the two
//! stands further on in the log, and has the table read whole then: what was named wrongly before
//! is repaired by that.
//!
//! The log tells of a commit before others see it: nothing is handed out before a read would see
//! what it speaks of (`visible`).
//!
//! A position is a file of the log, an offset, and when and by which server the file was begun; of
//! `MariaDB` the last transaction of each domain besides (`gtid`). A server that was set up anew or
//! restored has other files: the position is lost. So has another server; if it is a `MariaDB` that
//! took over, and has the transactions that were heard in its log, listening goes on after them.
//! Listening begins again only after whole transactions, because rows need the description of their
//! table, which stands before them.

#[cfg(test)]
mod attack;
mod dump;
mod event;
mod gtid;
mod key;
mod kind;
mod place;
mod reading;
mod statement;
mod tables;
pub(crate) mod triggers;
mod visible;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::StreamExt;
use mysql_async::{BinlogStream, binlog::events::Event};
use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::Plan,
    value::Digest,
};
use syncline_ports::listener::{Heard, Listener, Retained, not_begun};

use self::{
    dump::Way,
    place::Place,
    reading::{Head, Reading},
    tables::Tables,
    visible::Seen,
};
use crate::{
    mysql::{
        connect::{self, Purpose, Session},
        describe::Cells,
        failure::Failure,
    },
    settings::{Listening, Settings},
};

/// So long nothing is waited for in one go.
const WAIT: Duration = Duration::from_secs(2);
/// A server that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);
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
    let mut session = connect::open(settings, Purpose::Read).await?;
    let logs = Logs::ask(&mut session).await.map_err(|failure| failure.error(&*action))?;
    if let Some(missing) = logs.missing() {
        return Err(PortError::new(ErrorKind::Unheard, action, missing));
    }
    Ok(Box::new(Binlog {
        settings: settings.clone(),
        plan,
        system,
        action,
        server: server_number(&listening.name),
        has_whole_rows: logs.row_image.eq_ignore_ascii_case("full"),
        session: Some(session),
        begun: None,
        seen: None,
    }))
}

/// `mysql-bin.000003:1234 (0-1-17)`.
pub(crate) fn position_words(position: &Position) -> Option<String> {
    let (place, gtids) = Place::of(position)?;
    let gtids = if gtids.is_empty() { String::new() } else { format!(" ({gtids})") };
    Some(format!("{}:{}{gtids}", place.file, place.offset))
}

/// How the server logs.
pub(super) struct Logs {
    is_on: bool,
    format: String,
    row_image: String,
    is_compressed: bool,
    /// Seconds that files are kept; zero: until somebody removes them.
    kept: u64,
}

impl Logs {
    pub(super) async fn ask(session: &mut Session) -> Result<Self, Failure> {
        let compressed = if session.server.is_mariadb {
            "@@global.log_bin_compress"
        } else if session.server.number >= (8, 0) {
            "@@global.binlog_transaction_compression"
        } else {
            "0"
        };
        let has_seconds =
            session.server.number >= if session.server.is_mariadb { (10, 6) } else { (8, 0) };
        let kept = if has_seconds {
            "@@global.binlog_expire_logs_seconds"
        } else {
            "cast(@@global.expire_logs_days * 86400 as unsigned)"
        };
        let sql = format!(
            "select @@global.log_bin, @@global.binlog_format, @@global.binlog_row_image, \
             {compressed}, {kept}"
        );
        let row = session.rows(&sql).await?.into_iter().next().unwrap_or_default();
        let mut cells = Cells(row.into_iter());
        Ok(Self {
            is_on: cells.text() == "1",
            format: cells.text(),
            row_image: cells.text(),
            is_compressed: cells.text() == "1",
            kept: cells.number().unwrap_or(0),
        })
    }

    /// In a few words: `ROW, FULL row image, 7 days kept`.
    pub(super) fn words(&self) -> String {
        let (days, hours) = (self.kept / 86_400, self.kept / 3_600);
        let kept = match (days, hours) {
            (0, 0) if self.kept == 0 => "kept until somebody removes it".to_owned(),
            (0, hours) => format!("{hours} hours kept"),
            (1, _) => "1 day kept".to_owned(),
            (days, _) => format!("{days} days kept"),
        };
        format!("{}, {} row image, {kept}", self.format, self.row_image)
    }

    /// Whether a stop of some hours is bridged.
    pub(super) fn are_kept_long(&self) -> bool {
        self.kept == 0 || self.kept >= 86_400
    }

    /// What must be changed at the server first.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if !self.is_on {
            Some(
                "the server keeps no binary log: put `log_bin`, `binlog_format = ROW` and a \
                 `server_id` of its own into its file and restart it, or set \
                 `detect: {triggers: true}` or `detect: {poll: 30s}`",
            )
        } else if !self.format.eq_ignore_ascii_case("row") {
            Some(
                "the binary log holds statements: run `set global binlog_format = 'ROW'` and put it \
                 into the server's file; connections that are open keep the old format",
            )
        } else if self.is_compressed {
            Some(
                "the binary log is compressed: run `set global log_bin_compress = off` (MariaDB) or \
                 `set global binlog_transaction_compression = off` (MySQL)",
            )
        } else {
            None
        }
    }
}

/// The number that we are known by as a replica: the same each time, hardly that of another server.
fn server_number(name: &str) -> u32 {
    let Digest(digest) = Digest::of(name.as_bytes());
    let number = digest.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first));
    number | 0x8000_0000
}

/// Listens to the binary log.
struct Binlog {
    settings: Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
    action: String,
    server: u32,
    has_whole_rows: bool,
    session: Option<Session>,
    begun: Option<Begun>,
    /// How far a read saw when it was last asked.
    seen: Option<Seen>,
}

/// The stream of events, and what was made of them. Moves only between waits: who gives up waiting
/// loses nothing.
struct Begun {
    stream: BinlogStream,
    reading: Reading,
    /// An event that waits for the tables to be described again.
    waiting: Option<Event>,
    /// When the server was last heard of.
    heard: Instant,
}

#[async_trait]
impl Listener for Binlog {
    fn word(&self) -> &'static str {
        "binlog"
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.begun = None;
        self.seen = None;
        let mut begun = match from.map(Place::of) {
            Some(None) => return Err(self.lost("the position is none of ours")),
            Some(Some((place, gtids))) => self.resume(&place, gtids).await?,
            None => {
                let place = self.now().await?;
                let gtids = self.gtids_at(&place).await?;
                self.open(&place, gtids, Way::Place).await?
            }
        };
        let origin = begun.reading.place.origin;
        begun.reading.upto.origin = origin;
        begun.reading.given.origin = origin;
        let tables = self.tables().await?;
        begun.reading.describe(tables);
        let (position, place) = (begun.reading.heard(), begun.reading.upto.clone());
        self.begun = Some(begun);
        // What stands in the log before is not heard: who reads everything now must see it.
        if from.is_none() && !self.is_shown(&place, self.settings.statement_timeout).await? {
            return Err(self.failed(&Failure::Late(self.settings.statement_timeout)));
        }
        Ok(position)
    }

    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError> {
        let until = Instant::now() + WAIT;
        loop {
            if self.begun()?.waiting.is_some() {
                // Nothing is taken before the answer is there: a wait given up begins again.
                let tables = self.tables().await?;
                let begun = self.begun()?;
                begun.reading.describe(tables);
                if let Some(event) = begun.waiting.take() {
                    begun.reading.take(head(&event), event.data());
                }
            }
            let begun = self.begun()?;
            let is_full = begun.reading.found.len() >= rows.max(1);
            // What is there is taken along; it is not waited for more.
            let left = if begun.reading.found.is_empty() {
                until.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            let next = if is_full {
                None
            } else {
                tokio::time::timeout(left, begun.stream.next()).await.ok()
            };
            let Some(next) = next else {
                if begun.heard.elapsed() > SILENCE {
                    let detail = format!("it said nothing for {} s", SILENCE.as_secs());
                    return Err(self.failed(&Failure::Lost(detail)));
                }
                let (is_quiet, place) =
                    (begun.reading.found.is_empty(), begun.reading.found_at.clone());
                if !is_quiet && !self.is_shown(&place, WAIT).await? {
                    let upto = self.begun()?.reading.given();
                    return Ok(Heard { hints: Vec::new(), upto, more: false });
                }
                let (hints, upto) = self.begun()?.reading.hand_out(rows.max(1));
                return Ok(Heard { hints, upto, more: is_full });
            };
            begun.heard = Instant::now();
            let event = self.event(next).await?;
            let begun = self.begun()?;
            let head = head(&event);
            if begun.reading.must_look(head) {
                begun.waiting = Some(event);
            } else {
                begun.reading.take(head, event.data());
            }
        }
    }

    async fn ack(&mut self, _upto: &Position) -> Result<(), PortError> {
        Ok(())
    }

    async fn retained(&mut self) -> Result<Retained, PortError> {
        let (file, offset) = match &self.begun {
            Some(begun) => (begun.reading.upto.file.clone(), u64::from(begun.reading.upto.offset)),
            None => return Ok(Retained { bytes: 0, bounded: true }),
        };
        let files = match self.session().await?.rows("show binary logs").await {
            Ok(files) => files,
            // Without the privilege to see it nothing is known.
            Err(Failure::Server { .. }) => Vec::new(),
            Err(failure) => return Err(self.failed(&failure)),
        };
        let sizes = files.into_iter().map(|row| {
            let mut cells = Cells(row.into_iter());
            (cells.text(), cells.number().unwrap_or(0))
        });
        let ours: u64 = sizes.skip_while(|(name, _)| *name != file).map(|(_, size)| size).sum();
        Ok(Retained { bytes: ours.saturating_sub(offset), bounded: true })
    }

    async fn remove(&mut self) -> Result<(), PortError> {
        // Nothing was put into the system: it forgets a replica with its connection.
        self.begun = None;
        Ok(())
    }
}

impl Binlog {
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
            self.session = Some(connect::open(&self.settings, Purpose::Read).await?);
        }
        let action = &self.action;
        self.session
            .as_mut()
            .ok_or_else(|| PortError::new(ErrorKind::Unreachable, action.clone(), "no connection"))
    }

    async fn tables(&mut self) -> Result<Tables, PortError> {
        let (plan, system) = (Arc::clone(&self.plan), self.system);
        let (database, has_whole_rows) = (self.settings.database.clone(), self.has_whole_rows);
        let session = self.session().await?;
        Tables::load(session, &database, &plan, system, has_whole_rows).await
    }

    /// The next event, or what became of the stream.
    async fn event(
        &mut self,
        next: Option<mysql_async::Result<Event>>,
    ) -> Result<Event, PortError> {
        match next {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.refused(&Failure::from(error)).await),
            None => Err(self.failed(&Failure::Lost("the server ended the log".to_owned()))),
        }
    }
}

fn head(event: &Event) -> Head {
    let header = event.header();
    Head {
        kind: header.event_type_raw(),
        at: header.timestamp(),
        server: header.server_id(),
        end: header.log_pos(),
        size: header.event_size(),
        flags: header.flags_raw(),
    }
}
