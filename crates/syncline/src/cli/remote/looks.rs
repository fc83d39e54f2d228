//! What is only looked at: which resource shows it, and how much of it.

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Daemon, no_form, shown};
use crate::{
    cli::{
        audit::Audit,
        explain::Explain,
        history::History,
        status::{Status, drawn},
    },
    exit::Exit,
    report::{Answer, Failure},
    session::Session,
    words,
};

/// So many stand on one page.
const PAGE: usize = 500;
/// No list is longer than this.
pub(super) const ALL: usize = 20_000;

/// A document as an answer.
pub(super) fn shown(summary: impl Into<String>, result: Json) -> Answer {
    let text = shown::text(&result);
    Answer::new(summary).with_text(text).with_plain(shown::plain(&result)).with_result(result)
}

/// What is on the pages of a list, up to so many.
pub(super) async fn list(
    daemon: &Daemon,
    path: &[&str],
    query: &[(&str, String)],
    most: usize,
) -> Result<Vec<Json>, Failure> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    while items.len() < most {
        let mut query = query.to_vec();
        query.push(("limit", PAGE.min(most - items.len()).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page = daemon.get(path, &query).await?;
        if let Some(Json::Array(found)) = page.get_mut("items").map(Json::take) {
            items.extend(found);
        }
        match page.get("next").and_then(Json::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    Ok(items)
}

/// What was said, as parameters.
pub(super) fn said<'a>(pairs: &[(&'a str, &Option<String>)]) -> Vec<(&'a str, String)> {
    pairs.iter().filter_map(|(name, value)| Some((*name, (*value).clone()?))).collect()
}

pub(super) async fn status(daemon: &Daemon, it: Status) -> Result<Answer, Failure> {
    if it.watch {
        return Err(no_form("syncline status --watch"));
    }
    let wait = match it.wait_healthy.as_deref() {
        None => None,
        Some(text) => Some(words::parse_span(text).ok_or_else(|| crate::cli::run::bad_time(text))?),
    };
    let span = u64::try_from(wait.unwrap_or_default()).unwrap_or_default();
    let until = Instant::now() + std::time::Duration::from_millis(span).min(super::DONE);
    loop {
        let mut result = daemon.get(&["status"], &[]).await?;
        let is_healthy = result.get("healthy").and_then(Json::as_bool) == Some(true);
        if wait.is_some() && !is_healthy && Instant::now() < until {
            tokio::time::sleep(super::AGAIN).await;
            continue;
        }
        if let Some(name) = &it.name {
            only(&mut result, name)?;
        }
        let needs = result.get("needs").and_then(Json::as_u64).unwrap_or_default();
        let summary = match needs {
            0 => "nothing waits for you".to_owned(),
            many => format!("{} you", words::several(many, "thing needs", "things need")),
        };
        let (text, plain) = drawn::draw(&result, &summary, Session::now());
        let answer = Answer::new(summary).with_text(text).with_plain(plain).with_result(result);
        let is_ill = wait.is_some() && !is_healthy;
        return Ok(if is_ill { answer.with_exit(Exit::Failed) } else { answer });
    }
}

/// Leaves what is about this entity or system.
fn only(status: &mut Json, name: &str) -> Result<(), Failure> {
    let mut found = false;
    for (list, key) in [("entities", "entity"), ("systems", "system")] {
        if let Some(rows) = status.get_mut(list).and_then(Json::as_array_mut) {
            rows.retain(|row| row.get(key).and_then(Json::as_str) == Some(name));
            found |= !rows.is_empty();
        }
    }
    if found {
        return Ok(());
    }
    let message = format!("there is no entity or system `{name}`");
    Err(Failure::new("usage.unknown_entity", message).fix("syncline status --server … lists them"))
}

pub(super) async fn history(daemon: &Daemon, it: History) -> Result<Answer, Failure> {
    let query = said(&[
        ("since", &it.since),
        ("system", &it.system),
        ("field", &it.field),
        ("actor", &it.actor),
    ]);
    let of = |rows: &[Json]| words::counted(rows.len() as u64, "change");
    match (it.address.as_deref(), it.id) {
        (Some("runs"), _) => {
            let query =
                said(&[("since", &it.since), ("trigger", &it.trigger), ("outcome", &it.outcome)]);
            let rows = list(daemon, &["runs"], &query, it.limit).await?;
            let summary = words::counted(rows.len() as u64, "run");
            Ok(shown(summary, Json::Array(rows)))
        }
        (Some("run"), None) => {
            Err(Failure::new("usage.arguments", "which run?").fix("syncline history run r-1042"))
        }
        (Some("run"), Some(id)) => {
            let id = if id == "last" { last(daemon).await? } else { id };
            let run = daemon.get(&["runs", &id], &[]).await?;
            let rows = if query.is_empty() {
                list(daemon, &["runs", &id, "changes"], &[], it.limit).await?
            } else {
                let query: Vec<_> = query.into_iter().chain([("run", id)]).collect();
                list(daemon, &["changes"], &query, it.limit).await?
            };
            Ok(shown(of(&rows), json!({ "run": run, "changes": rows })))
        }
        (Some(record), _) => {
            let rows = list(daemon, &["records", record, "timeline"], &query, it.limit).await?;
            Ok(shown(of(&rows), Json::Array(rows)))
        }
        (None, _) => {
            let rows = list(daemon, &["changes"], &query, it.limit).await?;
            Ok(shown(of(&rows), Json::Array(rows)))
        }
    }
}

/// The newest run.
async fn last(daemon: &Daemon) -> Result<String, Failure> {
    let newest = list(daemon, &["runs"], &[], 1).await?;
    let run = newest.first().and_then(|run| run.get("run")?.as_str().map(str::to_owned));
    run.ok_or_else(|| {
        Failure::new("usage.unknown_number", "there was no run yet").fix("syncline run --server …")
    })
}

pub(super) async fn audit(daemon: &Daemon, it: Audit) -> Result<Answer, Failure> {
    if it.verify_chain {
        return Err(no_form("syncline audit --verify-chain"));
    }
    if it.rebuild {
        return Err(no_form("syncline audit --rebuild"));
    }
    if it.export.is_some() {
        return Err(no_form("syncline audit --export"));
    }
    let query = said(&[("since", &it.since), ("actor", &it.actor)]);
    let rows = list(daemon, &["audit"], &query, it.limit).await?;
    Ok(shown(words::counted(rows.len() as u64, "action"), Json::Array(rows)))
}

pub(super) async fn explain(daemon: &Daemon, it: Explain) -> Result<Answer, Failure> {
    let query = said(&[("field", &it.field), ("at", &it.at)]);
    let result = daemon.get(&["records", &it.address, "explain"], &query).await?;
    Ok(shown(it.address, result))
}
