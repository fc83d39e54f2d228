//! `/session` and `/me`: a browser is let in by a token, and goes; and who one is.

use axum::http::header;
use serde_json::{Map, Value as Json, json};

use crate::{
    api::{
        access::{COOKIE, Caller},
        reply::Reply,
    },
    config::Loaded,
    report::Failure,
    tokens::Token,
};

/// A cookie is forgotten after so many seconds at the latest.
const SECONDS: i64 = 30 * 86_400;

/// Lets a browser in: no script of a page can read the cookie, and no other site can send it.
///
/// # Errors
/// `server.no_tokens`, `server.token`.
pub(super) fn enter<'a>(
    loaded: &Loaded,
    said: &Map<String, Json>,
    find: impl FnOnce(&str) -> Result<Option<&'a Token>, Failure>,
) -> Result<Reply, Failure> {
    let secret = said.get("token").and_then(Json::as_str).unwrap_or_default().trim();
    let Some(token) = find(secret)? else {
        return Err(Failure::new("server.no_tokens", "the configuration says nothing of tokens")
            .cause("whoever is on this machine may do everything, without a session")
            .done("nothing was changed")
            .fix("server: {tokens: \"file:secrets/tokens.yaml\"}"));
    };
    let left = token.expires.map(|at| (at.ms() - crate::session::Session::now().ms()) / 1_000);
    let seconds = left.unwrap_or(SECONDS).clamp(1, SECONDS);
    let body = json!({ "who": format!("token:{}", token.name), "role": token.role.word() });
    let cookie = format!("{COOKIE}={secret}; Max-Age={seconds}; {}", attributes(loaded));
    Ok(Reply::new(body).with(header::SET_COOKIE, cookie))
}

/// Lets it go.
pub(super) fn leave(loaded: &Loaded) -> Reply {
    let cookie = format!("{COOKIE}=; Max-Age=0; {}", attributes(loaded));
    Reply::new(json!({ "ended": true })).with(header::SET_COOKIE, cookie)
}

fn attributes(loaded: &Loaded) -> &'static str {
    if loaded.draft.server.is_encrypted() {
        "Path=/; HttpOnly; SameSite=Strict; Secure"
    } else {
        "Path=/; HttpOnly; SameSite=Strict"
    }
}

/// Who one is.
pub(super) fn who(caller: &Caller) -> Reply {
    Reply::new(json!({
        "who": caller.who,
        "role": caller.role.word(),
        "entities": caller.entities,
        "token": caller.token,
    }))
}
