//! Words of an expression.

use crate::{Text, decimal::Decimal, expr::ExprError};

/// A word and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) offset: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Number(Decimal),
    Text(Text),
    Name(Text),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}", "=",
];

/// Cuts a text into words; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExprError> {
    let mut tokens = Vec::new();
    let mut offset = 0;
    while let Some(rest) = text.get(offset..).filter(|rest| !rest.is_empty()) {
        let blanks = rest.len() - rest.trim_start().len();
        if blanks > 0 {
            offset += blanks;
            continue;
        }
        let (kind, length) = token(rest, offset)?;
        tokens.push(Token { offset, kind });
        offset += length;
    }
    tokens.push(Token { offset: text.len(), kind: Kind::End });
    Ok(tokens)
}

fn token(rest: &str, offset: usize) -> Result<(Kind, usize), ExprError> {
    let first = rest.chars().next().unwrap_or(' ');
    let after_point = rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if first.is_ascii_digit() || first == '.' && after_point {
        return number(rest, offset);
    }
    if first == '"' || first == '\'' {
        return string(rest, first, offset);
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        return Ok((Kind::Name(Text::new(rest.get(..end).unwrap_or(rest))), end));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(&"=") => Err(error(offset, "a comparison is written `==`")),
        Some(sign) => Ok((Kind::Sign(sign), sign.len())),
        None => Err(error(offset, format!("`{first}` means nothing here"))),
    }
}

fn number(rest: &str, offset: usize) -> Result<(Kind, usize), ExprError> {
    let bytes = rest.as_bytes();
    let digits =
        |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let length = digits(end + 1 + sign);
        if length > 0 {
            end += 1 + sign + length;
        }
    }
    if rest.get(end..).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphanumeric) {
        return Err(error(offset, "a number ends with a letter; texts stand in quotes"));
    }
    let text = rest.get(..end).unwrap_or(rest);
    match Decimal::parse(text).filter(|number| number.exponent().abs() <= 1_000) {
        Some(number) => Ok((Kind::Number(number), end)),
        None => Err(error(offset, "a number has at most 38 digits")),
    }
}

fn string(rest: &str, quote: char, offset: usize) -> Result<(Kind, usize), ExprError> {
    let mut out = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return Ok((Kind::Text(Text::new(out)), at + 1));
        }
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next().map(|(_, escape)| escape) {
            Some(escape @ ('\\' | '"' | '\'' | '`')) => out.push(escape),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                match code.filter(|_| digits.len() == 4) {
                    Some(letter) => out.push(letter),
                    None => return Err(error(offset + at, "`\\u` needs four hexadecimal digits")),
                }
            }
            Some(_) | None => {
                return Err(error(offset + at, "an unknown escape; a backslash is written `\\\\`"));
            }
        }
    }
    Err(error(offset, "a text without its closing quote"))
}

pub(super) fn error(offset: usize, message: impl AsRef<str>) -> ExprError {
    ExprError { offset, message: Text::new(message) }
}
