//! A folder with a configuration and systems, and the program as a person runs it there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rusqlite::Connection;
use tempfile::TempDir;

/// The table of marks, as `doctor` says it.
pub(crate) const MARKS: &str = "create table syncline_applied (intent_id char(32) not null primary key, \
     state varchar(7) not null, at bigint not null, row_key varchar(1024));";

/// A folder that goes away with the test.
pub(crate) struct World {
    home: TempDir,
}

/// What a command did.
#[derive(Clone)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Everything that it said.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The envelope of `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// It ended with this number, and each of these stands in what it said.
    #[track_caller]
    pub(crate) fn ends(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}", self.said());
        for word in words {
            assert!(self.said().contains(word), "no {word:?} in\n{}", self.said());
        }
        self
    }
}

/// Contacts of a CRM and an ERP on SQLite, with other names and codes.
pub(crate) const CONTACTS: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
      status:
        type: enum
        values: [lead, customer]
        crm: status
        erp: {column: STAT, values: {lead: "0", customer: "1"}}
        conflicts: manual
"#;

impl World {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A folder with this configuration.
    pub(crate) fn with(configuration: &str) -> Self {
        let world = Self::empty();
        world.file("syncline.yaml", configuration);
        world
    }

    /// [`CONTACTS`], with so many contacts in the CRM and none in the ERP.
    pub(crate) fn contacts(count: usize) -> Self {
        let world = Self::with(CONTACTS);
        world.sql(
            "crm",
            &format!(
                "create table contacts(id integer primary key, email text, name text, status text);
                 with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
                 insert into contacts(email, name, status)
                 select 'c' || i || '@example.com', 'Name ' || i, 'lead' from n where {count} > 0;"
            ),
        );
        world.sql(
            "erp",
            "create table CUSTOMER(NO integer primary key, EMAIL text, CNAME text, STAT text)",
        );
        world
    }

    /// The same, synchronised once.
    pub(crate) fn in_step(count: usize) -> Self {
        let world = Self::contacts(count);
        world.run(&["run", "--yes"]).ends(0, &[]);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The configuration with one text in place of another.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let file = fs::read_to_string(self.path("syncline.yaml")).unwrap();
        assert!(file.contains(from), "no {from:?} in\n{file}");
        self.file("syncline.yaml", &file.replace(from, to));
    }

    /// Runs SQL in one of the SQLite systems.
    #[track_caller]
    pub(crate) fn sql(&self, system: &str, sql: &str) {
        self.open(system).execute_batch(sql).unwrap();
    }

    pub(crate) fn open(&self, system: &str) -> Connection {
        Connection::open(self.path(&format!("{system}.db"))).unwrap()
    }

    /// What a query gives, as one text.
    #[track_caller]
    pub(crate) fn value(&self, system: &str, sql: &str) -> String {
        let value: rusqlite::types::Value =
            self.open(system).query_row(sql, [], |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Null => "null".into(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Real(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(bytes) => format!("{bytes:?}"),
        }
    }

    pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Command {
        command(self.home.path(), arguments)
    }

    /// Runs a command to its end.
    pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Done {
        finished(&mut self.command(arguments))
    }

    /// Runs a command that must end with this number; everything that it said.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, arguments: &[&str]) -> String {
        self.run(arguments).ends(code, &[]).said()
    }

    /// The two agree, and a run has nothing to do any more.
    #[track_caller]
    pub(crate) fn agrees(&self) {
        self.run(&["run"]).ends(0, &[]);
        self.run(&["verify"]).ends(0, &["no difference"]);
        self.run(&["run"]).ends(0, &["nothing changed"]);
    }
}

/// The program, as a person would run it in this folder.
pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
    command.args(arguments).current_dir(folder);
    command.env("NO_COLOR", "1").env("USER", "steward1");
    command
}

/// Runs a command to its end.
pub(crate) fn finished(command: &mut Command) -> Done {
    done(command.stdin(Stdio::null()).output().unwrap())
}

/// What a process did that has ended.
pub(crate) fn done(output: std::process::Output) -> Done {
    use std::os::unix::process::ExitStatusExt as _;
    Done {
        code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap()),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
