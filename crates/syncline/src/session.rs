//! What a command that works with the hub has at hand: the plan, the hub, and the systems that can
//! be reached.
//!
//! Long because everything that a session has is opened, and opened beside another, in one place.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use syncline_adapters::{
    clock::SystemClock,
    hashed,
    hub::{
        seal::Keyring,
        sqlite::{Open, SqliteHub},
    },
    settings::Kind,
};
use syncline_core::{
    name::{BindingIndex, EntityIndex, RunId, SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_engine::{
    desk::{Desk, Ports, Systems, Watch},
    pace::Paces,
    turns::Turns,
};
use syncline_ports::{
    catalog::Table, clock::Clock as _, reader::Reader as _, source::Source, target::Target,
};

use crate::{
    cli::Context,
    config::{self, Complaint, Live, Loaded, numbering},
    deeds, drift,
    exit::Exit,
    loan, measure, pace,
    progress::Progress,
    recovery,
    report::Failure,
};

/// How a command uses the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Looks only; another process may be writing.
    Look,
    /// The same, to say what the file says otherwise: also where the hub cannot be worked with by it.
    Compare,
    /// Writes; nobody else may. A daemon that works on the hub is asked to lend it.
    Write,
    /// The daemon: it lends the hub to others, and asks nobody.
    Keep,
}

/// Which systems a command reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// None: the hub alone.
    Hub,
    /// All that the configuration names.
    Systems,
}

/// What a command has at hand.
pub(crate) struct Session {
    /// The configuration as it is written, for places to point at.
    pub(crate) loaded: Loaded,
    /// The configuration, compiled against the live schemas where they were reached.
    pub(crate) plan: Arc<Plan>,
    /// The hub.
    pub(crate) hub: Arc<SqliteHub>,
    /// Open doors, one place per system.
    pub(crate) systems: Systems,
    /// Systems that could not be reached, and why.
    pub(crate) failures: Vec<(String, Failure)>,
    /// Fields that are paused in a system, because their column is gone there.
    pub(crate) drift: drift::Drift,
    /// Who works with it, for the books.
    pub(crate) who: String,
    /// Set by the first signal.
    pub(crate) stop: Arc<AtomicBool>,
    /// Whose turn it is to decide, where others in this process work on the same hub.
    pub(crate) turns: Option<Arc<Turns>>,
    /// How fast systems may be written, where that is bounded.
    pub(crate) paces: Arc<Paces>,
    /// The schemas of the systems that were reached.
    live: Option<Arc<Live>>,
    /// The daemon that works on this hub stands still for as long as this is kept. Dropped last.
    _lent: Option<loan::Lent>,
}

/// Which signal asked to stop, if one did.
static SIGNAL: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

impl Session {
    /// Opens the hub, and the systems that the command reaches.
    pub(crate) async fn open(context: &Context, usage: Use, reach: Reach) -> Result<Self, Failure> {
        // Whoever opens one need not have room for all that it takes meanwhile.
        Box::pin(Self::of(config::load(context)?, context, usage, reach)).await
    }

    /// The same, of a configuration that was read before. A hub that was restored is made to know what is
    /// there before anything else is done with it.
    pub(crate) async fn of(
        loaded: Loaded,
        context: &Context,
        usage: Use,
        reach: Reach,
    ) -> Result<Self, Failure> {
        let mut session = Self::raw(loaded, context, usage, reach).await?;
        if reach == Reach::Systems && matches!(usage, Use::Write | Use::Keep) {
            let progress = Progress::new("restore", context.progress);
            recovery::finish(&mut session, &progress).await?;
        }
        if matches!(usage, Use::Write | Use::Keep) {
            deeds::note_configuration(&session).await?;
            drift::remember(&session).await?;
        }
        if let Some(deed) = context.deed.as_ref().filter(|_| usage == Use::Write) {
            deeds::note(&session, deed).await?;
        }
        Ok(session)
    }

    /// The same, without that.
    pub(crate) async fn raw(
        loaded: Loaded,
        context: &Context,
        usage: Use,
        reach: Reach,
    ) -> Result<Self, Failure> {
        // Who is lent the hub has it for as long as this is kept.
        let lent = match usage {
            Use::Write => loan::ask(&loaded.hub_path(), context).await?,
            Use::Look | Use::Compare | Use::Keep => None,
        };
        let (live, mut failures) = match reach {
            Reach::Systems => look(&loaded).await,
            Reach::Hub => (None, Vec::new()),
        };
        let mut plan = match &live {
            Some(live) => loaded.plan(context, live)?,
            None => loaded.compile(None).0,
        };
        let keys = loaded.hub_keys().await?;
        let hub = Arc::new(open_hub(&loaded.hub_path(), usage, keys.as_ref())?);
        let drift = drift::pause(&mut plan, live.as_ref(), &loaded, &hub).await?;
        let stop = stop_on_signals();
        let mut systems: Systems = plan.systems.iter().map(|_| None).collect();
        if reach == Reach::Systems {
            let shared = Arc::new(plan.clone());
            for (index, place) in systems.iter_mut().enumerate() {
                let own = SystemIndex(u16::try_from(index).unwrap_or(u16::MAX));
                let Some(system) = plan.systems.get_mut(index) else { continue };
                if failures.iter().any(|(name, _)| *name == system.name.as_str()) {
                    continue;
                }
                let settings = loaded.settings(&system.name).await?;
                match syncline_adapters::open(&settings, shared.clone(), own).await {
                    Ok(connector) => {
                        system.class = connector.class;
                        let doors = (connector.source, connector.target);
                        *place =
                            Some(counted((&system.name, settings.kind), &shared, &hub, doors)?);
                    }
                    Err(error) => failures.push((system.name.to_string(), error.into())),
                }
            }
        }
        let paces = Arc::new(pace::of(&loaded.draft));
        let session = Self {
            paces,
            loaded,
            plan: Arc::new(plan),
            hub,
            systems,
            failures,
            drift,
            who: context.who.clone(),
            stop,
            turns: None,
            live: live.map(Arc::new),
            _lent: lent,
        };
        if usage != Use::Compare {
            numbering::check(&session).await?;
        }
        Ok(session)
    }

    /// Another session on the same hub, with doors of its own to the same systems, or to one of
    /// them.
    pub(crate) async fn beside(&self, only: Option<SystemIndex>) -> Result<Self, Failure> {
        let mut systems: Systems = self.plan.systems.iter().map(|_| None).collect();
        for (index, place) in systems.iter_mut().enumerate() {
            let own = SystemIndex(u16::try_from(index).unwrap_or(u16::MAX));
            let is_open = self.systems.get(index).is_some_and(Option::is_some);
            if !is_open || only.is_some_and(|only| only != own) {
                continue;
            }
            let settings = self.loaded.settings(self.system_name(own)).await?;
            // Who has gone away meanwhile is missed by whoever works with it next.
            if let Ok(open) = syncline_adapters::open(&settings, self.plan.clone(), own).await {
                let name = self.system_name(own);
                let doors = (open.source, open.target);
                *place = Some(counted((name, settings.kind), &self.plan, &self.hub, doors)?);
            }
        }
        Ok(Self {
            loaded: self.loaded.clone(),
            plan: self.plan.clone(),
            hub: self.hub.clone(),
            systems,
            failures: Vec::new(),
            drift: self.drift.clone(),
            who: self.who.clone(),
            stop: self.stop.clone(),
            turns: self.turns.clone(),
            paces: self.paces.clone(),
            live: self.live.clone(),
            _lent: None,
        })
    }

    /// The live table of this binding, if its system was reached.
    pub(crate) fn table(&self, binding: BindingIndex) -> Option<&Table> {
        let found = self.plan.binding(binding)?;
        let system = self.live.as_ref()?.get(self.system_name(found.system))?;
        system.tables.get(&found.table.table)?.as_ref()
    }

    /// What is wrong with systems: fields that are paused there, and those that could not be reached.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (String, Failure)> + '_ {
        let paused = self.drift.paused.iter().map(|it| (it.system.to_string(), it.failure()));
        paused.chain(self.failures.iter().cloned())
    }

    /// Columns that hold less than others of their field.
    pub(crate) fn narrow(&self) -> Vec<Complaint> {
        let live = self.live.as_deref();
        live.map(|live| self.loaded.narrow(&self.plan, live)).unwrap_or_default()
    }

    /// The time.
    pub(crate) fn now() -> Timestamp {
        SystemClock.now()
    }

    /// The name of an entity.
    pub(crate) fn entity_name(&self, entity: EntityIndex) -> &str {
        self.plan.entity(entity).map_or("?", |entity| &entity.name)
    }

    /// The name of a system.
    pub(crate) fn system_name(&self, system: SystemIndex) -> &str {
        self.plan.system(system).map_or("?", |system| &system.name)
    }

    /// The entity of this name, or all (child lists left out).
    pub(crate) fn entities(&self, name: Option<&str>) -> Result<Vec<EntityIndex>, Failure> {
        match name {
            Some(name) => {
                let found = self.plan.entity_named(name).filter(|index| {
                    self.plan.entity(*index).is_some_and(|entity| entity.parent.is_none())
                });
                found.map(|entity| vec![entity]).ok_or_else(|| self.unknown_entity(name))
            }
            None => Ok((0..self.plan.entities.len())
                .filter_map(|index| u16::try_from(index).ok().map(EntityIndex))
                .filter(|index| {
                    self.plan.entity(*index).is_some_and(|entity| entity.parent.is_none())
                })
                .collect()),
        }
    }

    fn unknown_entity(&self, name: &str) -> Failure {
        let known: Vec<&str> = self
            .plan
            .entities
            .iter()
            .filter(|entity| entity.parent.is_none())
            .map(|entity| entity.name.as_str())
            .collect();
        Failure::new("usage.unknown_entity", format!("there is no entity `{name}`"))
            .cause(format!("the configuration has {}", known.join(", ")))
            .fix("name one of them")
    }

    /// Whether somebody who is limited to these entities may have to do with this one.
    ///
    /// # Errors
    /// `server.role`.
    pub(crate) fn permits(
        &self,
        scope: Option<&[String]>,
        entity: EntityIndex,
    ) -> Result<(), Failure> {
        let name = self.entity_name(self.plan.root_of(entity));
        match scope {
            Some(names) if !names.iter().any(|known| known == name) => {
                let message = format!("whoever asks may not have to do with {name}");
                Err(Failure::new("server.role", message)
                    .cause(format!("the token is for {} only", names.join(", ")))
                    .done("nothing was read or changed")
                    .fix(format!("ask with a token for {name}")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A desk for one run, and the open doors beside it.
    pub(crate) fn desk<'a>(
        plan: &'a Plan,
        hub: &'a SqliteHub,
        watch: &'a dyn Watch,
        stop: &'a AtomicBool,
        run: RunId,
    ) -> Desk<'a> {
        Desk::new(plan, hub, &SystemClock, watch, stop, run).measured(measure::watcher())
    }

    /// How a stopped command ends.
    pub(crate) fn stopped(&self) -> Option<Exit> {
        stopped(&self.stop)
    }

    /// Pauses in force now.
    pub(crate) async fn pauses(&self) -> Result<Vec<syncline_ports::reader::Pause>, Failure> {
        let now = Self::now();
        let pauses = self.hub.pauses().await?;
        Ok(pauses.into_iter().filter(|pause| pause.until.is_none_or(|until| until > now)).collect())
    }
}

/// The doors of a system; what goes through them is counted, if this process counts. What is to be known as a
/// hash only is that by then.
///
/// # Errors
/// `hub.key_missing`, if there is something to hash, and a hub that is not sealed yet.
fn counted(
    (system, kind): (&str, Kind),
    plan: &Arc<Plan>,
    hub: &SqliteHub,
    (source, target): (Box<dyn Source>, Box<dyn Target>),
) -> Result<Ports, Failure> {
    let (source, target) = match (plan.hashed.is_empty(), hub.hash_key()) {
        (true, _) => (source, target),
        (false, Some(key)) => hashed::doors(plan, key, source, target),
        (false, None) => {
            return Err(Failure::new("hub.key_missing", "there is no key to hash with yet")
                .cause(
                    "the key of hashes is made with the first command that works with a sealed hub",
                )
                .done("nothing was read")
                .fix("syncline plan"));
        }
    };
    Ok(Ports {
        source: measure::source(system, kind, source),
        target: measure::target(system, kind, plan, target),
    })
}

/// What the systems say of the tables that the configuration names; and those that do not answer.
async fn look(loaded: &Loaded) -> (Option<Live>, Vec<(String, Failure)>) {
    let (mut live, mut failures) = (Live::new(), Vec::new());
    // All at once: those that do not answer are waited for together.
    let looks = loaded.systems().map(async |name| (name, config::look_at(loaded, name).await));
    for (name, found) in futures_util::future::join_all(looks).await {
        match found {
            Ok(found) => {
                live.insert(name.into(), found);
            }
            Err(failure) => failures.push((name.to_owned(), failure)),
        }
    }
    (Some(live), failures)
}

/// The failure of one system, named, as a command ends with it.
pub(crate) fn of_system(name: &str, failure: &Failure) -> Failure {
    let failure = named(name, failure);
    let fix = failure.parts.iter().find(|(label, _)| *label == "fix").map(|(_, fix)| fix.clone());
    match fix {
        Some(fix) if failure.code.starts_with("connect.") && !fix.contains("syncline doctor") => {
            failure.fix(format!("{fix} syncline doctor {name} says more"))
        }
        Some(_) | None => failure,
    }
}

/// The same, before there is a configuration that other commands could read.
pub(crate) fn named(name: &str, failure: &Failure) -> Failure {
    let mut failure = failure.clone().with_exit(Exit::Environment);
    failure.message = format!("{name}: {}", failure.message);
    failure
}

fn open_hub(path: &Path, usage: Use, keys: Option<&Keyring>) -> Result<SqliteHub, Failure> {
    let looks = matches!(usage, Use::Look | Use::Compare);
    if looks && !path.exists() {
        let failure = Failure::new("hub.missing", format!("there is no hub at {}", path.display()))
            .cause("nothing was synchronised yet, or `hub.path` names another place")
            .fix("syncline plan");
        return Err(failure);
    }
    let mode = match usage {
        Use::Look | Use::Compare => Open::ReadOnly,
        Use::Write | Use::Keep => Open::ReadWrite,
    };
    let hub = SqliteHub::open_with(path, mode, !looks, keys)?;
    if measure::here().is_some() {
        hub.time_commits(measure::committed_in);
    }
    Ok(hub)
}

/// What is said when a first signal was heard.
pub(crate) const STOPPING: &str = "stopping after the writes in flight; once more stops at once";

/// The first signal asks to stop after what is in flight; the second stops at once.
pub(crate) fn stop_on_signals() -> Arc<AtomicBool> {
    hear_signals(|| crate::report::note(STOPPING))
}

/// The same; how it is said that the first was heard is for the first to say who asks for this.
/// However many sessions a process opens, one listener hears the signals for all of them.
pub(crate) fn hear_signals(say: impl Fn() + Send + 'static) -> Arc<AtomicBool> {
    static STOP: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();
    let mut is_first = false;
    let stop = STOP.get_or_init(|| {
        is_first = true;
        Arc::new(AtomicBool::new(false))
    });
    let (stop, seen) = (stop.clone(), stop.clone());
    if !is_first {
        return stop;
    }
    tokio::spawn(async move {
        loop {
            let signal = next_signal().await;
            SIGNAL.store(signal, Ordering::Relaxed);
            let is_second = seen.swap(true, Ordering::Relaxed);
            ASKED.notify_waiters();
            if is_second {
                let exit = if signal == 15 { Exit::Terminated } else { Exit::Interrupted };
                crate::scratch::remove_all();
                // The hub holds every intent that was sent: the next run asks what became of them.
                std::process::exit(i32::from(exit.code()));
            }
            say();
        }
    });
    stop
}

/// Woken by the first signal.
static ASKED: tokio::sync::Notify = tokio::sync::Notify::const_new();

/// Waits for the first signal.
pub(crate) async fn stop_asked() {
    let asked = ASKED.notified();
    tokio::pin!(asked);
    asked.as_mut().enable();
    if !is_stopping() {
        asked.await;
    }
}

/// Whether a signal asked to stop.
pub(crate) fn is_stopping() -> bool {
    SIGNAL.load(Ordering::Relaxed) != 0
}

/// How a daemon ends that a signal stopped.
pub(crate) fn signalled() -> Option<Exit> {
    stopped(&AtomicBool::new(is_stopping()))
}

/// How a command ends that was asked to stop.
pub(crate) fn stopped(stop: &AtomicBool) -> Option<Exit> {
    match (stop.load(Ordering::Relaxed), SIGNAL.load(Ordering::Relaxed)) {
        (false, _) => None,
        (true, 15) => Some(Exit::Terminated),
        (true, _) => Some(Exit::Interrupted),
    }
}

#[cfg(unix)]
async fn next_signal() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return 2;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => 2,
        _ = terminate.recv() => 15,
    }
}

#[cfg(not(unix))]
async fn next_signal() -> u8 {
    let _ = tokio::signal::ctrl_c().await;
    2
}
