//! Sentences about values that cannot pass.

use crate::{lens::Problem, value::Value};

/// A value as a message shows it: quoted if text, and short.
pub(super) fn shown(value: &Value) -> String {
    const LENGTH_MAX: usize = 60;
    let text = value.to_string();
    let short = match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    };
    if matches!(value, Value::Text(_)) { format!("\"{short}\"") } else { short }
}

/// `"x" is no date`.
pub(super) fn invalid(kind: &str, value: &Value) -> Problem {
    Problem::new("map.invalid", format!("{} is no {kind}", shown(value)))
}

/// `"x" is no date of the form %d/%m/%Y`.
pub(super) fn invalid_form(kind: &str, form: &str, value: &Value) -> Problem {
    Problem::new("map.invalid", format!("{} is no {kind} of the form {form}", shown(value)))
}

/// A setting that means nothing where it stands, or contradicts another.
pub(super) fn setting(message: impl Into<String>) -> Problem {
    Problem::new("map.setting", message)
}
