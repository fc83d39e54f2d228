//! Spans that wait to be sent: so many and no more. Whoever puts one here waits for nobody.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::span::Span;

/// So many wait: some megabytes.
pub(super) const WAITING: usize = 8_192;
/// So many are sent together.
pub(super) const TOGETHER: usize = 512;

/// Spans that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    is_open: AtomicBool,
    waiting: Mutex<VecDeque<Span>>,
    lost: AtomicU64,
    pub(super) many: Notify,
}

impl Queue {
    /// Whether somebody takes what is put here.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Somebody takes what is put here from now on, or nobody any more.
    pub(super) fn open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
        if !is_open {
            self.waiting().clear();
        }
    }

    /// Puts a span here, if there is room; it is not even made otherwise.
    pub(super) fn put(&self, make: impl FnOnce() -> Span) {
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let span = make();
        if span.context.is_recorded {
            waiting.push_back(span);
        }
        if waiting.len() >= TOGETHER {
            self.many.notify_one();
        }
    }

    /// Takes what is sent together next.
    pub(super) fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(TOGETHER);
        waiting.drain(..count).collect()
    }

    /// So many that were taken are lost.
    pub(super) fn lose(&self, spans: u64) {
        self.lost.fetch_add(spans, Ordering::Relaxed);
    }

    /// How many were lost since this was asked last.
    pub(super) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Span>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use syncline_core::name::Timestamp;

    use super::*;
    use crate::traces::{context::Context, span::Kind};

    #[test]
    fn what_finds_no_room_is_counted_and_lost() {
        let queue = Queue::default();
        let span = || Span {
            context: Context::new(),
            parent: None,
            name: "write erp".into(),
            kind: Kind::Client,
            from: Timestamp(0),
            to: Timestamp(1),
            attributes: vec![("syncline.system", json!("erp"))],
            links: Vec::new(),
            error: None,
        };

        for _ in 0..WAITING + 3 {
            queue.put(span);
        }

        assert_eq!((queue.waiting().len(), queue.lost(), queue.lost()), (WAITING, 3, 0));
        assert_eq!((queue.take().len(), queue.waiting().len()), (TOGETHER, WAITING - TOGETHER));
    }
}
