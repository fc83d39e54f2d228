//! How many rows a system is given at once, by what became of those before: some more while it takes
//! them easily, half as many when it is slow or puts them off. A function of numbers alone.

use std::time::Duration;

/// What is written faster is taken easily.
const EASILY: Duration = Duration::from_millis(500);
/// What takes longer is too much at once.
const SLOWLY: Duration = Duration::from_secs(2);
/// The steps from nothing to the most.
const STEPS: usize = 16;

/// What a system bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearing {
    /// Rows at once.
    pub rows: usize,
}

/// What became of rows that a system was given at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How many there were.
    pub rows: usize,
    /// How long they took.
    pub took: Duration,
    /// Some were put off, or not answered: a deadlock, a lock, a time that was up.
    pub is_put_off: bool,
}

impl Bearing {
    /// What it bears now, of `most` that it may be given. Few rows say nothing about many.
    #[must_use]
    pub fn after(self, most: usize, sent: Sent) -> Self {
        let rows = self.rows.clamp(1, most.max(1));
        let is_many = sent.rows.saturating_mul(2) >= rows;
        let rows = if !is_many {
            rows
        } else if sent.is_put_off || sent.took > SLOWLY {
            (rows / 2).max(1)
        } else if sent.took < EASILY {
            rows.saturating_add((most / STEPS).max(1)).min(most.max(1))
        } else {
            rows
        };
        Self { rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(rows: usize, took_ms: u64) -> Sent {
        Sent { rows, took: Duration::from_millis(took_ms), is_put_off: false }
    }

    /// What is borne after each of these, of 160 at most.
    fn after(all: &[Sent]) -> Vec<usize> {
        let mut bearing = Bearing { rows: 160 };
        let rows = all.iter().map(|sent| {
            bearing = bearing.after(160, *sent);
            bearing.rows
        });
        rows.collect()
    }

    #[test]
    fn slow_answers_and_rows_put_off_halve_it() {
        let put_off = |rows| Sent { is_put_off: true, ..sent(rows, 1) };
        assert_eq!(after(&[sent(160, 2_001), put_off(80), put_off(40)]), [80, 40, 20]);
    }

    #[test]
    fn what_is_taken_easily_is_followed_by_some_more_up_to_the_most() {
        let mut all = vec![sent(160, 3_000)];
        all.extend([sent(160, 10); 10]);
        assert_eq!(after(&all), [80, 90, 100, 110, 120, 130, 140, 150, 160, 160, 160]);
    }

    #[test]
    fn what_takes_its_time_stays_as_it_is() {
        assert_eq!(after(&[sent(160, 3_000), sent(80, 1_000), sent(80, 2_000)]), [80, 80, 80]);
    }

    #[test]
    fn few_rows_say_nothing_about_many() {
        let put_off = Sent { is_put_off: true, ..sent(1, 1) };
        assert_eq!(after(&[sent(1, 9_000), put_off, sent(79, 9_000)]), [160, 160, 160]);
    }

    #[test]
    fn it_is_never_nothing_and_never_more_than_the_most() {
        for rows in [0, 1, 2, 1_000] {
            for most in [0, 1, 7, 500] {
                for took in [0, 1_000, 9_000] {
                    let after = Bearing { rows }.after(most, sent(10_000, took)).rows;
                    assert!((1..=most.max(1)).contains(&after), "{rows} {most} {took}: {after}");
                }
            }
        }
    }
}
