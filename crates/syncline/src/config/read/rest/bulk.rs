//! `bulk:` of a resource: requests that write many items.

use syncline_adapters::settings::api::{Bulk, Create, ResultsBy, Update, Version};

use crate::config::{complaint::Complaint, keys, read::Reader, tree::Node};

/// Items of one request, unless said otherwise.
const SIZE: usize = 50;

impl Reader<'_> {
    /// How many items are created, and changed, by one request.
    pub(super) fn bulk(
        &mut self,
        node: &Node,
        create: Option<&Create>,
        update: Option<&Update>,
        version: &Version,
    ) -> (Option<Bulk>, Option<Bulk>) {
        let Some(entries) = self.entries(node, &keys::rest::BULK, "`bulk`", &[]) else {
            return (None, None);
        };
        for (key, is_there) in [("create", create.is_some()), ("update", update.is_some())] {
            if let (Some(place), false) = (entries.key(key), is_there) {
                self.wrong(
                    place,
                    format!(
                        "the resource has no `{key}`: what is not written by itself \
                     is not written in bulk"
                    ),
                );
            }
        }
        let is_idempotent = create.is_some_and(|create| create.idempotency.is_some());
        if let (Some(place), true) = (entries.key("create"), is_idempotent) {
            self.complain(
                Complaint::error(
                    "config.value",
                    place,
                    "an idempotency key is about one item: `bulk.create` cannot have one",
                )
                .fix("say how an item is found instead: `create: {find: \"email={email}\"}`"),
            );
        }
        if let (Some(place), Version::Etag) = (entries.key("update"), version) {
            self.complain(
                Complaint::error(
                    "config.value",
                    place,
                    "an ETag is about one item: `bulk.update` cannot be made sure of by it",
                )
                .fix("say `version: {field: …}`, or leave `bulk.update` out"),
            );
        }
        let mut one = |key: &str| entries.get(key).and_then(|node| self.bulk_request(node, key));
        (one("create"), one("update"))
    }

    fn bulk_request(&mut self, node: &Node, key: &str) -> Option<Bulk> {
        let what = format!("bulk.{key}");
        let entries = self.entries(node, &keys::rest::BULK_REQUEST, &format!("`{what}`"), &[])?;
        let request = self.one_of(&entries, node, &what, Some(&[]))?;
        if request.is_none() {
            self.wrong(node.place, format!("`{what}` needs a path: {{post: items/batch}}"));
        }
        let by = match self.word_of(&entries, "by", &keys::rest::RESULTS_BY) {
            Some("key") => ResultsBy::Key,
            Some(_) | None => ResultsBy::Position,
        };
        Some(Bulk {
            request: request?,
            items: self.path_of(&entries, "items").unwrap_or_default(),
            results: self.path_of(&entries, "results").unwrap_or_default(),
            size: self.count_of(&entries, "size", 1..=1_000).map_or(SIZE, |size| size as usize),
            by,
            status: self.path_of(&entries, "status"),
            item: self.path_of(&entries, "item").unwrap_or_default(),
            error: self.path_of(&entries, "error"),
        })
    }
}
