//! What a body that was sent tells: its number, its events, and the rows that they are about. Pure
//! functions; nothing here fails, because a body that was believed is never lost: what cannot be
//! read says that something changed, and no more.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;
use syncline_core::{Text, value::Digest};

use crate::{
    settings::{
        Path,
        hook::{Hook, Part, Style, Topic},
    },
    webhook::verify::find,
};

/// Numbers longer than this are kept as a digest.
const ID_MAX: usize = 200;
/// Topics longer than this are cut.
const TOPIC_MAX: usize = 200;

/// What tells a delivery from others: its number and its topic.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Label {
    /// Comes again when the same is sent again.
    pub id: Option<String>,
    /// The kind of its first event.
    pub topic: Option<String>,
}

/// One event of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// The table or resource that it is about; `None`: it says nothing that tells.
    pub(super) resource: Option<Text>,
    /// The item, or as much of it as is told.
    pub(super) item: Json,
    /// Where its key is, if said.
    pub(super) key: Vec<Path>,
    /// Its topic sounds as if the item were gone.
    pub(super) is_end: bool,
    /// Where the version of the change is in the item, if the file says.
    pub(super) version: Option<Path>,
    /// The file says that its topic means so.
    pub(super) is_deleted: bool,
}

/// What tells this delivery from others.
pub fn label(hook: &Hook, headers: &HeaderMap, body: &[u8]) -> Label {
    let document = serde_json::from_slice(body).ok();
    let events = document.as_ref().map(|it| parts(hook, it)).unwrap_or_default();
    let id = id_part(hook).and_then(|part| match &part {
        Part::Header(_) => find(&part, headers, &Json::Null),
        // The numbers of all of them; one without makes the whole one without.
        Part::Member(_) => {
            let all: Option<Vec<String>> =
                events.iter().map(|event| find(&part, headers, event)).collect();
            all.filter(|all| !all.is_empty()).map(|all| all.join(","))
        }
    });
    let id = id.filter(|id| !id.is_empty()).map(|id| {
        if id.len() <= ID_MAX {
            return id;
        }
        Digest::of(id.as_bytes()).0.iter().map(|byte| format!("{byte:02x}")).collect()
    });
    let first = events.first().copied().unwrap_or(&Json::Null);
    let topic = topic_part(hook).and_then(|part| find(&part, headers, first));
    Label { id, topic: topic.map(cut) }
}

/// The events of a body. `known`: the tables and resources that are bound. Empty: it is about none of
/// them. `None`: it cannot be read.
pub(super) fn events(
    hook: &Hook,
    topic: Option<&str>,
    body: &[u8],
    known: &[Text],
) -> Option<Vec<Event>> {
    let document: Json = serde_json::from_slice(body).ok()?;
    let part = topic_part(hook);
    let told = |event: &Json| match &part {
        Some(Part::Member(_)) => {
            part.as_ref().and_then(|part| find(part, &HeaderMap::new(), event)).map(cut)
        }
        Some(Part::Header(_)) | None => topic.map(str::to_owned),
    };
    let all = parts(hook, &document).into_iter().filter_map(|event| {
        let topic = told(event);
        let said = topic
            .as_deref()
            .and_then(|topic| hook.topics.iter().find(|known| matches(&known.pattern, topic)));
        let resource = match (said, &topic) {
            (Some(said), _) => Some(said.resource.clone()),
            (None, Some(topic)) if hook.topics.is_empty() => Some(begins(topic, known)?),
            // It is none of those that the file wants to hear of.
            (None, Some(_)) => return None,
            (None, None) => match known {
                [only] => Some(only.clone()),
                _ => None,
            },
        };
        let path = said.and_then(|said| said.item.clone()).unwrap_or_else(|| item(&hook.style));
        let key = key(&hook.style, said);
        Some(Event {
            resource,
            item: path.at(event).ok().flatten().cloned().unwrap_or(Json::Null),
            key,
            is_end: topic.as_deref().is_some_and(sounds_final),
            version: said.and_then(|said| said.version.clone()),
            is_deleted: said.is_some_and(|said| said.deleted),
        })
    });
    Some(all.collect())
}

impl Event {
    /// The version of the change, if it shows one.
    pub(super) fn version(&self) -> Option<i64> {
        self.version.as_ref()?.at(&self.item).ok().flatten()?.as_i64()
    }
}

/// Whether a body tells of rows, as far as they live in these tables: of each event it must be known
/// which row it is about. `tables`: the members that tell the rows of each apart.
pub fn tells_of_rows(
    hook: &Hook,
    tables: &BTreeMap<Text, Vec<Text>>,
    topic: Option<&str>,
    body: &[u8],
) -> bool {
    let known: Vec<Text> = tables.keys().cloned().collect();
    let Some(told) = events(hook, topic, body, &known) else { return false };
    told.iter().all(|event| {
        let key = event.resource.as_ref().and_then(|name| tables.get(name));
        let of_table = || key.into_iter().flatten().map(|name| Path::parse(name).ok()).collect();
        let paths: Option<Vec<Path>> =
            if event.key.is_empty() { of_table() } else { Some(event.key.clone()) };
        let is_told = |path: &Path| match path.at(&event.item) {
            Ok(Some(Json::String(_) | Json::Number(_))) => true,
            Ok(Some(Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_)) | None)
            | Err(_) => false,
        };
        let is_whole = |paths: &Vec<Path>| key.is_some_and(|key| key.len() == paths.len());
        event.item.is_object()
            && (event.version.is_none() || event.version().is_some())
            && paths.as_ref().is_some_and(|paths| is_whole(paths) && paths.iter().all(is_told))
    })
}

/// The events of a document.
fn parts<'a>(hook: &Hook, document: &'a Json) -> Vec<&'a Json> {
    match hook.batch.at(document).ok().flatten() {
        Some(Json::Array(events)) => events.iter().collect(),
        Some(one) => vec![one],
        None => vec![document],
    }
}

fn topic_part(hook: &Hook) -> Option<Part> {
    let member = |name: &str| Path::parse(name).ok().map(Part::Member);
    hook.topic.clone().or_else(|| match &hook.style {
        Style::Standard | Style::Stripe => member("type"),
        Style::Github => Some(Part::Header("X-GitHub-Event".into())),
        Style::Shopify => Some(Part::Header("X-Shopify-Topic".into())),
        Style::Hubspot => member("subscriptionType"),
        Style::Custom(_) | Style::Bearer(..) | Style::Path | Style::None => None,
    })
}

fn id_part(hook: &Hook) -> Option<Part> {
    let member = |name: &str| Path::parse(name).ok().map(Part::Member);
    let header = |name: &str| Some(Part::Header(name.to_owned()));
    hook.id.clone().or_else(|| match &hook.style {
        Style::Standard => header("webhook-id"),
        Style::Github => header("X-GitHub-Delivery"),
        Style::Stripe => member("id"),
        Style::Shopify => header("X-Shopify-Event-Id"),
        Style::Hubspot => member("eventId"),
        Style::Custom(_) | Style::Bearer(..) | Style::Path | Style::None => None,
    })
}

/// Where the item is in an event of this style.
fn item(style: &Style) -> Path {
    let path = match style {
        Style::Standard => "data",
        Style::Stripe => "data.object",
        Style::Github
        | Style::Shopify
        | Style::Hubspot
        | Style::Custom(_)
        | Style::Bearer(..)
        | Style::Path
        | Style::None => "$",
    };
    Path::parse(path).unwrap_or_default()
}

fn key(style: &Style, said: Option<&Topic>) -> Vec<Path> {
    match said {
        Some(said) if !said.key.is_empty() => said.key.clone(),
        // It tells of an item by its number alone.
        Some(_) | None if *style == Style::Hubspot => Path::parse("objectId").into_iter().collect(),
        Some(_) | None => Vec::new(),
    }
}

/// The resource that a topic begins with: `orders/updated`, `customer.updated`, `order_changed`.
fn begins(topic: &str, known: &[Text]) -> Option<Text> {
    let topic = topic.to_lowercase();
    let until = |ends: &[char]| topic.split(ends).next().unwrap_or_default();
    let words = [topic.as_str(), until(&['/', '.', ':']), until(&['/', '.', ':', '_'])];
    words.into_iter().find_map(|word| {
        let is = |name: &&Text| {
            let name = name.to_lowercase();
            let one = |text: &str| text.strip_suffix('s').unwrap_or(text).to_owned();
            name == word || one(&name) == one(word)
        };
        known
            .iter()
            .find(|name| name.to_lowercase() == word)
            .or_else(|| known.iter().find(is))
            .cloned()
    })
}

/// `*` stands for any characters.
fn matches(pattern: &str, topic: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == topic,
        Some((before, after)) => {
            let Some(rest) = topic.strip_prefix(before) else { return false };
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| rest.get(at..).is_some_and(|rest| matches(after, rest)))
        }
    }
}

fn sounds_final(topic: &str) -> bool {
    let topic = topic.to_lowercase();
    ["delet", "remov", "destroy", "archiv", "trash"].iter().any(|word| topic.contains(word))
}

fn cut(mut topic: String) -> String {
    let most = (0..=TOPIC_MAX).rev().find(|at| topic.is_char_boundary(*at)).unwrap_or(0);
    topic.truncate(most);
    topic
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn hook(style: Style) -> Hook {
        Hook {
            style,
            secrets: Vec::new(),
            max_age: Duration::from_secs(300),
            topic: None,
            id: None,
            batch: Path::default(),
            topics: Vec::new(),
            from: Vec::new(),
            trusts: false,
            public_url: None,
        }
    }

    fn known() -> Vec<Text> {
        vec!["customers".into(), "orders".into()]
    }

    fn told(hook: &Hook, topic: Option<&str>, body: &Json) -> Vec<(Option<Text>, Json)> {
        let events = events(hook, topic, body.to_string().as_bytes(), &known()).unwrap();
        events.into_iter().map(|event| (event.resource, event.item)).collect()
    }

    #[test]
    fn a_topic_begins_with_the_resource_that_it_is_about() {
        let (shopify, stripe) = (hook(Style::Shopify), hook(Style::Stripe));
        let order = json!({"id": 7});
        let found = vec![(Some("orders".into()), order.clone())];
        assert_eq!(told(&shopify, Some("orders/updated"), &order), found);
        let event = json!({"id": "evt_1", "type": "customer.updated", "data": {"object": order}});
        assert_eq!(told(&stripe, None, &event), [(Some("customers".into()), order.clone())]);
        assert_eq!(told(&shopify, Some("refunds/create"), &order), []);
    }

    #[test]
    fn events_of_one_body_are_told_apart() {
        let mut own = hook(Style::Path);
        own.batch = Path::parse("$.events").unwrap();
        own.topic = Some(Part::Member(Path::parse("kind").unwrap()));
        own.topics = vec![
            Topic {
                pattern: "cust*.up*".into(),
                resource: "customers".into(),
                item: Some(Path::parse("it").unwrap()),
                key: Vec::new(),
                version: None,
                deleted: false,
            },
            Topic {
                pattern: "order".into(),
                resource: "orders".into(),
                item: None,
                key: vec![Path::parse("no").unwrap()],
                version: None,
                deleted: false,
            },
        ];
        let body = json!({"events": [
            {"kind": "customer.updated", "it": {"id": 1}}, {"kind": "order", "no": 5},
            {"kind": "orders"}]});
        let found = told(&own, None, &body);
        assert_eq!(found[0], (Some("customers".into()), json!({"id": 1})));
        assert_eq!(found[1], (Some("orders".into()), json!({"kind": "order", "no": 5})));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_delivery_has_the_number_that_its_style_gives_it() {
        let none = HeaderMap::new();
        let of = |hook: &Hook, body: &Json| label(hook, &none, body.to_string().as_bytes());
        let batch = json!([{"eventId": 1, "subscriptionType": "contact.creation"}, {"eventId": 2}]);
        let label = of(&hook(Style::Hubspot), &batch);
        assert_eq!(label.id.as_deref(), Some("1,2"));
        assert_eq!(label.topic.as_deref(), Some("contact.creation"));
        assert_eq!(of(&hook(Style::Hubspot), &json!([{"eventId": 1}, {}])).id, None);
        assert_eq!(of(&hook(Style::Stripe), &json!({"id": "evt_7"})).id.as_deref(), Some("evt_7"));
        let long = "x".repeat(500);
        assert_eq!(of(&hook(Style::Stripe), &json!({"id": long})).id.map(|id| id.len()), Some(32));
        assert_eq!(of(&hook(Style::Path), &json!({"id": 7})), Label::default());
    }

    #[test]
    fn what_is_no_document_cannot_be_read_and_is_not_lost() {
        let shopify = hook(Style::Shopify);
        let deep = "[".repeat(100_000);
        for body in ["", "payload=%7B", "{\"id\":", deep.as_str()] {
            assert_eq!(events(&shopify, Some("orders/x"), body.as_bytes(), &known()), None);
            assert_eq!(label(&shopify, &HeaderMap::new(), body.as_bytes()), Label::default());
        }
    }

    #[test]
    fn without_a_topic_one_resource_is_meant_or_nobody_knows_which() {
        let path = hook(Style::Path);
        assert_eq!(told(&path, None, &json!({"id": 7})), [(None, json!({"id": 7}))]);
        let one = events(&path, None, b"{\"id\": 7}", &["stock".into()]).unwrap();
        assert_eq!(one[0].resource, Some("stock".into()));
    }
}
