//! Bodies that are sealed otherwise than they would be now: sealed anew, and overwritten where they were.

use std::path::Path;

use rusqlite::params;
use syncline_core::error::PortError;

use crate::hub::{
    envelope::Envelope,
    inbox::{BODY, path_of, schema},
    sqlite::error::{Failure, Outcome},
};

/// So many bodies are looked at together.
const RESEALED: i64 = 100;

/// Seals with the key of the present what is kept in clear, or sealed with one before it. Gives how many bodies
/// that were.
///
/// # Errors
/// As with [`crate::hub::inbox::Inbox::open`]; `HubKeyWrong`.
pub fn reseal(hub: &Path, envelope: &Envelope) -> Result<u64, PortError> {
    let path = path_of(hub);
    if !path.exists() {
        return Ok(0);
    }
    let action = format!("write the inbox {}", path.display());
    let failed = |failure: Failure| failure.during(&action);
    let (connection, _) = schema::open(&path).map_err(failed)?;
    let page = |after: i64| -> Outcome<Vec<(i64, Vec<u8>)>> {
        let mut statement = connection.prepare_cached(
            "select seq, body from delivery where seq > ?1 and body is not null
             order by seq limit ?2",
        )?;
        let rows =
            statement.query_map(params![after, RESEALED], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let put = |seq: i64, body: Vec<u8>| -> Outcome<()> {
        // Nothing of what was there stays in the file.
        connection.pragma_update(None, "secure_delete", true)?;
        let mut statement =
            connection.prepare_cached("update delivery set body = ?2 where seq = ?1")?;
        statement.execute(params![seq, body])?;
        Ok(())
    };
    let (mut after, mut count) = (i64::MIN, 0);
    loop {
        let bodies = page(after).map_err(failed)?;
        let Some((last, _)) = bodies.last() else { break };
        after = *last;
        for (seq, body) in bodies.into_iter().filter(|(_, body)| envelope.is_due(body)) {
            let body = envelope.seal(BODY, envelope.open(BODY, body)?)?;
            put(seq, body).map_err(failed)?;
            count += 1;
        }
    }
    if count > 0 {
        // Where somebody reads, it is done by whoever writes next.
        let _busy = connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
    }
    Ok(count)
}
