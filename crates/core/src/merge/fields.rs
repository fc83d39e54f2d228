//! Edits of fields: taken, agreed, lost, merged, held or rejected.

use std::collections::BTreeMap;

use crate::{
    commit::{AuditEvent, AuditKind},
    garble::is_garbled,
    group::{Author, Cell, Hold, IntentStatus, Link, Part},
    merge::{Base, Edit, Scene, Source, Taken},
    mutant::Mutant,
    name::FieldIndex,
    plan::{OnTargetEdit, Policy},
    policy::{self, Circumstances, Contestant, Resolution, Sum},
    value::Value,
};

mod conflict;
mod loops;

impl Scene<'_> {
    /// Takes edits of a living part, fields of a unit together.
    pub(crate) fn edits(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edits: Vec<Edit>,
        base: Base,
    ) -> Taken {
        let mut units: BTreeMap<usize, Vec<Edit>> = BTreeMap::new();
        let mut taken = Taken::Nothing;
        for edit in edits {
            let unit = self.entity.field(edit.field).and_then(|field| field.unit);
            let said = part.cell(edit.field).filter(|cell| cell.version > 0);
            let said = said.filter(|cell| base == Base::None && cell.value == edit.theirs);
            // Most rows that are compared for the first time say what is known already.
            if let (None, Some(cell), None) = (unit, said, link.hold_of(edit.field)) {
                link.agree(edit.field, cell.version);
                continue;
            }
            match unit {
                Some(unit) => units.entry(unit).or_default().push(edit),
                None => taken = taken.max(self.edit(source, part, link, vec![edit], base)),
            }
        }
        for edits in units.into_values() {
            taken = taken.max(self.edit(source, part, link, edits, base));
        }
        taken
    }

    /// Takes an edit of one field, or of several fields of one unit.
    fn edit(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        mut edits: Vec<Edit>,
        base: Base,
    ) -> Taken {
        if let Some(taken) = self.kept_out(source, part, link, &mut edits, base) {
            return taken;
        }
        let members = self.members(&edits);
        let by_value = self.plan.is_mutant(Mutant::ConflictByValue) && link.shadow.is_some();
        let concurrent = members.iter().any(|field| {
            let differs = || self.base_of(source, link, *field) != Some(value_of(part, *field));
            if by_value { differs() } else { is_concurrent(part, link, *field) }
        });
        if concurrent && members.len() > 1 {
            return self.concurrent_unit(source, part, link, &members, edits, base);
        }
        let mut taken = Taken::Nothing;
        for edit in edits {
            let Some(cell) = part.cell(edit.field) else { continue };
            // Two who counted the same counted twice.
            let sums = concurrent && base != Base::None && self.is_counter(edit.field);
            let sums = sums && !self.plan.is_mutant(Mutant::EqualCounts);
            if cell.value == edit.theirs && cell.version > 0 && !sums {
                // What both sides say is agreed, whoever said it first.
                let version = cell.version;
                link.agree(edit.field, version);
            } else if concurrent {
                taken = taken.max(self.concurrent(source, part, link, edit, base));
            } else {
                self.set(source, part, link, edit, AuditKind::Changed, "");
                taken = Taken::Applied;
            }
        }
        taken
    }

    /// Direction, holds and the loop guard: whether the edit may be looked at at all.
    fn kept_out(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edits: &mut Vec<Edit>,
        base: Base,
    ) -> Option<Taken> {
        let mut kept = None;
        let mut at = 0;
        while let Some(edit) = edits.get(at) {
            let field = edit.field;
            let same =
                part.cell(field).is_some_and(|cell| cell.value == edit.theirs && cell.version > 0);
            let taken = if let Some(why) = self.forbids(source, field) {
                if same {
                    let version = part.version_of(field);
                    link.agree(field, version);
                    Some(Taken::Nothing)
                } else {
                    let theirs = edit.theirs.clone();
                    Some(self.not_taken(source, part, link, field, theirs, (base, why)))
                }
            } else {
                match link.hold_of(field) {
                    Some(Hold::Conflict) => {
                        let theirs = edit.theirs.clone();
                        Some(self.another_candidate(source, part, link, field, theirs))
                    }
                    Some(Hold::Loop) => {
                        let theirs = edit.theirs.clone();
                        self.rendered(source, link, field, theirs);
                        Some(Taken::Held)
                    }
                    Some(Hold::Rollback) => {
                        // Whoever edits what a rollback left there does so after it; what is counted
                        // there still adds to what all the others have.
                        link.lift(field);
                        if !self.is_counter(field) {
                            link.agree(field, part.version_of(field));
                        }
                        None
                    }
                    Some(Hold::Parent | Hold::Unreadable) => {
                        link.lift(field);
                        None
                    }
                    None => None,
                }
            };
            let taken = taken.or_else(|| {
                let theirs = edit.theirs.clone();
                let trips = base == Base::Shadow && !same && self.is_loop(link, field, &theirs);
                trips.then(|| {
                    let version = part.version_of(field);
                    self.trip(source, link, field, theirs, version);
                    Taken::Held
                })
            });
            match taken {
                Some(taken) => {
                    kept = kept.max(Some(taken));
                    edits.remove(at);
                }
                None => at += 1,
            }
        }
        if edits.is_empty() { kept.or(Some(Taken::Nothing)) } else { None }
    }

    /// An edit that this system may not make. Whatever makes it again and again, on top of our writes,
    /// is not answered for ever: the field is held like that of any other loop.
    fn not_taken(
        &mut self,
        source: &Source<'_>,
        part: &Part,
        link: &mut Link,
        field: FieldIndex,
        theirs: Value,
        (base, why): (Base, &str),
    ) -> Taken {
        let is_written_over = self.entity.on_target_edit == OnTargetEdit::Revert;
        if is_written_over && link.hold_of(field) == Some(Hold::Loop) {
            self.rendered(source, link, field, theirs);
            return Taken::Held;
        }
        if is_written_over && base == Base::Shadow && self.is_loop(link, field, &theirs) {
            let version = part.cell(field).map_or(0, |cell| cell.version);
            self.trip(source, link, field, theirs, version);
            return Taken::Held;
        }
        self.reject(source, part, link, field, Some(theirs), why);
        Taken::Filtered
    }

    fn is_counter(&self, field: FieldIndex) -> bool {
        self.entity.field(field).is_some_and(|field| matches!(field.policy, Policy::Add { .. }))
    }

    /// The fields that merge together with these.
    fn members(&self, edits: &[Edit]) -> Vec<FieldIndex> {
        let unit = edits
            .first()
            .and_then(|edit| self.entity.field(edit.field))
            .and_then(|field| field.unit)
            .and_then(|unit| self.entity.units.get(unit));
        match unit {
            Some(unit) => unit.fields.clone(),
            None => edits.iter().map(|edit| edit.field).collect(),
        }
    }

    /// The golden value becomes theirs.
    pub(super) fn set(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edit: Edit,
        kind: AuditKind,
        note: &str,
    ) {
        let (at, clock_suspect) = self.stamp(source);
        let Some(cell) = part.cells.get_mut(edit.field.at()) else { return };
        let after = edit.theirs.clone();
        let before = std::mem::replace(&mut cell.value, edit.theirs);
        cell.version += 1;
        cell.author = Author::System(source.system);
        (cell.at, cell.clock_suspect) = (at, clock_suspect);
        link.agree(edit.field, cell.version);
        let version = cell.version;
        let note = if clock_suspect { "detect.clock_suspect" } else { note };
        let event = self.event_from(source, kind);
        if is_garbled(&before, &after) {
            self.journal.garbled.insert(self.plan.root_of(event.entity));
        }
        self.journal.audit.push(AuditEvent {
            field: Some(edit.field),
            before: Some(before),
            after: Some(after),
            version,
            note: note.into(),
            ..event
        });
    }

    /// Both sides changed a field that stands alone.
    fn concurrent(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        edit: Edit,
        base: Base,
    ) -> Taken {
        let Some(cell) = part.cell(edit.field).cloned() else { return Taken::Nothing };
        if base == Base::None {
            // Two rows that were never compared: an empty field is filled, not defended.
            if edit.theirs.is_null() {
                link.agree(edit.field, 0);
                return Taken::Nothing;
            }
            if cell.value.is_null() {
                self.set(source, part, link, edit, AuditKind::Changed, "filled");
                return Taken::Applied;
            }
        }
        let before = if base == Base::None { None } else { self.base_of(source, link, edit.field) };
        let Some(field) = self.entity.field(edit.field) else { return Taken::Nothing };
        if let (Policy::Add { min, below_min }, Some(before)) = (&field.policy, &before) {
            let before =
                if self.plan.is_mutant(Mutant::CounterOverwritten) { &cell.value } else { before };
            match policy::add(before, &cell.value, &edit.theirs, *min, *below_min) {
                Sum::Is(sum) => return self.merged(source, part, link, &edit, sum, "add"),
                Sum::Clamped(sum) => {
                    return self.merged(source, part, link, &edit, sum, "add: stopped at `min`");
                }
                Sum::BelowMin => {
                    return self.open(source, part, link, &edit, before.clone());
                }
                Sum::Impossible => {}
            }
        }
        let (at, clock_suspect) = self.stamp(source);
        let theirs = Contestant {
            author: Author::System(source.system),
            at,
            clock_suspect,
            value: &edit.theirs,
        };
        let ours = contestant(&cell);
        let ranks: Vec<crate::Text> = ranks(field);
        let priority = field.priority.as_deref().unwrap_or(&self.entity.priority);
        let reversed = || priority.iter().rev().copied().collect::<Vec<_>>();
        let upside_down = self.plan.is_mutant(Mutant::PriorityUpsideDown).then(reversed);
        let priority = upside_down.as_deref().unwrap_or(priority);
        let around = Circumstances {
            priority,
            systems: &self.plan.systems,
            base: before.as_ref(),
            now: self.now,
            zone: self.zone,
            ranks: &ranks,
        };
        let rule = policy::name(&field.policy);
        match policy::resolve(&field.policy, ours, theirs, &around) {
            Resolution::Theirs => {
                self.settled(
                    source,
                    link,
                    &cell,
                    &edit,
                    before,
                    rule,
                    Author::System(source.system),
                );
                self.set(source, part, link, edit, AuditKind::Overridden, rule);
                Taken::Applied
            }
            Resolution::Ours => {
                self.settled(source, link, &cell, &edit, before, rule, cell.author);
                // A clock that is ahead has no say: the rule then falls back to priority.
                let why = if clock_suspect { "detect.clock_suspect" } else { rule };
                if !self.plan.is_mutant(Mutant::LoserNotKept) {
                    self.lost(source, &cell, &edit, why);
                }
                let agrees = self.plan.is_mutant(Mutant::LoserAgrees);
                link.agree(edit.field, if agrees { cell.version } else { 0 });
                Taken::Lost
            }
            Resolution::Merged(value) => self.merged(source, part, link, &edit, value, rule),
            Resolution::Manual => self.open(source, part, link, &edit, before.unwrap_or_default()),
        }
    }

    /// Both sides changed a unit: one whole tuple wins.
    fn concurrent_unit(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        members: &[FieldIndex],
        edits: Vec<Edit>,
        base: Base,
    ) -> Taken {
        let Some(lead) = members.first().copied() else { return Taken::Nothing };
        let Some(field) = self.entity.field(lead) else { return Taken::Nothing };
        let priority = field.priority.as_deref().unwrap_or(&self.entity.priority).to_vec();
        // The hub's tuple speaks with the voice of its strongest unseen member.
        let unseen = members.iter().filter(|field| is_concurrent(part, link, **field));
        let voice = unseen
            .filter_map(|field| part.cell(*field))
            .min_by_key(|cell| (policy::rank(cell.author, &priority), std::cmp::Reverse(cell.at)))
            .cloned()
            .unwrap_or_default();
        let (at, clock_suspect) = self.stamp(source);
        let author = Author::System(source.system);
        let tuple = |values: Vec<Value>| Value::List(values);
        let ours_tuple = tuple(members.iter().map(|field| value_of(part, *field)).collect());
        let theirs_values: Vec<(FieldIndex, Value)> = members
            .iter()
            .map(|field| {
                let edited = edits.iter().find(|edit| edit.field == *field);
                let theirs = edited
                    .map(|edit| edit.theirs.clone())
                    .or_else(|| self.base_of(source, link, *field));
                (*field, theirs.unwrap_or_else(|| value_of(part, *field)))
            })
            .collect();
        let theirs_tuple = tuple(theirs_values.iter().map(|(_, value)| value.clone()).collect());
        if ours_tuple == theirs_tuple {
            for field in members {
                let version = part.version_of(*field);
                link.agree(*field, version);
            }
            return Taken::Nothing;
        }
        // Two rows that were never compared: an empty unit is filled, not defended.
        if base == Base::None && theirs_values.iter().all(|(_, value)| value.is_null()) {
            return Taken::Nothing;
        }
        if base == Base::None && members.iter().all(|field| value_of(part, *field).is_null()) {
            for edit in edits {
                self.set(source, part, link, edit, AuditKind::Changed, "filled");
            }
            return Taken::Applied;
        }
        let ours = Contestant { value: &ours_tuple, ..contestant(&voice) };
        let theirs = Contestant { author, at, clock_suspect, value: &theirs_tuple };
        let around = Circumstances {
            priority: &priority,
            systems: &self.plan.systems,
            base: None,
            now: self.now,
            zone: self.zone,
            ranks: &[],
        };
        let rule = policy::name(&field.policy);
        let resolution = policy::resolve(&field.policy, ours, theirs, &around);
        let note = format!("{rule}, as one with its unit");
        let shown = Cell { value: ours_tuple.clone(), ..voice.clone() };
        let edit = Edit { field: lead, theirs: theirs_tuple.clone() };
        match resolution {
            Resolution::Theirs => {
                self.settled(source, link, &shown, &edit, None, rule, author);
                for (field, theirs) in theirs_values {
                    if value_of(part, field) == theirs {
                        let version = part.version_of(field);
                        link.agree(field, version);
                    } else {
                        let edit = Edit { field, theirs };
                        self.set(source, part, link, edit, AuditKind::Overridden, &note);
                    }
                }
                Taken::Applied
            }
            // A merged tuple or a person's choice of parts has no rule: the hub's stays.
            Resolution::Ours | Resolution::Merged(_) => {
                self.settled(source, link, &shown, &edit, None, rule, voice.author);
                for edit in &edits {
                    let cell = part.cell(edit.field).cloned().unwrap_or_default();
                    self.lost(source, &cell, edit, &note);
                }
                for field in members {
                    link.agree(*field, 0);
                }
                Taken::Lost
            }
            Resolution::Manual => {
                for edit in &edits {
                    let before = self.base_of(source, link, edit.field).unwrap_or_default();
                    self.open(source, part, link, edit, before);
                }
                Taken::Held
            }
        }
    }

    /// What the shadow showed, in the hub's terms: the value the editor departed from.
    pub(crate) fn base_of(
        &self,
        source: &Source<'_>,
        link: &Link,
        field: FieldIndex,
    ) -> Option<Value> {
        let native = link.shadow.as_ref()?.value(field)?;
        let cell = source.binding.cell(field)?;
        self.take(source.system, field, cell, native, None).ok()
    }
}

/// Whether the hub's value is one that the editor's system had not seen.
fn is_concurrent(part: &Part, link: &Link, field: FieldIndex) -> bool {
    part.cell(field).is_some_and(|cell| cell.version != link.seen(field))
}

fn value_of(part: &Part, field: FieldIndex) -> Value {
    part.cell(field).map(|cell| cell.value.clone()).unwrap_or_default()
}

fn contestant(cell: &Cell) -> Contestant<'_> {
    Contestant {
        author: cell.author,
        at: cell.at,
        clock_suspect: cell.clock_suspect,
        value: &cell.value,
    }
}

fn ranks(field: &crate::plan::Field) -> Vec<crate::Text> {
    let mut ranks: Vec<_> = field.ranks.iter().collect();
    ranks.sort_by_key(|(_, rank)| **rank);
    ranks.into_iter().map(|(name, _)| name.clone()).collect()
}

/// Whether an intent that sets this field is in doubt: perhaps the editor had seen our value.
fn is_in_doubt(link: &Link, field: FieldIndex) -> bool {
    link.unresolved.iter().any(|intent| {
        intent.status == IntentStatus::InDoubt && intent.set.iter().any(|(own, ..)| *own == field)
    })
}
