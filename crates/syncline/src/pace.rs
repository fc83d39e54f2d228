//! How fast the configuration lets systems be written (`max_rate`), and what that means for a backlog.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::BoxFuture;
use syncline_core::name::{EntityIndex, SystemIndex};
use syncline_engine::pace::{Paces, Rate, Rests};
use syncline_ports::store::Store as _;
use tokio::time::Instant;

use crate::{config::draft::Draft, report::Failure, session::Session, words};

/// Time as the runtime counts it.
struct Runtime(Instant);

impl Rests for Runtime {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn rest(&self, wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// The buckets of the systems that have a rate; none, where none has.
pub(crate) fn of(draft: &Draft) -> Option<Paces> {
    let systems = draft.systems.iter().zip(0..);
    let rates: BTreeMap<SystemIndex, Rate> =
        systems.filter_map(|(system, at)| Some((SystemIndex(at), system.max_rate?))).collect();
    (!rates.is_empty()).then(|| Paces::new(rates, Box::new(Runtime(Instant::now()))))
}

/// Why a system is behind, where that is its rate: how many rows wait, and how long they take.
pub(crate) async fn reason(
    session: &Session,
    system: SystemIndex,
) -> Result<Option<String>, Failure> {
    let rate = session.loaded.draft.systems.get(system.at()).and_then(|found| found.max_rate);
    let Some(rate) = rate else { return Ok(None) };
    let mut rows = 0;
    for at in 0..session.plan.entities.len() {
        let entity = EntityIndex(u16::try_from(at).unwrap_or(u16::MAX));
        let behind = session.hub.count_behind(entity, Session::now()).await?;
        let own = behind.iter().filter(|(found, _)| *found == system);
        rows += own.map(|(_, count)| count.inserts + count.updates + count.deletes).sum::<u64>();
    }
    if rows <= u64::from(rate.burst()) {
        return Ok(None);
    }
    let span = match rate.span.as_secs() {
        1 => "s",
        60 => "m",
        _ => "h",
    };
    let takes = rate.span.as_millis().saturating_mul(u128::from(rows)) / u128::from(rate.rows);
    let takes = words::span(i64::try_from(takes).unwrap_or(i64::MAX));
    Ok(Some(format!("{} to write at {}/{span}: {takes}", words::count(rows), rate.rows)))
}
