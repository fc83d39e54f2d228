//! Whether a record lives: rows that appear, vanish, or are edited after their record was deleted.
//!
//! Doubts resolve towards keeping data (D7), and what loses is kept and restorable.

mod dead;

use crate::{
    audit::{SettledConflict, put_candidate},
    change::Row,
    commit::{AuditEvent, AuditKind, ConflictChange, Settled},
    group::{Author, Candidate, FieldSet, Link, OpenConflict, Part, Scope},
    merge::{Base, Edit, Own, Reading, Scene, Source, Taken, hold_waiting, remember},
    mutant::Mutant,
    name::FieldIndex,
    need::{View, cells},
    plan::{DeletePolicy, OnTargetEdit},
    policy::{self, Deed, Existence},
    value::Value,
};

impl Scene<'_> {
    /// A row where there was none.
    pub(super) fn appear(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        row: &Row,
        own: &Own,
        reading: Reading,
    ) -> Taken {
        self.own_fields(link, own);
        let unheard = part.exists.version == 0;
        let taken = if own.exists.is_some() {
            // Our insert; what differs from it was edited since, on top of it.
            link.scope = Scope::In;
            let edited = self.edits(source, part, link, reading.edits, Base::None);
            edited.max(Taken::Echo)
        } else if unheard {
            self.create(source, part, link, reading.edits)
        } else if part.exists.alive {
            link.agreed_exists = part.exists.version;
            if link.scope == Scope::Out {
                link.scope = Scope::Frozen;
            }
            self.edits(source, part, link, reading.edits, Base::None)
        } else {
            self.again(source, part, link, reading.edits)
        };
        // A row that is read for the first time is taken whole or not at all.
        hold_waiting(link, row, &reading.awaits, &[]);
        let waiting: Vec<_> = reading.awaits.iter().map(|waiting| waiting.field).collect();
        link.shadow = Some(remember(row, None, &waiting));
        taken
    }

    /// The first row of a new record.
    fn create(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edits: Vec<Edit>,
    ) -> Taken {
        self.bear(source, part, link);
        let _no_line_each = self.fill(source, part, link, edits);
        let event = self.event_from(source, AuditKind::Created);
        self.journal.audit.push(AuditEvent { version: part.exists.version, ..event });
        Taken::Applied
    }

    /// A deleted record that somebody made again: the same identity, a new incarnation.
    fn again(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edits: Vec<Edit>,
    ) -> Taken {
        if !source.binding.reads {
            link.agreed_exists = match self.entity.on_target_edit {
                OnTargetEdit::Revert => 0,
                OnTargetEdit::Ignore => part.exists.version,
            };
            let event = self.event_from(source, AuditKind::Rejected);
            self.journal
                .audit
                .push(AuditEvent { note: "the system only receives".into(), ..event });
            return Taken::Filtered;
        }
        self.bear(source, part, link);
        let filled = self.fill(source, part, link, edits);
        self.revived = true;
        let event = self.event_from(source, AuditKind::Revived);
        self.journal.audit.push(AuditEvent {
            version: part.exists.version,
            note: "created again".into(),
            ..event
        });
        self.journal.audit.extend(filled);
        Taken::Applied
    }

    /// The part lives, because this source says so.
    fn bear(&self, source: &Source<'_>, part: &mut Part, link: &mut Link) {
        part.exists.alive = true;
        part.exists.version += 1;
        part.exists.author = Author::System(source.system);
        (part.exists.at, part.exists.clock_suspect) = self.deed_time(source);
        link.agreed_exists = part.exists.version;
        link.scope = Scope::In;
    }

    /// Golden values from a row that stands alone. Gives a line per value that changed; a record that nobody
    /// knew has one for all.
    fn fill(
        &self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edits: Vec<Edit>,
    ) -> Vec<AuditEvent> {
        let (at, clock_suspect) = self.stamp(source);
        let is_known = part.exists.version > 1;
        let mut lines = Vec::new();
        for Edit { field, theirs } in edits {
            if self.forbids(source, field).is_some() {
                continue;
            }
            let Some(cell) = part.cells.get_mut(field.at()) else { continue };
            if cell.version > 0 && cell.value == theirs {
                link.agree(field, cell.version);
                continue;
            }
            let after = is_known.then(|| theirs.clone());
            let before = std::mem::replace(&mut cell.value, theirs);
            cell.version += 1;
            cell.author = Author::System(source.system);
            (cell.at, cell.clock_suspect) = (at, clock_suspect);
            link.agree(field, cell.version);
            if is_known && after.as_ref() != Some(&before) {
                lines.push(AuditEvent {
                    field: Some(field),
                    before: Some(before),
                    after,
                    version: cell.version,
                    note: "created again".into(),
                    ..self.event_from(source, AuditKind::Changed)
                });
            }
        }
        lines
    }

    /// A row that was there and is gone.
    pub(super) fn vanish(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        own: &Own,
    ) -> Taken {
        let unseen = self.unseen(source, part, link);
        let agreed_before = link.agreed_exists;
        bury(link);
        if let Some(version) = own.exists {
            // Taken away although the record lives: it had left the scope, and may be back in it.
            let lives = part.exists.alive && part.exists.version == version;
            link.agreed_exists = if lives { 0 } else { version };
            return Taken::Echo;
        }
        if !part.exists.alive {
            link.agreed_exists = part.exists.version;
            return Taken::Nothing;
        }
        if link.scope != Scope::In && !self.plan.is_mutant(Mutant::ScopeExitDeletes) {
            // Gone where the record does not belong: recorded, not passed on (2.10).
            link.scope = Scope::Out;
            link.agreed_exists = part.exists.version;
            return Taken::Filtered;
        }
        if let Some(why) = self.forbids_delete(source) {
            return self.refuse_delete(source, part, link, why);
        }
        match self.entity.deletes {
            DeletePolicy::Propagate | DeletePolicy::Soft => {}
            DeletePolicy::Ignore => {
                link.scope = Scope::Detached;
                link.agreed_exists = part.exists.version;
                let event = self.event_from(source, AuditKind::Unlinked);
                self.journal.audit.push(AuditEvent { note: "deletes: ignore".into(), ..event });
                return Taken::Filtered;
            }
            DeletePolicy::Hold => {
                link.agreed_exists = part.exists.version;
                return self.open_delete(source, part, "deletes: hold");
            }
        }
        self.judge_delete(source, part, link, &unseen, agreed_before)
    }

    fn judge_delete(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        unseen: &[FieldIndex],
        base_version: u64,
    ) -> Taken {
        let deleter = self.deed(source);
        let editors: Vec<Deed> = unseen
            .iter()
            .filter_map(|field| part.cell(*field))
            .map(|cell| Deed::new(cell.author, cell.at, cell.clock_suspect))
            .collect();
        let rule = self.entity.delete_conflict;
        let verdict = if editors.is_empty() || self.plan.is_mutant(Mutant::LostDeleteDone) {
            Existence::Delete
        } else {
            policy::delete_or_update(rule, deleter, &editors, &self.entity.priority)
        };
        let rule = policy::delete_rule_name(rule);
        match verdict {
            Existence::Delete => {
                if !unseen.is_empty() {
                    let losers = self.unseen_values(part, unseen);
                    self.settle_existence(source, losers, base_version, rule, deleter.author);
                }
                for field in unseen {
                    let Some(cell) = part.cell(*field) else { continue };
                    let event = self.event_from(source, AuditKind::Lost);
                    self.journal.audit.push(AuditEvent {
                        field: Some(*field),
                        after: Some(cell.value.clone()),
                        version: cell.version,
                        note: format!("deleted: {rule}").into(),
                        ..event
                    });
                }
                self.kill(source, part);
                link.agreed_exists = part.exists.version;
                Taken::Applied
            }
            Existence::Update => {
                let winners = self.unseen_values(part, unseen);
                let winner = winners.first().map_or(Author::Nobody, |winner| winner.author);
                self.settle_existence(source, winners, base_version, rule, winner);
                link.agreed_exists = 0;
                let event = self.event_from(source, AuditKind::DeleteOverridden);
                self.journal.audit.push(AuditEvent { note: rule.into(), ..event });
                Taken::Lost
            }
            Existence::Manual => {
                link.agreed_exists = 0;
                self.open_delete(source, part, rule)
            }
        }
    }

    /// Fields whose golden value this system had not been shown.
    fn unseen(&self, source: &Source<'_>, part: &Part, link: &Link) -> Vec<FieldIndex> {
        let view = View {
            plan: self.plan,
            entity: self.entity,
            record: self.record,
            root: part,
            rows: crate::need::Rows { working: Some(self.working) },
        };
        let differs = |field: FieldIndex, cell: &crate::plan::Cell| {
            let Some(golden) = part.cell(field) else { return false };
            if golden.version == link.seen(field) || golden.version == 0 {
                return false;
            }
            let shadow = link.shadow.as_ref().and_then(|row| row.value(field));
            view.put(source.system, field, cell, &golden.value, shadow).ok().as_ref() != shadow
        };
        cells(source.binding)
            .filter(|(field, cell)| !cell.insert_only && differs(*field, cell))
            .map(|(field, _)| field)
            .collect()
    }

    fn unseen_values(&self, part: &Part, unseen: &[FieldIndex]) -> Vec<Candidate> {
        let mut values = Vec::new();
        let mut cells: Vec<_> = unseen.iter().filter_map(|field| part.cell(*field)).collect();
        cells.sort_by_key(|cell| policy::rank(cell.author, &self.entity.priority));
        for cell in cells {
            let candidate = Candidate {
                author: cell.author,
                value: cell.value.clone(),
                at: cell.at,
                actor: None,
            };
            if !values.iter().any(|known: &Candidate| known.author == candidate.author) {
                values.push(candidate);
            }
        }
        values
    }

    fn settle_existence(
        &mut self,
        source: &Source<'_>,
        others: Vec<Candidate>,
        base_version: u64,
        rule: &str,
        winner: Author,
    ) {
        let mut candidates = others;
        let at = self.stamp(source).0;
        let own = Candidate {
            author: Author::System(source.system),
            value: Value::Null,
            at,
            actor: source.actor.clone(),
        };
        put_candidate(&mut candidates, own);
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
    }

    /// The part is dead; its cells are kept.
    fn kill(&mut self, source: &Source<'_>, part: &mut Part) {
        part.exists.alive = false;
        part.exists.version += 1;
        part.exists.author = Author::System(source.system);
        (part.exists.at, part.exists.clock_suspect) = self.deed_time(source);
        let event = self.event_from(source, AuditKind::Deleted);
        self.journal.audit.push(AuditEvent { version: part.exists.version, ..event });
        self.close_all(part, "deleted", Author::System(source.system));
    }

    /// Nothing of a dead part waits for a person.
    pub(crate) fn close_all(&mut self, part: &mut Part, rule: &str, winner: Author) {
        for open in std::mem::take(&mut part.conflicts) {
            self.journal.conflicts.push(ConflictChange::Close {
                record: self.record,
                part: self.part_key.clone(),
                field: open.field,
                settled: Settled { rule: rule.into(), winner, who: None, note: None },
            });
        }
        part.links.iter_mut().for_each(Link::lift_at_death);
    }

    fn forbids_delete(&self, source: &Source<'_>) -> Option<&'static str> {
        if !source.binding.reads {
            return Some("the system only receives");
        }
        let from = self.entity.delete_from.as_ref();
        if from.is_some_and(|from| !from.contains(&source.system)) {
            return Some("other systems decide about deletes");
        }
        None
    }

    fn refuse_delete(
        &mut self,
        source: &Source<'_>,
        part: &Part,
        link: &mut Link,
        why: &str,
    ) -> Taken {
        link.agreed_exists = match self.entity.on_target_edit {
            OnTargetEdit::Revert => 0,
            OnTargetEdit::Ignore => part.exists.version,
        };
        let event = self.event_from(source, AuditKind::DeleteOverridden);
        self.journal.audit.push(AuditEvent { note: why.into(), ..event });
        Taken::Filtered
    }

    /// A person says whether the record lives.
    fn open_delete(&mut self, source: &Source<'_>, part: &mut Part, note: &str) -> Taken {
        let at = self.stamp(source).0;
        let candidate = Candidate {
            author: Author::System(source.system),
            value: Value::Null,
            at,
            actor: source.actor.clone(),
        };
        let known = part.conflicts.iter_mut().find(|open| open.field.is_none());
        let open = if let Some(open) = known {
            put_candidate(&mut open.candidates, candidate);
            open.clone()
        } else {
            let open = OpenConflict {
                field: None,
                candidates: vec![candidate],
                base: Value::Null,
                ambiguous: false,
            };
            part.conflicts.insert(0, open.clone());
            open
        };
        let event = self.event_from(source, AuditKind::ConflictOpened);
        self.journal.audit.push(AuditEvent { note: note.into(), ..event });
        self.journal.conflicts.push(ConflictChange::Open {
            record: self.record,
            entity: self.entity_index,
            part: self.part_key.clone(),
            field: None,
            base: Value::Null,
            base_version: part.exists.version,
            candidates: open.candidates,
            ambiguous: false,
            settled: None,
        });
        Taken::Held
    }
}

/// There is no row any more: nothing of it is agreed, held or remembered but its key.
fn bury(link: &mut Link) {
    (link.shadow, link.token) = (None, None);
    link.agreed.fill(0);
    link.held.clear();
    link.last_own = FieldSet::default();
    link.reflexes.clear();
}
