//! Writes of which nobody knows whether they were made: how many, and until when.
//!
//! Only an insert leaves such a doubt. A row whose key the table makes has no name by which it could
//! be asked for; and one that is asked for and is not there may still be on its way.

use std::collections::BTreeMap;

use syncline_core::{
    change::PartKey,
    commit::Wants,
    group::Lane,
    index::keyless_doubt,
    name::{EntityIndex, SystemIndex, Timestamp},
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{report::Failure, session::Session, words};

/// More are not counted one by one.
const COUNTED: usize = 1_000;

/// The doubts of one system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubts {
    /// How many writes.
    pub(crate) count: u64,
    /// When the last of them ends.
    pub(crate) until: Timestamp,
}

/// The writes of an entity that are in doubt, per system.
pub(crate) async fn of(
    session: &Session,
    entity: EntityIndex,
) -> Result<BTreeMap<SystemIndex, Doubts>, Failure> {
    let mut doubts = BTreeMap::<SystemIndex, Doubts>::new();
    let later = session.hub.later(entity, Session::now(), COUNTED).await?;
    let records = later.iter().map(|(record, ..)| *record).collect();
    let groups = session.hub.load(&Wants { records, ..Wants::default() }).await?.groups;
    for (record, system, _) in later {
        let Some(Some(group)) = groups.get(&record) else { continue };
        let plan = &session.plan;
        let links = group.parts().filter_map(|(key, part)| {
            let entity = match key {
                PartKey::Root => group.entity,
                PartKey::Child { list, .. } => list,
            };
            let binding = plan.binding_of(entity, system).and_then(|place| plan.binding(place));
            part.link(system).map(|link| (binding, link))
        });
        let links = links.filter(|(_, link)| link.lane == Lane::Free);
        for until in links.filter_map(|(binding, link)| keyless_doubt(binding, link)) {
            let known = doubts.entry(system).or_insert(Doubts { count: 0, until });
            known.count += 1;
            known.until = known.until.max(until);
        }
    }
    Ok(doubts)
}

/// `2 writes to b in doubt until 10:26:03`.
pub(crate) fn shown(session: &Session, doubts: &BTreeMap<SystemIndex, Doubts>) -> Vec<String> {
    let shown = doubts.iter().map(|(system, doubts)| {
        let (writes, name) = (words::counted(doubts.count, "write"), session.system_name(*system));
        format!("{writes} to {name} in doubt until {}", words::time(doubts.until))
    });
    shown.collect()
}

/// What a run says that leaves writes in doubt. They are neither done nor set aside: it was not
/// finished, and a rerun finishes it.
pub(crate) fn failure(
    session: &Session,
    entity: EntityIndex,
    doubts: &BTreeMap<SystemIndex, Doubts>,
) -> Option<Failure> {
    let last = doubts.values().max_by_key(|doubts| doubts.until)?;
    let entity = session.entity_name(entity);
    let message = format!("{entity}: {}", shown(session, doubts).join(", "));
    Some(
        Failure::new("write.in_doubt", message)
            .cause("the connection or the program broke off between a write and its answer, and the rows may still appear")
            .done("they are not written a second time; a read that shows them settles it at once")
            .fix(format!("nothing: the first run after {} writes what was not", words::time(last.until))),
    )
}
