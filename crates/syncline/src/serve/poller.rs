//! Asks what nobody tells: systems that cannot be listened to, every so often; entities that have a
//! schedule, when it is due; and everything, completely, as often as `reconcile:` says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use serde_json::json;
use syncline_core::{
    guard,
    name::{BindingIndex, EntityIndex, SystemIndex, Timestamp},
    plan::Schedule,
};
use syncline_engine::{
    capture::{Mode, has_cursor},
    pass::{self as passes, Allow},
};

use syncline_ports::reader::Reader as _;

use crate::{
    auto, cron,
    pass::{
        self, Depth, Halves, Order,
        restored::{self, Heartbeats},
        scans,
    },
    progress::Scans,
    report::Failure,
    retention, seals,
    serve::{
        journal::Level,
        runs,
        shift::{Event, Shared},
        watching,
    },
    session::Session,
};

/// How each system is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// Every so many milliseconds.
    pub(super) poll_ms: i64,
    /// Also while it is listened to.
    pub(super) beside: bool,
}

/// Polls until the shift ends.
pub(super) async fn poll(
    mut session: Session,
    asking: Vec<Asking>,
    zone: TimeZone,
    heartbeats: Heartbeats,
    shared: Arc<Shared>,
) {
    let mut agenda = Agenda {
        asking,
        zone,
        polled: BTreeMap::new(),
        next: BTreeMap::new(),
        looked: BTreeMap::new(),
        remembered: None,
        leaves_heartbeats: heartbeats,
        forgot: None,
        began: tokio::time::Instant::now(),
    };
    while !shared.is_over() {
        match agenda.once(&mut session, &shared).await {
            Ok(wait) if wait.is_zero() => {}
            Ok(wait) => shared.rest(&shared.wake_poller, wait).await,
            Err(failure) => return shared.broke(failure),
        }
    }
}

/// What is due when.
struct Agenda {
    asking: Vec<Asking>,
    zone: TimeZone,
    /// When each binding is asked next.
    polled: BTreeMap<BindingIndex, Timestamp>,
    /// When each entity with a schedule is taken next.
    next: BTreeMap<EntityIndex, Timestamp>,
    /// When the shift began.
    began: tokio::time::Instant,
    /// When each entity that a guard holds was looked at.
    looked: BTreeMap<EntityIndex, tokio::time::Instant>,
    /// When it was last noted how far each system has come.
    remembered: Option<tokio::time::Instant>,
    /// Whether that is left there, too.
    leaves_heartbeats: Heartbeats,
    /// When all logs of runs that were old had been forgotten.
    forgot: Option<tokio::time::Instant>,
}

/// Who may be listened to is asked after so long, if its ear has said nothing.
const EXPECTED_MAX: Duration = Duration::from_secs(15);
/// What a guard holds is looked at whole again so often: it may be over by itself.
const GUARDED_EVERY: Duration = Duration::from_secs(300);

/// Between pieces that are forgotten, others have the hub.
const BETWEEN_PIECES: Duration = Duration::from_millis(50);
/// Logs of runs that are old are looked for this often.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// How far systems have come is noted this often.
const REMEMBER_EVERY: Duration = Duration::from_secs(60);

/// Longest rest: whether a full comparison is due is looked at this often.
const REST_MAX: Duration = Duration::from_secs(30);

impl Agenda {
    /// Takes what is due, and gives how long to rest.
    async fn once(&mut self, session: &mut Session, shared: &Shared) -> Result<Duration, Failure> {
        let now = Session::now();
        if let Some(entity) = self.guarded(session, shared).await? {
            return self.look_whole(session, shared, entity).await;
        }
        let (mut entities, mut modes, mut soonest) = (Vec::new(), BTreeMap::new(), None);
        for entity in shared.awake.iter().copied() {
            let (due, own, next) = self.due(session, shared, entity, now).await?;
            soonest = match (soonest, next) {
                (None, next) => next,
                (Some(known), next) => Some(next.map_or(known, |next: Timestamp| next.min(known))),
            };
            if due {
                entities.push(entity);
            }
            modes.extend(own);
        }
        if entities.is_empty() {
            if self.forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
                if retention::forget_some(session).await? {
                    return Ok(BETWEEN_PIECES);
                }
                seals::seal(session).await?;
                self.forgot = Some(tokio::time::Instant::now());
            }
            let wait = soonest.map_or(REST_MAX, |next| {
                let micros = (next.0 - now.0).max(1_000).unsigned_abs();
                Duration::from_micros(micros).min(REST_MAX)
            });
            return Ok(wait);
        }
        shared.notify.beat();
        if restored::look(session, &entities).await? {
            // The next shift leaves their entities alone, and says so.
            let _ = shared.events.send(Event::Back);
            return Ok(REST_MAX);
        }
        let order = Order {
            kind: "serve",
            entities: entities.clone(),
            depth: Depth::Changes,
            allow: Allow::default(),
            allow_partial: true,
            chooses: None,
            halves: Halves::Reads,
            beside: Some(modes.clone()),
        };
        let outcome = watched(session, order, shared).await?;
        for report in &outcome.passed.entities {
            for (system, error) in &report.failures {
                let _ = shared.events.send(Event::Down(*system, error.clone().into()));
            }
        }
        runs::tell(session, &outcome, shared).await?;
        if self.remembered.is_none_or(|at| at.elapsed() >= REMEMBER_EVERY) {
            self.remembered = Some(tokio::time::Instant::now());
            let all = shared.awake.clone();
            restored::remember(session, &all, self.leaves_heartbeats).await?;
        }
        let over = Session::now();
        for (binding, mode) in modes {
            if mode != Mode::Heard {
                let every = self.asked(session, binding).map_or(30_000, |asking| asking.poll_ms);
                self.polled.insert(binding, over.plus_ms(every));
            }
        }
        for entity in &entities {
            self.reschedule(session, *entity, now);
        }
        shared.changed(&entities);
        Ok(Duration::ZERO)
    }

    /// An entity that an open guard holds, and that was not looked at for long.
    async fn guarded(
        &self,
        session: &Session,
        shared: &Shared,
    ) -> Result<Option<EntityIndex>, Failure> {
        let open = session.hub.guards(false).await?;
        let due = |entity: &EntityIndex| {
            let looked = self.looked.get(entity);
            shared.awake.contains(entity) && looked.is_none_or(|at| at.elapsed() >= GUARDED_EVERY)
        };
        // Who was restored is not looked at before a person has decided.
        let looked_at = open.iter().filter(|it| it.stops_entity() && it.code != guard::RESTORED);
        Ok(looked_at.map(|guard| guard.entity).find(due))
    }

    /// Looks at an entity that a guard holds, as `run` does: everything is read, and if no guard trips
    /// any more, it goes on. Its writers rest meanwhile.
    async fn look_whole(
        &mut self,
        session: &mut Session,
        shared: &Shared,
        entity: EntityIndex,
    ) -> Result<Duration, Failure> {
        self.looked.insert(entity, tokio::time::Instant::now());
        let all = passes::bindings(&session.plan, entity).into_iter();
        let order = Order {
            kind: "serve",
            entities: vec![entity],
            depth: Depth::Full,
            allow: Allow::default(),
            allow_partial: true,
            chooses: None,
            halves: Halves::Both,
            beside: Some(all.map(|binding| (binding, Mode::Scan)).collect()),
        };
        let mut outcome = watched(session, order, shared).await?;
        auto::after(session, &mut outcome).await?;
        runs::tell(session, &outcome, shared).await?;
        shared.changed(&[entity]);
        Ok(Duration::ZERO)
    }

    /// Whether something of this entity is to be read now, how, and when something is next.
    async fn due(
        &mut self,
        session: &Session,
        shared: &Shared,
        entity: EntityIndex,
        now: Timestamp,
    ) -> Result<(bool, BTreeMap<BindingIndex, Mode>, Option<Timestamp>), Failure> {
        let schedule = session.plan.entity(entity).map(|found| found.schedule.clone());
        let is_live = matches!(schedule, Some(Schedule::Live) | None);
        let (mut is_due, mut soonest) = (false, None::<Timestamp>);
        if !is_live {
            // The first time is at once where it is every so often, and at its time where it has one.
            if matches!(schedule, Some(Schedule::Cron(_))) {
                if !self.next.contains_key(&entity) {
                    self.reschedule(session, entity, now);
                }
            } else {
                self.next.entry(entity).or_insert(now);
            }
            soonest = self.next.get(&entity).copied();
            is_due = soonest.is_some_and(|next| next <= now);
        }
        let mut modes = BTreeMap::new();
        for binding in passes::bindings(&session.plan, entity) {
            if session.plan.is_held(binding) {
                // It is read with the rows that hold it.
                continue;
            }
            let Some(system) = session.plan.binding(binding).map(|found| found.system) else {
                continue;
            };
            modes.insert(binding, Mode::Heard);
            if session.systems.get(system.at()).is_none_or(Option::is_none) || (!is_live && !is_due)
            {
                continue;
            }
            let (compare, compared_next) = compare_due(session, binding, entity, now).await?;
            let asking = self.asked(session, binding);
            let is_told = shared.heard(system).is_some()
                || (shared.is_expected(system) && self.began.elapsed() < EXPECTED_MAX);
            let is_heard = is_told && is_live;
            let polls = !is_heard
                || asking.is_some_and(|it| it.beside && has_cursor(&session.plan, binding));
            let next_poll = self.polled.get(&binding).copied().unwrap_or(now);
            // What could not be read completely is not read again and again.
            let compare = compare && next_poll <= now;
            let poll_due = !is_live || (polls && next_poll <= now);
            let mode = match (compare, poll_due) {
                (true, _) => Mode::Scan,
                (false, true) if has_cursor(&session.plan, binding) => Mode::Poll,
                (false, true) => Mode::Scan,
                (false, false) => Mode::Heard,
            };
            is_due |= is_live && mode != Mode::Heard;
            modes.insert(binding, mode);
            if is_live {
                let next = if polls { Some(next_poll) } else { compared_next };
                soonest = soonest.into_iter().chain(next).min();
            }
        }
        if !is_due {
            for mode in modes.values_mut() {
                *mode = Mode::Heard;
            }
        }
        Ok((is_due, modes, soonest))
    }

    fn asked(&self, session: &Session, binding: BindingIndex) -> Option<Asking> {
        let system: SystemIndex = session.plan.binding(binding)?.system;
        self.asking.get(system.at()).copied()
    }

    /// When an entity with a schedule is taken next, after this time.
    fn reschedule(&mut self, session: &Session, entity: EntityIndex, now: Timestamp) {
        let Some(found) = session.plan.entity(entity) else { return };
        let next = match &found.schedule {
            Schedule::Live => None,
            Schedule::Every(ms) => Some(now.plus_ms(*ms)),
            Schedule::Cron(text) => cron::parse(text)
                .ok()
                .and_then(|cron| cron::next(&cron, now.0, &self.zone))
                .map(Timestamp),
        };
        match next {
            Some(next) => self.next.insert(entity, next),
            None => self.next.remove(&entity),
        };
    }
}

/// Does a pass, and tells of the whole reads in it while they go on.
async fn watched(
    session: &mut Session,
    order: Order<'_>,
    shared: &Shared,
) -> Result<pass::Outcome, Failure> {
    let (scans, hub) = (Scans::default(), session.hub.clone());
    let work = Box::pin(pass::run(session, order, &scans));
    watching::while_reading(&scans, &hub, shared, work).await
}

/// Whether a binding is to be read whole because that was long ago, and when it is to be otherwise.
async fn compare_due(
    session: &Session,
    binding: BindingIndex,
    entity: EntityIndex,
    now: Timestamp,
) -> Result<(bool, Option<Timestamp>), Failure> {
    let every = session.plan.entity(entity).and_then(|found| found.reconcile_ms);
    let Some(last) = scans::last(session, binding).await? else { return Ok((true, None)) };
    let next = every.map(|every| last.plus_ms(every));
    Ok((next.is_some_and(|next| next <= now), next))
}

/// Says how each entity is taken.
pub(super) fn say(session: &Session, shared: &Shared) {
    let words: Vec<String> = shared
        .awake
        .iter()
        .map(|entity| {
            let schedule = session.plan.entity(*entity).map(|found| found.schedule.clone());
            let how = match schedule {
                Some(Schedule::Every(ms)) => format!("every {}", crate::words::span(ms)),
                Some(Schedule::Cron(cron)) => format!("at {cron}"),
                Some(Schedule::Live) | None => "live".to_owned(),
            };
            format!("{} {how}", session.entity_name(*entity))
        })
        .collect();
    let message =
        if words.is_empty() { "nothing is kept in step".into() } else { words.join(", ") };
    shared.journal.say(Level::Info, "serve.entities", &message, json!({}));
}
