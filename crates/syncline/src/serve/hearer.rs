//! Deals with what the ears hear, at once: the rows are read, and what that means is decided. Rows that
//! must be read again for any other reason are read here, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use syncline_core::{
    change::Position,
    commit::Disposition,
    name::{EntityIndex, RunId, SystemIndex, Timestamp},
    plan::Schedule,
};
use syncline_engine::{
    apply::Everything,
    capture::Mode,
    hear::{Gathered, Rows},
    measure::Found,
    pass::{Allow, EntityPassed, Errand, bindings, live},
};
use syncline_ports::{listener::Retained, reader::Reader as _, store::Store as _};
use tokio::time::Instant;

use crate::{
    measure,
    pass::{restored, scans},
    report::Failure,
    serve::{
        ear::{Ear, Told},
        journal::Level,
        listening::{self, Listened},
        outbox::Carriage,
        runs,
        shift::{Event, Shared},
    },
    session::Session,
    traces, words,
};

/// So many rows are dealt with together, if so many were heard of.
const ROWS: usize = 16_000;
/// How often it is looked whether rows must be read again.
const AGAIN_EVERY: Duration = Duration::from_secs(1);
/// How far a system was heard is put on record this often: what came since is heard again after a
/// crash.
const RECORD_EVERY: Duration = Duration::from_millis(250);
/// The same, while nothing is heard.
const IDLE_EVERY: Duration = Duration::from_secs(20);
/// Rows that cannot be decided about for so long wait for the next full comparison.
const LATER_MAX: Duration = Duration::from_secs(300);
/// A run of living traffic ends when nothing has come for so long, or after so long.
const QUIET: Duration = Duration::from_secs(2);
const RUN_MAX: Duration = Duration::from_secs(60);

/// Hears until the shift ends.
pub(super) async fn hear(mut session: Session, ears: Vec<Ear>, shared: Arc<Shared>) {
    let ears = ears.into_iter().map(|ear| Hearing {
        ear,
        word: None,
        upto: None,
        was_idle: true,
        later: Rows::new(),
        since: None,
        recorded: Instant::now(),
        keeps: Retained::default(),
        lag_ms: None,
    });
    let mut hearer = Hearer {
        ears: ears.collect(),
        runs: BTreeMap::new(),
        again: None,
        looked: None,
        missed: BTreeSet::new(),
    };
    while !shared.is_over() {
        match hearer.once(&mut session, &shared).await {
            Ok(true) => {}
            Ok(false) => shared.rest(&shared.wake_hearer, AGAIN_EVERY).await,
            Err(failure) => {
                shared.broke(failure);
                break;
            }
        }
    }
    // The hub may be what failed: a run that stays open says so by that.
    let _closed = hearer.close(&session, &shared, |_| true).await;
}

struct Hearing {
    ear: Ear,
    word: Option<&'static str>,
    /// How far it was dealt with, not on record yet.
    upto: Option<Position>,
    /// Since that was put on record last, only time has passed.
    was_idle: bool,
    /// Rows that must be dealt with again first, and since when there are any.
    later: Rows,
    since: Option<Instant>,
    recorded: Instant,
    keeps: Retained,
    /// How long the last changes took from their commit until they were dealt with.
    lag_ms: Option<i64>,
}

impl Hearing {
    /// These rows must be dealt with again.
    fn waits(&mut self, later: Rows) {
        for (binding, rows) in later {
            let waiting = self.later.entry(binding).or_default();
            for (key, changes) in rows {
                let known = waiting.entry(key).or_default();
                *known = known.saturating_add(changes);
            }
        }
    }
}

/// A run of living traffic.
struct Running {
    id: RunId,
    /// What set it going.
    trigger: &'static str,
    began: Timestamp,
    opened: Instant,
    last: Instant,
    heard: u64,
    changed: u64,
    superseded: u64,
}

struct Hearer {
    ears: Vec<Hearing>,
    runs: BTreeMap<EntityIndex, Running>,
    again: Option<Instant>,
    /// When it was last looked whether a system was restored.
    looked: Option<Instant>,
    /// Entities of which something was missed in this shift: it is on record that they are compared.
    missed: BTreeSet<EntityIndex>,
}

impl Hearer {
    /// Deals with what was heard. Whether there was something.
    async fn once(&mut self, session: &mut Session, shared: &Shared) -> Result<bool, Failure> {
        let mut busy = false;
        for at in 0..self.ears.len() {
            busy |= self.listen(at, session, shared).await?;
        }
        if self.again.is_none_or(|at| at.elapsed() >= AGAIN_EVERY) {
            self.again = Some(Instant::now());
            busy |= self.read_again(session, shared).await?;
        }
        self.close(session, shared, |run| {
            let is_quiet = run.last.elapsed() >= QUIET && !shared.outbox.is_waiting(run.id);
            is_quiet || run.opened.elapsed() >= RUN_MAX
        })
        .await?;
        Ok(busy)
    }

    /// Takes what one ear has told.
    async fn listen(
        &mut self,
        at: usize,
        session: &mut Session,
        shared: &Shared,
    ) -> Result<bool, Failure> {
        let Some(hearing) = self.ears.get_mut(at) else { return Ok(false) };
        let system = hearing.ear.system;
        let (mut gathered, mut upto, mut oldest) = (Gathered::default(), None, None::<Timestamp>);
        while gathered.len() < ROWS {
            let Ok(told) = hearing.ear.told.try_recv() else { break };
            match told {
                Told::News(heard) => {
                    let times = heard.hints.iter().filter_map(|hint| hint.at);
                    oldest = oldest.into_iter().chain(times).min();
                    traces::heard(session.system_name(system), &heard.hints);
                    gathered.add(heard.hints);
                    upto = Some(heard.upto);
                }
                Told::Keeps(keeps) => {
                    hearing.keeps = keeps;
                    remember(session, hearing, system).await?;
                }
                Told::Listens { word, from, anew } => {
                    listening::begins(session, shared, system, word, from, anew.map(Failure::from))
                        .await?;
                    hearing.word = Some(word);
                    remember(session, hearing, system).await?;
                }
                Told::Deaf(error) => {
                    hearing.word = None;
                    remember(session, hearing, system).await?;
                    listening::deaf(session, shared, system, error.into());
                }
            }
        }
        // What waits for a table to be read is heard again after that.
        let is_read = session.turns.as_ref().is_some_and(|turns| turns.is_read(system));
        if !is_read {
            gathered.again(std::mem::take(&mut hearing.later));
        }
        if gathered.is_empty() {
            hearing.upto = upto.or(hearing.upto.take());
            self.record(at, session).await?;
            return Ok(false);
        }
        hearing.was_idle = false;
        let is_new = gathered.heard > 0;
        shared.notify.beat();
        if self.looked.is_none_or(|at| at.elapsed() >= AGAIN_EVERY) {
            self.looked = Some(Instant::now());
            if restored::look(session, &shared.awake).await? {
                // Nothing of this is dealt with: the next shift leaves their entities alone.
                let _ = shared.events.send(Event::Back);
                return Ok(false);
            }
        }
        let dealt = self.deal(system, gathered, session, shared).await?;
        let Some(hearing) = self.ears.get_mut(at) else { return Ok(false) };
        hearing.upto = upto.or(hearing.upto.take());
        match dealt {
            Some(later) if later.is_empty() => {
                hearing.since = None;
                // Their clock may be ahead of ours.
                let lag = oldest.map(|at| (Session::now().0 - at.0).max(0) / 1_000);
                hearing.lag_ms = lag.or(hearing.lag_ms);
            }
            Some(later) => {
                if is_read {
                    hearing.since = None;
                }
                let since = *hearing.since.get_or_insert_with(Instant::now);
                if since.elapsed() < LATER_MAX {
                    hearing.waits(later);
                } else {
                    hearing.since = None;
                    let name = session.system_name(system);
                    let (message, more) = listening::given_up(name, &later, LATER_MAX);
                    shared.journal.say(Level::Warn, "hear.given_up", &message, more);
                }
            }
            // It is opened anew, and heard again from where it was put on record.
            None => hearing.upto = None,
        }
        self.record(at, session).await?;
        Ok(is_new)
    }

    /// Puts on record how far a system was heard and dealt with, now and then: it may forget that.
    async fn record(&mut self, at: usize, session: &Session) -> Result<(), Failure> {
        let Some(hearing) = self.ears.get_mut(at) else { return Ok(()) };
        let every = if hearing.was_idle { IDLE_EVERY } else { RECORD_EVERY };
        if hearing.recorded.elapsed() < every || !hearing.later.is_empty() {
            return Ok(());
        }
        if let Some(upto) = hearing.upto.take() {
            listening::record(session, hearing.ear.system, upto.clone()).await?;
            hearing.recorded = Instant::now();
            hearing.was_idle = true;
            hearing.ear.done.send_replace(Some(upto));
        }
        Ok(())
    }

    /// Reads what was heard of, and decides what it means. Gives what must be dealt with again; `None`
    /// if not everything could be read.
    async fn deal(
        &mut self,
        system: SystemIndex,
        gathered: Gathered,
        session: &mut Session,
        shared: &Shared,
    ) -> Result<Option<Rows>, Failure> {
        let roots: BTreeSet<EntityIndex> = gathered
            .bindings()
            .filter_map(|binding| live::root_of(&session.plan, binding))
            .collect();
        let ear = self.ears.iter().find(|hearing| hearing.ear.system == system);
        let trigger = runs::trigger(ear.and_then(|hearing| hearing.word));
        let mut entities = Vec::new();
        for root in roots {
            let schedule = session.plan.entity(root).map(|found| &found.schedule);
            match (shared.awake.contains(&root), schedule) {
                (true, Some(Schedule::Live)) => {
                    entities.push((root, self.run(session, root, trigger).await?));
                }
                // It has times of its own, and reads everything that changed then.
                (true, Some(Schedule::Every(_) | Schedule::Cron(_)) | None) => {}
                (false, _) => {
                    // What is missed while it is paused, or not approved, is found by comparing.
                    if self.missed.insert(root) {
                        for binding in bindings(&session.plan, root) {
                            scans::forget(session, binding).await?;
                        }
                    }
                }
            }
        }
        let heard = gathered.heard;
        let carriage = Carriage::of(session, shared, &entities, gathered.len()).await?;
        let dealt = {
            let (plan, hub, stop) =
                (session.plan.clone(), session.hub.clone(), session.stop.clone());
            let turns = session.turns.clone();
            let desk = Session::desk(&plan, &hub, &shared.stopwatch, &stop, RunId::default())
                .beside(turns.as_deref())
                .carried_by(Some(&carriage))
                .found(Found::Heard);
            let errand = Errand {
                entities: entities.clone(),
                modes: BTreeMap::new(),
                allow: Allow::default(),
                chooses: &Everything,
                closed: Vec::new(),
            };
            live::hear(&desk, &mut session.systems, &errand, gathered).await?
        };
        let live::Dealt { passed, is_complete, later } = dealt;
        let mut changed = Vec::new();
        for report in &passed.entities {
            self.account(session, shared, report).await?;
            changed.push(report.entity);
        }
        if !is_complete {
            let name = session.system_name(system);
            let message = format!("{heard} changes of {name} wait: they could not all be read");
            shared.journal.say(Level::Warn, "hear.waits", &message, json!({ "system": name }));
            // They are heard again after it was opened anew.
            let failures = passed.entities.iter().flat_map(|report| &report.failures);
            for (system, error) in failures {
                let _ = shared.events.send(Event::Down(*system, error.clone().into()));
            }
        }
        shared.changed(&changed);
        Ok(is_complete.then_some(later))
    }

    /// Rows that must be read again: what a write's answer or a busy moment has left open.
    async fn read_again(
        &mut self,
        session: &mut Session,
        shared: &Shared,
    ) -> Result<bool, Failure> {
        let mut waiting = Vec::new();
        for entity in shared.awake.iter().copied() {
            let lists = session.plan.entity(entity).map(|found| found.lists.clone());
            for own in std::iter::once(entity).chain(lists.unwrap_or_default()) {
                if !session.hub.must_read(own, None, 1).await?.is_empty() {
                    waiting.push((entity, self.run(session, entity, "live").await?));
                    break;
                }
            }
        }
        if waiting.is_empty() {
            return Ok(false);
        }
        let passed = {
            let (plan, hub, stop) =
                (session.plan.clone(), session.hub.clone(), session.stop.clone());
            let turns = session.turns.clone();
            let desk = Session::desk(&plan, &hub, &shared.stopwatch, &stop, RunId::default())
                .beside(turns.as_deref())
                .found(Found::Heard);
            let all = waiting.iter().flat_map(|(entity, _)| bindings(&plan, *entity));
            let errand = Errand {
                entities: waiting.clone(),
                modes: all.map(|binding| (binding, Mode::Heard)).collect(),
                allow: Allow::default(),
                chooses: &Everything,
                closed: Vec::new(),
            };
            syncline_engine::pass::observe_all(&desk, &mut session.systems, &errand).await?
        };
        let mut learnt = Vec::new();
        for report in &passed.entities {
            if report.count(Disposition::Applied) > 0 {
                learnt.push(report.entity);
            }
            self.account(session, shared, report).await?;
        }
        shared.changed(&learnt);
        // What cannot be read now is tried again after a rest.
        Ok(!learnt.is_empty())
    }

    /// The open run of this entity's living traffic.
    async fn run(
        &mut self,
        session: &Session,
        entity: EntityIndex,
        trigger: &'static str,
    ) -> Result<RunId, Failure> {
        if let Some(run) = self.runs.get_mut(&entity) {
            run.last = Instant::now();
            return Ok(run.id);
        }
        let began = Session::now();
        let id = session.hub.begin_run("serve", trigger, Some(entity), began).await?;
        let (opened, last) = (Instant::now(), Instant::now());
        self.runs.insert(
            entity,
            Running { id, trigger, began, opened, last, heard: 0, changed: 0, superseded: 0 },
        );
        Ok(id)
    }

    /// Enters into the books what came of an entity.
    async fn account(
        &mut self,
        session: &Session,
        shared: &Shared,
        report: &EntityPassed,
    ) -> Result<(), Failure> {
        if let Some(run) = self.runs.get_mut(&report.entity) {
            run.heard += report.account.observed.values().sum::<u64>();
            run.superseded += report.count(Disposition::Superseded);
            run.changed +=
                report.count(Disposition::Applied) + report.count(Disposition::ConflictLost);
        }
        measure::with(|it| it.passed(&session.plan, report));
        Box::pin(runs::tell_guards(session, shared, report)).await
    }

    /// Closes the runs that are over.
    async fn close(
        &mut self,
        session: &Session,
        shared: &Shared,
        is_over: impl Fn(&Running) -> bool,
    ) -> Result<(), Failure> {
        let over: Vec<EntityIndex> =
            self.runs.iter().filter(|(_, run)| is_over(run)).map(|(entity, _)| *entity).collect();
        for entity in over {
            let Some(run) = self.runs.remove(&entity) else { continue };
            let name = session.entity_name(entity);
            let now = Session::now();
            // Changes that came to nothing are on the books; our own writes that were heard are not.
            let written = shared.outbox.of_run(run.id);
            let spans = shared.stopwatch.take(run.id, run.began);
            if run.changed + run.superseded == 0 && written.is_empty() {
                session.hub.drop_run(run.id).await?;
            } else {
                let took = words::span((now.0 - run.began.0) / 1_000);
                let superseded = match run.superseded {
                    0 => String::new(),
                    more => format!(", {} superseded", words::count(more)),
                };
                let line = format!(
                    "{}  {name:<10}  {} changed of {} heard of{superseded}  {took}",
                    run.id,
                    words::count(run.changed),
                    words::count(run.heard)
                );
                let counts = written.into_iter();
                let counts: Vec<_> = counts
                    .map(|(system, it)| (system, it.inserts, it.updates, it.deletes))
                    .collect();
                session.hub.note_spans(run.id, &spans).await?;
                session.hub.end_run(run.id, now, "ok", &line, &counts).await?;
                measure::with(|it| it.ran(name, run.trigger, "ok", (now.0 - run.began.0) / 1_000));
                let more = json!({ "entity": name, "run": run.id.to_string(), "changed": run.changed, "heard": run.heard, "superseded": run.superseded });
                shared.journal.say(Level::Info, "heard", &line, more);
            }
            session.hub.set_note(&format!("success:{name}"), &now.0.to_string()).await?;
        }
        Ok(())
    }
}

/// Remembers for `status` how a system is listened to.
async fn remember(
    session: &Session,
    hearing: &Hearing,
    system: SystemIndex,
) -> Result<(), Failure> {
    let listened = hearing.word.map(|word| Listened {
        word: word.to_owned(),
        at: Session::now(),
        bytes: hearing.keeps.bytes,
        lag_ms: hearing.lag_ms,
    });
    listening::remember(session, session.system_name(system), listened.as_ref()).await
}
