//! Which fields: one bit each.

use crate::name::FieldIndex;

/// A set of fields.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FieldSet(pub Vec<u64>);

impl FieldSet {
    /// Whether the field is in.
    pub fn contains(&self, field: FieldIndex) -> bool {
        self.0.get(field.at() / 64).is_some_and(|word| word >> (field.at() % 64) & 1 == 1)
    }

    /// Puts the field in, or takes it out.
    pub fn set(&mut self, field: FieldIndex, present: bool) {
        let (word, bit) = (field.at() / 64, 1u64 << (field.at() % 64));
        if self.0.len() <= word {
            if !present {
                return;
            }
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            if present { *word |= bit } else { *word &= !bit }
        }
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
