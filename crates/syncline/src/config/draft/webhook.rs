//! What the file says of systems that call us, and of where we are called.

use std::net::SocketAddr;

use syncline_adapters::settings::{
    Path,
    api::{Resource, Version},
    hook::Hook,
};

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

impl HookDraft {
    /// Of a REST system whose payloads count: the members that the file names to tell older states of a
    /// resource's items from newer ones. It should be one.
    pub(crate) fn orders(&self, resource: &Resource) -> Vec<Path> {
        let topics = self.hook.topics.iter().filter(|topic| topic.resource == resource.name);
        let mut orders: Vec<Path> = topics.filter_map(|topic| topic.version.clone()).collect();
        orders.dedup();
        match &resource.version {
            Version::Field(path) if orders.is_empty() => vec![path.clone()],
            Version::None | Version::Etag | Version::Field(_) => orders,
        }
    }
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
    /// It speaks TLS by itself.
    pub(crate) tls: Option<TlsDraft>,
}

/// What a server shows of itself: files, relative to that of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct TlsDraft {
    /// The certificate, with those that vouch for it.
    pub(crate) certificate: String,
    /// Its private key.
    pub(crate) key: String,
}

impl ServerDraft {
    /// The name by which others call it, without the port.
    pub(crate) fn public_name(&self) -> Option<&str> {
        let (_, rest) = self.public_url.as_deref()?.split_once("://")?;
        rest.split(['/', ':']).next().filter(|name| !name.is_empty())
    }

    /// Whether whoever calls is answered through TLS, by us or by a proxy.
    pub(crate) fn is_encrypted(&self) -> bool {
        let public = self.public_url.as_deref();
        self.tls.is_some() || public.is_some_and(|url| url.starts_with("https://"))
    }
}
