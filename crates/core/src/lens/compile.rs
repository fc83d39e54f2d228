//! From what a cell says to what it does. All complaints at once.

use crate::{
    Text,
    decimal::Rounding,
    lens::{
        Compiled, Lens, Problem,
        clean::Clean,
        contact::Phone,
        convert::{Coding, Conversion, Same},
        money::{self, Layout, Money, Source},
        number::{Linear, Number},
        parts::SetOf,
        pattern::Pattern,
        problem::{setting, shown},
        scalar,
        spec::{
            Ambiguous, Case, CellCurrency, CellSpec, FieldType, NativeKind, PhoneFormat, Split,
            Unit,
        },
        table::{Table, literal},
        time::{Form as TimeForm, Kind, Time},
        zone::Zone,
    },
    value::Value,
};

pub(super) fn compile(
    kind: &FieldType,
    spec: &CellSpec,
    default_zone: Option<&str>,
) -> Result<Lens, Vec<Problem>> {
    let mut compiler = Compiler { kind, spec, default_zone, problems: Vec::new() };
    let conversion = compiler.conversion();
    compiler.refuse_what_means_nothing();
    let default = compiler.literal(spec.default.as_ref());
    let constant = compiler.literal(spec.constant.as_ref());
    let problems = compiler.problems;
    let Some(conversion) = conversion.filter(|_| problems.is_empty()) else { return Err(problems) };
    let clean = Clean {
        trim: spec.trim,
        collapse: spec.collapse,
        case: spec.case,
        max: spec.max.map(|max| max as usize),
        cut: spec.lossy && spec.max.is_some(),
        blank_is_null: spec.blank_is_null,
    };
    let is_modulo = clean.is_modulo()
        || spec.lossy
        || spec.default.is_some()
        || spec.constant.is_some()
        || spec.rounding.is_some()
        || spec.fraction.is_some_and(|digits| digits < 9)
        || spec.join.is_some()
        || matches!(&conversion, Conversion::Number(number) if number.is_endless())
        || matches!(spec.ambiguous, Some(Ambiguous::Earlier | Ambiguous::Later));
    let clean = (!clean.is_none()).then_some(clean);
    let copies = matches!(conversion, Conversion::Copy)
        && clean.is_none()
        && default.is_none()
        && constant.is_none();
    Ok(if copies {
        Lens::identity()
    } else {
        Lens::compiled(Compiled { conversion, clean, default, constant, is_modulo })
    })
}

struct Compiler<'a> {
    kind: &'a FieldType,
    spec: &'a CellSpec,
    default_zone: Option<&'a str>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn conversion(&mut self) -> Option<Conversion> {
        let spec = self.spec;
        match (&spec.split, &spec.join) {
            (Some(_), Some(_)) => {
                return self.complain("`split` and `join` exclude each other");
            }
            (Some(split), None) => return self.parts(split).map(Conversion::Columns),
            (None, Some(split)) => return self.parts(split).map(Conversion::Fields),
            (None, None) => {}
        }
        if spec.values.is_some() || spec.boolean.is_some() {
            return self.table();
        }
        let native = spec.native;
        let is = |kinds: &[NativeKind]| native.is_some_and(|native| kinds.contains(&native));
        match self.kind {
            FieldType::Text if is(&[NativeKind::Text]) => Some(Conversion::Copy),
            FieldType::Text => self.takes(Conversion::Text(native), &SCALARS),
            FieldType::Int | FieldType::Decimal => self.number(),
            FieldType::Money { currency } => self.money(currency.as_ref()),
            FieldType::Bool if is(&[NativeKind::Bool]) => Some(Conversion::Copy),
            FieldType::Bool => self.takes(
                Conversion::Bool(native),
                &[NativeKind::Num, NativeKind::Text, NativeKind::Bytes, NativeKind::Json],
            ),
            FieldType::Date => self.time(Kind::Date),
            FieldType::Time => self.time(Kind::Time),
            FieldType::Timestamp => self.time(Kind::Instant),
            FieldType::LocalTimestamp => self.time(Kind::Local),
            FieldType::Enum(values) => {
                let mut values = values.clone();
                values.sort();
                self.takes(Conversion::Enum(values, native), &SCALARS)
            }
            FieldType::Email => {
                self.takes(Conversion::Email, &[NativeKind::Text, NativeKind::Json])
            }
            FieldType::Phone { region } => self.phone(region.as_ref()),
            FieldType::Uuid if is(&[NativeKind::Uuid]) => Some(Conversion::Copy),
            FieldType::Uuid => self.takes(
                Conversion::Uuid(native),
                &[NativeKind::Text, NativeKind::Bytes, NativeKind::Json],
            ),
            FieldType::Bytes => self.bytes(),
            FieldType::Json if is(&[NativeKind::Text]) => Some(Conversion::JsonText),
            FieldType::Any | FieldType::Json => Some(Conversion::Copy),
            FieldType::Set => self.takes(
                Conversion::Set(SetOf { native, separator: self.separator() }),
                &[NativeKind::List, NativeKind::Text, NativeKind::Json],
            ),
            FieldType::Float if is(&[NativeKind::Float]) => Some(Conversion::Copy),
            FieldType::Float => self.takes(
                Conversion::Float(native),
                &[NativeKind::Num, NativeKind::Text, NativeKind::Json],
            ),
            FieldType::Interval if is(&[NativeKind::Interval]) => Some(Conversion::Copy),
            FieldType::Interval => self.takes(
                Conversion::Interval(native),
                &[NativeKind::Text, NativeKind::Time, NativeKind::Json],
            ),
            FieldType::Ref => Some(Conversion::Same(Same::Reference)),
        }
    }

    fn complain<T>(&mut self, message: impl Into<String>) -> Option<T> {
        self.problems.push(setting(message));
        None
    }

    /// The conversion, if the column is of a kind that it can write.
    fn takes(&mut self, conversion: Conversion, kinds: &[NativeKind]) -> Option<Conversion> {
        match self.spec.native {
            Some(native) if !kinds.contains(&native) => {
                let (field, column) = (name(self.kind), scalar::name(native));
                self.problems.push(Problem::new(
                    "map.type",
                    format!("the field holds {field}, and the column a {column}"),
                ));
                None
            }
            Some(_) | None => Some(conversion),
        }
    }

    fn parts(&mut self, split: &Split) -> Option<Split> {
        if split.parts < 2 || split.separator.is_empty() {
            return self.complain("a split needs a separator and at least two parts");
        }
        if self.spec.blank_is_null || self.spec.default.is_some() {
            return self.complain("`default` and blanks as null mean nothing for a split field");
        }
        Some(split.clone())
    }

    fn separator(&self) -> Option<Text> {
        let textual = self.spec.native == Some(NativeKind::Text);
        let declared = self.spec.list_separator.clone().filter(|separator| !separator.is_empty());
        declared.or_else(|| textual.then(|| Text::new(",")))
    }

    fn table(&mut self) -> Option<Conversion> {
        let spec = self.spec;
        let fold = spec.case == Some(Case::Fold);
        let (rows, what) = match (&spec.values, &spec.boolean) {
            (Some(_), Some(_)) => {
                return self.complain("`values` and `bool` exclude each other");
            }
            (Some(rows), None) => (rows.clone(), "value"),
            (None, Some((yes, no))) => {
                if !matches!(self.kind, FieldType::Bool | FieldType::Any) {
                    return self.complain("`bool` needs `type: bool`");
                }
                (
                    vec![(Value::Bool(true), yes.clone()), (Value::Bool(false), no.clone())],
                    "boolean",
                )
            }
            (None, None) => return None,
        };
        let mut typed = Vec::with_capacity(rows.len());
        for (golden, natives) in rows {
            if let Some(golden) = self.golden(&golden) {
                typed.push((golden, natives));
            }
        }
        match Table::new(&typed, spec.native, fold, what) {
            Ok(table) => Some(Conversion::Table(table)),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// A literal of the file as a value of the field.
    fn golden(&mut self, literal: &Value) -> Option<Value> {
        let as_kind = |kind| super::table::key(literal).and_then(|key| scalar::parse(kind, &key));
        let found = match self.kind {
            _ if literal.is_null() => Some(Value::Null),
            FieldType::Any | FieldType::Json | FieldType::Set => Some(literal.clone()),
            FieldType::Enum(values) => as_kind(NativeKind::Text)
                .filter(|value| matches!(value, Value::Text(text) if values.contains(text))),
            FieldType::Text | FieldType::Email | FieldType::Phone { .. } => {
                as_kind(NativeKind::Text)
            }
            FieldType::Int | FieldType::Decimal | FieldType::Money { .. } => {
                as_kind(NativeKind::Num)
            }
            FieldType::Bool => as_kind(NativeKind::Bool),
            FieldType::Date => as_kind(NativeKind::Date),
            FieldType::Time => as_kind(NativeKind::Time),
            FieldType::Timestamp => as_kind(NativeKind::Instant),
            FieldType::LocalTimestamp => as_kind(NativeKind::LocalDateTime),
            FieldType::Uuid => as_kind(NativeKind::Uuid),
            FieldType::Bytes => as_kind(NativeKind::Bytes),
            FieldType::Float => as_kind(NativeKind::Float),
            FieldType::Interval => as_kind(NativeKind::Interval),
            FieldType::Ref => None,
        };
        if found.is_none() {
            let message = if let FieldType::Enum(values) = self.kind {
                format!(
                    "{} is not one of the field's values, which are {}",
                    shown(literal),
                    values.join(", ")
                )
            } else {
                let holds = name(self.kind);
                format!("{} is no value of a field that holds {holds}", shown(literal))
            };
            self.problems.push(Problem::new("map.unknown_value", message));
        }
        found
    }

    fn number(&mut self) -> Option<Conversion> {
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

    fn money(&mut self, field: Option<&Text>) -> Option<Conversion> {
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

    fn time(&mut self, kind: Kind) -> Option<Conversion> {
        let spec = self.spec;
        let zone_name = spec.zone.as_deref().or(self.default_zone);
        let zone = match zone_name.map(|name| (name, Zone::get(name))) {
            None => None,
            Some((_, Some(zone))) => Some(zone),
            Some((name, None)) => {
                self.problems.push(Problem::new("map.zone", format!("\"{name}\" is no time zone")));
                return None;
            }
        };
        let form = self.time_form(kind)?;
        let same = match kind {
            Kind::Date => NativeKind::Date,
            Kind::Time => NativeKind::Time,
            Kind::Instant => NativeKind::Instant,
            Kind::Local => NativeKind::LocalDateTime,
        };
        let full = spec.fraction.is_none_or(|digits| digits >= 9);
        if spec.native == Some(same) && full && matches!(form, TimeForm::Iso) {
            return Some(Conversion::Copy);
        }
        if zone.is_none() && self.needs_zone(kind, &form) {
            self.problems.push(Problem::new(
                "map.zone",
                "these times carry no offset: say their zone with `tz:`, or `timezone:` for the \
                 whole file",
            ));
            return None;
        }
        let time = Time {
            kind,
            native: spec.native,
            form,
            zone,
            zone_is_own: spec.zone.is_some(),
            ambiguous: spec.ambiguous.unwrap_or(Ambiguous::Reject),
            fraction: spec.fraction.filter(|digits| *digits < 9),
            lossy: spec.lossy,
        };
        let plain = matches!(time.form, TimeForm::Iso);
        let kinds: &[NativeKind] = match kind {
            Kind::Time => &[NativeKind::Time, NativeKind::Interval],
            Kind::Date | Kind::Instant | Kind::Local => &[
                NativeKind::Date,
                NativeKind::LocalDateTime,
                NativeKind::Instant,
                NativeKind::OffsetDateTime,
            ],
        };
        let texts = [NativeKind::Text, NativeKind::Json, NativeKind::Num];
        let texts = texts.iter().filter(|native| !plain || **native != NativeKind::Num);
        let kinds: Vec<NativeKind> = kinds.iter().chain(texts).copied().collect();
        self.takes(Conversion::Time(Box::new(time)), &kinds)
    }

    fn time_form(&mut self, kind: Kind) -> Option<TimeForm> {
        let Some(format) = &self.spec.format else { return Some(TimeForm::Iso) };
        let unix = match format.as_str() {
            "%s" => Some(0),
            "%s%3f" => Some(3),
            "%s%6f" => Some(6),
            "%s%9f" => Some(9),
            _ => None,
        };
        if let Some(digits) = unix {
            if kind == Kind::Instant {
                return Some(TimeForm::Unix(digits));
            }
            return self.complain("seconds since 1970 need `type: timestamp`");
        }
        let columns = [NativeKind::Text, NativeKind::Json, NativeKind::Num];
        if self.spec.native.is_some_and(|native| !columns.contains(&native)) {
            return self.complain("a format means nothing for a column that holds dates or times");
        }
        let pattern = match Pattern::parse(format) {
            Ok(pattern) => pattern,
            Err(directive) => {
                return self
                    .complain(format!("the format \"{format}\" has an unknown {directive}"));
            }
        };
        let (enough, wanted) = match kind {
            Kind::Date | Kind::Instant | Kind::Local => {
                (pattern.has_date(), "a year, a month and a day")
            }
            Kind::Time => (pattern.has_time(), "an hour"),
        };
        if !enough {
            return self.complain(format!("the format \"{format}\" names no {wanted}"));
        }
        Some(TimeForm::Pattern(pattern, format.clone()))
    }

    fn needs_zone(&self, kind: Kind, form: &TimeForm) -> bool {
        use NativeKind::{Date, Instant, LocalDateTime, OffsetDateTime};
        match kind {
            Kind::Instant => {
                matches!(self.spec.native, Some(Date | LocalDateTime))
                    || matches!(form, TimeForm::Pattern(pattern, _) if !pattern.has_offset())
            }
            Kind::Date | Kind::Local => {
                matches!(self.spec.native, Some(Instant | OffsetDateTime))
            }
            Kind::Time => false,
        }
    }

    fn phone(&mut self, region: Option<&Text>) -> Option<Conversion> {
        let format = self.spec.phone.unwrap_or(PhoneFormat::E164);
        match Phone::new(region.map(Text::as_str), format) {
            Some(phone) => {
                self.takes(Conversion::Phone(phone), &[NativeKind::Text, NativeKind::Json])
            }
            None => self.complain(format!(
                "\"{}\" is no country whose telephone numbers are known",
                region.map_or("", Text::as_str)
            )),
        }
    }

    fn bytes(&mut self) -> Option<Conversion> {
        let coding = match self.spec.format.as_deref() {
            None => Coding::Raw,
            Some("hex") => Coding::Hex,
            Some("base64") => Coding::Base64,
            Some(other) => {
                return self.complain(format!("bytes are `hex` or `base64`, not \"{other}\""));
            }
        };
        let kinds: &[NativeKind] = match coding {
            Coding::Raw => &[NativeKind::Bytes],
            Coding::Hex | Coding::Base64 => &[NativeKind::Text, NativeKind::Json],
        };
        if coding == Coding::Raw && self.spec.native == Some(NativeKind::Bytes) {
            return Some(Conversion::Copy);
        }
        self.takes(Conversion::Bytes(coding), kinds)
    }

    fn literal(&mut self, value: Option<&Value>) -> Option<Value> {
        match literal(self.spec.native, value?) {
            Ok(value) => Some(value),
            Err(found) => {
                self.problems.push(found);
                None
            }
        }
    }

    /// Settings that would be accepted and ignored.
    fn refuse_what_means_nothing(&mut self) {
        let (spec, kind) = (self.spec, self.kind);
        let textual = matches!(
            kind,
            FieldType::Any | FieldType::Text | FieldType::Email | FieldType::Enum(_)
        );
        let numeric = matches!(kind, FieldType::Int | FieldType::Decimal | FieldType::Money { .. });
        let timed = matches!(
            kind,
            FieldType::Date | FieldType::Time | FieldType::Timestamp | FieldType::LocalTimestamp
        );
        let mapped = spec.values.is_some() || spec.boolean.is_some();
        let split = spec.split.is_some() || spec.join.is_some();
        let format_fits = timed || matches!(kind, FieldType::Money { .. } | FieldType::Bytes);
        let fold = spec.case == Some(Case::Fold);
        let checks = [
            (spec.case.is_some() && !(textual && !mapped || fold && mapped), "case"),
            (spec.format.is_some() && (!format_fits || mapped || split), "format"),
            (spec.zone.is_some() && !timed, "tz"),
            (spec.ambiguous.is_some() && !timed, "ambiguous"),
            (spec.unit.is_some() && (!numeric || mapped), "unit"),
            (spec.currency.is_some() && !matches!(kind, FieldType::Money { .. }), "currency"),
            (spec.rounding.is_some() && !numeric, "rounding"),
            (spec.decimal_separator.is_some() && !numeric, "decimal"),
            (spec.group_separator.is_some() && !numeric, "group"),
            (spec.phone.is_some() && !matches!(kind, FieldType::Phone { .. }), "phone"),
            (spec.list_separator.is_some() && *kind != FieldType::Set, "separator"),
            (split && mapped, "values"),
        ];
        for (is_wrong, key) in checks {
            if is_wrong {
                self.problems.push(setting(format!(
                    "`{key}` means nothing for a field that holds {}",
                    name(kind)
                )));
            }
        }
        let separators = (spec.decimal_separator.unwrap_or('.'), spec.group_separator);
        let digit = |letter: char| letter.is_ascii_digit() || matches!(letter, '-' | '+');
        if separators.1 == Some(separators.0)
            || digit(separators.0)
            || separators.1.is_some_and(digit)
        {
            self.problems.push(setting("numbers cannot be read back with these separators"));
        }
    }
}

const SCALARS: [NativeKind; 9] = [
    NativeKind::Text,
    NativeKind::Num,
    NativeKind::Bool,
    NativeKind::Uuid,
    NativeKind::Bytes,
    NativeKind::Date,
    NativeKind::Time,
    NativeKind::LocalDateTime,
    NativeKind::Json,
];

const NUMBERS: [NativeKind; 5] =
    [NativeKind::Num, NativeKind::Text, NativeKind::Float, NativeKind::Bool, NativeKind::Json];

/// What a field holds, as people say it.
pub(super) fn name(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Any => "anything",
        FieldType::Text => "texts",
        FieldType::Int => "whole numbers",
        FieldType::Decimal => "numbers",
        FieldType::Money { .. } => "amounts",
        FieldType::Bool => "booleans",
        FieldType::Date => "dates",
        FieldType::Time => "times of day",
        FieldType::Timestamp => "timestamps",
        FieldType::LocalTimestamp => "local timestamps",
        FieldType::Enum(_) => "one of a few values",
        FieldType::Email => "e-mail addresses",
        FieldType::Phone { .. } => "telephone numbers",
        FieldType::Uuid => "UUIDs",
        FieldType::Bytes => "bytes",
        FieldType::Json => "JSON",
        FieldType::Set => "sets",
        FieldType::Float => "floating-point numbers",
        FieldType::Interval => "intervals",
        FieldType::Ref => "references",
    }
}
