//! The file against the live schemas: what is not there, cannot be carried, cannot be written, or
//! would be refused when a row is created.

use syncline_core::{
    lens::FieldType,
    plan::{Class, Plan, Policy},
};
use syncline_ports::catalog::{Column, Table, Travels};

use crate::config::{
    check::unknown,
    compile::{Live, LiveSystem},
    complaint::Complaint,
    draft::{BindingDraft, CellDraft, CurrencyDraft, Draft, EntityDraft, FieldDraft, Name},
};

/// A column without a bound is only called wider than one that takes fewer characters than this:
/// `text` beside `varchar(255)` is how most schemas are.
const NARROW: u32 = 100;

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

    /// Rows can be told apart, and a new one gets a key.
    fn key(&mut self, bound: Bound<'a>) {
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
    fn is_filled(&self, bound: Bound<'a>, column: &Column) -> bool {
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

    fn parent_columns(&self, bound: Bound<'a>) -> Vec<syncline_core::Text> {
        let said: Vec<_> = bound.binding.parent.iter().map(|name| name.value.clone()).collect();
        let parent = bound.parent.and_then(|parent| parent.binding(bound.system()));
        match parent {
            Some(parent) if said.is_empty() => {
                crate::config::compile::foreign_key(bound.table, &parent.table.value)
            }
            Some(_) | None => said,
        }
    }

    fn parent(&mut self, bound: Bound<'a>) {
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
    fn required(&mut self, bound: Bound<'a>) {
        let only_here =
            bound.root().from.as_ref().is_some_and(|from| {
                from.iter().all(|name| name.value == bound.binding.system.value)
            });
        if only_here {
            return;
        }
        let primary = &bound.table.primary_key;
        for column in &bound.table.columns {
            let is_key = primary.contains(&column.name)
                || bound.binding.key.iter().any(|name| name.value == column.name);
            if column.nullable || is_key || self.is_filled(bound, column) {
                continue;
            }
            self.complain(
                Complaint::error(
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

    /// A text column that takes fewer characters than another of its field holds (S10).
    fn narrow(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        let plain = |cell: &&CellDraft| {
            cell.values.is_none()
                && cell.boolean.is_none()
                && cell.format.is_none()
                && cell.path.is_none()
                && cell.constant.is_none()
                && !cell.lossy
                && cell.columns.len() == 1
        };
        let mut lengths: Vec<(&CellDraft, Option<u32>, &Column)> = Vec::new();
        for cell in field.cells.iter().filter(plain) {
            let column = entity.binding(&cell.system.value).and_then(|binding| {
                let tables = &self.live.get(&binding.system.value)?.tables;
                let table = tables.get(&binding.table.value)?.as_ref()?;
                let name = &cell.columns.first()?.value;
                table.columns.iter().find(|column| column.name == *name)
            });
            let is_text = |column: &&Column| {
                matches!(
                    column.travels,
                    Travels::Exactly(syncline_ports::catalog::NativeKind::Text)
                        | Travels::Converted(syncline_ports::catalog::NativeKind::Text, _)
                )
            };
            if let Some(column) = column.filter(is_text) {
                lengths.push((cell, cell.max.or(column.length_max), column));
            }
        }
        let unbounded = |length: Option<u32>| length.unwrap_or(u32::MAX);
        let widest = lengths
            .iter()
            .filter(|(cell, ..)| entity.reads(field, &cell.system.value))
            .max_by_key(|(_, length, _)| unbounded(*length))
            .copied();
        let Some((wide_cell, wide, wide_column)) = widest else { return };
        for (cell, length, column) in lengths {
            let Some(length) = length
                .filter(|length| *length < unbounded(wide) && (wide.is_some() || *length < NARROW))
            else {
                continue;
            };
            if !entity.writes(field, &cell.system.value) {
                continue;
            }
            self.complain(
                Complaint::warning(
                    "schema.narrow",
                    cell.place,
                    format!(
                        "{}.{} takes {length} characters, {}.{} is {}",
                        cell.system.value,
                        column.name,
                        wide_cell.system.value,
                        wide_column.name,
                        wide_column.type_name
                    ),
                )
                .fix("longer texts are set aside; widen it, or say `lossy: true` to cut them"),
            );
        }
    }

    /// Counters need systems that tell our writes from others'.
    fn marks(&mut self) {
        use syncline_adapters::settings::Marks;
        for system in &self.draft.systems {
            let found = self.live.get(&system.name.value);
            if system.marks == Marks::Table && found.is_some_and(|found| !found.has_marks) {
                let name = &system.name.value;
                self.complaints.push(
                    Complaint::error(
                        "schema.no_marks",
                        system.name.place,
                        format!("{name} has no table of marks"),
                    )
                    .fix(format!("syncline doctor {name} --fix creates it")),
                );
            }
        }
        for (at, entity) in self.plan.entities.iter().enumerate() {
            for field in &entity.fields {
                if matches!(field.policy, Policy::Add { .. }) {
                    self.counter(at, field);
                }
            }
        }
    }

    fn counter(&mut self, at: usize, field: &syncline_core::plan::Field) {
        let lists = self
            .draft
            .entities
            .iter()
            .flat_map(|entity| std::iter::once(entity).chain(entity.lines.as_deref()));
        let Some(draft) = lists.into_iter().nth(at).and_then(|found| found.field(&field.name))
        else {
            return;
        };
        let place = draft.conflicts.as_ref().map_or(draft.name.place, |conflicts| conflicts.place);
        if !matches!(
            field.kind,
            FieldType::Int | FieldType::Decimal | FieldType::Money { .. } | FieldType::Any
        ) {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    place,
                    format!("`add` needs numbers, and `{}` holds none", field.name),
                )
                .fix("say another policy"),
            );
        }
        for cell in &draft.cells {
            let Some(index) = self.plan.system_named(&cell.system.value) else { continue };
            let counts = field.from.as_ref().is_none_or(|from| from.contains(&index));
            let class = self.plan.system(index).map(|system| system.class);
            let tells = matches!(class, Some(Class::Log | Class::Marked));
            let known = self.live.contains_key(&cell.system.value);
            if counts && known && !tells {
                let name = &cell.system.value;
                self.complain(
                    Complaint::error(
                        "config.add",
                        place,
                        format!("`add` cannot tell our writes in {name} from others'"),
                    )
                    .fix(format!(
                        "syncline doctor {name} --fix creates a table of marks; or let only the \
                         others count, with `from:`"
                    )),
                );
            }
        }
    }
}
