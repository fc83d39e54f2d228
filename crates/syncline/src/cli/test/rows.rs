//! Rows sampled from the systems: the native values of every cell.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    name::{BindingIndex, FieldIndex},
    plan::{Binding, Place, Plan},
    value::Value,
};

use crate::{
    config::{Live, Loaded},
    report::Failure,
};

/// So many rows of each table, or all.
const ROWS_MAX: usize = 10_000;

/// What was sampled.
#[derive(Default)]
pub(super) struct Samples {
    /// Native values, by binding and field.
    pub(super) values: BTreeMap<(BindingIndex, FieldIndex), Vec<Value>>,
    /// Systems that answered no longer.
    pub(super) failed: Vec<String>,
}

/// Reads rows of every table that was seen.
pub(super) async fn sample(loaded: &Loaded, plan: &Plan, live: &Live) -> Samples {
    let mut samples = Samples::default();
    for (at, binding) in plan.bindings.iter().enumerate() {
        let Some(system) = plan.system(binding.system) else { continue };
        let is_there = live
            .get(&system.name)
            .is_some_and(|found| matches!(found.tables.get(&binding.table.table), Some(Some(_))));
        if !is_there {
            continue;
        }
        match rows_of(loaded, &system.name, binding).await {
            Ok((columns, rows)) => {
                keep(binding, BindingIndex(at as u16), &columns, &rows, &mut samples);
            }
            Err(_) => samples.failed.push(system.name.to_string()),
        }
    }
    samples.failed.dedup();
    samples
}

async fn rows_of(
    loaded: &Loaded,
    system: &str,
    binding: &Binding,
) -> Result<(Vec<Text>, Vec<Vec<Value>>), Failure> {
    let mut columns: Vec<Text> = Vec::new();
    for cell in binding.cells.iter().flatten() {
        for column in columns_of(&cell.place) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
    }
    let mut catalog = syncline_adapters::catalog(&loaded.settings(system).await?).await?;
    let rows = catalog.sample(&binding.table.table, &columns, ROWS_MAX).await?;
    Ok((columns, rows))
}

/// The columns of a place.
pub(super) fn columns_of(place: &Place) -> &[Text] {
    match place {
        Place::Column(column) | Place::Path { column, .. } => std::slice::from_ref(column),
        Place::Columns(columns) => columns,
    }
}

fn keep(
    binding: &Binding,
    index: BindingIndex,
    columns: &[Text],
    rows: &[Vec<Value>],
    samples: &mut Samples,
) {
    for (at, cell) in binding.cells.iter().enumerate() {
        let Some(cell) = cell else { continue };
        let atoms = rows.iter().filter_map(|row| atom(&cell.place, columns, row));
        samples.values.insert((index, FieldIndex(at as u16)), atoms.collect());
    }
}

/// The native value at a place of a row; `None` if the row does not show it.
fn atom(place: &Place, columns: &[Text], row: &[Value]) -> Option<Value> {
    let value = |name: &Text| row.get(columns.iter().position(|column| column == name)?);
    match place {
        Place::Column(name) => value(name).cloned(),
        Place::Columns(names) => {
            names.iter().map(|name| value(name).cloned()).collect::<Option<_>>().map(Value::List)
        }
        Place::Path { column, path } => {
            path.iter().try_fold(value(column)?, |found, key| {
                if let Value::Map(entries) = found { entries.get(key) } else { None }
            })
        }
        .cloned(),
    }
}
