//! The type of a field: as said, else as its cells suggest, else as its columns are.

use std::collections::BTreeSet;

use syncline_core::{
    Text,
    lens::{FieldType, NativeKind},
};
use syncline_ports::catalog::{self, Column, Travels};

use crate::config::{
    compile::{Compiler, Kin},
    complaint::Complaint,
    draft::{CellDraft, FieldDraft, UnitDraft},
};

/// What a column holds; `None` if its type does not travel.
pub(crate) fn native(column: &Column) -> Option<NativeKind> {
    let kind = match &column.travels {
        Travels::Exactly(kind) | Travels::Converted(kind, _) => *kind,
        Travels::Refused => return None,
    };
    Some(match kind {
        catalog::NativeKind::Bool => NativeKind::Bool,
        catalog::NativeKind::Num => NativeKind::Num,
        catalog::NativeKind::Float => NativeKind::Float,
        catalog::NativeKind::Text => NativeKind::Text,
        catalog::NativeKind::Bytes => NativeKind::Bytes,
        catalog::NativeKind::Uuid => NativeKind::Uuid,
        catalog::NativeKind::Date => NativeKind::Date,
        catalog::NativeKind::Time => NativeKind::Time,
        catalog::NativeKind::LocalDateTime => NativeKind::LocalDateTime,
        catalog::NativeKind::Instant => NativeKind::Instant,
        catalog::NativeKind::Interval => NativeKind::Interval,
        catalog::NativeKind::Json => NativeKind::Json,
        catalog::NativeKind::List => NativeKind::List,
    })
}

impl Compiler<'_> {
    /// What the field holds.
    pub(super) fn kind(&mut self, kin: Kin<'_>, field: &FieldDraft) -> FieldType {
        if field.reference.is_some() {
            return FieldType::Ref;
        }
        if let Some(kind) = said(field) {
            return kind;
        }
        if let Some(kind) = hinted(field) {
            return kind;
        }
        let mut columns: Vec<(&CellDraft, NativeKind, &Column)> = Vec::new();
        for cell in &field.cells {
            // That a cell of a file is a text says nothing of what it means.
            let converts = cell.values.is_some()
                || cell.constant.is_some()
                || cell.path.is_some()
                || self.folder(&cell.system.value).is_some();
            let Some(binding) = kin.entity.binding(&cell.system.value) else { continue };
            if let [name] = cell.columns.as_slice()
                && !converts
                && let Some(column) = self.column(binding, &name.value)
                && let Some(native) = native(column)
            {
                columns.push((cell, native, column));
            }
        }
        let kinds: BTreeSet<&'static str> = columns.iter().map(|found| word(found.1)).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        let whole = columns.iter().all(|(_, _, column)| column.scale == Some(0));
        match of_columns(&kinds, whole) {
            Some(kind) => kind,
            None => {
                self.disagree(field, &columns);
                FieldType::Any
            }
        }
    }

    fn disagree(&mut self, field: &FieldDraft, columns: &[(&CellDraft, NativeKind, &Column)]) {
        let shown: Vec<String> = columns
            .iter()
            .map(|(cell, _, column)| format!("{} in {}", column.type_name, cell.system.value))
            .collect();
        self.complaints.push(
            Complaint::error(
                "map.type",
                field.name.place,
                format!("`{}` is {}", field.name.value, shown.join(", ")),
            )
            .fix("say what it is, such as `type: date`, and how each system writes it"),
        );
    }
}

/// The type that the file says.
fn said(field: &FieldDraft) -> Option<FieldType> {
    let text =
        |name: &Option<crate::config::draft::Name>| name.as_ref().map(|name| name.value.clone());
    let values = || -> Vec<Text> {
        field.values.iter().flatten().map(|value| value.value.clone()).collect()
    };
    Some(match field.kind.as_ref()?.value.as_str() {
        "text" => FieldType::Text,
        "int" => FieldType::Int,
        "decimal" => FieldType::Decimal,
        "money" => FieldType::Money { currency: text(&field.currency) },
        "bool" => FieldType::Bool,
        "date" => FieldType::Date,
        "time" => FieldType::Time,
        "timestamp" => FieldType::Timestamp,
        "local_timestamp" => FieldType::LocalTimestamp,
        "enum" => FieldType::Enum(values()),
        "email" => FieldType::Email,
        "phone" => FieldType::Phone { region: text(&field.region) },
        "uuid" => FieldType::Uuid,
        "bytes" => FieldType::Bytes,
        "json" => FieldType::Json,
        "set" => FieldType::Set,
        "float" => FieldType::Float,
        "interval" => FieldType::Interval,
        _ => return None,
    })
}

/// The type that the cells give away.
fn hinted(field: &FieldDraft) -> Option<FieldType> {
    let text =
        |name: &Option<crate::config::draft::Name>| name.as_ref().map(|name| name.value.clone());
    if let Some(values) = &field.values {
        return Some(FieldType::Enum(values.iter().map(|value| value.value.clone()).collect()));
    }
    let any = |test: fn(&CellDraft) -> bool| field.cells.iter().any(test);
    if field.currency.is_some()
        || any(|cell| cell.currency.is_some() || cell.unit == Some(UnitDraft::Minor))
    {
        return Some(FieldType::Money { currency: text(&field.currency) });
    }
    if field.region.is_some() || any(|cell| cell.phone.is_some()) {
        return Some(FieldType::Phone { region: text(&field.region) });
    }
    if any(|cell| cell.boolean.is_some()) {
        return Some(FieldType::Bool);
    }
    if any(|cell| cell.list.is_some()) {
        return Some(FieldType::Set);
    }
    if any(|cell| cell.unit.is_some() || cell.decimal.is_some() || cell.group.is_some()) {
        return Some(FieldType::Decimal);
    }
    let textual =
        any(|cell| cell.columns.len() > 1 || cell.case.is_some() || cell.trim || cell.collapse);
    textual.then_some(FieldType::Text)
}

/// The type that columns of these kinds have in common.
fn of_columns(kinds: &[&str], whole: bool) -> Option<FieldType> {
    Some(match kinds {
        // Nothing is known (offline), or lists, which have no type of their own yet.
        [] | ["list"] => FieldType::Any,
        ["text"] => FieldType::Text,
        ["number"] if whole => FieldType::Int,
        ["number"] | ["float", "number"] => FieldType::Decimal,
        ["float"] => FieldType::Float,
        ["bool"] | ["bool", "number"] => FieldType::Bool,
        ["bytes"] => FieldType::Bytes,
        ["uuid"] | ["text" | "bytes", "uuid"] => FieldType::Uuid,
        ["date"] => FieldType::Date,
        ["time"] => FieldType::Time,
        ["local"] => FieldType::LocalTimestamp,
        ["instant"] | ["instant", "local"] => FieldType::Timestamp,
        ["interval"] => FieldType::Interval,
        ["json"] | ["json", "text"] => FieldType::Json,
        _ => return None,
    })
}

fn word(native: NativeKind) -> &'static str {
    match native {
        NativeKind::Bool => "bool",
        NativeKind::Num => "number",
        NativeKind::Float => "float",
        NativeKind::Text => "text",
        NativeKind::Bytes => "bytes",
        NativeKind::Uuid => "uuid",
        NativeKind::Date => "date",
        NativeKind::Time => "time",
        NativeKind::LocalDateTime => "local",
        NativeKind::Instant | NativeKind::OffsetDateTime => "instant",
        NativeKind::Interval => "interval",
        NativeKind::Json => "json",
        NativeKind::List => "list",
    }
}
