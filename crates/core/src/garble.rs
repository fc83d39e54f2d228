//! Texts that went through another character set on their way: what was `García` reads `GarcÃ­a`,
//! `Garc?a` or `Garc\u{FFFD}a`.
//!
//! Only what a text *was* before tells: nobody types such a thing over the right one, so that a few of them
//! are enough to know that a character set was changed somewhere.

use crate::value::Value;

/// Whether this is what another character set makes of what was there before.
pub fn is_garbled(before: &Value, after: &Value) -> bool {
    let (Value::Text(before), Value::Text(after)) = (before, after) else { return false };
    let is_replaced = after.contains(char::REPLACEMENT_CHARACTER)
        && !before.contains(char::REPLACEMENT_CHARACTER);
    is_replaced || (!before.is_ascii() && (is_misread(before, after) || is_asked(before, after)))
}

/// The bytes of UTF-8, each read as a letter of Windows-1252 or of ISO-8859-1.
fn is_misread(before: &str, after: &str) -> bool {
    let mut letters = after.chars();
    let is_same = before.bytes().all(|byte| {
        letters.next().is_some_and(|letter| letter == char::from(byte) || letter == windows(byte))
    });
    is_same && letters.next().is_none()
}

/// Letters that a character set has not, as question marks: one for each letter, or for each byte of it.
fn is_asked(before: &str, after: &str) -> bool {
    let mut rest = after;
    let is_same = before.chars().all(|letter| {
        let bytes = "????".get(..letter.len_utf8()).filter(|_| !letter.is_ascii());
        let taken = match bytes {
            Some(bytes) => rest.strip_prefix(bytes).or_else(|| rest.strip_prefix('?')),
            None => rest.strip_prefix(letter),
        };
        taken.map(|left| rest = left).is_some()
    });
    is_same && rest.is_empty()
}

/// A byte as Windows-1252 reads it; those that it leaves open as in ISO-8859-1.
fn windows(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|at| HIGH.get(usize::from(at)));
    high.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::is_garbled;
    use crate::value::Value;

    fn garbled(before: &str, after: &str) -> bool {
        is_garbled(&Value::text(before), &Value::text(after))
    }

    #[test]
    fn letters_read_in_another_character_set_are_found() {
        for (before, after) in [
            ("García", "GarcÃ\u{ad}a"),
            ("Jürgen Groß", "JÃ¼rgen GroÃŸ"),
            ("5 € – “x”", "5 â‚¬ â€“ â€œxâ€\u{9d}"),
            ("GarcÃ\u{ad}a", "GarcÃƒÂ\u{ad}a"),
            ("García", "Garc?a"),
            ("García", "Garc??a"),
            ("Łódź", "?ód?"),
            ("日本", "??????"),
            ("García", "Garc\u{fffd}a"),
            ("Garcia", "Garc\u{fffd}\u{fffd}a"),
        ] {
            let only_some = before == "Łódź";
            assert_eq!(garbled(before, after), !only_some, "{before} {after}");
        }
    }

    #[test]
    fn what_a_person_may_have_written_is_not() {
        for (before, after) in [
            ("García", "Garcia"),
            ("García", "GARCÍA"),
            ("Garcia", "Garc?a"),
            ("really?", "really??"),
            ("García", "García?"),
            ("Garc\u{fffd}a", "Garc\u{fffd}a B"),
            ("GarcÃ\u{ad}a", "García"),
            ("é", ""),
            ("", "é"),
        ] {
            assert!(!garbled(before, after), "{before} {after}");
        }
        assert!(!is_garbled(&Value::Null, &Value::text("Garc\u{fffd}a")));
    }
}
