//! How fast a system may be asked: `max_rate`, and what its own answers ask for.
//!
//! All who work with a system in this process share one pace, found by the system's name and URL.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    rest::width::Width,
    settings::{Settings, api::Api},
};

/// Requests that may follow each other without a pause, where the rate allows as many.
const BURST: u32 = 10;

static PACES: Mutex<BTreeMap<(String, String), Weak<Pace>>> = Mutex::new(BTreeMap::new());

/// The pace of one system.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time between two requests, and how far ahead of it they may be.
    gap: Option<(Duration, Duration)>,
    state: Mutex<State>,
    width: Width,
}

#[derive(Debug, Default)]
struct State {
    /// When the next request would be due, were they spread evenly.
    due: Option<Instant>,
    /// The system asked not to be bothered before.
    closed_until: Option<Instant>,
}

/// See [`crate::rest::asks_to_wait`].
pub(super) fn asks_to_wait(system: &str) -> Option<Duration> {
    let paces = PACES.lock().unwrap_or_else(PoisonError::into_inner);
    let own = paces.iter().filter(|((name, _), _)| name == system);
    let waits = own.filter_map(|(_, pace)| {
        let until = pace.upgrade()?.state().closed_until?;
        Some(until.saturating_duration_since(Instant::now()))
    });
    waits.max().filter(|wait| !wait.is_zero())
}

impl Pace {
    /// The pace of this system.
    pub(super) fn of(settings: &Settings, api: &Api) -> Arc<Self> {
        let key = (settings.name.clone(), api.base.clone());
        let mut paces = PACES.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|_, pace| pace.strong_count() > 0);
        let wanted = api.max_rate.map(|(requests, span)| gap(requests, span));
        if let Some(known) = paces.get(&key).and_then(Weak::upgrade)
            && known.gap == wanted
            && known.width.most() == api.concurrency
        {
            return known;
        }
        let pace = Arc::new(Self {
            gap: wanted,
            state: Mutex::default(),
            width: Width::new(api.concurrency),
        });
        paces.insert(key, Arc::downgrade(&pace));
        pace
    }

    /// How many requests it is asked at once.
    pub(super) const fn width(&self) -> &Width {
        &self.width
    }

    /// How long to wait before the next request; it counts as made unless that is longer than `most`.
    pub(super) fn wait(&self, now: Instant, most: Duration) -> Duration {
        let mut state = self.state();
        let closed =
            state.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let start = now + closed;
        let Some((gap, ahead)) = self.gap else { return closed };
        let due = state.due.map_or(start, |due| due.max(start));
        let wait = due.saturating_duration_since(now).saturating_sub(ahead).max(closed);
        if wait <= most {
            state.due = Some(due + gap);
        }
        wait
    }

    /// The system asked to be left alone for so long.
    pub(super) fn close(&self, now: Instant, wait: Duration) {
        let mut state = self.state();
        let until = now + wait;
        state.closed_until = Some(state.closed_until.map_or(until, |known| known.max(until)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gap(requests: u32, span: Duration) -> (Duration, Duration) {
    let gap = span / requests.max(1);
    (gap, gap * (requests.min(BURST).saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn pace(requests: u32) -> Pace {
        let gap = Some(gap(requests, Duration::from_secs(1)));
        Pace { gap, state: Mutex::default(), width: Width::new(1) }
    }

    #[tokio::test]
    async fn a_burst_is_let_through_and_the_rest_is_spread() {
        let (pace, now) = (pace(2), Instant::now());
        let waits: Vec<u128> = (0..5).map(|_| pace.wait(now, LONG).as_millis()).collect();
        assert_eq!(waits, [0, 0, 500, 1_000, 1_500]);
    }

    #[tokio::test]
    async fn who_would_wait_too_long_takes_nobody_s_place() {
        let (pace, now) = (pace(1), Instant::now());
        assert_eq!(pace.wait(now, LONG), Duration::ZERO);
        assert_eq!(pace.wait(now, Duration::ZERO), Duration::from_secs(1));
        assert_eq!(pace.wait(now, LONG), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn what_the_system_asks_for_holds_for_all() {
        let (pace, now) = (pace(100), Instant::now());
        pace.close(now, Duration::from_secs(60));
        pace.close(now, Duration::from_secs(30));
        assert_eq!(pace.wait(now, LONG), Duration::from_secs(60));
        assert_eq!(pace.wait(now + Duration::from_secs(61), LONG), Duration::ZERO);
    }
}
