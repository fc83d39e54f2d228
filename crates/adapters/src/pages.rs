//! The pages that tell people how types travel, against the code that decides it.

use syncline_ports::catalog::{NativeKind, Travels};

/// The row of a type.
pub(crate) fn row(name: &str, travels: &Travels) -> String {
    let (kind, how) = match travels {
        Travels::Exactly(kind) => (word(*kind), "exactly".to_owned()),
        Travels::Converted(kind, how) => (word(*kind), format!("converted: {how}")),
        Travels::Refused => ("-", "refused".to_owned()),
    };
    format!("| `{name}` | {kind} | {how} |")
}

/// The rows of a page that describe a type.
pub(crate) fn rows(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("| `")).collect()
}

/// The type that a row of a page describes.
pub(crate) fn name(row: &str) -> &str {
    row.split('`').nth(1).unwrap_or_default()
}

/// The words in quotes between two places of a source: the types that its tables name.
pub(crate) fn quoted<'a>(source: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    let (_, rest) = source.split_once(from).unwrap();
    let (body, _) = rest.split_once(to).unwrap();
    let is_type = |word: &&str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    body.split('"').skip(1).step_by(2).filter(is_type).collect()
}

fn word(kind: NativeKind) -> &'static str {
    match kind {
        NativeKind::Bool => "boolean",
        NativeKind::Num => "number",
        NativeKind::Float => "float",
        NativeKind::Text => "text",
        NativeKind::Bytes => "bytes",
        NativeKind::Uuid => "UUID",
        NativeKind::Date => "date",
        NativeKind::Time => "time of day",
        NativeKind::LocalDateTime => "local timestamp",
        NativeKind::Instant => "timestamp",
        NativeKind::Interval => "interval",
        NativeKind::Json => "JSON",
        NativeKind::List => "list",
    }
}
