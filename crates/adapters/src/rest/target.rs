//! Writes to a REST system: one request per row, each under its own precondition as far as the
//! system can hold one.
//!
//! With a version, the server itself refuses a write to an item that somebody else has changed.
//! Without one the item is read and compared first, and what happens between the two requests is
//! overwritten: such a system is blind, and `doctor` says so.
//!
//! How an item is created is in [`crate::rest::create`], how many are written at once in
//! [`crate::rest::bulk`], and an item with the lines that it holds in [`crate::rest::document`].

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::{
    Method as HttpMethod, StatusCode, Url,
    header::{HeaderValue, IF_MATCH},
};
use serde_json::Value as Json;
use syncline_core::{
    change::{Observed, Outcome, RowKey, RowWrite, Token, WriteGroup, WriteKind},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId, RecordId},
    plan::Plan,
};
use syncline_ports::{clock::Clock as _, target::Target};
use tokio::sync::Mutex;

use crate::{
    clock::SystemClock,
    followed,
    rest::{
        System, at_once,
        bound::{Bound, Item},
        bulk,
        client::{Answer, Call, Lost},
        document::Document,
        lookup::{Found, member},
        outcome::{deleted_softly, done, is_doubtful, refusal, unreadable},
        source::Bindings,
    },
    settings::{
        Path,
        api::{Bulk, Method, Request, Version},
    },
    sql::{Assigned, invalid, is_expected, json, put_off},
};

/// Writes to a REST system.
pub(super) struct RestTarget {
    system: Arc<System>,
    bindings: Mutex<Bindings>,
}

impl RestTarget {
    pub(super) fn new(system: Arc<System>, plan: Arc<Plan>) -> Self {
        Self { system, bindings: Mutex::new(Bindings::new(plan)) }
    }

    async fn bound(&self, binding: BindingIndex) -> Result<Arc<Bound>, PortError> {
        self.bindings.lock().await.get(&self.system, binding)
    }

    /// The request that makes this write together with others, if there is one.
    async fn bulk_of(&self, write: &RowWrite) -> Option<(Arc<Bound>, Bulk)> {
        let bound = self.bound(write.binding).await.ok().filter(|it| it.within.is_none())?;
        let bulk = match write.kind {
            WriteKind::Insert => bound.resource.bulk_create.clone(),
            WriteKind::Update => bound.resource.bulk_update.clone(),
            WriteKind::Delete => None,
        };
        bulk.map(|bulk| (bound, bulk))
    }

    /// The writes of a group, one after the other: there is no transaction around them, so what was
    /// done before one is refused stays done, and is answered so. An item with the lines that it holds
    /// is one write.
    async fn group(&self, group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
        let mut answers: Vec<(IntentId, Outcome)> = Vec::with_capacity(group.writes.len());
        let mut made: BTreeMap<RecordId, RowKey> = BTreeMap::new();
        let mut is_refused = false;
        for write in &group.writes {
            if answers.iter().any(|(known, _)| *known == write.intent) {
                continue;
            }
            let new = if is_refused {
                vec![(write.intent, Outcome::Sibling)]
            } else {
                followed::made_for(write.record, self.one(group, write, &made)).await
            };
            for (intent, outcome) in &new {
                is_refused |= !matches!(outcome, Outcome::Applied { .. });
                if let (true, Outcome::Applied { key, .. }) = (*intent == write.intent, outcome) {
                    made.entry(write.record).or_insert_with(|| key.clone());
                }
            }
            answers.extend(new);
        }
        answers
    }

    /// One write of a group, with those of its lines or of its item.
    async fn one(
        &self,
        group: &WriteGroup,
        write: &RowWrite,
        made: &BTreeMap<RecordId, RowKey>,
    ) -> Vec<(IntentId, Outcome)> {
        let failed = |error: &PortError| vec![(write.intent, put_off(error.kind, &error.detail))];
        let (bound, holder) = {
            let mut bindings = self.bindings.lock().await;
            let holder = bindings.holder(write.binding);
            match bindings.get(&self.system, holder) {
                Ok(bound) => (bound, holder),
                Err(error) => return failed(&error),
            }
        };
        let of_item = |other: &&RowWrite| {
            other.record == write.record
                && (other.binding == holder
                    || bound.lists.iter().any(|list| list.shape.binding == other.binding))
        };
        let own: Vec<&RowWrite> = group.writes.iter().filter(of_item).collect();
        let goes = write.kind == WriteKind::Delete && !bound.shape.deletes_softly();
        let goes_with_lines = goes && !bound.lists.is_empty();
        if goes_with_lines || own.iter().any(|other| other.binding != holder) {
            return Document::new(&self.system, &bound, &own).run().await;
        }
        let parent = write.parent.clone().or_else(|| made.get(&write.record).cloned());
        let writing = Writing { parent, ..Writing::new(&self.system, &bound, write) };
        vec![(write.intent, writing.run().await)]
    }
}

#[async_trait]
impl Target for RestTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let mut all: Vec<BoxFuture<'_, Vec<(IntentId, Outcome)>>> = Vec::new();
        let mut bulks: BTreeMap<(BindingIndex, bool), Vec<&RowWrite>> = BTreeMap::new();
        for group in groups {
            match group.writes.as_slice() {
                [write] if self.bulk_of(write).await.is_some() => {
                    let kind = (write.binding, write.kind == WriteKind::Insert);
                    bulks.entry(kind).or_default().push(write);
                }
                _ => all.push(self.group(group).boxed()),
            }
        }
        for writes in bulks.into_values() {
            let Some(first) = writes.first() else { continue };
            let Some((bound, bulk)) = self.bulk_of(first).await else { continue };
            for some in writes.chunks(bulk.size.max(1)) {
                let (system, some) = (Arc::clone(&self.system), some.to_vec());
                let (bound, bulk) = (Arc::clone(&bound), bulk.clone());
                all.push(async move { bulk::write(&system, &bound, &bulk, &some).await }.boxed());
            }
        }
        let answers = at_once(all, self.system.api.concurrency).await;
        answers.into_iter().flatten().collect()
    }
}

/// One write.
pub(super) struct Writing<'a> {
    pub(super) system: &'a System,
    pub(super) bound: &'a Bound,
    pub(super) write: &'a RowWrite,
    /// Of a line in a resource of its own: the key of its parent.
    pub(super) parent: Option<RowKey>,
    /// The lists that are sent with the item, each whole.
    pub(super) lists: Vec<(Path, Vec<Json>)>,
    /// The item as it was after the write, if its lines are of interest.
    pub(super) after: Mutex<Option<Json>>,
}

/// A step that went another way than that of a write that is made.
pub(super) type Step<T> = Result<T, Outcome>;

impl<'a> Writing<'a> {
    pub(super) fn new(system: &'a System, bound: &'a Bound, write: &'a RowWrite) -> Self {
        let (parent, lists, after) = (write.parent.clone(), Vec::new(), Mutex::default());
        Self { system, bound, write, parent, lists, after }
    }
}

impl Writing<'_> {
    /// The write was made, and this is what the item is now.
    pub(super) async fn seen(&self, item: &Json, observed: Observed) -> Outcome {
        if !self.bound.lists.is_empty() {
            *self.after.lock().await = Some(item.clone());
        }
        done(observed)
    }

    pub(super) async fn run(&self) -> Outcome {
        let outcome = match (self.write.kind, &self.write.key) {
            (WriteKind::Insert, _) => self.insert().await,
            (WriteKind::Update | WriteKind::Delete, Some(key)) => self.change(key).await,
            (WriteKind::Update | WriteKind::Delete, None) => {
                Err(invalid("write.type", "a row without a key is to be changed"))
            }
        };
        outcome.unwrap_or_else(|other| other)
    }

    /// What is to be set, by path.
    pub(super) fn set_in(&self, document: &mut Json) -> Step<()> {
        assign(self.bound, self.write, self.parent.as_ref(), document)?;
        for (path, lines) in &self.lists {
            path.put(document, Json::Array(lines.clone())).map_err(|_| blocked(path))?;
        }
        Ok(())
    }

    /// The item as it is now, as the answer of a write that was made.
    pub(super) async fn read_back(&self, key: &RowKey) -> Option<Outcome> {
        let found = self.bound.fetch(&self.system.client, key).await.ok().flatten()?;
        Some(self.seen(&found.json, found.observe(self.bound).ok()?).await)
    }

    pub(super) fn needs_etag(&self, token: Option<&Token>) -> bool {
        self.bound.resource.version == Version::Etag && token.is_none()
    }

    /// The item is what it is expected to be: what was read of it, if all of it is sent, and the token
    /// that must still hold.
    pub(super) async fn as_expected(
        &self,
        key: &RowKey,
        is_whole: bool,
    ) -> Step<(Option<Item>, Option<Token>)> {
        let resource = &self.bound.resource;
        // A token that still holds says that everything does; without one it is read and compared.
        let token = self.write.token.clone().filter(|_| resource.is_conditional());
        if token.is_some() && !is_whole {
            return Ok((None, token));
        }
        let (found, observed) = self.current(key).await?;
        let is_same = is_expected(&self.write.expect, observed.row.as_ref())
            && token.as_ref().is_none_or(|token| observed.token.as_ref() == Some(token));
        if !is_same {
            return Err(Outcome::Precondition { current: observed.row, token: observed.token });
        }
        if resource.is_conditional() && observed.token.is_none() {
            let detail = format!("it sends no version with one of {}", resource.name);
            return Err(put_off(ErrorKind::Answer, detail));
        }
        Ok((is_whole.then_some(found), observed.token))
    }

    async fn change(&self, key: &RowKey) -> Step<Outcome> {
        let resource = &self.bound.resource;
        let deletes = self.write.kind == WriteKind::Delete && !self.bound.shape.deletes_softly();
        let (request, is_whole) = if deletes {
            let request = resource.delete.as_ref();
            (
                request.ok_or_else(|| invalid("write.refused", "the resource takes no deletes"))?,
                false,
            )
        } else {
            let update = resource.update.as_ref();
            let refused = || invalid("write.refused", "the resource takes no changes");
            update.map(|update| (&update.request, update.is_whole)).ok_or_else(refused)?
        };
        let (whole, token) = self.as_expected(key, is_whole).await?;
        let call = self.changing(key, request, deletes, whole, token.as_ref())?;
        let answer = match self.system.client.send(&call).await {
            // Whoever held what this one is to hold may have let go of it meanwhile.
            Ok(answer) if answer.status == StatusCode::CONFLICT => {
                if let Some(clash) = self.clash(key).await {
                    return Err(clash);
                }
                self.system.client.send(&call).await
            }
            other => other,
        };
        match answer {
            Ok(answer) if answer.status.is_success() && deletes => Ok(Outcome::Applied {
                key: key.clone(),
                post: None,
                token: None,
                order: None,
                transaction: None,
            }),
            Ok(answer) if answer.status.is_success() => self.changed(key, &answer).await,
            Ok(answer) if resource.gone.contains(&answer.status.as_u16()) => {
                // What it says of a write is looked at: an item that is there is not gone.
                let (_, observed) = self.current(key).await?;
                Err(if observed.row.is_some() {
                    refusal(&answer)
                } else {
                    Outcome::Precondition { current: None, token: None }
                })
            }
            Ok(answer)
                if matches!(
                    answer.status,
                    StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT
                ) =>
            {
                let (_, observed) = self.current(key).await?;
                let as_expected = is_expected(&self.write.expect, observed.row.as_ref());
                let moved = answer.status == StatusCode::PRECONDITION_FAILED
                    || (resource.is_conditional() && observed.token != token);
                Err(if moved || !as_expected {
                    Outcome::Precondition { current: observed.row, token: observed.token }
                } else {
                    // A conflict that is none of versions: with another item.
                    self.clash(key).await.unwrap_or_else(|| refusal(&answer))
                })
            }
            Ok(answer) if is_doubtful(answer.status) => {
                Err(Outcome::Unknown { reason: answer.failure(&call.action).to_string().into() })
            }
            Ok(answer) => Err(refusal(&answer)),
            Err(Lost::NotDone(error)) => Err(put_off(error.kind, &error.detail)),
            Err(Lost::Unknown(error)) => Err(Outcome::Unknown { reason: error.to_string().into() }),
        }
    }

    /// The other item that holds what this one was to hold, if a look-up finds it.
    async fn clash(&self, key: &RowKey) -> Option<Outcome> {
        let create = self.bound.resource.create.as_ref()?;
        let mut item = Json::Object(serde_json::Map::new());
        self.set_in(&mut item).ok()?;
        let Found::One(found) = self.lookup(create, &item).await.ok()? else { return None };
        let holder = self.bound.observe(&found).ok()?.key;
        (holder != *key).then(|| self.taken(create, Some(&found)))
    }

    /// The item as it is now, with its token.
    pub(super) async fn current(&self, key: &RowKey) -> Step<(Item, Observed)> {
        let found = self.bound.fetch(&self.system.client, key).await;
        let found = found.map_err(|error| put_off(error.kind, &error.detail))?;
        let gone = Outcome::Precondition { current: None, token: None };
        let found = found.ok_or(gone)?;
        let observed = found.observe(self.bound).map_err(|refused| unreadable(&refused))?;
        Ok((found, observed))
    }

    pub(super) fn changing(
        &self,
        key: &RowKey,
        request: &Request,
        deletes: bool,
        whole: Option<Item>,
        token: Option<&Token>,
    ) -> Step<Call> {
        let (mut item, document) = match whole {
            Some(found) => (found.json, found.document),
            None => (Json::Object(serde_json::Map::new()), Json::Null),
        };
        if !deletes {
            self.set_in(&mut item)?;
            if request.method == Method::Post {
                // A request that is not about one item by its path says which one in its body.
                self.name_in(key, &mut item)?;
            }
        }
        if let (Some(token), false) = (token, deletes) {
            self.version_in(token, &mut item)?;
        }
        let mut call = self.call(request, Some(key), &item, document)?;
        if deletes {
            call.body = None;
        }
        if let (Version::Etag, Some(Token(bytes))) = (&self.bound.resource.version, token)
            && let Ok(value) = HeaderValue::from_bytes(bytes)
        {
            call.headers.push((IF_MATCH, value));
        }
        Ok(call)
    }

    /// The version that the server is to compare.
    pub(super) fn version_in(&self, Token(bytes): &Token, item: &mut Json) -> Step<()> {
        let Version::Field(path) = &self.bound.resource.version else { return Ok(()) };
        let version = serde_json::from_slice(bytes).unwrap_or(Json::Null);
        path.put(item, version)
            .map_err(|_| invalid("write.json", format!("`{path}` is not inside an object")))
    }

    pub(super) fn name_in(&self, key: &RowKey, item: &mut Json) -> Step<()> {
        for (path, value) in self.bound.resource.key.iter().zip(key.values()) {
            if path.at(item).ok().flatten().is_none()
                && let Some(value) = json::to_json(&value)
            {
                path.put(item, value).map_err(|_| {
                    invalid("write.json", format!("`{path}` is not inside an object"))
                })?;
            }
        }
        Ok(())
    }

    /// It was changed: what it is like.
    async fn changed(&self, key: &RowKey, answer: &Answer) -> Step<Outcome> {
        let action = self.bound.action("change one of");
        if let Ok(found) = self.bound.item(answer, &action)
            && let Ok(observed) = found.observe(self.bound)
            && self.bound.holds_all(&found.json)
            && !self.needs_etag(observed.token.as_ref())
        {
            let outcome = self.seen(&found.json, observed).await;
            return Ok(deleted_softly(self.write, outcome));
        }
        let outcome = self.read_back(key).await;
        let unknown = || Outcome::Unknown { reason: "it could not be read after the write".into() };
        Ok(deleted_softly(self.write, outcome.ok_or_else(unknown)?))
    }

    pub(super) fn call(
        &self,
        request: &Request,
        key: Option<&RowKey>,
        item: &Json,
        document: Json,
    ) -> Step<Call> {
        let what = match self.write.kind {
            WriteKind::Insert => "create one of",
            WriteKind::Update => "change one of",
            WriteKind::Delete => "delete one of",
        };
        let action = self.bound.action(what);
        let failed = |error: &PortError| put_off(error.kind, &error.detail);
        let drift = || {
            let detail = format!("`{}` needs a key that is not known", request.path);
            put_off(ErrorKind::SchemaDrift, detail)
        };
        let path = match key {
            Some(key) => self.bound.filled(&request.path, key),
            None => request.path.fill(|name| member(item, name)),
        };
        let path = path.ok_or_else(drift)?;
        let url: Url = self.system.client.url(&path, &action).map_err(|error| failed(&error))?;
        let method = method(request.method);
        let mut body = document;
        let blocked = |_| invalid("write.json", "the item has no place in what is sent");
        self.bound.resource.item.put(&mut body, item.clone()).map_err(blocked)?;
        let body = Some(body.to_string());
        Ok(Call { method, url, headers: Vec::new(), body, action })
    }
}

/// Puts what a write sets into an item, or into a line.
pub(super) fn assign(
    bound: &Bound,
    write: &RowWrite,
    parent: Option<&RowKey>,
    document: &mut Json,
) -> Step<()> {
    for assignment in bound.shape.assignments(write, parent)? {
        let Some(path) = bound.paths.get(assignment.column) else { continue };
        let value = match &assignment.to {
            Assigned::Value(value) => json::to_json(value),
            Assigned::Now => {
                let now = jiff::Timestamp::from_microsecond(SystemClock.now().0);
                now.ok().map(|now| Json::String(now.to_string()))
            }
            Assigned::Paths(_) => None,
        };
        let value = value.ok_or_else(|| {
            invalid("write.json", format!("JSON has no value of the kind of `{path}`"))
        })?;
        path.put(document, value).map_err(|_| blocked(path))?;
    }
    Ok(())
}

fn blocked(path: &Path) -> Outcome {
    invalid("write.json", format!("`{path}` is not inside an object"))
}

pub(super) const fn method(method: Method) -> HttpMethod {
    match method {
        Method::Post => HttpMethod::POST,
        Method::Put => HttpMethod::PUT,
        Method::Patch => HttpMethod::PATCH,
        Method::Delete => HttpMethod::DELETE,
    }
}
