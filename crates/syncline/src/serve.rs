//! `syncline serve`: keeps everything in step for as long as it runs.
//!
//! The daemon works in shifts. A shift opens the hub and the systems and sets its workers going: an
//! ear for each system that can be listened to, one who deals with what they hear, one who asks the
//! systems that tell nothing, and one writer for each system. It ends when somebody borrows the hub,
//! when the configuration is read anew, when a system came back, or with the daemon; the next one
//! finds everything in the hub.

pub(crate) mod asking;
mod bookkeeper;
mod copies;
mod crier;
pub(crate) mod door;
mod ear;
mod greeting;
mod hearer;
mod hours;
pub(crate) mod journal;
pub(crate) mod listening;
mod notify;
mod outbox;
mod poller;
mod returning;
mod runs;
mod shift;
mod start;
pub(crate) mod stuck;
mod teller;
pub(crate) mod watching;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use syncline_adapters::hub::{envelope::Envelope, outbox::Outbox};
use syncline_engine::backoff;
use tokio::sync::{mpsc, watch};

use crate::{
    alerts, beside,
    cli::Context,
    config::{self, Loaded},
    exit::Exit,
    loan, measure,
    report::{Answer, Failure},
    serve::{
        door::Door,
        journal::{Journal, Level},
        notify::Notify,
        shift::Event,
        start::{Shift, Start},
    },
    session, traces,
};

/// What the command line says of a daemon.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Everything is paused until `resume`.
    pub(crate) paused: bool,
    /// Nothing is written.
    pub(crate) read_only: bool,
    /// Where to be called over HTTP.
    pub(crate) listen: Option<std::net::SocketAddr>,
}

/// How long the workers of a shift may take to end.
const END_MAX: Duration = Duration::from_secs(90);
/// How long the last traces may take to be sent.
const TRACES_MAX: Duration = Duration::from_secs(4);
/// A system that has answered for so long starts anew with its patience.
const FORGIVEN: Duration = Duration::from_secs(120);

/// Runs until it is told to stop.
pub(crate) async fn serve(context: &Context, options: Options) -> Result<Answer, Failure> {
    measure::begin();
    let mut daemon = Daemon {
        context: context.clone(),
        options,
        loaded: config::load(context)?,
        journal: Journal::new(context),
        notify: Notify::new(),
        desk: None,
        door: None,
        postman: None,
        tracing: None,
        is_first: true,
        failures: BTreeMap::new(),
    };
    let hangup = hangups();
    // The first signal is heard from here on.
    let journal = daemon.journal.clone();
    let say = move || journal.say(Level::Info, "serve.stopping", session::STOPPING, json!({}));
    let _stop = session::hear_signals(say);
    // Who began it need not have room for all that it keeps.
    Box::pin(daemon.run(hangup)).await
}

struct Daemon {
    context: Context,
    options: Options,
    loaded: Loaded,
    journal: Journal,
    notify: Notify,
    /// Where others ask for the hub.
    desk: Option<loan::Desk>,
    /// Where systems call.
    door: Option<Door>,
    /// Who sends what is to be told.
    postman: Option<tokio::task::JoinHandle<()>>,
    /// Who sends traces, and how it is told to end.
    tracing: Option<(tokio::task::JoinHandle<()>, watch::Sender<bool>)>,
    is_first: bool,
    /// How often each system failed in a row, and when the last time.
    failures: BTreeMap<String, (u32, tokio::time::Instant)>,
}

/// Why a shift ended.
enum Why {
    /// A signal.
    Stop,
    /// Somebody wants the hub.
    Lend(loan::Borrower),
    /// The configuration is to be read anew.
    Reload,
    /// The same, and somebody waits for it.
    Anew(loan::Asker),
    /// A system came back, or something else asks for a fresh start.
    Again,
    /// The hub failed.
    Broke(Failure),
}

impl Daemon {
    async fn run(&mut self, mut hangup: mpsc::Receiver<()>) -> Result<Answer, Failure> {
        let mut broke = 0;
        self.door =
            Door::open(&self.context, &self.loaded, self.options.listen, &self.journal).await?;
        self.renew_postman().await?;
        self.renew_tracing().await?;
        let watch = tokio::spawn(self.notify.clone().watch(self.longest()));
        let pictures = tokio::spawn(measure::series::keep(self.loaded.hub_path()));
        let outcome = loop {
            if session::is_stopping() {
                break Ok(());
            }
            let (tell, mut events) = mpsc::unbounded_channel();
            let start = Start {
                context: &self.context,
                loaded: &self.loaded,
                options: self.options,
                journal: &self.journal,
                notify: &self.notify,
                door: self.door.as_ref(),
                is_first: self.is_first,
            };
            let mut shift = match start.shift(tell.clone()).await {
                Ok(shift) => shift,
                Err(failure) if self.is_first => break Err(failure),
                Err(failure) => {
                    // Somebody else has the hub just now, or a disk is full: it is tried again.
                    broke += 1;
                    Box::pin(self.wait_after(broke, &failure)).await;
                    continue;
                }
            };
            if self.desk.is_none() {
                match loan::Desk::open(&self.loaded.hub_path()) {
                    Ok(desk) => self.desk = Some(desk),
                    Err(error) => {
                        let message = format!("commands cannot borrow the hub: {error}");
                        self.journal.say(Level::Warn, "serve.socket", &message, json!({}));
                    }
                }
            }
            if self.is_first {
                self.notify.tell("READY=1");
                self.journal.say(Level::Info, "serve.ready", &ready(), json!({}));
            }
            self.is_first = false;
            self.options.paused = false;
            for (name, failure) in std::mem::take(&mut shift.down) {
                self.down(&name, &failure, &shift, &tell);
            }
            let why = self.work(&mut shift, &mut events, &tell, &mut hangup).await;
            self.end(shift).await;
            match why {
                Why::Stop => break Ok(()),
                Why::Again => broke = 0,
                Why::Lend(borrower) => {
                    let message = format!("the hub is lent to {}", borrower.name);
                    self.journal.say(Level::Info, "serve.lends", &message, json!({}));
                    let stopped = session::stop_asked();
                    tokio::select! {
                        () = borrower.lend() => {}
                        () = stopped => {}
                    }
                    broke = 0;
                }
                Why::Reload => {
                    let _is_said = Box::pin(self.reload()).await;
                }
                Why::Anew(asker) => {
                    let read = Box::pin(self.reload()).await;
                    asker.answer(read).await;
                }
                Why::Broke(failure) => {
                    broke += 1;
                    Box::pin(self.wait_after(broke, &failure)).await;
                }
            }
        };
        watch.abort();
        pictures.abort();
        Box::pin(measure::series::write(&self.loaded.hub_path())).await;
        if let Some(postman) = self.postman.take() {
            postman.abort();
        }
        if let Some(door) = self.door.take() {
            door.close().await;
        }
        self.end_tracing().await;
        self.notify.tell("STOPPING=1");
        outcome?;
        let exit = session::signalled().unwrap_or(Exit::Terminated);
        self.journal.say(Level::Info, "serve.stopped", "stopped", json!({}));
        Ok(Answer::new("stopped; what was in flight is finished, positions are kept")
            .with_exit(exit))
    }

    /// Waits for what ends the shift.
    async fn work(
        &mut self,
        shift: &mut Shift,
        events: &mut mpsc::UnboundedReceiver<Event>,
        tell: &mpsc::UnboundedSender<Event>,
        hangup: &mut mpsc::Receiver<()>,
    ) -> Why {
        let mut probed = BTreeSet::new();
        loop {
            let asked = async {
                match &self.desk {
                    Some(desk) => desk.next().await,
                    None => std::future::pending().await,
                }
            };
            let until = shift.ends_at.unwrap_or_else(far);
            let event = tokio::select! {
                () = session::stop_asked() => return Why::Stop,
                asked = asked => match asked {
                    loan::Asked::Hub(borrower) => return Why::Lend(borrower),
                    loan::Asked::Anew(asker) => return Why::Anew(asker),
                },
                Some(()) = hangup.recv() => return Why::Reload,
                () = tokio::time::sleep_until(until) => return Why::Again,
                Some(event) = events.recv() => event,
            };
            match event {
                Event::Back => return Why::Again,
                Event::Broke(failure) => return Why::Broke(failure),
                Event::Down(system, failure) => {
                    let name = shift.name(system);
                    if probed.insert(name.clone()) {
                        self.down(&name, &failure, shift, tell);
                    }
                }
            }
        }
    }

    /// A system is down: it is asked now and then whether it is there again.
    fn down(
        &mut self,
        name: &str,
        failure: &Failure,
        shift: &Shift,
        tell: &mpsc::UnboundedSender<Event>,
    ) {
        let now = tokio::time::Instant::now();
        let known = self.failures.entry(name.to_owned()).or_insert((0, now));
        if known.1.elapsed() > FORGIVEN {
            known.0 = 0;
        }
        known.0 += 1;
        known.1 = now;
        let mut attempt = known.0;
        let Some(system) = shift.index(name) else { return };
        let failure = session::of_system(name, failure);
        let more = json!({ "system": name });
        self.journal.failed(Level::Warn, "system.down", &failure, &more);
        let (loaded, name, tell) = (self.loaded.clone(), name.to_owned(), tell.clone());
        let journal = self.journal.clone();
        tokio::spawn(async move {
            loop {
                let wait = backoff::wait_ms(attempt, u64::from(system.0)).min(60_000);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                    () = tell.closed() => return,
                }
                attempt += 1;
                if config::look_at(&loaded, &name).await.is_ok() {
                    let message = format!("{name} answers again");
                    journal.say(Level::Info, "system.up", &message, json!({ "system": name }));
                    let _ = tell.send(Event::Back);
                    return;
                }
            }
        });
    }

    /// Ends a shift: the workers finish what is in flight, then the hub is closed.
    async fn end(&self, shift: Shift) {
        if !shift.end(END_MAX).await {
            self.journal.say(
                Level::Warn,
                "serve.slow",
                "a system takes long to answer; what was sent to it is asked about again",
                json!({}),
            );
        }
    }

    /// Reads the configuration anew, or goes on with the one that it has, and says why.
    async fn reload(&mut self) -> Result<(), Failure> {
        self.notify.tell("RELOADING=1");
        let read = match Box::pin(start::reload(&self.context, &self.loaded)).await {
            Ok(loaded) => {
                self.loaded = loaded;
                self.renew_door().await;
                if let Err(failure) = self.renew_postman().await {
                    let failure = failure.done("alerts are sent as before");
                    self.journal.failed(Level::Error, "serve.refused", &failure, &json!({}));
                }
                if let Err(failure) = self.renew_tracing().await {
                    let failure = failure.done("no traces are sent");
                    self.journal.failed(Level::Error, "serve.refused", &failure, &json!({}));
                }
                self.journal.say(
                    Level::Info,
                    "serve.reloaded",
                    "the configuration was read anew",
                    json!({}),
                );
                Ok(())
            }
            Err(failure) => {
                let failure = failure.done("the daemon goes on with the configuration that it has");
                self.journal.failed(Level::Error, "serve.refused", &failure, &json!({}));
                Err(failure)
            }
        };
        self.notify.tell("READY=1");
        read
    }

    /// Alerts are sent by the configuration that was just read, to every channel once more.
    async fn renew_postman(&mut self) -> Result<(), Failure> {
        let channels = self.loaded.channels().await?;
        if let Some(before) = self.postman.take() {
            before.abort();
        }
        if channels.is_empty() {
            return Ok(());
        }
        let hub = self.loaded.hub_path();
        Outbox::open(&hub)?.enable_all()?;
        let (name, logs_ms) = (alerts::sender(&hub), self.loaded.draft.logs_ms());
        let journal = self.journal.clone();
        let tell = move |round: &alerts::postman::Round| {
            for (channel, why) in &round.failed {
                let message = format!("alerts to {channel} wait: {why}");
                journal.say(Level::Warn, "alerts.wait", &message, json!({ "channel": channel }));
            }
            for (channel, why) in &round.disabled {
                let message = format!("alerts are no longer sent to {channel}: {why}");
                let more = json!({ "channel": channel });
                journal.say(Level::Error, "alerts.disabled", &message, more);
            }
        };
        let work = alerts::postman::work(hub, channels, name, logs_ms, tell);
        self.postman = Some(tokio::spawn(work));
        Ok(())
    }

    /// Traces are sent by the configuration that was just read.
    async fn renew_tracing(&mut self) -> Result<(), Failure> {
        let collector = self.loaded.collector().await;
        self.end_tracing().await;
        if let Some(collector) = collector? {
            let instance = alerts::sender(&self.loaded.hub_path());
            let (tell, over) = watch::channel(false);
            let work = traces::work(Arc::new(collector), instance, self.journal.clone(), over);
            self.tracing = Some((tokio::spawn(work), tell));
        }
        Ok(())
    }

    /// What is left of traces is sent, if somebody takes it at once.
    async fn end_tracing(&mut self) {
        if let Some((mut work, tell)) = self.tracing.take() {
            tell.send_replace(true);
            if tokio::time::timeout(TRACES_MAX, &mut work).await.is_err() {
                work.abort();
            }
        }
    }

    /// The door goes by the configuration that was just read, too.
    async fn renew_door(&mut self) {
        // What was sent meanwhile is sealed with the key of the present, too.
        let resealed = match self.loaded.hub_keys().await {
            Ok(keys) => beside::reseal(&self.loaded.hub_path(), &Envelope::new(keys)),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = resealed {
            let failure = failure.done("what systems have sent stays as it is");
            self.journal.failed(Level::Error, "serve.refused", &failure, &json!({}));
        }
        let renewed = match &self.door {
            Some(door) => door.update(&self.loaded).await,
            None => Door::open(&self.context, &self.loaded, self.options.listen, &self.journal)
                .await
                .map(|door| self.door = door),
        };
        if let Err(failure) = renewed {
            let failure = failure.done("webhooks are taken as before");
            self.journal.failed(Level::Error, "serve.refused", &failure, &json!({}));
        }
    }

    async fn wait_after(&mut self, broke: u32, failure: &Failure) {
        self.journal.failed(Level::Error, "serve.failed", failure, &json!({}));
        if start::is_of_keys(failure) {
            // The key was changed without a word: the file may name the new one by now.
            let _is_said = Box::pin(self.reload()).await;
        }
        let wait = Duration::from_millis(backoff::wait_ms(broke, 0).min(30_000));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = session::stop_asked() => {}
        }
    }

    /// Nothing takes longer than the slowest statement may.
    fn longest(&self) -> Duration {
        let spans = self.loaded.draft.systems.iter().map(|system| system.statement_timeout_ms);
        let longest = spans.max().unwrap_or_default().unsigned_abs();
        Duration::from_millis(longest) + Duration::from_secs(60)
    }
}

fn ready() -> String {
    format!("syncline {} keeps in step; process {}", env!("CARGO_PKG_VERSION"), std::process::id())
}

fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(24 * 3_600)
}

/// Requests to read the configuration anew.
fn hangups() -> mpsc::Receiver<()> {
    let (tell, heard) = mpsc::channel(1);
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        while hangup.recv().await.is_some() {
            // One that waits to be taken stands for all.
            let _ = tell.try_send(());
        }
    });
    heard
}
