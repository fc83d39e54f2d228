//! What several events of one record come to: what was before the first, and the version the last left.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    change::PartKey,
    commit::{AuditEvent, AuditKind},
    name::{FieldIndex, SystemIndex},
    value::Value,
};
use syncline_ports::reader::{Entry, Number};

/// What happened to one value, or to the life of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Net {
    /// What it was before; of a life, whether it lived.
    pub(super) before: Value,
    /// The version that the last event left.
    pub(super) version: u64,
    /// Where it came from.
    pub(super) keeps: BTreeSet<SystemIndex>,
    /// The first of the events.
    pub(super) number: Number,
    /// It began with this: nobody knew of the part before.
    pub(super) is_first: bool,
    /// The golden value stayed, and this one lost against it: taken back, it stands.
    pub(super) is_loser: bool,
}

/// What happened to a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartNet {
    /// Its life.
    pub(super) exists: Option<Net>,
    /// Its values.
    pub(super) fields: BTreeMap<FieldIndex, Net>,
    /// Who made the same edits.
    pub(super) agreed: BTreeMap<FieldIndex, BTreeSet<SystemIndex>>,
    /// A row that was there before was linked to it.
    pub(super) is_joined: bool,
}

/// What these events, the oldest first, come to for each part of their record.
pub(super) fn of(entries: &[&Entry]) -> BTreeMap<PartKey, PartNet> {
    let mut parts: BTreeMap<PartKey, PartNet> = BTreeMap::new();
    for entry in entries {
        let event = &entry.event;
        let part = parts.entry(event.part.clone()).or_default();
        if event.kind == AuditKind::Linked {
            part.is_joined = true;
        }
        match (event.field, life_before(event.kind)) {
            (None, Some(lived)) => {
                let is_first = event.kind == AuditKind::Created;
                let net = Net { is_first, ..net(entry, Value::Bool(lived)) };
                match &mut part.exists {
                    Some(known) => known.follow(net),
                    unknown @ None => *unknown = Some(net),
                }
            }
            (Some(field), _) => value(part, field, entry),
            (None, None) => {}
        }
    }
    parts
}

fn value(part: &mut PartNet, field: FieldIndex, entry: &Entry) {
    let event = &entry.event;
    match (event.kind, &event.before, &event.after) {
        (AuditKind::Agreed, _, _) => {
            part.agreed.entry(field).or_default().extend(event.system);
        }
        (kind, Some(before), Some(_)) if changes_values(kind) => {
            let net = net(entry, before.clone());
            match part.fields.get_mut(&field) {
                Some(known) if known.is_loser => *known = net,
                Some(known) => known.follow(net),
                None => {
                    part.fields.insert(field, net);
                }
            }
        }
        // Of several that lost, the first gets its own back.
        (AuditKind::Lost, Some(_), Some(lost)) => {
            let keeps = BTreeSet::new();
            let net = Net { is_loser: true, keeps, ..net(entry, lost.clone()) };
            part.fields.entry(field).or_insert(net);
        }
        (_, _, _) => {}
    }
}

fn net(entry: &Entry, before: Value) -> Net {
    Net {
        before,
        version: entry.event.version,
        keeps: entry.event.system.into_iter().collect(),
        number: entry.number,
        is_first: false,
        is_loser: false,
    }
}

impl Net {
    /// Something else happened after it.
    fn follow(&mut self, next: Self) {
        self.version = next.version;
        self.keeps.extend(next.keeps);
    }
}

/// Whether a part lived before an event of this kind; `None`: it says nothing of lives.
fn life_before(kind: AuditKind) -> Option<bool> {
    match kind {
        AuditKind::Created | AuditKind::Revived => Some(false),
        AuditKind::Deleted => Some(true),
        AuditKind::Linked
        | AuditKind::Unlinked
        | AuditKind::Rekeyed
        | AuditKind::Changed
        | AuditKind::Agreed
        | AuditKind::Overridden
        | AuditKind::Lost
        | AuditKind::Rejected
        | AuditKind::Merged
        | AuditKind::DeleteOverridden
        | AuditKind::Rendered
        | AuditKind::Written
        | AuditKind::Refused
        | AuditKind::Ambiguous
        | AuditKind::ConflictOpened
        | AuditKind::ConflictSettled
        | AuditKind::Scope
        | AuditKind::LoopSuspected
        | AuditKind::Person
        | AuditKind::Covered
        | AuditKind::Warned
        | AuditKind::Held
        | AuditKind::Erased => None,
    }
}

fn changes_values(kind: AuditKind) -> bool {
    matches!(
        kind,
        AuditKind::Changed
            | AuditKind::Overridden
            | AuditKind::Merged
            | AuditKind::ConflictSettled
            | AuditKind::Person
    )
}

/// Whether this event changed what the hub holds of its record.
pub(super) fn changes(event: &AuditEvent) -> bool {
    match event.field {
        None => life_before(event.kind).is_some(),
        Some(_) => {
            changes_values(event.kind) && event.before.is_some() && event.before != event.after
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is before the first and after the last, whatever is between them.

    use syncline_core::{
        name::{EntityIndex, RecordId, RunId, Timestamp},
        value::Value,
    };

    use super::*;

    const FIELD: FieldIndex = FieldIndex(1);

    fn entry(number: Number, kind: AuditKind, system: u16, before: &str, after: &str) -> Entry {
        let event = AuditEvent {
            record: RecordId::NONE,
            entity: EntityIndex(0),
            part: PartKey::Root,
            field: Some(FIELD),
            kind,
            system: Some(SystemIndex(system)),
            key: None,
            before: Some(Value::text(before)),
            after: Some(Value::text(after)),
            version: number,
            actor: None,
            source_at: None,
            note: "".into(),
        };
        Entry { number, run: RunId(1), at: Timestamp(0), event }
    }

    fn field_of(entries: &[Entry]) -> Net {
        let entries: Vec<&Entry> = entries.iter().collect();
        of(&entries).remove(&PartKey::Root).unwrap().fields.remove(&FIELD).unwrap()
    }

    #[test]
    fn several_changes_come_to_one() {
        let net = field_of(&[
            entry(4, AuditKind::Changed, 0, "a", "b"),
            entry(7, AuditKind::Overridden, 1, "b", "c"),
        ]);
        assert_eq!((net.before, net.version), (Value::text("a"), 7));
        assert_eq!(net.keeps, [SystemIndex(0), SystemIndex(1)].into());
    }

    #[test]
    fn who_lost_gets_its_own_back_unless_the_value_itself_changed() {
        let lost = entry(4, AuditKind::Lost, 1, "a", "b");
        let net = field_of(&[lost.clone(), entry(5, AuditKind::Lost, 2, "a", "c")]);
        assert_eq!((net.before, net.is_loser), (Value::text("b"), true));
        let net = field_of(&[lost, entry(6, AuditKind::Changed, 0, "a", "d")]);
        assert_eq!((net.before, net.is_loser), (Value::text("a"), false));
    }
}
