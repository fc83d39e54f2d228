//! `/audit`: what people and programs have done.

use syncline_ports::reader::{ActionFilter, Reader as _};

use crate::{
    api::{page::Page, reply::Reply, request::Request},
    cli::audit,
    report::Failure,
    session::Session,
};

/// Actions are counted up to here.
const COUNTED: usize = 100_000;

/// Actions.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "audit")?;
    let filter = ActionFilter {
        since: request.time("since"),
        who: request.text("actor").map(Into::into),
        below: page.number()?,
        limit: page.one_more(),
    };
    let mut found = session.hub.actions(&filter).await?;
    let next = page.cut(&mut found, |action| action.number.to_string());
    let total = if request.flag("count") {
        let all = ActionFilter { below: None, limit: COUNTED, ..filter };
        Some(session.hub.actions(&all).await?.len() as u64)
    } else {
        None
    };
    let items: Vec<_> = found.iter().map(audit::json_of).collect();
    Ok(page.reply(request, &items, next, total))
}
