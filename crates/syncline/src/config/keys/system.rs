//! `systems:`: where rows are, and how they are reached.

use crate::config::keys::{Section, Shape, file, key, later, policy::LIMITS, rest, webhook};

pub(crate) static SYSTEMS: Section = Section {
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
        key(
            "url",
            Shape::Text,
            "`postgres://user@host/db`, `mariadb://user@host/db` (or `mysql:`), `sqlite:PATH`, \
             `https://host/path/` of a REST API, `file:FOLDER/`, or `push:` for a system that only tells.",
        ),
        key(
            "password",
            Shape::Secret,
            "Where the password is, never what it is; said here or not at all.",
        ),
        key(
            "tls",
            Shape::Word(&["verify-full", "require", "off"]),
            "Protection of the connection; `verify-full` unless said, on this machine `off`.",
        ),
        key(
            "tls_ca",
            Shape::Text,
            "A file of certificates to trust beside the system's own; in MariaDB and MySQL only with \
             `verify-full`.",
        ),
        key(
            "detect",
            Shape::Either(&[Shape::Word(&["auto"]), Shape::Keys(&DETECT)]),
            "How changes are found; `auto`, the best that the system offers, unless said.",
        ),
        key("writes", Shape::Keys(&WRITES), "How it is written."),
        key("reads", Shape::Keys(&READS), "How it is read."),
        key(
            "marks",
            Shape::Word(&["table", "none"]),
            "Whether a table of ours tells our writes from others'; unsaid: if it is there.",
        ),
        later("max_skew", "say it under `defaults:`, for all systems"),
        key("connect_timeout", Shape::Duration, "How long connecting may take; 10s unless said."),
        key(
            "statement_timeout",
            Shape::Duration,
            "How long one statement may take, 5m unless said; one request to a REST system, 30s.",
        ),
        key(
            "max_retained",
            Shape::Size,
            "How much of its log, or of what triggers note, the system may keep for us; then \
             listening is given up and everything is compared. 2GiB unless said.",
        ),
        key("auth", Shape::Keys(&rest::AUTH), "How a REST system knows us."),
        key("headers", Shape::Map(&Shape::Text), "Headers of every request to a REST system."),
        key(
            "max_rate",
            Shape::Text,
            "How many requests a REST system takes at most: `2/s`, `100/m`, `5000/h`.",
        ),
        key(
            "concurrency",
            Shape::Count,
            "Requests to a REST system under way at once, from 1 to 32; 4 unless said. Fewer while it asks to \
             slow down or does not answer in time.",
        ),
        key(
            "resources",
            Shape::Map(&Shape::Keys(&rest::RESOURCE)),
            "What a REST system has, by name.",
        ),
        key("limits", Shape::Keys(&LIMITS), "How much its users may change in a while."),
        key(
            "read",
            Shape::Keys(&file::READ),
            "How the files of a folder are read; unsaid: they are not.",
        ),
        key(
            "write",
            Shape::Keys(&file::WRITE),
            "How the files of a folder are written; unsaid: they are not.",
        ),
        later("charset", "the character set is that of the connection, UTF-8"),
        later("clearance", "labels of fields come with a later version"),
    ],
    named: None,
    required: &["url"],
};

pub(crate) static DETECT: Section = Section {
    name: "detect",
    doc: "How changes are found.",
    keys: &[
        key("poll", Shape::Duration, "Only ask, every so often; 30s unless said."),
        key(
            "cdc",
            Shape::Word(&["wal", "binlog"]),
            "Listen to the log: `wal` of PostgreSQL, `binlog` of MariaDB and MySQL.",
        ),
        key(
            "triggers",
            Shape::Bool,
            "Listen by triggers that note which rows change; in SQLite, and in MariaDB and MySQL.",
        ),
        key("watch", Shape::Bool, "Look at the folder of a file system all the time."),
        key(
            "webhook",
            Shape::Keys(&webhook::WEBHOOK),
            "The system calls us; it is polled every 5m as well, or as `fallback` says.",
        ),
        key(
            "fallback",
            Shape::Keys(&FALLBACK),
            "What stands behind listening, and takes its place where it is not possible.",
        ),
    ],
    named: None,
    required: &[],
};

pub(crate) static FALLBACK: Section = Section {
    name: "fallback",
    doc: "What stands behind listening.",
    keys: &[
        key("poll", Shape::Duration, "Ask every so often, beside listening."),
        key("triggers", Shape::Bool, "Listen by triggers where the log cannot be read."),
    ],
    named: None,
    required: &[],
};

pub(crate) static READS: Section = Section {
    name: "reads",
    doc: "How it is read.",
    keys: &[key(
        "max_rate",
        Shape::Text,
        "How fast tables are read whole at most: rows a second, minute or hour, as `5000/s`. What is \
         heard of or asked for row by row is not bounded.",
    )],
    named: None,
    required: &[],
};

pub(crate) static WRITES: Section = Section {
    name: "writes",
    doc: "How it is written.",
    keys: &[
        key(
            "batch",
            Shape::Count,
            "Rows per batch at most, from 1 to 10000; 500 unless said. Fewer while the system does not bear \
             so many.",
        ),
        key(
            "max_rate",
            Shape::Text,
            "How fast it is written at most: rows a second, minute or hour, as `50/s`, `600/m`, `500/h`.",
        ),
        key(
            "hours",
            Shape::Text,
            "When `serve` writes: `06:00-23:00`, in `timezone:`; over midnight if the end comes first.",
        ),
    ],
    named: None,
    required: &[],
};
