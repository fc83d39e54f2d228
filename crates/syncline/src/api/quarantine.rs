//! `/quarantine`: what was set aside.

use serde_json::{Value as Json, json};
use syncline_ports::reader::{QuarantineFilter, Reader as _};

use crate::{
    api::{
        body,
        page::Page,
        reply::Reply,
        request::{Request, typed},
    },
    cli::{
        Context, causes, history,
        quarantine::{self, Action, Drop, Quarantine},
        retry::Retry,
    },
    report::{Answer, Failure},
    session::Session,
};

/// The queue.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "quarantine")?;
    let run = match request.text("run") {
        Some(text) => Some(history::run_number(session, text).await?),
        None => None,
    };
    let filter = QuarantineFilter {
        entities: request.entities(session)?,
        code: request.text("code").map(Into::into),
        run,
        dropped: request.flag("dropped"),
        above: page.number()?,
        limit: page.one_more(),
    };
    let mut found = session.hub.quarantine_page(&filter).await?;
    let next = page.cut(&mut found, |entry| entry.number.to_string());
    let total = if request.flag("count") {
        let all = QuarantineFilter { above: None, ..filter };
        Some(session.hub.count_quarantine(&all).await?)
    } else {
        None
    };
    let mut items: Vec<Json> = Vec::with_capacity(found.len());
    for entry in &found {
        let record = quarantine::record_name(session, entry).await?;
        items.push(quarantine::json_of(session, entry, &record));
    }
    Ok(page.reply(request, &items, next, total))
}

/// How many there are of each cause, the most first.
pub(super) async fn by_cause(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let entities = request.roots(session)?;
    let mut entries =
        quarantine::select(session, request.text("code"), request.text("run")).await?;
    entries.retain(|entry| entities.contains(&session.plan.root_of(entry.entity)));
    Ok(Reply::new(json!({ "items": causes::set_aside(session, &entries).result, "next": null })))
}

/// One, with the row as it was shown.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let entry = quarantine::find(session, request.number("quarantine entry", "")?).await?;
    request.permits(session, entry.entity)?;
    let record = quarantine::record_name(session, &entry).await?;
    let body = quarantine::detail(session, &entry, &record);
    Ok(Reply::new(body).tagged(&quarantine::tag(&entry)))
}

/// Corrects values, or says which record a row belongs to.
pub(super) async fn edit(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("quarantine entry", "")?;
    let link = request.said("link");
    let set = request.body().get("set").and_then(Json::as_object);
    if link.is_some() == set.is_some() {
        return Err(body::refused("set", "say either set or link"));
    }
    let pairs = set.into_iter().flatten();
    let set = pairs.map(|(field, value)| format!("{field}={}", typed(value))).collect();
    command(Action::Edit { id, set, link }).run(context).await
}

/// Leaves one alone.
pub(super) async fn drop(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("quarantine entry", "")?;
    let reason = request.said("reason");
    let drop = Drop { id: Some(id), code: None, entity: None, run: None, reason, dry_run: false };
    command(Action::Drop(drop)).run(context).await
}

/// Leaves all with a code alone, or shows which those are.
pub(super) async fn drop_all(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let drop = Drop {
        id: None,
        code: request.said("code"),
        entity: request.said("entity"),
        run: request.said("run"),
        reason: request.said("reason"),
        dry_run: request.says("dry_run"),
    };
    command(Action::Drop(drop)).run(context).await
}

fn command(action: Action) -> Quarantine {
    Quarantine { command: Some(action) }
}

/// Tries one again.
pub(super) async fn retry(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let ids = vec![request.number("quarantine entry", "")?];
    Retry { ids, code: None, run: None, all: false }.run(context).await
}

/// Tries several again.
pub(super) async fn retry_all(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let (code, run, all) = (request.said("code"), request.said("run"), request.says("all"));
    if code.is_none() && run.is_none() && !all {
        return Err(body::refused("all", "say code, run or all"));
    }
    Retry { ids: Vec::new(), code, run, all }.run(context).await
}
