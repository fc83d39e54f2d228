//! When an entity is written to a system that is not written all the time: `schedule` under `in`.
//!
//! What is decided meanwhile waits. When the time has come all of it is written, until nothing is left, and
//! that it was is on record: a time that passed while nobody was there is made up for.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use syncline_core::{
    name::{EntityIndex, SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_ports::reader::Reader as _;

use crate::{
    config::{Loaded, draft::Schedule},
    cron,
    report::Failure,
    session::Session,
};

/// An entity in a system.
type Link = (EntityIndex, SystemIndex);

/// What is written at times of its own.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    zone: TimeZone,
    links: BTreeMap<Link, Schedule>,
}

impl Times {
    /// What the file says.
    pub(crate) fn of(loaded: &Loaded, plan: &Plan, zone: TimeZone) -> Self {
        let mut links = BTreeMap::new();
        for draft in &loaded.draft.entities {
            let Some(entity) = plan.entity_named(&draft.name) else { continue };
            for binding in &draft.bindings {
                let system = plan.system_named(&binding.system.value);
                if let (Some(system), Some(schedule)) = (system, &binding.schedule) {
                    links.insert((entity, system), schedule.value.clone());
                }
            }
        }
        Self { zone, links }
    }

    /// It is written at times of its own.
    pub(crate) fn has(&self, link: Link) -> bool {
        self.links.contains_key(&link)
    }

    /// The systems that this entity is written to at times of their own.
    pub(crate) fn systems(&self, entity: EntityIndex) -> impl Iterator<Item = SystemIndex> {
        self.links.keys().filter(move |(own, _)| *own == entity).map(|(_, system)| *system)
    }

    /// It may be written now.
    ///
    /// # Errors
    /// The hub's.
    pub(crate) async fn is_due(
        &self,
        session: &Session,
        link: Link,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(schedule) = self.links.get(&link) else { return Ok(true) };
        let known = session.hub.note(&name(session, link)).await?;
        let Some(last) = known.and_then(|text| text.parse().ok()).map(Timestamp) else {
            // The first time is at once where it is every so often, and at its time where it has one.
            if matches!(schedule, Schedule::Cron(_)) {
                self.was_written(session, link, now).await?;
                return Ok(false);
            }
            return Ok(true);
        };
        Ok(self.next(schedule, last).is_some_and(|next| next <= now))
    }

    /// Nothing was left to be written at this time.
    ///
    /// # Errors
    /// The hub's.
    pub(crate) async fn was_written(
        &self,
        session: &Session,
        link: Link,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if self.has(link) {
            session.hub.set_note(&name(session, link), &now.0.to_string()).await?;
        }
        Ok(())
    }

    fn next(&self, schedule: &Schedule, last: Timestamp) -> Option<Timestamp> {
        match schedule {
            Schedule::Every(ms) => Some(last.plus_ms(*ms)),
            Schedule::Cron(text) => {
                let cron = cron::parse(&text.value).ok()?;
                cron::next(&cron, last.0, &self.zone).map(Timestamp)
            }
        }
    }
}

fn name(session: &Session, (entity, system): Link) -> String {
    format!("scheduled:{}@{}", session.entity_name(entity), session.system_name(system))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{draft::Spanned, source::Place};

    #[test]
    fn a_night_that_nobody_was_there_for_is_due_in_the_morning() {
        let zone = TimeZone::get("Europe/Madrid").unwrap();
        let times = Times { zone, links: BTreeMap::new() };
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        let text = Spanned { value: "0 2 * * *".into(), place: Place::default() };
        let nightly = Schedule::Cron(text);
        let next = times.next(&nightly, at("2026-03-02T13:00:00Z"));
        assert_eq!(next, Some(at("2026-03-03T01:00:00Z")));
        assert_eq!(
            times.next(&Schedule::Every(60_000), at("2026-03-02T13:00:00Z")),
            Some(at("2026-03-02T13:01:00Z"))
        );
    }
}
