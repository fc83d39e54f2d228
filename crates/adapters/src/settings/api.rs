//! What the configuration says of a REST system: how it knows us, and its resources.

use std::{path::PathBuf, sync::Arc, time::Duration};

use syncline_core::Text;

use crate::settings::{Path, Secret, Template};

/// A REST system.
#[derive(Clone, Debug)]
pub struct Api {
    /// Every request begins with this; ends with `/`.
    pub base: String,
    /// How it knows us.
    pub auth: Auth,
    /// Sent with every request.
    pub headers: Vec<(String, Secret)>,
    /// How many requests it takes at most, and in which time.
    pub max_rate: Option<(u32, Duration)>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// By name.
    pub resources: Vec<Arc<Resource>>,
}

/// Where a REST system, or the one who hands out its tokens, is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The URL; that of a system ends with `/`, and every request begins with it.
    pub url: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Requests are encrypted.
    pub is_encrypted: bool,
}

impl Base {
    /// Reads the URL of a REST system.
    ///
    /// # Errors
    /// What is wrong with it, without its text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "write https://host/path/".to_owned();
        let mut url = reqwest::Url::parse(text).map_err(|_| wrong())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("who we are is said by `auth:`, not in the URL".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("parameters are said by the resources, not in the URL".into());
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let host = url.host_str().ok_or_else(wrong)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        Ok(Self { host, port, is_encrypted: url.scheme() == "https", url: url.to_string() })
    }
}

/// Reads the URL where tokens are handed out; it may carry parameters.
///
/// # Errors
/// What is wrong with it, without its text: it may hold a password.
pub fn token_url(text: &str) -> Result<Base, String> {
    let wrong = || "write https://host/path".to_owned();
    let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("who we are is said by `client_id`, not in the URL".into());
    }
    let is_encrypted = url.scheme() == "https";
    if !(is_encrypted || url.scheme() == "http") || url.fragment().is_some() {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?.to_owned();
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    Ok(Base { host, port, is_encrypted, url: url.to_string() })
}

impl Api {
    /// The resource of this name.
    pub fn resource(&self, name: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| resource.name == name)
    }
}

/// How a REST system knows us.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic(String, Secret),
    /// A header of this name.
    Header(String, Secret),
    /// A parameter of this name.
    Query(String, Secret),
    /// `Authorization: Bearer …`, with tokens that another place hands out.
    OAuth2(Arc<Grant>),
}

/// How access tokens are got by `OAuth2` (RFC 6749).
#[derive(Clone, Debug)]
pub struct Grant {
    /// Where.
    pub url: String,
    /// Who asks.
    pub client_id: String,
    /// How that is proven, unless the client is a public one.
    pub client_secret: Option<Secret>,
    /// The client is named in the body, not by `Authorization: Basic …`.
    pub is_in_body: bool,
    /// Sent with every request for a token: `scope`, `audience` and others.
    pub parameters: Vec<(String, String)>,
    /// What a person consented to; without it the client asks for itself.
    pub refresh: Option<Refresh>,
}

/// A refresh token, and where its successor is kept if the server gives another.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The one that the configuration names.
    pub token: Secret,
    /// The file of its successor.
    pub kept: PathBuf,
}

impl Grant {
    /// The same tokens come of it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let secret = |it: &Self| it.client_secret.as_ref().map(|it| it.reveal().to_owned());
        let refresh = |it: &Self| {
            it.refresh.as_ref().map(|it| (it.token.reveal().to_owned(), it.kept.clone()))
        };
        self.url == other.url
            && self.client_id == other.client_id
            && self.is_in_body == other.is_in_body
            && self.parameters == other.parameters
            && secret(self) == secret(other)
            && refresh(self) == refresh(other)
    }
}

/// A kind of items of a REST system.
#[derive(Clone, Debug)]
pub struct Resource {
    /// As entities name it.
    pub name: Text,
    /// Where it is listed; may carry parameters.
    pub path: Template,
    /// Where the items are in the answer of a list.
    pub items: Path,
    /// Where the item is in an answer of one, and in what is sent.
    pub item: Path,
    /// What tells items apart.
    pub key: Vec<Path>,
    /// Where an item says when it last changed.
    pub changed_at: Option<Path>,
    /// The same, and the parameters that list those changed since.
    pub cursor: Option<Cursor>,
    /// How one gets to the next page.
    pub next: Next,
    /// The parameter that asks for so many items a page.
    pub size: Option<(String, u32)>,
    /// Where it says how many there are.
    pub total: Option<Total>,
    /// A member that an item of a list lacks is null, as in the item itself.
    pub absent_is_null: bool,
    /// Where one item is.
    pub get: Template,
    /// How one is created.
    pub create: Option<Create>,
    /// How one is changed.
    pub update: Option<Update>,
    /// How one is deleted.
    pub delete: Option<Request>,
    /// How many are created by one request.
    pub bulk_create: Option<Bulk>,
    /// How many are changed by one request.
    pub bulk_update: Option<Bulk>,
    /// How it is made sure that an item is still the one that was read.
    pub version: Version,
    /// Where payloads count themselves: the member that tells an older state of an item from a newer one, in
    /// them as in what is read.
    pub order: Option<Path>,
    /// Answers that mean: there is no such item.
    pub gone: Vec<u16>,
}

/// How items that changed are found.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The time, or number, of the last change.
    pub at: Path,
    /// The parameters that ask for those from `{cursor}` on.
    pub since: Template,
    /// How far back is read again: seconds, or in the cursor's own unit where that is a number.
    pub overlap: u32,
}

/// How one gets to the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is one page.
    None,
    /// `Link: <…>; rel="next"`.
    LinkHeader,
    /// The answer holds the next page's URL.
    Url(Path),
    /// The answer holds what this parameter is to be.
    Cursor(Path, String),
    /// This parameter counts pages, from this number.
    Page(String, u64),
    /// This parameter counts items.
    Offset(String),
    /// This parameter takes the key of the last item.
    After(String),
}

/// Where a list says how many items there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Total {
    /// There in the answer.
    Body(Path),
    /// In this header.
    Header(String),
}

/// Methods that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// A request that writes.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub path: Template,
}

/// How an item is created.
#[derive(Clone, Debug)]
pub struct Create {
    /// The request.
    pub request: Request,
    /// The header that makes it safe to repeat.
    pub idempotency: Option<String>,
    /// A member that takes the record's own number: by it an item of ours is found again.
    pub external_id: Option<Path>,
    /// The parameters of a list that find an item before it is created.
    pub find: Option<Template>,
}

/// How an item is changed.
#[derive(Clone, Debug)]
pub struct Update {
    /// The request.
    pub request: Request,
    /// The whole item is sent, not only what changes.
    pub is_whole: bool,
}

/// A request that writes many items, and what is said of each.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// The request.
    pub request: Request,
    /// Where the items are in what is sent.
    pub items: Path,
    /// Where the results are in the answer: one for each item.
    pub results: Path,
    /// The most items of one request.
    pub size: usize,
    /// Whose result is whose.
    pub by: ResultsBy,
    /// Where in a result its status is.
    pub status: Option<Path>,
    /// Where in a result the item is.
    pub item: Path,
    /// Where in a result stands why it was refused.
    pub error: Option<Path>,
}

/// How it is known whose result is whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultsBy {
    /// They are in the order of the items.
    Position,
    /// Each holds the key of its item.
    Key,
}

/// How it is made sure that an item is still the one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// It is read and compared before it is written; what comes between the two is lost.
    None,
    /// By its `ETag`, with `If-Match`.
    Etag,
    /// By this member: it is sent as it was read, and the server compares.
    Field(Path),
}

impl Resource {
    /// A write is refused by the server itself if somebody else came first.
    pub fn is_conditional(&self) -> bool {
        match self.version {
            Version::None => false,
            Version::Etag | Version::Field(_) => true,
        }
    }
}
