//! The workshops behind the doors: one folder per kind of system, the hub's store, the clock.
//!
//! Adapters know the ports and the core; they know neither the engine nor each other.

pub mod clock;
mod file;
pub mod followed;
pub mod hashed;
pub mod hub;
mod mysql;
pub mod notify;
pub mod otlp;
#[cfg(test)]
mod pages;
mod postgres;
pub mod push;
pub mod remote;
pub mod rest;
pub mod settings;
pub mod sql;
mod sqlite;
pub mod tls;
pub mod webhook;

use std::sync::Arc;

use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::{Class, Plan},
};
use syncline_ports::{catalog::Catalog, listener::Listener, source::Source, target::Target};

use crate::settings::{Kind, Listening, Settings, Way};

/// An open system.
pub struct Connector {
    /// Reads from it.
    pub source: Box<dyn Source>,
    /// Writes to it.
    pub target: Box<dyn Target>,
    /// What it can do: [`Class::Marked`] with a table of marks, else [`Class::Plain`]; of a REST
    /// system [`Class::Versioned`] or [`Class::Blind`], of a file system [`Class::Blind`]; of one that
    /// only tells [`Class::Plain`].
    pub class: Class,
}

/// Opens a system to be described.
///
/// # Errors
/// What keeps it from being reached: `Unreachable`, `Unauthorized`, `Tls`, `TimedOut`.
pub async fn catalog(settings: &Settings) -> Result<Box<dyn Catalog>, PortError> {
    match settings.kind {
        Kind::Mysql => mysql::catalog(settings).await,
        Kind::Sqlite => sqlite::catalog(settings).await,
        Kind::Postgres => Ok(postgres::catalog(settings)),
        Kind::Rest => rest::catalog(settings),
        Kind::File => file::catalog(settings),
        Kind::Push => Ok(push::catalog(settings)),
    }
}

/// Opens a system to be read and written, and compares the plan's bindings with its tables.
///
/// # Errors
/// As [`catalog`]; `SchemaDrift` and `Unsupported` where a table or column is not as needed;
/// `Forbidden` or `SchemaDrift` if a table of marks is demanded and is not there.
pub async fn open(
    settings: &Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
) -> Result<Connector, PortError> {
    match settings.kind {
        Kind::Mysql => mysql::open(settings, plan, system).await,
        Kind::Sqlite => sqlite::open(settings, plan, system).await,
        Kind::Postgres => postgres::open(settings, &plan, system).await,
        Kind::Rest => rest::open(settings, plan, system),
        Kind::File => file::open(settings, plan, system),
        Kind::Push => Ok(push::open(settings, plan, system)),
    }
}

/// Opens what a system offers to hear changes as they happen. Nothing is set up yet.
///
/// # Errors
/// As [`catalog`]; `Unheard` or `Forbidden` where the system cannot be listened to, or not this
/// way, with what would have to be changed.
pub async fn listen(
    settings: &Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
    listening: &Listening,
) -> Result<Box<dyn Listener>, PortError> {
    let action = || format!("listen to \"{}\"", settings.name);
    let ways = settings.kind.ways();
    let Some(best) = ways.first() else {
        let detail = "it tells nobody of its changes: it is polled";
        return Err(PortError::new(ErrorKind::Unheard, action(), detail));
    };
    let way = listening.way.unwrap_or(*best);
    if !ways.contains(&way) {
        let detail = format!("it cannot be listened to so: set `detect: {{{}}}`", best.word());
        return Err(PortError::new(ErrorKind::Unheard, action(), detail));
    }
    match way {
        Way::Binlog => mysql::listen::listen(settings, plan, system, listening).await,
        Way::Triggers if settings.kind == Kind::Mysql => {
            mysql::listen::triggers::listen(settings, plan, system, listening).await
        }
        Way::Triggers => sqlite::listen::listen(settings, plan, system, listening).await,
        Way::Wal => postgres::listen::listen(settings, plan, system, listening).await,
        Way::Watch => file::listen(settings, &plan, system),
    }
}

/// How far the log of a system was heard, as the system itself writes it; nothing for what is none of
/// its positions.
pub fn position_words(kind: Kind, position: &Position) -> Option<String> {
    match kind {
        Kind::Mysql => mysql::listen::position_words(position)
            .or_else(|| mysql::listen::triggers::position_words(position)),
        Kind::Sqlite => sqlite::listen::position_words(position),
        Kind::Postgres => postgres::listen::position_words(position),
        // It is not listened to.
        Kind::Rest | Kind::File | Kind::Push => None,
    }
}
