//! Edits that did not simply win: merged, put before a person, lost or rejected, and what is kept of
//! each for people.

use crate::{
    audit::{SettledConflict, put_candidate},
    change::Row,
    commit::{AuditEvent, AuditKind, ConflictChange, Settled},
    group::{Author, Candidate, Cell, Hold, Link, OpenConflict, Part},
    merge::{
        Edit, Scene, Source, Taken,
        fields::{is_in_doubt, value_of},
    },
    name::FieldIndex,
    need::cells,
    plan::OnTargetEdit,
    value::{Slot, Value},
};

impl Scene<'_> {
    /// Neither value stands, but one made of both.
    pub(super) fn merged(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edit: &Edit,
        value: Value,
        rule: &str,
    ) -> Taken {
        let at = self.stamp(source).0;
        let Some(cell) = part.cells.get_mut(edit.field.at()) else { return Taken::Nothing };
        let before = cell.value.clone();
        if before != value {
            cell.value = value.clone();
            cell.version += 1;
            cell.author = Author::Merged;
            cell.at = cell.at.max(at);
            cell.clock_suspect = false;
        }
        let version = cell.version;
        link.agree(edit.field, if edit.theirs == value { version } else { 0 });
        self.journal.audit.push(AuditEvent {
            field: Some(edit.field),
            before: Some(before),
            after: Some(value),
            version,
            note: rule.into(),
            ..self.event_from(source, AuditKind::Merged)
        });
        Taken::Applied
    }

    /// A person decides: the field is held everywhere meanwhile.
    pub(super) fn open(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edit: &Edit,
        base: Value,
    ) -> Taken {
        let base_version = link.seen(edit.field);
        let Some(cell) = part.cell(edit.field).cloned() else { return Taken::Nothing };
        let mut candidates = Vec::new();
        put_candidate(
            &mut candidates,
            Candidate { author: cell.author, value: cell.value, at: cell.at, actor: None },
        );
        put_candidate(&mut candidates, self.candidate(source, edit.theirs.clone()));
        let ambiguous = is_in_doubt(link, edit.field);
        let known = part.conflicts.iter_mut().find(|open| open.field == Some(edit.field));
        let open = if let Some(open) = known {
            // What the hub holds has not moved since; its author may have, and competes already.
            let known = |author| open.candidates.iter().any(|known| known.author == author);
            candidates
                .retain(|new| new.author == Author::System(source.system) || !known(new.author));
            for candidate in candidates {
                put_candidate(&mut open.candidates, candidate);
            }
            open.clone()
        } else {
            let open = OpenConflict { field: Some(edit.field), candidates, base, ambiguous };
            let at = part.conflicts.partition_point(|other| other.field < open.field);
            part.conflicts.insert(at, open.clone());
            open
        };
        for other in part.links.iter_mut().chain([&mut *link]) {
            other.hold(edit.field, Hold::Conflict);
        }
        link.agree(edit.field, 0);
        self.journal.audit.push(AuditEvent {
            field: Some(edit.field),
            after: Some(edit.theirs.clone()),
            ..self.event_from(source, AuditKind::ConflictOpened)
        });
        self.report_open(&open, base_version);
        Taken::Held
    }

    pub(super) fn report_open(&mut self, open: &OpenConflict, base_version: u64) {
        self.journal.conflicts.push(ConflictChange::Open {
            record: self.record,
            entity: self.entity_index,
            part: self.part_key.clone(),
            field: open.field,
            base: open.base.clone(),
            base_version,
            candidates: open.candidates.clone(),
            ambiguous: open.ambiguous,
            settled: None,
        });
    }

    pub(super) fn candidate(&self, source: &Source<'_>, value: Value) -> Candidate {
        Candidate {
            author: Author::System(source.system),
            value,
            at: self.stamp(source).0,
            actor: source.actor.clone(),
        }
    }

    /// A held field was edited again: the newest value of each system competes.
    pub(super) fn another_candidate(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        field: FieldIndex,
        theirs: Value,
    ) -> Taken {
        let candidate = self.candidate(source, theirs.clone());
        link.agree(field, 0);
        let Some(open) = part.conflicts.iter_mut().find(|open| open.field == Some(field)) else {
            link.lift(field);
            return Taken::Held;
        };
        put_candidate(&mut open.candidates, candidate);
        let open = open.clone();
        let agreed = open.candidates.iter().all(|candidate| candidate.value == theirs);
        if !agreed {
            self.report_open(&open, 0);
            return Taken::Held;
        }
        // People settled it among themselves.
        part.conflicts.retain(|open| open.field != Some(field));
        for other in part.links.iter_mut().chain([&mut *link]) {
            other.lift(field);
        }
        self.journal.conflicts.push(ConflictChange::Close {
            record: self.record,
            part: self.part_key.clone(),
            field: Some(field),
            settled: Settled {
                rule: "agreed".into(),
                winner: Author::System(source.system),
                who: None,
                note: None,
            },
        });
        if value_of(part, field) == theirs {
            let version = part.version_of(field);
            link.agree(field, version);
        } else {
            self.set(
                source,
                part,
                link,
                Edit { field, theirs },
                AuditKind::ConflictSettled,
                "agreed",
            );
        }
        Taken::Applied
    }

    /// Records a conflict that a rule settled, with both values.
    #[expect(clippy::too_many_arguments, reason = "what a settled conflict consists of")]
    pub(super) fn settled(
        &mut self,
        source: &Source<'_>,
        link: &Link,
        ours: &Cell,
        edit: &Edit,
        base: Option<Value>,
        rule: &str,
        winner: Author,
    ) {
        let mut candidates = Vec::new();
        put_candidate(
            &mut candidates,
            Candidate { author: ours.author, value: ours.value.clone(), at: ours.at, actor: None },
        );
        put_candidate(&mut candidates, self.candidate(source, edit.theirs.clone()));
        self.journal.settle_conflict(SettledConflict {
            record: self.record,
            entity: self.entity_index,
            part: self.part_key.clone(),
            field: Some(edit.field),
            base: base.unwrap_or_default(),
            base_version: contested(link, ours, edit.field),
            candidates,
            ambiguous: is_in_doubt(link, edit.field),
            rule: rule.into(),
            winner,
        });
    }

    pub(super) fn lost(&mut self, source: &Source<'_>, ours: &Cell, edit: &Edit, rule: &str) {
        self.journal.audit.push(AuditEvent {
            field: Some(edit.field),
            before: Some(ours.value.clone()),
            after: Some(edit.theirs.clone()),
            version: ours.version,
            note: rule.into(),
            ..self.event_from(source, AuditKind::Lost)
        });
    }

    /// The books keep what a system shows in a field in which it is not trusted, and what the hub holds is written
    /// over: somebody may have typed it.
    pub(crate) fn written_over(
        &mut self,
        source: &Source<'_>,
        part: &Part,
        row: &Row,
        field: FieldIndex,
    ) {
        let cell = cells(source.binding).find(|(known, _)| *known == field);
        let golden = part.cell(field).filter(|golden| golden.version > 0);
        let (Some((_, cell)), Some(golden), Slot::Present(native)) =
            (cell, golden, row.slot(field))
        else {
            return;
        };
        let theirs = self.take(source.system, field, cell, native, Some(&golden.value)).ok();
        // A column that was made anew is empty.
        if let Some(theirs) = theirs.filter(|it| !it.is_null() && *it != golden.value) {
            self.journal.audit.push(AuditEvent {
                field: Some(field),
                before: Some(golden.value.clone()),
                after: Some(theirs),
                version: golden.version,
                note: "what it showed was not known to be newer".into(),
                ..self.event_from(source, AuditKind::Rejected)
            });
        }
    }

    /// An edit that is not taken: written over, unless the file says to leave it.
    pub(crate) fn reject(
        &mut self,
        source: &Source<'_>,
        part: &Part,
        link: &mut Link,
        field: FieldIndex,
        theirs: Option<Value>,
        why: &str,
    ) {
        match self.entity.on_target_edit {
            OnTargetEdit::Revert => link.agree(field, 0),
            OnTargetEdit::Ignore => {}
        }
        self.journal.audit.push(AuditEvent {
            field: Some(field),
            before: Some(value_of(part, field)),
            after: theirs,
            version: part.version_of(field),
            note: why.into(),
            ..self.event_from(source, AuditKind::Rejected)
        });
    }
}

/// From what those who compete departed: what both had seen, or, where that is nothing, what the hub held
/// before the value that is contested. Later conflicts, over another value, are others.
fn contested(link: &Link, ours: &Cell, field: FieldIndex) -> u64 {
    match link.seen(field) {
        0 => ours.version.saturating_sub(1),
        seen => seen,
    }
}
