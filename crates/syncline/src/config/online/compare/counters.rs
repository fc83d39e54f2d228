//! Counters, and the marks that tell our writes from others'.

use syncline_core::{
    lens::FieldType,
    plan::{Class, Policy},
};

use super::Comparer;
use crate::config::complaint::Complaint;

impl Comparer<'_> {
    /// Counters need systems that tell our writes from others'.
    pub(super) fn marks(&mut self) {
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
