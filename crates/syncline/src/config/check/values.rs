//! Value maps: one-to-one when written, and complete.

use std::collections::BTreeMap;

use syncline_core::Text;

use crate::config::{
    check::{Checker, unknown},
    complaint::Complaint,
    draft::{Atom, CellDraft, EntityDraft, FieldDraft, Name},
    source::Place,
};

impl Checker<'_> {
    pub(super) fn field_values(&mut self, entity: &EntityDraft, field: &FieldDraft) {
        let kind = field.kind.as_ref().map(|kind| kind.value.as_str());
        match (&field.values, kind) {
            (None, Some("enum")) => self.complain(
                Complaint::error(
                    "config.missing_key",
                    field.name.place,
                    format!("field `{}` needs `values`", field.name.value),
                )
                .fix("values: [lead, customer, blocked]; their order is their rank"),
            ),
            (Some(values), Some(other)) if other != "enum" => {
                if let Some(first) = values.first() {
                    self.complain(
                        Complaint::error(
                            "config.contradiction",
                            first.place,
                            format!("`values` belongs to `type: enum`, not {other}"),
                        )
                        .fix("leave one of the two out"),
                    );
                }
            }
            _ => {}
        }
        if let (Some(place), false) =
            (field.currency.as_ref().map(|code| code.place), matches!(kind, None | Some("money")))
        {
            self.complain(Complaint::error(
                "config.contradiction",
                place,
                "`currency` belongs to `type: money`",
            ));
        }
        if let (Some(place), false) =
            (field.region.as_ref().map(|code| code.place), matches!(kind, None | Some("phone")))
        {
            self.complain(Complaint::error(
                "config.contradiction",
                place,
                "`region` belongs to `type: phone`",
            ));
        }
        for cell in &field.cells {
            if let Some(values) = &cell.values {
                self.cell_values(entity, field, cell, &values.value);
            }
        }
    }

    fn cell_values(
        &mut self,
        entity: &EntityDraft,
        field: &FieldDraft,
        cell: &CellDraft,
        rows: &[(Name, Vec<Atom>)],
    ) {
        let system = &cell.system.value;
        if let Some(known) = &field.values {
            for (name, _) in rows {
                if !known.iter().any(|value| value.value == name.value) {
                    let known = known.iter().map(|value| value.value.as_str());
                    let what = format!("value of `{}`", field.name.value);
                    self.complain(unknown("map.unknown_value", &what, name, known));
                }
            }
            let missing: Vec<&str> = known
                .iter()
                .filter(|value| !rows.iter().any(|(name, _)| name.value == value.value))
                .map(|value| value.value.as_str())
                .collect();
            if !missing.is_empty() && entity.writes(field, system) {
                let place = cell.values.as_ref().map_or(cell.place, |values| values.place);
                let shown = missing.iter().map(|value| format!("`{value}`"));
                self.complain(
                    Complaint::error(
                        "map.incomplete",
                        place,
                        format!("`{}` cannot be written to {system}", field.name.value),
                    )
                    .label(format!("{} has no value here", shown.collect::<Vec<_>>().join(", ")))
                    .fix(format!("add it, or leave {system} out of the field's `to`")),
                );
            }
        }
        if entity.is_two_way(field, system) {
            self.one_to_one(field, cell, rows);
        }
    }

    /// A system's value means one thing, wherever it stands.
    fn one_to_one(&mut self, field: &FieldDraft, cell: &CellDraft, rows: &[(Name, Vec<Atom>)]) {
        let system = &cell.system.value;
        let mut meanings: BTreeMap<&Text, &Name> = BTreeMap::new();
        for (name, atoms) in rows {
            for atom in atoms {
                let Some(other) = meanings.get(&atom.text) else {
                    meanings.insert(&atom.text, name);
                    continue;
                };
                if other.value == name.value {
                    continue;
                }
                let place = Place { end: atom.place.end, ..name.place };
                self.complain(
                    Complaint::error(
                        "map.not_invertible",
                        place,
                        format!("`{}` cannot be written back to {system}", field.name.value),
                    )
                    .label(format!("\"{}\" already means `{}`", atom.text, other.value))
                    .fix(format!(
                        "give `{}` its own code, or make the field one-way with `from: {system}`",
                        name.value
                    )),
                );
            }
        }
    }
}
