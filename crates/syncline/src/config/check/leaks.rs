//! Values that would get to where they may not: columns that are never read and read all the same, computed
//! fields that show what their sources hide, keys that every screen names.

use std::collections::BTreeSet;

use syncline_adapters::settings::Kind as SystemKind;
use syncline_core::{expr::Expr, label::Label};

use crate::config::{
    check::Checker,
    complaint::Complaint,
    draft::{BindingDraft, EntityDraft, FieldDraft, Name, Sensitive},
};

const CODE: &str = "config.leak";

impl Checker<'_> {
    pub(super) fn leaks(&mut self, entity: &EntityDraft) {
        for field in &entity.never {
            self.never(entity, field);
        }
        for field in entity.fields.iter().filter(|field| field.label() == Label::Open) {
            self.computed(entity, field);
        }
        for field in entity.fields.iter().filter(|field| field.label() != Label::Open) {
            self.keys(entity, field);
        }
        for field in entity.fields.iter().filter(|it| it.sensitive == Sensitive::Encrypt) {
            // What systems send and tell is kept sealed with the key of the hub, as everything is.
            self.encrypted(field, "encrypted");
        }
        for field in entity.fields.iter().filter(|it| it.sensitive == Sensitive::Hash) {
            self.encrypted(field, "hashed");
            for cell in &field.cells {
                self.stored_elsewhere(field, &cell.system, "hash");
            }
            self.hashed(entity, field);
        }
    }

    /// What is known as a hash only is nothing to reckon with, nothing to copy, and is read nowhere else.
    fn hashed(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        let name = &field.name.value;
        self.spoken_of(entity, field, "of which only a hash is known");
        let mut said: Vec<(&str, crate::config::source::Place)> = Vec::new();
        said.extend(field.to.iter().flatten().take(1).map(|to| ("to", to.place)));
        said.extend(field.compute.iter().map(|text| ("compute", text.place)));
        said.extend(field.reference.iter().map(|text| ("ref", text.place)));
        said.extend(field.conflicts.iter().map(|it| ("conflicts", it.place)));
        for (key, place) in said {
            let message =
                format!("`{name}` is hashed, and copied to no system: `{key}` says otherwise");
            self.complain(
                Complaint::error("config.contradiction", place, message)
                    .fix("leave one of the two out"),
            );
        }
        for cell in &field.cells {
            let system = &cell.system.value;
            for column in &cell.columns {
                let elsewhere = readers(self.draft.entities.iter(), entity, system, &column.value);
                for other in elsewhere.into_iter().filter(|other| other.place != column.place) {
                    let message = format!(
                        "of `{}` of {system} only a hash is known, as `{name}` says, and it is read here",
                        column.value
                    );
                    self.complain(
                        Complaint::error(CODE, other.place, message)
                            .fix("leave one of the two out"),
                    );
                }
            }
        }
    }

    /// Whatever needs a key needs one that is named.
    fn encrypted(&mut self, field: &FieldDraft, what: &str) {
        if self.draft.hub_key.is_none() {
            let message = format!("`{}` is to be {what}, and the hub has no key", field.name.value);
            self.complain(Complaint::error("config.missing_key", field.name.place, message).fix(
                "say where it is: `hub: {key: env:NAME}`; make one with openssl rand -hex 32",
            ));
        }
    }

    /// Expressions that speak of a field which they may not know.
    fn spoken_of(&mut self, entity: &EntityDraft, field: &FieldDraft, why: &str) {
        for (what, text) in expressions(entity) {
            let words =
                text.value.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
            if words.into_iter().any(|word| word == field.name.value) {
                let message = format!("{what} speaks of `{}`, {why}", field.name.value);
                self.complain(Complaint::error(CODE, text.place, message));
            }
        }
    }

    /// Nothing else may read what is never read.
    fn never(&mut self, entity: &EntityDraft, never: &FieldDraft) {
        self.spoken_of(entity, never, "which is never read");
        for rule in &entity.matching {
            for name in rule.value.iter().filter(|name| name.value == never.name.value) {
                let message = format!("`{}` is never read: no row is found by it", name.value);
                self.complain(Complaint::error(CODE, name.place, message));
            }
        }
        for cell in &never.cells {
            let system = &cell.system.value;
            self.stored_elsewhere(never, &cell.system, "never");
            for column in &cell.columns {
                for name in readers(self.draft.entities.iter(), entity, system, &column.value) {
                    let message = format!(
                        "`{}` of {system} is never read, as `{}` says, and read here",
                        column.value, never.name.value
                    );
                    self.complain(
                        Complaint::error(CODE, name.place, message).fix("leave one of the two out"),
                    );
                }
            }
        }
    }

    /// What a system tells by itself is kept as it came, whatever is in it.
    fn stored_elsewhere(&mut self, field: &FieldDraft, system: &Name, word: &str) {
        let Some(found) = self.draft.system(&system.value) else { return };
        let is_push = found.address.as_ref().is_some_and(|it| it.value.kind == SystemKind::Push);
        if is_push || found.detect.webhook.is_some() {
            let message = format!(
                "this version cannot honour `sensitive: {word}` in {}: what it tells is kept as it came",
                system.value
            );
            self.complain(
                Complaint::error("config.unsupported", system.place, message)
                    .fix(format!("have {} leave `{}` out", system.value, field.name.value)),
            );
        }
    }

    /// What is computed from a value that people may not see is no more theirs to see.
    fn computed(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        let Some(text) = &field.compute else { return };
        // That it cannot be read is said elsewhere.
        let Ok(expr) = Expr::parse(&text.value) else { return };
        for name in expr.variables() {
            let source = entity.field(name).filter(|source| source.label() != Label::Open);
            if let Some(source) = source {
                let message =
                    format!("`{}` shows what `{}` hides", field.name.value, source.name.value);
                self.complain(
                    Complaint::error(CODE, text.place, message)
                        .fix(format!("say `sensitive: mask` of `{}`, too", field.name.value)),
                );
            }
        }
    }

    /// Keys are shown wherever a record is named.
    fn keys(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        for cell in &field.cells {
            let Some(binding) = entity.binding(&cell.system.value) else { continue };
            let columns: BTreeSet<&str> =
                cell.columns.iter().map(|column| column.value.as_str()).collect();
            for name in binding.key.iter().filter(|key| columns.contains(key.value.as_str())) {
                let message = format!(
                    "`{}` is masked, and the key of its rows in {}: keys are shown everywhere",
                    field.name.value, cell.system.value
                );
                self.complain(
                    Complaint::error(CODE, name.place, message)
                        .fix("name another key, or leave `sensitive` out"),
                );
            }
        }
    }
}

/// All expressions of an entity, each with what it is.
fn expressions(entity: &EntityDraft) -> Vec<(&'static str, &Name)> {
    let mut all: Vec<(&'static str, &Name)> = Vec::new();
    all.extend(entity.when.iter().map(|text| ("`when`", text)));
    all.extend(entity.validate.iter().map(|rule| ("a rule", &rule.check)));
    all.extend(entity.bindings.iter().filter_map(|it| Some(("`when`", it.when.as_ref()?))));
    all.extend(entity.fields.iter().filter_map(|it| Some(("`compute`", it.compute.as_ref()?))));
    all
}

/// Where else a column of the table of this entity is named, to be read.
fn readers<'d>(
    entities: impl Iterator<Item = &'d EntityDraft>,
    of: &EntityDraft,
    system: &str,
    column: &str,
) -> Vec<&'d Name> {
    let Some(table) = of.binding(system).map(|binding| &binding.table.value) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entity in entities.flat_map(|entity| std::iter::once(entity).chain(entity.lines.as_deref()))
    {
        let Some(binding) = entity.binding(system).filter(|it| it.table.value == *table) else {
            continue;
        };
        let cells = entity.fields.iter().filter_map(|field| field.cell(system));
        found.extend(cells.flat_map(|cell| &cell.columns).chain(own(binding)));
    }
    found.retain(|name: &&Name| name.value == column);
    found
}

fn own(binding: &BindingDraft) -> impl Iterator<Item = &Name> {
    let time = binding.changed_at.iter().map(|(column, _)| column);
    binding
        .key
        .iter()
        .chain(&binding.parent)
        .chain(&binding.changed_by)
        .chain(&binding.cursor)
        .chain(time)
}
