//! `/guards`: what tripped.

use syncline_ports::reader::Reader as _;

use crate::{
    api::{page::Page, reply::Reply, request::Request},
    cli::guards,
    report::Failure,
    session::Session,
};

/// All, or those that wait.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "guards")?;
    let (entity, below) = (request.entity(session)?, page.number()?);
    let state = request.text("state").unwrap_or("open");
    let mut found = session.hub.guards(state != "open").await?;
    found.retain(|guard| {
        entity.is_none_or(|entity| session.plan.root_of(guard.entity) == entity)
            && !(state == "settled" && guard.state == "open")
    });
    let total = request.flag("count").then_some(found.len() as u64);
    found.retain(|guard| below.is_none_or(|below| guard.number < below));
    let next = page.cut(&mut found, |guard| guard.number.to_string());
    let items: Vec<_> = found.iter().map(|guard| guards::json_of(session, guard)).collect();
    Ok(page.reply(request, &items, next, total))
}

/// One.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let guard = guards::find(session, request.number("guard", "")?).await?;
    Ok(Reply::new(guards::json_of(session, &guard)))
}
