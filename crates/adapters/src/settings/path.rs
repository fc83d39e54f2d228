//! Where something is in a JSON document: `$.customers`, `default_address.zip`, `a['odd name']`.

use std::fmt;

use serde_json::{Map, Value as Json};
use syncline_core::Text;

/// Names of objects, outermost first. Without names: the whole document.
#[derive(Clone, Debug, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Path(Vec<Text>);

/// Something else than an object is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked;

impl Path {
    /// Reads a path. `$` is the document itself and may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{why}: write $.orders, or address.zip"));
        let mut rest = match text.strip_prefix('$') {
            Some("") => return Ok(Self::default()),
            Some(rest) if rest.starts_with(['.', '[']) => rest.strip_prefix('.').unwrap_or(rest),
            Some(_) => return wrong("after $ comes a dot"),
            None => text,
        };
        let mut names = Vec::new();
        loop {
            let (name, after) = if let Some(quoted) = rest.strip_prefix("['") {
                match quoted.split_once("']") {
                    Some(found) => found,
                    None => return wrong("a `']` is missing"),
                }
            } else {
                rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
            };
            if name.is_empty() {
                return wrong("a name is empty");
            }
            names.push(Text::new(name));
            rest = match after.strip_prefix('.') {
                Some(after) => after,
                None if after.is_empty() => return Ok(Self(names)),
                None if after.starts_with("['") => after,
                None => return wrong("only names are followed, not places in lists"),
            };
        }
    }

    /// This member of the document, whatever characters its name has.
    pub fn name(name: &str) -> Self {
        Self(vec![Text::new(name)])
    }

    /// The whole document.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What is there; `None`: the document ends before the path does.
    ///
    /// # Errors
    /// If something else than an object is in the way.
    pub fn at<'a>(&self, document: &'a Json) -> Result<Option<&'a Json>, Blocked> {
        let mut found = document;
        for name in &self.0 {
            match found {
                Json::Object(entries) => match entries.get(name.as_str()) {
                    Some(entry) => found = entry,
                    None => return Ok(None),
                },
                Json::Null => return Ok(None),
                Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                    return Err(Blocked);
                }
            }
        }
        Ok(Some(found))
    }

    /// Puts a value there, and makes the objects on the way.
    ///
    /// # Errors
    /// If something else than an object is in the way.
    pub fn put(&self, document: &mut Json, value: Json) -> Result<(), Blocked> {
        let mut place = document;
        for name in &self.0 {
            if place.is_null() {
                *place = Json::Object(Map::new());
            }
            let Json::Object(entries) = place else { return Err(Blocked) };
            place = entries.entry(name.to_string()).or_insert(Json::Null);
        }
        *place = value;
        Ok(())
    }
}

/// As the file writes it, without the `$`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            if name.contains(['.', '[', ' ']) {
                write!(f, "['{name}']")?;
            } else {
                write!(f, "{}{name}", if at == 0 { "" } else { "." })?;
            }
        }
        if self.0.is_empty() { f.write_str("$") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_into_a_document_and_is_written_as_it_was() {
        let document = json!({"a": {"b": 1, "odd.name": {"c": null}}, "t": "x"});
        let found = |path: &str| {
            let parsed = Path::parse(path).unwrap();
            parsed.at(&document).map(|found| found.map(ToString::to_string))
        };
        assert_eq!(found("$.a.b"), Ok(Some("1".into())));
        assert_eq!(found("a['odd.name'].c"), Ok(Some("null".into())));
        assert_eq!(found("a.missing.deeper"), Ok(None));
        assert_eq!(found("t.deeper"), Err(Blocked));
        assert_eq!(Path::parse("a['odd.name'].c").unwrap().to_string(), "a['odd.name'].c");
        assert!(Path::parse("$").unwrap().is_root());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a..b", ".a", "a.", "$a", "a[0]", "a['b", "a['b']c"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn objects_on_the_way_are_made() {
        let mut document = json!({"a": 1});
        Path::parse("b.c").unwrap().put(&mut document, json!(2)).unwrap();
        assert_eq!(document, json!({"a": 1, "b": {"c": 2}}));
        assert_eq!(Path::parse("a.b").unwrap().put(&mut document, json!(2)), Err(Blocked));
    }
}
