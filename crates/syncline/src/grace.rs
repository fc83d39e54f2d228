//! Deletes that wait for their time of grace: how many, and until when.

use std::collections::BTreeMap;

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    commit::Wants,
    index,
    name::{EntityIndex, RecordId, Timestamp},
    plan::Plan,
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{report::Failure, session::Session, words};

/// More are not counted one by one.
const COUNTED: usize = 1_000;

/// The deletes of one entity that wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grace {
    /// How many records.
    pub(crate) count: u64,
    /// When the first of them is passed on.
    pub(crate) until: Timestamp,
}

/// The records of an entity that are gone, and whose deletes wait.
pub(crate) async fn of(
    hub: &SqliteHub,
    plan: &Plan,
    entity: EntityIndex,
) -> Result<Option<Grace>, Failure> {
    let now = Session::now();
    if plan.entity(entity).is_none_or(|found| found.delete_grace_ms == 0) {
        return Ok(None);
    }
    let later = hub.later(entity, now, COUNTED).await?;
    let records = later.iter().map(|(record, ..)| *record).collect();
    let groups = hub.load(&Wants { records, ..Wants::default() }).await?.groups;
    let waits = |record: &RecordId| {
        let group = groups.get(record)?.as_ref()?;
        index::grace(plan, group).filter(|until| *until > now)
    };
    let until: BTreeMap<RecordId, Timestamp> =
        later.iter().filter_map(|(record, ..)| Some((*record, waits(record)?))).collect();
    let first = until.values().min().copied();
    Ok(first.map(|first| Grace { count: until.len() as u64, until: first }))
}

impl Grace {
    /// `2 deletes wait, the first until 10:26:03`.
    pub(crate) fn words(self) -> String {
        let until = words::time(self.until);
        match self.count {
            1 => format!("1 delete waits until {until}"),
            count => format!("{} wait, the first until {until}", words::counted(count, "delete")),
        }
    }
}
