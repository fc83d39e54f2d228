//! `/guards`: what tripped.

use syncline_ports::reader::Reader as _;

use crate::{
    api::{page::Page, reply::Reply, request::Request},
    cli::{
        Context,
        guards::{self, Action, Guards},
    },
    report::{Answer, Failure},
    session::Session,
};

/// All, or those that wait.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "guards")?;
    let (entities, below) = (request.roots(session)?, page.number()?);
    let state = request.text("state").unwrap_or("open");
    let mut found = session.hub.guards(state != "open").await?;
    found.retain(|guard| {
        entities.contains(&session.plan.root_of(guard.entity))
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
    request.permits(session, guard.entity)?;
    Ok(Reply::new(guards::json_of(session, &guard)).tagged(&guards::tag(&guard)))
}

/// Lets exactly this through.
pub(super) async fn apply(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("guard", "")?;
    command(context, Action::Apply { id }).await
}

/// Puts the origin back.
pub(super) async fn reverse(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("guard", "")?;
    command(context, Action::Reverse { id }).await
}

/// Leaves all as it is.
pub(super) async fn dismiss(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("guard", "")?;
    command(context, Action::Dismiss { id }).await
}

/// Who asks for this has been shown what it is about.
async fn command(context: &Context, action: Action) -> Result<Answer, Failure> {
    let context = Context { yes: true, ..context.clone() };
    Guards { command: Some(action) }.run(&context).await
}
