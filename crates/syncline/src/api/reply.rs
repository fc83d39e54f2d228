//! An answer: a document, and what stands in its head.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::Value as Json;

/// What a resource gives back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Json,
    pub(super) headers: Vec<(HeaderName, String)>,
    /// It is a refusal that was given before.
    pub(super) is_problem: bool,
}

impl Reply {
    /// A document.
    pub(super) fn new(body: Json) -> Self {
        Self { status: StatusCode::OK, body, headers: Vec::new(), is_problem: false }
    }

    /// The same with a line in its head.
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a tag of what can be decided: `If-Match` says what was seen.
    pub(super) fn tagged(self, tag: &str) -> Self {
        self.with(header::ETAG, format!("\"{tag}\""))
    }

    /// As HTTP says it.
    pub(super) fn response(self) -> Response {
        let mut response = Response::new(Body::from(format!("{}\n", self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = if self.is_problem { "application/problem+json" } else { "application/json" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in self.headers {
            // What cannot stand in a head is left out of it; the body says it.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
