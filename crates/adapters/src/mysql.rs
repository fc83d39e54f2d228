//! `MariaDB` and `MySQL`: tested with `MariaDB` 10.11; `MySQL` and other versions speak the same
//! protocol and are untested, as `doctor` says.
//!
//! Reads by scan (one snapshot, ranges of the key) and by poll, writes by locked compare: rows are
//! read `for update`, compared here with exact equality, written, and read back before the commit.
//! Nothing is written through a secondary key, and no decision rests on a count of affected rows.

mod catalog;
mod connect;
mod describe;
mod failure;
pub(crate) mod listen;
mod literal;
mod locked;
mod overlap;
mod park;
mod scan;
mod source;
mod sql;
mod statements;
mod target;
mod transaction;
mod types;

use std::sync::Arc;

use syncline_core::{
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::{Class, Plan},
};
use syncline_ports::catalog::Catalog;

use crate::{
    Connector,
    mysql::{connect::Purpose, source::MysqlSource, target::MysqlTarget},
    settings::{Marks, Settings},
    sql::marks,
};

/// Opens a system to be described.
///
/// # Errors
/// What keeps it from being reached.
pub(crate) async fn catalog(settings: &Settings) -> Result<Box<dyn Catalog>, PortError> {
    Ok(Box::new(catalog::open(settings).await?))
}

/// Opens a system to be read and written, and compares the plan's bindings with its tables.
///
/// # Errors
/// What keeps it from being reached; `SchemaDrift` and `Unsupported` where a table or column is not
/// as needed; `SchemaDrift` if a table of marks is demanded and is not there.
pub(crate) async fn open(
    settings: &Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
) -> Result<Connector, PortError> {
    let mut session = connect::open(settings, Purpose::Read).await?;
    let bindings = Arc::new(sql::bind(&mut session, &settings.database, &plan, system).await?);
    let has_marks = match settings.marks {
        Marks::None => false,
        Marks::IfPresent | Marks::Table => {
            let found = catalog::has_marks(&mut session).await;
            found.map_err(|failure| failure.error("look for the table of marks"))?
        }
    };
    if settings.marks == Marks::Table && !has_marks {
        return Err(PortError::new(
            ErrorKind::SchemaDrift,
            format!("use the table of marks of \"{}\"", settings.name),
            format!("{} is not there, or may not be written", marks::TABLE),
        ));
    }
    Ok(Connector {
        source: Box::new(MysqlSource {
            settings: settings.clone(),
            bindings: bindings.clone(),
            has_marks,
            session: Some(session),
            scan: None,
        }),
        target: Box::new(MysqlTarget {
            settings: settings.clone(),
            plan,
            system,
            bindings,
            has_marks,
            session: None,
            transactions: 0,
        }),
        class: if has_marks { Class::Marked } else { Class::Plain },
    })
}

#[cfg(test)]
mod attack;
