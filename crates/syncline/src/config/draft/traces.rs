//! What the file says of traces: where they go.

use crate::config::{draft::Spanned, secrets::Reference};

/// Where traces go.
#[derive(Clone, Debug)]
pub(crate) struct TracesDraft {
    /// The URL that takes them.
    pub(crate) endpoint: String,
    /// Headers by which the collector knows who sends.
    pub(crate) headers: Vec<(String, Spanned<Reference>)>,
}
