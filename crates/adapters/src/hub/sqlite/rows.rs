//! Rows of the queues, as people see them.

use syncline_core::{
    Text,
    change::Row,
    name::{EntityIndex, RunId, Timestamp},
};
use syncline_ports::reader::{Conflict, Quarantined};

use crate::hub::{
    codec::read_settled,
    sqlite::{
        commit::record,
        error::{Failure, Outcome},
        load::record_in,
        queues::{ConflictBody, read_conflict_subject, read_subject},
        vault::Seals,
    },
};

/// A row of the conflicts.
pub(super) fn conflict(seals: &Seals<'_>, row: &rusqlite::Row<'_>) -> Outcome<Conflict> {
    let number = row.get::<_, i64>(0)?.cast_unsigned();
    let damaged = || Failure::stored(format_args!("conflict {number}"));
    let bytes = |column| -> Outcome<_> {
        Ok(row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
    };
    let subject = bytes(3)?.unwrap_or_default();
    let (part, field) = read_conflict_subject(subject).ok_or_else(damaged)?;
    let record = record_in(row, 1)?;
    let body = seals.read_conflict(record, subject, bytes(4)?.unwrap_or_default())?;
    let body = body.and_then(|body| ConflictBody::decode(&body)).ok_or_else(damaged)?;
    let settled = match bytes(7)? {
        Some(mut how) => {
            let how = read_settled(&mut how).ok_or_else(damaged)?;
            Some((how, Timestamp(row.get(8)?)))
        }
        None => None,
    };
    Ok(Conflict {
        number,
        record,
        entity: EntityIndex(row.get(2)?),
        part,
        field,
        base: body.base,
        candidates: body.candidates,
        ambiguous: body.ambiguous,
        opened: (RunId(row.get::<_, i64>(5)?.cast_unsigned()), Timestamp(row.get(6)?)),
        settled,
    })
}

/// A row of the quarantine.
pub(super) fn quarantined(seals: &Seals<'_>, row: &rusqlite::Row<'_>) -> Outcome<Quarantined> {
    let number = row.get::<_, i64>(0)?.cast_unsigned();
    let damaged = || Failure::stored(format_args!("quarantine entry {number}"));
    let bytes = |column| -> Outcome<_> {
        Ok(row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
    };
    let text = |column| -> Outcome<_> {
        Ok(Text::new(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?))
    };
    let shown = match bytes(6)? {
        Some(stored) => {
            let shown = seals.read_row(bytes(1)?.unwrap_or_default(), stored);
            let shown = shown.and_then(|shown| Row::decode(&mut &shown[..]));
            Some(shown.ok_or_else(damaged)?)
        }
        None => None,
    };
    let related = bytes(7)?.unwrap_or_default();
    Ok(Quarantined {
        number,
        subject: bytes(1)?.and_then(read_subject).ok_or_else(damaged)?,
        entity: EntityIndex(row.get(2)?),
        record: bytes(3)?.map(record).transpose()?,
        code: text(4)?,
        message: text(5)?,
        row: shown,
        related: related.chunks(16).map(record).collect::<Outcome<_>>()?,
        tries: row.get(8)?,
        since: Timestamp(row.get(9)?),
        run: RunId(row.get::<_, i64>(10)?.cast_unsigned()),
        dropped: row.get::<_, Option<String>>(11)?.map(Text::from),
    })
}
