//! Dates, times and points in time, between the hub's form and a column's.
//!
//! A date is never shifted by a zone. A point in time in a column without a zone needs one
//! declared, and a local time that the clocks repeat or skip is refused unless the cell decides.

use crate::{
    Text,
    decimal::{Decimal, Rounding},
    lens::{
        Problem,
        pattern::{Moment, Pattern, read_offset, write_offset},
        problem::{self, shown},
        spec::{Ambiguous, NativeKind},
        zone::{DAY_NS, NoInstant, Zone, shifted, unshifted},
    },
    value::{Value, nanoseconds, split_nanoseconds},
};

/// Which of the hub's kinds of time a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Date,
    Time,
    Instant,
    Local,
}

/// How a cell writes a time.
#[derive(Debug)]
pub(super) struct Time {
    pub(super) kind: Kind,
    pub(super) native: Option<NativeKind>,
    pub(super) form: Form,
    pub(super) zone: Option<Zone>,
    /// The zone stands in the cell: texts are written in it, without an offset.
    pub(super) zone_is_own: bool,
    pub(super) ambiguous: Ambiguous,
    /// Digits of a second that are kept.
    pub(super) fraction: Option<u32>,
    /// Writing less than was given is declared.
    pub(super) lossy: bool,
}

/// How a time looks as text or number.
#[derive(Debug)]
pub(super) enum Form {
    /// ISO 8601.
    Iso,
    /// By a pattern, whose text is for messages.
    Pattern(Pattern, Text),
    /// Seconds since 1970, times ten to this power: 0, 3, 6 or 9.
    Unix(u32),
}

impl Time {
    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        match (self.kind, native) {
            (Kind::Date, Value::Date(_))
            | (Kind::Time, Value::Time(_))
            | (Kind::Instant, Value::Instant(..))
            | (Kind::Local, Value::LocalDateTime(..)) => Ok(native.clone()),
            (Kind::Local, Value::Date(days)) => Ok(Value::LocalDateTime(*days, 0)),
            (Kind::Date, Value::LocalDateTime(days, _)) => Ok(Value::Date(*days)),
            (Kind::Instant, Value::Date(days)) => self.midnight(*days, native),
            (Kind::Instant, Value::LocalDateTime(days, nanos)) => {
                self.instant(*days, *nanos, native)
            }
            (_, Value::Instant(seconds, nanos)) => self.of_instant(*seconds, *nanos, native),
            (_, Value::OffsetDateTime(seconds, nanos, _)) => {
                self.of_instant(*seconds, *nanos, native)
            }
            (Kind::Time, Value::Interval(0, 0, nanos)) => u64::try_from(*nanos)
                .ok()
                .filter(|nanos| *nanos < DAY_NS)
                .map(Value::Time)
                .ok_or_else(|| self.refused(native)),
            (_, Value::Text(text)) => self.read(text, native),
            (_, Value::Num(number)) => self.read_number(*number, native),
            (
                _,
                Value::Null
                | Value::Bool(_)
                | Value::Float(_)
                | Value::Bytes(_)
                | Value::Uuid(_)
                | Value::Date(_)
                | Value::Time(_)
                | Value::LocalDateTime(..)
                | Value::Interval(..)
                | Value::List(_)
                | Value::Set(_)
                | Value::Map(_)
                | Value::Ref(_),
            ) => Err(self.refused(native)),
        }
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        let golden = self.cut(golden);
        let native = self.write(&golden)?;
        // A form that holds less than the value (no time of day, two digits for a year) would
        // lose it silently.
        if !self.lossy && self.may_lose() && self.get(&native)? != golden {
            return Err(Problem::new(
                "map.lossy",
                format!("{} would come back changed if it were written here", shown(&golden)),
            ));
        }
        Ok(native)
    }

    /// A time at the precision that the column keeps: what is finer is cut.
    pub(super) fn cut(&self, value: &Value) -> Value {
        let Some(digits) = self.fraction else { return value.clone() };
        let step = 10u64.pow(9u32.saturating_sub(digits));
        match value {
            Value::Time(nanos) => Value::Time(nanos - nanos % step),
            Value::LocalDateTime(days, nanos) => Value::LocalDateTime(*days, nanos - nanos % step),
            Value::Instant(seconds, nanos) => Value::Instant(*seconds, nanos - nanos % step as u32),
            Value::OffsetDateTime(seconds, nanos, minutes) => {
                Value::OffsetDateTime(*seconds, nanos - nanos % step as u32, *minutes)
            }
            Value::Null
            | Value::Bool(_)
            | Value::Num(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Uuid(_)
            | Value::Date(_)
            | Value::Interval(..)
            | Value::List(_)
            | Value::Set(_)
            | Value::Map(_)
            | Value::Ref(_) => value.clone(),
        }
    }

    fn may_lose(&self) -> bool {
        let form = match &self.form {
            Form::Iso => false,
            Form::Pattern(..) => true,
            Form::Unix(digits) => *digits < 9,
        };
        let native = match self.native {
            Some(NativeKind::Date) => self.kind != Kind::Date,
            Some(NativeKind::Time) => self.kind != Kind::Time,
            Some(
                NativeKind::Bool
                | NativeKind::Num
                | NativeKind::Float
                | NativeKind::Text
                | NativeKind::Bytes
                | NativeKind::Uuid
                | NativeKind::LocalDateTime
                | NativeKind::Instant
                | NativeKind::OffsetDateTime
                | NativeKind::Interval
                | NativeKind::Json
                | NativeKind::List,
            )
            | None => false,
        };
        form || native
    }

    fn of_instant(&self, seconds: i64, nanos: u32, native: &Value) -> Result<Value, Problem> {
        if self.kind == Kind::Instant {
            return Ok(Value::Instant(seconds, nanos));
        }
        let (days, nanos, _) = self.local(seconds, nanos, native)?;
        match self.kind {
            Kind::Date => Ok(Value::Date(days)),
            Kind::Local => Ok(Value::LocalDateTime(days, nanos)),
            Kind::Time | Kind::Instant => Err(self.refused(native)),
        }
    }

    fn read(&self, text: &str, native: &Value) -> Result<Value, Problem> {
        let moment = match &self.form {
            Form::Iso => iso(text),
            Form::Pattern(pattern, _) => pattern.read(text),
            Form::Unix(_) => {
                let number = Decimal::parse(text).ok_or_else(|| self.refused(native))?;
                return self.read_number(number, native);
            }
        };
        let moment = moment.ok_or_else(|| self.refused(native))?;
        match (self.kind, moment.days, moment.nanos) {
            (Kind::Date, Some(days), None) => Ok(Value::Date(days)),
            (Kind::Date, Some(days), Some(_)) if matches!(self.form, Form::Pattern(..)) => {
                Ok(Value::Date(days))
            }
            // An ISO text with a time, for a date: only midnight loses nothing.
            (Kind::Date, Some(days), Some(0)) if moment.offset.is_none() => Ok(Value::Date(days)),
            (Kind::Time, _, Some(nanos)) => Ok(Value::Time(nanos)),
            (Kind::Local, Some(days), nanos) if moment.offset.is_none() => {
                Ok(Value::LocalDateTime(days, nanos.unwrap_or(0)))
            }
            (Kind::Instant, Some(days), nanos) => match (moment.offset, nanos) {
                (Some(offset), nanos) => {
                    let (seconds, nanos) = unshifted(days, nanos.unwrap_or(0), offset);
                    Ok(Value::Instant(seconds, nanos))
                }
                (None, Some(nanos)) => self.instant(days, nanos, native),
                (None, None) => self.midnight(days, native),
            },
            (Kind::Local, Some(days), nanos) => {
                let (seconds, nanos) =
                    unshifted(days, nanos.unwrap_or(0), moment.offset.unwrap_or(0));
                let (days, nanos, _) = self.local(seconds, nanos, native)?;
                Ok(Value::LocalDateTime(days, nanos))
            }
            (Kind::Date | Kind::Time | Kind::Local | Kind::Instant, _, _) => {
                Err(self.refused(native))
            }
        }
    }

    fn read_number(&self, number: Decimal, native: &Value) -> Result<Value, Problem> {
        match &self.form {
            Form::Unix(digits) => {
                let total = Decimal::new(10i128.pow(9 - digits), 0)
                    .mul(number)
                    .and_then(|nanos| nanos.round(0, Rounding::Truncate)?.to_i128());
                let (seconds, nanos) =
                    total.and_then(split_nanoseconds).ok_or_else(|| self.refused(native))?;
                self.of_instant(seconds, nanos, native)
            }
            Form::Pattern(pattern, _) => {
                // A number has lost its leading zeros: 60501 for `%H%M%S`.
                let width = pattern.digit_count().unwrap_or(0);
                self.read(&format!("{:0>width$}", number.to_string()), native)
            }
            Form::Iso => Err(self.refused(native)),
        }
    }

    fn write(&self, golden: &Value) -> Result<Value, Problem> {
        let textual = matches!(self.native, Some(NativeKind::Text | NativeKind::Json))
            || self.native.is_none() && !matches!(self.form, Form::Iso)
            || self.native == Some(NativeKind::Num);
        if textual {
            return self.write_text(golden);
        }
        let refused = || self.refused(golden);
        match (self.kind, golden, self.native) {
            (Kind::Date, Value::Date(_), None | Some(NativeKind::Date))
            | (Kind::Time, Value::Time(_), None | Some(NativeKind::Time))
            | (Kind::Instant, Value::Instant(..), None | Some(NativeKind::Instant))
            | (Kind::Local, Value::LocalDateTime(..), None | Some(NativeKind::LocalDateTime)) => {
                Ok(golden.clone())
            }
            (Kind::Date, Value::Date(days), Some(NativeKind::LocalDateTime)) => {
                Ok(Value::LocalDateTime(*days, 0))
            }
            (Kind::Date, Value::Date(days), Some(NativeKind::Instant)) => {
                self.midnight(*days, golden)
            }
            (Kind::Date, Value::Date(days), Some(NativeKind::OffsetDateTime)) => {
                self.with_offset(&self.midnight(*days, golden)?)
            }
            (Kind::Local, Value::LocalDateTime(days, nanos), Some(NativeKind::Instant)) => {
                self.instant(*days, *nanos, golden)
            }
            (Kind::Local, Value::LocalDateTime(days, nanos), Some(NativeKind::OffsetDateTime)) => {
                self.with_offset(&self.instant(*days, *nanos, golden)?)
            }
            (Kind::Local, Value::LocalDateTime(days, _), Some(NativeKind::Date)) => {
                Ok(Value::Date(*days))
            }
            (Kind::Instant, Value::Instant(seconds, nanos), Some(NativeKind::LocalDateTime)) => {
                let (days, nanos) = self.unambiguous(*seconds, *nanos, golden)?;
                Ok(Value::LocalDateTime(days, nanos))
            }
            (Kind::Instant, Value::Instant(seconds, nanos), Some(NativeKind::Date)) => {
                Ok(Value::Date(self.local(*seconds, *nanos, golden)?.0))
            }
            (Kind::Instant, Value::Instant(..), Some(NativeKind::OffsetDateTime)) => {
                self.with_offset(golden)
            }
            (Kind::Time, Value::Time(nanos), Some(NativeKind::Interval)) => i64::try_from(*nanos)
                .map(|nanos| Value::Interval(0, 0, nanos))
                .map_err(|_| refused()),
            _ => Err(refused()),
        }
    }

    fn write_text(&self, golden: &Value) -> Result<Value, Problem> {
        let refused = || self.refused(golden);
        let text = match (&self.form, self.moment(golden)?) {
            (Form::Iso, moment) => write_iso(&moment).ok_or_else(refused)?,
            (Form::Pattern(pattern, _), moment) => pattern.write(&moment).ok_or_else(refused)?,
            (Form::Unix(digits), _) => {
                let Value::Instant(seconds, nanos) = golden else { return Err(refused()) };
                let total = nanoseconds(*seconds, *nanos);
                let number = Decimal::new(total, *digits as i32 - 9);
                // As a number the column may hold the fraction; as text the digits are counted.
                return if self.native == Some(NativeKind::Num) {
                    Ok(Value::Num(number))
                } else {
                    let whole = number.round(0, Rounding::Truncate).ok_or_else(refused)?;
                    Ok(Value::text(whole.to_string()))
                };
            }
        };
        if self.native == Some(NativeKind::Num) {
            Decimal::parse(&text).map(Value::Num).ok_or_else(refused)
        } else {
            Ok(Value::text(text))
        }
    }

    /// The parts of a golden value that a text shows.
    fn moment(&self, golden: &Value) -> Result<Moment, Problem> {
        match (self.kind, golden) {
            (Kind::Date, Value::Date(days)) => {
                let nanos = matches!(self.form, Form::Pattern(..)).then_some(0);
                Ok(Moment { days: Some(*days), nanos, offset: None })
            }
            (Kind::Time, Value::Time(nanos)) => {
                Ok(Moment { days: None, nanos: Some(*nanos), offset: None })
            }
            (Kind::Local, Value::LocalDateTime(days, nanos)) => {
                Ok(Moment { days: Some(*days), nanos: Some(*nanos), offset: None })
            }
            (Kind::Instant, Value::Instant(seconds, nanos)) => {
                let carries_offset = match &self.form {
                    Form::Iso => !self.zone_is_own,
                    Form::Pattern(pattern, _) => pattern.has_offset(),
                    Form::Unix(_) => true,
                };
                if !carries_offset {
                    let (days, nanos) = self.unambiguous(*seconds, *nanos, golden)?;
                    return Ok(Moment { days: Some(days), nanos: Some(nanos), offset: None });
                }
                // In the zone's own offset where texts can show it, else in UTC.
                let local = self.zone.as_ref().filter(|_| self.zone_is_own);
                let offset = match local {
                    Some(zone) => zone.local(*seconds, *nanos).map(|(_, _, offset)| offset),
                    None => Some(0),
                };
                let offset = offset.filter(|offset| offset % 60 == 0).unwrap_or(0);
                let (days, nanos) =
                    shifted(*seconds, *nanos, offset).ok_or_else(|| self.refused(golden))?;
                Ok(Moment { days: Some(days), nanos: Some(nanos), offset: Some(offset) })
            }
            _ => Err(self.refused(golden)),
        }
    }

    fn local(&self, seconds: i64, nanos: u32, of: &Value) -> Result<(i32, u64, i32), Problem> {
        let zone = self.zone.as_ref().ok_or_else(|| self.refused(of))?;
        zone.local(seconds, nanos).ok_or_else(|| out_of_range(of))
    }

    fn instant(&self, days: i32, nanos: u64, of: &Value) -> Result<Value, Problem> {
        let zone = self.zone.as_ref().ok_or_else(|| self.refused(of))?;
        match zone.instant(days, nanos, self.ambiguous) {
            Ok((seconds, nanos)) => Ok(Value::Instant(seconds, nanos)),
            Err(NoInstant::Ambiguous) => Err(ambiguous(of)),
            Err(NoInstant::OutOfRange) => Err(out_of_range(of)),
        }
    }

    fn midnight(&self, days: i32, of: &Value) -> Result<Value, Problem> {
        let zone = self.zone.as_ref().ok_or_else(|| self.refused(of))?;
        let (seconds, nanos) = zone.midnight(days).ok_or_else(|| out_of_range(of))?;
        Ok(Value::Instant(seconds, nanos))
    }

    /// The wall clock at an instant, if the wall clock tells the instant.
    fn unambiguous(&self, seconds: i64, nanos: u32, of: &Value) -> Result<(i32, u64), Problem> {
        let (days, local, _) = self.local(seconds, nanos, of)?;
        if self.ambiguous == Ambiguous::Reject {
            self.instant(days, local, of)?;
        }
        Ok((days, local))
    }

    fn with_offset(&self, instant: &Value) -> Result<Value, Problem> {
        let Value::Instant(seconds, nanos) = instant else { return Err(self.refused(instant)) };
        let offset = match &self.zone {
            Some(zone) => zone.local(*seconds, *nanos).map_or(0, |(_, _, offset)| offset),
            None => 0,
        };
        Ok(Value::OffsetDateTime(*seconds, *nanos, i16::try_from(offset / 60).unwrap_or(0)))
    }

    fn refused(&self, value: &Value) -> Problem {
        let kind = match self.kind {
            Kind::Date => "date",
            Kind::Time => "time of day",
            Kind::Instant => "point in time",
            Kind::Local => "local date and time",
        };
        match &self.form {
            Form::Pattern(_, text) => problem::invalid_form(kind, text, value),
            Form::Iso | Form::Unix(_) => problem::invalid(kind, value),
        }
    }
}

fn ambiguous(value: &Value) -> Problem {
    Problem::new(
        "map.ambiguous_time",
        format!("{} is a time that the clocks there repeat or skip", shown(value)),
    )
}

fn out_of_range(value: &Value) -> Problem {
    Problem::new("map.out_of_range", format!("{} is beyond any calendar", shown(value)))
}

/// Reads an ISO 8601 date, time, or both, with or without an offset.
pub(super) fn iso(text: &str) -> Option<Moment> {
    let mut moment = Moment::default();
    let mut rest = text;
    if text.as_bytes().get(2) != Some(&b':') {
        let (date, after) = text.split_at_checked(10)?;
        let (year, month_day) = date.split_at_checked(4)?;
        let month_day = month_day.strip_prefix('-')?;
        let (month, day) = month_day.split_once('-')?;
        moment.days =
            Some(crate::value::day_number(number(year)?.into(), number(month)?, number(day)?)?);
        rest = match after.as_bytes().first() {
            None => return Some(moment),
            Some(b'T' | b't' | b' ') => after.get(1..)?,
            Some(_) => return None,
        };
    }
    let (clock, tail) = rest.split_at_checked(5)?;
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    let mut tail = tail;
    let (mut second, mut fraction) = (0, 0);
    if let Some(seconds) = tail.strip_prefix(':') {
        let (digits, after) = seconds.split_at_checked(2)?;
        (second, tail) = (number(digits)?, after);
        if let Some(digits) = tail.strip_prefix('.') {
            let length = digits.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, after) = digits.split_at_checked(length)?;
            if digits.is_empty() || digits.len() > 9 {
                return None;
            }
            fraction = number(digits)? * 10u32.pow(9 - digits.len() as u32);
            tail = after;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = u64::from(hour * 3_600 + minute * 60 + second);
    moment.nanos = Some(seconds * 1_000_000_000 + u64::from(fraction));
    if !tail.is_empty() {
        let (offset, after) = read_offset(tail)?;
        moment.days?;
        moment.offset = after.is_empty().then_some(offset);
        moment.offset?;
    }
    Some(moment)
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Writes ISO 8601: `2024-01-31`, `2024-01-31 12:00:00`, `2024-01-31T12:00:00.5Z`, `12:00:00`.
pub(super) fn write_iso(moment: &Moment) -> Option<String> {
    let mut out = String::with_capacity(32);
    if let Some(days) = moment.days {
        let (year, ..) = crate::value::civil(days);
        if !(0..10_000).contains(&year) {
            return None;
        }
        out.push_str(&Value::Date(days).to_string());
    }
    if let Some(nanos) = moment.nanos {
        if moment.days.is_some() {
            out.push(if moment.offset.is_some() { 'T' } else { ' ' });
        }
        out.push_str(&Value::Time(nanos).to_string());
    }
    match moment.offset {
        Some(0) => out.push('Z'),
        Some(offset) => write_offset(offset, true, &mut out)?,
        None => {}
    }
    Some(out)
}
