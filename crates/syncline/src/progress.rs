//! Progress on a terminal, while long work goes on.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};
use syncline_core::name::{BindingIndex, SystemIndex};
use syncline_engine::desk::Watch;

use crate::words;

/// Counts what goes by, and draws it if somebody can see it.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    read: AtomicU64,
    wrote: AtomicU64,
    what: Mutex<String>,
}

impl Progress {
    /// Progress of some work; drawn only if `visible`.
    pub(crate) fn new(what: &str, visible: bool) -> Self {
        let bar = visible.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            read: AtomicU64::new(0),
            wrote: AtomicU64::new(0),
            what: Mutex::new(what.to_owned()),
        }
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let read = words::count(self.read.load(Ordering::Relaxed));
        let wrote = words::count(self.wrote.load(Ordering::Relaxed));
        let what = self.what.lock().map(|what| what.clone()).unwrap_or_default();
        bar.set_message(format!("{what}  read {read}, wrote {wrote}"));
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
    fn read(&self, _binding: BindingIndex, rows: u64) {
        self.read.fetch_add(rows, Ordering::Relaxed);
        self.draw();
    }

    fn wrote(&self, _system: SystemIndex, rows: u64) {
        self.wrote.fetch_add(rows, Ordering::Relaxed);
        self.draw();
    }
}
