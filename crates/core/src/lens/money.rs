//! Amounts: a number and its currency, which may be the field's, the cell's, in a second column,
//! or in the text.

use crate::{
    Text,
    decimal::Decimal,
    lens::{
        Problem,
        number::{Form, Number, out_of_range},
        problem::{self, shown},
    },
    value::Value,
};

/// How a cell writes an amount.
#[derive(Debug)]
pub(super) struct Money {
    pub(super) number: Number,
    /// The one currency of the field: the hub holds the number alone.
    pub(super) field: Option<Text>,
    pub(super) source: Source,
    /// The system counts in cents and their like.
    pub(super) minor: bool,
}

/// Where a cell has the currency.
#[derive(Debug)]
pub(super) enum Source {
    /// Always this one.
    Constant(Text),
    /// The native value is a list of the amount and the code.
    Column,
    /// In the text, before, between or after these literals.
    InText(Layout),
    /// Nowhere: the amount can be written, not read.
    Absent,
}

/// A text with an amount and a currency: `{amount} {currency}`.
#[derive(Debug)]
pub(super) struct Layout {
    before: Text,
    between: Text,
    after: Text,
    currency_first: bool,
}

impl Money {
    pub(super) fn get(&self, native: &Value) -> Result<Value, Problem> {
        let (amount, currency) = self.parts(native)?;
        let number =
            self.number.form.read(&amount).ok_or_else(|| problem::invalid("amount", native))?;
        let number = self.of_unit(number, &currency).ok_or_else(|| out_of_range(native))?;
        match &self.field {
            None => Ok(Value::List(vec![Value::Num(number), Value::Text(currency)])),
            Some(field) if *field == currency => Ok(Value::Num(number)),
            Some(field) => Err(wrong_currency(native, field)),
        }
    }

    fn parts(&self, native: &Value) -> Result<(Value, Text), Problem> {
        let invalid = || problem::invalid("amount with its currency", native);
        match (&self.source, native) {
            (Source::Constant(currency), amount) => Ok((amount.clone(), currency.clone())),
            (Source::Column, Value::List(columns)) => match columns.as_slice() {
                [amount, Value::Text(currency)] => {
                    let currency = code(currency).ok_or_else(invalid)?;
                    Ok((amount.clone(), currency))
                }
                _ => Err(invalid()),
            },
            (Source::InText(layout), Value::Text(text)) => {
                let (amount, currency) = layout.read(text).ok_or_else(invalid)?;
                Ok((Value::text(amount), currency))
            }
            (Source::Absent, _) => Err(Problem::new(
                "map.currency",
                format!("{} is an amount in an unknown currency", shown(native)),
            )),
            (Source::Column | Source::InText(_), _) => Err(invalid()),
        }
    }

    pub(super) fn put(&self, golden: &Value) -> Result<Value, Problem> {
        let invalid = || problem::invalid("amount", golden);
        let (number, currency) = match (&self.field, golden) {
            (Some(field), Value::Num(number)) => (*number, field.clone()),
            (None, Value::List(parts)) => match parts.as_slice() {
                [Value::Num(number), Value::Text(currency)] => (*number, currency.clone()),
                _ => return Err(invalid()),
            },
            _ => return Err(invalid()),
        };
        if let Source::Constant(constant) = &self.source
            && *constant != currency
        {
            return Err(wrong_currency(golden, constant));
        }
        let number = self.in_unit(number, &currency).ok_or_else(|| out_of_range(golden))?;
        let number = self.number.fit(number, golden)?;
        let form = self.form_of(&currency);
        if let Source::InText(layout) = &self.source {
            let text = form.write(number).ok_or_else(|| out_of_range(golden))?;
            return Ok(Value::text(layout.write(&text, &currency)));
        }
        let plain = Number {
            form,
            unit: None,
            scale: None,
            digits: None,
            whole: false,
            ..self.number.clone()
        };
        let amount = plain.put(&Value::Num(number))?;
        match &self.source {
            Source::Column => Ok(Value::List(vec![amount, Value::Text(currency)])),
            Source::Constant(_) | Source::Absent | Source::InText(_) => Ok(amount),
        }
    }

    /// As people write amounts: all digits of the minor unit, unless the cell says how many.
    fn form_of(&self, currency: &str) -> Form {
        let form = self.number.form;
        let minor_digits = u32::try_from(exponent(currency)).unwrap_or(0);
        Form { pad: self.number.scale.map_or(minor_digits, |_| form.pad), ..form }
    }

    fn of_unit(&self, number: Decimal, currency: &str) -> Option<Decimal> {
        if !self.minor {
            return Some(number);
        }
        number.mul(Decimal::new(1, -exponent(currency)))
    }

    fn in_unit(&self, number: Decimal, currency: &str) -> Option<Decimal> {
        if !self.minor {
            return Some(number);
        }
        number.mul(Decimal::new(1, exponent(currency)))
    }
}

fn wrong_currency(value: &Value, expected: &str) -> Problem {
    Problem::new("map.currency", format!("{} is not in {expected}", shown(value)))
}

/// Digits after the point of a currency's minor unit, by ISO 4217.
pub(super) fn exponent(currency: &str) -> i32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// A currency code: three letters, in capitals.
pub(super) fn code(text: &str) -> Option<Text> {
    let text = text.trim();
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| Text::new(text.to_ascii_uppercase()))
}

impl Layout {
    /// Compiles a layout; `None` unless it names the amount and the currency once each.
    pub(super) fn parse(text: &str) -> Option<Self> {
        const AMOUNT: &str = "{amount}";
        const CURRENCY: &str = "{currency}";
        let (amount, currency) = (text.find(AMOUNT)?, text.find(CURRENCY)?);
        let currency_first = currency < amount;
        let (first, second) = if currency_first { (CURRENCY, AMOUNT) } else { (AMOUNT, CURRENCY) };
        let (before, rest) = text.split_once(first)?;
        let (between, after) = rest.split_once(second)?;
        if [before, between, after].iter().any(|part| part.contains(['{', '}'])) {
            return None;
        }
        Some(Self {
            before: Text::new(before),
            between: Text::new(between),
            after: Text::new(after),
            currency_first,
        })
    }

    fn read<'a>(&self, text: &'a str) -> Option<(&'a str, Text)> {
        let text = text.trim();
        let middle = text.strip_prefix(self.before.trim_start())?;
        let middle = middle.strip_suffix(self.after.trim_end())?.trim();
        // The code is three letters at one end; blanks between may be of any kind.
        let (amount, currency) = if self.currency_first {
            let (currency, rest) = middle.split_at_checked(3)?;
            (rest.trim_start().strip_prefix(self.between.trim())?, currency)
        } else {
            let (rest, currency) = middle.split_at_checked(middle.len().checked_sub(3)?)?;
            (rest.trim_end().strip_suffix(self.between.trim())?, currency)
        };
        Some((amount.trim(), code(currency)?))
    }

    fn write(&self, amount: &str, currency: &str) -> String {
        let (first, second) =
            if self.currency_first { (currency, amount) } else { (amount, currency) };
        format!("{}{first}{}{second}{}", self.before, self.between, self.after)
    }
}

impl Money {
    /// A plain amount form, for cells that say nothing.
    pub(super) fn form(spec: &crate::lens::spec::CellSpec) -> Form {
        Form {
            decimal: spec.decimal_separator.unwrap_or('.'),
            group: spec.group_separator,
            pad: spec.scale.unwrap_or(0),
        }
    }
}
