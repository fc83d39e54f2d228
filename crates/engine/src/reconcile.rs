//! Loop 2: inputs in, one commit out. The only caller of the core's `step`.
//! (`pipeline.rs` does the same for many batches in a row.)

use std::collections::BTreeMap;

use syncline_core::{
    change::{Effect, Input},
    commit::{AuditEvent, AuditKind, Checkpoint, Commit, Ledger, Wants, Working},
    error::{ErrorKind, PortError},
    footprint::Footprint,
    group::Group,
    mutant::Mutant,
    name::RecordId,
    step::{self, Batch, Step},
};
use syncline_ports::{reader::Work, store::CommitError};

use crate::{desk::Desk, garbled, turns::Turn};

/// What a batch of inputs came to, after its commit.
#[derive(Debug, Default)]
pub struct Decided {
    /// What must happen outside now.
    pub effects: Vec<Effect>,
    /// What became of the observations.
    pub ledger: Ledger,
    /// How far sources were read, where these effects have yet to be decided: what is put off is heard again
    /// by whoever comes after a crash.
    pub held: Vec<Checkpoint>,
}

impl Decided {
    /// Adds what the next batch came to.
    pub(crate) fn absorb(&mut self, next: Self) {
        self.effects.extend(next.effects);
        self.ledger.absorb(&next.ledger);
        self.held.extend(next.held);
    }
}

/// What of these positions is durable with a decision, and what only once its effects are decided, too.
pub(crate) fn hold(
    effects: &[Effect],
    checkpoints: Vec<Checkpoint>,
) -> (Vec<Checkpoint>, Vec<Checkpoint>) {
    if effects.iter().any(reads) { (Vec::new(), checkpoints) } else { (checkpoints, Vec::new()) }
}

/// Whether the effect asks for something to be looked at before anything else is decided.
pub(crate) fn reads(effect: &Effect) -> bool {
    match effect {
        Effect::Read { .. } | Effect::ReadMarks { .. } | Effect::Again(_) => true,
        Effect::Write { .. } | Effect::Later { .. } | Effect::BlockedOn { .. } => false,
    }
}

/// How often a step may ask for more before this counts as a defect of the core.
const ROUNDS_MAX: usize = 64;
/// How often a commit may find its groups changed by somebody else.
const STALE_MAX: usize = 16;

/// Decides what these inputs mean and commits it, together with how far the source was read, unless
/// something of it is put off ([`Decided::held`]).
///
/// # Errors
/// The store's. Nothing was committed then, and no effect may happen.
pub async fn reconcile(
    desk: &Desk<'_>,
    inputs: &[Input],
    checkpoints: Vec<Checkpoint>,
) -> Result<Decided, PortError> {
    let from = desk.now();
    let decided = reconciled(desk, inputs, checkpoints, Working::default()).await;
    desk.worked(Work::Merge, from);
    decided
}

/// The same for whoever has just loaded these groups: they are not loaded again, unless somebody changes
/// them meanwhile.
///
/// # Errors
/// As [`reconcile`].
pub async fn reconcile_loaded(
    desk: &Desk<'_>,
    inputs: &[Input],
    groups: BTreeMap<RecordId, Group>,
) -> Result<Decided, PortError> {
    let groups = groups.into_iter().map(|(record, group)| (record, Some(group))).collect();
    let from = desk.now();
    let loaded = Working { groups, ..Working::default() };
    let decided = reconciled(desk, inputs, Vec::new(), loaded).await;
    desk.worked(Work::Merge, from);
    decided
}

async fn reconciled(
    desk: &Desk<'_>,
    inputs: &[Input],
    checkpoints: Vec<Checkpoint>,
    mut loaded: Working,
) -> Result<Decided, PortError> {
    for _ in 0..STALE_MAX {
        let turn = match desk.turns() {
            Some(turns) => Some(turns.take().await),
            None => None,
        };
        let loaded = std::mem::take(&mut loaded);
        let (mut commit, effects) = decide_in(desk, inputs, turn.as_ref(), loaded).await?;
        commit.run = desk.run();
        let (durable, held) = hold(&effects, checkpoints.clone());
        commit.checkpoints = durable;
        garbled::remember(desk.plan, &mut commit);
        let (ledger, operation) = (commit.ledger.clone(), commit.operation);
        let (suspected, tally) = (first_loop(&commit), desk.tally(&commit));
        // Others may decide about other records while this is committed.
        let _under_way = match turn {
            Some(turn) => Some(turn.decided(&commit).await),
            None => None,
        };
        // One commit is the input's fate: state, audit, intents and checkpoint, or nothing.
        match desk.store.commit(commit).await {
            Ok(()) => {
                desk.saw_operation(operation);
                desk.saw_loop(suspected);
                desk.committed(tally);
                return Ok(Decided { effects, ledger, held });
            }
            // Somebody else changed these groups since we read them: look again, decide again.
            Err(CommitError::Stale(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Err(PortError::new(
        ErrorKind::Unexpected,
        "commit to the hub",
        "the same groups keep changing under us",
    ))
}

/// Decides without committing: what *would* happen. Used by previews.
///
/// # Errors
/// The store's.
pub async fn decide(desk: &Desk<'_>, inputs: &[Input]) -> Result<(Commit, Vec<Effect>), PortError> {
    decide_in(desk, inputs, None, Working::default()).await
}

/// Decides in this turn, if there are others, from these groups and what else it needs.
async fn decide_in(
    desk: &Desk<'_>,
    inputs: &[Input],
    turn: Option<&Turn<'_>>,
    loaded: Working,
) -> Result<(Commit, Vec<Effect>), PortError> {
    let carried_to = desk.carries_to();
    let mut batch = Batch::new(inputs).carried_to(&carried_to).relearning(desk.relearns());
    let mut wants = batch.wants(desk.plan);
    wants.records.retain(|record| !loaded.groups.contains_key(record));
    match attempt(desk, &mut batch, loaded, wants, Beside::from(turn)).await? {
        Attempt::Made(commit, effects) => Ok((*commit, effects)),
        Attempt::Met(..) => Err(PortError::new(ErrorKind::Unexpected, "decide", NO_COMMIT)),
    }
}

const NO_COMMIT: &str = "it met a commit although none is under way";

/// What is committed while something is decided.
#[derive(Clone, Copy)]
pub(crate) enum Beside<'a> {
    /// Nothing.
    Nothing,
    /// One's own last decision.
    Commit(&'a Footprint),
    /// What others have decided, whose turn was before.
    Others(&'a Turn<'a>),
}

impl<'a> From<Option<&'a Turn<'a>>> for Beside<'a> {
    fn from(turn: Option<&'a Turn<'a>>) -> Self {
        turn.map_or(Self::Nothing, Self::Others)
    }
}

/// What an attempt to decide came to.
pub(crate) enum Attempt {
    /// The decision.
    Made(Box<Commit>, Vec<Effect>),
    /// What it has loaded, and what it must load next, which the commit under way touches.
    Met(Box<Working>, Wants),
}

/// Decides from what was loaded so far and these wants, as far as it asks for nothing that the
/// commit under way touches.
///
/// # Errors
/// The store's.
pub(crate) async fn attempt(
    desk: &Desk<'_>,
    batch: &mut Batch<'_>,
    mut working: Working,
    mut wants: Wants,
    beside: Beside<'_>,
) -> Result<Attempt, PortError> {
    for _ in 0..ROUNDS_MAX {
        match beside {
            _ if desk.plan.is_mutant(Mutant::BesideTheCommit) => {}
            Beside::Nothing => {}
            Beside::Commit(footprint) => {
                if footprint.meets(&wants) {
                    return Ok(Attempt::Met(Box::new(working), wants));
                }
            }
            Beside::Others(turn) => turn.see(&wants).await,
        }
        working.absorb(desk.store.load(&wants).await?);
        // The numbers that a commit under way has taken are not in the hub yet.
        desk.numbers().number(&mut working);
        match step::step(desk.plan, &mut working, desk.now(), batch) {
            Step::Need(more) => wants = more,
            Step::Done { commit, effects } => {
                desk.numbers().numbered(&commit);
                return Ok(Attempt::Made(commit, effects));
            }
        }
    }
    Err(PortError::new(ErrorKind::Unexpected, "decide", "the step keeps asking for more"))
}

/// The first field that this commit begins to hold because it looks like a loop.
pub(crate) fn first_loop(commit: &Commit) -> Option<AuditEvent> {
    commit.audit.iter().find(|event| event.kind == AuditKind::LoopSuspected).cloned()
}
