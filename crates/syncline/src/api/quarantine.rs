//! `/quarantine`: what was set aside.

use serde_json::Value as Json;
use syncline_ports::reader::{QuarantineFilter, Reader as _};

use crate::{
    api::{page::Page, reply::Reply, request::Request},
    cli::{history, quarantine},
    report::Failure,
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

/// One, with the row as it was shown.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let entry = quarantine::find(session, request.number("quarantine entry", "")?).await?;
    let record = quarantine::record_name(session, &entry).await?;
    Ok(Reply::new(quarantine::detail(session, &entry, &record)))
}
