//! What everything that reads foreign bytes must stand: a parser is attacked with mutations of a corpus.
//!
//! Feedback replaces instrumentation: a parser tells how its reading went (its *path*: which complaint,
//! which kind of value), and an input that goes a new way is mutated further. `FUZZ_SECONDS=600` makes an
//! attack long, and lets it keep in the corpus what went a new way; without it an attack is always the same.

#![expect(clippy::panic, reason = "a suite fails by panicking, like any test")]

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use syncline_core::{chance::Chance, value::Value};

/// Mutations in a short attack.
const ROUNDS: u32 = 3_000;
/// No input is longer.
const BYTES_MAX: usize = 1 << 12;
/// What parsers of numbers and lengths stumble over.
const NUMBERS: [&[u8]; 8] = [
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"9223372036854775808",
    b"1e999999999",
    b"170141183460469231731687303715884105728",
    &[0xff; 9],
];
/// What parsers of text stumble over.
const LETTERS: [&[u8]; 8] =
    [b"\0", b"\r\n", b"\"", b"'", "\u{feff}".as_bytes(), "e\u{301}".as_bytes(), b"\xff", b"\xc3"];

/// The path of a reading: equal for equal parts.
pub fn path(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// What holds for every value that comes from outside: it comes back from the hub as it is, and no time of
/// day is beyond the day.
///
/// # Panics
/// If it does not hold.
pub fn storable(value: &Value) {
    const DAY: u64 = 86_400_000_000_000;
    if let Value::Time(nanos) | Value::LocalDateTime(_, nanos) = value {
        assert!(*nanos <= DAY, "{value:?}");
    }
    let mut stored = Vec::new();
    value.encode(&mut stored);
    assert_eq!(Value::decode(&mut stored.as_slice()).as_ref(), Some(value));
}

/// Lives the corpus in `folder` through `parse`, then mutations of it, with `words` of the parser's own
/// language put in. `parse` asserts what it promises, and gives the [`path`] of a reading.
///
/// # Panics
/// If the corpus is empty, or `parse` panics: the input then stands in the corpus as `broken-…`.
pub fn attack(folder: &str, words: &[&str], parse: impl Fn(&[u8]) -> u64) {
    let folder = Path::new(folder);
    let corpus = corpus(folder);
    assert!(!corpus.is_empty(), "no corpus in {}", folder.display());
    let judge = |input: &[u8]| {
        catch_unwind(AssertUnwindSafe(|| parse(input))).unwrap_or_else(|_| {
            let name = format!("broken-{:016x}", path(input));
            let kept = fs::write(folder.join(&name), input);
            panic!("{name} breaks the parser (kept in {}: {kept:?})", folder.display())
        })
    };
    let known: Vec<u64> = corpus.iter().map(|input| judge(input)).collect();
    let mut paths: BTreeMap<u64, Vec<u8>> = known.iter().copied().zip(corpus).collect();
    let mut pool: Vec<Vec<u8>> = paths.values().cloned().collect();

    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut chance = Chance::new(seconds.map_or(1, |_| std::process::id().into()));
    let mut round = 0;
    while end.map_or(round < ROUNDS, |end| Instant::now() < end) {
        round += 1;
        let mut input = chance.pick(&pool).cloned().unwrap_or_default();
        for _ in 0..=chance.below(4) {
            mutate(&mut input, &pool, words, &mut chance);
        }
        input.truncate(BYTES_MAX);
        match paths.entry(judge(&input)) {
            Entry::Vacant(new) => {
                pool.push(input.clone());
                new.insert(input);
            }
            // The shorter of two that go the same way is the better ancestor.
            Entry::Occupied(mut old) if input.len() < old.get().len() => {
                pool.push(input.clone());
                old.insert(input);
            }
            Entry::Occupied(_) => {}
        }
    }
    if end.is_some() {
        for (path, input) in paths.iter().filter(|(path, _)| !known.contains(path)) {
            fs::write(folder.join(format!("{path:016x}")), input)
                .unwrap_or_else(|error| panic!("{} cannot be written: {error}", folder.display()));
        }
    }
}

/// The inputs of a folder, in the order of their names.
fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// One change, of the kinds that break parsers.
fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    let length_max = 1 << chance.below(7);
    let length = chance.below(length_max).min(input.len() - at);
    let range = at..at + length;
    match chance.below(10) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = chance.bits() as u8;
            }
        }
        2 => drop(input.drain(range)),
        3 => input.truncate(at),
        // What may nest is nested deeply, and what may repeat is repeated.
        4 => {
            let piece: Vec<u8> = input.get(range).unwrap_or_default().to_vec();
            let times = 1usize << chance.below(if piece.len() > 16 { 4 } else { 9 });
            input.splice(at..at, piece.repeat(times));
        }
        5 => {
            let other = chance.pick(pool).cloned().unwrap_or_default();
            let from = chance.below(other.len() + 1);
            input.splice(range, other.into_iter().skip(from).take(64));
        }
        6 => {
            let number = chance.pick(&NUMBERS).copied().unwrap_or_default();
            input.splice(range, number.iter().copied());
        }
        7 => {
            let letter = chance.pick(&LETTERS).copied().unwrap_or_default();
            input.splice(at..at, letter.iter().copied());
        }
        _ => {
            let word = chance.pick(words).copied().unwrap_or_default();
            input.splice(range, word.bytes());
        }
    }
}
