//! Fields that are held in one system: neither written there, nor taken as they are.

use crate::{group::Link, name::FieldIndex};

/// Why a field is held on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A conflict on it waits for a person.
    Conflict,
    /// The loop guard tripped.
    Loop,
    /// A rollback: the source keeps its value.
    Rollback,
    /// It refers to a row that is not linked yet.
    Parent,
    /// The row shows a value there that means nothing. It is neither taken nor written over.
    Unreadable,
}

impl Link {
    /// What holds this field here. What means nothing may be held for another reason, too: that comes first.
    pub fn hold_of(&self, field: FieldIndex) -> Option<Hold> {
        self.held.iter().find(|(held, _)| *held == field).map(|(_, hold)| *hold)
    }

    /// Holds this field here; a hold that is there already gives way, unless its value means nothing.
    pub fn hold(&mut self, field: FieldIndex, hold: Hold) {
        let at = if hold == Hold::Unreadable {
            self.held.retain(|known| *known != (field, hold));
            self.held.partition_point(|(held, _)| *held <= field)
        } else {
            self.lift(field);
            self.held.partition_point(|(held, _)| *held < field)
        };
        self.held.insert(at, (field, hold));
    }

    /// Lifts what holds this field here. A value that means nothing is held until the row shows another.
    pub fn lift(&mut self, field: FieldIndex) {
        self.held.retain(|(held, hold)| *held != field || *hold == Hold::Unreadable);
    }

    /// Lifts what was held while the record lived. What means nothing in its row stays so, and so does what
    /// waits for another row: whoever brings the record back does not know it either.
    pub fn lift_at_death(&mut self) {
        self.held.retain(|(_, hold)| matches!(hold, Hold::Unreadable | Hold::Parent));
    }

    /// Whether the row shows a value somewhere that means nothing.
    pub fn is_unreadable(&self) -> bool {
        self.held.iter().any(|(_, hold)| *hold == Hold::Unreadable)
    }
}
