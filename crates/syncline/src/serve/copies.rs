//! Copies the hub when that is due.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use syncline_adapters::hub::{backup, sqlite::SqliteHub};
use syncline_core::name::Timestamp;
use syncline_ports::reader::{Action, Reader as _};
use tokio::sync::Notify;

use crate::{
    backups,
    config::Loaded,
    report::Failure,
    serve::{journal::Level, shift::Shared},
    session::Session,
};

/// How often it is looked up whether a copy is due.
const EVERY: Duration = Duration::from_secs(1);
/// After one that failed, the next is tried so much later.
const AGAIN_MS: i64 = 60_000;

/// Makes copies when they are due, until the shift ends.
pub(super) async fn keep(loaded: Arc<Loaded>, hub: Arc<SqliteHub>, shared: Arc<Shared>) {
    let Some(every_ms) = loaded.draft.backup.every_ms else { return };
    let never = Notify::new();
    let mut wait_until = Timestamp(0);
    while !shared.is_over() {
        let now = Session::now();
        let last = backup::last(&loaded.hub_path()).map_or(Timestamp(0), |(at, _)| at);
        if now >= last.plus_ms(every_ms) && now >= wait_until {
            let deed = Action {
                at: now,
                who: "serve".into(),
                what: "backup".into(),
                target: backups::place(&loaded, now).display().to_string().into(),
                ..Action::default()
            };
            if let Err(error) = hub.act(&deed).await {
                // The copy is made all the same.
                let failure = Failure::from(error);
                shared.journal.failed(Level::Error, "backup.failed", &failure, &json!({}));
            }
            let work = loaded.clone();
            let made = tokio::task::spawn_blocking(move || backups::copy(&work, now)).await;
            let made =
                made.unwrap_or_else(|error| Err(Failure::new("bug.unexpected", error.to_string())));
            match made {
                Ok(file) => {
                    let message = format!("the hub is copied to {}", file.display());
                    shared.journal.say(Level::Info, "backup.made", &message, json!({}));
                }
                Err(failure) => {
                    // A full disk is no reason to stop; it is tried again, and said again.
                    wait_until = now.plus_ms(AGAIN_MS);
                    shared.journal.failed(Level::Error, "backup.failed", &failure, &json!({}));
                }
            }
        }
        shared.rest(&never, EVERY).await;
    }
}
