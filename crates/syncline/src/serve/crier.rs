//! Looks every second what is to be told, and puts it into the outbox: while a shift lasts, since who has
//! the hub on loan tells by itself, or is over soon.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use syncline_core::plan::Plan;
use tokio::sync::Notify;

use crate::{
    alerts,
    config::Loaded,
    serve::{journal::Level, shift::Shared},
    session::Session,
};

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// After a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Looks until the shift ends.
pub(super) async fn cry(loaded: Loaded, plan: Arc<Plan>, shared: Arc<Shared>) {
    let (never, hub) = (Notify::new(), loaded.hub_path());
    while !shared.is_over() {
        let wait = match alerts::look(&loaded, &plan, &hub, Session::now()) {
            Ok(_) => EVERY,
            // Nothing else waits for it; what is so then is told then.
            Err(failure) => {
                let failure = failure.done("what is to be told is looked up again");
                shared.journal.failed(Level::Error, "alerts.failed", &failure, &json!({}));
                AFTER_FAILURE
            }
        };
        shared.rest(&never, wait).await;
    }
}
