//! Rows as they are, read under lock.

use std::collections::BTreeMap;

use syncline_core::{
    change::{Observed, RowKey},
    value::Value,
};
use syncline_ports::source::RefusedRow;

use crate::{
    mysql::{connect::Session, failure::Failure, literal::cell_text, sql::Bound},
    sql::ColumnIndex,
};

/// What to do about rows that another transaction holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// Wait for them, for a while.
    Wait,
    /// Leave them out: their groups are to be tried again later.
    Skip,
}

/// A row under lock.
pub(super) struct Found {
    pub observed: Result<Observed, RefusedRow>,
    pub values: Vec<Value>,
    /// The text of each JSON document that is written in part.
    pub documents: BTreeMap<ColumnIndex, String>,
}

/// Reads these rows and locks them; without `lock`, as they were last committed.
pub(super) async fn read(
    session: &mut Session,
    bound: &Bound,
    keys: &[RowKey],
    lock: Option<Lock>,
) -> Result<BTreeMap<RowKey, Found>, Failure> {
    let mut sql = bound.select();
    sql.extend_from_slice(b" where ");
    bound.are_in(&bound.shape.key, keys.iter(), &mut sql);
    sql.extend_from_slice(match lock {
        None => b"",
        Some(Lock::Wait) => b" for update",
        Some(Lock::Skip) => b" for update skip locked",
    });
    let mut found = BTreeMap::new();
    for cells in session.rows(&sql).await? {
        let documents = bound
            .documents
            .iter()
            .filter_map(|at| Some((*at, cell_text(cells.get(*at)?.clone())?)))
            .collect();
        let (key, row) = match bound.values(cells) {
            Ok(values) => {
                let observed = bound.shape.observe(&values);
                (bound.shape.key_of(&values), Found { observed, values, documents })
            }
            Err(refused) => {
                let key = refused.key.clone();
                (key, Found { observed: Err(refused), values: Vec::new(), documents })
            }
        };
        found.insert(key, row);
    }
    Ok(found)
}
