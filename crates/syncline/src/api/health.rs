//! What machines ask all the time: whether this process lives, whether it can work, and its numbers.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
    routing::get,
};

use super::{Api, looks::Looks, problem};
use crate::{measure, report::Failure, session::Session};

/// The text format of `OpenMetrics`.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Their routes.
pub(super) fn routes(api: &Arc<Api>) -> Router {
    let looks = api.looks.clone();
    let asked = api.clone();
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(move |request: Request| metrics(asked.clone(), request)))
        .with_state(looks)
}

/// It can work as long as the hub can be read. A system that is down is no reason to start anew.
async fn ready(State(looks): State<Arc<Looks>>, uri: Uri) -> Response {
    let began = std::time::Instant::now();
    let systems = looks.with(|session| Box::pin(systems(session))).await;
    let is_verbose = uri.query().is_some_and(|query| query.split('&').any(|it| it == "verbose"));
    match systems {
        Ok(systems) if is_verbose => {
            let took = began.elapsed().as_millis();
            let mut text = format!("hub ok ({took} ms)\n");
            for (name, word) in systems {
                text.push_str(&format!("system {name} {word}\n"));
            }
            plain(StatusCode::OK, text + "ready\n")
        }
        Ok(_) => plain(StatusCode::OK, "ready\n".to_owned()),
        // Before the first pass there is no hub, and nothing that is missing.
        Err(failure) if failure.code == "hub.missing" => {
            plain(StatusCode::OK, "hub not made yet\nready\n".to_owned())
        }
        Err(failure) => {
            let text = format!("hub failed: {} [{}]\nnot ready\n", failure.message, failure.code);
            plain(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// Each system, and whether it answered when it was asked last.
async fn systems(session: &Session) -> Result<Vec<(String, &'static str)>, Failure> {
    let mut found = Vec::new();
    for system in &session.plan.systems {
        let contact = crate::pass::contact::of(session, &system.name).await?;
        let word = match contact.is_up() {
            Some(true) => "up",
            Some(false) => "down",
            None => "not asked yet",
        };
        found.push((system.name.to_string(), word));
    }
    Ok(found)
}

/// Whoever may look may count.
async fn metrics(api: Arc<Api>, request: Request) -> Response {
    if let Err(failure) = api.knows(&request) {
        return problem::response(&failure, "/metrics", "");
    }
    let text = api
        .looks
        .with(|session| {
            Box::pin(async move {
                match measure::here() {
                    Some(measures) => measures.text(session).await,
                    None => Ok(String::new()),
                }
            })
        })
        .await;
    match text {
        Ok(text) => {
            let mut response = plain(StatusCode::OK, text);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORMAT));
            response
        }
        Err(failure) => problem::response(&failure, "/metrics", ""),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
