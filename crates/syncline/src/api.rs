//! The HTTP API under `/api/v1`: what the commands show and do, for programs and for the dashboard.
//!
//! One table of routes (`table.rs`) makes the router, says who may do what, and describes itself.
//! What is read comes from the hub, beside the daemon and never in its way; what is changed goes through
//! the same function as the command of the same name. This file takes a request through its stations:
//! may it come in, who is it, what does it ask, what is the answer.

mod access;
mod acts;
mod audit;
mod body;
mod configuration;
mod conflicts;
mod entities;
mod events;
mod guards;
mod health;
mod hooks;
mod looks;
mod once;
mod openapi;
mod page;
mod people;
mod plans;
mod problem;
mod quarantine;
mod records;
mod refused;
mod reply;
mod request;
mod runs;
mod series;
mod sessions;
mod site;
mod status;
mod systems;
mod table;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts as _, RawPathParams, Request as HttpRequest},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
    routing::any,
};

use syncline_adapters::hub::calls::Calls;

pub(crate) use self::refused::Refused;
use self::{
    access::Access,
    acts::Acts,
    events::Events,
    looks::Looks,
    once::Turn,
    reply::Reply,
    request::Request,
    table::{Route, Work},
};
use crate::{
    cli::Context, config::Loaded, measure, report::Failure, session::Session, tokens::Token,
    traces, ui,
};

/// Everything is under this path.
const PREFIX: &str = "/api/v1";
/// Nobody waits longer than this for a run to be done.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// What answers requests, for as long as the door is open.
pub(crate) struct Api {
    looks: Arc<Looks>,
    acts: Acts,
    access: Access,
    calls: Arc<Calls>,
    refused: Arc<Refused>,
    events: Arc<Events>,
}

impl Api {
    /// By this configuration. `context`: how the daemon was called; `passing`: a token that no file has.
    ///
    /// # Errors
    /// Those of the file of answers beside the hub.
    pub(crate) fn new(
        context: &Context,
        loaded: &Loaded,
        passing: Option<Token>,
    ) -> Result<Arc<Self>, Failure> {
        let looks = Looks::new(context, loaded);
        Ok(Arc::new(Self {
            events: Events::new(looks.clone()),
            looks,
            acts: Acts::new(context),
            access: Access::new(passing),
            calls: Arc::new(Calls::open(&loaded.hub_path())?),
            refused: Arc::default(),
        }))
    }

    /// Attempts that were refused, for the books.
    pub(crate) fn refused(&self) -> Arc<Refused> {
        self.refused.clone()
    }

    /// Whether whoever asks may look.
    ///
    /// # Errors
    /// `server.cross_site`, `server.token`.
    fn knows(&self, request: &HttpRequest) -> Result<(), Failure> {
        let loaded = self.looks.loaded();
        let tokens = self.access.tokens(&loaded)?;
        let tokens = tokens.as_deref().map(Vec::as_slice);
        site::admit(&loaded, request.method(), request.uri(), request.headers(), tokens.is_some())?;
        let caller = self.access.caller(tokens, request.headers(), peer(request), &self.calls)?;
        match &caller.entities {
            None => Ok(()),
            // The numbers are of all entities.
            Some(entities) => {
                let message = format!("{} is for {} only", caller.who, entities.join(", "));
                Err(access::forbidden(message).fix("ask with a token for all entities"))
            }
        }
    }

    /// The door closes: nobody listens any more.
    pub(crate) fn close(&self) {
        self.events.close();
    }

    /// The configuration was read anew.
    pub(crate) fn update(&self, loaded: &Loaded) {
        self.looks.update(loaded);
    }
}

/// The router.
pub(crate) fn routes(api: &Arc<Api>) -> Router {
    let mut paths: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
    for route in table::ROUTES {
        paths.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        let (api, routes) = (api.clone(), Arc::new(routes));
        let serve = move |request: HttpRequest| serve(api.clone(), routes.clone(), request);
        router = router.route(&format!("{PREFIX}{path}"), any(serve));
    }
    let unknown = async |request: HttpRequest| {
        let path = request.uri().path().to_owned();
        let failure = Failure::new("server.unknown_path", format!("there is nothing at {path}"))
            .fix(format!("GET {PREFIX}/openapi.json lists what there is"));
        problem::response(&failure, &path, "")
    };
    router
        .route("/errors/{code}", axum::routing::get(page_of_error))
        .merge(health::routes(api))
        .merge(ui::routes())
        .route(&format!("{PREFIX}/{{*rest}}"), any(unknown))
        .route(PREFIX, any(unknown))
}

/// The page that the type of a problem names.
async fn page_of_error(axum::extract::Path(code): axum::extract::Path<String>) -> Response {
    let (status, text) = match crate::pages::page(&code) {
        Some(page) => (StatusCode::OK, page.to_owned()),
        None => (StatusCode::NOT_FOUND, format!("no error has the code {code:?}\n")),
    };
    let mut response = Response::new(axum::body::Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/markdown; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Answers a request at a path that is known.
async fn serve(api: Arc<Api>, routes: Arc<Vec<&'static Route>>, request: HttpRequest) -> Response {
    let path = request.uri().path().to_owned();
    let loaded = api.looks.loaded();
    let public = loaded.draft.server.public_url.clone().unwrap_or_default();
    let is_head = request.method() == Method::HEAD;
    let route = routes.first().map_or("", |route| route.path);
    let (from, method) = (Session::now(), request.method().clone());
    let call = traces::of_call(request.headers(), &method);
    let work = async {
        match answer(&api, &routes, &loaded, request).await {
            Ok(response) => response,
            Err(failure) => {
                let mut response = problem::response(&failure, &path, &public);
                if failure.code == "server.method" {
                    let allowed = routes.iter().map(|route| route.method.as_str());
                    let allowed: Vec<&str> = allowed.collect();
                    if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
                        response.headers_mut().insert(header::ALLOW, allowed);
                    }
                }
                response
            }
        }
    };
    let mut response = traces::within(call.map(|(context, _)| context), work).await;
    let status = response.status().as_u16();
    measure::with(|it| it.answered(route, status));
    if let Some((call, tracer)) = call.zip(traces::here()) {
        tracer.answered(call, &method, &format!("{PREFIX}{route}"), status, from);
    }
    let headers = response.headers_mut();
    // Whoever asks again is told what is so then, and no browser takes an answer for a page.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if is_head {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}

async fn answer(
    api: &Arc<Api>,
    routes: &[&'static Route],
    loaded: &Loaded,
    request: HttpRequest,
) -> Result<Response, Failure> {
    let peer = peer(&request);
    let asked = format!("{} {}", request.method(), request.uri().path());
    let mut who = None;
    let outcome = let_in(api, routes, loaded, request, peer, &mut who).await;
    if let Err(failure) = &outcome
        && matches!(failure.code.as_str(), "server.token" | "server.role" | "server.cross_site")
    {
        api.refused.add(peer, who.as_deref(), &asked, failure);
    }
    outcome
}

/// Where a request comes from.
fn peer(request: &HttpRequest) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// Answers whoever may come in.
async fn let_in(
    api: &Arc<Api>,
    routes: &[&'static Route],
    loaded: &Loaded,
    request: HttpRequest,
    peer: IpAddr,
    who: &mut Option<String>,
) -> Result<Response, Failure> {
    let (mut parts, content) = request.into_parts();
    let tokens = api.access.tokens(loaded)?;
    site::admit(loaded, &parts.method, &parts.uri, &parts.headers, tokens.is_some())?;
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    let Some(route) = routes.iter().find(|route| route.method == method) else {
        let message = format!("{} is not done here", parts.method);
        return Err(Failure::new("server.method", message).fix("see the header Allow"));
    };
    let names = RawPathParams::from_request_parts(&mut parts, &()).await.map_err(|_| {
        request::refused("the path is not written in UTF-8", "encode it as RFC 3986 says")
    })?;
    let names: Vec<(String, String)> =
        names.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let tokens = tokens.as_deref().map(Vec::as_slice);
    match route.work {
        // Whoever comes in or goes is not known yet, or no more.
        Work::Enter => {
            let said = body::read(&parts.headers, content, route.body).await?;
            let find = |secret: &str| {
                let found = tokens.map(|tokens| api.access.token(tokens, secret, peer));
                found.transpose()
            };
            return sessions::enter(loaded, &said, find).map(Reply::response);
        }
        Work::Leave => return Ok(sessions::leave(loaded).response()),
        Work::Look(_) | Work::Act(_) | Work::Long(..) | Work::Who | Work::Listen => {}
    }
    let caller = api.access.caller(tokens, &parts.headers, peer, &api.calls)?;
    *who = Some(caller.who.clone());
    caller.may(route)?;
    let asked = Request::new(route, names, &parts.uri)?.within(caller.entities.clone());
    if matches!(route.work, Work::Listen) {
        return api.events.listen(&parts.headers, caller.entities).await;
    }
    let _place = api.access.place(&caller)?;
    match route.work {
        Work::Enter | Work::Leave | Work::Listen | Work::Who => {
            Ok(sessions::who(&caller).response())
        }
        Work::Look(look) => api.looks.ask(asked, look).await.map(Reply::response),
        Work::Act(_) | Work::Long(..) => {
            let said = body::read(&parts.headers, content, route.body).await?;
            let path = parts.uri.path();
            let request = format!("{method} {path} {}", serde_json::Value::from(said.clone()));
            let once = match once::claim(&api.calls, &parts.headers, &caller.who, &request).await? {
                Turn::Done(reply) => return Ok(reply.response()),
                // An answer that shows a token, or what is hidden, is kept nowhere.
                Turn::Do(once) => {
                    (once, route.path == "/tokens" || route.path.ends_with("/reveal"))
                }
            };
            let asked = asked.with(said, seen(&parts.headers)?);
            let wait = patience(&parts.headers);
            let (api, path, at) = (api.clone(), path.to_owned(), *route);
            // Whoever asked may go away: what was done is kept all the same.
            let done = tokio::spawn(traces::within(traces::current(), async move {
                let answered = match at.work {
                    Work::Act(act) => api.acts.act(at, &caller, asked, act).await,
                    Work::Long(work) => {
                        api.acts.begin_run(at, &caller, &api.looks, asked, work, wait).await
                    }
                    Work::Look(_) | Work::Who | Work::Enter | Work::Leave | Work::Listen => {
                        Err(Failure::new("bug.unexpected", "this changes nothing"))
                    }
                };
                match once {
                    (Some(once), false) => once.keep(&answered, &path).await,
                    (Some(once), true) => once.release().await,
                    (None, _) => {}
                }
                answered
            }));
            let answered = done.await.unwrap_or_else(|error| {
                Err(Failure::new("bug.unexpected", "it could not be done").cause(error.to_string()))
            });
            answered.map(Reply::response)
        }
    }
}

/// How long whoever asks prefers to wait, as RFC 7240 writes it: `Prefer: wait=60`. What is preferred and
/// not understood is no mistake.
fn patience(headers: &HeaderMap) -> Duration {
    let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut wishes = all.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let seconds = wishes.find_map(|wish| wish.strip_prefix("wait=")?.parse::<u64>().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(WAIT_MAX)
}

/// The tag that `If-Match` says was seen; `*` matches whatever there is.
fn seen(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match tag.filter(|tag| !tag.contains('"')) {
        Some(tag) => Ok(Some(tag.to_owned())),
        None => Err(request::refused("`If-Match` is one tag in quotes", "as ETag gave it")),
    }
}
