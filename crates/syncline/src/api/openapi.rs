//! `/openapi.json`: the table of routes, as `OpenAPI` 3.1 writes it. There is nothing else to keep in step.

use serde_json::{Map, Value as Json, json};

use crate::{
    api::{
        PREFIX,
        body::NUMBER_MAX,
        reply::Reply,
        request::Request,
        table::{Kind, Parameter, ROUTES, Route, Work},
    },
    report::Failure,
    session::Session,
};

/// The description.
pub(super) async fn show(_session: &Session, _request: &Request) -> Result<Reply, Failure> {
    Ok(Reply::new(document()))
}

/// The same.
pub(super) fn document() -> Json {
    let mut paths: Map<String, Json> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Syncline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the commands show and do, for programs and for the dashboard.",
        },
        "servers": [{ "url": PREFIX }],
        "paths": paths,
        "components": {
            "schemas": { "problem": problem(), "page": page() },
            "responses": {
                "refused": {
                    "description": "What happened, its cause, what was done, and what to do next",
                    "content": { "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/problem" },
                    } },
                },
            },
        },
    })
}

fn operation(route: &Route) -> Json {
    let names = route.path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Json> = names
        .map(|name| {
            json!({
                "name": name, "in": "path", "required": true,
                "schema": { "type": "string", "minLength": 1 },
            })
        })
        .collect();
    parameters.extend(route.parameters().map(parameter));
    let schema = if route.is_list {
        json!({ "$ref": "#/components/schemas/page" })
    } else {
        json!({ "type": "object" })
    };
    let is_act = route.method != axum::http::Method::GET;
    if is_act {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "schema": { "type": "string", "pattern": "^(\\*|\"[0-9a-f]{16}\")$" },
            "description": "The ETag of what is decided, as it was seen",
        }));
    }
    let status = if matches!(route.work, Work::Long(..)) { "202" } else { "200" };
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.what,
        "description": format!("For the role {} and those above.", route.role.word()),
        "parameters": parameters,
        "responses": {
            status: { "description": "It", "content": { "application/json": { "schema": schema } } },
            "default": { "$ref": "#/components/responses/refused" },
        },
    });
    if let (true, Some(operation)) = (is_act, operation.as_object_mut()) {
        operation.insert("requestBody".to_owned(), body(route));
    }
    operation
}

/// `get_records_id_timeline`.
fn id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}_{}", route.method.as_str().to_lowercase(), words.join("_"))
}

fn parameter(known: &'static Parameter) -> Json {
    json!({
        "name": known.name, "in": "query", "description": known.what,
        "schema": schema(known, 500),
    })
}

fn schema(known: &'static Parameter, most: u64) -> Json {
    match known.kind {
        Kind::Text | Kind::Time => json!({ "type": "string", "maxLength": 2_000 }),
        Kind::Number => json!({ "type": "integer", "minimum": 1, "maximum": most }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Choice(all) => json!({ "type": "string", "enum": all }),
        Kind::Value => json!({ "type": ["string", "number", "boolean", "null"] }),
        Kind::Values => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
    }
}

/// What the body may hold.
fn body(route: &Route) -> Json {
    let properties: Map<String, Json> = route
        .body
        .iter()
        .map(|known| {
            let mut schema = schema(known, NUMBER_MAX);
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), json!(known.what));
            }
            (known.name.to_owned(), schema)
        })
        .collect();
    let needed = route.body.iter().filter(|known| known.needed).map(|known| known.name);
    let needed: Vec<&str> = needed.collect();
    json!({
        "required": !needed.is_empty(),
        "content": { "application/json": { "schema": {
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
            "required": needed,
        } } },
    })
}

fn page() -> Json {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": { "type": "array", "items": { "type": "object" } },
            "next": { "type": ["string", "null"], "description": "`cursor` of the next page" },
            "total": { "type": "integer", "description": "On all pages, if `count=true` asks" },
        },
    })
}

fn problem() -> Json {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "instance"],
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "code": text,
            "detail": text, "instance": text, "cause": text, "done": text, "fix": text,
        },
    })
}

#[cfg(test)]
mod tests {
    //! The description is that of the routes.

    use super::*;

    #[test]
    fn every_route_is_described_once() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, ROUTES.len());
        let mut ids: Vec<&str> = Vec::new();
        for path in paths.values() {
            for operation in path.as_object().unwrap().values() {
                ids.push(operation["operationId"].as_str().unwrap());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ROUTES.len());
    }
}
