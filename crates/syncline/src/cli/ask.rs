//! Questions to a person at a terminal.

use std::io::BufRead as _;

use crate::report;

/// Asks; only `y` or `yes` is a yes.
pub(crate) fn yes(question: &str) -> bool {
    matches!(answer(&format!("{question} [y/N]")).to_lowercase().as_str(), "y" | "yes")
}

/// Asks for a word.
pub(crate) fn answer(question: &str) -> String {
    report::note(question);
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) => line.trim().to_owned(),
        Err(_) => String::new(),
    }
}
