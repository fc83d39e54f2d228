//! Records that refer to others: whose row comes first, and what becomes of those that refer to a
//! record when it goes (2.7, 2.9).
//!
//! Both are questions about the rows of one system, asked when a write is planned: by then the pass
//! has read everything, so a parent and its children that somebody deleted together are gone
//! together, in whatever order they were read.

use std::collections::BTreeSet;

use crate::{
    Text,
    audit::event,
    change::{Effect, Input, PartKey},
    commit::{
        AuditEvent, AuditKind, ConflictChange, QuarantineChange, REFERRING_MAX, Settled, Subject,
    },
    group::{Author, Existence, Group, Parked, Part},
    index::versions,
    name::{EntityIndex, RecordId, SystemIndex, Timestamp},
    need::{Need, Rows, needs},
    plan::OnParentDelete,
    step::{link::PartAt, pass::Pass},
    value::Value,
};

/// A write that waits for another record is looked at again in every pass.
pub(crate) const ALWAYS: Option<Timestamp> = Some(Timestamp(0));

/// What becomes of a record that was deleted, in one system.
pub(super) enum Fate {
    /// Nobody refers to it there: it goes.
    Goes,
    /// These have rows there that refer to it, and go first.
    Waits(Vec<RecordId>),
    /// It may not go at all.
    Lives,
}

impl Pass<'_> {
    /// The records that this one refers to, and waits for in a circle in this system: one of them
    /// must be written without its reference first.
    pub(super) fn circles(&self, group: &Group, system: SystemIndex) -> Vec<RecordId> {
        let parents: BTreeSet<RecordId> = targets(group).collect();
        parents.into_iter().filter(|parent| self.leads_to(*parent, group.id, system)).collect()
    }

    /// Whether a record that is still to be created in this system waits, through others like it,
    /// for that one.
    fn leads_to(&self, from: RecordId, to: RecordId, system: SystemIndex) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(record) = next.pop() {
            if record == to {
                return true;
            }
            let Some(Some(group)) = self.working.groups.get(&record) else { continue };
            if seen.insert(record) && is_to_come(group, system) {
                next.extend(targets(group));
            }
        }
        false
    }

    /// Decides about those that refer to a deleted record, before anybody counts what is to be done.
    pub(super) fn orphans(&mut self, record: RecordId, system: SystemIndex, after: RecordId) {
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        let rows = Rows { working: Some(self.working) };
        let needs = needs(self.plan, &group, system, rows);
        let goes = needs.iter().any(|part| part.child.is_none() && part.need == Need::Delete);
        if group.root.exists.alive || !goes {
            self.put_back(group);
            return;
        }
        let referring = self.working.referring.get(&(record, after));
        let last =
            referring.filter(|found| found.len() >= REFERRING_MAX).and_then(|found| found.last());
        if let Some(after) = last.copied() {
            let rest = Input::Orphans { record, system, after };
            self.journal.effects.push(Effect::Again(Box::new(rest)));
        }
        match self.fate(&mut group, system, after) {
            Fate::Lives => {
                self.conclude(&mut group, None);
                self.put_changed(group, before);
            }
            Fate::Goes | Fate::Waits(_) => self.put_back(group),
        }
    }

    /// What becomes of a deleted record in this system, by what the entities of those say that refer to it
    /// and come after that one.
    pub(super) fn fate(&mut self, group: &mut Group, system: SystemIndex, after: RecordId) -> Fate {
        let referring = self.working.referring.get(&(group.id, after)).cloned().unwrap_or_default();
        let many = referring.len() >= REFERRING_MAX;
        let mut waits = Vec::new();
        for record in referring {
            let Some(mut child) = self.take(record) else { continue };
            if self.is_kept_by(group.id, &child) {
                self.put_back(child);
                self.revive(group);
                return Fate::Lives;
            }
            let before = self.before(&child);
            let changed = self.bereave(group, &mut child);
            let is_there = parts_of(&child)
                .filter_map(|at| at.part(&child).filter(|part| refers(part, group.id)))
                .any(|part| part.link(system).is_some_and(|link| link.shadow.is_some()));
            if is_there || many {
                waits.push(record);
            }
            if changed {
                self.conclude(&mut child, None);
                self.put_changed(child, before);
            } else {
                self.put_back(child);
            }
        }
        if waits.is_empty() { Fate::Goes } else { Fate::Waits(waits) }
    }

    /// Whether this record refers to a deleted one and says that it may not go.
    fn is_kept_by(&self, parent: RecordId, child: &Group) -> bool {
        parts_of(child).any(|at| {
            let living = at.part(child).filter(|part| part.exists.alive && refers(part, parent));
            living.is_some() && self.policy(child, at) == OnParentDelete::Forbid
        })
    }

    fn policy(&self, group: &Group, at: PartAt) -> OnParentDelete {
        self.plan
            .entity(entity_of(group, at))
            .map_or(OnParentDelete::Wait, |entity| entity.on_parent_delete)
    }

    /// The parts of this record that refer to a deleted one go with it, or let go of it.
    fn bereave(&mut self, parent: &Group, child: &mut Group) -> bool {
        let mut changed = false;
        for at in parts_of(child).collect::<Vec<_>>() {
            let policy = self.policy(child, at);
            let (record, entity, key) = (child.id, entity_of(child, at), at.key(child));
            let note = self.epitaph(parent);
            let Some(part) = at.part_mut(child) else { continue };
            if !part.exists.alive || !refers(part, parent.id) {
                continue;
            }
            let about = AuditEvent { note, ..event(record, entity, &key, AuditKind::Deleted) };
            match policy {
                OnParentDelete::Wait | OnParentDelete::Forbid => continue,
                OnParentDelete::Cascade => self.bury(part, &parent.root.exists, about),
                OnParentDelete::Detach => self.detach(part, parent.id, &about),
            }
            changed = true;
        }
        changed
    }

    fn epitaph(&self, parent: &Group) -> Text {
        let name = self.plan.entity(parent.entity).map_or("record", |entity| entity.name.as_str());
        format!("its {name} {} was deleted", parent.id).into()
    }

    fn bury(&mut self, part: &mut Part, parent: &Existence, about: AuditEvent) {
        part.exists = Existence {
            alive: false,
            version: part.exists.version + 1,
            author: parent.author,
            at: parent.at,
            clock_suspect: parent.clock_suspect,
        };
        for open in std::mem::take(&mut part.conflicts) {
            self.journal.conflicts.push(ConflictChange::Close {
                record: about.record,
                part: about.part.clone(),
                field: open.field,
                settled: Settled {
                    rule: "deleted".into(),
                    winner: parent.author,
                    who: None,
                    note: None,
                },
            });
        }
        part.links.iter_mut().for_each(crate::group::Link::lift_at_death);
        self.journal.audit.push(AuditEvent { version: part.exists.version, ..about });
    }

    fn detach(&mut self, part: &mut Part, parent: RecordId, about: &AuditEvent) {
        let now = self.now;
        for (cell, index) in part.cells.iter_mut().zip(0u16..) {
            if cell.value != Value::Ref(parent) {
                continue;
            }
            let before = std::mem::take(&mut cell.value);
            cell.version += 1;
            cell.author = Author::Merged;
            (cell.at, cell.clock_suspect) = (now, false);
            self.journal.audit.push(AuditEvent {
                kind: AuditKind::Changed,
                field: Some(crate::name::FieldIndex(index)),
                before: Some(before),
                after: Some(Value::Null),
                version: cell.version,
                ..about.clone()
            });
        }
    }

    /// A deleted record lives again, because it may not go.
    fn revive(&mut self, group: &mut Group) {
        group.root.exists.alive = true;
        group.root.exists.version += 1;
        group.root.exists.author = Author::Merged;
        group.root.exists.at = self.now;
        group.root.exists.clock_suspect = true;
        self.journal.audit.push(AuditEvent {
            version: group.root.exists.version,
            note: "on_parent_delete: forbid".into(),
            ..event(group.id, group.entity, &PartKey::Root, AuditKind::DeleteOverridden)
        });
    }

    /// Says for whom a write waits; it is looked at again by itself. Returns whether that is news.
    pub(super) fn note_waiting(
        &mut self,
        group: &mut Group,
        system: SystemIndex,
        code: &'static str,
        others: Vec<RecordId>,
    ) -> bool {
        let (record, entity) = (group.id, group.entity);
        let versions = versions(&group.root);
        let mut link = group.root.take_link(system);
        let parked = Parked { code: code.into(), versions, tries: 1, not_before: ALWAYS };
        let is_news = link.parked.as_ref() != Some(&parked);
        link.parked = Some(parked);
        group.root.put_link(link);
        if !is_news {
            return false;
        }
        let names: Vec<String> = others.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        let message = match code {
            "write.children_exist" => format!("rows there still refer to it: {names}"),
            _ => format!("it refers to {names}, which has no row there yet"),
        };
        self.journal.quarantine.push(QuarantineChange::Park {
            subject: Subject::Write { record, part: PartKey::Root, system },
            entity,
            record: Some(record),
            code: code.into(),
            message: message.into(),
            row: None,
            related: others,
            awaits: None,
        });
        true
    }
}

/// Whether this record's row in this system is still to be created.
pub(crate) fn is_to_come(group: &Group, system: SystemIndex) -> bool {
    let link = group.root.link(system);
    group.root.exists.alive && link.is_none_or(|link| link.shadow.is_none())
}

/// The records that this one's living parts refer to.
pub(crate) fn targets(group: &Group) -> impl Iterator<Item = RecordId> {
    let living = group.parts().map(|(_, part)| part).filter(|part| part.exists.alive);
    living.flat_map(|part| &part.cells).filter_map(|cell| cell.value.reference())
}

fn refers(part: &Part, parent: RecordId) -> bool {
    part.cells.iter().any(|cell| cell.value == Value::Ref(parent))
}

fn parts_of(group: &Group) -> impl Iterator<Item = PartAt> + use<> {
    std::iter::once(PartAt::Root).chain((0..group.children.len()).map(PartAt::Child))
}

fn entity_of(group: &Group, at: PartAt) -> EntityIndex {
    match at {
        PartAt::Root => group.entity,
        PartAt::Child(child) => group.children.get(child).map_or(group.entity, |child| child.list),
    }
}
