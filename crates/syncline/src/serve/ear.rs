//! One task per system that can be listened to: it hears which rows change, and hands that on. What
//! was handed on and is dealt with is acknowledged; after anything went wrong it begins again there.

use std::{path::PathBuf, sync::Arc, time::Duration};

use syncline_adapters::{
    hub::inbox::Inbox,
    settings::{Listening, Settings, hook::Hook},
    webhook,
};
use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError, RemedyAction},
    name::SystemIndex,
    plan::Plan,
};
use syncline_ports::listener::{Heard, Listener, Retained};
use tokio::sync::{Notify, mpsc, watch};

/// Hints are asked for in portions of so many rows.
const ROWS: usize = 4_000;
/// Portions that wait to be dealt with; then the ear stops listening, and the system keeps the rest.
const WAITING: usize = 4;
/// A system that refuses to be listened to is asked again so late.
const REFUSED_AGAIN: Duration = Duration::from_secs(300);
/// How often it is asked how much it keeps for us.
const RETAINED_EVERY: Duration = Duration::from_secs(10);

/// What an ear tells.
#[derive(Debug)]
pub(super) enum Told {
    /// It listens, from here on. `anew`: what came before is not known.
    Listens { word: &'static str, from: Position, anew: Option<PortError> },
    /// These changed.
    News(Heard),
    /// It does not listen just now.
    Deaf(PortError),
    /// How much the system keeps for us.
    Keeps(Retained),
}

/// The near end of an ear.
pub(super) struct Ear {
    pub(super) system: SystemIndex,
    pub(super) told: mpsc::Receiver<Told>,
    pub(super) done: watch::Sender<Option<Position>>,
}

/// What it takes to listen to one system.
pub(super) struct Place {
    pub(super) settings: Settings,
    pub(super) plan: Arc<Plan>,
    pub(super) system: SystemIndex,
    /// The ways to try, in this order.
    pub(super) ways: Vec<Listening>,
    /// The system calls us: that is heard.
    pub(super) calls: Option<Calls>,
    /// How far it was dealt with, as the hub says.
    pub(super) from: Option<Position>,
}

/// What a system that calls us has sent.
pub(super) struct Calls {
    pub(super) hook: Arc<Hook>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) hub: PathBuf,
}

/// Begins to listen, in a task of its own that ends when the near end is dropped.
pub(super) fn listen(place: Place, wake: Arc<Notify>) -> Ear {
    let (tell, told) = mpsc::channel(WAITING);
    let (done, dealt_with) = watch::channel(place.from.clone());
    let system = place.system;
    tokio::spawn(async move {
        let mut task = Task { place, tell, dealt_with, wake };
        let mut failures = 0;
        loop {
            let error = match task.hear(&mut failures).await {
                Ended::Gone => return,
                Ended::Failed(error) => error,
            };
            let wait = match error.kind.remedy().action {
                RemedyAction::Halt => REFUSED_AGAIN,
                RemedyAction::Retry | RemedyAction::Resynchronise => {
                    let at = syncline_engine::backoff::wait_ms(failures, u64::from(system.0));
                    Duration::from_millis(at)
                }
            };
            failures += 1;
            if task.tell(Told::Deaf(error)).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = task.tell.closed() => return,
            }
        }
    });
    Ear { system, told, done }
}

struct Task {
    place: Place,
    tell: mpsc::Sender<Told>,
    dealt_with: watch::Receiver<Option<Position>>,
    wake: Arc<Notify>,
}

enum Ended {
    /// Nobody is there any more to be told.
    Gone,
    /// Something went wrong.
    Failed(PortError),
}

/// Nobody is there any more to be told.
struct Nobody;

/// What listens, from where, and why not from where it was dealt with before.
type Begun = (Box<dyn Listener>, Position, Option<PortError>);

impl Task {
    async fn tell(&self, what: Told) -> Result<(), Nobody> {
        let told = self.tell.send(what).await.map_err(|_| Nobody);
        self.wake.notify_one();
        told
    }

    /// Listens until something goes wrong.
    async fn hear(&mut self, failures: &mut u32) -> Ended {
        let (mut listener, from, anew) = match self.begin().await {
            Ok(begun) => begun,
            Err(error) => return Ended::Failed(error),
        };
        // Where it began anew, what was dealt with before is not to be confirmed: it is unknown there.
        let unknown = anew.as_ref().and_then(|_| self.dealt_with.borrow().clone());
        let listens = Told::Listens { word: listener.word(), from, anew };
        if self.tell(listens).await.is_err() {
            return Ended::Gone;
        }
        match self.listen(listener.as_mut(), unknown, failures).await {
            Ok(Nobody) => Ended::Gone,
            Err(error) => Ended::Failed(error),
        }
    }

    async fn listen(
        &mut self,
        listener: &mut dyn Listener,
        mut last: Option<Position>,
        failures: &mut u32,
    ) -> Result<Nobody, PortError> {
        let mut asked: Option<tokio::time::Instant> = None;
        loop {
            if self.tell.is_closed() {
                return Ok(Nobody);
            }
            let done = self.dealt_with.borrow_and_update().clone();
            if let Some(upto) = done.filter(|upto| last.as_ref() != Some(upto)) {
                listener.ack(&upto).await?;
                last = Some(upto);
            }
            if asked.is_none_or(|at| at.elapsed() >= RETAINED_EVERY) {
                asked = Some(tokio::time::Instant::now());
                let keeps = listener.retained().await?;
                if self.tell(Told::Keeps(keeps)).await.is_err() {
                    return Ok(Nobody);
                }
            }
            let heard = listener.hear(ROWS).await?;
            *failures = 0;
            if self.tell(Told::News(heard)).await.is_err() {
                return Ok(Nobody);
            }
        }
    }

    /// Begins in the first way that the system offers.
    async fn begin(&self) -> Result<Begun, PortError> {
        let Place { settings, plan, system, .. } = &self.place;
        if let Some(Calls { hook, inbox, hub }) = &self.place.calls {
            let (hook, inbox) = (hook.clone(), inbox.clone());
            let listener = webhook::listen(settings, plan.clone(), *system, hook, inbox, hub);
            return self.begin_with(listener.await?).await;
        }
        let mut refused =
            PortError::new(ErrorKind::Unheard, "listen", "there is nothing to listen to");
        for way in &self.place.ways {
            let listener = syncline_adapters::listen(settings, plan.clone(), *system, way).await;
            let begun = match listener {
                Ok(listener) => self.begin_with(listener).await,
                Err(error) => Err(error),
            };
            match begun {
                Ok(begun) => return Ok(begun),
                // A person would have to change something: the next way may do without. A system that
                // is only down for a while comes back as it was.
                Err(error) if error.kind.remedy().action == RemedyAction::Halt => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    /// Begins after what was dealt with, or anew where that is no longer known.
    async fn begin_with(&self, mut listener: Box<dyn Listener>) -> Result<Begun, PortError> {
        let known = self.dealt_with.borrow().clone();
        match listener.begin(known.as_ref()).await {
            Ok(from) => Ok((listener, from, None)),
            Err(error) if error.kind.remedy().action == RemedyAction::Resynchronise => {
                let from = listener.begin(None).await?;
                Ok((listener, from, Some(error)))
            }
            Err(error) => Err(error),
        }
    }
}
