//! What the file says of a REST system.

use std::sync::Arc;

use syncline_adapters::settings::api::Resource;

use crate::config::{draft::Spanned, secrets::Reference};

/// What is said of a REST system alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct RestDraft {
    /// How it knows us.
    pub(crate) auth: AuthDraft,
    /// Sent with every request.
    pub(crate) headers: Vec<(String, Spanned<Reference>)>,
    /// How many requests it takes at most.
    pub(crate) max_rate: Option<syncline_engine::pace::Rate>,
    /// How many requests may be under way at once.
    pub(crate) concurrency: usize,
    /// Its resources.
    pub(crate) resources: Vec<Arc<Resource>>,
}

/// How a REST system knows us.
#[derive(Clone, Debug, Default)]
pub(crate) enum AuthDraft {
    /// It does not.
    #[default]
    None,
    /// By a token.
    Bearer(Spanned<Reference>),
    /// By a user and a password.
    Basic(String, Spanned<Reference>),
    /// By a header.
    Header(String, Spanned<Reference>),
    /// By a parameter.
    Query(String, Spanned<Reference>),
    /// By tokens that another place hands out.
    OAuth2(Box<GrantDraft>),
}

/// How access tokens are got by `OAuth2`.
#[derive(Clone, Debug)]
pub(crate) struct GrantDraft {
    /// Where.
    pub(crate) url: String,
    /// Who asks.
    pub(crate) client_id: String,
    /// How that is proven.
    pub(crate) client_secret: Option<Spanned<Reference>>,
    /// The client is named in the body of the request.
    pub(crate) is_in_body: bool,
    /// Sent with every request for a token.
    pub(crate) parameters: Vec<(String, String)>,
    /// What a person consented to.
    pub(crate) refresh_token: Option<Spanned<Reference>>,
}
