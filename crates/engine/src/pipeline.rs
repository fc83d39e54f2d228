//! Loop 2 over many batches: while one is committed, the next is decided.
//!
//! The commit waits for the disk and the step for the processor, so both go on at once. That is
//! only done where it makes no difference: a batch that asks for anything the commit under way
//! touches waits until it is made ([`Footprint`]), and so does one that comes after a batch whose
//! rows must be read again. Commits are made in the order of their batches, one at a time.

use futures_util::future::{self, BoxFuture, MaybeDone};
use syncline_core::{
    change::{Effect, Input},
    commit::{AuditEvent, Checkpoint, Commit, Wants, Working},
    error::PortError,
    footprint::Footprint,
    name::OperationId,
    step::Batch,
};
use syncline_ports::{reader::Work, store::CommitError};

use crate::{
    desk::Desk,
    garbled,
    measure::Tally,
    reconcile::{Attempt, Beside, Decided, attempt, decide, first_loop, hold, reads, reconcile},
};

/// Batches on their way into the hub.
pub(crate) struct Pipeline<'d, 'a> {
    desk: &'d Desk<'a>,
    under_way: Option<UnderWay<'d>>,
}

/// A batch that is decided, and whose commit was handed in.
struct UnderWay<'d> {
    commit: MaybeDone<BoxFuture<'d, Result<(), CommitError>>>,
    footprint: Footprint,
    decided: Decided,
    operation: OperationId,
    suspected: Option<AuditEvent>,
    tally: Option<Tally>,
    /// To be decided again if others changed the same groups.
    inputs: Vec<Input>,
    checkpoints: Vec<Checkpoint>,
}

impl<'d, 'a> Pipeline<'d, 'a> {
    /// Nothing is on its way.
    pub(crate) fn new(desk: &'d Desk<'a>) -> Self {
        Self { desk, under_way: None }
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_none()
    }

    /// Decides these inputs and hands in their commit, with how far the source was read. Gives what
    /// is durable by now, of this batch or of the one before: its effects may happen.
    ///
    /// # Errors
    /// The store's. Nothing that was not given back is certain then, and no effect of it may happen.
    pub(crate) async fn push(
        &mut self,
        inputs: Vec<Input>,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Decided, PortError> {
        if self.desk.turns().is_some() {
            // Nothing is left under way when another's turn comes.
            return reconcile(self.desk, &inputs, checkpoints).await;
        }
        let from = self.desk.now();
        let decided = self.pushing(inputs, checkpoints).await;
        self.desk.worked(Work::Merge, from);
        decided
    }

    async fn pushing(
        &mut self,
        inputs: Vec<Input>,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Decided, PortError> {
        let mut durable = Decided::default();
        let (commit, effects) = match self.under_way.take() {
            None => decide(self.desk, &inputs).await?,
            Some(mut before) => {
                let mut batch = Batch::new(&inputs).relearning(self.desk.relearns());
                let wants = batch.wants(self.desk.plan);
                let footprint = Beside::Commit(&before.footprint);
                let beside = attempt(self.desk, &mut batch, Working::default(), wants, footprint);
                let ((), attempted) = future::join(&mut before.commit, beside).await;
                match before.settle(self.desk).await? {
                    Settled::AsDecided(decided) => {
                        durable.absorb(decided);
                        match attempted? {
                            Attempt::Made(commit, effects) => (*commit, effects),
                            Attempt::Met(working, wants) => {
                                self.go_on(&inputs, &mut batch, *working, wants).await?
                            }
                        }
                    }
                    Settled::Otherwise(decided) => {
                        durable.absorb(decided);
                        decide(self.desk, &inputs).await?
                    }
                }
            }
        };
        let reads = durable.effects.iter().chain(&effects).any(reads);
        // Where the one before is put off, no place behind it is durable either.
        let is_behind = !durable.held.is_empty();
        self.hand_in(commit, effects, inputs, checkpoints, is_behind).await;
        // What is read by key is decided by itself: nothing may be on its way beside it.
        if reads {
            durable.absorb(self.finish().await?);
        }
        Ok(durable)
    }

    /// Waits for the commit that is under way, if one is, and gives what it came to.
    ///
    /// # Errors
    /// The store's, as with [`Pipeline::push`].
    pub(crate) async fn finish(&mut self) -> Result<Decided, PortError> {
        let Some(mut last) = self.under_way.take() else { return Ok(Decided::default()) };
        let from = self.desk.now();
        (&mut last.commit).await;
        self.desk.worked(Work::Merge, from);
        match last.settle(self.desk).await? {
            Settled::AsDecided(decided) | Settled::Otherwise(decided) => Ok(decided),
        }
    }

    async fn go_on(
        &self,
        inputs: &[Input],
        batch: &mut Batch<'_>,
        working: Working,
        wants: Wants,
    ) -> Result<(Commit, Vec<Effect>), PortError> {
        match attempt(self.desk, batch, working, wants, Beside::Nothing).await? {
            Attempt::Made(commit, effects) => Ok((*commit, effects)),
            Attempt::Met(..) => decide(self.desk, inputs).await,
        }
    }

    async fn hand_in(
        &mut self,
        mut commit: Commit,
        effects: Vec<Effect>,
        inputs: Vec<Input>,
        checkpoints: Vec<Checkpoint>,
        is_behind: bool,
    ) {
        commit.run = self.desk.run();
        let (durable, mut held) = hold(&effects, checkpoints.clone());
        commit.checkpoints = if is_behind { Vec::new() } else { durable };
        if is_behind {
            held.clone_from(&checkpoints);
        }
        garbled::remember(self.desk.plan, &mut commit);
        let footprint = Footprint::of(&commit);
        let decided = Decided { effects, ledger: commit.ledger.clone(), held };
        let (operation, suspected) = (commit.operation, first_loop(&commit));
        let tally = self.desk.tally(&commit);
        let mut commit = future::maybe_done(self.desk.store.commit(commit));
        // Whether it is made by now is seen when the next one comes: this only sets it going.
        let _ = futures_util::poll!(&mut commit);
        self.under_way = Some(UnderWay {
            commit,
            footprint,
            decided,
            operation,
            suspected,
            tally,
            inputs,
            checkpoints,
        });
    }
}

/// How a commit that was under way came out.
enum Settled {
    /// As it was decided.
    AsDecided(Decided),
    /// Others had changed its groups: it was decided anew, and perhaps touches others.
    Otherwise(Decided),
}

impl UnderWay<'_> {
    /// What the commit came to, once it has an answer.
    async fn settle(mut self, desk: &Desk<'_>) -> Result<Settled, PortError> {
        match std::pin::Pin::new(&mut self.commit).take_output() {
            Some(Ok(())) => {
                desk.saw_operation(self.operation);
                desk.saw_loop(self.suspected);
                desk.committed(self.tally);
                Ok(Settled::AsDecided(self.decided))
            }
            Some(Err(CommitError::Store(error))) => Err(error),
            Some(Err(CommitError::Stale(_))) | None => {
                reconcile(desk, &self.inputs, self.checkpoints).await.map(Settled::Otherwise)
            }
        }
    }
}
