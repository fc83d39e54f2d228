//! Whether a webhook is from whom it says, and how one is signed: pure functions of what was sent.
//!
//! Every signature is compared in constant time against every secret, so that one can take the place
//! of another without a gap. What exactly was wrong is for our books, never for the sender.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::{hmac, signature};
use serde_json::Value as Json;
use subtle::ConstantTimeEq as _;
use syncline_core::name::Timestamp;

use crate::settings::{
    Secret,
    hook::{Algorithm, Custom, Encoding, Hook, Part, Piece, Style},
};

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path and what follows it, as they were sent.
    pub target: &'a str,
    /// What follows the system's name in the path.
    pub token: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// From where.
    pub peer: IpAddr,
    /// When it came.
    pub now: Timestamp,
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The signature, or the secret, is missing or wrong.
    Signature,
    /// It was signed too long ago, or for later.
    Age,
    /// It comes from an address that is not listed.
    Address,
}

const SECONDS: i64 = 1_000_000;

/// Whether the sender has proved itself.
///
/// # Errors
/// Why not.
pub fn verify(hook: &Hook, request: &Request<'_>) -> Result<(), Refusal> {
    if !hook.from.is_empty() && !hook.from.iter().any(|network| network.has(request.peer)) {
        return Err(Refusal::Address);
    }
    let header = |name: &str| text(request.headers, name);
    let signed = |name: &str| header(name).ok_or(Refusal::Signature);
    match &hook.style {
        Style::Standard => {
            let (id, at) = (signed("webhook-id")?, signed("webhook-timestamp")?);
            let message = [id.as_bytes(), b".", at.as_bytes(), b".", request.body].concat();
            let given = signed("webhook-signature")?;
            let one = |secret: &Secret| given.split(' ').any(|it| standard(secret, &message, it));
            any(&hook.secrets, one)?;
            is_fresh(hook, request, at, SECONDS)
        }
        Style::Github => {
            let given = signed("x-hub-signature-256")?.strip_prefix("sha256=");
            mac(hook, Algorithm::Sha256, request.body, Encoding::Hex, given)
        }
        Style::Stripe => {
            let given = signed("stripe-signature")?;
            let parts = || given.split(',').filter_map(|part| part.trim().split_once('='));
            let at = parts().find(|(name, _)| *name == "t").ok_or(Refusal::Signature)?.1;
            let message = [at.as_bytes(), b".", request.body].concat();
            let one = |given| mac(hook, Algorithm::Sha256, &message, Encoding::Hex, Some(given));
            let mut all = parts().filter(|(name, _)| *name == "v1").map(|(_, it)| it);
            if !all.any(|given| one(given).is_ok()) {
                return Err(Refusal::Signature);
            }
            is_fresh(hook, request, at, SECONDS)
        }
        Style::Shopify => {
            let given = header("x-shopify-hmac-sha256");
            mac(hook, Algorithm::Sha256, request.body, Encoding::Base64, given)
        }
        Style::Hubspot => {
            let at = signed("x-hubspot-request-timestamp")?;
            let url = called(hook, request.target);
            let message =
                [request.method.as_bytes(), url.as_bytes(), request.body, at.as_bytes()].concat();
            let given = header("x-hubspot-signature-v3");
            mac(hook, Algorithm::Sha256, &message, Encoding::Base64, given)?;
            is_fresh(hook, request, at, 1_000)
        }
        Style::Custom(custom) => {
            let document = serde_json::from_slice(request.body).unwrap_or(Json::Null);
            let found = |part: &Option<Part>| {
                part.as_ref().and_then(|it| find(it, request.headers, &document))
            };
            let (at, id) = (found(&custom.timestamp), found(&hook.id));
            let message = custom_message(custom, hook, request, at.as_deref(), id.as_deref());
            let given =
                header(&custom.header).and_then(|text| text.strip_prefix(custom.prefix.as_str()));
            mac(hook, custom.algorithm, &message, custom.encoding, given)?;
            match (&custom.timestamp, at) {
                (Some(_), Some(at)) => is_fresh(hook, request, &at, unit(&at)),
                (Some(_), None) => Err(Refusal::Age),
                (None, _) => Ok(()),
            }
        }
        Style::Bearer(name, prefix) => {
            let given = signed(name)?.strip_prefix(prefix.as_str()).ok_or(Refusal::Signature)?;
            any(&hook.secrets, |secret| is_same(secret, given))
        }
        Style::Path => {
            let given = request.token.ok_or(Refusal::Signature)?;
            any(&hook.secrets, |secret| is_same(secret, given))
        }
        Style::None => Ok(()),
    }
}

/// The headers that a sender of this style adds to a body: for trying. `None`: nobody but the sender
/// can, or there is no secret.
pub fn sign(hook: &Hook, target: &str, id: &str, body: &[u8], now: Timestamp) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut put = |name: &str, value: String| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(&value).ok()?);
        Some(())
    };
    let secret = || hook.secrets.first().map(|it| it.reveal().trim());
    let seconds = (now.0 / SECONDS).to_string();
    let tag = |algorithm, key: &[u8], message: &[u8], encoding| {
        written(hmac::sign(&key_of(algorithm, key), message).as_ref(), encoding)
    };
    match &hook.style {
        Style::Standard => {
            let key = STANDARD.decode(secret()?.strip_prefix("whsec_")?).ok()?;
            let message = [id.as_bytes(), b".", seconds.as_bytes(), b".", body].concat();
            put("webhook-id", id.to_owned())?;
            put("webhook-timestamp", seconds)?;
            let tag = tag(Algorithm::Sha256, &key, &message, Encoding::Base64);
            put("webhook-signature", format!("v1,{tag}"))?;
        }
        Style::Github => {
            let tag = tag(Algorithm::Sha256, secret()?.as_bytes(), body, Encoding::Hex);
            put("x-hub-signature-256", format!("sha256={tag}"))?;
            put("x-github-delivery", id.to_owned())?;
        }
        Style::Stripe => {
            let message = [seconds.as_bytes(), b".", body].concat();
            let tag = tag(Algorithm::Sha256, secret()?.as_bytes(), &message, Encoding::Hex);
            put("stripe-signature", format!("t={seconds},v1={tag}"))?;
        }
        Style::Shopify => {
            let tag = tag(Algorithm::Sha256, secret()?.as_bytes(), body, Encoding::Base64);
            put("x-shopify-hmac-sha256", tag)?;
            put("x-shopify-event-id", id.to_owned())?;
        }
        Style::Hubspot => {
            let at = (now.0 / 1_000).to_string();
            let url = called(hook, target);
            let message = [b"POST", url.as_bytes(), body, at.as_bytes()].concat();
            let tag = tag(Algorithm::Sha256, secret()?.as_bytes(), &message, Encoding::Base64);
            put("x-hubspot-signature-v3", tag)?;
            put("x-hubspot-request-timestamp", at)?;
        }
        Style::Custom(custom) => {
            if let Some(Part::Header(name)) = &hook.id {
                put(name, id.to_owned())?;
            }
            match &custom.timestamp {
                Some(Part::Header(name)) => put(name, seconds.clone())?,
                // Whoever writes the body writes the time.
                Some(Part::Member(_)) => return None,
                None => {}
            }
            let (empty, peer) = (HeaderMap::new(), IpAddr::from([127, 0, 0, 1]));
            let request =
                Request { method: "POST", target, token: None, headers: &empty, body, peer, now };
            let message = custom_message(custom, hook, &request, Some(&seconds), Some(id));
            let tag = tag(custom.algorithm, secret()?.as_bytes(), &message, custom.encoding);
            put(&custom.header, format!("{}{tag}", custom.prefix))?;
        }
        Style::Bearer(name, prefix) => put(name, format!("{prefix}{}", secret()?))?,
        Style::Path | Style::None => {}
    }
    Some(headers)
}

/// What is there, as text.
pub(super) fn find(part: &Part, headers: &HeaderMap, document: &Json) -> Option<String> {
    match part {
        Part::Header(name) => text(headers, name).map(str::to_owned),
        Part::Member(path) => match path.at(document).ok().flatten()? {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        },
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The address that was called, as the sender knows it.
fn called(hook: &Hook, target: &str) -> String {
    // Where it is needed it is said, or the file is refused.
    let public = hook.public_url.as_deref().unwrap_or_default();
    format!("{}{target}", public.trim_end_matches('/'))
}

fn custom_message(
    custom: &Custom,
    hook: &Hook,
    request: &Request<'_>,
    at: Option<&str>,
    id: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.body.len() + 64);
    for piece in &custom.signed {
        match piece {
            Piece::Text(text) => out.extend(text.bytes()),
            Piece::Body => out.extend(request.body),
            Piece::Timestamp => out.extend(at.unwrap_or_default().bytes()),
            Piece::Id => out.extend(id.unwrap_or_default().bytes()),
            Piece::Url => out.extend(called(hook, request.target).bytes()),
            Piece::Method => out.extend(request.method.bytes()),
        }
    }
    out
}

/// Whether one of the secrets fits; all are tried, whichever fits.
fn any(secrets: &[Secret], fits: impl Fn(&Secret) -> bool) -> Result<(), Refusal> {
    let found = secrets.iter().fold(false, |found, secret| fits(secret) | found);
    if found { Ok(()) } else { Err(Refusal::Signature) }
}

/// Whether an HMAC fits one of the secrets.
fn mac(
    hook: &Hook,
    algorithm: Algorithm,
    message: &[u8],
    encoding: Encoding,
    given: Option<&str>,
) -> Result<(), Refusal> {
    let given = given.and_then(|text| bytes_of(text, encoding)).ok_or(Refusal::Signature)?;
    any(&hook.secrets, |secret| {
        let key = key_of(algorithm, secret.reveal().trim().as_bytes());
        hmac::verify(&key, message, &given).is_ok()
    })
}

/// One signature of a list: `v1,` an HMAC, `v1a,` an ed25519 signature.
fn standard(secret: &Secret, message: &[u8], given: &str) -> bool {
    let secret = secret.reveal().trim();
    let decoded = |text: &str| STANDARD.decode(text).ok();
    match given.split_once(',') {
        Some(("v1", tag)) => {
            let key = secret.strip_prefix("whsec_").and_then(decoded);
            let Some((key, tag)) = key.zip(decoded(tag)) else { return false };
            hmac::verify(&key_of(Algorithm::Sha256, &key), message, &tag).is_ok()
        }
        Some(("v1a", tag)) => {
            let key = secret.strip_prefix("whpk_").and_then(decoded);
            let Some((key, tag)) = key.zip(decoded(tag)) else { return false };
            let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
            key.verify(message, &tag).is_ok()
        }
        Some(_) | None => false,
    }
}

fn key_of(algorithm: Algorithm, key: &[u8]) -> hmac::Key {
    let algorithm = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, key)
}

fn is_same(secret: &Secret, given: &str) -> bool {
    let secret = secret.reveal().trim();
    !secret.is_empty() && bool::from(secret.as_bytes().ct_eq(given.as_bytes()))
}

/// Whether a signed time is near enough to ours. `unit`: how many microseconds it counts in.
fn is_fresh(hook: &Hook, request: &Request<'_>, at: &str, unit: i64) -> Result<(), Refusal> {
    let micros = at.trim().parse::<i64>().ok().and_then(|at| at.checked_mul(unit));
    let away = micros.map(|at| request.now.0.abs_diff(at)).ok_or(Refusal::Age)?;
    if u128::from(away) <= hook.max_age.as_micros() { Ok(()) } else { Err(Refusal::Age) }
}

/// Times of custom senders are in seconds or, with more digits, in milliseconds.
fn unit(at: &str) -> i64 {
    if at.trim().len() >= 13 { 1_000 } else { SECONDS }
}

fn written(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Encoding::Base64 => STANDARD.encode(bytes),
    }
}

fn bytes_of(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => STANDARD.decode(text.trim()).ok(),
        Encoding::Hex => {
            let text = text.trim();
            if !text.len().is_multiple_of(2) || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
                return None;
            }
            let pairs = text.as_bytes().chunks(2);
            let byte = |pair| std::str::from_utf8(pair).ok();
            pairs.map(|pair| u8::from_str_radix(byte(pair)?, 16).ok()).collect()
        }
    }
}

#[cfg(test)]
mod tests;
