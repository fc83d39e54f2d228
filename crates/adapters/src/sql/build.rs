//! Which columns of a table a binding needs: worked out once, before the first row.

use syncline_core::{
    Text,
    decimal::Decimal,
    error::{ErrorKind, PortError},
    name::BindingIndex,
    plan::{Binding, Place, Plan, SoftValue},
    value::Value,
};
use syncline_ports::catalog::{Column, NativeKind, Table, Travels};

use crate::sql::{Atom, ColumnIndex, IsReference, Shape, time};

impl Shape {
    /// What `binding` needs of `table`.
    ///
    /// # Errors
    /// `SchemaDrift` if a column is not there or no key is known; `Unsupported` if a needed column
    /// has a type that does not travel.
    pub fn of(plan: &Plan, index: BindingIndex, table: &Table) -> Result<Self, PortError> {
        let missing = || drift(&table.name, "the plan has no such binding");
        let binding = plan.binding(index).ok_or_else(missing)?;
        let entity = plan.entity(binding.entity).ok_or_else(missing)?;
        let mut build = Build { table, columns: Vec::new() };
        let spec = &binding.table;

        let key_names = if spec.key.is_empty() { &table.primary_key } else { &spec.key };
        if key_names.is_empty() {
            return Err(drift(&table.name, "it has no primary key, and `key:` names none"));
        }
        let key = build.all(key_names)?;
        let parent = build.all(&spec.parent)?;
        let mut fields = Vec::with_capacity(entity.fields.len());
        for (at, field) in entity.fields.iter().enumerate() {
            let cell = binding.cells.get(at).and_then(Option::as_ref);
            let is_reference =
                if field.reference.is_some() { IsReference::Yes } else { IsReference::No };
            fields.push(match cell.map(|cell| &cell.place) {
                None => None,
                Some(Place::Column(name)) => Some(Atom::Column(build.one(name)?)),
                Some(Place::Columns(names)) => Some(Atom::Columns(build.all(names)?, is_reference)),
                Some(Place::Path { column, path }) => {
                    Some(Atom::Path(build.one(column)?, path.clone()))
                }
            });
        }
        let changed_at = match &spec.changed_at {
            None => None,
            Some((name, zone)) => {
                let zone = zone.as_ref().or(plan.zone.as_ref());
                Some((build.one(name)?, time::zone(zone.map(Text::as_str), &table.name)?))
            }
        };
        let changed_by = spec.changed_by.as_ref().map(|name| build.one(name)).transpose()?;
        let cursor = match &spec.cursor {
            Some(name) => Some(build.one(name)?),
            None => changed_at.as_ref().map(|(column, _)| *column),
        };
        let soft_delete = soft_columns(binding, entity, &mut build)?;
        let mut unique = vec![table.primary_key.clone()];
        unique.extend(table.unique.iter().map(|unique| unique.columns.clone()));
        unique.retain(|columns| !columns.is_empty());
        unique.dedup();
        // One is kept for each table for as long as a daemon runs.
        build.columns.shrink_to_fit();
        Ok(Self {
            binding: index,
            table: spec.table.clone(),
            columns: build.columns,
            key,
            parent,
            cursor,
            unique,
            key_fields: spec.key_fields.iter().copied().collect::<Option<_>>().unwrap_or_default(),
            fields,
            changed_at,
            changed_by,
            soft_delete,
        })
    }
}

/// The columns and values that mark a row as deleted; a name is a field's or a column's.
fn soft_columns(
    binding: &Binding,
    entity: &syncline_core::plan::Entity,
    build: &mut Build<'_>,
) -> Result<Vec<(ColumnIndex, SoftValue)>, PortError> {
    let mut found = Vec::new();
    for (name, value) in binding.soft_delete.iter().flatten() {
        let place =
            entity.field_named(name).and_then(|field| binding.cell(field)).map(|cell| &cell.place);
        let column = match place {
            Some(Place::Column(column)) => column,
            Some(Place::Columns(_) | Place::Path { .. }) | None => name,
        };
        let column = build.one(column)?;
        let value = match (value, build.columns.get(column)) {
            (SoftValue::Value(value), Some(described)) => {
                SoftValue::Value(as_column_holds(value, described))
            }
            (other, _) => other.clone(),
        };
        found.push((column, value));
    }
    Ok(found)
}

/// A value as the file writes it (a number, a text, a truth value), as its column holds it.
fn as_column_holds(value: &Value, column: &Column) -> Value {
    let (Travels::Exactly(kind) | Travels::Converted(kind, _)) = &column.travels else {
        return value.clone();
    };
    let converted = match (kind, value) {
        (NativeKind::Bool, Value::Num(number)) => match number.to_i128() {
            Some(0) => Some(Value::Bool(false)),
            Some(1) => Some(Value::Bool(true)),
            Some(_) | None => None,
        },
        (NativeKind::Num, Value::Bool(truth)) => Some(Value::int(i64::from(*truth))),
        (NativeKind::Num, Value::Text(text)) => Decimal::parse(text).map(Value::Num),
        (NativeKind::Text, Value::Num(_) | Value::Bool(_)) => Some(Value::text(value.to_string())),
        (NativeKind::Date, Value::Text(text)) => time::parse_date(text).map(Value::Date),
        (NativeKind::LocalDateTime, Value::Text(text)) => {
            time::parse_local(text).map(|(days, nanos)| Value::LocalDateTime(days, nanos))
        }
        _ => None,
    };
    converted.unwrap_or_else(|| value.clone())
}

/// Collects the needed columns, each once.
struct Build<'a> {
    table: &'a Table,
    columns: Vec<Column>,
}

impl Build<'_> {
    fn one(&mut self, name: &Text) -> Result<ColumnIndex, PortError> {
        if let Some(at) = self.columns.iter().position(|column| column.name == *name) {
            return Ok(at);
        }
        let Some(column) = self.table.columns.iter().find(|column| column.name == *name) else {
            let alike =
                self.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            let hint =
                alike.map_or(String::new(), |column| format!("; there is {:?}", column.name));
            return Err(drift(&self.table.name, &format!("it has no column {name:?}{hint}")));
        };
        if column.travels == Travels::Refused {
            return Err(PortError::new(
                ErrorKind::Unsupported,
                format!("carry column {name:?} of {:?}", self.table.name),
                format!("its type is {}", column.type_name),
            ));
        }
        self.columns.push(column.clone());
        Ok(self.columns.len() - 1)
    }

    fn all(&mut self, names: &[Text]) -> Result<Vec<ColumnIndex>, PortError> {
        names.iter().map(|name| self.one(name)).collect()
    }
}

fn drift(table: &str, detail: &str) -> PortError {
    PortError::new(ErrorKind::SchemaDrift, format!("use table {table:?}"), detail)
}
