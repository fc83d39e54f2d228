//! How fast a system may be written and read whole (`max_rate`): a bucket of tokens per system, shared
//! by all who work in this process. Time and rest are asked of the program; nobody rests while it is
//! their turn to decide, nor while writes of theirs are on record and not sent.
//!
//! How many rows a system is given at once follows what it bears (`bearing`).

mod bearing;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use syncline_core::name::SystemIndex;

pub use self::bearing::{Bearing, Sent};

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

/// How fast systems may be worked with, where that is bounded.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// Rows written.
    pub writes: BTreeMap<SystemIndex, Rate>,
    /// Rows read, where tables are read whole.
    pub reads: BTreeMap<SystemIndex, Rate>,
}

/// The buckets of all systems that have a rate, and what each system bears.
pub struct Paces {
    buckets: Mutex<BTreeMap<SystemIndex, Bucket>>,
    reads: Mutex<BTreeMap<SystemIndex, Bucket>>,
    bearings: Mutex<BTreeMap<SystemIndex, Bearing>>,
    rests: Box<dyn Rests>,
}

impl Paces {
    /// Full buckets.
    pub fn new(rates: Rates, rests: Box<dyn Rests>) -> Self {
        let full = |rates: BTreeMap<SystemIndex, Rate>| {
            let full = |(system, rate)| (system, Bucket { rate, paid: Duration::ZERO });
            Mutex::new(rates.into_iter().map(full).collect())
        };
        let (buckets, reads) = (full(rates.writes), full(rates.reads));
        Self { buckets, reads, bearings: Mutex::default(), rests }
    }

    /// How much time has passed since some moment.
    pub(crate) fn elapsed(&self) -> Duration {
        self.rests.elapsed()
    }

    /// How many rows a system is given at once, if `most` is what it may be given.
    pub fn at_once(&self, system: SystemIndex, most: usize) -> usize {
        let bearings = self.bearings.lock().unwrap_or_else(PoisonError::into_inner);
        bearings.get(&system).map_or(most, |bearing| bearing.rows.min(most)).max(1)
    }

    /// What became of rows that a system was given at once, where `most` is what it may be given.
    pub(crate) fn sent(&self, system: SystemIndex, most: usize, sent: Sent) {
        let mut bearings = self.bearings.lock().unwrap_or_else(PoisonError::into_inner);
        let bearing = bearings.entry(system).or_insert(Bearing { rows: most });
        *bearing = bearing.after(most, sent);
    }

    /// So many rows were read of a table that is read whole: rests until that is paid for, or it is
    /// asked to stop.
    pub(crate) async fn read(
        &self,
        system: SystemIndex,
        rows: usize,
        is_stopping: impl Fn() -> bool,
    ) {
        let wait = |rows: usize| {
            let now = self.rests.elapsed();
            let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
            let bucket = reads.get_mut(&system)?;
            bucket.took(now, u32::try_from(rows).unwrap_or(u32::MAX));
            bucket.wait(now)
        };
        let mut left = wait(rows);
        while let Some(rest) = left.filter(|_| !is_stopping()) {
            self.rest(rest).await;
            left = wait(0);
        }
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
    use futures_util::FutureExt as _;

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

    /// A time that passes only while somebody rests.
    #[derive(Clone, Default)]
    struct Rested(std::sync::Arc<Mutex<Duration>>);

    impl Rests for Rested {
        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn rest(&self, wait: Duration) -> BoxFuture<'_, ()> {
            *self.0.lock().unwrap() += wait;
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn a_whole_read_rests_until_what_it_read_is_paid_for_or_it_is_asked_to_stop() {
        let rate = Rate { rows: 100, span: Duration::from_secs(1) };
        let reads = BTreeMap::from([(SystemIndex(0), rate)]);
        let time = Rested::default();
        let rates = Rates { reads, ..Rates::default() };
        let paces = Paces::new(rates, Box::new(time.clone()));
        let read = |system, rows, is_stopping| {
            paces.read(SystemIndex(system), rows, || is_stopping).now_or_never().unwrap();
            time.elapsed().as_millis()
        };

        assert_eq!(read(1, 1_000, false), 0, "another system has no rate");
        assert_eq!(read(0, 1_000, true), 0, "who is asked to stop does not rest");
        assert_eq!(read(0, 100, false), 10_760);
        assert_eq!(read(0, 100, false), 11_760);
    }

    #[test]
    fn a_system_is_given_what_it_bears_of_what_it_may_be_given() {
        let paces = Paces::new(Rates::default(), Box::new(Rested::default()));
        let (erp, took) = (SystemIndex(1), Duration::ZERO);
        assert_eq!(paces.at_once(erp, 200), 200);
        paces.sent(erp, 200, Sent { rows: 200, took, is_put_off: true });
        assert_eq!([paces.at_once(erp, 200), paces.at_once(erp, 50)], [100, 50]);
        assert_eq!(paces.at_once(SystemIndex(0), 200), 200);
    }
}
