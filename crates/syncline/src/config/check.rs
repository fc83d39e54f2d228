//! What the file says, compared with itself: names that refer to nothing, rules that contradict
//! each other, columns that two fields would fight over.

mod deletes;
mod field;
mod hooks;
mod leaks;
mod limits;
mod values;

use std::collections::BTreeMap;

use syncline_core::{Text, plan::DeletePolicy};

use crate::config::{
    complaint::Complaint,
    draft::{Conflicts, Draft, EntityDraft, Name, PolicyDraft, Spanned},
    expression, similar,
    source::Sources,
};

/// Everything that can be said about the file without asking a system.
pub(crate) fn check(sources: &Sources, draft: &Draft) -> Vec<Complaint> {
    let mut checker = Checker { sources, draft, complaints: Vec::new() };
    for entity in &draft.entities {
        checker.entity(entity, None);
        if let Some(lines) = &entity.lines {
            checker.entity(lines, Some(entity));
        }
    }
    checker.columns();
    checker.hooks();
    checker.limits();
    checker.complaints
}

struct Checker<'a> {
    sources: &'a Sources,
    draft: &'a Draft,
    complaints: Vec<Complaint>,
}

/// A complaint about a name that refers to nothing.
pub(crate) fn unknown<'a>(
    code: &'static str,
    what: &str,
    name: &Name,
    known: impl IntoIterator<Item = &'a str>,
) -> Complaint {
    let known: Vec<&str> = known.into_iter().collect();
    let complaint =
        Complaint::error(code, name.place, format!("there is no {what} `{}`", name.value));
    match similar::nearest(&name.value, known.iter().copied()) {
        Some(near) => complaint.label(format!("did you mean `{near}`?")),
        None if known.is_empty() => complaint,
        None => complaint.fix(format!("known here: {}", known.join(", "))),
    }
}

impl Checker<'_> {
    /// The key by which an entity names where it lives in this system.
    fn word_for(&self, system: &str) -> &'static str {
        let found = self.draft.system(system);
        match found {
            Some(found) if found.rest.is_some() => "resource",
            Some(found) if found.folder.is_some() => "file",
            Some(_) | None => "table",
        }
    }

    fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    fn entity(&mut self, entity: &EntityDraft, parent: Option<&EntityDraft>) {
        self.bindings(entity, parent);
        self.matching(entity, parent);
        self.scope(entity);
        self.rules(entity);
        self.directions(entity);
        self.policies(entity, parent);
        if parent.is_none() {
            self.delete_conflict(entity);
        }
        self.units(entity);
        self.leaks(entity);
        for field in &entity.fields {
            self.field(entity, parent, field);
        }
    }

    fn bindings(&mut self, entity: &EntityDraft, parent: Option<&EntityDraft>) {
        for binding in &entity.bindings {
            let system = &binding.system;
            if let Some(parent) = parent
                && parent.binding(&system.value).is_none()
            {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        system.place,
                        format!(
                            "`{}` has lines in {} but does not live there itself",
                            parent.name, system.value
                        ),
                    )
                    .fix(format!("add {} to `in` of {}", system.value, parent.name)),
                );
            }
            if binding
                .key
                .iter()
                .any(|column| binding.parent.iter().any(|other| other.value == column.value))
                && binding.key.len() == 1
            {
                self.complain(Complaint::error(
                    "config.contradiction",
                    system.place,
                    "the parent's key alone cannot tell the lines of one record apart",
                ));
            }
        }
        if let [only] = entity.bindings.as_slice() {
            self.complain(
                Complaint::warning(
                    "config.one_system",
                    only.system.place,
                    format!("`{}` lives in {} only", entity.name, only.system.value),
                )
                .label("there is nothing to keep it in step with"),
            );
        }
    }

    fn matching(&mut self, entity: &EntityDraft, parent: Option<&EntityDraft>) {
        let mut covered = entity.matching.is_empty();
        for rule in &entity.matching {
            for name in &rule.value {
                match entity.field(&name.value) {
                    None => self.complain(unknown(
                        "config.unknown_field",
                        "field",
                        name,
                        entity.fields.iter().map(|field| field.name.value.as_str()),
                    )),
                    Some(field) if field.compute.is_some() => self.complain(Complaint::error(
                        "config.contradiction",
                        name.place,
                        format!("`{}` is computed: no row can be found by it", name.value),
                    )),
                    Some(_) => {}
                }
            }
            covered = true;
        }
        if entity.matching.is_empty() && entity.bindings.len() > 1 && parent.is_none() {
            self.complain(
                Complaint::error(
                    "config.missing_key",
                    entity.place,
                    format!("entity `{}` needs `match`", entity.name),
                )
                .fix(
                    "name the field by which rows of several systems find each other: match: email",
                ),
            );
        }
        if !covered {
            return;
        }
        for binding in &entity.bindings {
            let system = binding.system.value.as_str();
            let has_cell = |name: &Name| {
                entity.field(&name.value).is_none_or(|field| field.cell(system).is_some())
            };
            let usable = entity.matching.is_empty()
                || entity.matching.iter().any(|rule| rule.value.iter().all(has_cell));
            if !usable && let Some(rule) = entity.matching.first() {
                let missing = rule.value.iter().find(|name| !has_cell(name));
                let missing = missing.map_or("", |name| name.value.as_str());
                self.complain(
                    Complaint::error(
                        "config.match",
                        rule.place,
                        format!("rows of {system} cannot be found by any rule"),
                    )
                    .label(format!("`{missing}` has no cell in {system}"))
                    .fix(format!("give `{missing}` a cell in {system}, or add a rule")),
                );
            }
        }
    }

    /// Fields an expression about records may use.
    fn variables(entity: &EntityDraft) -> Vec<&str> {
        entity.fields.iter().map(|field| field.name.value.as_str()).collect()
    }

    /// Rules about records may speak of their lines, too.
    fn rules(&mut self, entity: &EntityDraft) {
        let mut variables = Self::variables(entity);
        variables.extend(entity.lines.as_ref().map(|_| "lines"));
        for rule in &entity.validate {
            expression::parse(self.sources, &rule.check, &variables, &mut self.complaints);
        }
    }

    fn scope(&mut self, entity: &EntityDraft) {
        let variables = Self::variables(entity);
        let bindings = entity.bindings.iter().map(|binding| &binding.when);
        for when in bindings.chain(std::iter::once(&entity.when)).flatten() {
            expression::parse(self.sources, when, &variables, &mut self.complaints);
        }
    }

    /// Names of systems in which the entity must live.
    fn lives_in(&mut self, entity: &EntityDraft, names: &[Name]) {
        for name in names {
            let known = self.draft.system(&name.value).is_some();
            if known && entity.binding(&name.value).is_none() {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        name.place,
                        format!("`{}` does not live in {}", entity.name, name.value),
                    )
                    .fix(format!("add {} to `in`, or leave it out here", name.value)),
                );
            }
        }
    }

    fn directions(&mut self, entity: &EntityDraft) {
        for names in [&entity.from, &entity.to].into_iter().flatten() {
            self.lives_in(entity, names);
        }
        for binding in &entity.bindings {
            let system = &binding.system.value;
            let is_written =
                entity.to.as_ref().is_none_or(|to| to.iter().any(|name| name.value == *system));
            if let (Some(schedule), false) = (&binding.schedule, is_written) {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        schedule.place,
                        format!("`{}` is never written to {system}", entity.name),
                    )
                    .fix("leave this `schedule` out; one of the entity says when it is read, too"),
                );
            }
        }
        if let Some(deletes) = &entity.common.deletes {
            if let Some(from) = &deletes.value.from {
                self.lives_in(entity, from);
                if let Some(sources) = &entity.from {
                    for name in from
                        .iter()
                        .filter(|name| !sources.iter().any(|source| source.value == name.value))
                    {
                        self.complain(Complaint::error(
                            "config.contradiction",
                            name.place,
                            format!("{} only receives: it cannot delete", name.value),
                        ));
                    }
                }
            }
            let systems: Vec<Name> =
                deletes.value.soft.iter().map(|(system, _)| system.clone()).collect();
            self.lives_in(entity, &systems);
        }
    }

    fn policies(&mut self, entity: &EntityDraft, parent: Option<&EntityDraft>) {
        let common = &entity.common;
        if let Some(conflicts) = &common.conflicts {
            self.conflicts(entity, parent, conflicts, None);
        } else if let Some(conflicts) = &self.draft.defaults.conflicts {
            self.conflicts(entity, parent, conflicts, None);
        }
        if let Some(deletes) = &self.draft.defaults.deletes
            && deletes.value.policy == DeletePolicy::Soft
        {
            self.complain(
                Complaint::error(
                    "config.value",
                    deletes.place,
                    "`soft` names columns, so it belongs to an entity",
                )
                .fix("say it under the entity's `deletes`"),
            );
        }
    }

    /// A policy and what it needs; `field` has cells, an entity has tables.
    fn conflicts(
        &mut self,
        entity: &EntityDraft,
        parent: Option<&EntityDraft>,
        conflicts: &Spanned<Conflicts>,
        field: Option<&crate::config::draft::FieldDraft>,
    ) {
        match &conflicts.value.policy {
            PolicyDraft::Newest => {
                for binding in &entity.bindings {
                    let system = binding.system.value.as_str();
                    let counts = |from: Option<&Vec<Name>>| {
                        from.is_none_or(|from| from.iter().any(|name| name.value == system))
                    };
                    let takes_part = field.is_none_or(|field| {
                        field.cell(system).is_some() && counts(field.from.as_ref())
                    }) && counts(entity.from.as_ref());
                    let of_parent = parent.and_then(|parent| parent.binding(system));
                    let knows = binding.changed_at.is_some()
                        || of_parent.is_some_and(|binding| binding.changed_at.is_some());
                    if takes_part && !knows {
                        self.complain(
                            Complaint::error(
                                "config.newest",
                                conflicts.place,
                                format!("`newest` needs to know when a row of {system} changed"),
                            )
                            .fix(format!(
                                "in: {{{system}: {{{}: {}, changed_at: COLUMN}}}}",
                                self.word_for(system),
                                binding.table.value
                            )),
                        );
                    }
                }
            }
            PolicyDraft::Expr(text) => {
                expression::parse(
                    self.sources,
                    text,
                    &["base", "candidates"],
                    &mut self.complaints,
                );
            }
            PolicyDraft::Add { .. } | PolicyDraft::Merge if field.is_none() => {
                self.complain(
                    Complaint::error(
                        "config.value",
                        conflicts.place,
                        "`add` and `merge` belong to single fields",
                    )
                    .fix("say it on the field that is a counter or a set"),
                );
            }
            PolicyDraft::Add { .. }
            | PolicyDraft::Merge
            | PolicyDraft::Priority
            | PolicyDraft::Manual => {}
        }
    }

    fn units(&mut self, entity: &EntityDraft) {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (unit, fields) in &entity.units {
            for name in fields {
                if entity.field(&name.value).is_none() {
                    self.complain(unknown(
                        "config.unknown_field",
                        "field",
                        name,
                        entity.fields.iter().map(|field| field.name.value.as_str()),
                    ));
                } else if let Some(other) = taken.insert(&name.value, &unit.value) {
                    self.complain(Complaint::error(
                        "config.contradiction",
                        name.place,
                        format!("`{}` belongs to the unit `{other}` already", name.value),
                    ));
                }
            }
        }
    }

    /// No column may be written by two fields.
    fn columns(&mut self) {
        let mut owners: BTreeMap<(Text, Text, Text, Text), String> = BTreeMap::new();
        let lists = self.draft.entities.iter().filter_map(|entity| entity.lines.as_deref());
        for entity in self.draft.entities.iter().chain(lists) {
            for field in &entity.fields {
                for cell in &field.cells {
                    let Some(binding) = entity.binding(&cell.system.value) else { continue };
                    let writes = |names: Option<&Vec<Name>>| {
                        names.is_none_or(|names| {
                            names.iter().any(|name| name.value == cell.system.value)
                        })
                    };
                    if !writes(field.to.as_ref()) || !writes(entity.to.as_ref()) {
                        continue;
                    }
                    let path = cell.path.as_ref().map(|path| path.value.clone());
                    for column in &cell.columns {
                        let key = (
                            cell.system.value.clone(),
                            binding.table.value.clone(),
                            column.value.clone(),
                            path.clone().unwrap_or_default(),
                        );
                        let name = format!("{}.{}", entity.name, field.name.value);
                        if let Some(other) = owners.insert(key, name.clone()) {
                            self.complaints.push(
                                Complaint::error(
                                    "config.shared_column",
                                    column.place,
                                    format!(
                                        "{}.{}.{} is written by `{other}` and by `{name}`",
                                        cell.system.value, binding.table.value, column.value
                                    ),
                                )
                                .fix("keep one, or leave the system out of `to` in the other"),
                            );
                        }
                    }
                }
            }
        }
    }
}
