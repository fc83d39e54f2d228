//! Puts on the books, for as long as a shift lasts, which attempts to come in were refused at the door.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_ports::reader::Reader as _;
use tokio::sync::Notify;

use crate::{
    api::Refused,
    report::Failure,
    serve::{journal::Level, shift::Shared},
};

/// However often somebody tries.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps the books until the shift ends.
pub(super) async fn keep(hub: Arc<SqliteHub>, refused: Arc<Refused>, shared: Arc<Shared>) {
    let never = Notify::new();
    while !shared.is_over() {
        for action in refused.due() {
            if let Err(error) = hub.act(&action).await {
                let failure = Failure::from(error).done("it is not on the books");
                shared.journal.failed(Level::Error, "serve.books", &failure, &json!({}));
            }
        }
        shared.rest(&refused.wake, Duration::from_secs(600)).await;
        shared.rest(&never, EVERY).await;
    }
}
