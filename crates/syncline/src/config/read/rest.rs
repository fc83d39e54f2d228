//! `auth:` and `resources:` of a REST system.

use std::sync::Arc;

use syncline_adapters::settings::{
    Path, Template,
    api::{Create, Cursor, Method, Next, Request, Resource, Total, Update, Version},
};
use syncline_core::Text;

use crate::config::{
    complaint::Complaint,
    draft::{Name, Spanned, rest::RestDraft},
    keys::{self, Section},
    read::{Entries, Reader},
    scalar,
    tree::{Kind, Node},
};

mod auth;
mod bulk;
mod pages;

/// Requests under way at once, unless said otherwise.
const CONCURRENCY: usize = 4;
/// How far back is listed again, in seconds, unless said otherwise.
const OVERLAP: u32 = 300;

const METHODS: [(&str, Method); 4] = [
    ("post", Method::Post),
    ("put", Method::Put),
    ("patch", Method::Patch),
    ("delete", Method::Delete),
];

impl Reader<'_> {
    /// What is said of a REST system alone.
    pub(super) fn rest(&mut self, entries: &Entries<'_>) -> RestDraft {
        let mut rest = RestDraft { concurrency: CONCURRENCY, ..RestDraft::default() };
        if let Some(node) = entries.get("auth") {
            rest.auth = self.auth(node).unwrap_or_default();
        }
        if let Some(node) = entries.get("headers") {
            rest.headers = self.headers(node);
        }
        rest.max_rate = self.text_of(entries, "max_rate").and_then(|text| self.rate(&text));
        if let Some(count) = self.count_of(entries, "concurrency", 1..=32) {
            rest.concurrency = count as usize;
        }
        let Some(node) = entries.get("resources") else {
            self.wrong(entries.place, "a REST system needs `resources`");
            return rest;
        };
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(
                node.place,
                format!("`resources` takes resources by name, not {}", node.what()),
            );
            return rest;
        };
        for (key, value) in pairs {
            let name = self.name(key, "a resource", true);
            rest.resources.extend(self.resource(&name, value).map(Arc::new));
        }
        rest
    }

    fn resource(&mut self, name: &Name, node: &Node) -> Option<Resource> {
        let what = format!("resource `{}`", name.value);
        let entries = self.entries(node, &keys::rest::RESOURCE, &what, &[])?;
        let list = self.text_of(&entries, "path")?;
        let path = self.template(&list, &[])?;
        let key: Vec<Path> = self
            .texts_of(&entries, "key")?
            .iter()
            .map(|name| self.path(name))
            .collect::<Option<_>>()?;
        let parts: Vec<String> = key.iter().map(Path::to_string).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let bare = list.value.split('?').next().unwrap_or_default().trim_end_matches('/');
        let places: Vec<String> = parts.iter().map(|part| format!("{{{part}}}")).collect();
        let unsaid =
            Spanned { value: Text::new(format!("{bare}/{}", places.join("/"))), place: list.place };
        let one = self.text_of(&entries, "get").unwrap_or(unsaid);
        let get = self.template(&one, &parts)?;
        let item = self.path_of(&entries, "item").unwrap_or_default();
        let list_request = |method| Request { method, path: path.clone() };
        let one_request = |method| Request { method, path: get.clone() };
        let write = match entries.get("write") {
            Some(node) => Some(self.request(node, "write", &keys::rest::REQUEST, Some(&parts))?),
            None => None,
        };
        let create = match (entries.get("create"), &write) {
            (None, Some(write)) => Some(bare_create(write.clone())),
            (None, None) => Some(bare_create(list_request(Method::Post))),
            (Some(node), _) => self.create(node, &list_request)?,
        };
        let update = match (entries.get("update"), &write) {
            (None, Some(write)) => Some(update(write.clone())),
            (None, None) => Some(update(one_request(Method::Patch))),
            (Some(node), _) => self.update(node, &one_request, &parts)?,
        };
        let delete = match entries.get("delete") {
            None if write.is_some() => None,
            None => Some(one_request(Method::Delete)),
            Some(node) => self.delete(node, &one_request, &parts)?,
        };
        for key in ["create", "update"] {
            if let (Some(place), Some(_)) = (entries.key(key), &write) {
                self.wrong(place, format!("`write` and `{key}` cannot both be said"));
            }
        }
        let version =
            entries.get("version").map_or(Some(Version::None), |node| self.version(node))?;
        let bulk = entries
            .get("bulk")
            .map(|node| self.bulk(node, create.as_ref(), update.as_ref(), &version));
        let (bulk_create, bulk_update) = bulk.unwrap_or_default();
        Some(Resource {
            name: name.value.clone(),
            items: self.path_of(&entries, "items").unwrap_or_default(),
            item,
            key,
            changed_at: (entries.get("cursor").and_then(Node::text))
                .and_then(|text| Path::parse(text).ok()),
            cursor: self.cursor(&entries),
            next: entries.get("next").and_then(|node| self.next(node)).unwrap_or(Next::None),
            size: entries.get("size").and_then(|node| self.size(node)),
            total: entries.get("total").and_then(|node| self.total(node)),
            absent_is_null: entries.get("absent").is_some_and(|node| {
                node.text() == Some("null") || self.word(node, "absent", &["null"]).is_some()
            }),
            create,
            update,
            delete,
            bulk_create,
            bulk_update,
            version,
            order: None,
            gone: entries.get("gone").map_or_else(|| vec![404, 410], |node| self.statuses(node)),
            path,
            get,
        })
    }

    /// A path in a document.
    pub(super) fn path(&mut self, text: &Name) -> Option<Path> {
        match Path::parse(&text.value) {
            Ok(path) => Some(path),
            Err(why) => {
                self.wrong(text.place, format!("`{}` is no path: {why}", text.value));
                None
            }
        }
    }

    pub(super) fn path_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<Path> {
        let text = self.text_of(entries, key)?;
        self.path(&text)
    }

    /// A text with places, all of them known.
    fn template(&mut self, text: &Name, places: &[&str]) -> Option<Template> {
        let template = self.free_template(text)?;
        if let Some(other) = template.places().find(|name| !places.contains(&name.as_str())) {
            let known: Vec<String> = places.iter().map(|name| format!("{{{name}}}")).collect();
            let complaint = Complaint::error(
                "config.value",
                text.place,
                format!("nothing is known to put in place of {{{other}}}"),
            );
            self.complain(if known.is_empty() {
                complaint.fix("write it without places")
            } else {
                complaint.fix(format!("known here: {}", known.join(", ")))
            });
            return None;
        }
        Some(template)
    }

    fn free_template(&mut self, text: &Name) -> Option<Template> {
        match Template::parse(&text.value) {
            Ok(template) => Some(template),
            Err(why) => {
                self.wrong(text.place, format!("`{}`: {why}", text.value));
                None
            }
        }
    }

    fn cursor(&mut self, entries: &Entries<'_>) -> Option<Cursor> {
        let overlap = match self.text_of(entries, "overlap") {
            None => OVERLAP,
            Some(text) => {
                let number = text.value.parse().ok();
                let span = || scalar::duration_ms(&text.value).map(|ms| ms.unsigned_abs() / 1_000);
                let found = number.or_else(|| u32::try_from(span()?).ok());
                if found.is_none() {
                    self.wrong(text.place, "`overlap` takes a time span such as 5m, or a number");
                }
                found.unwrap_or(OVERLAP)
            }
        };
        let at = self.path_of(entries, "cursor");
        let since = self.text_of(entries, "since");
        if at.is_none() {
            for key in ["since", "overlap"] {
                if let Some(place) = entries.key(key) {
                    self.wrong(place, format!("`{key}` needs a `cursor`"));
                }
            }
        }
        let since = self.template(&since?, &["cursor"])?;
        Some(Cursor { at: at?, since, overlap })
    }

    fn total(&mut self, node: &Node) -> Option<Total> {
        if let Kind::Scalar { .. } = &node.kind {
            let text = self.text(node, "total")?;
            return self.path(&text).map(Total::Body);
        }
        let entries = self.entries(node, &keys::rest::TOTAL, "`total`", &[])?;
        let name = self.text_of(&entries, "header")?;
        self.header_name(&name);
        Some(Total::Header(name.value.to_lowercase()))
    }

    fn version(&mut self, node: &Node) -> Option<Version> {
        if let Kind::Scalar { .. } = &node.kind {
            return self.word(node, "version", &["etag"]).map(|_| Version::Etag);
        }
        let entries = self.entries(node, &keys::rest::VERSION, "`version`", &[])?;
        self.path_of(&entries, "field").map(Version::Field)
    }

    fn statuses(&mut self, node: &Node) -> Vec<u16> {
        let items: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Scalar { .. } | Kind::Map(_) => vec![node],
        };
        let mut found = Vec::new();
        for item in items {
            match item.text().and_then(|text| text.parse().ok()) {
                Some(status @ 400..=499) => found.push(status),
                Some(_) | None => self.wrong(item.place, "`gone` takes statuses from 400 to 499"),
            }
        }
        found
    }

    fn is_no(node: &Node) -> bool {
        node.text() == Some("false")
    }

    /// A method and a path; with `places`, those that its path may name.
    fn request(
        &mut self,
        node: &Node,
        what: &str,
        section: &'static Section,
        places: Option<&[&str]>,
    ) -> Option<Request> {
        let entries = self.entries(node, section, &format!("`{what}`"), &[])?;
        self.one_of(&entries, node, what, places)?
    }

    /// Outer `None`: complained about; inner: no method is said.
    fn one_of(
        &mut self,
        entries: &Entries<'_>,
        node: &Node,
        what: &str,
        places: Option<&[&str]>,
    ) -> Option<Option<Request>> {
        let mut found = Vec::new();
        for (word, method) in METHODS {
            if let Some(text) = self.text_of(entries, word) {
                let path = match places {
                    Some(places) => self.template(&text, places)?,
                    None => self.free_template(&text)?,
                };
                found.push(Request { method, path });
            }
        }
        if found.len() > 1 {
            self.wrong(node.place, format!("`{what}` takes one method"));
        }
        Some(found.pop())
    }

    fn create(
        &mut self,
        node: &Node,
        unsaid: &dyn Fn(Method) -> Request,
    ) -> Option<Option<Create>> {
        if Self::is_no(node) {
            return Some(None);
        }
        if let Kind::Scalar { .. } = &node.kind {
            let word = self.word(node, "create", &["post", "put"])?;
            let method = if word == "put" { Method::Put } else { Method::Post };
            return Some(Some(bare_create(unsaid(method))));
        }
        let entries = self.entries(node, &keys::rest::CREATE, "`create`", &[])?;
        // The item's own members may stand in its path.
        let request = self.one_of(&entries, node, "create", None)?;
        let mut create = bare_create(request.unwrap_or_else(|| unsaid(Method::Post)));
        if let Some(name) = self.text_of(&entries, "idempotency") {
            self.header_name(&name);
            create.idempotency = Some(name.value.to_string());
        }
        create.external_id = self.path_of(&entries, "external_id");
        create.find = self.text_of(&entries, "find").and_then(|text| {
            let template = self.free_template(&text)?;
            if template.places().next().is_none() {
                self.wrong(text.place, "`find` names no member: write email={email}");
            }
            let unknown: Vec<Name> = template
                .places()
                .map(|name| Spanned { value: name.clone(), place: text.place })
                .collect();
            for name in &unknown {
                self.path(name)?;
            }
            Some(template)
        });
        if let (Some(place), None) = (entries.key("external_id"), &create.find) {
            let complaint = "`external_id` needs `find`: how an item is found by it";
            self.complain(
                Complaint::error("config.value", place, complaint)
                    .fix("find: \"external_id={external_id}\""),
            );
        }
        Some(Some(create))
    }

    fn update(
        &mut self,
        node: &Node,
        unsaid: &dyn Fn(Method) -> Request,
        parts: &[&str],
    ) -> Option<Option<Update>> {
        if Self::is_no(node) {
            return Some(None);
        }
        if let Kind::Scalar { .. } = &node.kind {
            let word = self.word(node, "update", &["patch", "put", "post"])?;
            let method = METHODS.iter().find(|(name, _)| *name == word).map(|(_, method)| *method);
            return Some(Some(update(unsaid(method.unwrap_or(Method::Patch)))));
        }
        let entries = self.entries(node, &keys::rest::UPDATE, "`update`", &[])?;
        let request = self.one_of(&entries, node, "update", Some(parts))?;
        let mut update = update(request.unwrap_or_else(|| unsaid(Method::Patch)));
        if let Some(sends) = self.word_of(&entries, "sends", &keys::rest::SENDS) {
            update.is_whole = sends == "item";
        }
        Some(Some(update))
    }

    fn delete(
        &mut self,
        node: &Node,
        unsaid: &dyn Fn(Method) -> Request,
        parts: &[&str],
    ) -> Option<Option<Request>> {
        if let Kind::Scalar { .. } = &node.kind {
            return match node.text() {
                Some("true") => Some(Some(unsaid(Method::Delete))),
                Some("false") => Some(None),
                Some(_) | None => {
                    self.wrong(node.place, "`delete` takes true, false, or {delete: PATH}");
                    None
                }
            };
        }
        Some(Some(self.request(node, "delete", &keys::rest::DELETE, Some(parts))?))
    }
}

fn bare_create(request: Request) -> Create {
    Create { request, idempotency: None, external_id: None, find: None }
}

/// A PUT is about the whole item; what is not ours in it is sent back as it was read.
fn update(request: Request) -> Update {
    let is_whole = request.method == Method::Put;
    Update { request, is_whole }
}
