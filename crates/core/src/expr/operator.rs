//! What the operators mean, by kinds. An amount with its currency (a list of a number and a code)
//! counts as a number, as long as currencies are not mixed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operator names the kinds it takes; any other, a new one too, is refused"
)]

use std::cmp::Ordering;

use crate::{
    Text,
    decimal::{Decimal, Rounding},
    error::Problem,
    expr::{
        eval::{null_problem, type_problem},
        rates,
        syntax::Operator,
    },
    lens::{number_of_float, problem_shown as shown},
    value::Value,
};

/// Digits after the point of a quotient without an end.
pub(super) const QUOTIENT_SCALE: u32 = 18;

pub(super) fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value, Problem> {
    match operator {
        Operator::Equal => equal(left, right).map(Value::Bool),
        Operator::NotEqual => equal(left, right).map(|same| Value::Bool(!same)),
        Operator::Less => compare(left, right).map(|order| Value::Bool(order.is_lt())),
        Operator::LessOrEqual => compare(left, right).map(|order| Value::Bool(order.is_le())),
        Operator::Greater => compare(left, right).map(|order| Value::Bool(order.is_gt())),
        Operator::GreaterOrEqual => compare(left, right).map(|order| Value::Bool(order.is_ge())),
        Operator::In => contains(right, left).map(Value::Bool),
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::Remainder => arithmetic(operator, left, right),
    }
}

/// The number of a value, and its currency if it is an amount.
pub(super) fn amount(value: &Value) -> Option<(Decimal, Option<&Text>)> {
    match value {
        Value::Num(number) => Some((*number, None)),
        Value::Float(number) => number_of_float(*number).map(|number| (number, None)),
        Value::List(parts) => match parts.as_slice() {
            [Value::Num(number), Value::Text(code)]
                if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) =>
            {
                Some((*number, Some(code)))
            }
            _ => None,
        },
        _ => None,
    }
}

fn one_currency<'a>(
    left: Option<&'a Text>,
    right: Option<&'a Text>,
) -> Result<Option<&'a Text>, Problem> {
    match (left, right) {
        (Some(left), Some(right)) if left != right => {
            Err(type_problem(&format!("{left} and {right} do not mix")))
        }
        (left, right) => Ok(left.or(right)),
    }
}

fn with_currency(number: Decimal, currency: Option<&Text>) -> Value {
    match currency {
        Some(code) => Value::List(vec![Value::Num(number), Value::Text(code.clone())]),
        None => Value::Num(number),
    }
}

/// Equality. Null equals null; values of different kinds are a mistake, not unequal.
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Problem> {
    if left.is_null() || right.is_null() || left == right {
        return Ok(left == right);
    }
    if let (Some((left, ours)), Some((right, theirs))) = (amount(left), amount(right)) {
        return Ok(left == right && (ours.is_none() || theirs.is_none() || ours == theirs));
    }
    if let (Some(left), Some(right)) = (instant(left), instant(right)) {
        return Ok(left == right);
    }
    if std::mem::discriminant(left) == std::mem::discriminant(right) {
        return Ok(false);
    }
    Err(mismatch("compared", left, right))
}

fn instant(value: &Value) -> Option<(i64, u32)> {
    match value {
        Value::Instant(seconds, nanos) | Value::OffsetDateTime(seconds, nanos, _) => {
            Some((*seconds, *nanos))
        }
        _ => None,
    }
}

/// Which of two values comes first.
pub(super) fn compare(left: &Value, right: &Value) -> Result<Ordering, Problem> {
    if left.is_null() || right.is_null() {
        return Err(null_problem("null is neither less nor greater; test `!= null` first"));
    }
    if let (Some((left, ours)), Some((right, theirs))) = (amount(left), amount(right)) {
        one_currency(ours, theirs)?;
        return Ok(left.cmp(&right));
    }
    if let (Some(left), Some(right)) = (instant(left), instant(right)) {
        return Ok(left.cmp(&right));
    }
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Ok(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Ok(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Ok(left.cmp(right)),
        (Value::LocalDateTime(day, time), Value::LocalDateTime(other_day, other_time)) => {
            Ok((day, time).cmp(&(other_day, other_time)))
        }
        _ => Err(mismatch("compared", left, right)),
    }
}

/// Whether a list, set or map has this member, or a text this part.
pub(super) fn contains(whole: &Value, part: &Value) -> Result<bool, Problem> {
    match (whole, part) {
        (Value::List(items) | Value::Set(items), _) => {
            let mut found = false;
            for item in items {
                // A null beside the value is not the value.
                found |= equal(item, part)?;
            }
            Ok(found)
        }
        (Value::Map(entries), Value::Text(name)) => Ok(entries.contains_key(name)),
        (Value::Text(whole), Value::Text(part)) => Ok(whole.contains(part.as_str())),
        (Value::Null, _) => Err(null_problem("null contains nothing; test `!= null` first")),
        _ => Err(mismatch("searched", whole, part)),
    }
}

pub(super) fn negate(value: &Value) -> Result<Value, Problem> {
    match amount(value) {
        Some((number, currency)) => Ok(with_currency(number.neg(), currency)),
        None if value.is_null() => Err(null_problem("null has no sign")),
        None => Err(type_problem(&format!("{} is no number", shown(value)))),
    }
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, Problem> {
    if left.is_null() || right.is_null() {
        return Err(null_problem("null cannot be computed with; say `coalesce(…, …)`"));
    }
    if operator == Operator::Multiply {
        for (amount, rate) in [(left, right), (right, left)] {
            if let Some(rate) = rates::of(rate) {
                return exchanged(amount, rate);
            }
        }
    }
    if let (Some((left, ours)), Some((right, theirs))) = (amount(left), amount(right)) {
        return numbers(operator, (left, ours), (right, theirs));
    }
    match (operator, left, right) {
        (Operator::Add, Value::Text(left), Value::Text(right)) => {
            Ok(Value::text(format!("{left}{right}")))
        }
        (Operator::Add, Value::List(left), Value::List(right)) => {
            Ok(Value::List(left.iter().chain(right).cloned().collect()))
        }
        (Operator::Subtract, Value::Date(left), Value::Date(right)) => {
            Ok(Value::int(i64::from(*left) - i64::from(*right)))
        }
        (Operator::Add, Value::Date(day), Value::Num(count)) => later(*day, Some(*count), left),
        (Operator::Subtract, Value::Date(day), Value::Num(count)) => {
            later(*day, Some(count.neg()), left)
        }
        _ => Err(mismatch("computed with", left, right)),
    }
}

/// An amount in the other currency; a bare number is taken for one in the first.
fn exchanged(value: &Value, (rate, from, to): (Decimal, &str, &str)) -> Result<Value, Problem> {
    let too_large = || Problem::new("expr.arithmetic", "the result has more than 38 digits");
    match amount(value) {
        Some((_, Some(code))) if code.as_str() != from => {
            Err(type_problem(&format!("the rate turns {from} into {to}, not {code}")))
        }
        Some((number, currency)) => {
            let product = number.mul(rate).ok_or_else(too_large)?;
            Ok(with_currency(product, currency.map(|_| Text::new(to)).as_ref()))
        }
        None => Err(type_problem(&format!("{} cannot be exchanged", shown(value)))),
    }
}

fn later(day: i32, count: Option<Decimal>, of: &Value) -> Result<Value, Problem> {
    let count = count.and_then(Decimal::to_i128).and_then(|count| i32::try_from(count).ok());
    count
        .and_then(|count| day.checked_add(count))
        .map(Value::Date)
        .ok_or_else(|| type_problem(&format!("{} moves by whole days", shown(of))))
}

fn numbers(
    operator: Operator,
    (left, ours): (Decimal, Option<&Text>),
    (right, theirs): (Decimal, Option<&Text>),
) -> Result<Value, Problem> {
    let too_large = || Problem::new("expr.arithmetic", "the result has more than 38 digits");
    let by_zero = || Problem::new("expr.arithmetic", "a division by zero");
    match operator {
        Operator::Add => {
            let currency = one_currency(ours, theirs)?;
            left.add(right).map(|sum| with_currency(sum, currency)).ok_or_else(too_large)
        }
        Operator::Subtract => {
            let currency = one_currency(ours, theirs)?;
            left.sub(right).map(|rest| with_currency(rest, currency)).ok_or_else(too_large)
        }
        Operator::Multiply => match (ours, theirs) {
            (Some(_), Some(_)) => Err(type_problem("two amounts cannot be multiplied")),
            _ => left
                .mul(right)
                .map(|product| with_currency(product, ours.or(theirs)))
                .ok_or_else(too_large),
        },
        Operator::Divide => {
            if right.is_zero() {
                return Err(by_zero());
            }
            let currency = match (ours, theirs) {
                (_, None) => ours,
                // The ratio of two amounts of one currency is a plain number.
                (Some(_), Some(_)) => one_currency(ours, theirs).map(|_| None)?,
                (None, Some(_)) => {
                    return Err(type_problem("a number cannot be divided by an amount"));
                }
            };
            left.div(right, QUOTIENT_SCALE)
                .map(|quotient| with_currency(quotient, currency))
                .ok_or_else(too_large)
        }
        Operator::Remainder => {
            if right.is_zero() {
                return Err(by_zero());
            }
            let currency = one_currency(ours, theirs)?;
            remainder(left, right).map(|rest| with_currency(rest, currency)).ok_or_else(too_large)
        }
        Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::In => Err(type_problem("a comparison is no arithmetic")),
    }
}

/// What is left of a division towards zero; it has the sign of the dividend.
fn remainder(left: Decimal, right: Decimal) -> Option<Decimal> {
    let exponent = left.exponent().min(right.exponent());
    Some(Decimal::new(left.at(exponent)? % right.at(exponent)?, exponent))
}

/// A number cut or rounded to so many digits after the point.
pub(super) fn rounded(number: Decimal, scale: i32, rounding: Rounding) -> Result<Decimal, Problem> {
    number
        .round(scale, rounding)
        .ok_or_else(|| Problem::new("expr.arithmetic", "the number is beyond all bounds"))
}

fn mismatch(what: &str, left: &Value, right: &Value) -> Problem {
    type_problem(&format!("{} and {} cannot be {what}", described(left), described(right)))
}

fn described(value: &Value) -> String {
    format!("the {} {}", value.kind(), shown(value))
}
