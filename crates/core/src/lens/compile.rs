//! From what a cell says to what it does. All complaints at once.

use crate::{
    Text,
    lens::{
        Compiled, Lens, Problem,
        clean::Clean,
        contact::Phone,
        convert::{Coding, Conversion, Same},
        parts::SetOf,
        problem::{setting, shown},
        scalar,
        spec::{Ambiguous, Case, CellSpec, FieldType, NativeKind, PhoneFormat, Split},
        table::{Table, literal},
        time::Kind,
    },
    value::Value,
};

mod number;
mod time;

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
