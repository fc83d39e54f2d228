//! `systems:`.

use std::time::Duration;

use syncline_adapters::settings::{Kind, Marks, Tls, Way};
use syncline_engine::pace::Rate;

use crate::config::{
    address::{self, Address, UrlError},
    complaint::Complaint,
    draft::{Detect, Name, Spanned, SystemDraft},
    keys,
    read::{Entries, Reader},
    secrets::Reference,
    source::Place,
    tree::{Kind as NodeKind, Node},
};

/// How often a system is asked, unless said otherwise.
const POLL_MS: i64 = 30_000;
/// How often a system is asked that calls us, unless said otherwise.
const BEHIND_WEBHOOK_MS: i64 = 300_000;
/// How long one request to a REST system may take, unless said otherwise.
const REQUEST_MS: i64 = 30_000;
/// No system is asked more often than this, in milliseconds.
const POLL_MS_MIN: i64 = 10;
/// How many bytes of log a system may keep for us, unless said otherwise.
const MAX_RETAINED: u64 = 2 << 30;
/// Rows per write batch, unless said otherwise.
const BATCH: usize = 500;
/// The same for files, which are written anew with every batch.
const FILE_BATCH: usize = 4_000;

impl Default for Detect {
    fn default() -> Self {
        Self {
            ways: Vec::new(),
            is_auto: true,
            poll_ms: POLL_MS,
            polls_beside: false,
            webhook: None,
        }
    }
}

impl Reader<'_> {
    /// All systems.
    pub(super) fn systems(&mut self, node: &Node) -> Vec<SystemDraft> {
        let NodeKind::Map(pairs) = &node.kind else {
            self.wrong(node.place, format!("`systems` takes systems by name, not {}", node.what()));
            return Vec::new();
        };
        let mut systems = Vec::new();
        for (key, value) in pairs {
            let name = self.name(key, "a system", true);
            if let Some(taken) = reserved(&key.text) {
                self.wrong(
                    key.place,
                    format!(
                        "a system cannot be called `{}`: {taken} has a key of that name",
                        key.text
                    ),
                );
            }
            systems.push(self.system(name, value));
        }
        if systems.is_empty() {
            self.wrong(node.place, "there are no systems");
        }
        systems
    }

    fn system(&mut self, name: Name, node: &Node) -> SystemDraft {
        let mut system = SystemDraft {
            name,
            address: None,
            password: None,
            tls: None,
            tls_ca: None,
            detect: Detect::default(),
            max_retained: MAX_RETAINED,
            hours: None,
            max_rate: None,
            reads_max_rate: None,
            batch: BATCH,
            marks: Marks::IfPresent,
            rest: None,
            folder: None,
            connect_timeout_ms: 10_000,
            statement_timeout_ms: 300_000,
            per_user: None,
        };
        let what = format!("system `{}`", system.name.value);
        let Some(entries) = self.entries(node, &keys::system::SYSTEM, &what, &[]) else {
            return system;
        };
        if let Some(url) = self.text_of(&entries, "url") {
            self.url(&url, &mut system);
        }
        if let Some(node) = entries.get("password") {
            self.password(node, &mut system);
        }
        if let Some(word) = self.word_of(&entries, "tls", &["verify-full", "require", "off"]) {
            let value = match word {
                "require" => Tls::Require,
                "off" => Tls::Off,
                _ => Tls::VerifyFull,
            };
            let place = entries.get("tls").map_or(entries.place, |node| node.place);
            system.tls = Some(Spanned { value, place });
        }
        system.tls_ca = self
            .text_of(&entries, "tls_ca")
            .map(|text| Spanned { value: text.value.to_string(), place: text.place });
        if let Some(word) = self.word_of(&entries, "marks", &["table", "none"]) {
            system.marks = if word == "table" { Marks::Table } else { Marks::None };
        }
        if let Some(node) = entries.get("detect") {
            system.detect = self.detect(node);
        }
        if let Some(bytes) = self.size_of(&entries, "max_retained") {
            system.max_retained = bytes.max(1);
        }
        if let Some(node) = entries.get("writes")
            && let Some(writes) = self.entries(node, &keys::system::WRITES, "`writes`", &[])
        {
            system.batch = self
                .count_of(&writes, "batch", 1..=10_000)
                .map_or(system.batch, |count| count as usize);
            system.max_rate = self.text_of(&writes, "max_rate").and_then(|text| self.rate(&text));
            system.hours = self.text_of(&writes, "hours").and_then(|text| self.hours(&text));
        }
        if let Some(node) = entries.get("reads")
            && let Some(reads) = self.entries(node, &keys::system::READS, "`reads`", &[])
        {
            system.reads_max_rate =
                self.text_of(&reads, "max_rate").and_then(|text| self.rate(&text));
        }
        system.per_user = self.per_user(&entries);
        if let Some(ms) = self.duration_of(&entries, "connect_timeout") {
            system.connect_timeout_ms = ms.max(1);
        }
        let is_rest = system.address.as_ref().is_some_and(|it| it.value.kind == Kind::Rest);
        if is_rest {
            system.statement_timeout_ms = REQUEST_MS;
            let rest = self.rest(&entries);
            self.apis.insert(system.name.value.clone(), rest.resources.clone());
            system.rest = Some(rest);
        }
        if let Some(ms) = self.duration_of(&entries, "statement_timeout") {
            system.statement_timeout_ms = ms.max(1);
        }
        let is_file = system.address.as_ref().is_some_and(|it| it.value.kind == Kind::File);
        if is_file {
            system.batch = system.batch.max(FILE_BATCH);
            let folder = self.folder(&entries);
            self.files.insert(system.name.value.clone(), folder.clone());
            system.folder = Some(folder);
        }
        let is_push = system.address.as_ref().is_some_and(|it| it.value.kind == Kind::Push);
        if is_push {
            self.pushes.insert(system.name.value.clone());
        }
        if system.address.is_some() {
            self.belongs(&entries, is_rest, is_file, is_push);
        }
        self.fits(&system);
        system
    }

    /// Keys that mean nothing for another kind of system.
    fn belongs(&mut self, entries: &Entries<'_>, is_rest: bool, is_file: bool, is_push: bool) {
        const REST: &[&str] = &["auth", "headers", "max_rate", "concurrency", "resources"];
        const FILE: &[&str] = &["read", "write"];
        const SERVERS: &[&str] = &["password", "marks", "max_retained"];
        let for_rest = "is for REST systems, whose URL begins with https:";
        let for_files = "is for file systems, whose URL begins with file:";
        let by_auth = "means nothing for a REST system: who we are is said by `auth`";
        let no_server = "means nothing for a folder";
        let mut strange = Vec::new();
        if !is_rest {
            strange.push((REST, for_rest));
        }
        if !is_file {
            strange.push((FILE, for_files));
        }
        if is_rest {
            strange.push((SERVERS, by_auth));
        }
        if is_file {
            strange.push((SERVERS, no_server));
            strange.push((&["tls", "tls_ca", "connect_timeout", "statement_timeout"], no_server));
        }
        if is_push {
            let only_tells = "means nothing for a system that only tells";
            strange.push((SERVERS, only_tells));
            strange.push((&["tls", "tls_ca", "connect_timeout", "statement_timeout"], only_tells));
            strange.push((&["writes", "reads"], only_tells));
        }
        for (keys, why) in strange {
            for key in keys {
                if let Some(place) = entries.key(key) {
                    self.wrong(place, format!("`{key}` {why}"));
                }
            }
        }
    }

    /// How changes are found.
    fn detect(&mut self, node: &Node) -> Detect {
        let mut detect = Detect::default();
        if let NodeKind::Scalar { .. } = &node.kind {
            self.word(node, "detect", &["auto"]);
            return detect;
        }
        let Some(entries) = self.entries(node, &keys::system::DETECT, "`detect`", &[]) else {
            return detect;
        };
        detect.is_auto = false;
        if let Some(word) = self.word_of(&entries, "cdc", &["wal", "binlog"]) {
            detect.ways.push(if word == "wal" { Way::Wal } else { Way::Binlog });
        }
        if self.bool_of(&entries, "triggers") == Some(true) {
            detect.ways.push(Way::Triggers);
        }
        if self.bool_of(&entries, "watch") == Some(true) {
            detect.ways.push(Way::Watch);
        }
        if let Some(node) = entries.get("webhook") {
            detect.webhook = self.webhook(node);
            // A webhook that is lost is found by asking.
            (detect.poll_ms, detect.polls_beside) = (BEHIND_WEBHOOK_MS, true);
            if !detect.ways.is_empty() {
                self.wrong(node.place, "a system calls us or is listened to, not both");
            }
        }
        let is_heard = !detect.ways.is_empty() || entries.get("webhook").is_some();
        if let Some(ms) = self.duration_of(&entries, "poll") {
            detect.poll_ms = ms.max(POLL_MS_MIN);
            if is_heard {
                self.wrong(
                    node.place,
                    "`poll` beside what tells of changes says two things: say `fallback: {poll: …}`",
                );
            }
        }
        if let Some(fallback) = entries.get("fallback")
            && let Some(found) = self.entries(fallback, &keys::system::FALLBACK, "`fallback`", &[])
        {
            if !is_heard {
                self.wrong(fallback.place, "`fallback` needs something that it stands behind");
            }
            if self.bool_of(&found, "triggers") == Some(true) {
                detect.ways.push(Way::Triggers);
                if let Some(webhook) = &detect.webhook {
                    self.wrong(webhook.place, "behind webhooks stands a poll, not triggers");
                }
            }
            if let Some(ms) = self.duration_of(&found, "poll") {
                detect.poll_ms = ms.max(POLL_MS_MIN);
                detect.polls_beside = true;
            }
        }
        detect
    }

    /// `50/s`, `600/m`, `500/h`.
    pub(super) fn rate(&mut self, text: &Name) -> Option<Rate> {
        let found = text.value.split_once('/').and_then(|(rows, span)| {
            let seconds = match span.trim() {
                "s" => 1,
                "m" => 60,
                "h" => 3_600,
                _ => return None,
            };
            let rows = rows.trim().parse().ok().filter(|rows| (1..=1_000_000).contains(rows))?;
            Some(Rate { rows, span: Duration::from_secs(seconds) })
        });
        if found.is_none() {
            let what = "`max_rate` takes a number of rows, or requests, a second, minute or hour";
            self.complain(Complaint::error("config.value", text.place, what).fix("write \"50/s\""));
        }
        found
    }

    /// `06:00-23:00`, in minutes of the day.
    fn hours(&mut self, text: &Name) -> Option<(u16, u16)> {
        let minutes = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
        };
        let found = text
            .value
            .split_once('-')
            .and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)))
            .filter(|(from, to)| from != to);
        if found.is_none() {
            self.complain(
                Complaint::error("config.value", text.place, "`hours` takes two times of day")
                    .fix("write \"06:00-23:00\""),
            );
        }
        found
    }

    /// What makes no sense for a file, and what MariaDB's driver would ignore.
    fn fits(&mut self, system: &SystemDraft) {
        let Some(address) = &system.address else { return };
        if let (Kind::Mysql, Some(authority), Some(tls)) =
            (address.value.kind, &system.tls_ca, &system.tls)
            && tls.value == Tls::Require
        {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    authority.place,
                    "`tls: require` does not ask whose certificate it is in MariaDB and MySQL: \
                     `tls_ca` would be ignored",
                )
                .fix("say `tls: verify-full`, or leave `tls_ca` out"),
            );
        }
        let kind = address.value.kind;
        for way in &system.detect.ways {
            let whose = match way {
                Way::Wal => "PostgreSQL",
                Way::Binlog => "MariaDB and MySQL",
                Way::Triggers => "MariaDB, MySQL and SQLite",
                Way::Watch => "file systems",
            };
            let word = way.word();
            if !kind.ways().contains(way) {
                self.complain(
                    Complaint::error(
                        "config.unsupported",
                        system.name.place,
                        format!("`{word}` is for {whose}"),
                    )
                    .fix("say `detect: auto`: the best that the system offers"),
                );
            }
        }
        if kind == Kind::Rest {
            self.fits_rest(address, system);
        }
        let trusts = system.detect.webhook.as_ref().map(|it| (it.hook.trusts, it.place));
        match (kind == Kind::Push, trusts) {
            (true, Some((true, _))) | (false, Some((false, _)) | None) => {}
            // What tells older payloads from newer ones is asked for with its resources.
            (false, Some((true, _))) if kind == Kind::Rest => {}
            (true, _) => self.complain(
                Complaint::error(
                    "config.value",
                    system.name.place,
                    "a system that only tells needs `detect: {webhook: {trust: payload, …}}`",
                )
                .fix("what it sends is all that anybody knows of its rows"),
            ),
            (false, Some((true, place))) => self.complain(
                Complaint::error(
                    "config.unsupported",
                    place,
                    "`trust: payload` is for REST systems, and for those that only tell, whose URL is push:",
                )
                .fix("leave it out: the row is read, which costs a database little, and order and age of what is sent are harmless"),
            ),
        }
        if kind != Kind::Sqlite {
            return;
        }
        let places = [
            ("tls", system.tls.as_ref().map(|found| found.place)),
            ("tls_ca", system.tls_ca.as_ref().map(|found| found.place)),
            ("password", system.password.as_ref().map(|found| found.place)),
        ];
        for (key, place) in places {
            if let Some(place) = place {
                self.wrong(place, format!("`{key}` means nothing for an SQLite file"));
            }
        }
    }

    /// Credentials and rows are not sent in the clear unless that is said.
    fn fits_rest(&mut self, address: &Spanned<Address>, system: &SystemDraft) {
        let said = system.tls.as_ref().map(|tls| (tls.value, tls.place));
        match (address.value.is_encrypted(), said) {
            (true, Some((Tls::Require, place))) => {
                self.wrong(place, "a REST system's name is always checked: leave `tls` out");
            }
            (true, Some((Tls::Off, place))) => {
                self.wrong(place, "its URL begins with https: leave `tls` out");
            }
            (false, Some((Tls::VerifyFull | Tls::Require, place))) => {
                self.wrong(place, "its URL begins with http: write https://");
            }
            (false, None) if !address.value.is_local() => self.complain(
                Complaint::error("config.value", address.place, "it would be asked in the clear")
                    .fix("write https://, or say `tls: off`: everybody on the way can read along"),
            ),
            (true, Some((Tls::VerifyFull, _)) | None) | (false, Some((Tls::Off, _)) | None) => {}
        }
    }

    fn url(&mut self, text: &Name, system: &mut SystemDraft) {
        match address::parse(&text.value) {
            Ok(url) => {
                if let Some((password, range)) = url.password {
                    let place = self.within(text.place, &text.value, &range);
                    self.literal(place);
                    let value = Reference::Literal(password);
                    system.password = Some(Spanned { value, place });
                }
                system.address = Some(Spanned { value: url.address, place: text.place });
            }
            Err(UrlError::Wrong(why)) => {
                // The URL may hold a password, and could not be taken apart: it is not shown.
                let holds_password = text.value.contains('@');
                if holds_password {
                    self.sources.mask(text.place);
                }
                let complaint =
                    Complaint::error("config.value", text.place, "this URL is not understood")
                        .fix(why);
                self.complain(if holds_password { complaint.hidden() } else { complaint });
            }
        }
    }

    /// The bytes of a part of a text, if the text stands in the file as it is; else all of it.
    fn within(&self, place: Place, text: &str, range: &std::ops::Range<usize>) -> Place {
        let raw = self.sources.text(place);
        match raw.find(text) {
            Some(at) => Place {
                start: place.start + at + range.start,
                end: place.start + at + range.end,
                ..place
            },
            None => place,
        }
    }

    fn password(&mut self, node: &Node, system: &mut SystemDraft) {
        let Some(text) = self.text_of_node(node) else { return };
        match Reference::parse(&text.value) {
            Ok(Reference::Literal(literal)) => {
                self.literal(text.place);
                let value = Reference::Literal(literal);
                system.password = Some(Spanned { value, place: text.place });
            }
            Ok(value @ (Reference::Env(_) | Reference::File(_) | Reference::Exec(_))) => {
                system.password = Some(Spanned { value, place: text.place });
            }
            Err(why) => self.wrong(text.place, why),
        }
    }

    fn text_of_node(&mut self, node: &Node) -> Option<Name> {
        let text = self.text(node, "password")?;
        if text.value.is_empty() {
            self.wrong(node.place, "`password` is empty: leave it out if there is none");
            return None;
        }
        Some(text)
    }

    pub(super) fn literal(&mut self, place: Place) {
        self.sources.mask(place);
        self.complain(
            Complaint::warning("secret.literal", place, "a password is written in the file")
                .label("use env:NAME, file:PATH or exec:COMMAND")
                .hidden(),
        );
    }
}

/// What already has a key of this name, where systems are named beside keys.
fn reserved(name: &str) -> Option<&'static str> {
    if keys::field::FIELD.key(name).is_some() {
        Some("a field")
    } else if keys::policy::DELETES.key(name).is_some() {
        Some("`deletes`")
    } else {
        None
    }
}
