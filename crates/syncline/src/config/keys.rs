//! Every key of the file, in one table: what it takes, what it means, and whether this version can
//! honour it. Reading, did-you-mean, `config.unsupported` and the JSON Schema all come from here,
//! so they cannot disagree.

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

const ON_LEAVE: Shape = Shape::Word(&["freeze", "detach", "delete"]);
const DELETE_CONFLICT: Shape =
    Shape::Word(&["priority", "delete_wins", "update_wins", "newest", "manual"]);
const ON_PARENT_DELETE: Shape = Shape::Word(&["wait", "cascade", "detach", "forbid"]);
const ON_TARGET_EDIT: Shape = Shape::Word(&["revert", "ignore"]);
const RECONCILE: Shape =
    Shape::Either(&[Shape::Word(&["hourly", "daily", "weekly", "never"]), Shape::Duration]);

/// The whole file.
pub(crate) static ROOT: Section = Section {
    name: "file",
    doc: "The configuration of Syncline.",
    keys: &[
        key("version", Shape::Word(&["1"]), "The version of the file's format."),
        key("hub", Shape::Keys(&HUB), "Where Syncline remembers."),
        key("timezone", Shape::Text, "The IANA zone of values that carry no offset."),
        key("systems", Shape::Keys(&SYSTEMS), "The places that hold rows; the first has priority."),
        key("defaults", Shape::Keys(&DEFAULTS), "What entities do unless they say otherwise."),
        key("entities", Shape::Keys(&ENTITIES), "The kinds of records that are kept in step."),
        later("alerts", "alerts come with a later version; watch the exit codes and `--json`"),
        later("server", "there is no server in this version; run `syncline run` from a timer"),
        later("rates", "exchange rates come with a later version"),
    ],
    named: None,
    required: &["version", "systems", "entities"],
};

static HUB: Section = Section {
    name: "hub",
    doc: "Where Syncline remembers.",
    keys: &[
        key("path", Shape::Text, "The hub's SQLite file, relative to the configuration."),
        later("url", "the hub is an SQLite file in this version: say `path:`"),
        later("backup_max_age", "backups of the hub come with a later version"),
    ],
    named: None,
    required: &[],
};

static SYSTEMS: Section = Section {
    name: "systems",
    doc: "Systems by name; their order is their priority.",
    keys: &[],
    named: Some(Shape::Keys(&SYSTEM)),
    required: &[],
};

/// A system.
pub(crate) static SYSTEM: Section = Section {
    name: "system",
    doc: "A place that holds rows.",
    keys: &[
        key("url", Shape::Text, "postgres://user@host/db, mariadb://user@host/db, sqlite:PATH."),
        key("password", Shape::Secret, "A reference: env:NAME, file:PATH, exec:COMMAND."),
        key(
            "tls",
            Shape::Word(&["verify-full", "require", "off"]),
            "Protection of the connection; verify-full unless the host is this machine.",
        ),
        key("tls_ca", Shape::Text, "A file of certificates to trust beside the system's own."),
        key("detect", Shape::Keys(&DETECT), "How changes are found."),
        key("writes", Shape::Keys(&WRITES), "How it is written."),
        key(
            "marks",
            Shape::Word(&["table", "none"]),
            "Whether a table of ours tells our writes from others'; unsaid: if it is there.",
        ),
        later("max_skew", "say it under `defaults:`, for all systems"),
        key("connect_timeout", Shape::Duration, "How long connecting may take."),
        key("statement_timeout", Shape::Duration, "How long one statement may take."),
        later("max_retained", "it belongs to log capture; leave it out while detection polls"),
        later("auth", "HTTP systems come with a later version"),
        later("max_rate", "rates of requests belong to HTTP systems, a later version"),
        later("resources", "HTTP systems come with a later version"),
        later("limits", "limits per user come with a later version"),
        later("write", "file systems come with a later version"),
        later("charset", "the character set is that of the connection, UTF-8"),
        later("clearance", "labels of fields come with a later version"),
    ],
    named: None,
    required: &["url"],
};

static DETECT: Section = Section {
    name: "detect",
    doc: "How changes are found.",
    keys: &[
        key("poll", Shape::Duration, "Ask every so often."),
        later("cdc", "reading the log comes with a later version: say `poll: 30s`"),
        later("triggers", "triggers come with a later version: say `poll: 30s`"),
        later("webhook", "webhooks come with a later version: say `poll: 30s`"),
        later("fallback", "polling is the only way in this version: say `poll: 30s`"),
    ],
    named: None,
    required: &[],
};

static WRITES: Section = Section {
    name: "writes",
    doc: "How it is written.",
    keys: &[
        key("batch", Shape::Count, "Rows per batch."),
        later("max_rate", "write rates come with a later version; `batch:` bounds a transaction"),
        later("hours", "write hours come with a later version; run `syncline run` from a timer"),
    ],
    named: None,
    required: &[],
};

/// Defaults of entities.
pub(crate) static DEFAULTS: Section = Section {
    name: "defaults",
    doc: "What entities do unless they say otherwise.",
    keys: &[
        key("conflicts", CONFLICTS_SHAPE, "Who wins where both sides changed a field."),
        key("deletes", DELETES_SHAPE, "What a delete in one system does in the others."),
        key("delete_conflict", DELETE_CONFLICT, "A delete against an edit."),
        key("on_target_edit", ON_TARGET_EDIT, "An edit where only writing was declared."),
        key("on_parent_delete", ON_PARENT_DELETE, "Children whose parent is deleted."),
        key("on_leave", ON_LEAVE, "Records that leave `when:`."),
        key("rekey_window", Shape::Duration, "How long a deleted identity may come back."),
        key("max_skew", Shape::Duration, "How far a clock may be ahead."),
        key("reconcile", RECONCILE, "How often everything is compared."),
        key("guards", Shape::Keys(&GUARDS), "Limits that stop great damage."),
        key("retention", Shape::Keys(&RETENTION), "How long the hub remembers."),
        later("limits", "limits per user come with a later version"),
        later("survive", "merging duplicates comes with a later version"),
        later("auto_rollback", "rollback comes with a later version"),
        later("sensitive", "labels of fields come with a later version"),
    ],
    named: None,
    required: &[],
};

static RETENTION: Section = Section {
    name: "retention",
    doc: "How long the hub remembers.",
    keys: &[
        key("logs", Shape::Duration, "Logs of runs."),
        key("quarantine", Shape::Duration, "Records that were set aside and dropped."),
        key("history", Shape::Duration, "The audit."),
    ],
    named: None,
    required: &[],
};

/// Guards.
pub(crate) static GUARDS: Section = Section {
    name: "guards",
    doc: "Limits that stop great damage.",
    keys: &[
        key("deletes", Shape::Keys(&LIMIT), "Deletes planned for one system."),
        key("updates", Shape::Keys(&LIMIT), "Updates planned for one system."),
        key("empty_source", Shape::Keys(&EMPTY_SOURCE), "A complete read without a row."),
        key("loop", Shape::Keys(&LOOP), "Edits again and again on top of our own writes."),
    ],
    named: None,
    required: &[],
};

/// A limit.
pub(crate) static LIMIT: Section = Section {
    name: "limit",
    doc: "Trips when both are exceeded.",
    keys: &[
        key("max", Shape::Count, "So many rows."),
        key("max_percent", Shape::Count, "So many per cent of the system's linked rows."),
    ],
    named: None,
    required: &[],
};

static EMPTY_SOURCE: Section = Section {
    name: "empty_source",
    doc: "A complete read without a row.",
    keys: &[key("min", Shape::Count, "Trips when so many were linked.")],
    named: None,
    required: &[],
};

static LOOP: Section = Section {
    name: "loop",
    doc: "Edits again and again on top of our own writes.",
    keys: &[
        key("reflexes", Shape::Count, "So many."),
        key("within", Shape::Duration, "In this time."),
        key("then", Shape::Word(&["hold_field"]), "That field of that record is held."),
    ],
    named: None,
    required: &[],
};

static ENTITIES: Section = Section {
    name: "entities",
    doc: "Entities by name.",
    keys: &[],
    named: Some(Shape::Keys(&ENTITY)),
    required: &[],
};

/// An entity.
pub(crate) static ENTITY: Section = Section {
    name: "entity",
    doc: "A kind of business record.",
    keys: &[
        key("in", Shape::Keys(&IN), "The table of each system."),
        key("when", Shape::Text, "Which records flow at all."),
        key("on_leave", ON_LEAVE, "Records that leave `when:`."),
        key("match", MATCH_SHAPE, "How rows of several systems find each other, in order."),
        key("fields", Shape::Keys(&FIELDS), "One row per field, one cell per system."),
        key("lines", Shape::Keys(&LINES), "Child rows that travel with their record."),
        key("units", Shape::Map(&Shape::List(&Shape::Text)), "Fields that merge as one."),
        key("from", TEXTS, "Systems whose edits count; the others only receive."),
        key("to", TEXTS, "Systems that are written; unsaid: all."),
        key("conflicts", CONFLICTS_SHAPE, "Who wins where both sides changed a field."),
        key("deletes", DELETES_SHAPE, "What a delete in one system does in the others."),
        key("delete_conflict", DELETE_CONFLICT, "A delete against an edit."),
        key("on_target_edit", ON_TARGET_EDIT, "An edit where only writing was declared."),
        key("on_parent_delete", ON_PARENT_DELETE, "Children whose parent is deleted."),
        key("rekey_window", Shape::Duration, "How long a deleted identity may come back."),
        key("guards", Shape::Keys(&GUARDS), "Limits that stop great damage."),
        key("schedule", SCHEDULE_SHAPE, "When it runs by itself."),
        key("reconcile", RECONCILE, "How often everything is compared."),
        later("survive", "merging duplicates comes with a later version"),
        later("validate", "validation rules come with a later version"),
        later("limits", "limits per user come with a later version"),
        later("auto_rollback", "rollback comes with a later version"),
    ],
    named: None,
    required: &["in", "fields"],
};

static IN: Section = Section {
    name: "in",
    doc: "The table of each system.",
    keys: &[],
    named: Some(Shape::Either(&[Shape::Text, Shape::Keys(&BINDING)])),
    required: &[],
};

/// Where an entity lives in a system.
pub(crate) static BINDING: Section = Section {
    name: "binding",
    doc: "Where an entity lives in a system.",
    keys: &[
        key("table", Shape::Text, "The table; may carry a schema."),
        key("key", TEXTS, "Its key columns; unsaid: its primary key."),
        key(
            "changed_at",
            Shape::Either(&[Shape::Text, Shape::Keys(&CHANGED_AT)]),
            "The column that says when a row last changed.",
        ),
        key("changed_by", Shape::Text, "The column that says who changed it."),
        key("cursor", Shape::Text, "The column to poll by; unsaid: `changed_at`, else full scans."),
        key("when", Shape::Text, "Which records belong here."),
        key("on_leave", ON_LEAVE, "Records that leave `when:` of this system."),
        later("resource", "HTTP systems come with a later version"),
        later("file", "file systems come with a later version"),
        later("schedule", "a schedule per system comes with a later version; say it on the entity"),
    ],
    named: None,
    required: &["table"],
};

/// A column with the time of the last change.
pub(crate) static CHANGED_AT: Section = Section {
    name: "changed_at",
    doc: "The column that says when a row last changed.",
    keys: &[
        key("column", Shape::Text, "The column."),
        key("tz", Shape::Text, "Its IANA zone, if it carries none."),
    ],
    named: None,
    required: &["column"],
};

const MATCH_SHAPE: Shape = Shape::Either(&[
    Shape::Text,
    Shape::Keys(&MATCH),
    Shape::List(&Shape::Either(&[Shape::Text, Shape::Keys(&MATCH)])),
]);

/// A rule that links rows.
pub(crate) static MATCH: Section = Section {
    name: "match",
    doc: "A rule that links rows.",
    keys: &[
        key("exact", TEXTS, "These fields are equal, and none is null."),
        key("then", Shape::Word(&["link"]), "What is done."),
        later("similar", "similarity comes with a later version: say `exact:`"),
        later("at_least", "similarity comes with a later version: say `exact:`"),
    ],
    named: None,
    required: &["exact"],
};

const CONFLICTS_SHAPE: Shape = Shape::Either(&[
    Shape::Word(&["priority", "newest", "add", "manual", "merge"]),
    Shape::Keys(&CONFLICTS),
]);

/// Who wins.
pub(crate) static CONFLICTS: Section = Section {
    name: "conflicts",
    doc: "Who wins where both sides changed a field.",
    keys: &[
        key(
            "policy",
            Shape::Word(&["priority", "newest", "add", "manual", "merge"]),
            "The rule; `priority` unless said.",
        ),
        key("order", Shape::List(&Shape::Text), "Systems, the first wins."),
        key("expr", Shape::Text, "An expression over `base` and `candidates` decides."),
        key("min", Shape::Number, "For `add`: the sum may not fall below this."),
        key("below_min", Shape::Word(&["manual", "clamp"]), "For `add`: what happens if it would."),
    ],
    named: None,
    required: &[],
};

const DELETES_SHAPE: Shape =
    Shape::Either(&[Shape::Word(&["propagate", "hold", "ignore"]), Shape::Keys(&DELETES)]);

/// What a delete does.
pub(crate) static DELETES: Section = Section {
    name: "deletes",
    doc: "What a delete in one system does in the others.",
    keys: &[
        key("policy", Shape::Word(&["propagate", "hold", "ignore", "soft"]), "What it does."),
        key("from", TEXTS, "Systems that may delete."),
        later("grace", "a time of grace comes with a later version"),
    ],
    named: Some(Shape::Keys(&SOFT)),
    required: &[],
};

/// How a system marks a deleted row.
pub(crate) static SOFT: Section = Section {
    name: "soft_delete",
    doc: "How a system marks a deleted row.",
    keys: &[key("set", Shape::Map(&Shape::Scalar), "Columns and their values; now() is the time.")],
    named: None,
    required: &["set"],
};

const SCHEDULE_SHAPE: Shape = Shape::Keys(&SCHEDULE);

/// When an entity runs by itself.
pub(crate) static SCHEDULE: Section = Section {
    name: "schedule",
    doc: "When it runs by itself.",
    keys: &[
        key("every", Shape::Duration, "Every so often."),
        key("cron", Shape::Text, "By a cron expression of five fields, in the file's zone."),
    ],
    named: None,
    required: &[],
};

static FIELDS: Section = Section {
    name: "fields",
    doc: "Fields by name.",
    keys: &[],
    named: Some(Shape::Keys(&FIELD)),
    required: &[],
};

/// The types a field may have.
pub(crate) const TYPES: &[&str] = &[
    "text",
    "int",
    "decimal",
    "money",
    "bool",
    "date",
    "time",
    "timestamp",
    "local_timestamp",
    "enum",
    "email",
    "phone",
    "uuid",
    "bytes",
    "json",
    "set",
    "float",
    "interval",
];

/// A field.
pub(crate) static FIELD: Section = Section {
    name: "field",
    doc: "A field: what it is, and its cell in each system.",
    keys: &[
        key("type", Shape::Word(TYPES), "What it holds; unsaid: what the columns hold."),
        key("values", Shape::List(&Shape::Text), "For `enum`: its values; their order is rank."),
        key("currency", Shape::Text, "For `money`: its one currency, as an ISO 4217 code."),
        key("region", Shape::Text, "For `phone`: the country of numbers written without one."),
        key("ref", Shape::Text, "The entity it refers to."),
        key("from", TEXTS, "Systems whose edits count; edits elsewhere are reverted, and shown."),
        key("to", TEXTS, "Systems that are written; unsaid: every system with a cell."),
        key("compute", Shape::Text, "An expression over the other fields; one-way."),
        key("conflicts", CONFLICTS_SHAPE, "Who wins where both sides changed it."),
        later("sensitive", "labels of fields come with a later version; leave the field out"),
        later("limits", "limits per user come with a later version"),
        later("survive", "merging duplicates comes with a later version"),
    ],
    named: Some(Shape::Either(&[Shape::Text, Shape::Keys(&CELL)])),
    required: &[],
};

/// A cell.
pub(crate) static CELL: Section = Section {
    name: "cell",
    doc: "How one system writes a field.",
    keys: &[
        key("column", Shape::Text, "The column."),
        key("columns", Shape::List(&Shape::Text), "Several columns, for one field."),
        key("path", Shape::Text, "Where in a JSON column: address.zip."),
        key("format", Shape::Text, "How dates, amounts or bytes are written: %d/%m/%Y."),
        key("tz", Shape::Text, "The IANA zone of values that carry no offset."),
        key(
            "ambiguous",
            Shape::Word(&["earlier", "later", "reject"]),
            "Which instant a local time means that occurs twice or never.",
        ),
        key(
            "unit",
            Shape::Either(&[Shape::Word(&["minor"]), Shape::Keys(&UNIT)]),
            "What the system counts in.",
        ),
        key(
            "currency",
            Shape::Either(&[Shape::Text, Shape::Keys(&CURRENCY)]),
            "The currency of its amounts, or the column that holds it.",
        ),
        key(
            "values",
            Shape::Map(&SCALARS),
            "The system's values; a list is read, its first written.",
        ),
        key(
            "lookup",
            Shape::Either(&[Shape::Text, Shape::Keys(&LOOKUP)]),
            "A CSV file with the hub's values and the system's.",
        ),
        key("bool", Shape::List(&SCALARS), "Its words for true and for false."),
        key("decimal", Shape::Text, "The sign between whole and fraction, in numbers as text."),
        key("group", Shape::Text, "The sign between groups of three digits, in numbers as text."),
        key("scale", Shape::Count, "Digits after the point."),
        key(
            "rounding",
            Shape::Word(&["half_even", "half_up", "truncate"]),
            "How digits beyond the scale are dropped; saying it allows dropping them.",
        ),
        key("trim", Shape::Bool, "Blanks at both ends do not count."),
        key("collapse", Shape::Bool, "Runs of blanks count as one."),
        key("case", Shape::Word(&["upper", "lower", "fold"]), "How it treats letter case."),
        key("max", Shape::Count, "How many characters the column holds."),
        key("lossy", Shape::Bool, "Allows writing less than the hub knows."),
        key("default", Shape::Scalar, "What is written for null."),
        key("blank", Shape::Word(&["null"]), "The empty text is read as null."),
        key("constant", Shape::Scalar, "Written when a row is created; nothing is read."),
        key("separator", Shape::Text, "Between the parts, for `columns`; a space unless said."),
        key(
            "cut",
            Shape::Word(&["first", "last"]),
            "Which of `columns` takes the words left over.",
        ),
        key("list", Shape::Text, "Between the members of a set that is written as text."),
        key(
            "phone",
            Shape::Word(&["e164", "national", "international"]),
            "How telephone numbers are written.",
        ),
    ],
    named: None,
    required: &[],
};

/// A linear unit.
pub(crate) static UNIT: Section = Section {
    name: "unit",
    doc: "The system's number is hub × multiply ÷ divide + offset.",
    keys: &[
        key("multiply", Shape::Number, "Factor; 1 unless said."),
        key("divide", Shape::Number, "Divisor; 1 unless said."),
        key("offset", Shape::Number, "Added after scaling; 0 unless said."),
    ],
    named: None,
    required: &[],
};

/// The column of a currency.
pub(crate) static CURRENCY: Section = Section {
    name: "currency",
    doc: "The column that holds the currency.",
    keys: &[
        key("column", Shape::Text, "The column."),
        later("path", "a currency inside a document comes with a later version"),
    ],
    named: None,
    required: &["column"],
};

/// A lookup file.
pub(crate) static LOOKUP: Section = Section {
    name: "lookup",
    doc: "A CSV file with a header; one column holds the hub's values, one the system's.",
    keys: &[
        key("file", Shape::Text, "The file, relative to the configuration."),
        key("hub", Shape::Text, "The column with the hub's values; the first unless said."),
        key("system", Shape::Text, "The column with the system's values; the second unless said."),
    ],
    named: None,
    required: &["file"],
};

/// Child rows.
pub(crate) static LINES: Section = Section {
    name: "lines",
    doc: "Child rows that travel with their record, in one transaction.",
    keys: &[
        key("in", Shape::Keys(&LINES_IN), "The table of each system."),
        key("key", TEXTS, "The fields that tell the lines of one record apart."),
        key("fields", Shape::Keys(&FIELDS), "One row per field, one cell per system."),
    ],
    named: None,
    required: &["in", "key", "fields"],
};

static LINES_IN: Section = Section {
    name: "lines_in",
    doc: "The table of each system.",
    keys: &[],
    named: Some(Shape::Either(&[Shape::Text, Shape::Keys(&LINES_BINDING)])),
    required: &[],
};

/// Where child rows live in a system.
pub(crate) static LINES_BINDING: Section = Section {
    name: "lines_binding",
    doc: "Where child rows live in a system.",
    keys: &[
        key("table", Shape::Text, "The table; may carry a schema."),
        key("parent", TEXTS, "The columns that hold the parent's key; unsaid: its foreign key."),
        key("key", TEXTS, "Its key columns; unsaid: its primary key."),
        key(
            "changed_at",
            Shape::Either(&[Shape::Text, Shape::Keys(&CHANGED_AT)]),
            "The column that says when a row last changed.",
        ),
        key("changed_by", Shape::Text, "The column that says who changed it."),
        key("cursor", Shape::Text, "The column to poll by."),
        later("when", "a scope of lines comes with a later version; say it on the record"),
        later("resource", "HTTP systems come with a later version"),
    ],
    named: None,
    required: &["table"],
};

impl Section {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static KeyInfo> {
        self.keys.iter().find(|key| key.name == name)
    }
}
