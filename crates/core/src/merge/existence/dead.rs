//! A row that is edited although its record is deleted.

use crate::{
    audit::{SettledConflict, put_candidate},
    commit::{AuditEvent, AuditKind},
    group::{Candidate, Hold, Link, Part},
    merge::{Base, Edit, Scene, Source, Taken},
    mutant::Mutant,
    policy::{self, Deed, Existence},
    value::Value,
};

impl Scene<'_> {
    /// A row was edited whose record is deleted: the editor had not seen the delete.
    pub(in crate::merge) fn edit_of_the_dead(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        mut edits: Vec<Edit>,
    ) -> Taken {
        let mut taken = Taken::Nothing;
        let mut at = 0;
        while let Some(edit) = edits.get(at) {
            if part.version_of(edit.field) == 0 && link.hold_of(edit.field) == Some(Hold::Parent) {
                // It was said before the record went, and waited: nobody has edited anything.
                let edit = edits.remove(at);
                self.set(source, part, link, edit, AuditKind::Changed, "filled");
                taken = taken.max(Taken::Applied);
                continue;
            }
            let same = part.cell(edit.field).is_some_and(|cell| cell.value == edit.theirs);
            match self.forbids(source, edit.field) {
                Some(why) if !same => {
                    let edit = edits.remove(at);
                    self.reject(source, part, link, edit.field, Some(edit.theirs), why);
                    taken = taken.max(Taken::Filtered);
                }
                _ if same => {
                    edits.remove(at);
                }
                _ => at += 1,
            }
        }
        if edits.is_empty() {
            return taken;
        }
        if link.agreed_exists == part.exists.version {
            // It was left its row when the record went: this edit comes after that, and brings it back.
            self.bear(source, part, link);
            self.revived = true;
            let event = self.event_from(source, AuditKind::Revived);
            self.journal.audit.push(AuditEvent {
                version: part.exists.version,
                note: "edited where it was left".into(),
                ..event
            });
            self.edits(source, part, link, edits, Base::Shadow);
            return Taken::Applied;
        }
        let exists = &part.exists;
        let deleter = Deed::new(exists.author, exists.at, exists.clock_suspect);
        let editor = self.deed(source);
        let rule = self.entity.delete_conflict;
        let verdict = policy::delete_or_update(rule, deleter, &[editor], &self.entity.priority);
        let rule = policy::delete_rule_name(rule);
        let theirs = edits.first().map(|edit| edit.theirs.clone()).unwrap_or_default();
        let loser =
            Candidate { author: exists.author, value: Value::Null, at: exists.at, actor: None };
        let mut candidates = vec![loser];
        put_candidate(
            &mut candidates,
            Candidate {
                author: editor.author,
                value: theirs,
                at: self.stamp(source).0,
                actor: source.actor.clone(),
            },
        );
        let base_version = link.agreed_exists;
        let winner = match verdict {
            Existence::Update => editor.author,
            Existence::Delete => deleter.author,
            Existence::Manual => return self.open_delete(source, part, rule),
        };
        self.journal.settle_conflict(SettledConflict {
            record: self.record,
            entity: self.entity_index,
            part: self.part_key.clone(),
            field: None,
            base: Value::Null,
            base_version,
            candidates,
            ambiguous: false,
            rule: rule.into(),
            winner,
        });
        if verdict == Existence::Update {
            // Resurrection starts from the tombstone's image (F5); only what was edited is taken.
            let scope = link.scope;
            self.bear(source, part, link);
            link.scope = scope;
            let event = self.event_from(source, AuditKind::Revived);
            self.journal.audit.push(AuditEvent {
                version: part.exists.version,
                note: rule.into(),
                ..event
            });
            self.edits(source, part, link, edits, Base::Shadow);
            return Taken::Applied;
        }
        for edit in edits {
            if part.version_of(edit.field) == 0 {
                // What nobody ever said is learnt from whoever says it: the record may come back.
                self.set(source, part, link, edit, AuditKind::Changed, "filled");
                continue;
            }
            let event = self.event_from(source, AuditKind::Lost);
            self.journal.audit.push(AuditEvent {
                field: Some(edit.field),
                after: Some(edit.theirs),
                note: format!("deleted: {rule}").into(),
                ..event
            });
            // Every rejected edit leaves its field dirty (F8).
            if !self.plan.is_mutant(Mutant::RejectedNotDirty) {
                link.lose(edit.field);
            }
        }
        Taken::Lost
    }
}
