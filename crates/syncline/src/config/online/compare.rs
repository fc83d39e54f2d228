//! The file against the live schemas: what is not there, cannot be carried, cannot be written, or
//! would be refused when a row is created.

mod counters;
mod narrow;
mod rows;

use syncline_core::plan::Plan;
use syncline_ports::catalog::{Column, Table, Travels};

use crate::config::{
    check::unknown,
    compile::{Live, LiveSystem},
    complaint::Complaint,
    draft::{BindingDraft, CurrencyDraft, Draft, EntityDraft, FieldDraft, Name},
};

/// Everything that does not fit.
pub(crate) fn compare(draft: &Draft, plan: &Plan, live: &Live) -> Vec<Complaint> {
    let mut comparer = Comparer { draft, plan, live, complaints: Vec::new() };
    for entity in &draft.entities {
        comparer.entity(entity, None);
        if let Some(lines) = &entity.lines {
            comparer.entity(lines, Some(entity));
        }
    }
    comparer.marks();
    comparer.complaints
}

struct Comparer<'a> {
    draft: &'a Draft,
    plan: &'a Plan,
    live: &'a Live,
    complaints: Vec<Complaint>,
}

/// A binding and its live table.
#[derive(Clone, Copy)]
struct Bound<'a> {
    entity: &'a EntityDraft,
    parent: Option<&'a EntityDraft>,
    binding: &'a BindingDraft,
    table: &'a Table,
}

impl<'a> Bound<'a> {
    fn system(self) -> &'a str {
        self.binding.system.value.as_str()
    }

    fn root(self) -> &'a EntityDraft {
        self.parent.unwrap_or(self.entity)
    }

    /// Rows of this system are written.
    fn writes(self) -> bool {
        let among = |names: Option<&Vec<Name>>| {
            names.is_none_or(|names| {
                names.iter().any(|name| name.value == self.binding.system.value)
            })
        };
        let root = self.root();
        let only_source =
            matches!(root.from.as_deref(), Some([only]) if only.value == self.binding.system.value);
        among(root.to.as_ref()) && !only_source && root.bindings.len() > 1
    }

    fn column(self, name: &str) -> Option<&'a Column> {
        self.table.columns.iter().find(|column| column.name == name)
    }
}

impl<'a> Comparer<'a> {
    fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    fn entity(&mut self, entity: &'a EntityDraft, parent: Option<&'a EntityDraft>) {
        for binding in &entity.bindings {
            let Some(system) = self.live.get(&binding.system.value) else { continue };
            match system.tables.get(&binding.table.value) {
                Some(Some(table)) => {
                    self.bound(Bound { entity, parent, binding, table });
                }
                Some(None) | None => self.missing_table(binding, system),
            }
        }
        for field in &entity.fields {
            self.narrow(entity, field);
        }
    }

    fn missing_table(&mut self, binding: &BindingDraft, system: &LiveSystem) {
        let known = system.tables.iter().filter(|(_, table)| table.is_some());
        let complaint = unknown(
            "schema.missing_table",
            &format!("table in {}", binding.system.value),
            &binding.table,
            known.map(|(name, _)| name.as_str()),
        );
        let fix = format!(
            "check its spelling and letter case, and whether our user may see it: syncline doctor {}",
            binding.system.value
        );
        self.complain(complaint.fix(fix));
    }

    fn bound(&mut self, bound: Bound<'a>) {
        if bound.binding.within.is_some() {
            // What holds such lines was looked at, and describes nothing of them.
            return;
        }
        self.columns(bound);
        self.privileges(bound);
        self.key(bound);
        self.parent(bound);
        if bound.writes() {
            self.required(bound);
        }
    }

    /// Every column that the file names is there, travels, and can be written.
    fn columns(&mut self, bound: Bound<'a>) {
        let BindingDraft { key, changed_at, changed_by, cursor, parent, .. } = bound.binding;
        let changed_at = changed_at.as_ref().map(|(column, _)| column);
        let names = key.iter().chain(changed_at).chain(changed_by).chain(cursor).chain(parent);
        for name in names {
            self.there(bound, name);
        }
        for field in &bound.entity.fields {
            let Some(cell) = field.cell(bound.system()) else { continue };
            let currency = match &cell.currency {
                Some(CurrencyDraft::Column(column)) => Some(column),
                Some(CurrencyDraft::Constant(_)) | None => None,
            };
            for name in cell.columns.iter().chain(currency) {
                if let Some(column) = self.there(bound, name) {
                    self.writable(bound, field, name, column);
                }
            }
        }
        let root = bound.root();
        let soft = root.common.deletes.as_ref().filter(|_| bound.parent.is_none());
        let soft = soft.iter().flat_map(|deletes| &deletes.value.soft);
        for (_, set) in soft.filter(|(system, _)| system.value == bound.binding.system.value) {
            for (name, _) in set {
                self.there(bound, name);
            }
        }
    }

    /// The column, if it is there and travels.
    fn there(&mut self, bound: Bound<'a>, name: &Name) -> Option<&'a Column> {
        let Some(column) = bound.column(&name.value) else {
            if bound.table.is_open {
                return None;
            }
            let known = bound.table.columns.iter().map(|column| column.name.as_str());
            let what = format!("column in {}.{}", bound.system(), bound.table.name);
            self.complain(unknown("schema.missing_column", &what, name, known));
            return None;
        };
        if column.travels == Travels::Refused {
            self.complain(
                Complaint::error(
                    "schema.unsupported",
                    name.place,
                    format!(
                        "{}.{}.{} is {}, which cannot be carried exactly",
                        bound.system(),
                        bound.table.name,
                        column.name,
                        column.type_name
                    ),
                )
                .fix("leave the column out, or show it through a view or column of another type"),
            );
            return None;
        }
        Some(column)
    }

    fn writable(&mut self, bound: Bound<'a>, field: &FieldDraft, name: &Name, column: &Column) {
        let system = bound.system();
        if bound.writes() && bound.root().writes(field, system) && column.is_generated {
            self.complain(
                Complaint::error(
                    "schema.read_only",
                    name.place,
                    format!("{system} computes {}: it cannot be written", column.name),
                )
                .fix(format!("make the field one-way with `from: {system}`")),
            );
        }
    }

    fn privileges(&mut self, bound: Bound<'a>) {
        let place = bound.binding.table.place;
        let (system, table) = (bound.system(), bound.table);
        let granted = table.privileges;
        let writes = bound.writes();
        if table.is_view && writes {
            self.complain(
                Complaint::error(
                    "schema.view",
                    place,
                    format!("{} is a view in {system}: it is not written", table.name),
                )
                .fix(format!("name the table itself, or leave {system} out of `to`")),
            );
            return;
        }
        let needs = [
            ("SELECT", granted.select, true),
            ("INSERT", granted.insert, writes),
            ("UPDATE", granted.update, writes),
            ("DELETE", granted.delete, writes),
        ];
        let missing: Vec<&str> = needs
            .iter()
            .filter(|(_, granted, needed)| *needed && !granted)
            .map(|(name, ..)| *name)
            .collect();
        if !missing.is_empty() {
            self.complain(
                Complaint::error(
                    "connect.privilege",
                    place,
                    format!("our user may not {} {} in {system}", missing.join(", "), table.name),
                )
                .fix(format!("syncline doctor {system} prints the GRANT to paste")),
            );
        }
    }
}
