//! Tokens by `OAuth2`: for a client that asks for itself, and for one that a person let in, whose refresh
//! token changes each time. Tokens end, and they can be taken back.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;

use crate::{Shared, Weather};

/// The one client that the shop knows; its secret is the shop's token.
pub const CLIENT: &str = "syncline";

/// What was handed out.
#[derive(Debug)]
pub(crate) struct Tokens {
    state: Mutex<Handed>,
}

#[derive(Debug)]
struct Handed {
    /// How long a token opens the shop, and how long it says so.
    life: Duration,
    said: Duration,
    /// When each ends.
    open: BTreeMap<String, Instant>,
    /// The one refresh token that holds.
    refresh: String,
    count: u64,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let hour = Duration::from_secs(3_600);
        let refresh = "first-refresh".to_owned();
        let handed = Handed { life: hour, said: hour, open: BTreeMap::new(), refresh, count: 0 };
        Self { state: Mutex::new(handed) }
    }

    /// From now on a token opens the shop for so long, and says another time.
    pub(crate) fn last(&self, life: Duration, said: Duration) {
        let mut handed = self.handed();
        (handed.life, handed.said) = (life, said);
    }

    pub(crate) fn count(&self) -> u64 {
        self.handed().count
    }

    /// This header opens the shop.
    pub(crate) fn open(&self, header: &str) -> bool {
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        self.handed().open.get(token).is_some_and(|end| Instant::now() < *end)
    }

    fn handed(&self) -> MutexGuard<'_, Handed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /oauth2/token`.
pub(crate) async fn hand_out(
    State(shop): Shared,
    headers: HeaderMap,
    Form(asked): Form<BTreeMap<String, String>>,
) -> Response {
    match shop.sky.now() {
        Weather::Out => return refused(StatusCode::BAD_GATEWAY, "", "nobody is there"),
        Weather::Closed => return crate::closed_page(),
        Weather::Fair
        | Weather::CutLists
        | Weather::LostCreates
        | Weather::TakesBack
        | Weather::LostHooks
        | Weather::RepeatedHooks
        | Weather::Busy => {}
    }
    if !is_client(&headers, &asked, &shop.token) {
        // As careless ones do, it says what it was sent.
        let said = asked.get("client_secret").map_or("", String::as_str);
        return refused(StatusCode::UNAUTHORIZED, "invalid_client", &format!("not {said}"));
    }
    let (Some(access), Some(refresh)) = (random(), random()) else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "no randomness");
    };
    let mut handed = shop.tokens.handed();
    let rotated = match asked.get("grant_type").map(String::as_str) {
        Some("client_credentials") => None,
        Some("refresh_token") if asked.get("refresh_token") == Some(&handed.refresh) => {
            handed.refresh.clone_from(&refresh);
            Some(refresh)
        }
        Some("refresh_token") => {
            return refused(StatusCode::BAD_REQUEST, "invalid_grant", "no such refresh token");
        }
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", ""),
    };
    let end = Instant::now() + handed.life;
    handed.open.insert(access.clone(), end);
    handed.count += 1;
    let mut answer = json!({
        "access_token": access, "token_type": "bearer", "expires_in": handed.said.as_secs(),
    });
    if let (Some(rotated), Some(answer)) = (rotated, answer.as_object_mut()) {
        answer.insert("refresh_token".into(), rotated.into());
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// The client, by a header or in the body.
fn is_client(headers: &HeaderMap, asked: &BTreeMap<String, String>, secret: &str) -> bool {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{secret}"));
    let said = headers.get(header::AUTHORIZATION).and_then(|said| said.to_str().ok());
    let said_in_body = |name: &str| asked.get(name).map(String::as_str);
    said == Some(&format!("Basic {basic}"))
        || said_in_body("client_id") == Some(CLIENT)
            && said_in_body("client_secret") == Some(secret)
}

fn random() -> Option<String> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

fn refused(status: StatusCode, error: &str, why: &str) -> Response {
    (status, Json(json!({ "error": error, "error_description": why }))).into_response()
}
