//! `/hooks/deliveries`: what systems have sent.

use syncline_adapters::hub::inbox::Look;

use crate::{
    address,
    api::{page::Page, reply::Reply, request::Request},
    cli::{
        Context,
        hooks::{self, Action, Hooks},
    },
    report::{Answer, Failure},
    session::Session,
};

/// Deliveries.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "deliveries")?;
    let system = request.text("system");
    if let Some(name) = system {
        address::system_named(session, name)?;
    }
    let below = page.number()?.map(u64::cast_signed);
    let look = Look::at(&session.loaded.hub_path());
    let mut found = look.page(system, below, page.one_more())?;
    let next = page.cut(&mut found, |one| one.seq.to_string());
    let total = if request.flag("count") { Some(look.count(system)?) } else { None };
    Ok(page.reply(request, &found.iter().map(hooks::row).collect::<Vec<_>>(), next, total))
}

/// Deals with one once more.
pub(super) async fn replay(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("delivery", "")?.cast_signed();
    Hooks { command: Some(Action::Replay { id }) }.run(context).await
}
