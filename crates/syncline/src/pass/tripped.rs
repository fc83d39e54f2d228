//! Guards that tripped in a pass: put on record, and into words.

use syncline_engine::pass::{EntityPassed, Tripped};
use syncline_ports::reader::{Guard, Reader as _};

use crate::{report::Failure, session::Session, words};

/// Puts a guard that tripped on record; the refusal to show.
pub(super) async fn record(
    session: &Session,
    report: &EntityPassed,
    tripped: &Tripped,
) -> Result<Failure, Failure> {
    let entity = session.entity_name(report.entity).to_owned();
    let at = Session::now();
    let (guard, system_name) = match tripped {
        Tripped::Absences(held) => {
            let system = session.plan.binding(held.binding).map(|found| found.system);
            let Some(system) = system else {
                return Err(Failure::new(
                    "bug.unexpected",
                    "a guard tripped for a binding that is not there",
                ));
            };
            let guard = Guard {
                number: 0,
                code: held.code.into(),
                entity: report.entity,
                system,
                count: held.count,
                linked: held.linked,
                max: held.max,
                digest: held.digest,
                at,
                state: "open".into(),
                samples: held.samples.clone(),
            };
            (guard, session.system_name(system).to_owned())
        }
        Tripped::Planned { code, system, count, linked, max, digest, samples } => {
            let guard = Guard {
                number: 0,
                code: (*code).into(),
                entity: report.entity,
                system: *system,
                count: *count,
                linked: *linked,
                max: *max,
                digest: *digest,
                at,
                state: "open".into(),
                samples: samples.clone(),
            };
            (guard, session.system_name(*system).to_owned())
        }
    };
    let number = session.hub.trip_guard(&guard).await?;
    let (count, linked, max) =
        (words::count(guard.count), words::count(guard.linked), words::count(guard.max));
    let planned = matches!(tripped, Tripped::Planned { .. });
    let (message, done) = match (guard.code.as_str(), planned) {
        ("guard.empty_source", _) => (
            format!(
                "{system_name} showed 0 rows of {entity} where {linked} were known; treated as a failure, not as deletes"
            ),
            "no delete was passed on",
        ),
        ("guard.mass_update", _) => (
            format!(
                "{count} of {linked} rows of {entity} in {system_name} would be updated (limit {max})"
            ),
            "nothing was written for this entity",
        ),
        (_, true) => (
            format!(
                "{count} of {linked} rows of {entity} in {system_name} would be deleted (limit {max})"
            ),
            "nothing was written for this entity",
        ),
        (_, false) => (
            format!("{count} of {linked} {entity} disappeared from {system_name} (limit {max})"),
            "no delete was passed on; nothing was written for this entity",
        ),
    };
    Ok(Failure::new(guard.code.as_str(), message)
        .cause("see `syncline help CODE` for the usual ones")
        .done(done)
        .fix(format!(
            "syncline guards show {number}; then guards apply {number} or guards dismiss {number}"
        )))
}
