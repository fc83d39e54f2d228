//! JSON texts as values and back. Numbers stay exact; of duplicate keys the last counts, as in
//! most databases.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    Text,
    decimal::Decimal,
    value::{DEPTH_MAX, Value},
};

/// Reads a JSON text. `None` if it is none, nests deeper than values may, or holds a number of
/// more than 38 digits.
pub fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(DEPTH_MAX)?;
    reader.blanks();
    reader.rest.is_empty().then_some(value)
}

/// Writes a value as JSON, without blanks. What JSON lacks (dates, bytes) becomes text.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    push(value, &mut out);
    out
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.blanks();
        match self.rest.as_bytes().first()? {
            b'n' => self.eat("null").map(|()| Value::Null),
            b't' => self.eat("true").map(|()| Value::Bool(true)),
            b'f' => self.eat("false").map(|()| Value::Bool(false)),
            b'"' => self.string().map(Value::text),
            b'[' => self.list(depth),
            b'{' => self.map(depth),
            _ => self.number().map(Value::Num),
        }
    }

    fn list(&mut self, depth: u32) -> Option<Value> {
        self.eat("[")?;
        let mut items = Vec::new();
        self.blanks();
        if self.eat("]").is_some() {
            return Some(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.blanks();
            if self.eat("]").is_some() {
                return Some(Value::List(items));
            }
            self.eat(",")?;
        }
    }

    fn map(&mut self, depth: u32) -> Option<Value> {
        self.eat("{")?;
        let mut entries = BTreeMap::new();
        self.blanks();
        if self.eat("}").is_some() {
            return Some(Value::Map(Box::new(entries)));
        }
        loop {
            self.blanks();
            let name = Text::new(self.string()?);
            self.blanks();
            self.eat(":")?;
            entries.insert(name, self.value(depth)?);
            self.blanks();
            if self.eat("}").is_some() {
                return Some(Value::Map(Box::new(entries)));
            }
            self.eat(",")?;
        }
    }

    fn number(&mut self) -> Option<Decimal> {
        let end = self
            .rest
            .find(|letter: char| !matches!(letter, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        // JSON writes no leading plus, no leading zeros, and a digit on either side of the point.
        let whole = digits.strip_prefix('-').unwrap_or(digits);
        let whole = whole.split(['e', 'E']).next()?;
        let (before, after) = match whole.split_once('.') {
            Some((before, after)) => (before, Some(after)),
            None => (whole, None),
        };
        let leading = before.len() > 1 && before.starts_with('0');
        if before.is_empty() || leading || before.starts_with('+') || after == Some("") {
            return None;
        }
        self.rest = rest;
        Decimal::parse(digits)
    }

    fn string(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut out = String::new();
        loop {
            let end =
                self.rest.find(|letter: char| matches!(letter, '"' | '\\') || letter < ' ')?;
            let (plain, rest) = self.rest.split_at_checked(end)?;
            out.push_str(plain);
            self.rest = rest;
            if self.eat("\"").is_some() {
                return Some(out);
            }
            self.eat("\\")?;
            let escape = self.rest.chars().next()?;
            self.rest = self.rest.get(escape.len_utf8()..)?;
            out.push(match escape {
                '"' | '\\' | '/' => escape,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.code_point()?,
                _ => return None,
            });
        }
    }

    fn code_point(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.eat("\\u")?;
        let second = self.unit()?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    }
}

fn push(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Num(number) if (-400..=400).contains(&number.exponent()) => {
            let _ = write!(out, "{number}");
        }
        Value::Num(number) => {
            let _ = write!(out, "{}e{}", number.coefficient(), number.exponent());
        }
        Value::List(items) | Value::Set(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (name, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_text(name, out);
                out.push(':');
                push(item, out);
            }
            out.push('}');
        }
        Value::Text(text) => push_text(text, out),
        Value::Float(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::Ref(_) => push_text(&value.to_string(), out),
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}
