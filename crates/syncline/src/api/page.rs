//! Pages of a list: so many at once, and where the next one begins, which only we need to understand.

use axum::http::header;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};

use crate::{
    api::{
        reply::Reply,
        request::{Request, refused},
        table::{Kind, Parameter},
    },
    report::Failure,
};

/// So many unless said otherwise.
const USUAL: usize = 50;
/// At most so many.
const MOST: usize = 500;

/// What every list takes.
pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "limit",
        what: "At most so many: 1 to 500",
        kind: Kind::Number,
        needed: false,
    },
    Parameter {
        name: "cursor",
        what: "`next` of the page before",
        kind: Kind::Text,
        needed: false,
    },
    Parameter {
        name: "count",
        what: "How many there are on all pages, as `total`",
        kind: Kind::Flag,
        needed: false,
    },
];

/// Which page is asked for.
#[derive(Clone, Debug)]
pub(super) struct Page {
    list: &'static str,
    /// So many.
    pub(super) limit: usize,
    /// Where the page before ended.
    pub(super) after: Option<String>,
}

impl Page {
    /// The page of this list that is asked for.
    ///
    /// # Errors
    /// `usage.parameter`, `usage.cursor`.
    pub(super) fn of(request: &Request, list: &'static str) -> Result<Self, Failure> {
        let limit = match request.text("limit").map(str::parse::<usize>) {
            None => USUAL,
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
            Some(_) => return Err(refused("`limit` is 1 to 500", "a page has an end")),
        };
        let after = match request.text("cursor") {
            None => None,
            Some(cursor) => Some(read(cursor, list).ok_or_else(|| {
                Failure::new("usage.cursor", "this is no cursor of this list")
                    .cause("it is of another list, or was altered")
                    .done("nothing was looked up")
                    .fix("take `next` of the page before, or begin without one")
            })?),
        };
        Ok(Self { list, limit, after })
    }

    /// One more than are shown tells whether there are more.
    pub(super) fn one_more(&self) -> usize {
        self.limit + 1
    }

    /// The number where the page before ended.
    pub(super) fn number(&self) -> Result<Option<u64>, Failure> {
        let number = |text: &String| {
            let number = text.parse::<u64>().ok().filter(|it| i64::try_from(*it).is_ok());
            number.ok_or_else(|| Failure::new("usage.cursor", "this is no cursor of this list"))
        };
        self.after.as_ref().map(number).transpose()
    }

    /// Cuts what was found to the page, and says where the next one begins, if there is one.
    pub(super) fn cut<T>(&self, found: &mut Vec<T>, key: impl Fn(&T) -> String) -> Option<String> {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        found.last().filter(|_| more).map(key)
    }

    /// The page.
    pub(super) fn reply(
        &self,
        request: &Request,
        items: &[Json],
        next: Option<String>,
        total: Option<u64>,
    ) -> Reply {
        let next = next.map(|key| URL_SAFE_NO_PAD.encode(format!("{}:{key}", self.list)));
        let items: Vec<Json> = items.iter().map(cut).collect();
        let mut body = json!({ "items": items, "next": next });
        if let (Some(total), Some(body)) = (total, body.as_object_mut()) {
            body.insert("total".to_owned(), json!(total));
        }
        let reply = Reply::new(body);
        match next {
            None => reply,
            Some(next) => {
                let mut query: Vec<String> = request
                    .query()
                    .iter()
                    .filter(|(name, _)| *name != "cursor")
                    .map(|(name, value)| format!("{name}={}", encoded(value)))
                    .collect();
                query.push(format!("cursor={next}"));
                // Relative, so that it is true behind a proxy, too.
                reply.with(header::LINK, format!("<?{}>; rel=\"next\"", query.join("&")))
            }
        }
    }
}

/// Longer texts are cut where many things are listed.
const TEXT_MAX: usize = 2_000;

/// The same with long texts cut: each stands whole where its thing is asked for.
pub(super) fn cut(value: &Json) -> Json {
    match value {
        Json::String(text) if text.len() > TEXT_MAX => {
            let end = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            Json::String(format!("{}…", text.get(..end).unwrap_or_default()))
        }
        Json::Array(all) => Json::Array(all.iter().map(cut).collect()),
        Json::Object(all) => {
            Json::Object(all.iter().map(|(name, value)| (name.clone(), cut(value))).collect())
        }
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => other.clone(),
    }
}

fn read(cursor: &str, list: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix(list)?.strip_prefix(':').map(str::to_owned)
}

/// A value as it stands in a URL.
fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
