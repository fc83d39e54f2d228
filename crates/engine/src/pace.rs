//! How fast a system may be written (`max_rate`): a bucket of tokens per system, shared by all who
//! write in this process. Time and rest are asked of the program; nobody rests while it is their turn
//! to decide, nor while writes of theirs are on record and not sent.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use syncline_core::name::SystemIndex;

/// A time that only goes on, and rest.
pub trait Rests: Send + Sync {
    /// How much time has passed since some moment.
    fn elapsed(&self) -> Duration;

    /// Comes back after so long.
    fn rest(&self, wait: Duration) -> BoxFuture<'_, ()>;
}

/// So many rows in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Rows.
    pub rows: u32,
    /// The time in which they may be written.
    pub span: Duration,
}

/// So much of a second's rows may go at once: so the load is even.
const EVEN: Duration = Duration::from_millis(250);
/// Longest rest before it is looked whether to stop.
const REST_MAX: Duration = Duration::from_millis(200);

impl Rate {
    /// How long one row takes.
    fn interval(self) -> Duration {
        self.span / self.rows.max(1)
    }

    /// How many rows may go at once.
    pub fn burst(self) -> u32 {
        let rows = EVEN.as_nanos() / self.interval().as_nanos().max(1);
        u32::try_from(rows).unwrap_or(u32::MAX).max(1)
    }
}

/// When the rows that were written are paid for.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    paid: Duration,
}

impl Bucket {
    /// How long to wait until more may be written; none: at once.
    fn wait(&self, now: Duration) -> Option<Duration> {
        let credit = self.rate.interval() * (self.rate.burst() - 1);
        self.paid.checked_sub(now + credit).filter(|wait| !wait.is_zero())
    }

    fn took(&mut self, now: Duration, rows: u32) {
        self.paid = self.paid.max(now) + self.rate.interval() * rows;
    }
}

/// The buckets of all systems that have a rate.
pub struct Paces {
    buckets: Mutex<BTreeMap<SystemIndex, Bucket>>,
    rests: Box<dyn Rests>,
}

impl Paces {
    /// Full buckets.
    pub fn new(rates: BTreeMap<SystemIndex, Rate>, rests: Box<dyn Rests>) -> Self {
        let full = |(system, rate)| (system, Bucket { rate, paid: Duration::ZERO });
        Self { buckets: Mutex::new(rates.into_iter().map(full).collect()), rests }
    }

    /// Whether this system may be written only so fast.
    pub fn bounds(&self, system: SystemIndex) -> bool {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&system)
    }

    /// How long to wait until more may be written to this system; none: at once.
    pub(crate) fn wait(&self, system: SystemIndex) -> Option<Duration> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get(&system)?.wait(self.rests.elapsed())
    }

    /// So many rows are about to be written.
    pub(crate) fn took(&self, system: SystemIndex, rows: usize) {
        let now = self.rests.elapsed();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&system) {
            bucket.took(now, u32::try_from(rows).unwrap_or(u32::MAX));
        }
    }

    /// Rests for a part of this wait.
    pub(crate) async fn rest(&self, wait: Duration) {
        self.rests.rest(wait.min(REST_MAX)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes portions as the bucket lets them go, and gives when each went, in milliseconds.
    fn times(rate: Rate, portions: &[u32]) -> Vec<u128> {
        let mut bucket = Bucket { rate, paid: Duration::ZERO };
        let mut now = Duration::from_secs(1_000);
        let began = now;
        let mut times = Vec::new();
        for rows in portions {
            while let Some(wait) = bucket.wait(now) {
                now += wait;
            }
            bucket.took(now, *rows);
            times.push(now.saturating_sub(began).as_millis());
        }
        times
    }

    #[test]
    fn what_is_written_is_paid_for_before_more_is() {
        let second = Duration::from_secs(1);
        let rate = |rows, span| Rate { rows, span };
        assert_eq!(times(rate(2, second), &[1, 1, 1, 1]), [0, 500, 1_000, 1_500]);
        assert_eq!(times(rate(40, second), &[10, 10, 10]), [0, 25, 275]);
        // More than may go at once is paid for all the same.
        assert_eq!(times(rate(2, second), &[6, 1, 1]), [0, 3_000, 3_500]);
        assert_eq!(times(rate(6, Duration::from_secs(60)), &[1, 1, 1]), [0, 10_000, 20_000]);
    }

    #[test]
    fn what_goes_at_once_is_a_quarter_of_a_second() {
        let burst = |rows, seconds| Rate { rows, span: Duration::from_secs(seconds) }.burst();
        assert_eq!([burst(2, 1), burst(50, 1), burst(4_000, 1), burst(6, 60)], [1, 12, 1_000, 1]);
    }
}
