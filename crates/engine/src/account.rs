//! The books of a pass: what was observed, and what became of it.
//!
//! The two are counted in different places, rows where they come in from a system and fates where
//! the core decides, so that each proves the other (the conservation law).

use std::collections::BTreeMap;

use syncline_core::{
    commit::{Disposition, Ledger},
    name::BindingIndex,
};

/// What was observed, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Rows that systems showed, or showed to be absent.
    pub observed: BTreeMap<BindingIndex, u64>,
    /// What became of them.
    pub ledger: Ledger,
}

impl Account {
    /// So many rows of this binding came in.
    pub fn saw(&mut self, binding: BindingIndex, rows: u64) {
        *self.observed.entry(binding).or_default() += rows;
    }

    /// Adds another's.
    pub fn absorb(&mut self, other: &Self) {
        for (binding, rows) in &other.observed {
            self.saw(*binding, *rows);
        }
        self.ledger.absorb(&other.ledger);
    }

    /// Observations that ended like this, over all bindings.
    pub fn count(&self, disposition: Disposition) -> u64 {
        let fates = self.ledger.0.iter().filter(|((_, found), _)| *found == disposition);
        fates.map(|(_, count)| count).sum()
    }
}
