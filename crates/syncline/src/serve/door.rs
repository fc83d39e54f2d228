//! The door: where systems call us over HTTP. It stands open for as long as the daemon runs, also
//! while a command has the hub: what is sent is verified, put on record in the inbox, and answered.
//!
//! Whoever knocks costs little: requests are bounded in size and time, connections in number, and what
//! was wrong with a request is said to our own journal only.

mod answer;
mod connections;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
    routing::any,
};
use serde_json::json;
use syncline_adapters::{
    hub::{
        envelope::Envelope,
        inbox::{Arrival, Fate, Inbox},
    },
    settings::hook::Hook,
    tls::{self, ServerConfig},
    webhook::{self, Label, Refusal},
};
use syncline_core::error::ErrorKind;
use tokio::{net::TcpListener, time::Instant};

use self::{
    answer::Answered,
    connections::{Connections, Shown},
};
use crate::{
    api::{self, Api},
    beside,
    cli::Context,
    config::Loaded,
    measure,
    report::Failure,
    serve::{
        greeting::{self, Greeting, LISTEN},
        journal::{Journal, Level},
    },
    session::Session,
    tokens, traces,
};

/// A body may be so large.
const BODY_MAX: usize = 1 << 20;
/// It must have been sent within so long.
const BODY_TIME: Duration = Duration::from_secs(10);
/// So many bytes may wait in the inbox to be dealt with; then senders are asked to come again.
const INBOX_MAX: u64 = 1 << 30;
/// Secrets are looked up anew at most so often when a signature is wrong: they may have been rotated.
const SECRETS_EVERY: Duration = Duration::from_secs(10);
/// What is refused is said once, then counted for so long.
const REFUSED_EVERY: Duration = Duration::from_secs(600);
/// What is old and dealt with is looked for this often.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// The open door. It is closed when this is dropped.
pub(crate) struct Door {
    shared: Arc<Shared>,
    connections: Connections,
}

struct Shared {
    inbox: Arc<Inbox>,
    api: Arc<Api>,
    /// Where it stands open.
    address: SocketAddr,
    journal: Journal,
    /// What is shown to whoever calls, where it speaks TLS by itself.
    shown: Shown,
    /// As the configuration stands.
    known: RwLock<Known>,
    refused: Mutex<BTreeMap<(String, Fate), Refused>>,
}

/// What the configuration says of those who call.
struct Known {
    loaded: Loaded,
    hooks: BTreeMap<String, Arc<Hook>>,
    /// When secrets were looked up last.
    looked: Instant,
}

/// What was refused and not said yet.
struct Refused {
    said: Instant,
    since: u64,
}

impl Door {
    /// Opens the door, if anybody is to call: a system has webhooks, the file or the command line says
    /// where to listen or who may ask, or a person has started it by hand.
    ///
    /// # Errors
    /// `server.exposed`, `server.address`, `server.tls`; a secret that cannot be resolved; the inbox's.
    pub(crate) async fn open(
        context: &Context,
        loaded: &Loaded,
        listen: Option<SocketAddr>,
        journal: &Journal,
    ) -> Result<Option<Self>, Failure> {
        let hooks = hooks(loaded).await?;
        let said = listen.or(loaded.draft.server.listen.as_ref().map(|it| it.value));
        let is_asked = !hooks.is_empty() || said.is_some() || loaded.draft.server.tokens.is_some();
        if !is_asked && !greeting::is_watched(context) {
            return Ok(None);
        }
        let mut greeting = Greeting::prepare(context, loaded, !is_asked).await?;
        let wanted = said.unwrap_or(LISTEN);
        if !wanted.ip().is_loopback() {
            exposed(loaded, wanted)?;
        }
        let shown = shown(loaded)?;
        let scheme = if shown.is_some() { "https" } else { "http" };
        let envelope = Envelope::new(loaded.hub_keys().await?);
        beside::reseal(&loaded.hub_path(), &envelope)?;
        let inbox = Inbox::open(&loaded.hub_path(), INBOX_MAX, envelope)?;
        let unfit = |error: std::io::Error| {
            Failure::new("server.address", format!("{wanted} cannot be listened on"))
                .cause(error.to_string())
                .done("nothing was started")
                .fix("stop what listens there, or say another `server.listen`")
        };
        let listener = match TcpListener::bind(wanted).await {
            // Nobody has said which port: where this one is taken, any is as good.
            Err(_) if !is_asked => TcpListener::bind((wanted.ip(), 0)).await,
            bound => bound,
        };
        let listener = listener.map_err(unfit)?;
        let address = listener.local_addr().map_err(unfit)?;
        inbox.opened(address.to_string()).await;
        let known = Known { loaded: loaded.clone(), hooks, looked: Instant::now() };
        let shared = Arc::new(Shared {
            inbox: inbox.clone(),
            api: Api::new(context, loaded, greeting.passing.clone())?,
            address,
            journal: journal.clone(),
            shown: Arc::new(RwLock::new(shown)),
            known: RwLock::new(known),
            refused: Mutex::default(),
        });
        let names: Vec<String> = shared.known().hooks.keys().cloned().collect();
        let hooks = match names.as_slice() {
            [] => String::new(),
            names => format!(
                "; hooks {}",
                names.iter().map(|it| format!("POST /hooks/{it}")).collect::<Vec<_>>().join(", ")
            ),
        };
        let message = format!("{scheme}://{address}{hooks}");
        let more = json!({ "address": address.to_string(), "hooks": names });
        journal.say(Level::Info, "serve.listens", &message, more);
        let routes = Router::new()
            .route("/hooks/{system}", any(receive))
            .route("/hooks/{system}/{token}", any(receive))
            .fallback(async || answer::problem(StatusCode::NOT_FOUND, "server.unknown_path"))
            .with_state(shared.clone())
            .merge(api::routes(&shared.api));
        greeting.say(context, &format!("{scheme}://{address}"));
        let connections = Connections::accept(listener, routes, shared.shown.clone());
        tokio::spawn(forget(Arc::downgrade(&shared)));
        Ok(Some(Self { shared, connections }))
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Attempts that were refused, for the books.
    pub(super) fn refused(&self) -> Arc<api::Refused> {
        self.shared.api.refused()
    }

    /// The inbox behind it.
    pub(super) fn inbox(&self) -> Arc<Inbox> {
        self.shared.inbox.clone()
    }

    /// The configuration was read anew.
    ///
    /// # Errors
    /// A secret or a certificate that cannot be read, or nobody would have to prove who they are any more:
    /// everything stays as it was.
    pub(super) async fn update(&self, loaded: &Loaded) -> Result<(), Failure> {
        if !self.shared.address.ip().is_loopback() {
            exposed(loaded, self.shared.address)?;
        }
        let shown = shown(loaded)?;
        let known =
            Known { hooks: hooks(loaded).await?, loaded: loaded.clone(), looked: Instant::now() };
        self.shared.inbox.envelope().renew(loaded.hub_keys().await?);
        // Those who are inside go on as they began.
        *self.shared.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        *self.shared.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.shared.api.update(loaded);
        Ok(())
    }

    /// Closes the door; who is inside is answered.
    pub(crate) async fn close(self) {
        self.shared.api.close();
        self.connections.close().await;
    }
}

/// Whether others may reach us there: they prove who they are, and nobody on the way can listen.
fn exposed(loaded: &Loaded, wanted: SocketAddr) -> Result<(), Failure> {
    let refused = |cause: &str, fix: &str| {
        let message = format!("{wanted} can be reached from other machines");
        Failure::new("server.exposed", message).cause(cause).done("nothing was started").fix(fix)
    };
    let has_tokens = match &loaded.draft.server.tokens {
        Some(_) => !tokens::read(&tokens::path(loaded)?)?.is_empty(),
        None => false,
    };
    if !has_tokens {
        let fix = "listen on 127.0.0.1 behind a reverse proxy; or set server.tokens, and syncline tokens new NAME --role admin";
        return Err(refused("there are no tokens: whoever reached it could do everything", fix));
    }
    if loaded.draft.server.is_encrypted() {
        return Ok(());
    }
    let fix = "set server.tls; or let a reverse proxy speak TLS, and set server.public_url to its https:// address";
    Err(refused("tokens would go over the network in the open", fix))
}

/// What is shown to whoever calls, if it speaks TLS by itself.
fn shown(loaded: &Loaded) -> Result<Option<Arc<ServerConfig>>, Failure> {
    let Some(tls) = &loaded.draft.server.tls else { return Ok(None) };
    let (chain, key) = (loaded.folder.join(&tls.certificate), loaded.folder.join(&tls.key));
    let config = tls::server(&chain, &key).map_err(|error| {
        Failure::new("server.tls", "what server.tls names cannot be shown to anybody")
            .cause(error.detail.to_string())
            .done("nothing was started")
            .fix(
                "name PEM files: the certificate with those that vouch for it, and its private key",
            )
    })?;
    Ok(Some(Arc::new(config)))
}

/// How each system that calls us proves itself.
async fn hooks(loaded: &Loaded) -> Result<BTreeMap<String, Arc<Hook>>, Failure> {
    let mut hooks = BTreeMap::new();
    for system in &loaded.draft.systems {
        let name = system.name.value.as_str();
        if let Some(hook) = loaded.hook(name).await? {
            hooks.insert(name.to_owned(), Arc::new(hook));
        }
    }
    Ok(hooks)
}

/// Forgets what is old and dealt with, until the door is closed.
async fn forget(shared: std::sync::Weak<Shared>) {
    loop {
        let Some(open) = shared.upgrade() else { return };
        let logs_ms = open.known().loaded.draft.logs_ms();
        let before = Session::now().plus_ms(-logs_ms);
        let inbox = open.inbox.clone();
        drop(open);
        // What cannot be forgotten now is old later, too.
        while inbox.forget(before).await.is_ok_and(|gone| gone > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(inbox);
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

impl Shared {
    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this system proves itself with the secrets as they are now; `None`: they were looked up a
    /// moment ago, or cannot be.
    async fn renewed(&self, system: &str) -> Option<Arc<Hook>> {
        let loaded = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.looked.elapsed() < SECRETS_EVERY {
                return None;
            }
            known.looked = Instant::now();
            known.loaded.clone()
        };
        let hook = Arc::new(loaded.hook(system).await.ok().flatten()?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.hooks.insert(system.to_owned(), hook.clone());
        Some(hook)
    }

    /// Puts on record that something was refused, and says so, but not each time.
    async fn refuse(&self, system: &str, fate: Fate, label: Label) {
        let arrival = Arrival {
            system: system.to_owned(),
            at: Session::now(),
            fate,
            id: None,
            topic: label.topic,
            body: Vec::new(),
        };
        called(system, fate);
        // It is refused whether or not that can be put on record.
        let _unknown = self.inbox.take(arrival).await;
        let count = {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (system.to_owned(), fate);
            match refused.get_mut(&key) {
                Some(known) if known.said.elapsed() < REFUSED_EVERY => {
                    known.since += 1;
                    return;
                }
                Some(known) => {
                    let count = known.since + 1;
                    *known = Refused { said: Instant::now(), since: 0 };
                    count
                }
                None => {
                    refused.insert(key, Refused { said: Instant::now(), since: 0 });
                    1
                }
            }
        };
        self.journal.failed(
            Level::Warn,
            "hook.refused",
            &answer::refused(system, fate, count),
            &json!({
                "system": system,
                "outcome": fate.word(),
                "count": count,
                "trace_id": traces::current().map(traces::Context::trace_id),
            }),
        );
    }
}

/// Takes what a system has sent.
async fn receive(
    shared: State<Arc<Shared>>,
    peer: ConnectInfo<SocketAddr>,
    names: Path<Vec<String>>,
    request: Request,
) -> Response {
    let (from, method) = (Session::now(), request.method().clone());
    let call = traces::of_call(request.headers(), &method);
    let work = take(shared, peer, names, request);
    let response = traces::within(call.map(|(context, _)| context), work).await;
    if let Some((call, tracer)) = call.zip(traces::here()) {
        let status = response.status().as_u16();
        tracer.answered(call, &method, "/hooks/{system}", status, from);
    }
    response
}

async fn take(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(names): Path<Vec<String>>,
    request: Request,
) -> Response {
    let (system, token) = (names.first().cloned().unwrap_or_default(), names.get(1).cloned());
    let hook = shared.known().hooks.get(&system).cloned();
    let Some(hook) = hook else {
        return answer::problem(StatusCode::NOT_FOUND, "server.unknown_path");
    };
    if request.method() != axum::http::Method::POST {
        return answer::problem(StatusCode::METHOD_NOT_ALLOWED, "server.method");
    }
    let (parts, body) = request.into_parts();
    let body = match whole(&parts.headers, body).await {
        Ok(body) => body,
        Err(Answered::TooLarge) => {
            shared.refuse(&system, Fate::TooLarge, Label::default()).await;
            return Answered::TooLarge.response();
        }
        Err(other) => return other.response(),
    };
    let target = parts.uri.path_and_query().map_or("", |it| it.as_str());
    let sent = webhook::Request {
        method: parts.method.as_str(),
        target,
        token: token.as_deref(),
        headers: &parts.headers,
        body: &body,
        peer: peer.ip(),
        now: Session::now(),
    };
    let mut verified = webhook::verify(&hook, &sent);
    let mut hook = hook;
    if verified == Err(Refusal::Signature)
        && let Some(renewed) = shared.renewed(&system).await
    {
        verified = webhook::verify(&renewed, &sent);
        hook = renewed;
    }
    if let Err(refusal) = verified {
        let fate = match refusal {
            Refusal::Signature => Fate::BadSignature,
            Refusal::Age => Fate::TooOld,
            Refusal::Address => Fate::Forbidden,
        };
        // Nothing that is not believed is read.
        shared.refuse(&system, fate, Label::default()).await;
        return Answered::Unproved.response();
    }
    let is_test = parts.headers.get(TEST).is_some();
    let label = webhook::label(&hook, &parts.headers, &body);
    if hook.trusts && !is_test && shared.known().loaded.only_tells(&system) {
        let tables = shared.known().loaded.keys(&system);
        if !webhook::tells_of_rows(&hook, &tables, label.topic.as_deref(), &body) {
            // Nothing else will ever tell: the sender has to know.
            shared.refuse(&system, Fate::Unreadable, label).await;
            return Answered::Unreadable.response();
        }
    }
    let (tracer, context) = (traces::here(), traces::current());
    if let (Some(tracer), Some(context), false) = (tracer, context, is_test) {
        // Before anybody can hear of it.
        tracer.called(&system, sent.now, context);
    }
    let arrival = Arrival {
        system: system.clone(),
        at: sent.now,
        fate: if is_test { Fate::Test } else { Fate::Accepted },
        id: label.id,
        topic: label.topic,
        body: body.to_vec(),
    };
    match shared.inbox.take(arrival).await {
        Ok(fate) => {
            called(&system, fate);
            if fate == Fate::Duplicate {
                Answered::Duplicate.response()
            } else {
                Answered::Accepted.response()
            }
        }
        Err(error) => {
            let is_full = error.kind == ErrorKind::Throttled;
            let failure = Failure::from(error).done("the sender was asked to come again");
            let trace = context.map(traces::Context::trace_id);
            let more = json!({ "system": system, "trace_id": trace });
            shared.journal.failed(Level::Error, "hook.not_taken", &failure, &more);
            if is_full { Answered::Full.response() } else { Answered::NotNow.response() }
        }
    }
}

/// Counts what has come in.
fn called(system: &str, fate: Fate) {
    measure::with(|it| it.called(system, fate.word()));
}

/// What `hooks send --test` adds: it is put on record, and nothing is read.
pub(crate) const TEST: &str = "syncline-test";

/// The whole body.
async fn whole(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, Answered> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let packed = text(header::CONTENT_ENCODING).filter(|it| !it.eq_ignore_ascii_case("identity"));
    if packed.is_some() {
        return Err(Answered::Packed);
    }
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_MAX) {
        return Err(Answered::TooLarge);
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_MAX)).await {
        Err(_) => Err(Answered::TooSlow),
        Ok(Ok(body)) => Ok(body),
        // The limit says so by its own kind of error; anything else is a connection that broke.
        Ok(Err(error)) => {
            let text = error.to_string();
            Err(if text.contains("length limit") { Answered::TooLarge } else { Answered::Broken })
        }
    }
}
