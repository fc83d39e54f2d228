//! How much of a field's values people may see: what is shown instead of them, and whether a sentence about
//! them says too much. The hub and the systems have the values whatever the label; it is for whoever shows them.

use std::borrow::Cow;

use crate::{Text, value::Value};

/// How much of a field's values people may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Label {
    /// All.
    #[default]
    Open,
    /// A hint: `a•••@example.com`, or nothing but that there is one.
    Mask,
}

/// What stands for what is not shown.
const DOTS: &str = "•••";
/// So many letters of a value in a row, in a sentence, are too many.
const TELLING: usize = 4;

impl Label {
    /// The value as people may see it. That there is none is no secret.
    pub fn shown(self, value: &Value) -> Cow<'_, Value> {
        match self {
            Self::Open => Cow::Borrowed(value),
            Self::Mask => Cow::Owned(masked(value)),
        }
    }
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Text(text) => {
            let address = text.split_once('@').filter(|(name, domain)| {
                !name.is_empty() && domain.contains('.') && !text.contains(char::is_whitespace)
            });
            let hint = address.and_then(|(name, domain)| {
                Some(format!("{}{DOTS}@{domain}", name.chars().next()?))
            });
            Value::Text(hint.map_or_else(|| DOTS.into(), Text::from))
        }
        Value::Bool(_)
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
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_) => Value::Text(DOTS.into()),
    }
}

/// Whether a sentence holds a value, or so much of it that it tells. Systems cut values, and change their
/// case, before they complain about them.
pub fn betrays(sentence: &str, value: &Value) -> bool {
    if value.is_null() {
        return false;
    }
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (sentence, value) = (lower(sentence), lower(&value.to_string()));
    let size = value.len().min(TELLING);
    size > 0 && value.windows(size).any(|part| sentence.windows(size).any(|seen| seen == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Label::Mask.shown(&Value::Text(text.into())).to_string()
    }

    #[test]
    fn of_an_address_its_domain_is_shown_and_of_anything_else_nothing() {
        assert_eq!(shown("ada@example.com"), "a•••@example.com");
        assert_eq!(shown("Élodie@example.com"), "É•••@example.com");
        for other in ["+33611223344", "", "@example.com", "a b@example.com", "me@home"] {
            assert_eq!(shown(other), "•••", "{other}");
        }
        assert_eq!(*Label::Mask.shown(&Value::Null), Value::Null);
        assert_eq!(Label::Mask.shown(&Value::Bool(true)).to_string(), "•••");
        let open = Value::Text("ada@example.com".into());
        assert_eq!(*Label::Open.shown(&open), open);
    }

    #[test]
    fn a_sentence_that_holds_a_part_of_a_value_betrays_it() {
        let value = Value::Text("Ada@example.com".into());
        for sentence in ["Duplicate entry 'ada@example.com'", "value ADA@EX… is too long"] {
            assert!(betrays(sentence, &value), "{sentence}");
        }
        assert!(!betrays("erp takes 10 characters, got 14", &value));
        assert!(betrays("no row with 9", &Value::Text("9".into())));
        assert!(!betrays("anything", &Value::Null) && !betrays("", &value));
    }
}
