//! The draft becomes the plan: names become indices, cells become lenses, and what the file leaves
//! unsaid is taken from the systems' schemas, where they are known.
//!
//! Without schemas (`check` offline) types stay open and lenses are only as strict as the file.
//! What decides the meaning of stored state is hashed from the file alone, so that a column that
//! was widened does not ask for a new plan.

pub(crate) mod cell;
mod guards;
pub(crate) mod kind;
mod meaning;
mod receivers;
mod rules;

use std::collections::BTreeMap;

use syncline_adapters::settings::folder::Holds;
use syncline_core::{
    Text,
    expr::Expr,
    lens::{FieldType, Lens},
    name::{BindingIndex, EntityIndex, FieldIndex, SystemIndex},
    plan::{
        Binding, Class, DeletePolicy, Entity, Field, Guards, MatchRule, Plan, Policy, Schedule,
        SoftValue, System, TableSpec, Unit,
    },
};
use syncline_ports::catalog::{Column, Table};

use crate::config::{
    complaint::Complaint,
    draft::{
        self, BindingDraft, Common, Conflicts, DAY_MS, Draft, EntityDraft, FieldDraft, Name,
        PolicyDraft, Sensitive, Spanned,
    },
    expression, numbering,
    source::Sources,
};

/// What the systems' schemas say, by system.
pub(crate) type Live = BTreeMap<Text, LiveSystem>;

/// What one system's schema says.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveSystem {
    /// The tables that were asked for, by the name the file uses; `None`: not there, or not to be
    /// seen.
    pub(crate) tables: BTreeMap<Text, Option<Table>>,
    /// The table of marks is there.
    pub(crate) has_marks: bool,
}

/// How far a clock may be ahead, unless said otherwise.
const MAX_SKEW_MS: i64 = 300_000;

/// Compiles the draft. The plan is only to be used if there is no error among the complaints.
pub(crate) fn compile(
    sources: &Sources,
    draft: &Draft,
    live: Option<&Live>,
) -> (Plan, Vec<Complaint>) {
    let mut compiler = Compiler { sources, draft, live, complaints: Vec::new() };
    let plan = compiler.plan();
    (plan, compiler.complaints)
}

struct Compiler<'a> {
    sources: &'a Sources,
    draft: &'a Draft,
    live: Option<&'a Live>,
    complaints: Vec<Complaint>,
}

/// An entity or the lines of one, and its parent.
#[derive(Clone, Copy)]
struct Kin<'a> {
    entity: &'a EntityDraft,
    parent: Option<&'a EntityDraft>,
    parent_index: Option<EntityIndex>,
}

impl<'a> Kin<'a> {
    /// Who decides about policies: lines follow their parent.
    fn common(self) -> &'a Common {
        &self.parent.unwrap_or(self.entity).common
    }

    fn root(self) -> &'a EntityDraft {
        self.parent.unwrap_or(self.entity)
    }
}

impl<'a> Compiler<'a> {
    fn plan(&mut self) -> Plan {
        let mut plan = Plan {
            systems: self.draft.systems.iter().map(|system| self.system(system)).collect(),
            zone: self.draft.timezone.as_ref().map(|zone| zone.value.clone()),
            max_skew_ms: self.draft.defaults.max_skew_ms.unwrap_or(MAX_SKEW_MS),
            ..Plan::default()
        };
        let mut kin: Vec<Kin<'a>> = Vec::new();
        for entity in &self.draft.entities {
            kin.push(Kin { entity, parent: None, parent_index: None });
            if let Some(lines) = &entity.lines {
                kin.push(Kin { entity: lines, parent: Some(entity), parent_index: None });
            }
        }
        let known = self.draft.numbering.as_ref();
        kin.sort_by_key(|kin| numbering::rank(known, &kin.entity.name));
        let names: Vec<Text> = kin.iter().map(|kin| kin.entity.name.clone()).collect();
        for kin in &mut kin {
            let parent =
                kin.parent.and_then(|parent| names.iter().position(|it| *it == parent.name));
            kin.parent_index = parent.map(|at| EntityIndex(at as u16));
        }
        for (at, kin) in kin.iter().enumerate() {
            let index = EntityIndex(at as u16);
            let entity = self.entity(*kin, &names);
            plan.entities.push(entity);
            if let Some(parent) = kin.parent_index
                && let Some(parent) = plan.entities.get_mut(parent.at())
            {
                parent.lists.push(index);
            }
            self.bindings(&mut plan, index, *kin);
        }
        if let Some(known) = known {
            numbering::number_bindings(&mut plan, known);
        }
        plan
    }

    fn system(&self, system: &crate::config::draft::SystemDraft) -> System {
        use syncline_adapters::settings::Marks;
        let live = self.live.and_then(|live| live.get(&system.name.value));
        let marked = match (system.marks, live) {
            (Marks::None, _) | (Marks::IfPresent, None) => false,
            (Marks::Table | Marks::IfPresent, Some(live)) => live.has_marks,
            (Marks::Table, None) => true,
        };
        let rate = system.max_rate;
        System {
            name: system.name.value.clone(),
            class: if marked { Class::Marked } else { self.draft.class_of(system) },
            path_retries: false,
            batch: rate.map_or(system.batch, |rate| system.batch.min(rate.burst() as usize)),
        }
    }

    fn system_index(&self, name: &str) -> Option<SystemIndex> {
        let at = self.draft.systems.iter().position(|system| system.name.value == name)?;
        Some(SystemIndex(at as u16))
    }

    fn system_indices(&self, names: Option<&[Name]>) -> Option<Vec<SystemIndex>> {
        names.map(|names| names.iter().filter_map(|name| self.system_index(&name.value)).collect())
    }

    /// Rows of this system are items of a REST API.
    fn is_rest(&self, system: &str) -> bool {
        self.draft.system(system).is_some_and(|system| system.rest.is_some())
    }

    /// The files of this system, if it is a folder.
    fn folder(&self, system: &str) -> Option<&'a draft::folder::FolderDraft> {
        self.draft.system(system)?.folder.as_ref()
    }

    /// The live table of a binding, if schemas are known and it is there.
    fn table(&self, system: &str, table: &str) -> Option<&'a Table> {
        self.live?.get(system)?.tables.get(table)?.as_ref()
    }

    fn column(&self, binding: &BindingDraft, column: &str) -> Option<&'a Column> {
        let table = self.table(&binding.system.value, &binding.table.value)?;
        table.columns.iter().find(|found| found.name == column)
    }

    fn expr(&mut self, text: Option<&Name>, variables: &[&str]) -> Option<Expr> {
        // Mistakes were complained about by `check`.
        let expr = expression::parse(self.sources, text?, variables, &mut Vec::new())?;
        Some(expr.with_rates(self.draft.rates.clone()))
    }

    fn entity(&mut self, kin: Kin<'a>, names: &[Text]) -> Entity {
        let Kin { entity, parent_index, .. } = kin;
        let (common, defaults) = (kin.common(), &self.draft.defaults);
        let index_of = |name: &Name| {
            let at = entity.fields.iter().position(|field| field.name.value == name.value)?;
            Some(FieldIndex(at as u16))
        };
        let units: Vec<Unit> = entity
            .units
            .iter()
            .map(|(name, fields)| Unit {
                name: name.value.clone(),
                fields: fields.iter().filter_map(index_of).collect(),
            })
            .collect();
        let matching = entity
            .matching
            .iter()
            .map(|rule| MatchRule { fields: rule.value.iter().filter_map(index_of).collect() })
            .collect();
        let priority = self.order(common.conflicts.as_ref());
        let deletes = common.deletes.as_ref().or(defaults.deletes.as_ref());
        let delete_from = deletes.and_then(|deletes| deletes.value.from.as_deref());
        let variables: Vec<&str> =
            entity.fields.iter().map(|field| field.name.value.as_str()).collect();
        let fields = entity
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| {
                let unit =
                    units.iter().position(|unit| unit.fields.contains(&FieldIndex(at as u16)));
                self.field(kin, field, unit, names)
            })
            .collect();
        Entity {
            name: entity.name.clone(),
            parent: parent_index,
            lists: Vec::new(),
            fields,
            bindings: Vec::new(),
            matching,
            when: self.expr(entity.when.as_ref(), &variables),
            on_leave: common.on_leave.or(defaults.on_leave).unwrap_or_default(),
            priority,
            units,
            deletes: deletes
                .map_or(DeletePolicy::Propagate, |deletes| deletes.value.policy.clone()),
            delete_from: self.system_indices(delete_from),
            delete_grace_ms: deletes.and_then(|deletes| deletes.value.grace_ms).unwrap_or(0),
            delete_conflict: common
                .delete_conflict
                .as_ref()
                .or(defaults.delete_conflict.as_ref())
                .map(|rule| rule.value)
                .unwrap_or_default(),
            on_parent_delete: common
                .on_parent_delete
                .or(defaults.on_parent_delete)
                .unwrap_or_default(),
            on_target_edit: common.on_target_edit.or(defaults.on_target_edit).unwrap_or_default(),
            guards: self.guards(kin.root()),
            validate: self.rules(entity, &variables),
            rekey_window_ms: None,
            schedule: match &kin.root().schedule {
                None => Schedule::Live,
                Some(draft::Schedule::Every(ms)) => Schedule::Every(*ms),
                Some(draft::Schedule::Cron(cron)) => Schedule::Cron(cron.value.clone()),
            },
            reconcile_ms: common.reconcile_ms.or(defaults.reconcile_ms).unwrap_or(Some(DAY_MS)),
            meaning: meaning::of(kin.root()),
        }
    }

    /// The limits. Where a file says what there is, one without a row says nothing: it is asked about
    /// even where only one row was known.
    fn guards(&self, entity: &EntityDraft) -> Guards {
        let built_in = Guards::default();
        let is_read = |binding: &BindingDraft| {
            self.folder(&binding.system.value).is_some_and(|folder| folder.reads)
        };
        let is_of_file = entity.bindings.iter().any(is_read);
        let empty_source_min = if is_of_file { 1 } else { built_in.empty_source_min };
        let built_in = Guards { empty_source_min, ..built_in };
        guards::of(self.draft.defaults.guards, entity.common.guards, built_in)
    }

    /// Systems by priority: the order that is said, then all others in the file's order.
    fn order(&self, conflicts: Option<&Spanned<Conflicts>>) -> Vec<SystemIndex> {
        let said = conflicts.and_then(|conflicts| conflicts.value.order.as_deref());
        let default = self.draft.defaults.conflicts.as_ref();
        let said = said.or_else(|| default.and_then(|found| found.value.order.as_deref()));
        let mut order = self.system_indices(said).unwrap_or_default();
        let in_file = self.draft.file_order.iter().filter_map(|name| self.system_index(name));
        let all = (0..self.draft.systems.len()).map(|at| SystemIndex(at as u16));
        for index in in_file.chain(all) {
            if !order.contains(&index) {
                order.push(index);
            }
        }
        order
    }

    fn field(
        &mut self,
        kin: Kin<'a>,
        field: &'a FieldDraft,
        unit: Option<usize>,
        names: &[Text],
    ) -> Field {
        let defaults = self.draft.defaults.conflicts.as_ref();
        let of_entity = kin.common().conflicts.as_ref();
        let conflicts = field.conflicts.as_ref().or(of_entity).or(defaults);
        let variables: Vec<&str> =
            kin.entity.fields.iter().map(|other| other.name.value.as_str()).collect();
        let policy = match conflicts.map(|conflicts| &conflicts.value.policy) {
            None | Some(PolicyDraft::Priority) => Policy::Priority,
            Some(PolicyDraft::Newest) => Policy::Newest,
            Some(PolicyDraft::Add { min, below_min }) => {
                Policy::Add { min: *min, below_min: *below_min }
            }
            Some(PolicyDraft::Manual) => Policy::Manual,
            Some(PolicyDraft::Merge) => Policy::Merge,
            Some(PolicyDraft::Expr(text)) => {
                self.expr(Some(text), &["base", "candidates"]).map_or(Policy::Manual, Policy::Expr)
            }
        };
        let has_order =
            field.conflicts.as_ref().is_some_and(|conflicts| conflicts.value.order.is_some());
        let reference = field.reference.as_ref().and_then(|name| {
            let at = names.iter().position(|known| *known == name.value)?;
            Some(EntityIndex(at as u16))
        });
        let ranks = field
            .values
            .iter()
            .flatten()
            .enumerate()
            .map(|(rank, value)| (value.value.clone(), rank))
            .collect();
        Field {
            name: field.name.value.clone(),
            kind: self.kind(kin, field),
            label: field.label(),
            reference,
            from: self.system_indices(kin.sources(field)),
            to: self.receivers(kin, field),
            policy,
            priority: has_order.then(|| self.order(field.conflicts.as_ref())),
            compute: self.expr(field.compute.as_ref(), &variables),
            unit,
            ranks,
        }
    }

    fn bindings(&mut self, plan: &mut Plan, index: EntityIndex, kin: Kin<'a>) {
        for (at, system) in self.draft.systems.iter().enumerate() {
            let Some(draft) = kin.entity.binding(&system.name.value) else { continue };
            let Some(entity) = plan.entities.get(index.at()).cloned() else { continue };
            let system = SystemIndex(at as u16);
            let mut binding = self.binding(index, system, kin, draft, &entity);
            let number = BindingIndex(plan.bindings.len() as u16);
            hash(plan, kin.entity, number, &mut binding);
            plan.bindings.push(binding);
            if let Some(entity) = plan.entities.get_mut(index.at()) {
                entity.bindings.push(number);
            }
        }
        // Now that it is known how its columns are read.
        let fields = plan.entities.get_mut(index.at()).map(|entity| entity.fields.iter_mut());
        for (field, draft) in fields.into_iter().flatten().zip(&kin.entity.fields) {
            if draft.sensitive == Sensitive::Hash {
                // A text, which is found, compared, and copied to nobody.
                (field.kind, field.to) = (FieldType::Text, Some(Vec::new()));
                (field.policy, field.ranks) = (Policy::Priority, BTreeMap::new());
            }
        }
    }

    fn binding(
        &mut self,
        index: EntityIndex,
        system: SystemIndex,
        kin: Kin<'a>,
        draft: &'a BindingDraft,
        entity: &Entity,
    ) -> Binding {
        let name = draft.system.value.as_str();
        let among = |names: Option<&Vec<Name>>| {
            names.is_none_or(|names| names.iter().any(|known| known.value == name))
        };
        let variables: Vec<&str> =
            kin.entity.fields.iter().map(|field| field.name.value.as_str()).collect();
        let cells: Vec<_> = kin
            .entity
            .fields
            .iter()
            .zip(&entity.fields)
            .map(|(field, compiled)| self.cell(kin, draft, field, &compiled.kind))
            .collect();
        let deletes = kin.root().common.deletes.as_ref();
        let soft = deletes
            .filter(|_| kin.parent.is_none())
            .and_then(|deletes| deletes.value.soft.iter().find(|(system, _)| system.value == name))
            .map(|(_, set)| self.soft(draft, set));
        Binding {
            entity: index,
            system,
            table: self.table_spec(kin, draft),
            cells,
            when: self.expr(draft.when.as_ref(), &variables),
            on_leave: draft.on_leave.unwrap_or(entity.on_leave),
            reads: among(kin.root().from.as_ref()),
            writes: among(kin.root().to.as_ref()),
            soft_delete: soft,
            per_user: self.draft.per_user(kin.root(), draft).map(|limit| limit.value),
            rank: entity.priority.iter().position(|other| *other == system).unwrap_or(0),
        }
    }

    fn soft(
        &self,
        binding: &BindingDraft,
        set: &[(Name, crate::config::draft::Atom)],
    ) -> Vec<(Text, SoftValue)> {
        set.iter()
            .map(|(column, atom)| {
                let value = if atom.text == "now()" {
                    SoftValue::Now
                } else {
                    let native = self.column(binding, &column.value).and_then(kind::native);
                    SoftValue::Value(cell::typed(atom, native))
                };
                (column.value.clone(), value)
            })
            .collect()
    }

    fn table_spec(&self, kin: Kin<'a>, draft: &BindingDraft) -> TableSpec {
        let values = |names: &[Name]| names.iter().map(|name| name.value.clone()).collect();
        let live = self.table(&draft.system.value, &draft.table.value);
        let mut key: Vec<Text> = values(&draft.key);
        if key.is_empty() {
            key = live.map(|table| table.primary_key.clone()).unwrap_or_default();
        }
        let mut parent: Vec<Text> = values(&draft.parent);
        if parent.is_empty()
            && let (Some(table), Some(of)) = (live, kin.parent)
            && let Some(of) = of.binding(&draft.system.value)
        {
            parent = foreign_key(table, &of.table.value);
        }
        let key_fields = key
            .iter()
            .map(|column| {
                let at = kin.entity.fields.iter().position(|field| {
                    field.cell(&draft.system.value).is_some_and(|cell| {
                        cell.path.is_none()
                            && matches!(cell.columns.as_slice(), [only] if only.value == *column)
                    })
                })?;
                Some(FieldIndex(at as u16))
            })
            .collect();
        let changed_at = draft.changed_at.as_ref().map(|(column, zone)| {
            (column.value.clone(), zone.as_ref().map(|zone| zone.value.clone()))
        });
        TableSpec {
            table: draft.table.value.clone(),
            key,
            changed_at,
            changed_by: draft.changed_by.as_ref().map(|column| column.value.clone()),
            cursor: draft.cursor.as_ref().map(|column| column.value.clone()),
            whole: (self.is_rest(&draft.system.value) && draft.cursor.is_none())
                || self.folder(&draft.system.value).is_some(),
            delta: self
                .folder(&draft.system.value)
                .is_some_and(|folder| folder.holds == Holds::Changes),
            export: self.folder(&draft.system.value).is_some_and(|folder| !folder.reads),
            parent,
            within: draft.within.as_ref().map(|path| path.value.clone()),
            key_fields,
        }
    }
}

/// Of a hashed field, cells copy what the doors of systems show.
fn hash(plan: &mut Plan, entity: &EntityDraft, number: BindingIndex, binding: &mut Binding) {
    for (at, (field, cell)) in entity.fields.iter().zip(&mut binding.cells).enumerate() {
        if let (Sensitive::Hash, Some(cell)) = (field.sensitive, cell) {
            let what = format!("{}.{}", entity.name, field.name.value);
            let lens = std::mem::replace(&mut cell.lens, Lens::identity());
            cell.two_way = true;
            plan.hashed.insert((number, FieldIndex(at as u16)), (what.into(), lens));
        }
    }
}

impl<'a> Kin<'a> {
    /// Systems whose edits of this field count.
    fn sources(self, field: &'a FieldDraft) -> Option<&'a [Name]> {
        field.from.as_deref().or(self.root().from.as_deref())
    }
}

/// The columns of the one foreign key to this table.
pub(crate) fn foreign_key(table: &Table, parent: &str) -> Vec<Text> {
    let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let mut found = table.foreign.iter().filter(|key| bare(&key.refers_to.0) == bare(parent));
    match (found.next(), found.next()) {
        (Some(only), None) => only.columns.clone(),
        _ => Vec::new(),
    }
}
