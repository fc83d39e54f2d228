//! The statements, and a binding's table as they need it.
//!
//! Row constructors (`(a, b) in ((1, 2), …)`) are ranges to the optimizer; `(a, b) > (1, 2)` is not,
//! so a range of a composite key is spelt out column by column.

use std::collections::BTreeMap;

use mysql_async::Value as Cell;
use syncline_core::{
    Text,
    change::{Observed, Outcome, RowKey},
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::{
    catalog::{Foreign, Table},
    source::RefusedRow,
};

use crate::{
    mysql::{
        connect::Session,
        describe::{self, Described},
        literal,
        types::{self, Wire},
    },
    sql::{ColumnIndex, Shape},
};

/// A binding's table: its shape, and how its columns are selected and read.
pub(super) struct Bound {
    pub shape: Shape,
    /// How each column of the shape is written.
    pub wires: Vec<Wire>,
    /// The quoted name of the table.
    pub table: String,
    /// The select list: the columns of the shape, in order.
    pub list: String,
    /// The columns of each unique index, by the index's name.
    pub indices: BTreeMap<String, Vec<Text>>,
    /// Columns of foreign keys to the table itself that take NULL, in the order of its key.
    pub own_references: Vec<Vec<Text>>,
    /// The documents of which paths are written: their text is needed.
    pub documents: Vec<ColumnIndex>,
    /// Why it cannot be written, if so.
    pub read_only: Option<&'static str>,
    pub has_triggers: bool,
    /// A column may hold so much that a page of rows is counted in bytes.
    pub is_wide: bool,
}

/// The bindings of one system.
pub(super) type Bindings = BTreeMap<BindingIndex, Bound>;

/// Compares the plan's bindings of this system with its tables.
pub(super) async fn bind(
    session: &mut Session,
    database: &str,
    plan: &Plan,
    system: SystemIndex,
) -> Result<Bindings, PortError> {
    let mut bindings = Bindings::new();
    for (at, binding) in plan.bindings.iter().enumerate() {
        if binding.system != system {
            continue;
        }
        let table = binding.table.table.clone();
        let action = format!("describe table {table:?}");
        let found = describe::describe(session, database, std::slice::from_ref(&table))
            .await
            .map_err(|failure| failure.error(action.clone()))?;
        let described = found.into_iter().flatten().next().ok_or_else(|| {
            PortError::new(ErrorKind::SchemaDrift, action, "it is not there, or cannot be seen")
        })?;
        let index = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
        bindings.insert(index, Bound::of(plan, index, described)?);
    }
    Ok(bindings)
}

fn own_references(table: &Table, shape: &Shape) -> Vec<Vec<Text>> {
    let takes_null =
        |name: &Text| table.columns.iter().any(|column| column.name == *name && column.nullable);
    let own = table.foreign.iter().filter(|foreign| foreign.refers_to.0 == table.name);
    let in_order = |foreign: &Foreign| {
        let column_of = |key: &ColumnIndex| {
            let at = foreign.refers_to.1.iter().position(|name| name == shape.column_name(*key))?;
            foreign.columns.get(at).filter(|name| takes_null(name)).cloned()
        };
        let columns: Option<Vec<Text>> = shape.key.iter().map(column_of).collect();
        columns.filter(|columns| columns.len() == foreign.columns.len())
    };
    own.filter_map(in_order).collect()
}

impl Bound {
    fn of(plan: &Plan, index: BindingIndex, described: Described) -> Result<Self, PortError> {
        let shape = Shape::of(plan, index, &described.table)?;
        let is_key = |columns: &Vec<Text>| {
            columns.iter().all(|name| shape.key.iter().any(|key| shape.column_name(*key) == name))
        };
        if !described.table.is_view && !described.indices.values().any(is_key) {
            return Err(PortError::new(
                ErrorKind::SchemaDrift,
                format!("use table {:?}", described.table.name),
                "no primary key or unique index holds its `key:` columns to one row",
            ));
        }
        let wires: Vec<Wire> = shape.columns.iter().filter_map(Wire::of).collect();
        let mut list = Vec::new();
        for (column, wire) in shape.columns.iter().zip(&wires) {
            if !list.is_empty() {
                list.extend_from_slice(b", ");
            }
            types::select(*wire, &column.name, &mut list);
        }
        let read_only = match (described.table.is_view, described.is_transactional()) {
            (true, _) => Some("it is a view"),
            (false, false) => Some("its storage engine has no transactions"),
            (false, true) => None,
        };
        let is_wide = shape.columns.iter().any(|column| {
            let name = types::base_name(&column.type_name);
            name == "json"
                || name.ends_with("text")
                || name.ends_with("blob")
                || column.length_max.is_some_and(|length| length > 4_000)
        });
        Ok(Self {
            own_references: own_references(&described.table, &shape),
            documents: shape.documents(),
            shape,
            wires,
            table: described.sql_name,
            list: String::from_utf8_lossy(&list).into_owned(),
            indices: described.indices,
            read_only,
            has_triggers: described.table.has_triggers,
            is_wide,
        })
    }

    /// The values of a row; a cell that no value of ours holds refuses the row.
    pub(super) fn values(&self, cells: Vec<Option<Cell>>) -> Result<Vec<Value>, RefusedRow> {
        let mut values = Vec::with_capacity(self.wires.len());
        let mut refused = None;
        for (at, (wire, cell)) in self.wires.iter().zip(cells).enumerate() {
            let shown = match &cell {
                Some(Cell::Bytes(raw)) if self.shape.key.contains(&at) => {
                    Value::text(String::from_utf8_lossy(raw))
                }
                _ => Value::Null,
            };
            values.push(types::decode(*wire, cell).unwrap_or_else(|refusal| {
                refused.get_or_insert((at, refusal));
                // Only to name the row.
                shown
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

    /// What a row means.
    pub(super) fn observe(&self, cells: Vec<Option<Cell>>) -> Result<Observed, RefusedRow> {
        let values = self.values(cells)?;
        self.shape.observe(&values)
    }

    /// Appends a literal for this column.
    pub(super) fn literal(
        &self,
        column: ColumnIndex,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Outcome> {
        match (self.shape.columns.get(column), self.wires.get(column)) {
            (Some(column), Some(wire)) => literal::write(column, *wire, value, out),
            _ => Err(crate::sql::invalid("write.type", "there is no such column")),
        }
    }

    /// Appends a literal to compare this column with. What is no value of the column (the key of a
    /// row that was refused) is compared as the text it was shown as.
    pub(super) fn operand(&self, column: ColumnIndex, value: &Value, out: &mut Vec<u8>) {
        let start = out.len();
        if self.literal(column, value, out).is_err() {
            out.truncate(start);
            literal::text(&value.to_string(), out);
        }
    }

    /// Appends the quoted name of a column.
    pub(super) fn name(&self, column: ColumnIndex, out: &mut Vec<u8>) {
        literal::name(self.shape.column_name(column), out);
    }

    /// Appends the names of these columns, separated by commas.
    pub(super) fn names(&self, columns: &[ColumnIndex], out: &mut Vec<u8>) {
        literal::names(columns.iter().map(|column| self.shape.column_name(*column)), out);
    }

    /// Appends `(a, b) in ((1, 2), (3, 4))`.
    pub(super) fn are_in<'k>(
        &self,
        columns: &[ColumnIndex],
        keys: impl Iterator<Item = &'k RowKey>,
        out: &mut Vec<u8>,
    ) {
        let names: Vec<&str> =
            columns.iter().map(|column| self.shape.column_name(*column)).collect();
        self.named_are_in(&names, columns, keys, out);
    }

    /// Appends what takes references among these rows of the table away: they are to go, and the
    /// server would refuse each for the sake of another, or of itself.
    pub(super) fn unties<'k>(
        &self,
        reference: &[Text],
        keys: impl Iterator<Item = &'k RowKey> + Clone,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(format!("update {} set ", self.table).as_bytes());
        for (at, name) in reference.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b", " } else { b"" });
            literal::name(name, out);
            out.extend_from_slice(b" = null");
        }
        out.extend_from_slice(b" where ");
        self.are_in(&self.shape.key, keys.clone(), out);
        out.extend_from_slice(b" and ");
        let names: Vec<&str> = reference.iter().map(Text::as_str).collect();
        self.named_are_in(&names, &self.shape.key, keys, out);
    }

    /// The columns have these names, and the kinds of those columns.
    fn named_are_in<'k>(
        &self,
        names: &[&str],
        kinds: &[ColumnIndex],
        keys: impl Iterator<Item = &'k RowKey>,
        out: &mut Vec<u8>,
    ) {
        let (open, close): (&[u8], &[u8]) = if names.len() > 1 { (b"(", b")") } else { (b"", b"") };
        out.extend_from_slice(open);
        literal::names(names.iter().copied(), out);
        out.extend_from_slice(close);
        out.extend_from_slice(b" in (");
        for (at, key) in keys.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(open);
            for (index, (column, value)) in kinds.iter().zip(key.values()).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                self.operand(*column, &value, out);
            }
            out.extend_from_slice(close);
        }
        out.push(b')');
    }

    /// Appends `a = 1 and b = 2`.
    pub(super) fn is_key(&self, key: &RowKey, out: &mut Vec<u8>) {
        for (index, (column, value)) in self.shape.key.iter().zip(key.values()).enumerate() {
            if index > 0 {
                out.extend_from_slice(b" and ");
            }
            self.name(*column, out);
            out.extend_from_slice(b" = ");
            self.operand(*column, &value, out);
        }
    }

    /// Appends what is true of rows behind these values, in the order of these columns:
    /// `a >= 1 and (a > 1 or (a = 1 and b > 2))`. NULL comes first, as in the system's order.
    pub(super) fn is_after(&self, columns: &[ColumnIndex], values: &[Value], out: &mut Vec<u8>) {
        let (Some((first, columns)), Some((value, values))) =
            (columns.split_first(), values.split_first())
        else {
            out.extend_from_slice(b"false");
            return;
        };
        if columns.is_empty() {
            self.is_beyond(*first, value, out);
            return;
        }
        if !value.is_null() {
            self.name(*first, out);
            out.extend_from_slice(b" >= ");
            self.operand(*first, value, out);
            out.extend_from_slice(b" and ");
        }
        out.push(b'(');
        self.is_beyond(*first, value, out);
        out.extend_from_slice(b" or (");
        self.name(*first, out);
        out.extend_from_slice(b" <=> ");
        self.operand(*first, value, out);
        out.extend_from_slice(b" and ");
        self.is_after(columns, values, out);
        out.extend_from_slice(b"))");
    }

    fn is_beyond(&self, column: ColumnIndex, value: &Value, out: &mut Vec<u8>) {
        self.name(column, out);
        if value.is_null() {
            out.extend_from_slice(b" is not null");
        } else {
            out.extend_from_slice(b" > ");
            self.operand(column, value, out);
        }
    }

    /// `select … from …`.
    pub(super) fn select(&self) -> Vec<u8> {
        format!("select {} from {}", self.list, self.table).into_bytes()
    }
}

/// About how many bytes a row takes.
pub(super) fn row_bytes(cells: &[Option<Cell>]) -> usize {
    cells
        .iter()
        .map(|cell| match cell {
            Some(Cell::Bytes(raw)) => raw.len() + 8,
            _ => 8,
        })
        .sum()
}
