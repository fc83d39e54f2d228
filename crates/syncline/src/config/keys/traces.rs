//! `traces:`: where traces go.

use crate::config::keys::{Section, Shape, key};

pub(crate) static TRACES: Section = Section {
    name: "traces",
    doc: "Where `serve` sends traces of changes; nowhere unless said.",
    keys: &[
        key(
            "endpoint",
            Shape::Text,
            "The collector, which takes OTLP over HTTP: `http://127.0.0.1:4318`. Beyond the private network only \
             by https.",
        ),
        key(
            "headers",
            Shape::Map(&Shape::Secret),
            "Headers by which it knows who sends, by name: `authorization: env:COLLECTOR_TOKEN`.",
        ),
    ],
    named: None,
    required: &["endpoint"],
};
