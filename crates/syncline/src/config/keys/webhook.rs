//! `webhook:`: how a system that calls us proves itself, and what it tells; `server:`: where we are
//! called.

use crate::config::keys::{Section, Shape, TEXTS, key};

/// What a system that calls us sends.
pub(crate) static WEBHOOK: Section = Section {
    name: "webhook",
    doc: "The system calls `POST /hooks/{system}` of `serve` when something changes.",
    keys: &[
        key(
            "style",
            Shape::Word(&STYLES),
            "How the sender proves itself: as https://www.standardwebhooks.com says, as a vendor does, by a \
             signature that is described here (`custom`), by the secret itself (`bearer`), or not at all.",
        ),
        key(
            "secrets",
            Shape::Either(&[Shape::Secret, Shape::List(&Shape::Secret)]),
            "Where the secrets are; several while one takes the place of another.",
        ),
        key("max_age", Shape::Duration, "How old a signed time may be; 5m unless said."),
        key(
            "topic",
            Shape::Text,
            "Where the kind of an event is: a header's name, or a path such as `$.type`; the style knows.",
        ),
        key(
            "id",
            Shape::Text,
            "Where the number of an event is that comes again when it is sent again; the style knows.",
        ),
        key("events", Shape::Text, "Where the list of events is in a body that holds several."),
        key(
            "topics",
            Shape::Map(&Shape::Either(&[Shape::Text, Shape::Keys(&TOPIC)])),
            "What events are about, by topic; `*` stands for any characters. Unsaid: a topic begins with \
             the name of the table or resource.",
        ),
        key("header", Shape::Text, "Of `custom` and `bearer`: the header that holds it."),
        key("prefix", Shape::Text, "Of `custom` and `bearer`: what stands before it there."),
        key(
            "in",
            Shape::Word(&["header", "path"]),
            "Of `bearer`: the secret is the last part of the path, `/hooks/{system}/{secret}`.",
        ),
        key(
            "signed",
            Shape::Text,
            "Of `custom`: what is signed, of {timestamp}, {id}, {method}, {url}, {body}.",
        ),
        key("algo", Shape::Word(&ALGORITHMS), "Of `custom`: the digest of its HMAC; sha256."),
        key("encoding", Shape::Word(&["hex", "base64"]), "Of `custom`: how it is written; hex."),
        key("timestamp", Shape::Text, "Of `custom`: where the time is, as with `topic`."),
        key("insecure", Shape::Bool, "Of `none`: `true` says that anybody in `from` may send."),
        key("from", TEXTS, "Addresses that may send: `203.0.113.7`, `10.0.0.0/8`."),
        key(
            "trust",
            Shape::Word(&["hint", "payload"]),
            "`hint`: what is sent says which row changed; the row is then read from the system. `payload`, of a \
             system that only tells: what is sent is the row, or what changed of it. `payload`, of a REST system: a \
             whole item with a `version` stands for reading it.",
        ),
    ],
    named: None,
    required: &["style"],
};

/// As the file names the styles.
pub(crate) const STYLES: [&str; 8] =
    ["standard", "github", "stripe", "shopify", "hubspot", "custom", "bearer", "none"];

/// As the file names the digests.
pub(crate) const ALGORITHMS: [&str; 3] = ["sha1", "sha256", "sha512"];

/// What events of a topic are about.
pub(crate) static TOPIC: Section = Section {
    name: "topic",
    doc: "What events of this topic are about.",
    keys: &[
        key("resource", Shape::Text, "The table or resource."),
        key("item", Shape::Text, "Where the item is in the event; the style knows."),
        key("key", TEXTS, "Where the parts of its key are in the item; as in the resource."),
        key(
            "version",
            Shape::Text,
            "Where a whole number is in the item that grows with every change of its row. Of a REST system also a \
             time; unsaid, that of its resource's `version: {field: …}`.",
        ),
        key(
            "deleted",
            Shape::Bool,
            "Of a system that only tells: its row is gone; `false` unless said.",
        ),
    ],
    named: None,
    required: &["resource"],
};

/// Where we are called.
pub(crate) static SERVER: Section = Section {
    name: "server",
    doc: "Where `serve` is called over HTTP.",
    keys: &[
        key(
            "listen",
            Shape::Text,
            "The address and port; 127.0.0.1:7700 unless said. Beyond this machine only with `tokens`, and \
             encrypted.",
        ),
        key(
            "public_url",
            Shape::Text,
            "How others call it, through a reverse proxy or directly: `https://sync.example`.",
        ),
        key(
            "tls",
            Shape::Keys(&SERVER_TLS),
            "`serve` speaks TLS itself: it may then listen beyond this machine without a reverse proxy.",
        ),
        key(
            "tokens",
            Shape::Text,
            "The file of those who may ask over HTTP, which `syncline tokens` writes: \
             `file:secrets/tokens.yaml`. Without it, whoever is on this machine may do everything, and \
             nobody else.",
        ),
    ],
    named: None,
    required: &[],
};

/// What a server shows of itself.
pub(crate) static SERVER_TLS: Section = Section {
    name: "server.tls",
    doc: "A certificate and its key, both PEM. They are read anew with the file (SIGHUP).",
    keys: &[
        key(
            "cert",
            Shape::Text,
            "Where the certificate is, and behind it those that vouch for it: `file:secrets/tls.pem`.",
        ),
        key("key", Shape::Text, "Where its private key is: `file:secrets/tls.key`."),
    ],
    named: None,
    required: &["cert", "key"],
};
