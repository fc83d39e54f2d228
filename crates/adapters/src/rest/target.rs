//! Writes to a REST system: one request per row, each under its own precondition as far as the
//! system can hold one.
//!
//! With a version, the server itself refuses a write to an item that somebody else has changed.
//! Without one the item is read and compared first, and what happens between the two requests is
//! overwritten: such a system is blind, and `doctor` says so.
//!
//! A create whose answer is lost is not repeated as it was. With an idempotency key the same request
//! is sent again; with a look-up the item is looked for; else its fate is unknown, and the core waits
//! until a list shows it.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::{
    Method as HttpMethod, StatusCode, Url,
    header::{HeaderName, HeaderValue, IF_MATCH, LOCATION},
};
use serde_json::Value as Json;
use syncline_core::{
    change::{Observed, Outcome, RowKey, RowWrite, Token, WriteGroup, WriteKind},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId},
    plan::Plan,
};
use syncline_ports::{clock::Clock as _, target::Target};
use tokio::sync::Mutex;

use crate::{
    clock::SystemClock,
    rest::{
        System, at_once,
        bound::{Bound, Item},
        client::{Answer, Call, Lost},
        lookup::{Found, find, member},
        outcome::{deleted_softly, done, is_doubtful, refusal, unreadable},
        source::Bindings,
    },
    settings::{
        Template,
        api::{Create, Method, Request, Version},
    },
    sql::{Assigned, invalid, is_expected, json, put_off},
};

/// How often a create with an idempotency key is sent.
const SENT_MAX: u32 = 3;

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

    /// The writes of a group, one after the other: there is no transaction around them, so what was
    /// done before one is refused stays done, and is answered so.
    async fn group(&self, group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
        let mut answers = Vec::with_capacity(group.writes.len());
        let mut is_refused = false;
        for write in &group.writes {
            let outcome = if is_refused {
                Outcome::Sibling
            } else {
                match self.bound(write.binding).await {
                    Ok(bound) => Writing { system: &self.system, bound: &bound, write }.run().await,
                    Err(error) => put_off(error.kind, &error.detail),
                }
            };
            is_refused |= !matches!(outcome, Outcome::Applied { .. });
            answers.push((write.intent, outcome));
        }
        answers
    }
}

#[async_trait]
impl Target for RestTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let all = groups.iter().map(|group| self.group(group)).collect();
        let answers = at_once(all, self.system.api.concurrency).await;
        answers.into_iter().flatten().collect()
    }
}

/// One write.
struct Writing<'a> {
    system: &'a System,
    bound: &'a Bound,
    write: &'a RowWrite,
}

/// A step that went another way than that of a write that is made.
type Step<T> = Result<T, Outcome>;

impl Writing<'_> {
    async fn run(&self) -> Outcome {
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
    fn set_in(&self, document: &mut Json) -> Step<()> {
        for assignment in self.bound.shape.assignments(self.write, None)? {
            let Some(path) = self.bound.paths.get(assignment.column) else { continue };
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
            path.put(document, value)
                .map_err(|_| invalid("write.json", format!("`{path}` is not inside an object")))?;
        }
        Ok(())
    }

    async fn insert(&self) -> Step<Outcome> {
        let refused = || invalid("write.refused", "the resource takes no new items");
        let create = self.bound.resource.create.as_ref().ok_or_else(refused)?;
        let mut item = Json::Object(serde_json::Map::new());
        self.set_in(&mut item)?;
        if let Some(path) = &create.external_id {
            let id = Json::String(self.write.record.to_string());
            path.put(&mut item, id)
                .map_err(|_| invalid("write.json", format!("`{path}` is not inside an object")))?;
        }
        // Whoever asks for it twice is given what is there; no second one is made.
        match self.lookup(create, &item).await? {
            Found::None => {}
            Found::One(found) if create.external_id.is_some() => return self.applied(&found),
            Found::One(found) => return Err(self.taken(create, Some(&found))),
            Found::Many => return Err(self.taken(create, None)),
        }
        let mut call = self.call(&create.request, None, &item, Json::Null)?;
        if let Some(name) = &create.idempotency {
            let intent = format!("syncline-{}", self.write.intent);
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(intent))
            {
                call.headers.push((name, value));
            }
        }
        let mut sent = 0;
        loop {
            sent += 1;
            let problem = match self.system.client.send(&call).await {
                Ok(answer) if answer.status.is_success() => {
                    return self.created(create, &item, &answer).await;
                }
                Ok(answer) if !is_doubtful(&answer) => {
                    let refused = self.refused_create(create, &item, &answer).await;
                    let is_free = answer.status == StatusCode::CONFLICT
                        && matches!(refused, Outcome::Invalid { .. });
                    if is_free && create.find.is_some() && sent == 1 {
                        // Whoever held what this one is to hold has let go of it meanwhile.
                        continue;
                    }
                    return Err(refused);
                }
                Ok(answer) => answer.failure(&call.action),
                Err(Lost::NotDone(error)) => return Err(put_off(error.kind, &error.detail)),
                Err(Lost::Unknown(error)) => error,
            };
            if create.idempotency.is_some() && sent < SENT_MAX {
                continue;
            }
            let unknown = || Outcome::Unknown { reason: problem.to_string().into() };
            // It may have been made all the same: then it is there.
            return match self.lookup(create, &item).await.map_err(|_| unknown())? {
                Found::One(found) if create.external_id.is_some() => self.applied(&found),
                Found::One(found) => Err(self.taken(create, Some(&found))),
                Found::None | Found::Many => Err(unknown()),
            };
        }
    }

    async fn lookup(&self, create: &Create, item: &Json) -> Step<Found> {
        let Some(template) = &create.find else { return Ok(Found::None) };
        let found = find(&self.system.client, self.bound, template, item).await;
        found.map_err(|error| put_off(error.kind, &error.detail))
    }

    /// There is an item already that a look-up takes for this one.
    fn taken(&self, create: &Create, found: Option<&Json>) -> Outcome {
        let columns = create.find.iter().flat_map(Template::places).cloned().collect();
        let holder = found.and_then(|item| self.bound.observe(item).ok()).map(|seen| seen.key);
        Outcome::Unique { columns, holder }
    }

    async fn refused_create(&self, create: &Create, item: &Json, answer: &Answer) -> Outcome {
        if answer.status != StatusCode::CONFLICT {
            return refusal(answer);
        }
        // Where what is sent makes the key, it may be there already.
        if let Ok(sent) = self.bound.observe(item)
            && let Ok((_, found)) = self.current(&sent.key).await
        {
            return Outcome::Precondition { current: found.row, token: found.token };
        }
        match self.lookup(create, item).await {
            Ok(Found::One(found)) => self.taken(create, Some(&found)),
            Ok(Found::Many) => self.taken(create, None),
            Ok(Found::None) | Err(_) => refusal(answer),
        }
    }

    /// It was created: which one it is, and what it is like.
    async fn created(&self, create: &Create, item: &Json, answer: &Answer) -> Step<Outcome> {
        let action = self.bound.action("create one of");
        if let Ok(found) = self.bound.item(answer, &action)
            && let Ok(observed) = found.observe(self.bound)
        {
            if self.bound.holds_all(&found.json) && !self.needs_etag(observed.token.as_ref()) {
                return Ok(done(observed));
            }
            return Ok(self.read_back(&observed.key).await.unwrap_or_else(|| done(observed)));
        }
        let client = &self.system.client;
        if let Some(link) = answer.header(&LOCATION)
            && let Ok(url) = client.follow(&answer.url, link, &action)
            && let Ok(answer) = client.get(url, &action).await
            && let Ok(found) = self.bound.item(&answer, &action)
            && let Ok(observed) = found.observe(self.bound)
        {
            return Ok(done(observed));
        }
        // Its key may be made of what was sent.
        if let Ok(sent) = self.bound.observe(item)
            && let Some(outcome) = self.read_back(&sent.key).await
        {
            return Ok(outcome);
        }
        if let Ok(Found::One(found)) = self.lookup(create, item).await {
            return self.applied(&found);
        }
        Err(Outcome::Unknown { reason: "it did not say which item it has created".into() })
    }

    fn applied(&self, found: &Json) -> Step<Outcome> {
        let observed = self.bound.observe(found).map_err(|refused| unreadable(&refused))?;
        Ok(done(observed))
    }

    /// The item as it is now, as the answer of a write that was made.
    async fn read_back(&self, key: &RowKey) -> Option<Outcome> {
        let found = self.bound.fetch(&self.system.client, key).await.ok().flatten()?;
        Some(done(found.observe(self.bound).ok()?))
    }

    fn needs_etag(&self, token: Option<&Token>) -> bool {
        self.bound.resource.version == Version::Etag && token.is_none()
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
        // A token that still holds says that everything does; without one it is read and compared.
        let mut token = self.write.token.clone().filter(|_| resource.is_conditional());
        let mut before = None;
        if token.is_none() || is_whole {
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
            token = observed.token;
            before = Some(found);
        }
        let whole = is_whole.then_some(before).flatten();
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
            Ok(answer) if is_doubtful(&answer) => {
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
    async fn current(&self, key: &RowKey) -> Step<(Item, Observed)> {
        let found = self.bound.fetch(&self.system.client, key).await;
        let found = found.map_err(|error| put_off(error.kind, &error.detail))?;
        let gone = Outcome::Precondition { current: None, token: None };
        let found = found.ok_or(gone)?;
        let observed = found.observe(self.bound).map_err(|refused| unreadable(&refused))?;
        Ok((found, observed))
    }

    fn changing(
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
        if let (Version::Field(path), Some(Token(bytes)), false) =
            (&self.bound.resource.version, token, deletes)
        {
            let version = serde_json::from_slice(bytes).unwrap_or(Json::Null);
            path.put(&mut item, version)
                .map_err(|_| invalid("write.json", format!("`{path}` is not inside an object")))?;
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

    fn name_in(&self, key: &RowKey, item: &mut Json) -> Step<()> {
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
            return Ok(deleted_softly(self.write, done(observed)));
        }
        let outcome = self.read_back(key).await;
        let unknown = || Outcome::Unknown { reason: "it could not be read after the write".into() };
        Ok(deleted_softly(self.write, outcome.ok_or_else(unknown)?))
    }

    fn call(
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
        let method = match request.method {
            Method::Post => HttpMethod::POST,
            Method::Put => HttpMethod::PUT,
            Method::Patch => HttpMethod::PATCH,
            Method::Delete => HttpMethod::DELETE,
        };
        let mut body = document;
        let blocked = |_| invalid("write.json", "the item has no place in what is sent");
        self.bound.resource.item.put(&mut body, item.clone()).map_err(blocked)?;
        let body = Some(body.to_string());
        Ok(Call { method, url, headers: Vec::new(), body, action })
    }
}
