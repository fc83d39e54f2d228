//! Remembers for `status` that a system has asked to be left alone for a while: what it is asked waits, and
//! nothing fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::name::Timestamp;
use syncline_ports::reader::Reader as _;
use tokio::sync::Notify;

use crate::{measure, report::Failure, serve::shift::Shared, session::Session};

/// How often it is looked up.
const EVERY: Duration = Duration::from_secs(1);
/// Shorter waits are nobody's business.
const SHORT_MS: i64 = 1_000;

/// Looks until the shift ends.
pub(super) async fn watch(hub: Arc<SqliteHub>, systems: Vec<String>, shared: Arc<Shared>) {
    let (never, mut told) = (Notify::new(), BTreeMap::new());
    while !shared.is_over() {
        for system in &systems {
            if let Err(failure) = look(&hub, system, &mut told).await {
                return shared.broke(failure);
            }
        }
        shared.rest(&never, EVERY).await;
    }
}

async fn look(
    hub: &SqliteHub,
    system: &str,
    told: &mut BTreeMap<String, Timestamp>,
) -> Result<(), Failure> {
    let wait = syncline_adapters::rest::asks_to_wait(system).unwrap_or_default();
    measure::with(|it| it.waits(system, wait.min(EVERY)));
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    if wait_ms < SHORT_MS {
        // That it is over is seen by its time.
        return Ok(());
    }
    let until = Session::now().plus_ms(wait_ms);
    let known = told.get(system).copied().unwrap_or_default();
    if until.ms() - known.ms() > SHORT_MS {
        told.insert(system.to_owned(), until);
        hub.set_note(&note(system), &until.0.to_string()).await?;
    }
    Ok(())
}

fn note(system: &str) -> String {
    format!("asks:{system}")
}

/// Until when this system has asked to be left alone, if that is not over.
pub(crate) async fn until(session: &Session, system: &str) -> Result<Option<Timestamp>, Failure> {
    let text = session.hub.note(&note(system)).await?.unwrap_or_default();
    let until = text.parse().ok().map(Timestamp);
    Ok(until.filter(|until| *until > Session::now()))
}
