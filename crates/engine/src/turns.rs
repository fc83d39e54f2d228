//! Several who work on one hub in one process take turns to decide.
//!
//! Two who decide about the same records at once are told so by the hub, and one of them decides
//! again: right, but where one writer per system goes through the same records, each would make the
//! other begin again and again. So they decide one after the other; reading from systems, writing to
//! them, and commits, which take the time, go on beside it. Who must see what a commit under way
//! touches waits for its end. They know of each other, too, whose tables somebody reads: who hears that a row went
//! which nobody knows asks again once that is decided.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::lock;
use syncline_core::{
    commit::{Commit, Wants, Working},
    footprint::Footprint,
    name::{OperationId, SystemIndex},
};

/// Whose turn it is to decide, and what was decided and is being committed.
#[derive(Debug, Default)]
pub struct Turns {
    turn: lock::Mutex<()>,
    under_way: Mutex<Vec<Arc<Decision>>>,
    /// Systems whose tables are being read, each by so many.
    read: Mutex<BTreeMap<SystemIndex, usize>>,
    pub(crate) numbers: Numbers,
}

/// Tables of these systems are being read, until this is dropped: what was read and is not decided about yet may
/// show rows that are gone by now.
pub(crate) struct Reads<'a> {
    turns: &'a Turns,
    systems: Vec<SystemIndex>,
}

impl Drop for Reads<'_> {
    fn drop(&mut self) {
        let mut read = self.turns.read.lock().unwrap_or_else(PoisonError::into_inner);
        for system in &self.systems {
            if let Some(count) = read.get_mut(system) {
                *count -= 1;
            }
        }
        read.retain(|_, count| *count > 0);
    }
}

/// The last numbers that decisions have taken, committed or not.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    taken: AtomicU64,
    minted: AtomicU64,
}

impl Numbers {
    /// Lets a decision number what it makes after everything that was decided before.
    pub(crate) fn number(&self, working: &mut Working) {
        let taken = OperationId(self.taken.load(Ordering::Relaxed));
        working.operation = working.operation.max(taken);
        working.minted = working.minted.max(self.minted.load(Ordering::Relaxed));
    }

    /// Remembers the numbers that a decision has taken.
    pub(crate) fn numbered(&self, commit: &Commit) {
        self.taken.fetch_max(commit.operation.0, Ordering::Relaxed);
        self.minted.fetch_max(commit.minted, Ordering::Relaxed);
    }
}

/// A decision whose commit is under way.
#[derive(Debug)]
struct Decision {
    footprint: Footprint,
    /// Held until the commit was made, or refused.
    ends: Arc<lock::Mutex<()>>,
}

/// Somebody's turn: nobody else decides meanwhile. It ends when this is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    _held: lock::MutexGuard<'a, ()>,
}

/// A commit that is under way, until this is dropped.
pub(crate) struct UnderWay<'a> {
    turns: &'a Turns,
    decision: Arc<Decision>,
    _held: lock::OwnedMutexGuard<()>,
}

impl Turns {
    /// Waits for one's turn.
    pub(crate) async fn take(&self) -> Turn<'_> {
        Turn { _held: self.turn.lock().await, turns: self }
    }

    /// Tables of these systems are about to be read.
    pub(crate) fn reads(&self, systems: Vec<SystemIndex>) -> Reads<'_> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        for system in &systems {
            *read.entry(*system).or_default() += 1;
        }
        drop(read);
        Reads { turns: self, systems }
    }

    /// Whether somebody is reading tables of this system.
    pub fn is_read(&self, system: SystemIndex) -> bool {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&system)
    }

    fn decisions(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Decision>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Turn<'a> {
    /// Waits for the commits under way that touch any of this.
    pub(crate) async fn see(&self, wants: &Wants) {
        loop {
            let meets = |decision: &&Arc<Decision>| decision.footprint.meets(wants);
            let Some(met) = self.turns.decisions().iter().find(meets).map(Arc::clone) else {
                return;
            };
            drop(met.ends.lock().await);
            // Who made it takes it off the list before that, unless it was dropped in between.
            self.turns.decisions().retain(|other| !Arc::ptr_eq(other, &met));
        }
    }

    /// This is decided, and is about to be committed. Whose turn comes next sees that.
    pub(crate) async fn decided(self, commit: &Commit) -> UnderWay<'a> {
        let ends = Arc::new(lock::Mutex::new(()));
        let held = Arc::clone(&ends).lock_owned().await;
        let decision = Arc::new(Decision { footprint: Footprint::of(commit), ends });
        self.turns.decisions().push(Arc::clone(&decision));
        UnderWay { turns: self.turns, decision, _held: held }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.turns.decisions().retain(|other| !Arc::ptr_eq(other, &self.decision));
    }
}
