//! One field: its cells, direction, reference, policy.

use crate::config::{
    check::{Checker, unknown},
    complaint::Complaint,
    draft::{CellDraft, EntityDraft, FieldDraft, Name, PolicyDraft},
    expression,
};

impl Checker<'_> {
    pub(super) fn field(
        &mut self,
        entity: &EntityDraft,
        parent: Option<&EntityDraft>,
        field: &FieldDraft,
    ) {
        if field.cells.is_empty() && field.compute.is_none() {
            self.complain(
                Complaint::error(
                    "config.value",
                    field.name.place,
                    format!("`{}` has no cell in any system", field.name.value),
                )
                .fix("name its column in each system: {crm: email, erp: EMAIL}"),
            );
        }
        for cell in &field.cells {
            self.cell_lives(entity, cell);
        }
        self.field_direction(entity, field);
        self.reference(field);
        self.compute(entity, field);
        self.field_policy(entity, parent, field);
        self.field_values(entity, field);
    }

    fn cell_lives(&mut self, entity: &EntityDraft, cell: &CellDraft) {
        let system = &cell.system;
        if self.draft.system(&system.value).is_some() && entity.binding(&system.value).is_none() {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    system.place,
                    format!("`{}` does not live in {}", entity.name, system.value),
                )
                .fix(format!("add {} to `in`, or leave this cell out", system.value)),
            );
        }
    }

    fn field_direction(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        for (key, names) in [("from", &field.from), ("to", &field.to)] {
            for name in names.iter().flatten() {
                let known = self.draft.system(&name.value).is_some();
                if known && field.cell(&name.value).is_none() {
                    self.complain(
                        Complaint::error(
                            "config.contradiction",
                            name.place,
                            format!("`{}` has no cell in {}", field.name.value, name.value),
                        )
                        .fix(format!("give it one, or leave {} out of `{key}`", name.value)),
                    );
                }
            }
        }
        let of_entity = |name: &Name, names: Option<&Vec<Name>>| {
            names.is_none_or(|names| names.iter().any(|known| known.value == name.value))
        };
        for name in field.from.iter().flatten() {
            if !of_entity(name, entity.from.as_ref()) {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        name.place,
                        format!("{} only receives `{}`", name.value, entity.name),
                    )
                    .fix(format!(
                        "add {} to `from` of the entity, or leave it out here",
                        name.value
                    )),
                );
            }
        }
        for name in field.to.iter().flatten() {
            if !of_entity(name, entity.to.as_ref()) {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        name.place,
                        format!("`{}` is never written to {}", entity.name, name.value),
                    )
                    .fix(format!("add {} to `to` of the entity, or leave it out here", name.value)),
                );
            }
        }
    }

    fn reference(&mut self, field: &FieldDraft) {
        let Some(reference) = &field.reference else { return };
        let Some(target) = self.draft.entity(&reference.value) else {
            let known = self.draft.entities.iter().map(|entity| entity.name.as_str());
            self.complain(unknown("config.unknown_entity", "entity", reference, known));
            return;
        };
        for cell in &field.cells {
            if self.draft.system(&cell.system.value).is_some()
                && target.binding(&cell.system.value).is_none()
            {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        cell.system.place,
                        format!(
                            "`{}` does not live in {}: nothing there can be referred to",
                            reference.value, cell.system.value
                        ),
                    )
                    .fix(format!("add {} to `in` of {}", cell.system.value, reference.value)),
                );
            }
        }
        if let Some(kind) = &field.kind {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    kind.place,
                    "a reference has no type of its own",
                )
                .fix("leave `type` out"),
            );
        }
    }

    fn compute(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        let Some(compute) = &field.compute else { return };
        let variables: Vec<&str> = entity
            .fields
            .iter()
            .filter(|other| other.name.value != field.name.value)
            .map(|other| other.name.value.as_str())
            .collect();
        let expr = expression::parse(self.sources, compute, &variables, &mut self.complaints);
        let needs_rates = expr.as_ref().is_some_and(syncline_core::expr::Expr::uses_rates);
        if needs_rates && self.draft.rates_file.is_none() {
            self.complain(
                Complaint::error("config.missing_key", compute.place, "nobody gives the rates")
                    .fix("rates: {file: rates.csv}, with the columns date,from,to,rate"),
            );
        }
        for name in expr.iter().flat_map(syncline_core::expr::Expr::variables) {
            if entity.field(name).is_some_and(|other| other.compute.is_some()) {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        compute.place,
                        format!("`{name}` is computed itself"),
                    )
                    .fix("write its expression out here"),
                );
            }
        }
        let said = [
            field.from.as_ref().and_then(|names| names.first()).map(|name| ("from", name.place)),
            field.conflicts.as_ref().map(|conflicts| ("conflicts", conflicts.place)),
            field.reference.as_ref().map(|name| ("ref", name.place)),
        ];
        for (key, place) in said.into_iter().flatten() {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    place,
                    format!("a computed field is one-way: `{key}` means nothing"),
                )
                .fix(format!("leave `{key}` out")),
            );
        }
    }

    fn field_policy(
        &mut self,
        entity: &EntityDraft,
        parent: Option<&EntityDraft>,
        field: &FieldDraft,
    ) {
        let Some(conflicts) = &field.conflicts else { return };
        self.conflicts(entity, parent, conflicts, Some(field));
        let kind = field.kind.as_ref().map(|kind| kind.value.as_str());
        let (policy, fits, needs) = match &conflicts.value.policy {
            PolicyDraft::Add { .. } => {
                let numeric = matches!(kind, None | Some("int" | "decimal" | "money"));
                let fits = numeric && field.values.is_none() && field.reference.is_none();
                ("add", fits, "int, decimal or money")
            }
            PolicyDraft::Merge => ("merge", kind == Some("set"), "set"),
            PolicyDraft::Priority
            | PolicyDraft::Newest
            | PolicyDraft::Manual
            | PolicyDraft::Expr(_) => return,
        };
        if !fits {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    conflicts.place,
                    format!("`{policy}` needs a field of type {needs}"),
                )
                .fix(format!(
                    "say `type: {}`, or another policy",
                    needs.split(',').next().unwrap_or(needs)
                )),
            );
        }
    }
}
