//! Connections: who we are, how the line is protected, and how long anything may take.
//!
//! The session's zone stays what the server says: defaults and triggers of the tables may depend on
//! it, and nothing that we carry does.

use std::{collections::BTreeMap, time::Duration};

use syncline_core::error::{ErrorKind, PortError};
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, Config, NoTls, Socket, Statement,
    config::SslMode,
    tls::MakeTlsConnect,
    types::{ToSql, Type},
};

use crate::{
    postgres::{failure, tls},
    settings::{Settings, Tls},
};

/// How long a write waits for a row that somebody else has locked.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a transaction of ours may do nothing, before the server ends it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How much longer than the server's own limit we wait for the end of a read: a line may freeze without being closed.
const SLACK: Duration = Duration::from_secs(5);
/// Prepared statements per connection; then all are forgotten.
const PREPARED_MAX: usize = 500;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Short reads, and writes in batches.
    Work,
    /// One long read in one snapshot, as slow as its reader.
    Scan,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    /// The driver's handle.
    pub(crate) client: Client,
    prepared: BTreeMap<String, Statement>,
    driver: JoinHandle<()>,
    /// How long an answer of a few statements may take.
    patience: Duration,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Cutting the line makes the server roll back what is open.
        self.driver.abort();
    }
}

impl Session {
    /// Connects.
    pub(crate) async fn open(settings: &Settings, purpose: Purpose) -> Result<Self, PortError> {
        let action = || format!("connect to {:?}", settings.name);
        let config = config(settings, purpose);
        let connector = tls::connector(settings)?;
        let connecting = async {
            match connector {
                Some(connector) => drive(&config, connector).await,
                None => drive(&config, NoTls).await,
            }
        };
        match tokio::time::timeout(settings.connect_timeout, connecting).await {
            Ok(connected) => {
                let (client, driver) =
                    connected.map_err(|error| failure::port_error(action(), &error))?;
                let patience = settings.statement_timeout.saturating_mul(2) + SLACK;
                Ok(Self { client, prepared: BTreeMap::new(), driver, patience })
            }
            Err(_) => Err(PortError::new(
                ErrorKind::Unreachable,
                action(),
                format!("no answer within {} s", settings.connect_timeout.as_secs()),
            )),
        }
    }

    /// How long an answer of a few statements may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether it can still be used.
    pub(crate) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// A prepared statement with parameters of these types.
    pub(crate) async fn prepare(
        &mut self,
        sql: &str,
        types: &[Type],
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(found) = self.prepared.get(sql) {
            return Ok(found.clone());
        }
        let statement = self.client.prepare_typed(sql, types).await?;
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Forgets prepared statements, after the schema may have changed.
    pub(crate) fn forget(&mut self) {
        self.prepared.clear();
    }
}

/// What `work` gives, if that comes in time.
///
/// # Errors
/// Those of the work; `TimedOut`: whoever waited must let go of the session.
pub(crate) async fn answered<T>(
    patience: Duration,
    action: impl FnOnce() -> String,
    work: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
        let waited = format!("no answer within {} s", patience.as_secs());
        Err(PortError::new(ErrorKind::TimedOut, action(), waited))
    })
}

/// Connects over this kind of line, and lets the driver run beside us.
async fn drive<T>(
    config: &Config,
    line: T,
) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(line).await?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = failure::describe(&error), "connection ended");
        }
    });
    Ok((client, driver))
}

fn config(settings: &Settings, purpose: Purpose) -> Config {
    let mut config = Config::new();
    let is_socket = settings.host.starts_with('/');
    if is_socket {
        config.host_path(&settings.host);
    } else {
        config.host(&settings.host);
    }
    config.port(settings.port).user(&settings.user).dbname(&settings.database);
    if let Some(password) = &settings.password {
        config.password(password.reveal());
    }
    config.ssl_mode(match settings.tls {
        Tls::VerifyFull | Tls::Require if !is_socket => SslMode::Require,
        Tls::VerifyFull | Tls::Require | Tls::Off => SslMode::Disable,
    });
    let statement = match purpose {
        Purpose::Work => settings.statement_timeout.as_millis(),
        // A long read is as slow as the hub; it is watched from our side instead.
        Purpose::Scan => 0,
    };
    let idle = match purpose {
        Purpose::Work => IDLE_TIMEOUT.as_millis(),
        Purpose::Scan => 0,
    };
    config.options(format!(
        "-c statement_timeout={statement} -c lock_timeout={lock} \
         -c idle_in_transaction_session_timeout={idle} -c DateStyle=ISO \
         -c standard_conforming_strings=on -c default_transaction_isolation=read\\ committed",
        lock = LOCK_TIMEOUT.min(settings.statement_timeout / 2).as_millis(),
    ));
    config
        .application_name("syncline")
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(settings.statement_timeout.saturating_mul(2));
    config
}

/// Borrows parameters for the driver.
pub(crate) fn borrowed<P: ToSql + Sync>(parameters: &[P]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect()
}
