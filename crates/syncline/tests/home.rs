//! A folder with a configuration and SQLite files, and the program run in it.

use std::process::Command;

use rusqlite::Connection;
use tempfile::TempDir;

/// The folder; it goes away with the test.
pub(crate) struct Home(TempDir);

impl Home {
    /// A folder with this configuration.
    pub(crate) fn with(configuration: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.configure(configuration);
        home
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        std::fs::write(self.0.path().join("syncline.yaml"), configuration).unwrap();
    }

    /// Executes statements in a SQLite file.
    #[track_caller]
    pub(crate) fn sql(&self, file: &str, statements: &str) {
        Connection::open(self.0.path().join(file)).unwrap().execute_batch(statements).unwrap();
    }

    /// The one value that a query gives, as text.
    #[track_caller]
    pub(crate) fn ask(&self, file: &str, query: &str) -> String {
        let database = Connection::open(self.0.path().join(file)).unwrap();
        let query = format!("select cast(({query}) as text)");
        let answer = database.query_row(&query, [], |row| row.get::<_, Option<String>>(0));
        answer.unwrap().unwrap_or_default()
    }

    /// Runs the program, which must end with this code; everything that it said.
    #[track_caller]
    pub(crate) fn syncline(&self, code: i32, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "syncline {}\n{said}", arguments.join(" "));
        said
    }
}
