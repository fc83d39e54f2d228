//! What is said: for people in a line, for programs as an object. Names, codes and counts; never values of
//! fields.

use serde_json::{Value as Json, json};
use syncline_adapters::{
    hub::outbox::Message,
    settings::channel::{Form, Kind as Channel},
};

use crate::{
    alerts::conditions::{Happening, Kind},
    config::Loaded,
    words,
};

/// What is kept of it until it is sent.
pub(super) fn stored(loaded: &Loaded, happening: &Happening) -> Json {
    let (text, fix) = text(happening);
    json!({
        "entity": happening.entity,
        "system": happening.system,
        "code": happening.code,
        "count": happening.count,
        "open": happening.left,
        "numbers": happening.numbers,
        "severity": severity(happening),
        "over": happening.is_over,
        "text": text,
        "fix": fix,
        "url": loaded.draft.server.public_url,
    })
}

fn severity(happening: &Happening) -> &'static str {
    match happening.kind {
        _ if happening.is_over => "info",
        Kind::Run | Kind::Config => "info",
        Kind::Conflict
        | Kind::Drift
        | Kind::Quarantine
        | Kind::Stale
        | Kind::Errors
        | Kind::OldConflict
        | Kind::OldRecord => "warning",
        Kind::Guard | Kind::Loop | Kind::System | Kind::RunFailed => "error",
    }
}

/// What is said to people, and the command that helps.
fn text(happening: &Happening) -> (String, String) {
    let entity = happening.entity.as_deref().unwrap_or("all");
    let system = happening.system.as_deref().unwrap_or("a system");
    let code = happening.code.as_deref().unwrap_or("unknown");
    let (count, left) = (happening.count, happening.left);
    let wait = format!("{} wait", words::count(left));
    let long = words::span(happening.after_ms);
    let said = happening.said.clone().unwrap_or_default();
    let (text, fix) = match (happening.kind, happening.is_over) {
        (Kind::Conflict, false) => (
            format!("{entity}: {} opened; {wait}", words::counted(count, "conflict")),
            "syncline conflicts list".to_owned(),
        ),
        (Kind::Conflict, true) if left == 0 => {
            (format!("{entity}: no conflict waits any more"), String::new())
        }
        (Kind::Conflict, true) => (
            format!("{entity}: {} settled; {wait}", words::counted(count, "conflict")),
            "syncline conflicts list".to_owned(),
        ),
        (Kind::Quarantine, false) => (
            format!("{entity}: {} set aside ({code}); {wait}", words::counted(count, "record")),
            format!("syncline quarantine list --code {code}"),
        ),
        (Kind::Quarantine, true) if left == 0 => {
            (format!("{entity}: nothing is set aside any more ({code})"), String::new())
        }
        (Kind::Quarantine, true) => (
            format!("{entity}: {} released ({code}); {wait}", words::counted(count, "record")),
            format!("syncline quarantine list --code {code}"),
        ),
        (Kind::OldConflict, false) => (
            format!("{entity}: {} waiting for {long}", words::counted(left, "conflict")),
            "syncline conflicts list".to_owned(),
        ),
        (Kind::OldConflict, true) => (
            format!(
                "{entity}: {} that waited for {long} settled; {wait}",
                words::counted(count, "conflict")
            ),
            String::new(),
        ),
        (Kind::OldRecord, false) => (
            format!("{entity}: {} set aside for {long} ({code})", words::counted(left, "record")),
            format!("syncline quarantine list --code {code}"),
        ),
        (Kind::OldRecord, true) => (
            format!(
                "{entity}: {} set aside for {long} ({code}) dealt with; {wait}",
                words::counted(count, "record")
            ),
            String::new(),
        ),
        (Kind::Config, _) => {
            ("another configuration holds".to_owned(), "syncline config diff".to_owned())
        }
        (Kind::Guard, false) => {
            (format!("{entity} in {system}: {code} waits for you"), "syncline guards list".into())
        }
        (Kind::Guard, true) => {
            (format!("{entity} in {system}: {code} is answered, or over"), String::new())
        }
        (Kind::Loop, false) => (
            format!(
                "{entity} in {system}: fields are held, because something changes them again and again after our writes"
            ),
            format!("syncline status {entity}"),
        ),
        (Kind::Loop, true) => {
            (format!("{entity} in {system}: no field is held any more"), String::new())
        }
        (Kind::System, false) => {
            (format!("{system} cannot be used ({code})"), format!("syncline doctor {system}"))
        }
        (Kind::System, true) => (format!("{system} answers again"), String::new()),
        (Kind::Drift, false) => (
            format!(
                "{entity} in {system}: {} paused, whose column is gone",
                words::several(left, "field is", "fields are")
            ),
            "syncline check --online".to_owned(),
        ),
        (Kind::Drift, true) if left == 0 => {
            (format!("{entity} in {system}: no field is paused any more"), String::new())
        }
        (Kind::Drift, true) => (
            format!(
                "{entity} in {system}: {} still paused",
                words::several(left, "field is", "fields are")
            ),
            "syncline check --online".to_owned(),
        ),
        (Kind::Stale, false) => (
            format!("{entity} has not been brought in step for longer than it may"),
            format!("syncline status {entity}"),
        ),
        (Kind::Stale, true) => (format!("{entity} is brought in step again"), String::new()),
        (Kind::Errors, false) => (
            format!("{entity}: too much of what changes is set aside"),
            "syncline quarantine list".to_owned(),
        ),
        (Kind::Errors, true) => {
            (format!("{entity}: what changes is no longer set aside that often"), String::new())
        }
        (Kind::Run | Kind::RunFailed, _) => {
            let run = happening.numbers.first().copied().unwrap_or_default();
            (said, format!("syncline history run r-{run}"))
        }
    };
    (text, fix)
}

fn body(message: &Message) -> Json {
    serde_json::from_str(&message.body).unwrap_or_default()
}

/// What a message that waits says, in a line.
pub(super) fn line(message: &Message) -> String {
    let body = body(message);
    let said = |name: &str| body.get(name).and_then(Json::as_str);
    let text = said("text").unwrap_or(&message.event);
    match said("fix").unwrap_or_default() {
        "" => text.to_owned(),
        fix => format!("{text}. Next: {fix}"),
    }
}

/// What is posted to a program.
pub(super) fn payload(channel: &Channel, message: &Message, sender: &str, id: &str) -> String {
    let body = body(message);
    let said = |name: &str| body.get(name).cloned().unwrap_or_default();
    match channel {
        Channel::Pagerduty(key, _) => {
            let is_over = said("over") == true;
            json!({
                "routing_key": key.reveal().trim(),
                "event_action": if is_over { "resolve" } else { "trigger" },
                "dedup_key": format!("{sender}|{}", message.topic),
                "payload": {
                    "summary": line(message),
                    "source": sender,
                    "severity": said("severity"),
                    "timestamp": words::time(message.at),
                    "component": said("system"),
                    "group": said("entity"),
                    "class": said("code"),
                },
            })
        }
        Channel::Webhook(_, _, Form::CloudEvents) => {
            let name = |it: &str| said(it).as_str().map(str::to_owned);
            let subject = name("entity").or_else(|| name("system"));
            let mut event = json!({
                "specversion": "1.0",
                "id": id,
                "source": format!("urn:{}", sender.replacen('-', ":", 1)),
                "type": format!("syncline.{}", message.event),
                "time": words::time(message.at),
                "datacontenttype": "application/json",
                "data": data(body, message),
            });
            if let (Json::Object(members), Some(subject)) = (&mut event, subject) {
                members.insert("subject".into(), subject.into());
            }
            event
        }
        Channel::Webhook(_, _, Form::Standard) | Channel::Slack(_) | Channel::Email(..) => {
            let data = data(body, message);
            json!({ "type": message.event, "timestamp": words::time(message.at), "data": data })
        }
    }
    .to_string()
}

/// What a program is told of it.
fn data(mut body: Json, message: &Message) -> Json {
    if let Json::Object(members) = &mut body {
        members.insert("count".into(), json!(message.count));
        members.retain(|_, value| !value.is_null());
    }
    body
}
