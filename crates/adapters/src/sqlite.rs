//! SQLite files: class B with the table of marks, else D (correctness.md 1.4).
//!
//! SQLite works in our process and blocks, so everything here runs on blocking threads. There is
//! one writer at a time: writes wait for the lock as long as the statement time-out says, and hold
//! it for one bounded transaction.

mod bound;
mod catalog;
mod connection;
pub(crate) mod listen;
mod refusal;
mod scan;
mod source;
mod target;
mod types;
mod write;

use std::sync::Arc;

use syncline_core::{
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::{Class, Plan},
};
use syncline_ports::catalog::Catalog;

use crate::{
    Connector,
    settings::{Marks, Settings},
    sql::marks,
    sqlite::{
        bound::Bindings, connection::Worker, connection::port_error, source::SqliteSource,
        target::SqliteTarget,
    },
};

/// Opens a file to be described.
///
/// # Errors
/// `Unreachable` if there is no such database.
pub(crate) async fn catalog(settings: &Settings) -> Result<Box<dyn Catalog>, PortError> {
    Ok(Box::new(catalog::SqliteCatalog::open(settings).await?))
}

/// Opens a file to be read and written. Tables are compared with the plan when they are first used.
///
/// # Errors
/// `Unreachable` if there is no such database; `SchemaDrift` if a table of marks is demanded and
/// is not there.
pub(crate) async fn open(
    settings: &Settings,
    plan: Arc<Plan>,
    _system: SystemIndex,
) -> Result<Connector, PortError> {
    let settings = Arc::new(settings.clone());
    let mut worker = Worker::new(Arc::clone(&settings));
    let is_there = worker
        .run(|connection| {
            let found = catalog::has_marks(connection)
                .and_then(|found| Ok(found && !connection.is_readonly("main")?));
            found.map_err(|error| port_error("look for the table of marks", &error))
        })
        .await?;
    let has_marks = match settings.marks {
        Marks::None => false,
        Marks::IfPresent => is_there,
        Marks::Table if is_there => true,
        Marks::Table => {
            return Err(PortError::new(
                ErrorKind::SchemaDrift,
                format!("open {}", settings.name),
                format!("there is no table {} that may be written", marks::TABLE),
            ));
        }
    };
    let bindings = Arc::new(Bindings::new(plan, has_marks));
    Ok(Connector {
        source: Box::new(SqliteSource::new(Arc::clone(&settings), Arc::clone(&bindings))),
        target: Box::new(SqliteTarget::new(settings, bindings)),
        class: if has_marks { Class::Marked } else { Class::Plain },
    })
}

#[cfg(test)]
mod attack;
#[cfg(test)]
mod tests;
