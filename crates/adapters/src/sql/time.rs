//! Dates and times of SQL columns: what text says, where on the line of time a value lies.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "conversions name the kinds they know; all others are treated alike"
)]

use jiff::{civil::DateTime, tz::TimeZone};
use syncline_core::{
    Text,
    decimal::Decimal,
    error::{ErrorKind, PortError},
    name::Timestamp,
    value::{Float, Value, civil, day_number, split_nanoseconds},
};

use crate::sql::poll::{OVERLAP_NUMBERS, OVERLAP_SECONDS};

const DAY_NANOS: i128 = 86_400_000_000_000;

/// The zone of this name; without one, UTC.
///
/// # Errors
/// `SchemaDrift` for a name that no zone has.
pub fn zone(name: Option<&str>, table: &str) -> Result<TimeZone, PortError> {
    name.map_or(Ok(TimeZone::UTC), |name| {
        TimeZone::get(name).map_err(|_unknown| {
            PortError::new(
                ErrorKind::SchemaDrift,
                format!("use table {table:?}"),
                format!("there is no time zone {name:?}"),
            )
        })
    })
}

/// The point in time that a `changed_at` column shows; local times are in `zone` (an hour that
/// exists twice counts as its first, one that does not exist is moved forward). Whole numbers are
/// seconds since 1970, or milli- or microseconds where seconds would lie after the year 5000.
pub fn timestamp(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    match value {
        Value::Instant(seconds, nanos) | Value::OffsetDateTime(seconds, nanos, _) => {
            Some(Timestamp(seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))?))
        }
        Value::LocalDateTime(days, nanos) => local(*days, *nanos, zone),
        Value::Date(days) => local(*days, 0, zone),
        Value::Text(text) => {
            if let Some((days, nanos)) = parse_local(text) {
                return local(days, nanos, zone);
            }
            let instant: jiff::Timestamp = text.parse().ok()?;
            Some(Timestamp(instant.as_microsecond()))
        }
        Value::Num(number) => {
            let number = i64::try_from(number.to_i128()?).ok()?;
            let micros = match number.unsigned_abs() {
                0..100_000_000_000 => number.checked_mul(1_000_000)?,
                100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000)?,
                _ => number,
            };
            Some(Timestamp(micros))
        }
        _ => None,
    }
}

fn local(days: i32, nanos: u64, zone: &TimeZone) -> Option<Timestamp> {
    let (year, month, day) = civil(days);
    let seconds = nanos / 1_000_000_000;
    let date = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(seconds / 3600).ok()?,
        i8::try_from(seconds / 60 % 60).ok()?,
        i8::try_from(seconds % 60).ok()?,
        i32::try_from(nanos % 1_000_000_000).ok()?,
    )
    .ok()?;
    let instant = zone.to_ambiguous_timestamp(date).compatible().ok()?;
    Some(Timestamp(instant.as_microsecond()))
}

/// The lowest local time that clocks in this zone show from now on, within a day: the present one,
/// unless they are about to be put back.
pub fn local_floor(now: Timestamp, zone: &TimeZone) -> Option<Value> {
    let now = jiff::Timestamp::from_microsecond(now.0).ok()?;
    let shown = |at: jiff::Timestamp| -> Option<Value> {
        let date = zone.to_datetime(at);
        let days = syncline_core::value::day_number(
            i64::from(date.year()),
            u32::try_from(date.month()).ok()?,
            u32::try_from(date.day()).ok()?,
        )?;
        let seconds = i64::from(date.hour()) * 3_600
            + i64::from(date.minute()) * 60
            + i64::from(date.second());
        let nanos = seconds * 1_000_000_000 + i64::from(date.subsec_nanosecond());
        Some(Value::LocalDateTime(days, u64::try_from(nanos).ok()?))
    };
    let present = shown(now)?;
    let turned = zone
        .following(now)
        .next()
        .map(|transition| transition.timestamp())
        .filter(|at| at.as_second() - now.as_second() < 86_400)
        .and_then(shown);
    Some(match turned {
        Some(turned) if place(&turned) < place(&present) => turned,
        Some(_) | None => present,
    })
}

/// Where a date or time lies, in nanoseconds, for comparing values of one kind.
pub fn place(value: &Value) -> Option<i128> {
    match value {
        Value::Instant(seconds, nanos) | Value::OffsetDateTime(seconds, nanos, _) => {
            Some(i128::from(*seconds) * 1_000_000_000 + i128::from(*nanos))
        }
        Value::LocalDateTime(days, nanos) => {
            Some(i128::from(*days) * DAY_NANOS + i128::from(*nanos))
        }
        Value::Date(days) => Some(i128::from(*days) * DAY_NANOS),
        _ => None,
    }
}

/// A cursor value less the overlap. Values that are neither times nor numbers stay: their ties are
/// read again, and no more.
pub fn back(value: &Value) -> Value {
    let overlap = i128::from(OVERLAP_SECONDS) * 1_000_000_000;
    let moved = match value {
        Value::Instant(..) => place(value)
            .and_then(|at| split_nanoseconds(at - overlap))
            .map(|(seconds, nanos)| Value::Instant(seconds, nanos)),
        Value::OffsetDateTime(_, _, minutes) => place(value)
            .and_then(|at| split_nanoseconds(at - overlap))
            .map(|(seconds, nanos)| Value::OffsetDateTime(seconds, nanos, *minutes)),
        Value::LocalDateTime(..) => place(value).and_then(|at| {
            let at = at - overlap;
            let days = i32::try_from(at.div_euclid(DAY_NANOS)).ok()?;
            Some(Value::LocalDateTime(days, u64::try_from(at.rem_euclid(DAY_NANOS)).ok()?))
        }),
        Value::Date(days) => days.checked_sub(1).map(Value::Date),
        Value::Num(number) => {
            // Seconds, milli- and microseconds since 1970 look like numbers: never less than 5 min.
            let unit = match number.to_i128().map(i128::unsigned_abs) {
                Some(0..100_000_000_000) => 1,
                Some(100_000_000_000..100_000_000_000_000) => 1_000,
                Some(_) | None => 1_000_000,
            };
            number.sub(Decimal::from((OVERLAP_SECONDS * unit).max(OVERLAP_NUMBERS))).map(Value::Num)
        }
        // Seconds since 1970, or Julian days, with a fraction.
        Value::Float(number) => {
            let number = number.get();
            let seconds = OVERLAP_SECONDS as f64;
            let is_julian = (2_000_000.0..3_000_000.0).contains(&number);
            let moved = number - if is_julian { seconds / 86_400.0 } else { seconds };
            Some(Value::Float(Float::new(moved)))
        }
        // Texts in the ISO form sort by time, and a space sorts before the `T`.
        Value::Text(text) => parse_local(text.trim_end_matches('Z')).and_then(|(days, nanos)| {
            match back(&Value::LocalDateTime(days, nanos / 1_000_000_000 * 1_000_000_000)) {
                moved @ Value::LocalDateTime(..) => Some(Value::text(moved.to_string())),
                _ => None,
            }
        }),
        _ => None,
    };
    moved.unwrap_or_else(|| value.clone())
}

/// Reads `2024-01-31`.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    day_number(
        i64::from(digits(text.get(0..4)?)?),
        digits(text.get(5..7)?)?,
        digits(text.get(8..10)?)?,
    )
}

/// Reads `10:02:03`, `10:02` and `10:02:03.25`: nanoseconds since midnight.
pub fn parse_time(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.get(2) != Some(&b':') {
        return None;
    }
    let (hours, minutes) = (digits(text.get(0..2)?)?, digits(text.get(3..5)?)?);
    let seconds = match bytes.get(5) {
        None => 0,
        Some(b':') => digits(text.get(6..8)?)?,
        Some(_) => return None,
    };
    let nanos = match bytes.get(8) {
        None => 0,
        Some(b'.') => {
            let fraction = text.get(9..)?;
            let scale = u32::try_from(fraction.len()).ok().filter(|length| *length <= 9)?;
            digits(fraction)? * 10u32.pow(9 - scale)
        }
        Some(_) => return None,
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let whole = u64::from(hours) * 3600 + u64::from(minutes) * 60 + u64::from(seconds);
    Some(whole * 1_000_000_000 + u64::from(nanos))
}

/// Reads a date, and a time after a space or a `T`: days, and nanoseconds since midnight.
pub fn parse_local(text: &str) -> Option<(i32, u64)> {
    let date = parse_date(text.get(0..10)?)?;
    match text.as_bytes().get(10) {
        None => Some((date, 0)),
        Some(b' ' | b'T') => Some((date, parse_time(text.get(11..)?)?)),
        Some(_) => None,
    }
}

fn digits(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A point in time as `2024-01-31 10:02:03` in UTC, as SQL writes it.
pub fn utc_text(at: Timestamp) -> Text {
    let seconds = at.0.div_euclid(1_000_000);
    let days = i32::try_from(seconds.div_euclid(86_400)).unwrap_or(i32::MAX);
    let nanos = u64::try_from(seconds.rem_euclid(86_400)).unwrap_or(0) * 1_000_000_000;
    Text::new(Value::LocalDateTime(days, nanos).to_string())
}

#[cfg(test)]
mod tests;
