//! What a person decides: answers to conflicts, edits, links, releases, rollbacks.
//!
//! A person's word is an ordinary change of the record, written on from there like any other, and
//! no system outranks it.

use crate::{
    Text,
    audit::event,
    change::{Command, PartKey, RolledBack, RowKey, Take},
    commit::{AuditEvent, AuditKind, ConflictChange, QuarantineChange, Settled, Subject},
    group::{Author, FieldSet, Group, Hold, OpenConflict, Part},
    name::{BindingIndex, FieldIndex, RecordId, SystemIndex},
    step::{parents::ALWAYS, pass::Pass},
    value::Value,
};

impl Pass<'_> {
    /// Does what a person decided.
    pub(crate) fn command(&mut self, command: &Command) {
        match command {
            Command::Resolve { record, part, field, take, who } => {
                self.change(*record, |pass, group| {
                    pass.resolve(group, part, *field, take, who);
                });
            }
            Command::Release { record, system, field } => {
                self.change(*record, |pass, group| pass.let_flow(group, *system, *field));
            }
            Command::Link { record, binding, key } => self.tie(*record, *binding, key),
            Command::Retry { record, system } => {
                self.change(*record, |_, group| Self::unpark(group, *system));
            }
            Command::Edit { record, part, values, who } => {
                self.change(*record, |pass, group| pass.edit(group, part, values, who));
            }
            Command::Admit { record, excess, who } => {
                self.change(*record, |pass, group| pass.admit(group, excess, who));
            }
            Command::Rollback { record, part, fields, who } => {
                self.change(*record, |pass, group| pass.roll_back(group, part, fields, who));
            }
        }
    }

    fn change(&mut self, record: RecordId, what: impl FnOnce(&mut Self, &mut Group)) {
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        what(self, &mut group);
        self.conclude(&mut group, None);
        self.put_changed(group, before);
    }

    fn resolve(
        &mut self,
        group: &mut Group,
        part_key: &PartKey,
        field: Option<FieldIndex>,
        take: &Take,
        who: &Text,
    ) {
        let (record, entity, now) = (group.id, group.entity, self.now);
        let Some(part) = group.part_mut(part_key) else { return };
        let Some(at) = part.conflicts.iter().position(|open| open.field == field) else { return };
        let open = part.conflicts.remove(at);
        let Some(field) = field else {
            let alive = lives(&open, take);
            part.exists.alive = alive;
            part.exists.version += 1;
            part.exists.author = Author::Person;
            part.exists.at = now;
            part.exists.clock_suspect = false;
            let kind = if alive { AuditKind::Revived } else { AuditKind::Deleted };
            let version = part.exists.version;
            self.settled(record, part_key, None, Author::Person, who);
            self.journal.audit.push(AuditEvent {
                version,
                actor: Some(who.clone()),
                ..event(record, entity, part_key, kind)
            });
            return;
        };
        for link in &mut part.links {
            if link.hold_of(field) == Some(Hold::Conflict) {
                link.lift(field);
            }
        }
        let (value, winner) = chosen(&open, part, field, take);
        self.settled(record, part_key, Some(field), winner, who);
        let event = AuditEvent {
            actor: Some(who.clone()),
            ..event(record, entity, part_key, AuditKind::ConflictSettled)
        };
        self.set_golden(part, field, value, event);
    }

    fn settled(
        &mut self,
        record: RecordId,
        part: &PartKey,
        field: Option<FieldIndex>,
        winner: Author,
        who: &Text,
    ) {
        self.journal.conflicts.push(ConflictChange::Close {
            record,
            part: part.clone(),
            field,
            settled: Settled { rule: "person".into(), winner, who: Some(who.clone()), note: None },
        });
    }

    /// The golden value becomes what a person says.
    fn set_golden(&mut self, part: &mut Part, field: FieldIndex, value: Value, event: AuditEvent) {
        let now = self.now;
        let Some(cell) = part.cells.get_mut(field.at()) else { return };
        let before = std::mem::replace(&mut cell.value, value.clone());
        cell.version += 1;
        cell.author = Author::Person;
        cell.at = now;
        cell.clock_suspect = false;
        self.journal.audit.push(AuditEvent {
            field: Some(field),
            before: Some(before),
            after: Some(value),
            version: cell.version,
            ..event
        });
    }

    /// What was held flows again. Where a loop was suspected, the system shows something else than it
    /// has agreed to: the golden value is said once more, and written there as anybody's new word.
    fn let_flow(
        &mut self,
        group: &mut Group,
        system: Option<SystemIndex>,
        field: Option<FieldIndex>,
    ) {
        let (record, entity) = (group.id, group.entity);
        let keys: Vec<PartKey> = group.parts().map(|(key, _)| key).collect();
        for key in keys {
            let Some(part) = group.part_mut(&key) else { continue };
            let looped = lift(part, system, field);
            for (cell, index) in part.cells.iter_mut().zip(0u16..) {
                if !looped.contains(FieldIndex(index)) {
                    continue;
                }
                cell.version += 1;
                self.journal.audit.push(AuditEvent {
                    field: Some(FieldIndex(index)),
                    before: Some(cell.value.clone()),
                    after: Some(cell.value.clone()),
                    version: cell.version,
                    note: "released".into(),
                    ..event(record, entity, &key, AuditKind::Person)
                });
            }
        }
    }

    fn edit(
        &mut self,
        group: &mut Group,
        part_key: &PartKey,
        values: &[(FieldIndex, Value)],
        who: &Text,
    ) {
        let (record, entity) = (group.id, group.entity);
        let Some(part) = group.part_mut(part_key) else { return };
        for (field, value) in values {
            let event = AuditEvent {
                actor: Some(who.clone()),
                ..event(record, entity, part_key, AuditKind::Person)
            };
            self.set_golden(part, *field, value.clone(), event);
        }
    }

    /// What was refused is due at once. It stays set aside, under its number, until it is written.
    fn unpark(group: &mut Group, system: SystemIndex) {
        let parts = std::iter::once(&mut group.root)
            .chain(group.children.iter_mut().map(|child| &mut child.part));
        for link in parts.filter_map(|part| part.link_mut(system)) {
            if let Some(parked) = &mut link.parked {
                parked.not_before = ALWAYS;
            }
        }
        if let Some(link) = group.root.link_mut(system) {
            link.waits_for = None;
        }
    }

    /// Ties an unlinked row to a record; what it holds is read and merged like any linked row's.
    fn tie(&mut self, record: RecordId, binding: BindingIndex, key: &RowKey) {
        let Some(system) = self.plan.binding(binding).map(|found| found.system) else { return };
        let known = self.working.keys.get(&(binding, key.clone())).cloned().flatten();
        match known {
            Some(known) if known.rival => {
                if let Some(group) = self.take(known.record) {
                    self.withdraw(binding, key, group);
                }
            }
            Some(_) => return,
            None => {}
        }
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        let mut link = group.root.take_link(system);
        if link.shadow.is_none() {
            link.key = Some(key.clone());
            link.must_read = true;
            link.order = None;
        }
        let tied = link.key.as_ref() == Some(key);
        group.root.put_link(link);
        if tied {
            let subject = Subject::Row { binding, key: key.clone() };
            self.journal.quarantine.push(QuarantineChange::Release { subject });
            self.learn(binding, key.clone(), record, false);
            self.ask(binding, key.clone(), Vec::new());
        }
        self.put_changed(group, before);
    }

    /// Takes back what a run did, where nobody changed it since; its sources keep what they have.
    fn roll_back(
        &mut self,
        group: &mut Group,
        part_key: &PartKey,
        fields: &[RolledBack],
        who: &Text,
    ) {
        let (record, entity) = (group.id, group.entity);
        let Some(part) = group.part_mut(part_key) else { return };
        for rolled in fields {
            let note = Text::from("rolled back");
            let actor = Some(who.clone());
            let event =
                AuditEvent { actor, note, ..event(record, entity, part_key, AuditKind::Person) };
            if let Some(why) = left_alone(part, rolled) {
                let note = format!("{why}: left alone").into();
                self.journal.audit.push(AuditEvent { field: rolled.field, note, ..event });
                continue;
            }
            match rolled.field {
                None => self.exist_as_before(part, rolled, event),
                Some(field) => {
                    self.set_golden(part, field, rolled.before.clone(), event);
                    for link in &mut part.links {
                        if link.hold_of(field) == Some(Hold::Rollback) {
                            link.lift(field);
                        }
                        if rolled.keeps.contains(&link.system) && link.shadow.is_some() {
                            link.hold(field, Hold::Rollback);
                        }
                    }
                }
            }
        }
    }

    /// It lives, or does not, as it was before. Who keeps a row, or keeps none, agrees to that.
    fn exist_as_before(&mut self, part: &mut Part, rolled: &RolledBack, event: AuditEvent) {
        let alive = rolled.before == Value::Bool(true);
        if part.exists.alive == alive {
            return;
        }
        part.exists.alive = alive;
        part.exists.version += 1;
        part.exists.author = Author::Person;
        part.exists.at = self.now;
        part.exists.clock_suspect = false;
        let version = part.exists.version;
        if !alive {
            for open in std::mem::take(&mut part.conflicts) {
                let who = event.actor.clone().unwrap_or_default();
                self.settled(event.record, &event.part, open.field, Author::Person, &who);
            }
        }
        for link in &mut part.links {
            if !alive {
                link.lift_at_death();
            }
            if rolled.keeps.contains(&link.system) {
                link.agreed_exists = version;
            }
        }
        let kind = if alive { AuditKind::Revived } else { AuditKind::Deleted };
        self.journal.audit.push(AuditEvent { kind, version, ..event });
    }
}

/// Why this is not taken back.
fn left_alone(part: &Part, rolled: &RolledBack) -> Option<&'static str> {
    let version = rolled.field.map_or(part.exists.version, |field| part.version_of(field));
    if part.conflicts.iter().any(|open| open.field == rolled.field) {
        return Some("a conflict is open");
    }
    if rolled.field.is_some() && !part.exists.alive {
        return Some("deleted since");
    }
    (version != rolled.after_version).then_some("changed since")
}

/// Lifts loop and rollback holds; conflicts are answered, not lifted. Returns the fields that a loop
/// had held.
fn lift(part: &mut Part, system: Option<SystemIndex>, field: Option<FieldIndex>) -> FieldSet {
    let mut looped = FieldSet::default();
    for link in &mut part.links {
        if system.is_some_and(|system| system != link.system) {
            continue;
        }
        link.held.retain(|(held, hold)| {
            let meant = field.is_none_or(|field| field == *held);
            if meant && *hold == Hold::Loop {
                looped.set(*held, true);
            }
            !(meant && matches!(hold, Hold::Loop | Hold::Rollback))
        });
    }
    looped
}

/// Whether the record lives, by a person's answer to a held delete.
fn lives(open: &OpenConflict, take: &Take) -> bool {
    match take {
        Take::Base => true,
        Take::Value(value) => !value.is_null() && *value != Value::Bool(false),
        Take::System(system) => {
            // Candidates are those who deleted.
            let deleted = open
                .candidates
                .iter()
                .any(|known| known.author == Author::System(*system) && known.value.is_null());
            !deleted
        }
        Take::Newest => {
            let newest = open.candidates.iter().max_by_key(|candidate| candidate.at);
            newest.is_some_and(|newest| !newest.value.is_null())
        }
    }
}

/// The value a person chose, and whose it is.
fn chosen(open: &OpenConflict, part: &Part, field: FieldIndex, take: &Take) -> (Value, Author) {
    let golden = part.cell(field).map(|cell| cell.value.clone()).unwrap_or_default();
    match take {
        Take::Base => (open.base.clone(), Author::Nobody),
        Take::Value(value) => (value.clone(), Author::Person),
        Take::System(system) => {
            let author = Author::System(*system);
            let candidate = open.candidates.iter().find(|known| known.author == author);
            (candidate.map_or(golden, |candidate| candidate.value.clone()), author)
        }
        Take::Newest => {
            let newest = open.candidates.iter().max_by_key(|candidate| candidate.at);
            newest.map_or((golden, Author::Nobody), |newest| (newest.value.clone(), newest.author))
        }
    }
}
