//! Rows can be told apart, find their parent, and a new one gets all that it needs.

use syncline_ports::catalog::Column;

use super::{Bound, Comparer};
use crate::config::{
    complaint::Complaint,
    draft::{CellDraft, CurrencyDraft},
};

impl Comparer<'_> {
    /// Rows can be told apart, and a new one gets a key.
    pub(super) fn key(&mut self, bound: Bound<'_>) {
        let said: Vec<&str> = bound.binding.key.iter().map(|name| name.value.as_str()).collect();
        let primary: Vec<&str> = bound.table.primary_key.iter().map(|name| name.as_str()).collect();
        let key = if said.is_empty() { &primary } else { &said };
        let place = bound.binding.table.place;
        if key.is_empty() {
            self.complain(
                Complaint::error(
                    "schema.no_key",
                    place,
                    format!("{} has no primary key in {}", bound.table.name, bound.system()),
                )
                .fix("say which columns tell its rows apart: {table: …, key: …}"),
            );
            return;
        }
        if !said.is_empty() && said != primary {
            let mut sorted = said.clone();
            sorted.sort_unstable();
            let is_unique = bound.table.unique.iter().any(|unique| {
                let mut columns: Vec<&str> =
                    unique.columns.iter().map(|name| name.as_str()).collect();
                columns.sort_unstable();
                columns == sorted
            }) || {
                let mut primary = primary.clone();
                primary.sort_unstable();
                primary == sorted
            };
            if !is_unique {
                let place = bound.binding.key.first().map_or(place, |name| name.place);
                self.complain(
                    Complaint::error(
                        "schema.key_not_unique",
                        place,
                        format!("nothing keeps {} unique in {}", said.join(", "), bound.table.name),
                    )
                    .fix("name the primary key, or a unique one"),
                );
            }
        }
        if !bound.writes() {
            return;
        }
        for name in key {
            let Some(column) = bound.column(name) else { continue };
            if !self.is_filled(bound, column) {
                self.complain(
                    Complaint::error(
                        "schema.key_unmapped",
                        place,
                        format!(
                            "a new row of {} would have no {name} in {}",
                            bound.table.name,
                            bound.system()
                        ),
                    )
                    .fix("map a field to it, or let the system number it (identity, default)"),
                );
            }
        }
    }

    /// A new row gets a value for this column: from a field, the parent, or the system itself.
    fn is_filled(&self, bound: Bound<'_>, column: &Column) -> bool {
        let by_system = column.is_identity || column.has_default || column.is_generated;
        let writes = |cell: &CellDraft| {
            let currency = matches!(
                &cell.currency,
                Some(CurrencyDraft::Column(name)) if name.value == column.name
            );
            currency || cell.columns.iter().any(|name| name.value == column.name)
        };
        let by_field = bound.entity.fields.iter().any(|field| {
            field.cell(bound.system()).is_some_and(writes)
                && bound.root().writes(field, bound.system())
        });
        by_system || by_field || self.parent_columns(bound).contains(&column.name)
    }

    fn parent_columns(&self, bound: Bound<'_>) -> Vec<syncline_core::Text> {
        let said: Vec<_> = bound.binding.parent.iter().map(|name| name.value.clone()).collect();
        let parent = bound.parent.and_then(|parent| parent.binding(bound.system()));
        match parent {
            Some(parent) if said.is_empty() => {
                crate::config::compile::foreign_key(bound.table, &parent.table.value)
            }
            Some(_) | None => said,
        }
    }

    pub(super) fn parent(&mut self, bound: Bound<'_>) {
        let Some(parent) = bound.parent else { return };
        let columns = self.parent_columns(bound);
        let place = bound.binding.table.place;
        if columns.is_empty() {
            self.complain(
                Complaint::error(
                    "schema.no_parent",
                    place,
                    format!("nothing ties {} to its {}", bound.table.name, parent.name),
                )
                .fix("say which columns hold the parent's key: {table: …, parent: …}"),
            );
            return;
        }
        let key = parent.binding(bound.system()).and_then(|binding| {
            let table = self.live.get(&binding.system.value)?.tables.get(&binding.table.value)?;
            let said = binding.key.len();
            Some(if said > 0 { said } else { table.as_ref()?.primary_key.len() })
        });
        if let Some(length) = key
            && length != columns.len()
        {
            self.complain(Complaint::error(
                "schema.no_parent",
                bound.binding.parent.first().map_or(place, |name| name.place),
                format!(
                    "the key of {} has {length} columns, and {} name it here",
                    parent.name,
                    columns.len()
                ),
            ));
        }
    }

    /// Columns that a new row must fill.
    pub(super) fn required(&mut self, bound: Bound<'_>) {
        let only_here =
            bound.root().from.as_ref().is_some_and(|from| {
                from.iter().all(|name| name.value == bound.binding.system.value)
            });
        if only_here {
            return;
        }
        // Where a column of the mapping is gone, another may have been it: its rows go on, and new ones are refused
        // by the table itself.
        let mut mapped = bound.entity.fields.iter().filter_map(|field| field.cell(bound.system()));
        let is_drifted =
            mapped.any(|cell| cell.columns.iter().any(|name| bound.column(&name.value).is_none()));
        let complaint = if is_drifted { Complaint::warning } else { Complaint::error };
        let primary = &bound.table.primary_key;
        for column in &bound.table.columns {
            let is_key = primary.contains(&column.name)
                || bound.binding.key.iter().any(|name| name.value == column.name);
            if column.nullable || is_key || self.is_filled(bound, column) {
                continue;
            }
            self.complain(
                complaint(
                    "schema.required_unmapped",
                    bound.binding.table.place,
                    format!(
                        "a new row of {} needs {} in {}",
                        bound.table.name,
                        column.name,
                        bound.system()
                    ),
                )
                .label("not null, no default, and no field fills it")
                .fix(format!(
                    "map a field to it, or write the same into every new row: {{{}: {{column: {}, \
                     constant: …}}}}",
                    bound.system(),
                    column.name
                )),
            );
        }
    }
}
