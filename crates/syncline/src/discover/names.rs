//! How alike two names of tables or columns are: split into words, brought to one spelling, with
//! the words of several languages for one thing as data (`synonyms.txt`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

/// What is known of words.
struct Vocabulary {
    /// The things that a word stands for, by their line.
    things: BTreeMap<&'static str, BTreeSet<usize>>,
}

fn vocabulary() -> &'static Vocabulary {
    static KNOWN: OnceLock<Vocabulary> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut things: BTreeMap<&'static str, BTreeSet<usize>> = BTreeMap::new();
        let lines = include_str!("synonyms.txt").lines().filter(|line| !line.starts_with('#'));
        for (line, text) in lines.enumerate() {
            for word in text.split_whitespace() {
                things.entry(word).or_default().insert(line);
            }
        }
        Vocabulary { things }
    })
}

/// `firstName`, `FIRST_NAME` and `first-name` are the same two words.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for letter in name.chars().take(200) {
        let begins = letter.is_uppercase() && before.is_lowercase();
        let is_part = letter.is_alphanumeric();
        let turns = before.is_numeric() != letter.is_numeric() && before.is_alphanumeric();
        if (begins || !is_part || turns) && !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if is_part {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    if !word.is_empty() {
        found.push(word);
    }
    found.into_iter().flat_map(|word| split(&word)).collect()
}

/// `custno` is `cust` and `no`, if both are known; `cname` is `c` and `name`.
fn split(word: &str) -> Vec<String> {
    let known = &vocabulary().things;
    if known.contains_key(word) || !word.is_ascii() {
        return vec![word.to_owned()];
    }
    let cut = (1..word.len()).find_map(|at| {
        let (head, tail) = word.split_at(at);
        let is_tail = tail.len() > 1 && known.contains_key(tail);
        let is_head = head.len() == 1 || known.contains_key(head);
        (is_tail && is_head && (head.len() > 1 || tail.len() > 2)).then_some((head, tail))
    });
    match cut {
        Some((head, tail)) => vec![head.to_owned(), tail.to_owned()],
        None => vec![word.to_owned()],
    }
}

/// From 0, nothing in common, to 1, the same.
pub(crate) fn likeness(left: &str, right: &str) -> f64 {
    let (left, right) = (words(left), words(right));
    if left.is_empty() || right.is_empty() {
        return 0.0;
    }
    if left.concat() == right.concat() {
        return 1.0;
    }
    let (joined_left, joined_right) = (left.concat(), right.concat());
    let whole = alike(&joined_left, &joined_right);
    let best = |word: &str, others: &[String]| {
        others.iter().map(|other| alike(word, other)).fold(0.0, f64::max)
    };
    let weight = |word: &String| if word.len() == 1 { 0.3 } else { 1.0 };
    let side = |of: &[String], others: &[String]| {
        let all: f64 = of.iter().map(weight).sum();
        let found: f64 = of.iter().map(|word| weight(word) * best(word, others)).sum();
        found / all
    };
    // All words of the shorter name in the longer one say more than the longer one's rest denies.
    let (one, other) = (side(&left, &right), side(&right, &left));
    let inner = 0.35f64.mul_add(one.max(other), 0.65 * one.min(other));
    whole.max(inner)
}

/// Likeness of a column of a table: the table's own name in it says nothing.
pub(crate) fn column_likeness(left: (&str, &str), right: (&str, &str)) -> f64 {
    let bare = |(table, column): (&str, &str)| {
        let table = words(table);
        let own = |word: &str| table.iter().any(|known| alike(word, known) > 0.85);
        let kept: Vec<String> = words(column).into_iter().filter(|word| !own(word)).collect();
        if kept.is_empty() { column.to_owned() } else { kept.join("_") }
    };
    likeness(left.1, right.1).max(0.95 * likeness(&bare(left), &bare(right)))
}

fn alike(left: &str, right: &str) -> f64 {
    if left == right {
        return 1.0;
    }
    let known = &vocabulary().things;
    let (shorter, longer) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    if longer.strip_suffix('s') == Some(shorter) || longer.strip_suffix("es") == Some(shorter) {
        return 0.97;
    }
    let (one, other) = (known.get(left), known.get(right));
    if let (Some(one), Some(other)) = (one, other) {
        return if one.is_disjoint(other) { 0.0 } else { 0.9 };
    }
    if shorter.len() >= 3 && longer.starts_with(shorter) {
        return 0.8;
    }
    if shorter.len() >= 3 && is_shortened(shorter, longer) {
        return 0.6;
    }
    let (one, other): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let length = one.len().max(other.len());
    let apart = crate::config::similar::distance(&one, &other);
    if length >= 5 && apart * 5 <= length { 0.8 } else { 0.0 }
}

/// The letters of an abbreviation stand in the word in their order, the first one first: `qnty`.
fn is_shortened(short: &str, long: &str) -> bool {
    let mut rest = long.chars();
    short.chars().next() == long.chars().next()
        && short.chars().all(|letter| rest.any(|other| other == letter))
}

/// The name is a word of this thing: `is_called("modts", "updated")`.
pub(crate) fn is_called(name: &str, thing: &str) -> bool {
    let known = &vocabulary().things;
    let Some(things) = known.get(thing) else { return false };
    let means =
        |word: &String| known.get(word.as_str()).is_some_and(|found| !found.is_disjoint(things));
    let words = words(name);
    words.iter().any(means) || means(&words.concat())
}

/// How much of a name is words that people know; the better name of two is the more telling one.
pub(crate) fn tells(name: &str) -> f64 {
    let words = words(name);
    let known = words.iter().filter(|word| word.len() > 3).count();
    known as f64 / words.len().max(1) as f64
}

/// A name as the file uses them: small letters, digits and underscores, beginning with a letter.
pub(crate) fn tidy(name: &str) -> String {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let mut tidy = String::new();
    let mut before = ' ';
    for letter in bare.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            tidy.push('_');
        }
        if letter.is_ascii_alphanumeric() {
            tidy.extend(letter.to_lowercase());
        } else if !tidy.ends_with('_') && !tidy.is_empty() {
            tidy.push('_');
        }
        before = letter;
    }
    let tidy = tidy.trim_end_matches('_');
    if tidy.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        tidy.to_owned()
    } else {
        format!("f_{tidy}")
    }
}

#[cfg(test)]
mod tests;
