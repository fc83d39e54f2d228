//! Exchange rates by day, and what they turn an amount into.
//!
//! A rate is of its day, or of the last day before that has one: banks give none on Sundays. It is never
//! turned round: what EUR costs in USD does not say what a bank gives for USD.

use std::collections::BTreeMap;

use crate::{
    Text,
    decimal::Decimal,
    error::Problem,
    lens::{NativeKind, parse_as},
    value::Value,
};

/// So many days back a rate still counts.
const DAYS_MAX: i32 = 7;

/// Exchange rates, by the two currencies and the day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(BTreeMap<(Text, Text), BTreeMap<i32, Decimal>>);

impl Rates {
    /// Adds the rate of a day, as texts of a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn add(&mut self, day: &str, from: &str, to: &str, rate: &str) -> Result<(), String> {
        let Some(Value::Date(days)) = parse_as(NativeKind::Date, day) else {
            return Err(format!("`{day}` is no day: write 2026-01-31"));
        };
        for code in [from, to] {
            if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(format!("`{code}` is no currency: write EUR"));
            }
        }
        let number = Decimal::parse(rate).filter(|rate| !rate.is_zero() && !rate.is_negative());
        let number = number.ok_or_else(|| format!("`{rate}` is no rate: write 1.0837"))?;
        let days_of = self.0.entry((Text::new(from), Text::new(to))).or_default();
        match days_of.get(&days) {
            Some(other) if *other != number => {
                Err(format!("{from} to {to} has two rates on {day}: {other} and {number}"))
            }
            Some(_) | None => {
                days_of.insert(days, number);
                Ok(())
            }
        }
    }

    /// The rate of this day.
    pub(super) fn on(&self, from: &Text, to: &Text, day: i32) -> Result<Decimal, Problem> {
        if from == to {
            return Ok(Decimal::from(1_i64));
        }
        let of_pair = self.0.get(&(from.clone(), to.clone()));
        let last = of_pair.and_then(|days| {
            days.range(day.saturating_sub(DAYS_MAX)..=day).next_back().map(|(_, rate)| *rate)
        });
        last.ok_or_else(|| {
            let day = Value::Date(day);
            Problem::new("map.no_rate", format!("there is no rate from {from} to {to} for {day}"))
        })
    }
}

/// A rate as expressions hold it: a number that turns one currency into another.
pub(super) fn value(from: &Text, to: &Text, rate: Decimal) -> Value {
    Value::List(vec![Value::Num(rate), Value::text(format!("{from}/{to}"))])
}

/// The number and the currencies of a rate.
pub(super) fn of(value: &Value) -> Option<(Decimal, &str, &str)> {
    let Value::List(parts) = value else { return None };
    let [Value::Num(rate), Value::Text(pair)] = parts.as_slice() else { return None };
    let (from, to) = pair.split_once('/')?;
    (from.len() == 3 && to.len() == 3).then_some((*rate, from, to))
}
