//! Two tables, compared: by which value their rows find each other, and how much the other columns
//! then agree. A wrong key is told from the right one by that: rows that do not belong together say
//! different things.

use std::collections::BTreeSet;

use crate::discover::{
    evidence::{self, Found},
    facts::{Facts, TableFacts},
    names,
    reading::{Meaning, Reading},
    rows::{self, Rows},
};

/// So many keys are tried for two tables.
const KEYS_MAX: usize = 8;
/// So many rows are compared to judge a key.
const ROWS_TRIED: usize = 300;
/// Columns belong together from here on: what is below is not worth showing.
pub(crate) const SHOWN_MIN: f64 = 0.4;

/// How rows of two tables find each other.
#[derive(Clone, Debug)]
pub(crate) struct Key<'a> {
    /// Which columns; of a key of several columns none of them alone.
    pub(crate) columns: Vec<(usize, usize)>,
    /// How they are read.
    pub(crate) readings: [&'a Reading; 2],
    /// How many values both sides hold.
    pub(crate) shared: usize,
    /// How many values the smaller side holds.
    pub(crate) fewer: usize,
    /// The share of them that could meet at all, where tables were too large to be read whole.
    pub(crate) reach: f64,
}

impl Key<'_> {
    /// The share of the smaller side's values that the other side holds, too.
    pub(crate) fn coverage(&self) -> f64 {
        (self.shared as f64 / (self.fewer as f64 * self.reach).max(1.0)).min(1.0)
    }
}

/// Two tables that may hold the same records.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    /// Their places.
    pub(crate) places: (usize, usize),
    /// How rows find each other; `None` where a side has no rows, and names must do.
    pub(crate) key: Option<Key<'a>>,
    /// Rows that found each other.
    pub(crate) rows: Rows,
    /// From 0 to 1.
    pub(crate) confidence: f64,
}

/// Columns of the left that belong to columns of the right, the most certain first.
pub(crate) type Assigned<'a> = Vec<((usize, usize), Found<'a>)>;

/// Compares two tables; `None` if nothing says that they belong together.
pub(crate) fn compare<'a>(
    places: (usize, usize),
    left: &'a TableFacts,
    right: &'a TableFacts,
) -> Option<Candidate<'a>> {
    let likeness = names::likeness(&left.table.name, &right.table.name);
    if left.rows == 0 || right.rows == 0 {
        return by_name(places, left, right, likeness);
    }
    let mut best: Option<(f64, Candidate<'a>)> = None;
    for key in keys(left, right) {
        let all = rows::matched(key.readings[0], key.readings[1]);
        if all.is_empty() {
            continue;
        }
        let tried: Rows = all.iter().copied().take(ROWS_TRIED).collect();
        let confidence = judge(left, right, &key, &tried, all.len(), likeness);
        let rank = confidence + merit(left, right, &key);
        if best.as_ref().is_none_or(|(known, _)| rank > *known) {
            best = Some((rank, Candidate { places, key: Some(key), rows: all, confidence }));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Of keys that do as well, the better one: kept unique by both schemas, and not a number that a
/// system gives to its rows; of those that nothing keeps unique, addresses.
fn merit(left: &TableFacts, right: &TableFacts, key: &Key<'_>) -> f64 {
    let Some((at, to)) = key.columns.first() else { return 0.0 };
    let columns = [left.columns.get(*at), right.columns.get(*to)];
    let count = |test: fn(&Facts) -> bool| {
        columns.iter().flatten().filter(|facts| test(facts)).count() as f64
    };
    let (kept, numbered) = (count(|facts| facts.is_kept_unique), count(numbers_itself));
    let unique = match (kept > 1.0, kept > 0.0) {
        (true, _) => 0.05,
        (false, true) => 0.0,
        (false, false) => -0.02,
    };
    let telling = if is_telling(key.readings[0]) { 0.03 } else { 0.0 };
    0.03f64.mul_add(-numbered, unique + telling)
}

/// Columns by which rows may find each other, the likeliest first.
fn keys<'a>(left: &'a TableFacts, right: &'a TableFacts) -> Vec<Key<'a>> {
    let tables = [left.table.name.as_str(), right.table.name.as_str()];
    let mut found: Vec<(f64, Key<'a>)> = Vec::new();
    for (at, one) in left.columns.iter().enumerate() {
        for (to, other) in right.columns.iter().enumerate() {
            if !evidence::may_pair(one, other) {
                continue;
            }
            let Some((readings, shared)) = key_readings(one, other) else { continue };
            let fewer = readings[0].counts.len().min(readings[1].counts.len());
            // Of two samples only what is in both can meet.
            let reach = left.share.min(right.share);
            let key = Key { columns: vec![(at, to)], readings, shared, fewer, reach };
            let coverage = key.coverage();
            let likeness = evidence::likeness(tables, one, other);
            let serial = if one.is_serial && other.is_serial { 0.8 } else { 1.0 };
            let score = coverage * 0.5f64.mul_add(likeness, 0.5) * serial;
            if coverage > 0.02 {
                found.push((score, key));
            }
        }
    }
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().take(KEYS_MAX).map(|(_, key)| key).collect()
}

/// The readings that share most, if either side tells its rows apart by them, and the other nearly so.
fn key_readings<'a>(one: &'a Facts, other: &'a Facts) -> Option<([&'a Reading; 2], usize)> {
    let may = |reading: &&Reading| {
        reading.settings.is_empty()
            && matches!(
                reading.meaning,
                Meaning::Text | Meaning::Number | Meaning::Email | Meaning::Uuid
            )
    };
    let apart = |reading: &Reading| reading.counts.len() as f64 / reading.filled().max(1) as f64;
    let mut best: Option<([&Reading; 2], usize)> = None;
    for left in one.readings.iter().filter(may) {
        for right in other.readings.iter().filter(|it| may(it) && it.meaning == left.meaning) {
            let unique = left.is_unique() || right.is_unique();
            if !unique || apart(left).min(apart(right)) < 0.5 {
                continue;
            }
            let shared = left.shared(right);
            let more = best.as_ref().is_none_or(|(_, known)| shared > *known)
                || left.meaning == Meaning::Email
                    && best.as_ref().is_some_and(|(_, known)| shared >= *known);
            if shared > 0 && more {
                best = Some(([left, right], shared));
            }
        }
    }
    best
}

/// How certain it is that these rows belong together.
fn judge(
    left: &TableFacts,
    right: &TableFacts,
    key: &Key<'_>,
    tried: &Rows,
    matched: usize,
    likeness: f64,
) -> f64 {
    let others = assigned(left, right, tried, &key.columns);
    let (mut doubt, mut denial) = (1.0, 1.0);
    for ((one, other), found) in &others {
        let (Some(one), Some(other)) = (left.columns.get(*one), right.columns.get(*other)) else {
            continue;
        };
        // All numbered columns are alike, and what is barely proved is an accident of many tries.
        let is_proof = !(one.is_serial && other.is_serial) && found.proof >= 0.5;
        if is_proof {
            // That codes go together may have other causes; that values are the same, hardly.
            let weight = if found.is_coded() { 0.35 } else { 0.7 };
            doubt *= f64::mul_add(-weight, found.proof, 1.0);
        }
        if found.is_denied() {
            denial *= 0.85;
        }
    }
    let mut support = 1.0 - doubt;
    if key.shared >= 20 && is_telling(key.readings[0]) {
        support = support.max(0.5);
    }
    if support == 0.0 {
        return 0.15 * likeness;
    }
    let coverage = key.coverage();
    let worth = matched as f64 / (matched as f64 + 2.0);
    denial * 0.15f64.mul_add(likeness, 0.4f64.mul_add(support, 0.45 * coverage.sqrt() * worth))
}

/// Addresses and identifiers that nobody has by accident.
fn is_telling(reading: &Reading) -> bool {
    matches!(reading.meaning, Meaning::Email | Meaning::Uuid)
}

/// Which columns belong to which, on these rows; those of the key are left out.
pub(crate) fn assigned<'a>(
    left: &'a TableFacts,
    right: &'a TableFacts,
    rows: &Rows,
    key: &[(usize, usize)],
) -> Assigned<'a> {
    let tables = [left.table.name.as_str(), right.table.name.as_str()];
    let mut found: Assigned<'a> = Vec::new();
    for (at, one) in left.columns.iter().enumerate() {
        for (to, other) in right.columns.iter().enumerate() {
            let in_key = key.iter().any(|(left, right)| *left == at || *right == to);
            if in_key || numbers_itself(one) || numbers_itself(other) {
                continue;
            }
            if !evidence::may_pair(one, other) {
                continue;
            }
            let likeness = evidence::likeness(tables, one, other);
            let compared = evidence::compare(one, other, likeness, rows);
            // What refers to a record on one side only is a value there, and names do not tell.
            let refers = one.refers_to.is_some() || other.refers_to.is_some();
            if compared.confidence >= SHOWN_MIN && !(refers && compared.proof < 0.5) {
                found.push(((at, to), compared));
            }
        }
    }
    greedy(found)
}

/// Its system numbers it: nobody else may.
fn numbers_itself(facts: &Facts) -> bool {
    facts.is_key && facts.column.is_identity
}

/// Each column once, the most certain pairs first.
pub(crate) fn greedy(mut found: Assigned<'_>) -> Assigned<'_> {
    found.sort_by(|(_, one), (_, other)| {
        other.confidence.total_cmp(&one.confidence).then(other.likeness.total_cmp(&one.likeness))
    });
    let (mut lefts, mut rights) = (BTreeSet::new(), BTreeSet::new());
    found.retain(|((one, other), _)| {
        let is_free = !lefts.contains(one) && !rights.contains(other);
        if is_free {
            lefts.insert(*one);
            rights.insert(*other);
        }
        is_free
    });
    found
}

/// Tables of which one is empty: their columns must be called alike, one of them unique.
fn by_name<'a>(
    places: (usize, usize),
    left: &'a TableFacts,
    right: &'a TableFacts,
    likeness: f64,
) -> Option<Candidate<'a>> {
    let alike = assigned(left, right, &Rows::new(), &[]);
    let alike: Vec<f64> =
        alike.iter().map(|(_, found)| found.likeness).filter(|it| *it >= 0.8).collect();
    let fewer = left.columns.len().min(right.columns.len()).max(1);
    let share = alike.iter().sum::<f64>() / fewer as f64;
    if alike.len() < 2 || likeness < 0.6 {
        return None;
    }
    let confidence = 0.4f64.mul_add(likeness, 0.5 * share.min(1.0)).min(0.85);
    Some(Candidate { places, key: None, rows: Rows::new(), confidence })
}

/// The columns by which rows could find each other once there are some: the best pair by name of
/// which one side is kept unique, and is not just its row's number.
pub(crate) fn key_by_name(
    left: &TableFacts,
    right: &TableFacts,
    assigned: &Assigned<'_>,
) -> Option<(usize, usize)> {
    let is_usable = |facts: &Facts| facts.is_kept_unique && !numbers_itself(facts);
    let usable = |(at, to): &(usize, usize)| {
        let (one, other) = (left.columns.get(*at), right.columns.get(*to));
        let unique = one.is_some_and(is_usable) || other.is_some_and(is_usable);
        let held =
            |facts: &Facts| facts.filled == 0 || facts.readings.iter().any(Reading::is_unique);
        unique || one.is_some_and(|it| names::is_called(&it.column.name, "email") && held(it))
    };
    assigned.iter().map(|(places, _)| *places).find(usable)
}
