//! How things stand, looked up in the hub when somebody asks: what waits, since when, and who answers.

use std::{collections::BTreeMap, fs};

use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
use syncline_adapters::hub::{backup, inbox};
use syncline_core::{
    commit::Subject,
    name::{EntityIndex, SystemIndex, Timestamp},
    plan::Schedule,
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use super::{By, Gauges, gauges, guard, unix};
use crate::{cron, pass::contact, report::Failure, serve::listening, session::Session};

/// So many entries of a queue are looked at; what is counted stops there.
const QUEUE_MAX: usize = 100_000;
/// Live entities are expected to be looked at this often, whatever happens.
const LIVE_SECONDS: f64 = 30.0;

/// Adds them.
///
/// # Errors
/// The hub's.
pub(super) async fn add(registry: &mut Registry, session: &Session) -> Result<(), Failure> {
    entities(registry, session).await?;
    queues(registry, session).await?;
    systems(registry, session).await?;
    let hub = session.loaded.hub_path();
    let size = |suffix: &str| {
        let mut name = hub.clone().into_os_string();
        name.push(suffix);
        fs::metadata(name).map(|file| file.len()).unwrap_or_default()
    };
    let bytes = ConstGauge::new((size("") + size("-wal")) as f64);
    registry.register("syncline_hub_bytes", "The hub on disk", bytes);
    if let Some((at, _)) = backup::last(&hub) {
        let last = ConstGauge::new(unix(at));
        registry.register(
            "syncline_hub_backup_timestamp_seconds",
            "The last copy of the hub",
            last,
        );
    }
    Ok(())
}

async fn entities(registry: &mut Registry, session: &Session) -> Result<(), Failure> {
    let it = registry;
    let success: Gauges<1> =
        gauges(it, "syncline_last_success_timestamp_seconds", "The last pass that did not fail");
    let attempt: Gauges<1> =
        gauges(it, "syncline_last_attempt_timestamp_seconds", "The last pass that began");
    let interval: Gauges<1> =
        gauges(it, "syncline_expected_interval_seconds", "How often a pass is to be made");
    let records: Gauges<1> = gauges(it, "syncline_records", "Records in the hub");
    let backlog: Gauges<2> =
        gauges(it, "syncline_backlog_changes", "Rows to write, decided and not yet written");
    let oldest: Gauges<2> = gauges(
        it,
        "syncline_backlog_oldest_timestamp_seconds",
        "Since when the oldest of them waits",
    );
    let paused: Gauges<1> = gauges(it, "syncline_paused", "1: paused by a person");
    let pauses = session.pauses().await?;
    let now = Session::now();
    for entity in session.entities(None)? {
        let name = [("entity", session.entity_name(entity).to_owned())];
        let note = format!("success:{}", session.entity_name(entity));
        let last = session.hub.note(&note).await?.and_then(|text| text.parse().ok());
        if let Some(last) = last.map(Timestamp) {
            success.get_or_create(&name).set(unix(last));
        }
        let lately = session.hub.lately(entity, now.plus_ms(-1)).await?;
        let began = lately.last_began.or(last.map(Timestamp));
        if let Some(began) = began {
            attempt.get_or_create(&name).set(unix(began));
        }
        if let Some(seconds) = expected(session, entity, now) {
            interval.get_or_create(&name).set(seconds);
        }
        records.get_or_create(&name).set(session.hub.count_records(entity).await? as f64);
        for (system, count) in session.hub.count_behind(entity, now).await? {
            let labels = of(session, entity, system);
            let waiting = count.inserts + count.updates + count.deletes;
            backlog.get_or_create(&labels).set(waiting as f64);
        }
        for (system, since) in session.hub.oldest_behind(entity, now).await? {
            oldest.get_or_create(&of(session, entity, system)).set(unix(since));
        }
        let is_paused = pauses.iter().any(|pause| pause.name == session.entity_name(entity));
        paused.get_or_create(&name).set(f64::from(u8::from(is_paused)));
    }
    Ok(())
}

fn of(session: &Session, entity: EntityIndex, system: SystemIndex) -> By<2> {
    [
        ("entity", session.entity_name(entity).to_owned()),
        ("system", session.system_name(system).to_owned()),
    ]
}

/// How often an entity is to be taken, in seconds.
fn expected(session: &Session, entity: EntityIndex, now: Timestamp) -> Option<f64> {
    match &session.plan.entity(entity)?.schedule {
        Schedule::Live => Some(LIVE_SECONDS),
        Schedule::Every(ms) => Some(*ms as f64 / 1e3),
        Schedule::Cron(text) => {
            let parsed = cron::parse(text).ok()?;
            let next = cron::next(&parsed, now.0, &jiff::tz::TimeZone::UTC)?;
            let after = cron::next(&parsed, next, &jiff::tz::TimeZone::UTC)?;
            Some((after - next) as f64 / 1e6)
        }
    }
}

async fn queues(registry: &mut Registry, session: &Session) -> Result<(), Failure> {
    let it = registry;
    let open: Gauges<1> = gauges(it, "syncline_conflicts_open", "Conflicts that wait for a person");
    let oldest: Gauges<1> = gauges(
        it,
        "syncline_conflict_oldest_timestamp_seconds",
        "Since when the oldest open conflict waits",
    );
    let aside: Gauges<3> = gauges(it, "syncline_quarantine_open", "What is set aside just now");
    let deletes: Gauges<1> = gauges(it, "syncline_deletes_held", "Deletes that wait for a person");
    let tripped: Gauges<2> = gauges(it, "syncline_guard_tripped", "1: a guard waits for a person");
    let root = |entity| {
        let root = session.plan.root_of(entity);
        ("entity", session.entity_name(root).to_owned())
    };
    let mut since = BTreeMap::<By<1>, (u64, Timestamp)>::new();
    for entity in session.entities(None)? {
        since.insert([root(entity)], (0, Timestamp(i64::MAX)));
        deletes.get_or_create(&[root(entity)]).set(0.0);
    }
    for conflict in session.hub.conflicts(false, QUEUE_MAX).await? {
        let known = since.entry([root(conflict.entity)]).or_insert((0, conflict.opened.1));
        *known = (known.0 + 1, known.1.min(conflict.opened.1));
        if conflict.field.is_none() {
            // Whether it lives is what they disagree about.
            deletes.get_or_create(&[root(conflict.entity)]).inc_by(1.0);
        }
    }
    for (labels, (count, since)) in since {
        open.get_or_create(&labels).set(count as f64);
        if count > 0 {
            oldest.get_or_create(&labels).set(unix(since));
        }
    }
    for entry in session.hub.quarantine(QUEUE_MAX).await? {
        if entry.dropped.is_some() {
            continue;
        }
        let system = match &entry.subject {
            Subject::Row { binding, .. } => session.plan.binding(*binding).map(|it| it.system),
            Subject::Write { system, .. } | Subject::Excess { system, .. } => Some(*system),
            Subject::Record { .. } => None,
        };
        let system = system.map_or_else(String::new, |it| session.system_name(it).to_owned());
        let labels = [root(entry.entity), ("system", system), ("code", entry.code.to_string())];
        aside.get_or_create(&labels).inc_by(1.0);
    }
    for entry in session.hub.guards(false).await? {
        let labels = [root(entry.entity), ("guard", guard(&entry.code).to_owned())];
        tripped.get_or_create(&labels).set(1.0);
        if guard(&entry.code) == "mass_delete" {
            deletes.get_or_create(&[root(entry.entity)]).inc_by(entry.count as f64);
        }
    }
    Ok(())
}

async fn systems(registry: &mut Registry, session: &Session) -> Result<(), Failure> {
    let it = registry;
    let up: Gauges<1> = gauges(it, "syncline_system_up", "1: it answered last, 0: it did not");
    let lag: Gauges<1> =
        gauges(it, "syncline_source_lag_seconds", "How far behind a system's log we are");
    let retained: Gauges<1> =
        gauges(it, "syncline_source_retained_bytes", "What a system keeps for us");
    let hooked: Gauges<1> =
        gauges(it, "syncline_hook_last_received_timestamp_seconds", "The last webhook");
    let look = inbox::Look::at(&session.loaded.hub_path());
    for system in &session.plan.systems {
        let name = system.name.as_str();
        let labels = [("system", name.to_owned())];
        if let Some(is_up) = contact::of(session, name).await?.is_up() {
            up.get_or_create(&labels).set(f64::from(u8::from(is_up)));
        }
        let Some(heard) = listening::of(session, name).await? else { continue };
        retained.get_or_create(&labels).set(heard.bytes as f64);
        if let Some(ms) = heard.lag_ms {
            lag.get_or_create(&labels).set(ms as f64 / 1e3);
        }
        if heard.word == syncline_adapters::webhook::WORD
            && let Some(last) = look.told(name)?.last
        {
            hooked.get_or_create(&labels).set(unix(last));
        }
    }
    Ok(())
}
