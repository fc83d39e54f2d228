//! Logs of runs, what was settled, and the books are kept for a time each, then forgotten a few at a time, so that nobody
//! waits for it. Of the books, what is forgotten gives way to what it came to, signed.

use crate::{report::Failure, seals, session::Session};

/// So many runs are forgotten together.
const PIECE: usize = 500;
/// A command forgets so many pieces at most; the next one, or a daemon, goes on.
const PIECES: usize = 20;

/// Forgets a little of what is old. Whether there may be more.
pub(crate) async fn forget_some(session: &Session) -> Result<bool, Failure> {
    let (draft, now) = (&session.loaded.draft, Session::now());
    let logs = session.hub.prune_runs(now.plus_ms(-draft.logs_ms()), PIECE).await?;
    let settled = session.hub.prune_queues(now.plus_ms(-draft.quarantine_ms()), PIECE).await?;
    let signer = seals::signer(&session.loaded).await?;
    let (_, more) = session.hub.compact(&signer, now.plus_ms(-draft.history_ms()), now).await?;
    Ok(logs == PIECE || settled == PIECE || more)
}

/// Forgets what is old, as much as a command has time for, and signs where the books end.
pub(crate) async fn forget(session: &Session) -> Result<(), Failure> {
    for _ in 0..PIECES {
        if !forget_some(session).await? {
            break;
        }
    }
    seals::seal(session).await
}
