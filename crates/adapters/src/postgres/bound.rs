//! A binding, tied to its table: what to select, how to read it, and how to find rows by key.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use syncline_core::{
    Text,
    change::{Observed, RowKey},
    error::{ErrorKind, PortError, Problem},
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::source::RefusedRow;
use tokio_postgres::types::Type;

use crate::{
    postgres::{
        connect::Session,
        sql::quoted,
        table::{self, Known},
        types::Carrier,
        wire::{Column, Parameter},
    },
    sql::{ColumnIndex, Shape},
};

/// A binding, tied to its table. Of the table's own description only what is asked for later is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) shape: Shape,
    pub(crate) known: Known,
    /// How each of the shape's columns is read and bound.
    pub(crate) carriers: Vec<Carrier>,
    /// Columns of documents that are written in part.
    pub(crate) documents: Vec<ColumnIndex>,
    /// What to select of a table called `t`.
    pub(crate) list: String,
}

/// Ties all bindings of a system to their tables.
///
/// # Errors
/// `SchemaDrift` and `Unsupported`, as [`Shape::of`].
pub(crate) async fn bind(
    session: &Session,
    plan: &Plan,
    system: SystemIndex,
) -> Result<Vec<Arc<Bound>>, PortError> {
    let mut all = Vec::new();
    for (at, binding) in plan.bindings.iter().enumerate() {
        if binding.system != system {
            continue;
        }
        let known = table::require(session, &binding.table.table).await?;
        let index = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
        all.push(shared(Bound::new(plan, index, known)?));
    }
    Ok(all)
}

/// All doors to a table have one description of it: a daemon has several to each.
fn shared(bound: Bound) -> Arc<Bound> {
    static KNOWN: Mutex<Vec<Weak<Bound>>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|one| one.strong_count() > 0);
    let same = known.iter().filter_map(Weak::upgrade).find(|one| **one == bound);
    same.unwrap_or_else(|| {
        let new = Arc::new(bound);
        known.push(Arc::downgrade(&new));
        new
    })
}

impl Bound {
    pub(crate) fn new(
        plan: &Plan,
        index: BindingIndex,
        mut known: Known,
    ) -> Result<Self, PortError> {
        let shape = Shape::of(plan, index, &known.table)?;
        let mut carriers = Vec::with_capacity(shape.columns.len());
        let mut list = Vec::with_capacity(shape.columns.len());
        for column in &shape.columns {
            let carrier = known.carriers.get(&column.name).ok_or_else(|| {
                PortError::new(
                    ErrorKind::Unsupported,
                    format!("use table {:?}", shape.table),
                    format!("column {:?} has the type {}", column.name, column.type_name),
                )
            })?;
            list.push(carrier.select(&format!("t.{}", quoted(&column.name))));
            carriers.push(carrier.clone());
        }
        let documents = shape.documents();
        known.forget_columns();
        Ok(Self { known, carriers, list: list.join(", "), documents, shape })
    }

    /// The name of a column of the table called `t`.
    pub(crate) fn column(&self, column: ColumnIndex) -> String {
        format!("t.{}", quoted(self.shape.column_name(column)))
    }

    /// Reads the columns of a row.
    ///
    /// # Errors
    /// The row's key as far as it can be read, and which column cannot.
    pub(crate) fn decode<'a>(
        &self,
        field: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<Vec<Value>, RefusedRow> {
        let mut values = Vec::with_capacity(self.carriers.len());
        let mut refused = None;
        for (at, carrier) in self.carriers.iter().enumerate() {
            values.push(carrier.codec.decode(field(at)).unwrap_or_else(|refusal| {
                refused.get_or_insert((at, refusal));
                Value::Null
            }));
        }
        match refused {
            None => Ok(values),
            Some((at, refusal)) => Err(RefusedRow {
                key: self.shape.key_of(&values),
                code: refusal.code,
                reason: Text::new(format!(
                    "column {:?}: {}",
                    self.shape.column_name(at),
                    refusal.reason
                )),
            }),
        }
    }

    /// Reads a row.
    pub(crate) fn observe<'a>(
        &self,
        field: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<Observed, RefusedRow> {
        self.shape.observe(&self.decode(field)?)
    }

    /// How rows of `t` are found by the key that is row `u` of the parameters from number `first`
    /// on, for these columns.
    pub(crate) fn keyed(&self, columns: &[ColumnIndex], first: usize) -> Keyed {
        let mut keyed = Keyed::default();
        for (at, column) in columns.iter().enumerate() {
            let Some(carrier) = self.carriers.get(*column) else { continue };
            keyed.conditions.push(format!("{} = u.k{at}{}", self.column(*column), carrier.write));
            keyed.arrays.push(format!("${}", first + at));
            keyed.names.push(format!("k{at}"));
            keyed.types.push(carrier.parameters.clone());
        }
        keyed
    }

    /// Keys as arrays, for [`Bound::keyed`].
    ///
    /// # Errors
    /// A key that does not fit the columns: its place in `keys`.
    pub(crate) fn key_parameters<'a>(
        &self,
        columns: &[ColumnIndex],
        keys: impl ExactSizeIterator<Item = &'a RowKey>,
    ) -> Result<Vec<Parameter>, (usize, Problem)> {
        let mut arrays: Vec<Column> = columns.iter().map(|_| Column::new(keys.len())).collect();
        for (place, key) in keys.enumerate() {
            let values = key.values();
            if values.len() != columns.len() {
                let problem = Problem::new("write.type", "a key has another number of columns");
                return Err((place, problem));
            }
            for ((column, array), value) in columns.iter().zip(&mut arrays).zip(&values) {
                if let Some(carrier) = self.carriers.get(*column) {
                    array.push(carrier, value).map_err(|problem| (place, problem))?;
                }
            }
        }
        Ok(columns
            .iter()
            .zip(arrays)
            .filter_map(|(column, array)| Some(array.finish(self.carriers.get(*column)?)))
            .collect())
    }
}

/// How to find rows by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyed {
    conditions: Vec<String>,
    arrays: Vec<String>,
    names: Vec<String>,
    /// The types of the parameters.
    pub(crate) types: Vec<Type>,
}

impl Keyed {
    /// `t."id" = u.k0`.
    pub(crate) fn condition(&self) -> String {
        self.conditions.join(" and ")
    }

    /// One more array of parameters, to be called `u.NAME`.
    pub(crate) fn add(&mut self, name: String, of: Type) {
        self.types.push(of);
        self.arrays.push(format!("${}", self.types.len()));
        self.names.push(name);
    }

    /// `unnest($1) with ordinality as u(k0, place)`.
    pub(crate) fn from(&self) -> String {
        format!(
            "unnest({}) with ordinality as u({}, place)",
            self.arrays.join(", "),
            self.names.join(", ")
        )
    }
}
