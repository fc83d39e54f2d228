//! Numbers: scale, separators and units. Always exact; what does not fit is refused, or rounded
//! where the cell allows it.

use crate::{
    decimal::{Decimal, Rounding},
    lens::{
        Problem,
        problem::{self, shown},
        spec::NativeKind,
    },
    value::{Float, Value},
};

/// How a cell writes a number.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// The hub's value is a whole number.
    pub(super) whole: bool,
    pub(super) native: Option<NativeKind>,
    pub(super) form: Form,
    pub(super) unit: Option<Linear>,
    pub(super) scale: Option<u32>,
    pub(super) digits: Option<u32>,
    /// How digits beyond the scale are dropped; `None`: they are refused.
    pub(super) rounding: Option<Rounding>,
}

/// How a number looks as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Form {
    pub(super) decimal: char,
    pub(super) group: Option<char>,
    /// Digits after the point, filled up with zeros.
    pub(super) pad: u32,
}

/// native = hub × multiply ÷ divide + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Linear {
    pub(super) multiply: Decimal,
    pub(super) divide: Decimal,
    pub(super) offset: Decimal,
}

/// Digits after the point that a quotient without an end is rounded to.
const QUOTIENT_SCALE: u32 = 15;

impl Number {
    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        let invalid = || problem::invalid(self.name(), native);
        let number = self.form.read(native).ok_or_else(invalid)?;
        let number = match &self.unit {
            None => number,
            Some(unit) => number
                .sub(unit.offset)
                .and_then(|number| number.mul(unit.divide))
                .and_then(|number| number.div(unit.multiply, QUOTIENT_SCALE))
                .ok_or_else(|| out_of_range(native))?,
        };
        if self.whole && number.exponent() < 0 {
            return Err(invalid());
        }
        Ok(Value::Num(number))
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        let Value::Num(number) = golden else {
            return Err(problem::invalid(self.name(), golden));
        };
        if self.whole && number.exponent() < 0 {
            return Err(problem::invalid(self.name(), golden));
        }
        let number = match &self.unit {
            None => *number,
            Some(unit) => number
                .mul(unit.multiply)
                .and_then(|number| number.div(unit.divide, QUOTIENT_SCALE))
                .and_then(|number| number.add(unit.offset))
                .ok_or_else(|| out_of_range(golden))?,
        };
        self.write(self.fit(number, golden)?, golden)
    }

    /// A number as the column keeps it.
    pub(super) fn fit(&self, number: Decimal, of: &Value) -> Result<Decimal, Problem> {
        let Some(scale) = self.scale else { return self.within(number, of) };
        if number.scale() <= scale {
            return self.within(number, of);
        }
        let Some(rounding) = self.rounding else {
            return Err(Problem::new(
                "map.lossy",
                format!("{} has more than {scale} digits after the point", shown(of)),
            ));
        };
        let rounded = number.round(scale as i32, rounding).ok_or_else(|| out_of_range(of))?;
        self.within(rounded, of)
    }

    fn within(&self, number: Decimal, of: &Value) -> Result<Decimal, Problem> {
        let Some(digits) = self.digits else { return Ok(number) };
        let whole = i64::from(number.digits()) + i64::from(number.exponent());
        let room = i64::from(digits) - i64::from(self.scale.unwrap_or(0));
        if !number.is_zero() && whole > room {
            return Err(out_of_range(of));
        }
        Ok(number)
    }

    fn write(&self, number: Decimal, of: &Value) -> Result<Value, Problem> {
        let invalid = || problem::invalid(self.name(), of);
        match self.native {
            None | Some(NativeKind::Num | NativeKind::Json) => Ok(Value::Num(number)),
            Some(NativeKind::Text) => {
                Ok(Value::text(self.form.write(number).ok_or_else(|| out_of_range(of))?))
            }
            Some(NativeKind::Float) => {
                let float = to_float(number);
                if self.rounding.is_none() && from_float(float) != Some(number) {
                    return Err(Problem::new(
                        "map.lossy",
                        format!("{} has no exact binary floating-point form", shown(of)),
                    ));
                }
                Ok(Value::Float(float))
            }
            Some(NativeKind::Bool) => match number.to_i128() {
                Some(0) => Ok(Value::Bool(false)),
                Some(1) => Ok(Value::Bool(true)),
                _ => Err(out_of_range(of)),
            },
            Some(
                NativeKind::Bytes
                | NativeKind::Uuid
                | NativeKind::Date
                | NativeKind::Time
                | NativeKind::LocalDateTime
                | NativeKind::Instant
                | NativeKind::OffsetDateTime
                | NativeKind::Interval
                | NativeKind::List,
            ) => Err(invalid()),
        }
    }

    /// Whether converting may give digits without an end.
    pub(super) fn is_endless(&self) -> bool {
        self.unit.is_some_and(|unit| !unit.is_finite())
    }

    fn name(&self) -> &'static str {
        if self.whole { "whole number" } else { "number" }
    }
}

pub(super) fn out_of_range(value: &Value) -> Problem {
    Problem::new("map.out_of_range", format!("{} is too large", shown(value)))
}

/// The shortest decimal that means this double; `None` for infinities and NaN.
pub(super) fn from_float(float: Float) -> Option<Decimal> {
    let number = float.get();
    if number.is_finite() { Decimal::parse(&format!("{number:e}")) } else { None }
}

/// The nearest double.
pub(super) fn to_float(number: Decimal) -> Float {
    // Through text, because it is the only conversion that rounds once.
    let text = format!("{}e{}", number.coefficient(), number.exponent());
    Float::new(text.parse().unwrap_or(f64::NAN))
}

impl Form {
    /// Digits and a point.
    pub(super) const PLAIN: Self = Self { decimal: '.', group: None, pad: 0 };

    /// The number in a native value.
    pub(super) fn read(&self, native: &Value) -> Option<Decimal> {
        match native {
            Value::Num(number) => Some(*number),
            Value::Text(text) => self.parse(text),
            Value::Float(float) => from_float(*float),
            Value::Bool(value) => Some(Decimal::from(i64::from(*value))),
            Value::Null
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
            | Value::Ref(_) => None,
        }
    }

    /// Reads a text; groups must stand where they belong, blanks around do not matter.
    pub(super) fn parse(&self, text: &str) -> Option<Decimal> {
        let text = text.trim();
        if *self == Self::PLAIN {
            return Decimal::parse(text);
        }
        let (sign, digits) = match text.as_bytes().first()? {
            b'-' => ("-", text.get(1..)?),
            b'+' => ("", text.get(1..)?),
            _ => ("", text),
        };
        let (whole, fraction) = match digits.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let mut plain = String::with_capacity(text.len());
        plain.push_str(sign);
        let mut groups = whole.split(|letter| self.is_group(letter));
        let first = groups.next()?;
        plain.push_str(first);
        let mut count = 1;
        for group in groups {
            count += 1;
            if group.len() != 3 {
                return None;
            }
            plain.push_str(group);
        }
        if count > 1 && !(1..=3).contains(&first.len()) {
            return None;
        }
        if let Some(fraction) = fraction {
            plain.push('.');
            plain.push_str(fraction);
        }
        let clean =
            plain.bytes().skip(sign.len()).all(|byte| byte.is_ascii_digit() || byte == b'.');
        if clean { Decimal::parse(&plain) } else { None }
    }

    fn is_group(&self, letter: char) -> bool {
        // A blank between groups is often one that does not break.
        self.group == Some(letter)
            || self.group == Some(' ') && matches!(letter, '\u{a0}' | '\u{202f}')
    }

    /// Writes a number; `None` if it would take more than a hundred letters.
    pub(super) fn write(&self, number: Decimal) -> Option<String> {
        if !(-100..=100).contains(&number.exponent()) {
            return None;
        }
        let plain = number.to_string();
        if self.decimal == '.' && self.group.is_none() && self.pad <= number.scale() {
            return Some(plain);
        }
        let (sign, digits) = match plain.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", plain.as_str()),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut out = String::with_capacity(plain.len() + 16);
        out.push_str(sign);
        for (index, digit) in whole.char_indices() {
            if let Some(group) = self.group
                && index > 0
                && (whole.len() - index) % 3 == 0
            {
                out.push(group);
            }
            out.push(digit);
        }
        let pad = self.pad.min(100) as usize;
        if !fraction.is_empty() || pad > 0 {
            out.push(self.decimal);
            out.push_str(fraction);
            out.extend(std::iter::repeat_n('0', pad.saturating_sub(fraction.len())));
        }
        Some(out)
    }
}

impl Linear {
    /// Whether both directions always end after finitely many digits.
    pub(super) fn is_finite(&self) -> bool {
        let one = Decimal::from(1i64);
        let ends = |number: Decimal| {
            let mut rest = number.coefficient().unsigned_abs();
            for prime in [2, 5] {
                while rest != 0 && rest.is_multiple_of(prime) {
                    rest /= prime;
                }
            }
            rest == 1
        };
        match self.multiply.div(self.divide, 30) {
            Some(factor) if factor.mul(self.divide) == Some(self.multiply) => {
                factor == one || ends(factor)
            }
            _ => false,
        }
    }
}
