//! A daemon elsewhere, asked over its API: encrypted, or on this machine; never longer, and never more,
//! than there is room for. What is asked and what the answers mean is not known here.

use std::{net::SocketAddr, time::Duration};

use reqwest::{
    Client, Method, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use syncline_core::error::{ErrorKind, PortError};

/// So long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// So large an answer may be.
const ANSWER_MAX: usize = 16 << 20;

/// The daemon.
#[derive(Clone, Debug)]
pub struct Remote {
    http: Client,
    base: Url,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'a str,
    /// The words of the path, each as it is meant.
    pub path: &'a [&'a str],
    /// What stands behind the question mark.
    pub query: &'a [(&'a str, String)],
    /// JSON; nothing is said where there is none.
    pub body: Option<String>,
    /// Lines of the head beside those that every question has.
    pub headers: &'a [(&'static str, String)],
    /// So long the answer may take.
    pub patience: Duration,
}

impl Remote {
    /// The daemon at this URL, for whom holds this token.
    ///
    /// # Errors
    /// In words: the URL is none, or the token would travel in the clear.
    pub async fn new(url: &str, token: Option<&str>) -> Result<Self, String> {
        let mut base = Url::parse(url.trim()).map_err(|_| "it is no URL".to_owned())?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err("it holds a name or a password".to_owned());
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err("it goes on behind the path".to_owned());
        }
        let host = base.host_str().ok_or("it names no host")?.to_owned();
        let is_encrypted = match base.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(format!("`{other}` is neither https nor http")),
        };
        // In the clear nothing leaves this machine, whatever the name stands for.
        let here = if is_encrypted { Vec::new() } else { loopback(&base, &host).await? };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| "the token holds what no token holds".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let tls = crate::tls::config(&host, is_encrypted, None).map_err(|it| it.to_string())?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers)
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            // The token is for this place only.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if !here.is_empty() {
            builder = builder.resolve_to_addrs(&host, &here);
        }
        let http = builder.build().map_err(|error| error.without_url().to_string())?;
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]);
        }
        Ok(Self { http, base })
    }

    /// Asks, and gives the number and the text of the answer.
    ///
    /// # Errors
    /// `Unreachable`, `TimedOut`, `Tls`; `Answer` if it is too large or no text.
    pub async fn ask(&self, question: &Question<'_>) -> Result<(u16, String), Unanswered> {
        let action = format!("ask {}", self.base.host_str().unwrap_or_default());
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            let mut kind = ErrorKind::Unreachable;
            if error.is_timeout() {
                kind = ErrorKind::TimedOut;
            }
            let was_sent = !error.is_connect();
            Unanswered { error: PortError::new(kind, action.as_str(), cause(&error)), was_sent }
        };
        let wrong = |detail: &str| Unanswered {
            error: PortError::new(ErrorKind::Answer, action.as_str(), detail),
            was_sent: true,
        };
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(question.path);
        }
        if !question.query.is_empty() {
            url.query_pairs_mut().extend_pairs(question.query);
        }
        let method = Method::from_bytes(question.method.as_bytes())
            .map_err(|_| wrong("there is no such method"))?;
        let mut request = self.http.request(method, url).timeout(question.patience);
        for (name, value) in question.headers {
            let value =
                HeaderValue::from_str(value).map_err(|_| wrong("a header holds no text"))?;
            request = request.header(HeaderName::from_static(name), value);
        }
        if let Some(body) = &question.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err(wrong("it answered with more than 16 MiB"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong("its answer is no text"))?;
        Ok((status, text))
    }
}

/// A question without an answer.
#[derive(Debug)]
pub struct Unanswered {
    /// Why.
    pub error: PortError,
    /// Somebody may have heard it: there was a connection.
    pub was_sent: bool,
}

/// What the name stands for, if all of it is this machine.
async fn loopback(base: &Url, host: &str) -> Result<Vec<SocketAddr>, String> {
    let port = base.port_or_known_default().ok_or("it names no port")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| "its host is not known".to_owned())?.collect();
    if found.is_empty() || found.iter().any(|address| !address.ip().to_canonical().is_loopback()) {
        return Err("it is asked in the clear, beyond this machine".to_owned());
    }
    Ok(found)
}

/// The innermost cause: it is the one that says something.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
