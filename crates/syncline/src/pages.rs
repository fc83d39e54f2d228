//! The error catalogue: a page for each code, from `docs/errors`, compiled in.

/// Codes and their pages, sorted by code. Gathered by `build.rs`.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of this code, in Markdown, if there is one.
pub(crate) fn page(code: &str) -> Option<&'static str> {
    let at = PAGES.binary_search_by_key(&code, |(code, _)| code).ok()?;
    PAGES.get(at).map(|(_, text)| *text)
}

/// The first sentence of a code's page: what it means in one line.
pub(crate) fn title(code: &str) -> Option<&'static str> {
    page(code)?.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// All codes, sorted.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}
