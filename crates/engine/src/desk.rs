//! What every loop needs at hand: the plan, the store, the clock, and somebody who watches.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use syncline_core::{
    Text,
    commit::{AuditEvent, Commit},
    error::PortError,
    name::{BindingIndex, FieldIndex, OperationId, RunId, SystemIndex, Timestamp},
    plan::Plan,
};
use syncline_ports::{clock::Clock, reader::Work, source::Source, store::Store, target::Target};

use crate::{
    apply::Kinds,
    carry::{Carrier, Carrying},
    measure::{Found, Measure, Tally},
    pace::Paces,
    turns::{Numbers, Reads, Turns},
};

/// Shown to people while long work goes on.
pub trait Watch: Send + Sync {
    /// A whole read of this binding began, of about so many rows, as far as the system knows.
    fn scan_begins(&self, binding: BindingIndex, about: Option<u64>);
    /// It ended, complete or not.
    fn scan_ends(&self, binding: BindingIndex);
    /// So many more rows of this binding were read.
    fn read(&self, binding: BindingIndex, rows: u64);
    /// So many more rows were written to this system, of about so many.
    fn wrote(&self, system: SystemIndex, rows: u64);
    /// Some work of this run was done, from then to then.
    fn worked(&self, _run: RunId, _work: Work, _from: Timestamp, _to: Timestamp) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn scan_begins(&self, _binding: BindingIndex, _about: Option<u64>) {}
    fn scan_ends(&self, _binding: BindingIndex) {}
    fn read(&self, _binding: BindingIndex, _rows: u64) {}
    fn wrote(&self, _system: SystemIndex, _rows: u64) {}
}

/// The two doors of one system.
pub struct Ports {
    /// Reads.
    pub source: Box<dyn Source>,
    /// Writes.
    pub target: Box<dyn Target>,
}

/// One place per system of the plan; `None` where the system is not reached in this pass.
pub type Systems = Vec<Option<Ports>>;

/// What every loop needs at hand.
pub struct Desk<'a> {
    /// The configuration, compiled.
    pub plan: &'a Plan,
    /// The hub.
    pub store: &'a dyn Store,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub watch: &'a dyn Watch,
    /// Set from outside: finish what is in flight, then stop.
    pub stop: &'a AtomicBool,
    /// Others in this process work on the same hub: whose turn it is.
    turns: Option<&'a Turns>,
    /// How fast systems may be written, where that is bounded.
    paces: Option<&'a Paces>,
    /// Who takes writes that are decided with their changes, and whether they are just now.
    carrier: Option<&'a dyn Carrier>,
    carries: AtomicBool,
    /// A hub that was restored learns again what it has forgotten, and hears all logs several times for that.
    relearns: bool,
    /// Who counts what is committed, and how it was found.
    measured: Option<(&'a dyn Measure, Found)>,
    /// The run that what happens now belongs to.
    run: AtomicU64,
    /// The hub's operation counter, as of the last commit or load seen here.
    operation: AtomicU64,
    /// The last numbers that decisions made here have taken, where nobody works beside it.
    numbers: Numbers,
    /// The first field that each run began to hold because it looked like a loop.
    suspected: Mutex<BTreeMap<RunId, AuditEvent>>,
    /// Why writes of each run were put off, until a later sweep makes them.
    put_off: Mutex<BTreeMap<(RunId, SystemIndex, Kinds), Text>>,
    /// Why each system did not answer the last question of each run that was asked by key.
    silent: Mutex<BTreeMap<(RunId, SystemIndex), Text>>,
    /// How many rows each run wrote of which a system holds something else in a field.
    altered: Mutex<BTreeMap<RunId, Altered>>,
}

/// Rows in which a system holds something else than it was given, by cell.
pub type Altered = BTreeMap<(BindingIndex, FieldIndex), u64>;

impl<'a> Desk<'a> {
    /// A desk for one run.
    pub fn new(
        plan: &'a Plan,
        store: &'a dyn Store,
        clock: &'a dyn Clock,
        watch: &'a dyn Watch,
        stop: &'a AtomicBool,
        run: RunId,
    ) -> Self {
        Self {
            plan,
            store,
            clock,
            watch,
            stop,
            turns: None,
            paces: None,
            carrier: None,
            carries: AtomicBool::new(false),
            relearns: false,
            measured: None,
            run: AtomicU64::new(run.0),
            operation: AtomicU64::new(0),
            numbers: Numbers::default(),
            suspected: Mutex::default(),
            put_off: Mutex::default(),
            silent: Mutex::default(),
            altered: Mutex::default(),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Some work was done since then, and has just ended.
    pub(crate) fn worked(&self, work: Work, from: Timestamp) {
        self.watch.worked(self.run(), work, from, self.now());
    }

    /// The same desk, beside others in this process that work on the same hub.
    #[must_use]
    pub fn beside(mut self, turns: Option<&'a Turns>) -> Self {
        self.turns = turns;
        self
    }

    /// The same desk, that writes and reads whole tables no faster than this.
    #[must_use]
    pub fn paced(mut self, paces: Option<&'a Paces>) -> Self {
        self.paces = paces;
        self
    }

    /// The same desk, whose decisions about rows that were heard of carry their writes.
    #[must_use]
    pub fn carried_by(mut self, carrier: Option<&'a dyn Carrier>) -> Self {
        self.carrier = carrier;
        self
    }

    /// The same desk of a hub that was restored from an older backup, while all logs are heard until nothing more is
    /// learnt by it ([`syncline_core::step::Batch::relearning`]).
    #[must_use]
    pub fn relearning(mut self) -> Self {
        self.relearns = true;
        self
    }

    /// Whether it is.
    pub(crate) fn relearns(&self) -> bool {
        self.relearns
    }

    /// The same desk, whose commits are counted; what they decide about was done by a person.
    #[must_use]
    pub fn measured(mut self, measure: Option<&'a dyn Measure>) -> Self {
        self.measured = measure.map(|measure| (measure, Found::Person));
        self
    }

    /// The same desk: what it decides about was found in this way.
    #[must_use]
    pub fn found(mut self, how: Found) -> Self {
        if let Some((_, known)) = &mut self.measured {
            *known = how;
        }
        self
    }

    /// Counts this commit, if anybody wants to know.
    pub(crate) fn tally(&self, commit: &Commit) -> Option<Tally> {
        self.measured.map(|(measure, _)| Tally::of(self.plan, commit, measure.follows()))
    }

    /// A commit that was counted was made.
    pub(crate) fn committed(&self, tally: Option<Tally>) {
        if let Some(((measure, how), tally)) = self.measured.zip(tally) {
            measure.committed(self.plan, how, &tally);
        }
    }

    /// Who takes writes that are decided with their changes.
    pub(crate) fn carrier(&self) -> Option<&'a dyn Carrier> {
        self.carrier
    }

    /// From now on, until what this gives is dropped, decisions carry their writes.
    pub(crate) fn carry(&self) -> Carrying<'_> {
        Carrying::begin(&self.carries)
    }

    /// The systems that what is decided now is planned for at once.
    pub(crate) fn carries_to(&self) -> Vec<SystemIndex> {
        let carrier = self.carrier.filter(|_| self.carries.load(Ordering::Relaxed));
        carrier.map(Carrier::open).unwrap_or_default()
    }

    /// Tables of these bindings are about to be read, until what this gives is dropped.
    pub(crate) fn reads(&self, bindings: &[BindingIndex]) -> Option<Reads<'a>> {
        let systems = bindings.iter().filter_map(|it| Some(self.plan.binding(*it)?.system));
        self.turns.map(|turns| turns.reads(systems.collect()))
    }

    /// Whether somebody beside reads tables of this binding's system.
    pub(crate) fn is_read(&self, binding: BindingIndex) -> bool {
        let system = self.plan.binding(binding).map(|found| found.system);
        self.turns.zip(system).is_some_and(|(turns, system)| turns.is_read(system))
    }

    /// How fast systems may be written.
    pub(crate) fn paces(&self) -> Option<&'a Paces> {
        self.paces
    }

    /// So many rows of a table that is read whole are there: rests as long as its system asks for.
    pub(crate) async fn read_whole(&self, binding: BindingIndex, rows: usize) {
        let system = self.plan.binding(binding).map(|found| found.system);
        if let Some((paces, system)) = self.paces.zip(system) {
            paces.read(system, rows, || self.is_stopping()).await;
        }
    }

    /// Whose turn it is, where there are others.
    pub(crate) fn turns(&self) -> Option<&'a Turns> {
        self.turns
    }

    /// The run that what happens now belongs to.
    pub fn run(&self) -> RunId {
        RunId(self.run.load(Ordering::Relaxed))
    }

    /// What happens from now on belongs to this run.
    pub fn set_run(&self, run: RunId) {
        self.run.store(run.0, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Remembers the first loop that was committed in the present run.
    pub(crate) fn saw_loop(&self, event: Option<AuditEvent>) {
        if let Some(event) = event {
            let mut known = self.suspected.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(self.run()).or_insert(event);
        }
    }

    /// The first field that this run began to hold because it looked like a loop.
    pub(crate) fn suspected(&self, run: RunId) -> Option<AuditEvent> {
        self.suspected.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned()
    }

    /// Remembers why the last sweep of the present run could not write, or that it could.
    pub(crate) fn saw_put_off(&self, system: SystemIndex, kinds: Kinds, reason: Option<Text>) {
        let mut known = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (self.run(), system, kinds);
        match reason {
            Some(reason) => known.insert(place, reason),
            None => known.remove(&place),
        };
    }

    /// Remembers why a system did not answer a question of the present run, or that it did.
    pub(crate) fn saw_silence(&self, system: SystemIndex, error: Option<&PortError>) {
        let mut known = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (self.run(), system);
        match error {
            Some(error) => {
                let reason = format!("{}: {error}", error.kind.remedy().code);
                known.insert(place, Text::new(reason))
            }
            None => known.remove(&place),
        };
    }

    /// Systems in which writes of this run are still put off, or of which it could not learn what
    /// became of them, and why.
    pub(crate) fn put_off(&self, run: RunId) -> BTreeMap<SystemIndex, Text> {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = silent.iter().filter(|((found, _), _)| *found == run);
        let mut all: BTreeMap<SystemIndex, Text> =
            silent.map(|((_, system), reason)| (*system, reason.clone())).collect();
        let known = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let own = known.iter().filter(|((found, ..), _)| *found == run);
        all.extend(own.map(|((_, system, _), reason)| (*system, reason.clone())));
        all
    }

    /// Counts cells that a system holds otherwise than it was given, in the present run.
    pub(crate) fn saw_altered(&self, binding: BindingIndex, fields: &[FieldIndex]) {
        if fields.is_empty() {
            return;
        }
        let mut altered = self.altered.lock().unwrap_or_else(PoisonError::into_inner);
        let of_run = altered.entry(self.run()).or_default();
        for field in fields {
            *of_run.entry((binding, *field)).or_default() += 1;
        }
    }

    /// Which cells a system holds otherwise than this run gave them.
    pub(crate) fn altered(&self, run: RunId) -> Altered {
        let altered = self.altered.lock().unwrap_or_else(PoisonError::into_inner);
        altered.get(&run).cloned().unwrap_or_default()
    }

    /// The numbers that decisions on this hub have taken.
    pub(crate) fn numbers(&self) -> &Numbers {
        self.turns.map_or(&self.numbers, |turns| &turns.numbers)
    }

    /// Remembers how far the hub's operations are.
    pub(crate) fn saw_operation(&self, operation: OperationId) {
        self.operation.fetch_max(operation.0, Ordering::Relaxed);
    }

    /// The hub's operation now: what a batch of reads begins at.
    ///
    /// # Errors
    /// The store's, the first time.
    pub async fn operation(&self) -> Result<OperationId, PortError> {
        let known = self.operation.load(Ordering::Relaxed);
        if known > 0 {
            return Ok(OperationId(known));
        }
        let working = self.store.load(&syncline_core::commit::Wants::default()).await?;
        self.saw_operation(working.operation);
        Ok(working.operation)
    }
}

/// The door to this system, if it is open in this pass.
pub(crate) fn ports(systems: &mut Systems, system: SystemIndex) -> Option<&mut Ports> {
    systems.get_mut(system.at()).and_then(Option::as_mut)
}
