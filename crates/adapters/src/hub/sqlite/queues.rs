//! The queues that people look at: conflicts and quarantine, as a commit changes them.

use rusqlite::{Connection, Transaction, params};
use syncline_core::{
    change::{PartKey, RowKey},
    commit::{Commit, ConflictChange, QuarantineChange, Subject},
    group::{Candidate, Excess},
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, RunId, SystemIndex, Timestamp},
    value::{Value, bytes, read_bytes, varint},
};
use syncline_ports::reader::Exceeded;

use crate::hub::{
    codec::{self, bits},
    sqlite::{
        commit::blob,
        error::{Failure, Outcome},
        vault::Seals,
    },
};

/// Opens, changes and settles conflicts. The store gives the numbers.
pub(super) fn conflicts(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
) -> Outcome<()> {
    for change in &commit.conflicts {
        match change {
            ConflictChange::Open { .. } => open(seals, transaction, commit, change)?,
            ConflictChange::Close { record, part, field, settled } => {
                let mut how = Vec::with_capacity(32);
                codec::settled(settled, &mut how);
                transaction
                    .prepare_cached(
                        "update conflict set settled = ?3, settled_at = ?4
                         where record = ?1 and subject = ?2 and settled is null",
                    )?
                    .execute(params![
                        blob(*record),
                        conflict_subject(part, *field),
                        how,
                        commit.at.0
                    ])?;
            }
        }
    }
    Ok(())
}

/// What an entry holds beside its columns.
pub(super) struct ConflictBody {
    pub(super) base: Value,
    pub(super) candidates: Vec<Candidate>,
    pub(super) ambiguous: bool,
}

impl ConflictBody {
    fn encoded(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        self.base.encode(&mut body);
        bits::candidates(&self.candidates, &mut body);
        body.push(u8::from(self.ambiguous));
        body
    }

    /// Reads what was stored; `None` if it is damaged.
    pub(super) fn decode(mut stored: &[u8]) -> Option<Self> {
        let input = &mut stored;
        Some(Self {
            base: Value::decode(input)?,
            candidates: bits::read_candidates(input)?,
            ambiguous: bits::flag(input)?,
        })
    }
}

/// There is one open entry per record, part and field: opening it again replaces its candidates.
/// What rules settle again and again from one base version is one entry as well: its candidates
/// are united, and the last word stands.
fn open(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
    change: &ConflictChange,
) -> Outcome<()> {
    let ConflictChange::Open {
        record,
        entity,
        part,
        field,
        base,
        base_version,
        candidates,
        ambiguous,
        settled,
    } = change
    else {
        return Ok(());
    };
    let subject = conflict_subject(part, *field);
    let mut body =
        ConflictBody { base: base.clone(), candidates: candidates.clone(), ambiguous: *ambiguous };
    let how = settled.as_ref().map(|settled| {
        let mut how = Vec::with_capacity(32);
        codec::settled(settled, &mut how);
        how
    });
    let settled_at = settled.as_ref().map(|_| commit.at.0);
    let version = base_version.cast_signed();
    let from = settled.as_ref().map(|_| Contest { version, field: *field, candidates });
    let known = known_entry(seals, *record, &subject, from.as_ref())?;
    if let Some((number, earlier)) = known {
        if settled.is_some() {
            body.candidates = united(earlier.candidates, body.candidates);
            body.ambiguous |= earlier.ambiguous;
        }
        let stored = seals.conflict(*record, &subject, body.encoded())?;
        transaction
            .prepare_cached(
                "update conflict set base_version = ?2, body = ?3, settled = ?4, settled_at = ?5
                 where number = ?1",
            )?
            .execute(params![number, version, stored, how, settled_at])?;
        return Ok(());
    }
    let stored = seals.conflict(*record, &subject, body.encoded())?;
    transaction
        .prepare_cached(
            "insert into conflict (record, entity, subject, base_version, body, opened_run,
                opened_at, settled, settled_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            blob(*record),
            entity.0,
            subject,
            version,
            stored,
            commit.run.0.cast_signed(),
            commit.at.0,
            how,
            settled_at
        ])?;
    Ok(())
}

/// What a conflict that a rule settled departed from, and who competes.
struct Contest<'a> {
    version: i64,
    field: Option<FieldIndex>,
    candidates: &'a [Candidate],
}

/// The entry that a change of this subject belongs to: the open one, or, for what a rule settles,
/// the newest from the same base version that no person settled, as long as it goes on.
fn known_entry(
    seals: &Seals<'_>,
    record: RecordId,
    subject: &[u8],
    settled_from: Option<&Contest<'_>>,
) -> Outcome<Option<(i64, ConflictBody)>> {
    let mut select = seals.connection.prepare_cached(
        "select number, base_version, settled, body from conflict
         where record = ? and subject = ? order by number desc",
    )?;
    let mut rows = select.query(params![blob(record), subject])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let damaged = || Failure::stored(format_args!("conflict {number}"));
        let how = match row.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)? {
            None => None,
            Some(mut how) => Some(codec::read_settled(&mut how).ok_or_else(damaged)?),
        };
        let by_rule = how.as_ref().is_none_or(|how| how.who.is_none());
        let belongs = match settled_from {
            None => how.is_none(),
            Some(from) => by_rule && row.get::<_, i64>(1)? == from.version,
        };
        let goes_on = |from: &Contest<'_>| {
            how.as_ref().is_none_or(|how| how.goes_on(from.field, from.candidates))
        };
        if belongs && !settled_from.is_none_or(goes_on) {
            return Ok(None);
        }
        if belongs {
            let body = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let body = seals.read_conflict(record, subject, body)?;
            let body = body.and_then(|body| ConflictBody::decode(&body)).ok_or_else(damaged)?;
            return Ok(Some((number, body)));
        }
    }
    Ok(None)
}

/// One candidate per author, the newer one; in the order in which authors came.
fn united(earlier: Vec<Candidate>, later: Vec<Candidate>) -> Vec<Candidate> {
    let mut all = earlier;
    for candidate in later {
        match all.iter_mut().find(|known| known.author == candidate.author) {
            Some(known) if candidate.at >= known.at => *known = candidate,
            Some(_) => {}
            None => all.push(candidate),
        }
    }
    all
}

fn conflict_subject(part: &PartKey, field: Option<FieldIndex>) -> Vec<u8> {
    let mut subject = Vec::with_capacity(8);
    part.encode(&mut subject);
    bits::field(field, &mut subject);
    subject
}

/// Reads what [`conflict_subject`] made.
pub(super) fn read_conflict_subject(mut stored: &[u8]) -> Option<(PartKey, Option<FieldIndex>)> {
    Some((PartKey::decode(&mut stored)?, bits::read_field(&mut stored)?))
}

/// Sets rows and writes aside, and releases them. The store gives the numbers; there is one entry
/// per subject, which counts how often it was tried.
pub(super) fn quarantine(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
) -> Outcome<()> {
    if commit.quarantine.is_empty() {
        return Ok(());
    }
    // Every row that is linked is released, and hardly ever is one set aside.
    let mut any = transaction
        .prepare_cached("select exists (select 1 from quarantine)")?
        .query_row([], |row| row.get::<_, bool>(0))?;
    for change in &commit.quarantine {
        match change {
            QuarantineChange::Park { .. } => {
                park(seals, transaction, commit, change)?;
                any = true;
            }
            QuarantineChange::Release { .. } if !any => {}
            QuarantineChange::Release { subject } => {
                transaction
                    .prepare_cached("delete from quarantine where subject = ?")?
                    .execute(params![subject_bytes(subject)])?;
            }
        }
    }
    Ok(())
}

/// A row that is met again as it was is no further try. An entry that a person dropped stays dropped
/// while the row is the same. A parent that was linked
/// while the row was parked (by another loop) is noticed once: a second try that fails waits.
fn park(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
    change: &QuarantineChange,
) -> Outcome<()> {
    let QuarantineChange::Park { subject, entity, record, code, message, row, related, awaits } =
        change
    else {
        return Ok(());
    };
    let (binding, key) = match subject {
        Subject::Row { binding, key } => (Some(binding.0), Some(&key.0)),
        Subject::Write { .. } | Subject::Record { .. } | Subject::Excess { .. } => (None, None),
    };
    let mut others = Vec::with_capacity(related.len() * 16);
    for record in related {
        others.extend_from_slice(&blob(*record));
    }
    let subject = subject_bytes(subject);
    let row = row.as_ref().map(|row| {
        let mut plain = Vec::with_capacity(128);
        row.encode(&mut plain);
        seals.row(&subject, plain)
    });
    let row = row.transpose()?;
    let record = record.map(blob);
    let (code, message) = (code.as_str(), message.as_str());
    let awaits_binding = awaits.as_ref().map(|(binding, _)| binding.0);
    let awaits_key = awaits.as_ref().map(|(_, key)| &key.0);
    let run = commit.run.0.cast_signed();
    let known = transaction
        .prepare_cached(
            "update quarantine set entity = ?2, record = ?3, code = ?4, message = ?5, row = ?6,
                related = ?7, awaits_binding = ?8, awaits_key = ?9,
                tries = tries + case when row = ?6 and code = ?4 and retry = 0 then 0 else 1 end,
                run = case when row = ?6 and code = ?4 and retry = 0 then run else ?10 end,
                retry = 0,
                dropped = case when row is ?6 and code = ?4 then dropped end,
                dropped_by = case when row is ?6 and code = ?4 then dropped_by end
             where subject = ?1",
        )?
        .execute(params![
            subject,
            entity.0,
            record,
            code,
            message,
            row,
            others,
            awaits_binding,
            awaits_key,
            run
        ])?;
    if known > 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "insert into quarantine (subject, binding, key, entity, record, code, message, row,
                related, awaits_binding, awaits_key, tries, since, run, retry)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, ?12, ?13,
                exists (select 1 from row
                        where binding = ?10 and key = ?11 and digest is not null))",
        )?
        .execute(params![
            subject,
            binding,
            key,
            entity.0,
            record,
            code,
            message,
            row,
            others,
            awaits_binding,
            awaits_key,
            commit.at.0,
            run
        ])?;
    Ok(())
}

/// What users have changed beyond the limits of an entity.
pub(super) fn excesses(connection: &Connection, entity: EntityIndex) -> Outcome<Vec<Exceeded>> {
    let mut select = connection.prepare_cached(
        "select subject, since, run from quarantine
         where entity = ? and code = 'limit.user' order by number",
    )?;
    let mut rows = select.query(params![entity.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let stored = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let Some(Subject::Excess { record, system, user }) = read_subject(stored) else {
            return Err(Failure::stored("what a user changed too much"));
        };
        found.push(Exceeded {
            record,
            excess: Excess { system, user },
            since: Timestamp(row.get(1)?),
            run: RunId(row.get::<_, i64>(2)?.cast_unsigned()),
        });
    }
    Ok(found)
}

fn subject_bytes(subject: &Subject) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    match subject {
        Subject::Row { binding, key } => {
            out.push(0);
            varint(u64::from(binding.0), &mut out);
            bytes(&key.0, &mut out);
        }
        Subject::Write { record, part, system } => {
            out.push(1);
            bits::id(record.0, &mut out);
            part.encode(&mut out);
            varint(u64::from(system.0), &mut out);
        }
        Subject::Record { record } => {
            out.push(2);
            bits::id(record.0, &mut out);
        }
        Subject::Excess { record, system, user } => {
            out.push(3);
            bits::id(record.0, &mut out);
            varint(u64::from(system.0), &mut out);
            bytes(user.as_bytes(), &mut out);
        }
    }
    out
}

/// Reads what [`subject_bytes`] made.
pub(super) fn read_subject(mut stored: &[u8]) -> Option<Subject> {
    let input = &mut stored;
    Some(match bits::byte(input)? {
        0 => Subject::Row {
            binding: BindingIndex(bits::number(input)?),
            key: RowKey(read_bytes(input)?.into()),
        },
        1 => Subject::Write {
            record: RecordId(bits::read_id(input)?),
            part: PartKey::decode(input)?,
            system: SystemIndex(bits::number(input)?),
        },
        2 => Subject::Record { record: RecordId(bits::read_id(input)?) },
        3 => Subject::Excess {
            record: RecordId(bits::read_id(input)?),
            system: SystemIndex(bits::number(input)?),
            user: bits::read_text(input)?,
        },
        _ => return None,
    })
}

/// Forgets conflicts and guards that were settled before this, at most so many of each. What a person dropped stays:
/// without it, the row would be set aside again.
pub(super) fn prune(
    connection: &mut Connection,
    before: Timestamp,
    limit: usize,
) -> Outcome<usize> {
    let transaction = connection.transaction()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let conflicts = transaction.execute(
        "delete from conflict where number in (select number from conflict
            where settled is not null and settled_at < ? order by number limit ?)",
        params![before.0, limit],
    )?;
    let guards = transaction.execute(
        "delete from guard where number in (select number from guard
            where state <> 'open' and at < ? order by number limit ?)",
        params![before.0, limit],
    )?;
    transaction.commit()?;
    Ok(conflicts.max(guards))
}
