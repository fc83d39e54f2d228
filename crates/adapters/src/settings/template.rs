//! Texts of requests with places for values: `customers/{id}`, `updated_since={cursor}`.
//!
//! A value is always percent-encoded: whatever a row holds, it cannot lead to another path, add a
//! parameter or leave the system.

use std::fmt;

use syncline_core::Text;

/// A text with places.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: Text,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Text),
    Place(Text),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err("a `}` is missing".into());
            };
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return Err("a place is written {name}".into());
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(Text::new(before)));
            }
            pieces.push(Piece::Place(Text::new(name)));
            rest = after;
        }
        if rest.contains('}') {
            return Err("a `{` is missing".into());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(Text::new(rest)));
        }
        if text.contains(char::is_whitespace) || text.contains('#') {
            return Err("blanks and # are written %20 and %23".into());
        }
        Ok(Self { text: Text::new(text), pieces })
    }

    /// The names of its places, in order.
    pub fn places(&self) -> impl Iterator<Item = &Text> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Place(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    /// The text with values in its places; `None` if one is not known.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place(name) => encode(&value(name)?, &mut out),
            }
        }
        Some(out)
    }
}

/// As written, which tells no row's values.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Everything but letters, digits, `-`, `_`, `~` and dots within a name becomes `%XX`.
fn encode(value: &str, out: &mut String) {
    // `.` and `..` would be steps of the path.
    let steps = value.chars().all(|letter| letter == '.');
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'.' if !steps => out.push('.'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, value: &str) -> Option<String> {
        let template = Template::parse(template).unwrap();
        template.fill(|name| (name == "id").then(|| value.to_owned()))
    }

    #[test]
    fn values_never_change_where_a_request_goes() {
        let all = "../admin?x=1&y=é#z";
        assert_eq!(
            filled("customers/{id}", all).unwrap(),
            "customers/..%2Fadmin%3Fx%3D1%26y%3D%C3%A9%23z"
        );
        assert_eq!(filled("customers/{id}", "17").unwrap(), "customers/17");
        assert_eq!(filled("{id}", "..").unwrap(), "%2E%2E");
        assert_eq!(filled("{id}/{other}", "17"), None);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["a/{id", "a/id}", "a/{}", "{a{b}}", "a b", "a#b"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
