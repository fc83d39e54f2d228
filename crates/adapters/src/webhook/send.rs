//! Sends one webhook, as a system would: for trying the way.

use std::{net::SocketAddr, time::Duration};

use reqwest::header::HeaderMap;
use syncline_core::error::{ErrorKind, PortError};

/// So long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A daemon on this machine that speaks TLS by itself.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// The name that its certificate is for.
    pub name: &'a str,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, which is believed whoever vouches for it.
    pub certificate: &'a str,
}

/// Sends this body with these headers to this URL; gives the status of the answer.
///
/// # Errors
/// `Unreachable` and `TimedOut` where nobody answers; `Tls` if its certificate cannot be read.
pub async fn send(
    url: &str,
    own: Option<Own<'_>>,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<u16, PortError> {
    let action = format!("call {url}");
    let failed = |error: &reqwest::Error| {
        let kind = if error.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Unreachable };
        // What it says holds the URL, and may hold a secret in its path.
        PortError::new(kind, action.as_str(), "nobody answered")
    };
    // In the clear to this machine nobody's certificate is believed.
    let tls = crate::tls::config(url, own.is_some(), own.map(|own| own.certificate))?;
    let mut client = reqwest::Client::builder();
    if let Some(own) = own {
        client = client.resolve(own.name, own.address);
    }
    let client = client
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| failed(&error))?;
    let request = client.post(url).headers(headers).body(body);
    let answer = request.send().await.map_err(|error| failed(&error))?;
    Ok(answer.status().as_u16())
}
