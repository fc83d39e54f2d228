//! A small web shop with a REST API, as real ones have it: tokens, pages with a `Link` header, `ETag`s,
//! idempotency keys, a rate limit. And an outage switch, to see what its neighbours make of it.
//!
//! Customers live under `/api/customers`, and likewise products, orders and their lines; an SQLite file
//! holds them.

mod hooks;
mod store;
mod tokens;
mod weather;

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path as UrlPath, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
pub use store::{Failure, Kind};
use store::{Item, Keeps, Store};
pub use tokens::CLIENT;
use tokens::Tokens;
use weather::Sky;
pub use weather::Weather;

/// Items that are taken at once.
const BATCH: usize = 100;
/// Items per page, unless asked for less.
const PAGE: u32 = 50;

/// Lists whose beginning is remembered.
const REMEMBERED: usize = 10_000;
/// So long after a change it is taken back, in that weather.
const TAKES_BACK_AFTER: Duration = Duration::from_millis(200);

/// A shop.
#[derive(Debug)]
pub struct Shop {
    store: Store,
    sky: Sky,
    token: String,
    tokens: Tokens,
    refused: AtomicU64,
    lists: AtomicU64,
    reads: AtomicU64,
    /// Where the last lists began, for those who want to know how somebody reads.
    begun: Mutex<VecDeque<i64>>,
}

impl Shop {
    /// Opens the shop's file, and makes it if it is not there. Whoever knows the token may come in;
    /// `limit` is how many requests a second are served.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(file: &Path, token: &str, limit: u32) -> Result<Arc<Self>, rusqlite::Error> {
        let (store, token) = (Store::open(file)?, token.to_owned());
        Ok(Arc::new(Self {
            store,
            sky: Sky::new(limit),
            token,
            tokens: Tokens::new(),
            refused: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            begun: Mutex::default(),
        }))
    }

    /// From now on it is like this.
    pub fn weather(&self, weather: Weather) {
        self.sky.set(weather);
    }

    /// From now on a token that is handed out opens the shop for so long, and says another time.
    pub fn tokens_last(&self, life: Duration, said: Duration) {
        self.tokens.last(life, said);
    }

    /// How many tokens were handed out.
    pub fn tokens(&self) -> u64 {
        self.tokens.count()
    }

    /// How often somebody came with a token that does not hold.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How often a list was asked for.
    pub fn lists(&self) -> u64 {
        self.lists.load(Ordering::Relaxed)
    }

    /// How often one item was asked for.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Serves until the listener fails.
    ///
    /// # Errors
    /// What the listener says.
    pub async fn serve(
        self: Arc<Self>,
        listener: tokio::net::TcpListener,
    ) -> Result<(), std::io::Error> {
        axum::serve(listener, self.router()).await
    }

    /// Tells a neighbour of every change, signed as <https://www.standardwebhooks.com> says, for as long
    /// as it runs: again and again until it is taken. `secret` begins with `whsec_`.
    pub async fn tell(self: Arc<Self>, url: String, secret: String) {
        hooks::tell(&self, &url, &secret).await;
    }

    fn router(self: Arc<Self>) -> Router {
        let api = Router::new()
            .route("/{kind}", get(list).post(create))
            .route("/{kind}/batch", post(batch))
            .route("/{kind}/{id}", get(one).patch(change).put(replace).delete(remove))
            .layer(middleware::from_fn_with_state(self.clone(), gate))
            .with_state(self.clone());
        let switch = Router::new()
            .route("/outage/{weather}", post(outage))
            .route("/asked", get(asked))
            .route("/oauth2/token", post(tokens::hand_out))
            .with_state(self);
        Router::new().nest("/api", api).merge(switch)
    }
}

type Shared = State<Arc<Shop>>;

/// Who may come in, how fast, and in which weather.
async fn gate(State(shop): Shared, request: Request, next: Next) -> Response {
    let wanted = format!("Bearer {}", shop.token);
    let said = request.headers().get(header::AUTHORIZATION);
    let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
    if said != wanted && !shop.tokens.open(said) {
        shop.refused.fetch_add(1, Ordering::Relaxed);
        return refusal(StatusCode::UNAUTHORIZED, "no such token");
    }
    if let Some(wait) = shop.sky.must_wait() {
        let seconds = wait.as_secs().max(1).to_string();
        let answer = refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests");
        return ([(header::RETRY_AFTER, seconds)], answer).into_response();
    }
    let creates = request.method() == axum::http::Method::POST;
    let lists = request.method() == axum::http::Method::GET
        && request.uri().path().trim_matches('/').split('/').count() == 1;
    let later_page = request.uri().query().is_some_and(|query| query.contains("after="));
    let looks = request.method() == axum::http::Method::GET;
    let answer = match shop.sky.now() {
        Weather::Busy => {
            let answer = refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests");
            ([(header::RETRY_AFTER, "3")], answer).into_response()
        }
        Weather::Out => refusal(StatusCode::BAD_GATEWAY, "the shop is closed"),
        Weather::Closed if lists => closed_page(),
        Weather::CutLists if lists && later_page => refusal(StatusCode::BAD_GATEWAY, "cut"),
        Weather::LostCreates if creates => {
            // It is made, and nobody is told.
            let _made = next.run(request).await;
            refusal(StatusCode::BAD_GATEWAY, "the answer was lost")
        }
        Weather::Fair
        | Weather::Closed
        | Weather::CutLists
        | Weather::LostCreates
        | Weather::TakesBack
        | Weather::LostHooks
        | Weather::RepeatedHooks => next.run(request).await,
    };
    // Counted once the answer is made: what changes in the shop from then on is not in it.
    if looks {
        let count = if lists { &shop.lists } else { &shop.reads };
        count.fetch_add(1, Ordering::Relaxed);
    }
    answer
}

/// What a maintenance page says: everything is fine.
fn closed_page() -> Response {
    axum::response::Html("<html><h1>We will be back soon</h1></html>").into_response()
}

async fn outage(State(shop): Shared, UrlPath(word): UrlPath<String>) -> Response {
    match Weather::parse(&word) {
        Some(weather) => {
            shop.weather(weather);
            StatusCode::NO_CONTENT.into_response()
        }
        None => refusal(StatusCode::NOT_FOUND, "no such weather"),
    }
}

/// How often lists and items were asked for, and where the last lists began.
async fn asked(State(shop): Shared) -> Json<Value> {
    let begun = shop.begun.lock().unwrap_or_else(PoisonError::into_inner);
    let begun: Vec<i64> = begun.iter().copied().collect();
    Json(json!({ "lists": shop.lists(), "reads": shop.reads(), "begun": begun }))
}

type Asked = Query<std::collections::BTreeMap<String, String>>;

async fn list(
    State(shop): Shared,
    UrlPath(kind): UrlPath<String>,
    Query(asked): Asked,
) -> Result<Response, Refused> {
    let kind = known(&kind)?;
    let number = |name: &str| asked.get(name).and_then(|text| text.parse::<i64>().ok());
    let limit = number("limit").and_then(|limit| u32::try_from(limit).ok()).unwrap_or(PAGE);
    let limit = limit.clamp(1, PAGE);
    let since = match asked.get("updated_at_min") {
        None => None,
        Some(text) => Some(
            store::time(text)
                .ok_or_else(|| Refused(Failure::Invalid("updated_at_min is no time".into())))?,
        ),
    };
    let since = since.as_deref();
    let unique = asked.get(kind.unique()).map(String::as_str);
    let after = number("after").unwrap_or(0);
    if unique.is_none() {
        let mut begun = shop.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push_back(after);
        if begun.len() > REMEMBERED {
            begun.pop_front();
        }
    }
    let items = shop.store.list(kind, after, limit, since, unique)?;
    let next = items.last().filter(|_| items.len() == limit as usize).map(|last| {
        let since = since.map(|since| format!("&updated_at_min={since}")).unwrap_or_default();
        format!("</api/{}?limit={limit}&after={}{since}>; rel=\"next\"", kind.word(), last.id)
    });
    let items: Vec<Value> = items.into_iter().map(|item| item.json).collect();
    let mut answer = Json(json!({ kind.word(): items })).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        answer.headers_mut().insert(header::LINK, next);
    }
    Ok(answer)
}

async fn one(
    State(shop): Shared,
    UrlPath((kind, id)): UrlPath<(String, i64)>,
) -> Result<Response, Refused> {
    let kind = known(&kind)?;
    Ok(shown(StatusCode::OK, shop.store.get(kind, id)?))
}

async fn create(
    State(shop): Shared,
    UrlPath(kind): UrlPath<String>,
    headers: HeaderMap,
    Json(item): Json<Value>,
) -> Result<Response, Refused> {
    let kind = known(&kind)?;
    let once = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    Ok(shown(StatusCode::CREATED, shop.store.create(kind, &item, once)?))
}

async fn change(
    shared: Shared,
    at: UrlPath<(String, i64)>,
    headers: HeaderMap,
    item: Json<Value>,
) -> Result<Response, Refused> {
    write(&shared, &at, &headers, &item, Keeps::Others)
}

async fn replace(
    shared: Shared,
    at: UrlPath<(String, i64)>,
    headers: HeaderMap,
    item: Json<Value>,
) -> Result<Response, Refused> {
    write(&shared, &at, &headers, &item, Keeps::Nothing)
}

fn write(
    shop: &Arc<Shop>,
    (kind, id): &(String, i64),
    headers: &HeaderMap,
    item: &Value,
    keeps: Keeps,
) -> Result<Response, Refused> {
    let kind = known(kind)?;
    let before = shop.store.get(kind, *id)?;
    let after = shop.store.change(kind, *id, item, wanted(headers), keeps)?;
    if shop.sky.now() == Weather::TakesBack {
        let own = Arc::clone(shop);
        let id = *id;
        tokio::spawn(async move {
            tokio::time::sleep(TAKES_BACK_AFTER).await;
            // Nobody is there to be told.
            let _taken_back = own.store.change(kind, id, &before.json, None, Keeps::Nothing);
        });
    }
    Ok(shown(StatusCode::OK, after))
}

async fn remove(
    State(shop): Shared,
    UrlPath((kind, id)): UrlPath<(String, i64)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    shop.store.delete(known(&kind)?, id, wanted(&headers))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Many at once: those with an `id` are changed, others created; each has a result of its own.
async fn batch(
    State(shop): Shared,
    UrlPath(kind): UrlPath<String>,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let kind = known(&kind)?;
    let items = body.get("items").and_then(Value::as_array);
    let items = items.filter(|items| items.len() <= BATCH);
    let items = items.ok_or_else(|| {
        Refused(Failure::Invalid(format!("`items` is a list of at most {BATCH}")))
    })?;
    let results: Vec<Value> = items
        .iter()
        .map(|item| {
            let done = match item.get("id").and_then(Value::as_i64) {
                Some(id) => {
                    let changed = shop.store.change(kind, id, item, None, Keeps::Others);
                    changed.map(|item| (StatusCode::OK, item))
                }
                None => shop.store.create(kind, item, None).map(|item| (StatusCode::CREATED, item)),
            };
            match done {
                Ok((status, item)) => json!({ "status": status.as_u16(), "item": item.json }),
                Err(failure) => {
                    let (status, message) = Refused(failure).words();
                    json!({ "status": status.as_u16(), "message": message })
                }
            }
        })
        .collect();
    Ok((StatusCode::MULTI_STATUS, Json(json!({ "results": results }))).into_response())
}

/// The version that must still hold.
fn wanted(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::IF_MATCH)?.to_str().ok()
}

fn known(kind: &str) -> Result<Kind, Refused> {
    Kind::parse(kind).ok_or(Refused(Failure::Missing))
}

fn shown(status: StatusCode, item: Item) -> Response {
    let etag = [(header::ETAG, item.etag())];
    (status, etag, Json(item.json)).into_response()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

/// A request that is refused.
struct Refused(Failure);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl Refused {
    fn words(&self) -> (StatusCode, String) {
        match &self.0 {
            Failure::Missing => (StatusCode::NOT_FOUND, "no such item".to_owned()),
            Failure::Changed => (StatusCode::PRECONDITION_FAILED, "it has changed".to_owned()),
            Failure::Taken => (StatusCode::CONFLICT, "another item holds this".to_owned()),
            Failure::Invalid(why) => (StatusCode::UNPROCESSABLE_ENTITY, why.clone()),
            Failure::Database(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the shop has a problem".to_owned())
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let (status, message) = self.words();
        refusal(status, &message)
    }
}
