//! What a change breaks of the rules of its record: it is taken back where it was made, noted, or kept
//! from being written.

use crate::{
    Text,
    audit::event,
    commit::{AuditEvent, AuditKind, QuarantineChange, Subject},
    group::{FieldSet, Group, Link, Parked},
    name::{FieldIndex, SystemIndex},
    need::{Need, PartNeed},
    step::{link::PartAt, pass::Pass},
    validate::{Broken, Otherwise, Rule, Scene},
};

/// The code of a rule that is broken.
pub(super) const CODE: &str = "validate.rule";

/// Whether a broken rule keeps it back.
pub(super) fn is_rule(parked: &Parked) -> bool {
    parked.code == CODE
}

impl Pass<'_> {
    /// What no rule keeps back any more is due.
    pub(super) fn release_valid(&mut self, group: &mut Group) {
        let is_kept = |link: &Link| link.parked.as_ref().is_some_and(is_rule);
        let parts = |group: &Group| group.parts().any(|(_, part)| part.links.iter().any(is_kept));
        if !parts(group) || self.broken(group).is_some() {
            return;
        }
        let roots = std::iter::once(&mut group.root);
        let all = roots.chain(group.children.iter_mut().map(|child| &mut child.part));
        for link in all.flat_map(|part| &mut part.links) {
            link.parked.take_if(|parked| is_rule(parked));
        }
        let subject = Subject::Record { record: group.id };
        self.journal.quarantine.push(QuarantineChange::Release { subject });
    }

    fn scene<'a>(&'a self, group: &'a Group) -> Option<Scene<'a>> {
        let entity = self.plan.entity(group.entity).filter(|it| !it.validate.is_empty())?;
        let (now, zone) = (self.now, self.zone.as_ref());
        Some(Scene { plan: self.plan, entity, group, now, zone })
    }

    /// What keeps this record from being written.
    pub(super) fn broken(&self, group: &Group) -> Option<Broken> {
        if !group.root.exists.alive {
            return None;
        }
        self.scene(group)?.broken()
    }

    /// The record as it is before a change that may be taken back, or is to be noted.
    pub(super) fn to_be_judged(&self, group: &Group) -> Option<(Group, usize)> {
        let rules = &self.plan.entity(group.entity)?.validate;
        let is_judged = rules.iter().any(|rule| rule.otherwise != Otherwise::Quarantine);
        is_judged.then(|| (group.clone(), self.journal.audit.len()))
    }

    /// Looks at what a change of one part has made of its record: what no rule allows is taken back where it was
    /// made, or noted. `before`: the record before it, and how much was on the books then.
    pub(super) fn judge(
        &mut self,
        before: &(Group, usize),
        group: &mut Group,
        at: PartAt,
        system: SystemIndex,
    ) {
        let (old, books) = before;
        let (Some(then), Some(now)) = (self.scene(old), self.scene(group)) else { return };
        if !group.root.exists.alive {
            return;
        }
        let was_there = old.root.exists.alive;
        let held = |rule: &Rule| !was_there || rule.holds(&then);
        let is_new = |rule: &&Rule| held(rule) && !rule.holds(&now);
        let broken = now.entity.validate.iter().filter(is_new);
        let (mut noted, mut refused) = (Vec::new(), Vec::new());
        for rule in broken {
            match rule.otherwise {
                Otherwise::Quarantine => {}
                Otherwise::Warn => noted.push(rule.message.clone()),
                Otherwise::Reject => {
                    refused.push((rule.fields_of(&now, at == PartAt::Root), rule.message.clone()));
                }
            }
        }
        for message in noted {
            let note = format!("{CODE}: {message}").into();
            let system = Some(system);
            self.journal.audit.push(AuditEvent {
                system,
                note,
                ..event(group.id, group.entity, &at.key(group), AuditKind::Warned)
            });
        }
        for (fields, message) in refused {
            self.undo(old, *books, group, at, system, &fields, &message);
        }
    }

    /// Puts back what these fields held; the system that changed them is written again.
    #[expect(clippy::too_many_arguments, reason = "what was, what is, and where")]
    fn undo(
        &mut self,
        old: &Group,
        books: usize,
        group: &mut Group,
        at: PartAt,
        system: SystemIndex,
        fields: &FieldSet,
        message: &Text,
    ) {
        let (record, entity, key) = (group.id, group.entity, at.key(group));
        // What was not there before cannot be put back: the record waits as a whole.
        let Some(before) = at.part(old).filter(|part| part.exists.version > 0) else { return };
        let Some(part) = at.part_mut(group) else { return };
        for (index, (cell, was)) in (0u16..).zip(part.cells.iter_mut().zip(&before.cells)) {
            let field = FieldIndex(index);
            if !fields.contains(field) || cell.version == was.version {
                continue;
            }
            let theirs = std::mem::replace(cell, was.clone()).value;
            // It was never taken: the books say so.
            let mut place = 0;
            self.journal.audit.retain(|known| {
                place += 1;
                let is_taking = matches!(
                    known.kind,
                    AuditKind::Changed | AuditKind::Overridden | AuditKind::Merged
                );
                let is_it =
                    known.record == record && known.part == key && known.field == Some(field);
                place <= books || !(is_taking && is_it)
            });
            self.journal.audit.push(AuditEvent {
                field: Some(field),
                system: Some(system),
                before: Some(was.value.clone()),
                after: Some(theirs),
                version: was.version,
                note: format!("{CODE}: {message}").into(),
                ..event(record, entity, &key, AuditKind::Rejected)
            });
            if let Some(link) = part.links.iter_mut().find(|link| link.system == system) {
                // Dirty: what is shown there is written over.
                link.agree(field, 0);
            }
        }
    }

    /// Of what the record needs in a system, what a broken rule does not speak of. What is kept back, and
    /// where, if nothing is left.
    pub(super) fn keep_back(broken: &Broken, needs: &mut Vec<PartNeed>) -> Option<PartAt> {
        // What leaves a system goes whole, whatever it breaks.
        if needs.iter().any(|it| it.child.is_none() && it.need == Need::Delete) {
            return None;
        }
        let mut kept = None;
        let is_created = needs.iter().any(|it| it.child.is_none() && it.need == Need::Insert);
        for part in needs.iter_mut() {
            let at = part.child.map_or(PartAt::Root, PartAt::Child);
            let need = match (std::mem::replace(&mut part.need, Need::Nothing), at) {
                (Need::Nothing, _) => continue,
                (_, _) if is_created => Need::Nothing,
                (Need::Update(mut fields), PartAt::Root) => {
                    let all = fields.len();
                    fields.retain(|field| !broken.fields.contains(*field));
                    if fields.len() < all {
                        kept = kept.or(Some(at));
                    }
                    if fields.is_empty() { Need::Nothing } else { Need::Update(fields) }
                }
                (_, PartAt::Child(_)) if broken.lines => Need::Nothing,
                (need, _) => need,
            };
            if need == Need::Nothing {
                kept = kept.or(Some(at));
            }
            part.need = need;
        }
        needs.retain(|part| part.need != Need::Nothing);
        kept.filter(|_| needs.is_empty())
    }
}
