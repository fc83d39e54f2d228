//! What a system does to texts by itself: blanks, case, length.

use std::borrow::Cow;

use crate::{
    Text,
    lens::{Problem, spec::Case},
    value::Value,
};

/// Rules for the text of a cell, on the system's side.
#[derive(Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own in the file")]
pub(super) struct Clean {
    pub(super) trim: bool,
    pub(super) collapse: bool,
    pub(super) case: Option<Case>,
    /// How many characters the column holds.
    pub(super) max: Option<usize>,
    /// Longer texts are cut; otherwise they are refused.
    pub(super) cut: bool,
    pub(super) blank_is_null: bool,
}

impl Clean {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether reading back what was written may give something else, as declared.
    pub(super) fn is_modulo(&self) -> bool {
        self.trim
            || self.collapse
            || self.case.is_some()
            || self.blank_is_null
            || self.cut && self.max.is_some()
    }

    /// A native value as the conversion sees it; `None` if nothing changes.
    pub(super) fn read(&self, native: &Value) -> Option<Value> {
        match native {
            Value::Text(text) => {
                let spaced = self.spaces(text);
                let read = match self.case {
                    Some(Case::Fold) => lower(spaced),
                    Some(Case::Upper | Case::Lower) | None => spaced,
                };
                if self.blank_is_null && read.trim().is_empty() {
                    return Some(Value::Null);
                }
                match read {
                    Cow::Borrowed(same) if same.len() == text.len() => None,
                    Cow::Borrowed(text) => Some(Value::text(text)),
                    Cow::Owned(text) => Some(Value::text(text)),
                }
            }
            Value::List(items) => {
                let read: Vec<Option<Value>> = items.iter().map(|item| self.read(item)).collect();
                if read.iter().all(Option::is_none) {
                    return None;
                }
                let items = items.iter().zip(read);
                Some(Value::List(
                    items.map(|(item, read)| read.unwrap_or_else(|| item.clone())).collect(),
                ))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Num(_)
            | Value::Float(_)
            | Value::Bytes(_)
            | Value::Uuid(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::LocalDateTime(..)
            | Value::Instant(..)
            | Value::OffsetDateTime(..)
            | Value::Interval(..)
            | Value::Set(_)
            | Value::Map(_)
            | Value::Ref(_) => None,
        }
    }

    /// What is written for this value.
    pub(super) fn write(&self, native: Value) -> Result<Value, Problem> {
        if let Value::Text(text) = native {
            return self.write_text(text).map(Value::Text);
        }
        let Value::List(items) = native else { return Ok(native) };
        items.into_iter().map(|item| self.write(item)).collect::<Result<_, _>>().map(Value::List)
    }

    fn write_text(&self, text: Text) -> Result<Text, Problem> {
        if let Some(max) = self.max
            && !self.cut
            && text.len() > max
        {
            let count = self.normalise(&text, None).chars().count();
            if count > max {
                return Err(Problem::new(
                    "write.value_too_long",
                    format!("takes {max} characters, got {count}"),
                ));
            }
        }
        let written = self.normalise(&text, self.max);
        Ok(match written {
            Cow::Borrowed(same) if same.len() == text.len() => text,
            Cow::Borrowed(text) => Text::new(text),
            Cow::Owned(text) => Text::new(text),
        })
    }

    /// What the column makes of a native value by itself.
    pub(super) fn normalised(&self, native: &Value) -> Value {
        if let Value::List(items) = native {
            return Value::List(items.iter().map(|item| self.normalised(item)).collect());
        }
        let Value::Text(text) = native else { return native.clone() };
        match self.normalise(text, self.max.filter(|_| self.cut)) {
            Cow::Borrowed(same) if same.len() == text.len() => native.clone(),
            Cow::Borrowed(text) => Value::text(text),
            Cow::Owned(text) => Value::text(text),
        }
    }

    fn normalise<'a>(&self, text: &'a str, max: Option<usize>) -> Cow<'a, str> {
        let text = self.spaces(text);
        let text = match self.case {
            Some(Case::Upper) => upper(text),
            Some(Case::Lower) => lower(text),
            Some(Case::Fold) | None => text,
        };
        let Some(max) = max else { return text };
        match (prefix(&text, max), text) {
            (length, Cow::Borrowed(text)) => self.end(text.get(..length).unwrap_or(text)).into(),
            (length, Cow::Owned(mut text)) => {
                text.truncate(length);
                let length = self.end(&text).len();
                text.truncate(length);
                text.into()
            }
        }
    }

    /// A cut may leave a blank at the end, which a trimming system would drop.
    fn end<'a>(&self, text: &'a str) -> &'a str {
        if self.trim { text.trim_end() } else { text }
    }

    fn spaces<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = if self.trim { text.trim() } else { text };
        if !self.collapse {
            return text.into();
        }
        let mut out = String::with_capacity(text.len());
        let mut blank = false;
        for letter in text.chars() {
            let is_blank = letter.is_whitespace();
            if !is_blank {
                out.push(letter);
            } else if !blank {
                out.push(' ');
            }
            blank = is_blank;
        }
        if out == text { text.into() } else { out.into() }
    }
}

fn upper(text: Cow<'_, str>) -> Cow<'_, str> {
    let changed = text.to_uppercase();
    if changed == *text { text } else { changed.into() }
}

fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    let changed = text.to_lowercase();
    if changed == *text { text } else { changed.into() }
}

/// The length in bytes of at most `max` characters that do not tear one that people see: a mark,
/// a joined emoji, a flag or a line end stays with what it belongs to.
fn prefix(text: &str, max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    let mut places = text.char_indices().map(|(place, _)| place);
    let Some(end) = places.nth(max) else { return text.len() };
    let mut cut = end;
    while let Some(next) = text.get(cut..).and_then(|rest| rest.chars().next())
        && let Some(last) = text.get(..cut).and_then(|front| front.chars().next_back())
        && joins(last, next, text.get(..cut).unwrap_or_default())
    {
        cut -= last.len_utf8();
    }
    // A text of nothing but marks: better torn than lost.
    if cut == 0 { end } else { cut }
}

fn joins(last: char, next: char, front: &str) -> bool {
    const JOINER: char = '\u{200d}';
    let is_mark = |letter: char| {
        matches!(letter, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}'
            | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{93a}'..='\u{93c}'
            | '\u{93e}'..='\u{94f}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
            | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
            | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
            | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
    };
    let is_flag = |letter: char| matches!(letter, '\u{1f1e6}'..='\u{1f1ff}');
    let flags = front.chars().rev().take_while(|letter| is_flag(*letter)).count();
    is_mark(next)
        || next == JOINER
        || last == JOINER
        || (last, next) == ('\r', '\n')
        || is_flag(next) && flags % 2 == 1
}
