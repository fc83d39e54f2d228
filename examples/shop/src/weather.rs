//! The outage switch, and the rate limit.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What can go wrong with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Weather {
    /// Nothing.
    #[default]
    Fair,
    /// Every request fails at a proxy.
    Out,
    /// Lists answer 200 with a page for people.
    Closed,
    /// Lists fail after their first page.
    CutLists,
    /// Items are created, and the answers are lost.
    LostCreates,
    /// Changes are taken, and somebody takes them back a moment later.
    TakesBack,
    /// Whoever should hear of changes does not.
    LostHooks,
    /// They hear of each change three times.
    RepeatedHooks,
    /// Everybody is asked to come again in three seconds.
    Busy,
}

impl Weather {
    /// As the switch says it.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "fair" => Self::Fair,
            "out" => Self::Out,
            "closed" => Self::Closed,
            "cut-lists" => Self::CutLists,
            "lost-creates" => Self::LostCreates,
            "takes-back" => Self::TakesBack,
            "lost-hooks" => Self::LostHooks,
            "repeated-hooks" => Self::RepeatedHooks,
            "busy" => Self::Busy,
            _ => return None,
        })
    }
}

/// The weather, and how many requests this second has seen.
#[derive(Debug)]
pub(crate) struct Sky {
    limit: u32,
    state: Mutex<(Weather, Instant, u32)>,
}

impl Sky {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, state: Mutex::new((Weather::Fair, Instant::now(), 0)) }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.state().0 = weather;
    }

    pub(crate) fn now(&self) -> Weather {
        self.state().0
    }

    /// How long to wait, if this request is one too many.
    pub(crate) fn must_wait(&self) -> Option<Duration> {
        let mut state = self.state();
        let since = state.1.elapsed();
        if since >= Duration::from_secs(1) {
            (state.1, state.2) = (Instant::now(), 0);
        }
        state.2 += 1;
        (state.2 > self.limit).then(|| Duration::from_secs(1).saturating_sub(since))
    }

    fn state(&self) -> MutexGuard<'_, (Weather, Instant, u32)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
