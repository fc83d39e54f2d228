//! What an observation of one row means for its record: correctness.md 2.2, `merge`.
//!
//! The observation is compared natively with the shadow; what differs and is not our own write is
//! somebody's edit. Edits are judged by versions (was the editor's system up to date?), and only
//! then by values. What the versions call concurrent, [`crate::policy`] decides. Afterwards the
//! shadow is what was seen, and whatever agrees by value is agreed.

use crate::{
    Text,
    audit::{Journal, event},
    change::{PartKey, Row, RowKey},
    commit::{AuditEvent, AuditKind, Disposition, Working},
    error::Problem,
    expr::Zone,
    group::{Author, Group, Link, Part},
    mutant::Mutant,
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, SystemIndex, Timestamp},
    need::reference_key,
    plan::{Binding, Cell, Class, Entity, Plan, Policy},
    policy::Deed,
    value::Value,
};

mod existence;
mod fields;
mod reading;
mod settle;

use reading::{Reading, hold_waiting, remember};
pub(crate) use settle::evaluate;

/// One part of one record, and everything around it that a merge may look at.
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) working: &'a Working,
    pub(crate) journal: &'a mut Journal,
    pub(crate) now: Timestamp,
    pub(crate) zone: Option<&'a Zone>,
    pub(crate) record: RecordId,
    pub(crate) entity_index: EntityIndex,
    pub(crate) entity: &'a Entity,
    pub(crate) part_key: PartKey,
    /// Set when the record lives again under the same identity.
    pub(crate) revived: bool,
}

/// Who showed the row, and when.
#[derive(Clone)]
pub(crate) struct Source<'a> {
    pub(crate) system: SystemIndex,
    pub(crate) binding: &'a Binding,
    pub(crate) key: Option<&'a RowKey>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) actor: Option<Text>,
}

/// Which part of what is seen is our own write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Fields, with the golden version each reflects.
    pub(crate) fields: Vec<(FieldIndex, u64)>,
    /// Existence or absence, with the version it reflects.
    pub(crate) exists: Option<u64>,
    /// All other fields too: the row is our insert, and they are its defaults.
    pub(crate) whole: bool,
    /// It could not be told for certain.
    pub(crate) ambiguous: bool,
}

impl Own {
    /// The golden version that a field of ours reflects.
    pub(crate) fn version(&self, field: FieldIndex) -> Option<u64> {
        let known = self.fields.iter().find(|(own, _)| *own == field).map(|(_, version)| *version);
        known.or(self.whole.then_some(0))
    }

    /// Whether anything is ours.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.exists.is_none() && !self.whole
    }
}

/// A field that somebody changed, in the hub's terms.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) field: FieldIndex,
    pub(crate) theirs: Value,
}

/// Why a native value could not be read.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It means nothing.
    Problem(Problem),
    /// It refers to a row that is not linked.
    Parent(BindingIndex, RowKey),
}

/// What became of one field, or of one row: the greatest of its fields'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Taken {
    /// It said nothing new.
    #[default]
    Nothing,
    /// It was ours.
    Echo,
    /// Direction or scope keep it out.
    Filtered,
    /// It lost.
    Lost,
    /// It waits for a person.
    Held,
    /// It changed the hub.
    Applied,
}

impl Taken {
    /// How it is counted.
    pub(crate) fn disposition(self) -> Disposition {
        match self {
            Self::Nothing => Disposition::NoOp,
            Self::Echo => Disposition::Echo,
            Self::Filtered => Disposition::Filtered,
            Self::Lost => Disposition::ConflictLost,
            Self::Held => Disposition::Held,
            Self::Applied => Disposition::Applied,
        }
    }
}

/// A row that waits for its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaits {
    pub(crate) field: FieldIndex,
    pub(crate) binding: BindingIndex,
    pub(crate) key: RowKey,
}

/// What a merge came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merged {
    pub(crate) taken: Taken,
    /// A reference whose row is not linked yet: the field waits, the rest was taken.
    pub(crate) awaits: Option<Awaits>,
    /// A value that means nothing: its field is held, the rest was taken.
    pub(crate) unreadable: Option<Problem>,
    /// The group is not what it was.
    pub(crate) changed: bool,
}

impl Scene<'_> {
    /// Merges what a system shows of this part into it. A value that means nothing keeps back its own
    /// field (correctness.md 4.2), and what merges as one with it.
    ///
    /// # Errors
    /// A value that means nothing in a row that was never read before, or of a record that is deleted:
    /// the row is not taken at all, and nothing was changed.
    pub(crate) fn merge(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        seen: Option<&Row>,
        own: &Own,
    ) -> Result<Merged, Problem> {
        let mut link = part.take_link(source.system);
        let mut reading = match seen.map(|row| self.read(source, part, &link, row, own)).transpose()
        {
            Ok(reading) => reading.unwrap_or_default(),
            Err(problem) => {
                // A link that nobody has seen is not kept for a row that was not taken.
                if link.key.is_some() || !link.unresolved.is_empty() {
                    part.put_link(link);
                }
                return Err(problem);
            }
        };
        let before = (part.exists.version, versions(part), link.clone());
        let (awaits, unreadable) = (reading.awaits.first().cloned(), reading.problem.take());
        let taken = match (link.shadow.is_some(), seen) {
            (false, None) => {
                // Whatever it said, it is gone without having been taken.
                link.held.clear();
                Taken::Nothing
            }
            (true, None) => self.vanish(source, part, &mut link, own),
            (true, Some(row)) => self.changed(source, part, &mut link, row, own, reading),
            (false, Some(row)) => self.appear(source, part, &mut link, row, own, reading),
        };
        let (exists, cells, old) = before;
        let mut changed = exists != part.exists.version || cells != versions(part) || old != link;
        part.put_link(link);
        if changed {
            changed |= self.compute(part);
        }
        Ok(Merged { taken, awaits, unreadable, changed })
    }

    /// The golden value of a native one.
    pub(crate) fn take(
        &self,
        system: SystemIndex,
        field: FieldIndex,
        cell: &Cell,
        native: &Value,
        golden: Option<&Value>,
    ) -> Result<Value, Trouble> {
        take(self.plan, self.working, self.entity, system, field, cell, native, golden)
    }

    /// A row that was there and is still there.
    fn changed(
        &mut self,
        source: &Source<'_>,
        part: &mut Part,
        link: &mut Link,
        row: &Row,
        own: &Own,
        reading: Reading,
    ) -> Taken {
        let mut taken = if own.is_empty() { Taken::Nothing } else { Taken::Echo };
        self.own_fields(link, own);
        for field in &reading.adopted {
            link.agree(*field, 0);
            self.written_over(source, part, row, *field);
        }
        taken = taken.max(self.one_way(source, part, link, &reading.one_way));
        if part.exists.alive {
            // What no row ever said, because the field is younger than the row, departs from nothing.
            let known = link.shadow.as_ref().map_or(0, |shadow| shadow.0.len());
            let (old, young) = reading.edits.into_iter().partition(|edit| edit.field.at() < known);
            taken = taken.max(self.edits(source, part, link, old, Base::Shadow));
            taken = taken.max(self.edits(source, part, link, young, Base::None));
        } else if !reading.edits.is_empty() {
            let mut edits = reading.edits;
            if self.plan.is_mutant(Mutant::RowCopied) {
                let unknown = Link::new(source.system, part.cells.len());
                let whole = self.read(source, part, &unknown, row, &Own::default());
                edits = whole.map(|whole| whole.edits).unwrap_or_default();
            }
            taken = taken.max(self.edit_of_the_dead(source, part, link, edits));
        }
        hold_waiting(link, row, &reading.awaits, &reading.unreadable);
        let awaits = reading.awaits.iter().map(|waiting| waiting.field);
        let waiting: Vec<FieldIndex> = awaits.chain(reading.unreadable).collect();
        link.shadow = Some(remember(row, link.shadow.as_ref(), &waiting));
        taken
    }

    /// Takes what is ours as agreed: what the row shows is this system's rendering of it.
    fn own_fields(&mut self, link: &mut Link, own: &Own) {
        for (field, version) in &own.fields {
            link.agree(*field, *version);
            link.last_own.set(*field, true);
        }
        if let Some(version) = own.exists {
            link.agreed_exists = version;
        }
    }

    /// Cells that only receive were changed: written again, unless the file says to leave them.
    fn one_way(
        &mut self,
        source: &Source<'_>,
        part: &Part,
        link: &mut Link,
        fields: &[FieldIndex],
    ) -> Taken {
        let mut taken = Taken::Nothing;
        for field in fields {
            // Only what the hub writes there can be reverted; a column the system computes itself
            // is nobody's edit.
            let written = part.cell(*field).is_some_and(|cell| cell.version > 0)
                && source.binding.writes
                && crate::need::may_write(self.entity, *field, source.system);
            if written && link.shadow.is_some() {
                self.reject(source, part, link, *field, None, "the field only flows outwards");
                taken = Taken::Filtered;
            }
        }
        taken
    }

    /// Whether edits of this field in this system count at all; else why not.
    pub(crate) fn forbids(&self, source: &Source<'_>, field: FieldIndex) -> Option<&'static str> {
        let found = self.entity.field(field)?;
        if !source.binding.reads {
            return Some("the system only receives");
        }
        if found.compute.is_some() {
            return Some("the field is computed");
        }
        if found.from.as_ref().is_some_and(|from| !from.contains(&source.system)) {
            return Some("the field is owned by other systems");
        }
        let class = self.plan.system(source.system).map(|system| system.class);
        let exact = matches!(class, Some(Class::Log | Class::Marked));
        if matches!(found.policy, Policy::Add { .. }) && !exact {
            return Some("a counter only takes edits where our own writes are told apart exactly");
        }
        None
    }

    /// An event about this part.
    pub(crate) fn event(&self, kind: AuditKind) -> AuditEvent {
        event(self.record, self.entity_index, &self.part_key, kind)
    }

    /// An event about this part that this source caused.
    pub(crate) fn event_from(&self, source: &Source<'_>, kind: AuditKind) -> AuditEvent {
        AuditEvent {
            system: Some(source.system),
            key: source.key.cloned(),
            actor: source.actor.clone(),
            source_at: source.at,
            ..self.event(kind)
        }
    }

    /// When an edit was made, as far as its clock is trusted.
    pub(crate) fn stamp(&self, source: &Source<'_>) -> (Timestamp, bool) {
        let at = source.at.unwrap_or(self.now);
        let latest = self.now.plus_ms(self.plan.max_skew_ms);
        (at.min(latest), at > latest)
    }

    /// When this source did what it shows, and whether that is anything but a guess.
    pub(crate) fn deed_time(&self, source: &Source<'_>) -> (Timestamp, bool) {
        let (at, is_ahead) = self.stamp(source);
        (at, is_ahead || source.at.is_none())
    }

    /// What this source did.
    pub(crate) fn deed(&self, source: &Source<'_>) -> Deed {
        let (at, clock_suspect) = self.deed_time(source);
        Deed::new(Author::System(source.system), at, clock_suspect)
    }
}

/// From what an edit departed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// From what the system showed before.
    Shadow,
    /// From nothing: two rows that were never compared are linked.
    None,
}

/// The golden value of a native one.
#[expect(clippy::too_many_arguments, reason = "the one place that reads a native value")]
pub(crate) fn take(
    plan: &Plan,
    working: &Working,
    entity: &Entity,
    system: SystemIndex,
    field: FieldIndex,
    cell: &Cell,
    native: &Value,
    golden: Option<&Value>,
) -> Result<Value, Trouble> {
    let Some(parent) = entity.field(field).and_then(|field| field.reference) else {
        return cell.lens.get(native, golden).map_err(Trouble::Problem);
    };
    let Some(key) = reference_key(native) else { return Ok(Value::Null) };
    let Some(binding) = plan.binding_of(parent, system) else {
        return Err(Trouble::Problem(Problem::new(
            "write.parent_missing",
            "the entity it refers to does not live in this system",
        )));
    };
    match working.keys.get(&(binding, key.clone())) {
        Some(Some(known)) if known.is_parent() => Ok(Value::Ref(known.record)),
        Some(_) | None => Err(Trouble::Parent(binding, key)),
    }
}

fn versions(part: &Part) -> u64 {
    part.cells.iter().map(|cell| cell.version).sum()
}

/// Brings the whole group in line after any change: scope, and what agrees by value. Returns whether that changed
/// anything: it has to be on the books then, whatever it came from.
pub(crate) fn conclude(
    plan: &Plan,
    working: &Working,
    journal: &mut Journal,
    clock: (Timestamp, Option<&Zone>),
    group: &mut Group,
    cause: Option<SystemIndex>,
) -> bool {
    let moved = settle::rescope(plan, journal, clock, group, cause);
    settle::settle(plan, working, group) | moved
}
