//! A binding, and what an item that was told means as a row of it. Members that were never told are missing,
//! not null.

use serde_json::Value as Json;
use syncline_core::{
    Text,
    change::{Observed, Row, RowKey},
    error::{ErrorKind, PortError},
    name::BindingIndex,
    plan::{Place, Plan},
    value::{Slot, Value},
};
use syncline_ports::{
    catalog::{Column, NativeKind, Table, Travels},
    source::RefusedRow,
};

use crate::{
    push::told,
    settings::Path,
    sql::{Shape, json},
};

/// A binding, and where its columns are in an item.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// Whose rows they are in what was told.
    pub(super) place: String,
    shape: Shape,
    paths: Vec<Path>,
    /// The columns that make each field.
    fields: Vec<Vec<usize>>,
}

impl Bound {
    /// What this binding needs of its items.
    ///
    /// # Errors
    /// `SchemaDrift` if it has no key, or a path is none.
    pub(super) fn new(plan: &Plan, system: &str, binding: BindingIndex) -> Result<Self, PortError> {
        let wrong = |detail: String| {
            PortError::new(ErrorKind::SchemaDrift, format!("prepare \"{system}\""), detail)
        };
        let found = plan.binding(binding).ok_or_else(|| wrong("no such binding".into()))?;
        let spec = &found.table;
        let of_cell = |place: &Place| match place {
            Place::Column(name) => vec![name.clone()],
            Place::Columns(several) => several.clone(),
            Place::Path { column, .. } => vec![column.clone()],
        };
        let cells: Vec<Vec<Text>> = found
            .cells
            .iter()
            .map(|cell| cell.as_ref().map(|cell| of_cell(&cell.place)).unwrap_or_default())
            .collect();
        let mut names: Vec<Text> = spec.key.clone();
        names.extend(cells.iter().flatten().cloned());
        names.extend(spec.changed_at.iter().map(|(name, _)| name.clone()));
        names.extend(spec.changed_by.iter().cloned());
        for (name, _) in found.soft_delete.iter().flatten() {
            let entity = plan.entity(found.entity);
            if entity.is_none_or(|entity| entity.field_named(name).is_none()) {
                names.push(name.clone());
            }
        }
        let mut columns: Vec<Column> = Vec::new();
        for name in names {
            if columns.iter().all(|column| column.name != name) {
                columns.push(Column {
                    name,
                    nullable: true,
                    type_name: Text::new("json"),
                    travels: Travels::Exactly(NativeKind::Json),
                    ..Column::default()
                });
            }
        }
        let table = Table {
            name: spec.table.clone(),
            columns,
            primary_key: spec.key.clone(),
            ..Table::default()
        };
        let shape = Shape::of(plan, binding, &table)?;
        let paths: Result<Vec<Path>, String> =
            shape.columns.iter().map(|column| Path::parse(&column.name)).collect();
        let fields = cells
            .iter()
            .map(|names| names.iter().filter_map(|name| shape.column_named(name)).collect())
            .collect();
        let place = told::place(&spec.table, &spec.key);
        Ok(Self { place, shape, paths: paths.map_err(wrong)?, fields })
    }

    /// What an item means as a row.
    ///
    /// # Errors
    /// An item that cannot be read as configured.
    pub(super) fn observe(&self, key: &RowKey, text: &str) -> Result<Observed, RefusedRow> {
        let refused =
            |code, reason: String| RefusedRow { key: key.clone(), code, reason: reason.into() };
        let item: Json = serde_json::from_str(text)
            .map_err(|error| refused("read.json", format!("not a JSON document: {error}")))?;
        let mut values = Vec::with_capacity(self.paths.len());
        let mut is_told = Vec::with_capacity(self.paths.len());
        for (path, column) in self.paths.iter().zip(&self.shape.columns) {
            let found = path.at(&item).map_err(|_| {
                let why = "something else than an object is on the way to";
                refused("read.json", format!("{why} {}", column.name))
            })?;
            is_told.push(found.is_some());
            values.push(match found {
                None => Value::Null,
                Some(found) => json::from_json(found.clone()).map_err(|problem| {
                    refused(problem.code, format!("{}: {}", column.name, problem.message))
                })?,
            });
        }
        // The key may have been told beside the item.
        for (column, part) in self.shape.key.iter().zip(key.values()) {
            if let Some(value) = values.get_mut(*column).filter(|value| value.is_null()) {
                *value = part;
                if let Some(is_told) = is_told.get_mut(*column) {
                    *is_told = true;
                }
            }
        }
        let mut observed = self.shape.observe(&values)?;
        observed.row = observed.row.map(|row| {
            let slots = row.0.iter().zip(&self.fields).map(|(slot, columns)| {
                let is_whole = columns.iter().all(|column| is_told.get(*column) == Some(&true));
                if is_whole { slot.clone() } else { Slot::Missing }
            });
            Row(slots.collect())
        });
        Ok(observed)
    }
}
