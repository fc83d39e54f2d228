//! Exact decimal numbers: the one numeric type of the hub.
//!
//! A number is `coefficient × 10^exponent` with trailing zeros removed, so that `1.0` and `1.00`
//! are one value. Scale is presentation and stays with the system that shows it. The coefficient
//! holds 38 digits; what needs more is refused where it is read or computed, never rounded.

use std::{cmp::Ordering, fmt};

/// An exact decimal number. Equality is numeric equality.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    // Split so that the type needs no 16-byte alignment: values are copied by the million.
    high: i64,
    low: u64,
    exponent: i32,
}

/// What happens to digits that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero.
    Truncate,
    /// To the nearest, ties away from zero (PostgreSQL `numeric`, MariaDB `decimal`).
    HalfUp,
    /// To the nearest, ties to the even digit.
    HalfEven,
}

/// One more than the greatest coefficient.
const COEFFICIENT_END: u128 = 10u128.pow(38);
/// How far the point may be from the coefficient; databases stop earlier.
const EXPONENT_MAX: i32 = 200_000;
/// How many zeros are printed before scientific notation takes over.
const PLAIN_MAX: u32 = 400;

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { high: 0, low: 0, exponent: 0 };

    /// Returns `coefficient × 10^exponent`, in the one normal form. For numbers that are known to
    /// fit; what comes from outside goes through [`Decimal::checked`].
    pub fn new(mut coefficient: i128, mut exponent: i32) -> Self {
        if coefficient == 0 {
            return Self::ZERO;
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent = exponent.saturating_add(1);
        }
        Self { high: (coefficient >> 64) as i64, low: coefficient as u64, exponent }
    }

    /// As [`Decimal::new`], or `None` for more than 38 digits or a point out of reach.
    pub fn checked(coefficient: i128, exponent: i32) -> Option<Self> {
        if coefficient != 0 && exponent.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
            return None;
        }
        let number = Self::new(coefficient, exponent);
        (number.coefficient().unsigned_abs() < COEFFICIENT_END).then_some(number)
    }

    /// The coefficient; not divisible by ten unless it is zero.
    pub fn coefficient(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    /// The power of ten.
    pub fn exponent(self) -> i32 {
        self.exponent
    }

    /// Whether this is zero.
    pub fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Whether this is below zero.
    pub fn is_negative(self) -> bool {
        self.high < 0
    }

    /// Parses plain or scientific notation: `-12.50`, `1e3`. Returns `None` for anything else and
    /// for numbers of more than 38 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, mantissa.get(1..)?),
            b'+' => (false, mantissa.get(1..)?),
            _ => (false, mantissa),
        };
        let (mut coefficient, mut scale, mut seen, mut point, mut zeros) =
            (0i128, 0i32, false, false, 0u32);
        for byte in digits.bytes() {
            match byte {
                b'0' => {
                    // Trailing zeros are remembered, not multiplied in: 1 followed by forty is fine.
                    seen = true;
                    zeros += 1;
                    scale += i32::from(point);
                }
                b'1'..=b'9' => {
                    seen = true;
                    if coefficient != 0 || zeros == 0 {
                        for _ in 0..zeros {
                            coefficient = coefficient.checked_mul(10)?;
                        }
                    }
                    zeros = 0;
                    coefficient =
                        coefficient.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                    scale += i32::from(point);
                }
                b'.' if !point => point = true,
                _ => return None,
            }
        }
        if !seen {
            return None;
        }
        let exponent = exponent.checked_sub(scale)?.checked_add(i32::try_from(zeros).ok()?)?;
        Self::checked(if negative { -coefficient } else { coefficient }, exponent)
    }

    /// The sum, or `None` if it needs more than 38 digits.
    #[expect(clippy::should_implement_trait, reason = "no operator: it may have no result")]
    pub fn add(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        // Zero has no place of its own: it must not drag the other number to an exponent.
        if self.is_zero() {
            return Some(other);
        }
        if other.is_zero() {
            return Some(self);
        }
        Self::checked(self.at(exponent)?.checked_add(other.at(exponent)?)?, exponent)
    }

    /// The difference, or `None` if it needs more than 38 digits.
    #[expect(clippy::should_implement_trait, reason = "no operator: it may have no result")]
    pub fn sub(self, other: Self) -> Option<Self> {
        self.add(other.neg())
    }

    /// The same number with the other sign.
    #[expect(clippy::should_implement_trait, reason = "no operator: it may have no result")]
    pub fn neg(self) -> Self {
        Self::new(self.coefficient().wrapping_neg(), self.exponent)
    }

    /// The product, or `None` if it needs more than 38 digits.
    #[expect(clippy::should_implement_trait, reason = "no operator: it may have no result")]
    pub fn mul(self, other: Self) -> Option<Self> {
        let coefficient = self.coefficient().checked_mul(other.coefficient())?;
        Self::checked(coefficient, self.exponent.checked_add(other.exponent)?)
    }

    /// The quotient if it is exact within 38 digits; otherwise rounded half-even to `scale` places.
    /// `None` for a division by zero or beyond the range.
    pub fn div(self, other: Self, scale: u32) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let scale = i32::try_from(scale).ok()?;
        // numerator / denominator × 10^(e1 - e2); widened until it comes out even, or the numerator
        // is full. On the way, one place more than asked for is what rounding needs.
        let mut numerator = self.coefficient();
        let mut exponent = self.exponent.checked_sub(other.exponent)?;
        let denominator = other.coefficient();
        let mut enough = None;
        loop {
            let (quotient, rest) = (numerator / denominator, numerator % denominator);
            if rest == 0 {
                return Self::checked(quotient, exponent);
            }
            if exponent < -scale && enough.is_none() {
                // A non-zero rest breaks ties: one more digit says "a little more than half".
                let sign = if (rest < 0) == (denominator < 0) { 1 } else { -1 };
                let sticky = quotient.checked_mul(10).and_then(|wide| wide.checked_add(sign));
                enough = sticky.map(|sticky| Self::new(sticky, exponent - 1));
            }
            let Some(wider) = numerator.checked_mul(10) else { break };
            (numerator, exponent) = (wider, exponent.checked_sub(1)?);
        }
        enough?.round(scale, Rounding::HalfEven)
    }

    /// The number with at most `scale` digits after the point (negative: before it).
    pub fn round(self, scale: i32, rounding: Rounding) -> Option<Self> {
        let drop = scale.checked_neg()?.checked_sub(self.exponent)?;
        if drop <= 0 {
            return Some(self);
        }
        let Some(unit) = u32::try_from(drop).ok().and_then(|drop| 10i128.checked_pow(drop)) else {
            return Some(Self::ZERO);
        };
        let coefficient = self.coefficient();
        let (quotient, rest) = (coefficient / unit, coefficient % unit);
        let twice = rest.abs().cmp(&(unit - rest.abs()));
        let up = match rounding {
            Rounding::Truncate => false,
            Rounding::HalfUp => twice != Ordering::Less,
            Rounding::HalfEven => {
                twice == Ordering::Greater || (twice == Ordering::Equal && quotient % 2 != 0)
            }
        };
        Self::checked(quotient + if up { coefficient.signum() } else { 0 }, -scale)
    }

    /// The coefficient when written with this exponent; `None` if it needs more digits.
    pub fn at(self, exponent: i32) -> Option<i128> {
        let shift = self.exponent.checked_sub(exponent)?;
        if self.is_zero() {
            return Some(0);
        }
        if shift < 0 {
            return None;
        }
        self.coefficient().checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)
    }

    /// The whole number, if it is one and fits.
    pub fn to_i128(self) -> Option<i128> {
        self.at(0)
    }

    /// How many digits stand after the point in plain notation.
    pub fn scale(self) -> u32 {
        u32::try_from(-i64::from(self.exponent)).unwrap_or(0)
    }

    /// How many significant digits the coefficient has; zero has one.
    pub fn digits(self) -> u32 {
        self.coefficient().unsigned_abs().checked_ilog10().unwrap_or(0) + 1
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::new(i128::from(number), 0)
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self::new(i128::from(number), 0)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        match (self.at(exponent), other.at(exponent)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // One of them is out of reach of the other: signs first, then magnitude by length.
            (left, right) => {
                let sign = self.coefficient().signum().cmp(&other.coefficient().signum());
                let longer = if left.is_none() { Ordering::Greater } else { Ordering::Less };
                debug_assert!(left.is_none() != right.is_none(), "one side is at its own exponent");
                sign.then(if self.is_negative() { longer.reverse() } else { longer })
            }
        }
    }
}

/// In plain notation; far from the point, as `1e500`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coefficient = self.coefficient();
        let sign = if coefficient < 0 { "-" } else { "" };
        let digits = coefficient.unsigned_abs().to_string();
        if self.exponent.unsigned_abs() > PLAIN_MAX {
            return write!(f, "{sign}{digits}e{}", self.exponent);
        }
        if self.exponent >= 0 {
            if self.is_zero() {
                return f.write_str("0");
            }
            return write!(f, "{sign}{digits}{}", "0".repeat(self.exponent as usize));
        }
        let scale = self.exponent.unsigned_abs() as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
