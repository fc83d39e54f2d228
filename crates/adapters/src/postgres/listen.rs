//! Hears which rows of this system change.

use std::sync::Arc;

use syncline_core::{
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::Plan,
};
use syncline_ports::listener::Listener;

use crate::settings::{Listening, Settings};

/// Opens what the system offers to hear changes as they happen.
///
/// # Errors
/// As [`crate::listen`].
pub(crate) async fn listen(
    settings: &Settings,
    _plan: Arc<Plan>,
    _system: SystemIndex,
    _listening: &Listening,
) -> Result<Box<dyn Listener>, PortError> {
    let action = format!("listen to \"{}\"", settings.name);
    Err(PortError::new(ErrorKind::Unsupported, action, "changes are polled"))
}
