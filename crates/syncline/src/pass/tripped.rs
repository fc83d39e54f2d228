//! Guards that tripped in a pass: put on record, and into words.

use std::collections::BTreeMap;

use syncline_core::{Text, guard, name::BindingIndex};
use syncline_engine::{
    capture::Mode,
    pass::{EntityPassed, Tripped},
};
use syncline_ports::reader::{Guard, Number, Reader as _};

use crate::{
    measure,
    pass::{Halves, Order},
    report::Failure,
    session::Session,
    words,
};

/// Puts a guard on record, and counts it if it was not there; its number.
pub(crate) async fn put_on_record(session: &Session, guard: &Guard) -> Result<Number, Failure> {
    let known = session.hub.guards(false).await?;
    let number = session.hub.trip_guard(guard).await?;
    if known.iter().all(|it| it.number != number) {
        let (entity, system) =
            (session.entity_name(guard.entity), session.system_name(guard.system));
        measure::with(|it| it.tripped(entity, system, &guard.code));
    }
    Ok(number)
}

/// Puts a guard that tripped on record; the refusal to show.
pub(crate) async fn record(
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
                user: Text::default(),
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
                user: Text::default(),
            };
            (guard, session.system_name(*system).to_owned())
        }
    };
    let number = put_on_record(session, &guard).await?;
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
        ("guard.mass_blank", _) => (
            format!(
                "a field of {count} of {linked} rows of {entity} in {system_name} would be emptied (limit {max})"
            ),
            "nothing was written for this entity",
        ),
        ("guard.corrupt_values", _) => (
            format!(
                "{count} values of {entity} that {system_name} would be given look corrupted: they are what another character set makes of what is there (limit {max})"
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
    Ok(Failure::new(guard.code.as_str(), message).cause(cause(&guard.code)).done(done).fix(
        format!(
            "syncline guards show {number}; then syncline guards apply {number}, syncline guards reverse {number} or syncline guards dismiss {number}"
        ),
    ))
}

/// The usual causes, in half a sentence; the page of the code has them at length.
fn cause(code: &str) -> &'static str {
    match code {
        "guard.empty_source" => "an outage, an emptied table, another database or a filter",
        "guard.mass_update" => {
            "a bulk edit or an import, or a column that is now written otherwise"
        }
        "guard.corrupt_values" => {
            "a character set was changed in the system they come from, or in its last import"
        }
        "guard.mass_blank" => {
            "a column that an import or a migration emptied, or one that is no longer shown"
        }
        _ => "a truncation, a wrong filter or database, a restore in progress, or a clean-up",
    }
}

/// Settles guards whose reason is gone: the pass looked again, completely, and did not trip.
pub(super) async fn settle(
    session: &Session,
    report: &EntityPassed,
    order: &Order<'_>,
    modes: &BTreeMap<BindingIndex, Mode>,
) -> Result<(), Failure> {
    let plan = &session.plan;
    if order.halves != Halves::Both || !report.failures.is_empty() || !report.tripped.is_empty() {
        return Ok(());
    }
    for guard in session.hub.guards(false).await? {
        if guard.code == guard::USER || guard.code == guard::RESTORED {
            // What the one holds says whether it is over; the other is for a person to say.
            continue;
        }
        let mut seen = modes.iter().filter(|(binding, _)| {
            plan.binding(**binding).is_some_and(|found| {
                found.system == guard.system && plan.root_of(found.entity) == report.entity
            })
        });
        let is_whole = |(binding, mode): (&BindingIndex, &Mode)| {
            *mode == Mode::Scan && report.complete.contains(binding)
        };
        if guard.entity == report.entity && seen.all(is_whole) {
            let was_let_through = match guard.code.as_str() {
                "guard.mass_update" => order.allow.updates,
                // Nothing but a decision lets these through.
                "guard.mass_blank" | "guard.corrupt_values" => false,
                _ => order.allow.deletes,
            };
            let state = if was_let_through { "applied" } else { "over" };
            session.hub.settle_guard(guard.number, state, &session.who).await?;
        }
    }
    Ok(())
}
