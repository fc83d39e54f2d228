//! Which code of one system stands for which of the other, from the rows on which they stand
//! together: the most frequent partner. The side that tells fewer apart gives the hub's values; each of
//! them is written as one code of the other side and read from several.

use syncline_core::value::Value;

use crate::discover::{
    facts::{Codes, Facts},
    reading::quoted,
    rows::Rows,
};

/// Codes that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coded {
    /// Which side gives the hub's values: 0 or 1.
    pub(crate) hub: usize,
    /// The hub's values, and the codes of the other side for each, the one that is written first.
    pub(crate) partners: Vec<(Value, Vec<Value>)>,
    /// Rows on which both sides hold a code.
    pub(crate) rows: usize,
    /// Rows on which the codes are partners.
    pub(crate) equal: usize,
    /// What that is worth, from 0 to 1.
    pub(crate) proof: f64,
    /// Codes that stand on no matched row, so nobody knows what they mean.
    pub(crate) unknown: usize,
}

/// The share of rows that must agree.
const SHARE_MIN: f64 = 0.9;

/// Compares two columns of codes; `None` if either is none or they do not belong together.
pub(crate) fn compare(left: &Facts, right: &Facts, rows: &Rows) -> Option<Coded> {
    let (one, other) = (left.codes.as_ref()?, right.codes.as_ref()?);
    let seen = |codes: &Codes, place: fn(&(usize, usize)) -> usize| {
        let mut seen: Vec<usize> =
            rows.iter().filter_map(|row| *codes.rows.get(place(row))?).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    };
    let (lefts, rights) = (seen(one, |row| row.0), seen(other, |row| row.1));
    let hub = match lefts.cmp(&rights) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => usize::from(tells(other) > tells(one)),
    };
    if hub == 0 {
        paired(one, other, rows.iter().copied()).map(|found| Coded { hub, ..found })
    } else {
        paired(other, one, rows.iter().map(|(left, right)| (*right, *left)))
            .map(|found| Coded { hub, ..found })
    }
}

/// Words tell more than letters and numbers.
fn tells(codes: &Codes) -> usize {
    let is_word = |value: &&Value| {
        matches!(value, Value::Text(text)
            if text.len() > 2 && text.chars().any(char::is_lowercase))
    };
    codes.all.iter().filter(is_word).count()
}

fn paired(hub: &Codes, other: &Codes, rows: impl Iterator<Item = (usize, usize)>) -> Option<Coded> {
    let mut counts = vec![vec![0usize; other.all.len()]; hub.all.len()];
    let mut all = 0;
    for (one, two) in rows {
        let one = hub.rows.get(one).copied().flatten();
        let two = other.rows.get(two).copied().flatten();
        if let (Some(one), Some(two)) = (one, two)
            && let Some(count) = counts.get_mut(one).and_then(|row| row.get_mut(two))
        {
            *count += 1;
            all += 1;
        }
    }
    let mut partners: Vec<Vec<(usize, usize)>> = vec![Vec::new(); hub.all.len()];
    let (mut equal, mut unknown) = (0, 0);
    for code in 0..other.all.len() {
        let column = counts.iter().map(|row| row.get(code).copied().unwrap_or_default());
        let best = column.enumerate().max_by_key(|(at, count)| (*count, usize::MAX - at));
        match best {
            Some((at, count)) if count > 0 => {
                equal += count;
                if let Some(partners) = partners.get_mut(at) {
                    partners.push((count, code));
                }
            }
            _ => unknown += 1,
        }
    }
    let totals = counts.iter().map(|row| row.iter().sum::<usize>());
    let base = totals.clone().max().unwrap_or_default() as f64 / (all as f64).max(1.0);
    let kinds = partners.iter().filter(|partners| !partners.is_empty()).count();
    let seen = totals.filter(|total| *total > 0).count();
    let share = equal as f64 / (all as f64).max(1.0);
    // One value on each side, or a value without a code of its own: nothing that could be written.
    if kinds < 2 || kinds < seen || share < SHARE_MIN || base > 0.999 {
        return None;
    }
    unknown += hub.all.len() - seen;
    let worth = all as f64 / (all as f64 + 3.0 * kinds as f64);
    let value = |codes: &Codes, at: usize| codes.all.get(at).cloned().unwrap_or_default();
    let partners = partners.into_iter().enumerate().filter(|(_, codes)| !codes.is_empty()).map(
        |(at, mut codes)| {
            codes.sort_by(|one, two| two.cmp(one));
            (value(hub, at), codes.into_iter().map(|(_, code)| value(other, code)).collect())
        },
    );
    Some(Coded {
        hub: 0,
        partners: partners.collect(),
        rows: all,
        equal,
        proof: ((share - base) / (1.0 - base)).clamp(0.0, 1.0) * worth,
        unknown,
    })
}

/// Words for yes and for no, in small letters.
const YES: [&str; 15] =
    ["1", "true", "t", "y", "yes", "o", "oui", "j", "ja", "s", "si", "x", "on", "active", "v"];
const NO: [&str; 12] =
    ["0", "false", "f", "n", "no", "non", "nein", "off", "inactive", "", "retired", "d"];

impl Coded {
    /// The codes for true and for false of the left and of the right side, if it is a matter of yes
    /// and no.
    pub(crate) fn booleans(&self) -> Option<[(Vec<Value>, Vec<Value>); 2]> {
        let [first, second] = self.partners.as_slice() else { return None };
        let says = |value: &Value| {
            let text = value.to_string().to_lowercase();
            if let Value::Bool(value) = value {
                Some(*value)
            } else if YES.contains(&text.as_str()) {
                Some(true)
            } else {
                NO.contains(&text.as_str()).then_some(false)
            }
        };
        let all = |(hub, codes): &(Value, Vec<Value>)| {
            std::iter::once(hub).chain(codes).map(says).collect::<Option<Vec<_>>>()
        };
        // All are such words, each side with one of each kind. Which of them is true is for the left
        // side to say.
        all(first)?;
        all(second)?;
        let (yes, no) = {
            let left = |(hub, codes): &(Value, Vec<Value>)| {
                if self.hub == 0 { Some(hub.clone()) } else { codes.first().cloned() }
            };
            match (says(&left(first)?)?, says(&left(second)?)?) {
                (true, false) => (first, second),
                (false, true) => (second, first),
                (_, _) => return None,
            }
        };
        let hub = (vec![yes.0.clone()], vec![no.0.clone()]);
        let other = (yes.1.clone(), no.1.clone());
        Some(if self.hub == 0 { [hub, other] } else { [other, hub] })
    }

    /// `lead=0 customer=1 blocked=8,9`.
    pub(crate) fn shown(&self) -> String {
        const SHOWN: usize = 8;
        let one = |(hub, codes): &(Value, Vec<Value>)| {
            let codes: Vec<String> = codes.iter().map(Value::to_string).collect();
            format!("{hub}={}", codes.join(","))
        };
        let shown: Vec<String> = self.partners.iter().take(SHOWN).map(one).collect();
        let more = self.partners.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{rest}", shown.join(" "))
    }
}

/// A code as the file writes it.
pub(crate) fn literal(value: &Value) -> String {
    if let Value::Text(text) = value { word(text) } else { value.to_string() }
}

/// A text as the file writes it: bare if every reader of YAML takes it for a text.
pub(crate) fn word(text: &str) -> String {
    const SPOKEN_FOR: [&str; 10] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    let is_bare = text.len() > 1
        && text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !SPOKEN_FOR.contains(&text.to_lowercase().as_str());
    if is_bare { text.to_owned() } else { quoted(text) }
}

/// One code, or a list of them.
pub(crate) fn literals(values: &[Value]) -> String {
    match values {
        [only] => literal(only),
        several => format!("[{}]", several.iter().map(literal).collect::<Vec<_>>().join(", ")),
    }
}
