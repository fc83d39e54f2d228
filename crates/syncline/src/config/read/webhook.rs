//! `webhook:` of a system, and `server:`.

use std::{net::SocketAddr, time::Duration};

use syncline_adapters::settings::{
    Path,
    hook::{Algorithm, Custom, Encoding, Hook, Network, Part, Piece, Style, Topic},
};

use crate::config::{
    complaint::Complaint,
    draft::{
        Name, Spanned,
        webhook::{HookDraft, ServerDraft, TlsDraft},
    },
    keys,
    read::{Entries, Reader},
    secrets::Reference,
    tree::{Kind, Node},
};

/// How old a signed time may be, unless said otherwise: what the standard and most vendors say.
const MAX_AGE_MS: i64 = 300_000;

impl Reader<'_> {
    /// What a system that calls us sends.
    pub(super) fn webhook(&mut self, node: &Node) -> Option<HookDraft> {
        let entries = self.entries(node, &keys::webhook::WEBHOOK, "`webhook`", &[])?;
        // Whatever else is wrong: secrets that stand there themselves are hidden in what is shown.
        let secrets = self.hook_secrets(&entries);
        let word = self.word_of(&entries, "style", &keys::webhook::STYLES)?;
        let style = self.style(word, &entries, node)?;
        let from = self.networks(&entries);
        let trusts = self.word_of(&entries, "trust", &["hint", "payload"]) == Some("payload");
        match (&style, secrets.is_empty()) {
            (Style::None, false) => self.wrong(node.place, "`style: none` has no `secrets`"),
            (Style::None, true) => {
                let is_said = self.bool_of(&entries, "insecure") == Some(true);
                if !is_said || from.is_empty() {
                    self.complain(
                        Complaint::error(
                            "config.value",
                            node.place,
                            "whoever knows the address could send: `style: none` needs `insecure: true` and `from`",
                        )
                        .fix("better: `style: bearer` with a secret in the path or in a header"),
                    );
                }
            }
            (_, true) => {
                self.wrong(node.place, format!("`style: {word}` needs `secrets`"));
            }
            (_, false) => {}
        }
        if let (Some(place), false) = (entries.key("insecure"), style == Style::None) {
            self.wrong(place, "`insecure` belongs to `style: none`");
        }
        let max_age = self.duration_of(&entries, "max_age").unwrap_or(MAX_AGE_MS);
        let hook = Hook {
            secrets: Vec::new(),
            max_age: Duration::from_millis(max_age.unsigned_abs()),
            topic: self.part_of(&entries, "topic"),
            id: self.part_of(&entries, "id"),
            batch: self.path_of(&entries, "events").unwrap_or_default(),
            topics: entries.get("topics").map(|node| self.topics(node)).unwrap_or_default(),
            from,
            trusts,
            public_url: None,
            style,
        };
        if !hook.trusts && hook.topics.iter().any(|it| it.deleted || it.version.is_some()) {
            let why =
                "`deleted` and `version` of a topic mean something with `trust: payload` alone";
            self.wrong(node.place, why);
        }
        Some(HookDraft { hook, secrets, place: node.place })
    }

    fn hook_secrets(&mut self, entries: &Entries<'_>) -> Vec<Spanned<Reference>> {
        let Some(node) = entries.get("secrets") else { return Vec::new() };
        let nodes: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Scalar { .. } | Kind::Map(_) => vec![node],
        };
        nodes.into_iter().filter_map(|node| self.secret(node, "secrets", true)).collect()
    }

    /// The style, with what is said of it alone.
    fn style(&mut self, word: &str, entries: &Entries<'_>, node: &Node) -> Option<Style> {
        let own: &[&str] = match word {
            "custom" => &["header", "prefix", "signed", "algo", "encoding", "timestamp"],
            "bearer" => &["header", "prefix", "in"],
            _ => &[],
        };
        for key in ["header", "prefix", "in", "signed", "algo", "encoding", "timestamp"] {
            if let (Some(place), false) = (entries.key(key), own.contains(&key)) {
                self.wrong(place, format!("`{key}` means nothing for `style: {word}`"));
            }
        }
        Some(match word {
            "standard" => Style::Standard,
            "github" => Style::Github,
            "stripe" => Style::Stripe,
            "shopify" => Style::Shopify,
            "hubspot" => Style::Hubspot,
            "bearer" => {
                let is_path = self.word_of(entries, "in", &["header", "path"]) == Some("path");
                let header = self.text_of(entries, "header");
                let prefix = self.prefix(entries);
                if is_path && (header.is_some() || prefix.is_some()) {
                    self.wrong(node.place, "a secret in the path has no `header` and no `prefix`");
                }
                match header {
                    _ if is_path => Style::Path,
                    Some(header) => {
                        self.header_name(&header);
                        Style::Bearer(header.value.to_string(), prefix.unwrap_or_default())
                    }
                    None => Style::Bearer(
                        "Authorization".into(),
                        prefix.unwrap_or_else(|| "Bearer ".into()),
                    ),
                }
            }
            "custom" => Style::Custom(self.custom(entries, node)?),
            _ => Style::None,
        })
    }

    fn prefix(&mut self, entries: &Entries<'_>) -> Option<String> {
        let node = entries.get("prefix")?;
        self.text(node, "prefix").map(|text| text.value.to_string())
    }

    fn custom(&mut self, entries: &Entries<'_>, node: &Node) -> Option<Custom> {
        let header = self.text_of(entries, "header");
        let Some(header) = header else {
            self.wrong(node.place, "`style: custom` needs the `header` that holds the signature");
            return None;
        };
        self.header_name(&header);
        let signed = match self.text_of(entries, "signed") {
            Some(text) => self.signed(&text)?,
            None => vec![Piece::Body],
        };
        let timestamp = self.part_of(entries, "timestamp");
        let needs = |piece: Piece, is_said: bool| signed.contains(&piece) && !is_said;
        if needs(Piece::Timestamp, timestamp.is_some()) {
            self.wrong(node.place, "`{timestamp}` is signed: say where it is, `timestamp: X-Time`");
        }
        if needs(Piece::Id, entries.get("id").is_some()) {
            self.wrong(node.place, "`{id}` is signed: say where it is, `id: X-Event-Id`");
        }
        if !signed.contains(&Piece::Body) {
            self.wrong(node.place, "`signed` leaves out {body}: anybody could put another in");
        }
        let algorithm = match self.word_of(entries, "algo", &keys::webhook::ALGORITHMS) {
            Some("sha1") => Algorithm::Sha1,
            Some("sha512") => Algorithm::Sha512,
            Some(_) | None => Algorithm::Sha256,
        };
        let encoding = match self.word_of(entries, "encoding", &["hex", "base64"]) {
            Some("base64") => Encoding::Base64,
            Some(_) | None => Encoding::Hex,
        };
        let prefix = self.prefix(entries).unwrap_or_default();
        let header = header.value.to_string();
        Some(Custom { header, prefix, signed, algorithm, encoding, timestamp })
    }

    /// `{timestamp}.{body}`.
    fn signed(&mut self, text: &Name) -> Option<Vec<Piece>> {
        let (mut pieces, mut rest) = (Vec::new(), text.value.as_str());
        while !rest.is_empty() {
            let (before, after) = rest.split_once('{').unwrap_or((rest, ""));
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            if before.len() == rest.len() {
                break;
            }
            let known = after.split_once('}').and_then(|(name, after)| {
                let piece = match name {
                    "body" => Piece::Body,
                    "timestamp" => Piece::Timestamp,
                    "id" => Piece::Id,
                    "url" => Piece::Url,
                    "method" => Piece::Method,
                    _ => return None,
                };
                Some((piece, after))
            });
            let Some((piece, after)) = known else {
                let known = "{timestamp}, {id}, {method}, {url}, {body}";
                self.wrong(text.place, format!("`signed` takes texts and {known}"));
                return None;
            };
            pieces.push(piece);
            rest = after;
        }
        Some(pieces)
    }

    /// A header's name, or a path in the body.
    fn part_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<Part> {
        let text = self.text_of(entries, key)?;
        if text.value.starts_with('$') {
            return self.path(&text).map(Part::Member);
        }
        self.header_name(&text);
        Some(Part::Header(text.value.to_string()))
    }

    fn topics(&mut self, node: &Node) -> Vec<Topic> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(node.place, "`topics` takes resources by topic");
            return Vec::new();
        };
        let mut topics = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let topic = match &value.kind {
                Kind::Scalar { .. } => self.text(value, &key.text).map(|resource| Topic {
                    pattern: key.text.clone(),
                    resource: resource.value,
                    item: None,
                    key: Vec::new(),
                    version: None,
                    deleted: false,
                }),
                Kind::Map(_) | Kind::List(_) => self.topic(&key.text, value),
            };
            topics.extend(topic);
        }
        topics
    }

    fn topic(&mut self, pattern: &str, node: &Node) -> Option<Topic> {
        let what = format!("topic `{pattern}`");
        let entries = self.entries(node, &keys::webhook::TOPIC, &what, &[])?;
        let resource = self.text_of(&entries, "resource")?.value;
        let names = match entries.get("key") {
            Some(_) => self.texts_of(&entries, "key")?,
            None => Vec::new(),
        };
        let key: Option<Vec<Path>> = names.iter().map(|name| self.path(name)).collect();
        let item = self.path_of(&entries, "item");
        let version = self.path_of(&entries, "version");
        let deleted = self.bool_of(&entries, "deleted") == Some(true);
        Some(Topic { pattern: pattern.to_owned(), resource, item, key: key?, version, deleted })
    }

    fn networks(&mut self, entries: &Entries<'_>) -> Vec<Network> {
        let names = match entries.get("from") {
            Some(_) => self.texts_of(entries, "from").unwrap_or_default(),
            None => Vec::new(),
        };
        let mut networks = Vec::with_capacity(names.len());
        for name in names {
            match Network::parse(&name.value) {
                Some(network) => networks.push(network),
                None => self.wrong(
                    name.place,
                    format!("`{}` is no address: write 203.0.113.7 or 10.0.0.0/8", name.value),
                ),
            }
        }
        networks
    }

    /// Where we are called.
    pub(super) fn server(&mut self, node: &Node) -> ServerDraft {
        let mut server = ServerDraft::default();
        let Some(entries) = self.entries(node, &keys::webhook::SERVER, "`server`", &[]) else {
            return server;
        };
        if let Some(text) = self.text_of(&entries, "listen") {
            match text.value.parse::<SocketAddr>() {
                Ok(value) => server.listen = Some(Spanned { value, place: text.place }),
                Err(_) => self.complain(
                    Complaint::error(
                        "config.value",
                        text.place,
                        "`listen` takes an address and a port",
                    )
                    .fix("write \"127.0.0.1:7700\""),
                ),
            }
        }
        if let Some(text) = self.text_of(&entries, "public_url") {
            let is_url = text.value.starts_with("https://") || text.value.starts_with("http://");
            if is_url && !text.value.contains(['?', '#', '@']) {
                let value = text.value.trim_end_matches('/').to_owned();
                server.public_url = Some(value);
            } else {
                self.wrong(text.place, "`public_url` takes a URL such as https://sync.example");
            }
        }
        server.tokens = self.file_of(&entries, "tokens", "secrets/tokens.yaml");
        if let Some(node) = entries.get("tls") {
            server.tls = self.server_tls(node);
        }
        server
    }

    fn server_tls(&mut self, node: &Node) -> Option<TlsDraft> {
        let entries = self.entries(node, &keys::webhook::SERVER_TLS, "`tls`", &[])?;
        let certificate = self.file_of(&entries, "cert", "secrets/tls.pem");
        let key = self.file_of(&entries, "key", "secrets/tls.key");
        Some(TlsDraft { certificate: certificate?.value, key: key?.value })
    }

    /// A file, and nothing else.
    fn file_of(&mut self, entries: &Entries<'_>, key: &str, such: &str) -> Option<Spanned<String>> {
        let text = self.text_of(entries, key)?;
        if let Ok(Reference::File(value)) = Reference::parse(&text.value) {
            return Some(Spanned { value, place: text.place });
        }
        self.wrong(text.place, format!("`{key}` takes a file, as in file:{such}"));
        None
    }
}
