//! Several who work on one hub in one process take turns to decide.
//!
//! Two who decide about the same records at once are told so by the hub, and one of them decides
//! again: right, but where one writer per system goes through the same records, each would make the
//! other begin again and again. So they decide one after the other; reading from systems and writing
//! to them, which takes the time, goes on beside it.

use futures_util::lock::{Mutex, MutexGuard};

/// Whose turn it is to decide.
#[derive(Debug, Default)]
pub struct Turns(Mutex<()>);

impl Turns {
    /// Waits for one's turn; it ends when what this gives is dropped.
    pub(crate) async fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().await
    }
}
