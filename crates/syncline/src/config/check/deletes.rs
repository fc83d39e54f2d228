//! `delete_conflict: newest` needs to know when: of every edit, and of every delete. A row that is
//! simply gone does not tell when it went; a row that is marked does, by its `changed_at`.

use syncline_core::plan::{DeleteConflict, DeletePolicy};

use crate::config::{
    check::Checker,
    complaint::Complaint,
    draft::{BindingDraft, EntityDraft},
    source::Place,
};

impl Checker<'_> {
    /// Of an entity, its child list included.
    pub(super) fn delete_conflict(&mut self, entity: &EntityDraft) {
        let rule = entity.common.delete_conflict.as_ref();
        let rule = rule.or(self.draft.defaults.delete_conflict.as_ref());
        let Some(place) =
            rule.filter(|rule| rule.value == DeleteConflict::Newest).map(|rule| rule.place)
        else {
            return;
        };
        for binding in &entity.bindings {
            self.times_of(entity, binding, place);
        }
        if let Some(lines) = &entity.lines {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    place,
                    format!("nobody tells when a row of `{}` was deleted", lines.name),
                )
                .fix("say another rule: priority, delete_wins, update_wins, manual"),
            );
        }
    }

    fn times_of(&mut self, entity: &EntityDraft, binding: &BindingDraft, place: Place) {
        let system = binding.system.value.as_str();
        let gives =
            entity.from.as_ref().is_none_or(|from| from.iter().any(|name| name.value == system));
        if !gives {
            return;
        }
        if binding.changed_at.is_none() {
            self.complain(
                Complaint::error(
                    "config.newest",
                    place,
                    format!("`newest` needs to know when a row of {system} changed"),
                )
                .fix(format!(
                    "in: {{{system}: {{{}: {}, changed_at: COLUMN}}}}",
                    self.word_for(system),
                    binding.table.value
                )),
            );
        }
        let deletes = entity.common.deletes.as_ref().map(|deletes| &deletes.value);
        let may_delete = deletes
            .and_then(|deletes| deletes.from.as_ref())
            .is_none_or(|from| from.iter().any(|name| name.value == system));
        let marks = deletes.is_some_and(|deletes| {
            deletes.policy == DeletePolicy::Soft
                && deletes.soft.iter().any(|(name, _)| name.value == system)
        });
        if may_delete && !marks {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    place,
                    format!("nobody tells when a row of {system} was deleted"),
                )
                .fix(format!(
                    "mark deletes there, deletes: {{policy: soft, {system}: {{set: {{COLUMN: \
                     VALUE}}}}}}; or name in `deletes: from` the systems that do; or say another rule"
                )),
            );
        }
    }
}
