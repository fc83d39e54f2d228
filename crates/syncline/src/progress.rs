//! Progress of long work, on a terminal and for the daemon: rows read, how fast, and when about it
//! ends.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use syncline_core::name::{BindingIndex, SystemIndex};
use syncline_engine::desk::Watch;

use crate::words;

/// A whole read that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Rows read so far.
    pub(crate) rows: u64,
    /// About how many there are.
    pub(crate) about: Option<u64>,
    /// How long it has been going on.
    pub(crate) took: Duration,
}

impl Scan {
    /// Rows in a second, so far.
    pub(crate) fn rows_per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.rows.saturating_mul(1_000) / milliseconds
    }

    /// How long it will go on if it goes on like this; `None` where that cannot be told.
    pub(crate) fn left_ms(&self) -> Option<i64> {
        let left = self.about?.checked_sub(self.rows)?;
        let milliseconds = left.saturating_mul(1_000).checked_div(self.rows_per_second())?;
        i64::try_from(milliseconds).ok()
    }

    /// `read 1,200,000 of about 5,000,000 rows, 52,000/s, about 73 s left`.
    pub(crate) fn words(&self) -> String {
        let mut words = format!("read {}", words::count(self.rows));
        if let Some(about) = self.about.filter(|about| *about >= self.rows) {
            words.push_str(&format!(" of about {}", words::count(about)));
        }
        words.push_str(&format!(" rows, {}/s", words::count(self.rows_per_second())));
        if let Some(left) = self.left_ms() {
            words.push_str(&format!(", about {} left", words::span(left)));
        }
        words
    }
}

/// A whole read under way: since when, how many rows, of about how many.
type UnderWay = (Instant, u64, Option<u64>);

/// Whole reads under way.
#[derive(Debug, Default)]
pub(crate) struct Scans(Mutex<BTreeMap<BindingIndex, UnderWay>>);

impl Scans {
    /// How far each is.
    pub(crate) fn now(&self) -> BTreeMap<BindingIndex, Scan> {
        let scans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let scan = |(since, rows, about): &UnderWay| Scan {
            rows: *rows,
            about: *about,
            took: since.elapsed(),
        };
        scans.iter().map(|(binding, known)| (*binding, scan(known))).collect()
    }

    /// How far all of them together are.
    fn all(&self) -> Option<Scan> {
        self.now().into_values().reduce(|one, other| Scan {
            rows: one.rows + other.rows,
            about: one.about.zip(other.about).map(|(one, other)| one + other),
            took: one.took.max(other.took),
        })
    }
}

impl Watch for Scans {
    fn scan_begins(&self, binding: BindingIndex, about: Option<u64>) {
        let mut scans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        scans.insert(binding, (Instant::now(), 0, about));
    }

    fn scan_ends(&self, binding: BindingIndex) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&binding);
    }

    fn read(&self, binding: BindingIndex, rows: u64) {
        let mut scans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known, _)) = scans.get_mut(&binding) {
            *known += rows;
        }
    }

    fn wrote(&self, _system: SystemIndex, _rows: u64) {}
}

/// Counts what goes by, and draws it if somebody can see it.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    scans: Scans,
    read: AtomicU64,
    wrote: AtomicU64,
    what: String,
}

impl Progress {
    /// Progress of some work; drawn only if `visible`.
    pub(crate) fn new(what: &str, visible: bool) -> Self {
        let bar = visible.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            scans: Scans::default(),
            read: AtomicU64::new(0),
            wrote: AtomicU64::new(0),
            what: what.to_owned(),
        }
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let read = match self.scans.all() {
            Some(scan) => scan.words(),
            None => format!("read {}", words::count(self.read.load(Ordering::Relaxed))),
        };
        let wrote = words::count(self.wrote.load(Ordering::Relaxed));
        bar.set_message(format!("{}  {read}, wrote {wrote}", self.what));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn scan_begins(&self, binding: BindingIndex, about: Option<u64>) {
        self.scans.scan_begins(binding, about);
    }

    fn scan_ends(&self, binding: BindingIndex) {
        self.scans.scan_ends(binding);
    }

    fn read(&self, binding: BindingIndex, rows: u64) {
        self.scans.read(binding, rows);
        self.read.fetch_add(rows, Ordering::Relaxed);
        self.draw();
    }

    fn wrote(&self, _system: SystemIndex, rows: u64) {
        self.wrote.fetch_add(rows, Ordering::Relaxed);
        self.draw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: u64, about: Option<u64>, seconds: u64, words: &str) {
        let scan = Scan { rows, about, took: Duration::from_secs(seconds) };
        assert_eq!(scan.words(), words);
    }

    #[test]
    fn what_is_said_of_a_scan_is_what_can_be_known() {
        let all = "read 1,200,000 of about 5,000,000 rows, 60,000/s, about 63 s left";
        check(1_200_000, Some(5_000_000), 20, all);
        check(1_200_000, None, 20, "read 1,200,000 rows, 60,000/s");
        // The database believed it smaller than it is.
        check(1_200_000, Some(1_000_000), 20, "read 1,200,000 rows, 60,000/s");
        check(0, Some(10), 0, "read 0 of about 10 rows, 0/s");
    }

    #[test]
    fn only_whole_reads_that_are_under_way_are_told_of() {
        let (scans, first, second) = (Scans::default(), BindingIndex(0), BindingIndex(1));
        scans.read(first, 7);
        assert!(scans.now().is_empty());
        scans.scan_begins(first, Some(100));
        scans.scan_begins(second, None);
        scans.read(first, 30);
        assert_eq!(
            scans.now().get(&first).map(|scan| (scan.rows, scan.about)),
            Some((30, Some(100)))
        );
        assert_eq!(scans.all().map(|scan| (scan.rows, scan.about)), Some((30, None)));
        scans.scan_ends(first);
        assert_eq!(scans.now().keys().copied().collect::<Vec<_>>(), [second]);
    }
}
