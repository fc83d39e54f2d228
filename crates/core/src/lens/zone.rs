//! Wall clocks: what a local time means in a zone, and back.
//!
//! Twice a year a wall clock shows times twice or skips them. Such a time is refused unless the
//! cell says which instant it means; guessing would move a booking by an hour without a trace.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{
    lens::spec::Ambiguous,
    value::{civil, day_number},
};

/// A time zone, found once by its IANA name.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// Why a local time has no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoInstant {
    /// The clock shows it twice, or never.
    Ambiguous,
    /// Beyond the years that calendars are made for.
    OutOfRange,
}

pub(crate) const DAY_NS: u64 = 86_400_000_000_000;

impl Zone {
    /// The zone of this IANA name, `Europe/Paris`; `None` if there is none.
    pub fn get(name: &str) -> Option<Self> {
        // An empty name and jiff's own placeholder are no zones.
        TimeZone::get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// The days since 1970 and the nanoseconds since midnight that a wall clock shows at this
    /// instant (seconds since 1970, nanoseconds within), with the clock's offset in seconds east.
    /// `None` beyond the years -9999 to 9999.
    pub fn local(&self, seconds: i64, nanos: u32) -> Option<(i32, u64, i32)> {
        let instant = Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()?;
        let offset = self.0.to_offset(instant).seconds();
        let (days, nanos) = shifted(seconds, nanos, offset)?;
        Some((days, nanos, offset))
    }

    pub(crate) fn instant(
        &self,
        days: i32,
        nanos: u64,
        rule: Ambiguous,
    ) -> Result<(i64, u32), NoInstant> {
        let local = date_time(days, nanos).ok_or(NoInstant::OutOfRange)?;
        let candidates = self.0.to_ambiguous_timestamp(local);
        let chosen = match rule {
            Ambiguous::Reject if candidates.is_ambiguous() => return Err(NoInstant::Ambiguous),
            Ambiguous::Reject | Ambiguous::Earlier => candidates.earlier(),
            Ambiguous::Later => candidates.later(),
        };
        let chosen = chosen.map_err(|_| NoInstant::OutOfRange)?;
        split(chosen).ok_or(NoInstant::OutOfRange)
    }

    /// The first instant of a day: midnight, or what follows it where the clocks skip midnight.
    pub(crate) fn midnight(&self, days: i32) -> Option<(i64, u32)> {
        let local = date_time(days, 0)?;
        split(self.0.to_ambiguous_timestamp(local).compatible().ok()?)
    }
}

fn split(instant: Timestamp) -> Option<(i64, u32)> {
    let total = instant.as_nanosecond();
    let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
    Some((seconds, total.rem_euclid(1_000_000_000) as u32))
}

/// The local day and time at an offset, in seconds east.
pub(crate) fn shifted(seconds: i64, nanos: u32, offset: i32) -> Option<(i32, u64)> {
    let local = seconds.checked_add(i64::from(offset))?;
    let days = i32::try_from(local.div_euclid(86_400)).ok()?;
    Some((days, local.rem_euclid(86_400) as u64 * 1_000_000_000 + u64::from(nanos)))
}

/// The inverse of [`shifted`].
pub(crate) fn unshifted(days: i32, nanos: u64, offset: i32) -> (i64, u32) {
    let seconds = i64::from(days) * 86_400 + (nanos / 1_000_000_000) as i64 - i64::from(offset);
    (seconds, (nanos % 1_000_000_000) as u32)
}

fn date_time(days: i32, nanos: u64) -> Option<DateTime> {
    let (year, month, day) = civil(days);
    let seconds = nanos / 1_000_000_000;
    if nanos >= DAY_NS || day_number(year, month, day) != Some(days) {
        return None;
    }
    DateTime::new(
        i16::try_from(year).ok()?,
        month as i8,
        day as i8,
        (seconds / 3_600) as i8,
        (seconds / 60 % 60) as i8,
        (seconds % 60) as i8,
        (nanos % 1_000_000_000) as i32,
    )
    .ok()
}
