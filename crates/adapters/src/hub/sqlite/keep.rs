//! What the hub need not keep for ever, and the signatures over its books.

use std::sync::Arc;

use syncline_core::{Text, error::PortError, name::Timestamp};

use crate::hub::{
    signer::Signer,
    sqlite::{SqliteHub, chain, queues, runs},
};

impl SqliteHub {
    /// Forgets at most `limit` runs that are over since before `before`, with their ledgers. The
    /// last run of each kind and entity stays, and those of which something is still set aside; the
    /// audit is not touched. Gives how many: with `limit`, there may be more.
    ///
    /// # Errors
    /// If the hub cannot be written.
    pub async fn prune_runs(&self, before: Timestamp, limit: usize) -> Result<usize, PortError> {
        self.change("forget old runs", move |connection| runs::prune(connection, before, limit))
            .await
    }

    /// Signs where the books end, if they have gone on since the last signature. `kept`: the last line of a file of
    /// signatures. Gives the lines that it lacks: all that there are if it has none, else the new one.
    ///
    /// # Errors
    /// If the hub cannot be written; `hub.damaged` if the books are not what was signed last.
    pub async fn anchor(
        &self,
        signer: &Arc<Signer>,
        at: Timestamp,
        kept: Option<Text>,
    ) -> Result<Vec<Text>, PortError> {
        let signer = signer.clone();
        self.change("sign where the books end", move |connection| {
            chain::anchor::sign(connection, &signer, at, kept.as_deref())
        })
        .await
    }

    /// Lets what is older than `before` in the books give way to what it came to, signed; a piece of it. Gives how
    /// many changes, and whether there may be more.
    ///
    /// # Errors
    /// If the hub cannot be written.
    pub async fn compact(
        &self,
        signer: &Arc<Signer>,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<(u64, bool), PortError> {
        let (signer, vault) = (signer.clone(), self.vault.clone());
        self.change("compact the books", move |connection| {
            chain::snapshot::compact(&vault, connection, &signer, before, now)
        })
        .await
    }

    /// Forgets what was settled before this of the queues: conflicts and guards, and the rows of what a person has
    /// dropped. What waits stays. Gives how many, at most `limit` of each.
    ///
    /// # Errors
    /// If the hub cannot be written.
    pub async fn prune_queues(&self, before: Timestamp, limit: usize) -> Result<usize, PortError> {
        self.change("forget what was settled", move |connection| {
            queues::prune(connection, before, limit)
        })
        .await
    }
}
