//! What a commit came to, in numbers, for whoever measures. Counting is left to others: this knows
//! decisions, and neither names of metrics nor where they are kept.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    change::RowKey,
    commit::{AuditKind, Commit, ConflictChange, QuarantineChange, Subject},
    group::Group,
    name::{EntityIndex, RecordId, SystemIndex, Timestamp},
    plan::Plan,
};

/// Told of every commit that was made.
pub trait Measure: Send + Sync {
    /// This was decided and committed. `how`: how what was decided about was found.
    fn committed(&self, plan: &Plan, how: Found, tally: &Tally);

    /// Whether it follows single changes: only then a tally says which rows they came from.
    fn follows(&self) -> bool {
        false
    }
}

/// How a change was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// The system told of it: by its log, its triggers or a webhook.
    Heard,
    /// The system was asked for what changed.
    Polled,
    /// A system was compared whole.
    Compared,
    /// A person did something.
    #[default]
    Person,
}

/// What a row went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It was made.
    Create,
    /// It was changed.
    Update,
    /// It was deleted.
    Delete,
}

impl Operation {
    /// As people and programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A record in a system.
pub type Place = (RecordId, EntityIndex, SystemIndex);

/// A change that is followed: where it came from. `None`: a person has decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The system.
    pub system: SystemIndex,
    /// The row, if it is known.
    pub key: Option<RowKey>,
    /// What the row went through.
    pub operation: Operation,
}

/// What a commit came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Changes that systems made, one per record, and since when they exist.
    pub seen: BTreeMap<Place, (Operation, Timestamp)>,
    /// Records that were changed, by whom last, where single changes are followed.
    pub changed: BTreeMap<RecordId, (EntityIndex, Option<Origin>)>,
    /// Writes that systems confirmed, in order.
    pub written: Vec<(Place, Operation)>,
    /// The hub's time of the commit.
    pub at: Timestamp,
    /// Conflicts that were opened for a person.
    pub opened: Vec<EntityIndex>,
    /// Conflicts that ended, and by which rule; the entity is known where a rule ended them at once.
    pub settled: Vec<(Option<EntityIndex>, Text)>,
    /// What was set aside: of which system, and why.
    pub set_aside: Vec<(EntityIndex, Option<SystemIndex>, Text)>,
    /// Fields that are held because they looked like a loop.
    pub suspected: Vec<EntityIndex>,
}

impl Tally {
    /// Counts this commit. `follows`: whether single changes are followed.
    pub fn of(plan: &Plan, commit: &Commit, follows: bool) -> Self {
        let mut tally = Self { at: commit.at, ..Self::default() };
        let groups = commit.groups.iter().filter(|_| follows);
        let groups: BTreeMap<RecordId, &Group> =
            groups.map(|change| (change.group.id, &change.group)).collect();
        for event in &commit.audit {
            let operation = match event.kind {
                AuditKind::Created => Operation::Create,
                AuditKind::Changed
                | AuditKind::Agreed
                | AuditKind::Overridden
                | AuditKind::Lost
                | AuditKind::Rejected
                | AuditKind::Merged => Operation::Update,
                AuditKind::Deleted | AuditKind::DeleteOverridden => Operation::Delete,
                AuditKind::Written => {
                    let operation = match event.note.as_str() {
                        "created" => Operation::Create,
                        "deleted" => Operation::Delete,
                        _ => Operation::Update,
                    };
                    let place = event.system.map(|system| (event.record, event.entity, system));
                    tally.written.extend(place.map(|place| (place, operation)));
                    continue;
                }
                AuditKind::ConflictOpened => {
                    tally.opened.push(event.entity);
                    continue;
                }
                AuditKind::LoopSuspected => {
                    tally.suspected.push(event.entity);
                    continue;
                }
                AuditKind::ConflictSettled | AuditKind::Person => {
                    if follows {
                        tally.changed.entry(event.record).or_insert((event.entity, None));
                    }
                    continue;
                }
                AuditKind::Linked
                | AuditKind::Unlinked
                | AuditKind::Rekeyed
                | AuditKind::Revived
                | AuditKind::Rendered
                | AuditKind::Refused
                | AuditKind::Ambiguous
                | AuditKind::Scope
                | AuditKind::Covered
                | AuditKind::Held
                | AuditKind::Warned
                | AuditKind::Erased => continue,
            };
            let Some(system) = event.system else { continue };
            if follows {
                let key = event.key.clone().or_else(|| {
                    let part = groups.get(&event.record)?.part(&event.part)?;
                    part.link(system)?.key.clone()
                });
                let origin = Origin { system, key, operation };
                tally.changed.insert(event.record, (event.entity, Some(origin)));
            }
            let since = event.source_at.unwrap_or(commit.at).min(commit.at);
            let place = (event.record, event.entity, system);
            let known = tally.seen.entry(place).or_insert((operation, since));
            known.1 = known.1.min(since);
        }
        for conflict in &commit.conflicts {
            match conflict {
                ConflictChange::Open { entity, settled: Some(settled), .. } => {
                    tally.settled.push((Some(*entity), settled.rule.clone()));
                }
                ConflictChange::Open { .. } => {}
                ConflictChange::Close { record, settled, .. } => {
                    let group = commit.groups.iter().find(|it| it.group.id == *record);
                    let entity = group.map(|it| it.group.entity);
                    tally.settled.push((entity, settled.rule.clone()));
                }
            }
        }
        for change in &commit.quarantine {
            let QuarantineChange::Park { subject, entity, code, .. } = change else { continue };
            let system = match subject {
                Subject::Row { binding, .. } => plan.binding(*binding).map(|found| found.system),
                Subject::Write { system, .. } | Subject::Excess { system, .. } => Some(*system),
                Subject::Record { .. } => None,
            };
            tally.set_aside.push((*entity, system, code.clone()));
        }
        tally
    }
}
