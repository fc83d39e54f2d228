//! `traces:`: where traces go.

use crate::config::{draft::traces::TracesDraft, keys, read::Reader, tree::Node};

/// Where a collector takes traces, unless its URL says.
const PATH: &str = "/v1/traces";

impl Reader<'_> {
    /// Where traces go.
    pub(super) fn traces(&mut self, node: &Node) -> Option<TracesDraft> {
        let entries = self.entries(node, &keys::traces::TRACES, "`traces`", &[])?;
        let headers = entries.get("headers").map(|node| self.headers(node)).unwrap_or_default();
        let text = self.text_of(&entries, "endpoint")?;
        let url = text.value.trim_end_matches('/');
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let Some(rest) =
            rest.filter(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@', ' ']))
        else {
            let message = "`endpoint` takes the URL of a collector, such as http://127.0.0.1:4318";
            self.wrong(text.place, message);
            return None;
        };
        let path = if rest.contains('/') { "" } else { PATH };
        Some(TracesDraft { endpoint: format!("{url}{path}"), headers })
    }
}
