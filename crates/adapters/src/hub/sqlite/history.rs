//! Histories: of a record, by walking its pages; of a run or of everything, by reading pages
//! backwards.

use rusqlite::{Connection, params};
use syncline_core::name::{RecordId, RunId, Timestamp};
use syncline_ports::reader::{Entry, HistoryFilter};

use crate::hub::sqlite::{
    audit::{Page, from_row, page},
    commit::blob,
    error::Outcome,
    vault::Seals,
};

/// Changes that pass the filter, newest first.
pub(super) fn history(seals: &Seals<'_>, filter: &HistoryFilter) -> Outcome<Vec<Entry>> {
    match filter.record {
        Some(record) => of_record(seals, record, filter),
        None => of_pages(seals, filter),
    }
}

/// A clock that was set back hides no more than this of what is asked for by time.
const SLACK: i64 = 86_400_000_000;

/// So many bytes count like a change more that is looked at.
const LARGE: usize = 1_024;

/// The same, of so many changes at most: below which number to go on, if there may be more.
pub(super) fn part(
    seals: &Seals<'_>,
    filter: &HistoryFilter,
    looked_at: usize,
) -> Outcome<(Vec<Entry>, Option<u64>)> {
    if filter.record.is_some() {
        let found = history(seals, filter)?;
        let next = found.last().filter(|_| found.len() >= filter.limit).map(|entry| entry.number);
        return Ok((found, next));
    }
    let oldest = filter.since.map_or(i64::MIN, |since| since.0.saturating_sub(SLACK));
    let mut select = seals.connection.prepare_cached(match filter.run {
        Some(_) => {
            "select first, run, at, data from audit where run = ?1 and first < ?2 order by first desc"
        }
        None => {
            "select first, run, at, data from audit where ?1 is null and first < ?2 order by first desc"
        }
    })?;
    let run = filter.run.map(|run| run.0.cast_signed());
    let below = filter.below.map_or(i64::MAX, u64::cast_signed);
    let mut rows = select.query(params![run, below])?;
    let (mut found, mut looked) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(2)? < oldest {
            break;
        }
        // Large values count like many changes.
        let size = row.get_ref(3)?.as_blob().map_or(0, <[u8]>::len) / LARGE;
        let page = from_row(row)?;
        let first = page.first;
        looked += page.events.len() + size;
        take(seals, page, filter, &mut found)?;
        if found.len() >= filter.limit {
            let next = found.last().map(|entry: &Entry| entry.number);
            return Ok((found, next));
        }
        if looked >= looked_at {
            return Ok((found, Some(first)));
        }
    }
    Ok((found, None))
}

/// Costs one page per commit that touched the record.
fn of_record(seals: &Seals<'_>, record: RecordId, filter: &HistoryFilter) -> Outcome<Vec<Entry>> {
    let mut found = Vec::new();
    let mut next = last_page(seals.connection, record)?;
    while next != 0 && found.len() < filter.limit {
        let Some(page) = page(seals.connection, next)? else { break };
        // Pages are walked backwards, so that a damaged chain cannot turn in a circle.
        let first = page.events.iter().find(|stored| stored.record == record);
        next = first.map_or(0, |stored| stored.previous).min(next - 1);
        take(seals, page, filter, &mut found)?;
    }
    Ok(found)
}

fn last_page(connection: &Connection, record: RecordId) -> Outcome<u64> {
    let mut select = connection.prepare_cached("select audit from record where id = ?")?;
    let mut rows = select.query(params![blob(record)])?;
    Ok(match rows.next()? {
        Some(row) => row.get::<_, i64>(0)?.cast_unsigned(),
        None => 0,
    })
}

fn of_pages(seals: &Seals<'_>, filter: &HistoryFilter) -> Outcome<Vec<Entry>> {
    let since = filter.since.map_or(i64::MIN, |since| since.0);
    let mut select = seals.connection.prepare_cached(match filter.run {
        Some(_) => {
            "select first, run, at, data from audit
             where run = ?1 and at >= ?2 and first < ?3 order by first desc"
        }
        None => {
            "select first, run, at, data from audit
             where ?1 is null and at >= ?2 and first < ?3 order by first desc"
        }
    })?;
    let run = filter.run.map(|run| run.0.cast_signed());
    let below = filter.below.map_or(i64::MAX, u64::cast_signed);
    let mut rows = select.query(params![run, since, below])?;
    let mut found = Vec::new();
    while found.len() < filter.limit {
        let Some(row) = rows.next()? else { break };
        take(seals, from_row(row)?, filter, &mut found)?;
    }
    Ok(found)
}

/// Takes the page's events that pass, last one first.
fn take(
    seals: &Seals<'_>,
    page: Page,
    filter: &HistoryFilter,
    found: &mut Vec<Entry>,
) -> Outcome<()> {
    for (index, stored) in page.events.into_iter().enumerate().rev() {
        if found.len() >= filter.limit {
            break;
        }
        // What is of another record need not be opened.
        if filter.record.is_some_and(|record| record != stored.record) {
            continue;
        }
        let number = page.first + index as u64;
        let event = seals.read_event(stored, number)?;
        let entry = Entry { number, run: RunId(page.run), at: Timestamp(page.at), event };
        if passes(&entry, filter) {
            found.push(entry);
        }
    }
    Ok(())
}

fn passes(entry: &Entry, filter: &HistoryFilter) -> bool {
    let HistoryFilter { record, run, since, below, system, actor, fields, limit: _ } = filter;
    let field = entry.event.field.map(|field| (entry.event.entity, field));
    record.is_none_or(|record| entry.event.record == record)
        && run.is_none_or(|run| entry.run == run)
        && since.is_none_or(|since| entry.at >= since)
        && below.is_none_or(|below| entry.number < below)
        && system.is_none_or(|system| entry.event.system == Some(system))
        && fields.as_ref().is_none_or(|fields| field.is_some_and(|own| fields.contains(&own)))
        && actor.as_ref().is_none_or(|actor| entry.event.actor.as_ref() == Some(actor))
}

/// Reads every page once.
pub(super) fn check(seals: &Seals<'_>) -> Outcome<()> {
    let mut select = seals.connection.prepare("select first, run, at, data from audit")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let page = from_row(row)?;
        for (stored, number) in page.events.into_iter().zip(page.first..) {
            seals.read_event(stored, number)?;
        }
    }
    Ok(())
}
