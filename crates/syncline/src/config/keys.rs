//! Every key of the file, in one table: what it takes, what it means, and whether this version can
//! honour it. Reading, did-you-mean, `config.unsupported` and the JSON Schema all come from here,
//! so they cannot disagree.

pub(crate) mod alerts;
pub(crate) mod entity;
pub(crate) mod field;
pub(crate) mod file;
pub(crate) mod policy;
pub(crate) mod rest;
pub(crate) mod system;
pub(crate) mod traces;
pub(crate) mod webhook;

/// A set of keys that stand together.
#[derive(Debug)]
pub(crate) struct Section {
    /// How the schema calls it.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) doc: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [KeyInfo],
    /// What names chosen by the user hold, where there are such (systems, entities, fields).
    pub(crate) named: Option<Shape>,
    /// Keys that must be there.
    pub(crate) required: &'static [&'static str],
}

/// A key.
#[derive(Debug)]
pub(crate) struct KeyInfo {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) shape: Shape,
    /// What it means, in a sentence.
    pub(crate) doc: &'static str,
    /// Known, but not honoured by this version: why, or what to do instead.
    pub(crate) later: Option<&'static str>,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// A text, number or word, as the column takes it.
    Scalar,
    /// A whole number, zero or more.
    Count,
    /// An exact number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A time span: `30s`, `10m`, `2h`, `1d`.
    Duration,
    /// A size: `500MB`, `2GiB`.
    Size,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A secret's reference: `env:NAME`, `file:PATH`, `exec:COMMAND`.
    Secret,
    /// A list of these.
    List(&'static Shape),
    /// Any of these.
    Either(&'static [Shape]),
    /// These keys.
    Keys(&'static Section),
    /// Any keys, each with this.
    Map(&'static Shape),
    /// Anything (keys of later versions).
    Any,
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> KeyInfo {
    KeyInfo { name, shape, doc, later: None }
}

const fn later(name: &'static str, why: &'static str) -> KeyInfo {
    KeyInfo { name, shape: Shape::Any, doc: "Not in this version.", later: Some(why) }
}

const TEXTS: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]);

const SCALARS: Shape = Shape::Either(&[Shape::Scalar, Shape::List(&Shape::Scalar)]);

/// The whole file.
pub(crate) static ROOT: Section = Section {
    name: "file",
    doc: "The configuration of Syncline.",
    keys: &[
        key("version", Shape::Word(&["1"]), "The version of the file's format: 1."),
        key("hub", Shape::Keys(&HUB), "Where Syncline remembers."),
        key("timezone", Shape::Text, "The IANA zone of values that carry no offset."),
        key(
            "systems",
            Shape::Keys(&system::SYSTEMS),
            "The places that hold rows; the first has priority.",
        ),
        key(
            "defaults",
            Shape::Keys(&policy::DEFAULTS),
            "What entities do unless they say otherwise.",
        ),
        key(
            "entities",
            Shape::Keys(&entity::ENTITIES),
            "The kinds of records that are kept in step.",
        ),
        key("alerts", Shape::Keys(&alerts::ALERTS), "Who is told what happens."),
        key("server", Shape::Keys(&webhook::SERVER), "Where `serve` is called over HTTP."),
        key(
            "traces",
            Shape::Keys(&traces::TRACES),
            "Where `serve` sends traces of changes; nowhere unless said.",
        ),
        key("rates", Shape::Keys(&RATES), "Exchange rates, for `rate()` in `compute:`."),
    ],
    named: None,
    required: &["version", "systems", "entities"],
};

pub(crate) static RATES: Section = Section {
    name: "rates",
    doc: "Exchange rates, for `rate()` in `compute:`.",
    keys: &[key(
        "file",
        Shape::Text,
        "A CSV file with the columns date, from, to and rate, relative to the configuration.",
    )],
    named: None,
    required: &["file"],
};

static HUB: Section = Section {
    name: "hub",
    doc: "Where Syncline remembers.",
    keys: &[
        key(
            "path",
            Shape::Text,
            "The hub's SQLite file, relative to the configuration; `syncline.hub.db` unless said.",
        ),
        key(
            "key",
            Shape::Secret,
            "Where the key is that the hub is sealed with: 32 bytes as 64 hexadecimal digits or in Base64.",
        ),
        key(
            "previous_key",
            Shape::Secret,
            "The key before, until `syncline keys rotate` is through.",
        ),
        later("url", "the hub is an SQLite file in this version: say `path:`"),
        key("backup", BACKUP_SHAPE, "Copies that `serve` makes by itself."),
        key(
            "backup_max_age",
            Shape::Duration,
            "`apply` speaks of a last copy that is older; 24h unless said.",
        ),
        key(
            "signing_key",
            Shape::Secret,
            "Where the key is that signs where the books end; in a file beside the hub unless said.",
        ),
        key(
            "anchors",
            Shape::Text,
            "The file that keeps the signatures, relative to the configuration; beside the hub unless said.",
        ),
    ],
    named: None,
    required: &[],
};

pub(crate) const BACKUP_SHAPE: Shape = Shape::Keys(&BACKUP);

static BACKUP: Section = Section {
    name: "backup",
    doc: "Copies of the hub that `serve` makes by itself.",
    keys: &[
        key("every", Shape::Duration, "How often."),
        key(
            "to",
            Shape::Text,
            "The folder, relative to the configuration; `backups` beside the hub unless said.",
        ),
        key("keep", Shape::Count, "So many are kept, the newest; all unless said."),
    ],
    named: None,
    required: &[],
};

impl Section {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static KeyInfo> {
        self.keys.iter().find(|key| key.name == name)
    }
}
