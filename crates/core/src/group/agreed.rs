//! Which version of the hub's value a row shows, field by field (D2): one number for two questions. Is the
//! field to be written there, and had whoever edits it there seen the hub's value?

use crate::{group::Link, name::FieldIndex};

/// An `agreed` version that is none: the shadow is not to be trusted (a restored system), so what
/// shows next is adopted and written over, never an edit.
pub const UNKNOWN: u64 = u64::MAX;

/// Set beside the version that its author had seen, where a row shows an edit that was lost with its record.
const LOST: u64 = 1 << 62;

impl Link {
    /// The golden version that the shadow's field reflects.
    pub fn agreed(&self, field: FieldIndex) -> u64 {
        self.agreed.get(field.at()).copied().unwrap_or(0)
    }

    /// Says which golden version the shadow's field reflects; 0: none.
    pub fn agree(&mut self, field: FieldIndex, version: u64) {
        if let Some(agreed) = self.agreed.get_mut(field.at()) {
            *agreed = version;
        }
    }

    /// The golden version that whoever edits the field there has seen; 0: none.
    pub fn seen(&self, field: FieldIndex) -> u64 {
        match self.agreed(field) {
            UNKNOWN => UNKNOWN,
            agreed => agreed & !LOST,
        }
    }

    /// The shadow's field shows an edit that was lost with its record: it reflects no version (F8), but
    /// its author had seen one, and whoever edits it next has, too.
    pub fn lose(&mut self, field: FieldIndex) {
        let lost = match self.seen(field) {
            UNKNOWN | 0 => 0,
            seen => seen | LOST,
        };
        self.agree(field, lost);
    }
}
