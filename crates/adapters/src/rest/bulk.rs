//! Writes many items with one request; what is said of each is its fate, and nobody else's.
//!
//! An item of which nothing is said is in doubt, like all of them where the answer to the whole request
//! is lost: each is asked about. A request that is refused as a whole has done nothing, and may have been
//! refused for one of its items: then each is sent by itself. So are those whose result says that they have
//! changed or are gone, or that others hold what they want.

use reqwest::StatusCode;
use serde_json::Value as Json;
use syncline_core::{
    change::{Outcome, RowKey, RowWrite, WriteKind},
    error::{ErrorKind, PortError},
    name::IntentId,
};

use crate::{
    rest::{
        System, at_once,
        bound::Bound,
        client::{Call, Lost, said},
        lookup::member,
        outcome::{done, is_doubtful, refusal, refused},
        target::{Step, Writing, method},
    },
    settings::api::{Bulk, ResultsBy},
    sql::{invalid, put_off},
};

/// An item that is on its way with others.
struct Sent<'a> {
    writing: Writing<'a>,
    item: Json,
}

/// Writes all of these, which are of one kind and of one binding.
pub(super) async fn write(
    system: &System,
    bound: &Bound,
    bulk: &Bulk,
    writes: &[&RowWrite],
) -> Vec<(IntentId, Outcome)> {
    let most = system.api.concurrency;
    let prepared =
        writes.iter().map(|write| prepared(Writing::new(system, bound, write))).collect();
    let (mut answers, mut sent) = (Vec::new(), Vec::new());
    for (prepared, write) in at_once(prepared, most).await.into_iter().zip(writes) {
        match prepared {
            Ok(one) => sent.push(one),
            Err(outcome) => answers.push((write.intent, outcome)),
        }
    }
    let fates = match sent.as_slice() {
        [] => Vec::new(),
        [one] => vec![one.writing.run().await],
        several => together(system, bound, bulk, several).await,
    };
    answers.extend(sent.iter().map(|one| one.writing.write.intent).zip(fates));
    answers
}

/// What is sent of a write, or why nothing is.
async fn prepared(writing: Writing<'_>) -> Step<Sent<'_>> {
    let resource = &writing.bound.resource;
    let item = match (writing.write.kind, &writing.write.key) {
        (WriteKind::Insert, _) => {
            let refused = || invalid("write.refused", "the resource takes no new items");
            let create = resource.create.as_ref().ok_or_else(refused)?;
            let item = writing.new_item(create)?;
            if let Some(outcome) = writing.known_already(create, &item).await? {
                return Err(outcome);
            }
            item
        }
        (WriteKind::Update | WriteKind::Delete, Some(key)) => {
            let refused = || invalid("write.refused", "the resource takes no changes");
            let update = resource.update.as_ref().ok_or_else(refused)?;
            let (whole, token) = writing.as_expected(key, update.is_whole).await?;
            let mut item =
                whole.map_or_else(|| Json::Object(serde_json::Map::new()), |found| found.json);
            writing.set_in(&mut item)?;
            writing.name_in(key, &mut item)?;
            if let Some(token) = &token {
                writing.version_in(token, &mut item)?;
            }
            item
        }
        (WriteKind::Update | WriteKind::Delete, None) => {
            return Err(invalid("write.type", "a row without a key is to be changed"));
        }
    };
    Ok(Sent { writing, item })
}

/// One request for all of them: the fate of each.
async fn together(system: &System, bound: &Bound, bulk: &Bulk, sent: &[Sent<'_>]) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; sent.len()];
    let Some(first) = sent.first() else { return Vec::new() };
    let items = Json::Array(sent.iter().map(|one| one.item.clone()).collect());
    let call = match call(first.writing.write.kind, system, bound, bulk, items) {
        Ok(call) => call,
        Err(outcome) => return all(outcome),
    };
    let problem = match system.client.send(&call).await {
        Ok(answer) if answer.status.is_success() => {
            let results = answer.json(&call.action).and_then(|document| {
                let found = bulk.results.at(&document).ok().flatten().and_then(Json::as_array);
                found.cloned().ok_or_else(|| {
                    let detail =
                        format!("there are no results at `{}` in its answer", bulk.results);
                    PortError::new(ErrorKind::Answer, call.action.clone(), detail)
                })
            });
            match results {
                Ok(results) => {
                    let own = results_of(bound, bulk, sent, &results);
                    let fates = sent.iter().zip(own).map(|(one, result)| one.fate(bulk, result));
                    return at_once(fates.collect(), system.api.concurrency).await;
                }
                Err(error) => error,
            }
        }
        Ok(answer) if is_doubtful(answer.status) => answer.failure(&call.action),
        Ok(answer) => {
            let outcome = refusal(&answer);
            if !matches!(outcome, Outcome::Invalid { .. }) {
                return all(outcome);
            }
            let alone = sent.iter().map(|one| one.writing.run()).collect();
            return at_once(alone, system.api.concurrency).await;
        }
        Err(Lost::NotDone(error)) => return all(put_off(error.kind, &error.detail)),
        Err(Lost::Unknown(error)) => error,
    };
    let doubts = sent.iter().map(|one| one.in_doubt(problem.to_string())).collect();
    at_once(doubts, system.api.concurrency).await
}

/// The request.
fn call(kind: WriteKind, system: &System, bound: &Bound, bulk: &Bulk, items: Json) -> Step<Call> {
    let action = bound.action(match kind {
        WriteKind::Insert => "create many of",
        WriteKind::Update | WriteKind::Delete => "change many of",
    });
    let path = bulk.request.path.fill(|_| None).unwrap_or_default();
    let url = system.client.url(&path, &action);
    let url = url.map_err(|error| put_off(error.kind, &error.detail))?;
    let mut body = Json::Null;
    let blocked = |_| invalid("write.json", "the items have no place in what is sent");
    bulk.items.put(&mut body, items).map_err(blocked)?;
    let method = method(bulk.request.method);
    Ok(Call { method, url, headers: Vec::new(), body: Some(body.to_string()), action })
}

/// The result of each; `None`: nothing is said of it.
fn results_of<'r>(
    bound: &Bound,
    bulk: &Bulk,
    sent: &[Sent<'_>],
    results: &'r [Json],
) -> Vec<Option<&'r Json>> {
    match bulk.by {
        // Where one is missing, nobody knows whose.
        ResultsBy::Position if results.len() != sent.len() => vec![None; sent.len()],
        ResultsBy::Position => results.iter().map(Some).collect(),
        ResultsBy::Key => {
            let key = |item: &Json| -> Option<Vec<String>> {
                let parts = bound.resource.key.iter();
                parts.map(|path| member(item, &path.to_string())).collect()
            };
            let known: Vec<(Option<Vec<String>>, &Json)> = results
                .iter()
                .map(|result| (bulk.item.at(result).ok().flatten().and_then(key), result))
                .collect();
            let own = |one: &Sent<'_>| {
                let wanted = key(&one.item)?;
                let mut found = known.iter().filter(|(key, _)| key.as_ref() == Some(&wanted));
                let (_, result) = found.next()?;
                found.next().is_none().then_some(*result)
            };
            sent.iter().map(own).collect()
        }
    }
}

impl Sent<'_> {
    /// What its result says.
    async fn fate(&self, bulk: &Bulk, result: Option<&Json>) -> Outcome {
        let Some(result) = result else {
            return self.in_doubt("nothing is said of it in the answer".into()).await;
        };
        let complaint = bulk.error.as_ref().and_then(|path| path.at(result).ok().flatten());
        let complaint = complaint.filter(|said| !matches!(said, Json::Null | Json::Bool(false)));
        let words = complaint.and_then(|found| said(found).or_else(|| Some(found.to_string())));
        let words = words.or_else(|| said(result));
        let Some(path) = &bulk.status else {
            return match (complaint, words) {
                (None, _) => self.written(bulk, result).await,
                (Some(_), words) => invalid("write.refused", words.unwrap_or_default()),
            };
        };
        let status = match path.at(result).ok().flatten() {
            Some(Json::Number(number)) => number.as_str().parse().ok(),
            Some(Json::String(text)) => text.split(' ').next().and_then(|word| word.parse().ok()),
            Some(Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_)) | None => None,
        };
        let Some(status) = status.and_then(|status: u16| StatusCode::from_u16(status).ok()) else {
            return self.in_doubt("no status is said of it in the answer".into()).await;
        };
        let reason = match &words {
            Some(words) => format!("it answered {}: {words}", status.as_u16()),
            None => format!("it answered {}", status.as_u16()),
        };
        match status {
            status if status.is_success() && complaint.is_none() => {
                self.written(bulk, result).await
            }
            status if status.is_success() => invalid("write.refused", reason),
            status if is_doubtful(status) => self.in_doubt(reason).await,
            // By itself it is found out what it is like now.
            StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::CONFLICT
            | StatusCode::PRECONDITION_FAILED => self.writing.run().await,
            status => refused(status, reason),
        }
    }

    /// It was written: what it is like.
    async fn written(&self, bulk: &Bulk, result: &Json) -> Outcome {
        let bound = self.writing.bound;
        let found = bulk.item.at(result).ok().flatten().filter(|item| item.is_object());
        let observed = found.and_then(|item| bound.observe(item).ok());
        let is_whole = found.is_some_and(|item| bound.holds_all(item));
        let key: Option<RowKey> = match (&self.writing.write.key, &observed) {
            (Some(own), Some(seen)) if seen.key != *own => None,
            (Some(own), _) => Some(own.clone()),
            (None, seen) => seen.as_ref().map(|seen| seen.key.clone()),
        };
        match (key, observed) {
            (Some(_), Some(observed))
                if is_whole && !self.writing.needs_etag(observed.token.as_ref()) =>
            {
                done(observed)
            }
            (Some(key), observed) => match self.writing.read_back(&key).await {
                Some(outcome) => outcome,
                None => match observed {
                    Some(observed) if self.writing.write.kind == WriteKind::Insert => {
                        done(observed)
                    }
                    Some(_) | None => {
                        Outcome::Unknown { reason: "it could not be read after the write".into() }
                    }
                },
            },
            (None, _) => {
                self.in_doubt("its result does not say which item was written".into()).await
            }
        }
    }

    /// Nobody knows what became of it.
    async fn in_doubt(&self, problem: String) -> Outcome {
        let create = self.writing.bound.resource.create.as_ref();
        match create.filter(|_| self.writing.write.kind == WriteKind::Insert) {
            Some(create) => {
                let found = self.writing.in_doubt(create, &self.item, problem).await;
                found.unwrap_or_else(|outcome| outcome)
            }
            None => Outcome::Unknown { reason: problem.into() },
        }
    }
}
