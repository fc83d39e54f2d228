//! Writes that were decided with what was heard, on their way to who sends them: later, or never if the
//! process dies.

use std::sync::{Mutex, PoisonError};

use syncline_core::{
    change::WriteGroup,
    error::PortError,
    name::{RunId, SystemIndex},
};
use syncline_engine::{
    apply,
    carry::Carrier,
    desk::{Desk, Systems},
};

use crate::{checks, rare::Happened, store::MemoryStore};

/// What waits to be sent.
pub(super) struct Carts {
    systems: usize,
    store: MemoryStore,
    happened: Happened,
    waiting: Mutex<Vec<(SystemIndex, Vec<WriteGroup>)>>,
}

impl Carts {
    pub(super) fn new(systems: usize, store: MemoryStore, happened: Happened) -> Self {
        Self { systems, store, happened, waiting: Mutex::default() }
    }

    /// Sends what waits.
    pub(super) async fn deliver(
        &self,
        desk: &Desk<'_>,
        doors: &mut Systems,
    ) -> Result<(), PortError> {
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((system, groups)) = next else { return Ok(()) };
            self.happened.note("carries");
            let (_, account, _) = apply::deliver(desk, doors, system, groups).await?;
            checks::conserved(&account)?;
        }
    }
}

impl Carrier for Carts {
    fn open(&self) -> Vec<SystemIndex> {
        let memory = self.store.memory();
        let all = (0..self.systems as u16).map(SystemIndex);
        all.filter(|system| !memory.paused.contains(system)).collect()
    }

    fn take(&self, system: SystemIndex, _: RunId, groups: Vec<WriteGroup>) -> Vec<WriteGroup> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((system, groups));
        Vec::new()
    }
}
