//! The loop guard in words: which field a run holds because the same cycle wrote it again and again.

use syncline_engine::pass::EntityPassed;
use syncline_ports::reader::Reader as _;

use crate::{address, report::Failure, session::Session};

/// The first field that this run began to hold, as a refusal with its way out.
pub(crate) async fn suspected(
    session: &Session,
    report: &EntityPassed,
) -> Result<Option<Failure>, Failure> {
    let Some(event) = &report.suspected else { return Ok(None) };
    let system = event.system.map(|system| session.system_name(system)).unwrap_or_default();
    let entity = session.entity_name(event.entity);
    let address = match (&event.key, session.hub.group(event.record).await?) {
        (Some(key), _) => format!("{entity}/{system}:{key}"),
        (None, Some(group)) => address::of(session, &group),
        (None, None) => format!("{entity}/{}", event.record),
    };
    let field = event
        .field
        .and_then(|field| session.plan.entity(event.entity)?.field(field))
        .map(|field| field.name.to_string())
        .unwrap_or_default();
    Ok(Some(
        Failure::new(
            "guard.loop_suspected",
            format!("{field} of {address} was changed in {system} again and again after our writes (infinite loop)"),
        )
        .cause(format!("{system} rewrites what it receives (triggers, rules), or another tool also synchronises this table"))
        .done("this field of this record is held; everything else continues")
        .fix(format!("say how {system} writes {field} in its cell; then syncline resume {address}")),
    ))
}
