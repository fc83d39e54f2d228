//! A list, page by page, to its proved end.
//!
//! A list that ends is not yet a list that is whole. What counts as its end is said by the server
//! (no next page), or shown by an empty page: a page that is merely shorter may have been cut. What
//! contradicts itself (a total that moves, an item that comes twice, a cursor that repeats) proves
//! nothing, and says so.

use std::collections::BTreeSet;

use reqwest::{Url, header::LINK};
use serde_json::Value as Json;
use syncline_core::{
    error::{ErrorKind, PortError},
    name::Timestamp,
    value::Digest,
};

use crate::{
    rest::client::{Answer, Client},
    settings::api::{Next, Resource, Total},
};

/// Pages without an item, one after the other, from which a list counts as endless.
const EMPTY_PAGES: u32 = 100;

/// Where a list is.
#[derive(Debug)]
pub(super) struct Pages {
    first: Url,
    /// The next page; `None`: the list has ended.
    next: Option<Url>,
    /// The page read last.
    last: Option<Url>,
    /// Where an earlier reading was cut: this one began there, and reads what lies before it last.
    cut_at: Option<Url>,
    /// What lies before it is being read.
    is_second_leg: bool,
    action: String,
    items: u64,
    in_vain: u32,
    total: Option<u64>,
    /// Digests of the pages asked for, and of the keys shown.
    asked: BTreeSet<u64>,
    shown: BTreeSet<u64>,
    /// Why it proves nothing.
    doubt: Option<String>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Json>,
    /// The server's time when it answered.
    pub(super) at: Timestamp,
    /// How long the answer was.
    pub(super) bytes: usize,
}

impl Pages {
    /// A list that begins here: the resource's own path, with these parameters as well.
    ///
    /// # Errors
    /// `Answer` if the path leads out of the system.
    pub(super) fn new(
        client: &Client,
        resource: &Resource,
        action: String,
        more: Option<&str>,
    ) -> Result<Self, PortError> {
        let path = resource.path.fill(|_| None).unwrap_or_default();
        let mut first = client.url(&path, &action)?;
        if let Some(more) = more {
            let query = match first.query() {
                Some(query) if !query.is_empty() => format!("{query}&{more}"),
                Some(_) | None => more.to_owned(),
            };
            first.set_query(Some(&query));
        }
        if let Some((name, size)) = &resource.size {
            set(&mut first, name, &size.to_string());
        }
        match &resource.next {
            Next::Page(name, from) => set(&mut first, name, &from.to_string()),
            Next::Offset(name) => set(&mut first, name, "0"),
            Next::None | Next::LinkHeader | Next::Url(_) | Next::Cursor(..) | Next::After(_) => {}
        }
        Ok(Self {
            next: Some(first.clone()),
            first,
            last: None,
            cut_at: None,
            is_second_leg: false,
            action,
            items: 0,
            in_vain: 0,
            total: None,
            asked: BTreeSet::new(),
            shown: BTreeSet::new(),
            doubt: None,
        })
    }

    /// Goes on at a page that was told by [`Pages::place`], perhaps of another process. A place that is
    /// none of this list is passed over: it is then read from the beginning.
    pub(super) fn go_on_at(&mut self, place: &str) {
        let Ok(url) = Url::parse(place) else { return };
        let is_of_list = url.origin() == self.first.origin() && url.path() == self.first.path();
        if is_of_list && url != self.first {
            self.next = Some(url.clone());
            self.cut_at = Some(url);
        }
    }

    /// The page to go on at, if not all of the last one was `given` out: that one again.
    pub(super) fn place(&self, given: bool) -> Option<&Url> {
        // What lies before the cut is read from the beginning again.
        let place = if given { self.next.as_ref() } else { self.last.as_ref() };
        place.filter(|_| !self.is_second_leg)
    }

    /// The next page; `None`: the list has ended.
    ///
    /// # Errors
    /// What kept it from being read, or from being followed.
    pub(super) async fn read(
        &mut self,
        client: &Client,
        resource: &Resource,
    ) -> Result<Option<Page>, PortError> {
        let Some(mut url) = self.next.take() else { return Ok(None) };
        self.asked.insert(short(url.as_str().as_bytes()));
        let mut answer = client.get(url.clone(), &self.action).await?;
        if answer.status.is_client_error() && self.cut_at.as_ref() == Some(&url) {
            // Places in lists do not last for ever.
            self.cut_at = None;
            url = self.first.clone();
            answer = client.get(url.clone(), &self.action).await?;
        }
        if !answer.status.is_success() {
            return Err(answer.failure(&self.action));
        }
        let document = answer.json(&self.action)?;
        let mut items = self.items_of(resource, &document)?;
        let met = items.iter().position(|item| self.is_shown(resource, item));
        let met = met.filter(|_| self.is_second_leg);
        if let Some(at) = met {
            items.truncate(at);
        }
        self.items += items.len() as u64;
        self.in_vain = if items.is_empty() { self.in_vain + 1 } else { 0 };
        if self.in_vain >= EMPTY_PAGES {
            return Err(self.wrong("page after page is empty, and there is always another"));
        }
        self.count(resource, &answer, &document);
        for item in &items {
            self.mark(resource, item);
        }
        let next = self.following(client, resource, &answer, &document, &items, &url)?;
        self.next = match next {
            _ if met.is_some() => None,
            Some(next) if self.is_second_leg && self.cut_at.as_ref() == Some(&next) => None,
            Some(next) if self.asked.contains(&short(next.as_str().as_bytes())) => {
                return Err(self.wrong("the next page is one that was read already"));
            }
            None if self.cut_at.is_some() && !self.is_second_leg => {
                self.is_second_leg = true;
                Some(self.first.clone())
            }
            next => next,
        };
        self.last = Some(url);
        let bytes = answer.len();
        Ok(Some(Page { items, at: answer.time(), bytes }))
    }

    /// Why the list, now that it has ended, may not be whole; with how many items it showed.
    pub(super) fn proof(&self) -> Result<u64, String> {
        if let Some(doubt) = &self.doubt {
            return Err(doubt.clone());
        }
        match self.total {
            Some(total) if total != self.items => {
                Err(format!("{} of {total} items were shown", self.items))
            }
            Some(_) | None => Ok(self.items),
        }
    }

    /// How many items there are, if the server said.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    fn items_of(&self, resource: &Resource, document: &Json) -> Result<Vec<Json>, PortError> {
        let place = &resource.items;
        match place.at(document) {
            Ok(Some(Json::Array(items))) => Ok(items.clone()),
            Ok(
                Some(
                    Json::Object(_)
                    | Json::String(_)
                    | Json::Bool(_)
                    | Json::Number(_)
                    | Json::Null,
                )
                | None,
            )
            | Err(_) => Err(self.wrong(&format!("there is no list at `{place}` in its answer"))),
        }
    }

    fn count(&mut self, resource: &Resource, answer: &Answer, document: &Json) {
        let said = match &resource.total {
            None => return,
            Some(Total::Body(path)) => match path.at(document) {
                Ok(Some(Json::Number(number))) => number.as_str().parse().ok(),
                Ok(Some(Json::String(text))) => text.parse().ok(),
                Ok(Some(Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_)) | None)
                | Err(_) => None,
            },
            Some(Total::Header(name)) => {
                let found = answer.headers.get(name.as_str()).and_then(|found| found.to_str().ok());
                found.and_then(|text| text.trim().parse().ok())
            }
        };
        let Some(said) = said else {
            self.doubt.get_or_insert_with(|| "it did not say how many items there are".into());
            return;
        };
        match self.total {
            Some(before) if before != said => {
                let moved = format!("it said {before} items, then {said}: they moved meanwhile");
                self.doubt.get_or_insert(moved);
            }
            Some(_) | None => self.total = Some(said),
        }
    }

    fn is_shown(&self, resource: &Resource, item: &Json) -> bool {
        self.shown.contains(&key(resource, item))
    }

    /// Takes note of an item; one that comes twice has moved, and another may have been passed over.
    fn mark(&mut self, resource: &Resource, item: &Json) {
        if !self.shown.insert(key(resource, item)) {
            let twice = "an item was shown twice: the list moved while it was read";
            self.doubt.get_or_insert_with(|| twice.into());
        }
    }

    fn following(
        &mut self,
        client: &Client,
        resource: &Resource,
        answer: &Answer,
        document: &Json,
        items: &[Json],
        current: &Url,
    ) -> Result<Option<Url>, PortError> {
        let counted = |name: &str| {
            let mut found = current.query_pairs().filter(|(known, _)| known == name);
            found.next().and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or_default()
        };
        let linked =
            answer.headers.get_all(LINK).iter().find_map(|found| next_link(found.to_str().ok()?));
        let step = |name: &str, value: &str| {
            let mut url = self.first.clone();
            set(&mut url, name, value);
            Some(url)
        };
        let said = |path: &crate::settings::Path| match path.at(document) {
            Ok(Some(Json::String(text))) if !text.is_empty() => Some(text.clone()),
            Ok(Some(Json::Number(number))) => Some(number.to_string()),
            Ok(
                Some(
                    Json::String(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_),
                )
                | None,
            )
            | Err(_) => None,
        };
        Ok(match &resource.next {
            Next::None => {
                let full = resource
                    .size
                    .as_ref()
                    .is_some_and(|(_, size)| u64::from(*size) <= items.len() as u64);
                if linked.is_some() || full {
                    let more = "there is another page, and `next` does not say how to get there";
                    self.doubt.get_or_insert_with(|| more.into());
                }
                None
            }
            Next::LinkHeader => match linked {
                Some(link) => Some(client.follow(&answer.url, &link, &self.action)?),
                None => None,
            },
            Next::Url(path) => match said(path) {
                Some(link) => Some(client.follow(&answer.url, &link, &self.action)?),
                None => None,
            },
            Next::Cursor(path, name) => said(path).and_then(|cursor| step(name, &cursor)),
            // A page may be shorter than asked for: only an empty one is the last.
            Next::Page(..) | Next::Offset(_) | Next::After(_) if items.is_empty() => None,
            Next::Page(name, _) => step(name, &(counted(name) + 1).to_string()),
            Next::Offset(name) => step(name, &(counted(name) + items.len() as u64).to_string()),
            Next::After(name) => {
                let path = resource.key.first();
                let last = items.last().and_then(|item| path?.at(item).ok().flatten());
                let last = last.map(|key| key.as_str().map_or_else(|| key.to_string(), Into::into));
                match last {
                    Some(last) => step(name, &last),
                    None => return Err(self.wrong("the last item of a page has no key")),
                }
            }
        })
    }

    fn wrong(&self, detail: &str) -> PortError {
        PortError::new(ErrorKind::Answer, self.action.clone(), detail)
    }
}

/// A digest of an item's key.
fn key(resource: &Resource, item: &Json) -> u64 {
    let mut key = String::new();
    for path in &resource.key {
        let part = path.at(item).ok().flatten();
        key.push_str(&part.map(ToString::to_string).unwrap_or_default());
        key.push('\n');
    }
    short(key.as_bytes())
}

/// Sets a parameter, whatever it was.
fn set(url: &mut Url, name: &str, value: &str) {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(known, _)| known != name)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
}

fn short(bytes: &[u8]) -> u64 {
    let Digest(long) = Digest::of(bytes);
    long.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// The target of `rel="next"` in a `Link` header.
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        // Its parameters end at the next link.
        let end = after.find(',').filter(|at| after.get(*at..).is_some_and(|it| it.contains('<')));
        let parameters = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim().trim_end_matches(',').trim_matches('"');
            if name.trim().eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
            {
                return Some(target.to_owned());
            }
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_of_a_link_header_is_found() {
        let found = |header: &str| next_link(header);
        let both =
            "<https://a.example/?page=1>; rel=\"prev\", <https://a.example/?page=3>; rel=\"next\"";
        assert_eq!(found(both).as_deref(), Some("https://a.example/?page=3"));
        assert_eq!(found("</c?a=1,2>; title=\"x\"; rel=next").as_deref(), Some("/c?a=1,2"));
        assert_eq!(found("</c>; rel=\"last\""), None);
        assert_eq!(found("nonsense"), None);
        assert_eq!(found("<unclosed; rel=next"), None);
    }
}
