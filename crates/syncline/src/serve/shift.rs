//! A shift: the hub is open, and the workers are at it. Several work beside each other on the same
//! hub, each with doors of its own: what one decides and another has changed meanwhile is decided
//! again, as between processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use syncline_core::{
    change::Input,
    name::{EntityIndex, SystemIndex},
    plan::Plan,
};
use syncline_engine::pass::live::with_referring;
use tokio::sync::{Notify, mpsc};

use crate::{
    measure,
    report::Failure,
    serve::{journal::Journal, notify, outbox::Outbox},
    stopwatch::Stopwatch,
    times::Times,
};

/// What a worker tells the daemon.
#[derive(Debug)]
pub(super) enum Event {
    /// A system does not answer, or not as it should.
    Down(SystemIndex, Failure),
    /// A system that was down answers again.
    Back,
    /// The hub failed: nothing can go on.
    Broke(Failure),
}

/// What the workers of a shift share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    /// What is written at times of its own.
    pub(super) times: Times,
    pub(super) journal: Journal,
    pub(super) notify: notify::Notify,
    /// Entities that are kept in step: approved, and not paused whole.
    pub(super) awake: Vec<EntityIndex>,
    /// Asks all passes to end after what is in flight.
    pub(super) halt: Arc<AtomicBool>,
    halted: Notify,
    is_given_up: AtomicBool,
    gave_up: Notify,
    pub(super) wake_hearer: Arc<Notify>,
    pub(super) wake_poller: Notify,
    wake_writers: Vec<Notify>,
    /// What is on its way to each writer.
    pub(super) outbox: Outbox,
    /// What living traffic spends its time on.
    pub(super) stopwatch: Stopwatch,
    /// What may have to be written to each system.
    dirty: Vec<Mutex<BTreeSet<EntityIndex>>>,
    /// Rows that were written or refused in this shift, per entity and system.
    answered: Mutex<BTreeMap<(EntityIndex, SystemIndex), u64>>,
    /// Systems whose ears have not said yet whether they can be listened to.
    expected: Mutex<BTreeSet<SystemIndex>>,
    /// Systems that are listened to just now, and how.
    heard: Mutex<BTreeMap<SystemIndex, &'static str>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

impl Shared {
    pub(super) fn new(
        plan: Arc<Plan>,
        times: Times,
        awake: Vec<EntityIndex>,
        journal: Journal,
        notify: notify::Notify,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let systems = plan.systems.len();
        Self {
            plan,
            times,
            journal,
            notify,
            awake,
            halt: Arc::default(),
            halted: Notify::new(),
            is_given_up: AtomicBool::new(false),
            gave_up: Notify::new(),
            wake_hearer: Arc::default(),
            wake_poller: Notify::new(),
            wake_writers: (0..systems).map(|_| Notify::new()).collect(),
            outbox: Outbox::new(systems),
            stopwatch: Stopwatch::default(),
            dirty: (0..systems).map(|_| Mutex::default()).collect(),
            answered: Mutex::default(),
            expected: Mutex::default(),
            heard: Mutex::default(),
            events,
        }
    }

    /// Ends the shift: every worker stops after what is in flight.
    pub(super) fn end(&self) {
        self.halt.store(true, Ordering::Relaxed);
        self.halted.notify_waiters();
    }

    /// Ends workers where they wait.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.gave_up.notify_waiters();
    }

    /// Waits until workers are given up.
    pub(super) async fn given_up(&self) {
        let gave_up = self.gave_up.notified();
        tokio::pin!(gave_up);
        gave_up.as_mut().enable();
        if !self.is_given_up.load(Ordering::Relaxed) {
            gave_up.await;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.halt.load(Ordering::Relaxed)
    }

    /// Waits until this wakes the worker, the time has come, or the shift ends.
    pub(super) async fn rest(&self, wake: &Notify, at_most: std::time::Duration) {
        let halted = self.halted.notified();
        tokio::pin!(halted);
        // Heard from here on: who ends the shift before this line is seen by the next.
        halted.as_mut().enable();
        if self.is_over() {
            return;
        }
        tokio::select! {
            () = wake.notified() => {}
            () = &mut halted => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }

    /// Records of these entities may have to be written, and of those that refer to them.
    pub(super) fn changed(&self, entities: &[EntityIndex]) {
        let all = with_referring(&self.plan, entities);
        for (dirty, wake) in self.dirty.iter().zip(&self.wake_writers) {
            dirty.lock().unwrap_or_else(PoisonError::into_inner).extend(all.iter().copied());
            wake.notify_one();
        }
    }

    /// What may have to be written to this system since it was asked last.
    pub(super) fn take_dirty(&self, system: SystemIndex) -> BTreeSet<EntityIndex> {
        let Some(dirty) = self.dirty.get(system.at()) else { return BTreeSet::new() };
        std::mem::take(&mut *dirty.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// So many more rows of this entity were written to a system, or refused by it.
    pub(super) fn answers(&self, link: (EntityIndex, SystemIndex), rows: u64) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner).entry(link).or_default() +=
            rows;
    }

    /// How many rows of this entity were written to a system, or refused by it, in this shift.
    pub(super) fn answered(&self, link: (EntityIndex, SystemIndex)) -> u64 {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.get(&link).copied().unwrap_or_default()
    }

    /// Wakes the writer of a system.
    pub(super) fn writer(&self, system: SystemIndex) -> Option<&Notify> {
        self.wake_writers.get(system.at())
    }

    /// Whether this system may be listened to in a moment: then it is not asked yet.
    pub(super) fn is_expected(&self, system: SystemIndex) -> bool {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).contains(&system)
    }

    /// An ear will say whether this system can be listened to.
    pub(super) fn expect(&self, system: SystemIndex) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).insert(system);
    }

    /// How this system is listened to just now, if it is.
    pub(super) fn heard(&self, system: SystemIndex) -> Option<&'static str> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(&system).copied()
    }

    /// The system is listened to like this from now on, or not. Whether that is new.
    pub(super) fn set_heard(&self, system: SystemIndex, word: Option<&'static str>) -> bool {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
        if let (Some(measures), Some(name)) = (measure::here(), self.plan.system(system)) {
            measures.listens(&name.name, word);
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match word {
            Some(word) => heard.insert(system, word),
            None => heard.remove(&system),
        };
        before != word
    }

    /// The hub failed.
    pub(super) fn broke(&self, failure: Failure) {
        let _ = self.events.send(Event::Broke(failure));
    }
}

/// Nothing: only how far something was read is put on record.
pub(super) const NOTHING: &[Input] = &[];
