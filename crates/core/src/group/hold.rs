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
    /// What holds this field here.
    pub fn hold_of(&self, field: FieldIndex) -> Option<Hold> {
        self.held.iter().find(|(held, _)| *held == field).map(|(_, hold)| *hold)
    }

    /// Holds this field here; a hold that is there already gives way.
    pub fn hold(&mut self, field: FieldIndex, hold: Hold) {
        self.lift(field);
        let at = self.held.partition_point(|(held, _)| *held < field);
        self.held.insert(at, (field, hold));
    }

    /// Lifts what holds this field here.
    pub fn lift(&mut self, field: FieldIndex) {
        self.held.retain(|(held, _)| *held != field);
    }

    /// Lifts what was held while the record lived. What means nothing in its row stays so.
    pub fn lift_at_death(&mut self) {
        self.held.retain(|(_, hold)| *hold == Hold::Unreadable);
    }

    /// Whether the row shows a value somewhere that means nothing.
    pub fn is_unreadable(&self) -> bool {
        self.held.iter().any(|(_, hold)| *hold == Hold::Unreadable)
    }
}
