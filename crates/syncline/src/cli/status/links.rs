//! Each system of an entity: what waits for it, and whether that moves.

use serde_json::{Value as Json, json};
use syncline_core::name::{BindingIndex, EntityIndex, SystemIndex, Timestamp};
use syncline_engine::pass;
use syncline_ports::store::BehindCount;

use crate::{pass::scans, progress::Scan, report::Failure, serve::stuck, session::Session, words};

/// An entity in a system.
pub(super) struct Link {
    system: String,
    /// Rows to write.
    backlog: u64,
    /// Rows that are linked and present there.
    linked: u64,
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

    pub(super) fn json(&self) -> Json {
        json!({
            "system": self.system,
            "backlog": self.backlog,
            "linked": self.linked,
            "last_full_compare": self.compared.map(words::time),
            "waits_since": self.waits.as_ref().map(|(since, _)| words::time(*since)),
            "stuck": self.alarm().is_some(),
        })
    }
}

/// All systems of this entity.
pub(super) async fn of(
    session: &Session,
    entity: EntityIndex,
    behind: &[(SystemIndex, BehindCount)],
    is_served: bool,
    now: Timestamp,
) -> Result<Vec<Link>, Failure> {
    let mut links = Vec::new();
    let own = |binding: &BindingIndex| {
        session.plan.binding(*binding).filter(|found| found.entity == entity)
    };
    for binding in pass::bindings(&session.plan, entity) {
        let Some(found) = own(&binding) else { continue };
        let count = behind.iter().find(|(system, _)| *system == found.system);
        let count = count.map(|(_, count)| *count).unwrap_or_default();
        let system = session.system_name(found.system);
        let told = stuck::told(session, session.entity_name(entity), system, now).await?;
        let told = told.filter(|_| is_served);
        links.push(Link {
            system: system.to_owned(),
            backlog: count.inserts + count.updates + count.deletes,
            linked: count.linked,
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
