//! Systems are written side by side: one that is slow, or does not answer, keeps no other waiting.
//!
//! Each is written by somebody with its doors alone, as by the writers of a daemon; they take turns to decide. What
//! one would have to read from another system stays due, and is read when all doors are together again.

use futures_util::future;
use syncline_core::{
    error::PortError,
    name::{EntityIndex, RunId, SystemIndex},
};

use crate::{
    account::Account,
    apply::{self, Kinds, Written},
    desk::{Desk, Systems},
    pass::{EntityPassed, Errand},
    turns::Turns,
};

/// What is written of one entity to one system.
type Part = (SystemIndex, EntityIndex, Written, Account);

/// Writes what these entities need, in their order, to all systems. Entities of which a guard has tripped are left
/// out.
///
/// # Errors
/// The store's.
pub(super) async fn write(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    kinds: Kinds,
    reports: &mut [EntityPassed],
) -> Result<(), PortError> {
    let going = reports.iter().filter(|report| report.tripped.is_empty());
    let going: Vec<(EntityIndex, RunId)> = going.map(|it| (it.entity, it.run)).collect();
    let parts = if wait(desk, systems, errand, &going).await? > 1 {
        abreast(desk, systems, errand, kinds, &going).await
    } else {
        // With nobody beside, what is decided is committed while the next is decided.
        in_line(desk, systems, errand, kinds, &going).await
    }?;
    for (system, entity, written, account) in parts {
        let Some(report) = reports.iter_mut().find(|it| it.entity == entity) else { continue };
        report.account.absorb(&account);
        report.written.entry(system).or_default().absorb(written);
    }
    Ok(())
}

/// In how many systems rows wait to be written: two are as good as more.
async fn wait(
    desk: &Desk<'_>,
    systems: &Systems,
    errand: &Errand<'_>,
    going: &[(EntityIndex, RunId)],
) -> Result<usize, PortError> {
    let mut found = 0;
    for system in open(systems) {
        for (entity, _) in going {
            if found < 2
                && is_written(desk, errand, *entity, system)
                && !desk.store.behind(*entity, system, None, desk.now(), 1).await?.is_empty()
            {
                found += 1;
                break;
            }
        }
    }
    Ok(found)
}

/// One system after the other, entity by entity.
async fn in_line(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    kinds: Kinds,
    going: &[(EntityIndex, RunId)],
) -> Result<Vec<Part>, PortError> {
    let mut parts = Vec::new();
    for (entity, run) in going {
        desk.set_run(*run);
        let bindings = desk.plan.entity(*entity).map(|found| found.bindings.as_slice());
        for binding in bindings.unwrap_or_default() {
            let system = desk.plan.binding(*binding).map(|found| found.system);
            let Some(system) = system.filter(|it| !errand.closed.contains(it)) else { continue };
            let (written, account) =
                apply::apply(desk, systems, *entity, system, kinds, errand.chooses).await?;
            parts.push((system, *entity, written, account));
        }
    }
    Ok(parts)
}

/// All systems at once, each entity by entity.
async fn abreast(
    desk: &Desk<'_>,
    systems: &mut Systems,
    errand: &Errand<'_>,
    kinds: Kinds,
    going: &[(EntityIndex, RunId)],
) -> Result<Vec<Part>, PortError> {
    let own = Turns::default();
    let turns = desk.turns().unwrap_or(&own);
    let mut lanes = Vec::new();
    for system in open(systems) {
        let mut doors: Systems = systems.iter().map(|_| None).collect();
        if let (Some(place), Some(open)) =
            (doors.get_mut(system.at()), systems.get_mut(system.at()))
        {
            *place = open.take();
        }
        let desk = desk.abreast(turns);
        lanes.push(async move {
            let written = lane(&desk, &mut doors, errand, kinds, (system, going)).await;
            (system, doors, written)
        });
    }
    let (mut parts, mut failed) = (Vec::new(), None);
    for (system, mut doors, written) in future::join_all(lanes).await {
        if let (Some(place), Some(open)) =
            (systems.get_mut(system.at()), doors.get_mut(system.at()))
        {
            *place = open.take();
        }
        match written {
            Ok(written) => parts.extend(written),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(parts), Err)
}

/// What one system needs.
async fn lane(
    desk: &Desk<'_>,
    doors: &mut Systems,
    errand: &Errand<'_>,
    kinds: Kinds,
    (system, going): (SystemIndex, &[(EntityIndex, RunId)]),
) -> Result<Vec<Part>, PortError> {
    let mut parts = Vec::new();
    for (entity, run) in going {
        if is_written(desk, errand, *entity, system) {
            desk.set_run(*run);
            let (written, account) =
                apply::apply(desk, doors, *entity, system, kinds, errand.chooses).await?;
            parts.push((system, *entity, written, account));
        }
    }
    Ok(parts)
}

/// Whether this entity lives in a system that may be written.
fn is_written(
    desk: &Desk<'_>,
    errand: &Errand<'_>,
    entity: EntityIndex,
    system: SystemIndex,
) -> bool {
    let bindings = desk.plan.entity(entity).map(|found| found.bindings.as_slice());
    let mut systems = bindings.unwrap_or_default().iter().filter_map(|it| desk.plan.binding(*it));
    !errand.closed.contains(&system) && systems.any(|found| found.system == system)
}

/// The systems whose doors are open.
fn open(systems: &Systems) -> Vec<SystemIndex> {
    let places = systems.iter().enumerate().filter(|(_, place)| place.is_some());
    places.filter_map(|(at, _)| u16::try_from(at).ok().map(SystemIndex)).collect()
}
