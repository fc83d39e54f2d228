//! How many requests a system is asked at once: as many as the file allows while it answers them, half as
//! many when it asks to slow down or does not get to answering, and then one more after each while without
//! complaint.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// So many answers for each request at once, without a complaint, let one more be made.
const ANSWERS: usize = 8;

/// How many requests may be under way.
#[derive(Debug)]
pub(super) struct Width {
    most: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// So many may be under way.
    now: usize,
    under_way: usize,
    /// How often that has changed.
    epoch: u64,
    /// So many were answered since then.
    answered: usize,
}

/// A request that may be made; over when this is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    width: &'a Width,
    /// When it was let through. What became of it says nothing of what is let through since.
    epoch: u64,
}

impl Width {
    /// As many as the file allows.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State { now: most, under_way: 0, epoch: 0, answered: 0 };
        Self { most, state: Mutex::new(state), freed: Notify::new() }
    }

    /// The most that it can be.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Waits until one more request may be made.
    pub(super) async fn enter(&self) -> Place<'_> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Whoever leaves between the look and the wait is heard.
            freed.as_mut().enable();
            if let Some(place) = self.take() {
                return place;
            }
            freed.await;
        }
    }

    fn take(&self) -> Option<Place<'_>> {
        let mut state = self.state();
        let is_free = state.under_way < state.now;
        state.under_way += usize::from(is_free);
        is_free.then(|| Place { width: self, epoch: state.epoch })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The system has answered like any other time.
    pub(super) fn answered(&self) {
        let mut state = self.width.state();
        if state.epoch != self.epoch || state.now >= self.width.most {
            return;
        }
        state.answered += 1;
        if state.answered >= ANSWERS * state.now {
            let wider = state.now + 1;
            state.change(wider);
            drop(state);
            self.width.freed.notify_one();
        }
    }

    /// It was too much. Those that were too many together are one complaint.
    pub(super) fn complained(&self) {
        let mut state = self.width.state();
        if state.epoch == self.epoch {
            let half = (state.now / 2).max(1);
            state.change(half);
        }
    }
}

impl State {
    fn change(&mut self, to: usize) {
        self.now = to;
        self.epoch += 1;
        self.answered = 0;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.width.state();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.width.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The most requests that were under way at once, of so many.
    async fn busiest(width: &Width, requests: usize) -> usize {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = || async {
            let _place = width.enter().await;
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::Relaxed);
        };
        futures_util::future::join_all((0..requests).map(|_| one())).await;
        most.into_inner()
    }

    #[tokio::test]
    async fn a_complaint_halves_it_and_answers_widen_it_again() {
        let width = Width::new(8);
        assert_eq!(busiest(&width, 40).await, 8);
        width.enter().await.complained();
        assert_eq!(busiest(&width, 40).await, 4);
        for _ in 0..5 {
            width.enter().await.complained();
        }
        assert_eq!(busiest(&width, 40).await, 1, "never nothing");
        for _ in 0..ANSWERS {
            width.enter().await.answered();
        }
        assert_eq!(busiest(&width, 40).await, 2);
        for _ in 0..1_000 {
            width.enter().await.answered();
        }
        assert_eq!(busiest(&width, 40).await, 8, "never more than the file says");
    }

    #[tokio::test]
    async fn those_that_were_too_many_together_complain_once() {
        let width = Width::new(8);
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(width.enter().await);
        }
        places.iter().for_each(Place::complained);
        drop(places);
        assert_eq!(busiest(&width, 40).await, 4);
    }
}
