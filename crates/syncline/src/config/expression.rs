//! Expressions of the file: parsed where they stand, so that a mistake is underlined within the
//! YAML text, and their variables compared with the fields there are.

use syncline_core::expr::Expr;

use crate::config::{
    complaint::Complaint,
    draft::Name,
    similar,
    source::{Place, Sources},
};

/// Parses an expression that may use these variables. Complains about everything else.
pub(crate) fn parse(
    sources: &Sources,
    text: &Name,
    variables: &[&str],
    complaints: &mut Vec<Complaint>,
) -> Option<Expr> {
    let expr = match Expr::parse(&text.value) {
        Ok(expr) => expr,
        Err(error) => {
            let length = usize::from(error.offset < text.value.len());
            let place = within(sources, text, error.offset, length);
            complaints.push(
                Complaint::error("config.expression", place, "this expression is not understood")
                    .label(error.message),
            );
            return None;
        }
    };
    let mut fits = true;
    for variable in expr.variables() {
        if variables.contains(&variable.as_str()) {
            continue;
        }
        fits = false;
        let offset = word_at(&text.value, variable).unwrap_or(0);
        let place = within(sources, text, offset, variable.len());
        let message = format!("there is no `{variable}` here");
        let complaint = Complaint::error("config.unknown_field", place, message);
        complaints.push(match similar::nearest(variable, variables.iter().copied()) {
            Some(near) => complaint.label(format!("did you mean `{near}`?")),
            None => complaint.fix(format!("known here: {}", variables.join(", "))),
        });
    }
    fits.then_some(expr)
}

/// Where a word first stands by itself, outside of quotes.
fn word_at(text: &str, word: &str) -> Option<usize> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None => {
                let before = text.get(..at).and_then(|before| before.chars().next_back());
                let rest = text.get(at..).unwrap_or_default();
                let after = rest.strip_prefix(word).map(|after| after.chars().next());
                let ends = |next: Option<char>| {
                    next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
                };
                if after.is_some_and(ends) && !before.is_some_and(is_part) {
                    return Some(at);
                }
            }
        }
    }
    None
}

/// The place of some bytes of a text's value. Quotes and escapes of YAML are counted; where the
/// value is folded over several lines, the whole text is meant.
pub(crate) fn within(sources: &Sources, text: &Name, offset: usize, length: usize) -> Place {
    let raw = sources.text(text.place);
    let map = byte_map(raw, &text.value);
    let at = |offset: usize| map.as_ref().and_then(|map| map.get(offset).copied());
    match (at(offset), at(offset + length)) {
        (Some(start), Some(end)) => Place {
            start: text.place.start + start,
            end: text.place.start + end.max(start),
            ..text.place
        },
        _ => text.place,
    }
}

/// For each byte of the value (and the end), its byte in the raw text. `None` if the two cannot be
/// laid side by side.
fn byte_map(raw: &str, value: &str) -> Option<Vec<usize>> {
    let (mut at, double, single) = match raw.as_bytes().first() {
        Some(b'"') => (1, true, false),
        Some(b'\'') => (1, false, true),
        _ => (0, false, false),
    };
    let mut map = Vec::with_capacity(value.len() + 1);
    for letter in value.chars() {
        let rest = raw.get(at..)?;
        let width = if single && letter == '\'' && rest.starts_with("''") {
            2
        } else if double && rest.starts_with('\\') {
            let same = rest.get(1..)?.starts_with(letter);
            if same || matches!(letter, '\n' | '\t' | '\r') { 2 } else { return None }
        } else if rest.starts_with(letter) {
            letter.len_utf8()
        } else {
            return None;
        };
        map.extend(std::iter::repeat_n(at, letter.len_utf8()));
        at += width;
    }
    map.push(at);
    Some(map)
}
