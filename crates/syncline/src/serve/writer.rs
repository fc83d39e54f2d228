//! One writer per system: it writes what the hub holds and the system does not show. A system that is
//! slow or dead keeps only its own writer waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    name::{EntityIndex, RunId, SystemIndex},
};
use syncline_engine::{
    apply, backoff, carry,
    desk::Unwatched,
    pass::{Allow, live},
};
use syncline_ports::{reader::Reader as _, store::Store as _};
use tokio::time::Instant;

use crate::{
    pace,
    pass::{self, Depth, Halves, Order},
    report::Failure,
    serve::{
        hours::Hours,
        journal::Level,
        runs,
        shift::{Event, Shared},
    },
    session::Session,
};

/// Looks at everything so often, whether something was said to have changed or not: what was put off
/// becomes due by itself.
const EVERY: Duration = Duration::from_secs(5);
/// What a guard holds is looked at again so late.
const HELD: Duration = Duration::from_secs(30);

/// Writes to one system until the shift ends.
pub(super) async fn write(
    mut session: Session,
    system: SystemIndex,
    hours: Option<Hours>,
    shared: Arc<Shared>,
) {
    let mut writer = Writer { system, held: BTreeMap::new(), failures: 0, told: None };
    let Some(wake) = shared.writer(system) else { return };
    let mut looked = None::<Instant>;
    while !shared.is_over() {
        if let Some(shut) = hours.as_ref().and_then(|hours| hours.opens_in(Session::now())) {
            if let Err(failure) = writer.shut(&session, &shared).await {
                return shared.broke(failure);
            }
            shared.rest(wake, shut.min(Duration::from_secs(60))).await;
            continue;
        }
        let mut entities = shared.take_dirty(system);
        if looked.is_none_or(|at| at.elapsed() >= EVERY) {
            looked = Some(Instant::now());
            entities = shared.awake.iter().copied().collect();
        }
        match writer.once(&mut session, entities, &shared).await {
            Ok(Some(wait)) => {
                writer.opens(&session, &shared);
                shared.rest(wake, wait).await;
            }
            Ok(None) => {}
            Err(failure) => return shared.broke(failure),
        }
    }
    if let Err(failure) = writer.shut(&session, &shared).await {
        shared.broke(failure);
    }
}

struct Writer {
    system: SystemIndex,
    /// Entities that a guard holds, and since when.
    held: BTreeMap<EntityIndex, Instant>,
    /// How often in a row the system would not be written.
    failures: u32,
    /// How many rows at once the system was said to be given.
    told: Option<usize>,
}

impl Writer {
    /// Takes what is decided elsewhere while it rests, unless the system is not to be written at once.
    fn opens(&self, session: &Session, shared: &Shared) {
        let is_there = session.systems.get(self.system.at()).is_some_and(Option::is_some);
        if is_there && self.failures == 0 && !session.paces.bounds(self.system) {
            shared.outbox.open(self.system);
        }
    }

    /// Takes nothing that is decided elsewhere any more: what came is due again.
    async fn shut(&self, session: &Session, shared: &Shared) -> Result<(), Failure> {
        let left = shared.outbox.shut(self.system);
        if left.is_empty() {
            return Ok(());
        }
        let desk =
            Session::desk(&session.plan, &session.hub, &Unwatched, &session.stop, RunId::default())
                .beside(session.turns.as_deref());
        for (run, groups) in left {
            desk.set_run(run);
            carry::give_back(&desk, &groups).await?;
            shared.outbox.delivered(run, self.system, apply::Written::default());
        }
        Ok(())
    }

    /// Writes what was decided with the changes that it comes from. Gives the entities of which
    /// something was written, and what the system has against writing.
    async fn deliver(
        &self,
        session: &mut Session,
        shared: &Shared,
    ) -> Result<(BTreeSet<EntityIndex>, Option<Text>), Failure> {
        let (mut progressed, mut put_off) = (BTreeSet::new(), None);
        for (run, groups) in shared.outbox.take(self.system) {
            shared.notify.beat();
            let of = groups.iter().flat_map(|group| &group.writes);
            let entities: BTreeSet<EntityIndex> =
                of.filter_map(|write| live::root_of(&session.plan, write.binding)).collect();
            let (plan, hub, stop) =
                (session.plan.clone(), session.hub.clone(), session.stop.clone());
            let (turns, paces) = (session.turns.clone(), session.paces.clone());
            let desk = Session::desk(&plan, &hub, &shared.stopwatch, &stop, run)
                .beside(turns.as_deref())
                .paced(Some(&*paces));
            let (written, _books, refusal) =
                apply::deliver(&desk, &mut session.systems, self.system, groups).await?;
            shared.outbox.delivered(run, self.system, written);
            for entity in &entities {
                shared.answers((*entity, self.system), written.total() + written.refused);
            }
            progressed.extend(entities);
            put_off = put_off.or(refusal);
        }
        Ok((progressed, put_off))
    }

    /// Writes what is due of these entities. Gives how long to rest; `None`: there may be more.
    async fn once(
        &mut self,
        session: &mut Session,
        entities: BTreeSet<EntityIndex>,
        shared: &Shared,
    ) -> Result<Option<Duration>, Failure> {
        let (delivered, refusal) = self.deliver(session, shared).await?;
        if let Some(reason) = refusal {
            self.shut(session, shared).await?;
            return Ok(Some(self.put_off(session, shared, &reason)));
        }
        if !delivered.is_empty() {
            let delivered: Vec<EntityIndex> = delivered.iter().copied().collect();
            shared.changed(&delivered);
            shared.wake_hearer.notify_one();
        }
        let mut due = Vec::new();
        for entity in entities {
            let is_held = self.held.get(&entity).is_some_and(|since| since.elapsed() < HELD);
            let is_ours = shared.plan.binding_of(entity, self.system).is_some();
            let link = (entity, self.system);
            let now = Session::now();
            if is_ours
                && !is_held
                && shared.awake.contains(&entity)
                && shared.times.is_due(session, link, now).await?
            {
                if self.is_behind(session, entity).await? {
                    due.push(entity);
                } else {
                    shared.times.was_written(session, link, now).await?;
                }
            }
        }
        if !due.is_empty() {
            // Until a person, or a complete look, has settled a guard, nothing of its entity is written.
            let open = session.hub.guards(false).await?;
            due.retain(|entity| open.iter().all(|it| !it.stops_entity() || it.entity != *entity));
        }
        if due.is_empty() {
            return Ok(Some(EVERY));
        }
        shared.notify.beat();
        let order = Order {
            kind: "serve",
            entities: due.clone(),
            depth: Depth::Changes,
            allow: Allow::default(),
            allow_partial: true,
            chooses: None,
            halves: Halves::Writes,
            beside: Some(BTreeMap::new()),
        };
        let outcome = pass::run(session, order, &Unwatched).await?;
        let mut progressed = Vec::new();
        let mut put_off = None;
        for report in &outcome.passed.entities {
            if report.tripped.is_empty() {
                self.held.remove(&report.entity);
            } else {
                self.held.insert(report.entity, Instant::now());
            }
            if report.written.values().any(|written| written.total() > 0) {
                progressed.push(report.entity);
            }
            for (system, written) in &report.written {
                shared.answers((report.entity, *system), written.total() + written.refused);
            }
            put_off = put_off.or_else(|| report.put_off.get(&self.system).cloned());
        }
        pace::tell(session, self.system, &mut self.told).await?;
        runs::tell(session, &outcome, shared).await?;
        if !progressed.is_empty() {
            // What was written may let others be written, and be answered with something to read.
            shared.changed(&progressed);
            shared.wake_hearer.notify_one();
        }
        match put_off {
            Some(reason) => {
                self.shut(session, shared).await?;
                Ok(Some(self.put_off(session, shared, &reason)))
            }
            None if progressed.is_empty() => {
                self.failures = 0;
                Ok(Some(EVERY))
            }
            None => {
                self.failures = 0;
                Ok(None)
            }
        }
    }

    /// Says that the system would not be written, and gives how long to leave it alone.
    fn put_off(&mut self, session: &Session, shared: &Shared, reason: &Text) -> Duration {
        self.failures += 1;
        let wait = backoff::wait_ms(self.failures, u64::from(self.system.0)).min(60_000);
        let name = session.system_name(self.system);
        let more = json!({ "system": name, "retry_ms": wait });
        let message = format!("{name} is not written just now: {reason}");
        shared.journal.say(Level::Warn, "serve.put_off", &message, more);
        if reason.starts_with(ErrorKind::SchemaDrift.remedy().code) {
            // Its tables are looked at anew: what can go on without a column does.
            let error = PortError::new(ErrorKind::SchemaDrift, "write to it", reason.as_str());
            let _ = shared.events.send(Event::Down(self.system, error.into()));
        }
        Duration::from_millis(wait)
    }

    async fn is_behind(&self, session: &Session, entity: EntityIndex) -> Result<bool, Failure> {
        let behind = session.hub.behind(entity, self.system, None, Session::now(), 1).await?;
        Ok(!behind.is_empty())
    }
}
