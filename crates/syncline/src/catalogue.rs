//! The error catalogue: a page per code, compiled in, for `syncline help CODE`.

/// The page of a code, in Markdown.
pub(crate) fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}

/// The title of a code's page: what it means in one line.
pub(crate) fn title(code: &str) -> Option<&'static str> {
    let line = page(code)?.lines().next()?;
    line.strip_prefix("# ").map(|line| line.split_once(": ").map_or(line, |(_, title)| title))
}

const PAGES: &[(&str, &str)] = &[];
