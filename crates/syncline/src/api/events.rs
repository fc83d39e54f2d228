//! `/events`: what happens, while it does, as ids and names. However many listen, one looks, and only while
//! somebody listens. Who comes back says what was heard last, and is told what came since.

mod look;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_util::stream;
use serde_json::{Value as Json, json};
use tokio::sync::{broadcast, watch};

use crate::{api::looks::Looks, report::Failure};

/// So many listen at once.
const STREAMS: usize = 600;
/// So many events wait for a listener that is slow; then it is told to look at everything again.
const WAITING: usize = 1_024;
/// Who begins to listen waits so long for the first look.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked.
const EVERY: Duration = Duration::from_millis(400);
/// A line that says nothing, so that nobody on the way takes the silence for an end.
const BEAT: Duration = Duration::from_secs(15);

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// What it is: `change`, `conflict`, `run`.
    pub(super) name: &'static str,
    /// Changes are numbered; who comes back names the last one.
    pub(super) number: Option<u64>,
    /// The entity that it is about; `None`: about all.
    pub(super) entity: Option<String>,
    /// Ids and names.
    pub(super) data: Json,
}

impl Event {
    /// Something was missed: everything is to be looked at again.
    fn again(number: u64) -> Self {
        let data = json!({ "again": true, "change": format!("c-{number}") });
        Self { name: "status", number: Some(number), entity: None, data }
    }

    fn line(&self) -> Bytes {
        let id = self.number.map(|number| format!("id: {number}\n")).unwrap_or_default();
        Bytes::from(format!("{id}event: {}\ndata: {}\n\n", self.name, self.data))
    }
}

/// Those who listen, and whoever looks for them.
pub(super) struct Events {
    looks: Arc<Looks>,
    tell: broadcast::Sender<Arc<Event>>,
    listening: AtomicUsize,
    /// Somebody looks.
    looking: AtomicBool,
    /// Where whoever looks has begun: what comes after that is told.
    begun: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

/// Counts one who listens, for as long as it is kept.
struct Listener(Arc<Events>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.listening.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Events {
    pub(super) fn new(looks: Arc<Looks>) -> Arc<Self> {
        let (tell, _) = broadcast::channel(WAITING);
        let (closed, _) = watch::channel(false);
        let (begun, _) = watch::channel(false);
        let (listening, looking) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { looks, tell, listening, looking, begun, closed })
    }

    /// Nobody listens any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Lets one listen, to what concerns these entities only.
    ///
    /// # Errors
    /// `server.busy`, `usage.parameter`; the hub's.
    pub(super) async fn listen(
        self: &Arc<Self>,
        headers: &HeaderMap,
        scope: Option<Vec<String>>,
    ) -> Result<Response, Failure> {
        let last = match headers.get("last-event-id") {
            None => None,
            Some(text) => Some(number(text)?),
        };
        let before = self.listening.fetch_add(1, Ordering::SeqCst);
        let listener = Listener(self.clone());
        if before >= STREAMS {
            return Err(Failure::new("server.busy", "too many listen already")
                .done("nothing is told")
                .fix("come again later, or ask now and then instead of listening"));
        }
        // Heard from here on; what came before is looked up after that.
        let heard = self.tell.subscribe();
        if !self.looking.swap(true, Ordering::SeqCst) {
            tokio::spawn(self.clone().look());
        }
        let mut begun = self.begun.subscribe();
        let is_looked = tokio::time::timeout(PATIENCE, is_so(&mut begun)).await;
        if is_looked.is_err() {
            return Err(Failure::new("server.busy", "the hub cannot be looked at just now")
                .done("nothing is told")
                .fix("come again in a moment"));
        }
        let first = self.looks.with(move |session| Box::pin(look::since(session, last))).await?;
        let known = first.iter().filter_map(|event| event.number).max().unwrap_or_default();
        let listening = Listening {
            first: first.into_iter().map(Arc::new).collect(),
            known,
            heard,
            closed: self.closed.subscribe(),
            scope,
            _listener: listener,
        };
        let lines = stream::unfold(listening, |mut listening| async move {
            let line = listening.next().await?;
            Some((Ok::<_, std::convert::Infallible>(line), listening))
        });
        let mut response = Response::new(Body::from_stream(lines));
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        // A proxy that gathers would tell everything late.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    /// Looks as long as somebody listens.
    async fn look(self: Arc<Self>) {
        let mut seen: Option<look::Seen> = None;
        loop {
            if self.listening.load(Ordering::SeqCst) == 0 || *self.closed.borrow() {
                self.begun.send_replace(false);
                self.looking.store(false, Ordering::SeqCst);
                // Somebody may have come just now, and seen that somebody looks.
                let is_alone = self.listening.load(Ordering::SeqCst) == 0 || *self.closed.borrow();
                if is_alone || self.looking.swap(true, Ordering::SeqCst) {
                    return;
                }
                seen = None;
            }
            let before = seen.clone();
            let looked =
                self.looks.with(move |session| Box::pin(look::news(session, before))).await;
            // A hub that is lent or busy is looked at again.
            if let Ok((now, events)) = looked {
                seen = Some(now);
                self.begun.send_replace(true);
                for event in events {
                    let _nobody_listens = self.tell.send(Arc::new(event));
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Waits until it is so, or until nobody can say any more.
async fn is_so(said: &mut watch::Receiver<bool>) {
    let _gone = said.wait_for(|is_so| *is_so).await.map(|_| ());
}

fn number(text: &HeaderValue) -> Result<u64, Failure> {
    let number = text.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    number.filter(|number| i64::try_from(*number).is_ok()).ok_or_else(|| {
        super::request::refused("`Last-Event-ID` is the id of an event", "this is no number")
    })
}

/// One who listens.
struct Listening {
    first: std::collections::VecDeque<Arc<Event>>,
    /// Changes up to here were told.
    known: u64,
    heard: broadcast::Receiver<Arc<Event>>,
    closed: watch::Receiver<bool>,
    scope: Option<Vec<String>>,
    _listener: Listener,
}

impl Listening {
    /// The next line; `None`: the door is closed.
    async fn next(&mut self) -> Option<Bytes> {
        while let Some(event) = self.first.pop_front() {
            if self.concerns(&event) {
                return Some(event.line());
            }
        }
        loop {
            let event = tokio::select! {
                () = is_so(&mut self.closed) => return None,
                () = tokio::time::sleep(BEAT) => return Some(Bytes::from_static(b":\n\n")),
                event = self.heard.recv() => event,
            };
            match event {
                Ok(event) => {
                    let is_known = event.number.is_some_and(|number| number <= self.known);
                    if !is_known && self.concerns(&event) {
                        return Some(event.line());
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Some(Event::again(self.known).line());
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        match (&self.scope, &event.entity) {
            (Some(scope), Some(entity)) => scope.contains(entity),
            // What is about all says no name.
            (Some(_), None) => event.name == "status",
            (None, _) => true,
        }
    }
}
