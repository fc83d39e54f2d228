//! Functions. Each may be called as `f(x, y)` or as `x.f(y)`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a function names the kinds it takes; any other, a new one too, is refused"
)]

use std::cmp::Ordering;

use crate::{
    decimal::{Decimal, Rounding},
    error::Problem,
    expr::{
        Rates,
        eval::{Evaluator, null_problem, type_problem},
        operator::{self, amount, compare, rounded},
        rates,
    },
    lens::NativeKind,
    lens::{parse_as, problem_shown as shown},
    value::Value,
};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Lower,
    Upper,
    Trim,
    Sum,
    Min,
    Max,
    Coalesce,
    String,
    Int,
    Decimal,
    Round,
    Absolute,
    Date,
    Timestamp,
    Today,
    Now,
    Highest,
    Lowest,
    Rate,
}

/// Name, function, fewest and most arguments, and how it is called.
const FUNCTIONS: [(&str, Function, usize, usize, &str); 23] = [
    ("size", Function::Size, 1, 1, "one text, list or map"),
    ("startsWith", Function::StartsWith, 2, 2, "a text and its beginning"),
    ("endsWith", Function::EndsWith, 2, 2, "a text and its end"),
    ("contains", Function::Contains, 2, 2, "a text and a part, or a list and a member"),
    ("lower", Function::Lower, 1, 1, "one text"),
    ("upper", Function::Upper, 1, 1, "one text"),
    ("trim", Function::Trim, 1, 1, "one text"),
    ("sum", Function::Sum, 1, 1, "one list of numbers"),
    ("min", Function::Min, 1, MANY, "a list, or several values"),
    ("max", Function::Max, 1, MANY, "a list, or several values"),
    ("coalesce", Function::Coalesce, 1, MANY, "one or more values"),
    ("string", Function::String, 1, 1, "one value"),
    ("int", Function::Int, 1, 1, "one number or text"),
    ("decimal", Function::Decimal, 1, 1, "one number or text"),
    ("round", Function::Round, 1, 2, "a number, and how many digits after the point"),
    ("abs", Function::Absolute, 1, 1, "one number"),
    ("date", Function::Date, 1, 1, "one text or timestamp"),
    ("timestamp", Function::Timestamp, 1, 1, "one text"),
    ("today", Function::Today, 0, 0, "nothing"),
    ("now", Function::Now, 0, 0, "nothing"),
    ("highest", Function::Highest, 1, 1, "one list of values or candidates"),
    ("lowest", Function::Lowest, 1, 1, "one list of values or candidates"),
    ("rate", Function::Rate, 3, 3, "two currencies and a day: 'EUR', 'USD', placed_at"),
];
const MANY: usize = 32;
const SYNTAX: [&str; 5] = ["map", "filter", "all", "exists", "has"];

type Computed = Result<Value, Problem>;

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    fn row(self) -> Option<&'static (&'static str, Self, usize, usize, &'static str)> {
        FUNCTIONS.iter().find(|row| row.1 == self)
    }

    pub(super) fn takes(self, count: usize) -> bool {
        self.row().is_some_and(|row| (row.2..=row.3).contains(&count))
    }

    pub(super) fn usage(self) -> &'static str {
        self.row().map_or("", |row| row.4)
    }

    pub(super) fn call(self, arguments: &[Value], around: &Evaluator<'_>) -> Computed {
        match (self, arguments) {
            (Self::Size, [value]) => size(value),
            (Self::StartsWith, [text, start]) => {
                Ok(Value::Bool(self.text(text)?.starts_with(self.text(start)?)))
            }
            (Self::EndsWith, [text, end]) => {
                Ok(Value::Bool(self.text(text)?.ends_with(self.text(end)?)))
            }
            (Self::Contains, [whole, part]) => operator::contains(whole, part).map(Value::Bool),
            (Self::Lower, [text]) => Ok(Value::text(self.text(text)?.to_lowercase())),
            (Self::Upper, [text]) => Ok(Value::text(self.text(text)?.to_uppercase())),
            (Self::Trim, [text]) => Ok(Value::text(self.text(text)?.trim())),
            (Self::Sum, [list]) => sum(self.items(list)?),
            (Self::Min, _) => self.extreme(arguments, Ordering::Less),
            (Self::Max, _) => self.extreme(arguments, Ordering::Greater),
            (Self::Coalesce, _) => {
                Ok(arguments.iter().find(|value| !value.is_null()).cloned().unwrap_or_default())
            }
            (Self::String, [value]) => string(value),
            (Self::Int, [value]) => {
                let number = self.number(value)?;
                Ok(Value::Num(rounded(number, 0, Rounding::Truncate)?))
            }
            (Self::Decimal, [value]) => self.number(value).map(Value::Num),
            (Self::Round, [value]) => self.round(value, 0),
            (Self::Round, [value, Value::Num(scale)]) => {
                let scale = scale.to_i128().and_then(|scale| i32::try_from(scale).ok());
                match scale.filter(|scale| (-38..=38).contains(scale)) {
                    Some(scale) => self.round(value, scale),
                    None => Err(type_problem("`round` takes up to 38 digits")),
                }
            }
            (Self::Absolute, [value]) => match amount(value) {
                Some((number, _)) if number.is_negative() => operator::negate(value),
                Some(_) => Ok(value.clone()),
                None => Err(self.refused(value)),
            },
            (Self::Date, [value]) => self.date(value, around),
            (Self::Timestamp, [value]) => match value {
                Value::Instant(..) => Ok(value.clone()),
                Value::OffsetDateTime(seconds, nanos, _) => Ok(Value::Instant(*seconds, *nanos)),
                other => parse_as(NativeKind::Instant, self.text(other)?)
                    .ok_or_else(|| self.refused(value)),
            },
            (Self::Today, []) => {
                let (seconds, nanos) = now(around);
                local_day(seconds, nanos, around)
            }
            (Self::Now, []) => {
                let (seconds, nanos) = now(around);
                Ok(Value::Instant(seconds, nanos))
            }
            (Self::Rate, [from, to, day]) => self.rate(from, to, day, around),
            (Self::Highest, [list]) => self.ranked(list, around, Ordering::Greater),
            (Self::Lowest, [list]) => self.ranked(list, around, Ordering::Less),
            _ => Err(type_problem(&format!("`{}` takes {}", self.name(), self.usage()))),
        }
    }

    fn name(self) -> &'static str {
        self.row().map_or("", |row| row.0)
    }

    fn refused(self, value: &Value) -> Problem {
        let message = format!("`{}` cannot take {}", self.name(), shown(value));
        if value.is_null() { null_problem(&message) } else { type_problem(&message) }
    }

    fn text(self, value: &Value) -> Result<&str, Problem> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(self.refused(other)),
        }
    }

    fn number(self, value: &Value) -> Result<Decimal, Problem> {
        let found = match value {
            Value::Text(text) => Decimal::parse(text.trim()),
            Value::Bool(truth) => Some(Decimal::from(i64::from(*truth))),
            other => amount(other)
                .map(|(number, _)| number)
                .or_else(|| rates::of(other).map(|(rate, ..)| rate)),
        };
        found.ok_or_else(|| self.refused(value))
    }

    fn items(self, value: &Value) -> Result<&[Value], Problem> {
        match value {
            Value::List(items) | Value::Set(items) => Ok(items),
            other => Err(self.refused(other)),
        }
    }

    fn round(self, value: &Value, scale: i32) -> Computed {
        let (number, currency) = amount(value).ok_or_else(|| self.refused(value))?;
        let number = Value::Num(rounded(number, scale, Rounding::HalfUp)?);
        Ok(match currency {
            Some(code) => Value::List(vec![number, Value::Text(code.clone())]),
            None => number,
        })
    }

    /// The least or greatest; nulls do not count, and of nothing it is null.
    fn extreme(self, arguments: &[Value], wanted: Ordering) -> Computed {
        let items = match arguments {
            [list] => self.items(list)?,
            several => several,
        };
        let mut best: Option<&Value> = None;
        for item in items.iter().filter(|item| !item.is_null()) {
            let better = match best {
                None => true,
                Some(best) => compare(item, best)? == wanted,
            };
            if better {
                best = Some(item);
            }
        }
        Ok(best.cloned().unwrap_or_default())
    }

    fn rate(self, from: &Value, to: &Value, day: &Value, around: &Evaluator<'_>) -> Computed {
        if day.is_null() {
            return Err(null_problem("a rate is of a day, and there is none"));
        }
        let Value::Date(days) = self.date(day, around)? else { return Err(self.refused(day)) };
        let (Value::Text(from), Value::Text(to)) = (from, to) else {
            return Err(self.refused(if matches!(from, Value::Text(_)) { to } else { from }));
        };
        let none = Rates::default();
        let rate = around.rates.unwrap_or(&none).on(from, to, days)?;
        Ok(rates::value(from, to, rate))
    }

    fn date(self, value: &Value, around: &Evaluator<'_>) -> Computed {
        match value {
            Value::Date(_) => Ok(value.clone()),
            Value::LocalDateTime(days, _) => Ok(Value::Date(*days)),
            Value::Instant(seconds, nanos) | Value::OffsetDateTime(seconds, nanos, _) => {
                local_day(*seconds, *nanos, around)
            }
            other => {
                parse_as(NativeKind::Date, self.text(other)?).ok_or_else(|| self.refused(value))
            }
        }
    }

    /// The value of highest or lowest rank among values, or among candidates (maps with an entry
    /// `value`). Without declared ranks, by size. Of equals, the first.
    fn ranked(self, list: &Value, around: &Evaluator<'_>, wanted: Ordering) -> Computed {
        let ranks = around.context.ranks;
        let rank = |value: &Value| match value {
            Value::Text(text) => ranks.iter().position(|known| known == text),
            _ => None,
        };
        let mut best: Option<&Value> = None;
        for item in self.items(list)? {
            let value = match item {
                Value::Map(entries) => match entries.get("value") {
                    Some(value) => value,
                    None => return Err(self.refused(item)),
                },
                plain => plain,
            };
            if value.is_null() {
                continue;
            }
            let better = match best {
                None => ranks.is_empty() || rank(value).is_some(),
                Some(best) if ranks.is_empty() => compare(value, best)? == wanted,
                Some(best) => rank(value).cmp(&rank(best)) == wanted,
            };
            if !ranks.is_empty() && rank(value).is_none() {
                return Err(type_problem(&format!("{} has no rank", shown(value))));
            }
            if better {
                best = Some(value);
            }
        }
        Ok(best.cloned().unwrap_or_default())
    }
}

fn size(value: &Value) -> Computed {
    let count = match value {
        Value::Text(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) | Value::Set(items) => items.len(),
        Value::Map(entries) => entries.len(),
        other => return Err(Function::Size.refused(other)),
    };
    Ok(Value::int(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// The sum of numbers or amounts; of nothing it is zero.
fn sum(items: &[Value]) -> Computed {
    let zero = Value::Num(Decimal::ZERO);
    items.iter().try_fold(zero, |total, item| {
        if amount(item).is_none() {
            return Err(Function::Sum.refused(item));
        }
        operator::binary(crate::expr::syntax::Operator::Add, &total, item)
    })
}

fn string(value: &Value) -> Computed {
    match value {
        Value::Null => Err(Function::String.refused(value)),
        Value::Num(number) if number.exponent().abs() > 1_000 => {
            Err(Function::String.refused(value))
        }
        other => Ok(Value::text(other.to_string())),
    }
}

fn now(around: &Evaluator<'_>) -> (i64, u32) {
    let microseconds = around.context.now.0;
    let nanos = microseconds.rem_euclid(1_000_000) as u32 * 1_000;
    (microseconds.div_euclid(1_000_000), nanos)
}

fn local_day(seconds: i64, nanos: u32, around: &Evaluator<'_>) -> Computed {
    let local = match around.context.zone {
        Some(zone) => zone.local(seconds, nanos).map(|(days, ..)| days),
        None => i32::try_from(seconds.div_euclid(86_400)).ok(),
    };
    local
        .map(Value::Date)
        .ok_or_else(|| Problem::new("expr.arithmetic", "the time is beyond any calendar"))
}

/// What to say about a function that is not known: the nearest one, if one is near.
pub(super) fn unknown(name: &str) -> String {
    if name == "matches" {
        return "`matches` is not offered: `startsWith`, `endsWith` and `contains` are".into();
    }
    let known = FUNCTIONS.iter().map(|row| row.0).chain(SYNTAX);
    let nearest = known.map(|known| (distance(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance * 3 <= name.len() => {
            format!("there is no function `{name}`; is `{known}` meant?")
        }
        _ => format!("there is no function `{name}`"),
    }
}

/// How many letters must be added, dropped or replaced, whatever their case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        let mut next = vec![before];
        for (place, other) in right.iter().enumerate() {
            let above = row.get(place + 1).copied().unwrap_or(usize::MAX);
            let replaced = diagonal + usize::from(letter != *other);
            before = replaced.min(above.saturating_add(1)).min(before + 1);
            diagonal = above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
