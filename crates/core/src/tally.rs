//! How much the users of a system have changed lately, and whether that is too much.
//!
//! A change counts at the time that its system gives it, so that what is caught up on after a pause is not
//! a bulk edit; within a window of any beginning no more is let through than the limit. Knows neither
//! records nor the hub: it is told what happened, and is kept between two questions by whoever asks.

use crate::{
    Text,
    name::{EntityIndex, SystemIndex, Timestamp},
};

/// So many changes in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerUser {
    /// How many.
    pub changes: u32,
    /// In how many milliseconds.
    pub window_ms: i64,
}

/// Whose changes are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The entity; of a child list, the one that it belongs to.
    pub entity: EntityIndex,
    /// The system.
    pub system: SystemIndex,
    /// The user, as the system says.
    pub user: Text,
}

/// How many changes were let through, and when.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// The beginning of each stretch in which there were any, in milliseconds since 1970, with their
    /// number; in the order of time.
    pub stretches: Vec<(i64, u32)>,
}

/// A window has so many stretches: within one, times are not told apart.
const STRETCHES: i64 = 60;
/// So many stretches are remembered; what is older counts as the oldest of them.
const KEPT: usize = 1_440;

impl Tally {
    /// Whether one more change at this time is within the limit; it is counted then.
    pub fn take(&mut self, at: Timestamp, limit: PerUser) -> bool {
        let width = (limit.window_ms / STRETCHES).max(1);
        let mut at = at.ms().div_euclid(width).saturating_mul(width);
        if self.stretches.len() >= KEPT {
            at = at.max(self.stretches.first().map_or(at, |(oldest, _)| *oldest));
        }
        // Whichever window it falls into, and wherever that ends, is full or is not.
        let ends = self.stretches.iter().map(|(begins, _)| *begins);
        let ends = ends.filter(|end| *end > at && *end - at <= limit.window_ms);
        let is_full = |end: i64| self.within(end, limit.window_ms) >= u64::from(limit.changes);
        if std::iter::once(at).chain(ends).any(is_full) {
            return false;
        }
        match self.stretches.binary_search_by_key(&at, |(begins, _)| *begins) {
            Ok(known) => {
                if let Some((_, count)) = self.stretches.get_mut(known) {
                    *count = count.saturating_add(1);
                }
            }
            Err(place) => self.stretches.insert(place, (at, 1)),
        }
        if self.stretches.len() > KEPT {
            self.stretches.remove(0);
        }
        true
    }

    /// How many there were in the window that ends with this stretch.
    fn within(&self, end: i64, window_ms: i64) -> u64 {
        let since = end.saturating_sub(window_ms);
        let first = self.stretches.partition_point(|(begins, _)| *begins < since);
        let within = self.stretches.iter().skip(first).take_while(|(begins, _)| *begins <= end);
        within.map(|(_, count)| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: PerUser = PerUser { changes: 3, window_ms: 60_000 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp(0).plus_ms(seconds * 1_000)
    }

    fn taken(times: &[i64]) -> Vec<bool> {
        let mut tally = Tally::default();
        times.iter().map(|seconds| tally.take(at(*seconds), LIMIT)).collect()
    }

    #[test]
    fn the_limit_is_let_through_and_the_excess_is_not() {
        assert_eq!(taken(&[0, 1, 2, 3, 59]), [true, true, true, false, false]);
    }

    #[test]
    fn what_is_older_than_the_window_makes_room() {
        assert_eq!(taken(&[0, 10, 20, 61, 62, 71]), [true, true, true, true, false, true]);
    }

    #[test]
    fn what_comes_late_counts_at_its_own_time() {
        // Three in the past, read in any order, and three now: none is too much.
        assert_eq!(taken(&[3_600, 0, 3_610, 5, 3_620, 9]), [true; 6]);
        // But a fourth one among the three of the past is, from whichever side it comes.
        assert_eq!(taken(&[40, 50, 60, 20]), [true, true, true, false]);
    }

    #[test]
    fn a_clock_that_stands_still_is_a_full_window() {
        assert_eq!(taken(&[7, 7, 7, 7]), [true, true, true, false]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut tally = Tally::default();
        for minute in 0..5_000 {
            assert!(tally.take(at(minute * 120), LIMIT));
        }
        assert_eq!(tally.stretches.len(), KEPT);
    }
}
