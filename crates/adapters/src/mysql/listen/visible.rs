//! How far into the log a read would see by now.
//!
//! The log tells of a commit before others see it: until the engine has committed it too, and for as
//! long as the server waits for a replica in between. Who reads a row at once on such a hint would
//! find the old one, and believe that nothing happened.
//!
//! `MariaDB` says to which place of its log a snapshot belongs. Other servers do not.

use std::{cmp::Ordering, time::Duration};

use syncline_core::error::PortError;
use tokio::time::Instant;

use super::{Binlog, place::Place};
use crate::mysql::{connect::Session, describe::Cells, failure::Failure};

/// What is in the log and not yet to be seen is looked for again after this.
const PAUSE: Duration = Duration::from_millis(1);

/// The place in the log up to which everybody sees what was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    file: String,
    offset: u64,
}

impl Seen {
    /// Now; nothing where the server does not say.
    pub(super) async fn ask(session: &mut Session) -> Result<Option<Self>, Failure> {
        session.run("start transaction with consistent snapshot, read only").await?;
        let told = session.rows("show session status like 'binlog_snapshot_%'").await;
        session.run("commit").await?;
        let (mut file, mut offset) = (None, None);
        for row in told? {
            let mut cells = Cells(row.into_iter());
            let name = cells.text();
            if name.eq_ignore_ascii_case("binlog_snapshot_file") {
                file = Some(cells.text()).filter(|file| !file.is_empty());
            } else if name.eq_ignore_ascii_case("binlog_snapshot_position") {
                offset = cells.number();
            }
        }
        Ok(file.zip(offset).map(|(file, offset)| Self { file, offset }))
    }

    /// Whether it lies at or behind a place. Files are numbered; the numbers may grow longer.
    pub(super) fn reaches(&self, place: &Place) -> bool {
        let files = (self.file.len(), &self.file).cmp(&(place.file.len(), &place.file));
        match files {
            Ordering::Less => false,
            Ordering::Equal => self.offset >= u64::from(place.offset),
            Ordering::Greater => true,
        }
    }
}

impl Binlog {
    /// Whether a read sees what stands in the log before this place; waits so long for that. Of a
    /// server that does not say it is believed.
    pub(super) async fn is_shown(
        &mut self,
        place: &Place,
        wait: Duration,
    ) -> Result<bool, PortError> {
        let until = Instant::now() + wait;
        loop {
            if self.seen.as_ref().is_some_and(|seen| seen.reaches(place)) {
                return Ok(true);
            }
            self.session().await?;
            // Who gives up waiting in between leaves no line behind that is in the middle of something.
            let Some(mut session) = self.session.take() else { return Ok(false) };
            let seen = Seen::ask(&mut session).await;
            let seen = match seen {
                Ok(seen) => seen,
                Err(failure) => return Err(self.failed(&failure)),
            };
            self.session = Some(session);
            let Some(seen) = seen else { return Ok(true) };
            let is_there = seen.reaches(place);
            self.seen = Some(seen);
            if is_there {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Seen};

    #[test]
    fn a_later_file_or_a_later_offset_reaches_a_place() {
        let seen = |file: &str, offset| Seen { file: file.into(), offset };
        let place = Place { file: "binlog.000009".into(), offset: 400, ..Place::default() };

        assert!(seen("binlog.000009", 400).reaches(&place));
        assert!(seen("binlog.000010", 4).reaches(&place));
        assert!(seen("binlog.1000000", 4).reaches(&place));
        assert!(!seen("binlog.000009", 399).reaches(&place));
        assert!(!seen("binlog.000008", 900).reaches(&place));
    }
}
