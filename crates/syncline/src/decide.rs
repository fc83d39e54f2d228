//! What a person decides, carried to the core: one command, one commit; the next run writes it.

use syncline_core::{
    change::{Command, Input},
    name::EntityIndex,
};
use syncline_engine::{desk::Unwatched, reconcile::reconcile};
use syncline_ports::reader::Reader as _;

use crate::{
    cli::Context,
    pass::{Depth, Halves, Order, Outcome},
    progress::Progress,
    report::Failure,
    session::Session,
};

/// Feeds commands to the core, in a run of their own.
pub(crate) async fn command(
    session: &Session,
    kind: &str,
    entity: EntityIndex,
    commands: Vec<Command>,
) -> Result<(), Failure> {
    let run = session.hub.begin_run(kind, "person", Some(entity), Session::now()).await?;
    let stop = session.stop.clone();
    let desk = Session::desk(&session.plan, &session.hub, &Unwatched, &stop, run);
    let inputs: Vec<Input> = commands.into_iter().map(Input::Command).collect();
    let result = reconcile(&desk, &inputs, Vec::new()).await;
    let (outcome, message) = match &result {
        Ok(_) => ("ok", String::new()),
        Err(error) => ("failed", error.to_string()),
    };
    session.hub.end_run(run, Session::now(), outcome, &message, &[]).await?;
    result?;
    Ok(())
}

/// Writes what the decision changed, and takes up what waited for it.
pub(crate) async fn carry_out(
    session: &mut Session,
    context: &Context,
    kind: &str,
    entities: Vec<EntityIndex>,
) -> Result<Outcome, Failure> {
    let mut roots: Vec<EntityIndex> =
        entities.into_iter().map(|entity| session.plan.root_of(entity)).collect();
    roots.sort_unstable();
    roots.dedup();
    let progress = Progress::new(kind, context.progress);
    let order = Order {
        kind,
        entities: roots,
        depth: Depth::Changes,
        allow: syncline_engine::pass::Allow::default(),
        allow_partial: false,
        chooses: None,
        halves: Halves::Both,
        beside: None,
    };
    crate::pass::run(session, order, &progress).await
}
