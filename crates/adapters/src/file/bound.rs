//! A binding and its file: which columns it needs, and what a row of them means.

use std::{collections::BTreeMap, sync::Arc};

use syncline_core::{
    Text,
    change::{Observed, RowKey},
    error::{ErrorKind, PortError},
    lens::FieldType,
    name::BindingIndex,
    plan::{Place, Plan},
    value::{Digest, Value},
};
use syncline_ports::{
    catalog::{Column, NativeKind, Table, Travels},
    source::RefusedRow,
};

use crate::{file::System, file::rows::Entry, settings::folder::Form, sql::Shape};

/// A binding and its file.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) system: Arc<System>,
    /// As the entity names it.
    pub(super) file: Text,
    pub(super) shape: Shape,
    /// What the field of each column holds, where one field alone has it.
    pub(super) kinds: Vec<Option<FieldType>>,
    /// The columns in the order of the fields, then all others: that of a new file.
    order: Vec<Text>,
}

/// What a row of a file is.
#[derive(Debug)]
pub(super) enum Seen {
    /// It can be read.
    Row(Box<Observed>),
    /// It cannot be read as configured.
    Refused(RefusedRow),
    /// Nobody knows which row it is: a row that is not seen may be this one.
    Lost(String),
}

impl Bound {
    /// What this binding needs of its file.
    ///
    /// # Errors
    /// `SchemaDrift` if it has no key.
    pub(super) fn new(
        plan: &Plan,
        system: &Arc<System>,
        binding: BindingIndex,
    ) -> Result<Self, PortError> {
        let missing = || {
            let action = format!("prepare \"{}\"", system.name);
            PortError::new(ErrorKind::SchemaDrift, action, "no such binding")
        };
        let found = plan.binding(binding).ok_or_else(missing)?;
        let spec = &found.table;
        let mut names: Vec<Text> = spec.key.clone();
        let mut kinds: BTreeMap<Text, FieldType> = BTreeMap::new();
        let fields = plan.entity(found.entity).map(|entity| entity.fields.as_slice());
        for (cell, field) in found.cells.iter().zip(fields.unwrap_or_default()) {
            match cell.as_ref().map(|cell| &cell.place) {
                Some(Place::Column(name)) => {
                    names.push(name.clone());
                    kinds.insert(name.clone(), field.kind.clone());
                }
                Some(Place::Columns(several)) => names.extend(several.iter().cloned()),
                Some(Place::Path { column, .. }) => names.push(column.clone()),
                None => {}
            }
        }
        let of_fields = names.iter().skip(spec.key.len()).chain(&spec.key);
        let mut order: Vec<Text> = Vec::new();
        for name in of_fields {
            if !order.contains(name) {
                order.push(name.clone());
            }
        }
        names.extend(spec.changed_at.iter().map(|(name, _)| name.clone()));
        names.extend(spec.changed_by.iter().cloned());
        for (name, _) in found.soft_delete.iter().flatten() {
            let entity = plan.entity(found.entity);
            if entity.is_none_or(|entity| entity.field_named(name).is_none()) {
                names.push(name.clone());
            }
        }
        let native = match system.folder.form {
            Form::Csv(_) => NativeKind::Text,
            Form::JsonLines | Form::Xlsx { .. } => NativeKind::Json,
        };
        let mut columns: Vec<Column> = Vec::new();
        for name in names {
            if columns.iter().all(|column| column.name != name) {
                columns.push(column(name, native));
            }
        }
        let table = Table { name: spec.table.clone(), columns, ..Table::default() };
        let shape = Shape::of(plan, binding, &table)?;
        let kinds = shape.columns.iter().map(|column| kinds.get(&column.name).cloned()).collect();
        let others = shape.columns.iter().map(|column| &column.name);
        let others: Vec<Text> = others.filter(|name| !order.contains(name)).cloned().collect();
        order.extend(others);
        Ok(Self { system: Arc::clone(system), file: spec.table.clone(), shape, kinds, order })
    }

    /// For messages: `read orders of "finance"`.
    pub(super) fn action(&self, what: &str) -> String {
        format!("{what} {} of \"{}\"", self.file, self.system.name)
    }

    /// The columns, in the order in which a new file has them.
    pub(super) fn header(&self) -> Vec<Text> {
        self.order.clone()
    }

    /// The key of a row, if it can be told.
    pub(super) fn key_of(&self, entry: &Entry) -> Option<RowKey> {
        match self.seen(entry) {
            Seen::Row(observed) => Some(observed.key),
            Seen::Refused(refused) => Some(refused.key),
            Seen::Lost(_) => None,
        }
    }

    /// The columns, in the order in which values are asked for.
    pub(super) fn names(&self) -> Vec<Text> {
        self.shape.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// What a row of the file is.
    pub(super) fn seen(&self, entry: &Entry) -> Seen {
        if let Some(why) = &entry.broken {
            return Seen::Lost(format!("{}: {why}", entry.place));
        }
        let key_is_lost = self.shape.key.iter().any(|column| {
            let is_null = entry.values.get(*column).is_none_or(Value::is_null);
            is_null || entry.problems.iter().any(|problem| problem.column == *column)
        });
        if let Some(problem) = entry.problems.first() {
            let name = self.shape.column_name(problem.column);
            let reason = match name {
                "" => format!("{}: {}", entry.place, problem.reason),
                name => format!("{}, column {name:?}: {}", entry.place, problem.reason),
            };
            if key_is_lost {
                return Seen::Lost(reason);
            }
            let key = self.shape.key_of(&entry.values);
            return Seen::Refused(RefusedRow { key, code: problem.code, reason: reason.into() });
        }
        if key_is_lost {
            return Seen::Lost(format!("{}: a key column is empty", entry.place));
        }
        match self.shape.observe(&entry.values) {
            Ok(observed) => Seen::Row(Box::new(observed)),
            Err(mut refused) => {
                refused.reason = Text::from(format!("{}: {}", entry.place, refused.reason));
                Seen::Refused(refused)
            }
        }
    }
}

fn column(name: Text, native: NativeKind) -> Column {
    Column {
        name,
        nullable: true,
        type_name: Text::new(if native == NativeKind::Text { "text" } else { "cell" }),
        travels: Travels::Exactly(native),
        ..Column::default()
    }
}

/// Eight bytes of a key: what must be remembered of many.
pub(super) fn short(key: &RowKey) -> u64 {
    let Digest(long) = Digest::of(&key.0);
    long.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}
