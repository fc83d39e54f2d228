//! The queues and the runs, a page at a time. A page begins where the one before ended, by number,
//! so that the last one costs no more than the first.

use std::collections::BTreeMap;

use rusqlite::{Connection, Statement, params, params_from_iter, types::Value as Bound};
use syncline_core::{
    Text,
    change::RowKey,
    group::Group,
    name::{BindingIndex, EntityIndex, RecordId},
};
use syncline_ports::reader::{
    Conflict, ConflictFilter, Number, QuarantineFilter, Quarantined, Run, RunFilter, Waits,
};

use crate::hub::sqlite::{commit::blob, error::Outcome, load, rows, runs as stored, vault::Seals};

/// What rows must fulfil, and what stands for the question marks.
#[derive(Default)]
struct Wanted {
    terms: Vec<String>,
    bound: Vec<Bound>,
}

impl Wanted {
    fn term(&mut self, term: &str, value: impl Into<Bound>) {
        self.terms.push(term.to_owned());
        self.bound.push(value.into());
    }

    fn number(&mut self, term: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.term(term, number.cast_signed());
        }
    }

    fn text(&mut self, term: &str, text: Option<&Text>) {
        if let Some(text) = text {
            self.term(term, text.as_str().to_owned());
        }
    }

    fn entities(&mut self, entities: Option<&Vec<EntityIndex>>) {
        let Some(entities) = entities else { return };
        let marks = vec!["?"; entities.len()].join(", ");
        self.terms.push(format!("entity in ({marks})"));
        self.bound.extend(entities.iter().map(|entity| Bound::from(i64::from(entity.0))));
    }

    fn sql(&self, select: &str, rest: &str) -> String {
        let terms = if self.terms.is_empty() { "1".to_owned() } else { self.terms.join(" and ") };
        format!("{select} where {terms}{rest}")
    }

    fn select<'a>(
        &self,
        connection: &'a Connection,
        select: &str,
        rest: &str,
    ) -> Outcome<rusqlite::CachedStatement<'a>> {
        Ok(connection.prepare_cached(&self.sql(select, rest))?)
    }

    fn rows<'a>(&self, select: &'a mut Statement<'_>) -> Outcome<rusqlite::Rows<'a>> {
        Ok(select.query(params_from_iter(&self.bound))?)
    }

    fn count(&self, connection: &Connection, table: &str) -> Outcome<u64> {
        let mut select = self.select(connection, &format!("select count(*) from {table}"), "")?;
        let count: i64 = select.query_row(params_from_iter(&self.bound), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

/// What can be asked of the table itself.
fn of_conflicts(filter: &ConflictFilter) -> Wanted {
    let ConflictFilter { entities, fields, system: _, record, run, settled, below, limit: _ } =
        filter;
    let mut wanted = Wanted::default();
    if let Some(settled) = settled {
        wanted.terms.push(format!("settled is {}null", if *settled { "not " } else { "" }));
    }
    wanted.entities(entities.as_ref());
    if let Some(fields) = fields {
        // A field is found in the entry; the entities that have it, here.
        wanted.entities(Some(&fields.iter().map(|(entity, _)| *entity).collect()));
    }
    if let Some(record) = record {
        wanted.term("record = ?", blob(*record).to_vec());
    }
    wanted.number("opened_run = ?", run.map(|run| run.0));
    wanted.number("number < ?", *below);
    wanted
}

/// What only the entry itself shows.
fn passes(conflict: &Conflict, filter: &ConflictFilter) -> bool {
    let field = conflict.field.map(|field| (conflict.entity, field));
    let competes = |system| {
        let author = syncline_core::group::Author::System(system);
        conflict.candidates.iter().any(|candidate| candidate.author == author)
    };
    filter.fields.as_ref().is_none_or(|fields| field.is_some_and(|own| fields.contains(&own)))
        && filter.system.is_none_or(competes)
}

const CONFLICT: &str =
    "select number, record, entity, subject, body, opened_run, opened_at, settled, settled_at
     from conflict";

pub(super) fn conflicts(seals: &Seals<'_>, filter: &ConflictFilter) -> Outcome<Vec<Conflict>> {
    let connection = seals.connection;
    let wanted = of_conflicts(filter);
    let mut select = wanted.select(connection, CONFLICT, " order by number desc")?;
    let mut rows = wanted.rows(&mut select)?;
    let mut found = Vec::new();
    while found.len() < filter.limit {
        let Some(row) = rows.next()? else { break };
        let conflict = rows::conflict(seals, row)?;
        if passes(&conflict, filter) {
            found.push(conflict);
        }
    }
    Ok(found)
}

pub(super) fn count_conflicts(seals: &Seals<'_>, filter: &ConflictFilter) -> Outcome<u64> {
    if filter.fields.is_none() && filter.system.is_none() {
        return of_conflicts(filter).count(seals.connection, "conflict");
    }
    let all = ConflictFilter { limit: usize::MAX, ..filter.clone() };
    Ok(conflicts(seals, &all)?.len() as u64)
}

/// How much waits for a person.
pub(super) fn open(connection: &Connection) -> Outcome<BTreeMap<EntityIndex, Waits>> {
    let mut all = BTreeMap::<EntityIndex, Waits>::new();
    let each = |sql: &str, take: &mut dyn FnMut(EntityIndex, u64, Number)| -> Outcome<()> {
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (count, number): (i64, i64) = (row.get(1)?, row.get(2)?);
            take(EntityIndex(row.get(0)?), count.unsigned_abs(), number.cast_unsigned());
        }
        Ok(())
    };
    let conflicts = "select entity, count(*), max(number) from conflict where settled is null
         group by entity";
    each(conflicts, &mut |entity, count, newest| {
        let waits = all.entry(entity).or_default();
        (waits.conflicts, waits.conflict) = (count, Some(newest));
    })?;
    let set_aside = "select entity, count(*), min(number) from quarantine where dropped is null
         group by entity";
    each(set_aside, &mut |entity, count, oldest| {
        let waits = all.entry(entity).or_default();
        (waits.quarantined, waits.entry) = (count, Some(oldest));
    })?;
    Ok(all)
}

fn of_quarantine(filter: &QuarantineFilter) -> Wanted {
    let QuarantineFilter { entities, code, run, dropped, above, limit: _ } = filter;
    let mut wanted = Wanted::default();
    if !dropped {
        wanted.terms.push("dropped is null".to_owned());
    }
    wanted.entities(entities.as_ref());
    wanted.text("code = ?", code.as_ref());
    wanted.number("run = ?", run.map(|run| run.0));
    wanted.number("number > ?", *above);
    wanted
}

pub(super) fn quarantine(
    seals: &Seals<'_>,
    filter: &QuarantineFilter,
) -> Outcome<Vec<Quarantined>> {
    let connection = seals.connection;
    let wanted = of_quarantine(filter);
    let select = "select number, subject, entity, record, code, message, row, related, tries,
        since, run, dropped from quarantine";
    let mut select = wanted.select(connection, select, " order by number")?;
    let mut rows = wanted.rows(&mut select)?;
    let mut found = Vec::new();
    while found.len() < filter.limit {
        let Some(row) = rows.next()? else { break };
        found.push(rows::quarantined(seals, row)?);
    }
    Ok(found)
}

pub(super) fn count_quarantine(connection: &Connection, filter: &QuarantineFilter) -> Outcome<u64> {
    of_quarantine(filter).count(connection, "quarantine")
}

fn of_runs(filter: &RunFilter) -> Wanted {
    let RunFilter { entities, kind, trigger, outcome, since, below, limit: _ } = filter;
    let mut wanted = Wanted::default();
    wanted.entities(entities.as_ref());
    wanted.text("kind = ?", kind.as_ref());
    wanted.text("set_by = ?", trigger.as_ref());
    wanted.text("outcome = ?", outcome.as_ref());
    if let Some(since) = since {
        wanted.term("started >= ?", since.0);
    }
    wanted.number("number < ?", *below);
    wanted
}

pub(super) fn runs(connection: &Connection, filter: &RunFilter) -> Outcome<Vec<Run>> {
    let wanted = of_runs(filter);
    let select = format!("select {} from run", stored::columns(connection)?);
    let mut select = wanted.select(connection, &select, " order by number desc")?;
    let mut rows = wanted.rows(&mut select)?;
    let mut found = Vec::new();
    while found.len() < filter.limit {
        let Some(row) = rows.next()? else { break };
        found.push(stored::run(connection, row)?);
    }
    Ok(found)
}

pub(super) fn count_runs(connection: &Connection, filter: &RunFilter) -> Outcome<u64> {
    of_runs(filter).count(connection, "run")
}

/// Looks at so many records, and decodes those that are asked for.
pub(super) fn records(
    seals: &Seals<'_>,
    entities: &[EntityIndex],
    after: Option<RecordId>,
    looked_at: usize,
) -> Outcome<(Vec<Group>, Option<RecordId>)> {
    let connection = seals.connection;
    let mut select = connection.prepare_cached(
        "select id, entity, alive, data from record where id > ? order by id limit ?",
    )?;
    let after = after.map(blob);
    let after = after.as_ref().map_or(&[][..], |after| &after[..]);
    let mut rows = select.query(params![after, looked_at as i64])?;
    let (mut found, mut last, mut count) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let id = load::record_in(row, 0)?;
        (last, count) = (Some(id), count + 1);
        if row.get(2)? && entities.contains(&EntityIndex(row.get(1)?)) {
            found.push(load::decode(seals, id, row, 3)?);
        }
    }
    Ok((found, last.filter(|_| count == looked_at)))
}

/// Rows of a binding in the order of their stored keys.
pub(super) fn rows(
    connection: &Connection,
    binding: BindingIndex,
    after: Option<&RowKey>,
    limit: usize,
) -> Outcome<Vec<(RowKey, RecordId)>> {
    let mut select = connection.prepare_cached(
        "select key, record from row where binding = ? and key > ? order by key limit ?",
    )?;
    let after = after.map_or(&[][..], |after| &after.0[..]);
    let mut rows = select.query(params![binding.0, after, limit as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let key: &[u8] = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        found.push((RowKey(key.into()), load::record_in(row, 1)?));
    }
    Ok(found)
}

/// The number of the newest entry of the quarantine.
pub(super) fn newest_quarantined(connection: &Connection) -> Outcome<u64> {
    let mut select =
        connection.prepare_cached("select coalesce(max(number), 0) from quarantine")?;
    let newest: i64 = select.query_row([], |row| row.get(0))?;
    Ok(newest.cast_unsigned())
}

/// Records of an entity that live, in the order of their ids.
pub(super) fn living(
    seals: &Seals<'_>,
    entity: EntityIndex,
    after: Option<RecordId>,
    limit: usize,
) -> Outcome<Vec<Group>> {
    let connection = seals.connection;
    let mut select = connection.prepare_cached(
        "select id, data from record
         where id > ? and entity = ? and alive = 1 order by id limit ?",
    )?;
    let after = after.map(blob);
    let after = after.as_ref().map_or(&[][..], |after| &after[..]);
    let mut rows = select.query(params![after, entity.0, limit as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(load::decode(seals, load::record_in(row, 0)?, row, 1)?);
    }
    Ok(found)
}
