//! Virtual time: it passes when the world says so.

use std::sync::atomic::{AtomicI64, Ordering};

use syncline_core::name::Timestamp;
use syncline_ports::clock::Clock;

/// A clock that the world turns. It is the hub's: it may be wrong.
#[derive(Debug)]
pub struct SimClock {
    time: AtomicI64,
    wrong_by: AtomicI64,
}

impl SimClock {
    /// A clock that begins at 2026-01-01.
    pub fn new() -> Self {
        Self { time: AtomicI64::new(1_767_225_600_000_000), wrong_by: AtomicI64::new(0) }
    }

    /// Lets time pass.
    pub fn pass_ms(&self, milliseconds: i64) {
        self.time.fetch_add(milliseconds * 1_000, Ordering::Relaxed);
    }

    /// The time, which others go by.
    pub fn true_now(&self) -> Timestamp {
        Timestamp(self.time.load(Ordering::Relaxed))
    }

    /// How far the hub's clock is from the time.
    pub fn wrong_by_ms(&self) -> i64 {
        self.wrong_by.load(Ordering::Relaxed) / 1_000
    }

    /// Somebody sets the hub's clock: so far from the time, back or ahead.
    pub fn set_wrong_by_ms(&self, milliseconds: i64) {
        self.wrong_by.store(milliseconds * 1_000, Ordering::Relaxed);
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let wrong_by = self.wrong_by.load(Ordering::Relaxed);
        Timestamp(self.time.load(Ordering::Relaxed) + wrong_by)
    }
}
