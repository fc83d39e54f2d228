//! Unique values: who holds what somebody else wants (2.8).
//!
//! A value is never taken from another row through a secondary key. Either its holder is about to
//! let go of it, and the two are written in the right order or, in a circle, as one group; or the
//! write waits, and says for whom.

use crate::{
    Text,
    change::RowKey,
    group::{Group, Lane},
    name::{BindingIndex, FieldIndex, RecordId, SystemIndex},
    need::{Need, Rows, needs},
    plan::{Binding, Class, Place},
    step::{link::PartAt, pass::Pass},
};

impl Pass<'_> {
    /// A write was refused because another row holds a unique value.
    pub(super) fn unique(
        &mut self,
        group: &mut Group,
        at: PartAt,
        binding_index: BindingIndex,
        columns: &[Text],
        holder: Option<&RowKey>,
    ) {
        let Some(binding) = self.plan.binding(binding_index) else { return };
        let system = binding.system;
        let names = columns.iter().map(Text::as_str).collect::<Vec<_>>().join(", ");
        let Some(holder) = holder else {
            let message = format!("another row holds the same {names}");
            self.park_write(group, at, system, "write.unique_conflict", &message, true);
            return;
        };
        let known = self.working.keys.get(&(binding_index, holder.clone()));
        let known = known.and_then(Option::as_ref).map(|known| known.record);
        match known {
            None => {
                // Perhaps the same record, created there meanwhile: reading it will tell. Of a row that a
                // log has not told of yet, only the log says whose it is, and since when.
                if self.class(system) != Class::Log {
                    self.ask(binding_index, holder.clone(), Vec::new());
                }
                let message = format!("row {holder} holds the same {names}");
                self.park_write(group, at, system, "write.unique_conflict", &message, true);
            }
            Some(record) if record != group.id && self.lets_go(record, binding, columns) => {
                if let Some(link) = at.part_mut(group).map(|part| part.take_link(system)) {
                    let mut link = link;
                    link.waits_for = Some(record);
                    link.parked.take_if(|parked| !crate::step::judge::is_rule(parked));
                    if let Some(part) = at.part_mut(group) {
                        part.put_link(link);
                    }
                }
            }
            Some(record) => {
                let message = format!("row {holder} holds the same {names}");
                self.park_write(group, at, system, "write.unique_conflict", &message, true);
                if let Some(crate::commit::QuarantineChange::Park { related, .. }) =
                    self.journal.quarantine.last_mut()
                {
                    related.push(record);
                }
            }
        }
    }

    /// Whether this record's row is to lose the value of one of these columns. A row that is kept
    /// for another reason than a unique value (then the two may well wait for each other) is not.
    fn lets_go(&self, record: RecordId, binding: &Binding, columns: &[Text]) -> bool {
        let Some(Some(group)) = self.working.groups.get(&record) else { return false };
        let parked = group.root.link(binding.system).and_then(|link| link.parked.as_ref());
        if parked.is_some_and(|parked| parked.code != "write.unique_conflict") {
            return false;
        }
        let rows = Rows { working: Some(self.working) };
        needs(self.plan, group, binding.system, rows).into_iter().any(|part| match part.need {
            Need::Delete => true,
            Need::Update(fields) => {
                columns.is_empty() || fields.iter().any(|field| is_of(binding, *field, columns))
            }
            Need::Insert | Need::Nothing => false,
        })
    }

    /// Whether something of a record's row is under way, waited for or to be read: not for long.
    pub(super) fn is_busy(&self, record: RecordId, system: SystemIndex) -> bool {
        let group = self.working.groups.get(&record).and_then(Option::as_ref);
        let link = group.and_then(|group| group.root.link(system));
        link.is_some_and(|link| link.lane != Lane::Free || link.must_read || link.wait)
    }

    /// The records to be written together with this one, in order, and whether they wait for each
    /// other in a circle. `None` if it waits for others that do: they are written without it, since
    /// what it wants may be what one of them is about to have.
    pub(super) fn chain(
        &self,
        first: &Group,
        system: SystemIndex,
    ) -> Option<(Vec<RecordId>, bool)> {
        let mut chain = Vec::new();
        let mut next = first.root.link(system).and_then(|link| link.waits_for);
        while let Some(record) = next {
            if record == first.id {
                chain.reverse();
                return Some((chain, true));
            }
            if chain.contains(&record) {
                return None;
            }
            chain.push(record);
            next = match self.working.groups.get(&record) {
                Some(Some(group)) => group.root.link(system).and_then(|link| link.waits_for),
                Some(None) | None => None,
            };
        }
        chain.reverse();
        Some((chain, false))
    }
}

/// Whether the field's cell is one of these columns.
fn is_of(binding: &Binding, field: FieldIndex, columns: &[Text]) -> bool {
    binding.cell(field).is_some_and(|cell| match &cell.place {
        Place::Column(column) | Place::Path { column, .. } => columns.contains(column),
        Place::Columns(several) => several.iter().any(|column| columns.contains(column)),
    })
}
