//! Runs with their ledgers, and guards.

use rusqlite::{Connection, OptionalExtension, params};
use syncline_core::{
    Text,
    change::RowKey,
    name::{BindingIndex, EntityIndex, RunId, SystemIndex, Timestamp},
    value::{Digest, bytes, read_bytes, read_varint, varint},
};
use syncline_ports::reader::{Guard, Lately, Number, Run, Span, Work};

use crate::hub::{
    codec::{audit::read_disposition, bits},
    sqlite::error::{Failure, Outcome},
};

/// For as long as this connection lives: the last run of earlier processes. What has not ended up to
/// there never will.
pub(super) const EARLIER: &str =
    "create temp table earlier as select coalesce(max(number), 0) as number from run";

pub(super) fn begin(
    connection: &Connection,
    kind: &str,
    trigger: &str,
    entity: Option<EntityIndex>,
    at: Timestamp,
) -> Outcome<RunId> {
    connection.execute(
        "insert into run (kind, set_by, entity, started, outcome, message, writes)
         values (?, ?, ?, ?, '', '', x'00')",
        params![kind, trigger, entity.map(|entity| entity.0), at.0],
    )?;
    Ok(RunId(connection.last_insert_rowid().cast_unsigned()))
}

/// How a run ended.
pub(super) struct End {
    pub(super) at: Timestamp,
    pub(super) outcome: String,
    pub(super) message: String,
    pub(super) writes: Vec<(SystemIndex, u64, u64, u64)>,
}

pub(super) fn end(connection: &Connection, id: RunId, end: &End) -> Outcome<()> {
    let mut writes = Vec::with_capacity(16);
    bits::list(&end.writes, &mut writes, |(system, inserts, updates, deletes), out| {
        varint(u64::from(system.0), out);
        varint(*inserts, out);
        varint(*updates, out);
        varint(*deletes, out);
    });
    connection.execute(
        "update run set ended = ?2, outcome = ?3, message = ?4, writes = ?5 where number = ?1",
        params![id.0.cast_signed(), end.at.0, end.outcome, end.message, writes],
    )?;
    Ok(())
}

/// What a run spent its time on.
pub(super) fn note_spans(connection: &Connection, id: RunId, spans: &[Span]) -> Outcome<()> {
    let mut data = Vec::with_capacity(32);
    bits::list(spans, &mut data, |span, out| {
        let (work, system) = match span.work {
            Work::Read(system) => (0, system.0),
            Work::Merge => (1, 0),
            Work::Write(system) => (2, system.0),
        };
        out.push(work);
        varint(u64::from(system), out);
        varint(span.from_ms, out);
        varint(span.to_ms, out);
        varint(span.busy_ms, out);
    });
    connection
        .prepare_cached("update run set spans = ?2 where number = ?1")?
        .execute(params![id.0.cast_signed(), data])?;
    Ok(())
}

fn read_span(input: &mut &[u8]) -> Option<Span> {
    let work = bits::byte(input)?;
    let system = SystemIndex(bits::number(input)?);
    Some(Span {
        work: match work {
            0 => Work::Read(system),
            1 => Work::Merge,
            2 => Work::Write(system),
            _ => return None,
        },
        from_ms: read_varint(input)?,
        to_ms: read_varint(input)?,
        busy_ms: read_varint(input)?,
    })
}

/// The columns of a run. A hub of an earlier version can be looked at as it is: what set its runs going, and what
/// they spent their time on, is not known.
pub(super) fn columns(connection: &Connection) -> Outcome<&'static str> {
    let knows = connection
        .prepare_cached("select 1 from pragma_table_info('run') where name = 'set_by'")?
        .exists([])?;
    Ok(if knows {
        "number, kind, entity, started, ended, outcome, message, writes, set_by, spans"
    } else {
        "number, kind, entity, started, ended, outcome, message, writes, '', x''"
    })
}

/// Forgets a run that is nowhere referred to.
pub(super) fn drop(connection: &Connection, id: RunId) -> Outcome<()> {
    let number = id.0.cast_signed();
    connection.prepare_cached("delete from ledger where run = ?")?.execute([number])?;
    connection.prepare_cached("delete from run where number = ?")?.execute([number])?;
    Ok(())
}

pub(super) fn list(connection: &Connection, limit: usize) -> Outcome<Vec<Run>> {
    let columns = columns(connection)?;
    let mut select = connection
        .prepare_cached(&format!("select {columns} from run order by number desc limit ?"))?;
    let mut rows = select.query(params![limit as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(run(connection, row)?);
    }
    Ok(found)
}

pub(super) fn one(connection: &Connection, id: RunId) -> Outcome<Option<Run>> {
    let columns = columns(connection)?;
    let mut select =
        connection.prepare_cached(&format!("select {columns} from run where number = ?"))?;
    let mut rows = select.query(params![id.0.cast_signed()])?;
    rows.next()?.map(|row| run(connection, row)).transpose()
}

/// What the runs of an entity came to; each answer is found by an index of its own.
pub(super) fn lately(
    connection: &Connection,
    entity: EntityIndex,
    since: Timestamp,
) -> Outcome<Lately> {
    let edge = |which| -> Outcome<Option<Timestamp>> {
        let mut select = connection.prepare_cached(which)?;
        let found: Option<Option<i64>> =
            select.query_row([entity.0], |row| row.get(0)).optional()?;
        Ok(found.flatten().map(Timestamp))
    };
    let last: Option<String> = connection
        .prepare_cached(
            "select outcome from run where entity = ? and ended is not null and kind <> 'verify'
             order by started desc, number desc limit 1",
        )?
        .query_row([entity.0], |row| row.get(0))
        .optional()?;
    let mut lately = Lately {
        first: edge("select min(started) from run where entity = ?")?,
        last_began: edge(
            "select started from run where entity = ? and kind <> 'verify'
             order by started desc limit 1",
        )?,
        last_outcome: last.map(Text::from),
        ..Lately::default()
    };
    let mut select = connection.prepare_cached(
        "select number, outcome, writes from run
         where entity = ? and started >= ? and kind <> 'verify'",
    )?;
    let mut rows = select.query(params![entity.0, since.0])?;
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        lately.failed += u64::from(text == "failed");
        for (_, inserts, updates, deletes) in writes(row, 0, 2)? {
            lately.inserts += inserts;
            lately.updates += updates;
            lately.deletes += deletes;
        }
    }
    let mut select = connection.prepare_cached(
        "select disposition, sum(count) from ledger
         where run in (select number from run where entity = ? and started >= ?)
         group by disposition order by disposition",
    )?;
    let mut rows = select.query(params![entity.0, since.0])?;
    while let Some(row) = rows.next()? {
        let fate = read_disposition(row.get(0)?)
            .ok_or_else(|| Failure::stored(format_args!("a count of entity {}", entity.0)))?;
        lately.fates.push((fate, row.get::<_, i64>(1)?.cast_unsigned()));
    }
    Ok(lately)
}

/// Writes by system: inserts, updates, deletes.
type Writes = Vec<(SystemIndex, u64, u64, u64)>;

fn writes(row: &rusqlite::Row<'_>, number: usize, column: usize) -> Outcome<Writes> {
    let id = RunId(row.get::<_, i64>(number)?.cast_unsigned());
    let mut writes = row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?;
    let writes = bits::read_list(&mut writes, |input| {
        let system = SystemIndex(bits::number(input)?);
        Some((system, read_varint(input)?, read_varint(input)?, read_varint(input)?))
    });
    writes.ok_or_else(|| Failure::stored(format_args!("run {id}")))
}

/// A row of the runs, with its ledger.
pub(super) fn run(connection: &Connection, row: &rusqlite::Row<'_>) -> Outcome<Run> {
    let number = row.get::<_, i64>(0)?;
    let id = RunId(number.cast_unsigned());
    let damaged = || Failure::stored(format_args!("run {id}"));
    let text = |column| -> Outcome<_> {
        Ok(Text::new(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?))
    };
    let mut ledger = Vec::new();
    let mut select = connection.prepare_cached(
        "select binding, disposition, count from ledger where run = ? order by binding, disposition",
    )?;
    let mut counts = select.query(params![number])?;
    while let Some(count) = counts.next()? {
        let disposition = read_disposition(count.get(1)?).ok_or_else(damaged)?;
        let number = count.get::<_, i64>(2)?.cast_unsigned();
        ledger.push((BindingIndex(count.get(0)?), disposition, number));
    }
    let mut spans = row.get_ref(9)?.as_blob().map_err(rusqlite::Error::from)?;
    let spans = match spans {
        [] => Vec::new(),
        _ => bits::read_list(&mut spans, read_span).ok_or_else(damaged)?,
    };
    Ok(Run {
        id,
        kind: text(1)?,
        trigger: text(8)?,
        entity: row.get::<_, Option<u16>>(2)?.map(EntityIndex),
        started: Timestamp(row.get(3)?),
        ended: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        outcome: text(5)?,
        ledger,
        writes: writes(row, 0, 7)?,
        message: text(6)?,
        spans,
    })
}

/// Forgets at most so many runs that are over since before this time; not the last of its kind and
/// entity, and none of which something is still set aside. A run that never ended is over if it began
/// in an earlier process. Gives how many.
pub(super) fn prune(
    connection: &mut Connection,
    before: Timestamp,
    limit: usize,
) -> Outcome<usize> {
    let transaction = connection.transaction()?;
    let mut old: Vec<i64> = Vec::new();
    {
        let mut select = transaction.prepare_cached(
            "select number from run
             where started < ?1 and coalesce(ended < ?1, number <= (select number from earlier))
               and exists (select 1 from run later where later.entity is run.entity
                             and later.kind = run.kind and later.number > run.number)
               and not exists (select 1 from quarantine where quarantine.run = run.number)
               and not exists (select 1 from conflict
                               where opened_run = run.number and settled is null)
             order by started limit ?2",
        )?;
        let mut rows = select.query(params![before.0, limit as i64])?;
        while let Some(row) = rows.next()? {
            old.push(row.get(0)?);
        }
    }
    for number in &old {
        drop(&transaction, RunId(number.cast_unsigned()))?;
    }
    transaction.commit()?;
    Ok(old.len())
}

/// Opens a guard, or brings the open one of the same code, entity, system and user up to date.
pub(super) fn trip_guard(connection: &Connection, guard: &Guard) -> Outcome<Number> {
    let mut samples = Vec::with_capacity(64);
    bits::list(&guard.samples, &mut samples, |key, out| bytes(&key.0, out));
    let code = guard.code.as_str();
    let (entity, system) = (guard.entity.0, guard.system.0);
    let open: Option<i64> = connection
        .prepare_cached(
            "select number from guard
             where code = ? and entity = ? and system = ? and user = ? and state = 'open'",
        )?
        .query_row(params![code, entity, system, guard.user.as_str()], |row| row.get(0))
        .optional()?;
    let (count, linked, max) =
        (guard.count.cast_signed(), guard.linked.cast_signed(), guard.max.cast_signed());
    if let Some(number) = open {
        connection.execute(
            "update guard set count = ?2, linked = ?3, max = ?4, digest = ?5, at = ?6, samples = ?7
             where number = ?1",
            params![number, count, linked, max, guard.digest.0, guard.at.0, samples],
        )?;
        return Ok(number.cast_unsigned());
    }
    connection.execute(
        "insert into guard (code, entity, system, user, count, linked, max, digest, at, state, samples)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)",
        params![
            code,
            entity,
            system,
            guard.user.as_str(),
            count,
            linked,
            max,
            guard.digest.0,
            guard.at.0,
            samples
        ],
    )?;
    Ok(connection.last_insert_rowid().cast_unsigned())
}

pub(super) fn guards(connection: &Connection, settled_too: bool) -> Outcome<Vec<Guard>> {
    // A hub of an earlier version can be looked at as it is: its guards are about no user.
    let knows_users = connection
        .prepare_cached("select 1 from pragma_table_info('guard') where name = 'user'")?
        .exists([])?;
    let user = if knows_users { "user" } else { "''" };
    let mut select = connection.prepare_cached(&format!(
        "select number, code, entity, system, count, linked, max, digest, at, state, samples, {user}
         from guard where ? or state = 'open' order by number desc",
    ))?;
    let mut rows = select.query(params![settled_too])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(0)?.cast_unsigned();
        let unsigned = |column| -> Outcome<u64> { Ok(row.get::<_, i64>(column)?.cast_unsigned()) };
        let text = |column| -> Outcome<_> {
            Ok(Text::new(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?))
        };
        let mut samples = row.get_ref(10)?.as_blob().map_err(rusqlite::Error::from)?;
        let samples =
            bits::read_list(&mut samples, |input| Some(RowKey(read_bytes(input)?.into())));
        found.push(Guard {
            number,
            code: text(1)?,
            entity: EntityIndex(row.get(2)?),
            system: SystemIndex(row.get(3)?),
            count: unsigned(4)?,
            linked: unsigned(5)?,
            max: unsigned(6)?,
            digest: Digest(row.get(7)?),
            at: Timestamp(row.get(8)?),
            state: text(9)?,
            samples: samples.ok_or_else(|| Failure::stored(format_args!("guard {number}")))?,
            user: text(11)?,
        });
    }
    Ok(found)
}
