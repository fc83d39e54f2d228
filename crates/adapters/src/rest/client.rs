//! Requests and answers: bounded in size and time, at the system's pace, and only where the
//! configuration says.
//!
//! Reads are repeated where the line or a proxy failed. Writes are not: whether one was made is not
//! known if no answer came, and that is said. Neither URLs nor bodies reach a message: they hold
//! values of rows, and a URL may hold the key.

mod bounded;

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap,
        HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    },
};
use serde_json::Value as Json;
use syncline_core::{
    error::{ErrorKind, PortError, RemedyAction},
    name::Timestamp,
};
use syncline_ports::clock::Clock as _;
use tokio::time::Instant;

use crate::{
    clock::SystemClock,
    followed::{self, TRACEPARENT},
    rest::{
        pace::Pace,
        quota,
        token::{Access, Tokens},
    },
    settings::{Settings, Tls, api::Api, api::Auth},
    tls,
};

pub(super) use bounded::body;
use bounded::{Unpacking, too_long, unpacked};

/// The most an answer may hold, unpacked.
const ANSWER_BYTES: usize = 32 << 20;
/// How long one call may wait because the system asks for it, or because of `max_rate`.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait where the system asks to slow down and does not say for how long.
const UNSAID_WAIT: Duration = Duration::from_secs(2);
/// How often a read is tried.
const TRIES: u32 = 4;
/// How many redirects a read follows.
const REDIRECTS: u32 = 5;

/// Talks to one system.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    auth: Auth,
    /// Where `auth` gets its tokens.
    tokens: Option<Arc<Tokens>>,
    pace: Arc<Pace>,
    /// How many requests may be under way at once.
    concurrency: usize,
    name: String,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<String>,
    /// For messages: `list customers of "shop"`.
    pub(super) action: String,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where the answer came from, after redirects.
    pub(super) url: Url,
    body: Vec<u8>,
}

/// A call without an answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// It was not made, or the system said that it did nothing.
    NotDone(PortError),
    /// Perhaps it was made.
    Unknown(PortError),
}

impl Lost {
    /// What happened, where it does not matter whether it was made.
    pub(super) fn into_error(self) -> PortError {
        match self {
            Self::NotDone(error) | Self::Unknown(error) => error,
        }
    }
}

impl Client {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// `Tls` if certificates cannot be read; `Unsupported` if a header cannot be sent.
    pub(super) fn new(settings: &Settings, api: &Api) -> Result<Self, PortError> {
        let action = || format!("prepare requests to \"{}\"", settings.name);
        let wrong = |what: &str| PortError::new(ErrorKind::Secret, action(), what);
        let base = Url::parse(&api.base).map_err(|_| wrong("its URL is none"))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut secret = |name: &str, text: &str| {
            let name = HeaderName::try_from(name).map_err(|_| wrong("a header has no name"))?;
            let mut value =
                HeaderValue::from_str(text).map_err(|_| wrong("a header cannot hold its value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok::<_, PortError>(())
        };
        for (name, value) in &api.headers {
            secret(name, value.reveal())?;
        }
        match &api.auth {
            Auth::None | Auth::Basic(..) | Auth::Query(..) | Auth::OAuth2(_) => {}
            Auth::Bearer(token) => {
                secret(AUTHORIZATION.as_str(), &format!("Bearer {}", token.reveal()))?;
            }
            Auth::Header(name, value) => secret(name, value.reveal())?,
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(
                &settings.name,
                settings.tls != Tls::Off,
                settings.tls_ca.as_deref(),
            )?)
            .default_headers(headers)
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.statement_timeout)
            // A redirect is followed here, where it is known where it may lead.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(|error| wrong(&error.without_url().to_string()))?;
        let tokens = match &api.auth {
            Auth::OAuth2(grant) => Some(Tokens::of(settings, grant)?),
            Auth::None | Auth::Bearer(_) | Auth::Basic(..) | Auth::Header(..) | Auth::Query(..) => {
                None
            }
        };
        let (auth, pace) = (api.auth.clone(), Pace::of(settings, api));
        let concurrency = api.concurrency;
        Ok(Self { http, base, auth, tokens, pace, concurrency, name: settings.name.clone() })
    }

    /// The URL of this path, which cannot leave the system.
    ///
    /// # Errors
    /// `Answer` if it would.
    pub(super) fn url(&self, path: &str, action: &str) -> Result<Url, PortError> {
        let url = self.base.join(path).ok().filter(|url| self.is_own(url));
        url.ok_or_else(|| {
            let detail = "its path leads out of the system";
            PortError::new(ErrorKind::Answer, action.to_owned(), detail)
        })
    }

    /// The URL that an answer gave, if it does not lead to another host.
    ///
    /// # Errors
    /// `Answer` if it does.
    pub(super) fn follow(&self, from: &Url, link: &str, action: &str) -> Result<Url, PortError> {
        let refused = |detail: String| PortError::new(ErrorKind::Answer, action.to_owned(), detail);
        let url =
            from.join(link).map_err(|_| refused("it answered with a URL that is none".into()))?;
        if self.is_own(&url) {
            return Ok(url);
        }
        let host = url.host_str().unwrap_or("nowhere");
        Err(refused(format!("it leads to another place, {}://{host}: not followed", url.scheme())))
    }

    fn is_own(&self, url: &Url) -> bool {
        url.scheme() == self.base.scheme()
            && url.host_str() == self.base.host_str()
            && url.port_or_known_default() == self.base.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// Reads: what fails on the way is tried again, redirects within the system are followed.
    ///
    /// # Errors
    /// What kept it from being answered; answers with an error are answers, but for those that say
    /// that we may not ask.
    pub(super) async fn get(&self, url: Url, action: &str) -> Result<Answer, PortError> {
        let mut call = Call {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
            action: action.to_owned(),
        };
        let (mut tries, mut redirects) = (0, 0);
        loop {
            tries += 1;
            let failed = match self.send(&call).await {
                Ok(answer) if answer.status.is_redirection() => {
                    redirects += 1;
                    if redirects > REDIRECTS {
                        let detail = "it redirects again and again";
                        return Err(PortError::new(ErrorKind::Answer, action, detail));
                    }
                    let link = answer.header(&LOCATION).unwrap_or_default();
                    call.url = self.follow(&answer.url, link, action)?;
                    tries = 0;
                    continue;
                }
                Ok(answer) if answer.status.is_server_error() => answer.failure(action),
                Ok(answer) => return Ok(answer),
                Err(Lost::NotDone(error) | Lost::Unknown(error)) => error,
            };
            let is_final = match failed.kind.remedy().action {
                RemedyAction::Halt | RemedyAction::Resynchronise => true,
                // The wait is over already, or it would be too long.
                RemedyAction::Retry => failed.kind == ErrorKind::Throttled,
            };
            if is_final || tries >= TRIES {
                return Err(failed);
            }
            tokio::time::sleep(Duration::from_millis(200 << (2 * (tries - 1)))).await;
        }
    }

    /// Sends once, at the system's pace. Where it asks to slow down, it is left alone for as long as
    /// it says, and asked again.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, Lost> {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let wait = self.pace.wait(Instant::now(), left);
            if wait > left {
                let detail = format!("it asks to wait {} s more", wait.as_secs());
                let error = PortError::new(ErrorKind::Throttled, call.action.clone(), detail);
                return Err(Lost::NotDone(error));
            }
            tokio::time::sleep(wait).await;
            let place = self.pace.width().enter().await;
            let answer = self.known(call).await;
            if is_too_much(&answer) {
                place.complained();
            } else {
                place.answered();
            }
            drop(place);
            let answer = answer?;
            let says_when = answer.headers.contains_key(RETRY_AFTER);
            if answer.status == StatusCode::TOO_MANY_REQUESTS
                || (answer.status == StatusCode::SERVICE_UNAVAILABLE && says_when)
            {
                let wait = answer.retry_after().unwrap_or(UNSAID_WAIT);
                tracing::info!(system = %self.name, seconds = wait.as_secs(), "asked to slow down");
                self.pace.close(Instant::now(), wait.max(Duration::from_millis(100)));
                continue;
            }
            let header = |name: &str| answer.headers.get(name).and_then(|it| it.to_str().ok());
            let now = answer.time().ms().div_euclid(1_000);
            if let Some(wait) = quota::asks(header, self.concurrency, now) {
                self.pace.close(Instant::now(), wait);
            }
            return Ok(answer);
        }
    }

    /// Sends with a token that holds; once more with another where the system refuses it.
    async fn known(&self, call: &Call) -> Result<Answer, Lost> {
        let Some(tokens) = &self.tokens else { return self.once(call, None).await };
        let access = tokens.access(&self.pace, None).await.map_err(Lost::NotDone)?;
        let answer = self.once(call, Some(&access)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            access.taken();
            return Ok(answer);
        }
        let other = tokens.access(&self.pace, Some(&access)).await.map_err(Lost::NotDone)?;
        if Arc::ptr_eq(&access, &other) {
            return Ok(answer);
        }
        let answer = self.once(call, Some(&other)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            other.taken();
        }
        Ok(answer)
    }

    async fn once(&self, call: &Call, access: Option<&Access>) -> Result<Answer, Lost> {
        let mut url = call.url.clone();
        if let Auth::Query(name, value) = &self.auth {
            url.query_pairs_mut().append_pair(name, value.reveal());
        }
        let mut request = self.http.request(call.method.clone(), url);
        if let Auth::Basic(user, password) = &self.auth {
            request = request.basic_auth(user, Some(password.reveal()));
        }
        if let Some(access) = access {
            request = request.header(AUTHORIZATION, &access.header);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(trace) = followed::header(&self.name) {
            request = request.header(TRACEPARENT, trace);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = request.send().await.map_err(|error| lost(error, &call.action))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = body(response, ANSWER_BYTES, &call.action).await?;
        let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        match encoding.map(str::trim).filter(|word| !word.is_empty()) {
            None | Some("identity") => {}
            Some("gzip" | "x-gzip") => {
                body = unpacked(&body).map_err(|problem| match problem {
                    Unpacking::TooLong => too_long(ANSWER_BYTES, &call.action),
                    Unpacking::Damaged => {
                        let detail = "its answer is damaged: it cannot be unpacked";
                        let action = call.action.clone();
                        Lost::Unknown(PortError::new(ErrorKind::Answer, action, detail))
                    }
                })?;
            }
            Some(other) => {
                let detail =
                    format!("its answer is packed in a way that was not asked for ({other})");
                let error = PortError::new(ErrorKind::Answer, call.action.clone(), detail);
                return Err(Lost::Unknown(error));
            }
        }
        Ok(Answer { status, headers, url: call.url.clone(), body })
    }
}

/// Whether the system shows that it is asked too much at once: it says so, gives way behind whoever stands
/// before it, or does not get to answering.
fn is_too_much(answer: &Result<Answer, Lost>) -> bool {
    match answer {
        Ok(answer) => matches!(answer.status.as_u16(), 408 | 429 | 502..=504),
        Err(Lost::NotDone(error) | Lost::Unknown(error)) => error.kind == ErrorKind::TimedOut,
    }
}

impl Answer {
    /// A header, as text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// The document that it holds, whatever its header says; NULL for an empty body.
    ///
    /// # Errors
    /// `Answer`, with what it seems to be instead.
    pub(super) fn json(&self, action: &str) -> Result<Json, PortError> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Json::Null);
        }
        serde_json::from_slice(body).map_err(|error| {
            let status = self.status.as_u16();
            let detail = if self.is_html() {
                format!("an HTML page instead of JSON, with status {status}")
            } else {
                // Its own words would quote what stands there.
                let (line, column) = (error.line(), error.column());
                format!("not JSON, with status {status}: see line {line}, column {column}")
            };
            PortError::new(ErrorKind::Answer, action, detail)
        })
    }

    /// It is a page for people, not for us.
    pub(super) fn is_html(&self) -> bool {
        let start = self.body.iter().position(|byte| !byte.is_ascii_whitespace());
        start.and_then(|start| self.body.get(start)) == Some(&b'<')
    }

    /// What an answer with an error means.
    pub(super) fn failure(&self, action: &str) -> PortError {
        let kind = match self.status.as_u16() {
            401 => ErrorKind::Credentials,
            403 => ErrorKind::Forbidden,
            404 | 410 => ErrorKind::SchemaDrift,
            408 | 504 => ErrorKind::TimedOut,
            429 => ErrorKind::Throttled,
            500..=599 => ErrorKind::Unreachable,
            _ => ErrorKind::Answer,
        };
        PortError::new(kind, action, self.reason())
    }

    /// What it says: `422: name is too long`. May hold values of the row that was sent.
    pub(super) fn reason(&self) -> String {
        let status = self.status.as_u16();
        let said = if self.is_html() {
            Some("an HTML page".to_owned())
        } else {
            serde_json::from_slice(&self.body).ok().and_then(|json| said(&json))
        };
        match said {
            Some(said) => format!("it answered {status}: {said}"),
            None => format!("it answered {status}"),
        }
    }

    /// How long it asks to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        let said = self.header(&RETRY_AFTER)?.trim();
        if let Ok(seconds) = said.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let until = http_date(said)?;
        let wait = until.ms() - SystemClock.now().ms();
        Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
    }

    /// The time of the server when it answered; ours if it does not say.
    pub(super) fn time(&self) -> Timestamp {
        self.header(&DATE).and_then(http_date).unwrap_or_else(|| SystemClock.now())
    }
}

/// The message of an error, wherever servers put it.
pub(super) fn said(json: &Json) -> Option<String> {
    const PLACES: [&str; 7] =
        ["detail", "message", "error_description", "title", "error", "errors", "msg"];
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Object(entries) => {
            let found = PLACES.iter().find_map(|place| entries.get(*place))?;
            match found {
                Json::Object(inner) if inner.contains_key("message") => return said(found),
                Json::String(text) => text.clone(),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                    found.to_string()
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => return None,
    };
    Some(text.chars().filter(|letter| !letter.is_control()).take(200).collect())
}

/// A request that got no answer.
pub(super) fn lost(error: reqwest::Error, action: &str) -> Lost {
    let (is_timeout, is_connect) = (error.is_timeout(), error.is_connect());
    let error = error.without_url();
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(&error);
    let mut is_tls = false;
    while let Some(inner) = source {
        let text = inner.to_string();
        is_tls |= inner.is::<rustls::Error>() || text.contains("certificate");
        if !detail.contains(&text) {
            detail = format!("{detail}: {text}");
        }
        source = inner.source();
    }
    let kind = match (is_tls, is_timeout) {
        (true, _) => ErrorKind::Tls,
        (false, true) => ErrorKind::TimedOut,
        (false, false) => ErrorKind::Unreachable,
    };
    let failed = PortError::new(kind, action, detail);
    if is_connect { Lost::NotDone(failed) } else { Lost::Unknown(failed) }
}

/// A time as headers write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    static PARSER: jiff::fmt::rfc2822::DateTimeParser = jiff::fmt::rfc2822::DateTimeParser::new();
    Some(Timestamp(PARSER.parse_timestamp(text).ok()?.as_microsecond()))
}

#[cfg(test)]
mod tests;
