//! What the three SQL adapters share, without any driver: which columns a binding needs, what a row
//! of them means, and which columns a write assigns.
//!
//! An adapter decodes columns to [`Value`]s and binds values to columns; everything between a list
//! of column values and the words of the core is here, so that the three cannot disagree about it.
//!
//! A row that carries the marks of a soft delete is shown as absent: to the core a soft delete *is*
//! a delete, and a flag that is taken back is a row that comes back.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "conversions name the kinds they know; all others are treated alike"
)]

mod build;
pub mod json;
pub mod marks;
pub mod poll;
pub mod time;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use syncline_core::{
    Text,
    change::{Expected, Observed, Outcome, Row, RowKey, RowWrite, WriteKind},
    error::ErrorKind,
    name::{BindingIndex, FieldIndex, Timestamp},
    plan::SoftValue,
    value::{Slot, Value},
};
use syncline_ports::{
    catalog::{Column, NativeKind, Travels},
    source::RefusedRow,
};

/// The place of a column in [`Shape::columns`].
pub type ColumnIndex = usize;

/// Which columns of a table a binding needs, and what they mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The binding.
    pub binding: BindingIndex,
    /// The table, as the file names it; may carry a schema.
    pub table: Text,
    /// The columns to select, in this order, each once, as the system describes them.
    pub columns: Vec<Column>,
    /// The key columns, in the key's order.
    pub key: Vec<ColumnIndex>,
    /// The columns of the parent's key, for a child list.
    pub parent: Vec<ColumnIndex>,
    /// The column to poll by, if there is one.
    pub cursor: Option<ColumnIndex>,
    /// Unique constraints and indices of the table, primary key included, by column name.
    pub unique: Vec<Vec<Text>>,
    /// The fields that make the key, where all of it is made of fields.
    key_fields: Vec<FieldIndex>,
    fields: Vec<Option<Atom>>,
    changed_at: Option<(ColumnIndex, TimeZone)>,
    changed_by: Option<ColumnIndex>,
    soft_delete: Vec<(ColumnIndex, SoftValue)>,
}

/// Where the native atom of a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Column(ColumnIndex),
    /// A list; for a reference, NULL if all its columns are.
    Columns(Vec<ColumnIndex>, IsReference),
    Path(ColumnIndex, Vec<Text>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IsReference {
    Yes,
    No,
}

/// What a write does to one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which column.
    pub column: ColumnIndex,
    /// What it becomes.
    pub to: Assigned,
}

/// What a column becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// This value.
    Value(Value),
    /// Its present JSON document with these paths set, see [`json::assign`]; the adapter reads the
    /// document's text under the row's lock. For an insert the present document is empty.
    Paths(Vec<(Vec<Text>, Value)>),
    /// The time of the write, by the system's clock.
    Now,
}

impl Shape {
    /// The system's time as the cursor column would hold it, if it holds times: for
    /// [`poll::Poll::begin`].
    pub fn cursor_now(&self, now: Timestamp) -> Option<Value> {
        let column = self.cursor?;
        let kind = match &self.columns.get(column)?.travels {
            Travels::Exactly(kind) | Travels::Converted(kind, _) => *kind,
            Travels::Refused => return None,
        };
        match kind {
            NativeKind::Instant => Some(Value::Instant(
                now.0.div_euclid(1_000_000),
                (now.0.rem_euclid(1_000_000) as u32) * 1_000,
            )),
            NativeKind::LocalDateTime => {
                let zone = self.changed_at.as_ref().map(|(_, zone)| zone.clone());
                time::local_floor(now, &zone.unwrap_or(TimeZone::UTC))
            }
            NativeKind::Bool
            | NativeKind::Num
            | NativeKind::Float
            | NativeKind::Text
            | NativeKind::Bytes
            | NativeKind::Uuid
            | NativeKind::Date
            | NativeKind::Time
            | NativeKind::Interval
            | NativeKind::Json
            | NativeKind::List => None,
        }
    }

    /// The columns that hold JSON documents with paths in them: their text is needed to write.
    pub fn documents(&self) -> Vec<ColumnIndex> {
        let mut found: Vec<ColumnIndex> = self
            .fields
            .iter()
            .flatten()
            .filter_map(|atom| match atom {
                Atom::Path(column, _) => Some(*column),
                Atom::Column(_) | Atom::Columns(..) => None,
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The key of a row, from the values of [`Shape::columns`].
    pub fn key_of(&self, values: &[Value]) -> RowKey {
        RowKey::new(self.key.iter().filter_map(|column| values.get(*column)))
    }

    /// What a row holds, from the values of [`Shape::columns`]; `order`, `token`, `mark` and
    /// `transaction` are left to the adapter. A row marked as deleted comes back without a row.
    ///
    /// # Errors
    /// A row that cannot be read as configured, with its code (`read.null_key`, `read.json`).
    pub fn observe(&self, values: &[Value]) -> Result<Observed, RefusedRow> {
        let key = self.key_of(values);
        if self.key.iter().any(|column| values.get(*column).is_none_or(Value::is_null)) {
            let reason = Text::new("a key column is NULL");
            return Err(RefusedRow { key, code: "read.null_key", reason });
        }
        let row = if self.is_marked_deleted(values) { None } else { Some(self.row(values, &key)?) };
        let parent = (!self.parent.is_empty()
            && !self.parent.iter().any(|column| values.get(*column).is_none_or(Value::is_null)))
        .then(|| RowKey::new(self.parent.iter().filter_map(|column| values.get(*column))));
        let changed_at = self
            .changed_at
            .as_ref()
            .and_then(|(column, zone)| time::timestamp(values.get(*column)?, zone));
        let actor = self
            .changed_by
            .and_then(|column| values.get(column))
            .filter(|who| !who.is_null())
            .map(|who| Text::new(who.to_string()));
        Ok(Observed {
            binding: self.binding,
            key,
            row,
            parent,
            order: None,
            token: None,
            changed_at,
            actor,
            mark: None,
            transaction: None,
        })
    }

    fn row(&self, values: &[Value], key: &RowKey) -> Result<Row, RefusedRow> {
        let value = |column: &ColumnIndex| values.get(*column).cloned().unwrap_or_default();
        let mut slots = Vec::with_capacity(self.fields.len());
        for atom in &self.fields {
            slots.push(match atom {
                None => Slot::Missing,
                Some(Atom::Column(column)) => Slot::Present(value(column)),
                Some(Atom::Columns(columns, is_reference)) => {
                    let parts: Vec<Value> = columns.iter().map(value).collect();
                    let empty =
                        *is_reference == IsReference::Yes && parts.iter().all(Value::is_null);
                    Slot::Present(if empty { Value::Null } else { Value::List(parts) })
                }
                Some(Atom::Path(column, path)) => {
                    let document = values.get(*column).unwrap_or(&Value::Null);
                    let found = json::at(document, path).ok_or_else(|| RefusedRow {
                        key: key.clone(),
                        code: "read.json",
                        reason: Text::new(format!(
                            "column {:?} holds something else than an object on the way to {}",
                            self.column_name(*column),
                            path.join(".")
                        )),
                    })?;
                    Slot::Present(found.clone())
                }
            });
        }
        Ok(Row(slots.into()))
    }

    /// Whether these values carry every mark of a soft delete.
    fn is_marked_deleted(&self, values: &[Value]) -> bool {
        !self.soft_delete.is_empty()
            && self.soft_delete.iter().all(|(column, mark)| {
                let found = values.get(*column).unwrap_or(&Value::Null);
                match mark {
                    SoftValue::Value(value) => value == found,
                    SoftValue::Now => !found.is_null(),
                }
            })
    }

    /// Whether nothing that is written tells which row this insert made.
    pub fn makes_its_key(&self, write: &RowWrite) -> bool {
        let is_given = |field: &FieldIndex| write.set.iter().any(|(known, _)| known == field);
        let is_named = !self.key_fields.is_empty() && self.key_fields.iter().all(is_given);
        write.kind == WriteKind::Insert && write.key.is_none() && !is_named
    }

    /// Whether a delete marks the row instead of removing it.
    pub fn deletes_softly(&self) -> bool {
        !self.soft_delete.is_empty()
    }

    /// The columns that a write assigns, in no particular order, each once.
    ///
    /// `parent` is the parent row's key: the write's own, or what an earlier insert of the group
    /// was given. For a delete: the marks of a soft delete, or nothing. For an insert that meets a
    /// row marked as deleted, [`Shape::revival`] adds what takes the marks back.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] where an atom does not fit its place.
    pub fn assignments(
        &self,
        write: &RowWrite,
        parent: Option<&RowKey>,
    ) -> Result<Vec<Assignment>, Outcome> {
        let mut assigned = BTreeMap::new();
        match write.kind {
            WriteKind::Delete => {
                return Ok(self
                    .soft_delete
                    .iter()
                    .map(|(column, mark)| {
                        let to = match mark {
                            SoftValue::Value(value) => Assigned::Value(value.clone()),
                            SoftValue::Now => Assigned::Now,
                        };
                        Assignment { column: *column, to }
                    })
                    .collect());
            }
            WriteKind::Insert => {
                if let Some(key) = &write.key {
                    self.assign_key(&mut assigned, &self.key, key)?;
                }
                if let Some(parent) = parent.filter(|_| !self.parent.is_empty()) {
                    self.assign_key(&mut assigned, &self.parent, parent)?;
                }
            }
            WriteKind::Update => {}
        }
        for (field, atom) in &write.set {
            self.assign_field(&mut assigned, *field, atom)?;
        }
        self.keeps_its_key(write.kind, &assigned)?;
        Ok(assigned.into_iter().map(|(column, to)| Assignment { column, to }).collect())
    }

    /// A row whose key is NULL could be written and never be found again: it would look as if
    /// somebody had deleted it.
    fn keeps_its_key(
        &self,
        kind: WriteKind,
        assigned: &BTreeMap<ColumnIndex, Assigned>,
    ) -> Result<(), Outcome> {
        for index in &self.key {
            let Some(column) = self.columns.get(*index) else { continue };
            let by_system = column.is_identity || column.has_default || column.is_generated;
            let is_lost = match assigned.get(index) {
                Some(Assigned::Value(value)) => value.is_null() && !column.is_identity,
                Some(Assigned::Paths(_) | Assigned::Now) => false,
                // What the column itself refuses is left to it: a trigger may fill it.
                None => kind == WriteKind::Insert && column.nullable && !by_system,
            };
            if is_lost {
                let reason =
                    format!("column {:?} is part of the key and would be NULL", column.name);
                return Err(invalid("write.null", reason));
            }
        }
        Ok(())
    }

    /// Takes back the marks of a soft delete that `assignments` leaves alone: they become NULL.
    pub fn revival(&self, assignments: &[Assignment]) -> Vec<Assignment> {
        self.soft_delete
            .iter()
            .map(|(column, _)| *column)
            .filter(|column| !assignments.iter().any(|other| other.column == *column))
            .map(|column| Assignment { column, to: Assigned::Value(Value::Null) })
            .collect()
    }

    fn assign_key(
        &self,
        assigned: &mut BTreeMap<ColumnIndex, Assigned>,
        columns: &[ColumnIndex],
        key: &RowKey,
    ) -> Result<(), Outcome> {
        let values = key.values();
        if values.len() != columns.len() {
            return Err(invalid("write.type", "a key has another number of columns"));
        }
        for (column, value) in columns.iter().zip(values) {
            self.assign(assigned, *column, value)?;
        }
        Ok(())
    }

    fn assign_field(
        &self,
        assigned: &mut BTreeMap<ColumnIndex, Assigned>,
        field: FieldIndex,
        atom: &Value,
    ) -> Result<(), Outcome> {
        match self.fields.get(field.at()).and_then(Option::as_ref) {
            None => Err(invalid("write.type", "a field that has no cell here is to be written")),
            Some(Atom::Column(column)) => self.assign(assigned, *column, atom.clone()),
            Some(Atom::Columns(columns, _)) => {
                let nulls = vec![Value::Null; columns.len()];
                let parts = match atom {
                    Value::List(parts) => parts.as_slice(),
                    Value::Null => nulls.as_slice(),
                    _ => &[],
                };
                if parts.len() != columns.len() {
                    let reason = format!("{} columns need as many values", columns.len());
                    return Err(invalid("write.type", reason));
                }
                columns
                    .iter()
                    .zip(parts)
                    .try_for_each(|(column, part)| self.assign(assigned, *column, part.clone()))
            }
            Some(Atom::Path(column, path)) => {
                let paths = assigned.entry(*column).or_insert_with(|| Assigned::Paths(Vec::new()));
                match paths {
                    Assigned::Paths(paths) => paths.push((path.clone(), atom.clone())),
                    Assigned::Value(_) | Assigned::Now => {
                        return Err(invalid(
                            "write.type",
                            format!(
                                "column {:?} is written as a whole and in part",
                                self.column_name(*column)
                            ),
                        ));
                    }
                }
                Ok(())
            }
        }
    }

    /// One column, one value: two cells of one column must agree.
    fn assign(
        &self,
        assigned: &mut BTreeMap<ColumnIndex, Assigned>,
        column: ColumnIndex,
        value: Value,
    ) -> Result<(), Outcome> {
        if self.columns.get(column).is_some_and(|column| column.is_generated) {
            let reason = format!("column {:?} is computed by the system", self.column_name(column));
            return Err(invalid("write.generated", reason));
        }
        let to = Assigned::Value(value);
        match assigned.get(&column) {
            Some(other) if *other != to => Err(invalid(
                "write.type",
                format!("column {:?} is to hold two values at once", self.column_name(column)),
            )),
            Some(_) => Ok(()),
            None => {
                assigned.insert(column, to);
                Ok(())
            }
        }
    }

    /// The name of a column.
    pub fn column_name(&self, column: ColumnIndex) -> &str {
        self.columns.get(column).map_or("", |column| column.name.as_str())
    }

    /// The place of the column of this name.
    pub fn column_named(&self, name: &str) -> Option<ColumnIndex> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Whether the row found is the row expected: exact equality of atoms, never the database's idea of
/// equality.
pub fn is_expected(expected: &Expected, current: Option<&Row>) -> bool {
    match (expected, current) {
        (Expected::Absent, None) => true,
        (Expected::Fields(fields), Some(row)) => {
            fields.iter().all(|(field, atom)| row.value(*field) == Some(atom))
        }
        (Expected::Absent, Some(_)) | (Expected::Fields(_), None) => false,
    }
}

/// A write that may be made another time, and what the system has against it now: the code comes
/// first, unless it is only the moment (a lock, a deadlock).
pub fn put_off(kind: ErrorKind, detail: impl AsRef<str>) -> Outcome {
    let detail = detail.as_ref();
    let reason = match kind {
        ErrorKind::TimedOut | ErrorKind::Unexpected => Text::new(detail),
        ErrorKind::Unreachable
        | ErrorKind::Throttled
        | ErrorKind::Answer
        | ErrorKind::Unauthorized
        | ErrorKind::Credentials
        | ErrorKind::Tls
        | ErrorKind::Forbidden
        | ErrorKind::ReadOnly
        | ErrorKind::PositionLost
        | ErrorKind::Retained
        | ErrorKind::Unheard
        | ErrorKind::SchemaDrift
        | ErrorKind::Unsupported
        | ErrorKind::TooLarge
        | ErrorKind::DiskFull
        | ErrorKind::HubInUse
        | ErrorKind::HubVersion
        | ErrorKind::HubDamaged
        | ErrorKind::HubKeyMissing
        | ErrorKind::HubKeyWrong
        | ErrorKind::HubReadOnly
        | ErrorKind::HubMissing
        | ErrorKind::Secret => Text::from(format!("{}: {detail}", kind.remedy().code)),
    };
    Outcome::Retry { reason }
}

/// A write that can never be made as it is.
pub fn invalid(code: &'static str, reason: impl AsRef<str>) -> Outcome {
    Outcome::Invalid { code, reason: Text::new(reason) }
}

#[cfg(test)]
mod attack;
#[cfg(test)]
mod tests;
