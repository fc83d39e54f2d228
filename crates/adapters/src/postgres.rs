//! PostgreSQL: catalog, source and target.
//!
//! Rows travel in the server's binary form, straight to values and back (`value`, `wire`); which
//! type travels how is one table (`types`).

mod bound;
mod catalog;
mod connect;
mod failure;
pub(crate) mod listen;
mod literal;
mod numeric;
mod own;
mod scan;
mod source;
mod sql;
mod table;
mod target;
mod tls;
mod types;
mod value;
mod wire;

use syncline_core::{
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::{Class, Plan},
};
use syncline_ports::catalog::Catalog;

use crate::{
    Connector,
    postgres::connect::{Purpose, Session},
    settings::{Marks, Settings},
};

/// Opens a database to be described; it is reached with the first question.
pub(crate) fn catalog(settings: &Settings) -> Box<dyn Catalog> {
    Box::new(catalog::PostgresCatalog::new(settings))
}

/// Opens a database to be read and written.
///
/// # Errors
/// As [`crate::open`].
pub(crate) async fn open(
    settings: &Settings,
    plan: &Plan,
    system: SystemIndex,
) -> Result<Connector, PortError> {
    let session = Session::open(settings, Purpose::Work).await?;
    let (is_there, is_usable) = catalog::marks_state(&session).await?;
    let has_marks = match settings.marks {
        Marks::None => false,
        Marks::IfPresent => is_there && is_usable,
        Marks::Table if is_there && is_usable => true,
        Marks::Table => {
            let (kind, detail) = if is_there {
                (ErrorKind::Forbidden, "our user may not read and write syncline_applied")
            } else {
                (ErrorKind::SchemaDrift, "there is no table syncline_applied")
            };
            let action = format!("use the table of marks of {:?}", settings.name);
            return Err(PortError::new(kind, action, detail));
        }
    };
    let bound = bound::bind(&session, plan, system).await?;
    let source = source::PostgresSource::new(settings, bound.clone(), has_marks, session);
    let target = target::PostgresTarget::new(settings, bound, has_marks);
    Ok(Connector {
        source: Box::new(source),
        target: Box::new(target),
        class: if has_marks { Class::Marked } else { Class::Plain },
    })
}

#[cfg(test)]
mod attack;
