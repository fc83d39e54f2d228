//! A binding with its table: the statements that read it, and rows decoded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, Row, types::Value as Stored};
use syncline_core::{
    Text,
    change::{Observed, RowKey},
    error::{ErrorKind, PortError, Problem},
    name::BindingIndex,
    plan::Plan,
    value::Value,
};
use syncline_ports::{catalog::Foreign, source::RefusedRow};

use crate::{
    sql::{ColumnIndex, Shape},
    sqlite::{
        catalog::{codec, describe},
        connection::{port_error, quoted},
        types::{Codec, raw, unraw},
    },
};

/// A binding with its table.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) shape: Shape,
    pub(crate) foreign: Vec<Foreign>,
    /// The table's name, quoted.
    pub(crate) table: String,
    /// `select … from table`, in the order of the shape's columns.
    pub(crate) select: String,
    /// `key = ?1 and …`
    pub(crate) by_key: String,
    codecs: Vec<Codec>,
}

/// What a row turned out to be.
pub(crate) struct Seen {
    pub(crate) observed: Result<Observed, RefusedRow>,
    /// The cursor column, as stored.
    pub(crate) cursor: Value,
    /// About how many bytes the row has.
    pub(crate) bytes: usize,
}

/// What a key leads to.
pub(crate) enum Found {
    None,
    One(Box<Seen>),
    /// The key is not unique.
    Many,
}

impl Bound {
    fn new(connection: &Connection, plan: &Plan, index: BindingIndex) -> Result<Self, PortError> {
        let name = plan.binding(index).map_or("", |binding| binding.table.table.as_str());
        let action = format!("use table {name:?}");
        let failed = |error: rusqlite::Error| port_error(&action, &error);
        let table = describe(connection, name).map_err(failed)?.ok_or_else(|| {
            PortError::new(ErrorKind::SchemaDrift, action.clone(), "there is no such table")
        })?;
        let shape = Shape::of(plan, index, &table)?;
        let codecs = shape
            .columns
            .iter()
            .map(|column| codec(connection, name, &column.name, &column.type_name))
            .collect::<Result<Vec<Codec>, _>>()
            .map_err(failed)?;
        let columns: Vec<String> =
            shape.columns.iter().map(|column| quoted(&column.name)).collect();
        let by_key: Vec<String> = shape
            .key
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let (name, place) = (quoted(shape.column_name(*column)), at + 1);
                // The index serves the first comparison; the second makes it exact.
                if shape.columns.get(*column).is_some_and(|column| column.folds) {
                    format!("{name} = ?{place} and {name} = ?{place} collate binary")
                } else {
                    format!("{name} = ?{place}")
                }
            })
            .collect();
        Ok(Self {
            select: format!("select {} from {}", columns.join(", "), quoted(name)),
            table: quoted(name),
            by_key: by_key.join(" and "),
            foreign: table.foreign,
            codecs,
            shape,
        })
    }

    /// The codec of a column.
    pub(crate) fn codec(&self, column: ColumnIndex) -> Option<&Codec> {
        self.codecs.get(column)
    }

    /// A row of [`Bound::select`].
    pub(crate) fn read(&self, row: &Row<'_>) -> rusqlite::Result<Seen> {
        let mut values = Vec::with_capacity(self.codecs.len());
        let (mut problem, mut cursor, mut bytes) = (None::<Problem>, Value::Null, 64);
        for (at, codec) in self.codecs.iter().enumerate() {
            let stored = row.get_ref(at)?;
            bytes += 16 + stored.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
            if self.shape.cursor == Some(at) {
                cursor = raw(stored);
            }
            values.push(match codec.decode(stored) {
                Ok(value) => value,
                Err(found) => {
                    problem.get_or_insert(found);
                    raw(stored)
                }
            });
        }
        let observed = match problem {
            None => self.shape.observe(&values),
            Some(problem) => Err(RefusedRow {
                key: self.shape.key_of(&values),
                code: problem.code,
                reason: Text::from(problem.message),
            }),
        };
        Ok(Seen { observed, cursor, bytes })
    }

    /// The row of this key.
    pub(crate) fn find(&self, connection: &Connection, key: &RowKey) -> rusqlite::Result<Found> {
        let sql = format!("{} where {}", self.select, self.by_key);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(self.key_values(key)))?;
        let mut found = Found::None;
        while let Some(row) = rows.next()? {
            found = match found {
                Found::None => Found::One(Box::new(self.read(row)?)),
                Found::One(_) | Found::Many => Found::Many,
            };
        }
        Ok(found)
    }

    /// A key's values, as they are stored.
    pub(crate) fn key_values(&self, key: &RowKey) -> Vec<Stored> {
        self.stored(&self.shape.key, key)
    }

    /// The values of a key, as these columns store them. A key that its column could not have
    /// written (of a refused row) goes by its storage class.
    pub(crate) fn stored(&self, columns: &[ColumnIndex], key: &RowKey) -> Vec<Stored> {
        let values = key.values();
        columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let value = values.get(at).unwrap_or(&Value::Null);
                self.codec(*column)
                    .and_then(|codec| codec.encode(value).ok())
                    .unwrap_or_else(|| unraw(value))
            })
            .collect()
    }
}

/// All bindings of a system, bound when they are first used. Shared by its source and target.
#[derive(Debug)]
pub(crate) struct Bindings {
    pub(crate) plan: Arc<Plan>,
    /// Whether own writes leave marks.
    pub(crate) has_marks: bool,
    bound: Mutex<BTreeMap<BindingIndex, Arc<Bound>>>,
}

impl Bindings {
    pub(crate) fn new(plan: Arc<Plan>, has_marks: bool) -> Self {
        Self { plan, has_marks, bound: Mutex::default() }
    }

    /// The binding with its table.
    ///
    /// # Errors
    /// `SchemaDrift` or `Unsupported` if the table is not as the plan needs it.
    pub(crate) fn get(
        &self,
        connection: &Connection,
        index: BindingIndex,
    ) -> Result<Arc<Bound>, PortError> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = bound.get(&index) {
            return Ok(Arc::clone(found));
        }
        let new = Arc::new(Bound::new(connection, &self.plan, index)?);
        bound.insert(index, Arc::clone(&new));
        Ok(new)
    }

    /// Looks at all tables again with their next use: one of them has changed.
    pub(crate) fn forget(&self) {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
