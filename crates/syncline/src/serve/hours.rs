//! The hours in which a system is written.

use std::time::Duration;

use jiff::tz::TimeZone;
use syncline_core::name::Timestamp;

/// From one minute of the day to another; over midnight if the end comes first.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) zone: TimeZone,
}

impl Hours {
    /// How long it is shut; `None`: it is open.
    pub(super) fn opens_in(&self, now: Timestamp) -> Option<Duration> {
        let now = jiff::Timestamp::from_microsecond(now.0).ok()?;
        let at = self.zone.to_datetime(now);
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        let (from, to) = (i32::from(self.from), i32::from(self.to));
        let is_open =
            if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to };
        let left = (from - minute).rem_euclid(24 * 60);
        (!is_open).then(|| Duration::from_secs(60 * u64::from(left.unsigned_abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hours: (u16, u16), at: &str, opens_in_minutes: Option<u64>) {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let hours = Hours { from: hours.0, to: hours.1, zone };
        let at = at.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let found = hours.opens_in(Timestamp(at)).map(|wait| wait.as_secs() / 60);
        assert_eq!(found, opens_in_minutes);
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        check((360, 1380), "2026-07-01T05:00:00Z", None);
        check((360, 1380), "2026-07-01T03:00:00Z", Some(60));
        check((360, 1380), "2026-07-01T21:30:00Z", Some(390));
    }

    #[test]
    fn a_night_goes_over_midnight() {
        check((1320, 300), "2026-07-01T21:00:00Z", None);
        check((1320, 300), "2026-07-01T02:00:00Z", None);
        check((1320, 300), "2026-07-01T03:00:00Z", Some(17 * 60));
    }
}
