//! What runs spend their time on: reading, merging, writing, each from when to when and how long in all.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value as Json, json};
use syncline_core::name::{BindingIndex, RunId, SystemIndex, Timestamp};
use syncline_engine::desk::Watch;
use syncline_ports::reader::{Run, Span, Work};

use crate::{session::Session, words};

/// Looks at the clock for each run that is under way.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    runs: Mutex<BTreeMap<RunId, BTreeMap<Work, Stretch>>>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
    /// In microseconds.
    busy: i64,
}

impl Stopwatch {
    /// What a run that began then has spent its time on; it is forgotten here.
    pub(crate) fn take(&self, run: RunId, began: Timestamp) -> Vec<Span> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |micros: i64| (micros.max(0) / 1_000).unsigned_abs();
        let stretches = runs.remove(&run).unwrap_or_default().into_iter();
        let spans = stretches.map(|(work, it)| Span {
            work,
            from_ms: ms(it.from.0 - began.0),
            to_ms: ms(it.to.0 - began.0),
            busy_ms: ms(it.busy),
        });
        spans.collect()
    }
}

impl Watch for Stopwatch {
    fn scan_begins(&self, _binding: BindingIndex, _about: Option<u64>) {}
    fn scan_ends(&self, _binding: BindingIndex) {}
    fn read(&self, _binding: BindingIndex, _rows: u64) {}
    fn wrote(&self, _system: SystemIndex, _rows: u64) {}

    fn worked(&self, run: RunId, work: Work, from: Timestamp, to: Timestamp) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let stretch = runs.entry(run).or_default().entry(work);
        let stretch = stretch.or_insert(Stretch { from, to: from, busy: 0 });
        stretch.from = stretch.from.min(from);
        // What overlaps what was counted already counts once.
        stretch.busy += (to.0 - from.0.max(stretch.to.0)).max(0);
        stretch.to = stretch.to.max(to);
    }
}

/// Somebody who watches a pass, and beside them the clock.
pub(crate) struct Timed<'a> {
    /// Who watches.
    pub(crate) watch: &'a dyn Watch,
    /// The clock.
    pub(crate) stopwatch: &'a Stopwatch,
}

impl Watch for Timed<'_> {
    fn scan_begins(&self, binding: BindingIndex, about: Option<u64>) {
        self.watch.scan_begins(binding, about);
    }

    fn scan_ends(&self, binding: BindingIndex) {
        self.watch.scan_ends(binding);
    }

    fn read(&self, binding: BindingIndex, rows: u64) {
        self.watch.read(binding, rows);
    }

    fn wrote(&self, system: SystemIndex, rows: u64) {
        self.watch.wrote(system, rows);
    }

    fn worked(&self, run: RunId, work: Work, from: Timestamp, to: Timestamp) {
        self.stopwatch.worked(run, work, from, to);
    }
}

fn parts<'a>(session: &'a Session, span: &Span) -> (&'static str, Option<&'a str>) {
    match span.work {
        Work::Read(system) => ("read", Some(session.system_name(system))),
        Work::Merge => ("merge", None),
        Work::Write(system) => ("write", Some(session.system_name(system))),
    }
}

/// `read crm 0.2 s | merge 0.1 s | write erp 0.4 s`; nothing, where it is not known.
pub(crate) fn line(session: &Session, run: &Run) -> Option<String> {
    let parts = run.spans.iter().map(|span| {
        let (work, system) = parts(session, span);
        let system = system.map(|name| format!(" {name}")).unwrap_or_default();
        format!("{work}{system} {}", words::span(span.busy_ms.cast_signed()))
    });
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(" | "))
}

/// The same for programs.
pub(crate) fn json(session: &Session, run: &Run) -> Vec<Json> {
    let parts = run.spans.iter().map(|span| {
        let (work, system) = parts(session, span);
        json!({
            "work": work,
            "system": system,
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "busy_ms": span.busy_ms,
        })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    //! What is counted, and what is counted once.

    use super::*;

    #[test]
    fn what_is_done_side_by_side_counts_once_and_pauses_do_not_count() {
        let (watch, run) = (Stopwatch::default(), RunId(7));
        let crm = Work::Read(SystemIndex(0));
        let at = |from: i64, to: i64| {
            watch.worked(run, crm, Timestamp(from * 1_000), Timestamp(to * 1_000));
        };
        at(10, 20);
        at(15, 30);
        at(50, 60);
        let span = Span { work: crm, from_ms: 5, to_ms: 55, busy_ms: 30 };
        assert_eq!(watch.take(run, Timestamp(5_000)), [span]);
        assert_eq!(watch.take(run, Timestamp(0)), []);
    }
}
