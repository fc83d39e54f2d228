//! Looks for an item by what it holds, before one is created, and where it is not known whether one was.

use serde_json::Value as Json;
use syncline_core::error::PortError;

use crate::{
    rest::{bound::Bound, client::Client, pages::Pages},
    settings::{Path, Template},
};

/// What was found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// Nothing, or there is nothing to look for.
    None,
    /// This item.
    One(Json),
    /// Several.
    Many,
}

/// Looks for an item that holds what this one does, in the members that the template names.
///
/// # Errors
/// What kept the list from being read.
pub(super) async fn find(
    client: &Client,
    bound: &Bound,
    template: &Template,
    item: &Json,
) -> Result<Found, PortError> {
    let Some(query) = template.fill(|name| member(item, name)) else { return Ok(Found::None) };
    let mut pages = Pages::new(client, &bound.resource, bound.action("list"), Some(&query))?;
    let mut found = Found::None;
    while let Some(page) = pages.read(client, &bound.resource).await? {
        for other in page.items {
            // Servers search by parts of words, too, or ignore a parameter that they do not know.
            if !template.places().all(|name| is_alike(&other, item, name)) {
                continue;
            }
            found = match found {
                Found::None => Found::One(other),
                Found::One(_) | Found::Many => return Ok(Found::Many),
            };
        }
    }
    Ok(found)
}

/// Two items hold the same here, but for the case of letters.
fn is_alike(this: &Json, other: &Json, name: &str) -> bool {
    let both = (member(this, name), member(other, name));
    matches!(both, (Some(this), Some(other)) if this.to_lowercase() == other.to_lowercase())
}

/// A member of an item as text, if it is something that can be looked for.
pub(super) fn member(item: &Json, name: &str) -> Option<String> {
    let path = Path::parse(name).ok()?;
    match path.at(item).ok().flatten()? {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::String(_) | Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
