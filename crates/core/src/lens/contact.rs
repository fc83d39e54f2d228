//! E-mail addresses and telephone numbers, in the form by which they are compared.

use std::fmt::Write as _;

use phonenumber::{Mode, country};

use crate::{
    Text,
    lens::{Problem, problem, spec::PhoneFormat},
    value::Value,
};

/// The hub's form of an address: no blanks around, domain in lower case.
pub(super) fn email(native: &Value) -> Result<Value, Problem> {
    let invalid = || problem::invalid("e-mail address", native);
    let Value::Text(text) = native else { return Err(invalid()) };
    let trimmed = text.trim();
    let (local, domain) = trimmed.rsplit_once('@').ok_or_else(invalid)?;
    let is_clean = |part: &str| {
        !part.is_empty()
            && !part.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    };
    if !is_clean(local) || !is_clean(domain) || domain.starts_with('.') || domain.ends_with('.') {
        return Err(invalid());
    }
    let lower = domain.to_lowercase();
    if lower == domain && trimmed.len() == text.len() {
        return Ok(native.clone());
    }
    Ok(Value::text(format!("{local}@{lower}")))
}

/// How a cell writes telephone numbers.
#[derive(Debug)]
pub(super) struct Phone {
    region: Option<country::Id>,
    format: PhoneFormat,
}

impl Phone {
    /// `None` if there is no such region.
    pub(super) fn new(region: Option<&str>, format: PhoneFormat) -> Option<Self> {
        let region = match region {
            Some(region) => Some(region.parse().ok()?),
            None => None,
        };
        Some(Self { region, format })
    }

    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        let invalid = || problem::invalid("telephone number", native);
        let text = super::table::key(native).ok_or_else(invalid)?;
        let unread = || match self.region {
            None if !text.trim_start().starts_with(['+', '\u{ff0b}']) => problem::invalid(
                "telephone number with its country, and the field has no `region`",
                native,
            ),
            Some(_) | None => invalid(),
        };
        let (number, extension) = self.parse(&text).ok_or_else(unread)?;
        let mut out = format!("+{}{}", number.code().value(), number.national());
        if let Some(extension) = extension {
            let _ = write!(out, ";ext={extension}");
        }
        Ok(Value::text(out))
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        let invalid = || problem::invalid("telephone number", golden);
        let Value::Text(text) = golden else { return Err(invalid()) };
        if self.format == PhoneFormat::E164 {
            // The hub's own form, checked once when it was read.
            return Ok(golden.clone());
        }
        let (number, extension) = self.parse(text).ok_or_else(invalid)?;
        let mode = match self.format {
            PhoneFormat::National
                if number.country().id() == self.region && self.region.is_some() =>
            {
                Mode::National
            }
            PhoneFormat::National | PhoneFormat::International | PhoneFormat::E164 => {
                Mode::International
            }
        };
        let mut out = String::new();
        // The printer fails where it knows no format of the country.
        write!(out, "{}", number.format().mode(mode)).map_err(|_| invalid())?;
        if let Some(extension) = extension {
            let _ = write!(out, " ext. {extension}");
        }
        // Some countries print what they do not read.
        let again = self.get(&Value::text(&out));
        Ok(if again.as_ref() == Ok(golden) { Value::text(out) } else { golden.clone() })
    }

    fn parse(&self, text: &str) -> Option<(phonenumber::PhoneNumber, Option<Text>)> {
        const LENGTH_MAX: usize = 64;
        if text.len() > LENGTH_MAX {
            return None;
        }
        let (number, extension) = split_extension(text.trim())?;
        let mut digits = String::with_capacity(20);
        for letter in number.trim().chars() {
            match letter {
                '+' | '\u{ff0b}' if digits.is_empty() => digits.push('+'),
                '0'..='9' => digits.push(letter),
                ' '
                | '\u{a0}'
                | '\u{202f}'
                | '-'
                | '\u{2010}'..='\u{2013}'
                | '.'
                | '('
                | ')'
                | '/'
                | '\t' => {}
                _ => return None,
            }
        }
        // The parser sees only a plus and digits: it has been known to stumble over more.
        if !(3..=19).contains(&digits.len()) {
            return None;
        }
        let valid = |region, digits: &str| {
            phonenumber::parse(region, digits).ok().filter(phonenumber::is_valid)
        };
        // Of a number that names its country, the region says nothing, and the parser would take a
        // zero in it for the region's own prefix.
        let parsed = match digits.strip_prefix("00") {
            _ if digits.starts_with('+') => valid(None, &digits),
            Some(abroad) => {
                valid(self.region, &digits).or_else(|| valid(None, &format!("+{abroad}")))
            }
            None => valid(self.region, &digits),
        };
        Some((parsed?, extension))
    }
}

/// `+1 212 555 0100 x12`: what stands before, and the extension's digits.
fn split_extension(text: &str) -> Option<(&str, Option<Text>)> {
    let lower = text.to_ascii_lowercase();
    for mark in [";ext=", "extension", "ext.", "ext", "x", "#"] {
        if let Some(at) = lower.find(mark) {
            let digits = text.get(at + mark.len()..)?.trim();
            let valid =
                (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            return valid.then(|| Some((text.get(..at)?, Some(Text::new(digits)))))?;
        }
    }
    Some((text, None))
}
