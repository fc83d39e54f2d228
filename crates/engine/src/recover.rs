//! After a crash: every intent that was sent and never answered is in doubt, and is asked about
//! before anything else happens on its link.

use std::collections::BTreeSet;

use syncline_core::{
    change::{Input, RestoreChoice, Restored, RowKey},
    error::PortError,
    name::{BindingIndex, EntityIndex, RecordId, SystemIndex},
};
use syncline_ports::reader::Reader;

use crate::{
    account::Account,
    desk::{Desk, Systems},
    pass, read,
    reconcile::reconcile,
};

/// Intents per commit.
const CHUNK: usize = 1_000;

/// Puts all unanswered intents in doubt, and asks the systems that can be reached. Returns how many
/// there were.
///
/// # Errors
/// The store's.
pub async fn recover(desk: &Desk<'_>, systems: &mut Systems) -> Result<u64, PortError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let unanswered = desk.store.unanswered(after, CHUNK).await?;
        let Some((last, _, _)) = unanswered.last() else {
            return Ok(count);
        };
        after = Some(*last);
        count += unanswered.len() as u64;
        let mut records: Vec<RecordId> = unanswered.iter().map(|(_, _, record)| *record).collect();
        records.sort_unstable();
        records.dedup();
        let inputs: Vec<Input> =
            records.into_iter().map(|record| Input::Recovered { record }).collect();
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        read::settle(desk, systems, decided.effects, &mut Account::default()).await?;
    }
}

/// The hub was restored from an older copy: no row is where it says, before it was read again. Reads
/// what can be asked for by key; a complete look at every system comes after this, and before anything is
/// written. Begun again after a crash, it does the same.
///
/// # Errors
/// The store's, or a source's.
pub async fn restored(
    desk: &Desk<'_>,
    hub: &dyn Reader,
    systems: &mut Systems,
) -> Result<u64, PortError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let records = hub.record_ids(after, CHUNK).await?;
        let Some(last) = records.last() else { return Ok(count) };
        after = Some(*last);
        count += records.len() as u64;
        let choice = RestoreChoice::Accept;
        let restored =
            records.iter().map(|record| Restored { system: None, record: *record, choice });
        let inputs: Vec<Input> = restored.map(Input::Restored).collect();
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        read::settle(desk, systems, decided.effects, &mut Account::default()).await?;
    }
}

/// A system was restored to an older state, and what it shows now counts as what its users have made: no row
/// of this entity and its lists is there where it says, before it was read again. Reads what can be asked for
/// by key; a complete look at the system comes after this. Begun again after a crash, it does the same.
///
/// # Errors
/// The store's, or the source's.
pub async fn system_restored(
    desk: &Desk<'_>,
    hub: &dyn Reader,
    systems: &mut Systems,
    (entity, system): (EntityIndex, SystemIndex),
) -> Result<(), PortError> {
    let bindings = pass::bindings(desk.plan, entity).into_iter();
    let its = |it: &BindingIndex| desk.plan.binding(*it).is_some_and(|it| it.system == system);
    for binding in bindings.filter(its) {
        let mut after: Option<RowKey> = None;
        loop {
            let rows = hub.rows_of(binding, after.as_ref(), CHUNK).await?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            let records: BTreeSet<RecordId> = rows.into_iter().map(|(_, record)| record).collect();
            let choice = RestoreChoice::Accept;
            let restored =
                records.into_iter().map(|record| Restored { system: Some(system), record, choice });
            let inputs: Vec<Input> = restored.map(Input::Restored).collect();
            let decided = reconcile(desk, &inputs, Vec::new()).await?;
            read::settle(desk, systems, decided.effects, &mut Account::default()).await?;
        }
    }
    Ok(())
}
