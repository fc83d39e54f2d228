//! Columns of a system are gone, or are there again: what each record lacks there is worked out anew, before anything else
//! is decided about it.

use std::sync::Arc;

use syncline_core::{
    change::{Drifted, Input},
    error::PortError,
    index,
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, SystemIndex},
};
use syncline_ports::reader::Reader;

use crate::{desk::Desk, reconcile::reconcile};

/// Records per commit.
const CHUNK: usize = 1_000;

/// Goes through the records of an entity of which columns in this system are gone, or are there again (`back`). Begun
/// again after a crash, it goes by what the hub lists by then.
///
/// # Errors
/// The store's.
pub async fn drift(
    desk: &Desk<'_>,
    hub: &dyn Reader,
    (entity, system): (EntityIndex, SystemIndex),
    back: &Arc<[(BindingIndex, FieldIndex)]>,
) -> Result<(), PortError> {
    let mut after: Option<RecordId> = None;
    loop {
        let groups = hub.records(entity, after, CHUNK).await?;
        let ends = groups.first().map(|group| group.id).zip(groups.last().map(|group| group.id));
        let Some((first, last)) = ends else { return Ok(()) };
        let mut listed = hub.listed(entity, system, (first, last)).await?;
        let mut inputs = Vec::new();
        for group in &groups {
            let listed = listed.remove(&group.id);
            let is_back = !back.is_empty() && group.links_to(system).next().is_some();
            if is_back || listed != index::behind(desk.plan, group, system) {
                let (record, back) = (group.id, back.clone());
                inputs.push(Input::Drifted(Drifted { record, system, listed, back }));
            }
        }
        if !inputs.is_empty() {
            reconcile(desk, &inputs, Vec::new()).await?;
        }
        after = Some(last);
    }
}
