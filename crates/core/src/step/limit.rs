//! Users who change more than they may in a while: the excess is taken into the hub, and waits there until
//! a person lets it through or puts it back. What is within the limit goes on, and so does everybody else.

use std::collections::BTreeSet;

use crate::{
    Text,
    audit::event,
    change::PartKey,
    commit::{AuditEvent, AuditKind, QuarantineChange, Subject},
    group::{Excess, Group},
    guard::USER,
    name::{EntityIndex, RecordId, SystemIndex, Timestamp},
    step::{gather::Gather, pass::Pass, sight::Sight},
    tally::{Counted, PerUser},
};

/// One user's change of one record.
struct Change {
    record: RecordId,
    system: SystemIndex,
    user: Text,
    at: Timestamp,
    limit: PerUser,
}

impl Gather<'_> {
    /// How much the user behind this row has changed lately.
    pub(super) fn tally(&mut self, sight: &Sight<'_>) {
        let (Some(user), Some(binding)) = (sight.actor, self.plan.binding(sight.binding)) else {
            return;
        };
        if binding.per_user.is_none() || sight.row.is_none() {
            return;
        }
        let entity = self.plan.root_of(binding.entity);
        let counted = Counted { entity, system: binding.system, user: user.clone() };
        if !self.working.tallies.contains_key(&counted) {
            self.misses = true;
            self.wants.tallies.insert(counted);
        }
    }
}

impl Pass<'_> {
    /// Counts what users have changed in this step, and holds what is too much.
    pub(super) fn limit(&mut self) {
        if self.plan.bindings.iter().all(|binding| binding.per_user.is_none()) {
            return;
        }
        for Change { record, system, user, at, limit } in self.changes_by_users() {
            let Some(Some(group)) = self.working.groups.get(&record) else { continue };
            let is_held = |known: &Excess| known.system == system && known.user == user;
            if group.excess.iter().any(is_held) {
                continue;
            }
            let counted = Counted { entity: group.entity, system, user: user.clone() };
            let tally = self.working.tallies.entry(counted.clone()).or_default();
            if tally.take(at, limit) {
                self.tallied.insert(counted);
            } else if let Some(group) = self.take(record) {
                self.hold_excess(group, Excess { system, user });
            }
        }
    }

    /// Each record that a user has changed in this step, once, in the order in which it happened.
    fn changes_by_users(&self) -> Vec<Change> {
        let mut seen = BTreeSet::new();
        let mut changes = Vec::new();
        for event in &self.journal.audit {
            let is_change = matches!(
                event.kind,
                AuditKind::Created
                    | AuditKind::Changed
                    | AuditKind::Overridden
                    | AuditKind::Merged
                    | AuditKind::Revived
            );
            let (Some(user), Some(system)) = (&event.actor, event.system) else { continue };
            let place = self.plan.binding_of(event.entity, system);
            let Some(limit) = place.and_then(|at| self.plan.binding(at)?.per_user) else {
                continue;
            };
            if !is_change || !seen.insert((event.record, system, user.clone())) {
                continue;
            }
            let at = event.source_at.map_or(self.now, |at| at.min(self.now));
            let (record, user) = (event.record, user.clone());
            changes.push(Change { record, system, user, at, limit });
        }
        changes
    }

    fn hold_excess(&mut self, mut group: Group, excess: Excess) {
        let before = self.before(&group);
        let (record, entity) = (group.id, group.entity);
        let message = format!("{} has changed too many in too short a time", excess.user);
        self.journal.audit.push(AuditEvent {
            system: Some(excess.system),
            actor: Some(excess.user.clone()),
            note: USER.into(),
            ..event(record, entity, &PartKey::Root, AuditKind::Held)
        });
        self.journal.quarantine.push(QuarantineChange::Park {
            subject: subject(record, &excess),
            entity,
            record: Some(record),
            code: USER.into(),
            message: message.into(),
            row: None,
            related: Vec::new(),
            awaits: None,
        });
        group.excess.push(excess);
        self.put_changed(group, before);
    }

    /// A person lets through what a user has changed beyond the limit.
    pub(crate) fn admit(&mut self, group: &mut Group, excess: &Excess, who: &Text) {
        let known = group.excess.len();
        group.excess.retain(|other| other != excess);
        if group.excess.len() == known {
            return;
        }
        let (record, entity): (RecordId, EntityIndex) = (group.id, group.entity);
        self.journal.audit.push(AuditEvent {
            system: Some(excess.system),
            actor: Some(who.clone()),
            note: format!("{USER}: the changes by {} go on", excess.user).into(),
            ..event(record, entity, &PartKey::Root, AuditKind::Person)
        });
        let subject = subject(record, excess);
        self.journal.quarantine.push(QuarantineChange::Release { subject });
    }
}

fn subject(record: RecordId, excess: &Excess) -> Subject {
    Subject::Excess { record, system: excess.system, user: excess.user.clone() }
}
