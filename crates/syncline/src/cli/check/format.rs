//! Findings for machines that are not ours: SARIF 2.1.0 and GitHub's workflow commands.

use serde_json::{Value as Json, json};

use crate::config::{Complaint, Severity, Sources};

/// A SARIF log.
pub(super) fn sarif(complaints: &[Complaint], sources: &Sources) -> Json {
    let mut codes: Vec<&str> = complaints.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Json> = codes
        .iter()
        .map(|code| {
            json!({
                "id": code,
                "shortDescription": { "text": crate::pages::title(code).unwrap_or(code) },
                "help": { "text": format!("syncline help {code}") },
            })
        })
        .collect();
    let results: Vec<Json> = complaints.iter().map(|found| result(found, sources)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "syncline",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    })
}

fn result(found: &Complaint, sources: &Sources) -> Json {
    let mut result = json!({
        "ruleId": found.code,
        "level": found.severity.name(),
        "message": { "text": sentence(found) },
    });
    if let (Some(place), Some(object)) = (found.place, result.as_object_mut()) {
        let start = sources.line_column(place);
        object.insert(
            "locations".to_owned(),
            json!([{ "physicalLocation": {
                "artifactLocation": { "uri": sources.name(place) },
                "region": { "startLine": start.line, "startColumn": start.column },
            }}]),
        );
    }
    result
}

/// One workflow command a line.
pub(super) fn github(complaints: &[Complaint], sources: &Sources) -> String {
    let mut lines = Vec::new();
    for found in complaints {
        let level = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = found.place.map_or(String::new(), |place| {
            let at = sources.line_column(place);
            let file = escape(sources.name(place)).replace(':', "%3A").replace(',', "%2C");
            format!("file={file},line={},col={},", at.line, at.column)
        });
        lines.push(format!("::{level} {place}title={}::{}", found.code, escape(&sentence(found))));
    }
    lines.join("\n")
}

fn sentence(found: &Complaint) -> String {
    let mut text = found.message.clone();
    for part in [&found.label, &found.fix] {
        if !part.is_empty() {
            text.push_str("; ");
            text.push_str(part);
        }
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
