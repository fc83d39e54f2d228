//! Cells of numbers and amounts.

use crate::{
    Text,
    decimal::Rounding,
    lens::{
        Problem,
        compile::Compiler,
        convert::Conversion,
        money::{self, Layout, Money, Source},
        number::{Linear, Number},
        spec::{CellCurrency, FieldType, NativeKind, Unit},
    },
};

impl Compiler<'_> {
    pub(super) fn number(&mut self) -> Option<Conversion> {
        let whole = *self.kind == FieldType::Int;
        let unit = self.unit();
        let number = self.numeric(whole, unit);
        let plain = number.unit.is_none() && number.scale.is_none() && number.digits.is_none();
        if !whole && plain && self.spec.native == Some(NativeKind::Num) {
            return Some(Conversion::Copy);
        }
        self.takes(Conversion::Number(number), &NUMBERS)
    }

    /// The unit of a plain number; a complaint if there is something wrong with it.
    fn unit(&mut self) -> Option<Linear> {
        match self.spec.unit? {
            Unit::Minor => self.complain("`unit: minor` needs `type: money`"),
            Unit::Linear { multiply, divide, offset } => {
                if multiply.is_zero() || divide.is_zero() {
                    return self.complain("a unit cannot be multiplied or divided by zero");
                }
                let linear = Linear { multiply, divide, offset };
                if !linear.is_finite() && self.spec.scale.is_none() {
                    return self.complain(
                        "this unit gives numbers without an end: say the `scale` the column keeps",
                    );
                }
                Some(linear)
            }
        }
    }

    fn numeric(&self, whole: bool, unit: Option<Linear>) -> Number {
        let spec = self.spec;
        let endless = unit.is_some_and(|unit| !unit.is_finite());
        let allowed = spec.lossy || endless;
        Number {
            whole,
            native: spec.native.or_else(|| self.writes_text().then_some(NativeKind::Text)),
            form: Money::form(spec),
            unit,
            scale: spec.scale,
            digits: spec.digits,
            rounding: spec.rounding.or(allowed.then_some(Rounding::HalfUp)),
        }
    }

    fn writes_text(&self) -> bool {
        self.spec.decimal_separator.is_some() || self.spec.group_separator.is_some()
    }

    pub(super) fn money(&mut self, field: Option<&Text>) -> Option<Conversion> {
        let spec = self.spec;
        let field = match field.map(|currency| (currency, money::code(currency))) {
            None => None,
            Some((_, Some(code))) => Some(code),
            Some((currency, None)) => {
                return self.complain(format!("\"{currency}\" is no currency code"));
            }
        };
        let source = match (&spec.currency, &spec.format) {
            (None, Some(format)) => match Layout::parse(format) {
                Some(layout) => Source::InText(layout),
                None => {
                    return self.complain(
                        "the format of an amount names {amount} and {currency} once each",
                    );
                }
            },
            (Some(_), Some(_)) => {
                return self.complain("the currency is in the format or in `currency`, not both");
            }
            (Some(CellCurrency::Column), None) => Source::Column,
            (Some(CellCurrency::Constant(text)), None) => match money::code(text) {
                Some(code) if field.as_ref().is_none_or(|field| *field == code) => {
                    Source::Constant(code)
                }
                Some(code) => {
                    let field = field.unwrap_or_default();
                    self.problems.push(Problem::new(
                        "map.currency",
                        format!("the field is in {field}, and this cell in {code}"),
                    ));
                    return None;
                }
                None => return self.complain(format!("\"{text}\" is no currency code")),
            },
            (None, None) => field.clone().map_or(Source::Absent, Source::Constant),
        };
        let minor = spec.unit == Some(Unit::Minor);
        if spec.unit.is_some() && !minor {
            return self.complain("an amount has no unit but `minor`");
        }
        let mut number = self.numeric(false, None);
        if matches!(source, Source::InText(_)) {
            number.native = Some(NativeKind::Text);
        }
        if minor {
            number.scale = Some(number.scale.unwrap_or(0));
            number.form.pad = 0;
        }
        let plain = number.scale.is_none() && number.digits.is_none() && !minor;
        let copies = plain && field.is_some() && matches!(source, Source::Constant(_));
        if copies && spec.native == Some(NativeKind::Num) {
            return Some(Conversion::Copy);
        }
        let money = Money { number, field, source, minor };
        let composite = matches!(money.source, Source::Column);
        let conversion = Conversion::Money(Box::new(money));
        if composite { Some(conversion) } else { self.takes(conversion, &NUMBERS) }
    }
}

const NUMBERS: [NativeKind; 5] =
    [NativeKind::Num, NativeKind::Text, NativeKind::Float, NativeKind::Bool, NativeKind::Json];
