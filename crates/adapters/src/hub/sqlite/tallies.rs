//! How much the users of each system have changed lately.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use syncline_core::{
    tally::{Counted, Tally},
    value::{read_varint, varint},
};

use crate::hub::{
    codec::bits,
    sqlite::error::{Failure, Outcome},
};

/// Loads these; who was never counted has changed nothing.
pub(super) fn load(
    connection: &Connection,
    wanted: &BTreeSet<Counted>,
) -> Outcome<BTreeMap<Counted, Tally>> {
    let mut found = BTreeMap::new();
    for counted in wanted {
        let stored: Option<Vec<u8>> = connection
            .prepare_cached("select data from tally where entity = ? and system = ? and user = ?")?
            .query_row(params![counted.entity.0, counted.system.0, counted.user.as_str()], |row| {
                row.get(0)
            })
            .optional()?;
        let tally = match stored {
            None => Tally::default(),
            Some(stored) => decode(&stored)
                .ok_or_else(|| Failure::stored(format_args!("the changes of a user")))?,
        };
        found.insert(counted.clone(), tally);
    }
    Ok(found)
}

/// Writes these.
pub(super) fn write(transaction: &Transaction<'_>, all: &[(Counted, Tally)]) -> Outcome<()> {
    for (counted, tally) in all {
        transaction
            .prepare_cached(
                "insert into tally (entity, system, user, data) values (?, ?, ?, ?)
                 on conflict do update set data = excluded.data",
            )?
            .execute(params![
                counted.entity.0,
                counted.system.0,
                counted.user.as_str(),
                encode(tally)
            ])?;
    }
    Ok(())
}

fn encode(tally: &Tally) -> Vec<u8> {
    let mut out = Vec::with_capacity(tally.stretches.len() * 4);
    let mut last = 0;
    bits::list(&tally.stretches, &mut out, |(begins, count), out| {
        bits::delta(*begins, last, out);
        last = *begins;
        varint(u64::from(*count), out);
    });
    out
}

fn decode(mut stored: &[u8]) -> Option<Tally> {
    let mut last = 0;
    let input = &mut stored;
    let stretches = bits::read_list(input, |input| {
        last = bits::read_delta(input, last)?;
        Some((last, u32::try_from(read_varint(input)?).ok()?))
    })?;
    input.is_empty().then_some(Tally { stretches })
}
