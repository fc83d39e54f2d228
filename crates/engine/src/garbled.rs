//! Edits that look as if they had been read in another character set are remembered per entity, from the
//! commit that takes them until nothing of them waits to be written: meanwhile the guards look at every
//! value.

use syncline_core::{
    change::Position,
    commit::{Checkpoint, Commit},
    error::PortError,
    name::EntityIndex,
    plan::Plan,
};

use crate::{desk::Desk, reconcile::reconcile};

/// Has a commit remember what it takes of them.
pub(crate) fn remember(plan: &Plan, commit: &mut Commit) {
    let marks = commit.garbled.iter().map(|entity| mark(plan, *entity, &[1]));
    commit.checkpoints.extend(marks);
}

/// Whether edits of this entity looked garbled, and may wait to be written.
pub(crate) async fn is_suspected(desk: &Desk<'_>, entity: EntityIndex) -> Result<bool, PortError> {
    let known = desk.store.checkpoint(&mark(desk.plan, entity, &[]).stream).await?;
    Ok(known.is_some_and(|position| !position.0.is_empty()))
}

/// Nothing of it waits any more.
pub(crate) async fn is_over(desk: &Desk<'_>, entity: EntityIndex) -> Result<(), PortError> {
    reconcile(desk, &[], vec![mark(desk.plan, entity, &[])]).await?;
    Ok(())
}

fn mark(plan: &Plan, entity: EntityIndex, said: &[u8]) -> Checkpoint {
    let name = plan.entity(entity).map_or("", |entity| &entity.name);
    Checkpoint { stream: format!("garbled:{name}").into(), position: Position(said.to_vec()) }
}
