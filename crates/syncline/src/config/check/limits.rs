//! Limits of users, where nobody says who changes a row.

use crate::config::{check::Checker, complaint::Complaint, draft::EntityDraft};

impl Checker<'_> {
    /// Limits that count nobody are an error; those that count in some systems only are worth a warning.
    pub(super) fn limits(&mut self) {
        let (mut counting, mut blind) = (false, Vec::new());
        let entities = || self.draft.entities.iter();
        let lists = entities().filter_map(|it| Some((it, it.lines.as_deref()?)));
        for (root, entity) in entities().map(|it| (it, it)).chain(lists) {
            for binding in &entity.bindings {
                let is_read = reads(root, &binding.system.value);
                let Some(said) = self.draft.said_per_user(root, binding).filter(|_| is_read) else {
                    continue;
                };
                if binding.changed_by.is_some() {
                    counting = true;
                } else {
                    let name = &entity.name;
                    blind.push((said.place, binding.system.place, name, &binding.system.value));
                }
            }
        }
        let mut complaints: Vec<Complaint> = Vec::new();
        for (said, place, entity, system) in blind {
            if !counting {
                let message = "no table that this is about says who changes its rows";
                complaints.push(
                    Complaint::error("config.no_user", said, message)
                        .fix("say `changed_by: COLUMN` in `in:`, or leave the limit out"),
                );
                break;
            }
            let message = format!("`{entity}` does not say who changes its rows in {system}");
            complaints.push(
                Complaint::warning("config.no_user", place, message)
                    .label("the limit per user counts nobody here; `changed_by: COLUMN`"),
            );
        }
        self.complaints.extend(complaints);
    }
}

fn reads(entity: &EntityDraft, system: &str) -> bool {
    entity.from.as_ref().is_none_or(|from| from.iter().any(|name| name.value == system))
}
