//! What the checks remember beside the hub: who wrote what, what gave way to what, and whatever was
//! decided against the rules of the plan.

use std::collections::BTreeSet;

use syncline_core::{
    change::WriteKind,
    commit::{AuditKind, Commit, ConflictChange, GroupChange, QuarantineChange, Subject},
    group::{Author, Group, Hold, Intent, Link, Scope},
    name::EntityIndex,
    value::Value,
};

use super::Memory;

fn texts(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Text(text) => {
            if !into.contains(text.as_str()) {
                into.insert(text.to_string());
            }
        }
        Value::List(items) | Value::Set(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Map(entries) => entries.values().for_each(|item| texts(item, into)),
        Value::Null
        | Value::Bool(_)
        | Value::Num(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::Ref(_) => {}
    }
}

impl Memory {
    /// Remembers which golden texts gave way to which, and what no rule allows.
    pub(super) fn compare(&mut self, changes: &[GroupChange]) {
        for change in changes {
            let Some(known) = self.groups.get(&change.group.id) else { continue };
            self.broken.extend(against_the_rules(known, &change.group));
            let deletes = new_intents(known, &change.group);
            let deletes: Vec<&Intent> = deletes
                .filter(|it| it.kind == WriteKind::Delete && change.group.entity == EntityIndex(0))
                .collect();
            for intent in deletes.into_iter().filter(|_| self.grace_ms > 0) {
                self.happened.note("grace");
                let exists = &change.group.root.exists;
                let planned_ms = i64::try_from(intent.id.0 >> 80).unwrap_or(0);
                if !exists.alive && planned_ms < exists.at.ms() + self.grace_ms {
                    let detail = format!("{} was deleted before its time", change.group.id);
                    self.broken.push(detail);
                }
            }
            for (old, new) in known.root.cells.iter().zip(&change.group.root.cells) {
                let by_system = matches!(new.author, Author::System(_));
                let author = new.author;
                if let (true, true, Value::Text(old), Value::Text(new)) =
                    (by_system, old.version != new.version, &old.value, &new.value)
                    && old != new
                {
                    self.replaced.push((old.to_lowercase(), new.to_lowercase()));
                    // Where rows were only just linked, nobody knows who typed what. Capitals are a
                    // system's form of what it was given.
                    if let Author::System(system) = author
                        && known.root.exists.alive
                        && known.root.link(system).is_some_and(Link::is_present)
                    {
                        self.authored.push((system, change.group.id, new.to_string()));
                    }
                }
            }
        }
    }

    pub(super) fn account(&mut self, commit: &Commit) {
        for change in &commit.groups {
            for (_, part) in change.group.parts() {
                for cell in &part.cells {
                    texts(&cell.value, &mut self.accounted);
                }
                for candidate in part.conflicts.iter().flat_map(|conflict| &conflict.candidates) {
                    texts(&candidate.value, &mut self.accounted);
                }
            }
        }
        // What competes is on record with the conflict, also where that ends in the same commit.
        for change in &commit.conflicts {
            if let ConflictChange::Open { candidates, settled: None, .. } = change {
                for candidate in candidates {
                    texts(&candidate.value, &mut self.accounted);
                }
            }
        }
        self.broken.extend(commit.conflicts.iter().filter_map(wrong_winner));
        for event in &commit.audit {
            // Who lost gave way to what the hub held.
            if let (AuditKind::Lost, Some(Value::Text(held)), Some(Value::Text(lost))) =
                (event.kind, &event.before, &event.after)
            {
                self.replaced.push((lost.to_lowercase(), held.to_lowercase()));
            }
            for value in event.before.iter().chain(&event.after) {
                texts(value, &mut self.accounted);
            }
        }
        for change in &commit.quarantine {
            if let QuarantineChange::Park { subject: Subject::Excess { .. }, .. } = change {
                self.happened.note("limits");
            }
            if let QuarantineChange::Park { row: Some(row), .. } = change {
                for slot in row.0.iter() {
                    if let Some(value) = slot.value() {
                        texts(value, &mut self.accounted);
                    }
                }
            }
        }
    }
}

/// Writes of the record's own rows that were not planned before.
fn new_intents<'a>(known: &'a Group, now: &'a Group) -> impl Iterator<Item = &'a Intent> {
    now.root.links.iter().flat_map(|link| {
        let before = known.root.link(link.system);
        link.unresolved.iter().filter(move |intent| {
            !before.is_some_and(|link| link.unresolved.iter().any(|it| it.id == intent.id))
        })
    })
}

fn is_outside(link: &Link) -> bool {
    link.scope != Scope::In
}

/// What a group did that its plan forbids.
fn against_the_rules(known: &Group, now: &Group) -> Vec<String> {
    let mut broken = Vec::new();
    if let (true, false, Author::System(system)) =
        (known.root.exists.alive, now.root.exists.alive, now.root.exists.author)
        && [known, now].iter().all(|group| group.root.link(system).is_some_and(is_outside))
    {
        broken.push(format!("{} was deleted where it does not belong", now.id));
    }
    let is_held = !known.excess.is_empty() && !now.excess.is_empty();
    if is_held && new_intents(known, now).next().is_some() {
        broken.push(format!("{} was written while what a user did to it waits", now.id));
    }
    for link in &now.root.links {
        let Some(before) = known.root.link(link.system) else { continue };
        let is_new = |id| !before.unresolved.iter().any(|intent| intent.id == id);
        let written = link.unresolved.iter().filter(|intent| is_new(intent.id));
        for (field, ..) in written.flat_map(|intent| &intent.set) {
            if link.shadow.is_some() && before.hold_of(*field) == Some(Hold::Conflict) {
                broken.push(format!("{} was written while it waits for a person", now.id));
            }
        }
    }
    broken
}

/// A conflict that priority settled for one who does not stand first.
fn wrong_winner(change: &ConflictChange) -> Option<String> {
    let ConflictChange::Open { record, field: Some(_), candidates, settled: Some(settled), .. } =
        change
    else {
        return None;
    };
    let rank = |author| match author {
        Author::Person => 0,
        Author::Merged => 1,
        Author::System(system) => 2 + system.at(),
        Author::Nobody => usize::MAX,
    };
    let best = candidates.iter().map(|candidate| rank(candidate.author)).min()?;
    (settled.rule == "priority" && best < rank(settled.winner))
        .then(|| format!("{record} was given to {:?}, who does not stand first", settled.winner))
}
