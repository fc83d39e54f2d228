//! Rows of two tables that are the same record, found by a value that both hold; and how far two
//! columns agree on them beyond what chance would give.

use std::collections::HashMap;

use crate::discover::reading::Reading;

/// Rows that belong together: their places in either sample.
pub(crate) type Rows = Vec<(usize, usize)>;

/// Pairs of rows that hold the same value, if it stands once on either side.
pub(crate) fn matched(left: &Reading, right: &Reading) -> Rows {
    let once = |reading: &Reading, mark: u64| reading.counts.get(&mark) == Some(&1);
    let place: HashMap<u64, usize> = right
        .marks
        .iter()
        .enumerate()
        .filter_map(|(at, mark)| mark.filter(|mark| once(right, *mark)).map(|mark| (mark, at)))
        .collect();
    left.marks
        .iter()
        .enumerate()
        .filter_map(|(at, mark)| {
            let mark = mark.filter(|mark| once(left, *mark))?;
            Some((at, *place.get(&mark)?))
        })
        .collect()
}

/// How far two columns say the same on matched rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Agreement {
    /// Rows on which both say something.
    pub(crate) rows: usize,
    /// Rows on which they say the same.
    pub(crate) equal: usize,
    /// The share that chance would give, from how often each value is said.
    pub(crate) chance: f64,
    /// Rows on which only one says something.
    pub(crate) alone: usize,
}

impl Agreement {
    /// Compares two readings on these rows.
    pub(crate) fn of(left: &[Option<u64>], right: &[Option<u64>], rows: &[(usize, usize)]) -> Self {
        let mut found = Self::default();
        let (mut lefts, mut rights) = (HashMap::new(), HashMap::new());
        for (one, other) in rows {
            let one = left.get(*one).copied().flatten();
            let other = right.get(*other).copied().flatten();
            match (one, other) {
                (Some(one), Some(other)) => {
                    found.rows += 1;
                    found.equal += usize::from(one == other);
                    *lefts.entry(one).or_insert(0u32) += 1;
                    *rights.entry(other).or_insert(0u32) += 1;
                }
                (Some(_), None) | (None, Some(_)) => found.alone += 1,
                (None, None) => {}
            }
        }
        let all = (found.rows as f64).powi(2).max(1.0);
        let both = lefts
            .iter()
            .map(|(mark, count)| {
                f64::from(*count) * f64::from(rights.get(mark).copied().unwrap_or(0))
            })
            .sum::<f64>();
        found.chance = both / all;
        found
    }

    /// The share that agrees.
    pub(crate) fn share(self) -> f64 {
        self.equal as f64 / (self.rows as f64).max(1.0)
    }

    /// From 0, as chance would have it, to 1: beyond doubt.
    pub(crate) fn beyond_chance(self) -> f64 {
        if self.rows == 0 || self.chance > 0.999 {
            return 0.0;
        }
        ((self.share() - self.chance) / (1.0 - self.chance)).clamp(0.0, 1.0)
    }

    /// What that is worth: few rows prove little.
    pub(crate) fn proof(self) -> f64 {
        let rows = self.rows as f64;
        self.beyond_chance() * rows / (rows + 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(values: &[u64]) -> Vec<Option<u64>> {
        values.iter().map(|value| Some(*value)).collect()
    }

    #[test]
    fn columns_of_one_value_agree_and_prove_nothing() {
        let rows: Rows = (0..50).map(|at| (at, at)).collect();
        let same = Agreement::of(&says(&[7; 50]), &says(&[7; 50]), &rows);
        assert!(same.share() > 0.99 && same.proof() < 0.01);
    }

    #[test]
    fn columns_of_many_values_that_agree_prove_much_and_few_rows_prove_little() {
        let values: Vec<u64> = (0..50).collect();
        let rows: Rows = (0..50).map(|at| (at, at)).collect();
        assert!(Agreement::of(&says(&values), &says(&values), &rows).proof() > 0.9);
        let few: Rows = rows.into_iter().take(2).collect();
        assert!(Agreement::of(&says(&values), &says(&values), &few).proof() <= 0.5);
    }
}
