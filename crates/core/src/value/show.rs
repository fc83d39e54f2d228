//! Values as people read them.

use std::fmt;

use crate::value::{Float, Value, civil};

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Text(text) = self {
            return write!(f, "{text:?}");
        }
        write!(f, "{} {self}", self.kind())
    }
}

/// As people read it: dates as `2024-01-31`, instants in UTC, texts as they are.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Num(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(raw) => {
                f.write_str("\\x")?;
                raw.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Uuid(raw) => {
                for (index, byte) in raw.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
            Self::Date(days) => date(*days, f),
            Self::Time(nanos) => time(*nanos, f),
            Self::LocalDateTime(days, nanos) => {
                date(*days, f)?;
                f.write_str(" ")?;
                time(*nanos, f)
            }
            Self::Instant(seconds, nanos) | Self::OffsetDateTime(seconds, nanos, _) => {
                let days = seconds.div_euclid(86_400);
                date(i32::try_from(days).unwrap_or(i32::MAX), f)?;
                f.write_str("T")?;
                time(seconds.rem_euclid(86_400) as u64 * 1_000_000_000 + u64::from(*nanos), f)?;
                f.write_str("Z")
            }
            Self::Interval(months, days, nanos) => {
                write!(f, "{months} months {days} days {nanos} ns")
            }
            Self::List(items) => list(items, "[", "]", f),
            Self::Set(items) => list(items, "{", "}", f),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (name, value)) in entries.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Self::Ref(record) => write!(f, "{record}"),
        }
    }
}

fn list(items: &[Value], open: &str, close: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
    }
    f.write_str(close)
}

fn date(days: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = civil(days);
    write!(f, "{year:04}-{month:02}-{day:02}")
}

fn time(nanos: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if rest == 0 {
        return Ok(());
    }
    let digits = format!("{rest:09}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}
