//! Writes on their way from who hears to who writes: decided and put on record with the changes that
//! they come from, so that a writer need not look for them. A writer that cannot write now keeps its
//! place shut: then what changes is due, as ever.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use syncline_core::{
    change::WriteGroup,
    guard::{self, Verdict},
    name::{EntityIndex, RunId, SystemIndex},
};
use syncline_engine::{apply::Written, carry::Carrier};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{report::Failure, serve::shift::Shared, session::Session};

/// So many writes wait for one writer; what comes beyond that is due, and found by it.
const WRITES_MAX: usize = 4_000;

/// So many rows that were heard of together are written at once. Of more, many change again before they
/// are written: that is left to the writers, who write them as they are then.
const CARRIED_MAX: usize = 1_000;

/// What was written of a run, by system.
pub(super) type OfRun = BTreeMap<SystemIndex, Written>;

/// A place for each system, and what was delivered of the runs that are open.
pub(super) struct Outbox {
    places: Vec<Mutex<Place>>,
    /// Of runs that are open: what comes later is on record, but no run counts it.
    runs: Mutex<BTreeMap<RunId, Carried>>,
}

/// What is carried of a run.
#[derive(Default)]
struct Carried {
    /// Portions that are on their way.
    waiting: usize,
    written: OfRun,
}

#[derive(Default)]
struct Place {
    /// Its writer rests: what is decided now is written at once.
    is_open: bool,
    /// Its writer sees that what comes is answered.
    is_served: bool,
    waiting: Vec<(RunId, Vec<WriteGroup>)>,
    writes: usize,
}

impl Outbox {
    pub(super) fn new(systems: usize) -> Self {
        let places = (0..systems).map(|_| Mutex::default()).collect();
        Self { places, runs: Mutex::default() }
    }

    /// Its writer rests, and takes what comes for this system.
    pub(super) fn open(&self, system: SystemIndex) {
        if let Some(mut place) = self.place(system) {
            place.is_open = true;
            place.is_served = true;
        }
    }

    /// Nothing comes any more. Gives what was not taken.
    pub(super) fn shut(&self, system: SystemIndex) -> Vec<(RunId, Vec<WriteGroup>)> {
        if let Some(mut place) = self.place(system) {
            place.is_served = false;
        }
        self.take(system)
    }

    /// Everything that waits for this system. Its writer is at work from now on: what changes meanwhile
    /// is due, and written together, as it is then.
    pub(super) fn take(&self, system: SystemIndex) -> Vec<(RunId, Vec<WriteGroup>)> {
        let Some(mut place) = self.place(system) else { return Vec::new() };
        place.is_open = false;
        place.writes = 0;
        std::mem::take(&mut place.waiting)
    }

    /// A portion of a run came to this.
    pub(super) fn delivered(&self, run: RunId, system: SystemIndex, written: Written) {
        if let Some(carried) = self.runs().get_mut(&run) {
            carried.waiting = carried.waiting.saturating_sub(1);
            if written.total() > 0 {
                carried.written.entry(system).or_default().absorb(written);
            }
        }
    }

    /// Whether something of a run is on its way.
    pub(super) fn is_waiting(&self, run: RunId) -> bool {
        self.runs().get(&run).is_some_and(|carried| carried.waiting > 0)
    }

    /// What was written of a run that ends.
    pub(super) fn of_run(&self, run: RunId) -> OfRun {
        self.runs().remove(&run).unwrap_or_default().written
    }

    fn is_open(&self, system: SystemIndex) -> bool {
        self.place(system).is_some_and(|place| place.is_open && place.writes < WRITES_MAX)
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Carried>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, system: SystemIndex) -> Option<MutexGuard<'_, Place>> {
        let place = self.places.get(system.at())?;
        Some(place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries what is decided about one portion of what was heard.
pub(super) struct Carriage<'a> {
    shared: &'a Shared,
    to: Vec<SystemIndex>,
}

impl<'a> Carriage<'a> {
    /// For so many rows that were heard of, of these entities.
    pub(super) async fn of(
        session: &Session,
        shared: &'a Shared,
        entities: &[(EntityIndex, RunId)],
        rows: usize,
    ) -> Result<Self, Failure> {
        Ok(Self { shared, to: destinations(session, shared, entities, rows).await? })
    }
}

/// The systems that what is heard of these entities may be written to at once: nothing of it is
/// paused, and so many rows more are not too many for a guard. None where they are many anyway.
async fn destinations(
    session: &Session,
    shared: &Shared,
    entities: &[(EntityIndex, RunId)],
    rows: usize,
) -> Result<Vec<SystemIndex>, Failure> {
    let mut all: Vec<SystemIndex> = (0..session.plan.systems.len())
        .map(|at| SystemIndex(u16::try_from(at).unwrap_or(u16::MAX)))
        .filter(|system| shared.outbox.is_open(*system))
        .collect();
    // Under load, writers are at work: nothing is looked up then.
    if rows > CARRIED_MAX || all.is_empty() {
        return Ok(Vec::new());
    }
    let pauses = session.pauses().await?;
    let is_paused = |name: &str| pauses.iter().any(|pause| pause.name == name);
    let open = session.hub.guards(false).await?;
    all.retain(|system| !is_paused(session.system_name(*system)));
    for (entity, _) in entities {
        all.retain(|system| !shared.times.has((*entity, *system)));
        let Some(found) = session.plan.entity(*entity) else { continue };
        if is_paused(&found.name) || open.iter().any(|it| it.stops_entity() && it.entity == *entity)
        {
            return Ok(Vec::new());
        }
        for (system, count) in session.hub.count_behind(*entity, Session::now()).await? {
            let updates = count.updates + rows as u64;
            if guard::updates(&found.guards, updates, count.linked) != Verdict::Pass
                || guard::may_blank(&found.guards, updates)
            {
                all.retain(|other| *other != system);
            }
        }
    }
    Ok(all)
}

impl Carrier for Carriage<'_> {
    fn open(&self) -> Vec<SystemIndex> {
        self.to.iter().copied().filter(|system| self.shared.outbox.is_open(*system)).collect()
    }

    fn take(&self, system: SystemIndex, run: RunId, groups: Vec<WriteGroup>) -> Vec<WriteGroup> {
        let Some(mut place) = self.shared.outbox.place(system).filter(|place| place.is_served)
        else {
            return groups;
        };
        place.writes += groups.iter().map(|group| group.writes.len()).sum::<usize>();
        // Before anybody can have delivered it.
        self.shared.outbox.runs().entry(run).or_default().waiting += 1;
        place.waiting.push((run, groups));
        drop(place);
        if let Some(wake) = self.shared.writer(system) {
            wake.notify_one();
        }
        Vec::new()
    }
}
