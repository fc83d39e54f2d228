//! Describes a database: its tables, and whether it is fit to be kept in step.

use async_trait::async_trait;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Value,
};
use syncline_ports::{
    catalog::{Catalog, Check, CheckState, Fitness, Table},
    clock::Clock as _,
};

use crate::{
    clock::SystemClock,
    postgres::{
        connect::{Purpose, Session, borrowed},
        failure::port_error,
        listen::examine,
        sql,
        table::{self, Known},
        wire::Raw,
    },
    settings::{Marks, Settings, Tls},
    sql::marks,
};

/// The versions that the tests run against.
const TESTED: [i32; 1] = [15];
/// What the statements need.
const OLDEST: i32 = 12;
/// A clock further off than this is worth a word, in milliseconds.
const CLOCK_NOTICED_MS: i64 = 500;

/// The catalog of a PostgreSQL database.
pub(crate) struct PostgresCatalog {
    settings: Settings,
    session: Option<Session>,
}

impl PostgresCatalog {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), session: None }
    }

    async fn session(&mut self) -> Result<&mut Session, PortError> {
        if self.session.as_ref().is_some_and(|session| !session.is_open()) {
            self.session = None;
        }
        match &mut self.session {
            Some(session) => Ok(session),
            empty @ None => Ok(empty.insert(Session::open(&self.settings, Purpose::Work).await?)),
        }
    }
}

#[async_trait]
impl Catalog for PostgresCatalog {
    async fn tables(&mut self) -> Result<Vec<Text>, PortError> {
        let session = self.session().await?;
        let rows = session
            .client
            .query_typed(sql::TABLES, &[])
            .await
            .map_err(|error| port_error("list tables", &error))?;
        Ok(rows.iter().map(|row| Text::new(row.get::<_, &str>(0))).collect())
    }

    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError> {
        let session = self.session().await?;
        let mut described = Vec::with_capacity(tables.len());
        for name in tables {
            described.push(table::look_up(session, name).await?.map(|known| known.table));
        }
        Ok(described)
    }

    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError> {
        let settings = self.settings.clone();
        let session = self.session().await?;
        let server = Server::ask(session).await?;
        let clock_ahead_ms = clock_ahead(session).await?;
        let mut known = Vec::new();
        for name in tables {
            known.push((name.clone(), table::look_up(session, name).await?));
        }
        let (is_there, is_usable) = marks_state(session).await?;
        let has_marks = is_there && is_usable && settings.marks != Marks::None;
        let mut checks = vec![server.connect(&settings, clock_ahead_ms), server.version()];
        checks.extend(server.primary());
        checks.push(privileges(&known, &server.user));
        checks.extend(hidden(&known));
        checks.extend(server.marks(&settings, is_there, is_usable));
        checks.extend(examine::checks(session, &settings.name, &known).await?);
        checks.push(clock(clock_ahead_ms));
        checks.extend(server.encoding());
        Ok(Fitness {
            product: Text::new(format!("PostgreSQL {}", server.version)),
            is_tested: TESTED.contains(&server.major),
            has_marks,
            clock_ahead_ms,
            checks,
        })
    }

    async fn create_marks(&mut self) -> Result<(), PortError> {
        let session = self.session().await?;
        let statements = format!(
            "{}; {}; {}",
            marks::CREATE,
            marks::ADD_KEY,
            marks::CREATE_INDEX.replace("create index ", "create index if not exists ")
        );
        session
            .client
            .batch_execute(&statements)
            .await
            .map_err(|error| port_error("create the table of marks", &error))
    }

    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError> {
        let session = self.session().await?;
        let known = table::require(session, table).await?;
        let mut list = Vec::new();
        let mut carriers = Vec::new();
        for name in columns {
            let carrier = known.carriers.get(name).ok_or_else(|| {
                PortError::new(
                    ErrorKind::SchemaDrift,
                    format!("sample table {table:?}"),
                    format!("column {name:?} is not there, or its type does not travel"),
                )
            })?;
            list.push(carrier.select(&format!("t.{}", sql::quoted(name))));
            carriers.push(carrier);
        }
        let spread = spread(&known, limit);
        let mut rows = Vec::new();
        for sampling in spread.iter().map(String::as_str).chain([""]) {
            let statement = format!(
                "select {} from {} t {sampling} limit {limit}",
                list.join(", "),
                known.qualified
            );
            rows = session
                .client
                .query(&statement, &borrowed::<i32>(&[]))
                .await
                .map_err(|error| port_error(format!("sample table {table:?}"), &error))?;
            if rows.len() == limit {
                break;
            }
        }
        // A value that cannot be read is no sample; the scan will name its row.
        Ok(rows
            .iter()
            .filter_map(|row| {
                carriers
                    .iter()
                    .enumerate()
                    .map(|(at, carrier)| carrier.codec.decode(row.get::<_, Raw<'_>>(at).0).ok())
                    .collect()
            })
            .collect())
    }
}

/// How to take rows from all over a large table; `None` for a small one.
fn spread(known: &Known, limit: usize) -> Option<String> {
    let rows = known.table.rows_estimate;
    if !known.is_plain || rows < 20 * limit as u64 {
        return None;
    }
    // Three times as many as are wanted: pages are not equally full.
    let percent = (300.0 * limit as f64 / rows as f64).min(100.0);
    Some(format!("tablesample system ({percent:.6})"))
}

/// What the server says about itself.
struct Server {
    version: String,
    major: i32,
    is_replica: bool,
    is_read_only: bool,
    encoding: String,
    user: String,
    is_encrypted: bool,
    schema: String,
}

impl Server {
    async fn ask(session: &Session) -> Result<Self, PortError> {
        let rows = session
            .client
            .query_typed(sql::SERVER, &[])
            .await
            .map_err(|error| port_error("ask the server what it is", &error))?;
        let row = rows.first().ok_or_else(|| {
            PortError::new(ErrorKind::Unexpected, "ask the server what it is", "no answer")
        })?;
        let version: String = row.get(0);
        Ok(Self {
            // Distributions add their own name in parentheses.
            version: version.split(' ').next().unwrap_or_default().to_owned(),
            major: row.get::<_, i32>(1) / 10_000,
            is_replica: row.get(2),
            is_read_only: row.get(3),
            encoding: row.get(4),
            user: row.get(5),
            is_encrypted: row.get(6),
            schema: row.get(7),
        })
    }

    fn connect(&self, settings: &Settings, clock_ahead_ms: i64) -> Check {
        let line = match (self.is_encrypted, settings.tls) {
            (true, Tls::VerifyFull) => "TLS verify-full",
            (true, Tls::Require | Tls::Off) => "TLS, name not checked",
            (false, _) => "no TLS",
        };
        let skew = clock_ahead_ms as f64 / 1_000.0;
        passed("connect", format!("{line}, clock skew {skew:.2} s"))
    }

    fn version(&self) -> Check {
        let (state, message) = if TESTED.contains(&self.major) {
            (CheckState::Passed, format!("{} is tested", self.version))
        } else if self.major < OLDEST {
            (
                CheckState::Failed,
                format!("{} is too old: at least {OLDEST} is needed", self.version),
            )
        } else {
            let tested = TESTED.map(|major| major.to_string()).join(", ");
            (CheckState::Warning, format!("{} is untested (tested: {tested})", self.version))
        };
        check("version", state, message, Vec::new())
    }

    fn primary(&self) -> Option<Check> {
        if self.is_replica {
            let message = "this is a standby: it accepts no writes, and shows rows late";
            return Some(check(
                "primary",
                CheckState::Failed,
                format!("{message}. Point the URL at the primary"),
                Vec::new(),
            ));
        }
        self.is_read_only.then(|| {
            check(
                "primary",
                CheckState::Warning,
                "our transactions are read-only by default".into(),
                vec![format!(
                    "ALTER ROLE {} SET default_transaction_read_only = off;",
                    sql::quoted(&self.user)
                )],
            )
        })
    }

    fn marks(&self, settings: &Settings, is_there: bool, is_usable: bool) -> Option<Check> {
        if settings.marks == Marks::None {
            return None;
        }
        let user = sql::quoted(&self.user);
        let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON syncline_applied TO {user};");
        let message = match (is_there, is_usable) {
            (true, true) => return Some(passed("marks", "syncline_applied is there".into())),
            (true, false) => {
                "syncline_applied is there, but not as this version needs it, or our user may not \
                 use it"
                    .to_owned()
            }
            (false, _) => {
                "there is no table syncline_applied: after a lost answer, a write cannot be told \
                 from somebody else's"
                    .to_owned()
            }
        };
        let mut fix = Vec::new();
        if !is_there {
            let schema = if self.schema.is_empty() {
                String::new()
            } else {
                format!(" -- in {}", self.schema)
            };
            fix.push(format!("{};{schema}", marks::CREATE));
            fix.push(format!("{};", marks::CREATE_INDEX));
        }
        if is_there {
            fix.push(format!("{};", marks::ADD_KEY));
        }
        fix.push(grant);
        let state = match settings.marks {
            Marks::Table => CheckState::Failed,
            Marks::IfPresent | Marks::None => CheckState::Warning,
        };
        Some(check("marks", state, message, fix))
    }

    fn encoding(&self) -> Option<Check> {
        if self.encoding == "UTF8" {
            return None;
        }
        let message = format!(
            "the database is stored as {}: characters that it lacks cannot be written",
            self.encoding
        );
        Some(check("encoding", CheckState::Warning, message, Vec::new()))
    }
}

/// How far the server's clock is ahead of ours, in milliseconds.
async fn clock_ahead(session: &Session) -> Result<i64, PortError> {
    let before = SystemClock.now();
    let rows = session
        .client
        .query_typed(sql::CLOCK, &[])
        .await
        .map_err(|error| port_error("ask for the time", &error))?;
    let after = SystemClock.now();
    let theirs: i64 = rows.first().map_or(0, |row| row.get(0));
    Ok((theirs - i64::midpoint(before.0, after.0)) / 1_000)
}

/// Whether the table of marks is there, and whether we may use it.
pub(crate) async fn marks_state(session: &Session) -> Result<(bool, bool), PortError> {
    let rows = session
        .client
        .query_typed(sql::MARKS, &[])
        .await
        .map_err(|error| port_error("look for the table of marks", &error))?;
    Ok(rows.first().map_or((false, false), |row| (row.get(0), row.get(1))))
}

fn privileges(tables: &[(Text, Option<Known>)], user: &str) -> Check {
    let (mut reads, mut writes, mut missing, mut fix) = (vec![], vec![], vec![], vec![]);
    let mut state = CheckState::Passed;
    for (name, known) in tables {
        let Some(known) = known else {
            missing.push(format!("{name} is not there, or cannot be seen"));
            state = CheckState::Failed;
            continue;
        };
        let rights = known.table.privileges;
        let lacking: Vec<&str> = [
            (rights.select, "SELECT"),
            (rights.insert, "INSERT"),
            (rights.update, "UPDATE"),
            (rights.delete, "DELETE"),
        ]
        .into_iter()
        .filter_map(|(is_granted, right)| (!is_granted).then_some(right))
        .collect();
        if rights.select {
            reads.push(name.as_str());
        } else {
            state = CheckState::Failed;
        }
        if rights.insert && rights.update && rights.delete {
            writes.push(name.as_str());
        }
        if !lacking.is_empty() && !known.table.is_view {
            missing.push(format!("{name} lacks {}", lacking.join(", ")));
            fix.push(format!(
                "GRANT {} ON {} TO {};",
                lacking.join(", "),
                known.qualified,
                sql::quoted(user)
            ));
            if state == CheckState::Passed {
                state = CheckState::Warning;
            }
        }
    }
    let list = |names: &[&str]| if names.is_empty() { "nothing".into() } else { names.join(", ") };
    let mut message = format!("read {}; write {}", list(&reads), list(&writes));
    if !missing.is_empty() {
        message = format!("{message}; {}", missing.join("; "));
    }
    check("privileges", state, message, fix)
}

/// Tables with policies that may hide rows: a hidden row looks deleted.
fn hidden(tables: &[(Text, Option<Known>)]) -> Option<Check> {
    let names: Vec<&str> = tables
        .iter()
        .filter(|(_, known)| known.as_ref().is_some_and(|known| known.hides_rows))
        .map(|(name, _)| name.as_str())
        .collect();
    (!names.is_empty()).then(|| {
        check(
            "row_security",
            CheckState::Warning,
            format!("policies may hide rows of {}: a hidden row looks deleted", names.join(", ")),
            Vec::new(),
        )
    })
}

fn clock(ahead_ms: i64) -> Check {
    let seconds = ahead_ms.abs() as f64 / 1_000.0;
    if ahead_ms.abs() < CLOCK_NOTICED_MS {
        return passed("clock", format!("{seconds:.2} s apart"));
    }
    let side = if ahead_ms > 0 { "ahead" } else { "behind" };
    let message = format!(
        "{seconds:.1} s {side}: `newest` treats differences under {seconds:.1} s as ties and falls \
         back to priority"
    );
    check("clock", CheckState::Warning, message, Vec::new())
}

/// A check without complaint.
pub(super) fn passed(name: &str, message: String) -> Check {
    check(name, CheckState::Passed, message, Vec::new())
}

/// How a check went.
pub(super) fn check(name: &str, state: CheckState, message: String, fix: Vec<String>) -> Check {
    Check {
        name: Text::new(name),
        state,
        message: Text::from(message),
        fix: fix.into_iter().map(Text::from).collect(),
    }
}
