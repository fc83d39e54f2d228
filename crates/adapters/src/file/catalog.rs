//! What a file system is found to be: the columns are those of the headers, and what is guaranteed follows
//! from what files are.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Value,
};
use syncline_ports::catalog::{
    Catalog, Check, CheckState, Column, Fitness, NativeKind, Privileges, Table, Travels,
};

use crate::{
    file::{
        System, blocking,
        place::{self, Look},
        rows::Rows,
    },
    settings::folder::{Folder, Form, Holds},
};

/// Describes a file system.
pub(super) struct FileCatalog {
    system: Arc<System>,
}

impl FileCatalog {
    pub(super) fn new(system: Arc<System>) -> Self {
        Self { system }
    }

    fn action(&self, table: &str) -> String {
        format!("look at {table} of \"{}\"", self.system.name)
    }
}

#[async_trait]
impl Catalog for FileCatalog {
    async fn tables(&mut self) -> Result<Vec<Text>, PortError> {
        place::look_in(&self.system)?;
        Ok(self.system.folder.keys.keys().cloned().collect())
    }

    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError> {
        place::look_in(&self.system)?;
        let mut described = Vec::with_capacity(tables.len());
        for table in tables {
            let (system, name) = (Arc::clone(&self.system), table.clone());
            let action = self.action(table);
            let found = blocking(&action, move || describe(&system, &name)).await?;
            described.push(Some(found));
        }
        Ok(described)
    }

    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError> {
        place::look_in(&self.system)?;
        let folder = Arc::clone(&self.system.folder);
        let mut checks =
            vec![check("folder", CheckState::Passed, folder.path.display().to_string())];
        if folder.writes {
            checks.push(writable(&folder));
        }
        for table in tables {
            let (system, name) = (Arc::clone(&self.system), table.clone());
            let action = self.action(table);
            let found = blocking(&action, move || Ok(newest(&system, &name))).await?;
            checks.push(found);
        }
        checks.extend(promises(&folder));
        Ok(Fitness {
            product: Text::from(format!("{} files", folder.form.word())),
            is_tested: true,
            has_marks: false,
            clock_ahead_ms: 0,
            checks,
        })
    }

    async fn create_marks(&mut self) -> Result<(), PortError> {
        let action = format!("create the table of marks in \"{}\"", self.system.name);
        Err(PortError::new(ErrorKind::Unsupported, action, "a folder has no tables"))
    }

    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError> {
        let (system, name) = (Arc::clone(&self.system), Text::new(table));
        let (columns, action) = (columns.to_vec(), self.action(table));
        blocking(&self.action(table), move || {
            let Some(path) = state(&system, &name)? else { return Ok(Vec::new()) };
            let Look::Found(found) = place::open(&system, path)? else { return Ok(Vec::new()) };
            let opened = Rows::open(&system.folder, &found, &columns, &[], &action)?;
            let Ok(mut rows) = opened else { return Ok(Vec::new()) };
            let mut sample = Vec::new();
            while let (true, Ok(Some(entry))) = (sample.len() < limit, rows.next()) {
                if entry.broken.is_none() {
                    sample.push(entry.values);
                }
            }
            Ok(sample)
        })
        .await
    }
}

/// The file that shows what an entity's files are like.
fn state(system: &System, table: &str) -> Result<Option<PathBuf>, PortError> {
    match system.folder.holds {
        Holds::All => place::path(system, table),
        Holds::Changes => Ok(place::all(system, table)?.pop().map(|(_, path)| path)),
    }
}

fn describe(system: &System, table: &Text) -> Result<Table, PortError> {
    let folder = &system.folder;
    let action = format!("look at {table} of \"{}\"", system.name);
    let look = match state(system, table)? {
        Some(path) => place::open(system, path)?,
        None => Look::Missing,
    };
    let columns = match &look {
        Look::Found(found) => match Rows::open(folder, found, &[], &[], &action)? {
            Ok(rows) => rows.head().names,
            Err(_) => Vec::new(),
        },
        Look::Missing | Look::NotNow(_) => Vec::new(),
    };
    let native = match folder.form {
        Form::Csv(_) => NativeKind::Text,
        Form::JsonLines | Form::Xlsx { .. } => NativeKind::Json,
    };
    let column = |name: Text| Column {
        name,
        nullable: true,
        type_name: Text::new(if native == NativeKind::Text { "text" } else { "cell" }),
        travels: Travels::Exactly(native),
        ..Column::default()
    };
    Ok(Table {
        name: table.clone(),
        is_open: columns.is_empty(),
        primary_key: folder.keys.get(table).cloned().unwrap_or_default(),
        columns: columns.into_iter().map(column).collect(),
        privileges: Privileges {
            select: true,
            insert: folder.writes,
            update: folder.writes,
            delete: folder.writes,
        },
        ..Table::default()
    })
}

/// A file is made in the folder, and removed.
fn writable(folder: &Folder) -> Check {
    let path = folder.path.join(format!(".syncline-{}.tmp", std::process::id()));
    let made = std::fs::write(&path, b"").and_then(|()| std::fs::remove_file(&path));
    match made {
        Ok(()) => check("write", CheckState::Passed, "a file can be made and removed there"),
        Err(error) => check("write", CheckState::Failed, format!("no file can be made: {error}")),
    }
}

/// What there is of an entity's files.
fn newest(system: &System, table: &Text) -> Check {
    let folder = &system.folder;
    let pattern = folder.name.shown(table);
    let found = state(system, table).and_then(|path| match path {
        Some(path) => place::open(system, path),
        None => Ok(Look::Missing),
    });
    let look = match found {
        Ok(look) => look,
        Err(error) => return check(table, CheckState::Failed, error.to_string()),
    };
    match look {
        Look::Missing if folder.writes => check(
            table,
            CheckState::Passed,
            format!("no file {pattern} yet: the next write makes one"),
        ),
        Look::Missing => check(table, CheckState::Warning, format!("there is no file {pattern}")),
        Look::NotNow(why) => check(table, CheckState::Warning, why),
        Look::Found(found) => {
            let action = format!("read {}", found.name);
            match Rows::open(folder, &found, &[], &[], &action) {
                Ok(Ok(_)) => {
                    let bytes = found.identity.bytes;
                    check(table, CheckState::Passed, format!("{}, {bytes} bytes", found.name))
                }
                Ok(Err(why)) => check(table, CheckState::Failed, why),
                Err(error) => check(table, CheckState::Failed, error.to_string()),
            }
        }
    }
}

/// What is guaranteed, and what is not.
fn promises(folder: &Folder) -> Vec<Check> {
    let mut checks = Vec::new();
    if folder.reads {
        let settle = folder.settle.as_millis();
        checks.push(check(
            "reads",
            CheckState::Passed,
            match folder.holds {
                Holds::All => format!(
                    "a file that was not changed for {settle} ms and was read to its end is a complete \
                     scan; one that is cut, broken or missing says nothing of what it does not show"
                ),
                Holds::Changes => format!(
                    "a file that was not changed for {settle} ms is read once; what is not in it is as \
                     it was"
                ),
            },
        ));
    }
    if folder.writes {
        let state = if folder.reads { CheckState::Warning } else { CheckState::Passed };
        let said = "a file is replaced at once by a new one beside it, if it is still what was read; \
                    what somebody saves in the instant between is lost without trace";
        checks.push(check("writes", state, said));
    }
    checks
}

fn check(name: &str, state: CheckState, message: impl AsRef<str>) -> Check {
    Check { name: Text::new(name), state, message: Text::new(message), fix: Vec::new() }
}
