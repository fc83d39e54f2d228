//! Which transactions a read would see by now.
//!
//! The log tells of a commit before others see it: until the server has put it on disk, and for as
//! long as it waits for a standby. Who reads a row at once on such a hint would find the old one, and
//! believe that nothing happened.

use syncline_core::error::{ErrorKind, PortError};

use crate::postgres::{connect::Session, failure::port_error, listen::sql};

/// The transactions that were over at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// All before this one are over.
    first: u64,
    /// None from this one on is.
    next: u64,
    /// Between the two, these are not over.
    running: Vec<u64>,
}

impl Snapshot {
    /// Now.
    pub(super) async fn take(session: &Session, action: &str) -> Result<Self, PortError> {
        let rows = session
            .client
            .query_typed(sql::SNAPSHOT, &[])
            .await
            .map_err(|error| port_error(action, &error))?;
        let text: Option<&str> = rows.first().map(|row| row.get(0));
        text.and_then(Self::parse).ok_or_else(|| {
            PortError::new(ErrorKind::Unexpected, action, "the server told no snapshot")
        })
    }

    /// `10:20:10,14,15`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (first, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let running = parts.next()?.split(',').filter(|part| !part.is_empty());
        Some(Self {
            first,
            next,
            running: running.map(|part| part.parse().ok()).collect::<Option<_>>()?,
        })
    }

    /// Whether everybody sees it. The log leaves out which circle of 32 bits it belongs to: the one
    /// that brings it closest to now.
    pub(super) fn shows(&self, transaction: u32) -> bool {
        let behind = (self.next as u32).wrapping_sub(transaction) as i32;
        let whole = self.next.saturating_add_signed(-i64::from(behind));
        whole < self.first || (whole < self.next && !self.running.contains(&whole))
    }

    /// Those that were not over.
    pub(super) fn running(&self) -> impl Iterator<Item = u64> {
        self.running.iter().copied()
    }

    /// Of those that were running in `before`, those that still are.
    pub(super) fn still_running(&self, before: &Self) -> Vec<u64> {
        let running = |whole: &&u64| **whole >= self.first && self.running.contains(whole);
        before.running.iter().filter(running).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Snapshot;

    #[test]
    fn a_snapshot_shows_what_was_over() {
        let snapshot = Snapshot::parse("4294967300:4294967310:4294967302,4294967305").unwrap();
        let shown = |number: u64| snapshot.shows(number as u32);

        assert!(shown(4_294_967_290) && shown(4_294_967_299), "before all that run");
        assert!(shown(4_294_967_301) && shown(4_294_967_309));
        assert!(!shown(4_294_967_302) && !shown(4_294_967_305), "these run");
        assert!(!shown(4_294_967_310) && !shown(4_294_967_400), "these had not begun");
    }

    #[test]
    fn those_still_running_are_told() {
        let before = Snapshot::parse("10:20:10,14,15").unwrap();
        let after = Snapshot::parse("14:30:14,22").unwrap();

        assert_eq!(after.still_running(&before), [14]);
        assert_eq!(Snapshot::parse("30:30:").unwrap().still_running(&before), [] as [u64; 0]);
        assert_eq!(Snapshot::parse("30"), None);
    }
}
