//! Times like `0 2 * * *`, in a zone: a clock that is set back or forward neither repeats nor skips
//! them.

use std::{cmp::Ordering, str::FromStr as _};

use croner::{CivilDateTime, Cron, CronDateTime, Resolution, Weekday, errors::CronError};
use jiff::{
    SignedDuration, Timestamp, ZonedDateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// Reads five fields: minute, hour, day, month, weekday.
///
/// # Errors
/// Why they are no such times.
pub(crate) fn parse(text: &str) -> Result<Cron, String> {
    Cron::from_str(text).map_err(|error| error.to_string())
}

/// The next of these times after this one, in microseconds since 1970.
pub(crate) fn next(cron: &Cron, after: i64, zone: &TimeZone) -> Option<i64> {
    let after = Timestamp::from_microsecond(after).ok()?.to_zoned_datetime(zone.clone());
    let next = cron.find_next_occurrence(&Local::new(after)?, false).ok()?;
    Some(next.at.timestamp().as_microsecond())
}

/// A moment in a zone, as the pattern's matcher wants to see it.
#[derive(Clone)]
struct Local {
    at: ZonedDateTime,
    civil: CivilDateTime,
}

impl Local {
    fn new(zoned: ZonedDateTime) -> Option<Self> {
        let at = zoned.datetime();
        let part = |number: i8| u32::from(number.unsigned_abs());
        let civil = CivilDateTime::from_ymd_hms_opt(
            i32::from(at.year()),
            part(at.month()),
            part(at.day()),
            part(at.hour()),
            part(at.minute()),
            part(at.second()),
        )?;
        Some(Self { at: zoned, civil })
    }
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        self.civil
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.at.datetime().weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(days.unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |number: u32| i8::try_from(number).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let at = jiff::civil::DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let found = self.at.time_zone().to_ambiguous_zoned_datetime(at);
        let local = |zoned: Result<ZonedDateTime, jiff::Error>| {
            zoned.ok().and_then(Self::new).ok_or(CronError::InvalidTime)
        };
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(local(found.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(local(found.clone().earlier())?, local(found.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.at.checked_add(SignedDuration::from_secs(seconds)).ok().and_then(Self::new)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.at.timestamp().cmp(&other.at.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next time, as text.
    fn next_after(pattern: &str, after: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let after = after.parse::<Timestamp>().unwrap().as_microsecond();
        let next = next(&parse(pattern).unwrap(), after, &zone).unwrap();
        Timestamp::from_microsecond(next).unwrap().to_string()
    }

    #[test]
    fn a_night_is_the_next_one_in_the_zone() {
        let next = next_after("0 2 * * *", "2026-07-01T10:00:00Z", "Europe/Paris");
        assert_eq!(next, "2026-07-02T00:00:00Z");
    }

    #[test]
    fn a_time_that_the_clock_leaves_out_is_taken_all_the_same() {
        let next = next_after("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Paris");
        assert_eq!(next, "2026-03-29T01:00:00Z");
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_is_taken_once() {
        let first = next_after("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Paris");
        assert_eq!(first, "2026-10-25T00:30:00Z");
        let second = next_after("30 2 * * *", &first, "Europe/Paris");
        assert_eq!(second, "2026-10-26T01:30:00Z");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(parse("at night").is_err());
        assert!(parse("61 * * * *").is_err());
    }
}
