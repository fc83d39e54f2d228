//! Each system of an entity: what waits for it, and whether that moves.

use serde_json::{Value as Json, json};
use syncline_core::name::{BindingIndex, EntityIndex, SystemIndex, Timestamp};
use syncline_engine::pass;
use syncline_ports::{reader::Reader as _, store::BehindCount};

use crate::{
    cli::status::delay::{self, Arrived},
    pass::scans,
    progress::Scan,
    report::Failure,
    serve::stuck,
    session::Session,
    words,
};

/// An entity in a system.
pub(super) struct Link {
    system: String,
    /// Rows to write.
    backlog: u64,
    /// Since when the oldest of them waits.
    oldest: Option<Timestamp>,
    /// Rows that are linked and present there.
    linked: u64,
    /// Fields of rows there that the loop guard holds.
    held: u64,
    /// The writes of the last day, oldest first.
    arrived: Vec<Arrived>,
    compared: Option<Timestamp>,
    /// Since when nothing of the backlog has moved, and how long that is, if it is an alarm.
    waits: Option<(Timestamp, Option<String>)>,
}

impl Link {
    /// `stuck: erp, no progress for 12 min`.
    pub(super) fn alarm(&self) -> Option<String> {
        let (_, span) = self.waits.as_ref()?;
        Some(format!("stuck: {}, no progress for {}", self.system, span.as_ref()?))
    }

    /// Fields that the loop guard holds there.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "system": self.system,
            "backlog": self.backlog,
            "oldest_waiting": self.oldest.map(words::time),
            "linked": self.linked,
            "held": self.held,
            "p50_delay_ms": delay::percentile(self.arrived.iter(), 50),
            "p95_delay_ms": delay::percentile(self.arrived.iter(), 95),
            "last_write": self.arrived.last().map(|it| words::time(it.at)),
            "last_full_compare": self.compared.map(words::time),
            "waits_since": self.waits.as_ref().map(|(since, _)| words::time(*since)),
            "stuck": self.alarm().is_some(),
        })
    }
}

/// What is known of an entity.
pub(super) struct Known<'a> {
    pub(super) behind: &'a [(SystemIndex, BehindCount)],
    pub(super) arrived: &'a [Arrived],
    pub(super) is_served: bool,
    pub(super) now: Timestamp,
}

/// All systems of this entity.
pub(super) async fn of(
    session: &Session,
    entity: EntityIndex,
    known: &Known<'_>,
) -> Result<Vec<Link>, Failure> {
    let mut links = Vec::new();
    let now = known.now;
    let oldest = session.hub.oldest_behind(entity, now).await?;
    let own = |binding: &BindingIndex| {
        session.plan.binding(*binding).filter(|found| found.entity == entity)
    };
    for binding in pass::bindings(&session.plan, entity) {
        let Some(found) = own(&binding) else { continue };
        let count = known.behind.iter().find(|(system, _)| *system == found.system);
        let count = count.map(|(_, count)| *count).unwrap_or_default();
        let system = session.system_name(found.system);
        let told = stuck::told(session, session.entity_name(entity), system, now).await?;
        let told = told.filter(|_| known.is_served);
        links.push(Link {
            system: system.to_owned(),
            backlog: count.inserts + count.updates + count.deletes,
            oldest: oldest.iter().find(|(it, _)| *it == found.system).map(|(_, since)| *since),
            linked: count.linked,
            held: count.held,
            arrived: known
                .arrived
                .iter()
                .filter(|it| it.system == Some(found.system))
                .copied()
                .collect(),
            compared: scans::last(session, binding).await?,
            waits: told.map(|(since, is_alarm)| (since, is_alarm.then(|| words::age(now, since)))),
        });
    }
    Ok(links)
}

/// The whole reads of a system that the daemon is at.
pub(super) fn reading(
    session: &Session,
    scans: &[(EntityIndex, SystemIndex, Scan)],
    system: SystemIndex,
) -> Vec<Json> {
    let own = scans.iter().filter(|(_, read, _)| *read == system);
    own.map(|(entity, _, scan)| {
        json!({
            "entity": session.entity_name(*entity),
            "rows": scan.rows,
            "about": scan.about,
            "rows_per_second": scan.rows_per_second(),
            "left_ms": scan.left_ms(),
        })
    })
    .collect()
}
