//! `Idempotency-Key`: who asks again with the same key is answered the same for a day, and nothing is done
//! twice.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value as Json;
use syncline_adapters::hub::calls::{Calls, Claim, Given};
use syncline_core::value::Digest;

use crate::{
    api::{problem, reply::Reply, request::refused},
    report::Failure,
    session::Session,
};

/// Answers are kept for so long, in milliseconds.
const KEPT_MS: i64 = 86_400_000;
/// A key is not longer than this.
const LENGTH_MAX: usize = 255;
/// An answer larger than this is not kept.
const BODY_MAX: usize = 1 << 20;

/// A request that is done at most once.
pub(super) struct Once {
    calls: Arc<Calls>,
    who: String,
    key: String,
}

/// What to do with a request.
pub(super) enum Turn {
    /// Do it, and keep the answer, if it has a key.
    Do(Option<Once>),
    /// It was done, and answered so.
    Done(Reply),
}

/// Looks up whether this was asked before.
///
/// # Errors
/// `server.key_reused`, `server.key_running`, `usage.parameter`; the file's.
pub(super) async fn claim(
    calls: &Arc<Calls>,
    headers: &HeaderMap,
    who: &str,
    request: &str,
) -> Result<Turn, Failure> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(Turn::Do(None)) };
    let text = value.to_str().unwrap_or_default();
    // A structured field is a text in quotes; most send it without.
    let key = text.trim().trim_matches('"');
    if key.is_empty() || key.len() > LENGTH_MAX {
        return Err(refused("`Idempotency-Key` is a text of 1 to 255 letters", "this one is not"));
    }
    let once = Once { calls: calls.clone(), who: who.to_owned(), key: key.to_owned() };
    let (digest, now) = (Digest::of(request.as_bytes()), Session::now());
    let claim = once
        .blocking(move |calls, who, key| calls.claim(who, key, digest, now, now.plus_ms(-KEPT_MS)))
        .await?;
    let said = |code: &str, message: &str| {
        Failure::new(code, message).cause("the key was used before").done("nothing was changed")
    };
    match claim {
        Claim::New => Ok(Turn::Do(Some(once))),
        Claim::Running => Err(said("server.key_running", "this is being done just now")
            .fix("come again in a moment, with the same key")),
        Claim::Other => Err(said("server.key_reused", "something else was asked with this key")
            .fix("take a new key for a new request")),
        Claim::Given(given) => Ok(Turn::Done(again(&given))),
    }
}

impl Once {
    /// Keeps what was answered. What says to come again is not kept.
    pub(super) async fn keep(self, answered: &Result<Reply, Failure>, path: &str) {
        let given = match answered {
            Ok(reply) => given(reply.status, &reply.headers, reply.body.to_string()),
            Err(failure) => {
                let status = problem::status(&failure.code);
                let is_later = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
                let body = problem::document(failure, path, "").to_string();
                if is_later { None } else { given(status, &[], body) }
            }
        };
        // If it cannot be kept, whoever asks again is told that it is under way, or settled.
        let _unknown =
            self.blocking(move |calls, who, key| calls.keep(who, key, given.as_ref())).await;
    }

    /// The answer is kept nowhere: it may be asked again.
    pub(super) async fn release(self) {
        let _unknown = self.blocking(|calls, who, key| calls.keep(who, key, None)).await;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Calls, &str, &str) -> Result<T, syncline_core::error::PortError>
        + Send
        + 'static,
    ) -> Result<T, Failure> {
        let (calls, who, key) = (self.calls.clone(), self.who.clone(), self.key.clone());
        let done = tokio::task::spawn_blocking(move || work(&calls, &who, &key)).await;
        match done {
            Ok(done) => Ok(done?),
            Err(error) => Err(Failure::new("bug.unexpected", "the key could not be looked up")
                .cause(error.to_string())),
        }
    }
}

fn given(status: StatusCode, headers: &[(HeaderName, String)], body: String) -> Option<Given> {
    let head: Vec<[&str; 2]> =
        headers.iter().map(|(name, value)| [name.as_str(), value.as_str()]).collect();
    let head = serde_json::to_string(&head).unwrap_or_default();
    (body.len() <= BODY_MAX).then(|| Given { status: status.as_u16(), head, body })
}

/// The answer of before.
fn again(given: &Given) -> Reply {
    let status = StatusCode::from_u16(given.status).unwrap_or(StatusCode::OK);
    let head: Vec<[String; 2]> = serde_json::from_str(&given.head).unwrap_or_default();
    let mut reply =
        Reply { status, ..Reply::new(serde_json::from_str(&given.body).unwrap_or(Json::Null)) };
    for [name, value] in head {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            reply = reply.with(name, value);
        }
    }
    reply.is_problem = status.is_client_error();
    reply
}
