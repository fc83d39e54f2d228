//! A refusal as RFC 9457 writes it: the same parts as on the command line, and the one place that says
//! which number of HTTP a code has.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value as Json, json};

use crate::{pages, report::Failure, traces};

/// The number of HTTP that belongs to a code.
pub(super) fn status(code: &str) -> StatusCode {
    match code {
        "usage.unknown_number"
        | "usage.unknown_token"
        | "usage.unknown_entity"
        | "usage.unknown_system"
        | "address.unknown"
        | "server.unknown_path" => StatusCode::NOT_FOUND,
        "usage.settled" | "plan.stale" | "run.paused" | "run.unapproved" => StatusCode::CONFLICT,
        "usage.value" | "usage.take" | "usage.edit" | "usage.link" => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        "server.method" => StatusCode::METHOD_NOT_ALLOWED,
        "server.token" => StatusCode::UNAUTHORIZED,
        "server.key_reused" => StatusCode::UNPROCESSABLE_ENTITY,
        "server.key_running" | "server.no_tokens" => StatusCode::CONFLICT,
        "server.cross_site" | "server.role" => StatusCode::FORBIDDEN,
        "server.changed" => StatusCode::PRECONDITION_FAILED,
        "server.content" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "server.too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "server.incomplete" => StatusCode::REQUEST_TIMEOUT,
        "server.busy" => StatusCode::TOO_MANY_REQUESTS,
        _ => match code.split('.').next().unwrap_or_default() {
            "usage" | "address" => StatusCode::BAD_REQUEST,
            "guard" | "match" | "map" | "validate" | "write" | "run" => StatusCode::CONFLICT,
            "connect" | "detect" | "read" | "schema" => StatusCode::BAD_GATEWAY,
            "hub" | "secret" | "config" | "server" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// The refusal of a request for `instance`. `public`: where we are called, for a link to the page.
pub(super) fn response(failure: &Failure, instance: &str, public: &str) -> Response {
    let status = status(&failure.code);
    let body = document(failure, instance, public);
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::UNAUTHORIZED {
        let how = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    }
    let again = match status {
        StatusCode::TOO_MANY_REQUESTS => Some("2"),
        StatusCode::SERVICE_UNAVAILABLE => Some("10"),
        _ => None,
    };
    if let Some(again) = again {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(again));
    }
    response
}

/// The document.
pub(super) fn document(failure: &Failure, instance: &str, public: &str) -> Json {
    let status = status(&failure.code);
    let title = pages::title(&failure.code).unwrap_or("The request was refused");
    let mut body = json!({
        "type": format!("{public}/errors/{}", failure.code),
        "title": title.trim_end_matches('.'),
        "status": status.as_u16(),
        "instance": instance,
    });
    if let (Some(body), Some(parts)) = (body.as_object_mut(), failure.json().as_object()) {
        // `code`, `detail`, `cause`, `done`, `fix`, as on the command line.
        // A list of places in the body is called as RFC 9457 calls it.
        let errors =
            |name: &str| if name == "more" { "errors".to_owned() } else { name.to_owned() };
        body.extend(parts.iter().map(|(name, part)| (errors(name), part.clone())));
        // Whoever follows the request finds it there.
        if let Some(context) = traces::current() {
            body.insert("trace_id".to_owned(), json!(context.trace_id()));
        }
    }
    body
}
