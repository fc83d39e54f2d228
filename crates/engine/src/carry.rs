//! Writes that are planned with the change that they come from, and given to whoever writes to their
//! systems.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use syncline_core::{
    change::{Effect, Input, Outcome, RowWrite, WriteGroup},
    error::PortError,
    name::{RunId, SystemIndex},
};

use crate::{desk::Desk, reconcile::reconcile};

/// Takes writes to those who make them.
pub trait Carrier: Send + Sync {
    /// The systems that can be written at once.
    fn open(&self) -> Vec<SystemIndex>;

    /// Writes that are on record, of this run: whoever takes them sees that they are answered. Gives
    /// them back if nobody does any more.
    fn take(&self, system: SystemIndex, run: RunId, groups: Vec<WriteGroup>) -> Vec<WriteGroup>;
}

/// What is decided carries its writes until this is dropped: only who looks after them may begin it.
pub(crate) struct Carrying<'a>(&'a AtomicBool);

impl<'a> Carrying<'a> {
    /// Begins it.
    pub(crate) fn begin(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }
}

impl Drop for Carrying<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Gives the writes among these effects to who makes them, and gives back the other effects. What nobody
/// takes is due again.
///
/// # Errors
/// The store's.
pub(crate) async fn hand_over(
    desk: &Desk<'_>,
    effects: Vec<Effect>,
) -> Result<Vec<Effect>, PortError> {
    let mut writes = BTreeMap::<SystemIndex, Vec<WriteGroup>>::new();
    let mut rest = Vec::new();
    for effect in effects {
        match effect {
            Effect::Write { system, group } => writes.entry(system).or_default().push(group),
            other @ (Effect::Read { .. }
            | Effect::ReadMarks { .. }
            | Effect::Again(_)
            | Effect::Later { .. }
            | Effect::BlockedOn { .. }) => rest.push(other),
        }
    }
    for (system, groups) in writes {
        let left = match desk.carrier() {
            Some(carrier) => carrier.take(system, desk.run(), groups),
            None => groups,
        };
        give_back(desk, &left).await?;
    }
    Ok(rest)
}

/// Writes that were never sent are due again.
///
/// # Errors
/// The store's.
pub async fn give_back(desk: &Desk<'_>, groups: &[WriteGroup]) -> Result<(), PortError> {
    if groups.is_empty() {
        return Ok(());
    }
    let unsent = |write: &RowWrite| Input::WriteDone {
        record: write.record,
        intent: write.intent,
        outcome: Outcome::Retry { reason: "it was not sent".into() },
    };
    let inputs: Vec<Input> = groups.iter().flat_map(|group| &group.writes).map(unsent).collect();
    reconcile(desk, &inputs, Vec::new()).await?;
    Ok(())
}
