//! How fast the configuration lets systems be written and read (`max_rate`), and what that means for a
//! backlog; how much at once they bear, as `status` says it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use syncline_core::name::{EntityIndex, SystemIndex};
use syncline_engine::pace::{Paces, Rates, Rests};
use syncline_ports::{reader::Reader as _, store::Store as _};
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

/// The buckets of the systems that have a rate.
pub(crate) fn of(draft: &Draft) -> Paces {
    let systems = || draft.systems.iter().zip(0..).map(|(system, at)| (SystemIndex(at), system));
    let writes = systems().filter_map(|(at, system)| Some((at, system.max_rate?))).collect();
    let reads = systems().filter_map(|(at, system)| Some((at, system.reads_max_rate?))).collect();
    Paces::new(Rates { writes, reads }, Box::new(Runtime(Instant::now())))
}

/// How many rows at once the daemon gives to a system that does not bear all that it may be given,
/// as it told last.
pub(crate) async fn at_once(
    session: &Session,
    system: SystemIndex,
) -> Result<Option<usize>, Failure> {
    let told = session.hub.note(&note(session, system)).await?.unwrap_or_default();
    Ok(told.parse().ok())
}

/// Tells how many rows at once a system is given; `before` is what was told last.
pub(crate) async fn tell(
    session: &Session,
    system: SystemIndex,
    before: &mut Option<usize>,
) -> Result<(), Failure> {
    let most = session.plan.system(system).map_or(1, |found| found.batch);
    let now = session.paces.at_once(system, most);
    if before.replace(now) != Some(now) {
        let text = if now < most { now.to_string() } else { String::new() };
        session.hub.set_note(&note(session, system), &text).await?;
    }
    Ok(())
}

fn note(session: &Session, system: SystemIndex) -> String {
    format!("bears:{}", session.system_name(system))
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
