//! Access tokens by `OAuth2`: got when first needed, kept in memory only, renewed before they end and
//! when the system refuses one.
//!
//! All who work with a system in this process share one token and one renewal. A renewal runs to its
//! end whoever stops waiting for it: with a refresh token that changes each time, an answer that is
//! thrown away is a system that knows us no more. Neither tokens nor bodies reach a message.

mod kept;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::{
    StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde_json::Value as Json;
use syncline_core::error::{ErrorKind, PortError};
use tokio::time::Instant;

use crate::{
    rest::{client, pace::Pace},
    settings::{Secret, Settings, api::Grant},
    tls,
};

/// The most an answer with a token may hold.
const ANSWER_BYTES: usize = 256 << 10;
/// A token is renewed so long before it ends, or a tenth of its life before.
const MARGIN: Duration = Duration::from_secs(60);
/// A token that was never taken is not renewed before it is this old: the next would do no better.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// The longest that a token is used, whatever is said of it.
const LIFE_MAX: u64 = 30 * 24 * 3_600;

/// By the system's name and the URL, for as long as the process lives: one token serves each session.
static TOKENS: Mutex<BTreeMap<(String, String), Arc<Tokens>>> = Mutex::new(BTreeMap::new());

/// Where the tokens of one system come from, and the one that holds now.
#[derive(Debug)]
pub(super) struct Tokens {
    http: reqwest::Client,
    url: Url,
    grant: Grant,
    /// For messages: `get a token for "shop" from login.example`.
    action: String,
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now: Option<Arc<Access>>,
    /// When the last renewal failed, and why.
    failed: Option<(Instant, PortError)>,
}

/// A token that opens the system.
#[derive(Debug)]
pub(super) struct Access {
    /// What the header says.
    pub(super) header: HeaderValue,
    got: Instant,
    /// When it is renewed, if it is known when it ends.
    due: Option<Instant>,
    /// The system took it at least once.
    was_taken: AtomicBool,
}

impl Access {
    /// The system took it.
    pub(super) fn taken(&self) {
        self.was_taken.store(true, Ordering::Relaxed);
    }

    /// Another would be no better.
    fn is_as_good_as_any(&self) -> bool {
        !self.was_taken.load(Ordering::Relaxed) && self.got.elapsed() < REFUSED_FOR
    }
}

impl Tokens {
    /// The tokens of this system. Nothing is asked yet.
    ///
    /// # Errors
    /// `Tls` if certificates cannot be read; `Secret` if the URL is none.
    pub(super) fn of(settings: &Settings, grant: &Grant) -> Result<Arc<Self>, PortError> {
        let key = (settings.name.clone(), grant.url.clone());
        let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tokens.get(&key).filter(|known| known.grant.is_same(grant)) {
            return Ok(Arc::clone(known));
        }
        let wrong = |what: String| {
            let action = format!("prepare tokens for \"{}\"", settings.name);
            PortError::new(ErrorKind::Secret, action, what)
        };
        let url = Url::parse(&grant.url).map_err(|_| wrong("its token_url is none".into()))?;
        let host = url.host_str().unwrap_or_default();
        let action = format!("get a token for \"{}\" from {host} (auth.oauth2)", settings.name);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(
                &settings.name,
                url.scheme() == "https",
                settings.tls_ca.as_deref(),
            )?)
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.statement_timeout)
            // The secret goes where the file says, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(|error| wrong(error.without_url().to_string()))?;
        let made =
            Arc::new(Self { http, url, grant: grant.clone(), action, state: Arc::default() });
        tokens.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// The token to send now; not `refused`, if another may be better. One that is asked for counts
    /// as a request at this pace.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn access(
        self: &Arc<Self>,
        pace: &Arc<Pace>,
        refused: Option<&Arc<Access>>,
    ) -> Result<Arc<Access>, PortError> {
        let begun = Instant::now();
        let mut state = Arc::clone(&self.state).lock_owned().await;
        let is_fresh = |it: &&Arc<Access>| it.due.is_none_or(|due| Instant::now() < due);
        if let Some(known) = state.now.as_ref().filter(is_fresh) {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, known));
            if !is_refused || known.is_as_good_as_any() {
                return Ok(Arc::clone(known));
            }
        }
        // Who waited for a renewal shares its failure too.
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| *at > begun) {
            return Err(error.clone());
        }
        // It holds the lock itself, and ends even if nobody waits for it any more.
        let (own, pace) = (Arc::clone(self), Arc::clone(pace));
        let renewal = tokio::spawn(async move {
            state.now = None;
            let done = own.renew(&pace).await.map(Arc::new);
            state.failed = done.as_ref().err().map(|error| (Instant::now(), error.clone()));
            state.now = done.as_ref().ok().cloned();
            done
        });
        match renewal.await {
            Ok(done) => done,
            Err(error) => {
                let detail = error.to_string();
                Err(PortError::new(ErrorKind::Unexpected, self.action.clone(), detail))
            }
        }
    }

    async fn renew(&self, pace: &Pace) -> Result<Access, PortError> {
        let wait = pace.wait(Instant::now(), client::PATIENCE);
        if wait > client::PATIENCE {
            let detail = format!("it asks to wait {} s more", wait.as_secs());
            return Err(self.failed(ErrorKind::Throttled, detail));
        }
        tokio::time::sleep(wait).await;
        let Some(refresh) = &self.grant.refresh else {
            return self.ask("client_credentials", None).await.map(|(access, _)| access);
        };
        let held = kept::hold(refresh).await.map_err(|why| self.failed(ErrorKind::Secret, why))?;
        let token = held.token().map_err(|why| self.failed(ErrorKind::Secret, why))?;
        let (access, next) = self.ask("refresh_token", Some(&token)).await?;
        if let Some(next) = next.filter(|next| next.reveal() != token.reveal()) {
            // Lost, it would lock us out at the next start: better to say so now.
            held.keep(&next).map_err(|why| self.failed(ErrorKind::Secret, why))?;
            tracing::info!(file = %refresh.kept.display(), "a new refresh token is kept");
        }
        Ok(access)
    }

    /// One request for a token; with the refresh token that comes along, if one does.
    async fn ask(
        &self,
        grant_type: &str,
        refresh: Option<&Secret>,
    ) -> Result<(Access, Option<Secret>), PortError> {
        let grant = &self.grant;
        let mut form = vec![("grant_type", grant_type)];
        form.extend(grant.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        form.extend(refresh.map(|token| ("refresh_token", token.reveal())));
        let secret = grant.client_secret.as_ref().map(Secret::reveal);
        let mut request = self.http.post(self.url.clone()).header(ACCEPT, "application/json");
        match secret.filter(|_| !grant.is_in_body) {
            Some(secret) => {
                // RFC 6749, 2.3.1: both are encoded like a form before they are joined.
                request = request.basic_auth(encoded(&grant.client_id), Some(encoded(secret)));
            }
            None => {
                form.push(("client_id", &grant.client_id));
                form.extend(secret.map(|secret| ("client_secret", secret)));
            }
        }
        let asked = Instant::now();
        let response = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form_text(&form))
            .send()
            .await
            .map_err(|error| client::lost(error, &self.action).into_error())?;
        let status = response.status();
        let body = client::body(response, ANSWER_BYTES, &self.action)
            .await
            .map_err(client::Lost::into_error)?;
        let json = serde_json::from_slice::<Json>(&body).ok();
        if !status.is_success() {
            return Err(self.refusal(status, json.as_ref(), refresh));
        }
        self.understood(json.as_ref(), asked)
    }

    /// What an answer with a token says.
    fn understood(
        &self,
        json: Option<&Json>,
        asked: Instant,
    ) -> Result<(Access, Option<Secret>), PortError> {
        let nonsense =
            |what: &str| self.failed(ErrorKind::Answer, format!("{what}: check token_url"));
        let Some(Json::Object(answer)) = json else {
            return Err(nonsense("its answer is no JSON object"));
        };
        let text = |name: &str| answer.get(name).and_then(Json::as_str);
        let token = text("access_token")
            .filter(|token| !token.is_empty())
            .ok_or_else(|| nonsense("its answer holds no access_token"))?;
        if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(nonsense("its token is not of the type Bearer"));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| nonsense("its token cannot stand in a header"))?;
        header.set_sensitive(true);
        let life = match answer.get("expires_in") {
            None | Some(Json::Null) => None,
            // Some servers write the number as a text.
            Some(said) => {
                let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
                let seconds = text.trim().parse::<f64>().ok().filter(|it| it.is_finite());
                let seconds = seconds.ok_or_else(|| nonsense("its expires_in is no number"))?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "out of range it becomes the nearest, and is bounded next"
                )]
                let seconds = (seconds as u64).min(LIFE_MAX);
                Some(Duration::from_secs(seconds))
            }
        };
        // A token without a life serves this once.
        let due = life.map(|life| asked + life.saturating_sub(MARGIN.min(life / 10)));
        let access = Access { header, got: Instant::now(), due, was_taken: AtomicBool::new(false) };
        let next = text("refresh_token").filter(|text| !text.is_empty()).map(Secret::new);
        Ok((access, next))
    }

    /// What an answer without a token means.
    fn refusal(
        &self,
        status: StatusCode,
        json: Option<&Json>,
        refresh: Option<&Secret>,
    ) -> PortError {
        let kind = match status.as_u16() {
            408 | 504 => ErrorKind::TimedOut,
            429 => ErrorKind::Throttled,
            500..=599 => ErrorKind::Unreachable,
            400 | 401 | 403 => ErrorKind::Credentials,
            _ => ErrorKind::Answer,
        };
        let said = |name: &str| json.and_then(|json| json.get(name)).and_then(Json::as_str);
        let words: Vec<String> = [said("error"), said("error_description")]
            .into_iter()
            .flatten()
            .map(|text| self.without_secrets(text, refresh))
            .collect();
        let detail = if words.is_empty() {
            format!("it answered {}", status.as_u16())
        } else {
            format!("it answered {}: {}", status.as_u16(), words.join(": "))
        };
        self.failed(kind, detail)
    }

    /// A server may quote what it was sent.
    fn without_secrets(&self, text: &str, refresh: Option<&Secret>) -> String {
        let secrets = self.grant.client_secret.iter().chain(refresh);
        let text = secrets.fold(text.to_owned(), |text, secret| {
            text.replace(secret.reveal(), "(secret)").replace(&encoded(secret.reveal()), "(secret)")
        });
        text.chars().filter(|letter| !letter.is_control()).take(200).collect()
    }

    fn failed(&self, kind: ErrorKind, detail: String) -> PortError {
        PortError::new(kind, self.action.clone(), detail)
    }
}

/// As forms and parameters write a text.
fn encoded(text: &str) -> String {
    form_text(&[(text, "")]).trim_end_matches('=').to_owned()
}

fn form_text(pairs: &[(&str, &str)]) -> String {
    let mut form = reqwest::Url::parse("form:").ok();
    if let Some(url) = &mut form {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    form.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
