//! What the server must be so that its log can be read.

use syncline_core::error::{ErrorKind, PortError};

use crate::postgres::{
    connect::Session,
    failure::port_error,
    listen::{line::APPLICATION, sql},
};

/// The oldest server whose log can be read this way.
const OLDEST: i32 = 140_000;

/// What matters of the server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) version: i32,
    pub(super) wal_level: String,
    pub(super) is_standby: bool,
    pub(super) user: String,
    pub(super) slots_max: String,
    standbys: String,
}

impl Server {
    /// Asks it.
    pub(super) async fn ask(session: &Session, action: &str) -> Result<Self, PortError> {
        let rows = session
            .client
            .query_typed(sql::SERVER, &[])
            .await
            .map_err(|error| port_error(action, &error))?;
        let row = rows
            .first()
            .ok_or_else(|| PortError::new(ErrorKind::Unexpected, action, "no answer"))?;
        Ok(Self {
            version: row.get(0),
            wal_level: row.get(1),
            is_standby: row.get(2),
            user: row.get(3),
            slots_max: row.get(4),
            standbys: row.get(5),
        })
    }

    /// Whether its log can be read.
    ///
    /// # Errors
    /// `Unheard`, with what would have to be changed.
    pub(super) fn is_fit(&self, action: &str) -> Result<(), PortError> {
        let detail = if self.version < OLDEST {
            format!("it is older than PostgreSQL {}", OLDEST / 10_000)
        } else if self.is_standby {
            "this is a standby: point the URL at the primary".to_owned()
        } else if self.wal_level != "logical" {
            format!(
                "wal_level is {:?}; reading the log needs \"logical\": alter system set wal_level = \
                 'logical'; then restart the server",
                self.wal_level
            )
        } else if self.standbys.contains('*') || self.standbys.contains(APPLICATION) {
            // We wait until a commit is seen, which then would wait for us.
            format!(
                "synchronous_standby_names is {:?}: commits would wait for us; it must name the \
                 standbys that are meant",
                self.standbys
            )
        } else {
            return Ok(());
        };
        Err(PortError::new(ErrorKind::Unheard, action, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    fn refusal(server: &Server) -> String {
        server.is_fit("listen").map_or_else(|error| error.detail.to_string(), |()| String::new())
    }

    #[test]
    fn what_the_server_lacks_is_said_with_what_helps() {
        let fit = Server {
            version: 150_004,
            wal_level: "logical".into(),
            is_standby: false,
            user: "syncline".into(),
            slots_max: "10".into(),
            standbys: "ANY 1 (berlin, paris)".into(),
        };

        assert_eq!(refusal(&fit), "");
        let replica = Server { wal_level: "replica".into(), ..fit.clone() };
        assert!(refusal(&replica).contains("alter system set wal_level = 'logical'; then restart"));
        let standby = Server { is_standby: true, ..fit.clone() };
        assert!(refusal(&standby).contains("primary"));
        let waiting = Server { standbys: "*".into(), ..fit.clone() };
        assert!(refusal(&waiting).contains("commits would wait for us"));
        let old = Server { version: 130_010, ..fit };
        assert!(refusal(&old).contains("older than PostgreSQL 14"));
    }
}
