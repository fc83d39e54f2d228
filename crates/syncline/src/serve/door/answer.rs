//! What those who call are answered, and what our own journal is told: the first never says more than
//! that it was taken or not.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::json;
use syncline_adapters::hub::inbox::Fate;

use crate::{report::Failure, words};

/// How a webhook is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// It is on record.
    Accepted,
    /// It was on record before.
    Duplicate,
    /// The sender has not proved itself.
    Unproved,
    /// It is larger than anybody may send.
    TooLarge,
    /// It was not sent in time.
    TooSlow,
    /// It ended before it was whole.
    Broken,
    /// It is packed.
    Packed,
    /// It does not tell of rows, and nobody else does.
    Unreadable,
    /// Too much waits.
    Full,
    /// It could not be put on record.
    NotNow,
}

impl Answered {
    /// As HTTP says it.
    pub(super) fn response(self) -> Response {
        let again = |mut response: Response, seconds: &'static str| {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
            response
        };
        match self {
            Self::Accepted => said(StatusCode::ACCEPTED, "accepted\n"),
            Self::Duplicate => said(StatusCode::OK, "known\n"),
            Self::Unproved => problem(StatusCode::UNAUTHORIZED, "hook.refused"),
            Self::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, "hook.too_large"),
            Self::TooSlow => problem(StatusCode::REQUEST_TIMEOUT, "hook.incomplete"),
            Self::Broken => problem(StatusCode::BAD_REQUEST, "hook.incomplete"),
            Self::Packed => problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "hook.packed"),
            Self::Unreadable => problem(StatusCode::UNPROCESSABLE_ENTITY, "hook.unreadable"),
            Self::Full => again(problem(StatusCode::SERVICE_UNAVAILABLE, "hook.not_taken"), "60"),
            Self::NotNow => again(problem(StatusCode::SERVICE_UNAVAILABLE, "hook.not_taken"), "10"),
        }
    }
}

fn said(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// A refusal as RFC 9457 writes it.
pub(super) fn problem(status: StatusCode, code: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("refused");
    let body =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code });
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What our journal is told of what was refused.
pub(super) fn refused(system: &str, fate: Fate, count: u64) -> Failure {
    let hooks = if count == 1 { "1 hook".into() } else { format!("{} hooks", words::count(count)) };
    let (code, what, fix) = match fate {
        Fate::TooOld => (
            "hook.too_old",
            "signed too long ago",
            "compare the clocks; a sender that is late may need a longer `max_age`".to_owned(),
        ),
        Fate::TooLarge => (
            "hook.too_large",
            "larger than 1 MiB",
            "let the sender tell which row changed, not all that it holds".to_owned(),
        ),
        Fate::Forbidden => (
            "hook.forbidden",
            "sent from an address that is not listed",
            format!("add it to systems.{system}.detect.webhook.from, if it is theirs"),
        ),
        Fate::Unreadable => (
            "hook.unreadable",
            "no JSON document, or an event does not say which row it is about",
            format!("look at `item`, `key` and `topics` of systems.{system}.detect.webhook"),
        ),
        Fate::BadSignature | Fate::Accepted | Fate::Duplicate | Fate::Test => (
            "hook.bad_signature",
            "sent with a wrong signature or secret",
            format!(
                "a secret was rotated: add the new one to systems.{system}.detect.webhook.secrets; a proxy must \
                 pass the body on untouched"
            ),
        ),
    };
    Failure::new(
        code,
        format!(
            "{hooks} to {system} {}: {what}",
            if count == 1 { "was refused" } else { "were refused" }
        ),
    )
    .cause(what)
    .done(if fate == Fate::Unreadable {
        "answered with 422: the sender knows that it was not taken"
    } else {
        "ignored; polling covers what it may have told"
    })
    .fix(fix)
}
