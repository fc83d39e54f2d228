//! The loop guard in words: which fields a run holds because the same cycle wrote them again and
//! again. It reads the history, and only of runs that took or held something.

use syncline_core::commit::{AuditKind, Disposition};
use syncline_engine::pass::EntityPassed;
use syncline_ports::reader::{HistoryFilter, Reader as _};

use crate::{address, report::Failure, session::Session};

/// The first field that this run began to hold, as a refusal with its way out.
pub(crate) async fn suspected(
    session: &Session,
    report: &EntityPassed,
) -> Result<Option<Failure>, Failure> {
    // A row of which one field is held and another flows counts as applied.
    if report.count(Disposition::Held) + report.count(Disposition::Applied) == 0 {
        return Ok(None);
    }
    let filter = HistoryFilter {
        record: None,
        run: Some(report.run),
        since: None,
        system: None,
        actor: None,
        limit: 100_000,
    };
    let entries = session.hub.history(&filter).await?;
    let loops = entries.iter().rev().map(|entry| &entry.event);
    let Some(event) = loops.into_iter().find(|event| event.kind == AuditKind::LoopSuspected) else {
        return Ok(None);
    };
    let system = event.system.map(|system| session.system_name(system)).unwrap_or_default();
    let entity = session.entity_name(event.entity);
    let address = match (&event.key, session.hub.group(event.record).await?) {
        (Some(key), _) => format!("{entity}/{system}:{key}"),
        (None, Some(group)) => address::of(session, &group),
        (None, None) => format!("{entity}/{}", address::short(event.record)),
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
