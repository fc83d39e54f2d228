//! Who may come in at all: a page of another site may send a browser here, by its own name for us or
//! with a form, and must find everything closed.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, Uri, header};

use crate::{config::Loaded, report::Failure};

/// Whether the request was made for us, by us. Where there are tokens, whoever asks proves who they are,
/// by whatever name they call us.
///
/// # Errors
/// `server.cross_site`.
pub(super) fn admit(
    loaded: &Loaded,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    has_tokens: bool,
) -> Result<(), Failure> {
    let public = loaded.draft.server.public_url.as_deref();
    let host = text(headers, header::HOST.as_str())
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str))
        .unwrap_or_default();
    if !has_tokens && !is_ours(host, public) {
        // A name that somebody else has given to this machine's address.
        return Err(refused(format!("`{host}` is no name of this server")));
    }
    if let Some(origin) = text(headers, header::ORIGIN.as_str()) {
        let from = origin.split_once("://").map_or("", |(_, rest)| rest);
        let is_same = from == host || public.is_some_and(|public| is_origin(public, origin));
        if !(is_same && (has_tokens || is_ours(from, public))) && *method != Method::GET {
            return Err(refused("a page of another site asked for this".to_owned()));
        }
    }
    let site = text(headers, "sec-fetch-site");
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    if !is_safe && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(refused("a page of another site asked for this".to_owned()));
    }
    Ok(())
}

/// Whether this is the origin of that URL.
fn is_origin(url: &str, origin: &str) -> bool {
    url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn refused(message: String) -> Failure {
    Failure::new("server.cross_site", message)
        .cause("a browser was sent here by another page, or a proxy has a name that is not said")
        .done("nothing was read or changed")
        .fix("open the dashboard by its own address; behind a proxy set server.public_url")
}

/// Whether this is a name of ours: this machine's own, or the one that the file says.
fn is_ours(host: &str, public: Option<&str>) -> bool {
    let known = public.and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    let known = known.map(|rest| rest.split('/').next().unwrap_or_default());
    if known.is_some_and(|known| known.eq_ignore_ascii_case(host)) {
        return true;
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    //! Which names are ours.

    use super::is_ours;

    fn check(host: &str, public: Option<&str>, expected: bool) {
        assert_eq!(is_ours(host, public), expected, "{host}");
    }

    #[test]
    fn only_names_of_this_machine_and_the_one_that_is_said_are_ours() {
        check("127.0.0.1:7700", None, true);
        check("127.0.0.1", None, true);
        check("localhost:7700", None, true);
        check("[::1]:7700", None, true);
        check("evil.example:7700", None, false);
        check("localhost.evil.example", None, false);
        check("10.0.0.8:7700", None, false);
        check("", None, false);
        check("sync.example", Some("https://sync.example"), true);
        check("sync.example", Some("https://sync.example/under"), true);
        check("other.example", Some("https://sync.example"), false);
    }
}
