//! An entity lives in one more system, or its rows are matched by other rules: what its records lack there,
//! and by what they are found, is worked out before anything else is decided about them. So the pass that
//! follows links what is there, and creates what no row there turns out to be.

use syncline_core::{
    change::Input,
    error::PortError,
    name::{EntityIndex, RecordId, SystemIndex, Timestamp},
};
use syncline_ports::reader::Reader;

use crate::{desk::Desk, reconcile::reconcile};

/// Records per commit.
const CHUNK: usize = 1_000;

/// Works out what all records of an entity lack in a system that is new to it, if there is one, and by what
/// they are matched. Begun again after a crash, it leaves alone what it has done.
///
/// # Errors
/// The store's.
pub async fn renew(
    desk: &Desk<'_>,
    hub: &dyn Reader,
    entity: EntityIndex,
    system: Option<SystemIndex>,
) -> Result<(), PortError> {
    let mut after: Option<RecordId> = None;
    loop {
        let groups = hub.records(entity, after, CHUNK).await?;
        let Some(last) = groups.last().map(|group| group.id) else { return Ok(()) };
        let done = match system {
            Some(system) => {
                desk.store.behind(entity, system, after, Timestamp(i64::MAX), CHUNK).await?
            }
            None => Vec::new(),
        };
        let is_done = |record: RecordId| done.iter().any(|(known, _)| *known == record);
        let inputs: Vec<Input> = groups
            .iter()
            .filter(|group| !is_done(group.id))
            .map(|group| Input::Renew { record: group.id, system })
            .collect();
        reconcile(desk, &inputs, Vec::new()).await?;
        after = Some(last);
    }
}
