//! Hears which rows change, from the write-ahead log: a slot, a publication of our tables, and a
//! stream of what is committed, decoded by the server's own `pgoutput`.
//!
//! The log says which rows; they are read like any others. A hint is given only when a read would see
//! what it speaks of (`visible`), and a position only moves over transactions that were given whole.

mod begin;
mod decode;
pub(super) mod examine;
mod keys;
mod line;
mod message;
mod own;
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
use syncline_ports::listener::{Changed, Heard, Hint, Listener, Retained, not_begun};
use tokio::time::Instant;

use crate::{
    postgres::{
        bound::Bound,
        connect::{Purpose, Session},
        listen::{
            keys::Read, position::Place, publication::Tables, server::Server, slot::Slot,
            stream::Stream, visible::Snapshot,
        },
    },
    settings::{Listening, Settings},
};

/// How long silence is listened to.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often we look around while there is much to hear; in silence, each time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// `0/1A2B3C4`, with the timeline.
pub(crate) fn position_words(position: &Position) -> Option<String> {
    let place = Place::decode(position)?;
    Some(format!("{}, timeline {}", place.upto, place.identity.timeline))
}

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
    let session = Session::open(settings, Purpose::Work).await?;
    let server = Server::ask(&session, &action).await?;
    server.is_fit(&action)?;
    Ok(Box::new(WalListener {
        settings: settings.clone(),
        listening: listening.clone(),
        action,
        server,
        plan,
        system,
        bound: Vec::new(),
        tables: Tables::default(),
        session,
        stream: None,
        place: Place::default(),
        pending: VecDeque::new(),
        failed: None,
        snapshot: Snapshot::default(),
        at: None,
        looked_at: None,
    }))
}

/// Listens to the log of one database.
struct WalListener {
    settings: Settings,
    listening: Listening,
    action: String,
    server: Server,
    plan: Arc<Plan>,
    system: SystemIndex,
    bound: Vec<Arc<Bound>>,
    /// What was found where the stream began.
    tables: Tables,
    session: Session,
    stream: Option<Stream>,
    /// Everything before this was given.
    place: Place,
    /// What has come and was not given yet.
    pending: VecDeque<decode::Event>,
    /// What the stream broke with, after all that is pending.
    failed: Option<PortError>,
    snapshot: Snapshot,
    /// When the transaction was committed of which hints are given.
    at: Option<Timestamp>,
    looked_at: Option<Instant>,
}

#[async_trait]
impl Listener for WalListener {
    fn word(&self) -> &'static str {
        "wal"
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.begin_after(from).await
    }

    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError> {
        self.look_around().await?;
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
                self.looked_at = None;
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
                | decode::Event::Told { .. }
                | decode::Event::Passed { .. }
                | decode::Event::Named { .. }) => self.move_on(other),
            }
        }
        Ok(self.heard(hints))
    }

    async fn ack(&mut self, upto: &Position) -> Result<(), PortError> {
        let stream = self.stream.as_ref().ok_or_else(|| not_begun(&self.action))?;
        match Place::decode(upto) {
            Some(place) if place.identity == self.place.identity => {
                stream.confirm(place.upto).map_err(|broken| broken.port_error(&self.action))
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
        | decode::Event::Told { .. }
        | decode::Event::Passed { .. }
        | decode::Event::Named { .. } => false,
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

    /// Takes in what the stream has, until there is enough for so many hints; waits until `end` for
    /// the first.
    async fn fill(&mut self, rows: usize, end: Instant) -> Result<(), PortError> {
        let Some(stream) = &mut self.stream else { return Err(not_begun(&self.action)) };
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
        for event in passed {
            self.move_on(event);
        }
    }

    fn move_on(&mut self, event: decode::Event) {
        match event {
            decode::Event::Begin { at, .. } => self.at = Some(at),
            decode::Event::Commit { end } => {
                self.at = None;
                self.place.upto = self.place.upto.max(end);
            }
            decode::Event::Passed { upto } => self.place.upto = self.place.upto.max(upto),
            decode::Event::Named { marks } => self.place.marks = marks,
            decode::Event::Row { .. }
            | decode::Event::Unnamed { .. }
            | decode::Event::Told { .. } => {}
        }
    }

    fn heard(&self, hints: Vec<Hint>) -> Heard {
        let has_more = self.stream.as_ref().is_some_and(Stream::has_more);
        Heard { hints, upto: self.place.encode(), more: has_more || !self.pending.is_empty() }
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

    /// Now and then: whether the server keeps too much for us, and whether the tables are still those
    /// that the stream tells of.
    async fn look_around(&mut self) -> Result<(), PortError> {
        if self.stream.is_none() || self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        let server = Server::ask(&self.session, &self.action).await?;
        server.is_fit(&self.action).inspect_err(|_| self.stop())?;
        let _bounded = self.retained().await?;
        let name = &self.listening.name;
        let now = Tables::survey(&self.session, &self.bound, name, &self.action).await?;
        if now != self.tables {
            let from = self.place.encode();
            self.begin(Some(&from)).await?;
        }
        Ok(())
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

#[cfg(test)]
mod attack;
