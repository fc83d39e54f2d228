//! The slot: the server's promise to keep the log that we have not dealt with yet.

use std::time::Duration;

use syncline_core::error::{ErrorKind, PortError};
use tokio::time::Instant;
use tokio_postgres::types::Type;

use crate::postgres::{
    connect::Session,
    failure::{kind, port_error},
    listen::{position::Lsn, sql, visible::Snapshot},
    sql::quoted,
};

/// How long the end of another stream is waited for: the server may not have noticed it yet.
pub(super) const HANDOVER_MAX: Duration = Duration::from_secs(10);
/// Between two looks at what we wait for.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// A slot, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Made for what we use it for, in this database.
    pub(super) is_fit: bool,
    /// The server has given up its promise.
    pub(super) is_lost: bool,
    /// The server's process that reads from it.
    pub(super) reader: Option<i32>,
    /// Nothing before this will be told.
    pub(super) confirmed: Lsn,
    /// Bytes of log that are kept.
    pub(super) kept: u64,
    /// Whether the server bounds that.
    pub(super) is_bounded: bool,
}

/// Looks at it.
pub(super) async fn look(
    session: &Session,
    name: &str,
    action: &str,
) -> Result<Option<Slot>, PortError> {
    let rows = session
        .client
        .query_typed(sql::SLOT, &[(&name, Type::TEXT)])
        .await
        .map_err(|error| port_error(action, &error))?;
    Ok(rows.first().map(|row| {
        let number = |at| row.get::<_, Option<i64>>(at).unwrap_or_default().unsigned_abs();
        Slot {
            is_fit: row.get(0),
            is_lost: row.get(1),
            reader: row.get(2),
            confirmed: Lsn(number(3)),
            kept: number(4),
            is_bounded: row.get(5),
        }
    }))
}

/// Makes it. This waits for all transactions that write now: what they do could not be told.
pub(super) async fn make(
    session: &Session,
    name: &str,
    user: &str,
    slots_max: &str,
    action: &str,
) -> Result<(), PortError> {
    // The other transactions are waited for by their locks.
    let failed = |error| port_error(action, &error);
    let (off, on) = ("set lock_timeout = 0", "reset lock_timeout");
    session.client.batch_execute(off).await.map_err(failed)?;
    let made = session.client.query_typed(sql::MAKE_SLOT, &[(&name, Type::TEXT)]).await;
    session.client.batch_execute(on).await.map_err(failed)?;
    let Err(error) = made else { return Ok(()) };
    let refused = port_error(action, &error);
    Err(match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("42501") => not_allowed(user, action),
        Some("53400") => PortError::new(
            ErrorKind::Unheard,
            action,
            format!(
                "all {slots_max} replication slots of the server are taken: alter system set \
                 max_replication_slots = …; and restart it, or drop a slot that nobody uses"
            ),
        ),
        Some("57014") => waits(session, &Snapshot::take(session, action).await?, action).await,
        Some(_) | None => refused,
    })
}

/// Our user may not replicate.
pub(super) fn not_allowed(user: &str, action: &str) -> PortError {
    let detail = format!(
        "our user may not read the log: alter role {} replication; (on Amazon RDS: grant \
         rds_replication to it)",
        quoted(user)
    );
    PortError::new(ErrorKind::Forbidden, action, detail)
}

/// Waits until everything is over that writes now: only then can no commit be on its way that is
/// neither told by the stream nor seen by a read.
pub(super) async fn settle(
    session: &Session,
    patience: Duration,
    action: &str,
) -> Result<(), PortError> {
    let before = Snapshot::take(session, action).await?;
    let end = Instant::now() + patience;
    let mut now = before.clone();
    while !now.still_running(&before).is_empty() {
        if Instant::now() >= end {
            return Err(waits(session, &before, action).await);
        }
        tokio::time::sleep(LOOK).await;
        now = Snapshot::take(session, action).await?;
    }
    Ok(())
}

/// Whom we wait for.
async fn waits(session: &Session, before: &Snapshot, action: &str) -> PortError {
    let running: Vec<i64> = before.running().map(u64::cast_signed).collect();
    let rows = session.client.query_typed(sql::RUNNING, &[(&running, Type::INT8_ARRAY)]).await;
    let who: Vec<String> = rows.iter().flatten().map(|row| row.get(0)).collect();
    let detail = format!(
        "transactions that write have not ended yet; listening begins after them ({})",
        if who.is_empty() { "none is left now".to_owned() } else { who.join(", ") }
    );
    PortError::new(ErrorKind::TimedOut, action, detail)
}

/// Removes it, if it is there. Our own stream was ended just now; the server may not know yet.
pub(super) async fn remove(session: &Session, name: &str, action: &str) -> Result<(), PortError> {
    let end = Instant::now() + HANDOVER_MAX;
    loop {
        let Err(error) = session.client.query_typed(sql::DROP_SLOT, &[(&name, Type::TEXT)]).await
        else {
            return Ok(());
        };
        match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("42704") => return Ok(()),
            Some("55006") if Instant::now() < end => tokio::time::sleep(LOOK).await,
            Some(_) | None => return Err(port_error(action, &error)),
        }
    }
}

/// Removes the publication, if it is there.
pub(super) async fn remove_publication(
    session: &Session,
    name: &str,
    action: &str,
) -> Result<(), PortError> {
    let statement = format!("drop publication if exists {}", quoted(name));
    let Err(error) = session.client.batch_execute(&statement).await else { return Ok(()) };
    if kind(&error) == ErrorKind::Forbidden {
        let detail = format!("this needs its owner: {statement};");
        return Err(PortError::new(ErrorKind::Forbidden, action, detail));
    }
    Err(port_error(action, &error))
}
