//! The JSON Schema of the file, for editors: the table of keys in another form.
//!
//! It refuses what reading would refuse, as far as a schema can: names of systems are the user's,
//! so a misspelled key beside them looks like a name to it. A key of a later version is refused
//! with the reason in its description.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::config::keys::{KeyInfo, ROOT, Section, Shape};

/// Names of systems, entities and fields.
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$";

/// The schema of the whole file.
pub(crate) fn schema() -> Json {
    let mut definitions = BTreeMap::new();
    define(&ROOT, &mut definitions);
    let definitions: Map<String, Json> =
        definitions.into_iter().map(|(name, found)| (name.to_owned(), found)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncline.yaml",
        "description": ROOT.doc,
        "$ref": reference(&ROOT),
        "$defs": definitions,
    })
}

fn reference(section: &Section) -> String {
    format!("#/$defs/{}", section.name)
}

/// Describes a section and all that it leads to, each once.
fn define(section: &'static Section, definitions: &mut BTreeMap<&'static str, Json>) {
    if definitions.contains_key(section.name) {
        return;
    }
    definitions.insert(section.name, Json::Null);
    let mut properties = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), property(key, definitions));
    }
    let mut object = json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
    });
    if let Some(map) = object.as_object_mut() {
        if !section.required.is_empty() {
            map.insert("required".to_owned(), json!(section.required));
        }
        // Counts for names that are not among the properties, so never for a later key.
        let others = match &section.named {
            Some(named) => {
                map.insert("propertyNames".to_owned(), json!({ "pattern": NAME }));
                shape(named, definitions)
            }
            None => json!(false),
        };
        map.insert("additionalProperties".to_owned(), others);
    }
    definitions.insert(section.name, object);
}

fn property(key: &KeyInfo, definitions: &mut BTreeMap<&'static str, Json>) -> Json {
    let (doc, mut found) = match key.later {
        Some(why) => (format!("Not in this version: {why}."), json!({ "not": {} })),
        None => (key.doc.to_owned(), shape(&key.shape, definitions)),
    };
    if let Some(map) = found.as_object_mut() {
        map.insert("description".to_owned(), json!(doc));
    }
    found
}

fn shape(found: &Shape, definitions: &mut BTreeMap<&'static str, Json>) -> Json {
    match found {
        // Words are read as they stand, so `no` and `2024` are texts as well.
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean", "null"] }),
        Shape::Secret => json!({ "type": "string", "examples": ["env:NAME", "file:PATH"] }),
        Shape::Count => json!({ "type": "integer", "minimum": 0 }),
        Shape::Number => json!({ "type": ["number", "string"] }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$" }),
        Shape::Size => {
            json!({ "type": "string", "pattern": "^[0-9]+(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)$" })
        }
        Shape::Word(words) => {
            json!({ "enum": words.iter().flat_map(|word| spelled(word)).collect::<Vec<_>>() })
        }
        Shape::List(item) => {
            json!({ "type": "array", "minItems": 1, "items": shape(item, definitions) })
        }
        Shape::Either(shapes) => {
            let shapes: Vec<Json> = shapes.iter().map(|found| shape(found, definitions)).collect();
            json!({ "anyOf": shapes })
        }
        Shape::Keys(section) => {
            define(section, definitions);
            json!({ "$ref": reference(section) })
        }
        Shape::Map(each) => {
            json!({ "type": "object", "additionalProperties": shape(each, definitions) })
        }
        Shape::Any => json!({}),
    }
}

/// The values that YAML makes of a word: `1` is a number to an editor, `null` is nothing.
fn spelled(word: &str) -> Vec<Json> {
    let mut values = vec![json!(word)];
    match word {
        "null" => values.push(Json::Null),
        "true" => values.push(json!(true)),
        "false" => values.push(json!(false)),
        _ => values.extend(word.parse::<u64>().ok().map(|number| json!(number))),
    }
    values
}

#[cfg(test)]
mod tests;
