//! The body of a request: JSON, of bounded size and age, with nothing in it that is not known.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use serde_json::{Map, Value as Json, json};

use crate::{
    api::table::{Kind, Parameter},
    report::Failure,
    session::Session,
    words,
};

/// It may be so large.
const MOST: usize = 1 << 20;
/// No number in it is larger.
pub(super) const NUMBER_MAX: u64 = 1_000_000_000;
/// It must have been sent within so long.
const TIME: Duration = Duration::from_secs(10);

/// Reads the body of a request that takes these.
///
/// # Errors
/// `server.content`, `server.too_large`, `server.incomplete`, `usage.body`.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    known: &[Parameter],
) -> Result<Map<String, Json>, Failure> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // A form of another site cannot say so without being asked first.
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Failure::new("server.content", "this takes application/json only")
            .cause(format!("the content is said to be {kind:?}"))
            .done("nothing was changed")
            .fix("send the header Content-Type: application/json, also without a body"));
    }
    if text(header::CONTENT_ENCODING).is_some_and(|it| !it.eq_ignore_ascii_case("identity")) {
        return Err(Failure::new("server.content", "the body is packed")
            .done("nothing was changed")
            .fix("send it as it is"));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > MOST) {
        return Err(too_large());
    }
    let bytes = match tokio::time::timeout(TIME, to_bytes(body, MOST)).await {
        Err(_) => return Err(incomplete("it was not whole within ten seconds")),
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if error.to_string().contains("length limit") => return Err(too_large()),
        Ok(Err(_)) => return Err(incomplete("the connection broke")),
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return check(Map::new(), known);
    }
    match serde_json::from_slice(&bytes) {
        Ok(Json::Object(body)) => check(body, known),
        Ok(_) => Err(refused("", "it is no object")),
        // Where, but never what: the text may hold anything.
        Err(error) => Err(refused(
            "",
            &format!("it is no JSON: line {}, column {}", error.line(), error.column()),
        )),
    }
}

fn too_large() -> Failure {
    Failure::new("server.too_large", "the body is larger than 1 MiB")
        .done("nothing was changed")
        .fix("send less at once")
}

fn incomplete(cause: &str) -> Failure {
    Failure::new("server.incomplete", "the body did not arrive whole")
        .cause(cause)
        .done("nothing was changed")
        .fix("send it again")
}

fn check(body: Map<String, Json>, known: &[Parameter]) -> Result<Map<String, Json>, Failure> {
    for (name, value) in &body {
        let Some(known) = known.iter().find(|known| known.name == *name) else {
            let known: Vec<&str> = known.iter().map(|known| known.name).collect();
            let takes = if known.is_empty() {
                "nothing is taken here".to_owned()
            } else {
                format!("it takes {}", known.join(", "))
            };
            return Err(refused(name, &format!("this is not known: {takes}")));
        };
        let is_right = value.is_null() && !matches!(known.kind, Kind::Value)
            || match known.kind {
                Kind::Text => value.is_string(),
                Kind::Number => {
                    value.as_u64().is_some_and(|number| (1..=NUMBER_MAX).contains(&number))
                }
                Kind::Flag => value.is_boolean(),
                Kind::Time => value
                    .as_str()
                    .is_some_and(|text| words::parse_time(text, Session::now()).is_some()),
                Kind::Choice(all) => value.as_str().is_some_and(|text| all.contains(&text)),
                Kind::Value => is_plain(value),
                Kind::Values => value.as_object().is_some_and(|all| all.values().all(is_plain)),
                Kind::Texts => value.as_array().is_some_and(|all| all.iter().all(Json::is_string)),
            };
        if !is_right {
            return Err(refused(name, &format!("it is {}", form(known.kind))));
        }
    }
    let is_said = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    match known.iter().find(|known| known.needed && !is_said(known.name)) {
        Some(missing) => Err(refused(missing.name, "it must be there")),
        None => Ok(body),
    }
}

fn is_plain(value: &Json) -> bool {
    !value.is_object() && !value.is_array()
}

fn form(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text".to_owned(),
        Kind::Number => "a whole number from 1 on".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Time => "a time, or how long ago, as in 7d".to_owned(),
        Kind::Choice(all) => format!("one of {}", all.join(", ")),
        Kind::Value => "a text, a number, true, false or null".to_owned(),
        Kind::Values => "an object with a value for each field".to_owned(),
        Kind::Texts => "a list of texts".to_owned(),
    }
}

/// A body that is not taken, and the place in it.
pub(super) fn refused(name: &str, cause: &str) -> Failure {
    let message = match name {
        "" => "the body cannot be read".to_owned(),
        name => format!("`{name}` of the body is not taken"),
    };
    let pointer = if name.is_empty() {
        String::new()
    } else {
        format!("/{}", name.replace('~', "~0").replace('/', "~1"))
    };
    let mut failure = Failure::new("usage.body", message)
        .cause(cause)
        .done("nothing was changed")
        .fix("GET /api/v1/openapi.json lists what each resource takes");
    failure.more = json!([{ "pointer": pointer, "detail": cause }]);
    failure
}
