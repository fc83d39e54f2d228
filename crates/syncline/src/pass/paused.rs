//! What a pass leaves out because somebody paused it, and how it says so.

use syncline_core::name::{EntityIndex, SystemIndex};
use syncline_ports::reader::Pause;

use crate::{report::Failure, session::Session, words};

/// What is paused now, of a pass.
#[derive(Default)]
pub(crate) struct Paused {
    /// Systems that are not written.
    pub(crate) closed: Vec<SystemIndex>,
    /// Entities that are read, and not written.
    pub(super) unwritten: Vec<EntityIndex>,
    pauses: Vec<Pause>,
}

/// Closes systems that are paused whole, and takes entities that are paused whole out of the order.
pub(crate) async fn leave_out(
    session: &mut Session,
    entities: &mut Vec<EntityIndex>,
) -> Result<Paused, Failure> {
    let mut paused = Paused::default();
    for pause in session.pauses().await? {
        if let Some(system) = session.plan.system_named(&pause.name) {
            if let (false, Some(place)) = (pause.writes_only, session.systems.get_mut(system.at()))
            {
                *place = None;
            }
            paused.closed.push(system);
            paused.pauses.push(pause);
        } else if let Some(entity) = session.plan.entity_named(&pause.name)
            && entities.contains(&entity)
        {
            if pause.writes_only {
                paused.unwritten.push(entity);
            } else {
                entities.retain(|other| *other != entity);
            }
            paused.pauses.push(pause);
        }
    }
    Ok(paused)
}

/// A line for each pause that this pass met: silence is not success.
pub(super) fn lines(paused: &Paused) -> Vec<String> {
    let line = |pause: &Pause| {
        let what = if pause.writes_only { "not written" } else { "neither read nor written" };
        let until = match pause.until {
            None => String::new(),
            Some(until) => format!(" until {}", words::time(until)),
        };
        format!(
            "paused  {name:<10}  {what}{until}. Next: syncline resume {name}",
            name = pause.name
        )
    };
    paused.pauses.iter().map(line).collect()
}

/// Entities that are paused whole.
pub(crate) async fn asleep(session: &Session) -> Result<Vec<EntityIndex>, Failure> {
    let pauses = session.pauses().await?.into_iter().filter(|pause| !pause.writes_only);
    Ok(pauses.filter_map(|pause| session.plan.entity_named(&pause.name)).collect())
}

/// An entity that was asked for by its name, and is paused whole, is a refusal.
pub(crate) async fn refuse(session: &Session, entities: &[EntityIndex]) -> Result<(), Failure> {
    match asleep(session).await?.into_iter().find(|entity| entities.contains(entity)) {
        None => Ok(()),
        Some(entity) => {
            let name = session.entity_name(entity);
            Err(Failure::new("run.paused", format!("{name} is paused"))
                .done("nothing was read or written")
                .fix(format!("syncline resume {name}")))
        }
    }
}
