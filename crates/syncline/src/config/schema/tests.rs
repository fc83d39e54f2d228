use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::schema;
use crate::config::{
    source::Sources,
    tree::{self, Kind, Node},
};

/// What an editor makes of a YAML text (the core schema of YAML 1.2).
fn yaml(text: &str) -> Json {
    let mut sources = Sources::default();
    let file = sources.add(PathBuf::from("syncline.yaml"), text.to_owned());
    let (root, complaints) = tree::parse(&sources, file);
    assert_eq!(complaints, [], "{text}");
    value(&root.unwrap())
}

fn value(node: &Node) -> Json {
    match &node.kind {
        Kind::Scalar { text, is_quoted: true } => json!(text),
        Kind::Scalar { .. } if node.is_null() => Json::Null,
        Kind::Scalar { text, .. } => match text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text => text.parse::<i64>().map_or_else(
                |_| text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number)),
                |number| json!(number),
            ),
        },
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => Json::Object(
            entries.iter().map(|(key, node)| (key.text.clone(), value(node))).collect(),
        ),
    }
}

/// A validator of the part of JSON Schema that ours uses; a word it does not know is a mistake.
fn complaint(schema: &Json, root: &Json, found: &Json, path: &str) -> Option<String> {
    for (word, rule) in schema.as_object().unwrap() {
        let wrong = match word.as_str() {
            "$schema" | "title" | "description" | "$defs" | "examples" => None,
            "additionalProperties" => extra(schema, root, found, path, rule),
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                complaint(&root["$defs"][name], root, found, path)
            }
            "type" => {
                let names: Vec<&Json> =
                    rule.as_array().map_or(vec![rule], |names| names.iter().collect());
                let fits = names.iter().any(|name| is(name.as_str().unwrap(), found));
                (!fits).then(|| format!("{path}: {found} is no {rule}"))
            }
            "enum" => (!rule.as_array().unwrap().contains(found))
                .then(|| format!("{path}: {found} is none of {rule}")),
            "minimum" => found
                .as_i64()
                .filter(|number| *number < rule.as_i64().unwrap())
                .map(|number| format!("{path}: {number} is too small")),
            "minItems" => {
                found.as_array().filter(|items| items.is_empty()).map(|_| format!("{path}: empty"))
            }
            "pattern" => {
                // The two patterns there are: a time span and a size.
                let text = found.as_str().unwrap_or_default();
                let is_fine = if rule.as_str().unwrap_or_default().contains("ms") {
                    crate::config::scalar::duration_ms(text).is_some()
                } else {
                    crate::config::scalar::bytes(text).is_some()
                };
                (!is_fine).then(|| format!("{path}: {text} is not as it should be written"))
            }
            "items" => found
                .as_array()
                .into_iter()
                .flatten()
                .find_map(|item| complaint(rule, root, item, &format!("{path}[]"))),
            "properties" => rule.as_object().unwrap().iter().find_map(|(name, rule)| {
                complaint(rule, root, found.get(name)?, &format!("{path}.{name}"))
            }),
            "propertyNames" => found
                .as_object()
                .into_iter()
                .flatten()
                .find(|(name, _)| !is_name(name))
                .map(|(name, _)| format!("{path}: {name} is no name")),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .find(|name| found.get(name.as_str().unwrap()).is_none())
                .map(|name| format!("{path} lacks {name}")),
            "anyOf" => {
                let wrong: Vec<_> = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|rule| complaint(rule, root, found, path))
                    .collect();
                wrong.iter().all(Option::is_some).then(|| format!("{path}: {wrong:?}"))
            }
            "not" => Some(format!("{path}: refused")),
            other => panic!("{other} is new to this validator"),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

fn extra(schema: &Json, root: &Json, found: &Json, path: &str, rule: &Json) -> Option<String> {
    let known = |name: &String| schema.get("properties").is_some_and(|all| all.get(name).is_some());
    let mut others = found.as_object().into_iter().flatten().filter(|(name, _)| !known(name));
    if *rule == Json::Bool(false) {
        return others.next().map(|(name, _)| format!("{path}.{name}: unknown"));
    }
    others.find_map(|(name, each)| complaint(rule, root, each, &format!("{path}.{name}")))
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
}

fn is(name: &str, found: &Json) -> bool {
    match name {
        "string" => found.is_string(),
        "number" => found.is_number(),
        "integer" => found.is_i64() || found.is_u64(),
        "boolean" => found.is_boolean(),
        "null" => found.is_null(),
        "array" => found.is_array(),
        "object" => found.is_object(),
        other => panic!("no type {other}"),
    }
}

fn verdict(text: &str) -> Option<String> {
    let schema = schema();
    complaint(&schema, &schema, &yaml(text), "")
}

const SHORT: &str = r#"
version: 1
systems:
  crm: {url: "postgres://sync@localhost/crm", password: env:CRM_PASSWORD}
  erp: {url: "mariadb://sync@localhost/erp", password: env:ERP_PASSWORD}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
"#;

#[test]
fn the_schema_takes_the_files_that_we_publish() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    for file in ["examples/northwind/syncline.yaml", "crates/syncline/src/cli/demo/syncline.yaml"] {
        let text = std::fs::read_to_string(format!("{root}/{file}")).unwrap();
        assert_eq!(verdict(&text), None, "{file}");
    }
    assert_eq!(verdict(SHORT), None);
}

#[test]
fn the_schema_takes_every_form_that_a_key_has() {
    for (place, instead) in FORMS {
        let text = SHORT.replace(place, instead);
        assert_ne!(text, SHORT, "{place}");
        assert_eq!(verdict(&text), None, "{instead}");
    }
}

const FORMS: &[(&str, &str)] = &[
    ("match: email", "match: [{exact: email, then: link}, phone]"),
    ("match: email", "match: {exact: [email, phone]}"),
    (
        "in: {crm: contacts, erp: CUSTOMER}",
        "in: {crm: {table: contacts, key: [a, b], changed_at: {column: c, tz: UTC}}, erp: CUSTOMER}",
    ),
    (
        "email: {crm: email, erp: EMAIL}",
        "email: {type: bool, crm: {column: e, bool: [[1, t], 0]}, erp: E}",
    ),
    (
        "email: {crm: email, erp: EMAIL}",
        "email: {crm: {column: e, blank: null, default: null, unit: {multiply: 1.5}}, erp: E, from: crm}",
    ),
    (
        "match: email",
        "match: email\n    deletes: {policy: soft, from: [crm], erp: {set: {ACTIVE: \"N\"}}}",
    ),
    (
        "match: email",
        "match: email\n    conflicts: {policy: priority, order: [erp, crm]}\n    reconcile: 12h",
    ),
    (
        "match: email",
        "match: email\n    units: {address: [street, zip]}\n    guards: {loop: {within: 5m, then: hold_field}}",
    ),
    ("password: env:ERP_PASSWORD", "detect: {poll: 30s}, writes: {batch: 200}, tls: verify-full"),
    ("password: env:ERP_PASSWORD", "detect: auto"),
    ("password: env:CRM_PASSWORD", "detect: {cdc: wal, fallback: {poll: 30s}}, max_retained: 2GiB"),
    ("match: email", "match: email\n    schedule: {every: 1m}"),
    ("match: email", "match: email\n    schedule: {cron: \"0 2 * * *\"}"),
];

#[test]
fn the_schema_refuses_typos_and_later_keys() {
    for (place, instead) in WRONG {
        let text = SHORT.replace(place, instead);
        assert_ne!(text, SHORT, "{place}");
        assert!(verdict(&text).is_some(), "{instead}");
    }
}

const WRONG: &[(&str, &str)] = &[
    ("version: 1", "version: 2"),
    ("version: 1", "verison: 1"),
    ("systems:", "system:"),
    ("match: email", "match: email\n    conflcits: newest"),
    ("match: email", "match: email\n    deletes: propogate"),
    ("match: email", "match: []"),
    ("match: email", "match: email\n    schedule: {evry: 1m}"),
    ("password: env:CRM_PASSWORD", "detect: {cdc: log}"),
    ("password: env:CRM_PASSWORD", "detect: {webhook: {style: gitub}}"),
    ("password: env:CRM_PASSWORD", "max_retained: 2 GB"),
    ("password: env:CRM_PASSWORD", "detect: {poll: 30}"),
    ("password: env:CRM_PASSWORD", "writes: {batch: -1}"),
    ("email: {crm: email, erp: EMAIL}", "email: {sensitive: hashed, crm: email}"),
    ("email: {crm: email, erp: EMAIL}", "email: {crm: {colum: email}}"),
    ("email: {crm: email, erp: EMAIL}", "email: {type: txet, crm: email}"),
];
