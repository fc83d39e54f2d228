//! Hears which rows change, from the write-ahead log: a slot, a publication of our tables, and a
//! stream of what is committed, decoded by the server's own `pgoutput`.
//!
//! The log says which rows; they are read like any others. A hint is given only when a read would see
//! what it speaks of (`visible`), and a position only moves over transactions that were given whole.

mod decode;
mod keys;
mod line;
mod message;
mod position;
mod publication;
mod server;
mod slot;
mod sql;
mod stream;
mod visible;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_ports::listener::{Changed, Heard, Hint, Listener, Retained};
use tokio::time::Instant;

use crate::{
    postgres::{
        bound::{self, Bound},
        connect::{Purpose, Session},
        failure::port_error,
        listen::{
            keys::Read,
            line::Line,
            message::{Broken, Identity},
            position::Lsn,
            server::Server,
            slot::Slot,
            stream::Stream,
            visible::Snapshot,
        },
    },
    settings::{Listening, Settings, Way},
};

/// How long silence is listened to.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often we look at how much the server keeps for us.
const RETAINED_EVERY: Duration = Duration::from_secs(10);

/// Opens what the system offers to hear changes as they happen.
///
/// # Errors
/// As [`crate::listen`].
pub(crate) async fn listen(
    settings: &Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
    listening: &Listening,
) -> Result<Box<dyn Listener>, PortError> {
    let action = format!("listen to {:?}", settings.name);
    match listening.way {
        None | Some(Way::Wal) => {}
        Some(Way::Binlog | Way::Triggers) => {
            let detail = "PostgreSQL is listened to by its write-ahead log: wal";
            return Err(PortError::new(ErrorKind::Unsupported, action, detail));
        }
    }
    let session = Session::open(settings, Purpose::Work).await?;
    let server = Server::ask(&session, &action).await?;
    server.is_fit(&action)?;
    let bound = bound::bind(&session, &plan, system).await?;
    Ok(Box::new(WalListener {
        settings: settings.clone(),
        listening: listening.clone(),
        action,
        server,
        bound,
        session,
        stream: None,
        identity: Identity { system: 0, timeline: 0 },
        pending: VecDeque::new(),
        failed: None,
        snapshot: Snapshot::default(),
        at: None,
        upto: Lsn::default(),
        looked_at: None,
    }))
}

/// Listens to the log of one database.
struct WalListener {
    settings: Settings,
    listening: Listening,
    action: String,
    server: Server,
    bound: Vec<Bound>,
    session: Session,
    stream: Option<Stream>,
    identity: Identity,
    /// What has come and was not given yet.
    pending: VecDeque<decode::Event>,
    /// What the stream broke with, after all that is pending.
    failed: Option<PortError>,
    snapshot: Snapshot,
    /// When the transaction was committed of which hints are given.
    at: Option<Timestamp>,
    /// Everything before this was given.
    upto: Lsn,
    looked_at: Option<Instant>,
}

#[async_trait]
impl Listener for WalListener {
    fn word(&self) -> &'static str {
        "wal"
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.stop();
        let mut line = Line::open(&self.settings).await.map_err(|broken| self.explain(broken))?;
        self.identity = line.identify().await.map_err(|broken| self.explain(broken))?;
        let published = publication::publish(
            &self.session,
            &self.bound,
            &self.listening.name,
            self.server.version,
            &self.action,
        )
        .await?;
        let slot = self.slot().await?;
        let from = match from {
            Some(from) => {
                let is_whole = !published.is_new;
                let from = self.resumable(from, slot.as_ref().filter(|_| is_whole)).await?;
                if !published.added.is_empty() {
                    self.settle().await?;
                }
                from
            }
            None => self.afresh(slot).await?,
        };
        self.start(&mut line, from).await?;
        let decoder = decode::Decoder::new(published.wanted);
        self.stream = Some(Stream::run(line, decoder, from, self.action.clone()));
        self.upto = from;
        for binding in published.added {
            let why = "it was not listened to until now".into();
            self.pending.push_back(decode::Event::Unnamed { binding, why });
        }
        Ok(position::encode(self.identity, from))
    }

    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError> {
        self.look_at_retained().await?;
        let end = Instant::now() + PATIENCE;
        let count = loop {
            self.fill(rows.max(1), end).await?;
            let count = self.ready(rows.max(1)).await?;
            let has_hints = self.pending.iter().take(count).any(is_hint);
            if has_hints {
                break count;
            }
            self.pass(count);
            if Instant::now() >= end {
                return Ok(self.heard(Vec::new()));
            }
            if !self.pending.is_empty() {
                // Committed, but nobody can see it yet.
                tokio::time::sleep(slot::LOOK).await;
            }
        };
        let mut keys = self.keys(count).await?;
        let mut hints = Vec::new();
        let given: Vec<decode::Event> = self.pending.drain(..count).collect();
        for event in given {
            let hint = |binding, what, at| Hint { binding, what, at };
            match event {
                decode::Event::Row { binding, .. } => {
                    let key = keys.get_mut(&binding).and_then(VecDeque::pop_front);
                    let what = match key {
                        Some(Ok(key)) => Changed::Row(key),
                        Some(Err(why)) => Changed::Unnamed(why),
                        None => Changed::Unnamed("its key was not read".into()),
                    };
                    hints.push(hint(binding, what, self.at));
                }
                decode::Event::Unnamed { binding, why } => {
                    hints.push(hint(binding, Changed::Unnamed(why), self.at));
                }
                other @ (decode::Event::Begin { .. }
                | decode::Event::Commit { .. }
                | decode::Event::Passed { .. }) => self.move_on(&other),
            }
        }
        Ok(self.heard(hints))
    }

    async fn ack(&mut self, upto: &Position) -> Result<(), PortError> {
        let stream = self.stream.as_ref().ok_or_else(|| self.not_begun())?;
        match position::decode(upto) {
            Some((identity, upto)) if identity == self.identity => {
                stream.confirm(upto).map_err(|broken| broken.port_error(&self.action))
            }
            Some(_) | None => {
                let detail = "a position of another system was confirmed";
                Err(PortError::new(ErrorKind::Unexpected, &self.action, detail))
            }
        }
    }

    async fn retained(&mut self) -> Result<Retained, PortError> {
        let Some(slot) = self.slot().await? else { return Ok(Retained::default()) };
        if slot.kept > self.listening.max_retained {
            return Err(self.give_up(slot.kept).await);
        }
        Ok(Retained { bytes: slot.kept, bounded: slot.is_bounded })
    }

    async fn remove(&mut self) -> Result<(), PortError> {
        self.stop();
        let action = format!("stop listening to {:?}", self.settings.name);
        slot::remove(&self.session, &self.listening.name, &action).await?;
        slot::remove_publication(&self.session, &self.listening.name, &action).await
    }
}

fn is_hint(event: &decode::Event) -> bool {
    match event {
        decode::Event::Row { .. } | decode::Event::Unnamed { .. } => true,
        decode::Event::Begin { .. }
        | decode::Event::Commit { .. }
        | decode::Event::Passed { .. } => false,
    }
}

impl WalListener {
    /// Forgets the stream, and what it has told.
    fn stop(&mut self) {
        self.stream = None;
        self.pending.clear();
        self.failed = None;
        self.at = None;
    }

    async fn slot(&self) -> Result<Option<Slot>, PortError> {
        slot::look(&self.session, &self.listening.name, &self.action).await
    }

    async fn settle(&self) -> Result<(), PortError> {
        slot::settle(&self.session, self.settings.statement_timeout, &self.action).await
    }

    /// How far the log is written.
    async fn written(&self) -> Result<Lsn, PortError> {
        let rows = self.session.client.query_typed(sql::WRITTEN, &[]).await;
        let rows = rows.map_err(|error| port_error(&self.action, &error))?;
        let written: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(Lsn(written.unsigned_abs()))
    }

    /// Where to go on after a stored position, if the server still has everything after it.
    async fn resumable(&self, from: &Position, slot: Option<&Slot>) -> Result<Lsn, PortError> {
        let lost = |detail: &str| PortError::new(ErrorKind::PositionLost, &self.action, detail);
        let (identity, from) =
            position::decode(from).ok_or_else(|| lost("the position is of another kind"))?;
        let slot = slot.ok_or_else(|| lost("the slot or the publication is gone"))?;
        if identity.system != self.identity.system {
            return Err(lost("this is another database server than before"));
        }
        if identity.timeline != self.identity.timeline {
            return Err(lost(
                "the server has another history than before: it took over, or was restored",
            ));
        }
        if slot.is_lost || !slot.is_fit {
            return Err(lost("the slot no longer has what came after it"));
        }
        if from < slot.confirmed {
            return Err(lost(
                "what came after it was confirmed already: is the hub an older copy?",
            ));
        }
        if from > self.written().await? {
            return Err(lost("the log ends before it: was the server restored?"));
        }
        Ok(from)
    }

    /// Begins with now, in a slot that is there or is made.
    async fn afresh(&self, slot: Option<Slot>) -> Result<Lsn, PortError> {
        let name = &self.listening.name;
        let is_usable = slot.as_ref().is_some_and(|slot| slot.is_fit && !slot.is_lost);
        if !is_usable {
            if slot.is_some() {
                slot::remove(&self.session, name, &self.action).await?;
            }
            let Server { user, slots_max, .. } = &self.server;
            slot::make(&self.session, name, user, slots_max, &self.action).await?;
        }
        let confirmed = self.slot().await?.map_or(Lsn::default(), |slot| slot.confirmed);
        let from = self.written().await?.max(confirmed);
        self.settle().await?;
        Ok(from)
    }

    /// Begins to copy. Where the end of an earlier stream was not noticed yet, waits for that.
    async fn start(&self, line: &mut Line, from: Lsn) -> Result<(), PortError> {
        let end = Instant::now() + slot::HANDOVER_MAX;
        let name = &self.listening.name;
        loop {
            let Err(broken) = line.start(name, from).await else { return Ok(()) };
            if broken.code != "55006" {
                return Err(stream::explained(broken, &self.action));
            }
            if Instant::now() >= end {
                let reader = self.slot().await?.and_then(|slot| slot.reader);
                let reader = reader.map_or_else(String::new, |pid| format!(", process {pid}"));
                let detail = format!("somebody else reads from slot {name:?}{reader}");
                return Err(PortError::new(ErrorKind::TimedOut, &self.action, detail));
            }
            tokio::time::sleep(slot::LOOK).await;
            line.ready().await.map_err(|broken| self.explain(broken))?;
        }
    }

    /// What a refusal of the replication connection means.
    fn explain(&self, broken: Broken) -> PortError {
        match broken.code.as_str() {
            "42501" => slot::not_allowed(&self.server.user, &self.action),
            "53300" => {
                let detail = format!(
                    "{}: alter system set max_wal_senders = …; and restart the server",
                    broken.detail
                );
                PortError::new(broken.kind, &self.action, detail)
            }
            _ => broken.port_error(&self.action),
        }
    }

    fn not_begun(&self) -> PortError {
        PortError::new(ErrorKind::Unexpected, &self.action, "it has not begun")
    }

    /// Takes in what the stream has, until there is enough for so many hints; waits until `end` for
    /// the first.
    async fn fill(&mut self, rows: usize, end: Instant) -> Result<(), PortError> {
        let Some(stream) = &mut self.stream else { return Err(self.not_begun()) };
        let mut next = if self.pending.is_empty() && self.failed.is_none() {
            match tokio::time::timeout_at(end, stream.next()).await {
                Ok(next) => Some(next),
                Err(_) => return Ok(()),
            }
        } else {
            stream.next_now()
        };
        loop {
            match next {
                Some(Ok(event)) => self.pending.push_back(event),
                Some(Err(error)) => self.failed = Some(error),
                None => break,
            }
            if self.pending.len() >= rows {
                break;
            }
            next = stream.next_now();
        }
        match &self.failed {
            Some(error) if self.pending.is_empty() => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }

    /// How many of the pending events can be given: about so many hints, and only of transactions
    /// that everybody sees.
    async fn ready(&mut self, rows: usize) -> Result<usize, PortError> {
        let mut is_fresh = false;
        let (mut count, mut hints) = (0, 0);
        while let Some(event) = self.pending.get(count) {
            if let decode::Event::Begin { transaction, .. } = event
                && !self.snapshot.shows(*transaction)
            {
                if !is_fresh {
                    self.snapshot = Snapshot::take(&self.session, &self.action).await?;
                    is_fresh = true;
                    continue;
                }
                break;
            }
            if is_hint(event) {
                if hints == rows {
                    break;
                }
                hints += 1;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Moves on over events that say nothing about rows.
    fn pass(&mut self, count: usize) {
        let passed: Vec<decode::Event> = self.pending.drain(..count).collect();
        for event in &passed {
            self.move_on(event);
        }
    }

    fn move_on(&mut self, event: &decode::Event) {
        match event {
            decode::Event::Begin { at, .. } => self.at = Some(*at),
            decode::Event::Commit { end } => {
                self.at = None;
                self.upto = self.upto.max(*end);
            }
            decode::Event::Passed { upto } => self.upto = self.upto.max(*upto),
            decode::Event::Row { .. } | decode::Event::Unnamed { .. } => {}
        }
    }

    fn heard(&self, hints: Vec<Hint>) -> Heard {
        let has_more = self.stream.as_ref().is_some_and(Stream::has_more);
        Heard {
            hints,
            upto: position::encode(self.identity, self.upto),
            more: has_more || !self.pending.is_empty(),
        }
    }

    /// The keys among the first of the pending events, by binding, in order.
    async fn keys(
        &self,
        count: usize,
    ) -> Result<BTreeMap<BindingIndex, VecDeque<Read>>, PortError> {
        let mut raw: BTreeMap<BindingIndex, Vec<&decode::RawKey>> = BTreeMap::new();
        for event in self.pending.iter().take(count) {
            if let decode::Event::Row { binding, key } = event {
                raw.entry(*binding).or_default().push(key);
            }
        }
        let mut read = BTreeMap::new();
        for (binding, keys) in raw {
            let bound = self.bound.iter().find(|bound| bound.shape.binding == binding);
            let Some(bound) = bound else { continue };
            let keys = keys::read(&self.session, bound, &keys, &self.action).await?;
            read.insert(binding, keys.into());
        }
        Ok(read)
    }

    /// Now and then: whether the server keeps too much for us.
    async fn look_at_retained(&mut self) -> Result<(), PortError> {
        if self.looked_at.is_some_and(|at| at.elapsed() < RETAINED_EVERY) {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        self.retained().await.map(|_retained| ())
    }

    /// The server's disk is worth more than our place in its log.
    async fn give_up(&mut self, kept: u64) -> PortError {
        self.stop();
        if let Err(error) = slot::remove(&self.session, &self.listening.name, &self.action).await {
            return error;
        }
        let detail = format!(
            "{kept} bytes were kept, {} are allowed; the slot was dropped",
            self.listening.max_retained
        );
        PortError::new(ErrorKind::Retained, &self.action, detail)
    }
}
