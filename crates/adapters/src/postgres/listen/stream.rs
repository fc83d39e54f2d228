//! The task that owns the replication connection: takes the log apart as it comes, and keeps the
//! server informed even while nobody asks us for hints.
//!
//! What was not asked for yet waits in a channel of bounded length; when that is full the socket is
//! not read, and the server waits. Nothing is confirmed but what the engine has confirmed.

use std::collections::VecDeque;

use syncline_core::error::{ErrorKind, PortError};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, Interval, MissedTickBehavior},
};

use crate::postgres::listen::{
    decode::{Decoder, Event},
    line::{Line, SILENCE_MAX},
    message::{Broken, Streamed},
    own::Own,
    position::Lsn,
};

/// Events that wait to be asked for.
const WAITING_MAX: usize = 4_096;
/// So many events of a transaction are held back until it is over, to see which rows are our own.
const HELD_MAX: usize = 4_096;

/// A stream under way.
pub(super) struct Stream {
    events: mpsc::Receiver<Result<Event, PortError>>,
    confirmed: watch::Sender<Lsn>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream {
    /// Lets the connection, which has begun to copy, run beside us.
    pub(super) fn run(
        line: Line,
        decoder: Decoder,
        own: Own,
        confirmed: Lsn,
        action: String,
    ) -> Self {
        let (sender, events) = mpsc::channel(WAITING_MAX);
        let (confirm, confirmed) = watch::channel(confirmed);
        let mut ticks = tokio::time::interval(SILENCE_MAX / 6);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let heard_at = Instant::now();
        let copying = Copying { line, decoder, own, sender, confirmed, ticks, heard_at };
        let task = tokio::spawn(copying.run(action));
        Self { events, confirmed: confirm, task }
    }

    /// The next event, after waiting for it. May be given up at any time.
    pub(super) async fn next(&mut self) -> Result<Event, PortError> {
        let next = self.events.recv().await;
        next.unwrap_or_else(|| Err(ended().port_error("follow the log")))
    }

    /// The next event, if there is one.
    pub(super) fn next_now(&mut self) -> Option<Result<Event, PortError>> {
        self.events.try_recv().ok()
    }

    /// Whether there is an event.
    pub(super) fn has_more(&self) -> bool {
        !self.events.is_empty()
    }

    /// Lets the server know that it may forget what was before here.
    pub(super) fn confirm(&self, upto: Lsn) -> Result<(), Broken> {
        self.confirmed.send_if_modified(|confirmed| {
            let is_news = *confirmed < upto;
            *confirmed = upto.max(*confirmed);
            is_news
        });
        if self.confirmed.is_closed() { Err(ended()) } else { Ok(()) }
    }
}

fn ended() -> Broken {
    Broken {
        kind: ErrorKind::Unreachable,
        code: String::new(),
        detail: "the stream has ended".to_owned(),
    }
}

/// What the task works with.
struct Copying {
    line: Line,
    decoder: Decoder,
    own: Own,
    sender: mpsc::Sender<Result<Event, PortError>>,
    confirmed: watch::Receiver<Lsn>,
    ticks: Interval,
    heard_at: Instant,
}

impl Copying {
    async fn run(mut self, action: String) {
        let Err(broken) = self.copy().await else { return };
        // Nobody may be there to hear it any more.
        let _gone = self.sender.send(Err(explained(broken, &action))).await;
    }

    /// Copies until it breaks, or nobody listens any more.
    async fn copy(&mut self) -> Result<(), Broken> {
        let mut events = VecDeque::new();
        loop {
            while let Some(streamed) = self.line.streamed()? {
                match streamed {
                    Streamed::Data(message) => {
                        let own = &self.own;
                        self.decoder.decode(&message, &mut |event| own.take(event, &mut events))?;
                    }
                    Streamed::Alive { upto, wants_answer } => {
                        if !self.decoder.is_within() {
                            events.push_back(Event::Passed { upto });
                        }
                        if wants_answer {
                            self.confirm().await?;
                        }
                    }
                }
            }
            let held = if self.decoder.is_within() { HELD_MAX } else { 0 };
            while events.len() > held
                && let Some(event) = events.pop_front()
            {
                if !self.hand_over(event).await? {
                    return Ok(());
                }
            }
            tokio::select! {
                read = self.line.read() => {
                    read?;
                    self.heard_at = Instant::now();
                }
                _now = self.ticks.tick() => {
                    if self.heard_at.elapsed() > SILENCE_MAX {
                        return Err(Broken {
                            kind: ErrorKind::TimedOut,
                            code: String::new(),
                            detail: format!("no sign of life for {} s", SILENCE_MAX.as_secs()),
                        });
                    }
                    self.confirm().await?;
                }
                changed = self.confirmed.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.confirm().await?;
                }
            }
        }
    }

    /// Waits until there is room for it, and keeps the server from giving us up meanwhile. False if
    /// nobody listens any more.
    async fn hand_over(&mut self, event: Event) -> Result<bool, Broken> {
        loop {
            tokio::select! {
                room = self.sender.reserve() => {
                    let Ok(room) = room else { return Ok(false) };
                    room.send(Ok(event));
                    return Ok(true);
                }
                _now = self.ticks.tick() => {
                    // It is we who do not listen.
                    self.heard_at = Instant::now();
                }
                changed = self.confirmed.changed() => {
                    if changed.is_err() {
                        return Ok(false);
                    }
                }
            }
            let upto = *self.confirmed.borrow_and_update();
            self.line.confirm(upto).await?;
        }
    }

    async fn confirm(&mut self) -> Result<(), Broken> {
        let upto = *self.confirmed.borrow_and_update();
        self.line.confirm(upto).await
    }
}

/// What the server means where a stream breaks off.
pub(super) fn explained(broken: Broken, action: &str) -> PortError {
    let kind = match broken.code.as_str() {
        // No such slot or publication; invalidated; the log is gone.
        "42704" | "55000" | "58P01" => ErrorKind::PositionLost,
        _ => broken.kind,
    };
    PortError { kind, ..broken.port_error(action) }
}
