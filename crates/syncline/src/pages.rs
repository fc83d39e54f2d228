//! The error catalogue: a page for each code, from `docs/errors`, compiled in.

/// Codes and their pages, sorted by code. Gathered by `build.rs`.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of this code, in Markdown, if there is one.
pub(crate) fn page(code: &str) -> Option<&'static str> {
    let at = PAGES.binary_search_by_key(&code, |(code, _)| code).ok()?;
    PAGES.get(at).map(|(_, text)| *text)
}

/// The title of a code's page: what it means in one line.
pub(crate) fn title(code: &str) -> Option<&'static str> {
    let line = page(code)?.lines().next()?;
    line.strip_prefix("# ").map(|line| line.split_once(": ").map_or(line, |(_, title)| title))
}

/// All codes, sorted.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}
