//! `/tokens`: who may ask.

use serde_json::Value as Json;

use crate::{
    api::{body, page::Page, reply::Reply, request::Request},
    cli::{
        Context,
        tokens::{self, Action, Tokens},
    },
    report::{Answer, Failure},
    session::Session,
    tokens::Role,
};

/// All, without what proves them.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "tokens")?;
    let all = tokens::all(&session.loaded)?;
    let total = request.flag("count").then_some(all.len() as u64);
    let name = |row: &Json| row.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
    let from = page.after.as_ref().and_then(|after| all.iter().position(|row| name(row) == *after));
    let from = from.map_or(0, |at| at + 1);
    let mut found: Vec<Json> = all.into_iter().skip(from).take(page.one_more()).collect();
    let next = page.cut(&mut found, name);
    Ok(page.reply(request, &found, next, total))
}

/// Makes one; the answer shows it once.
pub(super) async fn new(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let role = request.said("role").and_then(|word| Role::of(&word));
    let action = Action::New {
        name: request.said("name").unwrap_or_default(),
        role: role.ok_or_else(|| body::refused("role", "it must be there"))?,
        entity: request.said_all("entities"),
        expires: request.said("expires"),
    };
    Tokens { command: Some(action) }.run(context).await
}

/// It holds no longer.
pub(super) async fn revoke(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let action = Action::Revoke { name: request.name("name").to_owned() };
    Tokens { command: Some(action) }.run(context).await
}
