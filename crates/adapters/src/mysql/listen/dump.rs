//! Opens the log: from a place in a file of it, or after transactions that another server had, too.

use std::time::Duration;

use futures_util::StreamExt as _;
use mysql_async::{BinlogStream, BinlogStreamRequest, prelude::Queryable as _};
use syncline_core::error::{ErrorKind, PortError};

use super::{Begun, Binlog, gtid::Gtids, head, kind, place::Place, reading::Reading};
use crate::mysql::{connect, describe::Cells, failure::Failure};

/// The server says so often that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The log does not go back so far, or has no such place.
const NO_SUCH_PLACE: u16 = 1_236;
/// Where the first event of a file stands.
const FIRST: u32 = 4;

/// How the server is told where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By file and offset.
    Place,
    /// By the transactions that were heard.
    Gtids,
}

impl Binlog {
    /// Goes on after what was heard. On the server that was listened to, by its file; on another one
    /// that has the same transactions, after these.
    pub(super) async fn resume(&mut self, place: &Place, gtids: Gtids) -> Result<Begun, PortError> {
        let opened = self.open(place, gtids.clone(), Way::Place).await;
        let lost = match opened {
            Ok(mut begun) if begun.reading.place.origin == place.origin => {
                // A position of an earlier version does not say.
                if gtids.is_empty() {
                    begun.reading.gtids = self.gtids_at(place).await?;
                    begun.reading.given_gtids.clone_from(&begun.reading.gtids);
                }
                return Ok(begun);
            }
            Ok(_) => self.lost("its log is not the one that was listened to"),
            Err(error) if error.kind == ErrorKind::PositionLost => error,
            Err(error) => return Err(error),
        };
        // The same server with another log was restored, or set up anew: its numbers begin again.
        if gtids.is_empty() || !self.is_another(place.origin.server).await? {
            return Err(lost);
        }
        let here = Place { offset: FIRST, ..self.now().await? };
        let mut begun = self.open(&here, gtids, Way::Gtids).await?;
        begun.reading.upto.clone_from(&begun.reading.place);
        begun.reading.given.clone_from(&begun.reading.place);
        Ok(begun)
    }

    /// Opens the log. The server says first which file it reads, and when and by whom that was begun.
    pub(super) async fn open(
        &mut self,
        place: &Place,
        gtids: Gtids,
        way: Way,
    ) -> Result<Begun, PortError> {
        let after = match way {
            Way::Place => None,
            Way::Gtids => Some(&gtids),
        };
        let stream = match self.open_stream(place, after).await {
            Ok(stream) => stream,
            Err(failure) => return Err(self.refused(&failure).await),
        };
        let mut begun = Begun {
            stream,
            reading: Reading::at(place.clone(), gtids),
            waiting: None,
            heard: std::time::Instant::now(),
        };
        loop {
            let next = tokio::time::timeout(self.settings.connect_timeout, begun.stream.next());
            let event = match next.await {
                Ok(next) => self.event(next).await?,
                Err(_) => return Err(self.failed(&Failure::Late(self.settings.connect_timeout))),
            };
            let head = head(&event);
            begun.reading.take(head, event.data());
            if head.kind == kind::FORMAT {
                return Ok(begun);
            }
        }
    }

    /// Whether this is a `MariaDB` with another number than that server.
    async fn is_another(&mut self, server: u32) -> Result<bool, PortError> {
        let session = self.session().await?;
        if !session.server.is_mariadb {
            return Ok(false);
        }
        let number = match session.rows("select @@global.server_id").await {
            Ok(rows) => rows.into_iter().next().and_then(|row| Cells(row.into_iter()).number()),
            Err(failure) => return Err(self.failed(&failure)),
        };
        Ok(number.is_some_and(|number| number != u64::from(server)))
    }

    /// The last transactions before this place, where the server says.
    pub(super) async fn gtids_at(&mut self, place: &Place) -> Result<Gtids, PortError> {
        let session = self.session().await?;
        if !session.server.is_mariadb {
            return Ok(Gtids::default());
        }
        let file = place.file.replace('\\', "\\\\").replace('\'', "''");
        let sql = format!("select binlog_gtid_pos('{file}', {})", place.offset);
        let told = match session.rows(&sql).await {
            Ok(rows) => rows.into_iter().next().unwrap_or_default(),
            Err(failure) => return Err(self.failed(&failure)),
        };
        Ok(Gtids::parse(&Cells(told.into_iter()).text()).unwrap_or_default())
    }

    /// Where the log ends now.
    pub(super) async fn now(&mut self) -> Result<Place, PortError> {
        let session = self.session().await?;
        let status = match session.rows("show master status").await {
            // Newer servers have another word for it.
            Err(Failure::Server { code: 1064, .. }) => session.rows("show binary log status").await,
            status => status,
        };
        let row = match status {
            Ok(rows) => rows.into_iter().next().unwrap_or_default(),
            Err(failure) => return Err(self.refused(&failure).await),
        };
        let mut cells = Cells(row.into_iter());
        let (file, offset) = (cells.text(), cells.number());
        let (only, without) = (cells.text(), cells.text());
        if !only.is_empty() || !without.is_empty() {
            let detail = "the server logs only some databases: take `binlog_do_db` and \
                 `binlog_ignore_db` out of its file, or set `detect: {poll: 30s}`";
            return Err(PortError::new(ErrorKind::Unheard, self.action.clone(), detail));
        }
        match offset.and_then(|offset| u32::try_from(offset).ok()).filter(|_| !file.is_empty()) {
            Some(offset) => Ok(Place { file, offset, ..Place::default() }),
            None => Err(self.failed(&Failure::Lost("it does not say where its log ends".into()))),
        }
    }

    async fn open_stream(
        &self,
        place: &Place,
        after: Option<&Gtids>,
    ) -> Result<BinlogStream, Failure> {
        let mut conn = connect::log(&self.settings).await?;
        let (wait, server) = (self.settings.connect_timeout, self.server);
        let mut setting = format!(
            "set @master_heartbeat_period = {}, @mariadb_slave_capability = 4, \
             net_write_timeout = 600, net_read_timeout = 600",
            HEARTBEAT.as_nanos()
        );
        if let Some(gtids) = after {
            // Strictly: a server that has not exactly these transactions refuses.
            setting.push_str(&format!(
                ", @slave_connect_state = '{gtids}', @slave_gtid_strict_mode = 1, \
                 @slave_gtid_ignore_duplicates = 0"
            ));
        }
        let opening = async {
            conn.query_drop(setting).await?;
            let request = BinlogStreamRequest::new(server);
            let request = match after {
                Some(_) => request.with_pos(u64::from(FIRST)),
                None => {
                    request.with_filename(place.file.as_bytes()).with_pos(u64::from(place.offset))
                }
            };
            conn.get_binlog_stream(request).await
        };
        match tokio::time::timeout(wait, opening).await {
            Ok(stream) => Ok(stream?),
            Err(_) => Err(Failure::Late(wait)),
        }
    }

    /// A refusal of the log, with the privilege to grant.
    pub(super) async fn refused(&mut self, failure: &Failure) -> PortError {
        match failure.code() {
            Some(NO_SUCH_PLACE) => self.lost("the log does not go back so far"),
            Some(1044 | 1045 | 1142 | 1227) => {
                let detail = self.grant().await;
                PortError::new(ErrorKind::Forbidden, self.action.clone(), detail)
            }
            _ => self.failed(failure),
        }
    }

    async fn grant(&mut self) -> String {
        let user = match self.session().await {
            Ok(session) => session.rows("select current_user()").await.ok(),
            Err(_) => None,
        };
        let user = user.and_then(|rows| rows.into_iter().next());
        let user = user.map(|row| Cells(row.into_iter()).text()).unwrap_or_default();
        let (name, host) = user.rsplit_once('@').unwrap_or((self.settings.user.as_str(), "%"));
        let quote = |part: &str| part.replace('\'', "''");
        let privilege = match &self.session {
            Some(session) if session.server.is_mariadb && session.server.number >= (10, 5) => {
                "binlog monitor"
            }
            Some(_) | None => "replication client",
        };
        format!(
            "run `grant replication slave, {privilege} on *.* to '{}'@'{}';`",
            quote(name),
            quote(host)
        )
    }
}
