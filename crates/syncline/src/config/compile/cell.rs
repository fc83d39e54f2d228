//! A cell becomes a lens: what the file says, completed by what the column is.

use syncline_adapters::settings::folder::Form;
use syncline_core::{
    Text,
    decimal::Decimal,
    lens::{self, CellCurrency, CellSpec, FieldType, Lens, NativeKind, Split, Unit, law},
    plan::{Cell, Place},
    value::Value,
};
use syncline_ports::catalog::Column;

use crate::config::{
    compile::{Compiler, Kin, kind},
    complaint::Complaint,
    draft::{
        Atom, BindingDraft, CellDraft, CurrencyDraft, FieldDraft, UnitDraft, folder::FolderDraft,
    },
};

impl Compiler<'_> {
    /// The cell of a field in a binding, if it has one.
    pub(super) fn cell(
        &mut self,
        kin: Kin<'_>,
        binding: &BindingDraft,
        field: &FieldDraft,
        kind: &FieldType,
    ) -> Option<Cell> {
        let cell = field.cell(&binding.system.value)?;
        let place = place(cell)?;
        let column = match cell.columns.as_slice() {
            [only] => self.column(binding, &only.value),
            _ => None,
        };
        let form = match self.folder(&binding.system.value) {
            Some(FolderDraft { form: Form::Csv(_), decimal, .. }) => Written::Texts(*decimal),
            Some(FolderDraft { form: Form::JsonLines | Form::Xlsx { .. }, .. }) => Written::Item,
            None if self.is_rest(&binding.system.value) => Written::Item,
            None => Written::AsDescribed,
        };
        let spec = spec(cell, kind, column, form);
        let zone = self.draft.timezone.as_ref().map(|zone| zone.value.as_str());
        let system = binding.system.value.as_str();
        let lens = match lens::compile(kind, &spec, zone) {
            Ok(lens) => lens,
            Err(problems) => {
                self.refused(field, cell, problems);
                Lens::identity()
            }
        };
        let root = kin.root();
        let reads = field.compute.is_none()
            && kin.sources(field).is_none_or(|from| from.iter().any(|name| name.value == system));
        let to = field.to.as_ref().or(root.to.as_ref());
        let only_source = matches!(kin.sources(field), Some([only]) if only.value == system);
        let writes = !only_source && to.is_none_or(|to| to.iter().any(|name| name.value == system));
        let gives_back = field.compute.is_none() && cell.constant.is_none();
        // A list of values was compared by `check`, with the very entry underlined.
        let judged = cell.values.is_some() && cell.lookup.is_none();
        let loses = if gives_back { law::invertible(kind, &lens).err() } else { None };
        if let Some(found) = &loses
            && reads
            && writes
            && !judged
        {
            self.not_invertible(field, cell, found);
        }
        Some(Cell {
            place,
            lens,
            two_way: gives_back && (reads || loses.is_none()),
            insert_only: cell.constant.is_some(),
        })
    }

    fn refused(
        &mut self,
        field: &FieldDraft,
        cell: &CellDraft,
        problems: Vec<syncline_core::error::Problem>,
    ) {
        for problem in problems {
            let twice = problem.code == "map.unknown_value" && field.values.is_some();
            if twice {
                continue;
            }
            let message = format!(
                "`{}` cannot live in {} like this: {}",
                field.name.value, cell.system.value, problem.message
            );
            self.complaints.push(Complaint::error(problem.code, cell.place, message));
        }
    }

    fn not_invertible(
        &mut self,
        field: &FieldDraft,
        cell: &CellDraft,
        found: &law::Counterexample,
    ) {
        let system = &cell.system.value;
        let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), quoted);
        let label = match (&found.golden, &found.native) {
            (Some(_), Some(_)) => format!(
                "{} is written as {} and read back as {}",
                shown(&found.golden),
                shown(&found.native),
                shown(&found.back)
            ),
            (Some(_), None) => format!("{} cannot be written", shown(&found.golden)),
            _ => found.law.to_owned(),
        };
        let is_money = field.kind.as_ref().is_some_and(|kind| kind.value == "money");
        let fix = if is_money && field.currency.is_none() && cell.currency.is_none() {
            "nothing says in which currency: `currency: EUR` beside `type: money`, or in the cell \
             `currency: {column: …}`"
                .to_owned()
        } else {
            format!("say how {system} writes it, or make the field one-way with `from: {system}`")
        };
        self.complaints.push(
            Complaint::error(
                found.code,
                cell.place,
                format!("`{}` cannot be written back to {system}", field.name.value),
            )
            .label(label)
            .fix(fix),
        );
    }
}

/// A value as a message shows it.
pub(crate) fn quoted(value: &Value) -> String {
    let Value::Text(text) = value else { return value.to_string() };
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

/// Where the native atom is.
fn place(cell: &CellDraft) -> Option<Place> {
    let mut columns: Vec<Text> = cell.columns.iter().map(|column| column.value.clone()).collect();
    if let (Some(CurrencyDraft::Column(currency)), 1) = (&cell.currency, columns.len()) {
        columns.push(currency.value.clone());
    }
    match (columns.as_slice(), &cell.path) {
        ([], _) => None,
        ([column], Some(path)) => Some(Place::Path {
            column: column.clone(),
            path: path.value.split('.').map(Text::new).collect(),
        }),
        ([column], None) => Some(Place::Column(column.clone())),
        (_, _) => Some(Place::Columns(columns)),
    }
}

/// What a system's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// What its catalogue says of the column.
    AsDescribed,
    /// What JSON has.
    Item,
    /// Texts, in which numbers have this decimal sign.
    Texts(Option<char>),
}

/// What the cell says, completed by what the column is.
fn spec(cell: &CellDraft, kind: &FieldType, column: Option<&Column>, form: Written) -> CellSpec {
    let several = cell.columns.len() > 1;
    let in_json = cell.path.is_some() || (form == Written::Item && !several);
    let (is_text, sign) = match form {
        Written::Texts(sign) => (true, sign),
        Written::AsDescribed | Written::Item => (false, None),
    };
    let native = match column.and_then(kind::native) {
        _ if in_json => Some(NativeKind::Json),
        _ if several => None,
        _ if is_text => Some(NativeKind::Text),
        native => native,
    };
    let column = column.filter(|_| !in_json && !several);
    let textual = native == Some(NativeKind::Text);
    let numeric = native == Some(NativeKind::Num);
    let timed =
        matches!(native, Some(NativeKind::Time | NativeKind::LocalDateTime | NativeKind::Instant));
    let counted = matches!(kind, FieldType::Int | FieldType::Decimal | FieldType::Money { .. });
    let mapped = cell.values.is_some() || cell.boolean.is_some() || cell.lookup.is_some();
    let texts = matches!(
        kind,
        FieldType::Any
            | FieldType::Text
            | FieldType::Enum(_)
            | FieldType::Json
            | FieldType::Set
            | FieldType::Ref
    );
    let atoms = |atoms: &Vec<Atom>| atoms.iter().map(|atom| typed(atom, None)).collect();
    let split = several && *kind != FieldType::Ref && cell.currency.is_none();
    CellSpec {
        native,
        format: cell.format.as_ref().map(|format| format.value.clone()),
        zone: cell.tz.as_ref().map(|zone| zone.value.clone()),
        ambiguous: cell.ambiguous,
        values: cell.values.as_ref().map(|values| {
            values
                .value
                .iter()
                .map(|(golden, natives)| (Value::Text(golden.value.clone()), atoms(natives)))
                .collect()
        }),
        boolean: cell.boolean.as_ref().map(|(yes, no)| (atoms(yes), atoms(no))),
        unit: cell.unit.as_ref().map(|unit| match unit {
            UnitDraft::Minor => Unit::Minor,
            UnitDraft::Linear(multiply, divide, offset) => {
                Unit::Linear { multiply: *multiply, divide: *divide, offset: *offset }
            }
        }),
        currency: cell.currency.as_ref().map(|currency| match currency {
            CurrencyDraft::Constant(code) => CellCurrency::Constant(code.value.clone()),
            CurrencyDraft::Column(_) => CellCurrency::Column,
        }),
        decimal_separator: cell.decimal.or(sign.filter(|_| counted && !mapped)),
        group_separator: cell.group,
        scale: cell.scale.or_else(|| column.filter(|_| numeric && counted)?.scale),
        digits: column.filter(|_| numeric && counted).and_then(|column| column.precision),
        rounding: cell.rounding,
        fraction: column.filter(|_| timed).and_then(|column| column.scale),
        trim: cell.trim,
        collapse: cell.collapse,
        case: cell.case,
        max: cell.max.or_else(|| column.filter(|_| textual)?.length_max),
        lossy: cell.lossy,
        default: cell.default.as_ref().map(|atom| typed(atom, native)),
        // Files that put every cell in quotes have an empty text where there is no number.
        blank_is_null: cell.blank_is_null || (is_text && !several && !texts && !mapped),
        constant: cell.constant.as_ref().map(|atom| typed(atom, native)),
        split: split.then(|| Split {
            separator: cell.separator.clone().unwrap_or_else(|| Text::new(" ")),
            parts: cell.columns.len() as u32,
            from_end: cell.from_end,
        }),
        join: None,
        list_separator: cell.list.clone(),
        phone: cell.phone,
    }
}

/// A value as the column would hold it, whatever its kind.
pub(crate) fn literal(atom: &Atom, native: Option<NativeKind>) -> Value {
    let found = typed(atom, native);
    match (&found, native) {
        (Value::Text(text), Some(native)) => lens::parse_as(native, text).unwrap_or(found),
        _ => found,
    }
}

/// A native value of the file: what the column takes, where that is known; else a text if it
/// stands in quotes, a number or word if it looks like one.
pub(crate) fn typed(atom: &Atom, native: Option<NativeKind>) -> Value {
    let text = || Value::Text(atom.text.clone());
    if !atom.is_quoted && matches!(atom.text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    let number = || Decimal::parse(&atom.text).map(Value::Num);
    let boolean = || match atom.text.as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    };
    match native {
        Some(NativeKind::Num) => number().unwrap_or_else(text),
        Some(NativeKind::Bool) => boolean().unwrap_or_else(text),
        Some(NativeKind::Text) => text(),
        Some(
            NativeKind::Float
            | NativeKind::Bytes
            | NativeKind::Uuid
            | NativeKind::Date
            | NativeKind::Time
            | NativeKind::LocalDateTime
            | NativeKind::Instant
            | NativeKind::OffsetDateTime
            | NativeKind::Interval
            | NativeKind::Json
            | NativeKind::List,
        )
        | None => {
            if atom.is_quoted {
                return text();
            }
            boolean().or_else(number).unwrap_or_else(text)
        }
    }
}
