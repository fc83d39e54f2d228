//! Storms are cooled down: a row that is told of again and again is read at once the first time, then ever
//! less often, and once more when it has become quiet. Knows no clock: whoever asks says what time it is.

use std::{collections::BTreeMap, time::Duration};

use syncline_core::{
    change::RowKey,
    name::{BindingIndex, Timestamp},
};

/// After a row was handed on, what is told of it waits for so long at first,
const FIRST: Duration = Duration::from_millis(500);
/// and so many times longer each time that something was told meanwhile,
const FACTOR: u32 = 4;
/// but never longer than this.
const LONGEST: Duration = Duration::from_secs(15);
/// So many rows are remembered; beyond that those that were handed on are forgotten.
const ROWS: usize = 200_000;

/// A row, or some rows of a binding.
pub(super) type Place = (BindingIndex, Option<RowKey>);

/// What is told of a row while it cools down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The first delivery that told of it.
    pub(super) seq: i64,
    /// When that came.
    pub(super) at: Timestamp,
    /// How often it was told of.
    pub(super) times: u32,
}

/// A row that was handed on a short time ago.
#[derive(Clone, Copy, Debug)]
struct Warm {
    until: Duration,
    wait: Duration,
}

/// Rows that were handed on, and what is told of them meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Cooling {
    warm: BTreeMap<Place, Warm>,
    held: BTreeMap<Place, Held>,
}

impl Cooling {
    /// Takes what a delivery tells. Whether it is to be handed on now; else it is held back.
    pub(super) fn takes(&mut self, place: &Place, seq: i64, at: Timestamp, now: Duration) -> bool {
        if let Some(held) = self.held.get_mut(place) {
            held.times = held.times.saturating_add(1);
            return false;
        }
        match self.warm.get(place) {
            Some(warm) if now < warm.until => {
                self.held.insert(place.clone(), Held { seq, at, times: 1 });
                false
            }
            Some(_) | None => {
                if self.warm.len() >= ROWS {
                    self.warm.retain(|_, warm| now < warm.until);
                }
                self.warm.insert(place.clone(), Warm { until: now + FIRST, wait: FIRST });
                true
            }
        }
    }

    /// What was held back and is to be handed on by now.
    pub(super) fn due(&mut self, now: Duration) -> Vec<(Place, Held)> {
        let is_due = |place: &Place| self.warm.get(place).is_none_or(|warm| warm.until <= now);
        let due: Vec<Place> = self.held.keys().filter(|place| is_due(place)).cloned().collect();
        let mut out = Vec::with_capacity(due.len());
        for place in due {
            let Some(held) = self.held.remove(&place) else { continue };
            let before = self.warm.get(&place).map_or(FIRST, |warm| warm.wait);
            let wait = (before * FACTOR).min(LONGEST);
            self.warm.insert(place.clone(), Warm { until: now + wait, wait });
            out.push((place, held));
        }
        out
    }

    /// When something that is held back is to be handed on next.
    pub(super) fn next(&self) -> Option<Duration> {
        let until = |place: &Place| self.warm.get(place).map_or(Duration::ZERO, |warm| warm.until);
        self.held.keys().map(until).min()
    }

    /// The first delivery of which something is held back.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.held.values().map(|held| held.seq).min()
    }
}

#[cfg(test)]
mod tests {
    use syncline_core::value::Value;

    use super::*;

    fn place(number: i64) -> Place {
        (BindingIndex(0), Some(RowKey::new([&Value::int(number)])))
    }

    /// Tells of one row every so often for so long; gives when it was handed on, in milliseconds.
    fn handed_on(every_ms: u64, for_ms: u64) -> Vec<u64> {
        let (mut cooling, mut handed, mut seq) = (Cooling::default(), Vec::new(), 0);
        for ms in 0..for_ms + 60_000 {
            let now = Duration::from_millis(ms);
            for (_, held) in cooling.due(now) {
                assert!(held.seq <= seq);
                handed.push(ms);
            }
            if ms < for_ms && ms % every_ms == 0 {
                seq += 1;
                if cooling.takes(&place(1), seq, Timestamp(0), now) {
                    handed.push(ms);
                }
            }
        }
        assert_eq!(
            (cooling.oldest(), cooling.next()),
            (None, None),
            "nothing is held back for ever"
        );
        handed
    }

    #[test]
    fn what_is_told_now_and_then_is_handed_on_at_once() {
        assert_eq!(handed_on(1_000, 5_000), [0, 1_000, 2_000, 3_000, 4_000]);
    }

    #[test]
    fn a_storm_is_few_reads_and_one_when_it_is_over() {
        assert_eq!(handed_on(10, 50_000), [0, 500, 2_500, 10_500, 25_500, 40_500, 55_500]);
        assert_eq!(handed_on(10, 100), [0, 500]);
    }

    #[test]
    fn other_rows_do_not_wait_and_the_position_stays_before_what_is_held_back() {
        let mut cooling = Cooling::default();
        assert!(cooling.takes(&place(1), 1, Timestamp(0), Duration::ZERO));
        assert!(!cooling.takes(&place(1), 2, Timestamp(0), Duration::ZERO));
        assert!(cooling.takes(&place(2), 3, Timestamp(0), Duration::ZERO));
        assert!(!cooling.takes(&place(1), 4, Timestamp(0), Duration::ZERO));
        assert_eq!((cooling.oldest(), cooling.next()), (Some(2), Some(FIRST)));
        let due = cooling.due(FIRST);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].1.times, 2);
        assert_eq!(cooling.oldest(), None);
    }
}
