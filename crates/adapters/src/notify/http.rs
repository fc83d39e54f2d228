//! Messages by HTTP: where they may go, and what the answer means.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use reqwest::{Url, header::CONTENT_TYPE};
use syncline_core::name::Timestamp;

use crate::{
    notify::Sent,
    settings::{
        Path, Secret,
        hook::{Hook, Style},
    },
    webhook,
};

/// So long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The headers that sign a message, as Standard Webhooks writes them.
pub(super) fn signed(
    secret: &Secret,
    id: &str,
    body: &str,
    now: Timestamp,
) -> Option<Vec<(String, String)>> {
    let hook = Hook {
        style: Style::Standard,
        secrets: vec![secret.clone()],
        max_age: Duration::ZERO,
        topic: None,
        id: None,
        batch: Path::default(),
        topics: Vec::new(),
        from: Vec::new(),
        trusts: false,
        public_url: None,
    };
    let headers = webhook::sign(&hook, "", id, body.as_bytes(), now)?;
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or("").to_owned();
    Some(headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
}

/// Posts a body. What is said of a failure holds no URL, which may be a secret.
pub(super) async fn post(
    url: &str,
    content_type: &'static str,
    headers: &[(String, String)],
    body: &str,
    may_be_private: bool,
) -> Sent {
    let called = match client(url, may_be_private).await {
        Ok((client, url)) => Called { client, url },
        Err(why) => return Sent::Later(why),
    };
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    called.post(content_type, headers, body.to_owned()).await
}

/// A URL and who calls it, to be called more than once.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    client: reqwest::Client,
    url: Url,
}

/// Who calls this URL, which may be in a private network.
pub(crate) async fn reach(url: &str) -> Result<Called, String> {
    client(url, true).await.map(|(client, url)| Called { client, url })
}

impl Called {
    /// Posts a body.
    pub(crate) async fn post<'h>(
        &self,
        content_type: &'static str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: String,
    ) -> Sent {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, content_type);
        let mut request = request.body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) => match answer.status().as_u16() {
                200..=299 => Sent::Taken,
                410 => Sent::Gone,
                status @ (400 | 404 | 413 | 422) => Sent::Never(format!("it answered {status}")),
                status => Sent::Later(format!("it answered {status}")),
            },
            Err(error) if error.is_timeout() => Sent::Later("it did not answer in time".into()),
            Err(_) => Sent::Later("nobody answered".into()),
        }
    }
}

/// A client that calls this URL and nothing else.
async fn client(url: &str, may_be_private: bool) -> Result<(reqwest::Client, Url), String> {
    let url = Url::parse(url.trim()).map_err(|_| "its URL is none".to_owned())?;
    let host = url.host_str().ok_or("its URL names no host")?.to_owned();
    let port = url.port_or_known_default().ok_or("its URL names no port")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| "its host is not known".to_owned())?.collect();
    // Whoever answers for the name is called at the address that was looked at.
    if !may_be_private && found.iter().any(|address| !is_public(address.ip())) {
        return Err("its host is in a private network: say `private: true` if it may be".into());
    }
    let is_encrypted = url.scheme() == "https";
    if !is_encrypted && found.iter().any(|address| is_public(address.ip())) {
        return Err("it is called in the clear, beyond the private network".into());
    }
    let tls = crate::tls::config(&host, is_encrypted, None).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .resolve_to_addrs(&host, &found)
        .retry(reqwest::retry::never())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|_| "no client could be made".to_owned())?;
    Ok((client, url))
}

/// Whether an address is reached through the public network.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || address.is_documentation()
                || first == 0
                || is_shared)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_is_known_in_every_form() {
        let public = |text: &str| is_public(text.parse().unwrap());
        for address in ["8.8.8.8", "2606:4700::1111", "172.15.0.1"] {
            assert!(public(address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::ffff:10.0.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }
}
