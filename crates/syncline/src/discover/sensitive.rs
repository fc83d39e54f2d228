//! Columns that should not travel: bank accounts, cards, passwords, numbers of the state. Told by
//! what their values are where that can be proved, else by their names.

use syncline_core::value::Value;

use crate::discover::{names, reading};

/// Fewer values prove nothing.
const PROOFS_MIN: usize = 3;

/// Why a column is sensitive, as people read it; `None`: nothing says so.
pub(crate) fn why(name: &str, values: &[&Value]) -> Option<&'static str> {
    let texts: Vec<String> = values.iter().filter_map(|value| text(value)).collect();
    if most(&texts, is_iban) {
        return Some("valid IBAN checksums");
    }
    if most(&texts, is_card) {
        return Some("valid card numbers");
    }
    if most(&texts, is_password_hash) {
        return Some("hashes of passwords");
    }
    by_name(name)
}

fn text(value: &Value) -> Option<String> {
    let text = reading::printed(value)?.to_string();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn most(texts: &[String], holds: impl Fn(&str) -> bool) -> bool {
    let found = texts.iter().filter(|text| holds(text)).count();
    found >= PROOFS_MIN && found * 10 >= texts.len() * 8
}

/// Two letters, two digits, and a remainder of 1 modulo 97.
pub(crate) fn is_iban(text: &str) -> bool {
    let plain: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let (Some(head), Some(tail)) = (plain.get(..4), plain.get(4..)) else { return false };
    let is_shaped = (15..=34).contains(&plain.len())
        && head.iter().take(2).all(u8::is_ascii_uppercase)
        && head.iter().skip(2).all(u8::is_ascii_digit)
        && tail.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let remainder = tail.iter().chain(head).fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    });
    is_shaped && remainder == 1
}

/// Thirteen to nineteen digits of a range that issuers use, and the sum of Luhn.
pub(crate) fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text
        .chars()
        .filter(|letter| !matches!(letter, ' ' | '-'))
        .map_while(|it| it.to_digit(10))
        .collect();
    let all = text.chars().filter(|letter| !matches!(letter, ' ' | '-')).count();
    let begins = matches!(digits.first(), Some(2..=6));
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    digits.len() == all && (13..=19).contains(&all) && begins && sum.is_multiple_of(10)
}

fn is_password_hash(text: &str) -> bool {
    const MARKS: [&str; 11] = [
        "$2a$", "$2b$", "$2y$", "$1$", "$5$", "$6$", "$y$", "$argon2", "$pbkdf2", "pbkdf2_",
        "{SSHA",
    ];
    MARKS.iter().any(|mark| text.starts_with(mark)) && text.len() >= 20
}

fn by_name(name: &str) -> Option<&'static str> {
    const SECRETS: [&str; 14] = [
        "password",
        "passwd",
        "pwd",
        "passwort",
        "kennwort",
        "motdepasse",
        "contrasena",
        "secret",
        "token",
        "salt",
        "apikey",
        "privatekey",
        "otp",
        "totp",
    ];
    const ACCOUNTS: [&str; 8] =
        ["iban", "cvv", "cvc", "pan", "cardnumber", "creditcard", "pin", "bankaccount"];
    const PEOPLE: [&str; 24] = [
        "ssn",
        "nir",
        "dni",
        "nie",
        "nino",
        "bsn",
        "pesel",
        "cpf",
        "curp",
        "nationalid",
        "nationalinsurance",
        "socialsecurity",
        "socialsecuritynumber",
        "sozialversicherungsnummer",
        "svnr",
        "steuerid",
        "passport",
        "passportno",
        "passportnumber",
        "codicefiscale",
        "personnummer",
        "identitycard",
        "idcard",
        "driverlicense",
    ];
    let plain: String = name
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let words = names::words(name);
    let is_one = |list: &[&str]| {
        list.contains(&plain.as_str()) || words.iter().any(|word| list.contains(&word.as_str()))
    };
    let begins = SECRETS.iter().take(7).any(|word| plain.starts_with(word));
    if is_one(&SECRETS) || begins {
        return Some("by its name a secret");
    }
    if is_one(&ACCOUNTS) {
        return Some("by its name an account or card");
    }
    is_one(&PEOPLE).then_some("by its name a number of the state")
}

#[cfg(test)]
mod tests;
