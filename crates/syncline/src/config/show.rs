//! The configuration as it is understood: file and overlay in one, what was left unsaid filled in,
//! secrets as stars. What it prints is a configuration itself, and means the same.

use serde_json::{Map, Value as Json, json};
use syncline_adapters::settings::{Kind as SystemKind, Marks, Tls};

use crate::config::{
    draft::SystemDraft,
    load::Loaded,
    scalar::duration_text,
    source::{Place, Sources},
    tree::{Key, Kind, Node},
};

/// As YAML.
pub(crate) fn yaml(loaded: &Loaded) -> String {
    let mut out = String::new();
    if let Some(root) = effective(loaded) {
        write(&loaded.sources, &root, 0, &mut out);
    }
    out
}

/// As programs read it.
pub(crate) fn json(loaded: &Loaded) -> Json {
    effective(loaded).map_or(Json::Null, |root| value(&loaded.sources, &root))
}

/// The tree, completed.
fn effective(loaded: &Loaded) -> Option<Node> {
    let mut root = loaded.root.as_deref()?.clone();
    let guards = syncline_core::plan::Guards::default();
    let hub = loaded.hub_path();
    let hub = hub.strip_prefix(&loaded.folder).unwrap_or(&hub).display().to_string();
    complete(&mut root, &["hub", "path"], &hub);
    for system in &loaded.draft.systems {
        complete_system(&mut root, system);
    }
    let limits = [("deletes", guards.deletes), ("updates", guards.updates)];
    let unsaid = [
        (&["delete_conflict"][..], "priority".to_owned()),
        (&["on_target_edit"], "revert".to_owned()),
        (&["on_parent_delete"], "wait".to_owned()),
        (&["on_leave"], "freeze".to_owned()),
        (&["max_skew"], "5m".to_owned()),
        (&["reconcile"], "daily".to_owned()),
        (&["retention", "logs"], duration_text(loaded.draft.logs_ms())),
        (&["retention", "quarantine"], duration_text(loaded.draft.quarantine_ms())),
        (&["retention", "history"], duration_text(loaded.draft.history_ms())),
        (&["guards", "corrupt_values", "min"], guards.corrupt_min.to_string()),
        (&["guards", "empty_source", "min"], guards.empty_source_min.to_string()),
        (&["guards", "loop", "reflexes"], guards.loop_reflexes.to_string()),
        (&["guards", "loop", "within"], duration_text(guards.loop_within_ms)),
        (&["guards", "loop", "then"], "hold_field".to_owned()),
    ];
    let default = |root: &mut Node, path: &[&str], text: &str| {
        complete(root, &[&["defaults"], path].concat(), text);
    };
    for (name, text) in [("conflicts", "priority"), ("deletes", "propagate")] {
        default(&mut root, &[name], text);
    }
    for (path, text) in unsaid {
        default(&mut root, path, &text);
    }
    for (name, limit) in limits {
        default(&mut root, &["guards", name, "max"], &limit.max.to_string());
        default(&mut root, &["guards", name, "max_percent"], &limit.max_percent.to_string());
    }
    Some(root)
}

fn complete_system(root: &mut Node, system: &SystemDraft) {
    let name = system.name.value.as_str();
    let mut set = |key: &str, text: &str| complete(root, &["systems", name, key], text);
    if let Some(address) = &system.address
        && !matches!(address.value.kind, SystemKind::Sqlite | SystemKind::File | SystemKind::Push)
    {
        let tls = system.tls.as_ref().map_or(address.value.unsaid_tls(), |tls| tls.value);
        set(
            "tls",
            match tls {
                Tls::VerifyFull => "verify-full",
                Tls::Require => "require",
                Tls::Off => "off",
            },
        );
    }
    match system.marks {
        Marks::Table => set("marks", "table"),
        Marks::None => set("marks", "none"),
        Marks::IfPresent => {}
    }
    set("connect_timeout", &duration_text(system.connect_timeout_ms));
    set("statement_timeout", &duration_text(system.statement_timeout_ms));
    if system.detect.is_auto {
        complete(root, &["systems", name, "detect"], "auto");
    } else if system.detect.ways.is_empty() {
        complete(root, &["systems", name, "detect", "poll"], &duration_text(system.detect.poll_ms));
    }
    complete(root, &["systems", name, "writes", "batch"], &system.batch.to_string());
}

/// Puts a text at the path, unless something stands there or on the way to it.
fn complete(node: &mut Node, path: &[&str], text: &str) {
    let Some((first, rest)) = path.split_first() else { return };
    let Kind::Map(entries) = &mut node.kind else { return };
    if let Some((_, found)) = entries.iter_mut().find(|(key, _)| key.text == *first) {
        complete(found, rest, text);
        return;
    }
    let key = Key { place: Place::default(), text: (*first).to_owned() };
    let kind = if rest.is_empty() {
        Kind::Scalar { text: text.to_owned(), is_quoted: false }
    } else {
        Kind::Map(Vec::new())
    };
    let mut found = Node { place: Place::default(), kind };
    complete(&mut found, rest, text);
    entries.push((key, found));
}

/// What may be shown of a scalar; `None`: it holds no secret, and may be shown whole.
fn masked(sources: &Sources, node: &Node) -> Option<String> {
    sources.is_masked(node.place).then(|| {
        let shown = sources.shown(node.place);
        shown.trim_matches(['"', '\'']).to_owned()
    })
}

fn write(sources: &Sources, node: &Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                out.push_str(&format!("{indent}{}:", scalar(&key.text, false)));
                let is_block = matches!(&value.kind, Kind::Map(entries) if !entries.is_empty())
                    && !is_short(value);
                if is_block {
                    out.push('\n');
                    write(sources, value, depth + 1, out);
                } else {
                    out.push_str(&format!(" {}\n", flow(sources, value)));
                }
            }
        }
        Kind::List(_) | Kind::Scalar { .. } => {
            out.push_str(&format!("{indent}{}\n", flow(sources, node)));
        }
    }
}

/// A map that fits in a line: nothing but scalars, and few of them.
fn is_short(node: &Node) -> bool {
    const SHORT: usize = 60;
    let Kind::Map(entries) = &node.kind else { return true };
    let length: usize = entries
        .iter()
        .map(|(key, value)| key.text.len() + value.text().map_or(SHORT, str::len) + 4)
        .sum();
    length <= SHORT
}

/// In one line.
fn flow(sources: &Sources, node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { text, is_quoted } => match masked(sources, node) {
            Some(text) => scalar(&text, true),
            None => scalar(text, *is_quoted),
        },
        Kind::List(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(sources, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| {
                    format!("{}: {}", scalar(&key.text, false), flow(sources, value))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A scalar, in quotes where it was or where it would be taken for something else.
fn scalar(text: &str, is_quoted: bool) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./%$+~".contains(letter);
    let bare = !is_quoted
        && (text.is_empty()
            || (text.chars().all(|letter| is_plain(letter) || letter == ':')
                && !text.ends_with(':')
                && text.starts_with(|first: char| {
                    first.is_alphanumeric() || "_/~+$".contains(first)
                })));
    if bare { text.to_owned() } else { json!(text).to_string() }
}

fn value(sources: &Sources, node: &Node) -> Json {
    match &node.kind {
        Kind::Scalar { text, is_quoted } => match masked(sources, node) {
            Some(text) => json!(text),
            None if node.is_null() => Json::Null,
            None if *is_quoted => json!(text),
            None => match text.as_str() {
                "true" => json!(true),
                "false" => json!(false),
                _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
            },
        },
        Kind::List(items) => items.iter().map(|item| value(sources, item)).collect(),
        Kind::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, node)| (key.text.clone(), value(sources, node)))
                .collect::<Map<_, _>>(),
        ),
    }
}

#[cfg(test)]
mod tests;
