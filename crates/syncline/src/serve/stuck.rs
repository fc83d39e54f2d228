//! A link that has rows to write and makes no progress is an alarm, although nothing failed: in the
//! journal, for the service manager, and in `status`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::name::{EntityIndex, SystemIndex, Timestamp};
use syncline_ports::{reader::Reader as _, store::Store as _};
use tokio::sync::Notify;

use crate::{
    report::Failure,
    serve::{hours::Hours, journal::Level, shift::Shared},
    session::Session,
    words,
};

/// Without progress for so long, a link is stuck.
const AFTER_MS: i64 = 10 * 60_000;
/// How often all links are looked at.
const EVERY: Duration = Duration::from_secs(30);

/// Systems that are written in this shift, and when.
pub(super) type Written = BTreeMap<SystemIndex, Option<Hours>>;

/// An entity in a system.
type Link = (EntityIndex, SystemIndex);

/// What was seen of a link that has rows to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// It has not moved since.
    since: Timestamp,
    /// Rows to write.
    backlog: u64,
    /// Rows that were answered in this shift.
    answered: u64,
}

/// Looks at all links until the shift ends.
pub(super) async fn watch(
    hub: Arc<SqliteHub>,
    written: Written,
    is_first: bool,
    shared: Arc<Shared>,
) {
    if let Err(failure) = look(&hub, &written, is_first, &shared).await {
        shared.broke(failure);
    }
}

async fn look(
    hub: &SqliteHub,
    written: &Written,
    is_first: bool,
    shared: &Shared,
) -> Result<(), Failure> {
    let (never, mut seen, mut told) = (Notify::new(), BTreeMap::new(), BTreeMap::new());
    // What an earlier daemon saw says nothing of this one; and a system that is down says so itself.
    for link in links(shared, 0..shared.plan.systems.len()) {
        if is_first || !written.contains_key(&link.1) {
            remember(hub, &note(shared, link), "").await?;
        }
    }
    while !shared.is_over() {
        let now = Session::now();
        let backlogs = backlogs(hub, written, shared, now).await?;
        for link in links(shared, written.keys().map(|system| system.at())) {
            let name = note(shared, link);
            let known = match seen.get(&link) {
                Some(known) => Some(*known),
                // Of an earlier shift of this daemon.
                None => since(hub.note(&name).await?.as_deref()).map(|since| Seen {
                    since,
                    backlog: u64::MAX,
                    answered: 0,
                }),
            };
            let backlog = backlogs.get(&link).copied().unwrap_or_default();
            let Some(next) = next(known, backlog, shared.answered(link), now) else {
                seen.remove(&link);
                moves(shared, link, told.remove(&link));
                remember(hub, &name, "").await?;
                continue;
            };
            seen.insert(link, next);
            remember(hub, &name, &next.since.0.to_string()).await?;
            let before = told.insert(link, is_stuck(next.since, now));
            match is_stuck(next.since, now) {
                true if before != Some(true) => say(shared, link, &next, now),
                true => {}
                false => moves(shared, link, before),
            }
        }
        shared.rest(&never, EVERY).await;
    }
    Ok(())
}

/// Notes it where the note says something else: there are many links, and a note is a commit.
async fn remember(hub: &SqliteHub, name: &str, text: &str) -> Result<(), Failure> {
    if hub.note(name).await?.unwrap_or_default() != text {
        hub.set_note(name, text).await?;
    }
    Ok(())
}

/// What is known of a link now; `None`: it has nothing to write.
fn next(known: Option<Seen>, backlog: u64, answered: u64, now: Timestamp) -> Option<Seen> {
    let moved = |known: &Seen| answered > known.answered || backlog < known.backlog;
    let since = match known {
        // The first look of a shift only takes up the count.
        Some(known) if known.backlog == u64::MAX => known.since,
        Some(known) if !moved(&known) => known.since,
        Some(_) | None => now,
    };
    (backlog > 0).then_some(Seen { since, backlog, answered })
}

fn is_stuck(since: Timestamp, now: Timestamp) -> bool {
    since.plus_ms(AFTER_MS) <= now
}

/// All entities in each of these systems.
fn links(shared: &Shared, systems: impl Iterator<Item = usize>) -> Vec<Link> {
    let system = |at| SystemIndex(u16::try_from(at).unwrap_or(u16::MAX));
    let each = |system| shared.awake.iter().map(move |entity| (*entity, system));
    systems.map(system).flat_map(each).collect()
}

/// Rows to write, of links that may be written now: not those of a pause, outside the hours, or that
/// a guard holds, which say so themselves.
async fn backlogs(
    hub: &SqliteHub,
    written: &Written,
    shared: &Shared,
    now: Timestamp,
) -> Result<BTreeMap<Link, u64>, Failure> {
    let (guards, pauses) = (hub.guards(false).await?, hub.pauses().await?);
    let is_paused = |name: &str| pauses.iter().any(|pause| pause.name == name);
    let mut backlogs = BTreeMap::new();
    for entity in shared.awake.iter().copied() {
        let is_held = guards.iter().any(|guard| guard.stops_entity() && guard.entity == entity);
        if is_held || is_paused(entity_name(shared, entity)) {
            continue;
        }
        for (system, count) in hub.count_behind(entity, now).await? {
            let hours = written.get(&system);
            let is_open = hours
                .is_some_and(|hours| hours.as_ref().is_none_or(|it| it.opens_in(now).is_none()));
            let waits = shared.times.has((entity, system));
            if is_open && !waits && !is_paused(system_name(shared, system)) {
                let backlog = count.inserts + count.updates + count.deletes;
                backlogs.insert((entity, system), backlog);
            }
        }
    }
    Ok(backlogs)
}

fn entity_name(shared: &Shared, entity: EntityIndex) -> &str {
    shared.plan.entity(entity).map_or("", |found| found.name.as_str())
}

fn system_name(shared: &Shared, system: SystemIndex) -> &str {
    shared.plan.system(system).map_or("", |found| found.name.as_str())
}

fn note(shared: &Shared, (entity, system): Link) -> String {
    name(entity_name(shared, entity), system_name(shared, system))
}

fn name(entity: &str, system: &str) -> String {
    format!("waits:{entity}@{system}")
}

fn since(note: Option<&str>) -> Option<Timestamp> {
    note.and_then(|text| text.parse().ok()).map(Timestamp)
}

fn say(shared: &Shared, (entity, system): Link, seen: &Seen, now: Timestamp) {
    let (entity, system) = (entity_name(shared, entity), system_name(shared, system));
    let message = format!(
        "{entity} to {system}: {} to write, and no progress for {}",
        words::counted(seen.backlog, "row"),
        words::age(now, seen.since)
    );
    shared.notify.tell(&format!("STATUS={message}"));
    let more = json!({
        "entity": entity,
        "system": system,
        "backlog": seen.backlog,
        "since": words::time(seen.since),
    });
    shared.journal.say(Level::Error, "serve.stuck", &message, more);
}

/// Says that an alarm is over, if there was one.
fn moves(shared: &Shared, (entity, system): Link, was_stuck: Option<bool>) {
    if was_stuck != Some(true) {
        return;
    }
    let (entity, system) = (entity_name(shared, entity), system_name(shared, system));
    let message = format!("{entity} to {system}: it moves again");
    shared.notify.tell(&format!("STATUS={message}"));
    let more = json!({ "entity": entity, "system": system });
    shared.journal.say(Level::Info, "serve.moves", &message, more);
}

/// Since when the rows of an entity wait for a system without any progress, as the daemon saw; and
/// whether that is an alarm.
pub(crate) async fn told(
    session: &Session,
    entity: &str,
    system: &str,
    now: Timestamp,
) -> Result<Option<(Timestamp, bool)>, Failure> {
    let known = session.hub.note(&name(entity, system)).await?;
    Ok(since(known.as_deref()).map(|since| (since, is_stuck(since, now))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// Looks at a link minute by minute: rows to write and rows answered each time. When it was an
    /// alarm.
    fn alarms(looks: &[(u64, u64)]) -> Vec<usize> {
        let (mut known, mut alarms) = (None, Vec::new());
        for (at, (backlog, answered)) in looks.iter().enumerate() {
            let now = Timestamp(at as i64 * MINUTE);
            known = next(known, *backlog, *answered, now);
            if known.is_some_and(|seen| is_stuck(seen.since, now)) {
                alarms.push(at);
            }
        }
        alarms
    }

    #[test]
    fn rows_that_wait_ten_minutes_without_progress_are_an_alarm_until_one_is_answered() {
        let mut looks = vec![(3, 0); 12];
        looks.extend([(2, 1), (0, 3)]);
        assert_eq!(alarms(&looks), [10, 11]);
    }

    #[test]
    fn more_work_is_no_progress() {
        assert_eq!(alarms(&(0..12).map(|at| (at + 1, 0)).collect::<Vec<_>>()), [10, 11]);
    }

    #[test]
    fn who_writes_as_much_as_comes_is_not_stuck_nor_is_who_has_nothing_to_write() {
        assert!(alarms(&(0..30).map(|at| (5, at)).collect::<Vec<_>>()).is_empty());
        assert!(alarms(&[(0, 0); 30]).is_empty());
    }

    #[test]
    fn a_new_shift_of_the_daemon_forgets_no_waiting() {
        let since = Timestamp(0);
        let known = Some(Seen { since, backlog: u64::MAX, answered: 0 });
        let seen = next(known, 3, 0, Timestamp(5 * MINUTE));
        assert_eq!(seen, Some(Seen { since, backlog: 3, answered: 0 }));
    }
}
