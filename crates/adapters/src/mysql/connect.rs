//! A connection, its session, and how statements are run on it.
//!
//! The session is ours, whatever the server's defaults: strict, UTF-8, UTC. `STRICT_ALL_TABLES`
//! turns what would be cut or zeroed into an error; `NO_AUTO_VALUE_ON_ZERO` lets a zero be a key;
//! `NO_ZERO_DATE` is left out on purpose, because it forbids nothing to be read and would refuse
//! rows that other programs have made. Nothing is ever decided by a count of affected rows: what it
//! counts depends on a flag of the connection.
//!
//! Surprising: a connection on which a statement did not end (lost, late, or its future dropped) is
//! never used again. See [`Session::run`].

use std::{path::PathBuf, time::Duration};

use mysql_async::{
    BinaryProtocol, Conn, Opts, OptsBuilder, QueryResult, Row, SslOpts, Value as Cell,
    prelude::Queryable,
};
use syncline_core::error::PortError;

use crate::{
    mysql::{failure::Failure, literal::cell_text},
    settings::{Settings, Tls},
};

/// The roots that the machine trusts, where Debian and Red Hat keep them. Ours beside the driver's.
const SYSTEM_ROOTS: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// How long a statement waits for a row that another transaction holds.
const LOCK_WAIT_SECONDS: u64 = 3;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads; each statement sees the latest commit, or a snapshot holds for a transaction.
    Read,
    /// Writes.
    Write,
}

/// A connection with our session on it.
pub(super) struct Session {
    conn: Option<Conn>,
    statement_timeout: Duration,
    pub(super) server: Server,
}

/// What the server is.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// As it says itself: `10.11.6-MariaDB-0+deb12u1`.
    pub version: String,
    pub is_mariadb: bool,
    /// Major, minor.
    pub number: (u32, u32),
    /// The longest statement it takes, in bytes.
    pub packet_max: usize,
    /// `INSERT … RETURNING` is there (`MariaDB` 10.5).
    pub has_returning: bool,
    /// The diagnostics name the row of a multi-row insert (`MariaDB` 10.7).
    pub has_row_number: bool,
    /// Locked rows can be skipped (`MariaDB` 10.6, `MySQL` 8).
    pub can_skip_locked: bool,
}

impl Session {
    /// Connects and sets the session up.
    pub(super) async fn open(settings: &Settings, purpose: Purpose) -> Result<Self, Failure> {
        let opts = options(settings).await;
        let connecting = tokio::time::timeout(settings.connect_timeout, Conn::new(opts));
        let conn = match connecting.await {
            Ok(conn) => conn?,
            Err(_) => return Err(Failure::Late(settings.connect_timeout)),
        };
        let mut session = Self {
            conn: Some(conn),
            statement_timeout: settings.statement_timeout,
            server: Server::default(),
        };
        session.set_up(purpose).await?;
        Ok(session)
    }

    async fn set_up(&mut self, purpose: Purpose) -> Result<(), Failure> {
        let rows = self
            .rows(
                "select version(), @@max_allowed_packet, @@log_bin, \
                 @@binlog_format",
            )
            .await?;
        let mut row = rows.into_iter().next().unwrap_or_default().into_iter().map(cell_text);
        let mut next = || row.next().flatten().unwrap_or_default();
        let version = next();
        let is_mariadb = version.to_ascii_lowercase().contains("mariadb");
        let number = number(&version);
        self.server = Server {
            is_mariadb,
            number,
            packet_max: next().parse().unwrap_or(1 << 20),
            has_returning: is_mariadb && number >= (10, 5),
            has_row_number: is_mariadb && number >= (10, 7),
            can_skip_locked: number >= if is_mariadb { (10, 6) } else { (8, 0) },
            version,
        };
        let logs_statements = next() == "1" && next().eq_ignore_ascii_case("statement");
        let seconds = self.statement_timeout.as_secs().max(1);
        // Reading committed takes no locks on gaps; a log of statements does not allow it.
        let isolation = match purpose {
            Purpose::Write if !logs_statements => "read committed",
            Purpose::Write | Purpose::Read => "repeatable read",
        };
        let limit = if is_mariadb {
            let longest = self.statement_timeout.as_secs_f64().max(0.1);
            format!("max_statement_time = {longest}, in_predicate_conversion_threshold = 0")
        } else {
            format!("max_execution_time = {}", self.statement_timeout.as_millis().max(1))
        };
        let lock = seconds.min(LOCK_WAIT_SECONDS);
        let strict = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,\
                      NO_BACKSLASH_ESCAPES";
        self.run("set names utf8mb4").await?;
        self.run(&format!(
            "set session sql_mode = '{strict}', time_zone = '+00:00', autocommit = 1, \
             foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, \
             sql_select_limit = default, net_write_timeout = 600, net_read_timeout = 600, \
             innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {seconds}, {limit}"
        ))
        .await?;
        self.run(&format!("set session transaction isolation level {isolation}")).await
    }

    /// Whether statements can still be run.
    pub(super) fn is_usable(&self) -> bool {
        self.conn.is_some()
    }

    /// Runs one statement and drops what it answers.
    pub(super) async fn run<Q: AsRef<[u8]> + ?Sized>(&mut self, sql: &Q) -> Result<(), Failure> {
        self.rows(sql).await.map(drop)
    }

    /// Runs one statement and collects the rows of its first result.
    pub(super) async fn rows<Q: AsRef<[u8]> + ?Sized>(
        &mut self,
        sql: &Q,
    ) -> Result<Vec<Vec<Option<Cell>>>, Failure> {
        let mut rows = Vec::new();
        self.each(sql, |row| rows.push(row.unwrap_raw())).await?;
        Ok(rows)
    }

    /// Runs one statement and shows the rows of its first result, one by one.
    ///
    /// The connection is taken out meanwhile, so that a future dropped half-way drops it too.
    pub(super) async fn each<Q: AsRef<[u8]> + ?Sized>(
        &mut self,
        sql: &Q,
        mut show: impl FnMut(Row) + Send,
    ) -> Result<(), Failure> {
        let mut conn = self.take()?;
        let work = async {
            let mut result = conn.query_iter(sql.as_ref()).await?;
            while let Some(row) = result.next().await? {
                show(row);
            }
            result.drop_result().await
        };
        let answer = tokio::time::timeout(self.statement_timeout + SLACK, work).await;
        self.give_back(conn, answer)
    }

    /// Prepares and runs one statement without parameters, with the binary protocol, and hands out
    /// its rows as they come. Worth its second round trip where many rows with numbers come back.
    pub(super) async fn stream(&mut self, sql: &str) -> Result<Rows<'_>, Failure> {
        let wait = self.statement_timeout + SLACK;
        let conn = self.conn.as_mut().ok_or_else(given_up)?;
        let result = within(wait, conn.exec_iter(sql, ())).await?;
        Ok(Rows { result, wait })
    }

    /// Runs statements that answer no rows, separated by `;`, in one round trip. Returns how many
    /// were done, and the failure of the next one, if one failed: those behind it were not tried.
    pub(super) async fn run_many(&mut self, sql: &[u8]) -> (usize, Result<(), Failure>) {
        let mut conn = match self.take() {
            Ok(conn) => conn,
            Err(failure) => return (0, Err(failure)),
        };
        let mut done = 0;
        let work = async {
            let mut result = conn.query_iter(sql).await?;
            loop {
                // The failure of a later statement is told by the step after the one that meets it;
                // left untold, it would be taken for a failure of whatever is asked next.
                let is_last = result.is_empty();
                if is_last {
                    result.next().await?;
                }
                done += 1;
                if is_last {
                    return Ok(());
                }
                while result.next().await?.is_some() {}
            }
        };
        let answer = tokio::time::timeout(self.statement_timeout + SLACK, work).await;
        (done, self.give_back(conn, answer))
    }

    fn take(&mut self) -> Result<Conn, Failure> {
        self.conn.take().ok_or_else(given_up)
    }

    fn give_back(
        &mut self,
        conn: Conn,
        answer: Result<Result<(), mysql_async::Error>, tokio::time::error::Elapsed>,
    ) -> Result<(), Failure> {
        let failure = match answer {
            Ok(Ok(())) => {
                self.conn = Some(conn);
                return Ok(());
            }
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::Late(self.statement_timeout),
        };
        if failure.code().is_some() && !conn.is_disconnected() {
            self.conn = Some(conn);
        }
        Err(failure)
    }

    /// Says good-bye; a connection that is merely dropped is closed without it.
    pub(super) async fn close(mut self) {
        if let Some(conn) = self.conn.take() {
            let _ = tokio::time::timeout(SLACK, conn.disconnect()).await;
        }
    }
}

/// The rows of a statement, as they come. Read to the end, or the session is of no further use.
pub(super) struct Rows<'a> {
    result: QueryResult<'a, 'static, BinaryProtocol>,
    wait: Duration,
}

impl Rows<'_> {
    /// The next row.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, Failure> {
        within(self.wait, self.result.next()).await
    }

    /// Leaves the connection fit for the next statement.
    pub(super) async fn end(self) -> Result<(), Failure> {
        within(self.wait, self.result.drop_result()).await
    }
}

async fn within<T>(
    wait: Duration,
    work: impl Future<Output = mysql_async::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(wait, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::Late(wait)),
    }
}

fn given_up() -> Failure {
    Failure::Lost("the connection was given up".to_owned())
}

/// How much longer than the server we wait for the end of a statement.
const SLACK: Duration = Duration::from_secs(5);

/// Opens a session, with the port's words for a failure.
pub(super) async fn open(settings: &Settings, purpose: Purpose) -> Result<Session, PortError> {
    Session::open(settings, purpose)
        .await
        .map_err(|failure| failure.error(format!("connect to \"{}\"", settings.name)))
}

/// Opens a connection to be told the log: a row may be as large as the server allows any.
pub(super) async fn log(settings: &Settings) -> Result<Conn, Failure> {
    const PACKET_MAX: usize = 1 << 30;
    let opts = OptsBuilder::from_opts(options(settings).await).max_allowed_packet(Some(PACKET_MAX));
    let connecting = tokio::time::timeout(settings.connect_timeout, Conn::new(opts));
    match connecting.await {
        Ok(conn) => Ok(conn?),
        Err(_) => Err(Failure::Late(settings.connect_timeout)),
    }
}

async fn options(settings: &Settings) -> Opts {
    let mut builder = OptsBuilder::default()
        .user(Some(settings.user.as_str()))
        .pass(settings.password.as_ref().map(crate::settings::Secret::reveal))
        .db_name((!settings.database.is_empty()).then_some(settings.database.as_str()))
        .prefer_socket(false)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .client_found_rows(false)
        .stmt_cache_size(16);
    if settings.host.starts_with('/') {
        return builder.socket(Some(socket(&settings.host))).into();
    }
    builder = builder.ip_or_hostname(settings.host.as_str()).tcp_port(settings.port);
    match settings.tls {
        Tls::Off => builder.into(),
        // The driver's way of skipping only the name does not know how rustls words it, so that
        // `require` means: encrypted, and whose certificate it is is not asked.
        Tls::Require => {
            builder.ssl_opts(SslOpts::default().with_danger_accept_invalid_certs(true)).into()
        }
        Tls::VerifyFull => {
            let mut files: Vec<PathBuf> = Vec::new();
            for root in SYSTEM_ROOTS {
                if tokio::fs::metadata(root).await.is_ok() {
                    files.push(root.into());
                }
            }
            files.extend(settings.tls_ca.as_ref().map(PathBuf::from));
            let roots = files.into_iter().map(Into::into).collect();
            builder.ssl_opts(SslOpts::default().with_root_certs(roots)).into()
        }
    }
}

/// The socket itself, where only its directory is given.
fn socket(host: &str) -> String {
    let path = PathBuf::from(host);
    if path.is_dir() {
        path.join("mysqld.sock").to_string_lossy().into_owned()
    } else {
        host.into()
    }
}

/// Major and minor of `10.11.6-MariaDB` and of `5.5.5-10.11.6-MariaDB`.
fn number(version: &str) -> (u32, u32) {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
