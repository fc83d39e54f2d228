//! Whether the books say all: what a commit makes of a record must be what who reads nothing but the books makes of
//! it, and every value that changed must have a line that people read.

use syncline_core::{
    change::PartKey,
    commit::{AuditEvent, AuditKind, Commit, GroupChange},
    group::{Cell, Part},
    moved::{Move, state_of},
    name::FieldIndex,
};

use super::Memory;

impl Memory {
    /// Looks at a commit before it is made.
    pub(super) fn book(&mut self, commit: &Commit) {
        for change in &commit.groups {
            let known = self.groups.get(&change.group.id);
            let before = known.map(state_of);
            let rebuilt = match Move::of(&change.group, &change.moved) {
                Some(moves) => Some(moves.follow(before)),
                None => before,
            };
            let id = change.group.id;
            // Nobody's yet: nothing was said of it.
            if rebuilt.map(|group| state_of(&group)) != Some(state_of(&change.group)) {
                self.unbooked.push(format!("{id} is not what its moves make of it"));
            }
            for (key, part) in change.group.parts() {
                let known = known.and_then(|known| known.part(&key));
                self.unbooked.extend(without_line(change, commit, &key, known, part));
            }
        }
    }
}

/// The first value of a part that changed without a line.
fn without_line(
    change: &GroupChange,
    commit: &Commit,
    key: &PartKey,
    known: Option<&Part>,
    part: &Part,
) -> Option<String> {
    let nothing = Cell::default();
    let id = change.group.id;
    let own = |event: &&AuditEvent| event.record == id && event.part == *key;
    let has = |field: FieldIndex, cell: &Cell| {
        commit.audit.iter().filter(own).any(|event| match event.field {
            Some(named) => named == field && event.version == cell.version,
            // One line for all values of a record that was made, or made again.
            None => is_whole(event.kind),
        })
    };
    for (at, cell) in part.cells.iter().enumerate() {
        let field = FieldIndex(at as u16);
        let before = known.and_then(|known| known.cell(field)).unwrap_or(&nothing);
        let is_said = cell.version > 0;
        if is_said && before.value != cell.value && !has(field, cell) {
            return Some(format!(
                "{id} {key:?}: field {at} became {:?} from {:?}, version {}, without a line: {:?}",
                cell.value,
                before.value,
                cell.version,
                commit.audit.iter().filter(own).collect::<Vec<_>>()
            ));
        }
    }
    let was = known.is_some_and(|known| known.exists.alive);
    let says = commit.audit.iter().filter(own).any(|event| event.field.is_none());
    (was != part.exists.alive && !says)
        .then(|| format!("{id} {key:?}: it lives: {}, without a line", part.exists.alive))
}

/// What says all values at once.
fn is_whole(kind: AuditKind) -> bool {
    kind == AuditKind::Created
}
