//! File systems: a folder whose files are tables. Class E (correctness.md 1.4): a file is read, compared and
//! replaced as a whole; what somebody saves in the instant between is overwritten.
//!
//! A file as a source is what it holds: all rows there are, or what has changed. As a target it is the
//! state of the rows written so far, replaced at once by a new one beside it.

mod bound;
mod by_key;
mod catalog;
mod change;
mod csv;
mod delta;
mod held;
mod listen;
mod place;
mod print;
mod replace;
mod rows;
mod source;
mod spool;
mod target;
mod xlsx;

use std::sync::Arc;

use syncline_core::{
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::{Class, Plan},
};
use syncline_ports::{catalog::Catalog, listener::Listener};

use crate::{
    Connector,
    file::{catalog::FileCatalog, listen::Watch, source::FileSource, target::FileTarget},
    settings::{Settings, folder::Folder},
};

/// A file system, ready to be asked.
#[derive(Debug)]
struct System {
    name: String,
    folder: Arc<Folder>,
}

impl System {
    fn new(settings: &Settings) -> Result<Arc<Self>, PortError> {
        let folder = settings.folder.clone().ok_or_else(|| {
            let action = format!("open \"{}\"", settings.name);
            PortError::new(ErrorKind::SchemaDrift, action, "it has neither `read` nor `write`")
        })?;
        Ok(Arc::new(Self { name: settings.name.clone(), folder }))
    }
}

/// Prepares a file system to be described. Nothing is read yet.
///
/// # Errors
/// `SchemaDrift` where nothing is said of its files.
pub(crate) fn catalog(settings: &Settings) -> Result<Box<dyn Catalog>, PortError> {
    Ok(Box::new(FileCatalog::new(System::new(settings)?)))
}

/// Prepares a file system to be read and written.
///
/// # Errors
/// As [`catalog()`]; `Unreachable` if the folder is not there.
pub(crate) fn open(
    settings: &Settings,
    plan: Arc<Plan>,
    _system: SystemIndex,
) -> Result<Connector, PortError> {
    let opened = System::new(settings)?;
    place::look_in(&opened)?;
    Ok(Connector {
        source: Box::new(FileSource::new(Arc::clone(&opened), Arc::clone(&plan))),
        target: Box::new(FileTarget::new(opened, plan)),
        class: Class::Blind,
    })
}

/// Watches a file system's folder.
///
/// # Errors
/// As [`catalog()`].
pub(crate) fn listen(
    settings: &Settings,
    plan: &Plan,
    system: SystemIndex,
) -> Result<Box<dyn Listener>, PortError> {
    Ok(Box::new(Watch::new(System::new(settings)?, plan, system)))
}

/// Does work that may wait for a disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    action: &str,
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(PortError::new(ErrorKind::Unexpected, action, error.to_string()))
    })
}

/// What the operating system says, in our words.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the operating system has many words; those that are not named mean that it cannot be reached"
)]
fn failed(action: &str, error: &std::io::Error) -> PortError {
    use std::io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::PermissionDenied => ErrorKind::Forbidden,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::DiskFull,
        Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        _ => ErrorKind::Unreachable,
    };
    PortError::new(kind, action, error.to_string())
}
