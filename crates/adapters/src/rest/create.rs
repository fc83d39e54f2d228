//! Creates one item, so that it is created once.
//!
//! A create whose answer is lost is not repeated as it was. With an idempotency key the same request
//! is sent again; with a look-up the item is looked for; else its fate is unknown, and the core waits
//! until a list shows it.

use reqwest::{
    StatusCode,
    header::{HeaderName, HeaderValue, LOCATION},
};
use serde_json::Value as Json;
use syncline_core::change::Outcome;

use crate::{
    rest::{
        client::{Answer, Lost},
        lookup::{Found, find},
        outcome::{done, is_doubtful, refusal, unreadable},
        target::{Step, Writing},
    },
    settings::{Template, api::Create},
    sql::{invalid, put_off},
};

/// How often a create with an idempotency key is sent.
const SENT_MAX: u32 = 3;

impl Writing<'_> {
    pub(super) async fn insert(&self) -> Step<Outcome> {
        let refused = || invalid("write.refused", "the resource takes no new items");
        let create = self.bound.resource.create.as_ref().ok_or_else(refused)?;
        let item = self.new_item(create)?;
        if let Some(outcome) = self.known_already(create, &item).await? {
            return Ok(outcome);
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
                Ok(answer) if !is_doubtful(answer.status) => {
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
            return self.in_doubt(create, &item, problem.to_string()).await;
        }
    }

    /// What is sent.
    pub(super) fn new_item(&self, create: &Create) -> Step<Json> {
        let mut item = Json::Object(serde_json::Map::new());
        self.set_in(&mut item)?;
        if let Some(path) = &create.external_id {
            let id = Json::String(self.write.record.to_string());
            path.put(&mut item, id)
                .map_err(|_| invalid("write.json", format!("`{path}` is not inside an object")))?;
        }
        Ok(item)
    }

    /// Whoever asks for it twice is given what is there; no second one is made.
    pub(super) async fn known_already(
        &self,
        create: &Create,
        item: &Json,
    ) -> Step<Option<Outcome>> {
        match self.lookup(create, item).await? {
            Found::None => Ok(None),
            Found::One(found) if create.external_id.is_some() => {
                self.applied(&found).await.map(Some)
            }
            Found::One(found) => Err(self.taken(create, Some(&found))),
            Found::Many => Err(self.taken(create, None)),
        }
    }

    /// Its answer was lost. It may have been made all the same: then it is there.
    pub(super) async fn in_doubt(
        &self,
        create: &Create,
        item: &Json,
        problem: String,
    ) -> Step<Outcome> {
        let unknown = || Outcome::Unknown { reason: problem.clone().into() };
        match self.lookup(create, item).await.map_err(|_| unknown())? {
            Found::One(found) if create.external_id.is_some() => self.applied(&found).await,
            Found::One(found) => Err(self.taken(create, Some(&found))),
            Found::None | Found::Many => Err(unknown()),
        }
    }

    pub(super) async fn lookup(&self, create: &Create, item: &Json) -> Step<Found> {
        let Some(template) = &create.find else { return Ok(Found::None) };
        let found = find(&self.system.client, self.bound, template, item).await;
        found.map_err(|error| put_off(error.kind, &error.detail))
    }

    /// There is an item already that a look-up takes for this one.
    pub(super) fn taken(&self, create: &Create, found: Option<&Json>) -> Outcome {
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
                return Ok(self.seen(&found.json, observed).await);
            }
            let outcome = self.read_back(&observed.key).await;
            return Ok(outcome.unwrap_or_else(|| done(observed)));
        }
        let client = &self.system.client;
        if let Some(link) = answer.header(&LOCATION)
            && let Ok(url) = client.follow(&answer.url, link, &action)
            && let Ok(answer) = client.get(url, &action).await
            && let Ok(found) = self.bound.item(&answer, &action)
            && let Ok(observed) = found.observe(self.bound)
        {
            return Ok(self.seen(&found.json, observed).await);
        }
        // Its key may be made of what was sent.
        if let Ok(sent) = self.bound.observe(item)
            && let Some(outcome) = self.read_back(&sent.key).await
        {
            return Ok(outcome);
        }
        if let Ok(Found::One(found)) = self.lookup(create, item).await {
            return self.applied(&found).await;
        }
        Err(Outcome::Unknown { reason: "it did not say which item it has created".into() })
    }

    pub(super) async fn applied(&self, found: &Json) -> Step<Outcome> {
        let observed = self.bound.observe(found).map_err(|refused| unreadable(&refused))?;
        Ok(self.seen(found, observed).await)
    }
}
