//! Intervals as ISO 8601 writes them: `P1Y2M3DT4H5M6.5S`. Months, days and seconds stay apart.

use std::fmt::Write as _;

use crate::value::Value;

const SECOND_NS: i64 = 1_000_000_000;

/// Reads an interval; each part may carry its own sign.
pub(super) fn parse(text: &str) -> Option<Value> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut rest = rest.strip_prefix('P')?;
    let (mut months, mut days, mut nanos) = (0i64, 0i64, 0i128);
    let (mut in_time, mut seen) = (false, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            if in_time || after.is_empty() {
                return None;
            }
            (in_time, rest) = (true, after);
            continue;
        }
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
        let (digits, tail) = rest.split_at_checked(end)?;
        let unit = tail.as_bytes().first()?;
        rest = tail.get(1..)?;
        seen = true;
        if (in_time, *unit) == (true, b'S') {
            let seconds = crate::decimal::Decimal::parse(digits)?;
            nanos = nanos.checked_add(seconds.at(-9)?)?;
            continue;
        }
        let count: i64 = digits.parse().ok()?;
        let (total, factor) = match (in_time, *unit) {
            (false, b'Y') => (&mut months, 12),
            (false, b'M') => (&mut months, 1),
            (false, b'W') => (&mut days, 7),
            (false, b'D') => (&mut days, 1),
            (true, unit @ (b'H' | b'M')) => {
                let seconds = if unit == b'H' { 3_600 } else { 60 };
                nanos = nanos.checked_add(i128::from(count) * seconds * i128::from(SECOND_NS))?;
                continue;
            }
            _ => return None,
        };
        *total = total.checked_add(count.checked_mul(factor)?)?;
    }
    if !seen {
        return None;
    }
    let sign = if negative { -1 } else { 1 };
    Some(Value::Interval(
        i32::try_from(months * sign).ok()?,
        i32::try_from(days * sign).ok()?,
        i64::try_from(nanos * i128::from(sign)).ok()?,
    ))
}

/// Writes an interval: months, days, and seconds with their fraction.
pub(super) fn write(months: i32, days: i32, nanos: i64) -> String {
    let mut out = String::from("P");
    if months != 0 {
        let _ = write!(out, "{months}M");
    }
    if days != 0 {
        let _ = write!(out, "{days}D");
    }
    if nanos != 0 || months == 0 && days == 0 {
        let seconds = crate::decimal::Decimal::new(i128::from(nanos), -9);
        let _ = write!(out, "T{seconds}S");
    }
    out
}
