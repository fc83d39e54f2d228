//! Describes a `MariaDB` or `MySQL` system: tables, samples, and whether it is fit.
//!
//! Privileges are tried, not read: `explain` of a statement asks for the same privileges as the
//! statement and does nothing, and so it also knows about roles. A fix is a statement to paste.

use async_trait::async_trait;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Value,
};
use syncline_ports::{
    catalog::{Catalog, Check, CheckState, Fitness, Privileges, Table},
    clock::Clock,
};

use crate::{
    clock::SystemClock,
    mysql::{
        connect::{self, Purpose, Server, Session},
        describe::{self, Described},
        failure::Failure,
        listen::{Logs, triggers::refusal},
        literal::{self, cell_text},
        types::{self, Wire},
    },
    settings::{Marks, Settings, Tls, Way},
    sql::marks,
};

/// Describes a system; connects again when the connection was lost.
pub(super) struct MysqlCatalog {
    settings: Settings,
    session: Option<Session>,
}

/// Connects, to describe the system.
pub(super) async fn open(settings: &Settings) -> Result<MysqlCatalog, PortError> {
    let session = connect::open(settings, Purpose::Read).await?;
    Ok(MysqlCatalog { settings: settings.clone(), session: Some(session) })
}

impl MysqlCatalog {
    async fn session(&mut self) -> Result<&mut Session, PortError> {
        if !self.session.as_ref().is_some_and(Session::is_usable) {
            self.session = Some(connect::open(&self.settings, Purpose::Read).await?);
        }
        self.session.as_mut().ok_or_else(|| {
            PortError::new(ErrorKind::Unreachable, "connect", "the connection was given up")
        })
    }

    fn failed(&self, what: &str) -> impl Fn(Failure) -> PortError + use<> {
        let action = format!("{what} of \"{}\"", self.settings.name);
        move |failure| failure.error(action.clone())
    }

    async fn described(&mut self, tables: &[Text]) -> Result<Vec<Option<Described>>, PortError> {
        let failed = self.failed("describe tables");
        let database = self.settings.database.clone();
        let session = self.session().await?;
        let mut found = describe::describe(session, &database, tables).await.map_err(&failed)?;
        for described in found.iter_mut().flatten() {
            described.table.privileges = privileges(session, described).await.map_err(&failed)?;
        }
        Ok(found)
    }
}

#[async_trait]
impl Catalog for MysqlCatalog {
    async fn tables(&mut self) -> Result<Vec<Text>, PortError> {
        let failed = self.failed("list the tables");
        let database = self.settings.database.clone();
        describe::tables(self.session().await?, &database).await.map_err(failed)
    }

    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError> {
        let found = self.described(tables).await?;
        Ok(found.into_iter().map(|found| found.map(|described| described.table)).collect())
    }

    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError> {
        let failed = self.failed("examine the server");
        let found = self.described(tables).await?;
        let settings = self.settings.clone();
        let session = self.session().await?;
        let mut fitness = Fitness {
            product: Text::new(product(session)),
            is_tested: session.server.is_mariadb && session.server.number == (10, 11),
            ..Fitness::default()
        };
        fitness.clock_ahead_ms = clock_ahead_ms(session).await.map_err(&failed)?;
        let connected = connection(session, &settings, fitness.clock_ahead_ms).await;
        fitness.checks.push(connected.map_err(&failed)?);
        fitness.checks.push(version(&session.server, fitness.is_tested));
        let user = account(session).await.map_err(&failed)?;
        fitness.checks.push(table_privileges(&user, tables, &found));
        fitness.checks.extend(read_only(session).await.map_err(&failed)?);
        fitness.checks.extend(engines(&found));
        let check = marks_check(session, &settings, &user).await.map_err(&failed)?;
        fitness.has_marks = check.state == CheckState::Passed;
        fitness.checks.push(check);
        if settings.ways != [Way::Triggers] {
            let check = log(session, &settings).await.map_err(&failed)?;
            fitness.checks.push(check);
        }
        if settings.ways.contains(&Way::Triggers) {
            let check = triggers(session, &settings, &user, &found).await.map_err(&failed)?;
            fitness.checks.push(check);
        }
        fitness.checks.push(clock(fitness.clock_ahead_ms));
        Ok(fitness)
    }

    async fn create_marks(&mut self) -> Result<(), PortError> {
        let failed = self.failed("create the table of marks");
        let session = self.session().await?;
        // Whatever engine is the default here: a mark must be taken back with its transaction.
        session.run(&format!("{} engine = InnoDB", marks::CREATE)).await.map_err(&failed)?;
        session.run(marks::ADD_KEY).await.map_err(&failed)?;
        match session.run(marks::CREATE_INDEX).await {
            // The index is there already.
            Err(Failure::Server { code: 1061, .. }) | Ok(()) => Ok(()),
            Err(failure) => Err(failed(failure)),
        }
    }

    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError> {
        let drift = |detail: &str| {
            PortError::new(ErrorKind::SchemaDrift, format!("sample {table:?}"), detail)
        };
        let found = self.described(&[Text::new(table)]).await?;
        let described = found.into_iter().flatten().next().ok_or_else(|| drift("there is none"))?;
        let mut wires = Vec::new();
        let mut list = Vec::new();
        for name in columns {
            let column = described.table.columns.iter().find(|column| column.name == *name);
            let wire = column.and_then(Wire::of).ok_or_else(|| drift("a column is not there"))?;
            if !list.is_empty() {
                list.extend_from_slice(b", ");
            }
            types::select(wire, name, &mut list);
            wires.push(wire);
        }
        if wires.is_empty() {
            return Ok(Vec::new());
        }
        let failed = self.failed("read samples");
        let session = self.session().await?;
        let sql = sample_sql(session, &described, &String::from_utf8_lossy(&list), limit)
            .await
            .map_err(&failed)?;
        let rows = session.rows(&sql).await.map_err(&failed)?;
        // A row with a value that does not travel says nothing about the lenses.
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                wires.iter().zip(row).map(|(wire, cell)| types::decode(*wire, cell).ok()).collect()
            })
            .take(limit)
            .collect())
    }
}

/// Rows from all over the table: short runs of a numeric key where it has one, else by chance.
async fn sample_sql(
    session: &mut Session,
    described: &Described,
    list: &str,
    limit: usize,
) -> Result<String, Failure> {
    const PIECES: u64 = 20;
    let table = &described.sql_name;
    let numeric_key = match described.table.primary_key.as_slice() {
        [key] => described
            .table
            .columns
            .iter()
            .find(|column| column.name == *key)
            .filter(|column| Wire::of(column) == Some(Wire::Int)),
        _ => None,
    };
    let Some(key) = numeric_key else {
        let share = (limit as f64 * 2.0 / described.table.rows_estimate.max(1) as f64).min(1.0);
        return Ok(format!("select {list} from {table} where rand() <= {share} limit {limit}"));
    };
    let mut name = Vec::new();
    literal::name(&key.name, &mut name);
    let name = String::from_utf8_lossy(&name).into_owned();
    let ends = session.rows(&format!("select min({name}), max({name}) from {table}")).await?;
    let mut ends = ends.into_iter().flatten().map(|cell| cell_text(cell)?.parse::<i128>().ok());
    let (Some(Some(first)), Some(Some(last))) = (ends.next(), ends.next()) else {
        return Ok(format!("select {list} from {table} limit {limit}"));
    };
    let each = (limit as u64).div_ceil(PIECES);
    let pieces: Vec<String> = (0..PIECES)
        .map(|piece| {
            let from = first + (last - first) * i128::from(piece) / i128::from(PIECES);
            let to = first + (last - first) * i128::from(piece + 1) / i128::from(PIECES);
            let end = if piece + 1 == PIECES { "<=" } else { "<" };
            format!(
                "(select {list} from {table} where {name} >= {from} and {name} {end} {to} \
                 order by {name} limit {each})"
            )
        })
        .collect();
    Ok(pieces.join(" union all "))
}

fn product(session: &Session) -> String {
    let server = &session.server;
    let version = server.version.strip_prefix("5.5.5-").unwrap_or(&server.version);
    let number = version.split('-').next().unwrap_or_default();
    format!("{} {number}", if server.is_mariadb { "MariaDB" } else { "MySQL" })
}

/// Whether the binary log can be listened to.
async fn log(session: &mut Session, settings: &Settings) -> Result<Check, Failure> {
    const A_WEEK: &str = "SET GLOBAL binlog_expire_logs_seconds = 604800;";
    let logs = Logs::ask(session).await?;
    if let Some(missing) = logs.missing() {
        let instead = if settings.ways.contains(&Way::Triggers) {
            "triggers note changes instead"
        } else {
            "changes are polled"
        };
        let message = format!("{instead}: {missing}");
        return Ok(check("binlog", CheckState::Warning, message, &[]));
    }
    if !logs.are_kept_long() {
        let message = format!("{}: whoever stops for longer reads everything again", logs.words());
        return Ok(check("binlog", CheckState::Warning, message, &[A_WEEK.to_owned()]));
    }
    Ok(check("binlog", CheckState::Passed, logs.words(), &[]))
}

/// Whether triggers can note what changes in the bound tables.
async fn triggers(
    session: &mut Session,
    settings: &Settings,
    user: &str,
    found: &[Option<Described>],
) -> Result<Check, Failure> {
    let (mut lacks, mut fix, mut tables) = (Vec::new(), Vec::new(), 0);
    for described in found.iter().flatten().filter(|described| !described.table.is_view) {
        if !described.is_transactional() {
            lacks.push(format!("{} has no transactions", described.table.name));
            continue;
        }
        tables += 1;
        let name = describe::unquoted(&described.sql_name);
        if let Some(lacking) = refusal(session, &name, &settings.database, user).await? {
            if !lacks.contains(&lacking.message) {
                lacks.push(lacking.message);
            }
            fix.extend(lacking.fix);
        }
    }
    fix.sort();
    fix.dedup();
    if lacks.is_empty() {
        let message = format!("can be put into {tables} tables");
        return Ok(check("triggers", CheckState::Passed, message, &[]));
    }
    let message = format!("changes are polled: {}", lacks.join("; "));
    Ok(check("triggers", CheckState::Warning, message, &fix))
}

fn check(name: &str, state: CheckState, message: impl AsRef<str>, fix: &[String]) -> Check {
    Check {
        name: Text::new(name),
        state,
        message: Text::new(message),
        fix: fix.iter().map(Text::new).collect(),
    }
}

async fn connection(
    session: &mut Session,
    settings: &Settings,
    clock_ahead_ms: i64,
) -> Result<Check, Failure> {
    let how = match settings.tls {
        Tls::Off => "no TLS".to_owned(),
        Tls::Require | Tls::VerifyFull => {
            let rows = session.rows("show session status like 'Ssl_version'").await?;
            let version = rows.into_iter().flatten().nth(1).and_then(cell_text).unwrap_or_default();
            let name = if settings.tls == Tls::Require { "require" } else { "verify-full" };
            format!("TLS {name} ({version})")
        }
    };
    let how = if settings.host.starts_with('/') { "local socket".to_owned() } else { how };
    let skew = clock_ahead_ms as f64 / 1_000.0;
    Ok(check("connect", CheckState::Passed, format!("{how}, clock skew {skew:.2} s"), &[]))
}

fn version(server: &Server, is_tested: bool) -> Check {
    let (major, minor) = server.number;
    if is_tested {
        return check("version", CheckState::Passed, format!("{major}.{minor} is tested"), &[]);
    }
    let message = format!("{major}.{minor} is untested (tested: MariaDB 10.11)");
    check("version", CheckState::Warning, message, &[])
}

/// Our account as `GRANT` wants it: `` `sync`@`%` ``.
async fn account(session: &mut Session) -> Result<String, Failure> {
    let rows = session.rows("select current_user()").await?;
    let account = rows.into_iter().flatten().next().and_then(cell_text).unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    let mut sql = Vec::new();
    literal::name(user, &mut sql);
    sql.push(b'@');
    literal::name(host, &mut sql);
    Ok(String::from_utf8_lossy(&sql).into_owned())
}

/// What our user may do, found out with statements that change nothing.
async fn privileges(session: &mut Session, described: &Described) -> Result<Privileges, Failure> {
    let table = &described.sql_name;
    let mut column = Vec::new();
    let writable = described.table.columns.iter().find(|column| !column.is_generated);
    literal::name(writable.map_or("", |column| column.name.as_str()), &mut column);
    let column = String::from_utf8_lossy(&column).into_owned();
    let tries = [
        format!("explain select {column} from {table}"),
        format!("explain insert into {table} ({column}) values (null)"),
        format!("explain update {table} set {column} = {column} where false"),
        format!("explain delete from {table} where false"),
    ];
    let mut allowed = [false; 4];
    for (sql, allowed) in tries.iter().zip(&mut allowed) {
        *allowed = match session.run(sql).await {
            Ok(()) => true,
            Err(Failure::Server { code, .. }) => !matches!(code, 1044 | 1142 | 1143 | 1227 | 1370),
            Err(failure) => return Err(failure),
        };
    }
    let [select, insert, update, delete] = allowed;
    let writes = !described.table.is_view;
    Ok(Privileges {
        select,
        insert: insert && writes,
        update: update && writes,
        delete: delete && writes,
    })
}

fn table_privileges(user: &str, names: &[Text], found: &[Option<Described>]) -> Check {
    let (mut reads, mut writes, mut missing, mut fix) = (vec![], vec![], vec![], vec![]);
    for (name, described) in names.iter().zip(found) {
        let Some(described) = described else {
            missing.push(format!("{name} is not there, or cannot be seen"));
            continue;
        };
        let Privileges { select, insert, update, delete } = described.table.privileges;
        if select {
            reads.push(name.as_str());
        }
        let lacking: Vec<&str> = [
            ("SELECT", select),
            ("INSERT", insert || described.table.is_view),
            ("UPDATE", update || described.table.is_view),
            ("DELETE", delete || described.table.is_view),
        ]
        .iter()
        .filter(|(_, has)| !has)
        .map(|(name, _)| *name)
        .collect();
        if lacking.is_empty() && !described.table.is_view {
            writes.push(name.as_str());
        } else if !lacking.is_empty() {
            missing.push(format!("{name} lacks {}", lacking.join(", ")));
            fix.push(format!("GRANT {} ON {} TO {user};", lacking.join(", "), described.sql_name));
        }
    }
    let unreadable = reads.len() < names.len();
    let list =
        |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let mut message = format!("read {}; write {}", list(&reads), list(&writes));
    for what in &missing {
        message.push_str("; ");
        message.push_str(what);
    }
    let state = match (missing.is_empty(), unreadable) {
        (true, _) => CheckState::Passed,
        (false, false) => CheckState::Warning,
        (false, true) => CheckState::Failed,
    };
    check("privileges", state, message, &fix)
}

async fn read_only(session: &mut Session) -> Result<Option<Check>, Failure> {
    let rows = session.rows("select @@global.read_only").await?;
    let value = rows.into_iter().flatten().next().and_then(cell_text).unwrap_or_default();
    Ok((value != "0" && value != "OFF").then(|| {
        let message = "the server is read only: a replica, or it was set so";
        check("read_only", CheckState::Warning, message, &["SET GLOBAL read_only = 0;".to_owned()])
    }))
}

/// A group of rows must be written together or not at all.
fn engines(found: &[Option<Described>]) -> Vec<Check> {
    found
        .iter()
        .flatten()
        .filter(|described| !described.is_transactional())
        .map(|described| {
            let message = format!(
                "{} uses {}, which has no transactions: it is read, not written",
                described.table.name, described.engine
            );
            let fix = format!("ALTER TABLE {} ENGINE = InnoDB;", described.sql_name);
            check("write", CheckState::Failed, message, &[fix])
        })
        .collect()
}

/// Whether the table of marks is there and may be written.
pub(super) async fn has_marks(session: &mut Session) -> Result<bool, Failure> {
    let table = marks::TABLE;
    for sql in [
        format!("explain select intent_id, state, at, row_key from {table}"),
        format!("explain insert into {table} (intent_id, state, at) values ('', '', 0)"),
        format!("explain update {table} set row_key = '' where intent_id = ''"),
        format!("explain delete from {table} where at < 0"),
    ] {
        match session.run(&sql).await {
            Ok(()) => {}
            Err(Failure::Server { .. }) => return Ok(false),
            Err(failure) => return Err(failure),
        }
    }
    Ok(true)
}

async fn marks_check(
    session: &mut Session,
    settings: &Settings,
    user: &str,
) -> Result<Check, Failure> {
    if settings.marks == Marks::None {
        let message = "marks: none: after a lost answer, who wrote a value is told by the value";
        return Ok(check("marks", CheckState::Warning, message, &[]));
    }
    if has_marks(session).await? {
        let message = format!("{} is there and may be written", marks::TABLE);
        return Ok(check("marks", CheckState::Passed, message, &[]));
    }
    let state =
        if settings.marks == Marks::Table { CheckState::Failed } else { CheckState::Warning };
    let mut place = Vec::new();
    literal::name(&settings.database, &mut place);
    place.extend_from_slice(format!(".{}", marks::TABLE).as_bytes());
    let message = format!("{} is not there, or may not be written", marks::TABLE);
    let fix = [
        format!("{} ENGINE = InnoDB;", marks::CREATE),
        format!("{};", marks::ADD_KEY),
        format!("{};", marks::CREATE_INDEX),
        format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {user};",
            String::from_utf8_lossy(&place)
        ),
    ];
    Ok(check("marks", state, message, &fix))
}

/// How far the server's clock is ahead: its time against the middle of the question.
async fn clock_ahead_ms(session: &mut Session) -> Result<i64, Failure> {
    let asked = SystemClock.now();
    // The session's zone is UTC, so this counts from 1970 in UTC.
    let rows = session
        .rows("select timestampdiff(microsecond, '1970-01-01 00:00:00', sysdate(6)) div 1000")
        .await?;
    let answered = SystemClock.now();
    let theirs = rows.into_iter().flatten().next().and_then(cell_text);
    let theirs = theirs.and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    Ok(theirs - asked.ms().midpoint(answered.ms()))
}

fn clock(ahead_ms: i64) -> Check {
    let seconds = ahead_ms.unsigned_abs() as f64 / 1_000.0;
    if ahead_ms.abs() < 1_000 {
        return check("clock", CheckState::Passed, format!("{seconds:.2} s apart"), &[]);
    }
    let side = if ahead_ms > 0 { "ahead" } else { "behind" };
    let message = format!(
        "{seconds:.1} s {side}: `newest` treats differences under {seconds:.1} s as ties and falls \
         back to priority"
    );
    check("clock", CheckState::Warning, message, &[])
}
