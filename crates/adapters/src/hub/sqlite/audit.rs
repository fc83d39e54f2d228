//! The audit: pages of events, written with the commit they belong to, and walked by readers.

use std::collections::{HashMap, hash_map::Entry};

use rusqlite::{Connection, Transaction, params};
use syncline_core::{commit::Commit, name::RecordId};

use crate::hub::{
    codec::audit::{Form, PageWriter, Stored, decode_page},
    sqlite::{
        chain,
        commit::blob,
        error::{Failure, Outcome},
        vault::Seals,
    },
};

/// So many events share a page at most, so that one record's history reads little else.
const PAGE_EVENTS: usize = 128;
/// A page is closed when it is this long, whatever it holds.
const PAGE_BYTES: usize = 16 * 1024;

/// Writes the commit's events. `pages` holds the page of the last event of each group that the
/// commit changes, and then of all records that have events in it. Gives the number of the last
/// event ever, and the chain's last hash.
pub(super) fn write(
    seals: &Seals<'_>,
    transaction: &Transaction<'_>,
    commit: &Commit,
    pages: &mut HashMap<RecordId, u64>,
) -> Outcome<(u64, [u8; 32])> {
    let (mut last, mut chain) = chain::last(transaction)?;
    if commit.audit.is_empty() {
        return Ok((last, chain));
    }
    let others = others(transaction, commit, pages)?;
    let mut insert = transaction.prepare_cached(
        "insert into audit (first, run, at, events, data, hash) values (?, ?, ?, ?, ?, ?)",
    )?;
    let mut finish = |page: PageWriter, first: u64| {
        let events = page.count() as i64;
        let (run, at, data) = (commit.run.0, commit.at.0, page.finish());
        chain = chain::page(&chain, first, run, at, &data);
        insert.execute(params![first.cast_signed(), run.cast_signed(), at, events, data, chain])
    };
    let form = if seals.is_sealed() { Form::Sealed } else { Form::Clear };
    let (mut page, mut first) = (PageWriter::new(form), last + 1);
    for event in &commit.audit {
        if page.count() >= PAGE_EVENTS || page.byte_count() >= PAGE_BYTES {
            finish(std::mem::replace(&mut page, PageWriter::new(form)), first)?;
            first = last + 1;
        }
        let previous = pages.insert(event.record, first).unwrap_or(0);
        last += 1;
        if seals.is_sealed() {
            page.push_sealed(event.record, event.entity, previous, &seals.event(event, last)?);
        } else {
            page.push(event, previous);
        }
    }
    finish(page, first)?;
    let mut point = transaction.prepare_cached("update record set audit = ?2 where id = ?1")?;
    for record in others {
        let page = pages.get(&record).copied().unwrap_or(0);
        point.execute(params![blob(record), page.cast_signed()])?;
    }
    Ok((last, chain))
}

/// Records that have events in the commit and are not changed by it: their last page is looked up,
/// and must be written.
fn others(
    transaction: &Transaction<'_>,
    commit: &Commit,
    pages: &mut HashMap<RecordId, u64>,
) -> Outcome<Vec<RecordId>> {
    let mut select = transaction.prepare_cached("select audit from record where id = ?")?;
    let mut others = Vec::new();
    for event in &commit.audit {
        if let Entry::Vacant(unknown) = pages.entry(event.record) {
            let mut rows = select.query(params![blob(event.record)])?;
            let page = match rows.next()? {
                Some(row) => row.get::<_, i64>(0)?,
                None => 0,
            };
            unknown.insert(page.cast_unsigned());
            others.push(event.record);
        }
    }
    Ok(others)
}

/// A page, as it was written.
pub(super) struct Page {
    pub(super) first: u64,
    pub(super) run: u64,
    pub(super) at: i64,
    pub(super) events: Vec<Stored>,
}

/// Reads a page.
pub(super) fn page(connection: &Connection, first: u64) -> Outcome<Option<Page>> {
    let mut select =
        connection.prepare_cached("select first, run, at, data from audit where first = ?")?;
    let mut rows = select.query(params![first.cast_signed()])?;
    match rows.next()? {
        Some(row) => from_row(row).map(Some),
        None => Ok(None),
    }
}

/// A page from the columns `first`, `run`, `at`, `data`.
pub(super) fn from_row(row: &rusqlite::Row<'_>) -> Outcome<Page> {
    let first = row.get::<_, i64>(0)?.cast_unsigned();
    let data = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    let (_, events) = decode_page(data).ok_or_else(|| damaged(first))?;
    Ok(Page { first, run: row.get::<_, i64>(1)?.cast_unsigned(), at: row.get(2)?, events })
}

/// What is said of a page that cannot be read.
pub(super) fn damaged(first: u64) -> Failure {
    Failure::stored(format_args!("the page c-{first} of the audit"))
}
