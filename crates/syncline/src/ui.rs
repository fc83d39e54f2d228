//! The dashboard's files, in the binary. The dashboard itself is a client of the public API and runs in
//! the browser: nothing here knows a record.

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};

/// Scripts, styles and data are ours alone, and nothing may frame us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        /// Name, kind, content.
        const FILES: &[(&str, &str, &str)] =
            &[$(($name, $kind, include_str!(concat!("../ui/", $name)))),*];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const PAGE: &str = "text/html; charset=utf-8";

files! {
    "index.html" PAGE,
    "icon.svg" PICTURE,
    "style.css" STYLE,
    "theme.js" SCRIPT,
    "api.js" SCRIPT,
    "app.js" SCRIPT,
    "charts.js" SCRIPT,
    "dom.js" SCRIPT,
    "lists.js" SCRIPT,
    "pages/approvals.js" SCRIPT,
    "pages/audit.js" SCRIPT,
    "pages/conflicts.js" SCRIPT,
    "pages/entities.js" SCRIPT,
    "pages/overview.js" SCRIPT,
    "pages/quarantine.js" SCRIPT,
    "pages/records.js" SCRIPT,
    "pages/runs.js" SCRIPT,
    "pages/settings.js" SCRIPT,
    "pages/systems.js" SCRIPT,
}

/// `/` and what it loads.
pub(crate) fn routes() -> Router {
    Router::new().route("/", get(async |headers: HeaderMap| file("index.html", &headers))).route(
        "/ui/{*name}",
        get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
    )
}

fn file(name: &str, asked: &HeaderMap) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == name) else {
        let mut response = Response::new(Body::from("there is no such file\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let digest = syncline_core::value::Digest::of(content.as_bytes());
    let tag = format!("\"{}\"", crate::words::hex(&digest));
    let is_known =
        asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(*content) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, *kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
