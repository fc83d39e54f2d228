//! How a shift begins and ends.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use serde_json::json;
use syncline_adapters::hub::sqlite::{Open, SqliteHub};
use syncline_adapters::settings::{Listening, Way};
use syncline_core::name::{EntityIndex, RunId, SystemIndex};
use syncline_engine::{desk::Unwatched, hear, recover};
use syncline_ports::{reader::Pause, reader::Reader as _, store::Store as _};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use crate::{
    approved,
    cli::Context,
    config::{self, Loaded},
    installation,
    pass::{
        paused,
        restored::{self, Heartbeats},
    },
    report::Failure,
    serve::{
        Options, asking, bookkeeper, copies, crier,
        door::Door,
        ear, hearer,
        hours::Hours,
        journal::{Journal, Level},
        notify::Notify,
        poller, returning,
        shift::{Event, Shared},
        stuck, teller, writer,
    },
    session::{Reach, Session, Use, of_system},
    times::Times,
};

/// What it takes to begin a shift.
pub(super) struct Start<'a> {
    pub(super) context: &'a Context,
    pub(super) loaded: &'a Loaded,
    pub(super) options: Options,
    pub(super) journal: &'a Journal,
    pub(super) notify: &'a Notify,
    pub(super) door: Option<&'a Door>,
    pub(super) is_first: bool,
}

/// A shift that is under way.
pub(super) struct Shift {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Systems that could not be opened, and why.
    pub(super) down: Vec<(String, Failure)>,
    /// When a pause ends by itself.
    pub(super) ends_at: Option<Instant>,
}

impl Start<'_> {
    /// Opens everything and sets the workers going.
    ///
    /// # Errors
    /// The hub's, and what is wrong with the configuration as the systems see it.
    pub(super) async fn shift(
        &self,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Shift, Failure> {
        let context = self.context;
        let mut session =
            Session::of(self.loaded.clone(), context, Use::Keep, Reach::Systems).await?;
        if self.options.paused {
            pause_all(&session).await?;
        }
        let awake = self.awake(&mut session).await?;
        // For `status`: whoever holds the hub under this name is the daemon.
        let own = format!("process {}", std::process::id());
        session.hub.set_note("serve", &own).await?;
        let zone = zone(self.loaded);
        let shared = Arc::new(Shared::new(
            session.plan.clone(),
            Times::of(self.loaded, &session.plan, zone.clone()),
            awake,
            self.journal.clone(),
            self.notify.clone(),
            events,
        ));
        session.stop = shared.halt.clone();
        session.turns = Some(Arc::default());
        if self.is_first {
            poller::say(&session, &shared);
        }
        self.say_drift(&session);
        // What was sent and not answered before is asked about before anything else is done.
        {
            let (plan, hub, stop) =
                (session.plan.clone(), session.hub.clone(), session.stop.clone());
            let desk = Session::desk(&plan, &hub, &Unwatched, &stop, RunId::default());
            recover::recover(&desk, &mut session.systems).await?;
        }
        let down = std::mem::take(&mut session.failures);
        let (mut workers, mut written) = (Vec::new(), stuck::Written::new());
        if !self.options.read_only {
            for (at, system) in self.loaded.draft.systems.iter().enumerate() {
                let index = SystemIndex(u16::try_from(at).unwrap_or(u16::MAX));
                if session.systems.get(at).is_none_or(Option::is_none) {
                    continue;
                }
                let own = session.beside(Some(index)).await?;
                let hours = system.hours.map(|(from, to)| Hours { from, to, zone: zone.clone() });
                written.insert(index, hours.clone());
                let at_work = shared.clone();
                workers.push(worker(&shared, async move || {
                    writer::write(own, index, hours, at_work).await;
                }));
            }
        }
        let asking = self.loaded.draft.systems.iter().map(|system| poller::Asking {
            poll_ms: system.detect.poll_ms,
            beside: system.detect.polls_beside,
        });
        // Before anybody asks a system that may be listened to in a moment.
        let ears = self.ears(&session, &shared).await?;
        let own = session.beside(None).await?;
        let (asking, at_work) = (asking.collect(), shared.clone());
        let heartbeats =
            if self.options.read_only { Heartbeats::LookedAt } else { Heartbeats::Left };
        workers.push(worker(&shared, async move || {
            poller::poll(own, asking, zone, heartbeats, at_work).await;
        }));
        let (hub, is_first, at_work) = (session.hub.clone(), self.is_first, shared.clone());
        workers.push(worker(&shared, async move || {
            stuck::watch(hub, written, is_first, at_work).await;
        }));
        let (hub, at_work) = (session.hub.clone(), shared.clone());
        workers.push(worker(&shared, async move || teller::tell(hub, at_work).await));
        if !self.loaded.draft.alerts.rules.is_empty() {
            let (loaded, plan) = (self.loaded.clone(), session.plan.clone());
            let at_work = shared.clone();
            workers.push(worker(&shared, async move || {
                crier::cry(loaded, plan, at_work).await;
            }));
        }
        let rest = self.loaded.draft.systems.iter().filter(|system| system.rest.is_some());
        let rest: Vec<String> = rest.map(|system| system.name.value.to_string()).collect();
        if !rest.is_empty() {
            let (hub, at_work) = (session.hub.clone(), shared.clone());
            workers.push(worker(&shared, async move || asking::watch(hub, rest, at_work).await));
        }
        if !session.drift.paused.is_empty() {
            let (loaded, paused) = (self.loaded.clone(), session.drift.paused.clone());
            let at_work = shared.clone();
            workers.push(worker(&shared, async move || {
                returning::watch(loaded, paused, at_work).await;
            }));
        }
        if let Some(door) = self.door {
            let (hub, refused, at_work) = (session.hub.clone(), door.refused(), shared.clone());
            workers.push(worker(&shared, async move || {
                bookkeeper::keep(hub, refused, at_work).await;
            }));
        }
        if self.loaded.draft.backup.every_ms.is_some() {
            let (loaded, at_work) = (Arc::new(self.loaded.clone()), shared.clone());
            let hub = session.hub.clone();
            workers.push(worker(&shared, async move || copies::keep(loaded, hub, at_work).await));
        }
        let ends_at = pauses_end(&session.pauses().await?);
        let at_work = shared.clone();
        workers.push(worker(&shared, async move || hearer::hear(session, ears, at_work).await));
        Ok(Shift { shared, workers, down, ends_at })
    }

    /// Entities that are kept in step: approved as they are now, and not paused whole.
    async fn awake(&self, session: &mut Session) -> Result<Vec<EntityIndex>, Failure> {
        let (mut awake, mut refused) = (Vec::new(), None);
        let mut asleep = paused::asleep(session).await?;
        let all = session.entities(None)?;
        restored::look(session, &all).await?;
        for guard in restored::resting(session).await? {
            self.refuse(session.entity_name(guard.entity), &restored::refusal(session, &guard));
            asleep.push(guard.entity);
        }
        let session = &*session;
        for entity in &all {
            let Some(found) = session.plan.entity(*entity) else { continue };
            let name = found.name.as_str();
            let approved = session.hub.approval(name).await?;
            if approved.is_none() && self.context.yes && self.is_first {
                approved::approve(session, *entity).await?;
            } else if approved.is_none() {
                let failure = Failure::new(
                    "guard.first_run",
                    format!("{name} has never been approved; nothing is written"),
                )
                .cause("the first synchronisation of an entity shows its plan and asks")
                .fix("syncline plan --out p.plan; then syncline apply p.plan; or syncline serve --yes");
                self.refuse(name, &failure);
                refused = refused.or(Some(failure));
                continue;
            } else if approved != Some(found.meaning) {
                let failure = changed(name);
                self.refuse(name, &failure);
                refused = refused.or(Some(failure));
                continue;
            } else {
                approved::remember(session, *entity).await?;
            }
            if !asleep.contains(entity) {
                awake.push(*entity);
            }
        }
        match refused {
            // A daemon that can do nothing at all says so by not starting.
            Some(failure) if self.is_first && awake.is_empty() && asleep.is_empty() => Err(failure),
            Some(_) | None => Ok(awake),
        }
    }

    /// Says which fields are paused because their column is gone, and which are not any more; each once.
    fn say_drift(&self, session: &Session) {
        let begun: BTreeSet<_> = session.drift.begun().collect();
        for paused in session.drift.paused.iter().filter(|it| self.is_first || begun.contains(it)) {
            let failure = of_system(&paused.system, &paused.failure());
            let more = json!({ "system": paused.system.as_str() });
            self.journal.failed(Level::Warn, &failure.code, &failure, &more);
        }
        for over in session.drift.over() {
            let more = json!({ "system": over.system.as_str() });
            self.journal.say(Level::Info, "field.resumed", &over.over(), more);
        }
    }

    fn refuse(&self, name: &str, failure: &Failure) {
        self.journal.failed(Level::Error, &failure.code, failure, &json!({ "entity": name }));
    }

    /// An ear for each system that can be listened to.
    async fn ears(
        &self,
        session: &Session,
        shared: &Arc<Shared>,
    ) -> Result<Vec<ear::Ear>, Failure> {
        let installation = installation::of(session).await?;
        let paused = session.pauses().await?;
        let mut ears = Vec::new();
        for (at, draft) in self.loaded.draft.systems.iter().enumerate() {
            let system = SystemIndex(u16::try_from(at).unwrap_or(u16::MAX));
            let name = draft.name.value.as_str();
            let is_paused = paused.iter().any(|it| it.name == name && !it.writes_only);
            let is_open = session.systems.get(at).is_some_and(Option::is_some);
            let calls = draft.detect.webhook.as_ref().zip(self.door);
            let is_silent = draft.detect.ways.is_empty() && !draft.detect.is_auto;
            if !is_open || is_paused || (is_silent && calls.is_none()) {
                continue;
            }
            let ways: Vec<Option<Way>> = if draft.detect.is_auto {
                vec![None]
            } else {
                draft.detect.ways.iter().copied().map(Some).collect()
            };
            let one = |way| Listening {
                name: format!("syncline_{installation}_{}", plain(name)),
                way,
                max_retained: draft.max_retained,
            };
            let stream = hear::stream_name(&session.plan, system);
            let place = ear::Place {
                settings: self.loaded.settings(name).await?,
                plan: session.plan.clone(),
                system,
                ways: ways.into_iter().map(one).collect(),
                calls: calls.map(|(webhook, door)| ear::Calls {
                    hook: Arc::new(webhook.hook.clone()),
                    inbox: door.inbox(),
                    hub: self.loaded.hub_path(),
                }),
                from: session.hub.checkpoint(&stream).await?,
            };
            shared.expect(system);
            ears.push(ear::listen(place, shared.wake_hearer.clone()));
        }
        Ok(ears)
    }
}

impl Shift {
    /// The name of a system.
    pub(super) fn name(&self, system: SystemIndex) -> String {
        let found = self.shared.plan.system(system);
        found.map(|system| system.name.to_string()).unwrap_or_default()
    }

    /// The system of this name.
    pub(super) fn index(&self, name: &str) -> Option<SystemIndex> {
        self.shared.plan.system_named(name)
    }

    /// Ends it. Whether all workers have ended in time; those that have not are given up.
    pub(super) async fn end(self, at_most: Duration) -> bool {
        self.shared.end();
        let deadline = Instant::now() + at_most;
        let mut all = true;
        for mut worker in self.workers {
            if tokio::time::timeout_at(deadline, &mut worker).await.is_err() {
                all = false;
                self.shared.give_up();
                // It ends where it waits, and lets go of the hub.
                let _ended = worker.await;
            }
        }
        all
    }
}

/// Sets a worker going, on a thread of its own: one that has much to think about keeps nobody waiting.
fn worker<F>(shared: &Arc<Shared>, work: F) -> JoinHandle<()>
where
    F: AsyncFnOnce() + Send + 'static,
{
    let (runtime, shared) = (tokio::runtime::Handle::current(), shared.clone());
    tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                () = work() => {}
                () = shared.given_up() => {}
            }
        });
    })
}

/// Whether the hub does not open with the keys that are known.
pub(super) fn is_of_keys(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "hub.key_wrong" | "hub.key_missing")
}

/// The configuration as it stands in the file now, if every entity still means what was approved.
pub(super) async fn reload(context: &Context, known: &Loaded) -> Result<Loaded, Failure> {
    let loaded = config::load(context)?;
    if known.draft.hub_key.is_some() {
        // Who could not open the hub with these keeps those that it has.
        let keys = loaded.hub_keys().await?;
        SqliteHub::open_with(&known.hub_path(), Open::ReadOnly, false, keys.as_ref())?;
    }
    let session = match Session::of(known.clone(), context, Use::Look, Reach::Hub).await {
        // Its key was changed already.
        Err(failure) if is_of_keys(&failure) => {
            Session::of(loaded.clone(), context, Use::Look, Reach::Hub).await?
        }
        session => session?,
    };
    let (plan, _) = loaded.compile(None);
    for entity in plan.entities.iter().filter(|entity| entity.parent.is_none()) {
        let approved = session.hub.approval(&entity.name).await?;
        if approved.is_some_and(|approved| approved != entity.meaning) {
            return Err(changed(&entity.name));
        }
    }
    if loaded.hub_path() != known.hub_path() {
        let failure = Failure::new("guard.config_changed", "`hub.path` names another hub")
            .fix("stop the daemon and start it again");
        return Err(failure);
    }
    Ok(loaded)
}

fn changed(name: &str) -> Failure {
    Failure::new(
        "guard.config_changed",
        format!("the meaning of {name} changed in the configuration"),
    )
    .cause("its scope, keys, match or cells are not those that were approved")
    .done("nothing of it is written")
    .fix(format!("syncline plan {name} --out p.plan; then syncline apply p.plan"))
}

/// Pauses every entity that is not.
async fn pause_all(session: &Session) -> Result<(), Failure> {
    let known = session.hub.pauses().await?;
    for entity in session.entities(None)? {
        let name = session.entity_name(entity);
        if known.iter().all(|pause| pause.name != name) {
            let since = Session::now();
            let pause = Pause { name: name.into(), writes_only: false, until: None, since };
            session.hub.pause(&pause).await?;
        }
    }
    Ok(())
}

/// When the first pause ends by itself.
fn pauses_end(pauses: &[Pause]) -> Option<Instant> {
    let now = Session::now();
    let first = pauses.iter().filter_map(|pause| pause.until).min()?;
    let micros = (first.0 - now.0).max(0).unsigned_abs();
    Some(Instant::now() + Duration::from_micros(micros) + Duration::from_millis(10))
}

/// The zone of times of day in the file.
fn zone(loaded: &Loaded) -> TimeZone {
    let named = loaded.draft.timezone.as_ref().map(|zone| zone.value.as_str());
    named.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// A name as every system takes it in the names of things.
fn plain(name: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' }
    };
    name.chars().map(letter).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_every_system_takes_them() {
        assert_eq!(plain("CRM-2 éu"), "crm_2__u");
        assert_eq!(plain(&"x".repeat(50)).len(), 20);
    }
}
