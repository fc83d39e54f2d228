//! The same numbers over time, for pictures: added up minute by minute, so that the dashboard works
//! where nobody runs a Prometheus.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use syncline_adapters::hub::series::{self, Counted};

use super::{TRAVEL, here};
use crate::session::Session;

/// The minute that is under way.
#[derive(Debug, Default)]
pub(super) struct Minute(Mutex<BTreeMap<Counted, f64>>);

/// How often it is written.
const EVERY: Duration = Duration::from_secs(60);

impl Minute {
    /// So much more of it.
    pub(super) fn add(
        &self,
        name: &'static str,
        entity: &str,
        system: &str,
        key: &str,
        value: f64,
    ) {
        let key = (name, entity.to_owned(), system.to_owned(), key.to_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += value;
    }

    /// Delays in seconds: each is counted by the bound below which it is.
    pub(super) fn delays(&self, entity: &str, system: &str, delays: &[f64]) {
        let mut counts = [0_u64; TRAVEL.len() + 1];
        for delay in delays {
            let place = TRAVEL.partition_point(|bound| bound < delay);
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
        }
        let bounds = TRAVEL.into_iter().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(counts).filter(|(_, count)| *count > 0) {
            self.add("delay", entity, system, &bound.to_string(), count as f64);
        }
    }

    fn take(&self) -> Vec<(Counted, f64)> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().collect()
    }
}

/// Writes each minute beside the hub, until it is dropped. What cannot be written is left out.
pub(crate) async fn keep(hub: PathBuf) {
    loop {
        tokio::time::sleep(EVERY).await;
        write(&hub).await;
    }
}

/// Writes what was counted since the last time.
pub(crate) async fn write(hub: &std::path::Path) {
    let Some(counted) = here().map(|measures| measures.minute.take()) else { return };
    let (hub, now) = (hub.to_path_buf(), Session::now());
    let written = tokio::task::spawn_blocking(move || series::add(&hub, now, &counted)).await;
    if let Ok(Err(error)) = written {
        tracing::debug!(%error, "the numbers of a minute are missing from pictures");
    }
}

/// Below which delay so many of 100 were, in seconds; `counts`: how many by bound. `None`: there were none.
pub(crate) fn percentile(counts: &BTreeMap<String, f64>, of_hundred: f64) -> Option<f64> {
    let mut bounds: Vec<(f64, f64)> =
        counts.iter().filter_map(|(bound, count)| Some((bound.parse().ok()?, *count))).collect();
    bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all: f64 = bounds.iter().map(|(_, count)| count).sum();
    let mut passed = 0.0;
    for (bound, count) in bounds.iter().filter(|_| all > 0.0) {
        passed += count;
        if passed >= all * of_hundred / 100.0 {
            let largest = TRAVEL.last().copied().unwrap_or_default();
            return Some(bound.min(largest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_bound_below_which_so_many_were() {
        let counts = |pairs: &[(&str, f64)]| {
            pairs.iter().map(|(bound, count)| ((*bound).to_owned(), *count)).collect()
        };
        let counted = counts(&[("0.05", 90.0), ("1", 9.0), ("inf", 1.0)]);
        assert_eq!(percentile(&counted, 50.0), Some(0.05));
        assert_eq!(percentile(&counted, 95.0), Some(1.0));
        assert_eq!(percentile(&counted, 100.0), Some(7_200.0));
        assert_eq!(percentile(&counts(&[]), 50.0), None);
    }
}
