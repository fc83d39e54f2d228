//! The tree becomes a draft: every key is known, every value has its type. What is wrong is
//! complained about, and reading goes on, so that all complaints come at once.

mod alerts;
mod cell;
mod entity;
mod folder;
mod policy;
mod rest;
mod system;
mod traces;
mod validate;
mod webhook;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use syncline_adapters::settings::api::Resource;
use syncline_core::Text;

use crate::config::{
    complaint::Complaint,
    draft::{BackupDraft, BooksDraft, Draft, Name, Spanned},
    keys::{self, Section},
    scalar, similar,
    source::{Place, Sources},
    tree::{Key, Kind, Node},
};

/// Reads a tree, and collects complaints.
pub(crate) struct Reader<'s> {
    /// The files; literals of secrets are masked in them.
    pub(crate) sources: &'s mut Sources,
    /// What is wrong so far.
    pub(crate) complaints: Vec<Complaint>,
    /// The REST systems read so far, with their resources.
    pub(crate) apis: BTreeMap<Text, Vec<Arc<Resource>>>,
    /// The systems that only tell.
    pub(crate) pushes: BTreeSet<Text>,
    /// What is said of the file systems.
    pub(crate) files: BTreeMap<Text, crate::config::draft::folder::FolderDraft>,
}

/// The values of a section, each to be taken once.
pub(crate) struct Entries<'n> {
    /// Where the section stands.
    pub(crate) place: Place,
    known: Vec<(&'static str, &'n Key, &'n Node)>,
    /// Keys chosen by the user, in the order of the file.
    pub(crate) named: Vec<(&'n Key, &'n Node)>,
}

impl<'n> Entries<'n> {
    /// The value of this key.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.known.iter().find(|(key, ..)| *key == name).map(|(_, _, node)| *node)
    }

    /// Where this key stands.
    pub(crate) fn key(&self, name: &str) -> Option<Place> {
        self.known.iter().find(|(key, ..)| *key == name).map(|(_, key, _)| key.place)
    }
}

impl Reader<'_> {
    /// The rows of this system are items, whose members have paths.
    pub(crate) fn has_items(&self, system: &str) -> bool {
        self.apis.contains_key(system) || self.pushes.contains(system)
    }

    /// Complains.
    pub(crate) fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    /// Complains about a value.
    pub(crate) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.complain(Complaint::error("config.value", place, message));
    }

    /// The keys of a section. Unknown keys and those of later versions are complained about.
    /// `suggestions` are names that may be meant beside the known keys.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        section: &'static Section,
        what: &str,
        suggestions: &[&str],
    ) -> Option<Entries<'n>> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(node.place, format!("{what} takes keys and values, not {}", node.what()));
            return None;
        };
        let mut entries = Entries { place: node.place, known: Vec::new(), named: Vec::new() };
        for (key, value) in pairs {
            match section.key(&key.text) {
                Some(known) => match known.later {
                    None => entries.known.push((known.name, key, value)),
                    Some(why) => self.complain(
                        Complaint::error(
                            "config.unsupported",
                            key.place,
                            format!("this version cannot honour `{}`", key.text),
                        )
                        .fix(why),
                    ),
                },
                None if section.named.is_some() && self.may_be_name(key, section, suggestions) => {
                    entries.named.push((key, value));
                }
                None => {
                    // What it was meant for is read from it, so that its value is looked at, too.
                    let meant = self.unknown_key(key, section, suggestions);
                    let meant =
                        meant.filter(|meant| pairs.iter().all(|(key, _)| key.text != *meant));
                    entries.known.extend(meant.map(|meant| (meant, key, value)));
                }
            }
        }
        for required in section.required {
            if entries.get(required).is_none()
                && !pairs.iter().any(|(key, _)| key.text == *required)
            {
                self.complain(
                    Complaint::error(
                        "config.missing_key",
                        first_line(self.sources, node.place),
                        format!("{what} needs `{required}`"),
                    )
                    .fix(section.key(required).map_or("", |key| key.doc)),
                );
            }
        }
        Some(entries)
    }

    /// Whether a key that is not ours is a name: where names are to be those of systems, one that
    /// is none but resembles a key was meant as the key.
    fn may_be_name(&self, key: &Key, section: &Section, systems: &[&str]) -> bool {
        systems.is_empty() || systems.contains(&key.text.as_str()) || section.keys.is_empty()
    }

    /// Complains about a key; the known key that was meant, if one is near.
    fn unknown_key(
        &mut self,
        key: &Key,
        section: &'static Section,
        suggestions: &[&str],
    ) -> Option<&'static str> {
        let known = section.keys.iter().filter(|key| key.later.is_none()).map(|key| key.name);
        let known: Vec<&str> = known.chain(suggestions.iter().copied()).collect();
        let message = format!("unknown key `{}`", key.text);
        let mut complaint = Complaint::error("config.unknown_key", key.place, message);
        let near = similar::nearest(&key.text, known.iter().copied());
        if let Some(near) = near {
            complaint = complaint.label(format!("did you mean `{near}`?")).edit(key.place, near);
        } else if section.keys.iter().any(|known| known.name == key.text) || known.is_empty() {
            complaint = complaint.label("not taken here");
        } else {
            let mut names = known;
            names.truncate(12);
            complaint = complaint.fix(format!("known here: {}", names.join(", ")));
        }
        self.complain(complaint);
        near.and_then(|near| section.key(near)).map(|key| key.name)
    }

    /// A text.
    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<Name> {
        match node.text() {
            Some(text) if !node.is_null() => {
                Some(Spanned { value: Text::new(text), place: node.place })
            }
            Some(_) | None => {
                self.wrong(node.place, format!("`{what}` takes a text, not {}", node.what()));
                None
            }
        }
    }

    /// The text of this key.
    pub(crate) fn text_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<Name> {
        let node = entries.get(key)?;
        let text = self.text(node, key)?;
        if text.value.is_empty() {
            self.wrong(node.place, format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    /// A text or a list of texts.
    pub(crate) fn texts_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<Vec<Name>> {
        let node = entries.get(key)?;
        self.texts(node, key)
    }

    /// A text or a list of texts, none empty, none twice.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Name>> {
        let items: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Scalar { .. } => vec![node],
            Kind::Map(_) => {
                self.wrong(node.place, format!("`{what}` takes a text or a list of texts"));
                return None;
            }
        };
        if items.is_empty() {
            self.wrong(node.place, format!("`{what}` is an empty list"));
            return None;
        }
        let mut texts: Vec<Name> = Vec::new();
        for item in items {
            let text = self.text(item, what)?;
            if texts.iter().any(|known| known.value == text.value) {
                self.wrong(item.place, format!("`{}` stands in `{what}` twice", text.value));
                continue;
            }
            if text.value.is_empty() {
                self.wrong(item.place, format!("`{what}` holds an empty text"));
                continue;
            }
            texts.push(text);
        }
        Some(texts)
    }

    /// A time span, in milliseconds.
    pub(crate) fn duration_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<i64> {
        let node = entries.get(key)?;
        self.duration(node, key)
    }

    /// A time span, in milliseconds.
    pub(crate) fn duration(&mut self, node: &Node, what: &str) -> Option<i64> {
        let found = node.text().and_then(scalar::duration_ms);
        if found.is_none() {
            let shown = node.text().unwrap_or(node.what());
            self.complain(
                Complaint::error(
                    "config.value",
                    node.place,
                    format!("`{what}` takes a time span, not `{shown}`"),
                )
                .fix("write 500ms, 30s, 10m, 2h or 1d"),
            );
        }
        found
    }

    /// A size, in bytes.
    pub(crate) fn size_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<u64> {
        let node = entries.get(key)?;
        let found = node.text().and_then(scalar::bytes);
        if found.is_none() {
            let shown = node.text().unwrap_or(node.what());
            self.complain(
                Complaint::error(
                    "config.value",
                    node.place,
                    format!("`{key}` takes a size, not `{shown}`"),
                )
                .fix("write 500MB or 2GiB"),
            );
        }
        found
    }

    /// A whole number between two bounds.
    pub(crate) fn count_of(
        &mut self,
        entries: &Entries<'_>,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let node = entries.get(key)?;
        let found = node.text().and_then(|text| text.parse().ok());
        match found {
            Some(number) if range.contains(&number) => Some(number),
            Some(_) | None => {
                let (low, high) = (range.start(), range.end());
                let bounds = if *high == u64::MAX {
                    format!("of at least {low}")
                } else {
                    format!("from {low} to {high}")
                };
                self.wrong(node.place, format!("`{key}` takes a whole number {bounds}"));
                None
            }
        }
    }

    /// True or false.
    pub(crate) fn bool_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<bool> {
        let node = entries.get(key)?;
        match node.text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) | None => {
                self.wrong(node.place, format!("`{key}` takes true or false"));
                None
            }
        }
    }

    /// One of these words.
    pub(crate) fn word<'w>(
        &mut self,
        node: &Node,
        what: &str,
        words: &[&'w str],
    ) -> Option<&'w str> {
        let text = node.text().unwrap_or_default();
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let shown = node.text().map_or(node.what().to_owned(), |text| format!("`{text}`"));
        let complaint =
            Complaint::error("config.value", node.place, format!("`{what}` does not take {shown}"));
        self.complain(match similar::nearest(text, words.iter().copied()) {
            Some(near) => complaint.label(format!("did you mean `{near}`?")).edit(node.place, near),
            None => complaint.fix(format!("one of: {}", words.join(", "))),
        });
        None
    }

    /// One of these words; `later` are those that only a later version honours, and why.
    pub(crate) fn word_now<'w>(
        &mut self,
        node: &Node,
        what: &str,
        words: &[&'w str],
        later: &[(&str, &str)],
    ) -> Option<&'w str> {
        let text = node.text().unwrap_or_default();
        let Some((word, why)) = later.iter().find(|(word, _)| *word == text) else {
            return self.word(node, what, words);
        };
        let message = format!("this version cannot honour `{what}: {word}`");
        self.complain(Complaint::error("config.unsupported", node.place, message).fix(*why));
        None
    }

    /// One of these words, for this key.
    pub(crate) fn word_of<'w>(
        &mut self,
        entries: &Entries<'_>,
        key: &str,
        words: &[&'w str],
    ) -> Option<&'w str> {
        let node = entries.get(key)?;
        self.word(node, key, words)
    }

    /// A name chosen by the user: letters, digits, `_` and `-`, to be typed in addresses.
    pub(crate) fn name(&mut self, key: &Key, what: &str, with_dash: bool) -> Name {
        let mut letters = key.text.chars();
        let first =
            letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
        let rest = letters.all(|letter| {
            letter.is_ascii_alphanumeric() || letter == '_' || (with_dash && letter == '-')
        });
        if !first || !rest || key.text.len() > 64 {
            let dash = if with_dash { ", - " } else { " " };
            self.wrong(
                key.place,
                format!(
                    "`{}` cannot name {what}: letters, digits{dash}and _, beginning with a letter",
                    key.text
                ),
            );
        }
        Spanned { value: Text::new(&key.text), place: key.place }
    }

    /// The whole file.
    pub(crate) fn file(&mut self, root: &Node) -> Draft {
        let mut draft = Draft::default();
        let Some(entries) = self.entries(root, &keys::ROOT, "the file", &[]) else { return draft };
        if let Some(node) = entries.get("version")
            && node.text() != Some("1")
        {
            let shown = node.text().unwrap_or(node.what());
            self.complain(
                Complaint::error(
                    "config.version",
                    node.place,
                    format!("version {shown} of the format is not known"),
                )
                .fix("this version of Syncline reads `version: 1`"),
            );
        }
        if let Some(section) = keys::ROOT.key("hub").and(entries.get("hub"))
            && let Some(hub) = self.section(section, "hub")
        {
            draft.hub_path = self
                .text_of(&hub, "path")
                .map(|text| Spanned { value: text.value.to_string(), place: text.place });
            let mut key = |name: &str| self.secret(hub.get(name)?, name, true);
            draft.hub_key = key("key");
            draft.hub_previous_key = key("previous_key");
            draft.backup = self.backup(&hub);
            draft.books = BooksDraft {
                key: hub.get("signing_key").and_then(|node| self.secret(node, "signing_key", true)),
                anchors: self.text_of(&hub, "anchors").map(|text| text.value.to_string()),
            };
        }
        if let Some(node) = entries.get("rates") {
            let entries = self.entries(node, &keys::RATES, "`rates`", &[]);
            draft.rates_file = entries.and_then(|entries| self.text_of(&entries, "file"));
        }
        draft.timezone = self.text_of(&entries, "timezone").and_then(|zone| self.zone(zone));
        if let Some(node) = entries.get("server") {
            draft.server = self.server(node);
        }
        if let Some(node) = entries.get("systems") {
            draft.systems = self.systems(node);
        }
        for system in &mut draft.systems {
            if let Some(webhook) = &mut system.detect.webhook {
                webhook.hook.public_url.clone_from(&draft.server.public_url);
            }
        }
        let systems: Vec<Text> =
            draft.systems.iter().map(|system| system.name.value.clone()).collect();
        let systems: Vec<&str> = systems.iter().map(Text::as_str).collect();
        if let Some(node) = entries.get("defaults") {
            draft.defaults = self.defaults(node, &systems);
        }
        if let Some(node) = entries.get("entities") {
            draft.entities = self.entities(node, &systems);
        }
        if let Some(node) = entries.get("alerts") {
            draft.alerts = self.alerts(node);
        }
        draft.traces = entries.get("traces").and_then(|node| self.traces(node));
        draft
    }

    fn backup(&mut self, hub: &Entries<'_>) -> BackupDraft {
        let mut backup = BackupDraft {
            max_age_ms: self.duration_of(hub, "backup_max_age"),
            ..BackupDraft::default()
        };
        if let (keys::Shape::Keys(section), Some(node)) = (keys::BACKUP_SHAPE, hub.get("backup"))
            && let Some(found) = self.entries(node, section, "`backup`", &[])
        {
            // Copies without a pause would be made and thrown away.
            backup.every_ms = self.duration_of(&found, "every").map(|ms| ms.max(1_000));
            backup.to = self.text_of(&found, "to").map(|text| text.value.to_string());
            backup.keep = self.count_of(&found, "keep", 1..=u64::MAX);
        }
        backup
    }

    fn section<'n>(&mut self, node: &'n Node, name: &str) -> Option<Entries<'n>> {
        let keys::Shape::Keys(section) = keys::ROOT.key(name)?.shape else { return None };
        self.entries(node, section, name, &[])
    }

    /// A zone that exists.
    pub(crate) fn zone(&mut self, name: Name) -> Option<Name> {
        if syncline_core::expr::Zone::get(&name.value).is_some() {
            return Some(name);
        }
        self.complain(
            Complaint::error(
                "config.value",
                name.place,
                format!("there is no time zone `{}`", name.value),
            )
            .fix("write an IANA name, such as Europe/Paris or UTC"),
        );
        None
    }
}

/// The first line of a place: what lacks a key is underlined where it begins, not over pages.
pub(crate) fn first_line(sources: &Sources, place: Place) -> Place {
    let text = sources.text(place);
    let length = text.find('\n').unwrap_or(text.len());
    Place { end: place.start + length, ..place }
}
