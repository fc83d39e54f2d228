//! What the file says of systems that call us, and of where we are called.

use std::net::SocketAddr;

use syncline_adapters::settings::hook::Hook;

use crate::config::{draft::Spanned, secrets::Reference, source::Place};

/// How a system that calls us proves itself, and what it tells.
#[derive(Clone, Debug)]
pub(crate) struct HookDraft {
    /// All but the secrets.
    pub(crate) hook: Hook,
    /// Where the secrets are.
    pub(crate) secrets: Vec<Spanned<Reference>>,
    /// Where it stands.
    pub(crate) place: Place,
}

/// Where we are called over HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerDraft {
    /// The address, if said.
    pub(crate) listen: Option<Spanned<SocketAddr>>,
    /// How others call it; without a slash at the end.
    pub(crate) public_url: Option<String>,
    /// The file of tokens, if there is one.
    pub(crate) tokens: Option<Spanned<String>>,
}
