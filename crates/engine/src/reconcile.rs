//! Loop 2: inputs in, one commit out. The only caller of the core's `step`.

use syncline_core::{
    change::{Effect, Input},
    commit::{AuditEvent, AuditKind, Checkpoint, Commit, Ledger},
    error::{ErrorKind, PortError},
    step::{self, Step},
};
use syncline_ports::store::CommitError;

use crate::desk::Desk;

/// What a batch of inputs came to, after its commit.
#[derive(Debug, Default)]
pub struct Decided {
    /// What must happen outside now.
    pub effects: Vec<Effect>,
    /// What became of the observations.
    pub ledger: Ledger,
}

/// How often a step may ask for more before this counts as a defect of the core.
const ROUNDS_MAX: usize = 64;
/// How often a commit may find its groups changed by somebody else.
const STALE_MAX: usize = 16;

/// Decides what these inputs mean and commits it, together with how far the source was read.
///
/// # Errors
/// The store's. Nothing was committed then, and no effect may happen.
pub async fn reconcile(
    desk: &Desk<'_>,
    inputs: &[Input],
    checkpoints: Vec<Checkpoint>,
) -> Result<Decided, PortError> {
    for _ in 0..STALE_MAX {
        let (mut commit, effects) = decide(desk, inputs).await?;
        commit.run = desk.run();
        commit.checkpoints.clone_from(&checkpoints);
        let (ledger, operation) = (commit.ledger.clone(), commit.operation);
        let suspected = first_loop(&commit);
        // One commit is the input's fate: state, audit, intents and checkpoint, or nothing.
        match desk.store.commit(commit).await {
            Ok(()) => {
                desk.saw_operation(operation);
                desk.saw_loop(suspected);
                return Ok(Decided { effects, ledger });
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
    let mut working = desk.store.load(&step::wants(desk.plan, inputs)).await?;
    for _ in 0..ROUNDS_MAX {
        match step::step(desk.plan, &mut working, desk.now(), inputs) {
            Step::Need(wants) => working.absorb(desk.store.load(&wants).await?),
            Step::Done { commit, effects } => return Ok((*commit, effects)),
        }
    }
    Err(PortError::new(ErrorKind::Unexpected, "decide", "the step keeps asking for more"))
}

fn first_loop(commit: &Commit) -> Option<AuditEvent> {
    commit.audit.iter().find(|event| event.kind == AuditKind::LoopSuspected).cloned()
}
