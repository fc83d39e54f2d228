//! What is noted in the file: how much it is, and how it goes again.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use syncline_core::error::{ErrorKind, PortError};

use crate::sqlite::{
    connection::quoted,
    listen::{At, Context, sql::ROW_BYTES, watches},
};

/// Rows removed per transaction.
pub(crate) const TRIM_ROWS: i64 = 2_000;
/// How long a removal waits for other writers before it is put off.
const TRIM_PATIENCE: Duration = Duration::from_millis(100);

/// How much is noted.
pub(crate) struct Noted {
    /// Changes, beside the last that was dealt with.
    pub(crate) rows: u64,
    /// About so many bytes.
    pub(crate) bytes: u64,
}

impl Context {
    /// How much is noted: numbers without gaps, and the keys of some rows for all.
    pub(crate) fn noted(&self, connection: &Connection) -> rusqlite::Result<Noted> {
        if !self.is_there(connection)? {
            return Ok(Noted { rows: 0, bytes: 0 });
        }
        let changes = self.names.changes();
        let range =
            format!("select (select max(seq) from {changes}) - (select min(seq) from {changes})");
        let rows: Option<i64> =
            connection.prepare_cached(&range)?.query_row([], |row| row.get(0))?;
        let rows = rows.unwrap_or(0).unsigned_abs();
        let sample = format!("select * from {changes} order by seq desc limit 20");
        let mut statement = connection.prepare_cached(&sample)?;
        let columns = statement.column_count();
        let (mut found, mut seen, mut bytes) = (statement.query([])?, 0u64, 0u64);
        while let Some(row) = found.next()? {
            seen += 1;
            for column in 0..columns {
                let stored = row.get_ref(column)?.as_bytes_or_null().ok().flatten();
                bytes += stored.map_or(0, <[u8]>::len) as u64;
            }
        }
        let each = ROW_BYTES + bytes.checked_div(seen).unwrap_or(0);
        Ok(Noted { rows, bytes: rows.saturating_mul(each) })
    }

    /// Whether more is noted than may be, so that the triggers note nothing more, or soon will not.
    pub(crate) fn is_full(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let noted = self.noted(connection)?;
        Ok(noted.rows >= self.names.room() || noted.bytes > self.max_retained)
    }

    /// Removes everything; says why.
    pub(crate) fn give_up(&self, connection: &mut Connection) -> PortError {
        if let Err(error) = self.remove(connection) {
            return self.failed(&error);
        }
        let detail = "the table of changes and its triggers were removed";
        PortError::new(ErrorKind::Retained, self.action.clone(), detail)
    }

    pub(crate) fn remove(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (name, _) in watches::triggers(&transaction, &self.names)? {
            let name = quoted(&name);
            transaction.execute_batch(&format!("drop trigger {name}"))?;
        }
        transaction.execute_batch(&format!("drop table if exists {}", self.names.changes()))?;
        transaction.commit()
    }

    /// Removes what comes before a change that is dealt with; that one stays. Gives whether all of
    /// it is done, or somebody else was writing.
    pub(crate) fn trim(&self, connection: &mut Connection, upto: At) -> Result<bool, PortError> {
        let failed = |error: rusqlite::Error| self.failed(&error);
        connection.busy_timeout(TRIM_PATIENCE).map_err(failed)?;
        let done = self.trim_patiently(connection, upto);
        connection.busy_timeout(self.patience).map_err(failed)?;
        match done {
            Err(error) if error.kind == ErrorKind::TimedOut => Ok(false),
            done => done.map(|()| true),
        }
    }

    fn trim_patiently(&self, connection: &mut Connection, upto: At) -> Result<(), PortError> {
        let failed = |error: rusqlite::Error| self.failed(&error);
        let changes = self.names.changes();
        let delete = format!(
            "delete from {changes} where seq < ?1 and seq < (select min(seq) from {changes}) + ?2"
        );
        loop {
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)?;
            self.must_hold(&transaction, upto)?;
            // Room that is made now would hide that something was not noted.
            if self.is_full(&transaction).map_err(failed)? {
                drop(transaction);
                return Err(self.give_up(connection));
            }
            let removed = transaction.execute(&delete, [upto.number, TRIM_ROWS]).map_err(failed)?;
            transaction.commit().map_err(failed)?;
            if i64::try_from(removed).unwrap_or(i64::MAX) < TRIM_ROWS {
                return Ok(());
            }
        }
    }
}
