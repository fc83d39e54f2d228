//! Hears what is in the inbox: a listener like that of a log.
//!
//! A position is the inbox's own number and that of the last delivery that was dealt with. An inbox
//! that took the place of another has lost what that one held: everything is compared then.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::Position,
    error::{ErrorKind, PortError},
};
use syncline_ports::listener::{Changed, Heard, Hint, Listener, Retained};
use tokio::sync::watch;

use crate::{
    hub::inbox::{Inbox, Look, Waiting},
    push::{Telling, Told, What},
    rest::Payloads,
    settings::{Kind, Settings, hook::Hook},
    webhook::{
        cooling::Cooling,
        events::{Event, events},
        keys::{Keys, Twin},
    },
};

/// What it listens to, in a word.
pub const WORD: &str = "webhook";

/// So long nothing is waited for in one go. What another process puts into the inbox is found then.
const WAIT: Duration = Duration::from_secs(1);
/// So many deliveries, and about so many bytes of them, are read in one go.
const DELIVERIES: usize = 2_000;
const BYTES: usize = 16 << 20;

/// Listens to what a system sends.
pub(super) struct Webhooks {
    system: String,
    keys: Arc<Keys>,
    payloads: Arc<Payloads>,
    hook: Arc<Hook>,
    inbox: Arc<Inbox>,
    look: Look,
    /// Of a system that only tells: what it has told.
    told: Option<Told>,
    last: watch::Receiver<i64>,
    at: i64,
    /// What is told again and again, and since when times are counted.
    cooling: Cooling,
    began: Instant,
}

impl Webhooks {
    pub(super) fn new(
        settings: &Settings,
        keys: Keys,
        payloads: Payloads,
        hook: Arc<Hook>,
        inbox: Arc<Inbox>,
        hub: &Path,
    ) -> Self {
        let last = inbox.last();
        let (system, keys) = (settings.name.clone(), Arc::new(keys));
        let payloads = Arc::new(payloads);
        let (look, cooling, began) =
            (Look::at(hub).with(inbox.envelope()), Cooling::default(), Instant::now());
        let told = (settings.kind == Kind::Push).then(|| Told::of(settings));
        Self { system, keys, payloads, hook, inbox, look, told, last, at: 0, cooling, began }
    }

    fn position(&self, seq: i64) -> Position {
        Position([self.inbox.identity().to_be_bytes(), seq.to_be_bytes()].concat())
    }

    /// The number in a position of this inbox.
    fn seq(&self, position: &Position) -> Result<i64, PortError> {
        let (identity, seq) = read(position).unwrap_or_default();
        // Who has a delivery dealt with again puts it there beside the door.
        let is_known = seq <= *self.last.borrow() || seq <= self.look.newest()?;
        if identity != self.inbox.identity() || !is_known {
            let action = format!("listen to \"{}\"", self.system);
            let detail = "the inbox is not the one that was read: what had been sent is not known";
            return Err(PortError::new(ErrorKind::PositionLost, action, detail));
        }
        Ok(seq)
    }

    /// What was held back and is to be handed on by now.
    fn cooled(&mut self, now: Duration) -> Vec<Hint> {
        let mut hints = Vec::new();
        for ((binding, key), held) in self.cooling.due(now) {
            let what = key.map_or_else(|| Changed::Somewhere(Text::new(UNNAMED)), Changed::Row);
            let hint = Hint { binding, what, at: Some(held.at) };
            hints.extend((0..held.times.min(TIMES)).map(|_| hint.clone()));
        }
        hints
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Look, String) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let (look, system) = (self.look.clone(), self.system.clone());
        let done = tokio::task::spawn_blocking(move || work(look, system)).await;
        done.map_err(|error| {
            PortError::new(ErrorKind::Unexpected, "read the inbox", error.to_string())
        })?
    }
}

/// How far what was sent is dealt with: `delivery 17`.
pub fn position_words(position: &Position) -> Option<String> {
    read(position).map(|(_, seq)| format!("delivery {seq}"))
}

fn read(position: &Position) -> Option<(i64, i64)> {
    let (identity, seq) = position.0.split_at_checked(8)?;
    Some((i64::from_be_bytes(identity.try_into().ok()?), i64::from_be_bytes(seq.try_into().ok()?)))
}

/// So many times one hint is handed on at most: whoever counts them counts no further.
const TIMES: u32 = 1_000;

/// Why it is not told which rows changed.
const UNNAMED: &str = "a webhook does not say which row it is about";

/// What deliveries say of rows, in their order.
fn hints(
    hook: &Hook,
    keys: &Keys,
    payloads: &Payloads,
    deliveries: &[Waiting],
) -> Vec<(i64, Hint)> {
    let known = keys.known();
    let mut hints = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let told = events(hook, delivery.topic.as_deref(), &delivery.body, &known);
        let mut hint = |binding, what| {
            hints.push((delivery.seq, Hint { binding, what, at: Some(delivery.at) }));
        };
        let unread = || Changed::Somewhere(Text::new(UNNAMED));
        let Some(told) = told else {
            // Signed, and no document: something changed, and nobody knows what.
            for binding in keys.bindings(None) {
                hint(binding, unread());
            }
            continue;
        };
        for event in told {
            for binding in keys.bindings(event.resource.as_ref()) {
                let Event { item, key, is_end, resource, .. } = &event;
                let row = |twin| keys.row(binding, item, key, twin);
                match row(Twin::AsSent).filter(|_| resource.is_some()) {
                    None => hint(binding, unread()),
                    Some(row) => {
                        let shown = payloads.row(binding, item).filter(|shown| shown.key == row);
                        let shown = shown.filter(|_| !*is_end).map(Box::new);
                        hint(binding, shown.map_or_else(|| Changed::Row(row), Changed::Shown));
                    }
                }
                // Of what is gone nobody can be asked how its number is written.
                if let Some(row) = row(Twin::Other).filter(|_| *is_end) {
                    hint(binding, Changed::Row(row));
                }
            }
        }
    }
    hints
}

/// What deliveries of a system that only tells say of rows, in their order.
fn tellings(hook: &Hook, keys: &Keys, deliveries: &[Waiting]) -> Vec<Telling> {
    let known = keys.known();
    let mut tellings = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let Some(told) = events(hook, delivery.topic.as_deref(), &delivery.body, &known) else {
            // The door takes none that cannot be read.
            continue;
        };
        for event in told {
            let version = event.version();
            // What is sent once more is as old as it was, unless its version says how old it is.
            let first = delivery.again.filter(|_| version.is_none());
            let seq = first.unwrap_or(delivery.seq);
            let Event { resource, item, key, is_deleted, .. } = event;
            for binding in keys.bindings(resource.as_ref()) {
                let row = keys.row(binding, &item, &key, Twin::AsSent);
                let Some(row) = row.filter(|_| resource.is_some()) else { continue };
                let what = if is_deleted { What::Gone } else { What::Item(item.clone()) };
                let place = keys.place(binding).to_owned();
                tellings.push(Telling { seq, place, key: row, version, what });
            }
        }
    }
    tellings
}

#[async_trait]
impl Listener for Webhooks {
    fn word(&self) -> &'static str {
        WORD
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.cooling = Cooling::default();
        self.at = match from {
            Some(from) => self.seq(from)?,
            // What was sent before the first full comparison is covered by it.
            None => *self.last.borrow(),
        };
        if let Some(told) = self.told.clone() {
            // What was sent and is not put together yet nobody can show.
            let inbox = self.inbox.identity();
            let known = self.blocking(move |_, _| told.upto(inbox)).await?;
            self.at = if from.is_some() { self.at.min(known) } else { known };
        }
        Ok(self.position(self.at))
    }

    async fn hear(&mut self, rows: usize) -> Result<Heard, PortError> {
        self.last.borrow_and_update();
        let (at, rows) = (self.at, rows.min(DELIVERIES));
        let deliveries =
            self.blocking(move |look, system| look.after(&system, at, rows, BYTES)).await?;
        let more = deliveries.len() == rows;
        let now = self.began.elapsed();
        let mut handed = self.cooled(now);
        if let Some(newest) = deliveries.last().map(|delivery| delivery.seq) {
            let (hook, keys, told) = (self.hook.clone(), self.keys.clone(), self.told.clone());
            let payloads = self.payloads.clone();
            let inbox = self.inbox.identity();
            let hints = self.blocking(move |_, _| {
                if let Some(told) = &told {
                    told.take(&tellings(&hook, &keys, &deliveries), inbox, newest)?;
                }
                Ok(hints(&hook, &keys, &payloads, &deliveries))
            });
            for (seq, hint) in hints.await? {
                if self.told.is_some() {
                    // To read it costs nobody anything.
                    handed.push(hint);
                    continue;
                }
                let key = match &hint.what {
                    Changed::Row(key) => Some(key.clone()),
                    Changed::Shown(_) => {
                        // Nobody need be asked.
                        handed.push(hint);
                        continue;
                    }
                    Changed::Unnamed(_) | Changed::Somewhere(_) => None,
                };
                let at = hint.at.unwrap_or_default();
                if self.cooling.takes(&(hint.binding, key), seq, at, now) {
                    handed.push(hint);
                }
            }
            self.at = newest;
        } else if handed.is_empty() {
            let wait = self.cooling.next().map_or(WAIT, |at| at.saturating_sub(now));
            // Whoever writes the inbox ends with the daemon, and this with it.
            let _moved = tokio::time::timeout(wait.min(WAIT), self.last.changed()).await;
            handed = self.cooled(self.began.elapsed());
        }
        // What is held back is heard again after a crash.
        let upto = self.cooling.oldest().map_or(self.at, |seq| seq - 1);
        Ok(Heard { hints: handed, upto: self.position(upto), more })
    }

    async fn ack(&mut self, upto: &Position) -> Result<(), PortError> {
        let seq = self.seq(upto)?;
        self.inbox.done(&self.system, seq).await;
        Ok(())
    }

    async fn retained(&mut self) -> Result<Retained, PortError> {
        let told = self.blocking(|look, system| look.told(&system)).await?;
        Ok(Retained { bytes: told.bytes, bounded: true })
    }

    async fn remove(&mut self) -> Result<(), PortError> {
        // Nothing was put into the system.
        Ok(())
    }
}
