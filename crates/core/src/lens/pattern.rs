//! Patterns of dates and times, compiled once: `%d/%m/%Y %H:%M`.
//!
//! The directives are those of `strftime` that name a field. Reading is strict where the pattern
//! leaves no separator (`%Y%m%d` wants two digits for each month) and lenient where it does
//! (`%d/%m/%Y` reads `3/4/2024`): the system's own form is kept anyway.

use std::fmt::Write as _;

use crate::value::day_number;

/// A compiled pattern.
#[derive(Debug, PartialEq)]
pub(super) struct Pattern {
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Literal(String),
    Number { part: Part, width: usize, padded: bool },
    Month { long: bool },
    Weekday { long: bool },
    Half,
    Fraction { digits: usize, dot: bool },
    Offset { colon: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Year,
    ShortYear,
    Month,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
}

/// What a text said, or what is to be written. A part that is not in the pattern is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moment {
    /// Days since 1970.
    pub(super) days: Option<i32>,
    /// Nanoseconds since midnight.
    pub(super) nanos: Option<u64>,
    /// Offset from UTC, in seconds east.
    pub(super) offset: Option<i32>,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The directive that is not known, as written.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter != '%' {
                literal(&mut items, letter);
                continue;
            }
            let mut directive = String::new();
            for letter in rest.by_ref() {
                directive.push(letter);
                if !matches!(letter, '-' | ':' | '.' | '0'..='9') {
                    break;
                }
            }
            let number = |part, width, padded| Item::Number { part, width, padded };
            let item = match directive.as_str() {
                "Y" => number(Part::Year, 4, true),
                "y" => number(Part::ShortYear, 2, true),
                "m" => number(Part::Month, 2, true),
                "-m" => number(Part::Month, 2, false),
                "d" => number(Part::Day, 2, true),
                "-d" | "e" => number(Part::Day, 2, false),
                "j" => number(Part::DayOfYear, 3, true),
                "H" => number(Part::Hour, 2, true),
                "-H" => number(Part::Hour, 2, false),
                "I" => number(Part::Hour12, 2, true),
                "-I" => number(Part::Hour12, 2, false),
                "M" => number(Part::Minute, 2, true),
                "S" => number(Part::Second, 2, true),
                "b" | "h" => Item::Month { long: false },
                "B" => Item::Month { long: true },
                "a" => Item::Weekday { long: false },
                "A" => Item::Weekday { long: true },
                "p" => Item::Half,
                "f" | "6f" => Item::Fraction { digits: 6, dot: false },
                "3f" => Item::Fraction { digits: 3, dot: false },
                "9f" => Item::Fraction { digits: 9, dot: false },
                ".f" => Item::Fraction { digits: 0, dot: true },
                ".3f" => Item::Fraction { digits: 3, dot: true },
                ".6f" => Item::Fraction { digits: 6, dot: true },
                ".9f" => Item::Fraction { digits: 9, dot: true },
                "z" => Item::Offset { colon: false },
                ":z" => Item::Offset { colon: true },
                "F" => {
                    items.extend(Self::parse("%Y-%m-%d")?.items);
                    continue;
                }
                "T" => {
                    items.extend(Self::parse("%H:%M:%S")?.items);
                    continue;
                }
                "R" => {
                    items.extend(Self::parse("%H:%M")?.items);
                    continue;
                }
                "%" => {
                    literal(&mut items, '%');
                    continue;
                }
                _ => return Err(format!("%{directive}")),
            };
            items.push(item);
        }
        Ok(Self { items })
    }

    fn has(&self, wanted: &[Part]) -> bool {
        self.items
            .iter()
            .any(|item| matches!(item, Item::Number { part, .. } if wanted.contains(part)))
    }

    /// Whether it names a calendar day.
    pub(super) fn has_date(&self) -> bool {
        let month = self.items.iter().any(|item| matches!(item, Item::Month { .. }));
        self.has(&[Part::Year, Part::ShortYear])
            && (self.has(&[Part::DayOfYear])
                || self.has(&[Part::Day]) && (month || self.has(&[Part::Month])))
    }

    /// Whether it names an hour of the day, unmistakably.
    pub(super) fn has_time(&self) -> bool {
        let half = self.items.contains(&Item::Half);
        self.has(&[Part::Hour]) || self.has(&[Part::Hour12]) && half
    }

    /// Whether it carries an offset from UTC.
    pub(super) fn has_offset(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Offset { .. }))
    }

    /// How many digits it has, if it has nothing else.
    pub(super) fn digit_count(&self) -> Option<usize> {
        self.items.iter().map(Item::width).sum()
    }

    /// Reads a text that is exactly of this form and names a day and a time that exist.
    pub(super) fn read(&self, text: &str) -> Option<Moment> {
        let mut found = Found::default();
        let mut rest = text;
        for (index, item) in self.items.iter().enumerate() {
            // Digits beside digits have no seam but their count.
            let before = index.checked_sub(1).and_then(|index| self.items.get(index));
            let after = self.items.get(index + 1);
            let touches = [before, after].into_iter().flatten().any(Item::is_digits);
            let beside = if touches { Beside::Digits } else { Beside::Other };
            rest = item.read(rest, beside, &mut found)?;
        }
        if rest.is_empty() { found.moment() } else { None }
    }

    /// Writes a moment; `None` if a part is missing or does not fit its width.
    pub(super) fn write(&self, moment: &Moment) -> Option<String> {
        let mut out = String::with_capacity(24);
        for item in &self.items {
            item.write(moment, &mut out)?;
        }
        Some(out)
    }
}

fn literal(items: &mut Vec<Item>, letter: char) {
    if let Some(Item::Literal(text)) = items.last_mut() {
        text.push(letter);
    } else {
        items.push(Item::Literal(letter.to_string()));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Digits,
    Other,
}

#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u64>,
    hour12: Option<u64>,
    afternoon: Option<bool>,
    minute: Option<u64>,
    second: Option<u64>,
    fraction: Option<u64>,
    offset: Option<i32>,
    weekday: Option<usize>,
}

impl Found {
    fn moment(&self) -> Option<Moment> {
        let days = match (self.year, self.month, self.day, self.day_of_year) {
            (Some(year), Some(month), Some(day), None) => Some(day_number(year, month, day)?),
            (Some(year), _, _, Some(day)) => {
                let first = day_number(year, 1, 1)?;
                let length = day_number(year + 1, 1, 1)? - first;
                let days = first + i32::try_from(day).ok()? - 1;
                let agrees = self.month.is_none_or(|month| {
                    self.day.is_none_or(|day| day_number(year, month, day) == Some(days))
                });
                if day == 0 || day > length as u32 || !agrees {
                    return None;
                }
                Some(days)
            }
            _ => None,
        };
        if let (Some(days), Some(weekday)) = (days, self.weekday)
            && days.rem_euclid(7) as usize != weekday
        {
            return None;
        }
        let hour = match (self.hour, self.hour12, self.afternoon) {
            (Some(hour), _, _) => Some(hour),
            (None, Some(hour), Some(afternoon)) => Some(hour % 12 + if afternoon { 12 } else { 0 }),
            (None, _, _) => None,
        };
        let nanos = hour.map(|hour| {
            let seconds = hour * 3_600 + self.minute.unwrap_or(0) * 60 + self.second.unwrap_or(0);
            seconds * 1_000_000_000 + self.fraction.unwrap_or(0)
        });
        Some(Moment { days, nanos, offset: self.offset })
    }
}

impl Item {
    fn is_digits(&self) -> bool {
        self.width().is_some()
    }

    /// How many digits it always has.
    fn width(&self) -> Option<usize> {
        match self {
            Self::Number { width, padded: true, .. } => Some(*width),
            Self::Fraction { digits, dot: false } => Some(*digits),
            Self::Number { padded: false, .. }
            | Self::Fraction { dot: true, .. }
            | Self::Literal(_)
            | Self::Month { .. }
            | Self::Weekday { .. }
            | Self::Half
            | Self::Offset { .. } => None,
        }
    }

    fn read<'a>(&self, text: &'a str, beside: Beside, found: &mut Found) -> Option<&'a str> {
        match self {
            Self::Literal(expected) => text.strip_prefix(expected.as_str()),
            Self::Number { part, width, .. } => {
                let exact = beside == Beside::Digits || matches!(part, Part::Year);
                // A day padded with a blank, as `%e` and C's printers write it.
                let text = if exact { text } else { text.strip_prefix(' ').unwrap_or(text) };
                let (digits, rest) = digits(text, *width);
                if digits.is_empty() || exact && digits.len() != *width {
                    return None;
                }
                part.set(digits.parse().ok()?, found)?;
                Some(rest)
            }
            Self::Month { long } => {
                let (index, rest) = name(text, &MONTHS, *long)?;
                found.month = Some(index as u32 + 1);
                Some(rest)
            }
            Self::Weekday { long } => {
                let (index, rest) = name(text, &WEEKDAYS, *long)?;
                found.weekday = Some(index);
                Some(rest)
            }
            Self::Half => {
                let (word, rest) = text.split_at_checked(2)?;
                found.afternoon = Some(match word {
                    "AM" | "am" | "Am" => false,
                    "PM" | "pm" | "Pm" => true,
                    _ => return None,
                });
                Some(rest)
            }
            Self::Fraction { digits: width, dot } => {
                let text = match (dot, text.strip_prefix('.')) {
                    (true, Some(rest)) => rest,
                    (true, None) if *width == 0 => return Some(text),
                    (true, None) => return None,
                    (false, _) => text,
                };
                let (digits, rest) = digits(text, 9);
                let exact = !dot && beside == Beside::Digits;
                if digits.is_empty() || exact && digits.len() != *width {
                    return None;
                }
                let scale = 10u64.pow(9 - digits.len() as u32);
                found.fraction = Some(digits.parse::<u64>().ok()? * scale);
                Some(rest)
            }
            Self::Offset { .. } => {
                let (offset, rest) = read_offset(text)?;
                found.offset = Some(offset);
                Some(rest)
            }
        }
    }

    fn write(&self, moment: &Moment, out: &mut String) -> Option<()> {
        match self {
            Self::Literal(text) => out.push_str(text),
            Self::Number { part, width, padded } => {
                let number = part.get(moment)?;
                let width = if *padded { *width } else { 1 };
                write!(out, "{number:0width$}").ok()?;
            }
            Self::Month { long } => {
                let (_, month, _) = crate::value::civil(moment.days?);
                push_name(MONTHS.get(month as usize - 1)?, *long, out)?;
            }
            Self::Weekday { long } => {
                let index = moment.days?.rem_euclid(7) as usize;
                push_name(WEEKDAYS.get(index)?, *long, out)?;
            }
            Self::Half => {
                let morning = moment.nanos? < crate::lens::zone::DAY_NS / 2;
                out.push_str(if morning { "AM" } else { "PM" });
            }
            Self::Fraction { digits, dot } => {
                let nanos = moment.nanos? % 1_000_000_000;
                let text = format!("{nanos:09}");
                let kept =
                    if *digits == 0 { text.trim_end_matches('0') } else { text.get(..*digits)? };
                if *dot && !kept.is_empty() {
                    out.push('.');
                }
                out.push_str(kept);
            }
            Self::Offset { colon } => write_offset(moment.offset?, *colon, out)?,
        }
        Some(())
    }
}

impl Part {
    fn set(self, number: u32, found: &mut Found) -> Option<()> {
        let below = |limit: u32| (number < limit).then_some(u64::from(number));
        match self {
            Self::Year => found.year = Some(i64::from(number)),
            // POSIX: 69 to 99 are in the twentieth century.
            Self::ShortYear => {
                found.year = Some(i64::from(number) + if number < 69 { 2_000 } else { 1_900 });
            }
            Self::Month => found.month = Some(number),
            Self::Day => found.day = Some(number),
            Self::DayOfYear => found.day_of_year = Some(number),
            Self::Hour => found.hour = Some(below(24)?),
            Self::Hour12 => found.hour12 = Some(below(13).filter(|hour| *hour > 0)?),
            Self::Minute => found.minute = Some(below(60)?),
            Self::Second => found.second = Some(below(60)?),
        }
        Some(())
    }

    fn get(self, moment: &Moment) -> Option<u64> {
        let date = || moment.days.map(crate::value::civil);
        let seconds = || moment.nanos.map(|nanos| nanos / 1_000_000_000);
        match self {
            Self::Year => u64::try_from(date()?.0).ok().filter(|year| *year < 10_000),
            Self::ShortYear => {
                let year = date()?.0;
                (1969..2069).contains(&year).then_some((year % 100) as u64)
            }
            Self::Month => Some(u64::from(date()?.1)),
            Self::Day => Some(u64::from(date()?.2)),
            Self::DayOfYear => {
                let first = day_number(date()?.0, 1, 1)?;
                u64::try_from(moment.days? - first + 1).ok()
            }
            Self::Hour => Some(seconds()? / 3_600),
            Self::Hour12 => Some((seconds()? / 3_600 + 11) % 12 + 1),
            Self::Minute => Some(seconds()? / 60 % 60),
            Self::Second => Some(seconds()? % 60),
        }
    }
}

fn digits(text: &str, width_max: usize) -> (&str, &str) {
    let length = text.bytes().take(width_max).take_while(u8::is_ascii_digit).count();
    text.split_at_checked(length).unwrap_or(("", text))
}

fn name<'a>(text: &'a str, names: &[&str], long: bool) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = if long { name } else { name.get(..3)? };
        let (front, rest) = text.split_at_checked(name.len())?;
        front.eq_ignore_ascii_case(name).then_some((index, rest))
    })
}

fn push_name(name: &str, long: bool, out: &mut String) -> Option<()> {
    out.push_str(if long { name } else { name.get(..3)? });
    Some(())
}

/// Reads `Z`, `+0530`, `+05:30` or `+05`.
pub(super) fn read_offset(text: &str) -> Option<(i32, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((0, rest));
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, rest) = digits(rest, 2);
    let after_colon = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, after) = digits(after_colon, 2);
    let (minutes, rest) = match minutes.len() {
        2 => (minutes.parse::<i32>().ok()?, after),
        0 if after_colon.len() == rest.len() => (0, rest),
        _ => return None,
    };
    let hours: i32 = if hours.len() == 2 { hours.parse().ok()? } else { return None };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((sign * (hours * 3_600 + minutes * 60), rest))
}

/// Writes an offset of whole minutes.
pub(super) fn write_offset(offset: i32, colon: bool, out: &mut String) -> Option<()> {
    if offset % 60 != 0 {
        return None;
    }
    let minutes = offset.unsigned_abs() / 60;
    let sign = if offset < 0 { '-' } else { '+' };
    let colon = if colon { ":" } else { "" };
    write!(out, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60).ok()
}
