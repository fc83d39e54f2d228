//! Rows that are set aside: because they mean nothing, or because their parent is not there yet.

use crate::{
    Text,
    change::{Input, Row, RowKey},
    commit::{Disposition, QuarantineChange, Subject},
    group::{Hold, Link},
    merge::{Awaits, Trouble, take},
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId},
    need::{cells, reference_key},
    plan::Binding,
    step::{
        gather::{Found, gather},
        pass::Pass,
        sight::{Item, Sight, items},
    },
};

/// A row that waits for its parent, to be looked at again at the end of the step.
pub(crate) struct Waiting {
    /// The row, as an input of its own.
    input: Input,
    record: Option<RecordId>,
    pub(crate) awaits: Awaits,
    code: &'static str,
}

impl Waiting {
    /// Keeps what is needed to look at the row again.
    pub(crate) fn new(
        sight: &Sight<'_>,
        record: Option<RecordId>,
        awaits: Awaits,
        code: &'static str,
    ) -> Self {
        Self { input: sight.as_input(), record, awaits, code }
    }

    /// Looks at the row again.
    pub(crate) fn feed(self, pass: &mut Pass<'_>) {
        let inputs = [self.input];
        for item in items(&inputs) {
            let mut found = [Found::Nothing];
            gather(pass.plan, pass.working, std::slice::from_ref(&item), &mut found);
            let [found] = found;
            if let Item::Sight(sight) = item {
                pass.observe(&sight, found.route());
            }
        }
    }

    /// Sets the row aside.
    pub(crate) fn park(self, pass: &mut Pass<'_>) {
        let inputs = [self.input];
        for item in items(&inputs) {
            let Item::Sight(sight) = item else { continue };
            let message = format!("it refers to row {}, which is not linked yet", self.awaits.key);
            let awaits = Some((self.awaits.binding, self.awaits.key.clone()));
            pass.park_row(&sight, self.record, self.code, message.into(), awaits);
            pass.journal.ended(&sight, Disposition::Quarantined);
        }
    }
}

impl Pass<'_> {
    /// A row that could not be read as configured.
    pub(super) fn refused(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        code: &'static str,
        reason: &Text,
    ) {
        let known = self.working.keys.get(&(binding, key.clone())).and_then(Option::as_ref);
        let record = known.map(|known| known.record);
        self.journal.count(binding, Disposition::Quarantined);
        if let Some(group) = record.and_then(|record| self.take(record)) {
            let system = self.plan.binding(binding).map(|found| found.system);
            match (self.place(&group, binding, key), system) {
                (Some(at), Some(system)) => self.mark_must_read(group, at, system),
                _ => self.put_back(group),
            }
        }
        let entity = self.plan.binding(binding).map(|found| found.entity);
        self.journal.quarantine.push(QuarantineChange::Park {
            subject: Subject::Row { binding, key: key.clone() },
            entity: entity.unwrap_or(EntityIndex(0)),
            record,
            code: code.into(),
            message: reason.clone(),
            row: None,
            related: Vec::new(),
            awaits: None,
        });
    }

    /// A row whose values mean nothing yet, or at all.
    pub(super) fn unreadable(
        &mut self,
        sight: &Sight<'_>,
        record: Option<RecordId>,
        trouble: Trouble,
    ) {
        match trouble {
            Trouble::Problem(problem) => {
                self.park_row(sight, record, problem.code, problem.message.into(), None);
                self.journal.ended(sight, Disposition::Quarantined);
            }
            Trouble::Parent(binding, key) => {
                let field = FieldIndex(0);
                let awaits = Awaits { field, binding, key };
                self.wait_for_parent(sight, record, awaits, "write.parent_missing");
            }
        }
    }

    /// Sets a row aside.
    pub(super) fn park_row(
        &mut self,
        sight: &Sight<'_>,
        record: Option<RecordId>,
        code: &'static str,
        message: Text,
        awaits: Option<(BindingIndex, RowKey)>,
    ) {
        let entity = self.plan.binding(sight.binding).map(|found| found.entity);
        let entity = entity.unwrap_or(EntityIndex(0));
        self.journal.quarantine.push(QuarantineChange::Park {
            subject: Subject::Row { binding: sight.binding, key: sight.key.clone() },
            entity,
            record,
            code: code.into(),
            message,
            row: sight.row.cloned(),
            related: Vec::new(),
            awaits,
        });
    }

    /// What means nothing in a row that was not taken is held: the row is its record's all the same, and not
    /// another one in the place of a row that is gone.
    pub(super) fn hold_unread(&self, link: &mut Link, binding: &Binding, row: Option<&Row>) {
        let Some((row, entity)) = row.zip(self.plan.entity(binding.entity)) else { return };
        if link.shadow.is_some() {
            return;
        }
        for (field, cell) in cells(binding) {
            let read = row.value(field).map(|native| {
                let (plan, working, system) = (self.plan, &*self.working, binding.system);
                take(plan, working, entity, system, field, cell, native, None)
            });
            if matches!(read, Some(Err(Trouble::Problem(_)))) {
                link.hold(field, Hold::Unreadable);
            }
        }
    }

    /// A row was taken after all.
    pub(super) fn release(&mut self, sight: &Sight<'_>) {
        let subject = Subject::Row { binding: sight.binding, key: sight.key.clone() };
        self.journal.quarantine.push(QuarantineChange::Release { subject });
    }

    /// Remembers a row whose parent is not linked yet; the end of the step looks again.
    pub(super) fn wait_for_parent(
        &mut self,
        sight: &Sight<'_>,
        record: Option<RecordId>,
        awaits: Awaits,
        code: &'static str,
    ) {
        self.waiting.push(Waiting::new(sight, record, awaits, code));
    }

    /// Whether a row refers to one of which something was put off, or is a line of it: whose that is, is not
    /// decided yet.
    pub(super) fn leans_on_put_off(&self, sight: &Sight<'_>) -> bool {
        let Some(row) = sight.row.filter(|_| !self.put_off.is_empty()) else { return false };
        let Some(binding) = self.plan.binding(sight.binding) else { return false };
        let Some(entity) = self.plan.entity(binding.entity) else { return false };
        let is_put_off = |other: EntityIndex, key: RowKey| {
            let place = self.plan.binding_of(other, binding.system);
            place.is_some_and(|place| self.put_off.contains(&(place, key)))
        };
        let refers = |field: FieldIndex| {
            let other = entity.field(field).and_then(|found| found.reference)?;
            Some((other, row.value(field).and_then(reference_key)?))
        };
        let owner = entity.parent.zip(sight.parent.cloned());
        let named = cells(binding).filter_map(|(field, _)| refers(field));
        owner.into_iter().chain(named).any(|(other, key)| is_put_off(other, key))
    }

    /// Rows whose parents came later in the same batch are looked at again; the rest is set aside
    /// until the store lists it, once its parent is linked.
    pub(super) fn await_parents(&mut self) {
        loop {
            let (ready, waiting): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.waiting).into_iter().partition(|waiting| {
                    let place = (waiting.awaits.binding, waiting.awaits.key.clone());
                    matches!(self.working.keys.get(&place), Some(Some(known)) if known.is_parent())
                });
            self.waiting = waiting;
            if ready.is_empty() {
                break;
            }
            for waiting in ready {
                waiting.feed(self);
            }
        }
        for waiting in std::mem::take(&mut self.waiting) {
            waiting.park(self);
        }
    }
}
