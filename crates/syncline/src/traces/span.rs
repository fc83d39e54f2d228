//! A span, and how OTLP writes many of them in JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).

use serde_json::{Value as Json, json};
use syncline_core::name::Timestamp;

use super::context::Context;

/// Something that took time.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) context: Context,
    pub(super) parent: Option<u64>,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) attributes: Vec<(&'static str, Json)>,
    /// Spans of other traces that it is about as well.
    pub(super) links: Vec<Context>,
    /// Why it failed: a code.
    pub(super) error: Option<String>,
}

/// Where a span stands between two who talk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Nobody else has part in it.
    Internal,
    /// We were asked.
    Server,
    /// We asked.
    Client,
}

impl Span {
    fn document(&self) -> Json {
        let link = |context: &Context| json!({ "traceId": context.trace_id(), "spanId": context.span_id() });
        let mut attributes = self.attributes.clone();
        if let Some(code) = &self.error {
            attributes.push(("error.type", json!(code)));
        }
        let mut document = json!({
            "traceId": self.context.trace_id(),
            "spanId": self.context.span_id(),
            "name": self.name,
            "kind": match self.kind { Kind::Internal => 1, Kind::Server => 2, Kind::Client => 3 },
            "startTimeUnixNano": nanos(self.from),
            "endTimeUnixNano": nanos(self.to.max(self.from)),
            "attributes": attributes.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>(),
            "links": self.links.iter().map(link).collect::<Vec<_>>(),
            "status": if self.error.is_some() { json!({ "code": 2 }) } else { json!({}) },
        });
        if let (Some(parent), Some(document)) = (self.parent, document.as_object_mut()) {
            document.insert("parentSpanId".to_owned(), json!(format!("{parent:016x}")));
        }
        document
    }
}

fn nanos(at: Timestamp) -> String {
    // Protobuf's JSON writes 64 bits as a text.
    i128::from(at.0).saturating_mul(1_000).max(0).to_string()
}

fn attribute(name: &str, value: &Json) -> Json {
    let value = match value {
        Json::Number(number) => json!({ "intValue": number.to_string() }),
        Json::Bool(so) => json!({ "boolValue": so }),
        Json::String(text) => json!({ "stringValue": text }),
        other @ (Json::Null | Json::Array(_) | Json::Object(_)) => {
            json!({ "stringValue": other.to_string() })
        }
    };
    json!({ "key": name, "value": value })
}

/// The body that a collector takes. `instance`: what tells this installation from others.
pub(super) fn body(spans: &[Span], instance: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        ("service.name", json!("syncline")),
        ("service.version", json!(version)),
        ("service.instance.id", json!(instance)),
    ];
    let resource: Vec<Json> = resource.iter().map(|(name, it)| attribute(name, it)).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "syncline", "version": version },
            "spans": spans.iter().map(Span::document).collect::<Vec<_>>(),
        }],
    }]})
    .to_string()
}
