//! Sends one webhook, as a system would: for trying the way.

use std::time::Duration;

use reqwest::header::HeaderMap;
use syncline_core::error::{ErrorKind, PortError};

/// So long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends this body with these headers to this URL; gives the status of the answer.
///
/// # Errors
/// `Unreachable` and `TimedOut` where nobody answers.
pub async fn send(url: &str, headers: HeaderMap, body: Vec<u8>) -> Result<u16, PortError> {
    let action = format!("call {url}");
    let failed = |error: &reqwest::Error| {
        let kind = if error.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Unreachable };
        // What it says holds the URL, and may hold a secret in its path.
        PortError::new(kind, action.as_str(), "nobody answered")
    };
    // It is sent to this machine, in the clear: nobody's certificate is believed.
    let tls = crate::tls::config(url, false, None)?;
    let client = reqwest::Client::builder()
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
