//! Who wrote what is seen: our own writes coming back.
//!
//! Never "ignore the next event", never a time window, never a filter by origin. What is seen is
//! ours because it carries our mark, or because it equals what a write of unknown fate would have
//! left; everything else is somebody's edit. Correctness.md 2.2, `attribute`.

use crate::{
    Text,
    change::{MarkFate, Order, Row, WriteKind},
    group::{Intent, IntentStatus, Link},
    merge::Own,
    mutant::Mutant,
    name::{FieldIndex, IntentId, Timestamp},
    plan::{Binding, Class, Plan},
    step::due::{IN_DOUBT_MS, minted_at},
    value::Value,
};

/// What is ours of an intent that is known to be what is seen.
pub(crate) fn exact(intent: &Intent) -> Own {
    Own {
        fields: intent.set.iter().map(|(field, _, version)| (*field, *version)).collect(),
        exists: match intent.kind {
            WriteKind::Insert | WriteKind::Delete => Some(intent.exists_version),
            WriteKind::Update => None,
        },
        whole: intent.kind == WriteKind::Insert,
        ambiguous: false,
    }
}

/// What a log says about the author of a change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traces<'a> {
    /// The mark that our transaction left.
    pub(crate) mark: Option<IntentId>,
    /// The source's transaction.
    pub(crate) transaction: Option<&'a Text>,
    /// The place in the log.
    pub(crate) order: Option<Order>,
}

/// What is ours of what is seen, and the intent it settles for certain.
pub(crate) fn attribute(
    plan: &Plan,
    class: Class,
    link: &Link,
    binding: &Binding,
    seen: Option<&Row>,
    traces: Traces<'_>,
) -> (Own, Option<IntentId>) {
    if plan.is_mutant(Mutant::MarkIgnored) && class == Class::Log {
        return (Own::default(), None);
    }
    if let Some(intent) = by_mark(plan, link, traces) {
        return (exact(intent), Some(intent.id));
    }
    if traces.mark.is_some() && !plan.is_mutant(Mutant::RestoreIgnoresMarks) {
        // Our mark, but an intent nobody remembers (the hub was restored): ours, never an edit.
        return (unremembered(link, seen), None);
    }
    match class {
        // The mark's table, or the mark in the log, has said which writes happened; what remains is
        // somebody else's, even if it is equal.
        Class::Marked | Class::Log => (Own::default(), None),
        _ if plan.is_mutant(Mutant::RetiredFirst) => (Own::default(), None),
        Class::Versioned | Class::Plain | Class::Blind => by_value(plan, link, binding, seen),
    }
}

fn by_mark<'a>(plan: &Plan, link: &'a Link, traces: Traces<'_>) -> Option<&'a Intent> {
    if plan.is_mutant(Mutant::NextEventIgnored) && traces.order.is_some() {
        return link.unresolved.last();
    }
    let marked = |intent: &&Intent| Some(intent.id) == traces.mark;
    if let Some(intent) = link.unresolved.iter().find(marked) {
        return Some(intent);
    }
    link.unresolved.iter().find(|intent| match &intent.status {
        IntentStatus::Acknowledged { order, transaction } => {
            let same_order = order.is_some() && *order == traces.order;
            let same_transaction =
                transaction.is_some() && transaction.as_ref() == traces.transaction;
            same_order || same_transaction
        }
        IntentStatus::Sent | IntentStatus::InDoubt => false,
    })
}

fn unremembered(link: &Link, seen: Option<&Row>) -> Own {
    let Some(row) = seen else {
        return Own { exists: Some(0), ..Own::default() };
    };
    let changed = row.0.iter().zip(0u16..).filter_map(|(slot, index)| {
        let field = crate::name::FieldIndex(index);
        let shown = link.shadow.as_ref().and_then(|shadow| shadow.value(field));
        let value = slot.value()?;
        (shown != Some(value)).then_some((field, 0))
    });
    let exists = link.shadow.is_none().then_some(0);
    Own { fields: changed.collect(), exists, ..Own::default() }
}

/// Newest intent first, field by field: changed, and equal to what the write would have left.
fn by_value(
    plan: &Plan,
    link: &Link,
    binding: &Binding,
    seen: Option<&Row>,
) -> (Own, Option<IntentId>) {
    let mut own = Own::default();
    for intent in link.unresolved.iter().rev() {
        match (intent.kind, seen) {
            (WriteKind::Delete, None) if link.shadow.is_some() => {
                return (ambiguous(exact(intent)), Some(intent.id));
            }
            // Existence alone proves nothing: all cells must match (F4).
            (WriteKind::Insert, Some(row)) if link.shadow.is_none() => {
                let is_enough = plan.is_mutant(Mutant::InsertByExistence);
                if is_enough || shows_all(binding, intent, row) {
                    return (ambiguous(exact(intent)), Some(intent.id));
                }
            }
            (WriteKind::Update, Some(row)) => {
                for (field, value, version) in &intent.set {
                    let shown = link.shadow.as_ref().and_then(|shadow| shadow.value(*field));
                    let Some(found) = row.value(*field) else { continue };
                    let changed = shown != Some(found);
                    let known = own.fields.iter().any(|(known, _)| known == field);
                    if changed && !known && equals(binding, *field, found, value) {
                        own.fields.push((*field, *version));
                        own.ambiguous = true;
                    }
                }
            }
            (WriteKind::Insert | WriteKind::Update | WriteKind::Delete, _) => {}
        }
    }
    (own, None)
}

fn ambiguous(own: Own) -> Own {
    Own { ambiguous: true, ..own }
}

/// Whether a row shows everything that a write would have left.
pub(crate) fn shows_all(binding: &Binding, intent: &Intent, row: &Row) -> bool {
    intent.set.iter().all(|(field, value, _)| {
        row.value(*field).is_some_and(|found| equals(binding, *field, found, value))
    })
}

/// How much of what a write would have left a row shows.
pub(crate) fn likeness(binding: &Binding, intent: &Intent, row: &Row) -> usize {
    let is_shown = |(field, value, _): &&(FieldIndex, Value, u64)| {
        let found = row.value(*field).filter(|found| !found.is_null());
        found.is_some_and(|found| equals(binding, *field, found, value))
    };
    intent.set.iter().filter(is_shown).count()
}

/// Equal for this system, as far as its rewriting is declared.
fn equals(
    binding: &Binding,
    field: crate::name::FieldIndex,
    found: &Value,
    written: &Value,
) -> bool {
    if found == written {
        return true;
    }
    let Some(cell) = binding.cell(field) else { return false };
    cell.lens.normalise(found) == cell.lens.normalise(written)
}

/// Drops intents that can no longer be what is seen. Always after matching (b33).
pub(crate) fn retire(
    class: Class,
    link: &mut Link,
    marks: &[(IntentId, MarkFate)],
    now: Timestamp,
) {
    let token = link.token.clone();
    link.unresolved.retain(|intent| {
        if marks.iter().any(|(id, _)| *id == intent.id) {
            return false;
        }
        let expired = now > minted_at(intent.id.0).plus_ms(IN_DOUBT_MS);
        match (class, &intent.status) {
            (_, IntentStatus::Sent) => true,
            (Class::Log, IntentStatus::Acknowledged { .. } | IntentStatus::InDoubt) => true,
            // A write that expects another token than the row has can never succeed any more.
            (Class::Versioned, _) => match (&intent.token, &token) {
                (Some(expected), Some(current)) => expected == current && !expired,
                (Some(_) | None, _) => !expired,
            },
            (Class::Marked | Class::Plain | Class::Blind, _) => !expired,
        }
    });
}

/// The row as a write that happened left it, as far as declared.
pub(crate) fn image_after(binding: &Binding, intent: &Intent, shadow: Option<&Row>) -> Option<Row> {
    use crate::value::Slot;
    let mut slots: Vec<Slot> = match (intent.kind, shadow) {
        (WriteKind::Delete, _) => return None,
        (WriteKind::Update, None) => return None,
        (WriteKind::Update | WriteKind::Insert, Some(row)) => row.0.to_vec(),
        (WriteKind::Insert, None) => vec![Slot::Missing; binding.cells.len()],
    };
    for (field, value, _) in &intent.set {
        let Some(cell) = binding.cell(*field) else { continue };
        if let Some(slot) = slots.get_mut(field.at()) {
            *slot = Slot::Present(cell.lens.normalise(value));
        }
    }
    Some(Row(slots.into()))
}

/// Whether a row shows everything that an update in doubt would have written.
pub(crate) fn shows_update(binding: &Binding, intent: &Intent, row: &Row) -> bool {
    intent.status == IntentStatus::InDoubt
        && intent.kind == WriteKind::Update
        && shows_all(binding, intent, row)
}

/// An update in doubt whose every value is now shown has been matched.
pub(crate) fn retire_shown(class: Class, link: &mut Link, binding: &Binding, row: Option<&Row>) {
    if class == Class::Log {
        return;
    }
    let Some(row) = row else { return };
    link.unresolved.retain(|intent| !shows_update(binding, intent, row));
}
