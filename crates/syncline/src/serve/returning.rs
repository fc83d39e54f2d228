//! Looks whether a column that was gone is there again: the next shift takes its field up.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::Notify;

use crate::{
    config::Loaded,
    drift::{self, Paused},
    serve::shift::{Event, Shared},
};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until the shift ends.
pub(super) async fn watch(loaded: Loaded, paused: Vec<Paused>, shared: std::sync::Arc<Shared>) {
    let never = Notify::new();
    let systems: BTreeSet<&str> = paused.iter().map(|it| it.system.as_str()).collect();
    while !shared.is_over() {
        shared.rest(&never, EVERY).await;
        for system in &systems {
            // A system that does not answer is missed by whoever works with it.
            if let Ok(true) = drift::is_back(&loaded, system, &paused).await {
                let _ = shared.events.send(Event::Back);
                return;
            }
        }
    }
}
