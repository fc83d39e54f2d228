//! Virtual time: it passes when the world says so.

use std::sync::atomic::{AtomicI64, Ordering};

use syncline_core::name::Timestamp;
use syncline_ports::clock::Clock;

/// A clock that the world turns.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// A clock that begins at 2026-01-01.
    pub fn new() -> Self {
        Self(AtomicI64::new(1_767_225_600_000_000))
    }

    /// Lets time pass.
    pub fn pass_ms(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds * 1_000, Ordering::Relaxed);
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}
