//! Logs of runs are kept for a time, then forgotten a few at a time, so that nobody waits for it.

use crate::{report::Failure, session::Session};

/// So many runs are forgotten together.
const PIECE: usize = 500;
/// A command forgets so many pieces at most; the next one, or a daemon, goes on.
const PIECES: usize = 20;

/// Forgets a few logs of runs that are old. Whether there may be more.
pub(crate) async fn forget_some(session: &Session) -> Result<bool, Failure> {
    let before = Session::now().plus_ms(-session.loaded.draft.logs_ms());
    Ok(session.hub.prune_runs(before, PIECE).await? == PIECE)
}

/// Forgets logs of runs that are old, as many as a command has time for.
pub(crate) async fn forget(session: &Session) -> Result<(), Failure> {
    for _ in 0..PIECES {
        if !forget_some(session).await? {
            break;
        }
    }
    Ok(())
}
